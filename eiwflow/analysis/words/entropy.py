"""Sentences about entropies of channels."""

from __future__ import annotations

import math

from ..entropy import Entropies
from .numbers import fixed


def structure(found: Entropies, level: int) -> str:
    """Return which half of a level's channels has more structure."""
    stage = found.level(level).in_force
    leaves = stage.emitted.means["redundancy"].value
    if math.isnan(leaves):
        return f"The maps of level {level} are single pixels, which have no spectral redundancy."
    if stage.kept is None:
        return f"Level {level} is the last: all channels are factored out, spectral redundancy {fixed(leaves, 2)} nats."
    stays = stage.kept.means["redundancy"].value
    if stays > leaves:
        return (
            f"Structured channels are passed on: mean spectral redundancy {fixed(stays, 2)} nats per pixel, "
            f"against {fixed(leaves, 2)} factored out."
        )
    return (
        f"Structured channels are factored out here: mean spectral redundancy {fixed(leaves, 2)} nats per pixel, "
        f"against {fixed(stays, 2)} passed on."
    )


def pair(names: tuple[str, str], found: tuple[Entropies, Entropies], levels: tuple[int, int]) -> str:
    """Return how much structure two flows factor out."""
    halves = [
        fixed(result.level(level).in_force.emitted.means["redundancy"].value, 2)
        for result, level in zip(found, levels, strict=True)
    ]
    sizes = "" if levels[0] == levels[1] else " Their maps are of different sizes."
    each = f"{halves[0]} in {names[0]} and {halves[1]} in {names[1]}"
    return f"Factored-out channels have spectral redundancy {each}.{sizes}"
