"""Bytes of pictures compressed by a flow, beside PNG and WebP, measured on a real archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from ..compression import CompressionError
from ..compression.archive import Picture, Summary, compress, lossless_sizes
from ..data import DataError
from ..data.picture import on_white, upright
from ..flow import MultiScaleFlow

#: The longest side of a photo compressed on a page, and the most values of test images.
LONGEST_SIDE, MOST_VALUES = 256, 200_000
#: Parameters of the largest flow that compresses on a page.
MOST_PARAMETERS = 5_000_000


@dataclass(frozen=True, eq=False)
class Compressed:
    """An archive and the sizes of its competitors.

    Attributes:
        content: the archive, as ``decompress`` reads it.
        summary: its contents and size.
        others: bytes of the same pictures as lossless "png" and "webp".
        size: (height, width) of a single picture; None for several.

    """

    content: bytes
    summary: Summary
    others: dict[str, int]
    size: tuple[int, int] | None


def compress_photo(flow: MultiScaleFlow, photo: bytes) -> Compressed:
    """Return a photo as an archive, made smaller first where a side is longer than :data:`LONGEST_SIDE`."""
    try:
        picture = upright(photo, 2 * LONGEST_SIDE)
    except DataError as error:
        raise CompressionError(f"The photo cannot be compressed: {error}.") from None
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    pixels = on_white(picture, flow.config.shape[0])
    return _compressed(flow, [Picture("photo.png", pixels)], pixels.shape[:2])


def compress_images(flow: MultiScaleFlow, images: Tensor) -> Compressed:
    """Return the first images of uint8 (N, C, H, W) as an archive, as many as :data:`MOST_VALUES` allow."""
    count = max(1, min(len(images), MOST_VALUES // flow.config.dimensions))
    chosen = images[:count].permute(0, 2, 3, 1).numpy()
    return _compressed(flow, [Picture(f"{number:04}.png", pixels) for number, pixels in enumerate(chosen)], None)


def _compressed(flow: MultiScaleFlow, pictures: Sequence[Picture], size: tuple[int, int] | None) -> Compressed:
    if (parameters := flow.parameter_count()) > MOST_PARAMETERS:
        raise CompressionError(
            f"This flow has {parameters:,} parameters; a page compresses with at most {MOST_PARAMETERS:,}. "
            "Use the command compress, which takes any."
        )
    content, summary = compress(flow, pictures)
    return Compressed(content, summary, lossless_sizes(pictures), size)
