"""Sentences about latents that were resampled, and the names of levels and treatments in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .numbers import counted, listed, percent

if TYPE_CHECKING:
    from ..latents import Norms, Survey, Treated, Way

#: Least PSNR in dB -> how visible the change is; below all of them, :data:`CHANGES`.
SEEN = ((30.0, "hardly shows"), (25.0, "barely shows"), (21.0, "shows a little"), (17.0, "shows"))
CHANGES = "changes the picture"
#: The question before the answer.
QUESTION = "Resampled alone, which level changes this picture most?"
#: The PSNR of float32's own rounding, dB.
EXACT = 120.0


def shows(psnr: float) -> str:
    """Return how visible a change with this PSNR is.

    >>> shows(27.8), shows(9.2)
    ('barely shows', 'changes the picture')
    """
    return next((words for least, words in SEEN if psnr >= least), CHANGES)


def latent(level: int) -> str:
    """Return the name of a level's latent.

    >>> latent(1)
    'z₁'
    """
    return "z" + str(level).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def named(level: int) -> str:
    """Return a level with its latent.

    >>> named(1)
    'Level 1 (z₁)'
    """
    return f"Level {level} ({latent(level)})"


def way(treatments: Way) -> str:
    """Return the treatment of the levels.

    >>> way(("resample", "resample", "zero"))
    'levels 1 and 2 resampled, level 3 zeroed'
    """
    past = {"resample": "resampled", "zero": "zeroed"}
    parts = []
    for treatment, word in past.items():
        levels = [str(number) for number, how in enumerate(treatments, start=1) if how == treatment]
        if levels:
            parts.append(f"level{'s' * (len(levels) > 1)} {listed(levels)} {word}")
    return ", ".join(parts) or "every level kept"


def decibels(psnr: float) -> str:
    """Return a PSNR with its unit; "the same picture" where only rounding differs.

    >>> decibels(24.04), decibels(120)
    ('24.0 dB', 'the same picture')
    """
    return "the same picture" if psnr >= EXACT - 0.05 else f"{psnr:.1f} dB"


def part(share: float) -> str:
    """Return a share of an image's values.

    >>> part(0.75), part(0.875)
    ('three quarters', '87.5 %')
    """
    fractions = {0.0: "none", 0.25: "a quarter", 0.5: "half", 0.75: "three quarters", 1.0: "all"}
    return fractions.get(share, f"{100 * share:.3g} %")


def stage(share: float) -> str:
    """Return the share that a stage resamples, short enough for a caption.

    >>> stage(0.5), stage(1)
    ('50 % gone', 'all gone')
    """
    return "all gone" if share == 1 else f"{100 * share:.3g} % gone"


# ---------------------------------------------------------------------- one image


def answer(resampled: Treated, guessed: str | None) -> str:
    """Return the level that alone changes the picture most, and whether the guess was right."""
    most = int(resampled.mean_psnr.argmin())
    name, left = named(most + 1), resampled.mean_psnr[most]
    opening = "" if guessed is None else ("Right: " if guessed == name else "No: ")
    return f"{opening}{name} changes this picture most: {left:.1f} dB are left without it."


def halved(treated: Treated) -> str:
    """Return the sentence on resampling level 1."""
    first = treated.mean_psnr[0]
    return (
        f"Level 1 factors out {part(treated.shares[0])} of the values. Resampling them {shows(first)} "
        f"({decibels(first)})."
    )


def mixed(treated: Treated) -> str:
    """Return the sentence on a chosen mix of treatments, and how visible it is."""
    treatments, psnr = treated.ways[0], treated.mean_psnr[0]
    done = way(treatments).capitalize()
    if (left := decibels(psnr)) == decibels(EXACT):
        return f"{done}: {left}."
    rest = ", the rest kept" if "keep" in treatments and set(treatments) != {"keep"} else ""
    return f"{done}{rest}: this {shows(psnr)} (PSNR {left})."


def norms(lengths: Norms) -> str:
    """Return the norms of an image's latents, and how many test images have typical ones."""
    low, high = lengths.typical.T
    inside = ((lengths.test >= low) & (lengths.test <= high)).mean(axis=0)
    each = [
        f"‖ε{latent(level)[1:]}‖ = {norm:.1f} (√d = {np.sqrt(d):.1f})"
        for level, (norm, d) in enumerate(zip(lengths.image, lengths.dimensions, strict=True), start=1)
    ]
    shares = listed([percent(share) for share in inside])
    return (
        f"This image has {', '.join(each)}. Of {counted(len(lengths.test), 'test image')}, {shares} lie within the "
        "95 % interval of N(0, I), level by level."
    )


# ---------------------------------------------------------------------- many images


def left(survey: Survey) -> str:
    """Return the sentence on test images."""
    each = [
        f"{mean:.1f} dB{'' if np.isnan(low) else f' ({low:.1f} to {high:.1f})'} with {part(share)}"
        for mean, (low, high), share in zip(survey.mean, survey.interval, survey.shares, strict=True)
    ]
    images = len(survey.psnr)
    of = f" of {counted(survey.photographs, 'photograph')}" if survey.photographs else ""
    over = f"mean and 95 % interval over {images} test images{of}" if images > 1 else "one test image"
    return f"An image keeps a PSNR of {listed(each)} of its values resampled ({over})."
