"""An archive of pictures: a file that gives the same pixels back, with the flow that made it."""

from __future__ import annotations

import hashlib
import io
import json
import math
import platform
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..data import DATASETS, as_picture, load, montage
from ..data.folder import pictures_in
from ..data.images import reason
from ..data.picture import FORMATS, raw_depth
from ..files import new_folder, printable
from ..flow import MultiScaleFlow
from ..flow.threads import one_thread
from . import CompressionError
from .grid import LARGEST_BATCH, Archive, GridFlow

#: First bytes of a file, before the length of its header; the last is the format's version.
MAGIC = b"EIWFLOW\x01"
#: The most bytes of an archive that is read, pixels of all its pictures together, and bytes of its header.
MAX_BYTES, MAX_PIXELS, MAX_HEADER = 2**28, 2**26, 2**25
#: The most pixels of a side: WebP, which an archive is compared with, has no more.
LONGEST_SIDE = 16_383
KINDS = (
    f"grey and colour pictures of 8 bits, without transparency and of at most {MAX_PIXELS:,} pixels, are compressed."
)


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


def read_picture(file: Path | BinaryIO, name: str) -> Picture:
    """Return the pixels of a PNG, JPEG, WebP, BMP or GIF file, upright, unchanged."""
    try:
        with Image.open(file, formats=FORMATS) as opened:
            # Pillow reads a PNG of 16 bits a colour as one of 8. A JPEG's further pictures are previews of the same.
            loses = raw_depth(opened) > 8 or "transparency" in opened.info
            loses |= opened.format not in ("JPEG", "MPO") and getattr(opened, "is_animated", False)
            image = ImageOps.exif_transpose(opened)
            image = image.convert({"P": "RGB", "1": "L"}.get(image.mode, image.mode))
            pixels = np.array(image)
    except Exception as error:  # a decoder fed with damaged bytes may raise anything
        raise CompressionError(f"{name} cannot be read as {', '.join(FORMATS)}: {reason(error)}.") from None
    if (
        loses
        or image.mode not in ("L", "RGB")
        or image.width * image.height > MAX_PIXELS
        or max(image.size) > LONGEST_SIDE
    ):
        what = f"{image.width}×{image.height} pixels of the kind {image.mode}"
        raise CompressionError(f"{name} has {what}; {KINDS}")
    return Picture(name, pixels.reshape(*pixels.shape[:2], -1))


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
                except CompressionError as error:
                    left_out.append(str(error))
        else:
            pictures.append(read_picture(path, path.name))
    if not pictures or sum(picture.pixels[..., 0].size for picture in pictures) > MAX_PIXELS:
        what = f"{len(pictures):,} pictures of {', '.join(names)} can be compressed"
        raise CompressionError(f"{what}; 1 or more are needed, of at most {MAX_PIXELS:,} pixels together.")
    return pictures, left_out


def write_pictures(pictures: Sequence[Picture], folder: Path) -> list[Path]:
    """Write pictures into a new folder as PNG files, and return their paths; a failure leaves no folder."""
    if folder.exists() or folder.is_symlink():
        raise CompressionError(f"{folder} exists; choose a folder that does not.")
    names: list[str] = []
    for number, picture in enumerate(pictures):
        # Of a name in an archive only the last part is used, and only its plain letters.
        name = re.sub(r"[^\w -]", "", Path(picture.name).stem)[:200] or "picture"
        names.append(name if name not in names else f"{name}-{number}")
    with new_folder(folder) as unfinished:
        for picture, name in zip(pictures, names, strict=True):
            as_picture(picture.pixels).save(unfinished / f"{name}.png", "PNG", optimize=True)
    return [folder / f"{name}.png" for name in names]


def compress(flow: MultiScaleFlow, digest: str, pictures: Sequence[Picture]) -> tuple[bytes, Summary]:
    """Return an archive of the pictures, and its summary.

    The archive is decoded before it is returned: its pictures are the same, pixel by pixel.

    Args:
        flow: the flow whose density is the code.
        digest: the flow's :func:`flow_digest`; :func:`decompress` needs the same.
        pictures: of any size; they are cut into tiles of the flow's size.

    """
    tiles = np.concatenate([_tiles(picture, flow.config.shape) for picture in pictures])
    code = GridFlow(flow)
    archive = Archive(start=-(-code.needed(1) // 32))
    start, batches, done = archive.bits, [], 0
    with one_thread():
        while done < len(tiles):
            count = code.batch(archive, len(tiles) - done)
            archive, pushed = _push(code, archive, tiles[done : done + count])
            batches += pushed
            done += count
        stated = _stated_bits(flow, tiles) / 8
    header = {
        "flow": digest,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "pictures": [[picture.name, *picture.pixels.shape] for picture in pictures],
        "batches": batches,
        "sha256": _digest(pictures),
    }
    text = zlib.compress(json.dumps(header, separators=(",", ":")).encode(), 9)
    content = MAGIC + len(text).to_bytes(4, "little") + text + archive.words().astype("<u4").tobytes()
    decompress(flow, digest, content)  # compares a hash of all pixels
    values = sum(picture.pixels.size for picture in pictures)
    return content, Summary(len(pictures), len(tiles), values, len(content), start // 8, stated)


def decompress(flow: MultiScaleFlow, digest: str, content: bytes) -> list[Picture]:
    """Return the pictures of an archive that :func:`compress` made with the same flow."""
    header, words = _open(content)
    if header["flow"] != digest:
        raise CompressionError("This archive was made with another flow; decompress it with that one.")
    code = GridFlow(flow)
    parts: list[NDArray[np.uint8]] = []
    pictures: list[Picture] = []
    try:
        archive = Archive(words)
        with one_thread():
            # Last in, first out.
            while header["batches"] and archive.bits >= 8 * code.dimensions:
                batch = header["batches"].pop()
                if batch > 0:
                    parts.append(code.pop(archive, batch))
                else:
                    parts.append(archive.pop(np.full((1, *flow.config.shape), 256)).astype(np.uint8))
        tiles = np.concatenate(parts[::-1])
        for name, *shape in header["pictures"]:
            picture, tiles = _joined(tiles, shape)
            pictures.append(Picture(name, picture))
        same = _digest(pictures) == header["sha256"]
    except (ValueError, AssertionError):
        same = False
    if not same:
        there = printable(f"torch {header['torch']} on {header['machine']}")
        raise CompressionError(
            f"The archive does not decode to the pixels that were compressed: it is damaged, or {there}, where it was "
            f"made, computes otherwise than torch {torch.__version__} on {platform.machine()} here."
        )
    return pictures


def lossless_sizes(pictures: Sequence[Picture]) -> dict[str, int]:
    """Return the bytes that PNG and WebP, lossless and with their strongest settings, take for the pictures.

    Pictures of one size are joined in one file, as in an archive, so that headers do not decide the comparison.
    """
    files = [picture.pixels for picture in pictures]
    width = math.ceil(len(files) ** 0.5)
    if len({pixels.shape for pixels in files}) == 1 and width * max(files[0].shape) <= LONGEST_SIDE:
        files = [montage(np.stack(files), width)]
    settings: dict[str, dict[str, Any]] = {
        "png": {"optimize": True},
        "webp": {"lossless": True, "quality": 100, "method": 6},
    }
    return {kind: sum(_file_bytes(pixels, kind, **more) for pixels in files) for kind, more in settings.items()}


def _file_bytes(pixels: NDArray[np.uint8], kind: str, **settings: Any) -> int:  # noqa: ANN401 (of Pillow)
    file = io.BytesIO()
    as_picture(pixels).save(file, kind, **settings)
    return file.tell()


def _push(code: GridFlow, archive: Archive, tiles: NDArray[np.uint8]) -> tuple[Archive, list[int]]:
    """Return the archive with the tiles, and the sizes of batches; −1 for a tile stored as bytes, outside the flow."""
    before = archive.copy()
    try:
        code.push(archive, tiles)
        return archive, [len(tiles)]
    except CompressionError:
        archive = before
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


def _stated_bits(flow: MultiScaleFlow, tiles: NDArray[np.uint8]) -> float:
    """Return −log₂ p of all tiles together, with one dequantisation."""
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        each = [flow.bits_per_dim(part, noise).double().sum() for part in torch.from_numpy(tiles).split(64)]
    return float(sum(each)) * flow.config.dimensions


def _digest(pictures: Sequence[Picture]) -> str:
    return hashlib.sha256(b"".join(picture.pixels.tobytes() for picture in pictures)).hexdigest()


def _open(content: bytes) -> tuple[dict[str, Any], NDArray[np.uint32]]:
    """Return header and words of an archive."""
    begin = len(MAGIC) + 4
    end = begin + int.from_bytes(content[len(MAGIC) : begin], "little")
    try:
        header = json.loads(zlib.decompressobj().decompress(content[begin:end], MAX_HEADER))
        pixels = sum(int(height) * int(width) for _, height, width, _ in header["pictures"])
        fits = pixels <= MAX_PIXELS and all(batch <= LARGEST_BATCH for batch in header["batches"])
        if content.startswith(MAGIC) and fits:
            return header, np.frombuffer(content[end:], "<u4").astype(np.uint32)
    except (ValueError, KeyError, TypeError, zlib.error):
        pass
    raise CompressionError("This is no archive that eiwflow compress has written, or its beginning is damaged.")
