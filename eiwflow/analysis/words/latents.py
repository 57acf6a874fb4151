"""Sentences about latents that were resampled."""

from __future__ import annotations

from collections.abc import Sequence

from ..latents import Comparison, Guess, Treated, decibels_in_words, latent
from .numbers import signed

#: What a PSNR in dB looks like, from this on; the last word where it is lower.
SEEN = ((30.0, "hardly shows"), (24.0, "barely shows"), (17.0, "shows"))
CHANGES = "changes the picture"


def shows(decibels: float) -> str:
    """Return what is seen of a change that leaves this PSNR.

    >>> shows(27.8), shows(9.2)
    ('barely shows', 'changes the picture')
    """
    return next((words for least, words in SEEN if decibels >= least), CHANGES)


def question() -> str:
    """Return what is to be predicted."""
    return "One level is resampled from its prior, the others stay. Which level changes this picture most?"


def answer(found: Guess, guessed: str | None) -> str:
    """Return which level changes the picture most, and whether that was predicted."""
    opening = "" if guessed is None else ("Right: " if guessed == latent(found.answer) else "No: ")
    lowest = found.psnr[found.answer - 1]
    return f"{opening}{latent(found.answer)} changes this picture most: {lowest:.1f} dB are left without it."


def halved(found: Treated) -> str:
    """Return what resampling level 1 does to an image."""
    first, share = found.mean_psnr[0], found.shares[0]
    part = "half" if share == 0.5 else f"{100 * share:.0f} %"
    return f"Level 1 factors out {part} of the values. Resampling them {shows(first)} ({decibels_in_words(first)})."


def mixed(found: Treated) -> str:
    """Return how near a mix of one's own comes to the image."""
    if set(found.ways[0]) == {"keep"}:
        return "Everything kept: the picture comes back exactly."
    return f"{found.names[0].capitalize()}: {found.decibels[0]}."


def pair(found: Comparison) -> str:
    """Return whether two flows differ in what is left after level 1 is resampled."""
    first, second = found.short_names
    stages: Sequence[int] = found.comparable.tolist()
    if not stages or found.psnr.shape[1] == 1:
        return "Nothing can be compared here."
    difference = signed(found.difference[1, stages[0]], 1)
    clear = "clear" if found.clear[1, stages[0]] else "not clear"
    return f"Without level 1, {second} keeps {difference} dB against {first}: a {clear} difference.".replace(
        "a not clear", "not a clear"
    )
