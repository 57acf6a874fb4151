"""Images with resampled latents, and charts of their PSNR and norms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from ..analysis.words import latents as words
from . import palette
from .kit import layout, legend_room, limits
from .pixels import appearance, data_uri

if TYPE_CHECKING:
    from ..analysis.latents import Norms, Survey, Treated

#: Width of the scatter of test images beside their level, in levels.
_SPREAD = 0.5


# ---------------------------------------------------------------------- images


def halving(treated: Treated) -> str:
    """Return the image and its versions, stage by stage, in a row as HTML."""
    return _row(treated, [f"{words.part(share)} gone" for share in treated.shares])


def treatments(treated: Treated) -> str:
    """Return the image and its version under each treatment, in a row as HTML."""
    return _row(treated, [words.way(way) for way in treated.ways])


def _row(treated: Treated, captions: Sequence[str]) -> str:
    errors = [words.error(psnr) for psnr in treated.mean_psnr]
    texts = [f"{escape(caption)}<br><b>{left}</b>" for caption, left in zip(captions, errors, strict=True)]
    alts = [
        f"{words.way(way)}: {left}; {appearance(pixels)}"
        for way, left, pixels in zip(treated.ways, errors, treated.pictures, strict=True)
    ]
    image = ("the image", f"The image: {appearance(treated.image)}", treated.image)
    cells = [image, *zip(texts, alts, treated.pictures, strict=True)]
    figures = "".join(
        f'<figure><img alt="{escape(alt)}" src="{data_uri(pixels)}"><figcaption>{text}</figcaption></figure>'
        for text, alt, pixels in cells
    )
    return f'<div class="eiw-row">{figures}</div>'


# ---------------------------------------------------------------------- charts


def error_dots(survey: Survey, beside: Iterable[Survey] = ()) -> go.Figure:
    """Return the error of pixels with its interval over test images, stage by stage, in grey levels of 255.

    The axis also holds the intervals of charts ``beside`` this one.
    """
    figure = go.Figure()
    names = [f"{words.part(share)} gone" for share in survey.shares]
    mean, (high, low) = 255 * 10 ** (-survey.mean / 20), 255 * 10 ** (-survey.interval.T / 20)
    figure.add_scatter(
        x=mean.round(3).tolist(),
        y=names,
        mode="markers",
        marker={"symbol": "diamond", "size": 12, "color": palette.SUBJECT},
        error_x={
            "array": np.nan_to_num(high - mean).round(3).tolist(),
            "arrayminus": np.nan_to_num(mean - low).round(3).tolist(),
            "color": palette.SUBJECT, "thickness": 2, "width": 5,
        },
        hovertemplate="%{y}: %{x:.1f} of 255<extra></extra>",
    )  # fmt: skip
    ends = [255 * 10 ** (-end / 20) for each in (survey, *beside) for end in (each.mean, each.interval)]
    figure.update_layout(
        layout(110 + 46 * len(names)),
        xaxis={"title": {"text": "error of pixels, of 255"}, "range": limits(ends)},
        yaxis={"autorange": "reversed", "showgrid": False},
    )
    return figure


def norm_dots(norms: Norms, beside: Iterable[Norms] = ()) -> go.Figure:
    """Return ‖ε_l‖ / √d_l by level: the image, test images, and the band where 95 % of N(0, I) lies.

    The axis also holds the norms of charts ``beside`` this one.
    """
    figure, roots = go.Figure(), np.sqrt(norms.dimensions)
    levels = len(roots)
    ratios = (
        part / np.sqrt(each.dimensions) for each in (norms, *beside) for part in (each.test, each.image, each.typical.T)
    )
    for level, (low, high) in enumerate(norms.typical / roots[:, None], start=1):
        figure.add_shape(
            type="rect", x0=level - 0.4, x1=level + 0.4, y0=low, y1=high, line={"width": 0},
            fillcolor=palette.SUBJECT, opacity=0.25, layer="below",
        )  # fmt: skip
    count = len(norms.test)
    beside = np.linspace(-_SPREAD / 2, _SPREAD / 2, count)
    figure.add_scatter(
        x=(np.arange(1, levels + 1) + beside[:, None]).round(3).ravel().tolist(),
        y=(norms.test / roots).round(4).ravel().tolist(),
        mode="markers",
        marker={"color": palette.REFERENCE, "size": 5},
        name=f"{count} test images",
        hovertemplate="%{y:.3f} √d<extra></extra>",
    )
    figure.add_scatter(
        x=list(range(1, levels + 1)),
        y=(norms.image / roots).round(4).tolist(),
        mode="markers",
        marker={"color": palette.SUBJECT, "size": 14, "symbol": "diamond", "line": {"width": 1.5, "color": "white"}},
        name="this image",
        hovertemplate="%{y:.3f} √d<extra>this image</extra>",
    )
    figure.update_layout(
        layout(300, legend_room()),
        xaxis={
            "tickvals": list(range(1, levels + 1)),
            "ticktext": [f"level {level}<br>d = {d:,}" for level, d in enumerate(norms.dimensions, start=1)],
            "range": [0.4, levels + 0.6],
        },
        yaxis={"title": {"text": "‖ε‖ / √d (green: 95 % of N(0, I))"}, "range": limits(ratios)},
    )
    return figure
