"""What eiwflow.analysis.weights_pair says of two flows' channels."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from eiwflow.analysis.weights import ChannelWeights
from eiwflow.analysis.weights_pair import WeightsPair

from .test_weights import made_up, without_weights


def with_emitted_redundancy(found: ChannelWeights, value: float, noise: float = 0.0, seed: int = 0) -> ChannelWeights:
    """Return weights whose emitted channels have this J in every image, and some noise an image."""
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


def test_words_name_the_flow_that_sends_out_more_structure() -> None:
    much, little = with_emitted_redundancy(made_up(), 2.0, 0.1), with_emitted_redundancy(made_up(), 0.5, 0.1, 1)
    assert "a sends out more structure: J of an emitted channel is " in pair(much, little).in_words()
    assert "b sends out more structure" in pair(little, much).in_words()
    assert "no verdict" in pair(much, little).in_words()


def test_a_difference_that_noise_makes_is_not_clear() -> None:
    one, other = (with_emitted_redundancy(made_up(), 1.0, 0.2, seed) for seed in (1, 2))
    assert "Neither clearly sends out more structure" in pair(one, other).in_words()


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
    words = pair(loud, louder).in_words()
    assert f"in a by ±{loud.spread:.2f} nats (×{math.exp(loud.spread):.2f})" in words
    assert f"in b by ±{louder.spread:.2f} nats" in words


def test_flows_without_weights_say_so() -> None:
    plain = without_weights(made_up(), rule="last")
    assert "b has no weights." in pair(made_up(), plain).in_words()
    assert pair(plain, plain).in_words().startswith("Neither of the two has weights.")


def test_maps_of_other_sizes_are_not_subtracted() -> None:
    deep = made_up(channels=8, level=2)
    words = pair(made_up(), deep).in_words()
    assert "a (level 1) by" in words and "b (level 2) by" in words
    assert "maps of other sizes (4×4×4 and 8×4×4), so J is not compared" in words
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
    assert len({tuple(row) for row in rows}) == 1 and json.dumps(found.to_dict())
