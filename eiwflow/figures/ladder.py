"""The ladder of a study, gains at equal steps beside equal time, and how a lead changes with training."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from ..analysis.words.numbers import signed
from . import palette
from .kit import intervals, layout, legend_room

if TYPE_CHECKING:
    from ..study.claim import Added
    from ..study.ladder import Rung
    from ..study.statistics import Effect

#: claim: its name, colour, whether a bar is filled.
CLAIMS = {
    "better": ("saves bits", palette.ARMS[0], True),
    "worse": ("costs bits", palette.ARMS[3], True),
    "no conclusion": ("not shown (after correction)", palette.REFERENCE, False),
}
#: Colour and symbol of data sets, in their order.
SETS = tuple(zip(palette.ARMS, ("circle", "square", "diamond", "triangle-up", "x"), strict=True))
_ROW, _TREND, _ADDED = 52, 270, 26
#: What is added at equal steps and at equal CPU seconds: colour, symbol, place in its row.
_BUDGETS = {
    "equal steps": (palette.ARMS[0], "circle", -0.15),
    "equal CPU seconds": (palette.ARMS[2], "square", 0.15),
}
#: Opacity of a lead that is not shown after correction.
PALE = 0.35
#: An upper bound on the width of a letter beside an axis, in pixels.
_LETTER = 6.4
#: Distance between studies of the same length, as a share of their steps.
_APART = 0.07


@dataclass(frozen=True)
class Lead:
    """A lead in one study, at the end of its training.

    Attributes:
        study: its title.
        data: the name of its images.
        size: the side of its images, in pixels.
        steps: of training.
        effect: the lead.

    """

    study: str
    data: str
    size: int
    steps: int
    effect: Effect


def waterfall(rungs: Sequence[Rung]) -> go.Figure:
    """Return a ladder from below: a bar is a rung's saving over the rung below, with its 95 % interval.

    Args:
        rungs: of one study, the lowest first.

    """
    figure = go.Figure()
    above = [rung for rung in rungs if rung.saved is not None and rung.step is not None]
    row = {rung.name: place for place, rung in enumerate(rungs)}
    # A bar begins at the saving of the rung below, over the common seeds.
    start = {rung.name: rung.saved.lead - rung.step.lead for rung in above if rung.saved and rung.step}
    figure.add_scatter(
        x=[value for rung in above for value in (round(start[rung.name], 5),) * 2 + (None,)],
        y=[value for rung in above for value in (row[rung.name] - 1, row[rung.name], None)],
        mode="lines", line={"color": palette.REFERENCE, "width": 1, "dash": "dot"}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    for claim, (name, colour, filled) in CLAIMS.items():
        of_claim = [(rung, rung.step) for rung in above if rung.step is not None and rung.step.claim == claim]
        if not of_claim:
            continue
        figure.add_bar(
            orientation="h",
            base=[round(start[rung.name], 5) for rung, _ in of_claim],
            x=[round(step.lead, 5) for _, step in of_claim],
            y=[row[rung.name] for rung, _ in of_claim],
            width=0.5,
            error_x=intervals([step for _, step in of_claim], palette.LETTERS),
            marker={"color": colour if filled else "rgba(0, 0, 0, 0)", "line": {"color": colour, "width": 2}},
            text=[f"{rung.name}: {step.in_words()} {rung.detail}" for rung, step in of_claim],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
            name=name,
        )
    figure.add_vline(x=0, line={"width": 1.5, "color": palette.REFERENCE})
    labels = [_label(rung) for rung in rungs]
    longest = max(len(line.replace("<b>", "").replace("</b>", "")) for text in labels for line in text.split("<br>"))
    steps = [(start[rung.name], rung.step) for rung in above if rung.step]
    ends = [0.0, *(at + end for at, step in steps for end in (step.lead, *step.lead_interval) if end == end)]
    room = 0.06 * (max(ends) - min(ends)) or 0.01
    figure.update_layout(
        **layout(legend_room() + 70 + _ROW * len(rungs), legend_room(), 70, left=_LETTER * longest),
        bargap=0.4,
        xaxis={"range": [min(ends) - room, max(ends) + room], "title": {"text": "bits/dim saved"}, "nticks": 5},
        yaxis={
            "range": [-0.6, len(rungs) - 0.4],
            "tickvals": list(range(len(rungs))),
            "ticktext": labels,
            "showgrid": False,
        },
    )
    return figure


def added(gains: Sequence[Added]) -> go.Figure:
    """Return what choices add, in rows: a mark with its 95 % interval at equal steps, one at equal CPU seconds.

    Args:
        gains: from top to bottom; what is not shown after correction is pale.

    """
    figure = go.Figure()
    for budget, (colour, symbol, place) in _BUDGETS.items():
        both = [(row, gain.time if budget == "equal CPU seconds" else gain.steps) for row, gain in enumerate(gains)]
        known = [(row, effect) for row, effect in both if effect is not None]
        if not known:
            continue
        figure.add_scatter(
            x=[round(effect.lead, 5) for _, effect in known],
            y=[row + place for row, _ in known],
            error_x=intervals([effect for _, effect in known], colour, width=4),
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 9, "opacity": _opacity([one for _, one in known])},
            text=[f"{gains[row].name}, {budget}: {effect.lead_in_figures}, {effect.shown}" for row, effect in known],
            hovertemplate="%{text}<extra></extra>",
            name=budget,
        )
    figure.add_vline(x=0, line={"width": 1.5, "color": palette.REFERENCE})
    longest = max(len(gain.name) for gain in gains)
    figure.update_layout(
        **layout(legend_room() + 60 + _ADDED * len(gains), legend_room(), 60, left=_LETTER * longest + 20),
        xaxis={"rangemode": "tozero", "title": {"text": "bits/dim saved"}, "nticks": 5},
        yaxis={
            "range": [len(gains) - 0.5, -0.5],
            "tickvals": list(range(len(gains))),
            "ticktext": [gain.name for gain in gains],
            "showgrid": False,
        },
    )
    return figure


def _opacity(effects: Sequence[Effect]) -> list[float]:
    return [PALE if effect.claim == "no conclusion" else 1.0 for effect in effects]


def with_training(leads: Sequence[Lead]) -> go.Figure:
    """Return leads with their 95 % intervals against training steps, a colour and a symbol for each data set.

    Images larger than the smallest have an open symbol, and their size in the legend.

    Args:
        leads: at least one; leads of the same length are side by side.

    """
    figure = go.Figure()
    lengths = sorted({lead.steps for lead in leads})
    places: dict[str, float] = {}
    for steps in lengths:
        alike = sorted((lead for lead in leads if lead.steps == steps), key=lambda lead: (lead.data, lead.study))
        middle = (len(alike) - 1) / 2
        places |= {lead.study: steps * (1 + _APART) ** (place - middle) for place, lead in enumerate(alike)}
    sets, sizes = sorted({lead.data for lead in leads}), sorted({lead.size for lead in leads})
    for data, size in itertools.product(sets, sizes):
        of_set = sorted((lead for lead in leads if (lead.data, lead.size) == (data, size)), key=lambda lead: lead.steps)
        if not of_set:
            continue
        colour, symbol = SETS[sets.index(data) % len(SETS)]
        larger = size > sizes[0]
        figure.add_scatter(
            x=[round(places[lead.study], 2) for lead in of_set],
            y=[round(lead.effect.lead, 5) for lead in of_set],
            error_y=intervals([lead.effect for lead in of_set], colour, width=5),
            mode="markers",
            marker={
                "color": colour,
                "symbol": symbol + "-open" * larger,
                "size": 11,
                "line": {"width": 2 * larger},
                "opacity": _opacity([lead.effect for lead in of_set]),
            },
            text=[f"{lead.study}: {lead.effect.lead_in_figures}, {lead.effect.shown}" for lead in of_set],
            hovertemplate="%{text}<extra></extra>",
            name=data + f", {size}×{size}" * larger,
        )
    figure.add_hline(y=0, line={"width": 1.5, "color": palette.REFERENCE})
    ends = [0.0, *(end for lead in leads for end in (lead.effect.lead, *lead.effect.lead_interval) if end == end)]
    room = 0.06 * (max(ends) - min(ends)) or 0.01
    figure.update_layout(
        **layout(_TREND, legend_room(2)),
        xaxis={
            "type": "log",
            "range": [float(np.log10(lengths[0] / 1.6)), float(np.log10(lengths[-1] * 1.6))],
            "tickvals": lengths,
            "ticktext": [f"{steps:,}" for steps in lengths],
            "title": {"text": "training steps"},
        },
        yaxis={"range": [min(ends) - room, max(ends) + room], "title": {"text": "lead over Glow’s half<br>(bits/dim)"}},
    )
    return figure


def _label(rung: Rung) -> str:
    """Return the label of a rung: its name and, above the lowest, its saving."""
    name = rung.name.replace(" + ", "<br>+ ")
    return f"<b>{name}</b>" + ("" if rung.step is None else f"<br>{signed(rung.step.lead, 3)} ({rung.step.lead_range})")
