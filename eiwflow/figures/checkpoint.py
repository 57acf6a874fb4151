"""Pictures of a checkpoint: the architecture, how evenly its steps stretch, and its training curve.

In the strip the area of a box is its number of values; the part passed on is blue and solid, the part factored out
vermillion and dashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ..analysis.words.checkpoint import PARTS, WEIGHTS
from . import palette
from .kit import layout

if TYPE_CHECKING:
    from ..analysis.record import TrainingCurve
    from ..analysis.report import LevelReport, Report

#: Short names of parts for an axis.
SHORT = {"coupling": "couplings", "mixing": "1×1 conv.", "shuffle": "weights"}
#: Sentences on a split, by order.
ORDERS = {
    "entropy": "Shuffle, order by redundancy",
    "random": "a fixed random order",
    "variance": "largest variance passed on",
    "variance-reversed": "smallest variance passed on",
    "first": "the first channels factored out",
    "last": "the last channels factored out",
    "released": "the order of the published code",
}
#: Patterns of levels, which distinguish them without their shades.
PATTERNS = ("", "/", "x", ".", "-", "+")
_SUBJECT, _SCALES = palette.ARMS[0], palette.ARMS[3]
#: Most labels of steps at an axis.
LABELS = 26
#: The legend is below, where it may wrap.
_LEGEND: dict[str, Any] = {"below": 94, "legend_below": True}
#: The smallest factor drawn, since an axis of powers has no zero.
SMALLEST = 1e-9


# ---------------------------------------------------------------------- the architecture


def strip(made: Report) -> str:
    """Return the architecture as HTML: the image, then a column a level; columns wrap where it is narrow."""
    columns = "".join(_level(made, level) for level in made.levels)
    return (
        '<div class="eiw-frame"><div style="display: grid; gap: 22px 24px; '
        'grid-template-columns: repeat(auto-fit, minmax(min(11.5rem, 100%), 1fr))">'
        f"{_image(made)}{columns}</div>"
        '<p class="eiw-legend"><span><i class="eiw-key eiw-kept"></i>passed on</span>'
        '<span><i class="eiw-key eiw-emitted"></i>factored out as ε</span>'
        "<span>area: number of values</span><span>figures at the right: parameters</span></p></div>"
    )


def _image(made: Report) -> str:
    size = "×".join(map(str, made.config.shape))
    rows = [(name, made.parameters[part]) for part, name in PARTS.items()]
    return (
        f"<section><h4>The image</h4><p>{size},<br>{made.config.dimensions:,} values</p>{_boxes([('', 1.0)])}"
        f"<p>all values enter the flow</p>{_rows(rows, 'all levels', made.total)}</section>"
    )


def _policy_in_words(made: Report) -> str:
    order, weights = made.config.order, made.config.weights
    inside = f"{WEIGHTS[weights]} in couplings" if weights in WEIGHTS else f"weights {weights}"
    weighted = {"none": "", "pooled": ", weights ω(x)"}.get(weights, f", {inside}")
    return f"{ORDERS.get(order, f'order {order}')}{weighted}"


def _level(made: Report, level: LevelReport) -> str:
    config = made.config
    halves = [("kept", level.kept), ("emitted", level.emitted)]
    boxes = [(part, np.prod(shape) / config.dimensions) for part, shape in halves if shape is not None and shape[0]]
    out = f"{_size(level.emitted)} factored out" if level.emitted[0] else "nothing factored out"
    counts, times = level.parameters, f"{level.steps} ×"
    rows: list[tuple[str, int]] = [
        (f"{times} ActNorm", counts["actnorm"]),
        (f"{times} 1×1 convolution", counts["mixing"]),
        (f"{times} coupling {config.network}, width {config.width}", counts["coupling"]),
    ]
    if level.kept is not None and level.emitted[0]:
        rows += [(_policy_in_words(made), counts["shuffle"]), (f"{config.prior} prior", counts["prior"])]
    on = f"{_size(level.kept)} passed on · " if level.kept is not None else ""
    return (
        f"<section><h4>Level {level.number}</h4><p>{_size(level.shape_in)},<br>squeezed to {_size(level.shape)}</p>"
        f"{_boxes(boxes)}<p>{on}{out}</p>{_rows(rows, f'level {level.number}', level.total)}</section>"
    )


def _boxes(parts: Sequence[tuple[str, float]]) -> str:
    """Return boxes of one height side by side; each is as wide as its share of the image's values."""
    drawn = "".join(
        f'<div class="{f"eiw-{part}" if part else ""}" style="box-sizing: border-box; height: 52px; '
        f'width: {100 * share:.4g}%; border-width: 3px; border-style: {"dashed" if part == "emitted" else "solid"}">'
        "</div>"
        for part, share in parts
    )
    return f'<div style="display: flex; margin: 6px 0">{drawn}</div>'


def _rows(rows: Sequence[tuple[str, int]], name: str, total: int) -> str:
    cell = 'style="padding: 2px 0; border: 0; text-align: {}; vertical-align: top; {}"'
    lines = [
        f"<tr><td {cell.format('left', '')}>{escape(text)}</td>"
        f"<td {cell.format('right', 'padding-left: 10px')}>{f'{count:,}' if count else '–'}</td></tr>"
        for text, count in rows
    ]
    rule = "border-top: 1px solid currentColor; font-weight: 600"
    lines.append(
        f"<tr><td {cell.format('left', rule)}>{escape(name)}</td><td {cell.format('right', rule)}>{total:,}</td></tr>"
    )
    return (
        '<table style="width: 100%; margin-top: 8px; border-collapse: collapse; font-size: 0.875rem; '
        f'line-height: 1.35; font-variant-numeric: tabular-nums">{"".join(lines)}</table>'
    )


def _size(shape: tuple[int, int, int]) -> str:
    return "×".join(map(str, shape))


# ---------------------------------------------------------------------- where the parameters are


def parameters(made: Report) -> go.Figure:
    """Return the parameters of each part as bars with a piece per level, and their sum and share at the end."""
    figure, names = go.Figure(), [SHORT.get(part, name) for part, name in PARTS.items()]
    for level, pattern in zip(made.levels, PATTERNS, strict=False):
        figure.add_bar(
            orientation="h",
            y=names,
            x=[level.parameters[part] for part in PARTS],
            name=f"level {level.number}",
            marker={
                "color": _SUBJECT,
                "line": {"color": _SUBJECT, "width": 1},
                "pattern": {"shape": pattern, "fillmode": "replace", "fgcolor": _SUBJECT, "solidity": 0.4},
            },
            hovertemplate=f"level {level.number}: %{{x:,}} parameters<extra></extra>",
        )
    totals = [made.parameters[part] for part in PARTS]
    figure.add_scatter(
        x=totals,
        y=names,
        mode="text",
        text=[f"  {count:,} ({100 * count / made.total:.2g} %)" if count else "  none" for count in totals],
        textposition="middle right",
        cliponaxis=False,
        showlegend=False,
        hoverinfo="skip",
    )
    figure.update_layout(
        **layout(300, **_LEGEND),
        barmode="stack",
        bargap=0.35,
        xaxis={"range": [0, 1.55 * max(totals)], "title": {"text": "parameters", "standoff": 6}, "nticks": 5},
        yaxis={"autorange": "reversed", "showgrid": False},
    )
    return figure


# ---------------------------------------------------------------------- conditioning


def conditioning(made: Report) -> go.Figure:
    """Return the smallest and largest factor by which each step stretches: its convolution, and its coupling on images.

    On an axis of powers the length of a line is a condition number.
    """
    figure = go.Figure()
    places, labels, first = [], [], 0
    for level in made.levels:
        places.append(first + np.arange(level.steps))
        labels += [str(step) for step in range(1, level.steps + 1)]
        first += level.steps + 1
    convolutions = [level.singular_values[:, [-1, 0]] for level in made.levels]
    couplings = [level.coupling for level in made.levels]
    for name, ranges, shift, colour, symbol, dash in (
        ("1×1 convolution with ActNorm", convolutions, -0.17, _SUBJECT, "circle", "solid"),
        ("coupling, as seen", couplings, 0.17, _SCALES, "diamond", "dot"),
    ):
        _add_ranges(figure, name, places, ranges, shift, colour, symbol, dash)
    ends = np.concatenate([*convolutions, *couplings]).clip(SMALLEST)
    low, high = np.log10(np.nanmin(ends)) - 0.12, np.log10(np.nanmax(ends)) + 0.3
    for level, place in zip(made.levels, places, strict=True):
        figure.add_annotation(x=place.mean(), y=high, text=f"level {level.number}", showarrow=False, yanchor="top")
    figure.add_hline(y=1, line={"color": palette.REFERENCE, "width": 1, "dash": "dot"})
    at, every = np.concatenate(places), -(-len(labels) // LABELS)
    figure.update_layout(
        **layout(330, **_LEGEND),
        xaxis={
            "range": [-0.7, at[-1] + 0.7],
            "tickvals": at[::every].tolist(),
            "ticktext": labels[::every],
            "tickangle": 0,
            "title": {"text": "step", "standoff": 6},
        },
        yaxis={"type": "log", "range": [low, high], **_factors(low, high), "title": {"text": "stretched by"}},
    )
    return figure


def _add_ranges(
    figure: go.Figure,
    name: str,
    places: Sequence[np.ndarray],
    ranges: Sequence[np.ndarray],
    shift: float,
    colour: str,
    symbol: str,
    dash: str,
) -> None:
    """Add a line from the smallest to the largest factor of every step, with marks at both ends."""
    x, y, labels = [], [], []
    for number, (at, ends) in enumerate(zip(places, ranges, strict=True), start=1):
        for step, (place, (low, high)) in enumerate(zip(at, ends.clip(SMALLEST).tolist(), strict=True), start=1):
            x += [float(place) + shift] * 2 + [None]
            y += [low, high, None]
            labels += [f"level {number}, step {step}: ×{low:.3g} to ×{high:.3g}, {high / low:.3g} apart"] * 3
    figure.add_scatter(
        x=x,
        y=y,
        text=labels,
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={"color": colour, "symbol": symbol, "size": 6},
        name=name,
        hovertemplate="%{text}<extra>" + name + "</extra>",
    )


def _factors(low: float, high: float) -> dict[str, Any]:
    """Return ticks of an axis of powers between two logarithms to base 10: 1, 2, 5 of each power, or powers alone."""
    digits = (1, 2, 5) if high - low < 3 else (1,)
    values = [digit * 10.0**power for power in range(int(low) - 1, int(high) + 2) for digit in digits]
    ticks = [value for value in values if low <= np.log10(value) <= high]
    return {"tickvals": ticks, "ticktext": [f"×{value:g}" for value in ticks]}


# ---------------------------------------------------------------------- the training


def training(curve: TrainingCurve) -> go.Figure:
    """Return bits/dim by step: of the batches faint, smoothed bold, of averaged parameters on test images as marks."""
    figure = go.Figure()
    steps, probes = curve.steps, curve.probe_steps
    grey, blue = {"line": {"color": palette.REFERENCE}}, {"color": _SUBJECT, "symbol": "diamond", "size": 6}
    for name, at, bits, look in (
        ("training batches", steps, curve.bits_per_dim, {"mode": "lines", **grey, "line_width": 1, "opacity": 0.4}),
        ("smoothed", steps, curve.smoothed, {"mode": "lines", **grey, "line_width": 3}),
        ("averaged parameters, on test images", probes, curve.probe_bits_per_dim, {"mode": "markers", "marker": blue}),
    ):
        hover = f"step %{{x:,}}: %{{y:.3f}} bits/dim<extra>{name}</extra>"
        figure.add_scatter(x=at.tolist(), y=bits.round(4).tolist(), name=name, hovertemplate=hover, **look)
    last = curve.steps[-1]
    return figure.update_layout(
        **layout(320, **_LEGEND),
        xaxis={"range": [-0.01 * last, 1.01 * last], "title": {"text": "training step", "standoff": 6}, "nticks": 6},
        yaxis={"title": {"text": "bits/dim"}},
    )
