"""The sentences about likelihoods of strange images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..likelihood import BITS
from .numbers import counted, fixed

if TYPE_CHECKING:
    from ..likelihood import Likelihood

#: What an answer means.
MEANING = "A likelihood says how well a flow compresses an image, and not whether the image is real."
#: The caveat on bits per level.
LEVELS_CAVEAT = (
    "a constant scale that one level applies and the next undoes moves bits between levels, but cancels in these "
    "differences. A scale that depends on the image does not cancel."
)

#: Columns of tables on the page, and their headings.
GROUPS = {"group": "group", "images": "images", "bits_per_dim": "bits per value", "WebP_bits_per_dim": "as WebP"}
LEVELS = {"group": "group", "level": "level", "difference_bits_per_dim": "bits more than own images", "auroc": "AUROC"}


def takeaway(result: Likelihood, guess: str = "") -> str:
    """Return the answer to "Is a likely picture a real one?", after a prediction of the likeliest group."""
    first = next(iter(result.likelier), result.own)
    name, bits = first.group.name, fixed(first.bits_per_dim, 1)
    said = {"": "", name: "Right. "}.get(guess, f"You said “{guess}”. ")
    own = "" if first is result.own else f", own test images {fixed(result.own.bits_per_dim, 1)}"
    return f"{said}The flow finds “{name}” likeliest: {bits} bits per value{own}."


def sentences(result: Likelihood) -> list[str]:
    """Return the sentences on the scores and the number of images."""
    return [likelier(result), told_apart(result), images(result)]


def likelier(result: Likelihood) -> str:
    """Return which groups the flow finds likelier than its own test images, and how often."""
    if not result.likelier:
        return "No group is likelier than the flow's own test images in clearly more than half of all pairs."
    groups = ", ".join(
        f"{scored.group.name} ({fixed(100 * (1 - scored.auroc[BITS].value), 0)} %)" for scored in result.likelier
    )
    return f"Share of pairs in which the strange image is likelier than the flow's own test image: {groups}."


def told_apart(result: Likelihood) -> str:
    """Return how many groups each score finds stranger than the own test images."""
    counts = ", ".join(f"{name} {result.told_apart(name)}" for name in result.own.scores)
    return f"Groups that a score finds stranger than the own test images, of {len(result.groups)}: {counts}."


def images(result: Likelihood) -> str:
    """Return the number of images, and the unit of the bootstrap."""
    over = counted(result.photographs, "source photograph") if result.photographs else "images"
    most = max(len(scored.group.images) for scored in result.groups)
    own = counted(len(result.own.group.images), "own test image")
    return f"{own}, at most {most:,} of each other group. Intervals of 95 % over {over}."
