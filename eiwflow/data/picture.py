"""One picture, of any size and kind, made into an image of a given shape."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from .. import files
from .images import DataError, check_images, reason

if TYPE_CHECKING:
    from PIL import Image, ImageFile

# Only these decoders are tried: others run programs (EPS) or are little maintained.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
#: A JPEG is decoded at a fraction of its size. Other pictures are decoded whole, with up to 20 bytes a pixel.
MAX_PIXELS, MAX_WHOLE_PIXELS = 64_000_000, 24_000_000
#: Most bytes of a file: decoders read whole chunks, and search the file for markers.
MAX_BYTES = 2**28
#: Most scans of a JPEG, pixels of all of them together, and segments: a progressive JPEG has about 10 scans, each over
#: all pixels, and 40 segments.
MAX_SCANS, MAX_SCANNED, MAX_SEGMENTS = 100, 20 * MAX_PIXELS, 2000
#: Most bytes of a JPEG between two segments before its first scan: Pillow reads them one by one.
MAX_BETWEEN = 2**16
#: Most bytes of EXIF data: no more fit a JPEG's segment. Pillow makes an object of every value, 36 times its size.
MAX_EXIF = 2**16
#: The bytes that begin a segment: neither an escaped 255 in a scan nor a restart marker.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd8\xff])", re.DOTALL)
#: Markers of the segments that state height and width.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}

Source = bytes | str | os.PathLike[str] | BinaryIO


def upright(picture: Source, fewest: int) -> Image.Image:
    """Return a picture in RGBA, turned as its EXIF data says; of an animation the first frame.

    Args:
        picture: a file's bytes, its path, or a file open for reading; PNG, JPEG, WebP, BMP or GIF.
        fewest: pixels a side that suffice: a large JPEG is then decoded at a half, a quarter or an eighth.

    Raises:
        DataError: it cannot be read, has more than 64 million pixels (24 million for other kinds than JPEG), or is a
            PNG of 16 bits a colour with a transparent one, which Pillow cannot tell from colours beside it.

    """
    if isinstance(picture, (str, os.PathLike)):
        picture = Path(picture)
    name = getattr(picture, "name", "")
    what = f"picture {name!r}" if name else "the picture"

    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with _opened(picture, what) as file, Image.open(file, formats=FORMATS) as image:
            most = MAX_PIXELS if image.format == "JPEG" else min(MAX_PIXELS, MAX_WHOLE_PIXELS)
            if image.width * image.height > most:
                raise DataError(
                    f"{what} is {image.width}×{image.height} = {image.width * image.height:,} pixels; "
                    f"at most {most:,} are decoded of a {image.format}"
                )
            depth = _raw_depth(image)
            image.draft(None, (fewest, fewest))
            check_exif(image, what)
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
    except DataError:
        raise
    except UnidentifiedImageError:  # its message names an object in memory
        raise DataError(f"{what} cannot be read as {', '.join(FORMATS)}") from None
    except Exception as error:  # a decoder fed with damaged bytes may raise anything
        raise DataError(f"{what} cannot be read as {', '.join(FORMATS)}: {reason(error)}") from error


def _raw_depth(image: ImageFile.ImageFile) -> int:
    """Return the bits of a value in a PNG that is not decoded yet; 8 for other pictures."""
    kind = str(image.tile[0][3]) if image.format == "PNG" and image.tile else ""
    return int(depth[1]) if (depth := re.search(r";(\d+)", kind)) else 8


@contextmanager
def _opened(picture: bytes | Path | BinaryIO, what: str) -> Iterator[BinaryIO]:
    """Yield a picture as a file open for reading, if it may be decoded; a file that was open stays open."""
    given = io.BytesIO(picture) if isinstance(picture, bytes) else picture
    with open(files.open_regular(given, MAX_BYTES), "rb") if isinstance(given, Path) else nullcontext(given) as file:
        check_jpeg(file, what)
        yield file


def pixels(picture: bytes) -> int:
    """Return how many pixels a picture's header states; 0 where it is no picture that :func:`from_picture` reads."""
    from PIL import Image

    try:
        with _opened(picture, "") as file, Image.open(file, formats=FORMATS) as image:
            return image.width * image.height
    except Exception:  # a decoder fed with damaged bytes may raise anything
        return 0


def check_jpeg(file: BinaryIO, what: str) -> None:
    """Refuse a JPEG of very many scans, segments or EXIF data before it is decoded: half a megabyte could take minutes.

    Args:
        file: open for reading; other files than JPEGs pass.
        what: the name of the file in errors.

    Raises:
        DataError: there are more than :data:`MAX_SCANS`, :data:`MAX_SCANNED` pixels in them, :data:`MAX_SEGMENTS`,
            :data:`MAX_BETWEEN` or :data:`MAX_EXIF`.

    """
    start = file.tell()
    content = file.read(2)
    if content == b"\xff\xd8":
        content += file.read()
    file.seek(start)
    if content[:2] != b"\xff\xd8":
        return
    scans, area, exif, place = 0, 0, 0, 2
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.search(content, place)
        between = (len(content) if marker is None else marker.start()) - place
        if not scans and between > MAX_BETWEEN:
            raise DataError(f"{what} is a JPEG with {between:,} bytes between its segments; save it again")
        if marker is None or marker[1] == b"\xd9":  # the end of the picture; a telephone may append a film
            return
        if marker[1][0] in _FRAMES:
            sides = content[marker.end() + 3 : marker.end() + 7]
            area = max(area, int.from_bytes(sides[:2]) * int.from_bytes(sides[2:]))
        length = int.from_bytes(content[marker.end() : marker.end() + 2])
        if marker[1] == b"\xe1" and content[marker.end() + 2 : marker.end() + 6] == b"Exif":
            exif += length  # Pillow joins these segments, and reads them as soon as it opens the file
            _check_exif(exif, what)
        scans += marker[1] == b"\xda"
        if scans > MAX_SCANS:
            raise DataError(f"{what} is a JPEG of more than {MAX_SCANS} scans; save it again")
        if scans * area > MAX_SCANNED:
            raise DataError(f"{what} is a JPEG of {scans} or more scans of {area:,} pixels each; save it again")
        place = marker.end() + length
    raise DataError(f"{what} is a JPEG of more than {MAX_SEGMENTS:,} segments; save it again")


def check_exif(image: Image.Image, what: str) -> None:
    """Decode a picture, and refuse one with very much EXIF data before these are read.

    Raises:
        DataError: there are more than :data:`MAX_EXIF` bytes.

    """
    image.load()  # a PNG may state them after its pixels
    # The second name is that of a PNG's text, in which two letters stand for a byte.
    _check_exif(max(len(image.info.get("exif", "")), len(image.info.get("Raw profile type exif", "")) // 2), what)


def _check_exif(size: int, what: str) -> None:
    if size > MAX_EXIF:
        raise DataError(f"{what} has {size:,} bytes of EXIF data; at most {MAX_EXIF:,} are read: save it without them")


def on_white(picture: Image.Image, channels: int) -> np.ndarray:
    """Return an RGBA picture as an image (H, W, C) uint8, transparent parts white; one channel makes it grey."""
    from PIL import Image

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
    from PIL import Image, ImageOps

    channels, height, width = shape
    return on_white(ImageOps.fit(whole, (width, height), Image.Resampling.LANCZOS), channels)


def resized(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return uint8 images (N, H', W', C') resized to the shape (C, H, W) as :func:`from_picture` does: (N, H, W, C)."""
    check_images("the shape asked for", 1, *shape[1:], shape[0])
    return np.stack([covering(as_picture(image).convert("RGBA"), shape) for image in images])


def as_picture(image: np.ndarray) -> Image.Image:
    """Return an image (H, W) or (H, W, C) uint8, C = 1 or 3, as a grey or colour picture."""
    from PIL import Image

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
    """Return an image (H, W, C) uint8 as the bytes of a PNG file, with the fastest compression."""
    file = io.BytesIO()
    as_picture(image).save(file, "PNG", compress_level=1)
    return file.getvalue()
