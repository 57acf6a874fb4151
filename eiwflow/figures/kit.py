"""Shared by all charts: the two halves' looks, axes, the room around a plot, and no background or dragging.

plotly lays a chart out twice when a label does not fit into its margin, which takes half of the drawing time. The
margins here avoid that, except for large letters or on a narrow screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import palette

if TYPE_CHECKING:
    from ..study.statistics import Effect

#: The smallest letters of a chart, in pixels.
LETTERS = 14
#: Pixels left of the plot for numbers and a title, below it for the same, and at a side without text.
LEFT, BELOW, NOTHING = 80, 70, 8
_ABOVE = {"x": 0, "y": 1.02, "yanchor": "bottom"}
#: Pixels below the axis' title, if the title may wrap.
_BELOW = {"x": 0, "y": 0, "yref": "container", "yanchor": "bottom", "traceorder": "normal"}


def legend_room(rows: int = 1) -> int:
    """Return the pixels above a plot that a legend of this many rows takes."""
    return 30 + 18 * rows


def layout(
    height: float,
    above: float = NOTHING,
    below: float = BELOW,
    left: float = LEFT,
    right: float = NOTHING,
    legend_below: bool = False,
) -> dict[str, Any]:
    """Return a chart's layout, given its height and the room around its plot, in pixels."""
    return {
        "height": round(height),
        "margin": {"l": left, "r": right, "t": round(above), "b": round(below), "pad": 8},
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
        "hovermode": "closest",
        "dragmode": False,
        "legend": {"orientation": "h", **(_BELOW if legend_below else _ABOVE)},
    }


class Half(NamedTuple):
    """One half of a split on every chart: a name, a colour, and a second cue each for lines, points and bars."""

    name: str
    colour: str
    dash: str
    symbol: str
    pattern: dict[str, Any]


_HATCHED = {"shape": "/", "size": 6, "solidity": 0.25, "fillmode": "overlay", "fgcolor": "#FFFFFF"}
HALVES = {
    "kept": Half("passed on", palette.KEPT, "solid", "circle", {"shape": ""}),
    "emitted": Half("factored out", palette.EMITTED, "dot", "diamond", _HATCHED),
}
#: Whether a half is passed on, and its look.
SIDES = (True, HALVES["kept"]), (False, HALVES["emitted"])


def limits(values: Iterable[ArrayLike], below: float = 0.06, above: float = 0.06) -> tuple[float, float]:
    """Return the ends of an axis for these values, of all charts that share it, with a margin.

    Args:
        values: arrays of any shape; infinities and NaN are left out.
        below: margin below the values, as a share of their range.
        above: margin above them.

    """
    together = np.concatenate([np.ravel(part) for part in values])
    together = together[np.isfinite(together)]
    low, high = float(together.min()), float(together.max())
    room = (high - low) or 1.0
    return low - below * room, high + above * room


def intervals(effects: Sequence[Effect], colour: str, thickness: float = 2, width: int = 6) -> dict[str, Any]:
    """Return the 95 % intervals of leads as error bars, of no length where there is one seed."""
    ends = [(effect.lead, *effect.lead_interval) for effect in effects]
    return {
        "type": "data",
        "symmetric": False,
        "array": [_length(high - lead) for lead, _, high in ends],
        "arrayminus": [_length(lead - low) for lead, low, _ in ends],
        "color": colour,
        "thickness": thickness,
        "width": width,
    }


def _length(value: float) -> float | None:
    return round(value, 5) if np.isfinite(value) else None


def five_digits(values: ArrayLike) -> list[float]:
    """Return numbers with five digits, to keep figures small."""
    return [float(f"{value:.5g}") for value in np.asarray(values, dtype=float)]


def finished(figure: dict[str, Any]) -> dict[str, Any]:
    """Return a figure with the defaults of all charts, in the page's letters, none smaller than :data:`LETTERS`.

    By default an axis has no zero line, and only a vertical axis has a grid.

    Streamlit hands a figure to plotly twice, and plotly draws it twice if anything differs; templates, and numbers
    without a revision, always count as different. A figure that changes is a new element, so its revision is constant.
    """
    layout, family, tip = figure["layout"], '"Source Sans", sans-serif', palette.TIP
    layout.pop("template", None)
    layout["autosize"] = True
    layout["font"] = {"family": family, "size": LETTERS, "color": palette.LETTERS}
    layout["hoverlabel"] = {"bgcolor": tip, "bordercolor": tip, "font": {"family": family, "color": "white"}}
    layout.setdefault("legend", {})["font"] = {"size": LETTERS}
    axes = [layout.setdefault(name, {}) for name in ("xaxis", "yaxis")]
    if all(None not in axis.get("range", (None,)) for axis in axes):
        layout["datarevision"] = 1  # otherwise plotly's own range would be lost
    for axis, up in zip(axes, (False, True), strict=True):
        axis.setdefault("showgrid", up)
        for name, usual in {"zeroline": False, "gridcolor": palette.AXIS, "zerolinecolor": palette.AXIS}.items():
            axis.setdefault(name, usual)
        axis["automargin"] = True
        title = axis.setdefault("title", {})
        title.setdefault("standoff", 20)
        _enlarge(axis, "tickfont")
        _enlarge(title, "font")
    for annotation in layout.get("annotations", ()):
        _enlarge(annotation, "font")
    for trace in figure["data"]:
        if "text" in trace.get("mode", ""):
            _enlarge(trace, "textfont")
    return figure


def _enlarge(text: dict[str, Any], font: str) -> None:
    """Make letters at least as large as :data:`LETTERS`."""
    letters = text.setdefault(font, {})
    letters["size"] = max(LETTERS, letters.get("size", 0))
