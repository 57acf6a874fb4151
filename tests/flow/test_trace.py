"""The trace shows what the flow did, and nothing else."""

import pytest
import torch

from .flows import every_policy, every_value, images_for, ready_flow
from .numerics import largest_difference


@every_policy
def test_its_log_dets_add_up_to_those_of_the_levels(split):
    flow = ready_flow(split=split)
    trace = flow.trace(x := images_for(flow, 3))
    for seen, level in zip(trace.levels, flow.levels, strict=True):
        x, _, log_det, _ = level(x)
        assert largest_difference(sum(seen.log_dets.values()), log_det) < 1e-9
        assert largest_difference(seen.log_det, log_det) < 1e-9


def test_its_log_dets_are_named_in_forward_order():
    steps = [f"step {k} {part}" for k in (1, 2) for part in ("actnorm", "mixing", "coupling")]
    flow = ready_flow()
    first, last = flow.trace(images_for(flow, 2)).levels
    assert list(first.log_dets) == ["squeeze", *steps, "shuffle", "split"]
    assert list(last.log_dets) == ["squeeze", *steps]
    assert all(log_det.shape == (2,) for log_det in first.log_dets.values())


@every_value
def test_its_density_and_latents_are_those_of_the_flow(arm):
    flow = ready_flow(**arm)
    x = images_for(flow, 3)
    trace = flow.trace(x)
    assert largest_difference(trace.log_prob, flow.log_prob(x)) < 1e-9
    for seen, encoded in zip(trace.latents.levels, flow.encode(x).levels, strict=True):
        assert largest_difference(seen, encoded) < 1e-10


def test_what_a_level_keeps_is_what_the_next_one_is_given():
    flow = ready_flow(levels=3)
    trace = flow.trace(x := images_for(flow, 2))
    assert torch.equal(trace.x, x)
    assert torch.equal(trace.levels[0].input, x)
    for before, after in zip(trace.levels[:-1], trace.levels[1:], strict=True):
        assert torch.equal(before.kept, after.input)
    assert trace.levels[-1].kept is None


@pytest.mark.parametrize("prior", ["standard", "conditional"])
def test_what_is_emitted_is_the_noise_scaled_and_moved_by_its_prior(prior):
    flow = ready_flow(prior=prior)
    for seen in flow.trace(images_for(flow, 2)).levels:
        drawn = seen.prior_mean + seen.noise * seen.prior_log_std.exp()
        assert largest_difference(drawn, seen.emitted) < 1e-12


@every_policy
def test_kept_and_emitted_are_the_features_in_the_order_times_their_weights_where_the_policy_is_pooled(split):
    flow = ready_flow(split=split)
    seen = flow.trace(images_for(flow, 2)).levels[0]
    weights = seen.log_weights.exp()[:, :, None, None] if seen.weighted else 1
    shuffled = torch.cat([seen.kept, seen.emitted], dim=1)
    assert largest_difference(shuffled, weights * seen.features[:, seen.order]) < 1e-12
    assert seen.weighted == ("pooled" in split)
    assert (seen.log_weights is None) == ("pooled" not in split)
    assert bool(seen.coupling_weights) == split.endswith(("+entropy", "+means", "+constant"))
    if not seen.weighted:
        assert not seen.log_dets["shuffle"].any()


def test_it_is_a_copy_that_later_training_cannot_change():
    flow = ready_flow()
    seen = flow.trace(images_for(flow, 2)).levels[0]
    order = seen.order.clone()
    flow.levels[0].shuffle.order.copy_(order.flip(0))
    assert torch.equal(seen.order, order)
    assert not seen.features.requires_grad
