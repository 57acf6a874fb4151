"""What eiwflow.analysis.weights says of a level's channels."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy import stats

from eiwflow.analysis.weights import (
    Channels,
    ChannelWeights,
    Correlations,
    channel_weights,
    dequantised,
    features_at,
    interval,
    measure,
    resampled,
    signed,
)
from eiwflow.flow import ConfigError, NonFiniteError
from eiwflow.flow.information import entropy_rate, redundancy
from eiwflow.flow.policies import entropy_order
from eiwflow.flow.score import score

from ..flow.flows import POLICIES, every_policy, ready_flow
from .test_levels import images

WEIGHED = [split for split in POLICIES if split.endswith("pooled")]


def made_up(n: int = 40, channels: int = 4, seed: int = 0, **changes: object) -> ChannelWeights:
    """Return weights of n images that are −log σ and noise, and J of 4, 3, 2, … nats by position."""
    rng = np.random.default_rng(seed)
    log_std = rng.normal(size=(n, channels))
    found = Channels(
        log_weights=-0.5 * log_std + 0.3 * rng.normal(size=(n, channels)),
        log_std=log_std,
        redundancy=np.arange(channels, 0, -1) + 0.1 * rng.normal(size=(n, channels)),
        entropy_rate=np.zeros((n, channels)),
    )
    fields = {
        "level": 1,
        "shape": (channels, 4, 4),
        "rule": "entropy",
        "order": tuple(reversed(range(channels))),
        "image": Channels(*(getattr(found, field.name)[:1] for field in dataclasses.fields(found))),
        "images": found,
    }
    return ChannelWeights(**{**fields, **changes})


def without_weights(weights: ChannelWeights, **changes: object) -> ChannelWeights:
    """Return the same level of a policy that has no weights."""
    image, others = (dataclasses.replace(part, log_weights=None) for part in (weights.image, weights.images))
    return dataclasses.replace(weights, image=image, images=others, **changes)


# ---------------------------------------------------------------------- what is measured


@every_policy
@pytest.mark.parametrize("level", [1, 2])
def test_figures_are_those_of_the_trace_by_position(split: str, level: int) -> None:
    flow = ready_flow(split=split, levels=3)
    found = channel_weights(flow, images(1), images(5, seed=1), level, seed=3)
    for part, pixels, seed in ((found.image, images(1), 3), (found.images, images(5, seed=1), 0)):
        trace = flow.trace(dequantised(flow, pixels, seed)).levels[level - 1]
        ordered = trace.features[:, trace.order]
        if trace.log_weights is None:
            assert part.log_weights is None
        else:
            np.testing.assert_allclose(part.log_weights, trace.log_weights, atol=1e-12)
        np.testing.assert_allclose(part.log_std, ordered.std(dim=(2, 3), correction=0).log(), atol=1e-6)
        np.testing.assert_allclose(part.redundancy, redundancy(ordered), atol=1e-12)
        np.testing.assert_allclose(part.entropy_rate, entropy_rate(ordered), atol=1e-12)
    assert found.order == tuple(trace.order.tolist()) and found.has_weights == ("pooled" in split)
    assert found.shape == flow.config.level_shape(level)


def test_images_have_the_noise_that_scores_give_them() -> None:
    flow = ready_flow(dtype=torch.float32).requires_grad_(False)
    log_prob = flow.log_prob(dequantised(flow, images(70), seed=2))
    np.testing.assert_allclose(score(flow, images(70), seed=2), 8 - log_prob / (64 * np.log(2)), atol=1e-5)


def test_batches_make_no_difference() -> None:
    flow = ready_flow()
    whole = measure(flow, images(40), 1)
    trace = flow.trace(dequantised(flow, images(40), 0)).levels[0]
    np.testing.assert_allclose(whole.log_weights, trace.log_weights, atol=1e-12)


def test_only_the_image_looked_at_depends_on_the_seed() -> None:
    flow = ready_flow()
    a, b = (channel_weights(flow, images(1), images(5, seed=1), 1, seed) for seed in (0, 1))
    assert np.abs(a.log_weights - b.log_weights).max() > 0
    np.testing.assert_array_equal(a.mean, b.mean)


def test_an_image_among_itself_is_not_turned_at_all() -> None:
    flow = ready_flow()
    alone = channel_weights(flow, images(1), images(1), 1)
    np.testing.assert_array_equal(alone.relative, 0)
    np.testing.assert_array_equal(alone.std, 0)
    assert "alike for every image" in alone.in_words()


def test_a_constant_factor_on_every_weight_leaves_what_is_identified() -> None:
    before = made_up()
    shifted = [dataclasses.replace(part, log_weights=part.log_weights + 0.7) for part in (before.image, before.images)]
    after = dataclasses.replace(before, image=shifted[0], images=shifted[1])
    np.testing.assert_allclose(after.relative, before.relative, atol=1e-12)
    np.testing.assert_allclose(after.correlations.pearson, before.correlations.pearson, atol=1e-12)
    assert after.in_words() == before.in_words()


def test_averages_may_be_measured_beforehand() -> None:
    flow = ready_flow()
    once = channel_weights(flow, images(1), measure(flow, images(5, seed=1), 1), 1)
    assert once.to_dict() == channel_weights(flow, images(1), images(5, seed=1), 1).to_dict()


@pytest.mark.parametrize("level", [0, 3, -1])
def test_a_level_without_a_shuffle_is_refused_in_one_sentence(level: int) -> None:
    with pytest.raises(ConfigError, match=rf"level is {level}; of this flow's levels, 1 to 2 have a Shuffle\."):
        channel_weights(ready_flow(levels=3), images(1), images(2), level)


def test_a_flow_of_one_level_has_no_shuffle_at_all() -> None:
    with pytest.raises(ConfigError, match="at least two levels"):
        channel_weights(ready_flow(levels=1), images(1), images(2), 1)


def test_what_is_not_finite_is_named_by_its_level() -> None:
    flow = ready_flow(levels=3)
    with torch.no_grad():
        flow.levels[1].steps[0].actnorm.bias[0] = torch.inf
    features_at(flow, dequantised(flow, images(1), 0), 1)
    with pytest.raises(NonFiniteError, match="Level 2"):
        features_at(flow, dequantised(flow, images(1), 0), 2)


# ---------------------------------------------------------------------- the correlation


def test_correlation_is_scipys_and_its_interval_near_fishers() -> None:
    found = made_up(n=200)
    for position in range(4):
        a, b = -found.images.log_weights[:, position], found.images.log_std[:, position]
        expected = stats.pearsonr(a, b)
        assert found.correlations.pearson[position] == pytest.approx(expected.statistic)
        assert found.correlations.spearman[position] == pytest.approx(stats.spearmanr(a, b).statistic)
        assert found.correlations.slope[position] == pytest.approx(stats.linregress(b, -a).slope)
        fisher = expected.confidence_interval(0.95)
        assert found.correlations.low[position] == pytest.approx(fisher.low, abs=0.03)
        assert found.correlations.high[position] == pytest.approx(fisher.high, abs=0.03)


def test_copies_of_a_photograph_do_not_make_an_interval_narrower() -> None:
    once = made_up(n=20)
    copied = Channels(*(np.repeat(getattr(once.images, f.name), 4, axis=0) for f in dataclasses.fields(Channels)))
    by_photograph = dataclasses.replace(once, images=copied, sources=tuple(np.repeat(range(20), 4)))
    blind = dataclasses.replace(once, images=copied)
    np.testing.assert_allclose(by_photograph.correlations.low, once.correlations.low, atol=1e-9)
    np.testing.assert_allclose(by_photograph.correlations.high, once.correlations.high, atol=1e-9)
    assert (blind.correlations.low > once.correlations.low).all()
    np.testing.assert_allclose(by_photograph.redundancy_interval, once.redundancy_interval)


def test_weights_that_do_not_vary_have_no_correlation() -> None:
    found = made_up()
    parts = {"image": (found.image, 1), "images": (found.images, 40)}
    still = {name: dataclasses.replace(part, log_weights=np.full((n, 4), 0.3)) for name, (part, n) in parts.items()}
    flat = dataclasses.replace(found, **still)
    assert np.isnan(flat.correlations.pearson).all() and np.isnan(flat.correlations.low).all()
    assert flat.in_words() == "Level 1 weighs its channels alike for every image."
    assert "nothing to correlate" in flat.correlations.in_words()
    assert flat.correlation_in_words(0) == "The weight of channel 3 is the same for every image."
    assert f"r = {signed(found.correlations.pearson[0], 2)} (95 % interval" in found.correlation_in_words(0)


def test_words_count_the_intervals_away_from_zero() -> None:
    words = Correlations(
        pearson=np.array([0.9, 0.1, -0.8, np.nan]),
        low=np.array([0.7, -0.2, -0.9, np.nan]),
        high=np.array([1.0, 0.4, -0.6, np.nan]),
        spearman=np.zeros(4),
        slope=np.array([-2.0, -1.0, 0.5, np.nan]),
    ).in_words()
    assert "rises" in words and "in 1 of 3 channels and falls in 1" in words and "r = +0.10" in words
    assert "twice as loud, its weight is ×0.50 (median over channels)" in words


def test_interval_of_a_mean_covers_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(size=(400, 1))
    low, high = interval(resampled(400) @ values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)


# ---------------------------------------------------------------------- the split line


@every_policy
def test_channels_that_would_stay_are_those_of_the_entropy_order(split: str) -> None:
    flow = ready_flow(split=split)
    found = channel_weights(flow, images(1), images(20, seed=1), 1)
    features = features_at(flow, dequantised(flow, images(20, seed=1), 0), 1)
    expected = set(entropy_order(features)[: found.kept].tolist())
    assert {channel for channel, stays in zip(found.order, found.would_stay, strict=True) if stays} == expected


def test_channels_of_like_redundancy_on_both_sides_are_a_near_tie_and_others_are_not() -> None:
    clear = made_up()
    assert not clear.near_ties.any() and "no near-tie" in clear.ties_in_words()
    like = clear.images.redundancy.copy()
    like[:, 2] = like[::-1, 1]
    tied = dataclasses.replace(clear, images=dataclasses.replace(clear.images, redundancy=like))
    assert tied.near_ties.tolist() == [False, True, True, False]
    assert {tied.ties.at_line.kept, tied.ties.at_line.emitted} == {1, 2}
    assert "1 pair is a near-tie" in tied.ties_in_words()
    renumbered = dataclasses.replace(tied, order=(1, 3, 0, 2))
    assert {renumbered.ties.at_line.kept, renumbered.ties.at_line.emitted} == {3, 0}
    assert renumbered.ties.order[0] == 1 and renumbered.ties.order[3] == 2


def test_one_image_has_no_ties_to_judge() -> None:
    flow = ready_flow()
    alone = channel_weights(flow, images(1), images(1), 1)
    assert alone.ties is None and not alone.near_ties.any() and "J on these images" in alone.ties_in_words()


def test_words_name_the_channels_that_would_change_sides() -> None:
    found = made_up()
    swapped = found.images.redundancy[:, [2, 1, 0, 3]]
    moved = dataclasses.replace(found, images=dataclasses.replace(found.images, redundancy=swapped))
    assert "would now send out channel 3 in place of channel 1" in moved.ties_in_words()
    assert "would send out the same channels" in found.ties_in_words()
    assert "does not look at J" in dataclasses.replace(found, rule="last").ties_in_words()


def test_a_long_list_of_channels_is_cut_short() -> None:
    found = made_up(channels=24)
    assert found.numbers(np.arange(24) < 3) == "channels 21, 22 and 23"
    assert found.numbers(np.arange(24) < 20) == "channels 4, 5, 6, 7, 8, 9, 10 and 13 more"


# ---------------------------------------------------------------------- words and tables


@every_policy
def test_words_say_whether_there_are_weights(split: str) -> None:
    found = channel_weights(ready_flow(split=split), images(1), images(5, seed=1), 1)
    words = found.in_words()
    assert ("has no weights" in words) == (not found.has_weights)
    if split in WEIGHED:
        assert "level 1 turns channel" in words and "entropy" not in words


def test_a_static_split_is_told_what_the_entropy_order_would_have_kept() -> None:
    still = without_weights(made_up(), rule="last")
    assert "last half of its channels as they are" in still.in_words()
    assert "would send out the same channels" in still.in_words()
    swapped = dataclasses.replace(still.images, redundancy=still.images.redundancy[:, [2, 1, 0, 3]])
    words = dataclasses.replace(still, images=swapped, sources=tuple(range(40))).in_words()
    assert "would have kept 1 of these 2, channel 1, and sent out channel 3 instead" in words
    assert "40 test images of 40 photographs" in words


def test_words_name_the_ends_of_what_is_identified() -> None:
    found = made_up()
    image = dataclasses.replace(found.image, log_weights=found.mean + np.log([[1, 2, 0.5, 1]]))
    words = dataclasses.replace(found, image=image).in_words()
    assert "channel 2 up the most, to ×2.00 of its average weight, and channel 1 down the most, to ×0.50" in words


def test_words_on_rates_name_the_channels_at_the_ends() -> None:
    found = made_up()
    rates = np.tile([0.5, -1.0, 2.0, 0.0], (len(found.images.entropy_rate), 1))
    words = dataclasses.replace(found, images=dataclasses.replace(found.images, entropy_rate=rates)).rates_in_words()
    assert "runs from −1.00 (channel 2) to 2.00 nats/pixel (channel 1)" in words
    assert words.endswith("−0.25 on average over kept, 1.00 over emitted channels.")


def test_table_has_a_row_a_position_and_json_holds_it() -> None:
    found = made_up()
    rows = found.table()
    assert [(row["position"], row["channel"], row["part"]) for row in rows] == [
        (1, 3, "kept"),
        (2, 2, "kept"),
        (3, 1, "emitted"),
        (4, 0, "emitted"),
    ]
    assert rows[1]["log_weight_minus_mean_nats"] == pytest.approx(found.relative[1])
    assert json.loads(json.dumps(found.to_dict()))["channels"] == rows
    assert found.to_dict()["weights"] == "applied"
    bare = without_weights(found)
    assert bare.to_dict()["weights"] is None and not any("weight" in name for name in bare.table()[0])


def test_numbers_in_words_have_their_sign() -> None:
    assert (signed(-0.244, 2), signed(0.0018, 4)) == ("−0.24", "+0.0018")


def test_extremes_are_the_images_with_the_greatest_and_the_least_weight() -> None:
    found = made_up()
    up, down = found.extremes(2, 3)
    weights = found.images.log_weights[:, 2]
    assert len(up) == len(down) == 3
    assert weights[up].min() >= np.sort(weights)[-3] and weights[down].max() <= np.sort(weights)[2]


def test_words_say_whether_the_channel_turned_up_is_louder_or_quieter_than_usual() -> None:
    found = made_up()
    position = int(found.relative.argmax())
    for log_std, answer in ((-3.0, "quieter"), (3.0, "louder")):
        found.image.log_std[0, position] = log_std
        other = {"quieter": "louder", "louder": "quieter"}[answer]
        assert found.loudness_in_words(answer).startswith(f"Right: channel {found.order[position]} is {answer}")
        assert found.loudness_in_words(other).startswith(f"No: channel {found.order[position]} is {answer}")
