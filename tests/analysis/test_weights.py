"""What eiwflow.analysis.weights says of a level's channels."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy import stats

from eiwflow.analysis import intervals
from eiwflow.analysis.intervals import of_mean_over_images
from eiwflow.analysis.levels import dequantised as batches
from eiwflow.analysis.levels import trace_of
from eiwflow.analysis.weights import (
    Channels,
    ChannelWeights,
    Correlations,
    channel_weights,
    of_trace,
    shuffle_at,
)
from eiwflow.analysis.words import weights as words
from eiwflow.flow import ConfigError, MultiScaleFlow
from eiwflow.flow.score import score

from .. import crossed
from ..flow.flows import POLICIES
from .test_levels import images, ready_flow

WEIGHTED = [split for split in POLICIES if split.endswith("pooled")]


def dequantised(flow: MultiScaleFlow, pixels: torch.Tensor, seed: int) -> torch.Tensor:
    """Return x of uint8 images in one batch."""
    return torch.cat(list(batches(flow, pixels, seed)))


def made_up(n: int = 40, channels: int = 4, seed: int = 0, **changes: object) -> ChannelWeights:
    """Return weights of n images that are −log σ and noise."""
    rng = np.random.default_rng(seed)
    log_std = rng.normal(size=(n, channels))
    found = Channels(
        log_weights=-0.5 * log_std + 0.3 * rng.normal(size=(n, channels)),
        log_std=log_std,
    )
    fields = {
        "level": 1,
        "shape": (channels, 4, 4),
        "kept": channels // 4,
        "order": (channels - 1, *range(channels - 1)),
        "image": Channels(*(getattr(found, field.name)[-1:] for field in dataclasses.fields(found))),
        "images": found,
    }
    return ChannelWeights(**{**fields, **changes})


def measured(
    flow: MultiScaleFlow, image: torch.Tensor, others: torch.Tensor, level: int, seed: int = 0
) -> ChannelWeights:
    """Return the weights of a level for uint8 images, as the page measures them."""
    averages = of_trace(trace_of(flow, others), level)
    return channel_weights(flow, trace_of(flow, image, seed), averages, level)


# ---------------------------------------------------------------------- what is measured


@crossed(split=WEIGHTED, level=(1, 2))
def test_figures_are_those_of_the_trace_by_position(split: str, level: int) -> None:
    flow = ready_flow(split=split, levels=3)
    found = measured(flow, images(1), images(5, seed=1), level, seed=3)
    for part, pixels, seed in ((found.image, images(1), 3), (found.images, images(5, seed=1), 0)):
        trace = flow.trace(dequantised(flow, pixels, seed)).levels[level - 1]
        np.testing.assert_allclose(part.log_weights, trace.log_weights, atol=1e-12)
        expected = trace.features[:, trace.order].std(dim=(2, 3), correction=0).log()
        np.testing.assert_allclose(part.log_std, expected, atol=1e-6)
    assert found.order == tuple(trace.order.tolist()) and found.shape == flow.config.level_shape(level)


def test_a_flow_without_weights_before_its_split_is_refused() -> None:
    flow = ready_flow(weights="none")
    with pytest.raises(ConfigError, match="does not weight its channels"):
        of_trace(trace_of(flow, images(2)), 1)


def test_images_have_the_noise_that_scores_give_them() -> None:
    flow = ready_flow(weights="pooled", dtype=torch.float32).requires_grad_(False)
    log_prob = flow.log_prob(dequantised(flow, images(70), seed=2))
    np.testing.assert_allclose(score(flow, images(70), seed=2), 8 - log_prob / (128 * np.log(2)), atol=1e-5)


def test_only_the_image_looked_at_depends_on_the_seed() -> None:
    flow = ready_flow(weights="pooled")
    a, b = (measured(flow, images(1), images(5, seed=1), 1, seed) for seed in (0, 1))
    assert np.abs(a.log_weights - b.log_weights).max() > 0
    np.testing.assert_array_equal(a.mean, b.mean)


def test_an_image_among_itself_is_not_turned_at_all() -> None:
    flow = ready_flow(weights="pooled")
    alone = measured(flow, images(1), images(1), 1)
    np.testing.assert_array_equal(alone.relative, 0)
    np.testing.assert_array_equal(alone.std, 0)
    assert "alike for every image" in words.answer(alone)


@pytest.mark.parametrize(("of_image", "of_images", "alike"), [(0, 0, True), (0.1, 0, False), (0, 0.1, False)])
def test_weights_are_alike_where_neither_the_images_nor_the_image_differ(
    of_image: float, of_images: float, alike: bool
) -> None:
    """The images' weights are symmetric, so that their mean stays where it was."""
    found = made_up(n=3)
    images = 0.7 + of_images * np.array([[-1.0], [0.0], [1.0]]) * np.array([[0, 0, 0, 1]])
    image = 0.7 + of_image * np.array([[0, 0, 1.0, 0]])
    parts = {"image": (found.image, image), "images": (found.images, images)}
    found = dataclasses.replace(found, **{k: dataclasses.replace(v, log_weights=w) for k, (v, w) in parts.items()})
    assert found.alike is alike
    assert found.relative == pytest.approx([0, 0, of_image, 0]) and found.std == pytest.approx([0, 0, 0, of_images])
    assert (words.answer(found) == "Level 1 weights its channels alike for every image.") is alike


def test_a_constant_factor_on_every_weight_leaves_what_is_identified() -> None:
    before = made_up()
    shifted = [dataclasses.replace(part, log_weights=part.log_weights + 0.7) for part in (before.image, before.images)]
    after = dataclasses.replace(before, image=shifted[0], images=shifted[1])
    np.testing.assert_allclose(after.relative, before.relative, atol=1e-12)
    np.testing.assert_allclose(after.correlations.pearson, before.correlations.pearson, atol=1e-12)
    assert words.answer(after) == words.answer(before)


@pytest.mark.parametrize("level", [0, 3, -1])
def test_a_level_without_a_shuffle_is_refused_in_one_sentence(level: int) -> None:
    with pytest.raises(ConfigError, match=rf"level is {level}; of this flow's levels, 1 to 2 have a Shuffle\."):
        shuffle_at(ready_flow(weights="pooled", levels=3), level)


def test_a_flow_of_one_level_has_no_shuffle_at_all() -> None:
    with pytest.raises(ConfigError, match="at least two levels"):
        shuffle_at(ready_flow(weights="pooled", levels=1), 1)


# ---------------------------------------------------------------------- the correlation


def test_correlation_is_scipys_and_its_interval_near_fishers() -> None:
    found = made_up(n=200)
    for position in range(4):
        a, b = -found.images.log_weights[:, position], found.images.log_std[:, position]
        expected = stats.pearsonr(a, b)
        assert found.correlations.pearson[position] == pytest.approx(expected.statistic)
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


@pytest.mark.slow
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
        slope=np.array([-2.0, -1.0, 0.5, np.nan]),
        slope_low=np.zeros(4),
        slope_high=np.zeros(4),
    )
    sentence = words.correlations(found)
    assert "falls" in sentence and "in 1 of 3 channels and rises in 1" in sentence and "log σ +0.10)" in sentence
    assert "twice as loud, its weight is ×0.50 (median over channels)" in sentence


def test_every_column_of_the_table_is_the_measure_of_its_name() -> None:
    found = made_up(n=200)
    ours, others, told = found.image, found.images, found.correlations
    rows = found.table()
    for position, row in enumerate(rows):
        weights = others.log_weights[:, position]
        expected = {
            "log_weight_nats": ours.log_weights[0, position],
            "log_weight_mean_nats": weights.mean(),
            "log_weight_std_nats": weights.std(ddof=1),
            "log_weight_minus_mean_nats": ours.log_weights[0, position] - weights.mean(),
            "log_std_nats": ours.log_std[0, position],
            "log_std_mean_nats": others.log_std[:, position].mean(),
            "pearson_minus_log_weight_log_std": told.pearson[position],
            "pearson_low": told.low[position],
            "pearson_high": told.high[position],
            "slope_log_weight_by_log_std": told.slope[position],
            "slope_low": told.slope_low[position],
            "slope_high": told.slope_high[position],
        }
        assert {name: row[name] for name in expected} == pytest.approx(expected)
        assert set(row) == {*expected, "position", "channel", "part"}
    for row, short in zip(rows, found.short_table(), strict=True):
        assert (short["spread over images"], short["log σ"]) == (row["log_weight_std_nats"], row["log_std_nats"])


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


def test_the_headline_and_the_slopes_are_of_the_median_channel() -> None:
    found = made_up(n=400, channels=5)
    slopes = np.array([-2.0, -0.08, -0.1, -0.08, 0.0])  # their mean is −0.45
    weighted = dataclasses.replace(found.images, log_weights=slopes * found.images.log_std)
    followed = dataclasses.replace(found, images=weighted)
    assert words.follow_loudness(followed) == "Only a little: a channel twice as loud is turned down by 6 %."
    said = "Slope of log ω on log σ by channel over 400 test images: −2.00 to −0.08, median −0.09."
    assert words.slopes(followed).startswith(said)
    of_photographs = dataclasses.replace(followed, sources=tuple(np.arange(400) // 8))
    assert " over 400 test images of 50 photographs: −2.00 to" in words.slopes(of_photographs)
    assert "its weight is ×0.94 (median over channels)" in words.correlations(followed.correlations)


def test_interval_of_a_mean_covers_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(size=(400, 1))
    low, high = of_mean_over_images(values, None)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)


def test_words_name_the_ends_of_what_is_identified() -> None:
    found = made_up()
    image = dataclasses.replace(found.image, log_weights=found.mean + np.log([[1, 2, 0.5, 1]]))
    sentence = words.answer(dataclasses.replace(found, image=image))
    assert "channel 0 up the most, to ×2.00 of its average weight, and channel 1 down the most, to ×0.50" in sentence


def test_table_has_a_row_a_position_and_json_holds_it() -> None:
    found = made_up()
    rows = found.table()
    assert [(row["position"], row["channel"], row["part"]) for row in rows] == [
        (1, 3, "kept"),
        (2, 0, "emitted"),
        (3, 1, "emitted"),
        (4, 2, "emitted"),
    ]
    assert rows[1]["log_weight_minus_mean_nats"] == pytest.approx(found.relative[1])
    assert json.loads(json.dumps(found.to_dict()))["channels"] == rows
    assert list(found.short_table()[0])[:3] == ["channel", "part", "log ω minus its mean"]
    assert [row["part"] for row in found.short_table()] == ["passed on"] + ["factored out"] * 3
