"""Charts of channel weights: log ω by channel, its slope on loudness, and single channels down to the pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ..analysis.words import channels as words
from ..analysis.words.numbers import fixed, signed
from . import palette
from .kit import HALVES, LEFT, layout, legend_room, limits
from .pixels import appearance, montage, row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..analysis.channels import Ablation, EnergyGradient, Reach, Resampling
    from ..analysis.weights import ChannelWeights

#: ω that are labelled on the axis of log ω; ½ and 2 are always in view.
FACTORS = {0.25: "×¼", 0.5: "×½", 1.0: "×1", 2.0: "×2", 4.0: "×4"}
#: So many channel numbers fit under a chart; of more channels every second, third, … is named.
NAMED_CHANNELS = 16
#: A channel's map goes from black to white over ± so many of its standard deviations.
GREY_RANGE = 3.0

#: From this height on a chart has a legend, which names the halves; below it their names stand at the split line.
_WITH_LEGEND = 250
#: Pixels left of a plot whose axis has a title of two lines.
_TWO_LINES = LEFT + 18
#: Where two things stand at one place: a bar on the left, what holds for the image looked at on the right.
_LEFT, _RIGHT = {"width": 0.4, "offset": -0.38}, 0.22


# ---------------------------------------------------------------------- charts by position


def bars(weights: ChannelWeights, beside: Iterable[ChannelWeights] = ()) -> go.Figure:
    """Return bars of log ω of this image minus its average over images, by position after the Shuffle.

    Only this is identified: what follows absorbs a factor that is the same for every image.

    Arguments:
        weights: of a policy that has weights.
        beside: weights of charts that share the axis; ×½ and ×2 are always in view.

    """
    title = "turned down ← this picture → turned up<br>(log ω minus its average, nats)"
    figure = _by_position(weights.order, weights.kept, title, height=400, left=_TWO_LINES)
    values, relative = weights.log_weights, weights.relative
    hover = [
        f"{_name(weights.order, position)}<br>log ω = {signed(value, 3)} nats (×{np.exp(value):.2f})<br>"
        f"minus the mean over images: {signed(rest, 3)} (×{np.exp(rest):.2f})"
        for position, (value, rest) in enumerate(zip(values, relative, strict=True))
    ]
    for part in HALVES:
        figure.add_bar(**_bar(weights.parts, part, relative, hover), name=HALVES[part].name)
    figure.add_scatter(
        x=list(range(len(values))),
        y=[0] * len(values),
        mode="markers",
        marker={"size": 11, "symbol": "line-ns-open", "color": palette.REFERENCE, "line": {"width": 2}},
        error_y={"array": _round(weights.std), "color": palette.REFERENCE, "thickness": 2, "width": 5},
        name=f"±1 sd over {weights.count} images",
        hoverinfo="skip",
    )
    ends = [
        np.abs(each).max()
        for shown in (weights, *beside)
        if shown.has_weights
        for each in (shown.log_weights, shown.relative, shown.std)
    ]
    span = 1.12 * float(max([np.log(2), *ends]))
    ticks = {np.log(factor): text for factor, text in FACTORS.items() if abs(np.log(factor)) <= span}
    figure.update_yaxes(
        range=[-span, span],
        tickvals=_round(np.array(list(ticks))),
        ticktext=[f"{text}<br>{signed(value, 2)}" if value else f"{text}<br>0" for value, text in ticks.items()],
    )
    figure.add_hline(y=0, line={"color": palette.REFERENCE, "width": 1.5}, layer="below")
    return figure


def redundancy(weights: ChannelWeights, height: int = 300, beside: Iterable[ChannelWeights] = ()) -> go.Figure:
    """Return bars of the mean redundancy with intervals, the image's own as dots.

    Arguments:
        weights: of any policy.
        height: of the chart, pixels.
        beside: weights of charts that share the axis.

    """
    figure = _by_position(weights.order, weights.kept, "redundancy (nats/pixel)", height)
    low, high = weights.redundancy_interval
    _bars_with_intervals(
        figure, weights.order, weights.parts, weights.redundancy, low, high, "redundancy %s nats/pixel", **_LEFT
    )
    own = weights.image.redundancy[0]
    _dots(figure, own, "this image", [f"this image: {fixed(value, 3)} nats/pixel" for value in own])
    if not weights.has_weights:
        for position in np.flatnonzero(weights.would_stay != (np.array(weights.parts) == "kept")):
            text = "would be passed on" if weights.would_stay[position] else "would be factored out"
            figure.add_annotation(x=int(position), y=float(high[position]), text=text, textangle=-90, yshift=58)
            figure.layout.annotations[-1].update(showarrow=False)
    together = (weights, *beside)
    above = 0.08 if all(shown.has_weights for shown in together) else 1.1  # with room for words
    parts = ((0.0, *shown.redundancy_interval, shown.image.redundancy[0]) for shown in together)
    figure.update_yaxes(range=limits((part for some in parts for part in some), 0.03, above))
    return figure


def entropy_rates(weights: ChannelWeights, height: int = 300, beside: Iterable[ChannelWeights] = ()) -> go.Figure:
    """Return points of the mean entropy rate Ĥ over images, and the image's own.

    Arguments:
        weights: of any policy.
        height: of the chart, pixels.
        beside: weights of charts that share the axis.

    """
    figure = _by_position(weights.order, weights.kept, "entropy rate (nats/pixel)", height)
    rates = weights.images.entropy_rate.mean(axis=0)
    for part, half in HALVES.items():
        here = [position for position, own in enumerate(weights.parts) if own == part]
        figure.add_scatter(
            x=here,
            y=_round(rates[here]),
            mode="markers",
            marker={"size": 10, "color": half.colour, "symbol": half.symbol},
            name=HALVES[part].name,
            text=[_name(weights.order, position) for position in here],
            hovertemplate="%{text}<br>Ĥ = %{y:.3f} nats/pixel<extra></extra>",
        )
    own = weights.image.entropy_rate[0]
    _dots(figure, own, "this image", [f"this image: Ĥ = {fixed(value, 3)} nats/pixel" for value in own])
    parts = ((shown.images.entropy_rate.mean(axis=0), shown.image.entropy_rate[0]) for shown in (weights, *beside))
    figure.update_yaxes(range=limits(part for some in parts for part in some))
    return figure


def slopes(weights: ChannelWeights, beside: Iterable[ChannelWeights] = ()) -> go.Figure:
    """Return the slope of log ω on log σ over images by channel, with 95 % intervals: −1 would undo loudness.

    The axis also holds the intervals of charts ``beside`` this one, and room for words beyond them.
    """
    title = "change of weight with loudness<br>(slope of log ω on log σ)"
    figure = _by_position(weights.order, weights.kept, title, height=400, left=_TWO_LINES)
    found = weights.correlations
    for part, half in HALVES.items():
        here = np.array([own == part for own in weights.parts]) & np.isfinite(found.slope)
        slope, low, high = found.slope[here], found.slope_low[here], found.slope_high[here]
        figure.add_scatter(
            x=np.flatnonzero(here).tolist(),
            y=_round(slope),
            mode="markers",
            marker={"size": 9, "color": half.colour, "symbol": half.symbol},
            error_y={"array": _round(high - slope), "arrayminus": _round(slope - low), "thickness": 2, "width": 4},
            name=HALVES[part].name,
            text=[
                f"{_name(weights.order, position)}<br>slope {fixed(found.slope[position], 2)} "
                f"({fixed(found.slope_low[position], 2)} to {fixed(found.slope_high[position], 2)}), "
                f"r of −log ω with log σ = {signed(found.pearson[position], 2)}"
                for position in np.flatnonzero(here).tolist()
            ],
            hovertemplate="%{text}<extra></extra>",
        )
    shown = [each.correlations for each in (weights, *beside) if each.has_weights]
    ends = [end for each in shown for end in (each.slope_low, each.slope_high)]
    figure.update_yaxes(range=limits([(-1.0, 0.0), *ends], 0.15, 0.15))
    for slope, text, end, side in (
        (0, "ignores loudness", np.nanmax([0, *found.slope_high]), "bottom"),
        (-1, "undoes loudness", np.nanmin([-1, *found.slope_low]), "top"),
    ):
        dash = "dot" if slope else "solid"
        figure.add_hline(y=slope, line={"color": palette.REFERENCE, "width": 1.5, "dash": dash}, layer="below")
        # Beyond every interval, where it crosses none.
        figure.add_annotation(
            x=0, xref="paper", xanchor="left", y=float(end), yanchor=side, text=text, showarrow=False,
            font={"color": palette.REFERENCE},
        )  # fmt: skip
    return figure


def ablation(found: Ablation, beside: Iterable[Ablation] = ()) -> go.Figure:
    """Return what it costs to hold each channel's weight at its mean, bits/dim, with 95 % intervals.

    The axis also holds the intervals of charts ``beside`` this one.
    """
    figure = _by_position(found.order, found.kept, "cost (bits/dim)", height=300)
    low, high = found.interval
    _bars_with_intervals(figure, found.order, found.parts, found.mean, low, high, "%s bits/dim")
    figure.add_hline(y=0, line={"color": palette.REFERENCE, "width": 1.5}, layer="below")
    figure.update_yaxes(range=_around_zero(found, *beside))
    return figure


def reach(found: Reach, beside: Iterable[Reach] = ()) -> go.Figure:
    """Return how much the image changes when each factored-out channel is resampled, grey levels, with 95 % intervals.

    The axis also holds the intervals of charts ``beside`` this one.
    """
    figure = _by_position(found.channels, None, "change (grey levels)", height=300)
    low, high = found.interval
    parts = ["emitted"] * len(found.channels)
    _bars_with_intervals(figure, found.channels, parts, found.mean, low, high, "%s grey levels")
    figure.update_yaxes(range=_around_zero(found, *beside))
    return figure


def _around_zero(*shown: Ablation | Reach) -> tuple[float, float]:
    return limits([0.0, *(end for each in shown for end in each.interval)])


def _by_position(order: Sequence[int], split: int | None, title: str, height: int, left: int = LEFT) -> go.Figure:
    """Return an empty chart: places after the Shuffle, labelled by channel number, and the split line between two."""
    count = len(order)
    every = -(-count // NAMED_CHANNELS)
    named = list(range(0, count, every))
    figure = go.Figure()
    figure.update_layout(
        layout(height, 26 if height < _WITH_LEGEND else legend_room(2), left=left),
        barmode="overlay",
        bargap=0.3,
        showlegend=height >= _WITH_LEGEND,
        xaxis={
            "range": [-0.6, count - 0.4],
            "tickvals": named,
            "ticktext": [str(order[position]) for position in named],
            "tickangle": 0,
            "title": {"text": "channel, by place after the split order"},
        },
        yaxis={"title": {"text": title}},
    )
    if split is not None:
        figure.add_vline(x=split - 0.5, line={"color": palette.REFERENCE, "width": 2, "dash": "dash"})
        for part, anchor, shift in (("kept", "right", -6), ("emitted", "left", 6)) if height < _WITH_LEGEND else ():
            figure.add_annotation(
                x=split - 0.5,
                y=1,
                yref="paper",
                yanchor="bottom",
                xanchor=anchor,
                xshift=shift,
                showarrow=False,
                text=f"← {HALVES[part].name}" if part == "kept" else f"{HALVES[part].name} →",
                font={"size": 14},
            )
    return figure


def _bars_with_intervals(
    figure: go.Figure,
    order: Sequence[int],
    parts: Sequence[str],
    mean: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    unit: str,
    **placed: float,
) -> None:
    """Add bars of both halves with intervals; ``unit`` makes a number's text with its unit."""
    hover = [
        f"{_name(order, position)}<br>{unit % f'{mean[position]:.4g}'} "
        f"(95 % interval {low[position]:.4g} to {high[position]:.4g})"
        for position in range(len(order))
    ]
    for part in dict.fromkeys(parts):
        here = np.array([own == part for own in parts])
        ends = {"array": _round((high - mean)[here]), "arrayminus": _round((mean - low)[here])}
        error = {**ends, "color": palette.REFERENCE, "thickness": 2, "width": 4}
        name = f"{HALVES[part].name}, mean (95 %)"
        figure.add_bar(**_bar(parts, part, mean, hover), **placed, error_y=error, name=name)


def _bar(parts: Sequence[str], part: str, values: np.ndarray, hover: Sequence[str]) -> dict[str, Any]:
    here = [position for position, own in enumerate(parts) if own == part]
    half = HALVES[part]
    return {
        "x": here,
        "y": _round(np.asarray(values)[here]),
        "marker": {"color": half.colour, "pattern": half.pattern, "line": {"width": 0}},
        "text": [hover[position] for position in here],
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }


def _dots(figure: go.Figure, values: np.ndarray, name: str, hover: Sequence[str]) -> None:
    """Add what holds for the image looked at, right of each place."""
    figure.add_scatter(
        x=_round(np.arange(len(values)) + _RIGHT),
        y=_round(values),
        mode="markers",
        marker={"size": 9 if len(values) <= NAMED_CHANNELS else 5, "color": palette.SUBJECT},
        name=name,
        text=list(hover),
        hovertemplate="%{text}<extra></extra>",
    )


def _name(order: Sequence[int], position: int) -> str:
    return f"channel {order[position]}, place {position + 1} of {len(order)}"


def _round(values: np.ndarray | Sequence[float]) -> list[float]:
    return [float(f"{value:.5g}") for value in np.asarray(values, dtype=float)]


# ---------------------------------------------------------------------- one channel over images


def scatter(weights: ChannelWeights, position: int) -> go.Figure:
    """Return −log ω of one channel against its log standard deviation, an image a point.

    Arguments:
        weights: of a policy that has weights.
        position: of the channel.

    """
    half = HALVES[weights.parts[position]]
    log_std, quiet = weights.images.log_std[:, position], -weights.images.weights()[:, position]
    own = float(weights.image.log_std[0, position]), float(-weights.log_weights[position])
    ends = np.array([min(log_std.min(), own[0]), max(log_std.max(), own[0])])
    figure = go.Figure()
    figure.add_scatter(
        x=_round(ends),
        y=_round(ends + quiet.mean() - log_std.mean()),
        mode="lines",
        line={"color": palette.REFERENCE, "dash": "dash", "width": 2},
        name="slope 1: ω in proportion to 1/σ",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=_round(log_std),
        y=_round(quiet),
        mode="markers",
        marker={"size": 7, "color": half.colour, "symbol": half.symbol, "opacity": 0.6},
        name=f"{weights.count} test images",
        hovertemplate="log σ = %{x:.2f}, −log ω = %{y:.2f}<extra></extra>",
    )
    figure.add_scatter(
        x=_round(own[:1]),
        y=_round(own[1:]),
        mode="markers",
        marker={"size": 13, "color": palette.SUBJECT, "line": {"width": 2, "color": "white"}},
        name="this image",
        hovertemplate="this image: log σ = %{x:.2f}, −log ω = %{y:.2f}<extra></extra>",
    )
    figure.update_layout(
        layout(300, legend_room(3)),
        xaxis={
            "range": limits([log_std, own[:1]]),
            "title": {"text": "log standard deviation of the channel (nats)"},
        },
        yaxis={"range": limits([quiet, own[1:]]), "title": {"text": "−log ω (nats)"}},
    )
    return figure


def extremes(images: np.ndarray, weights: ChannelWeights, position: int, count: int) -> str:
    """Return the images that turn a channel up the most and down the most, as HTML.

    Arguments:
        images: bytes (N, H, W, C) of the images that averages are over.
        weights: of the level.
        position: of the channel.
        count: images a row.

    """
    log_weights = weights.images.weights()[:, position]
    relative = np.exp(log_weights - log_weights.mean())
    rows = []
    for way, chosen in zip(("up", "down"), weights.extremes(position, count), strict=True):
        ends = " to ".join(f"×{relative[number]:.2f}" for number in (chosen[0], chosen[-1]))
        caption = f"turned {way} the most: {ends} of the average weight"
        alt = f"{len(chosen)} test images whose channel {weights.order[position]} is {caption}"
        rows.append((caption, alt, montage(images[chosen], len(chosen))))
    return row(rows, least=400)


# ---------------------------------------------------------------------- to the pixels


def pixels(image: np.ndarray, gradient: EnergyGradient, change: Resampling | None) -> str:
    """Return a channel's way to the pixels as HTML: its map, its input gradient, and the image without it.

    Arguments:
        image: bytes (H, W, C).
        gradient: of the channel's energy.
        change: of the image after resampling the channel; None for one that is passed on, which has no ε of its own.

    """
    peak = gradient.gradient.max()
    panels = [
        ("The image", f"The image looked at: {appearance(image)}", image),
        (
            f"Channel {gradient.channel} of level {gradient.level}: its mean ± {GREY_RANGE:.0f} standard deviations",
            f"The map of channel {gradient.channel}, {'×'.join(map(str, gradient.map.shape))} values",
            _grey(gradient.map),
        ),
        (
            f"Which pixels change its energy; yellow = {peak:.2g} a grey level",
            f"The input gradient: {words.gradient(gradient)}",
            palette.cividis(gradient.gradient / peak if peak else gradient.gradient),
        ),
    ]
    if change is not None:
        how = "zero" if change.zeroed else "resampled"
        changed, largest = f"The image with its ε {how}", change.change.max()
        panels += [
            (changed, f"{changed}: {appearance(change.changed)}", change.changed),
            (
                f"What changed; yellow = {largest:.2g} grey levels",
                f"Change of every pixel. {words.change(change)}",
                palette.cividis(change.change / largest if largest else change.change),
            ),
        ]
    return row(panels, least=130)


def _grey(values: np.ndarray) -> np.ndarray:
    """Return bytes (H, W): grey at the mean, black and white at ±:data:`GREY_RANGE` standard deviations."""
    spread = values.std()
    standard = (values - values.mean()) / spread if spread else np.zeros_like(values)
    return (127.5 + 127.5 * np.clip(standard / GREY_RANGE, -1, 1)).round().astype(np.uint8)
