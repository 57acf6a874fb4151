"""One big picture on the way from A: a slider, or a drag over the picture, moves t at once, in the browser.

The server decodes all frames in advance. Pictures side by side move together. When the slider rests, one message is
sent and t is written to the URL.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from ....figures.pixels import data_uri
from .. import declare, sent

_HTML = """
<div class="blend">
  <div class="blend-pictures">
    <figure><img class="blend-a" alt="Image A, where the path begins, at t = 0."><figcaption>A</figcaption></figure>
    <canvas role="img"></canvas>
    <figure><img class="blend-b" alt="Image B, where the path ends, at t = 1."><figcaption>B</figcaption></figure>
  </div>
  <div class="slider-bar">
    <button type="button" class="slider-play"></button>
    <input class="slider" type="range" min="0" step="1" aria-label="t, from A on">
    <output></output>
  </div>
</div>
"""

_component = declare("blend", _HTML, slides=True)
#: The parameter of the URL, and t without it.
PARAMETER, END = "t", 1.0


def blend(frames: np.ndarray, a: np.ndarray, b: np.ndarray | None, words: str, key: str) -> None:
    """Draw the picture with its slider.

    Args:
        frames: bytes (T, H, W, C), from t = 0 to t = 1 at equal distances.
        a: bytes (H, W, C), the picture on the left.
        b: the picture on the right, or None.
        words: a description of the picture for screen readers; the slider's t is added.
        key: of the element.

    """
    last = len(frames) - 1

    def rest() -> None:
        if (moved := sent(key, "moved")) is not None:
            st.query_params[PARAMETER] = f"{int(moved) / last:.3g}"

    _component(
        key=key,
        data={
            "sheet": data_uri(np.concatenate(list(frames), axis=1)),
            "a": data_uri(a),
            "b": None if b is None else data_uri(b),
            "height": frames.shape[1],
            "width": frames.shape[2],
            "last": last,
            "start": round(moment() * last),
            "words": words,
        },
        on_moved_change=rest,
    )


def moment() -> float:
    """Return t from the URL, or the end where the URL has no valid t."""
    try:
        t = float(st.query_params.get(PARAMETER, END))
    except ValueError:
        return END
    return t if 0 <= t <= 1 else END
