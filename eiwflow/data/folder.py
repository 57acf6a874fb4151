"""Image data from a folder of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np

from .images import MAX_IMAGES, DataError, ImageData, check_images
from .picture import from_picture
from .split import tenth_by_hash

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}


def read_folder(folder: Path, size: int) -> ImageData:
    """Return the pictures in a folder and in the folders below it, centre-cropped and resized to size×size.

    They come in the order of their paths; hidden files are passed over. A hash of the path within the folder
    sends about a tenth to test; of equal images the first one's path decides for all. Pictures that are all
    grey make images of one channel. Raises DataError naming the first picture that cannot be read.
    """
    what = f"folder {folder.name!r}"
    if not isinstance(size, int):
        raise DataError(f"size is {size!r}; it must be a whole number of pixels")
    names = picture_names(folder)
    check_images(what, len(names), size, size, 3)

    images = np.empty((len(names), size, size, 3), dtype=np.uint8)
    first_names: dict[bytes, str] = {}
    keys = []
    for image, name in zip(images, names, strict=True):
        image[:] = from_picture(folder / name, (3, size, size))
        keys.append(os.fsencode(first_names.setdefault(sha256(image.tobytes()).digest(), name)))
    if (images == images[..., :1]).all():
        images = np.ascontiguousarray(images[..., :1])
    in_test = tenth_by_hash(keys)
    note = f"pictures are centre-cropped and resized to {size}×{size}"
    return ImageData(folder.name, images[~in_test], images[in_test], note=note)


def picture_names(folder: Path) -> list[str]:
    """Return the paths of the pictures in a folder and below it, sorted; of more than an image set may have, a part.

    Raises:
        DataError: there is none.

    """
    # One more than the bound is enough to know, and the walk ends even where the folder is a whole disk.
    names = sorted(islice(_picture_names(folder), MAX_IMAGES + 1))
    if not names:
        raise DataError(
            f"folder {folder.name!r} holds 0 pictures; their names must end in {', '.join(sorted(SUFFIXES))}"
        )
    return names


def _picture_names(folder: Path) -> Iterator[str]:
    """Yield the pictures' paths within the folder, with forward slashes."""
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield inside.as_posix()
