"""Shared by all charts: their three kinds of traces, the two halves' looks, axes, and the room around a plot.

plotly lays a chart out twice when a label does not fit into its margin, which takes half of the drawing time. The
margins here avoid that, except for large letters or on a narrow screen.
"""

# ruff: noqa: ANN401 (what plotly takes)
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import palette

if TYPE_CHECKING:
    from ..study.statistics import Effect

#: A trace as plotly takes it; its numbers, or names, in which arrays are rounded; symbols: one, or one for each mark.
Trace = dict[str, Any]
Values = Sequence[Any] | np.ndarray
Symbol = str | list[str]
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

    @property
    def bar(self) -> dict[str, Any]:
        """The look of a bar."""
        return {"color": self.colour, "pattern": self.pattern}


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


# ---------------------------------------------------------------------- traces


def numbers(values: ArrayLike) -> list[float | None]:
    """Return numbers with five decimals, to keep figures small; NaN, a gap in a line, is None."""
    flat = np.ravel(np.asarray(values, dtype=float)).tolist()
    return [round(value, 5) if math.isfinite(value) else None for value in flat]


def lines(x: Values, y: Values, colour: str, width: float = 3, dash: str = "solid", **more: Any) -> Trace:
    """Return a line of a width in pixels, with marks if ``more`` has a marker; see :func:`trace`."""
    mode = "lines+markers" if "marker" in more else "lines"
    return trace(x, y, mode=mode, line={"color": colour, "width": width, "dash": dash}, **more)


def marks(x: Values, y: Values, colour: str | list[str], size: float, symbol: Symbol = "circle", **more: Any) -> Trace:
    """Return marks of a size in pixels, with texts if ``more`` has positions for them; see :func:`trace`."""
    mode = "markers+text" if "textposition" in more else "markers"
    marker = {"color": colour, "size": size, "symbol": symbol, **more.pop("marker", {})}
    return trace(x, y, **{"mode": mode, "marker": marker, **more})


def bars(x: Values, y: Values, marker: dict[str, Any], **more: Any) -> Trace:
    """Return bars, whose texts are on hover alone; see :func:`trace`."""
    return trace(x, y, marker=marker, **{"type": "bar", "textposition": "none", **more})


def trace(x: Values, y: Values, name: str = "", label: str = "", **look: Any) -> Trace:
    """Return a trace.

    Args:
        x: numbers or names; an array is rounded.
        y: as x.
        name: in the legend; without one it is not there.
        label: on hover, with plotly's names of numbers, such as ``%{y:.2f}``; without one there is none.
        look: anything else, as plotly names it.

    """
    x, y = (numbers(each) if isinstance(each, np.ndarray) else each for each in (x, y))
    legend = {"name": name} if name else {"showlegend": False}
    hover = {"hovertemplate": label if "<extra>" in label else f"{label}<extra></extra>"}
    return {"type": "scatter", "x": x, "y": y, **legend, **(hover if label else {"hoverinfo": "skip"}), **look}


def joined(places: Sequence[float] | np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of the columns of rows (S, M) as one line each, with gaps between them, in one trace."""
    gaps = np.vstack([rows, np.full(rows.shape[1], np.nan)])
    return np.tile([*places, places[-1]], rows.shape[1]), gaps.T


def error_bars(above: ArrayLike, below: ArrayLike | None = None, **look: object) -> dict[str, Any]:
    """Return error bars of these lengths, symmetric without ``below``; none where a length is not finite."""
    lower = {} if below is None else {"arrayminus": numbers(below)}
    return {"type": "data", "array": numbers(above), **lower, "thickness": 2, **look}


def intervals(effects: Sequence[Effect], colour: str, thickness: float = 2, width: int = 6) -> dict[str, Any]:
    """Return the 95 % intervals of leads as error bars, of no length where there is one seed."""
    lead, low, high = np.array([(effect.lead, effect.low, effect.high) for effect in effects]).T
    return error_bars(high - lead, lead - low, color=colour, thickness=thickness, width=width)


# ---------------------------------------------------------------------- beside traces


def across(y: float, colour: str = palette.REFERENCE, width: float = 2, dash: str = "dash") -> dict[str, Any]:
    """Return a line from the left to the right of a plot."""
    line = {"color": colour, "width": width, "dash": dash}
    return {"type": "line", "xref": "x domain", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line}


def upright(x: float, colour: str = palette.REFERENCE, width: float = 2, dash: str = "dash") -> dict[str, Any]:
    """Return a line from the bottom to the top of a plot."""
    line = {"color": colour, "width": width, "dash": dash}
    return {"type": "line", "yref": "y domain", "y0": 0, "y1": 1, "x0": x, "x1": x, "line": line}


def note(x: float, y: float, text: str, **where: object) -> dict[str, Any]:
    """Return a text at a point of a plot."""
    return {"x": x, "y": y, "text": text, "showarrow": False, **where}


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
