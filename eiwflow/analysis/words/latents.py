"""Sentences about latents that were resampled, and the names of levels and treatments in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from .numbers import counted, listed, percent, signed

if TYPE_CHECKING:
    from ..latents import Comparison, Norms, Treated, Way

#: What a PSNR in dB looks like, from this on; the last word where it is lower.
SEEN = ((30.0, "hardly shows"), (24.0, "barely shows"), (17.0, "shows"))
CHANGES = "changes the picture"
#: What is to be predicted.
QUESTION = "Resampled alone, which level changes this picture most?"
#: The PSNR of float32's own rounding, dB.
EXACT = 120.0


def shows(psnr: float) -> str:
    """Return what is seen of a change that leaves this PSNR.

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
    """Return what is done to the levels.

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
    """Return a PSNR with its unit; where only rounding is measured, that the picture is the same.

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


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of checkpoints without their folders, and without a first word that all of them share.

    >>> short_names(["photos32-random", "runs/photos32-mine"])
    ('random', 'mine')
    """
    names = [PurePath(name).name for name in names]
    word = names[0].partition("-")[0] + "-"
    drop = len(names) > 1 and all(name.startswith(word) for name in names)
    return tuple(name.removeprefix(word) if drop else name for name in names)


# ---------------------------------------------------------------------- one image


def answer(resampled: Treated, guessed: str | None) -> str:
    """Return which level alone changes the picture most, and whether that was predicted."""
    most = int(resampled.mean_psnr.argmin())
    name, left = named(most + 1), resampled.mean_psnr[most]
    opening = "" if guessed is None else ("Right: " if guessed == name else "No: ")
    return f"{opening}{name} changes this picture most: {left:.1f} dB are left without it."


def halved(treated: Treated) -> str:
    """Return what resampling level 1 does to an image."""
    first = treated.mean_psnr[0]
    return (
        f"Level 1 factors out {part(treated.shares[0])} of the values. Resampling them {shows(first)} "
        f"({decibels(first)})."
    )


def mixed(treated: Treated) -> str:
    """Return what a mix of one's own does to the image, and whether that is seen."""
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


def comparison(compared: Comparison) -> str:
    """Return what is left under the first flow and, where there are several, whether they differ."""
    return f"{left(compared)} {differences(compared)}".strip()


def left(compared: Comparison) -> str:
    """Return what is left of an image under the first flow."""
    each = [
        f"{mean:.1f} dB{'' if np.isnan(low) else f' ({low:.1f} to {high:.1f})'} with {part(share)}"
        for mean, (low, high), share in zip(compared.mean[0], compared.interval[0], compared.shares, strict=True)
    ]
    images = compared.psnr.shape[1]
    of = f" of {counted(compared.photographs, 'photograph')}" if compared.photographs else ""
    over = f"mean and 95 % interval over {images} test images{of}" if images > 1 else "one test image"
    return f"An image keeps a PSNR of {listed(each)} of its values resampled ({over})."


def differences(compared: Comparison) -> str:
    """Return whether the rows look alike, or which differ from the first; empty where there is no other."""
    if len(compared.names) == 1:
        return ""
    stages: list[int] = compared.comparable.tolist()
    if not stages:
        return "These flows have one level: it factors out everything, so nothing is left to compare."
    if np.isnan(compared.interval).all():
        return "One test image cannot tell the rows apart."
    names = short_names(compared.names)
    if not compared.clear[:, stages].any():
        row, column = np.unravel_index(
            np.abs(compared.difference[:, stages]).argmax(), (len(compared.names), len(stages))
        )
        stage = stages[column]
        low, high = compared.difference_interval[row, stage]
        return (
            f"The rows look alike: no paired difference from {names[0]} is clear of 0 (largest: {names[row]} "
            f"{signed(compared.difference[row, stage], 2)} dB ({signed(low, 2)} to {signed(high, 2)}) with "
            f"{part(compared.shares[stage])} of the values resampled)."
        )
    each = [
        f"with {part(compared.shares[stage])} of the values resampled {_clear(compared, stage)}" for stage in stages
    ]
    return f"The rows differ. Clear paired differences from {names[0]}: {'; '.join(each)}."


def _clear(compared: Comparison, stage: int) -> str:
    names = short_names(compared.names)
    rows = np.flatnonzero(compared.clear[:, stage])
    each = [f"{names[row]} {signed(compared.difference[row, stage], 2)}" for row in rows]
    return f"{', '.join(each)} dB" if each else "none"


def pair(compared: Comparison) -> str:
    """Return whether two flows differ in what is left after level 1 is resampled."""
    first, second = short_names(compared.names)
    stages: Sequence[int] = compared.comparable.tolist()
    if not stages or compared.psnr.shape[1] == 1:
        return "Nothing can be compared here."
    difference = signed(compared.difference[1, stages[0]], 1)
    clear = "a clear difference" if compared.clear[1, stages[0]] else "not a clear difference"
    return f"Without level 1, {second} keeps {difference} dB against {first}: {clear}."
