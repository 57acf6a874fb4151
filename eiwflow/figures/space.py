"""The pictures of the Space page: strips from one image to another, the norms on the way, and draws."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from ..analysis.words import space as words
from ..data import as_picture, montage
from . import palette, pixels
from .kit import Trace, layout, legend_room, limits, lines, trace
from .pixels import appearance, data_uri

if TYPE_CHECKING:
    from ..analysis.space import Interpolation, NormPaths, Samples

#: Milliseconds of a frame.
FRAME_MS = 80
_BAND = "rgba(0, 158, 115, 0.25)"
#: Name, colour and dash of each path.
_PATHS = {
    "linear": ("straight line", palette.REFERENCE, "dash"),
    "spherical": ("arc (norm-preserving)", palette.SUBJECT, "solid"),
}


def rows(interpolation: Interpolation) -> np.ndarray:
    """Return the images of all rows, bytes (L+1, T, H, W, C)."""
    return np.concatenate([interpolation.together[None], interpolation.alone])


def strips(interpolation: Interpolation) -> str:
    """Return a film strip a row as HTML, from A on the left to t = 1 on the right.

    All levels come first, then each alone with its share of the values.
    """
    frames = len(interpolation.t)
    alone = (f"level {level} alone ({100 * share:.3g} %)" for level, share in enumerate(interpolation.shares, start=1))
    strips = [
        _strip(name, f"{appearance(images[0])}; at the end {appearance(images[-1])}", data_uri(montage(images, frames)))
        for name, images in zip(["all levels", *alone], rows(interpolation), strict=True)
    ]
    ends = (
        '<div style="display: flex; flex-wrap: wrap; gap: 0 12px"><span style="flex: 0 0 8.5rem"></span>'
        '<span style="flex: 1 1 19rem; display: flex; justify-content: space-between">'
        "<span>A, t = 0</span><span>t = ½</span>"
        "<span>t = 1: B, in the first row</span></span></div>"
    )
    return f'<div style="display: grid; gap: 8px">{"".join(strips)}{ends}</div>'


def _strip(name: str, ends: str, uri: str) -> str:
    return (
        '<div class="eiw-row" style="flex-wrap: wrap; align-items: center; gap: 2px 12px">'
        f'<span style="flex: 0 0 8.5rem">{escape(name)}</span>'
        f'<img alt="From A towards B, {escape(name)}: {ends}" src="{uri}" style="flex: 1 1 19rem; min-width: 0"></div>'
    )


def norm_paths(paths: NormPaths) -> go.Figure:
    """Return ‖ε(t)‖ / √d on both paths: bold for all levels together, thin for each; the band holds 95 % of N(0, I)."""
    total, t = paths.dimensions.sum(), paths.t
    low, high = paths.typical_total / np.sqrt(total)
    band: Trace = {"line": {"width": 0}, "fill": "toself", "fillcolor": _BAND, "name": "95 % of the flow's draws"}
    traces = [trace([0, 1, 1, 0], np.repeat([low, high], 2), mode="lines", **band)]
    for path, (name, colour, dash) in _PATHS.items():
        for level, norms in enumerate(paths.relative(path).T, start=1):
            label = f"%{{y:.3f}} √d<extra>{name}, level {level}</extra>"
            traces.append(lines(t, norms, colour, 1, dash, opacity=0.7, label=label))
        norms, label = paths.total(path) / np.sqrt(total), f"%{{y:.3f}} √d<extra>{name}, all levels</extra>"
        traces.append(lines(t, norms, colour, 4, dash, name=name, label=label))
    title = "‖ε‖ / √d (bold: all levels; thin: each)"
    return go.Figure(
        traces,
        {
            **layout(320, legend_room(2), right=16),
            "xaxis": {"title": "t, from A to B", "range": [0, 1]},
            "yaxis": {
                "title": title,
                "range": limits([low, high, *map(paths.relative, paths.norms)]),
                "rangemode": "normal",
            },
        },
    )


def samples(drawn: Samples, columns: int = 8) -> str:
    """Return drawn images as HTML, in rows of ``columns``."""
    picture = f'<img alt="{escape(words.samples(drawn))}" src="{data_uri(montage(drawn.images, columns))}">'
    return f'<div class="eiw-row">{picture}</div>'


def gif(images: np.ndarray, scale: int = 5) -> bytes:
    """Return the bytes of a GIF that goes there and back through rows of images, all rows side by side.

    Arguments:
        images: bytes (R, T, H, W, C).
        scale: screen pixels an image pixel.

    """
    frames = []
    for now in images.swapaxes(0, 1):
        image = as_picture(montage(now, len(now))).convert("RGB").quantize(256, dither=Image.Dither.NONE)
        frames.append(image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST))
    moving = [FRAME_MS] * (len(frames) - 2)
    durations = [8 * FRAME_MS, *moving, 8 * FRAME_MS, *moving]  # it rests at both ends
    return pixels.gif([*frames, *frames[-2:0:-1]], durations)
