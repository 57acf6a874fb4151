"""The strip of levels as a PNG on white, for slides and print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import palette
from .pixels import picture, png
from .strip import boxes, percent

if TYPE_CHECKING:
    from ..analysis.levels import Passage

#: Screen pixels an image pixel, and around the boxes. Every length below is in screen pixels.
SCALE, GAP, TOP, BETWEEN, BOTTOM = 8, 90, 96, 44, 64
#: Room that a level's letters need, where its boxes are narrower.
LETTERS = 250


def strip_png(passage: Passage) -> bytes:
    """Return the strip as the bytes of a PNG file."""
    image = passage.reconstruction.image
    height, width = image.shape[0] * SCALE, image.shape[1] * SCALE
    levels = boxes(passage)
    widths = [max(LETTERS, *(box.pixels.shape[1] * SCALE for box in parts)) for parts in levels]
    canvas = Image.new(
        "RGB", (width + sum(widths) + GAP * (len(widths) + 1), TOP + 2 * height + BETWEEN + BOTTOM), "white"
    )
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(28), ImageFont.load_default(20)

    def column(x: int, title: str, text: str) -> None:
        draw.text((x, 16), title, "black", large)
        draw.text((x, 56), text, "black", small)

    def box(pixels: np.ndarray, x: int, y: int, colour: str) -> None:
        size = pixels.shape[1] * SCALE, pixels.shape[0] * SCALE
        canvas.paste(picture(pixels).convert("RGB").resize(size, Image.Resampling.NEAREST), (x, y))
        draw.rectangle((x - 4, y - 4, x + size[0] + 3, y + size[1] + 3), outline=colour, width=4)

    x, middle = GAP // 2, TOP + height // 2
    column(x, "The image", f"{passage.dimensions:,} numbers")
    box(image, x, TOP, "black")
    x += width
    for level, parts, wide in zip(passage.levels, levels, widths, strict=True):
        draw.line((x + 18, middle, x + GAP - 24, middle), palette.KEPT, 5)
        draw.regular_polygon((x + GAP - 26, middle, 12), 3, rotation=270, fill=palette.KEPT)
        x += GAP
        channels, rows, columns = level.shape
        # Pillow's own font has neither a multiplication sign nor Greek letters.
        column(x, f"Level {level.number}", f"{channels} channels, {rows} x {columns}")
        y = TOP
        for part in parts:
            box(part.pixels, x, y, palette.KEPT if part.part == "kept" else palette.EMITTED)
            y += height + BETWEEN
        if level.kept:
            stay = f"{level.kept_channels} passed on, {level.emitted_channels} factored out"
            draw.text((x, TOP + height + BETWEEN // 2), stay, "black", small, anchor="lm")
        share = percent(level.emitted / passage.dimensions)
        leave = f"{level.emitted:,} values factored out ({share})"
        draw.text((x, y - BETWEEN + 24), leave, "black", small, anchor="lm")
        x += wide
    return png(canvas)
