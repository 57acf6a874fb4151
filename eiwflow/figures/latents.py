"""Images with resampled latents, and a chart of their error."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from ..analysis.words import latents as words
from . import palette
from .kit import error_bars, layout, limits, marks
from .pixels import appearance, data_uri, picture, row

if TYPE_CHECKING:
    from ..analysis.latents import Survey, Treated


# ---------------------------------------------------------------------- images


def treatments(treated: Treated) -> str:
    """Return the image and its version under each treatment, in a row as HTML."""
    cells = [picture(data_uri(treated.image), f"The image: {appearance(treated.image)}", "the image")]
    for way, psnr, pixels in zip(treated.ways, treated.psnr[:, 0], treated.pictures, strict=True):
        name, error = words.way(way), words.error(psnr)
        alt = f"{name}: {error}; {appearance(pixels)}"
        cells.append(picture(data_uri(pixels), alt, f"{escape(name)}<br><b>{error}</b>"))
    return row(cells)


# ---------------------------------------------------------------------- charts


def error_dots(survey: Survey, beside: Iterable[Survey] = ()) -> go.Figure:
    """Return the error of pixels with its interval over test images, stage by stage, in grey levels of 255.

    The axis also holds the intervals of charts ``beside`` this one.
    """
    names, colour = [f"{words.part(share)} gone" for share in survey.shares], palette.SUBJECT
    mean, (high, low) = words.grey(survey.mean), words.grey(survey.interval.T)
    errors = error_bars(np.nan_to_num(high - mean), np.nan_to_num(mean - low), color=colour, width=5)
    ends = [words.grey(end) for each in (survey, *beside) for end in (each.mean, each.interval)]
    return go.Figure(
        [marks(mean, names, colour, 12, "diamond", error_x=errors, label="%{y}: %{x:.1f} of 255")],
        {
            **layout(110 + 46 * len(names)),
            "xaxis": {"title": "error of pixels, of 255", "range": limits(ends)},
            "yaxis": {"autorange": "reversed", "showgrid": False},
        },
    )
