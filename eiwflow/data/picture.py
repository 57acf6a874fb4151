"""One picture, of any size and kind, made into an image of a given shape."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from .images import DataError, check_images, errors_as_data_errors

# Only these decoders are tried: others run programs (EPS) or are little maintained.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
#: A JPEG is decoded at a fraction of its size. Other pictures are decoded whole, with up to 20 bytes a pixel.
MAX_PIXELS, MAX_WHOLE_PIXELS = 64_000_000, 24_000_000

Source = bytes | str | os.PathLike[str] | BinaryIO


def upright(picture: Source, fewest: int) -> Image.Image:
    """Return a picture in RGBA, turned as its EXIF data says; of an animation the first frame.

    Args:
        picture: a file's bytes, its path, or a file open for reading; PNG, JPEG, WebP, BMP or GIF.
        fewest: pixels a side that suffice: a large JPEG is then decoded at a half, a quarter or an eighth.

    """
    what = f"picture {name!r}" if (name := _name(picture)) else "the picture"
    with errors_as_data_errors(f"{what} cannot be read as {', '.join(FORMATS)}"), _opened(picture, what) as image:
        most = MAX_PIXELS if image.format == "JPEG" else min(MAX_PIXELS, MAX_WHOLE_PIXELS)
        if image.width * image.height > most:
            raise DataError(
                f"{what} is {image.width}×{image.height} = {image.width * image.height:,} pixels; "
                f"at most {most:,} are decoded of a {image.format}"
            )
        depth = raw_depth(image)
        image.draft(None, (fewest, fewest))
        ImageOps.exif_transpose(image, in_place=True)
        key = image.info.get("transparency")
        if image.mode.startswith("I"):  # 16-bit grey, which convert would clip instead of scaling
            whole = image.point(lambda value: value / 256).convert("L").convert("RGBA")
            if key is not None:
                whole.putalpha(Image.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8)))
            return whole
        if depth == 16 and image.mode == "RGB" and key is not None:
            raise DataError(f"{what} is a PNG of 16 bits a colour with a transparent one; save it with 8 bits")
        if depth in (2, 4) and image.mode == "L" and key is not None:
            # Pillow scales the values to 8 bits, and not the transparent one.
            image.info["transparency"] = key * 255 // (2**depth - 1)
        return image.convert("RGBA")


def _opened(picture: Source, what: str) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=FORMATS)
    except UnidentifiedImageError:  # its message names an object in memory
        raise DataError(f"{what} cannot be read as {', '.join(FORMATS)}") from None


def _name(picture: Source) -> str:
    """Return the name of a picture's file; empty for bytes."""
    return Path(picture).name if isinstance(picture, (str, os.PathLike)) else getattr(picture, "name", "")


def raw_depth(image: ImageFile.ImageFile) -> int:
    """Return the bits of a value in a PNG that is not decoded yet; 8 for other pictures."""
    kind = str(image.tile[0][3]) if image.format == "PNG" and image.tile else ""
    return int(depth[1]) if (depth := re.search(r";(\d+)", kind)) else 8


def on_white(picture: Image.Image, channels: int) -> np.ndarray:
    """Return an RGBA picture as an image (H, W, C) uint8, transparent parts white; one channel makes it grey."""
    opaque = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.array(opaque.convert("L" if channels == 1 else "RGB")).reshape(picture.height, picture.width, channels)


def from_picture(picture: Source, shape: tuple[int, int, int]) -> np.ndarray:
    """Return a picture as an image of shape (C, H, W), laid out (H, W, C), uint8.

    The picture is turned as its EXIF data says and resized (Lanczos) so that it just covers the shape; the excess on
    two sides is cut off. Transparent parts become white, C = 1 makes the picture grey, and an animation gives its first
    frame.

    Arguments:
        picture: a file's bytes, its path, or a file open for reading; PNG, JPEG, WebP, BMP or GIF.
        shape: (C, H, W) with C = 1 or 3.

    Raises DataError as :func:`upright` does, and where the shape is out of bounds.

    """
    check_images("the shape asked for", 1, *shape[1:], shape[0])
    return covering(upright(picture, 4 * max(shape[1:])), shape)


def covering(whole: Image.Image, shape: tuple[int, int, int]) -> np.ndarray:
    """Return an RGBA picture resized and cut to the shape (C, H, W), laid out (H, W, C), uint8."""
    channels, height, width = shape
    return on_white(ImageOps.fit(whole, (width, height), Image.Resampling.LANCZOS), channels)


def resized(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return uint8 images (N, H', W', C') resized to the shape (C, H, W) as :func:`from_picture` does: (N, H, W, C)."""
    check_images("the shape asked for", 1, *shape[1:], shape[0])
    return np.stack([covering(as_picture(image).convert("RGBA"), shape) for image in images])


def as_picture(image: np.ndarray) -> Image.Image:
    """Return an image (H, W) or (H, W, C) uint8, C = 1 to 3, as a grey or colour picture; two are grey and opacity."""
    return Image.fromarray(image.squeeze(-1) if image.shape[2:] == (1,) else image)


def montage(images: np.ndarray, columns: int, gap: int = 0) -> np.ndarray:
    """Return images (N, H, W) or (N, H, W, C) uint8 laid out row by row as one.

    The rest is black; white with a ``gap``, of so many pixels around every image.
    """
    count, height, width, *channels = images.shape
    rows, fill = -(-count // columns), 255 if gap else 0
    cells = np.full((rows * columns, height + gap, width + gap, *channels), fill, dtype=np.uint8)
    cells[:count, gap:, gap:] = images
    grid = cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2)
    grid = grid.reshape(rows * (height + gap), columns * (width + gap), *channels)
    return np.pad(grid, [(0, gap)] * 2 + [(0, 0)] * len(channels), constant_values=fill)


def png_file(image: np.ndarray) -> bytes:
    """Return an image (H, W) or (H, W, C) uint8 as the bytes of a PNG file, with the fastest compression."""
    return picture_file(image, "PNG", compress_level=1)


def picture_file(image: np.ndarray, kind: str, **how: Any) -> bytes:  # noqa: ANN401 (as Pillow's)
    """Return an image (H, W) or (H, W, C) uint8 as the bytes of a file of one of Pillow's kinds."""
    file = io.BytesIO()
    as_picture(image).save(file, kind, **how)
    return file.getvalue()
