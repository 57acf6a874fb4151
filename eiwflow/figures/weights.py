"""Charts of channel weights before a split: log ω by channel, and its slope on loudness."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ..analysis.words.numbers import fixed, signed
from . import palette
from .kit import HALVES, LEFT, five_digits, layout, legend_room, limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..analysis.weights import ChannelWeights

#: Labelled ω on the axis of log ω; ½ and 2 are always in view.
FACTORS = {0.25: "×¼", 0.5: "×½", 1.0: "×1", 2.0: "×2", 4.0: "×4"}
#: Most channel numbers under a chart; with more channels every second, third, … is named.
NAMED_CHANNELS = 16


def bars(weights: ChannelWeights, beside: Iterable[ChannelWeights] = ()) -> go.Figure:
    """Return bars of log ω of this image minus its average over images, by position after the Shuffle.

    Only this difference is identified: later parts absorb a factor that is the same for every image.

    Arguments:
        weights: of a level.
        beside: weights of charts that share the axis; ×½ and ×2 are always in view.

    """
    title = "turned down ← this picture → turned up<br>(log ω minus its average, nats)"
    figure = _by_position(weights, title)
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
        error_y={"array": five_digits(weights.std), "color": palette.REFERENCE, "thickness": 2, "width": 5},
        name=f"±1 sd over {weights.count} images",
        hoverinfo="skip",
    )
    ends = [
        np.abs(each).max() for level in (weights, *beside) for each in (level.log_weights, level.relative, level.std)
    ]
    span = 1.12 * float(max([np.log(2), *ends]))
    ticks = {np.log(factor): text for factor, text in FACTORS.items() if abs(np.log(factor)) <= span}
    figure.update_yaxes(
        range=[-span, span],
        tickvals=five_digits(np.array(list(ticks))),
        ticktext=[f"{text}<br>{signed(value, 2)}" if value else f"{text}<br>0" for value, text in ticks.items()],
    )
    figure.add_hline(y=0, line={"color": palette.REFERENCE, "width": 1.5}, layer="below")
    return figure


def slopes(weights: ChannelWeights, beside: Iterable[ChannelWeights] = ()) -> go.Figure:
    """Return the slope of log ω on log σ over images by channel, with 95 % intervals: −1 would undo loudness.

    The axis also covers the intervals of the charts ``beside`` it, with room for two labels.
    """
    title = "change of weight with loudness<br>(slope of log ω on log σ)"
    figure = _by_position(weights, title)
    result = weights.correlations
    for part, half in HALVES.items():
        here = np.array([own == part for own in weights.parts]) & np.isfinite(result.slope)
        slope, low, high = result.slope[here], result.slope_low[here], result.slope_high[here]
        figure.add_scatter(
            x=np.flatnonzero(here).tolist(),
            y=five_digits(slope),
            mode="markers",
            marker={"size": 9, "color": half.colour, "symbol": half.symbol},
            error_y={
                "array": five_digits(high - slope),
                "arrayminus": five_digits(slope - low),
                "thickness": 2,
                "width": 4,
            },
            name=HALVES[part].name,
            text=[
                f"{_name(weights.order, position)}<br>slope {fixed(result.slope[position], 2)} "
                f"({fixed(result.slope_low[position], 2)} to {fixed(result.slope_high[position], 2)}), "
                f"r of −log ω with log σ = {signed(result.pearson[position], 2)}"
                for position in np.flatnonzero(here).tolist()
            ],
            hovertemplate="%{text}<extra></extra>",
        )
    shared = [each.correlations for each in (weights, *beside)]
    ends = [end for each in shared for end in (each.slope_low, each.slope_high)]
    figure.update_yaxes(range=limits([(-1.0, 0.0), *ends], 0.15, 0.15))
    for slope, text, end, side in (
        (0, "ignores loudness", np.nanmax([0, *result.slope_high]), "bottom"),
        (-1, "undoes loudness", np.nanmin([-1, *result.slope_low]), "top"),
    ):
        dash = "dot" if slope else "solid"
        figure.add_hline(y=slope, line={"color": palette.REFERENCE, "width": 1.5, "dash": dash}, layer="below")
        # Beyond every interval, so that the label covers none.
        figure.add_annotation(
            x=0, xref="paper", xanchor="left", y=float(end), yanchor=side, text=text, showarrow=False,
            font={"color": palette.REFERENCE},
        )  # fmt: skip
    return figure


def _by_position(weights: ChannelWeights, title: str) -> go.Figure:
    """Return an empty chart: places after the Shuffle, labelled by channel number, and the split line between two."""
    count = len(weights.order)
    named = list(range(0, count, -(-count // NAMED_CHANNELS)))
    figure = go.Figure()
    figure.update_layout(
        layout(400, legend_room(2), left=LEFT + 18),  # the title at the axis has two lines
        barmode="overlay",
        bargap=0.3,
        xaxis={
            "range": [-0.6, count - 0.4],
            "tickvals": named,
            "ticktext": [str(weights.order[position]) for position in named],
            "tickangle": 0,
            "title": {"text": "channel, by place after the split order"},
        },
        yaxis={"title": {"text": title}},
    )
    figure.add_vline(x=weights.kept - 0.5, line={"color": palette.REFERENCE, "width": 2, "dash": "dash"})
    return figure


def _bar(parts: Sequence[str], part: str, values: np.ndarray, hover: Sequence[str]) -> dict[str, Any]:
    here = [position for position, own in enumerate(parts) if own == part]
    half = HALVES[part]
    return {
        "x": here,
        "y": five_digits(np.asarray(values)[here]),
        "marker": {"color": half.colour, "pattern": half.pattern, "line": {"width": 0}},
        "text": [hover[position] for position in here],
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }


def _name(order: Sequence[int], position: int) -> str:
    return f"channel {order[position]}, place {position + 1} of {len(order)}"
