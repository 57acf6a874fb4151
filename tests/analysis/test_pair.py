"""Two checkpoints in words: what differs is said with its paired interval, and what cannot be compared is said too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from eiwflow.analysis.entropy import MEASURES, Entropies, Half, LevelEntropies, Stage
from eiwflow.analysis.intervals import estimate
from eiwflow.analysis.pair import ONE_TRAINING, EntropyPair, ShufflePair
from eiwflow.analysis.shuffle import ImageOrders, ShuffleReport, alternatives, near_ties

NAMES = ("one", "two")
NOISE = np.random.default_rng(0).normal(size=50)


def half(value: float, spread: float = 0.1) -> Half:
    """Return two channels whose means move together with the images."""
    mean = estimate(value, value + spread * NOISE)
    return Half((0, 1), dict.fromkeys(MEASURES, np.full(2, value)), dict.fromkeys(MEASURES, mean))


def entropies(*levels: tuple[float | None, float]) -> Entropies:
    """Return levels with these J of what stays and of what leaves."""
    made = []
    for number, (kept, emitted) in enumerate(levels, start=1):
        stage = Stage("order", None if kept is None else half(kept), half(emitted), {})
        made.append(LevelEntropies(number, (4, 8, 8), (stage,), half(1.4), None))
    return Entropies("weighted", "entropy", 50, 0, tuple(made))


def report(redundancy: np.ndarray, level: int = 1, order: list[int] | None = None) -> ShuffleReport:
    in_force, ties = np.array(order or range(redundancy.shape[1])), near_ties(redundancy)
    others = alternatives(ties.redundancy, in_force)
    return ShuffleReport(level, "entropy", in_force, None, ImageOrders(in_force, redundancy), ties, others)


def test_a_difference_far_below_the_single_intervals_is_found_where_images_move_both() -> None:
    said = EntropyPair(NAMES, (entropies((0.9, 0.30)), entropies((0.7, 0.35))), (1, 1)).in_words()
    width = 1.96 * 0.1 * NOISE.std(ddof=1)
    assert f"one sends out channels of J = 0.30 ± {width:.2f} nats a pixel, two of 0.35 ± {width:.2f}: " in said
    assert "0.050 ± 0.000 more." in said and "What stays has 0.90" in said and "0.200 ± 0.000 less." in said


def test_no_difference_is_said_where_the_images_show_none() -> None:
    other = entropies((0.9, 0.31))
    mean = estimate(0.31, 0.31 - 0.1 * NOISE)
    stage = dataclasses.replace(other.levels[0].stages[0], emitted=Half((0, 1), {}, dict.fromkeys(MEASURES, mean)))
    other = dataclasses.replace(other, levels=(dataclasses.replace(other.levels[0], stages=(stage,)),))
    said = EntropyPair(NAMES, (entropies((0.9, 0.30)), other), (1, 1)).in_words()
    assert "no difference that these images show. What stays" in said


def test_levels_of_other_sizes_are_not_subtracted() -> None:
    pair = EntropyPair(NAMES, (entropies((0.9, 0.3), (0.5, 0.1)), entropies((0.9, 0.3))), (2, 1))
    said = pair.in_words()
    assert "nats a pixel at level 2, two of 0.30" in said and "at level 1; maps of different sizes" in said
    assert "more" not in said and "less" not in said


def test_a_last_level_keeps_nothing_that_could_be_compared() -> None:
    said = EntropyPair(NAMES, (entropies((None, 0.3)), entropies((0.9, 0.4))), (1, 1)).in_words()
    assert "0.100 ± 0.000 more." in said and "What stays" not in said


def test_single_pixels_have_no_redundancy_to_compare() -> None:
    nothing = entropies((float("nan"), float("nan")))
    assert "single pixel" in EntropyPair(NAMES, (nothing, entropies((0.9, 0.3))), (1, 1)).in_words()


def test_shuffles_are_compared_in_what_they_send_out_and_in_what_sorting_anew_would_move() -> None:
    images = np.random.default_rng(1).normal(0, 0.1, (40, 1))
    redundancy = np.array([0.9, 0.8, 0.2, 0.1]) + images - images.mean()
    said = ShufflePair(NAMES, (report(redundancy), report(redundancy, order=[2, 1, 0, 3]))).in_words()
    assert "one sends out channels of J = 0.15 ± " in said and "two of 0.50 ± " in said and "0.350 ± 0.000 more" in said
    assert said.endswith("no channel would change sides in one, 2 of 4 channels in two.")
    assert report(redundancy).mean_redundancy(kept=True).value == pytest.approx(0.85)


def test_shuffles_that_would_move_alike_are_said_to_once() -> None:
    redundancy = np.array([0.9, 0.8, 0.2, 0.1]) + np.random.default_rng(1).normal(0, 0.1, (40, 4))
    said = ShufflePair(NAMES, (report(redundancy), report(redundancy, level=2))).in_words()
    assert said.endswith("no channel would change sides, in the one as in the other.")
    assert "maps of different sizes" in said


def test_one_training_each_is_called_no_verdict() -> None:
    assert "one training of each" in ONE_TRAINING and "verdict" in ONE_TRAINING
