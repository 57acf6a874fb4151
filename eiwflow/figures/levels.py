"""The strip of levels, as HTML and as a PNG for slides, and the staircase of bits/dim.

An image enters the strip; every level factors out a part and passes on the rest. A box's area is its number of values.
Half of level l has C·2^l channels of (H/2^l)×(W/2^l); in 2^l rows they fill H × C·W/2^l pixels, as high as the image.
So areas halve from level to level, and add up to the image's C colour planes. Boxes of other parts are about as high.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.colors import PLOTLY_SCALES, unlabel_rgb

from ..analysis.words import levels as words
from ..analysis.words.numbers import counted, fixed, power, raw, signed
from ..data import montage
from . import palette
from .kit import BELOW, Trace, across, layout, legend_room, limits, lines, marks, note
from .pixels import appearance, data_uri, picture, row

if TYPE_CHECKING:
    from ..analysis.latents import Redrawn
    from ..analysis.levels import LevelFacts, Passage, Reconstruction, Staircase

#: From this many levels on, levels are stacked: side by side the last would be too narrow for its words.
STACKED_FROM = 4


def strip(passage: Passage, redrawn: Redrawn | None = None) -> str:
    """Return the strip as HTML; ``assets/style/page.css`` lays it out, stacked where it is narrow.

    With ``redrawn``, its noise and its picture stand in place of the image's.
    """
    drawn = {} if redrawn is None else redrawn.noise
    height, width, channels = passage.reconstruction.image.shape
    stations = [_entrance(passage)]
    for level, of_image in zip(passage.levels, passage.maps, strict=True):
        column, anew = 2 * level.number, drawn.get(level.number)
        maps = of_image if anew is None else np.concatenate([of_image[: level.kept_channels], anew])
        stations.append(f'<div class="eiw-arrow eiw-on" style="--column: {column}"></div>')
        stations.append(_station(passage, level, maps, column + 1, anew is not None))
    layout = " stacked" if len(passage.levels) >= STACKED_FROM else ""
    across, down = width * (1 + channels), width * channels
    sizes = {"across": across, "down": down, "rows": 2 * height, "gaps": len(passage.levels)}
    style = "; ".join(f"--{name}: {size}" for name, size in sizes.items())
    return (
        f'<div class="eiw-frame"><div class="eiw-strip{layout}" style="{style}">'
        f"{''.join(stations)}{_return(passage, redrawn)}</div>{_legend()}</div>"
    )


def _entrance(passage: Passage) -> str:
    image = passage.reconstruction.image
    height, width, channels = image.shape
    return (
        '<section class="eiw-station" style="--column: 1"><header><h4>The image</h4><p>'
        f"{channels} colour{'s' * (channels > 1)}, {height}×{width}<br>"
        f"{passage.dimensions:,} values</p></header>"
        f'<div class="eiw-box"><img alt="The image that enters the flow, {height}×{width} pixels: {appearance(image)}" '
        f'src="{data_uri(image)}" style="{_size(image)}"></div></section>'
    )


def _station(passage: Passage, level: LevelFacts, maps: np.ndarray, column: int, anew: bool) -> str:
    channels, height, width = level.shape
    steps = f"{level.steps} step" + "s" * (level.steps != 1)
    then = "then a split" if level.kept else "no split"
    share = "drawn anew" if anew else f"{100 * level.emitted / passage.dimensions:.3g} % of all"
    kept, rows = level.kept_channels, passage.reconstruction.image.shape[0] // height
    leaves = _box(level, maps, rows, "emitted")
    stays = '<p class="eiw-nothing">The last level factors out all it has.</p>'
    if kept:
        halves = f"{kept} passed on · {level.emitted_channels} factored out"
        stays = f'{_box(level, maps, rows, "kept")}<p class="eiw-split"><span>{halves}</span></p>'
    return (
        f'<section class="eiw-station" style="--column: {column}"><header><h4>Level {level.number}</h4>'
        f"<p>{channels} channels, {height}×{width}<br>{steps}, {then}</p></header>"
        f'{stays}<div class="eiw-way-out{"" if kept else " eiw-all"}{" eiw-anew" if anew else ""}">{leaves}'
        f'<div class="eiw-leaves"><div class="eiw-arrow eiw-out"></div><p>{level.emitted:,} values,<br>'
        f"{share}</p></div></div></section>"
    )


def _return(passage: Passage, redrawn: Redrawn | None) -> str:
    result, picture = passage.reconstruction, passage.reconstruction.restored
    of, came_back = "the noise", f"{words.came_back(result)} come back"
    if redrawn is not None:
        of, picture, came_back = "this noise", redrawn.picture, f"off by {redrawn.error:.0f} of 255"
    return (
        '<div class="eiw-arrow eiw-back" style="--column: 2"></div><section class="eiw-return">'
        f'<div class="eiw-box"><img alt="What the flow makes of {of}: {came_back}" '
        f'src="{data_uri(picture)}" style="{_size(picture)}"></div>'
        f"<p>Backwards, from {of}:<br>{came_back}</p></section>"
    )


def _box(level: LevelFacts, maps: np.ndarray, rows: int, part: str) -> str:
    """Return the channel maps that a level passes on, or that it factors out, in about so many rows."""
    passed_on = part == "kept"
    places = range(level.kept_channels) if passed_on else range(level.kept_channels, len(maps))
    columns, of_part = _columns(len(places), rows), slice(places.start, places.stop)
    pixels, structure = montage(maps[of_part], columns), level.redundancy[0, of_part].mean()
    cells = "".join(f'<i data-tip="{escape(_tip(level, place, part))}"></i>' for place in places)
    fate = "are passed on" if passed_on else "are factored out"
    alt = f"Level {level.number}: {len(places)} channel maps of {level.shape[1]}×{level.shape[2]} that {fate}"
    if np.isfinite(structure):
        alt += f", {fixed(structure / np.log(2), 2)} bits per value predictable from neighbours on average"
    return (
        f'<div class="eiw-box eiw-{part}">'
        f'<img alt="{alt}" src="{data_uri(pixels)}" style="{_size(pixels)}">'
        f'<div class="eiw-cells" style="--columns: {columns}">{cells}</div></div>'
    )


def _columns(count: int, rows: int) -> int:
    """Return in how many columns maps fill whole rows, as nearly as possible as many rows as wanted."""
    divisors = (columns for columns in range(1, count + 1) if count % columns == 0)
    return min(divisors, key=lambda columns: abs(math.log(count / columns / rows)))


def _tip(level: LevelFacts, position: int, part: str) -> str:
    channel = position if level.order is None else level.order[position]
    fate = "passed on" if part == "kept" else "factored out"
    lines = [f"channel {channel}, {fate}, place {position + 1} of {level.shape[0]}"]
    if np.isfinite(level.redundancy[0, position]):
        lines.append(
            f"predictable from neighbours: {fixed(level.redundancy[0, position] / np.log(2), 2)} bits per value"
        )
    if level.log_weights is not None:
        log_weight = level.log_weights[0, position]
        lines.append(f"log₂ ω = {signed(log_weight / np.log(2), 2)} bits (×{np.exp(log_weight):.2f})")
    return " · ".join(lines)


def _legend() -> str:
    entries = (
        '<i class="eiw-key eiw-kept"></i>passed on',
        '<i class="eiw-key eiw-emitted"></i>factored out as noise',
        '<i class="eiw-greys"></i>low to high values',
    )
    return f'<p class="eiw-legend">{"".join(f"<span>{entry}</span>" for entry in entries)}</p>'


def reconstruction(result: Reconstruction) -> str:
    """Return the image, its reconstruction and the error (brightest where largest) side by side as HTML."""
    height, width, _ = result.image.shape
    largest = power(result.max_abs_error)
    scale = result.error / result.max_abs_error if result.max_abs_error else result.error
    panels = {
        "the image": (result.image, f"The image: {appearance(result.image)}"),
        "the reconstruction": (result.restored, f"The reconstruction: {words.came_back(result)}"),
        f"the error, up to {largest}": (
            _cividis(scale),
            f"The error of every pixel, yellow where it is the largest, {largest}",
        ),
    }
    style = f"aspect-ratio: {width}/{height}"
    return row(picture(data_uri(pixels), alt, caption, style) for caption, (pixels, alt) in panels.items())


def _cividis(magnitude: np.ndarray) -> np.ndarray:
    """Return colours (H, W, 3) uint8 of magnitudes (H, W) in [0, 1]."""
    places, colours = zip(*PLOTLY_SCALES["Cividis"], strict=True)
    channels = zip(*map(unlabel_rgb, colours), strict=True)
    return np.stack([np.interp(magnitude, places, channel) for channel in channels], axis=-1).round().astype(np.uint8)


def _size(pixels: np.ndarray) -> str:
    return f"--w: {pixels.shape[1]}; --h: {pixels.shape[0]}"


# ---------------------------------------------------------------------- bits/dim if the flow stopped


#: The name of the floor's line.
GRAIN = "the image’s pixel noise alone"


def staircase(image: Staircase, average: Staircase, floor: float | None = None) -> go.Figure:
    """Return two falling staircases: the image's, and the average of other images.

    Args:
        image: of one image.
        average: of others.
        floor: bits/dim of the image's grain, where it is known: a line below all stairs.

    """
    last = image.bits_per_dim.shape[1] - 1
    higher, bits = image.mean >= average.mean, image.bits
    others = f"average of {len(average.bits_per_dim)} test images"
    ends: list[ArrayLike] = [image.mean, average.mean, bits]
    names = [note(last + 0.5, bits, f"{raw(bits)}: {counted(bits, 'bit')}", xanchor="right", yanchor="bottom")]
    if floor is not None:
        ends.append(floor)
        names.append(note(-0.5, floor, f"{GRAIN}: {floor:.2f}", xanchor="left", yanchor="top"))
    levels = [f"level {level}" for level in range(1, last)]
    return go.Figure(
        [
            *_stairs(others, average.mean, ~higher, palette.REFERENCE, "dash", "diamond"),
            *_stairs("this image", image.mean, higher, palette.SUBJECT, "solid", "circle"),
        ],
        {
            **layout(370, legend_room(), below=BELOW + 4),
            "legend_traceorder": "reversed",
            "annotations": names,
            "shapes": [across(name["y"], palette.AXIS, 1, "dot") for name in names],
            "xaxis": {
                "tickvals": list(range(last + 1)),
                "ticktext": ["no level", *levels, f"level {last}:<br>the flow"],
                "range": [-0.6, last + 0.6],
                "title": {"text": "stopped after", "standoff": 8},
            },
            "yaxis": {"range": limits(ends, 0.16, 0.16), "title": "bits per value"},
        },
    )


def _stairs(name: str, stairs: np.ndarray, above: np.ndarray, colour: str, dash: str, symbol: str) -> list[Trace]:
    """Return a line from tread to tread, and on each tread its height, ``above`` the line or below it."""
    treads = np.arange(len(stairs))
    steps = np.stack([treads - 0.5, treads + 0.5], axis=1)
    heights = marks(
        treads,
        stairs,
        colour,
        9,
        symbol,
        text=[f"{bits:.2f}" for bits in stairs],
        textposition=["top center" if high else "bottom center" for high in above],
        textfont={"size": 15},
        cliponaxis=False,
        name=name,
        legendgroup=name,
        label=f"%{{y:.3f}} bits per value<extra>{name}</extra>",
    )
    return [lines(steps, np.repeat(stairs, 2), colour, 3, dash, legendgroup=name), heights]
