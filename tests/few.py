"""Measure on few images and draws: the same code, in a test's process or in a server that a test starts."""

from __future__ import annotations

from collections.abc import Callable

from eiwflow.analysis import compression, entropy, likelihood, way, weights


def use_few_images(replace: Callable[[object, str, object], None] = setattr) -> None:
    """Lower how much the analysis of a page looks at, with ``setattr`` or a fixture's."""
    replace(likelihood, "IMAGES", 24)
    replace(weights, "IMAGES", 12)
    replace(weights, "FACTOR_IMAGES", 48)
    replace(way, "IMAGES", 24)
    replace(entropy, "IMAGES", 48)
    replace(entropy, "RESAMPLES", 10)
    replace(compression, "MOST_VALUES", 10_000)
    replace(compression, "LONGEST_SIDE", 64)
