"""The bundled archives of images: an ``.npz`` in which images are cut from a few lossless WebP pictures, the sheets.

It takes about half the bytes of an ordinary ``.npz``, and fewer where images overlap: crops of one photograph are
stitched together again. An array ``x`` of images is four arrays of the archive: ``x_webp`` (the bytes of all sheets,
one after the other), ``x_ends`` (the end of each), ``x_place`` (sheet, row and column of every image, in pixels) and
``x_shape``. Other arrays are stored unchanged. ``benchmarks/mosaic.py`` writes such archives.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

PARTS = ("_webp", "_ends", "_place", "_shape")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a bundled archive by name, images decoded."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name in [name.removesuffix(PARTS[0]) for name in arrays if name.endswith(PARTS[0])]:
        arrays[name] = _cut(*(arrays.pop(name + part) for part in PARTS))
    return arrays


def _cut(content: np.ndarray, ends: np.ndarray, place: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return the images of a shape from their sheets."""
    images = np.empty(tuple(shape.tolist()), np.uint8)
    height, width = images.shape[1:3]
    order = np.argsort(place[:, 0], kind="stable")
    bounds = np.searchsorted(place[order, 0], np.arange(len(ends) + 1))
    starts = [0, *ends[:-1].tolist()]
    for sheet, (start, end) in enumerate(zip(starts, ends.tolist(), strict=True)):
        with Image.open(io.BytesIO(content[start:end].tobytes()), formats=["WEBP"]) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        for image in order[bounds[sheet] : bounds[sheet + 1]]:
            row, column = place[image, 1:]
            images[image] = pixels[row : row + height, column : column + width]
    return images
