"""Sentences about latents that were resampled, and the names of levels and treatments in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .numbers import apart, counted, listed

if TYPE_CHECKING:
    from ..latents import Survey, Treated, Way
    from ..space import Blend

#: The PSNR of float32's own rounding, dB.
EXACT = 120.0
#: One number or an array of them.
Decibels = TypeVar("Decibels", float, np.ndarray)


def way(treatments: Way) -> str:
    """Return the treatment of the levels.

    >>> way(("resample", "resample", "zero"))
    'levels 1 and 2 redrawn, level 3 at zero'
    >>> way(("keep", "b", "b"))
    'levels 2 and 3 from B'
    """
    past = {"resample": "redrawn", "zero": "at zero", "b": "from B"}
    parts = []
    for treatment, word in past.items():
        levels = [str(number) for number, how in enumerate(treatments, start=1) if how == treatment]
        if levels:
            parts.append(f"level{'s' * (len(levels) > 1)} {listed(levels)} {word}")
    return ", ".join(parts) or "every level kept"


def grey(psnr: Decibels) -> Decibels:
    """Return the root mean square error of pixels, in grey levels of 255, by its PSNR in dB."""
    return 255 * 10 ** (-psnr / 20)


def error(psnr: float) -> str:
    """Return a PSNR as an error of pixels; "the same picture" where only rounding differs.

    >>> error(24.04), error(120)
    ('16 of 255 (24.0 dB)', 'the same picture')
    """
    if psnr >= EXACT - 0.05:
        return "the same picture"
    return f"{grey(psnr):.2g} of 255 ({psnr:.1f} dB)"


def part(share: float) -> str:
    """Return a share of an image's values.

    >>> part(0.75), part(0.875)
    ('three quarters', '87.5 %')
    """
    fractions = {0.0: "none", 0.25: "a quarter", 0.5: "half", 0.75: "three quarters", 1.0: "all"}
    return fractions.get(share, f"{100 * share:.3g} %")


# ---------------------------------------------------------------------- one image


def treated(of: Blend, t: float = 1.0) -> str:
    """Return how far a treatment of the levels changes the picture, up to t."""
    if of.share == 0:
        return "Every level kept: decoding undoes encoding, and the picture is the same."
    if {"b"} <= {*of.way} <= {"keep", "b"}:
        return f"{_done(of.way, t)}, {part(of.share)} of the values, {_brings(of)} {_way_to_b(of, t)} of the way to B."
    if "b" in of.way:
        return f"{_done(of.way, t)}: the picture is {_way_to_b(of, t)} of the way to B."
    change = f"pixels change by {grey(_psnr(of, t)):.2g} of 255 on average"
    return f"{_done(of.way, t)}: {change}."


def pair(blends: Mapping[str, Blend], t: float = 1.0) -> str:
    """Return how far a treatment of the levels changes the picture in two flows, up to t."""
    (first, one), (second, other) = blends.items()
    if not one.share + other.share:
        return treated(one)
    done = _done(max(one.way, other.way, key=len), t)
    if {"b"} <= {*one.way, *other.way} <= {"keep", "b"}:
        near, far = (_way_to_b(each, t) for each in (one, other))
        return f"{done} {_brings(one)} {near} of the way to B in “{first}”, {far} in “{second}”."
    sizes = [f"{grey(_psnr(each, t)):.2g}" for each in (one, other)]
    return f"{done}: pixels change by {sizes[0]} of 255 in “{first}” and by {sizes[1]} in “{second}”."


def _brings(of: Blend) -> str:
    return f"bring{'s' * (of.way.count('b') == 1)} the picture"


def _way_to_b(of: Blend, t: float) -> str:
    """Return how much of the distance to B is gone, which is all for B itself; less than nothing is no way."""
    before, now = (apart(of.b, picture) for picture in (of.a, of.images[round(t * (len(of.images) - 1))]))
    return f"{100 * max(0.0, 1 - now / before) if before else 100:.0f} %"


def _done(treatments: Way, t: float) -> str:
    done = f"{way(treatments)}{f' at t = {t:.2f}' if t < 1 else ''}"
    return f"{done[:1].upper()}{done[1:]}"


def _psnr(of: Blend, t: float) -> float:
    return min(EXACT, 20 * math.log10(255 / max(of.errors[round(t * (len(of.errors) - 1))], 1e-6)))


def answer(resampled: Treated) -> str:
    """Return the level that alone changes the picture most."""
    shown = resampled.psnr[:, 0]
    most = int(shown.argmin())
    left = error(shown[most])
    return f"Level {most + 1} changes this picture most: redrawn alone, it changes pixels by {left}."


# ---------------------------------------------------------------------- many images


def left(survey: Survey) -> str:
    """Return the sentence on test images."""
    each = [
        f"{error(mean) if np.isnan(low) else f'{grey(mean):.2g} ({grey(high):.2g} to {grey(low):.2g}) of 255'} with "
        f"{part(share)}"
        for mean, (low, high), share in zip(survey.mean, survey.interval, survey.shares, strict=True)
    ]
    images = len(survey.psnr)
    of = f" of {counted(survey.photographs, 'photograph')}" if survey.photographs else ""
    over = f"mean and 95 % interval over {images} test images{of}" if images > 1 else "one test image"
    return f"Pixels change by {listed(each)} of the values redrawn ({over})."
