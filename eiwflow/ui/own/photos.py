"""A visitor's own photos that pages look at instead of a test image, in the URL as ``photo`` and ``photo_b``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ... import data
from .upload import Files, Upload, named

if TYPE_CHECKING:
    from torch import Tensor

PICTURE_SUFFIXES = ("png", "jpg", "jpeg", "webp", "bmp", "gif")
MAX_PHOTO_MB = 32
#: The longest side that photos are kept at; larger ones are cut to squares.
PHOTO_SIDE = 256


def _small(_: str, files: Files) -> bytes:
    """Return a photo as a small PNG file, without the camera's metadata; it is never enlarged."""
    ((name, content),) = files.items()
    whole = data.picture.upright(named(name, content), 4 * PHOTO_SIDE)
    side = min(*whole.size, PHOTO_SIDE)
    kept = (whole.height, whole.width) if max(whole.size) <= PHOTO_SIDE else (side, side)
    return data.png_file(data.picture.covering(whole, (3, *kept)))


PHOTOS = Upload("photo", PICTURE_SUFFIXES, MAX_PHOTO_MB, 16, _small, len)


def photo_of_shape(content: bytes, shape: tuple[int, int, int]) -> Tensor:
    """Return a photo as a uint8 tensor (1, C, H, W) of a flow's shape."""
    return data.to_tensor(data.from_picture(content, shape)[np.newaxis])
