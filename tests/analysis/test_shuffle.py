"""What eiwflow.analysis.shuffle says of orders: one against another, over training, over images, by other rules."""

from __future__ import annotations

import json
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
    _river_of,
    alternatives,
    image_orders,
    rank_river,
    ranks_of,
    shuffle_report,
    split_churn,
)
from eiwflow.analysis.words import shuffle as words
from eiwflow.data import DataError
from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.flow.multiscale import Trace
from eiwflow.flow.policies import entropy_order
from tests.words import spelled_out

#: Even numbers of channels, and two orders of as many.
sizes = some.integers(2, 16).map(lambda half: 2 * half)
orders = sizes.flatmap(lambda c: some.permutations(range(c))).map(np.array)
pairs = sizes.flatmap(lambda c: some.tuples(*[some.permutations(range(c)).map(np.array)] * 2))
triples = sizes.flatmap(lambda c: some.tuples(*[some.permutations(range(c)).map(np.array)] * 3))


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
    return LevelRecord(
        1, falling, falling, falling, falling, np.tile(order, (len(anew), 1)), anew, weights_mean=None, weights_std=None
    )


def record_of(*levels: LevelRecord, steps: tuple[int, ...] = (0, 10, 100)) -> TrainingRecord:
    """Return a training record, with a last level that has no Shuffle."""
    last = replace(levels[0], order=None, entropy_order=None)
    none = np.zeros(len(steps))
    return TrainingRecord(np.array(steps), none, [*levels, last], {})


DRIFTING = level_record([0, 1, 2, 3], [[0, 1, 2, 3], [2, 3, 0, 1], [0, 2, 1, 3]])


# ---------------------------------------------------------------------- two orders


@given(orders)
def test_ranks_undo_the_order(order: np.ndarray) -> None:
    np.testing.assert_array_equal(ranks_of(order)[order], np.arange(len(order)))


@given(orders)
def test_churn_is_none_for_the_same_order_and_all_for_swapped_halves(order: np.ndarray) -> None:
    assert split_churn(order, order, len(order) // 2) == 0
    assert split_churn(np.roll(order, len(order) // 2), order, len(order) // 2) == 1
    assert split_churn(order[::-1], order, len(order) // 2) == 1


@given(pairs, some.randoms())
def test_churn_does_not_see_who_stands_where_within_a_half(pair: tuple[np.ndarray, np.ndarray], random: object) -> None:
    one, other = pair
    half = len(one) // 2
    kept, emitted = list(one[:half]), list(one[half:])
    random.shuffle(kept)
    random.shuffle(emitted)
    assert split_churn(np.array(kept + emitted), other, half) == split_churn(one, other, half)


@given(triples)
def test_churn_does_not_depend_on_the_names_of_channels_nor_on_which_order_comes_first(
    triple: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    one, other, names = triple
    half = len(one) // 2
    assert split_churn(names[one], names[other], half) == split_churn(one, other, half) == split_churn(other, one, half)


# ---------------------------------------------------------------------- over training


def test_river_says_which_channels_would_cross_and_when() -> None:
    river = rank_river(record_of(DRIFTING), 1)
    np.testing.assert_array_equal(river.churn, [0, 1, 0.5])
    np.testing.assert_array_equal(river.crossing[2], [False, True, True, False])
    order, redundancy = np.arange(4), np.array([[0.4, 0.3, 0.1, 0.0]] * 2)
    images, rules = ImageOrders(order, redundancy, 2), alternatives(redundancy[0], order, 2)
    row = ShuffleReport(1, "entropy", order, 2, river, images, rules).summary()
    assert (row["churn_at_first_step"], row["churn_at_last_step"]) == (0, 0.5)
    np.testing.assert_array_equal(river.ranks[1], [2, 3, 0, 1])
    assert words.over_training(river) == (
        "Sorted again, no channel would change sides at step 0, 4 at most (step 10) and 2 at step 100."
    )


@pytest.mark.parametrize(
    ("moved", "sentence"),
    [
        ((0, 2, 4), "Sorted again, no channel would change sides at step 0 and 4 at step 100."),
        ((4, 2, 0), "Sorted again, 4 of 4 channels would change sides at step 0 and none at step 100."),
    ],
)
def test_the_first_and_the_last_step_are_not_named_twice(moved: tuple[int, ...], sentence: str) -> None:
    orders = {0: [0, 1, 2, 3], 2: [0, 2, 1, 3], 4: [2, 3, 0, 1]}
    river = rank_river(record_of(level_record([0, 1, 2, 3], [orders[count] for count in moved])), 1)
    assert words.over_training(river) == sentence


WHERE = "on the side of the split where entropy would put it"
ELSEWHERE = "on the other side of the split than entropy would put them"


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("", "", f"every channel starts and ends {WHERE}."),
        ("", "04", f"every channel starts {WHERE}; after training 2 no longer do."),
        ("04", "", f"2 channels start {ELSEWHERE}; after training none do."),
        ("04", "0415", f"2 channels start {ELSEWHERE}; after training 4 do."),
        ("04", "15", f"2 channels are {ELSEWHERE}, before and after training."),
    ],
)
def test_the_headline_counts_the_channels_that_entropy_would_put_elsewhere(start: str, end: str, said: str) -> None:
    def anew(swapped: str) -> list[int]:
        """Return the order 0 to 5 with these channels of the first half in place of those of the last, and back."""
        order = list(range(6))
        for one, other in zip(swapped[::2], swapped[1::2], strict=True):
            order[int(one)], order[int(other)] = int(other), int(one)
        return order

    river = RankRiver(1, np.array([0, 10]), np.arange(6), np.array([anew(start), anew(end)]), np.zeros((2, 6)), 3)
    assert words.moves({"a": river}) == f"a: {said}"


def test_words_on_structure_are_the_ends_of_both_halves_sorted_anew() -> None:
    redundancy = np.array([[0.0, 0.0, 0.0, 0.0], [0.1, 0.4, -0.2, 0.3]])
    anew = np.argsort(-redundancy, axis=1, kind="stable")
    river = RankRiver(2, np.array([0, 1500]), np.arange(4), anew, redundancy, 2)
    assert words.by_rank(river) == (
        "Spectral redundancy by rank in level 2 at step 1,500, in nats/pixel: 0.40 to 0.30 left of the split line, "
        "0.10 to −0.20 right of it."
    )


@given(pairs)
def test_as_many_channels_cross_from_one_half_as_from_the_other(pair: tuple[np.ndarray, np.ndarray]) -> None:
    order, anew = pair
    river = RankRiver(1, np.array([0]), order, anew[np.newaxis], np.zeros((1, len(order))), len(order) // 2)
    assert (river.crossing[0] & river.kept).sum() == (river.crossing[0] & ~river.kept).sum() <= river.passed_on


def test_river_of_an_order_that_stays_says_that_none_would_cross() -> None:
    quiet = rank_river(record_of(level_record([3, 1, 0, 2], [[1, 3, 0, 2]] * 3)), 1)
    assert words.over_training(quiet) == "Sorted again at any recorded step up to 100, no channel would change sides."


@pytest.mark.parametrize("missing", ["order", "entropy_order", "redundancy"])
def test_a_record_that_lacks_a_part_has_no_river(missing: str) -> None:
    level = level_record([3, 1, 0, 2], [[1, 3, 0, 2]] * 3)
    assert _river_of(record_of(level), 1, level.order[-1], 2) is not None
    assert _river_of(record_of(replace(level, **{missing: None})), 1, level.order[-1], 2) is None


def test_river_has_a_row_a_step_and_channel() -> None:
    rows = rank_river(record_of(DRIFTING), 1).table()
    assert len(rows) == 3 * 4
    assert rows[-1]["step"] == 100 and rows[-1]["in_force"] == "emitted" and rows[-1]["rank"] == 4


def test_last_level_has_no_river() -> None:
    with pytest.raises(ValueError, match="Level 2 has no Shuffle; only level 1 has a Shuffle"):
        rank_river(record_of(DRIFTING), 2)


def test_a_split_that_passes_on_a_quarter_has_its_line_there() -> None:
    order, anew = np.arange(8), np.array([[2, 1, 0, 3, 4, 5, 6, 7]])
    river = RankRiver(1, np.array([0]), order, anew, np.zeros((1, 8)), 2)
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
    for n, own in enumerate(seen.own_orders):
        np.testing.assert_array_equal(own, entropy_order(features[n : n + 1]))
    assert seen.emitted_share.sum() == pytest.approx(2)
    assert "The order used is the same for every image" in words.images(seen)


def test_the_least_decided_channel_is_the_one_that_images_disagree_on_most() -> None:
    """Five images, each with the two channels that it would factor out; the order used factors out 2 and 3."""
    out = [{1, 3}, {1, 3}, {1, 3}, {2, 3}, {0, 3}]
    redundancy = np.array([[0.1 * channel + (channel not in own) for channel in range(4)] for own in out])
    assert words.images(ImageOrders(np.array([1, 0, 3, 2]), redundancy, passed_on=2)) == (
        "The order used is the same for every image. Sorted by its own redundancy, an image would on average move "
        f"{sum(len(own ^ {2, 3}) for own in out) / 5:.1f} of 4 channels across the split line; 1 of 5 images would "
        "factor out just the same channels. Channel 1 is the least decided: 60 % of the images would factor it out."
    )


def test_images_that_would_factor_out_the_same_channels_are_counted_also_where_there_is_none() -> None:
    redundancy = np.array([[0.0, 0.1, 1.0, 1.1], [0.0, 1.0, 0.1, 1.1]])
    said = words.images(ImageOrders(np.arange(4), redundancy, passed_on=2))
    assert "would on average move 3.0 of 4 channels" in said and "; 0 of 2 images would" in said


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("first", "Level 1 factors out the first 3 of 4 channels by rule"),
        ("last", "Level 1 factors out the last 3 of 4 channels by rule"),
        ("random", "Level 1 factors out 3 of 4 channels that were drawn once"),
        ("variance", "Level 1 passes on the 1 of 4 principal channels that vary most"),
        ("variance-reversed", "Level 1 passes on the 1 of 4 principal channels that vary least"),
        ("released", "Level 1 passes on the 1 of 4 channels of largest learned weight"),
        (
            "entropy",
            "The Shuffle of level 1 takes 2 of 4 channels across the split line, once, before the first training step",
        ),
    ],
)
def test_a_quarter_passed_on_is_said_as_one_of_four(rule: str, said: str) -> None:
    redundancy, order = np.array([[0.4, 0.3, 0.1, 0.0]] * 2), np.array([1, 2, 0, 3])
    rules = alternatives(redundancy[0], order, 1)
    report = ShuffleReport(1, rule, order, 1, None, ImageOrders(order, redundancy, 1), rules)
    assert words.answer(report) == (
        f"{said}, the same for every image. Sorted by the redundancy of 2 test images, 2 of 4 channels would "
        "change sides."
    )
    # The order used passes on channel 1 alone; sorted again, channel 0 would be.
    row = report.summary()
    assert (row["kept_nats_per_pixel"], row["emitted_nats_per_pixel"]) == pytest.approx((0.3, 0.5 / 3))
    assert words.alternative(next(one for one in rules if one.rule == "entropy")) == (
        "The order “entropy” would pass on channels of 0.40 nats/pixel on average and factor out 0.13; 2 of 4 channels "
        "would change sides."
    )
    assert words.alternative(next(one for one in rules if one.rule == "used")) == (
        "The order used passes on channels of 0.30 nats/pixel on average and factors out 0.17."
    )


def test_a_single_image_says_nothing_of_others() -> None:
    flow = flow_of()
    with pytest.raises(DataError, match="1 test image says nothing about other images"):
        shuffle_report(traced(flow, 1), 1, "entropy")


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
        report = shuffle_report(trace, 1, "entropy", seed=seed)
        (random,) = (rule for rule in report.alternatives if rule.rule == "random")
        expected = flow_of("random", permutation_seed=seed, shape=(3, 16, 16)).levels[0].shuffle.order
        assert random.order == tuple(expected.tolist())
        orders.add(random.order)
    assert len(orders) == 2


# ---------------------------------------------------------------------- the report


def test_report_is_plain_json_and_says_that_one_order_serves_all_images() -> None:
    flow = flow_of()
    report = shuffle_report(traced(flow), 1, "entropy", image=traced(flow, 1))
    held = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert held["order"] == flow.levels[0].shuffle.order.tolist()
    assert held["training"] is None and sorted(held["image_order"]) == [0, 1, 2, 3]
    moved = {*held["order"][:2]} ^ {*held["image_order"][:2]}
    said = f"{len(moved)} of 4 channels" if moved else "no channel"
    assert words.own(report.image) == f"Sorted by this image alone, {said} would change sides."
    assert [row["in_force"] for row in held["channels"]] == ["kept", "kept", "emitted", "emitted"]
    assert "once, before the first training step, the same for every image" in words.answer(report)
    assert "Sorted by the redundancy of 24 test images" in words.answer(report)
    assert words.report(report)["in_words"] == words.answer(report)


def test_report_holds_the_river_of_its_own_flow_only() -> None:
    flow = flow_of()
    order = flow.levels[0].shuffle.order.tolist()
    ours = record_of(level_record(order, [order, order[::-1], order]))
    report = shuffle_report(traced(flow), 1, "entropy", ours)
    assert report.river is not None and "4 at most (step 10)" in words.answer(report)
    assert report.to_dict()["training"]["churn"] == [0, 1, 0]
    for another in (
        record_of(level_record(order[::-1], [order] * 3)),
        record_of(level_record(list(range(8)), [list(range(8))] * 3)),
    ):
        assert shuffle_report(traced(flow), 1, "entropy", another).river is None


def test_level_without_a_shuffle_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="Level 2 has no Shuffle"):
        shuffle_report(traced(flow_of()), 2, "entropy")


@pytest.mark.parametrize(("start", "end", "learnt"), [(12, 0, True), (12, 4, True), (12, 6, False), (6, 4, False)])
def test_report_says_where_a_static_flow_has_learnt_to_keep_structure(start: int, end: int, learnt: bool) -> None:
    """Less than half as many channels as at the start would change sides at the end."""
    flow, order = flow_of("variance-reversed", shape=(3, 16, 16)), list(range(12))

    def anew(moved: int) -> list[int]:
        return [*order[6 : 6 + moved // 2], *order[moved // 2 : 6], *order[: moved // 2], *order[6 + moved // 2 :]]

    record = record_of(level_record(order, [anew(start), anew(start), anew(end)]))
    said = "Training has moved structure into the channels that are passed on" in report_on_colours(flow, record)
    assert said is learnt


def report_on_colours(flow: MultiScaleFlow, record: TrainingRecord) -> str:
    """Return what is said of level 1 of a flow of coloured images."""
    trace = next(traces(flow, images(8).expand(-1, 3, -1, -1)))
    return words.answer(shuffle_report(trace, 1, flow.config.order, record))
