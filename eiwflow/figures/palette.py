"""The colours that mean the same on every page (Okabe–Ito), readable on light and on dark."""

from __future__ import annotations

import numpy as np

KEPT = "#0072B2"
EMITTED = "#D55E00"
#: Colours of neither half: first the subject, then the reference.
SUBJECT = "#009E73"
REFERENCE = "#8C8C8C"
#: Colours of arms, the subject first; all differ from the colours of the halves. Their contrast with a white and a dark
#: page is at least 3:1, unlike that of Okabe–Ito's orange and sky blue, and they are distinct for colour-blind readers.
#: By lightness alone they are hard to tell apart, so each arm has a dash and a symbol too.
ARMS = (SUBJECT, "#827F11", "#A97CF0", "#AE459A", "#646464")
#: Lines of axes, and letters of exported figures: a grey for white and for black pages. Letters of a chart on a page
#: have the page's colour.
AXIS, LETTERS = "rgba(128, 128, 128, 0.35)", "#767676"
#: The background of hover labels, under white letters; page.css has the same.
TIP = "#16202B"

_CIVIDIS = (
    (0, 32, 76), (0, 42, 102), (0, 52, 110), (39, 63, 108), (60, 74, 107), (76, 85, 107), (91, 95, 109),
    (104, 106, 112), (117, 117, 117), (131, 129, 120), (146, 140, 120), (161, 152, 118), (176, 165, 114),
    (192, 178, 109), (208, 191, 100), (225, 204, 89), (243, 219, 69), (255, 233, 69),
)  # fmt: skip


def cividis(magnitude: np.ndarray) -> np.ndarray:
    """Return colours (H, W, 3) uint8 of magnitudes (H, W) in [0, 1]."""
    anchors = np.linspace(0, 1, len(_CIVIDIS))
    channels = [np.interp(magnitude, anchors, channel) for channel in zip(*_CIVIDIS, strict=True)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
