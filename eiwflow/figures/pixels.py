"""Small arrays of bytes as pictures: laid out, encoded, and put into a page without a file."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image


def montage(images: np.ndarray, columns: int) -> np.ndarray:
    """Return bytes (N, H, W) or (N, H, W, 3) laid out row by row, without gaps; the rest is black."""
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    filled = np.zeros((rows * columns, *images.shape[1:]), dtype=np.uint8)
    filled[:count] = images
    grid = filled.reshape(rows, columns, *images.shape[1:]).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, *images.shape[3:])


def picture(pixels: np.ndarray) -> Image.Image:
    """Return bytes (H, W), (H, W, 1) or (H, W, 3) as a PIL image."""
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[2:] == (1,) else pixels)


def png(image: Image.Image) -> bytes:
    """Return the bytes of a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def data_uri(pixels: np.ndarray) -> str:
    """Return bytes (H, W) or (H, W, C) as a PNG inside a URI."""
    return f"data:image/png;base64,{base64.b64encode(png(picture(pixels))).decode()}"
