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
from .kit import SIDES, layout, legend_room, limits
from .pixels import data_uri

if TYPE_CHECKING:
    from ..analysis.shuffle import RankRiver, ShuffleReport

#: Most channels drawn as lines; more channels are drawn as a matrix.
MOST_LINES = 24

#: Colour of marks on the pale matrix in both themes, and pixels of a cell.
_INK, _PALE, _CELL = "#1B2430", "#F7F7F7", 6
_SMALL = 260
#: Height of the river: with few channels it fits, with its axis, on a screen of 720 pixels.
_FEW, _HEIGHTS = 12, (376, 460)
#: Margin below the river: with less, plotly would draw twice to make room for the axis.
_BELOW = 90
#: Margin right of the plot, for the overhang of a step's number.
_RIGHT = 24


def rank_river(river: RankRiver, shared: np.ndarray | None = None) -> go.Figure:
    """Return the entropy order over training: one line a channel, or a matrix above :data:`MOST_LINES` channels.

    ``shared`` are the steps of the axis, by default the river's own.
    """
    shared = river.steps if shared is None else shared
    return _river(river, shared) if river.channels <= MOST_LINES else _matrix(river, shared)


def _river(river: RankRiver, shared: np.ndarray) -> go.Figure:
    last, channels = len(shared) - 1, river.channels
    places = np.array([_used_at(last), *steps.places(river.steps, shared)])
    room = 0.12 * (last + 2)  # for the channels' names, on both sides
    ranks = np.vstack([np.argsort(river.order), river.ranks]) + 1
    whens = ["order used", *(f"step {step:,}" for step in river.steps), ""]  # the last is the gap between two lines
    figure = go.Figure()
    for kept, look in SIDES:
        members = np.flatnonzero(river.kept == kept)
        figure.add_scatter(
            **_joined(places, ranks[:, members]),
            text=[f"channel {channel}, {when}" for channel in members for when in whens],
            mode="lines",
            line={"color": look.colour, "width": 1.6, "dash": look.dash},
            opacity=0.75,
            name=look.name,
            hovertemplate="%{text}: rank %{y}<extra></extra>",
        )
    for kept, look in SIDES:
        members = np.flatnonzero((river.kept == kept) & river.crossing.any(axis=0))
        if members.size:
            across = np.where(river.crossing[:, members], river.ranks[:, members] + 1.0, np.nan)
            figure.add_scatter(
                **_joined(places[1:], across),
                mode="lines+markers",
                line={"color": look.colour, "width": 4, "dash": look.dash},
                marker={"color": look.colour, "size": 5, "symbol": look.symbol},
                name="would be factored out" if kept else "would be passed on",
                showlegend=False,
                hoverinfo="skip",
            )
    figure.add_scatter(**_names(places[0] - 0.01 * (last + 2), ranks[0], places[-1] + 0.03 * (last + 2), ranks[-1]))
    moving = len(figure.data)
    frames = [_now(river, i, int(place)) for i, place in enumerate(places[1:])]
    figure.add_traces(frames[0])
    figure.frames = [
        steps.frame(step, frame, [moving, moving + 1]) for step, frame in zip(river.steps, frames, strict=True)
    ]
    _split_bands(figure, channels, river.passed_on)
    axis = steps.axis(shared, room - places[0], room)
    axis["tickvals"], axis["ticktext"] = [float(places[0]), *axis["tickvals"]], ["<br>order used", *axis["ticktext"]]
    return _over_steps(figure, river, axis, "rank by redundancy")


def _matrix(river: RankRiver, shared: np.ndarray) -> go.Figure:
    """Return ranks as colours: a row a channel, from the first place in the order used to the last."""
    channels, at = river.channels, steps.places(river.steps, shared)
    by_place = river.ranks[:, river.order].T
    places, records = np.nonzero(river.crossing[:, river.order].T)
    figure = go.Figure()
    figure.add_scatter(
        x=at[records].tolist(),
        y=(places + 1).tolist(),
        text=[
            f"channel {river.order[place]}, step {river.steps[i]:,}: rank {by_place[place, i] + 1}"
            for place, i in zip(places, records, strict=True)
        ],
        mode="markers",
        marker={"symbol": "x-thin", "size": 5, "line": {"width": 1.2, "color": _INK}},
        name="would cross",
        showlegend=True,
        hovertemplate="%{text}<extra></extra>",
    )
    cursors = [steps.cursor(int(place), (0.4, channels + 0.6)) for place in at]
    figure.add_scatter(**cursors[0])
    figure.frames = [steps.frame(step, [cursor], [1]) for step, cursor in zip(river.steps, cursors, strict=True)]
    cells = sides(by_place, river.passed_on)[:, steps.latest(river.steps, shared)]
    # A picture, since plotly redraws or loses a heat map with every frame.
    figure.add_layout_image(
        source=data_uri(np.kron(cells, np.ones((_CELL, _CELL, 1), dtype=np.uint8))),
        xref="x",
        yref="y",
        x=-0.5,
        y=0.5,
        sizex=cells.shape[1],
        sizey=channels,
        sizing="stretch",
        layer="below",
    )
    figure.add_hline(y=river.passed_on + 0.5, line={"width": 2, "dash": "dash", "color": _INK})
    _side_names(figure, river.passed_on / channels)
    return _over_steps(figure, river, steps.axis(shared, 0.6, 0.6), "place in the order used")


def _over_steps(figure: go.Figure, river: RankRiver, axis: dict[str, Any], title: str) -> go.Figure:
    """Lay out a chart of channels over training, from the first place at the top to the last."""
    channels = river.channels
    return figure.update_layout(
        **layout(_HEIGHTS[channels > _FEW], 40, _BELOW, right=_RIGHT),
        xaxis=axis,
        yaxis={
            "range": [channels + 0.6, 0.4],
            "tickvals": [1, river.passed_on, channels],
            "title": {"text": title},
            "showgrid": False,
        },
    )


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


def redundancy_by_rank(river: RankRiver, beside: Iterable[RankRiver] = ()) -> go.Figure:
    """Return bars of redundancy by rank at one step, initially the first; the colour is the side in the order used.

    The axis also holds the bars of charts ``beside`` this one.
    """
    channels = river.channels
    figure = go.Figure(_bars(river, 0))
    figure.frames = [steps.frame(step, _bars(river, i), [0, 1]) for i, step in enumerate(river.steps)]
    figure.add_vline(x=river.passed_on + 0.5, line={"width": 2, "dash": "dash", "color": palette.REFERENCE})
    figure.update_layout(
        **layout(_SMALL, right=_RIGHT),
        barmode="overlay",
        bargap=0.15,
        showlegend=False,
        xaxis={"range": [0.4, channels + 0.6], "tickvals": [1, river.passed_on, channels], "title": {"text": "rank"}},
        yaxis=_redundancy_axis(each.redundancy for each in (river, *beside)),
    )
    return figure


def _redundancy_axis(shown: Iterable[np.ndarray]) -> dict[str, Any]:
    low, high = limits([0.0, *shown], 0.0, 0.12)
    return {"range": [1.15 * low, high], "title": {"text": "redundancy (bits per value)"}, "zeroline": True}


# ---------------------------------------------------------------------- over images, and other rules


def emitted_over_images(report: ShuffleReport) -> go.Figure:
    """Return the number of images, each sorted alone, that would factor a channel out, by place."""
    order, half = report.order, report.passed_on
    places = np.arange(1, report.channels + 1)
    share = report.images.emitted_share[order]
    figure = go.Figure()
    for kept, look in SIDES:
        mine = slice(0, half) if kept else slice(half, None)
        figure.add_bar(
            x=places[mine].tolist(),
            y=share[mine].round(4).tolist(),
            text=[f"channel {c}" for c in order[mine]],
            textposition="none",
            marker={"color": look.colour, "pattern": look.pattern},
            name=f"{look.name}: each image alone",
            hovertemplate="%{text}: factored out by the own order of %{y:.0%} of the images<extra></extra>",
        )
    figure.add_vline(x=half + 0.5, line={"width": 2, "dash": "dash", "color": palette.REFERENCE})
    figure.update_layout(
        **layout(300, legend_room(2), right=_RIGHT),
        bargap=0.15,
        xaxis=_channel_axis(order, "channel, by place in the order used"),
        yaxis={"range": [0, 1.04], "tickformat": ".0%", "title": {"text": "would be factored out"}, "zeroline": True},
    )
    return figure


def halves_under(report: ShuffleReport, rule: str, beside: Iterable[ShuffleReport] = ()) -> go.Figure:
    """Return bars of redundancy, most structure first, coloured by what a rule passes on and factors out.

    The axis also holds the bars of charts ``beside`` this one.
    """
    chosen = next(alternative for alternative in report.alternatives if alternative.rule == rule)
    half, order, mean = report.passed_on, report.images.entropy_order, report.images.mean
    ranks = np.argsort(order) + 1
    figure = go.Figure()
    for kept, look in SIDES:
        members = np.array(chosen.order[:half] if kept else chosen.order[half:])
        average = chosen.kept_redundancy if kept else chosen.emitted_redundancy
        figure.add_bar(
            x=ranks[members].tolist(),
            y=mean[members].round(4).tolist(),
            text=[f"channel {channel}" for channel in members],
            textposition="none",
            marker={"color": look.colour, "pattern": look.pattern},
            name=f"{look.name}: {fixed(average, 2)} on average",
            hovertemplate="%{text}: redundancy %{y:.3f} bits per value<extra></extra>",
        )
        figure.add_hline(y=average, line={"color": look.colour, "width": 2, "dash": look.dash})
    figure.update_layout(
        **layout(_SMALL, legend_room(), right=_RIGHT),
        bargap=0.15,
        xaxis=_channel_axis(order, "channel, by redundancy"),
        yaxis=_redundancy_axis(each.images.mean for each in (report, *beside)),
    )
    return figure


# ---------------------------------------------------------------------- parts


def _used_at(last: int) -> float:
    """Return the place of the order used on the step axis: before step 0, with room for its names."""
    return -max(1.0, 0.08 * last)


def _joined(places: np.ndarray, ranks: np.ndarray) -> dict[str, list[float | None]]:
    """Return x and y of the columns of ranks (S, M) as one line each, with gaps between them, in one trace."""
    gaps = np.vstack([ranks.astype(float), np.full(ranks.shape[1], np.nan)]).T.ravel()
    x = np.tile([*places, places[-1]], ranks.shape[1])
    return {"x": x.tolist(), "y": [None if np.isnan(rank) else int(rank) for rank in gaps], "connectgaps": False}


def _names(left: float, left_ranks: np.ndarray, right: float, right_ranks: np.ndarray) -> dict[str, Any]:
    """Return the channel numbers beside both ends of their lines."""
    channels = len(left_ranks)
    return {
        "x": [float(left)] * channels + [float(right)] * channels,
        "y": [*left_ranks.tolist(), *right_ranks.tolist()],
        "text": [f" {channel} " for channel in range(channels)] * 2,
        "mode": "text",
        "textposition": ["middle left"] * channels + ["middle right"] * channels,
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _now(river: RankRiver, i: int, place: int) -> list[dict[str, Any]]:
    """Return the moving parts of the river: a line at the step, and every channel's place on it."""
    colours = np.where(river.kept, palette.KEPT, palette.EMITTED).tolist()
    symbols = np.where(river.kept, *(look.symbol for _, look in SIDES)).tolist()
    dots = {
        "type": "scatter",
        "x": [place] * river.channels,
        "y": (river.ranks[i] + 1).tolist(),
        "mode": "markers",
        "marker": {"color": colours, "symbol": symbols, "size": 9},
        "showlegend": False,
        "hoverinfo": "skip",
    }
    return [steps.cursor(place, (0.4, river.channels + 0.6)), dots]


def _bars(river: RankRiver, i: int) -> list[dict[str, Any]]:
    order = river.entropy_orders[i]
    values = river.redundancy[i, order].round(4)
    return [
        {
            "type": "bar",
            "x": list(range(1, river.channels + 1)),
            "y": [value if river.kept[c] == kept else None for c, value in zip(order, values.tolist(), strict=True)],
            "text": order.tolist(),
            "textposition": "none",
            "marker": {"color": look.colour, "pattern": look.pattern},
            "name": look.name,
            "hovertemplate": "channel %{text}: redundancy %{y:.3f} bits per value<extra></extra>",
        }
        for kept, look in SIDES
    ]


def _split_bands(figure: go.Figure, channels: int, passed_on: int) -> None:
    """Shade the parts passed on and factored out, and draw the split line between them."""
    line = passed_on + 0.5
    for y0, y1, colour in ((0.4, line, palette.KEPT), (line, channels + 0.6, palette.EMITTED)):
        figure.add_hrect(y0=y0, y1=y1, fillcolor=colour, opacity=0.1, line_width=0, layer="below")
    figure.add_hline(y=line, line={"width": 2, "dash": "dash", "color": palette.REFERENCE})
    _side_names(figure, passed_on / channels)


def _side_names(figure: go.Figure, share: float) -> None:
    """Name both sides of the split line, which lies below this share of the channels."""
    for y, text in ((1 - share / 2, "passed on"), ((1 - share) / 2, "factored out")):
        figure.add_annotation(
            x=1, y=y, xref="paper", yref="paper", xanchor="left", yanchor="middle", xshift=4, textangle=90,
            text=f"<b>{text}</b>", showarrow=False,
        )  # fmt: skip


def _channel_axis(order: np.ndarray, title: str) -> dict[str, Any]:
    """Return an axis of channel numbers in an order; many numbers are written upwards."""
    count = len(order)
    return {
        "range": [0.4, count + 0.6],
        "tickvals": list(range(1, count + 1)),
        "ticktext": [str(channel) for channel in order],
        "tickangle": 0 if count <= MOST_LINES else -90,
        "title": {"text": title},
    }
