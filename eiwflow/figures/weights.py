"""Charts of channel weights: a map of all places with weights, the channels of one, and R² of factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ..analysis.words import weights as words
from ..analysis.words.numbers import fixed, signed
from . import palette
from .kit import five_digits, layout, legend_room
from .pixels import appearance, data_uri, row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..analysis.weights import ChannelMaps, FactorReading, PictureWeights, Place

#: Side of a square on the map of couplings, and width of a level's squares side by side, in pixels, so that the map
#: fits the narrowest window of a lecture room; and the most steps for which the squares hold numbers.
SQUARE, SIDE_BY_SIDE, NUMBERED_STEPS = 38, 164, 4
#: Maps go from black to white over ± this many standard deviations; and a map is this many pixels wide.
GREY_RANGE, MAP_SIDE = 3.0, 48
#: The names of the three groups of weighted channels.
GROUPS = {
    "split": "before the split: passed on, then factored out",
    "read": "reads",
    "log-scale": "gives: log-scales",
    "shift": "gives: shifts",
}
#: Between groups, in channels.
_GAP = 0.6
_ARMS = tuple(zip(palette.ARMS, ("circle", "square", "diamond", "cross", "x"), strict=True))


def couplings(weights: PictureWeights, chosen: Place, most: float) -> go.Figure:
    """Return a map of all couplings, level by level and step by step, whose squares can be clicked.

    Arguments:
        weights: of the picture.
        chosen: the coupling whose square has a frame.
        most: the difference of the strongest colour, shared by maps side by side.

    """
    places = weights.picture.places
    steps, levels = max(place.step for place in places), sorted({place.level for place in places})
    least = min(place.step for place in places)
    values = np.array([weights.distances[place] for place in places])
    size = min(SQUARE, SIDE_BY_SIDE // (steps - least + 1))
    # Letters have the page's colour, which contrasts with all of these shades.
    shades = 0.08 + 0.57 * (np.minimum(values / most, 1) if most else values)
    red, green, blue = bytes.fromhex(palette.SUBJECT[1:])
    figure = go.Figure()
    figure.add_scatter(
        x=[place.step for place in places],
        y=[place.level for place in places],
        customdata=[list(place) for place in places],
        mode="markers+text" if steps <= NUMBERED_STEPS else "markers",
        text=[fixed(value, 2) for value in values],
        marker={
            "symbol": "square",
            "size": size,
            "color": [f"rgba({red}, {green}, {blue}, {shade:.3f})" for shade in shades],
            "line": {
                "color": [palette.LETTERS if place == chosen else palette.AXIS for place in places],
                "width": [4 if place == chosen else 1 for place in places],
            },
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        hovertemplate="level %{y}, step %{x}<br>ω is %{text} from its average<extra></extra>",
        showlegend=False,
        cliponaxis=False,
    )
    figure.update_layout(
        layout((size + 12) * len(levels) + 66, 4, 58, left=56),
        xaxis={
            "range": [least - 0.5, steps + 0.5], "fixedrange": True, "title": {"text": "step", "standoff": 10},
            "tickvals": list(range(least, steps + 1)),
            "ticktext": [str(step) if step else "split" for step in range(least, steps + 1)],
        },
        yaxis={
            "range": [levels[-1] + 0.55, levels[0] - 0.55], "tickvals": levels, "showgrid": False,
            "fixedrange": True, "title": {"text": "level", "standoff": 4},
        },
    )  # fmt: skip
    return figure


def most_distant(*shown: PictureWeights) -> float:
    """Return the largest distance of a coupling's weights from their average, over all couplings of these pictures."""
    return max(max(each.distances.values()) for each in shown)


def pictures(shown: Mapping[str, np.ndarray]) -> str:
    """Return pictures, bytes (H, W, C) by their names, as HTML."""
    return row([(name, f"{name}: {appearance(pixels)}", pixels) for name, pixels in shown.items()], least=56)


def channels(
    weights: PictureWeights, changed: PictureWeights, maps: ChannelMaps, span: float, name: str, frozen: bool = False
) -> go.Figure:
    """Return bars of ω minus its average for the channels of one place, with the channels' maps below them.

    Arguments:
        weights: of the picture.
        changed: of the changed picture, drawn as marks.
        maps: of the place, of the picture.
        span: the axis ends at ±span, the :func:`channel_span` of all charts that share it.
        name: of the change, for the legend.
        frozen: whether the weights stay at their averages: no bars.

    """
    place = maps.place
    held = 0 if frozen else 1
    difference, spread = held * weights.difference(place), weights.spread(place)
    groups = _groups(maps)
    at = np.concatenate([np.arange(len(each)) + first for first, each in groups.values()])
    figure = go.Figure()
    kinds = [words.channel(number, len(maps.read), len(difference)) for number in range(len(difference))]
    figure.add_bar(
        x=at.tolist(),
        y=five_digits(difference),
        marker={"color": palette.SUBJECT, "line": {"width": 0}},
        name="this picture",
        text=[
            f"{kind}<br>ω = {fixed(value, 3)}<br>minus its average: {signed(rest, 3)}"
            for kind, value, rest in zip(kinds, weights.picture.of(place)[0], difference, strict=True)
        ],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    figure.add_scatter(
        x=at.tolist(),
        y=[0] * len(at),
        mode="markers",
        marker={"size": 11, "symbol": "line-ns-open", "color": palette.REFERENCE, "line": {"width": 2}},
        error_y={"array": five_digits(spread), "color": palette.REFERENCE, "thickness": 2, "width": 4},
        name=f"±1 sd over {weights.images.count} test images",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=at.tolist(),
        y=five_digits(held * changed.difference(place)),
        mode="markers",
        marker={"size": 9, "symbol": "line-ew-open", "color": palette.ARMS[3], "line": {"width": 3}},
        name=name,
        hovertemplate=f"{name}: %{{y:.3f}}<extra></extra>",
    )
    end = float(at[-1])
    figure.update_layout(
        layout(350, legend_room(1) + 22, 100),
        barmode="overlay",
        bargap=0.25,
        images=_images(groups),
        xaxis={
            "range": [-0.7, end + 0.7], "fixedrange": True, "tickvals": [],
            "title": {"text": "maps of these channels, each ±3 standard deviations", "standoff": 52},
        },
        yaxis={
            "range": [-span, span], "fixedrange": True, "title": {"text": "ω minus its average"}, "nticks": 6,
        },
    )  # fmt: skip
    figure.layout.legend.y = 1.1
    figure.add_hline(y=0, line={"color": palette.REFERENCE, "width": 1.5}, layer="below")
    for name, (first, each) in groups.items():
        figure.add_annotation(
            x=first + (len(each) - 1) / 2, y=1, yref="paper", yanchor="bottom", showarrow=False, text=GROUPS[name]
        )
        if first:
            figure.add_vline(x=first - (1 + _GAP) / 2, line={"color": palette.AXIS, "width": 2})
    return figure


def channel_span(*shown: tuple[PictureWeights, Place]) -> float:
    """Return the limit of an axis ±limit that holds the bars and spreads of these couplings, with a margin of 10 %."""
    values = [values for weights, place in shown for values in (weights.difference(place), weights.spread(place))]
    return float(1.1 * max(0.25, *(np.abs(each).max() for each in values)))


def factors(readings: Sequence[FactorReading]) -> go.Figure:
    """Return R² of every factor by level, with 95 % intervals."""
    figure = go.Figure()
    names = list(dict.fromkeys(row.factor for row in readings))
    levels = sorted({row.level for row in readings})
    for number, (factor, (colour, symbol)) in enumerate(zip(names, _ARMS, strict=False)):
        rows = [row for row in readings if row.factor == factor]
        shift = 0.08 * (number - (len(names) - 1) / 2)
        figure.add_scatter(
            x=[row.level + shift for row in rows],
            y=five_digits([row.r_squared for row in rows]),
            mode="markers",
            marker={"size": 12, "color": colour, "symbol": symbol},
            error_y={
                "array": five_digits([row.high - row.r_squared for row in rows]),
                "arrayminus": five_digits([row.r_squared - row.low for row in rows]),
                "thickness": 2,
                "width": 5,
            },
            name=factor,
            hovertemplate=f"{factor}, R² = %{{y:.2f}}<extra></extra>",
        )
    low = min(0.0, *(row.low for row in readings))
    figure.update_layout(
        layout(300, legend_room(1)),
        xaxis={"range": [levels[0] - 0.5, levels[-1] + 0.5], "tickvals": levels, "title": {"text": "weights of level"}},
        yaxis={"range": [low - 0.05, 1.02], "title": {"text": "R² (1: perfect, 0: none)"}, "zeroline": True},
    )
    return figure


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
            "xref": "x", "yref": "paper", "x": first + number, "y": -0.03, "sizex": 0.94, "sizey": 0.34,
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
