"""What eiwflow.analysis.shuffle says of orders: one against another, over training, over images, by other rules."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from eiwflow.analysis.levels import traces
from eiwflow.analysis.record import LevelRecord, TrainingRecord
from eiwflow.analysis.shuffle import (
    ImageOrders,
    RankRiver,
    ShuffleReport,
    alternatives,
    crossing,
    image_orders,
    rank_river,
    ranks_of,
    shuffle_report,
)
from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.flow.information import redundancy
from eiwflow.flow.multiscale import Trace
from eiwflow.flow.policies import entropy_order
from tests.words import spelled_out

#: Even numbers of channels, and two orders of as many.
sizes = some.integers(2, 16).map(lambda half: 2 * half)
orders = sizes.flatmap(lambda c: some.permutations(range(c))).map(np.array)
pairs = sizes.flatmap(lambda c: some.tuples(*[some.permutations(range(c)).map(np.array)] * 2))
triples = sizes.flatmap(lambda c: some.tuples(*[some.permutations(range(c)).map(np.array)] * 3))


def churn(order: np.ndarray, used: np.ndarray, kept: int) -> float:
    """Return the part of the channels that two orders put on different sides."""
    return crossing(order, used, kept).mean()


def images(n: int, seed: int = 0) -> torch.Tensor:
    """Return n uint8 images (n, 1, 16, 16): a ramp of another slope in each, with noise."""
    generator = torch.Generator().manual_seed(seed)
    slopes = 100 * torch.rand(n, 1, 1, 1, generator=generator)
    ramp = torch.linspace(0, 1, 16)
    return (40 + slopes * ramp + 60 * torch.rand(n, 1, 16, 16, generator=generator)).to(torch.uint8)


def flow_of(split: str = "entropy+pooled", **fields: object) -> MultiScaleFlow:
    """Return a flow that was initialised on such images."""
    small = {"shape": (1, 16, 16), "levels": 2, "steps": 2, "width": 4}
    config = FlowConfig(**{**small, **spelled_out({"split": split, **fields})})
    flow = MultiScaleFlow(config)
    flow.initialise((images(64, seed=9).expand(-1, config.shape[0], -1, -1).float() + 0.5) / 256 - 0.5)
    return flow


def traced(flow: MultiScaleFlow, n: int = 24) -> Trace:
    """Return the trace of n images."""
    return next(traces(flow, images(n)))


def level_record(order: list[int], entropy_orders: list[list[int]]) -> LevelRecord:
    """Return a level's record in which redundancy falls by one with each place of the entropy order."""
    anew = np.array(entropy_orders)
    falling = anew.shape[1] - 1.0 - ranks_of(anew)
    return LevelRecord(1, anew.shape[1] // 2, falling, falling, np.tile(order, (len(anew), 1)), anew)


def record_of(*levels: LevelRecord, steps: tuple[int, ...] = (0, 10, 100)) -> TrainingRecord:
    """Return a training record, with a last level that has no Shuffle."""
    last = replace(levels[0], order=None, entropy_order=None)
    return TrainingRecord(np.array(steps), [*levels, last], {})


DRIFTING = level_record([0, 1, 2, 3], [[0, 1, 2, 3], [2, 3, 0, 1], [0, 2, 1, 3]])


# ---------------------------------------------------------------------- two orders


@given(orders)
def test_ranks_undo_the_order(order: np.ndarray) -> None:
    np.testing.assert_array_equal(ranks_of(order)[order], np.arange(len(order)))


@given(orders)
def test_churn_is_none_for_the_same_order_and_all_for_swapped_halves(order: np.ndarray) -> None:
    assert churn(order, order, len(order) // 2) == 0
    assert churn(np.roll(order, len(order) // 2), order, len(order) // 2) == 1
    assert churn(order[::-1], order, len(order) // 2) == 1


@given(pairs, some.randoms())
def test_churn_does_not_see_who_stands_where_within_a_half(pair: tuple[np.ndarray, np.ndarray], random: object) -> None:
    one, other = pair
    half = len(one) // 2
    kept, emitted = list(one[:half]), list(one[half:])
    random.shuffle(kept)
    random.shuffle(emitted)
    assert churn(np.array(kept + emitted), other, half) == churn(one, other, half)


@given(triples)
def test_churn_does_not_depend_on_the_names_of_channels_nor_on_which_order_comes_first(
    triple: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    one, other, names = triple
    half = len(one) // 2
    assert churn(names[one], names[other], half) == churn(one, other, half) == churn(other, one, half)


# ---------------------------------------------------------------------- over training


def test_river_says_which_channels_would_cross_and_when() -> None:
    river = rank_river(record_of(DRIFTING), 1)
    np.testing.assert_array_equal(river.churn, [0, 1, 0.5])
    np.testing.assert_array_equal(river.crossing[2], [False, True, True, False])
    order, redundancy = np.arange(4), np.array([[0.4, 0.3, 0.1, 0.0]] * 2)
    images, rules = ImageOrders(order, 2, redundancy, river.entropy_orders[:2]), alternatives(redundancy[0], order, 2)
    row = ShuffleReport(1, "entropy", river, images, rules, images).summary()
    assert (row["churn_at_first_step"], row["churn_at_last_step"]) == (0, 0.5)
    np.testing.assert_array_equal(river.ranks[1], [2, 3, 0, 1])


@given(pairs)
def test_as_many_channels_cross_from_one_half_as_from_the_other(pair: tuple[np.ndarray, np.ndarray]) -> None:
    order, anew = pair
    river = RankRiver(order, len(order) // 2, np.zeros((1, len(order))), anew[np.newaxis], 1, np.array([0]))
    assert (river.crossing[0] & river.kept).sum() == (river.crossing[0] & ~river.kept).sum() <= river.passed_on


@pytest.mark.parametrize("missing", ["order", "entropy_order", "redundancy"])
def test_a_record_that_lacks_a_part_has_no_river(missing: str) -> None:
    assert rank_river(record_of(replace(DRIFTING, **{missing: None})), 1) is None


def test_river_has_a_row_a_step_and_channel() -> None:
    rows = rank_river(record_of(DRIFTING), 1).table()
    assert len(rows) == 3 * 4
    assert rows[-1]["step"] == 100 and rows[-1]["in_force"] == "emitted" and rows[-1]["rank"] == 4


def test_a_split_that_passes_on_a_quarter_has_its_line_there() -> None:
    order, anew = np.arange(8), np.array([[2, 1, 0, 3, 4, 5, 6, 7]])
    river = RankRiver(order, 2, np.zeros((1, 8)), anew, 1, np.array([0]))
    np.testing.assert_array_equal(river.kept, [True, True] + 6 * [False])
    np.testing.assert_array_equal(np.flatnonzero(river.crossing[0]), [0, 2])
    assert river.churn[0] == 2 / 8
    first, last = (
        next(one for one in alternatives(np.arange(4.0), np.arange(4), kept=1) if one.rule == rule)
        for rule in ("first", "last")
    )
    assert (first.kept_redundancy, last.kept_redundancy) == (3.0, 0.0)


# ---------------------------------------------------------------------- over images


def test_every_image_has_the_flows_order_and_its_own_entropy_order() -> None:
    flow = flow_of()
    trace = traced(flow)
    seen = image_orders(trace, 1)
    features = trace.levels[0].features
    np.testing.assert_array_equal(seen.order, flow.levels[0].shuffle.order)
    for n, own in enumerate(seen.entropy_orders):
        np.testing.assert_array_equal(own, entropy_order(features[n : n + 1]))
    assert seen.emitted_share.sum() == pytest.approx(2)


# ---------------------------------------------------------------------- other rules


@given(some.lists(some.floats(-1, 2), min_size=4, max_size=24).filter(lambda numbers: len(numbers) % 2 == 0))
def test_no_rule_keeps_more_structure_than_the_entropy_order(numbers: list[float]) -> None:
    mean = np.array(numbers)
    found = {one.rule: one for one in alternatives(mean, np.arange(len(mean)), len(mean) // 2)}
    # Sums in another order differ in their last digit.
    most = max(one.kept_redundancy for one in found.values())
    assert most == pytest.approx(found["entropy"].kept_redundancy, rel=1e-12, abs=1e-12)
    assert found["first"].kept_redundancy == pytest.approx(found["last"].emitted_redundancy)
    assert found["used"].moved == found["last"].moved == 0 and found["first"].moved == len(mean)


def test_the_random_half_of_a_report_is_of_its_seed() -> None:
    trace = next(traces(flow_of(shape=(3, 16, 16)), images(8).expand(-1, 3, -1, -1)))
    orders = set()
    for seed in (0, 7):
        report = shuffle_report(trace, 1, "entropy", trace, seed=seed)
        (random,) = (rule for rule in report.alternatives if rule.rule == "random")
        expected = flow_of("random", permutation_seed=seed, shape=(3, 16, 16)).levels[0].shuffle.order
        assert random.order == tuple(expected.tolist())
        orders.add(random.order)
    assert len(orders) == 2


# ---------------------------------------------------------------------- the report


def test_report_holds_the_river_of_its_own_flow_only() -> None:
    flow = flow_of()
    order = flow.levels[0].shuffle.order.tolist()
    ours = record_of(level_record(order, [order, order[::-1], order]))
    report = shuffle_report(traced(flow), 1, "entropy", traced(flow, 1), ours)
    assert report.river is not None
    assert report.to_dict()["training"]["churn"] == [0, 1, 0]
    for another in (
        record_of(level_record(order[::-1], [order] * 3)),
        record_of(level_record(list(range(8)), [list(range(8))] * 3)),
    ):
        assert shuffle_report(traced(flow), 1, "entropy", traced(flow, 1), another).river is None


def test_redundancy_is_in_bits_a_value_over_training_and_over_images() -> None:
    flow = flow_of()
    trace = traced(flow)
    expected = redundancy(trace.levels[0].features).numpy() / math.log(2)
    np.testing.assert_allclose(image_orders(trace, 1).redundancy, expected)
    np.testing.assert_allclose(rank_river(record_of(DRIFTING), 1).redundancy, DRIFTING.redundancy / math.log(2))
