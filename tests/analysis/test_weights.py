"""What eiwflow.analysis.weights says of a level's channels."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from scipy import stats

from eiwflow.analysis import intervals
from eiwflow.analysis.intervals import of_mean_over_images
from eiwflow.analysis.levels import dequantised as batches
from eiwflow.analysis.weights import (
    Channels,
    ChannelWeights,
    Correlations,
    WeightsPair,
    channel_weights,
    features_at,
    measure,
)
from eiwflow.analysis.words import weights as words
from eiwflow.analysis.words.numbers import signed
from eiwflow.flow import ConfigError, MultiScaleFlow, NonFiniteError
from eiwflow.flow.information import entropy_rate, redundancy
from eiwflow.flow.policies import entropy_order
from eiwflow.flow.score import score

from .. import crossed
from ..flow.flows import POLICIES, every_policy, ready_flow
from .test_levels import images

WEIGHTED = [split for split in POLICIES if split.endswith("pooled")]


def dequantised(flow: MultiScaleFlow, pixels: torch.Tensor, seed: int) -> torch.Tensor:
    """Return x of uint8 images in one batch."""
    return torch.cat(list(batches(flow, pixels, seed)))


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
        "kept": channels // 2,
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


@crossed(split=POLICIES, level=(1, 2))
def test_figures_are_those_of_the_trace_by_position(split: str, level: int) -> None:
    flow = ready_flow(split=split, levels=3)
    found = channel_weights(flow, images(1), images(5, seed=1), level, seed=3)
    for part, pixels, seed in ((found.image, images(1), 3), (found.images, images(5, seed=1), 0)):
        trace = flow.trace(dequantised(flow, pixels, seed)).levels[level - 1]
        ordered = trace.features[:, trace.order]
        if not trace.weighted:
            assert part.log_weights is None
        else:
            np.testing.assert_allclose(part.log_weights, trace.log_weights, atol=1e-12)
        np.testing.assert_allclose(part.log_std, ordered.std(dim=(2, 3), correction=0).log(), atol=1e-6)
        np.testing.assert_allclose(part.redundancy, redundancy(ordered), atol=1e-12)
        np.testing.assert_allclose(part.entropy_rate, entropy_rate(ordered), atol=1e-12)
    assert found.order == tuple(trace.order.tolist()) and found.has_weights == trace.weighted
    assert found.shape == flow.config.level_shape(level)


def test_images_have_the_noise_that_scores_give_them() -> None:
    flow = ready_flow(weights="pooled", dtype=torch.float32).requires_grad_(False)
    log_prob = flow.log_prob(dequantised(flow, images(70), seed=2))
    np.testing.assert_allclose(score(flow, images(70), seed=2), 8 - log_prob / (64 * np.log(2)), atol=1e-5)


def test_batches_make_no_difference() -> None:
    flow = ready_flow(weights="pooled")
    whole = measure(flow, images(40), 1)
    trace = flow.trace(dequantised(flow, images(40), 0)).levels[0]
    np.testing.assert_allclose(whole.log_weights, trace.log_weights, atol=1e-12)


def test_only_the_image_looked_at_depends_on_the_seed() -> None:
    flow = ready_flow(weights="pooled")
    a, b = (channel_weights(flow, images(1), images(5, seed=1), 1, seed) for seed in (0, 1))
    assert np.abs(a.log_weights - b.log_weights).max() > 0
    np.testing.assert_array_equal(a.mean, b.mean)


def test_an_image_among_itself_is_not_turned_at_all() -> None:
    flow = ready_flow(weights="pooled")
    alone = channel_weights(flow, images(1), images(1), 1)
    np.testing.assert_array_equal(alone.relative, 0)
    np.testing.assert_array_equal(alone.std, 0)
    assert "alike for every image" in words.answer(alone)


def test_a_constant_factor_on_every_weight_leaves_what_is_identified() -> None:
    before = made_up()
    shifted = [dataclasses.replace(part, log_weights=part.log_weights + 0.7) for part in (before.image, before.images)]
    after = dataclasses.replace(before, image=shifted[0], images=shifted[1])
    np.testing.assert_allclose(after.relative, before.relative, atol=1e-12)
    np.testing.assert_allclose(after.correlations.pearson, before.correlations.pearson, atol=1e-12)
    assert words.answer(after) == words.answer(before)


def test_averages_may_be_measured_beforehand() -> None:
    flow = ready_flow(weights="pooled")
    once = channel_weights(flow, images(1), measure(flow, images(5, seed=1), 1), 1)
    assert once.to_dict() == channel_weights(flow, images(1), images(5, seed=1), 1).to_dict()


@pytest.mark.parametrize("level", [0, 3, -1])
def test_a_level_without_a_shuffle_is_refused_in_one_sentence(level: int) -> None:
    with pytest.raises(ConfigError, match=rf"level is {level}; of this flow's levels, 1 to 2 have a Shuffle\."):
        channel_weights(ready_flow(weights="pooled", levels=3), images(1), images(2), level)


def test_a_flow_of_one_level_has_no_shuffle_at_all() -> None:
    with pytest.raises(ConfigError, match="at least two levels"):
        channel_weights(ready_flow(weights="pooled", levels=1), images(1), images(2), 1)


def test_what_is_not_finite_is_named_by_its_level() -> None:
    flow = ready_flow(weights="pooled", levels=3)
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
    assert words.answer(flat) == "Level 1 weights its channels alike for every image."
    assert "nothing to correlate" in words.correlations(flat.correlations)
    assert words.follow_loudness(
        flat
    ) == "No: these channel weights are the same for every picture." and "the same for every image" in words.slopes(
        flat
    )
    assert words.correlation(flat, 0) == "The weight of channel 3 is the same for every image."
    assert f"r = {signed(found.correlations.pearson[0], 2)} (95 % interval" in words.correlation(found, 0)


def test_a_draw_of_images_that_are_alike_has_no_part_in_an_interval() -> None:
    flow = made_up(n=12)
    weights, loudness = (np.repeat(values[:1], 12, axis=0) for values in (flow.images.log_weights, flow.images.log_std))
    weights[9:] += np.array([[0.1], [0.3], [0.2]])
    loudness[9:] += np.array([[0.2], [0.1], [0.4]])
    few = dataclasses.replace(flow.images, log_weights=weights, log_std=loudness)
    result = dataclasses.replace(flow, images=few).correlations
    r, slopes = [], []
    for draw in intervals.draws(12, None, intervals.RESAMPLES):
        chosen = np.repeat(np.arange(12), draw)
        if draw[9:].any() and np.unique(chosen).size > 2:
            line = stats.linregress(loudness[chosen, 0], weights[chosen, 0])
            r.append(-line.rvalue)
            slopes.append(line.slope)
    assert len(r) < intervals.RESAMPLES  # some draws hold only images that are alike
    assert (result.low[0], result.high[0]) == pytest.approx(np.quantile(r, [0.025, 0.975]), abs=1e-6)
    assert (result.slope_low[0], result.slope_high[0]) == pytest.approx(np.quantile(slopes, [0.025, 0.975]), abs=1e-6)


def test_words_count_the_intervals_away_from_zero() -> None:
    found = Correlations(
        pearson=np.array([0.9, 0.1, -0.8, np.nan]),
        low=np.array([0.7, -0.2, -0.9, np.nan]),
        high=np.array([1.0, 0.4, -0.6, np.nan]),
        spearman=np.zeros(4),
        slope=np.array([-2.0, -1.0, 0.5, np.nan]),
        slope_low=np.zeros(4),
        slope_high=np.zeros(4),
    )
    sentence = words.correlations(found)
    assert "falls" in sentence and "in 1 of 3 channels and rises in 1" in sentence and "log σ +0.10)" in sentence
    assert "twice as loud, its weight is ×0.50 (median over channels)" in sentence


def test_the_interval_of_the_slope_is_near_that_of_theory() -> None:
    found = made_up(n=200)
    for position in range(4):
        line = stats.linregress(found.images.log_std[:, position], found.images.log_weights[:, position])
        half = 1.97 * line.stderr
        assert found.correlations.slope_low[position] == pytest.approx(line.slope - half, abs=0.03)
        assert found.correlations.slope_high[position] == pytest.approx(line.slope + half, abs=0.03)


@pytest.mark.parametrize(
    ("slope", "said"),
    [
        (0.1, "No, the reverse: a channel twice as loud is turned up by 7 %."),
        (0.02, "No: a channel twice as loud is turned up by only 1 %."),
        (0.003, "No: a channel twice as loud keeps its weight."),
        (-0.03, "No: a channel twice as loud is turned down by only 2 %."),
        (-0.08, "Only a little: a channel twice as loud is turned down by 5 %."),
        (-0.3, "Partly: a channel twice as loud is turned down by 19 %."),
        (-0.9, "Yes: a channel twice as loud is turned down by 46 %."),
    ],
)
def test_the_headline_says_how_far_loud_channels_are_turned_down(slope: float, said: str) -> None:
    found = made_up(n=400)
    weighted = dataclasses.replace(found.images, log_weights=slope * found.images.log_std)
    followed = dataclasses.replace(found, images=weighted)
    assert words.follow_loudness(followed) == said
    assert words.headline({"a": followed}) == said
    without = without_weights(found)
    assert words.follow_loudness(without).startswith("No: this flow has no channel weights")
    assert words.headline({"a": followed, "b": without}).startswith(f"In a, {said[0].lower()}{said[1:]} In b, no: this")


def test_interval_of_a_mean_covers_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(size=(400, 1))
    low, high = of_mean_over_images(values, None)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)


# ---------------------------------------------------------------------- the split line


@every_policy
def test_channels_that_would_stay_are_those_of_the_entropy_order(split: str) -> None:
    flow = ready_flow(split=split)
    found = channel_weights(flow, images(1), images(20, seed=1), 1)
    features = features_at(flow, dequantised(flow, images(20, seed=1), 0), 1)
    expected = set(entropy_order(features)[: found.kept].tolist())
    assert {channel for channel, stays in zip(found.order, found.would_stay, strict=True) if stays} == expected


def test_words_name_the_channels_that_would_change_sides() -> None:
    found = made_up()
    swapped = found.images.redundancy[:, [2, 1, 0, 3]]
    moved = dataclasses.replace(found, images=dataclasses.replace(found.images, redundancy=swapped))
    assert "would now factor out channel 3 in place of channel 1" in words.order_now(moved)
    assert "would factor out the same channels" in words.order_now(found)
    assert "does not look at spectral redundancy" in words.order_now(dataclasses.replace(found, rule="last"))


def test_a_long_list_of_channels_is_cut_short() -> None:
    found = made_up(channels=24)
    assert words.named(found, np.arange(24) < 3) == "channels 21, 22 and 23"
    assert words.named(found, np.arange(24) < 20) == "channels 4, 5, 6, 7, 8, 9, 10 and 13 more"
    assert words.named(found, np.arange(24) < 1) == "channel 23"


# ---------------------------------------------------------------------- words and tables


@every_policy
def test_words_say_whether_there_are_weights_and_whether_they_are_applied(split: str) -> None:
    found = channel_weights(ready_flow(split=split), images(1), images(5, seed=1), 1)
    sentence = words.answer(found)
    assert ("has no channel weights" in sentence) == (not found.has_weights) == (split not in WEIGHTED)
    if split in WEIGHTED:
        assert "level 1 turns channel" in sentence and "entropy" not in sentence


def test_a_static_split_is_told_what_the_entropy_order_would_have_kept() -> None:
    still = without_weights(made_up(), rule="last")
    assert "factors out the last of its channels" in words.answer(still)
    assert "would factor out the same channels" in words.answer(still)
    swapped = dataclasses.replace(still.images, redundancy=still.images.redundancy[:, [2, 1, 0, 3]])
    sentence = words.answer(dataclasses.replace(still, images=swapped, sources=tuple(range(40))))
    assert "would have passed on 1 of these 2, channel 1, and factored out channel 3 instead" in sentence
    assert "40 test images of 40 photographs" in sentence


def test_words_name_the_ends_of_what_is_identified() -> None:
    found = made_up()
    image = dataclasses.replace(found.image, log_weights=found.mean + np.log([[1, 2, 0.5, 1]]))
    sentence = words.answer(dataclasses.replace(found, image=image))
    assert "channel 2 up the most, to ×2.00 of its average weight, and channel 1 down the most, to ×0.50" in sentence


def test_words_on_rates_name_the_channels_at_the_ends() -> None:
    found = made_up()
    rates = np.tile([0.5, -1.0, 2.0, 0.0], (len(found.images.entropy_rate), 1))
    sentence = words.rates(dataclasses.replace(found, images=dataclasses.replace(found.images, entropy_rate=rates)))
    assert "runs from −1.00 (channel 2) to 2.00 nats/pixel (channel 1)" in sentence
    assert sentence.endswith("−0.25 on average over channels that are passed on, 1.00 over the others.")


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
    assert list(found.short_table()[0])[:3] == ["channel", "part", "log ω minus its mean"]
    assert [row["part"] for row in found.short_table()] == ["passed on"] * 2 + ["factored out"] * 2


def test_extremes_are_the_images_with_the_greatest_and_the_least_weight() -> None:
    found = made_up()
    up, down = found.extremes(2, 3)
    weights = found.images.log_weights[:, 2]
    assert len(up) == len(down) == 3
    np.testing.assert_array_equal(weights[up], np.sort(weights)[:-4:-1])
    np.testing.assert_array_equal(weights[down], np.sort(weights)[:3])


# ---------------------------------------------------------------------- two flows


def with_emitted_redundancy(found: ChannelWeights, value: float, noise: float = 0.0, seed: int = 0) -> ChannelWeights:
    """Return weights whose factored-out channels have this redundancy in every image, and some noise an image."""
    redundancy = found.images.redundancy.copy()
    redundancy[:, found.kept :] = value + noise * np.random.default_rng(seed).normal(size=(len(redundancy), 1))
    return dataclasses.replace(found, images=dataclasses.replace(found.images, redundancy=redundancy))


def pair(first: ChannelWeights, second: ChannelWeights) -> WeightsPair:
    return WeightsPair(("a", "b"), first, second)


def test_difference_is_paired_image_by_image() -> None:
    """What images share cancels: the interval of the difference is narrower than those of the two."""
    rng = np.random.default_rng(0)
    of_images = rng.normal(size=(40, 1))
    first, second = (
        dataclasses.replace(one, images=dataclasses.replace(one.images, redundancy=one.images.redundancy + of_images))
        for one in (made_up(), with_emitted_redundancy(made_up(), 1.0, 0.1))
    )
    found = pair(first, second)
    mean, low, high = found.emitted_difference
    a, b = found.emitted_redundancy
    assert mean == pytest.approx(a - b) and low < mean < high
    alone = first.halves()[1]
    assert high - low < (alone["redundancy_high"] - alone["redundancy_low"]) / 3


def test_words_name_the_flow_that_factors_out_more_structure() -> None:
    much, little = with_emitted_redundancy(made_up(), 2.0, 0.1), with_emitted_redundancy(made_up(), 0.5, 0.1, 1)
    assert "a factors out more structure: " in words.pair(pair(much, little))
    assert "b factors out more structure" in words.pair(pair(little, much))
    assert "no verdict" in words.pair(pair(much, little))


def test_a_difference_that_noise_makes_is_not_clear() -> None:
    one, other = (with_emitted_redundancy(made_up(), 1.0, 0.2, seed) for seed in (1, 2))
    assert "Neither clearly factors out more structure" in words.pair(pair(one, other))


def test_copies_of_a_photograph_widen_the_interval() -> None:
    first, second = made_up(seed=1), made_up(seed=2)
    alone = pair(first, second).emitted_difference
    twins = np.repeat(np.arange(5), 8)
    order = first.images.redundancy.mean(axis=1).argsort()
    images = dataclasses.replace(first.images, redundancy=first.images.redundancy[order])
    grouped = dataclasses.replace(first, images=images, sources=tuple(twins))
    wide = pair(grouped, second).emitted_difference
    assert wide[0] == pytest.approx(alone[0]) and wide[2] - wide[1] > alone[2] - alone[1]


def test_weights_are_compared_by_how_much_they_vary() -> None:
    loud = made_up(seed=1)
    images = dataclasses.replace(loud.images, log_weights=3 * loud.images.log_weights)
    louder = dataclasses.replace(loud, images=images)
    assert louder.spread == pytest.approx(3 * loud.spread)
    sentence = words.pair(pair(loud, louder))
    assert f"in a by ±{loud.spread:.2f} nats (×{math.exp(loud.spread):.2f})" in sentence
    assert f"in b by ±{louder.spread:.2f} nats" in sentence


def test_flows_without_weights_say_so() -> None:
    plain = without_weights(made_up(), rule="last")
    assert "b has no channel weights." in words.pair(pair(made_up(), plain))
    assert words.pair(pair(plain, plain)).startswith("Neither of the two has channel weights.")


def test_maps_of_other_sizes_are_not_subtracted() -> None:
    deep = made_up(channels=8, level=2)
    sentence = words.pair(pair(made_up(), deep))
    assert "a (level 1) by" in sentence and "b (level 2) by" in sentence
    assert "maps of other sizes (4×4×4 and 8×4×4), so redundancy is not compared" in sentence
    assert len(pair(made_up(), deep).table()) == 4


def test_table_has_both_halves_of_both_and_the_difference() -> None:
    found = pair(made_up(), without_weights(made_up(seed=1)))
    rows = found.table()
    assert [(row["checkpoint"], row["part"]) for row in rows] == [
        ("a", "kept"), ("a", "emitted"), ("b", "kept"), ("b", "emitted"), ("a minus b", "emitted")
    ]  # fmt: skip
    assert rows[4]["redundancy_nats_per_pixel"] == pytest.approx(
        rows[1]["redundancy_nats_per_pixel"] - rows[3]["redundancy_nats_per_pixel"]
    )
    assert rows[1]["log_weight_spread_nats"] > 0 and math.isnan(rows[3]["log_weight_spread_nats"])
    assert len({tuple(row) for row in rows}) == 1 and json.dumps(rows)
