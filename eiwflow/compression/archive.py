"""An archive of pictures: a file that gives the same pixels back, with the flow that made it."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..data import DATASETS, DataError, as_picture, load, montage, picture_file
from ..data.folder import pictures_in
from ..data.images import errors_as_data_errors
from ..data.picture import FORMATS, raw_depth
from ..files import new_folder
from ..flow import MultiScaleFlow
from ..flow.score import score
from ..flow.threads import one_thread
from . import CompressionError
from .grid import Archive, GridFlow, started

#: First bytes of a file, before the length of its header; the last is the format's version.
MAGIC = b"EIWFLOW\x01"
#: How the formats that an archive is compared with are saved.
LOSSLESS: dict[str, dict[str, Any]] = {
    "png": {"optimize": True},
    "webp": {"lossless": True, "quality": 100, "method": 6},
}


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture: its pixels (H, W, C) uint8, C = 1 or 3, and its name."""

    name: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Summary:
    """The contents of an archive and its size.

    Attributes:
        pictures, tiles: their numbers; a tile is an image of the flow's size.
        values: dimensions of all pictures together.
        bytes: of the file.
        start_bytes: random bytes that start the file: the first tile pops them.
        stated_bytes: −log₂ p of all tiles under the flow, in bytes.

    """

    pictures: int
    tiles: int
    values: int
    bytes: int
    start_bytes: int
    stated_bytes: float

    @property
    def bits_per_dim(self) -> float:
        """Bits of the file for each value of the pictures."""
        return 8 * self.bytes / self.values


def read_picture(path: Path, name: str) -> Picture:
    """Return the pixels of a PNG, JPEG, WebP, BMP or GIF file, upright, unchanged."""
    with (
        errors_as_data_errors(f"{name} cannot be read as {', '.join(FORMATS)}"),
        Image.open(path, formats=FORMATS) as opened,
    ):
        # Pillow reads a PNG of 16 bits a colour as one of 8. A JPEG's further pictures are previews of the same.
        loses = raw_depth(opened) > 8 or "transparency" in opened.info
        loses |= opened.format not in ("JPEG", "MPO") and getattr(opened, "is_animated", False)
        image = ImageOps.exif_transpose(opened)
        image = image.convert({"P": "RGB", "1": "L"}.get(image.mode, image.mode))
        if loses or image.mode not in ("L", "RGB"):
            raise DataError(f"{name} is not a single grey or colour picture of 8 bits without transparency")
        return Picture(name, np.array(image).reshape(image.height, image.width, -1))


def flow_digest(flow: MultiScaleFlow) -> str:
    """Return the flow's identity in archives: a hash of its config and of every tensor."""
    digest = hashlib.sha256(json.dumps(flow.config.to_dict(), sort_keys=True).encode())
    for name, value in sorted(flow.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def gather(names: Sequence[str]) -> tuple[list[Picture], list[str]]:
    """Return the pictures of files, of folders and all below them, and the test images of data sets named.

    A data set's name goes before a path, as everywhere: a folder called photos32 is ``./photos32``.

    Returns:
        the pictures, and a sentence for each picture of a folder that cannot be compressed, such as a transparent one.

    """
    pictures: list[Picture] = []
    left_out: list[str] = []
    for name in names:
        path = Path(name)
        if name in DATASETS:
            test = load(name).test
            digits = len(str(len(test) - 1))
            pictures += [Picture(f"{name}-{i:0{digits}}.png", image) for i, image in enumerate(test)]
        elif name and path.is_dir():
            for file in pictures_in(path):
                try:
                    pictures.append(read_picture(file, file.relative_to(path).as_posix()))
                except DataError as error:
                    left_out.append(str(error))
        else:
            pictures.append(read_picture(path, path.name))
    if not pictures:
        raise CompressionError(f"0 pictures of {', '.join(names)} can be compressed; 1 or more are needed.")
    return pictures, left_out


def write_pictures(pictures: Sequence[Picture], folder: Path) -> list[Path]:
    """Write pictures into a new folder as PNG files, and return their paths; a failure leaves no folder."""
    names: list[str] = []
    for number, picture in enumerate(pictures):
        # Of a name in an archive only the last part is used: files stay in the folder.
        name = Path(picture.name).stem.strip(".") or "picture"
        names.append(name if name not in names else f"{name}-{number}")
    with new_folder(folder) as unfinished:
        for picture, name in zip(pictures, names, strict=True):
            as_picture(picture.pixels).save(unfinished / f"{name}.png", "PNG", optimize=True)
    return [folder / f"{name}.png" for name in names]


def compress(flow: MultiScaleFlow, pictures: Sequence[Picture]) -> tuple[bytes, Summary]:
    """Return an archive of the pictures, and its summary.

    The archive is decoded before it is returned: its pictures are the same, pixel by pixel.

    Args:
        flow: the flow whose density is the code; :func:`decompress` needs the same.
        pictures: of any size; they are cut into tiles of the flow's size.

    """
    tiles = np.concatenate([_tiles(picture, flow.config.shape) for picture in pictures])
    code = GridFlow(flow)
    archive = started(-(-code.needed(1) // 32))
    start, batches, done = archive.bits, [], 0
    with one_thread():
        while done < len(tiles):
            count = code.batch(archive, len(tiles) - done)
            archive, pushed = _push(code, archive, tiles[done : done + count])
            batches += pushed
            done += count
        stated = float(score(flow, torch.from_numpy(tiles)).double().sum()) * code.dimensions / 8
    header = {
        "flow": flow_digest(flow),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "pictures": [[picture.name, *picture.pixels.shape] for picture in pictures],
        "batches": batches,
        "sha256": _digest(pictures),
    }
    text = zlib.compress(json.dumps(header, separators=(",", ":")).encode(), 9)
    content = MAGIC + len(text).to_bytes(4, "little") + text + archive.words().astype("<u4").tobytes()
    decompress(flow, content)  # compares a hash of all pixels
    values = sum(picture.pixels.size for picture in pictures)
    return content, Summary(len(pictures), len(tiles), values, len(content), start // 8, stated)


def decompress(flow: MultiScaleFlow, content: bytes) -> list[Picture]:
    """Return the pictures of an archive that :func:`compress` made with the same flow."""
    begin = len(MAGIC) + 4
    end = begin + int.from_bytes(content[len(MAGIC) : begin], "little")
    try:
        header = json.loads(zlib.decompress(content[begin:end]))
    except zlib.error:
        raise CompressionError("This is no archive of eiwflow compress, or its beginning is damaged.") from None
    if header["flow"] != flow_digest(flow):
        raise CompressionError("This archive was made with another flow; decompress it with that one.")
    code = GridFlow(flow)
    parts: list[NDArray[np.uint8]] = []
    pictures: list[Picture] = []
    try:
        archive = Archive(np.frombuffer(content[end:], "<u4").astype(np.uint32))
        with one_thread():
            for batch in reversed(header["batches"]):  # last in, first out
                if batch > 0:
                    parts.append(code.pop(archive, batch))
                else:
                    parts.append(archive.pop(np.full((1, *flow.config.shape), 256)).astype(np.uint8))
        tiles = np.concatenate(parts[::-1])
        for name, *shape in header["pictures"]:
            picture, tiles = _joined(tiles, shape)
            pictures.append(Picture(name, picture))
        same = _digest(pictures) == header["sha256"]
    except (ValueError, AssertionError):  # from the entropy coder, of damaged words
        same = False
    if not same:
        raise CompressionError(
            "The archive does not decode to the pixels that were compressed: it is damaged, or torch "
            f"{header['torch']} on {header['machine']}, where it was made, computes otherwise than torch "
            f"{torch.__version__} on {platform.machine()} here."
        )
    return pictures


def lossless_sizes(pictures: Sequence[Picture]) -> dict[str, int]:
    """Return the bytes that PNG and WebP, lossless and with their strongest settings, take for the pictures.

    Pictures of one size are joined in one file, as in an archive, so that headers do not decide the comparison.
    """
    images = [picture.pixels for picture in pictures]
    if len({pixels.shape for pixels in images}) == 1:
        images = [montage(np.stack(images), math.ceil(len(images) ** 0.5))]
    return {
        kind: sum(len(picture_file(pixels, kind, **settings)) for pixels in images)
        for kind, settings in LOSSLESS.items()
    }


def _push(code: GridFlow, archive: Archive, tiles: NDArray[np.uint8]) -> tuple[Archive, list[int]]:
    """Return the archive with the tiles, and the sizes of batches; −1 for a tile stored as bytes, outside the flow."""
    before = archive.words()
    try:
        code.push(archive, tiles)
        return archive, [len(tiles)]
    except CompressionError:
        archive = Archive(before)
    if len(tiles) == 1:
        archive.push(tiles.astype(np.int64), np.full(tiles.shape, 256))
        return archive, [-1]
    batches: list[int] = []
    for tile in tiles:
        archive, pushed = _push(code, archive, tile[None])
        batches += pushed
    return archive, batches


def _tiles(picture: Picture, config: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a picture as tiles (N, C, H, W) of the flow's shape: its border is repeated as far as needed."""
    channels, height, width = config
    pixels = picture.pixels
    if pixels.shape[2] > channels:
        raise CompressionError(f"{picture.name} has colours; this flow takes grey pictures.")
    padded = np.pad(pixels, [(0, -pixels.shape[0] % height), (0, -pixels.shape[1] % width), (0, 0)], "edge")
    padded = np.broadcast_to(padded, (*padded.shape[:2], channels))
    split = padded.reshape(padded.shape[0] // height, height, -1, width, channels).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(split.reshape(-1, channels, height, width))


def _joined(tiles: NDArray[np.uint8], shape: Sequence[int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a picture of ``shape`` (H, W, C) from the first tiles (N, C', H', W'), and the other tiles."""
    _, channels, height, width = tiles.shape
    rows, columns = -(-shape[0] // height), -(-shape[1] // width)
    grid = tiles[: rows * columns].reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    whole = grid.reshape(rows * height, columns * width, channels)
    return np.ascontiguousarray(whole[: shape[0], : shape[1], : shape[2]]), tiles[rows * columns :]


def _digest(pictures: Sequence[Picture]) -> str:
    return hashlib.sha256(b"".join(picture.pixels.tobytes() for picture in pictures)).hexdigest()
