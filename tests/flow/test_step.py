"""A step runs its modules: what is put into one, hooked to it or changed in place counts on every path."""

import copy

import pytest
import torch
from torch import nn

from eiwflow.flow.step import affine_maps, inverse_affine_maps

from .flows import fresh_flow, images_for, ready_flow
from .numerics import largest_difference, perturb


def log_probs(flow, x):
    """Return log p(x) as it is computed in training, in inference and by a trace."""
    with torch.no_grad():
        inference = flow.log_prob(x)
    return flow.log_prob(x).detach(), inference, flow.trace(x).log_prob


def assert_one_truth(flow, x, tolerance=1e-8):
    training, inference, traced = log_probs(flow, x)
    assert largest_difference(training, inference) <= tolerance
    assert largest_difference(training, traced) <= tolerance
    assert largest_difference(flow.decode(flow.encode(x)), x) < 1e-8
    return training


# ---------------------------------------------------------------------- changes that every path sees


@pytest.mark.parametrize("split", ["entropy+pooled", "entropy", "variance"])
def test_an_update_of_all_parameters_through_data_is_seen_at_once(split):
    flow = ready_flow(split=split)
    x = images_for(flow, 3)
    before = assert_one_truth(flow, x)
    for parameter in flow.parameters():
        parameter.data.mul_(0.999)
    assert largest_difference(assert_one_truth(flow, x), before) > 1e-3


@torch.no_grad()
def added(flow):
    for parameter in flow.parameters():
        parameter += 0.005


def optimised(flow):
    optimiser = torch.optim.AdamW(flow.parameters(), lr=0.005, fused=True)
    flow.log_prob(images_for(flow, 4)).mean().backward()
    optimiser.step()


def read_by_assignment(flow):
    flow.load_state_dict(ready_flow(seed=1).state_dict(), assign=True)


def sign_turned(flow):
    flow.levels[0].steps[0].mixing.sign.neg_()


@pytest.mark.parametrize("change", [added, optimised, read_by_assignment, sign_turned])
def test_any_other_change_of_parameters_is_seen_at_once(change):
    flow = ready_flow()
    x = images_for(flow, 3)
    before = assert_one_truth(flow, x)
    change(flow)
    assert largest_difference(assert_one_truth(flow, x), before) > 1e-3


def test_another_nonlinearity_in_a_coupling_counts_on_every_path():
    flow = ready_flow(split="variance-reversed")
    x = images_for(flow, 3)
    before = assert_one_truth(flow, x)
    for coupling in flow.couplings():
        for number, layer in enumerate(coupling.network):
            if isinstance(layer, nn.ReLU):
                coupling.network[number] = nn.SiLU()
    assert largest_difference(assert_one_truth(flow, x), before) > 1e-3


def test_another_network_in_a_coupling_counts_on_every_path():
    flow = ready_flow()
    x = images_for(flow, 3)
    before = assert_one_truth(flow, x)
    coupling = flow.couplings()[0]
    coupling.network = perturb(nn.Sequential(nn.Conv2d(2, 7, 1), nn.Tanh(), nn.Conv2d(7, 4, 3, padding=1)).double())
    assert largest_difference(assert_one_truth(flow, x), before) > 1e-3


def test_a_forward_hook_on_a_coupling_fires_in_training_inference_and_trace():
    flow, calls = ready_flow(), []
    x = images_for(flow, 3)
    handle = flow.couplings()[1].register_forward_hook(lambda module, given, result: calls.append(len(given[0])))
    log_probs(flow, x)
    assert calls == [3, 3, 3]
    handle.remove()
    flow.levels[0].steps[0].register_forward_hook(lambda module, given, result: calls.append("step"))
    flow.log_prob(x).sum().backward()
    assert calls == [3, 3, 3, "step"]


def test_weight_norm_on_a_convolution_works_and_trains_its_own_parameters():
    flow = ready_flow()
    x = images_for(flow, 3)
    before = assert_one_truth(flow, x)
    layer = flow.couplings()[0].network[0]
    nn.utils.parametrizations.weight_norm(layer)
    assert largest_difference(assert_one_truth(flow, x), before) < 1e-8
    flow.log_prob(x).sum().backward()
    magnitude, direction = layer.parametrizations.weight.parameters()
    assert magnitude.grad.abs().max() > 0
    with torch.no_grad():
        magnitude.mul_(1.5)
    assert largest_difference(assert_one_truth(flow, x), before) > 1e-3
    assert direction.grad is not None


# ---------------------------------------------------------------------- derivatives of every kind


@pytest.mark.parametrize("split", ["entropy+pooled", "variance-reversed"])
def test_double_backward_through_log_prob(split):
    flow = ready_flow(split=split, steps=1)
    x = images_for(flow, 1)
    direction = images_for(flow, 1, seed=5)

    def slope(point):
        (gradient,) = torch.autograd.grad(flow.log_prob(point).sum(), point, create_graph=True)
        return gradient

    x.requires_grad_()
    (curvature,) = torch.autograd.grad((slope(x) * direction).sum(), x)
    ahead, behind = (slope((x + sign * 1e-6 * direction).detach().requires_grad_()) for sign in (1, -1))
    expected = (ahead - behind).detach() / 2e-6
    assert expected.abs().max() > 1e-3
    assert largest_difference(curvature, expected) < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("split", ["entropy+pooled", "variance-reversed"])
def test_jacrev_and_jvp_through_log_prob(split):
    flow = ready_flow(split=split)
    x, direction = images_for(flow, 2), images_for(flow, 2, seed=5)
    gradient = torch.func.jacrev(lambda point: flow.log_prob(point).sum())(x)
    value, slope = torch.func.jvp(flow.log_prob, (x,), (direction,))
    point = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(flow.log_prob(point).sum(), point)
    assert largest_difference(gradient, expected) < 1e-9
    assert largest_difference(value, flow.log_prob(x).detach()) < 1e-9
    assert largest_difference(slope, (expected * direction).sum(dim=(1, 2, 3))) < 1e-8


# ---------------------------------------------------------------------- one affine map


@pytest.mark.parametrize("init", ["principal", "random"])
def test_a_step_is_its_parts_one_after_the_other(init):
    flow = ready_flow(init=init)
    level = flow.levels[0]
    x, _ = level.squeeze(images_for(flow, 3))
    for step in level.steps:
        folded, of_folded = step(x)
        log_det = 0
        for _, part in step.parts():
            x, of_part = part(x)
            log_det = log_det + of_part
        assert largest_difference(folded, x) < 1e-12
        assert largest_difference(of_folded, log_det) < 1e-10


def test_the_affine_maps_of_a_level_computed_together_are_those_of_its_steps():
    level = ready_flow(steps=3).levels[0]
    maps, inverses = affine_maps(level.steps, 16), inverse_affine_maps(level.steps)
    for step, affine, (back, back_bias) in zip(level.steps, maps, inverses, strict=True):
        (alone,) = affine_maps([step], 16)
        for found, expected in zip(affine, alone, strict=True):
            assert largest_difference(found, expected) < 1e-13
        identity = torch.eye(step.channels, dtype=torch.double)
        assert largest_difference(back @ affine.matrix, identity) < 1e-10
        assert largest_difference(back @ affine.bias + back_bias, torch.zeros_like(back_bias)) < 1e-10
        assert affine.log_det.item() == pytest.approx(16 * torch.linalg.slogdet(affine.matrix).logabsdet.item())


# ---------------------------------------------------------------------- memory


def gradients(flow, x):
    flow.zero_grad(set_to_none=True)
    flow.log_prob(x).mean().backward()
    return {name: parameter.grad for name, parameter in flow.named_parameters() if parameter.grad is not None}


def recomputing(flow):
    flow = copy.deepcopy(flow)
    for level in flow.levels:
        level.recompute = True
    return flow


@pytest.mark.parametrize("in_bfloat16", [False, True])
def test_recomputed_gradients_are_the_stored_ones(in_bfloat16):
    flow = ready_flow(dtype=torch.float32, steps=3, shape=(3, 8, 8), width=8)
    for coupling in flow.couplings():
        coupling.in_bfloat16 = in_bfloat16
    x = images_for(flow, 4)
    stored, recomputed = gradients(flow, x), gradients(recomputing(flow), x)
    assert stored.keys() == recomputed.keys()
    assert all(torch.equal(stored[name], recomputed[name]) for name in stored)


def test_the_setting_recompute_reaches_the_levels():
    assert all(level.recompute for level in fresh_flow(memory="recompute").levels)
    assert not any(level.recompute for level in fresh_flow().levels)


def saved_bytes(flow, x):
    """Return the bytes that autograd stores for the backward pass, the flow's own tensors aside."""
    own = {tensor.untyped_storage().data_ptr() for tensor in flow.state_dict().values()}
    stored = {}

    def pack(tensor):
        stored[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        flow.log_prob(x).mean()
    return sum(tensor.untyped_storage().nbytes() for pointer, tensor in stored.items() if pointer not in own)


def test_recomputing_stores_a_fraction():
    flow = ready_flow(dtype=torch.float32, shape=(3, 16, 16), steps=8, width=32)
    x = images_for(flow, 8)
    assert saved_bytes(recomputing(flow), x) < 0.25 * saved_bytes(flow, x)


def test_distributed_training_with_recomputing_misses_no_gradient(tmp_path):
    flow = recomputing(ready_flow(dtype=torch.float32))
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(flow)
        x = images_for(flow, 4)
        for _ in range(2):  # the second forward pass is refused where a parameter got no gradient in the first
            log_prob, _ = model(x)
            log_prob.mean().backward()
    finally:
        torch.distributed.destroy_process_group()
    assert all(parameter.grad is not None for parameter in flow.parameters())


# ---------------------------------------------------------------------- a level


def test_a_level_is_squeeze_steps_shuffle_and_split_one_after_the_other():
    flow = ready_flow()
    level, x = flow.levels[0], images_for(flow, 3)
    kept, epsilon, log_det, _ = level(x)
    y, total = level.squeeze(x)
    for bijection in (*level.steps, level.shuffle, level.split):
        y, part = bijection(y)
        total = total + part
    assert largest_difference(kept, y[:, :2]) < 1e-12
    assert largest_difference(epsilon, y[:, 2:]) < 1e-12
    assert largest_difference(log_det, total) < 1e-10
    assert largest_difference(level.inverse(kept, epsilon), x) < 1e-10
