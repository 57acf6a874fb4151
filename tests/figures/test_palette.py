"""Colours stay apart for every kind of eye, as coloraide simulates it, and stand out from both themes' pages.

Differences are CIEDE2000: 1 can just be seen side by side; under 5 two colours of a figure are easily taken for one.
"""

from __future__ import annotations

import tomllib
from itertools import combinations, product
from pathlib import Path

import pytest
from coloraide import Color

from eiwflow.figures import compare, palette

ROOT = Path(__file__).resolve().parents[2]
THEMES = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
#: Eyes with all cones, and without those for long, middle and short waves.
CONES = ("all", "protan", "deutan", "tritan")
#: What shapes on a page must have to be seen, by WCAG 2.2 (1.4.11).
LEAST_CONTRAST = 3.0
#: The least difference of what is told apart: with the cones that there are, and by lightness alone.
HALVES, ARMS, SUBJECT = (45, 8), (12, 2.5), (8, 0)


def seen(colour: str, eyes: str) -> Color:
    found = Color(colour)
    return found if eyes == "all" else found.filter("grayscale" if eyes == "grey" else eyes)


def difference(one: str, other: str, eyes: str) -> float:
    return seen(one, eyes).delta_e(seen(other, eyes), method="2000")


def least(pairs: list[tuple[str, str]], *eyes: str) -> float:
    return min(difference(*pair, each) for pair, each in product(pairs, eyes))


@pytest.mark.parametrize(
    ("pairs", "bounds"),
    [
        ([(palette.KEPT, palette.EMITTED)], HALVES),
        (list(combinations(palette.ARMS, 2)), ARMS),
        ([(palette.SUBJECT, palette.REFERENCE)], SUBJECT),
        (list(combinations(list(dict.fromkeys(colour for colour, _ in compare.CLAIMS.values())), 2)), ARMS),
    ],
    ids=["kept and emitted", "the arms of a study", "what is looked at and beside what", "better, worse, neither"],
)
def test_colours_that_are_told_apart_differ_for_every_kind_of_eye(
    pairs: list[tuple[str, str]], bounds: tuple[float, float]
) -> None:
    assert least(pairs, *CONES) >= bounds[0]
    assert least(pairs, "grey") >= bounds[1]


def test_no_arm_has_a_colour_that_means_kept_or_emitted() -> None:
    assert least(list(product(palette.ARMS, (palette.KEPT, palette.EMITTED))), "all") >= 15


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("colour", [palette.KEPT, palette.EMITTED, palette.REFERENCE, *palette.ARMS])
def test_a_colour_stands_out_from_the_page(colour: str, theme: str) -> None:
    assert Color(colour).contrast(THEMES[theme]["backgroundColor"]) >= LEAST_CONTRAST


def test_no_arm_is_told_by_its_colour_alone() -> None:
    colours, dashes, symbols = zip(*compare.STYLES, strict=True)
    assert colours == palette.ARMS
    assert len(set(dashes)) == len(set(symbols)) == len(colours)
