"""What eiwflow.analysis.channels says of one channel: its weight's worth, and its way to the pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from eiwflow.analysis import channels
from eiwflow.analysis.channels import (
    Ablation,
    ablate,
    energy_gradient,
    frozen_at,
    reach,
    replace_channel,
    resample_channel,
    with_held_weights,
)
from eiwflow.analysis.weights import features_at
from eiwflow.analysis.words import channels as words
from eiwflow.flow import ConfigError, Latents, MultiScaleFlow, to_bits_per_dim
from eiwflow.flow.config import PRIORS
from eiwflow.flow.split import standard_normal_log_prob

from .. import crossed
from ..flow.flows import POLICIES, encode_to_rows, every_policy, images_for, ready_flow
from ..flow.numerics import largest_difference, log_abs_det
from .test_levels import images
from .test_weights import WEIGHTED, dequantised

NAN = math.nan
weighed_policies = pytest.mark.parametrize("split", WEIGHTED)
order_only = pytest.mark.parametrize("split", ["first+none", "last+none", "random+none", "entropy+none"])


def lively_flow(split: str = "entropy+pooled", **fields: object) -> MultiScaleFlow:
    """Return a flow whose weights differ a good deal from image to image."""
    flow = ready_flow(split=split, **fields).requires_grad_(False)
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            if ".weights." in name and name.endswith("out.weight"):
                parameter *= 10
    return flow


# ---------------------------------------------------------------------- weights held


@crossed(split=WEIGHTED, prior=PRIORS)
@pytest.mark.parametrize("held", [[0.4, NAN, NAN, NAN], [NAN, NAN, NAN, -0.3], [0.4, NAN, -0.3, NAN], [0.1] * 4])
def test_a_flow_with_weights_held_is_still_a_density(split: str, prior: str, held: list[float]) -> None:
    flow = with_held_weights(lively_flow(split, prior=prior), 1, torch.tensor(held, dtype=torch.double))
    x = images_for(flow, 1, seed=5)
    encoded = encode_to_rows(flow, x)
    expected = standard_normal_log_prob(encoded) + log_abs_det(lambda given: encode_to_rows(flow, given), x)
    assert largest_difference(flow.log_prob(x), expected) < 1e-9
    assert largest_difference(flow.decode(flow.encode(x)), x) < 1e-10


def test_held_log_weights_are_the_numbers_given_and_the_rest_stay_free() -> None:
    flow = lively_flow()
    x = images_for(flow, 6)
    before = flow.trace(x).levels[0].log_weights
    held = torch.tensor([NAN, 0.4, NAN, NAN], dtype=torch.double)
    after = with_held_weights(flow, 1, held).trace(x).levels[0].log_weights
    assert (after[:, 1] == 0.4).all()
    torch.testing.assert_close(after[:, [0, 2, 3]], before[:, [0, 2, 3]])


def test_holding_an_emitted_weight_is_seen_by_the_kept_halfs_weights() -> None:
    flow = lively_flow()
    x = images_for(flow, 6)
    held = torch.tensor([NAN, NAN, 0.4, NAN], dtype=torch.double)
    after = with_held_weights(flow, 1, held).trace(x).levels[0].log_weights
    assert largest_difference(after[:, :2], flow.trace(x).levels[0].log_weights[:, :2]) > 1e-4


def test_the_flow_itself_is_not_touched() -> None:
    flow = lively_flow()
    before = {name: tensor.clone() for name, tensor in flow.state_dict().items()}
    ablate(flow, images(3), 1)
    with_held_weights(flow, 1, torch.zeros(4, dtype=torch.double))
    assert before.keys() == flow.state_dict().keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in flow.state_dict().items())


@order_only
def test_a_policy_without_applied_weights_has_none_to_hold(split: str) -> None:
    with pytest.raises(ConfigError, match="applies no weights"):
        ablate(ready_flow(split=split), images(2), 1)


# ---------------------------------------------------------------------- ablation


@crossed(split=WEIGHTED, level=(1, 2))
def test_cost_is_the_difference_in_the_whole_flows_bits_per_dim(split: str, level: int) -> None:
    flow = lively_flow(split, levels=3)
    found = ablate(flow, images(5), level, seed=3)
    x = dequantised(flow, images(5), 3)
    mean = flow.trace(x).levels[level - 1].log_weights.mean(dim=0)
    np.testing.assert_allclose(found.held, mean, atol=1e-12)
    before = to_bits_per_dim(flow.log_prob(x), 64)
    for position in (0, len(mean) // 2, len(mean) - 1):
        held = torch.full_like(mean, NAN)
        held[position] = mean[position]
        cost = to_bits_per_dim(with_held_weights(flow, level, held).log_prob(x), 64) - before
        np.testing.assert_allclose(found.costs[:, position], cost, atol=1e-10)
    all_held = to_bits_per_dim(with_held_weights(flow, level, mean).log_prob(x), 64) - before
    np.testing.assert_allclose(found.costs_of_all, all_held, atol=1e-10)
    assert np.abs(found.costs).max() > 1e-6


def test_weights_that_are_the_same_for_every_image_cost_nothing_to_hold() -> None:
    flow = ready_flow(weights="pooled")
    with torch.no_grad():
        for solver in (flow.levels[0].shuffle.weights.kept, flow.levels[0].shuffle.weights.emitted):
            solver.out.weight.zero_()
    found = ablate(flow, images(5), 1)
    assert np.abs(found.held).min() > 1e-4
    np.testing.assert_allclose(found.costs, 0, atol=1e-12)
    np.testing.assert_allclose(found.costs_of_all, 0, atol=1e-12)


def test_cost_does_not_depend_on_batches() -> None:
    flow = lively_flow()
    many = ablate(flow, images(40), 1)
    x = dequantised(flow, images(40), 0)
    held = with_held_weights(flow, 1, torch.as_tensor(many.held))
    cost = to_bits_per_dim(held.log_prob(x), 64) - to_bits_per_dim(flow.log_prob(x), 64)
    np.testing.assert_allclose(many.costs_of_all, cost, atol=1e-10)


def made_up(costs: list[float], n: int = 30) -> Ablation:
    """Return an ablation of n images whose costs spread by 0.001 bits/dim around ``costs``."""
    spread = 0.001 * np.random.default_rng(0).normal(size=(n, len(costs)))
    every = np.array(costs) + spread - spread.mean(axis=0)
    return Ablation(
        1, tuple(reversed(range(len(costs)))), len(costs) // 2, np.zeros(len(costs)), every, every.sum(axis=1)
    )


def test_matters_is_said_of_intervals_above_zero_only() -> None:
    sentence = words.ablation(made_up([0.01, 0.0, -0.005, 0.02]))
    assert "channel 0 matters most: +0.0200" in sentence
    assert "2 of 4 intervals lie above 0, 1 below" in sentence
    assert "every interval reaches 0" in words.ablation(made_up([0.0, 0.0]))


def test_ablation_table_has_a_row_a_channel() -> None:
    rows = made_up([0.01, 0.0, -0.005, 0.02]).table()
    assert [row["channel"] for row in rows] == [3, 2, 1, 0]
    assert [row["part"] for row in rows] == ["kept", "kept", "emitted", "emitted"]
    assert all(row["low"] < row["cost_bits_per_dim"] < row["high"] for row in rows)


# ---------------------------------------------------------------------- the input gradient


@crossed(split=POLICIES, channel=(3, 0))
def test_gradient_is_that_of_finite_differences(split: str, channel: int) -> None:
    flow, level = ready_flow(split=split, shape=(3, 8, 8), levels=3), 1 if channel else 2
    pixels = images(1, shape=(3, 8, 8))
    found = energy_gradient(flow, pixels, level, channel, seed=3)
    x = dequantised(flow, pixels, 3)

    def energy(x: Tensor) -> Tensor:
        with torch.no_grad():
            return features_at(flow, x, level)[:, channel].square().mean()

    assert found.energy == pytest.approx(energy(x).item())
    for row, column in ((0, 0), (3, 5), (7, 2)):
        slopes = []
        for colour in range(3):
            step = torch.zeros_like(x)
            step[0, colour, row, column] = 1e-5
            slopes.append((energy(x + step) - energy(x - step)).item() / 2e-5 / 256)
        assert found.gradient[row, column] == pytest.approx(np.linalg.norm(slopes), rel=1e-4, abs=1e-9)
    np.testing.assert_allclose(found.map, features_at(flow, x, level)[0, channel].detach())


def test_gradient_needs_no_parameter_gradients() -> None:
    flow = ready_flow(weights="pooled").requires_grad_(False)
    with torch.no_grad():
        assert energy_gradient(flow, images(1), 1, 0).gradient.max() > 0


def test_gradient_words_count_the_pixels_that_hold_half_of_it() -> None:
    found = energy_gradient(ready_flow(weights="pooled"), images(1), 1, 0)
    one = channels.EnergyGradient(1, 0, 1.0, found.map, np.eye(1, 64).reshape(8, 8))
    assert "on 1 of 64 pixels" in words.gradient(one)
    assert "No pixel" in words.gradient(channels.EnergyGradient(1, 0, 1.0, found.map, np.zeros((8, 8))))


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"channel is 4; level 1 has the channels 0 to 3\."):
        energy_gradient(ready_flow(weights="pooled"), images(1), 1, 4)


# ---------------------------------------------------------------------- resampling


def resampled_latents(flow: MultiScaleFlow, x: Tensor, level: int, place: int) -> tuple[Latents, Latents]:
    """Return the latents of x, and the same with one channel drawn anew."""
    latents = flow.encode(x)
    return latents, replace_channel(latents, level, place, seed=9)


@crossed(split=POLICIES, level=(1, 2))
def test_resampling_a_channel_leaves_every_other_epsilon_when_encoded_again(split: str, level: int) -> None:
    flow = lively_flow(split, levels=3)
    latents, changed = resampled_latents(flow, images_for(flow, 3), level, 1)
    again = flow.encode(flow.decode(changed))
    for number, (got, wanted, old) in enumerate(zip(again.levels, changed.levels, latents.levels, strict=True), 1):
        assert largest_difference(got, wanted) < 1e-9
        moved = (got - old).abs().amax(dim=(0, 2, 3)) > 1e-6
        assert moved.nonzero().flatten().tolist() == ([1] if number == level else [])


@order_only
def test_by_order_alone_only_that_channel_of_the_features_moves(split: str) -> None:
    flow = lively_flow(split)
    x = images_for(flow, 3)
    before, after = flow.trace(x), flow.trace(flow.decode(resampled_latents(flow, x, 1, 1)[1]))
    moved = (after.levels[0].features - before.levels[0].features).abs().amax(dim=(0, 2, 3)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [before.levels[0].order[3].item()]


@weighed_policies
def test_with_weights_the_other_channels_change_by_a_factor_an_image_unless_frozen(split: str) -> None:
    flow = lively_flow(split)
    x = images_for(flow, 1)
    _, changed = resampled_latents(flow, x, 1, 1)
    before = flow.trace(x).levels[0]
    others = before.order[:3]
    after = flow.trace(flow.decode(changed)).levels[0].features[:, others]
    factors = (after / before.features[:, others]).flatten(2)
    assert (factors.amax(dim=2) - factors.amin(dim=2)).max() < 1e-6
    assert (factors[..., 0] - 1).abs().min() > 1e-5
    frozen = flow.trace(frozen_at(flow, x, 1).decode(changed)).levels[0].features[:, others]
    assert largest_difference(frozen, before.features[:, others]) < 1e-9


def test_frozen_weights_decode_the_image_itself() -> None:
    flow = lively_flow()
    x = images_for(flow, 1)
    assert largest_difference(frozen_at(flow, x, 1).decode(flow.encode(x)), x) < 1e-10


@crossed(split=POLICIES, zeroed=(False, True))
@pytest.mark.parametrize("frozen", [False, True])
def test_change_is_that_of_the_decoded_image(split: str, zeroed: bool, frozen: bool) -> None:
    flow = lively_flow(split)
    pixels = images(1)
    channel = flow.levels[0].shuffle.order[3].item()
    found = resample_channel(flow, pixels, 1, channel, seed=3, zeroed=zeroed, frozen=frozen)
    assert found.frozen == (frozen and split in WEIGHTED) and found.zeroed == zeroed
    assert found.image.shape == found.changed.shape == (8, 8, 1) and found.change.shape == (8, 8)
    assert found.draws == (1 if zeroed else channels.EPSILON_DRAWS)
    if zeroed:
        x = dequantised(flow, pixels, 3)
        back = frozen_at(flow, x, 1) if found.frozen else flow
        changed = back.decode(replace_channel(flow.encode(x), 1, 1, None)).clamp(-0.5, 0.5)
        np.testing.assert_allclose(found.change, 256 * (changed - x)[0].abs().amax(dim=0), atol=1e-9)
        assert found.rms == pytest.approx((256 * (changed - x)).square().mean().sqrt().item())


def test_no_change_of_epsilon_is_no_change_of_the_image() -> None:
    flow = lively_flow()
    pixels, channel = images(1), flow.levels[0].shuffle.order[2].item()
    with torch.no_grad():  # the emitted channel is its prior's mean: zero is what it was
        flow.levels[0].split.prior.weight.zero_()
        flow.levels[0].split.prior.bias.zero_()
        x = dequantised(flow, pixels, 0)
        still = flow.decode(replace_channel(flow.encode(x), 1, 0, None))
    latents = flow.encode(still)
    assert latents.levels[0][:, 0].abs().max() < 1e-9
    assert largest_difference(flow.decode(replace_channel(latents, 1, 0, None)), still) < 1e-9
    assert resample_channel(flow, pixels, 1, channel, zeroed=True).rms > 0


def test_a_kept_channel_has_no_epsilon_to_draw() -> None:
    flow = ready_flow(weights="pooled")
    kept = flow.levels[0].shuffle.order[0].item()
    with pytest.raises(ConfigError, match="only factored-out channels have an ε"):
        resample_channel(flow, images(1), 1, kept)


@every_policy
def test_reach_is_the_change_of_every_emitted_channel_and_image(split: str) -> None:
    flow = lively_flow(split, levels=3)
    found = reach(flow, images(4), 2, seed=3)
    assert found.channels == tuple(flow.levels[1].shuffle.order[4:].tolist())
    x = dequantised(flow, images(4), 3)
    changed = flow.decode(replace_channel(flow.encode(x), 2, 1, 3)).clamp(-0.5, 0.5)
    expected = (256 * (changed - x)).square().mean(dim=(1, 2, 3)).sqrt()
    np.testing.assert_allclose(found.changes[:, 1], expected, atol=1e-9)
    assert found.changes.shape == (4, 4) and "grey levels" in words.reach(found)
    assert [row["channel"] for row in found.table()] == list(found.channels)
