"""Labels and context: the density is exact given them, starts without them, and refuses a call that lacks them."""

import numpy as np
import pytest
import torch

from eiwflow import checkpoint
from eiwflow.flow import ContextError, Latents, one_hot

from .flows import fresh_flow, images_for, ready_flow
from .numerics import largest_difference, log_abs_det, noise

LABELS = torch.tensor([2, 0, 1])
#: Where a context enters: through the weights and the last prior, the last prior alone, and constant priors too.
ARMS = {
    "entropy": {"weights": "entropy", "memory": "recompute"},
    "means, three levels": {"weights": "means", "levels": 3},
    "no weights": {"weights": "none"},
    "constant priors": {"weights": "entropy", "prior": "constant", "top_prior": "constant"},
}
every_arm = pytest.mark.parametrize("arm", ARMS.values(), ids=ARMS.keys())


def flow_of(arm, context=3):
    return ready_flow(context=context, **arm)


@every_arm
def test_the_density_is_exact_given_the_context(arm):
    flow = flow_of(arm)
    x = images_for(flow, 3)
    context = noise(3, 3, seed=5)
    latents = flow.encode(x, context)
    assert largest_difference(flow.decode(latents, context), x) < 1e-9
    trace = flow.trace(x, context)
    stated = sum(level.log_det for level in trace.levels)
    jacobian = log_abs_det(lambda row: torch.cat([e.flatten() for e in flow.encode(row, context[:1]).levels]), x[:1])
    assert abs(float(jacobian - stated[0])) < 1e-9
    squares = sum(e.square().flatten(1).sum(dim=1) for e in latents.levels)
    expected = stated - 0.5 * (squares + 64 * np.log(2 * np.pi))
    assert largest_difference(flow.log_prob(x, context), expected) < 1e-9
    assert largest_difference(trace.log_prob, expected) < 1e-9


@every_arm
def test_labels_are_rows_with_a_one_and_change_density_and_latents(arm):
    flow = flow_of(arm)
    x = images_for(flow, 1).expand(3, -1, -1, -1)
    by_label = flow.log_prob(x, LABELS)
    assert torch.equal(by_label, flow.log_prob(x, torch.eye(3, dtype=torch.double)[LABELS]))
    assert by_label.unique().numel() == 3
    first, last = (flow.encode(x, LABELS).levels[place] for place in (0, -1))
    assert largest_difference(last[:1], last[1:2]) > 1e-4
    # Without weights inside couplings the context is in priors alone.
    in_first = arm["weights"] != "none" or arm.get("prior") == "constant"
    assert (largest_difference(first[:1], first[1:2]) > 1e-6) == in_first


@every_arm
def test_a_new_flow_ignores_its_context_and_is_the_one_without(arm):
    flow, plain = (fresh_flow(context=context, **arm) for context in (3, 0))
    x = images_for(flow, 8)
    for each in (flow, plain):
        each.initialise(x)
    assert torch.equal(flow.log_prob(x, noise(8, 3)), plain.log_prob(x))
    assert "context" not in plain.config.to_dict()
    assert not any("context" in name for name in plain.state_dict())
    own = {name: value for name, value in flow.state_dict().items() if "context_map" not in name}
    assert own.keys() == plain.state_dict().keys()
    assert all(torch.equal(own[name], value) for name, value in plain.state_dict().items())


@every_arm
def test_given_one_context_it_is_a_flow_without_one(arm, tmp_path):
    flow = flow_of(arm)
    x = images_for(flow, 3)
    for context in (1, noise(3, seed=7)):
        rows = torch.full((3,), context) if isinstance(context, int) else context.expand(3, -1)
        alone = flow.given(context)
        assert (alone.config.context, alone.config.top_prior) == (0, "constant")
        assert largest_difference(alone.log_prob(x), flow.log_prob(x, rows)) < 1e-9
        latents = flow.encode(x, rows)
        assert largest_difference(alone.decode(latents), flow.decode(latents, rows)) < 1e-9
        images = flow.as_distribution(context)
        assert largest_difference(images.log_prob(x[None])[0], alone.log_prob(x)) < 1e-9
        assert images.sample((2,)).shape == (2, 1, 8, 8)
    checkpoint.save(tmp_path / "alone.safetensors", alone.float())
    read = checkpoint.load(tmp_path / "alone.safetensors").flow
    assert largest_difference(read.log_prob(x.float()), alone.log_prob(x.float())) < 1e-3


@pytest.mark.parametrize("arm", ARMS.values(), ids=ARMS)
def test_flows_of_one_context_may_share_what_no_context_changes(arm):
    flow = flow_of(arm)
    x, before = images_for(flow, 3), {name: tensor.clone() for name, tensor in flow.state_dict().items()}
    copies, alone = flow.given(1), flow.given(1, share=True)
    assert torch.equal(alone.log_prob(x), copies.log_prob(x))
    own = {tensor.data_ptr() for tensor in flow.parameters()}
    assert not any(tensor.data_ptr() in own for tensor in copies.parameters())
    apart = sum(tensor.numel() for tensor in alone.parameters() if tensor.data_ptr() not in own)
    assert apart < 0.1 * sum(tensor.numel() for tensor in flow.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in flow.state_dict().items())


def test_gradients_flow_to_the_context_and_functions_of_torch_work():
    flow = ready_flow(context=3, weights="entropy")
    x, context = images_for(flow, 2), noise(2, 3).requires_grad_()
    flow.log_prob(x, context).sum().backward()
    step, moved = 1e-6, context.detach().clone()
    moved[1, 2] += step
    slope = (flow.log_prob(x, moved) - flow.log_prob(x, context.detach())).sum().detach() / step
    assert float(context.grad[1, 2]) == pytest.approx(float(slope), rel=1e-4)
    by_torch = torch.func.grad(lambda c: flow.log_prob(x, c).sum())(context.detach())
    assert torch.allclose(by_torch, context.grad)
    each = torch.func.vmap(lambda one, c: flow.log_prob(one[None], c[None])[0])(x, context.detach())
    assert torch.allclose(each, flow.log_prob(x, context.detach()))
    labels = torch.tensor([2, 0])
    each = torch.func.vmap(lambda one, label: flow.log_prob(one[None], label[None])[0])(x, labels)
    assert torch.allclose(each, flow.log_prob(x, labels))
    # What one_hot gives is what the flow computes with.
    assert torch.equal(flow.log_prob(x, one_hot(labels, 3, torch.double)), flow.log_prob(x, labels))


def test_samples_are_drawn_given_their_context():
    flow = ready_flow(context=3, weights="entropy")
    latents = flow.sample_latents(3, 0.7, torch.Generator().manual_seed(0))
    drawn = flow.sample(3, 0.7, torch.Generator().manual_seed(0), context=LABELS)
    assert largest_difference(drawn, flow.decode(latents, LABELS).detach()) < 1e-12
    assert largest_difference(drawn, flow.sample(3, 0.7, torch.Generator().manual_seed(0), context=LABELS.flip(0))) > 0
    bits = flow.bits_per_dim(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.Generator().manual_seed(0), LABELS)
    assert bits.shape == (3,)


REFUSALS = {
    "none": (None, "This flow needs a context: pass 2 labels from 0 to 2, or values (2, 3)."),
    "of another size": (
        torch.zeros(2, 4),
        "The context is torch.float32 of shape (2, 4); pass 2 labels from 0 to 2, or",
    ),
    "too few": (torch.zeros(1, 3), "of shape (1, 3); pass 2 labels"),
    "labels in rows": (torch.zeros(2, 3, dtype=torch.int64), "The context is torch.int64 of shape (2, 3); pass 2"),
    "labels too large": (torch.tensor([0, 3]), "The labels go from 0 to 3; pass 2 labels from 0 to 2, or values"),
    "labels below 0": (torch.tensor([-1, 2]), "The labels go from -1 to 2; pass 2 labels"),
    "truth values": (torch.tensor([True, False]), "The context is of type torch.bool; pass a tensor of 2 labels"),
    "no tensor": ([0, 1], "The context is of type list; pass a tensor of 2 labels"),
}


@pytest.mark.parametrize(("context", "sentence"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_context_that_does_not_fit_is_refused_by_every_method(context, sentence):
    flow = ready_flow(context=3)
    x = images_for(flow, 2)
    latents = Latents([torch.zeros(2, *shape, dtype=torch.double) for shape in flow.latent_shapes()])
    calls = (
        lambda: flow.log_prob(x, context), lambda: flow.encode(x, context), lambda: flow.decode(latents, context),
        lambda: flow.trace(x, context), lambda: flow.sample(2, context=context),
        lambda: flow.rsample(2, context=context),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(ContextError) as refusal:
            call()
        assert sentence in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        (None, "The context is missing; pass one label from 0 to 2, or values (3,)."),
        ("ring", "The context is 'ring'; pass one label from 0 to 2, or values (3,)."),
        (9, "The labels go from 9 to 9; pass 1 label from 0 to 2, or values (1, 3)."),
        (torch.zeros(2), "The context is torch.float32 of shape (1, 2); pass 1 label from 0 to 2, or values (1, 3)."),
    ],
)
def test_one_context_that_does_not_fit_is_refused(context, sentence):
    flow = ready_flow(context=3)
    for call in (flow.given, flow.as_distribution):
        with pytest.raises(ContextError) as refusal:
            call(context)
        assert str(refusal.value) == sentence


def test_a_flow_without_context_refuses_one():
    flow = ready_flow()
    x = images_for(flow, 2)
    for call in (lambda: flow.log_prob(x, LABELS[:2]), lambda: flow.given(1), lambda: flow.as_distribution(1)):
        with pytest.raises(ContextError, match=r"^This flow takes no context; leave it out, or build one with"):
            call()
