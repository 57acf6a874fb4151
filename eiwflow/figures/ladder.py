"""The ladder of a study, gains at equal steps beside equal time, and how a lead changes with training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from . import palette
from .kit import intervals, layout, legend_room

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
_ROW, _TREND, _ADDED = 52, 270, 26
#: What is added at equal steps and at equal CPU seconds: colour, symbol, place in its row.
_BUDGETS = {
    "equal steps": (palette.ARMS[0], "circle", -0.15),
    "equal CPU seconds": (palette.ARMS[2], "square", 0.15),
}
#: Opacity of a lead that is not claimed.
PALE = 0.35
#: An upper bound on the width of a letter beside an axis, in pixels.
LETTER = 6.4
#: The line at no lead.
ZERO = {"width": 1.5, "color": palette.REFERENCE}
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


def span(values: Iterable[float]) -> tuple[float, float]:
    """Return a range of bits/dim that holds 0 and all finite values, with a margin."""
    finite = [0.0, *filter(math.isfinite, values)]
    room = 0.06 * (max(finite) - min(finite)) or 0.01
    return min(finite) - room, max(finite) + room


def waterfall(rungs: Sequence[Rung]) -> go.Figure:
    """Return a ladder from below: a bar is a rung's saving over the rung below, with its 95 % interval.

    Args:
        rungs: of one study, the lowest first.

    """
    figure = go.Figure()
    # A bar begins at the saving of the rung below, over the common seeds.
    bars = [
        (row, rung, rung.step, rung.saved.lead - rung.step.lead)
        for row, rung in enumerate(rungs)
        if rung.saved is not None and rung.step is not None
    ]
    figure.add_scatter(
        x=[value for *_, start in bars for value in (round(start, 5), round(start, 5), None)],
        y=[value for row, *_ in bars for value in (row - 1, row, None)],
        mode="lines", line={"color": palette.REFERENCE, "width": 1, "dash": "dot"}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    for claim, (name, colour, filled) in CLAIMS.items():
        if of_claim := [bar for bar in bars if bar[2].claim == claim]:
            figure.add_bar(
                orientation="h",
                base=[round(start, 5) for *_, start in of_claim],
                x=[round(step.lead, 5) for _, _, step, _ in of_claim],
                y=[row for row, *_ in of_claim],
                width=0.5,
                error_x=intervals([step for _, _, step, _ in of_claim], palette.LETTERS),
                marker={"color": colour if filled else "rgba(0, 0, 0, 0)", "line": {"color": colour, "width": 2}},
                text=[f"{step.in_words()} {rung.detail}" for _, rung, step, _ in of_claim],
                textposition="none",
                hovertemplate="%{text}<extra></extra>",
                name=name,
            )
    figure.add_vline(x=0, line=ZERO)
    ends = span(start + end for *_, step, start in bars for end in (step.lead, *step.lead_interval))
    labels = [
        f"<b>{rung.name.replace(' + ', '<br>+ ')}</b>" + ("" if rung.step is None else f"<br>{rung.step.figures}")
        for rung in rungs
    ]
    figure.update_layout(
        **rows(labels, _ROW, (-0.6, len(rungs) - 0.4), below=70),
        bargap=0.4,
        xaxis={"range": ends, "title": {"text": "bits per value saved"}, "nticks": 5},
    )
    return figure


def added(gains: Sequence[Added]) -> go.Figure:
    """Return what choices add, in rows: a mark with its 95 % interval at equal steps, one at equal CPU seconds.

    Args:
        gains: from top to bottom; what is not shown after correction is pale.

    """
    figure = go.Figure()
    for budget, (colour, symbol, place) in _BUDGETS.items():
        both = [(row, gain.steps if budget == "equal steps" else gain.time) for row, gain in enumerate(gains)]
        known = [(row, effect) for row, effect in both if effect is not None]
        if known:
            figure.add_scatter(
                x=[round(effect.lead, 5) for _, effect in known],
                y=[row + place for row, _ in known],
                error_x=intervals([effect for _, effect in known], colour, width=4),
                mode="markers",
                marker={
                    "color": colour,
                    "symbol": symbol,
                    "size": 9,
                    "opacity": _opacity(effect for _, effect in known),
                },
                text=[
                    f"{gains[row].name}, {gains[row].iterations:,} steps, {budget}: {effect.figures}, {effect.claim}"
                    for row, effect in known
                ],
                hovertemplate="%{text}<extra></extra>",
                name=budget,
            )
    figure.add_vline(x=0, line=ZERO)
    figure.update_layout(
        **rows([gain.name for gain in gains], _ADDED, (len(gains) - 0.5, -0.5)),
        xaxis={"rangemode": "tozero", "title": {"text": "bits per value saved"}, "nticks": 5},
    )
    return figure


def _opacity(effects: Iterable[Effect]) -> list[float]:
    return [1.0 if effect.claim in ("ahead", "behind") else PALE for effect in effects]


def with_training(leads: Mapping[str, tuple[StudyRecipe, Effect]]) -> go.Figure:
    """Return leads with their 95 % intervals against training steps, a colour and a symbol for each data set.

    Images larger than the smallest have an open symbol, and their size in the legend.

    Args:
        leads: title of a study -> its recipe and its lead, at least one; those of the same length are side by side.

    """
    figure = go.Figure()
    points = sorted(
        (recipe.data_name + ", held out" * (recipe.evaluate_on == "validation"), recipe.size, recipe.iterations, title)
        for title, (recipe, _) in leads.items()
    )
    sets = sorted({data for data, *_ in points})
    smallest = min(size for _, size, *_ in points)
    lengths = sorted({steps for *_, steps, _ in points})
    places: dict[str, float] = {}
    for steps in lengths:
        alike = sorted((data, title) for data, _, length, title in points if length == steps)
        middle = (len(alike) - 1) / 2
        places |= {title: steps * (1 + _APART) ** (place - middle) for place, (_, title) in enumerate(alike)}
    for (data, size), of_set in itertools.groupby(points, key=lambda point: point[:2]):
        named = [title for *_, title in of_set]
        effects = [leads[title][1] for title in named]
        colour, symbol = SETS[sets.index(data) % len(SETS)]
        larger = size > smallest
        figure.add_scatter(
            x=[round(places[title], 2) for title in named],
            y=[round(effect.lead, 5) for effect in effects],
            error_y=intervals(effects, colour, width=5),
            mode="markers",
            marker={
                "color": colour,
                "symbol": symbol + "-open" * larger,
                "size": 11,
                "line": {"width": 2 * larger},
                "opacity": _opacity(effects),
            },
            text=[f"{title}: {effect.figures}, {effect.claim}" for title, effect in zip(named, effects, strict=True)],
            hovertemplate="%{text}<extra></extra>",
            name=data + f", {size}×{size}" * larger,
        )
    figure.add_hline(y=0, line=ZERO)
    figure.update_layout(
        **layout(_TREND, legend_room(2)),
        xaxis={
            "type": "log",
            "range": [float(np.log10(lengths[0] / 1.6)), float(np.log10(lengths[-1] * 1.6))],
            "tickvals": lengths,
            "ticktext": [f"{steps:,}" for steps in lengths],
            "title": {"text": "training steps"},
        },
        yaxis={
            "range": span(end for _, effect in leads.values() for end in (effect.lead, *effect.lead_interval)),
            "title": {"text": "bits per value"},
        },
    )
    return figure
