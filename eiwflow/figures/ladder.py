"""The ladder of a study, gains at equal steps beside equal time, and how a lead changes with training."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from . import palette
from .kit import across, bars, intervals, layout, legend_room, limits, lines, marks, numbers, upright

if TYPE_CHECKING:
    from ..study.claim import Added
    from ..study.ladder import Rung
    from ..study.recipe import StudyRecipe
    from ..study.statistics import Effect

#: claim: its name, colour, whether a bar is filled.
CLAIMS = {
    "ahead": ("saves bits", palette.ARMS[0], True),
    "behind": ("costs bits", palette.ARMS[3], True),
    "not shown": ("not shown (after correction)", palette.REFERENCE, False),
    "interim": ("interim", palette.REFERENCE, False),
}
#: Colour and symbol of data sets, in their order.
SETS = tuple(zip(palette.ARMS, ("circle", "square", "diamond", "triangle-up", "x"), strict=True))
_ROW, _TREND, _ADDED = 52, 164, 22
#: What is added at equal steps and at equal CPU seconds: colour, symbol, place in its row.
_BUDGETS = {
    "equal steps": (palette.ARMS[0], "circle", -0.15),
    "equal CPU seconds": (palette.ARMS[2], "square", 0.15),
}
#: Symbols as letters.
SIGNS = {
    "circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲", "x": "✖",
    "circle-open": "○", "square-open": "□", "diamond-open": "◇", "triangle-up-open": "△", "x-open": "✕",
}  # fmt: skip
#: Opacity of a lead that is not claimed.
PALE = 0.35
#: An upper bound on the width of a letter beside an axis, in pixels.
LETTER = 6.4
#: The look of the line at no lead.
ZERO: dict[str, Any] = {"width": 1.5, "dash": "solid"}
#: Distance between studies of the same length, as a share of their steps.
_APART = 0.07


def rows(
    labels: Sequence[str], height: float, ends: tuple[float, float], above: int = 1, below: float = 60
) -> dict[str, Any]:
    """Return the layout of a chart in labelled rows.

    Args:
        labels: of the rows; ``<br>`` breaks a line.
        height: of a row in pixels.
        ends: of the vertical axis, in rows.
        above: rows of the legend.
        below: pixels under the rows.

    """
    lines = [line.replace("<b>", "").replace("</b>", "") for label in labels for line in label.split("<br>")]
    room = legend_room(above)
    return layout(room + below + height * len(labels), room, below, left=LETTER * max(map(len, lines)) + 10) | {
        "yaxis": {"range": ends, "tickvals": list(range(len(labels))), "ticktext": [*labels], "showgrid": False}
    }


def waterfall(rungs: Sequence[Rung]) -> go.Figure:
    """Return a ladder from below: a bar is a rung's saving over the rung below, with its 95 % interval.

    Args:
        rungs: of one study, the lowest first.

    """
    # A bar begins at the saving of the rung below, over the common seeds.
    steps = [
        (row, rung, rung.step, rung.saved.lead - rung.step.lead)
        for row, rung in enumerate(rungs)
        if rung.saved is not None and rung.step is not None
    ]
    x = [value for *_, start in steps for value in (round(start, 5), round(start, 5), None)]
    traces = [lines(x, [place for row, *_ in steps for place in (row - 1, row, None)], palette.REFERENCE, 1, "dot")]
    for claim, (name, colour, filled) in CLAIMS.items():
        if of_claim := [step for step in steps if step[2].claim == claim]:
            places, of_rungs, effects, starts = zip(*of_claim, strict=True)
            marker = {"color": colour if filled else "rgba(0, 0, 0, 0)", "line": {"color": colour, "width": 2}}
            text = [f"{step.in_words()} {rung.detail}" for rung, step in zip(of_rungs, effects, strict=True)]
            look = {"orientation": "h", "base": numbers(starts), "width": 0.5}
            errors = intervals(effects, palette.LETTERS)
            traces.append(
                bars(_leads(effects), places, marker, error_x=errors, text=text, name=name, label="%{text}", **look)
            )
    ends = limits([0.0, *(start + end for *_, step, start in steps for end in (step.lead, step.low, step.high))])
    labels = [
        f"<b>{rung.name.replace(' + ', '<br>+ ')}</b>" + ("" if rung.step is None else f"<br>{rung.step.figures}")
        for rung in rungs
    ]
    return go.Figure(
        traces,
        {
            **rows(labels, _ROW, (-0.6, len(rungs) - 0.4), below=70),
            "bargap": 0.4,
            "shapes": [upright(0, **ZERO)],
            "xaxis": {"range": ends, "title": {"text": "bits per value saved"}, "nticks": 5},
        },
    )


def added(gains: Sequence[Added]) -> go.Figure:
    """Return what choices add, in rows: a mark with its 95 % interval at equal steps, one at equal CPU seconds.

    Args:
        gains: from top to bottom; what is not shown after correction is pale.

    """
    traces = []
    for budget, (colour, symbol, place) in _BUDGETS.items():
        both = [(row, gain.steps if budget == "equal steps" else gain.time) for row, gain in enumerate(gains)]
        known = [(row, effect) for row, effect in both if effect is not None]
        if known:
            effects = [effect for _, effect in known]
            text = [f"{gains[row].name}<br>{budget}: {effect.figures}, {effect.claim}" for row, effect in known]
            look = {"marker": {"opacity": _opacity(effects)}, "error_x": intervals(effects, colour, width=4)}
            y = [row + place for row, _ in known]
            traces.append(marks(_leads(effects), y, colour, 9, symbol, text=text, name=budget, label="%{text}", **look))
    return go.Figure(
        traces,
        {
            **rows([gain.name for gain in gains], _ADDED, (len(gains) - 0.5, -0.5), -1, 28),
            "showlegend": False,
            "shapes": [upright(0, **ZERO)],
            "xaxis": {"rangemode": "tozero", "nticks": 5},
        },
    )


def legend(figure: go.Figure) -> str:
    """Return the marks of a figure with their names as HTML; plotly's legend has a line for each where it is narrow."""
    looks = {trace.name: (trace.marker.color, SIGNS[trace.marker.symbol]) for trace in figure.data}
    return "".join(
        f'<span><i style="color: {colour}">{sign}</i>{name}</span>' for name, (colour, sign) in looks.items()
    )


def _leads(effects: Iterable[Effect]) -> np.ndarray:
    return np.array([effect.lead for effect in effects])


def _opacity(effects: Iterable[Effect]) -> list[float]:
    return [1.0 if effect.claim in ("ahead", "behind") else PALE for effect in effects]


def with_training(leads: Mapping[str, tuple[StudyRecipe, Effect]]) -> go.Figure:
    """Return leads with their 95 % intervals against training steps, a colour and a symbol for each data set.

    Images larger than the smallest have an open symbol.

    Args:
        leads: title of a study -> its recipe and its lead, at least one; those of the same length are side by side.

    """
    points = sorted(
        (recipe.data_name + ", held out" * (recipe.evaluate_on == "validation"), recipe.size, recipe.iterations, title)
        for title, (recipe, _) in leads.items()
    )
    sets = sorted({data for data, *_ in points})
    smallest = min(size for _, size, *_ in points)
    lengths = sorted({steps for *_, steps, _ in points})
    places: dict[str, float] = {}
    traces = []
    for steps in lengths:
        alike = sorted((data, title) for data, _, length, title in points if length == steps)
        middle = (len(alike) - 1) / 2
        places |= {title: steps * (1 + _APART) ** (place - middle) for place, (_, title) in enumerate(alike)}
    for (data, size), of_set in itertools.groupby(points, key=lambda point: point[:2]):
        named = [title for *_, title in of_set]
        effects = [leads[title][1] for title in named]
        colour, symbol = SETS[sets.index(data) % len(SETS)]
        larger = size > smallest
        look = {
            "marker": {"line": {"width": 2 * larger}, "opacity": _opacity(effects)},
            "error_y": intervals(effects, colour, width=5),
            "text": [
                f"{title.replace(', ', '<br>')}: {each.figures}, {each.claim}"
                for title, each in zip(named, effects, strict=True)
            ],
            "name": data + f", {size}×{size}" * larger,
            "mode": "lines+markers",
            "line": {"color": colour, "width": 1.5},
        }
        x, symbol = np.array([places[title] for title in named]), symbol + "-open" * larger
        traces.append(marks(x, _leads(effects), colour, 11, symbol, label="%{text}", **look))
    ends = limits([0.0, *(end for _, effect in leads.values() for end in (effect.lead, effect.low, effect.high))])
    return go.Figure(
        traces,
        {
            **layout(_TREND, below=30),
            "showlegend": False,
            "shapes": [across(0, **ZERO)],
            "xaxis": {
                "type": "log",
                "range": [float(np.log10(lengths[0] / 1.6)), float(np.log10(lengths[-1] * 1.6))],
                "tickvals": lengths,
                "ticktext": [f"{steps:,} steps" for steps in lengths],
            },
            "yaxis": {"range": ends, "nticks": 4},
        },
    )
