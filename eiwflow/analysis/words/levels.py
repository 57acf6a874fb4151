"""Sentences about an image's way through the levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .latents import part
from .numbers import counted, grey_level, listed, power

if TYPE_CHECKING:
    from ..latents import Redrawn
    from ..levels import Passage, Reconstruction


def happens(passage: Passage) -> str:
    """Return the sentence on where the image's values go, and on what comes back."""
    shares = {level.emitted / (level.emitted + level.kept) for level in passage.levels[:-1]}
    share = part(*shares) if len(shares) == 1 else "some"
    first = "All values are factored out as noise"
    if shares:
        first = f"Every split factors out {share} of the values as noise"
    back = "all the noise gives the picture back exactly"
    if passage.reconstruction.lost_bytes:
        back = f"of the picture {came_back(passage.reconstruction)} come back"
    return f"{first}; {back}."


def drawn_anew(result: Redrawn) -> str:
    """Return the noise of which levels was redrawn, and how far the picture moved."""
    which = listed([str(number) for number in result.noise])
    levels = f"level{'s' * (len(result.noise) > 1)} {which}"
    return f"With the noise of {levels} redrawn, the picture is off by {result.error:.0f} of 255 on average."


def cost(passage: Passage) -> str:
    """Return the image's bits per value with the flow and with a Gaussian."""
    first_stop, *_, end = passage.stairs.mean
    return f"This image needs {end:.1f} bits per value, without the flow {first_stop:.1f}."


def parts(passage: Passage) -> str:
    """Return the values factored out by each level."""
    each = listed([f"{level.emitted:,} at level {level.number}" for level in passage.levels])
    return f"Its {passage.dimensions:,} values are factored out in {counted(len(passage.levels), 'part')}: {each}."


def came_back(result: Reconstruction) -> str:
    """Return how many bytes came back, or values of fewer grey levels."""
    size, lost = result.image.size, result.lost_bytes
    values = "bytes" if result.bits == 8 else f"values of {2**result.bits} grey levels"
    return f"{f'{size - lost:,} of' if lost else 'all'} {size:,} {values}"


def reconstruction(result: Reconstruction) -> str:
    """Return the round-trip error, and the level that causes a large error."""
    sentence = (
        f"The inverse gives back {came_back(result)}; the largest error is {power(result.max_abs_error)}, "
        f"where one grey level is {grey_level(result.bits)}."
    )
    if result.at_fault is None:
        return sentence
    return (
        f"{sentence} The inverse of level {result.at_fault} amplifies rounding beyond the trusted bound: this image is "
        "unlike the training images."
    )
