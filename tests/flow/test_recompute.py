"""memory="recompute": the gradients of what was stored, found again by inverting, in memory that does not grow."""

import copy
import statistics
from pathlib import Path

import pytest
import torch

from eiwflow.checkpoint import load
from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.flow.coupling import AffineCoupling
from eiwflow.flow.recompute import recomputed

from .bijections import BIJECTIONS, every_bijection, made
from .flows import fresh_flow, images_for, ready_flow
from .numerics import noise, perturb

CHECKPOINTS = sorted((Path(__file__).resolve().parents[2] / "assets" / "checkpoints").glob("*.safetensors"))
#: ‖Δgradient‖ / ‖gradient‖ of every tensor.
EXACT, FLOAT32 = 1e-9, 1e-4


def gradients(function, x, parameters):
    """Return the gradients of x and the parameters, of a sum that weighs every output otherwise."""
    x = x.clone().requires_grad_()
    y, log_det = function(x)
    weighed = (y * noise(*y.shape, seed=1, dtype=y.dtype)).sum()
    weighed = weighed + (log_det * noise(len(y), seed=2, dtype=y.dtype)).sum()
    return torch.autograd.grad(weighed, [x, *parameters], allow_unused=True)


def largest_error(found, expected):
    """Return the largest ‖Δgradient‖ / ‖gradient‖; where there is no gradient there must be none."""
    errors = [0.0]
    for ours, plain in zip(found, expected, strict=True):
        assert (ours is None) == (plain is None)
        if plain is not None and (ours - plain).any():
            errors.append(((ours - plain).norm() / plain.norm()).item())
    return max(errors)


def learnt(flow, x, divergence=False):
    """Return the gradient of every parameter, of a training step's loss."""
    flow.zero_grad(set_to_none=True)
    log_prob, of_shuffles = flow(x, divergence=divergence)
    (log_prob.mean() / flow.config.dimensions + (of_shuffles.mean() if divergence else 0)).backward()
    return [parameter.grad for parameter in flow.parameters()]


def recomputing(flow):
    """Return the same flow, recomputing."""
    flow = copy.deepcopy(flow)
    for level in flow.levels:
        level.recompute = True
    return flow


# ---------------------------------------------------------------------- any bijection


@every_bijection
def test_gradients_of_any_bijection_are_the_stored_ones(make):
    bijection = made(make)
    x = noise(3, 4, 4, 2, seed=3)
    parameters = list(bijection.parameters())
    found = gradients(lambda x: recomputed([bijection], x), x, parameters)
    assert largest_error(found, gradients(bijection, x, parameters)) <= EXACT


def test_gradients_of_a_chain_of_all_that_keep_the_shape_are_the_stored_ones():
    chain = [made(make) for name, make in BIJECTIONS.items() if name != "squeeze"]
    parameters = [parameter for bijection in chain for parameter in bijection.parameters()]

    def stored(x):
        total = 0
        for bijection in chain:
            x, log_det = bijection(x)
            total = total + log_det
        return x, total

    x = noise(3, 4, 4, 2, seed=3)
    found = gradients(lambda x: recomputed(chain, x), x, parameters)
    assert largest_error(found, gradients(stored, x, parameters)) <= EXACT


def test_a_frozen_parameter_gets_no_gradient():
    bijection = made(BIJECTIONS["actnorm"])
    bijection.bias.requires_grad_(False)
    x = noise(3, 4, 4, 2, seed=3)
    y, log_det = recomputed([bijection], x)
    (y.square().sum() + log_det.sum()).backward()
    assert bijection.bias.grad is None
    assert bijection.log_scale.grad.any()


# ---------------------------------------------------------------------- a flow


@pytest.mark.parametrize("split", ["weighted", "shuffle", "static-last"])
@pytest.mark.parametrize("network", ["3-1-3", "5-1"])
def test_a_flow_learns_the_same_with_its_divergence_too(split, network):
    stored = ready_flow(split=split, network=network, steps=3, scale_bound=1.5)
    other = MultiScaleFlow(FlowConfig(**{**stored.config.to_dict(), "memory": "recompute"})).double()
    other.load_state_dict(stored.state_dict())
    x = images_for(stored, 4)
    assert largest_error(learnt(other, x, True), learnt(stored, x, True)) <= EXACT
    assert torch.equal(other.log_prob(x), stored.log_prob(x))


@pytest.mark.parametrize(("dtype", "bound"), [(torch.double, EXACT), (torch.float32, FLOAT32)], ids=str)
def test_thirty_two_steps_a_level_learn_the_same(dtype, bound):
    flow = fresh_flow(shape=(3, 8, 8), steps=32, width=8, dtype=dtype)
    x = images_for(flow, 16)
    flow.initialise(x)
    perturb(flow, 0.005)
    assert largest_error(learnt(recomputing(flow), x), learnt(flow, x)) <= bound


@pytest.mark.parametrize("path", CHECKPOINTS[::4], ids=lambda path: path.stem)
def test_a_trained_flow_learns_the_same_and_in_float32_within_what_a_unit_that_changes_sides_does(path):
    stored = load(path).flow.requires_grad_()
    x = images_for(stored, 2)
    exact = copy.deepcopy(stored).double()
    assert largest_error(learnt(recomputing(exact), x.double()), learnt(exact, x.double())) <= EXACT
    # A trained network has units so near to zero that rounding moves them across it; the gradients of float32 itself
    # are off from those of float64 by as much, in the few tensors before such a unit.
    errors = [largest_error([a], [b]) for a, b in zip(learnt(recomputing(stored), x), learnt(stored, x), strict=True)]
    assert statistics.median(errors) <= FLOAT32
    assert max(errors) <= 0.1


def saved_bytes(config, batch=16):
    """Return the bytes that torch keeps for the way back, the flow's own tensors aside."""
    flow = MultiScaleFlow(config).to(memory_format=torch.channels_last)
    flow.initialise(torch.rand(batch, *config.shape) - 0.5)
    own = {tensor.untyped_storage().data_ptr() for tensor in flow.state_dict().values()}
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        flow.log_prob(torch.rand(batch, *config.shape) - 0.5).mean()
    return sum(tensor.untyped_storage().nbytes() for pointer, tensor in kept.items() if pointer not in own)


def test_what_is_kept_does_not_grow_with_the_steps():
    few, many = (saved_bytes(FlowConfig(steps=steps, width=16, memory="recompute")) for steps in (4, 32))
    assert many <= 1.05 * few
    assert saved_bytes(FlowConfig(steps=4, width=16)) > 3 * few


def test_networks_in_bfloat16_recompute_by_the_way_for_any_bijection():
    flow = ready_flow(dtype=torch.float32, shape=(3, 8, 8), width=8)
    for module in flow.modules():
        if isinstance(module, AffineCoupling):
            module.bfloat16 = True
    x = images_for(flow, 8)
    # An activation that comes back a bit off may round to the next number of bfloat16, 0.4 % away.
    assert largest_error(learnt(recomputing(flow), x), learnt(flow, x)) <= 0.02


def test_distributed_training_misses_no_gradient(tmp_path):
    flow = recomputing(ready_flow(dtype=torch.float32, split="shuffle"))
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        model = torch.nn.parallel.DistributedDataParallel(flow)
        x = images_for(flow, 4)
        for _ in range(2):  # the second forward pass is refused where a parameter got no gradient in the first
            log_prob, divergence = model(x, divergence=True)
            (log_prob.mean() + divergence.mean()).backward()
    finally:
        torch.distributed.destroy_process_group()
    assert all(parameter.grad is not None for parameter in flow.parameters())
