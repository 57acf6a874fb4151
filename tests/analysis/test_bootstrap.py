"""Draws of images: what counts as one witness, and what two flows differ by on the same draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eiwflow.analysis import bootstrap
from eiwflow.analysis.bootstrap import Estimate, estimate


def test_every_draw_is_of_as_many_images_and_the_same_for_the_same_seed() -> None:
    drawn = bootstrap.draws(30, None, 50, seed=4)
    assert drawn.shape == (50, 30) and (drawn.sum(axis=1) == 30).all() and drawn.max() > 1
    np.testing.assert_array_equal(drawn, bootstrap.draws(30, None, 50, seed=4))
    assert (drawn != bootstrap.draws(30, None, 50, seed=5)).any()


def test_images_of_one_photograph_are_drawn_together() -> None:
    sources = [7, 7, 2, 2, 5, 9, 9]
    drawn = bootstrap.draws(7, sources, 200)
    for source in set(sources):
        mine = drawn[:, np.equal(sources, source)]
        assert (mine == mine[:, :1]).all() and mine.std() > 0


def test_of_too_few_photographs_images_are_drawn() -> None:
    few = np.arange(12) % (bootstrap.MIN_PHOTOGRAPHS - 1)
    assert bootstrap.photographs(few) == bootstrap.photographs(None) == 0
    assert bootstrap.photographs(np.arange(12) % bootstrap.MIN_PHOTOGRAPHS) == bootstrap.MIN_PHOTOGRAPHS
    np.testing.assert_array_equal(bootstrap.draws(12, few, 20), bootstrap.draws(12, None, 20))


def test_interval_of_a_mean_is_the_one_of_theory() -> None:
    values = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    found = estimate(values.mean(), bootstrap.means(bootstrap.draws(400, None, 2000), values))
    assert found.error == pytest.approx(1.96 * values.std() / 20, rel=0.05)


def test_means_weigh_images_by_how_often_they_are_drawn() -> None:
    values = np.arange(6.0).reshape(3, 2)
    drawn = np.array([[2, 0, 1], [0, 3, 0]])
    np.testing.assert_allclose(bootstrap.means(drawn, values), [[4 / 3, 7 / 3], [2, 3]])


def test_a_paired_difference_is_narrower_than_its_sides_where_images_move_both() -> None:
    shared = np.random.default_rng(0).normal(size=64)
    drawn = bootstrap.draws(64, None, 500)
    one, other = (estimate((shared + shift).mean(), bootstrap.means(drawn, shared + shift)) for shift in (0.0, 0.3))
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
