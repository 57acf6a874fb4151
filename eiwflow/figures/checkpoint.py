"""Pictures of a checkpoint: the architecture, how evenly its steps stretch, and its training curve.

In the strip the area of a box is its number of values; the part passed on is blue and solid, the part factored out
vermillion and dashed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ..analysis.words.checkpoint import PARTS, by_order
from ..analysis.words.levels import came_back
from . import palette
from .kit import Trace, across, layout, lines, marks, note
from .pixels import appearance, data_uri, picture, row

if TYPE_CHECKING:
    from ..analysis.levels import Reconstruction
    from ..analysis.record import TrainingCurve
    from ..analysis.report import LevelReport, Report

_SUBJECT, _SCALES = palette.ARMS[0], palette.ARMS[3]
#: Most labels of steps at an axis.
LABELS = 26
#: The legend is below, where it may wrap.
_LEGEND: dict[str, Any] = {"below": 94, "legend_below": True}
#: The smallest factor drawn, since an axis of powers has no zero.
SMALLEST = 1e-9
#: A box of no more than this share of the values has no room for their number.
NARROW = 0.2


# ---------------------------------------------------------------------- the architecture


def strip(made: Report) -> str:
    """Return the levels as HTML: the image, then a column a level; columns wrap where it is narrow."""
    size = "×".join(map(str, made.config.shape))
    image = _column("The image", f"{size} values", {"whole": made.config.dimensions}, made.config.dimensions)
    columns = (_level(made, level) for level in made.levels)
    return (
        f'<div class="eiw-frame"><div class="eiw-anatomy">{image}{"".join(columns)}</div>'
        '<p class="eiw-legend"><span><i class="eiw-key eiw-kept"></i>passed on</span>'
        '<span><i class="eiw-key eiw-emitted"></i>factored out as noise</span>'
        "<span>width: number of values</span></p></div>"
    )


def there_and_back(result: Reconstruction) -> str:
    """Return an image, and beside it what comes back from its noise, as HTML."""
    back = f"and back: {came_back(result)}" if result.lost_bytes else "and back: exact"
    pictures = {"an image": result.image, back: result.restored}
    each = (picture(data_uri(of), f"{name}: {appearance(of)}", name) for name, of in pictures.items())
    return row(each, "max-width: 19rem")


def counts(made: Report) -> str:
    """Return the parameters as HTML: of the whole flow by part, then of every level."""
    config = made.config
    whole = [(name, count) for part, name in PARTS.items() if (count := made.parameters[part])]
    columns = [f"<section><h4>Parameters</h4>{_rows(whole, 'all levels', made.total)}</section>"]
    for level in made.levels:
        times = f"{level.steps} ×"
        rows: list[tuple[str, int]] = [
            (f"{times} ActNorm", level.parameters["actnorm"]),
            (f"{times} 1×1 convolution", level.parameters["mixing"]),
            (f"{times} coupling, width {config.width}", level.parameters["coupling"]),
        ]
        if level.kept is not None and level.emitted[0]:
            split = by_order(config.order) + ", weights ω(x)" * bool(made.parameters["shuffle"])
            rows += [(split, level.parameters["shuffle"]), (f"{config.prior} prior", level.parameters["prior"])]
        columns.append(
            f"<section><h4>Level {level.number}</h4>{_rows(rows, f'level {level.number}', level.total)}</section>"
        )
    return f'<div class="eiw-frame"><div class="eiw-anatomy">{"".join(columns)}</div></div>'


def _column(name: str, words: str, values: Mapping[str, int], whole: int) -> str:
    """Return a column; its boxes have one height, each as wide as its share of all values, and tell their number."""
    boxes = (
        f'<div class="eiw-{part}" style="width: {100 * count / whole:.4g}%">'
        f"{f'{count:,}' if count / whole > NARROW else ''}</div>"
        for part, count in values.items()
    )
    return f'<section><h4>{name}</h4><div class="eiw-shares">{"".join(boxes)}</div><p>{words}</p></section>'


def _level(made: Report, level: LevelReport) -> str:
    halves = [("kept", level.kept), ("emitted", level.emitted)]
    values = {part: math.prod(shape) for part, shape in halves if shape and shape[0]}
    channels, height, width = level.shape
    on = f"{level.kept[0]} passed on" if level.kept is not None else ""
    out = f"{level.emitted[0] or 'none'} factored out"
    words = (
        f"{channels} channels of {height}×{width}:<br>{', '.join(filter(None, (on, out)))}"
        f"<br>{level.steps} steps, {level.total:,} parameters"
    )
    return _column(f"Level {level.number}", words, values, made.config.dimensions)


def _rows(rows: Sequence[tuple[str, int]], name: str, total: int) -> str:
    """Return a table of names and counts, with their sum in the last row."""
    cells = [(escape(text), f"{count:,}" if count else "–") for text, count in rows] + [(escape(name), f"{total:,}")]
    body = "".join(f"<tr><td>{text}</td><td>{count}</td></tr>" for text, count in cells)
    return f'<table class="eiw-counts">{body}</table>'


# ---------------------------------------------------------------------- charts


def conditioning(made: Report) -> go.Figure:
    """Return the smallest and largest factor by which each step stretches: its convolution, and its coupling on images.

    On an axis of powers the length of a line is a condition number.
    """
    steps = [(level.number, step) for level in made.levels for step in range(1, level.steps + 1)]
    places = np.array([number + level - 1 for number, (level, _) in enumerate(steps)])  # room between levels
    convolutions = np.concatenate([level.singular_values[:, [-1, 0]] for level in made.levels])
    couplings = np.concatenate([level.coupling for level in made.levels])
    ends = np.log10(np.concatenate([convolutions, couplings]).clip(SMALLEST))
    low, high = np.nanmin(ends) - 0.12, np.nanmax(ends) + 0.3
    every, last = -(-len(steps) // LABELS), places[-1]
    heads = [
        note(np.mean([place for place, (of, _) in zip(places, steps, strict=True) if of == level.number]), high,
             f"level {level.number}", yanchor="top")
        for level in made.levels
    ]  # fmt: skip
    return go.Figure(
        [
            _ranges("1×1 convolution with ActNorm", steps, places - 0.17, convolutions, _SUBJECT, "circle", "solid"),
            _ranges("coupling, as seen", steps, places + 0.17, couplings, _SCALES, "diamond", "dot"),
        ],
        {
            **layout(330, **_LEGEND),
            "annotations": heads,
            "shapes": [across(1, width=1, dash="dot")],
            "xaxis": {
                "range": [-0.7, last + 0.7],
                "tickvals": places[::every].tolist(),
                "ticktext": [str(step) for _, step in steps[::every]],
                "tickangle": 0,
                "title": _title("step"),
            },
            "yaxis": {"type": "log", "range": [low, high], "tickprefix": "×", "title": "stretched by"},
        },
    )


def _ranges(
    name: str,
    steps: Sequence[tuple[int, int]],
    places: np.ndarray,
    ranges: np.ndarray,
    colour: str,
    symbol: str,
    dash: str,
) -> Trace:
    """Return a line from the smallest to the largest factor of every step, with marks at both ends."""
    factors, text = ranges.clip(SMALLEST).tolist(), []
    for (level, step), (low, high) in zip(steps, factors, strict=True):
        text += [f"level {level}, step {step}: ×{low:.3g} to ×{high:.3g}, {high / low:.3g} apart"] * 3
    x, y = places.repeat(3), [end for low, high in factors for end in (low, high, None)]
    marker = {"color": colour, "symbol": symbol, "size": 6}
    label = f"%{{text}}<extra>{name}</extra>"
    return lines(x, y, colour, 2, dash, marker=marker, text=text, name=name, label=label)


def training(curve: TrainingCurve) -> go.Figure:
    """Return bits/dim by step: of the batches faint, smoothed bold, of averaged parameters on test images as marks."""
    names = "training batches", "smoothed", "averaged parameters, on test images"
    looks: list[Trace] = [
        {"name": name, "label": f"step %{{x:,}}: %{{y:.3f}} bits/dim<extra>{name}</extra>"} for name in names
    ]
    batches, smoothed, tests = looks
    grey, last = palette.REFERENCE, curve.steps[-1]
    return go.Figure(
        [
            lines(curve.steps, curve.bits_per_dim, grey, 1, opacity=0.4, **batches),
            lines(curve.steps, curve.smoothed, grey, **smoothed),
            marks(curve.probe_steps, curve.probe_bits_per_dim, _SUBJECT, 6, "diamond", **tests),
        ],
        {
            **layout(320, **_LEGEND),
            "xaxis": {"range": [-0.01 * last, 1.01 * last], "title": _title("training step"), "nticks": 6},
            "yaxis": {"title": "bits/dim"},
        },
    )


def _title(text: str) -> dict[str, Any]:
    """Return the title of an axis, near it, since the legend is below."""
    return {"text": text, "standoff": 6}
