"""Draws of images, and intervals over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eiwflow.analysis import intervals
from eiwflow.analysis.intervals import Estimate, estimate


def test_every_draw_is_of_as_many_images_and_the_same_for_the_same_seed() -> None:
    drawn = intervals.draws(30, None, 50, seed=4)
    assert drawn.shape == (50, 30) and (drawn.sum(axis=1) == 30).all() and drawn.max() > 1
    np.testing.assert_array_equal(drawn, intervals.draws(30, None, 50, seed=4))
    assert (drawn != intervals.draws(30, None, 50, seed=5)).any()


def test_images_of_one_photograph_are_drawn_together() -> None:
    sources = [7, 7, 2, 2, 5, 9, 9]
    drawn = intervals.draws(7, sources, 200)
    for source in set(sources):
        mine = drawn[:, np.equal(sources, source)]
        assert (mine == mine[:, :1]).all() and mine.std() > 0


def test_of_too_few_photographs_images_are_drawn() -> None:
    few = np.arange(12) % (intervals.MIN_PHOTOGRAPHS - 1)
    assert intervals.photographs(few) == intervals.photographs(None) == 0
    assert intervals.photographs(np.arange(12) % intervals.MIN_PHOTOGRAPHS) == intervals.MIN_PHOTOGRAPHS
    np.testing.assert_array_equal(intervals.draws(12, few, 20), intervals.draws(12, None, 20))


def test_interval_of_a_mean_is_the_one_of_theory() -> None:
    values = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    found = estimate(values.mean(), intervals.means(intervals.draws(400, None, 2000), values))
    assert found.error == pytest.approx(1.96 * values.std() / 20, rel=0.05)


def test_means_weigh_images_by_how_often_they_are_drawn() -> None:
    values = np.arange(6.0).reshape(3, 2)
    drawn = np.array([[2, 0, 1], [0, 3, 0]])
    np.testing.assert_allclose(intervals.means(drawn, values), [[4 / 3, 7 / 3], [2, 3]])


def test_a_paired_difference_is_narrower_than_its_sides_where_images_move_both() -> None:
    shared = np.random.default_rng(0).normal(size=64)
    drawn = intervals.draws(64, None, 500)
    one, other = (estimate((shared + shift).mean(), intervals.means(drawn, shared + shift)) for shift in (0.0, 0.3))
    found = other.minus(one)
    assert found.value == pytest.approx(0.3) and found.error < 0.01 * one.error and not found.is_near_zero


def test_what_was_drawn_apart_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="the same draws"):
        Estimate(0.1, 0.1).minus(Estimate(0.2, 0.1))
    with pytest.raises(ValueError, match="the same draws"):
        estimate(0.1, np.arange(3.0)).minus(estimate(0.1, np.arange(4.0)))


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.5, 0.02, "0.50 ± 0.02"),
        (-0.0012, 0.001, "−0.001 ± 0.001"),
        (2.0, 0.3, "2.00 ± 0.30"),
        (-0.004, 0.01, "0.00 ± 0.01"),
    ],
)
def test_a_figure_has_as_many_places_as_its_interval_supports(value: float, error: float, text: str) -> None:
    assert str(Estimate(value, error)) == text


# ---------------------------------------------------------------------- means over seeds


@pytest.mark.parametrize("level", [0.05, 0.028, 0.01])
@pytest.mark.parametrize("values", [[0.1, 0.2], [0.1, -0.2, 0.4, 0.3], [-0.31, -0.3, -0.302, -0.309, -0.306, -0.3]])
def test_the_t_interval_is_that_of_scipy(values, level):
    expected = stats.ttest_1samp(values, 0.0)
    interval = intervals.of_mean(np.array(values), level)
    assert interval.p == pytest.approx(expected.pvalue)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected.confidence_interval(1 - level)))


@pytest.mark.parametrize("values", [[0.3, 0.7], [0.1, -0.2, 0.4, 0.3, 0.2]])
def test_a_difference_of_few_pictures_has_the_interval_of_student(values):
    mean = np.mean(values)
    spread = intervals.means(intervals.draws(len(values), None, 4000), np.array(values)).std()
    difference = intervals.by_t(Estimate(mean, intervals.NORMAL_95 * spread), len(values))
    low, high = stats.t.interval(0.95, len(values) - 1, mean, stats.sem(values))
    assert difference.error == pytest.approx((high - low) / 2, rel=0.05) and difference.value == mean


@pytest.mark.parametrize(
    ("images", "paired", "few"), [(31, False, True), (32, False, False), (7, True, True), (8, True, False)]
)
def test_few_images_have_an_auroc_as_uncertain_as_a_share_of_as_many_trials(images, paired, few):
    low, high = stats.binomtest(round(0.9 * images), images).proportion_ci(method="wilson")
    share = round(0.9 * images) / images
    error = intervals.widened(Estimate(share, 0.01), images, paired=paired).error
    by_t = 0.01 * stats.t.ppf(0.975, images - 1) / 1.96 * np.sqrt(images / (images - 1))
    assert error == pytest.approx(max(share - low, high - share) if few else by_t, rel=1e-3)
    assert intervals.widened(Estimate(0.9, 0.5), 4).error > 0.5  # what the draws give is never narrowed


def test_photographs_widen_an_auroc_as_few_images_do():
    of_photographs = intervals.widened(Estimate(0.6, 0.05), 256, 5).error
    assert of_photographs == pytest.approx(0.05 * stats.t.ppf(0.975, 4) / 1.96 * np.sqrt(5 / 4))


def test_one_value_has_no_interval_and_equal_values_one_of_no_width():
    assert np.isnan(intervals.of_mean(np.array([1.0])).low)
    assert intervals.of_mean(np.full(3, -0.1)) == intervals.Interval(-0.1, -0.1, 0.0)
    assert intervals.of_mean(np.zeros(3)).p == 1.0
    assert intervals.of_mean(np.array([1e-200, 2e-200])).p == 0.0
