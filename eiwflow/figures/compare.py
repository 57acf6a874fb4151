"""The Compare page's charts of one study: paired leads with their seeds, and arms in training.

Every arm has its colour, dash and symbol. A clear lead is a green diamond, a clear lag a purple square; what is not
shown is grey and hollow.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from ..analysis.words.numbers import signed
from . import palette, steps
from .kit import intervals, layout, legend_room, limits
from .ladder import ZERO, rows, span

if TYPE_CHECKING:
    from ..study.arms import ArmCurve
    from ..study.statistics import Effect

#: claim: colour, symbol.
CLAIMS = {
    "ahead": (palette.ARMS[0], "diamond"),
    "behind": (palette.ARMS[3], "square"),
    "not shown": (palette.ARMS[4], "circle-open"),
    "interim": (palette.ARMS[4], "circle-open"),
}
#: Colour, dash and symbol of arms, the subject first; all differ from the colours of the halves.
STYLES = (
    (palette.ARMS[0], "solid", "diamond"),
    (palette.ARMS[1], "dash", "circle"),
    (palette.ARMS[2], "dot", "square"),
    (palette.ARMS[3], "dashdot", "triangle-up"),
    (palette.ARMS[4], "longdash", "x"),
)
_ROW, _CURVES = 50, 380
#: Letters of a line of an axis' title beside long names.
_TITLE_LETTERS = 44


# ---------------------------------------------------------------------- differences


def forest(effects: Sequence[Effect], names: Sequence[str], title: str) -> go.Figure:
    """Return leads in rows: every seed a small mark, the mean a large one with its 95 % interval.

    Right of 0 the first arm of an effect's name needs fewer bits.

    Arguments:
        effects: whose leads are drawn, in bits/dim, from top to bottom.
        names: of the rows.
        title: of the axis.

    """
    figure = go.Figure()
    figure.add_scatter(
        x=[round(float(value), 5) for effect in effects for value in effect.values],
        y=[row + 0.22 for row, effect in enumerate(effects) for _ in effect.values],
        text=[
            f"seed {seed}: lead {signed(value, 4)} bits/dim"
            for effect in effects
            for seed, value in zip(effect.seeds, effect.values, strict=True)
        ],
        mode="markers",
        marker={"color": palette.REFERENCE, "size": 6, "opacity": 0.75},
        name="one seed",
        hovertemplate="%{text}<extra></extra>",
    )
    for claim, (colour, symbol) in CLAIMS.items():
        if of_claim := [(row, effect) for row, effect in enumerate(effects) if effect.claim == claim]:
            figure.add_scatter(
                x=[round(effect.lead, 5) for _, effect in of_claim],
                y=[row - 0.1 for row, _ in of_claim],
                error_x=intervals([effect for _, effect in of_claim], colour, thickness=2.5),
                text=[effect.in_words() for _, effect in of_claim],
                mode="markers",
                marker={"color": colour, "size": 10, "symbol": symbol, "line": {"width": 2, "color": colour}},
                name=f"mean: {claim}",
                hovertemplate="%{text}<extra></extra>",
            )
    figure.add_vline(x=0, line=ZERO)
    lines = [line for part in title.split("<br>") for line in textwrap.wrap(part, _TITLE_LETTERS)]
    labels = [f"<b>{name}</b><br>{effect.figures}" for name, effect in zip(names, effects, strict=True)]
    # In half a page's width every entry of the legend takes a row.
    figure.update_layout(
        **rows(labels, _ROW, (len(effects) - 0.4, -0.6), len(figure.data), 50 + 18 * len(lines)),
        xaxis={
            "range": span(end for effect in effects for end in (*effect.values, *effect.lead_interval)),
            "title": {"text": "<br>".join(lines)},
        },
    )
    return figure


# ---------------------------------------------------------------------- in lock-step


def curves(
    arms: Mapping[str, ArmCurve], shared: np.ndarray, title: str, *, scrubbed: bool, differences: bool = False
) -> go.Figure:
    """Return bits/dim, or differences of it, while arms train: a bold line each, their seeds as faint ones.

    Arguments:
        arms: name -> curve; its place decides colour, dash and symbol.
        shared: the steps that the axis shows, at equal distances.
        title: of the y axis.
        scrubbed: whether a slider moves an upright line through ``shared``.
        differences: whether curves are differences from the first arm, which is the line at 0.

    """
    figure = go.Figure()
    styles = dict(zip(arms, STYLES[1:] if differences else STYLES, strict=False))
    for name, curve in arms.items():
        colour, dash, symbol = styles[name]
        places = _between(curve.steps, shared)
        gaps = np.hstack([curve.bits_per_dim, np.full((len(curve.seeds), 1), np.nan)]).ravel()
        figure.add_scatter(
            x=np.tile([*places, places[-1]], len(curve.seeds)).round(3).tolist(),
            y=[None if np.isnan(value) else round(float(value), 4) for value in gaps],
            mode="lines",
            line={"color": colour, "width": 1},
            opacity=0.3,
            showlegend=False,
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=places.round(3).tolist(),
            y=curve.mean.round(4).tolist(),
            text=[f"{name}, step {step:,.0f}" for step in curve.steps],
            mode="lines+markers",
            line={"color": colour, "width": 2.5, "dash": dash},
            marker={"color": colour, "size": 7, "symbol": symbol},
            name=name,
            hovertemplate=f"%{{text}}: %{{y:{'+' if differences else ''}.3f}} bits/dim<extra></extra>",
        )
    values = np.concatenate([curve.bits_per_dim.ravel() for curve in arms.values()])
    if differences:
        ends = span(values.ravel().tolist())
        figure.add_hline(y=0, line=ZERO)
    else:
        ends = limits([values])
    if scrubbed:
        cursors = [steps.cursor(place, ends) for place in range(len(shared))]
        figure.add_scatter(**cursors[-1])
        moving = [len(figure.data) - 1]
        figure.frames = [steps.frame(step, [cursor], moving) for step, cursor in zip(shared, cursors, strict=True)]
    figure.update_layout(
        **layout(_CURVES, legend_room()),
        xaxis=steps.axis(shared, 0.6, 0.6),
        yaxis={"range": ends, "title": {"text": title}},
    )
    return figure


def _between(own: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Return the places of steps on an axis with other steps at equal distances, by log interpolation."""
    return np.interp(np.log1p(own), np.log1p(shared), np.arange(len(shared)))
