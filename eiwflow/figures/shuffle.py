"""Charts of a permutation: the rank river over training, redundancy by rank, and other orders.

Channels that the order used passes on are blue, a solid line, a circle; the others vermillion, a broken line, a
diamond. Charts over training share one axis (:mod:`.steps`); the river and the bars have one frame per recording step.
Two checkpoints side by side share their axes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ..analysis.words.numbers import fixed
from . import palette, steps
from .kit import (
    HALVES,
    SIDES,
    Trace,
    across,
    bars,
    joined,
    layout,
    legend_room,
    limits,
    lines,
    marks,
    note,
    upright,
)
from .pixels import data_uri

if TYPE_CHECKING:
    from ..analysis.shuffle import RankRiver, ShuffleReport

#: Most channels drawn as lines; more channels are drawn as a matrix.
MOST_LINES = 24

#: Colour of marks on the pale matrix in both themes, and pixels of a cell.
_INK, _PALE, _CELL = "#1B2430", "#F7F7F7", 6
_SMALL = 260
#: Height of the river: with its axis it fits on a screen of 720 pixels.
_HEIGHT = 320
#: Margin right of the plot, for the names of both sides and the overhang of a step's number.
_RIGHT = 64


def rank_river(river: RankRiver, shared: np.ndarray) -> go.Figure:
    """Return the entropy order over training: one line a channel, or a matrix above :data:`MOST_LINES` channels.

    ``shared`` are the steps of the axis.
    """
    return _river(river, shared) if river.channels <= MOST_LINES else _matrix(river, shared)


def _river(river: RankRiver, shared: np.ndarray) -> go.Figure:
    last, channels, split = len(shared) - 1, river.channels, river.passed_on + 0.5
    places, ranks = steps.places(river.steps, shared), river.ranks + 1
    room = 0.03 * (last + 2)
    whens = [*(f"step {step:,}" for step in river.steps), ""]  # the last is the gap between two lines
    histories, crossings = [], []
    for kept, look in SIDES:
        members = np.flatnonzero(river.kept == kept)
        text = [f"channel {channel}, {when}" for channel in members for when in whens]
        named = {"name": look.name, "text": text, "label": "%{text}: rank %{y}"}
        histories.append(lines(*joined(places, ranks[:, members]), palette.REFERENCE, 1.5, look.dash, **named))
        members = np.flatnonzero((river.kept == kept) & river.crossing.any(axis=0))
        if members.size:
            rows = np.where(river.crossing[:, members], river.ranks[:, members] + 1.0, np.nan)
            marker = {"color": look.colour, "size": 5, "symbol": look.symbol}
            crossings.append(lines(*joined(places, rows), look.colour, 4, look.dash, marker=marker))
    frames = [_now(river, i, int(place)) for i, place in enumerate(places)]
    shade = {"type": "rect", "xref": "x domain", "x0": 0, "x1": 1, "opacity": 0.1, "line_width": 0, "layer": "below"}
    shapes = [
        {**shade, "y0": 0.4, "y1": split, "fillcolor": palette.KEPT},
        {**shade, "y0": split, "y1": channels + 0.6, "fillcolor": palette.EMITTED},
        across(split),
    ]
    traces = [*histories, *crossings]
    axis = steps.axis(shared, room, room)
    ticks = {0.06 * channels + 0.5: "most<br>predictable", 0.94 * channels + 0.5: "least<br>predictable"}
    wanted = "pass on", "factor<br>out"
    return _over_steps(river, traces, frames, axis, ticks, wanted, shapes=shapes, showlegend=False)


def _matrix(river: RankRiver, shared: np.ndarray) -> go.Figure:
    """Return ranks as colours: a row a channel, from the first place in the order used to the last."""
    channels, at = river.channels, steps.places(river.steps, shared)
    by_place = river.ranks[:, river.order].T
    places, records = np.nonzero(river.crossing[:, river.order].T)
    text = [
        f"channel {river.order[place]}, step {river.steps[i]:,}: rank {by_place[place, i] + 1}"
        for place, i in zip(places, records, strict=True)
    ]
    thin = {"line": {"width": 1.2, "color": _INK}}
    named = {"name": "would cross", "showlegend": True, "text": text, "label": "%{text}"}
    crosses = marks(at[records], places + 1, _INK, 5, "x-thin", marker=thin, **named)
    cells = sides(by_place, river.passed_on)[:, steps.latest(river.steps, shared)]
    # A picture, since plotly redraws or loses a heat map with every frame.
    picture = {
        "source": data_uri(np.kron(cells, np.ones((_CELL, _CELL, 1), dtype=np.uint8))),
        "sizing": "stretch",
        "layer": "below",
    }
    area = {"xref": "x", "yref": "y", "x": -0.5, "y": 0.5, "sizex": cells.shape[1], "sizey": channels}
    look = {"images": [picture | area], "shapes": [across(river.passed_on + 0.5, _INK)]}
    frames = [[steps.cursor(int(place), (0.4, channels + 0.6))] for place in at]
    ticks = {0.06 * channels + 0.5: "first in<br>the order", 0.94 * channels + 0.5: "last in<br>the order"}
    parts = HALVES["kept"].name, HALVES["emitted"].name
    return _over_steps(river, [crosses], frames, steps.axis(shared, 0.6, 0.6), ticks, parts, **look)


def _over_steps(
    river: RankRiver,
    traces: list[Trace],
    frames: list[list[Trace]],
    axis: dict[str, Any],
    ticks: dict[float, str],
    parts: tuple[str, str],
    **more: object,
) -> go.Figure:
    """Return a chart of channels over training, from the first place at the top to the last.

    The ``parts`` on both sides of the split line, which lies below a share of the channels, are named.
    """
    channels, share = river.channels, river.passed_on / river.channels
    side = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "middle", "align": "left", "xshift": 4}
    names = dict(zip(parts, (1 - share / 2, (1 - share) / 2), strict=True))
    moving = list(range(len(traces), len(traces) + len(frames[0])))
    named = {"tickvals": list(ticks), "ticktext": list(ticks.values())}
    return go.Figure(
        [*traces, *frames[0]],
        {
            **layout(_HEIGHT, 40 if channels > MOST_LINES else 12, right=_RIGHT),
            "annotations": [note(1, y, f"<b>{text}</b>", **side) for text, y in names.items()],
            "xaxis": axis,
            "yaxis": {"range": [channels + 0.6, 0.4], **named, "showgrid": False},
            **more,
        },
        [steps.frame(step, frame, moving) for step, frame in zip(river.steps, frames, strict=True)],
    )


def _now(river: RankRiver, i: int, place: int) -> list[Trace]:
    """Return the moving parts of the river: a line at the step, and every channel's place on it."""
    colours = np.where(river.kept, palette.KEPT, palette.EMITTED).tolist()
    symbols = np.where(river.kept, *(look.symbol for _, look in SIDES)).tolist()
    dots = marks([place] * river.channels, river.ranks[i] + 1, colours, 9, symbols)
    return [steps.cursor(place, (0.4, river.channels + 0.6)), dots]


def sides(ranks: np.ndarray, passed_on: int) -> np.ndarray:
    """Return colours (…, 3) uint8 of ranks 0 to C − 1: blue is passed on, vermillion factored out.

    The nearer to the split line, the paler.
    """
    channels = ranks.max() + 1
    above = (passed_on - ranks - 0.5) / passed_on
    below = (ranks + 0.5 - passed_on) / (channels - passed_on)
    strength = np.maximum(above, below)[..., np.newaxis] ** 0.7
    hue = np.where((ranks < passed_on)[..., np.newaxis], _rgb(palette.KEPT), _rgb(palette.EMITTED))
    return (_rgb(_PALE) * (1 - strength) + hue * strength).round().astype(np.uint8)


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


# ---------------------------------------------------------------------- redundancy by rank


def redundancy_by_rank(river: RankRiver, beside: Iterable[RankRiver] = ()) -> go.Figure:
    """Return bars of redundancy by rank at one step, initially the first; the colour is the side in the order used.

    The axis also holds the bars of charts ``beside`` this one.
    """
    channels = river.channels
    return go.Figure(
        _bars(river, 0),
        {
            **layout(_SMALL, right=_RIGHT),
            "barmode": "overlay",
            "bargap": 0.15,
            "showlegend": False,
            "shapes": [upright(river.passed_on + 0.5)],
            "xaxis": {"range": [0.4, channels + 0.6], "tickvals": [1, river.passed_on, channels], "title": "rank"},
            "yaxis": _redundancy_axis(each.redundancy for each in (river, *beside)),
        },
        [steps.frame(step, _bars(river, i), [0, 1]) for i, step in enumerate(river.steps)],
    )


def _bars(river: RankRiver, i: int) -> list[Trace]:
    order, places = river.entropy_orders[i], np.arange(1, river.channels + 1)
    heights = [np.where(river.kept[order] == kept, river.redundancy[i, order], np.nan) for kept, _ in SIDES]
    named = {"text": order.tolist(), "label": "channel %{text}: redundancy %{y:.3f} bits per value"}
    return [bars(places, y, look.bar, name=look.name, **named) for y, (_, look) in zip(heights, SIDES, strict=True)]


def _redundancy_axis(shown: Iterable[np.ndarray]) -> dict[str, Any]:
    low, high = limits([0.0, *shown], 0.0, 0.12)
    return {"range": [1.15 * low, high], "title": "redundancy (bits per value)", "zeroline": True}


# ---------------------------------------------------------------------- over images, and other rules


def emitted_over_images(report: ShuffleReport) -> go.Figure:
    """Return the number of images, each sorted alone, that would factor a channel out, by place."""
    order, half = report.images.order, report.images.passed_on
    places, share = np.arange(1, len(order) + 1), report.images.emitted_share[order]
    label, traces = "%{text}: factored out by the own order of %{y:.0%} of the images", []
    for kept, look in SIDES:
        mine = slice(0, half) if kept else slice(half, None)
        text, name = [f"channel {c}" for c in order[mine]], f"{look.name}: each image alone"
        traces.append(bars(places[mine], share[mine], look.bar, text=text, name=name, label=label))
    return go.Figure(
        traces,
        {
            **layout(300, legend_room(2), right=_RIGHT),
            "bargap": 0.15,
            "shapes": [upright(half + 0.5)],
            "xaxis": _channel_axis(order, "channel, by place in the order used"),
            "yaxis": {"range": [0, 1.04], "tickformat": ".0%", "title": "would be factored out", "zeroline": True},
        },
    )


def halves_under(report: ShuffleReport, rule: str, beside: Iterable[ShuffleReport] = ()) -> go.Figure:
    """Return bars of redundancy, most structure first, coloured by what a rule passes on and factors out.

    The axis also holds the bars of charts ``beside`` this one.
    """
    chosen = next(alternative for alternative in report.alternatives if alternative.rule == rule)
    half, order, mean = report.images.passed_on, report.images.entropy_order, report.images.mean
    ranks, label = np.argsort(order) + 1, "%{text}: redundancy %{y:.3f} bits per value"
    traces, averages = [], []
    for kept, look in SIDES:
        members = np.array(chosen.order[:half] if kept else chosen.order[half:])
        average = chosen.kept_redundancy if kept else chosen.emitted_redundancy
        text, name = [f"channel {channel}" for channel in members], f"{look.name}: {fixed(average, 2)} on average"
        traces.append(bars(ranks[members], mean[members], look.bar, text=text, name=name, label=label))
        averages.append(across(average, look.colour, dash=look.dash))
    return go.Figure(
        traces,
        {
            **layout(_SMALL, legend_room(), right=_RIGHT),
            "bargap": 0.15,
            "shapes": averages,
            "xaxis": _channel_axis(order, "channel, by redundancy"),
            "yaxis": _redundancy_axis(each.images.mean for each in (report, *beside)),
        },
    )


def _channel_axis(order: np.ndarray, title: str) -> dict[str, Any]:
    """Return an axis of channel numbers in an order; many numbers are written upwards."""
    count = len(order)
    return {
        "range": [0.4, count + 0.6],
        "tickvals": list(range(1, count + 1)),
        "ticktext": [str(channel) for channel in order],
        "tickangle": 0 if count <= MOST_LINES else -90,
        "title": title,
    }
