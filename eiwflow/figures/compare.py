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
from .kit import Trace, across, intervals, joined, layout, legend_room, limits, lines, marks, upright
from .ladder import ZERO, rows

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
    of_seeds = [
        (row, effect, *each)
        for row, effect in enumerate(effects)
        for each in zip(effect.seeds, effect.values, strict=True)
    ]
    text = [f"seed {seed}: lead {signed(value, 4)} bits/dim" for *_, seed, value in of_seeds]
    x, y = np.array([value for *_, value in of_seeds]), [row + 0.22 for row, *_ in of_seeds]
    faint: Trace = {"marker": {"opacity": 0.75}, "name": "one seed", "label": "%{text}"}
    traces = [marks(x, y, palette.REFERENCE, 6, text=text, **faint)]
    for claim, (colour, symbol) in CLAIMS.items():
        if of_claim := [(row, effect) for row, effect in enumerate(effects) if effect.claim == claim]:
            claimed = [effect for _, effect in of_claim]
            look: Trace = {
                "marker": {"line": {"width": 2, "color": colour}},
                "error_x": intervals(claimed, colour, thickness=2.5),
                "text": [effect.in_words() for effect in claimed],
                "name": f"mean: {claim}",
            }
            x, y = np.array([effect.lead for effect in claimed]), [row - 0.1 for row, _ in of_claim]
            traces.append(marks(x, y, colour, 10, symbol, label="%{text}", **look))
    heading = [line for part in title.split("<br>") for line in textwrap.wrap(part, _TITLE_LETTERS)]
    labels = [f"<b>{name}</b><br>{effect.figures}" for name, effect in zip(names, effects, strict=True)]
    ends = limits([0.0, *(end for effect in effects for end in (*effect.values, effect.low, effect.high))])
    return go.Figure(
        traces,
        {
            # In half a page's width every entry of the legend takes a row.
            **rows(labels, _ROW, (len(effects) - 0.4, -0.6), len(traces), 50 + 18 * len(heading)),
            "shapes": [upright(0, **ZERO)],
            "xaxis": {"range": ends, "title": {"text": "<br>".join(heading)}},
        },
    )


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
    styles, traces = dict(zip(arms, STYLES[1:] if differences else STYLES, strict=False)), []
    for name, curve in arms.items():
        colour, dash, symbol = styles[name]
        places = _between(curve.steps, shared)
        traces.append(lines(*joined(places, curve.bits_per_dim.T), colour, 1, opacity=0.3))
        marker = {"color": colour, "size": 7, "symbol": symbol}
        text = [f"{name}, step {step:,.0f}" for step in curve.steps]
        label = f"%{{text}}: %{{y:{'+' if differences else ''}.3f}} bits/dim"
        traces.append(lines(places, curve.mean, colour, 2.5, dash, marker=marker, text=text, name=name, label=label))
    values = np.concatenate([curve.bits_per_dim.ravel() for curve in arms.values()])
    ends = limits([0.0, values] if differences else [values])
    cursors = [steps.cursor(place, ends) for place in range(len(shared))] if scrubbed else []
    return go.Figure(
        [*traces, *cursors[-1:]],
        {
            **layout(_CURVES, legend_room()),
            "shapes": [across(0, **ZERO)] if differences else [],
            "xaxis": steps.axis(shared, 0.6, 0.6),
            "yaxis": {"range": ends, "title": {"text": title}},
        },
        [steps.frame(step, [cursor], [len(traces)]) for step, cursor in zip(shared, cursors, strict=False)],
    )


def _between(own: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Return the places of steps on an axis with other steps at equal distances, by log interpolation."""
    return np.interp(np.log1p(own), np.log1p(shared), np.arange(len(shared)))
