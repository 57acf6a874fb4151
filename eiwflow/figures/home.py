"""The front page's chart: bits/dim if the flow stopped after each level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from . import palette
from .layout import layout, legend_room

if TYPE_CHECKING:
    from ..analysis.levels import Staircase

#: What an image costs before anything is known of it: a byte is eight bits.
RAW_BITS = 8.0


def staircase(image: Staircase, average: Staircase, floor: float | None = None) -> go.Figure:
    """Return two falling staircases: the image's, and the average of other images.

    Args:
        image: of one image.
        average: of others.
        floor: bits/dim of the image's grain, where it is known: a line that no stair can fall below.

    """
    last = image.bits_per_dim.shape[1] - 1
    higher = image.mean >= average.mean
    figure = go.Figure()
    others = f"average of {len(average.bits_per_dim)} test images"
    _add_stairs(figure, others, average.mean, ~higher, palette.REFERENCE, "dash", "diamond")
    _add_stairs(figure, "this image", image.mean, higher, palette.SUBJECT, "solid", "circle")
    low, high = min(image.mean.min(), average.mean.min()), max(image.mean.max(), average.mean.max(), RAW_BITS)
    low = low if floor is None else min(low, floor)
    margin = 0.16 * (high - low)
    figure.add_hline(y=RAW_BITS, line={"color": palette.AXIS, "width": 1, "dash": "dot"})
    figure.add_annotation(
        x=last + 0.5, y=RAW_BITS, text="raw bytes: 8 bits", showarrow=False, xanchor="right", yanchor="bottom"
    )
    if floor is not None:
        figure.add_hline(y=floor, line={"color": palette.AXIS, "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=-0.5, y=floor, text=f"grain alone: {floor:.2f}", showarrow=False, xanchor="left", yanchor="top"
        )
    figure.update_layout(
        layout(370, legend_room()),
        legend_traceorder="reversed",
        xaxis={
            "tickvals": list(range(last + 1)),
            "ticktext": [
                "no level",
                *(f"level {level}" for level in range(1, last)),
                f"level {last}:<br>the flow",
            ],
            "range": [-0.6, last + 0.6],
            "showgrid": False,
            "zeroline": False,
            "title": {"text": "stopped after", "standoff": 8},
        },
        yaxis={
            "range": [low - margin, high + margin],
            "title": {"text": "bits/dim"},
            "gridcolor": palette.AXIS,
            "zeroline": False,
        },
    )
    return figure


def _add_stairs(
    figure: go.Figure, name: str, stairs: np.ndarray, above: np.ndarray, colour: str, dash: str, symbol: str
) -> None:
    """Add a line from tread to tread, and on each tread its height, ``above`` the line or below it."""
    treads = np.arange(len(stairs))
    figure.add_scatter(
        x=np.stack([treads - 0.5, treads + 0.5], axis=1).ravel().tolist(),
        y=np.repeat(stairs, 2).round(4).tolist(),
        mode="lines",
        line={"color": colour, "dash": dash, "width": 3},
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=treads.tolist(),
        y=stairs.round(4).tolist(),
        mode="markers+text",
        marker={"color": colour, "symbol": symbol, "size": 9},
        text=[f"{bits:.2f}" for bits in stairs],
        textposition=["top center" if high else "bottom center" for high in above],
        textfont={"size": 15},
        cliponaxis=False,
        name=name,
        legendgroup=name,
        hovertemplate="%{y:.3f} bits/dim<extra>" + name + "</extra>",
    )
