"""The strip of levels: an image enters, halves leave, the rest goes on; a box's area says how many numbers.

All boxes are as high as the image. A half of level l has C·2^l channels of (H/2^l)×(W/2^l); in 2^l rows they
fill H × C·W/2^l image pixels, so areas halve from level to level and add up to the image's C colour planes.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..analysis.words.numbers import fixed, signed
from . import palette
from .pixels import appearance, data_uri, montage

if TYPE_CHECKING:
    from ..analysis.levels import LevelFacts, Passage, Reconstruction

#: From so many levels on they stand below each other: side by side the last is too narrow for its words.
STACKED_FROM = 4

#: How a level decides who leaves, by the policy's order.
ORDER_WORDS = {
    "entropy": "Shuffle",
    "random": "random order",
    "first": "fixed order",
    "last": "fixed order",
    "variance": "order by variance",
    "variance-reversed": "order by variance",
}


@dataclass(frozen=True)
class Box:
    """The channel maps of a level that share a fate.

    Attributes:
        part: ``kept`` or ``emitted``.
        first, count: their positions.
        columns: maps a row.
        pixels: (H, W) bytes, their montage.

    """

    part: str
    first: int
    count: int
    columns: int
    pixels: np.ndarray


def boxes(passage: Passage) -> list[list[Box]]:
    """Return per level its kept box, where something is kept, and its emitted box."""
    height = passage.reconstruction.image.shape[0]
    found = []
    for level, maps in zip(passage.levels, passage.maps, strict=True):
        ends = {"kept": (0, level.kept_channels), "emitted": (level.kept_channels, level.shape[0])}
        found.append(
            [
                Box(part, first, last - first, columns, montage(maps[first:last], columns))
                for part, (first, last) in ends.items()
                if (columns := (last - first) * level.shape[1] // height)
            ]
        )
    return found


def strip(passage: Passage) -> str:
    """Return the strip as HTML; ``assets/style/page.css`` lays it out, stacked where it is narrow."""
    height, width, channels = passage.reconstruction.image.shape
    stations = [_entrance(passage)]
    for level, parts in zip(passage.levels, boxes(passage), strict=True):
        column = 2 * level.number
        stations.append(f'<div class="eiw-arrow eiw-on" style="--column: {column}"></div>')
        stations.append(_station(passage, level, parts, column + 1))
    layout = " stacked" if len(passage.levels) >= STACKED_FROM else ""
    sizes = {
        "across": width * (1 + channels),
        "down": width * channels,
        "rows": 2 * height,
        "gaps": len(passage.levels),
    }
    style = "; ".join(f"--{name}: {size}" for name, size in sizes.items())
    return (
        f'<div class="eiw-frame"><div class="eiw-strip{layout}" style="{style}">'
        f"{''.join(stations)}{_return(passage)}</div>{_legend()}</div>"
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


def _station(passage: Passage, level: LevelFacts, parts: list[Box], column: int) -> str:
    channels, height, width = level.shape
    steps = f"{level.steps} step" + "s" * (level.steps != 1)
    then = ORDER_WORDS.get(passage.order_rule, f"order {passage.order_rule}") if level.kept else "no split"
    share = percent(level.emitted / passage.dimensions)
    *kept, emitted = (_box(level, box) for box in parts)
    if kept:
        halves = f"{level.kept_channels} passed on · {level.emitted_channels} factored out"
        stays = f'{kept[0]}<p class="eiw-split"><span>{halves}</span></p>'
    else:
        stays = '<p class="eiw-nothing">The last level factors out all it has.</p>'
    return (
        f'<section class="eiw-station" style="--column: {column}"><header><h4>Level {level.number}</h4>'
        f"<p>{channels} channels, {height}×{width}<br>{steps}, {then}</p></header>"
        f'{stays}<div class="eiw-way-out{"" if kept else " eiw-all"}">{emitted}'
        f'<div class="eiw-leaves"><div class="eiw-arrow eiw-out"></div><p><b>ε<sub>{level.number}</sub></b> '
        f"{level.emitted:,} values<br>{share} of all</p></div></div></section>"
    )


def _return(passage: Passage) -> str:
    result = passage.reconstruction
    came_back = f"{result.verdict()}, ±{result.largest()}"
    return (
        '<div class="eiw-arrow eiw-back" style="--column: 2"></div><section class="eiw-return">'
        f'<div class="eiw-box"><img alt="What the flow makes of all latents: {came_back}" '
        f'src="{data_uri(result.restored)}" style="{_size(result.restored)}"></div>'
        f"<p>From all ε, backwards:<br>{came_back}</p></section>"
    )


def _box(level: LevelFacts, box: Box) -> str:
    cells = "".join(f'<i data-tip="{escape(_tip(level, box.first + n, box.part))}"></i>' for n in range(box.count))
    fate = "are passed on" if box.part == "kept" else "are factored out"
    structure = level.redundancy[0, box.first : box.first + box.count].mean()
    said = f", spectral redundancy {fixed(structure, 2)} nats/pixel on average" if np.isfinite(structure) else ""
    alt = f"Level {level.number}: {box.count} channel maps of {level.shape[1]}×{level.shape[2]} that {fate}{said}"
    return (
        f'<div class="eiw-box eiw-{box.part}">'
        f'<img alt="{alt}" src="{data_uri(box.pixels)}" style="{_size(box.pixels)}">'
        f'<div class="eiw-cells" style="--columns: {box.columns}">{cells}</div></div>'
    )


def _tip(level: LevelFacts, position: int, part: str) -> str:
    channel = position if level.order is None else level.order[position]
    fate = "passed on" if part == "kept" else "factored out"
    lines = [f"channel {channel}, {fate}, place {position + 1} of {level.shape[0]}"]
    if np.isfinite(level.redundancy[0, position]):
        lines.append(f"spectral redundancy {fixed(level.redundancy[0, position], 2)} nats/pixel")
    if level.log_weights is not None:
        log_weight = level.log_weights[0, position]
        lines.append(f"log ω = {signed(log_weight, 2)} nats (×{np.exp(log_weight):.2f})")
    return " · ".join(lines)


def _legend() -> str:
    entries = (
        '<i class="eiw-key eiw-kept"></i>passed on',
        '<i class="eiw-key eiw-emitted"></i>factored out as ε',
        '<i class="eiw-greys"></i>−3 … +3 standard deviations '
        "(passed on: of its channel over training images, factored out: of its prior)",
        "area: how many values",
        "point at a map for its channel",
    )
    return f'<p class="eiw-legend">{"".join(f"<span>{entry}</span>" for entry in entries)}</p>'


def reconstruction(result: Reconstruction) -> str:
    """Return the image, what came back and the error, brightest where it is largest, side by side as HTML."""
    height, width, _ = result.image.shape
    scale = result.error / result.max_abs_error if result.max_abs_error else result.error
    panels = (
        ("the image", f"The image: {appearance(result.image)}", result.image),
        ("what comes back", f"What comes back: {result.verdict()}", result.restored),
        (
            f"the error, up to {result.largest()}",
            f"The error of every pixel, yellow where it is the largest, {result.largest()}",
            palette.cividis(scale),
        ),
    )
    figures = "".join(
        f'<figure><img alt="{alt}" src="{data_uri(pixels)}" style="aspect-ratio: {width}/{height}">'
        f"<figcaption>{caption}</figcaption></figure>"
        for caption, alt, pixels in panels
    )
    return f'<div class="eiw-row">{figures}</div>'


def samples(images: np.ndarray, temperature: float) -> str:
    """Return images (N, H, W, C) drawn from a flow as HTML, four a row."""
    drawn = "".join(
        f'<img alt="Sample {number} at temperature {temperature}: {appearance(pixels)}" src="{data_uri(pixels)}">'
        for number, pixels in enumerate(images, start=1)
    )
    return f'<div class="eiw-row eiw-four">{drawn}</div>'


def _size(pixels: np.ndarray) -> str:
    return f"--w: {pixels.shape[1]}; --h: {pixels.shape[0]}"


def percent(share: float) -> str:
    """Return a share as three digits of percent at most."""
    return f"{100 * share:.3g} %"
