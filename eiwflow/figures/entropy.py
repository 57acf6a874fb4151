"""Charts of entropies: by level, over training, and channel maps sorted by redundancy.

Channels passed on are blue, a solid line, a circle; channels factored out vermillion, a dotted line, a diamond. Large
marks are means with their intervals, small marks single channels. Two checkpoints side by side share their axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ..analysis.words.entropy import PARTS
from ..analysis.words.numbers import fixed
from . import palette, steps
from .kit import HALVES, NOTHING, layout
from .pixels import data_uri

if TYPE_CHECKING:
    from ..analysis.entropy import Entropies, Half, LevelEntropies, LevelGrowth
    from ..analysis.intervals import Estimate

#: Direction in which the marks of a half are shifted.
_ASIDE = {"kept": -1, "emitted": 1}


#: The name of each measure's value for noise: a line at 0.
NOISE = {"negentropy": "Gaussian values: 0", "redundancy": "white noise: 0"}
STAGES = {
    "number": "as<br>is",
    "order": "in<br>order",
    "weights": "× ω",
    "entropy": "by re-<br>dundancy",
    "fixed": "as it<br>splits",
    "last": "all<br>out",
}
#: Room between two levels, in stages, and the part of the y axis for a written figure.
BETWEEN, _LABEL = 1, 0.09


# ---------------------------------------------------------------------- by level


def span(results: Iterable[Entropies], measured: str) -> tuple[float, float]:
    """Return the range of a measure over several checkpoints, for an axis that their charts share."""
    values = [0.0]
    for result in results:
        for level in result.levels:
            for _, halves in _stages(result, level, measured):
                for half in halves.values():
                    mean = half.means[measured]
                    values += [*half.channels[measured], mean.value + mean.error, mean.value - mean.error]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return low - 0.08 * (high - low), high + 0.16 * (high - low)


def by_level(result: Entropies, measured: str, limits: tuple[float, float] | None = None) -> go.Figure:
    """Return a measure of both halves of every level, stage by stage.

    Arguments:
        result: the entropies.
        measured: one of ``analysis.entropy.MEASURES``. Redundancy does not depend on weights.
        limits: of the y axis, where another chart shares it.

    """
    figure, ticks, place = go.Figure(), {}, 0
    low, high = limits or span([result], measured)
    points: dict[str, list[tuple[float, Half | None]]] = {part: [] for part in PARTS}
    last = set()
    for level in result.levels:
        stages = _stages(result, level, measured)
        _head(figure, place + (len(stages) - 1) / 2, level)
        for name, halves in stages:
            ticks[place] = STAGES[name]
            for part, half in halves.items():
                points[part].append((place, half))
            place += 1
        for part in PARTS:
            points[part].append((math.nan, None))  # no line from level to level
        last.add(place - 1)
        place += BETWEEN
    for part, of_part in points.items():
        _add_channels(figure, part, of_part, measured)
        _add_means(figure, part, of_part, measured)
    _add_values(
        figure,
        {
            part: [(x, half) for x, half in of_part if half is not None and x in last]
            for part, of_part in points.items()
        },
        measured,
        _LABEL * (high - low),
    )
    ends = -0.6, max(last) + 0.9
    _add_line(figure, ends, measured)
    figure.update_layout(
        **_around(226, 48, 118),
        xaxis={
            "range": list(ends),
            "tickvals": list(ticks),
            "ticktext": list(ticks.values()),
            "tickangle": 0,
        },
        yaxis={"range": [low, high], "title": {"text": f"{measured} (bits per value)"}},
    )
    return figure


def _stages(result: Entropies, level: LevelEntropies, measured: str) -> list[tuple[str, dict[str, Half]]]:
    """Return a level's stages on a chart, each with its halves by part."""
    stages = []
    for stage in level.stages:
        if stage.name == "weights" and measured == "redundancy":
            continue
        name = stage.name if stage.kept is not None else "last"
        name = "fixed" if name == "order" and result.rule != "entropy" else name
        halves = {"emitted": stage.emitted} if stage.kept is None else {"kept": stage.kept, "emitted": stage.emitted}
        stages.append((name, halves))
    return stages


def _head(figure: go.Figure, middle: float, level: LevelEntropies) -> None:
    channels, height, width = level.shape
    figure.add_annotation(
        x=middle,
        y=1,
        yref="paper",
        yanchor="bottom",
        text=f"<b>Level {level.number}</b><br>{channels} of {height}×{width}",
        showarrow=False,
    )


def _add_channels(figure: go.Figure, part: str, points: list[tuple[float, Half | None]], measured: str) -> None:
    aside = _ASIDE[part]
    dots = [
        (place + 0.17 * aside, float(value), number)
        for place, half in points
        if half is not None
        for value, number in zip(half.channels[measured], half.numbers, strict=True)
        if math.isfinite(value)
    ]
    figure.add_scatter(
        x=[round(x, 2) for x, _, _ in dots],
        y=[round(y, 4) for _, y, _ in dots],
        text=[f"channel {number}" for _, _, number in dots],
        mode="markers",
        marker={"color": HALVES[part].colour, "symbol": f"{HALVES[part].symbol}-open", "size": 6, "opacity": 0.85},
        showlegend=False,
        hovertemplate="%{text}: %{y:.3f}<extra>" + PARTS[part] + "</extra>",
    )


def _add_means(figure: go.Figure, part: str, points: list[tuple[float, Half | None]], measured: str) -> None:
    (name, colour, dash, symbol, _), aside = HALVES[part], _ASIDE[part]
    means = [None if half is None or _is_nan(half.means[measured]) else half.means[measured] for _, half in points]
    figure.add_scatter(
        x=[None if math.isnan(place) else place + 0.05 * aside for place, _ in points],
        y=[None if mean is None else round(mean.value, 4) for mean in means],
        error_y={
            "type": "data",
            "array": [0 if mean is None else round(mean.error, 4) for mean in means],
            "color": colour,
            "thickness": 2,
            "width": 5,
        },
        customdata=["" if mean is None else str(mean) for mean in means],
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 3},
        marker={"color": colour, "symbol": symbol, "size": 12, "line": {"width": 1, "color": "white"}},
        name=name,
        connectgaps=False,
        cliponaxis=False,
        hovertemplate="%{customdata} bits per value<extra>" + name + ", mean</extra>",
    )


def _add_values(figure: go.Figure, points: dict[str, list[tuple[float, Half]]], measured: str, room: float) -> None:
    """Write means beside their marks, at least ``room`` apart and away from the line of N(0, I)."""
    heights = {(place, part): half.means[measured].value for part in points for place, half in points[part]}
    for part, of_part in points.items():
        written = []
        for place, half in of_part:
            value, other = half.means[measured].value, heights.get((place, "emitted" if part == "kept" else "kept"))
            up = 1 if other is None or (value, part) > (other, "emitted") else -1
            missing = 0.0 if other is None else max(0.0, room - abs(value - other)) / 2
            written.append(_off_the_line(value + up * missing, 0.0, up * room / 2))
        figure.add_scatter(
            x=[place + 0.3 for place, _ in of_part],
            y=_numbers(written),
            text=[
                "" if _is_nan(half.means[measured]) else f"\u2002{fixed(half.means[measured].value, 2)}"
                for _, half in of_part
            ],
            mode="text",
            textposition="middle right",
            cliponaxis=False,
            showlegend=False,
            hoverinfo="skip",
        )


def _off_the_line(height: float, line: float, least: float) -> float:
    """Return the height, or a height at a distance ``least`` from a line that would cross the text."""
    return line + least if abs(height - line) < abs(least) else height


def _add_line(figure: go.Figure, ends: tuple[float, float], measured: str) -> None:
    """Draw the measure's value for noise."""
    figure.add_scatter(
        x=list(ends),
        y=[0, 0],
        mode="lines",
        line={"color": palette.REFERENCE, "width": 1.5, "dash": "dash"},
        name=NOISE[measured],
        hoverinfo="skip",
    )


def _is_nan(mean: Estimate) -> bool:
    return math.isnan(mean.value)


# ---------------------------------------------------------------------- growth over training


def growth(
    level: LevelGrowth,
    own: np.ndarray,
    limits: tuple[float, float] | None = None,
    shared: np.ndarray | None = None,
) -> go.Figure:
    """Return the redundancy of a level's channels over training, with one frame a recording step for the scrubber.

    Thin lines are channels, thick lines the means of channels passed on and factored out. A frame moves the cursor and
    the means' marks.

    Arguments:
        level: its record.
        own: the recording steps (S,).
        limits: of the y axis, :func:`growth_span` of all levels that share it.
        shared: the steps of the x axis, by default ``own``.

    """
    shared = own if shared is None else shared
    places, ends = steps.places(own, shared), limits or growth_span([level])
    figure = go.Figure()
    for part, rows in _parts(level).items():
        name, colour, dash, _, _ = HALVES[part]
        x, y = _joined(places, rows)
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"color": colour, "width": 1}, opacity=0.5, showlegend=False, hoverinfo="skip"
        )
        figure.add_scatter(
            x=places.tolist(),
            y=_numbers(rows.mean(axis=1)),
            text=[f"step {step:,}" for step in own],
            mode="lines",
            line={"color": colour, "dash": dash, "width": 3},
            name=name,
            hovertemplate="%{text}: %{y:.3f}<extra>" + name + ", mean</extra>",
        )
    moving = list(range(len(figure.data), len(figure.data) + 1 + len(_parts(level))))
    frames = [_now(level, index, int(place), len(shared), ends) for index, place in enumerate(places)]
    figure.add_traces(frames[-1])
    figure.frames = [steps.frame(step, frame, moving) for step, frame in zip(own, frames, strict=True)]
    margin = 0.04 * (len(shared) + 1)
    _add_line(figure, (-margin, len(shared) - 1 + margin), "redundancy")
    figure.update_layout(
        **_around(202, NOTHING, 98),
        xaxis=steps.axis(shared, margin, margin, ticks=6),
        yaxis={"range": list(ends), "title": {"text": "redundancy (bits per value)"}},
    )
    return figure


def growth_span(levels: Iterable[LevelGrowth]) -> tuple[float, float]:
    """Return the range of redundancy of these levels over training."""
    values = np.concatenate([[0.0], *(level.redundancy.ravel() for level in levels)])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.08 * (high - low) or 0.1
    return low - margin, high + margin


def _parts(level: LevelGrowth) -> dict[str, np.ndarray]:
    """Return the rows (S, C) of the parts passed on and factored out, by part."""
    kept, emitted = np.split(level.redundancy, [level.kept_channels], axis=1)
    return {part: rows for part, rows in (("kept", kept), ("emitted", emitted)) if rows.shape[1]}


def _now(level: LevelGrowth, index: int, place: int, length: int, ends: tuple[float, float]) -> list[dict[str, Any]]:
    """Return the moving parts of a frame: a line at the step, and each mean's mark and value there."""
    left = place > length / 2
    marks = []
    for part, rows in _parts(level).items():
        _, colour, _, symbol, _ = HALVES[part]
        value = float(rows[index].mean())
        marks.append(
            {
                "type": "scatter",
                "x": [place],
                "y": _numbers([value]),
                "text": [f" {fixed(value, 2)} "],
                "textposition": "top left" if left else "top right",
                "mode": "markers+text",
                "marker": {"color": colour, "symbol": symbol, "size": 11},
                "showlegend": False,
                "hoverinfo": "skip",
            }
        )
    return [steps.cursor(place, ends), *marks]


def _joined(places: np.ndarray, rows: np.ndarray) -> tuple[list[int], list[float | None]]:
    """Return x and y of the columns of rows (S, M) as one line each, with gaps between them, in one trace."""
    gaps = np.vstack([rows, np.full(rows.shape[1], np.nan)]).T.ravel()
    return np.tile([*places, places[-1]], rows.shape[1]).tolist(), _numbers(gaps)


def _numbers(values: Sequence[float] | np.ndarray) -> list[float | None]:
    return [round(float(value), 4) if math.isfinite(value) else None for value in values]


def _around(plot: float, above: float, below: float, **room: float) -> dict[str, Any]:
    """Return the layout of a chart by the height of its plot; the legend stands below."""
    return layout(plot + above + below, above, below, right=28, legend_below=True, **room)


# ---------------------------------------------------------------------- channel maps


def sorted_maps(maps: np.ndarray, redundancy: np.ndarray, numbers: Sequence[int], kept: int) -> str:
    """Return the channel maps of a level as HTML, with their redundancy as a bar beside each.

    Channels passed on are above channels factored out, each part sorted from structured to noise.

    Arguments:
        maps: grey bytes (C, H, W) by position in the order used.
        redundancy: bits per value (C,), by the same positions.
        numbers: the channels' numbers, by the same positions.
        kept: number of positions passed on.

    """
    largest = max(float(redundancy.max()), 1e-9)
    cells: dict[str, list[str]] = {part: [] for part in PARTS}
    for place in np.argsort(-redundancy, kind="stable"):
        part = "kept" if place < kept else "emitted"
        value = float(redundancy[place])
        alt = f"Channel {numbers[place]}, {PARTS[part]}: redundancy {fixed(value, 2)} bits per value"
        cells[part].append(
            f'<figure class="eiw-map eiw-{part}" style="--share: {max(0.0, value / largest):.3f}">'
            f'<img alt="{alt}" title="{alt}" src="{data_uri(maps[place])}"><i></i>'
            f"<figcaption>{fixed(value, 2)}</figcaption></figure>"
        )
    rows = "".join(
        f'<section class="eiw-part"><h4>{PARTS[part]}</h4><div class="eiw-maps">{"".join(maps)}</div></section>'
        for part, maps in cells.items()
        if maps
    )
    return f'<div class="eiw-frame">{rows}<p class="eiw-legend">bar and number: redundancy, bits per value</p></div>'
