"""Numbers as text: a typographic minus sign, no minus before 0, no plural after 1."""

import math
from collections.abc import Sequence

import numpy as np


def fixed(value: float, decimals: int) -> str:
    """Return a number with its decimals.

    >>> fixed(-1.234, 2), fixed(-0.001, 2)
    ('−1.23', '0.00')
    """
    return f"{value:z.{decimals}f}".replace("-", "−")


def signed(value: float, decimals: int) -> str:
    """Return a number with its sign; a number that rounds to zero has none.

    >>> signed(1.234, 2), signed(-1.234, 2), signed(-0.001, 2)
    ('+1.23', '−1.23', '0.00')
    """
    text = fixed(value, decimals)
    return f"+{text}" if float(f"{value:.{decimals}f}") > 0 else text


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return the root mean square difference of the bytes of pictures, in grey levels."""
    return float(np.sqrt(np.mean((one.astype(float) - other) ** 2)))


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> counted(1, "image"), counted(1000, "image")
    ('1 image', '1,000 images')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def described(title: str, takeaway: str) -> str:
    """Return the alternative text of a chart.

    >>> described("Bits by level", "Level 1 takes most.")
    'Bits by level. Level 1 takes most. The numbers are in a table below.'
    """
    return f"{title}. {takeaway} The numbers are in a table below."


def grey_level(bits: int) -> str:
    """Return the distance of two of 2^``bits`` grey levels in an image from −½ to ½.

    >>> grey_level(8), grey_level(5)
    ('3.9·10⁻³', '3.1·10⁻²')
    """
    return power(2.0**-bits)


def raw(bits: int) -> str:
    """Return the name of values before any flow.

    >>> raw(8), raw(5)
    ('raw bytes', 'raw values of 32 grey levels')
    """
    return "raw bytes" if bits == 8 else f"raw values of {2**bits} grey levels"


def floor_in_words(floor: float) -> str:
    """Return the floor of bits/dim as a sentence.

    >>> floor_in_words(3.0794)
    'The grain alone takes 3.08 bits/dim; no model can need less.'
    """
    return f"The grain alone takes {fixed(floor, 2)} bits/dim; no model can need less."


def percent(share: float) -> str:
    """Return a share in per cent.

    >>> percent(0.305), percent(0.004)
    ('30 %', '0.4 %')
    """
    return f"{100 * share:.1g} %" if 0 < abs(share) < 0.01 else f"{100 * share:.0f} %"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    >>> listed(["z₁", "z₂", "z₃"])
    'z₁, z₂ and z₃'
    """
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last


def power(value: float) -> str:
    """Return a small or large number as a power of ten.

    >>> power(0.0000012), power(0), power(float("inf"))
    ('1.2·10⁻⁶', '0', 'not finite')
    """
    if not math.isfinite(value):
        return "not finite"
    if value == 0:
        return "0"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}·10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def factor(value: float) -> str:
    """Return a positive number in three digits, a very large or small one as a power.

    >>> factor(2.5), factor(1234.5), factor(1e-9)
    ('2.5', '1,234', '1.0·10⁻⁹')
    """
    if 100 <= value < 1e5:
        return f"{value:,.0f}"
    return f"{value:.3g}" if 1e-3 <= value < 100 else power(value)


def duration(seconds: float) -> str:
    """Return a duration in words."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
