"""The Train page's charts, as Vega-Lite: they are redrawn every second, and keep zoom and hover.

A chart keeps zoom and hover as long as its description is the same text, so a description contains no data and depends
on nothing that grows; data are rows beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from . import palette
from .pixels import file_uri, picture, row

if TYPE_CHECKING:
    from ..analysis.record import LevelRecord
    from ..analysis.train import Progress

#: measure of ``analysis.train.points`` -> the title of its axis.
MEASURES = {
    "bits per value": "bits per value (bits/dim)",
    "gradient norm": "gradient norm (bits per value, by parameters)",
    "learning rate": "learning rate (per step)",
    "redundancy passed on": "redundancy passed on (bits per value)",
}
#: axis -> the column of a row, and the title of the axis.
AXES = {"steps": ("step", "training step"), "CPU seconds": ("cpu", "CPU time (seconds)")}
#: Widths of lines, and their dashes by run, which also differ in colour.
_WIDTHS = {"batches": 0.8, "train": 1.6, "test": 3.0}
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


def scale(progress: Progress, floor: float | None = None, bits: int = 8) -> tuple[float, float]:
    """Return an axis of whole bits for a run's curves: common to train and test, and constant while they fall.

    The ``bits`` of raw values are on it.
    """
    train, test = progress.curve.bits_per_dim, progress.curve.probe_bits_per_dim
    values = [*train.tolist(), *test.tolist(), *([] if floor is None else [floor]), min(_LOW, bits - 1), bits]
    finite = [value for value in values if math.isfinite(value)]
    return float(max(math.floor(min(finite)), 0)), float(min(math.ceil(max(finite)), _MOST))


def curves(
    names: Sequence[str],
    measure: str,
    axis: str,
    logarithmic: bool,
    ends: tuple[float, float] | None = None,
    floor: float | None = None,
) -> dict[str, Any]:
    """Return the description of curves of at most :data:`MOST_RUNS` runs: a colour and a dash each.

    Args:
        names: of the runs.
        measure: one of :data:`MEASURES`.
        axis: one of :data:`AXES`.
        logarithmic: whether the horizontal axis has powers.
        ends: of the vertical axis, see :func:`scale`.
        floor: bits per value that no model can beat, where known: a line.

    """
    column, title = AXES[axis]
    run, domain = _name("run"), [*names]
    legend = {"orient": "top", "symbolType": "stroke", "symbolStrokeWidth": 3, "labelLimit": 400, "columns": 2}
    vertical = _number("value", MEASURES[measure])
    vertical["axis"] = {"labelFlush": False}
    vertical["scale"] = {"zero": False} if ends is None else {"domain": list(ends), "nice": False, "zero": False}
    horizontal = _number(column, title) | {"axis": {"grid": False, "tickCount": 6, "format": ",.3~f"}}
    horizontal["scale"] = {"type": "log" if logarithmic else "linear"}
    shared = {
        "x": horizontal,
        "y": vertical,
        "color": {**run, "scale": {"domain": domain, "range": list(palette.ARMS[: len(names)])}, "legend": legend},
        "strokeDash": {**run, "scale": {"domain": domain, "range": list(_RUN_DASHES[: len(names)])}},
        "tooltip": [run, {"field": "line"}, {"field": column, "format": ","}, {"field": "value", "format": ".4"}],
    }
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": {"field": "line", "equal": line}}],
            "mark": {"type": "line", "strokeWidth": width, "clip": True, "opacity": 0.5 if line == "batches" else 1},
            "encoding": shared,
        }
        for line, width in _WIDTHS.items()
        if line != "batches" or len(names) == 1
    ]
    layers[0]["params"] = [_ZOOM]
    if floor is not None:
        line = {"data": {"values": [{"value": round(floor, 4)}]}, "encoding": {"y": vertical}}
        words = {"type": "text", "text": f"{floor:.2f}: pixel noise, no flow needs less", "align": "right", "dy": -8}
        layers.append({**line, "mark": {"type": "rule", "strokeDash": [2, 3], "color": palette.REFERENCE}})
        layers.append({**line, "mark": {**words, "fontSize": 14}, "encoding": {"y": vertical, "x": {"value": "width"}}})
    return {"height": 290, "layer": layers}


def curve_rows(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], measure: str, axis: str, logarithmic: bool
) -> list[dict[str, Any]]:
    """Return the rows of :func:`curves` from those of ``analysis.train.points``, by the runs' names."""
    column = AXES[axis][0]
    return [
        {"run": name, "line": row["line"], column: row[column], "value": row["value"]}
        for name, rows in runs.items()
        for row in rows
        if row["measure"] == measure and row[column] is not None and (row[column] > 0 or not logarithmic)
    ]


def channels(level: int) -> dict[str, Any]:
    """Return the description of a level's channels, in the order used: bars, pale where a channel would cross."""
    bar, crosses = {"type": "bar", "stroke": palette.REFERENCE}, ["as used", "would cross"]
    sides = {"domain": ["passed on", "factored out"], "range": [palette.KEPT, palette.EMITTED]}
    place = {"title": f"level {level}: place in the order used", "axis": {"labelOverlap": True, "labelAngle": 0}}
    return {
        "height": 220,
        "mark": bar,
        "encoding": {
            "x": {"field": "place", "type": "ordinal", **place},
            "y": {**_number("redundancy", "redundancy (bits per value)"), "axis": {"tickCount": 4}},
            "color": {**_name("side"), "scale": sides, "legend": {"orient": "top"}},
            "opacity": {**_name("crosses"), "scale": {"domain": crosses, "range": [1, 0.35]}, "legend": None},
            "strokeDash": {
                **_name("crosses"),
                "scale": {"domain": crosses, "range": [[1, 0], [3, 2]]},
                "legend": None,
            },
            "tooltip": [
                {"field": "channel"},
                {"field": "side"},
                {"field": "crosses", "title": "sorted now"},
                {"field": "redundancy", "title": "redundancy (bits per value)", "format": ".3f"},
                {"field": "entropy", "title": "marginal entropy (bits per value)", "format": ".3f"},
            ],
        },
    }


def _name(field: str) -> dict[str, Any]:
    """Return the field of a row that holds a name."""
    return {"field": field, "type": "nominal", "title": None}


def _number(field: str, title: str) -> dict[str, Any]:
    """Return the field of a row that holds a number."""
    return {"field": field, "type": "quantitative", "title": title}


def channel_rows(level: LevelRecord) -> list[dict[str, Any]]:
    """Return the rows of :func:`channels`."""
    assert level.redundancy is not None  # nobody draws a level of single pixels
    bits = math.log(2)
    return [
        {
            "place": place,
            "channel": int(channel),
            "side": "passed on" if place <= level.kept_channels else "factored out",
            "crosses": "would cross" if level.crossing[channel] else "as used",
            "redundancy": float(level.redundancy[-1, channel]) / bits,
            "entropy": float(level.entropy[-1, channel]) / bits,
        }
        for place, channel in enumerate(level.used, 1)
    ]


def samples(webp: bytes, caption: str, style: str = "") -> str:
    """Return a WEBP of samples as a figure of HTML, its pixels enlarged without smoothing."""
    return row([picture(file_uri(webp, "webp"), caption, escape(caption), style)])
