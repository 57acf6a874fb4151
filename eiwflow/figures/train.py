"""The Train page's charts, as Vega-Lite: they are redrawn every second, and keep zoom and hover.

A chart keeps zoom and hover as long as its description is the same text, so a description contains no data and depends
on nothing that grows; data are rows beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from . import palette
from .pixels import file_uri

if TYPE_CHECKING:
    from ..analysis.train import LevelNow, Progress

_RAW, _SMOOTH, _TEST = "train (faint)", "train, smoothed (bold)", "test, averaged parameters"
#: Dashes of compared runs, which also differ in colour.
_RUN_DASHES = ([1, 0], [8, 3], [3, 3], [10, 3, 2, 3], [2, 5])
MOST_RUNS = len(palette.ARMS)
#: A value within every axis of bits/dim, unless raw values have less, and the highest end of an axis.
_LOW, _MOST = 3.0, 12.0
#: A plain wheel scrolls the page.
_ZOOM = {
    "name": "zoom",
    "select": {"type": "interval", "zoom": "wheel![event.ctrlKey || event.metaKey]"},
    "bind": "scales",
}
_STEP = {"field": "step", "type": "quantitative", "title": "step", "axis": {"grid": False, "tickMinStep": 1}}
_BITS = {
    "field": "bits",
    "type": "quantitative",
    "title": "bits/dim",
    "scale": {"zero": False},
    "axis": {"format": ".2f"},
}


def scale(progress: Progress, floor: float | None = None, bits: int = 8) -> tuple[float, float]:
    """Return an axis of whole bits for a run's curves: common to train and test, and constant while they fall.

    The ``bits`` of raw values are on it.
    """
    train, test = progress.curve.bits_per_dim, progress.curve.probe_bits_per_dim
    values = [*train.tolist(), *test.tolist(), *([] if floor is None else [floor]), min(_LOW, bits - 1), bits]
    finite = [value for value in values if math.isfinite(value)]
    return float(max(math.floor(min(finite)), 0)), float(min(math.ceil(max(finite)), _MOST))


def curves(ends: tuple[float, float], floor: float | None = None) -> dict[str, Any]:
    """Return the description of a run's curves: every batch faint, smoothed bold, test images beside them.

    Args:
        ends: of the axis, see :func:`scale`.
        floor: bits/dim that no model can beat, where known: a line.

    """
    colour = {
        "field": "line",
        "type": "nominal",
        "title": None,
        "scale": {"domain": [_RAW, _SMOOTH, _TEST], "range": [palette.REFERENCE, palette.REFERENCE, palette.SUBJECT]},
        "legend": {"orient": "top", "symbolType": "stroke", "symbolStrokeWidth": 3, "labelLimit": 300, "columns": 3},
    }
    tip = [
        {"field": "line", "title": "curve"},
        {"field": "step", "format": ","},
        {"field": "bits", "title": "bits/dim", "format": ".3f"},
    ]
    bits = {**_BITS, "scale": {"domain": list(ends), "nice": False, "zero": False}}
    shared = {"x": _STEP, "y": bits, "color": colour, "tooltip": tip}
    layers = [
        _layer(_RAW, {"type": "line", "strokeWidth": 1, "opacity": 0.45, "clip": True}, shared) | {"params": [_ZOOM]},
        _layer(_SMOOTH, {"type": "line", "strokeWidth": 3, "clip": True}, shared),
        _layer(
            _TEST,
            {"type": "line", "strokeWidth": 2.5, "strokeDash": [6, 3], "point": {"size": 30}, "clip": True},
            shared,
        ),
    ]
    if floor is not None:
        line = {"data": {"values": [{"bits": round(floor, 4)}]}, "encoding": {"y": bits}}
        words = {
            "type": "text",
            "text": f"floor {floor:.2f}: the grain alone",
            "align": "right",
            "dy": -8,
            "fontSize": 13,
        }
        layers.append({**line, "mark": {"type": "rule", "strokeDash": [2, 3], "color": palette.REFERENCE}})
        layers.append({**line, "mark": words, "encoding": {"y": bits, "x": {"value": "width"}}})
    return {"height": 290, "layer": layers}


def curve_rows(progress: Progress) -> list[dict[str, Any]]:
    """Return the rows of :func:`curves`."""
    curve = progress.curve
    lines = (
        (_RAW, curve.steps, curve.bits_per_dim),
        (_SMOOTH, curve.steps, curve.smoothed),
        (_TEST, curve.probe_steps, curve.probe_bits_per_dim),
    )
    return [
        {"line": name, "step": step, "bits": round(bits, 4)}
        for name, steps, values in lines
        for step, bits in zip(steps.tolist(), values.tolist(), strict=True)
    ]


def compared(names: list[str]) -> dict[str, Any]:
    """Return the description of several runs' curves, one colour and dash a run; at most :data:`MOST_RUNS`."""
    count = len(names)
    run = {"field": "run", "type": "nominal", "title": None}
    shared = {
        "x": _STEP,
        "y": _BITS,
        "color": {
            **run,
            "scale": {"domain": names, "range": list(palette.ARMS[:count])},
            "legend": {
                "orient": "top",
                "symbolType": "stroke",
                "symbolStrokeWidth": 3,
                "labelLimit": 400,
                "columns": 1,
            },
        },
        "strokeDash": {**run, "scale": {"domain": names, "range": list(_RUN_DASHES[:count])}},
        "tooltip": [
            {"field": "run"},
            {"field": "line", "title": "curve"},
            {"field": "step", "format": ","},
            {"field": "bits", "title": "bits/dim", "format": ".3f"},
        ],
    }
    return {
        "height": 330,
        "layer": [
            _layer(_SMOOTH, {"type": "line", "strokeWidth": 1.2, "opacity": 0.6}, shared) | {"params": [_ZOOM]},
            _layer(_TEST, {"type": "line", "strokeWidth": 3}, shared),
        ],
    }


def compared_rows(runs: Mapping[str, Progress]) -> list[dict[str, Any]]:
    """Return the rows of :func:`compared`, by the runs' names."""
    return [
        {"run": name, **row} for name, progress in runs.items() for row in curve_rows(progress) if row["line"] != _RAW
    ]


def _layer(line: str, mark: dict[str, Any], encoding: dict[str, Any]) -> dict[str, Any]:
    return {"transform": [{"filter": {"field": "line", "equal": line}}], "mark": mark, "encoding": encoding}


def channels(level: int) -> dict[str, Any]:
    """Return the description of a level's channels, in the order used: bars, pale where a channel would cross."""
    return {
        "height": 220,
        "mark": {"type": "bar", "stroke": palette.REFERENCE},
        "encoding": {
            "x": {
                "field": "place",
                "type": "ordinal",
                "title": f"level {level}: place in the order used",
                "axis": {"labelOverlap": True, "labelAngle": 0},
            },
            "y": {
                "field": "redundancy",
                "type": "quantitative",
                "title": "redundancy (nats/pixel)",
                "axis": {"tickCount": 4},
            },
            "color": {
                "field": "side",
                "type": "nominal",
                "title": None,
                "scale": {"domain": ["passed on", "factored out"], "range": [palette.KEPT, palette.EMITTED]},
                "legend": {"orient": "top"},
            },
            "opacity": {
                "field": "crosses",
                "type": "nominal",
                "title": None,
                "scale": {"domain": ["as used", "would cross"], "range": [1, 0.35]},
                "legend": None,
            },
            "strokeDash": {
                "field": "crosses",
                "type": "nominal",
                "scale": {"domain": ["as used", "would cross"], "range": [[1, 0], [3, 2]]},
                "legend": None,
            },
            "tooltip": [
                {"field": "channel"},
                {"field": "side"},
                {"field": "crosses", "title": "sorted now"},
                {"field": "redundancy", "title": "redundancy (nats/pixel)", "format": ".3f"},
                {"field": "entropy", "title": "marginal entropy (nats/dim)", "format": ".3f"},
            ],
        },
    }


def channel_rows(level: LevelNow) -> list[dict[str, Any]]:
    """Return the rows of :func:`channels`."""
    kept = set(level.kept)
    return [
        {
            "place": place,
            "channel": channel,
            "side": "passed on" if channel in kept else "factored out",
            "crosses": "as used" if (channel in kept) == level.would_stay[channel] else "would cross",
            "redundancy": level.redundancy[channel],
            "entropy": level.entropy[channel],
        }
        for place, channel in enumerate((*level.kept, *level.emitted), 1)
    ]


def result(webp: bytes, words: str) -> str:
    """Return a preset's samples with words below them."""
    return (
        f'<div class="eiw-row"><figure><img alt="{escape(words)}" src="{file_uri(webp, "webp")}" '
        f'style="max-width: 11rem"><figcaption>{escape(words)}</figcaption></figure></div>'
    )


def samples(webp: bytes, caption: str) -> str:
    """Return a WEBP of samples as a figure of HTML, its pixels enlarged without smoothing."""
    return (
        f'<div class="eiw-row"><figure><img alt="{escape(caption)}" src="{file_uri(webp, "webp")}">'
        f"<figcaption>{escape(caption)}</figcaption></figure></div>"
    )
