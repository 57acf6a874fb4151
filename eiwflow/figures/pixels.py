"""Small arrays of bytes as pictures: described, encoded, and put into a page without a file."""

from __future__ import annotations

import base64
import colorsys
import io
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..data import png_file

if TYPE_CHECKING:
    from PIL import Image

#: Name of a hue up to this angle, in degrees.
HUES = {20: "red", 45: "orange", 70: "yellow", 165: "green", 200: "cyan", 255: "blue", 320: "violet", 361: "red"}
#: Saturation below which an average colour is called grey.
COLOURED = 0.12
#: Bytes of the largest pictures whose encoding is cached; larger pictures would fill the memory.
KEPT_BYTES = 2**18


def appearance(pixels: np.ndarray) -> str:
    """Return brightness and colour of bytes (H, W, C) in words, for blind readers."""
    average = pixels.reshape(-1, pixels.shape[-1]).mean(axis=0) / 255
    hue, saturation, _ = colorsys.rgb_to_hsv(*np.broadcast_to(average, 3).tolist())
    colour = "grey" if saturation < COLOURED else next(name for end, name in HUES.items() if 360 * hue < end)
    bright = float(average.mean())
    tone = "dark" if bright < 0.3 else "bright" if bright > 0.6 else "medium"
    return f"{tone} {colour} on average, brightness {100 * bright:.0f} of 100"


def data_uri(pixels: np.ndarray) -> str:
    """Return bytes (H, W) or (H, W, C) as a PNG inside a URI; small ones are cached, since a rerun shows most again."""
    encode = _kept if pixels.nbytes <= KEPT_BYTES else _kept.__wrapped__
    return encode(pixels.tobytes(), pixels.shape)


@lru_cache(maxsize=128)
def _kept(content: bytes, shape: tuple[int, ...]) -> str:
    return file_uri(png_file(np.frombuffer(content, np.uint8).reshape(shape)), "png")


def forget() -> None:
    """Forget the pictures that were encoded."""
    _kept.cache_clear()


def file_uri(content: bytes, kind: str) -> str:
    """Return a picture's file of a kind, png or webp, inside a URI."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def picture(uri: str, alt: str, caption: str, style: str = "") -> str:
    """Return a picture over its caption, which is HTML, as HTML."""
    styled = f' style="{style}"' if style else ""
    return f'<figure><img alt="{escape(alt)}" src="{uri}"{styled}><figcaption>{caption}</figcaption></figure>'


def row(pictures: Iterable[str], style: str = "") -> str:
    """Return pictures side by side as HTML."""
    styled = f' style="{style}"' if style else ""
    return f'<div class="eiw-row"{styled}>{"".join(pictures)}</div>'


def gif(frames: Sequence[Image.Image], milliseconds: Sequence[int]) -> bytes:
    """Return the bytes of a GIF. It holds 256 colours a frame: it is for slides, not for measuring."""
    file, durations = io.BytesIO(), list(milliseconds)
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, disposal=1)
    return file.getvalue()
