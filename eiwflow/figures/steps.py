"""Charts over training: the axis of recorded steps, and the upright line at one of them.

Recording steps are log-spaced, so they have equal distances on the axis. Charts of several records share one axis with
all of their steps.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image, ImageDraw, ImageFont

from . import palette, pixels
from .kit import Trace, lines

#: Of an exported film: screen pixels a sample's pixel, room for the step's number in pixels, milliseconds a frame.
SCALE, FOOT, FRAME_MS = 3, 36, 150
#: Widest film whose pictures are enlarged, pixels.
MOST_WIDE = 1024
#: Fields of a trace that may differ from step to step.
MOVING = ("type", "x", "y", "text", "textposition", "error_y")


def together(records: Iterable[np.ndarray]) -> np.ndarray:
    """Return all steps of several records, (S,); empty without a record."""
    return np.unique(np.concatenate([np.empty(0, dtype=int), *records]))


def places(own: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the places of a record's own steps on the axis of ``steps``."""
    return np.searchsorted(steps, own)


def latest(own: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return which of a record's own steps is the latest at each of ``steps``, up to its last."""
    return np.searchsorted(own, steps[steps <= own[-1]], side="right") - 1


def axis(steps: np.ndarray, left: float, right: float, ticks: int = 7) -> dict[str, Any]:
    """Return an x axis from ``left`` before the first step to ``right`` behind the last, in distances of two steps."""
    last = len(steps) - 1
    chosen = np.unique(np.linspace(0, last, min(ticks, last + 1)).round().astype(int))
    return {
        "range": [-float(left), last + float(right)],
        "tickvals": chosen.tolist(),
        "ticktext": [f"{step / 1000:.3g}k" if step >= 1000 else f"{step:.0f}" for step in steps[chosen]],
        "tickangle": 0,
        "title": "training step (not evenly spaced)",
    }


def cursor(place: int, ends: Sequence[float]) -> Trace:
    """Return the upright line at a place on the axis."""
    return lines([place, place], np.array(ends), palette.SUBJECT, 2.5)


def frame(step: int, traces: Sequence[Trace], at: list[int]) -> go.Frame:
    """Return the frame of a step: the moving fields of the traces at these places of a figure, without their style."""
    moved = [{name: trace[name] for name in MOVING if name in trace} for trace in traces]
    return go.Frame(name=str(step), data=moved, traces=at)


def film_gif(samples: Mapping[int, bytes]) -> bytes:
    """Return the bytes of a GIF that runs through samples (step -> an encoded picture), with their step below."""
    font, frames = ImageFont.load_default(20), []
    for step, encoded in sorted(samples.items()):
        picture = Image.open(io.BytesIO(encoded)).convert("RGB")
        scale = max(1, min(SCALE, MOST_WIDE // picture.width))
        width, height = picture.width * scale, picture.height * scale
        frame = Image.new("RGB", (width, height + FOOT), "white")
        frame.paste(picture.resize((width, height), Image.Resampling.NEAREST))
        ImageDraw.Draw(frame).text((8, height + FOOT // 2), f"step {step:,}", "black", font, anchor="lm")
        frames.append(frame.quantize(256, dither=Image.Dither.NONE))
    return pixels.gif(frames, [FRAME_MS] * (len(frames) - 1) + [10 * FRAME_MS])
