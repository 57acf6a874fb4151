"""Sentences about paths through the latent space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .numbers import grey_level, power

if TYPE_CHECKING:
    from ..space import Interpolation, NormPaths, Samples


def answer(way: Interpolation) -> str:
    """Return which level moves the picture most."""
    if np.array_equal(way.a, way.b):
        return "A and B are the same image: nothing lies between them."
    most = int(way.moved[:-1].argmax())
    return (
        f"Level {most + 1} moves the picture most: alone it changes pixels by {255 * way.moved[most]:.2g} of 255, with "
        f"{100 * way.shares[most]:.3g} % of the values. From A to B it is {255 * way.moved[-1]:.2g}."
    )


def ends(way: Interpolation) -> str:
    """Return how exactly the ends are the images."""
    return (
        f"With all levels moving, both ends are the images themselves: the largest error is "
        f"{power(max(way.end_errors))}, where a grey level is {grey_level(way.bits)}."
    )


def norms(paths: NormPaths) -> str:
    """Return how the norms of the two paths differ half-way."""
    root = np.sqrt(paths.dimensions.sum())
    middle = int(np.abs(paths.t - 0.5).argmin())
    straight, arc = (paths.total(path)[middle] / root for path in ("linear", "spherical"))
    first, last = (paths.total("linear")[[0, -1]] / root).tolist()
    low, high = paths.typical_total / root
    return (
        f"Half-way the straight line has a norm of {straight:.2f} √d and the arc {arc:.2f} √d, between ends of "
        f"{first:.2f} and {last:.2f}; 95 % of the flow's own draws lie between {low:.2f} and {high:.2f}."
    )


def samples(drawn: Samples) -> str:
    """Return at which temperatures images were drawn."""
    each = ", ".join(f"{temperature:g} (level {level})" for level, temperature in enumerate(drawn.temperatures, 1))
    return f"{len(drawn.images)} images drawn from the flow at the temperatures {each}."


def report(way: Interpolation) -> dict[str, Any]:
    """Return a path's numbers and sentences as values for JSON."""
    return {
        "words": answer(way),
        "path": way.path,
        "levels": way.table(),
        "ends_in_words": ends(way),
        "end_errors": list(way.end_errors),
        "norms_in_words": norms(way.norms),
        "norms": way.norms.table(),
    }
