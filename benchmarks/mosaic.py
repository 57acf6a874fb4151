"""Write archives of images, as ``eiwflow.data.mosaic`` reads them."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eiwflow.data.mosaic import PARTS

#: Images in a row of a sheet whose images do not overlap: WebP allows 16,383 pixels a side.
COLUMNS = 64
#: Side, in pixels, of the tiles by which overlaps are found: crops lie on a grid of so many pixels.
TILE = 8


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], overlapping: Collection[str] = ()) -> None:
    """Write an archive that :func:`eiwflow.data.mosaic.read_arrays` reads: uint8 arrays (N, H, W, 3) are images.

    Args:
        path: of the ``.npz``.
        arrays: by name.
        overlapping: names of images that are crops of larger pictures, at multiples of :data:`TILE` pixels.

    """
    contents: dict[str, Any] = {}
    for name, array in arrays.items():
        if array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] == 3:
            sheets, place = stitched(array) if name in overlapping else mosaic(array)
            packed = [_webp(sheet) for sheet in sheets]
            values = (
                np.frombuffer(b"".join(packed), np.uint8),
                np.cumsum([len(content) for content in packed]),
                place.astype(np.int32),
                np.array(array.shape),
            )
            contents |= {name + part: value for part, value in zip(PARTS, values, strict=True)}
        else:
            contents[name] = array
    with path.open("wb") as file:
        np.savez_compressed(file, **contents)


def mosaic(images: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return one sheet of all images side by side, and their places (N, 3)."""
    count, height, width = images.shape[:3]
    rows = -(-count // COLUMNS)
    blank = np.zeros((rows * COLUMNS - count, height, width, 3), np.uint8)
    tiles = np.concatenate([images, blank]).reshape(rows, COLUMNS, height, width, 3).swapaxes(1, 2)
    numbers = np.arange(count)
    place = np.stack([np.zeros_like(numbers), numbers // COLUMNS * height, numbers % COLUMNS * width], axis=1)
    return [tiles.reshape(rows * height, COLUMNS * width, 3)], place


def stitched(images: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return sheets on which overlapping crops lie over each other, and the places (N, 3) of the crops.

    Two crops overlap where they share a tile of :data:`TILE` pixels that is not of one value. A crop joins a sheet only
    if it agrees with everything that lies there.
    """
    across = images.shape[2] // TILE
    tiles = images.reshape(len(images), -1, TILE, across, TILE, 3).swapaxes(2, 3)
    tiles = tiles.reshape(len(images), -1, 3 * TILE * TILE)
    raw = [[tile.tobytes() for tile in of_image] for of_image in tiles]
    varied = np.ptp(tiles, axis=2) > 0
    known: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for image, tile in np.argwhere(varied).tolist():
        known[raw[image][tile]].append((image, tile))
    sheet_of, corner = np.full(len(images), -1), np.zeros((len(images), 2), int)
    sheets: list[dict[tuple[int, int], bytes]] = []
    grid = [divmod(tile, across) for tile in range(tiles.shape[1])]

    def join(image: int, row: int, column: int) -> bool:
        laid = {(row + down, column + right): tile for (down, right), tile in zip(grid, raw[image], strict=True)}
        sheet = sheets[-1]
        if any(sheet.get(at, tile) != tile for at, tile in laid.items()):
            return False
        sheet.update(laid)
        sheet_of[image], corner[image] = len(sheets) - 1, (row, column)
        return True

    for first in range(len(images)):
        if sheet_of[first] >= 0:
            continue
        sheets.append({})
        join(first, 0, 0)
        waiting = [first]
        while waiting:
            image = waiting.pop()
            for tile in np.flatnonzero(varied[image]).tolist():
                for other, its in known[raw[image][tile]]:
                    row, column = corner[image] + np.array(grid[tile]) - grid[its]
                    if sheet_of[other] < 0 and join(other, int(row), int(column)):
                        waiting.append(other)
    pictures = []
    for number, sheet in enumerate(sheets):
        places = np.array(list(sheet))
        corner[sheet_of == number] -= places.min(axis=0)
        height, width = TILE * (places.max(axis=0) - places.min(axis=0) + 1)
        picture = np.zeros((height, width, 3), np.uint8)
        for (row, column), content in zip(TILE * (places - places.min(axis=0)), sheet.values(), strict=True):
            pixels = np.frombuffer(content, np.uint8).reshape(TILE, TILE, 3)
            picture[row : row + TILE, column : column + TILE] = pixels
        pictures.append(picture)
    return pictures, np.concatenate([sheet_of[:, None], TILE * corner], axis=1)


def _webp(picture: np.ndarray) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "WEBP", lossless=True, quality=100, method=6)
    return out.getvalue()
