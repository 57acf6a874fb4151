"""The colours that mean the same on every page (Okabe–Ito), readable on light and on dark."""

from __future__ import annotations

import numpy as np

KEPT = "#0072B2"
EMITTED = "#D55E00"
#: What is neither kept nor emitted: first the thing looked at, then what it is compared with.
SUBJECT = "#009E73"
REFERENCE = "#8C8C8C"
#: Lines and letters of axes: grey enough for a white and for a black page.
AXIS = "rgba(128, 128, 128, 0.35)"

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
