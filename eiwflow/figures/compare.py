"""The Compare page's charts of one study: paired leads with their seeds, and arms in training.

An arm has a colour, a dash and a symbol of its own; what is passed on and what is factored out have theirs on every
page. What is better is green and a diamond, what is worse purple and a square, and where nothing can be concluded the
mark is grey and hollow.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ..analysis.words.numbers import signed
from . import palette, steps
from .kit import HALVES, layout, legend_room

if TYPE_CHECKING:
    from ..study.arms import ArmCurve, ArmLevel
    from ..study.statistics import Effect

#: claim: colour, symbol.
CLAIMS = {
    "better": (palette.ARMS[0], "diamond"),
    "worse": (palette.ARMS[3], "square"),
    "no conclusion": (palette.ARMS[4], "circle-open"),
}
#: Colour, dash and symbol of arms, the subject first. None is that of kept or emitted.
STYLES = (
    (palette.ARMS[0], "solid", "diamond"),
    (palette.ARMS[1], "dash", "circle"),
    (palette.ARMS[2], "dot", "square"),
    (palette.ARMS[3], "dashdot", "triangle-up"),
    (palette.ARMS[4], "longdash", "x"),
)
#: What can be measured of the two halves: title of the axis, what it is of noise, and what that noise is.
MEASURES = {
    "redundancy": ("spectral redundancy (nats/pixel)", 0.0, "white noise: 0"),
    "entropy": ("marginal entropy (nats/dim)", 1.4189, "N(0, 1): 1.4189"),
}
_ROW, _CURVES = 50, 380
#: Letters that a line of an axis' title takes beside long names.
_TITLE_LETTERS = 44
#: The width of a letter beside an axis, in pixels, amply.
_LETTER = 6.1


# ---------------------------------------------------------------------- differences


def span(effects: Iterable[Effect]) -> tuple[float, float]:
    """Return a range of bits/dim that holds 0, every seed's lead and every interval: an axis that charts share."""
    ends = [0.0, *(value for one in effects for value in (*-one.values, *one.lead_interval))]
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    room = 0.06 * (high - low) or 0.01
    return low - room, high + room


def forest(
    effects: Sequence[Effect],
    names: Sequence[str],
    title: str,
    limits: tuple[float, float] | None = None,
) -> go.Figure:
    """Return leads in rows: every seed a small mark, the mean a large one with its 95 % interval.

    Right of 0 what an effect is named after needs fewer bits.

    Arguments:
        effects: whose leads are drawn, in bits/dim, from top to bottom.
        names: what each row is called.
        title: of the axis.
        limits: of the axis, where another chart shares it.

    """
    figure = go.Figure()
    rows = range(len(effects))
    figure.add_scatter(
        x=[round(-float(value), 5) for one in effects for value in one.values],
        y=[row + 0.22 for row, one in zip(rows, effects, strict=True) for _ in one.values],
        text=[
            f"seed {seed}: lead {signed(-value, 4)} bits/dim"
            for one in effects
            for seed, value in zip(one.seeds, one.values, strict=True)
        ],
        mode="markers",
        marker={"color": palette.REFERENCE, "size": 6, "opacity": 0.75},
        name="one seed",
        hovertemplate="%{text}<extra></extra>",
    )
    for claim, (colour, symbol) in CLAIMS.items():
        of_claim = [(row, one) for row, one in zip(rows, effects, strict=True) if one.claim == claim]
        if not of_claim:
            continue
        figure.add_scatter(
            x=[round(one.lead, 5) for _, one in of_claim],
            y=[row - 0.1 for row, _ in of_claim],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [_length(one.mean - one.low) for _, one in of_claim],
                "arrayminus": [_length(one.high - one.mean) for _, one in of_claim],
                "color": colour,
                "thickness": 2.5,
                "width": 6,
            },
            text=[one.in_words() for _, one in of_claim],
            mode="markers",
            marker={"color": colour, "size": 10, "symbol": symbol, "line": {"width": 2, "color": colour}},
            name=f"mean: {claim}",
            hovertemplate="%{text}<extra></extra>",
        )
    figure.add_vline(x=0, line={"width": 1.5, "color": palette.REFERENCE})
    longest = max(len(line) for name, one in zip(names, effects, strict=True) for line in (name, one.lead_in_figures))
    lines = [line for part in title.split("<br>") for line in textwrap.wrap(part, _TITLE_LETTERS)]
    # In half a page's width every entry of the legend has a row of its own.
    above, below = legend_room(len(figure.data)), 50 + 18 * len(lines)
    figure.update_layout(
        **layout(above + below + _ROW * len(effects), above, below, left=_LETTER * longest),
        xaxis={
            "range": list(limits or span(effects)),
            "title": {"text": "<br>".join(lines)},
        },
        yaxis={
            "range": [len(effects) - 0.4, -0.6],
            "tickvals": list(rows),
            "ticktext": [f"<b>{name}</b><br>{one.lead_in_figures}" for name, one in zip(names, effects, strict=True)],
            "showgrid": False,
        },
    )
    return figure


def _length(value: float) -> float | None:
    return round(value, 5) if np.isfinite(value) else None


# ---------------------------------------------------------------------- in lock-step


def curves(
    found: Mapping[str, ArmCurve], shared: np.ndarray, title: str, *, scrubbed: bool, differences: bool = False
) -> go.Figure:
    """Return bits/dim, or differences of it, while arms train: a bold line each, their seeds as faint ones.

    Arguments:
        found: name -> curve; its place says how it is drawn.
        shared: the steps that the axis shows, at equal distances.
        title: of the y axis.
        scrubbed: whether a slider moves an upright line through ``shared``.
        differences: whether these are differences from the first arm, which is then the line at 0.

    """
    figure = go.Figure()
    styles = dict(zip(found, STYLES[1:] if differences else STYLES, strict=False))
    for name, curve in found.items():
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
    values = np.concatenate([curve.bits_per_dim.ravel() for curve in found.values()])
    ends = [float(values.min()), float(values.max())]
    if differences:
        ends = [min(0.0, ends[0]), max(0.0, ends[1])]
        figure.add_hline(y=0, line={"width": 1.5, "color": palette.REFERENCE})
    room = 0.06 * (ends[1] - ends[0]) or 0.01
    ends = [ends[0] - room, ends[1] + room]
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
    """Return where steps stand on an axis that shows others at equal distances: in between on a log scale."""
    return np.interp(np.log1p(own), np.log1p(shared), np.arange(len(shared)))


def halves(found: Mapping[str, ArmLevel], shared: np.ndarray, measured: str) -> go.Figure:
    """Return a measure of what arms pass on and factor out at one level, at the slider's step.

    Arguments:
        found: name -> level.
        shared: the slider's steps.
        measured: one of :data:`MEASURES`.

    """
    title, line, of_noise = MEASURES[measured]
    levels = [level for level in found.values() if getattr(level, measured) is not None]
    values = [_at(level.steps, shared, getattr(level, measured)) for level in levels]
    everything = np.concatenate([line * np.ones(1), *(one.ravel() for one in values)])
    low, high = float(everything.min()), float(everything.max())
    room = 0.1 * (high - low) or 0.1
    names = [name for name, level in found.items() if level in levels]

    def marks(place: int) -> list[dict[str, Any]]:
        joined = [number for one in values for number in (*one[place].round(4).tolist(), None)]
        between = {
            "type": "scatter",
            "x": joined,
            "y": [name for name in names for _ in range(3)],
            "mode": "lines",
            "line": {"color": palette.REFERENCE, "width": 1.5},
            "showlegend": False,
            "hoverinfo": "skip",
        }
        return [between] + [
            {
                "type": "scatter",
                "x": [round(float(one[place, half]), 4) for one in values],
                "y": names,
                "mode": "markers",
                "marker": {"color": colour, "symbol": symbol, "size": 12},
                "name": name,
                "hovertemplate": f"%{{y}}, {name}: %{{x:.3f}}<extra></extra>",
            }
            for half, (name, colour, _, symbol, _) in enumerate(HALVES.values())
        ]

    figure = go.Figure(data=marks(len(shared) - 1))
    figure.frames = [steps.frame(step, marks(place), [0, 1, 2]) for place, step in enumerate(shared)]
    figure.add_vline(x=line, line={"width": 1.5, "dash": "dash", "color": palette.REFERENCE})
    figure.update_layout(
        **layout(130 + 34 * len(names), legend_room(), left=_LETTER * max(map(len, names))),
        xaxis={"range": [low - room, high + room], "title": {"text": f"{title}<br>dashed: {of_noise}"}, "nticks": 5},
        yaxis={"type": "category", "range": [len(names) - 0.5, -0.5], "showgrid": False},
    )
    return figure


def orders(found: Mapping[str, ArmLevel], shared: np.ndarray) -> go.Figure:
    """Return which channels arms pass on and factor out at one level, a row an arm.

    A cross marks a channel that the spectral redundancy of the slider's step would put on the other side.
    """
    names, levels = list(found), list(found.values())
    rows = range(len(levels))
    channels = len(levels[0].order)
    figure = go.Figure()
    size = 15 if channels <= 12 else 9
    for half, (name, colour, _, symbol, _) in enumerate(HALVES.values()):
        members = [np.sort(np.split(level.order, [level.kept])[half]) for level in levels]
        figure.add_scatter(
            x=np.concatenate(members).tolist(),
            y=[row for row, part in zip(rows, members, strict=True) for _ in part],
            mode="markers",
            marker={"color": colour, "symbol": "square" if symbol == "circle" else symbol, "size": size},
            name=name,
            hovertemplate=f"channel %{{x}}: {name}<extra></extra>",
        )
    crossing = [_at(level.steps, shared, level.crossing) for level in levels]

    def marks(place: int) -> dict[str, Any]:
        at = [np.flatnonzero(one[place]) for one in crossing]
        return {
            "type": "scatter",
            "x": np.concatenate(at).tolist(),
            "y": [row for row, found in zip(rows, at, strict=True) for _ in found],
            "mode": "markers",
            "marker": {"symbol": "x-thin", "size": size - 3, "line": {"width": 2, "color": "#FFFFFF"}},
            "name": "would change sides now",
            "hoverinfo": "skip",
            "showlegend": False,
        }

    figure.add_trace(marks(len(shared) - 1))
    figure.frames = [steps.frame(step, [marks(place)], [2]) for place, step in enumerate(shared)]
    figure.update_layout(
        **layout(90 + 34 * len(levels), legend_room()),
        xaxis={
            "range": [-0.7, channels - 0.3],
            "dtick": 2 if channels <= 12 else 8,
            "tickangle": 0,
            "title": {"text": "channel number"},
        },
        yaxis={
            "range": [len(levels) - 0.4, -0.6],
            "tickvals": list(rows),
            "ticktext": names,
            "showgrid": False,
        },
    )
    return figure


def weights(level: ArmLevel, limit: float) -> go.Figure:
    """Return log ω by position after the order: bars of the mean over images, with its spread, at the slider's step."""
    channels = len(level.order)
    half = level.kept

    def bars(place: int) -> list[dict[str, Any]]:
        assert level.weights_mean is not None and level.weights_std is not None  # shown of policies that weigh
        mean, spread = level.weights_mean[place].round(4), level.weights_std[place].round(4)
        return [
            {
                "type": "bar",
                "x": list(range(part.start, part.stop)),
                "y": mean[part].tolist(),
                "error_y": {"type": "data", "array": spread[part].tolist(), "color": palette.REFERENCE, "width": 2},
                "text": level.order[part].tolist(),
                "textposition": "none",
                "marker": {"color": colour, "pattern": pattern},
                "name": name,
                "hovertemplate": "channel %{text}: log ω = %{y:.2f} nats<extra></extra>",
            }
            for part, (name, colour, _, _, pattern) in zip(
                (slice(0, half), slice(half, channels)), HALVES.values(), strict=True
            )
        ]

    figure = go.Figure(data=bars(-1))
    figure.frames = [steps.frame(step, bars(place), [0, 1]) for place, step in enumerate(level.steps)]
    figure.add_vline(x=half - 0.5, line={"width": 2, "dash": "dash", "color": palette.REFERENCE})
    figure.update_layout(
        **layout(240, legend_room()),
        xaxis={"range": [-0.7, channels - 0.3], "title": {"text": "place in the order"}},
        yaxis={"range": [-limit, limit], "title": {"text": "log ω (nats)"}, "zeroline": True},
    )
    return figure


def weight_limit(levels: Iterable[ArmLevel]) -> float:
    """Return half of a symmetric range that holds the weights of all arms that have some."""
    ends = [np.abs(level.weights_mean) + level.weights_std for level in levels if level.weights_mean is not None]
    return 1.08 * max((float(one.max()) for one in ends), default=1.0) or 1.0


# ---------------------------------------------------------------------- parts


def _at(own: np.ndarray, shared: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return what an arm's values (S, …) are at each of the shared steps: those of its latest own step."""
    return values[np.maximum(0, np.searchsorted(own, shared, side="right") - 1)]
