"""Charts of channel weights: what they save, a map of all places, the channels of one, and R² of factors."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ..analysis.words import weights as words
from ..analysis.words.numbers import fixed, signed
from . import palette
from .kit import HALVES, Trace, across, bars, error_bars, layout, legend_room, lines, marks, upright
from .pixels import appearance, data_uri, picture, row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..analysis.weights import Change, ChannelMaps, FactorReading, PictureWeights, Place, Prices

#: Side of a square on the map of couplings, and width of a level's squares side by side, in pixels, so that the map
#: fits the narrowest window of a lecture room; and the most steps for which the squares hold numbers.
SQUARE, SIDE_BY_SIDE, NUMBERED_STEPS = 38, 164, 4
#: Maps go from black to white over ± this many standard deviations; and a map is this many pixels wide.
GREY_RANGE, MAP_SIDE = 3.0, 48
#: The names of the three groups of weighted channels.
GROUPS = {
    "split": "before the split: passed on, then factored out",
    "read": "read by the network",
    "log-scale": "log-scales",
    "shift": "shifts",
}
#: Between groups, in channels; and the least and the largest width of a picture, in pixels.
_GAP, _LEAST, _MOST = 0.6, 56, 160
_ARMS = tuple(zip(palette.ARMS, ("circle", "square", "diamond", "cross", "x"), strict=True))


def savings(prices: Mapping[float, Prices], change: Change, amount: float, ends: tuple[float, float]) -> go.Figure:
    """Return what own weights save, over the amount of a change of the picture.

    Arguments:
        prices: of the picture by the amount.
        change: of the picture.
        amount: whose mark is large.
        ends: of the axis of savings, shared by figures side by side.

    """
    amounts, costs = np.array([(each, prices[each].cost) for each in prices]).T
    side = HALVES["kept" if prices[amount].cost >= 0 else "emitted"]
    at: Trace = {"text": [signed(prices[amount].cost, 3)], "textposition": "top left", "cliponaxis": False}
    room = 0.04 * (change.most - change.least)
    small: Trace = {
        "marker": {"color": palette.SUBJECT, "size": 8},
        "label": "%{x}: %{y:.3f} bits saved per value",
    }
    over = {"range": [change.least - room, change.most + room], "title": f"{change.name} ({change.unit})"}
    return go.Figure(
        [
            lines(amounts, costs, palette.SUBJECT, 3, fill="tozeroy", fillcolor="rgba(0, 158, 115, 0.12)", **small),
            marks([amount], np.array([prices[amount].cost]), side.colour, 18, side.symbol, **at),
        ],
        {
            **layout(340, 24),
            "shapes": [{**across(0, width=1.5, dash="solid"), "layer": "below"}],
            "xaxis": {**over, "fixedrange": True},
            "yaxis": {
                "range": list(ends),
                "title": "bits per value saved",
                "nticks": 6,
                "fixedrange": True,
            },
        },
    )


def couplings(weights: PictureWeights, chosen: Place, most: float) -> go.Figure:
    """Return a map of all couplings, level by level and step by step, whose squares can be clicked.

    Arguments:
        weights: of the picture.
        chosen: the coupling whose square has a frame.
        most: the difference of the strongest colour, shared by maps side by side.

    """
    places = weights.picture.places
    levels, steps = sorted({place.level for place in places}), sorted({place.step for place in places})
    least, last = steps[0], steps[-1]
    values = np.array([weights.distances[place] for place in places])
    size = min(SQUARE, SIDE_BY_SIDE // (last - least + 1))
    # Letters have the page's colour, which contrasts with all of these shades.
    shades = 0.08 + 0.57 * (np.minimum(values / most, 1) if most else values)
    red, green, blue = bytes.fromhex(palette.SUBJECT[1:])
    framed = {
        "color": [palette.LETTERS if place == chosen else palette.AXIS for place in places],
        "width": [4 if place == chosen else 1 for place in places],
    }
    all_bright = {"marker": {"opacity": 1}}
    squares = marks(
        [place.step for place in places],
        [place.level for place in places],
        [f"rgba({red}, {green}, {blue}, {shade:.3f})" for shade in shades],
        size,
        "square",
        marker={"line": framed},
        mode="markers+text" if last <= NUMBERED_STEPS else "markers",
        text=[fixed(value, 2) for value in values],
        customdata=[list(place) for place in places],
        selected=all_bright,
        unselected=all_bright,
        cliponaxis=False,
        label="level %{y}, step %{x}<br>channel weights are %{text} from their averages",
    )
    all_steps = range(least, last + 1)
    return go.Figure(
        [squares],
        {
            **layout((size + 12) * len(levels) + 66, 4, 58, left=56),
            "xaxis": {
                "range": [least - 0.5, last + 0.5],
                "tickvals": list(all_steps),
                "ticktext": [str(step) if step else "split" for step in all_steps],
                "title": {"text": "step", "standoff": 10},
                "fixedrange": True,
            },
            "yaxis": {
                "range": [levels[-1] + 0.55, levels[0] - 0.55],
                "tickvals": levels,
                "title": {"text": "level", "standoff": 4},
                "showgrid": False,
                "fixedrange": True,
            },
        },
    )


def pictures(shown: Sequence[tuple[str, str, np.ndarray, Sequence[float] | None]], *, flat: bool) -> str:
    """Return pictures as HTML, each with a large text, a small one, its bytes (H, W, C) and bars of its weights."""
    figures = (
        picture(
            data_uri(pixels),
            f"{name}, {price}: {appearance(pixels)}",
            f'<b style="font-size: 1.25rem">{escape(price)}</b><br>{escape(name)}'
            + ("" if shares is None else above_average(shares, flat=flat)),
        )
        for price, name, pixels, shares in shown
    )
    columns = f"repeat(auto-fit, minmax(min({_LEAST}px, 100%), 1fr))"
    return row(
        figures, f"display: grid; grid-template-columns: {columns}; gap: 24px; max-width: {_MOST * len(shown)}px"
    )


#: The least and the largest weight that is drawn, as shares above average.
_ABOVE = -0.25, 0.5


def above_average(shares: Sequence[float], *, flat: bool) -> str:
    """Return how much louder than on average channels are read, as bars in HTML; ``flat`` as under average weights."""
    now = [0.0 if flat else share for share in shares]
    loudest = max(range(len(shares)), key=lambda channel: abs(shares[channel]))
    bars = "".join(
        f'<i class="{"below" if share < 0 else ""}" style="--above: {np.clip(share, *_ABOVE):.3f}">'
        f"<b>{signed(100 * share, 0) + ' %' if channel == loudest else ''}</b></i>"
        for channel, share in enumerate(now)
    )
    said = ", ".join(signed(100 * share, 0) for share in now)
    return (
        f'<div class="eiw-above" role="img" aria-label="Weight of each channel, % above average: {said}">{bars}</div>'
    )


def channels(weights: PictureWeights, changed: PictureWeights, maps: ChannelMaps, span: float, name: str) -> go.Figure:
    """Return bars of ω minus its average for the channels of one place, with the channels' maps below them.

    Arguments:
        weights: of the picture.
        changed: of the changed picture, drawn as marks.
        maps: of the place, of the picture.
        span: the axis ends at ±span, the :func:`channel_span` of all charts that share it.
        name: of the change, for the legend.

    """
    place, groups = maps.place, _groups(maps)
    difference, spread = weights.difference(place), weights.spread(place)
    at = np.concatenate([np.arange(len(each)) + first for first, each in groups.values()])
    kinds = [words.channel(number, len(maps.read), len(spread)) for number in range(len(at))]
    text = [
        f"{kind}<br>ω = {fixed(value, 3)}<br>minus its average: {signed(rest, 3)}"
        for kind, value, rest in zip(kinds, weights.picture.of(place)[0], difference, strict=True)
    ]
    own = bars(at, difference, {"color": palette.SUBJECT}, name="this picture", text=text, label="%{text}")
    others = {
        "marker": {"line": {"width": 2}},
        "error_y": error_bars(spread, color=palette.REFERENCE, width=4),
        "name": f"±1 sd of {weights.images.count} test images",
    }
    moved = {"marker": {"line": {"width": 3}}, "name": name, "label": f"{name}: %{{y:.3f}}"}
    return go.Figure(
        [
            own,
            marks(at, 0 * at, palette.REFERENCE, 11, "line-ns-open", **others),
            marks(at, changed.difference(place), palette.ARMS[3], 9, "line-ew-open", **moved),
        ],
        {
            **layout(340, legend_room(1), 110),
            "barmode": "overlay",
            "bargap": 0.25,
            "images": _images(groups),
            "shapes": [
                {**across(0, width=1.5, dash="solid"), "layer": "below"},
                *(upright(first - (1 + _GAP) / 2, palette.AXIS, dash="solid") for first, _ in groups.values() if first),
            ],
            "xaxis": {
                "range": [-0.7, at[-1] + 0.7],
                "tickvals": [first + (len(each) - 1) / 2 for first, each in groups.values()],
                "ticktext": [GROUPS[group] for group in groups],
                "fixedrange": True,
            },
            "yaxis": {"range": [-span, span], "title": "weight minus its average", "nticks": 6, "fixedrange": True},
        },
    )


def channel_span(*shown: tuple[PictureWeights, Place]) -> float:
    """Return the limit of an axis ±limit that holds the bars and spreads of these couplings, with a margin of 10 %."""
    values = [values for weights, place in shown for values in (weights.difference(place), weights.spread(place))]
    return float(1.1 * max(0.25, *(np.abs(each).max() for each in values)))


def factors(readings: Sequence[FactorReading]) -> go.Figure:
    """Return R² of every factor by level, with 95 % intervals."""
    names, levels = list(dict.fromkeys(row.factor for row in readings)), sorted({row.level for row in readings})
    traces = []
    for number, (factor, (colour, symbol)) in enumerate(zip(names, _ARMS, strict=False)):
        rows = [row for row in readings if row.factor == factor]
        level, value, low, high = np.array([(row.level, row.r_squared, row.low, row.high) for row in rows]).T
        x, errors = level + 0.08 * (number - (len(names) - 1) / 2), error_bars(high - value, value - low, width=5)
        traces.append(
            marks(x, value, colour, 12, symbol, error_y=errors, name=factor, label=f"{factor}, R² = %{{y:.2f}}")
        )
    lowest = min(0.0, *(row.low for row in readings))
    return go.Figure(
        traces,
        {
            **layout(300, legend_room(1)),
            "xaxis": {"range": [levels[0] - 0.5, levels[-1] + 0.5], "tickvals": levels, "title": "weights of level"},
            "yaxis": {"range": [lowest - 0.05, 1.02], "title": "R² (1: perfect, 0: none)", "zeroline": True},
        },
    )


def _groups(maps: ChannelMaps) -> dict[str, tuple[float, np.ndarray]]:
    """Return the first place of each group of channels, and its maps."""
    half = 0 if maps.shifts_alone else len(maps.given) // 2
    inside = {"read": maps.read, "log-scale": maps.given[:half], "shift": maps.given[half:]}
    parts = inside if len(maps.read) else {"split": maps.given}
    groups, first = {}, 0.0
    for name, each in parts.items():
        if len(each):
            groups[name] = (first, each)
            first += len(each) + _GAP
    return groups


def _images(groups: dict[str, tuple[float, np.ndarray]]) -> list[dict[str, Any]]:
    """Return the maps as images under their bars."""
    return [
        {
            "source": data_uri(_grey(channel)),
            "xref": "x", "yref": "paper", "x": first + number, "y": -0.18, "sizex": 0.94, "sizey": 0.34,
            "xanchor": "center", "yanchor": "top", "sizing": "contain",
        }
        for first, maps in groups.values()
        for number, channel in enumerate(maps)
    ]  # fmt: skip


def _grey(values: np.ndarray) -> np.ndarray:
    """Return a map as bytes, grey at its mean, enlarged so that a browser does not blur its pixels."""
    spread = values.std()
    standard = (values - values.mean()) / spread if spread else np.zeros_like(values)
    grey = (127.5 + 127.5 * np.clip(standard / GREY_RANGE, -1, 1)).round().astype(np.uint8)
    times = max(1, MAP_SIDE // max(values.shape))
    return grey.repeat(times, axis=0).repeat(times, axis=1)
