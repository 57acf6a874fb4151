"""An archive of pictures: a file that gives the same pixels back, with the flow that made it."""

from __future__ import annotations

import hashlib
import io
import json
import math
import platform
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..data import DATASETS, as_picture, load
from ..data.folder import pictures_in
from ..data.images import reason
from ..data.picture import FORMATS
from ..files import new_folder, printable
from ..flow import MultiScaleFlow
from ..flow.threads import one_thread
from . import CompressionError
from .grid import BIN, LARGEST_BATCH, Archive, GridFlow

#: First bytes of a file, before the length of its header.
MAGIC = b"EIWFLOW\x01"
VERSION = 1
#: The most bytes of an archive that is read, pixels of all its pictures together, and bytes of its header.
MAX_BYTES, MAX_PIXELS, MAX_HEADER = 2**28, 2**26, 2**25
#: The most pixels of a side: WebP, which an archive is compared with, has no more.
LONGEST_SIDE = 16_383
#: What version 0.2 called a flow's :attr:`.FlowConfig.split`, where it had another name.
_SPLITS_0_2 = {"first": "static-first", "last": "static-last", "entropy": "shuffle", "entropy+pooled": "weighted"}
_KINDS = "grey and colour pictures of 8 bits, without transparency, are compressed."


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
            if opened.width * opened.height > MAX_PIXELS or max(opened.size) > LONGEST_SIDE:
                size = f"{opened.width}×{opened.height}"
                most = f"{MAX_PIXELS:,}, and {LONGEST_SIDE:,} a side"
                raise CompressionError(f"{name} has {size} pixels; at most {most}, are compressed.")
            # Pillow reads a PNG of 16 bits a colour as one of 8. A JPEG's further pictures are previews of the same.
            deep = opened.format == "PNG" and str(opened.tile[0][3]).endswith(";16B")
            moves = opened.format not in ("JPEG", "MPO") and getattr(opened, "is_animated", False)
            if deep or moves or "transparency" in opened.info:
                raise CompressionError(f"{name} cannot be given back: {_KINDS}")
            image = ImageOps.exif_transpose(opened)
            image = image.convert({"P": "RGB", "1": "L"}.get(image.mode, image.mode))
            if image.mode not in ("L", "RGB"):
                raise CompressionError(f"{name} has pixels of the kind {image.mode}; {_KINDS}")
            pixels = np.array(image)
    except CompressionError:
        raise
    except Exception as error:  # a decoder fed with damaged bytes may raise anything
        raise CompressionError(f"{name} cannot be read as {', '.join(FORMATS)}: {reason(error)}.") from None
    return Picture(name, pixels.reshape(*pixels.shape[:2], -1))


def flow_digest(flow: MultiScaleFlow, older: bool = False) -> str:
    """Return the flow's identity in archives: a hash of its config and of every tensor; ``older`` as 0.2 wrote it."""
    config = flow.config.to_dict()
    if older:
        # A config of 0.2 stated order and weights once more, in the field split.
        config["split"] = _SPLITS_0_2.get(flow.config.split, flow.config.split)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
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
            within = [file.relative_to(path).as_posix() for file in pictures_in(path)]
            before = len(pictures)
            for file in within:
                try:
                    pictures.append(read_picture(path / file, file))
                except CompressionError as error:
                    left_out.append(str(error))
            if len(pictures) == before:
                raise CompressionError(f"The folder {name} holds no picture to compress. {' '.join(left_out[-1:])}")
        else:
            pictures.append(read_picture(path, path.name))
    if sum(picture.pixels[..., 0].size for picture in pictures) > MAX_PIXELS:
        raise CompressionError(f"More than {MAX_PIXELS:,} pixels were given; compress them in parts.")
    return pictures, left_out


def write_pictures(pictures: Sequence[Picture], folder: Path) -> list[Path]:
    """Write pictures into a new folder as PNG files, and return their paths; a failure leaves no folder."""
    if folder.exists() or folder.is_symlink():
        raise CompressionError(f"{folder} exists; choose a folder that does not.")
    names: list[str] = []
    for number, picture in enumerate(pictures):
        # Of a name in an archive only the last part is used, and only if it is plain.
        stem = Path(picture.name).stem
        name = stem if stem and all(letter.isalnum() or letter in "-_ " for letter in stem[:200]) else "picture"
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
    if not pictures:
        raise CompressionError("No picture was given.")
    tiles = np.concatenate([_tiles(picture, flow.config.shape) for picture in pictures])
    code = GridFlow(flow)
    archive = Archive(start=-(-code.needed(1) // 32))
    start = archive.bits
    batches: list[int] = []
    done = 0
    with one_thread():
        while done < len(tiles):
            count = code.batch(archive, len(tiles) - done)
            archive, pushed = _push(code, archive, tiles[done : done + count])
            batches += pushed
            done += count
        header = {
            "version": VERSION,
            "flow": digest,
            "torch": torch.__version__,
            "machine": platform.machine(),
            "pictures": [[picture.name, *picture.pixels.shape] for picture in pictures],
            "batches": batches,
            "sha256": _digest(pictures),
        }
        text = zlib.compress(json.dumps(header, separators=(",", ":")).encode(), 9)
        content = MAGIC + len(text).to_bytes(4, "little") + text + archive.words().astype("<u4").tobytes()
        stated = _stated_bits(flow, tiles) / 8
    try:
        decompress(flow, digest, content)  # compares a hash of all pixels
    except CompressionError as error:
        raise CompressionError(f"The pictures do not decode to the same pixels; nothing is written. {error}") from None
    values = sum(picture.pixels.size for picture in pictures)
    return content, Summary(len(pictures), len(tiles), values, len(content), start // 8, stated)


def decompress(flow: MultiScaleFlow, digest: str, content: bytes) -> list[Picture]:
    """Return the pictures of an archive that :func:`compress` made with the same flow."""
    header, words = _open(content)
    if header["flow"] != digest and header["flow"] != flow_digest(flow, older=True):
        raise CompressionError("This archive was made with another flow; decompress it with that one.")
    shapes = [(name, (height, width, channels)) for name, height, width, channels in header["pictures"]]
    config = flow.config.shape
    counts = [_tile_count(shape, config) for _, shape in shapes]
    if sum(abs(batch) for batch in header["batches"]) != sum(counts):
        raise CompressionError("This archive is damaged: its header counts other tiles than its pictures have.")
    code, archive = GridFlow(flow), Archive(words)
    parts: list[NDArray[np.uint8]] = []
    other = (
        f"It was written with torch {printable(header['torch'], 40)} on {printable(header['machine'], 40)}; here is "
        f"torch {torch.__version__} on {platform.machine()}."
    )
    try:
        with one_thread():
            for batch in reversed(header["batches"]):
                # Each value pushes at least this many bits; a shorter archive would decode to noise.
                if archive.bits < (math.log2(BIN) if batch > 0 else 8) * abs(batch) * code.dimensions:
                    raise CompressionError("The archive has too few bits.")
                parts.append(code.pop(archive, batch) if batch > 0 else archive.pop_bytes((-batch, *config)))
    except CompressionError:
        raise CompressionError(f"This archive cannot be decoded here, or is damaged. {other}") from None
    tiles = np.concatenate(parts[::-1])
    pictures, begin = [], 0
    for (name, shape), count in zip(shapes, counts, strict=True):
        pictures.append(Picture(name, _joined(tiles[begin : begin + count], shape)))
        begin += count
    if _digest(pictures) != header["sha256"]:
        raise CompressionError(f"This archive decodes to other pixels here than were compressed. {other}")
    return pictures


def lossless_sizes(pictures: Sequence[Picture]) -> dict[str, int]:
    """Return the bytes that PNG and WebP, lossless and with their strongest settings, take for the pictures.

    Pictures of one size are joined in one file, as in an archive, so that headers do not decide the comparison.
    """
    files = [picture.pixels for picture in pictures]
    width = max(1, round(len(files) ** 0.5))
    if len({pixels.shape for pixels in files}) == 1 and (width + 2) * max(files[0].shape) <= LONGEST_SIDE:
        rows = [np.concatenate(files[begin : begin + width], axis=1) for begin in range(0, len(files), width)]
        full = [row for row in rows if row.shape == rows[0].shape]
        files = [np.concatenate(full), *rows[len(full) :]]
    return {
        "png": sum(_file_bytes(pixels, "PNG", optimize=True) for pixels in files),
        "webp": sum(_file_bytes(pixels, "WEBP", lossless=True, quality=100, method=6) for pixels in files),
    }


def _file_bytes(pixels: NDArray[np.uint8], kind: str, **settings: int) -> int:
    file = io.BytesIO()
    as_picture(pixels).save(file, kind, **settings)
    return len(file.getvalue())


def _push(code: GridFlow, archive: Archive, tiles: NDArray[np.uint8]) -> tuple[Archive, list[int]]:
    """Return the archive with the tiles, and the sizes of batches; −1 for a tile stored as bytes, outside the flow."""
    before = archive.copy()
    try:
        code.push(archive, tiles)
        return archive, [len(tiles)]
    except CompressionError:
        archive = before
    if len(tiles) == 1:
        archive.push_bytes(tiles)
        return archive, [-1]
    batches: list[int] = []
    for tile in tiles:
        archive, pushed = _push(code, archive, tile[None])
        batches += pushed
    return archive, batches


def _tile_count(shape: tuple[int, int, int], config: tuple[int, int, int]) -> int:
    rows, columns = -(-shape[0] // config[1]), -(-shape[1] // config[2])
    return rows * columns


def _tiles(picture: Picture, config: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a picture as tiles (N, C, H, W) of the flow's shape: its border is repeated as far as needed."""
    channels, height, width = config
    pixels = picture.pixels
    if pixels.shape[2] > channels:
        raise CompressionError(f"{picture.name} has colours; this flow takes grey pictures.")
    pad = [(0, -pixels.shape[0] % height), (0, -pixels.shape[1] % width), (0, 0)]
    padded = np.broadcast_to(np.pad(pixels, pad, "edge"), (*(pixels.shape[i] + pad[i][1] for i in (0, 1)), channels))
    rows, columns = padded.shape[0] // height, padded.shape[1] // width
    split = padded.reshape(rows, height, columns, width, channels).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(split.reshape(-1, channels, height, width))


def _joined(tiles: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a picture of ``shape`` (H, W, C) from its tiles (N, C', H', W')."""
    _, channels, height, width = tiles.shape
    rows, columns = -(-shape[0] // height), -(-shape[1] // width)
    grid = tiles.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    whole = grid.reshape(rows * height, columns * width, channels)
    return np.ascontiguousarray(whole[: shape[0], : shape[1], : shape[2]])


def _stated_bits(flow: MultiScaleFlow, tiles: NDArray[np.uint8]) -> float:
    """Return −log₂ p of all tiles together, with one dequantisation."""
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        each = [flow.bits_per_dim(part, noise).double().sum() for part in torch.from_numpy(tiles).split(64)]
    return float(sum(each)) * flow.config.dimensions


def _digest(pictures: Sequence[Picture]) -> str:
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(np.ascontiguousarray(picture.pixels).tobytes())
    return digest.hexdigest()


def _open(content: bytes) -> tuple[dict[str, Any], NDArray[np.uint32]]:
    """Return header and words of an archive, every field of the header checked."""
    if not content.startswith(MAGIC):
        raise CompressionError("This is no archive that eiwflow compress has written.")
    begin = len(MAGIC) + 4
    length = int.from_bytes(content[len(MAGIC) : begin], "little")
    words = content[begin + length :]
    try:
        header = json.loads(zlib.decompressobj().decompress(content[begin : begin + length], MAX_HEADER))
        if header["version"] != VERSION or not words or len(words) % 4:
            raise ValueError
        if sum(int(height) * int(width) for _, height, width, _ in header["pictures"]) > MAX_PIXELS:
            raise CompressionError(f"This archive states more than {MAX_PIXELS:,} pixels, the most that are read.")
        if not all(batch == -1 or 1 <= batch <= LARGEST_BATCH for batch in header["batches"]):
            raise ValueError
    except (ValueError, KeyError, TypeError, zlib.error):
        raise CompressionError("This archive is damaged: its header cannot be read.") from None
    return header, np.frombuffer(words, "<u4").astype(np.uint32)
