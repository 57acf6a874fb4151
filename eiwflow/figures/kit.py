"""What charts have in common: no background, no dragging, and from the start the room that the plot has around it.

plotly lays a chart out again when a label does not fit into its margin, and that is half of the time it takes to draw
one. Where the room given here is too small after all (large letters, a narrow screen) it still does.
"""

from __future__ import annotations

from typing import Any

#: Pixels left of the plot for numbers and a title, under it for the same, and where nothing stands.
LEFT, BELOW, NOTHING = 80, 70, 8
_ABOVE = {"x": 0, "y": 1.02, "yanchor": "bottom"}
#: Below the axis' title, where it may wrap.
_BELOW = {"x": 0, "y": 0, "yref": "container", "yanchor": "bottom", "traceorder": "normal"}


def legend_room(rows: int = 1) -> int:
    """Return the pixels above a plot that its legend takes in so many rows."""
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
