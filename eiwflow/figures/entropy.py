"""Charts of entropies: by level, over training, and channel maps sorted by redundancy.

Channels passed on are blue, a solid line, a circle; channels factored out vermillion, a dotted line, a diamond. Large
marks are means with their intervals, small marks single channels. Two checkpoints side by side share their axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from ..analysis.words.entropy import PARTS
from ..analysis.words.numbers import fixed
from . import kit, palette, steps
from .kit import HALVES, NOTHING, Trace, error_bars, joined, layout, limits, lines, marks, note, trace
from .pixels import data_uri

if TYPE_CHECKING:
    from ..analysis.entropy import Entropies, Half, LevelEntropies
    from ..analysis.record import LevelRecord

#: Direction in which the marks of a half are shifted.
_ASIDE = {"kept": -1, "emitted": 1}
#: The name of each measure's value for noise: a line at 0.
NOISE = {"negentropy": "Gaussian values: 0", "redundancy": "white noise: 0"}
#: The name of each measure on an axis.
NAMES = {"negentropy": "negentropy", "redundancy": "predictable"}
STAGES = {
    "number": "as<br>is",
    "order": "in<br>order",
    "weights": "× ω",
    "entropy": "sorted",
    "fixed": "split",
    "last": "all<br>out",
}
#: Room between two levels, in stages, and the part of the y axis for a written figure.
BETWEEN, _LABEL = 1, 0.09


# ---------------------------------------------------------------------- by level


class _Stage(NamedTuple):
    """A stage of a level: its place on the axis, its name there, its halves by part, and whether it is the last."""

    place: int
    name: str
    halves: dict[str, Half]
    last: bool


#: A level with its stages.
_Level = tuple["LevelEntropies", list[_Stage]]


def span(results: Iterable[Entropies], measured: str) -> tuple[float, float]:
    """Return the range of a measure over several checkpoints, for an axis that their charts share."""
    values = [0.0]
    for result in results:
        stages = [stage for _, of_level in _levels(result, measured) for stage in of_level]
        for half in (half for stage in stages for half in stage.halves.values()):
            mean = half.means[measured]
            values += [*half.channels[measured], mean.value + mean.error, mean.value - mean.error]
    return limits([values], 0.08, 0.16)


def by_level(result: Entropies, measured: str, ends: tuple[float, float]) -> go.Figure:
    """Return a measure of both halves of every level, stage by stage.

    Arguments:
        result: the entropies.
        measured: one of ``analysis.entropy.MEASURES``. Redundancy does not depend on weights.
        ends: of the y axis, the :func:`span` of all charts that share it.

    """
    low, high = ends
    levels = _levels(result, measured)
    stages = [stage for _, of_level in levels for stage in of_level]
    left, right = -0.6, stages[-1].place + 0.9
    parts = [part for part in PARTS if any(part in stage.halves for stage in stages)]
    traces = [draw(part, levels, measured) for part in parts for draw in (_channels, _means)]
    traces += [_values(part, stages, measured, _LABEL * (high - low)) for part in parts]
    heads = [_head(level, (of_level[0].place + of_level[-1].place) / 2) for level, of_level in levels]
    ticks = {"tickvals": [stage.place for stage in stages], "ticktext": [stage.name for stage in stages]}
    return go.Figure(
        [*traces, _noise((left, right), measured)],
        {
            **_around(226, 48, 118),
            "annotations": heads,
            "xaxis": {"range": [left, right], "tickangle": 0, **ticks},
            "yaxis": {"range": [low, high], "title": f"{NAMES[measured]} (bits per value)"},
        },
    )


def _levels(result: Entropies, measured: str) -> list[_Level]:
    """Return every level with its stages on a chart."""
    levels, place = [], 0
    for level in result.levels:
        shown = [stage for stage in level.stages if (stage.name, measured) != ("weights", "redundancy")]
        stages = []
        for stage in shown:
            name = "fixed" if stage.name == "order" and result.rule != "entropy" else stage.name
            name = STAGES["last" if stage.kept is None else name]
            stages.append(_Stage(place, name, dict(stage.parts), stage is shown[-1]))
            place += 1
        levels.append((level, stages))
        place += BETWEEN
    return levels


def _head(level: LevelEntropies, middle: float) -> dict[str, Any]:
    channels, height, width = level.shape
    text = f"<b>Level {level.number}</b><br>{channels} of {height}×{width}"
    return note(middle, 1, text, yref="paper", yanchor="bottom")


def _channels(part: str, levels: Sequence[_Level], measured: str) -> Trace:
    """Return the channels of a part as small marks."""
    halves = [(stage.place, stage.halves[part]) for _, stages in levels for stage in stages if part in stage.halves]
    x = np.repeat([place for place, _ in halves], [len(half.numbers) for _, half in halves]) + 0.17 * _ASIDE[part]
    y = np.concatenate([half.channels[measured] for _, half in halves])
    text = [f"channel {number}" for _, half in halves for number in half.numbers]
    label, look = f"%{{text}}: %{{y:.3f}}<extra>{PARTS[part]}</extra>", HALVES[part]
    return marks(x, y, look.colour, 6, f"{look.symbol}-open", marker={"opacity": 0.85}, text=text, label=label)


def _means(part: str, levels: Sequence[_Level], measured: str) -> Trace:
    """Return the means of a part as large marks with intervals, joined within a level."""
    x, means, errors, texts = [], [], [], []
    for _, stages in levels:
        of_part = [(stage.place, stage.halves[part].means[measured]) for stage in stages if part in stage.halves]
        x += [*(place + 0.05 * _ASIDE[part] for place, _ in of_part), math.nan]
        means += [*(mean.value for _, mean in of_part), math.nan]
        errors += [*(mean.error for _, mean in of_part), math.nan]
        texts += [*(str(mean) for _, mean in of_part), ""]
    look = HALVES[part]
    return lines(
        np.array(x),
        np.array(means),
        look.colour,
        dash=look.dash,
        marker={"color": look.colour, "symbol": look.symbol, "size": 12, "line": {"width": 1, "color": "white"}},
        error_y=error_bars(errors, color=look.colour, width=5),
        customdata=texts,
        cliponaxis=False,
        name=look.name,
        label=f"%{{customdata}} bits per value<extra>{look.name}, mean</extra>",
    )


def _values(part: str, stages: Sequence[_Stage], measured: str, room: float) -> Trace:
    """Return the means at the end of each level as figures, ``room`` apart and away from the line of N(0, I)."""
    ends = [stage for stage in stages if stage.last and part in stage.halves]
    heights, texts = [], []
    for stage in ends:
        mean = {name: half.means[measured].value for name, half in stage.halves.items()}
        value, other = mean[part], mean.get("emitted" if part == "kept" else "kept")
        up = 1 if other is None or (value, part) > (other, "emitted") else -1
        height = value if other is None else value + up * max(0.0, room - abs(value - other)) / 2
        # On the line, the line would cross the figure.
        heights.append(up * room / 2 if abs(height) < room / 2 else height)
        texts.append("" if math.isnan(value) else f"\u2002{fixed(value, 2)}")
    at = np.array([stage.place + 0.3 for stage in ends])
    return trace(at, np.array(heights), mode="text", text=texts, textposition="middle right", cliponaxis=False)


def _noise(ends: tuple[float, float], measured: str) -> Trace:
    """Return a line at the measure's value for noise."""
    return lines([*ends], [0, 0], palette.REFERENCE, 1.5, "dash", name=NOISE[measured])


# ---------------------------------------------------------------------- growth over training


def growth(level: LevelRecord, own: np.ndarray, ends: tuple[float, float], shared: np.ndarray) -> go.Figure:
    """Return the redundancy of a level's channels over training, with one frame a recording step for the scrubber.

    Thin lines are channels, thick lines the means of channels passed on and factored out. A frame moves the cursor and
    the means' marks.

    Arguments:
        level: its record.
        own: the recording steps (S,).
        ends: of the y axis, :func:`growth_span` of all levels that share it.
        shared: the steps of the x axis.

    """
    places, margin, traces = steps.places(own, shared), 0.04 * (len(shared) + 1), []
    for part, rows in level.halves().items():
        look = HALVES[part]
        label = f"%{{text}}: %{{y:.3f}}<extra>{look.name}, mean</extra>"
        text = [f"step {step:,}" for step in own]
        mean = lines(places, rows.mean(axis=1), look.colour, 3, look.dash, text=text, name=look.name, label=label)
        traces += [lines(*joined(places, rows), look.colour, 1, opacity=0.5), mean]
    frames = [_now(level, index, int(place), len(shared), ends) for index, place in enumerate(places)]
    moving = list(range(len(traces), len(traces) + len(frames[0])))
    return go.Figure(
        [*traces, *frames[-1], _noise((-margin, len(shared) - 1 + margin), "redundancy")],
        {
            **_around(202, NOTHING, 98),
            "xaxis": steps.axis(shared, margin, margin, ticks=6),
            "yaxis": {"range": list(ends), "title": "redundancy (bits per value)"},
        },
        [steps.frame(step, frame, moving) for step, frame in zip(own, frames, strict=True)],
    )


def growth_span(levels: Iterable[LevelRecord]) -> tuple[float, float]:
    """Return the range of redundancy of these levels over training."""
    return kit.limits([0.0, *(rows for level in levels for rows in level.halves().values())], 0.08, 0.08)


def _now(level: LevelRecord, index: int, place: int, length: int, ends: tuple[float, float]) -> list[Trace]:
    """Return the moving parts of a frame: a line at the step, and each mean's mark and value there."""
    position, moving = "top left" if place > length / 2 else "top right", [steps.cursor(place, ends)]
    for part, rows in level.halves().items():
        look, mean = HALVES[part], rows[index].mean()
        text = [f" {fixed(mean, 2)} "]
        moving.append(marks([place], np.array([mean]), look.colour, 11, look.symbol, text=text, textposition=position))
    return moving


def _around(plot: float, above: float, below: float) -> dict[str, Any]:
    """Return the layout of a chart by the height of its plot; the legend stands below."""
    return layout(plot + above + below, above, below, right=28, legend_below=True)


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
