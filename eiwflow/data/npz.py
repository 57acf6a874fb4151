"""Image data from a NumPy ``.npz`` archive.

Headers are read first, a few kilobytes each, and images only if their stated size has room. Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ..files import listed
from .images import DataError, Factor, ImageData, check_images, errors_as_data_errors
from .labels import LABEL, is_label
from .split import shared, tenth_by_hash, without_parts

#: Names of the arrays of both parts and of their labels: our own, and those of Keras.
PARTS = {("train", "test"): ("train_labels", "test_labels"), ("x_train", "x_test"): ("y_train", "y_test")}
#: Arrays of the photographs that images are from.
SOURCES = ("train_source", "test_source", "source_names")
#: Most bytes of an array beside the images.
MAX_BESIDE = 2**27


class Header(NamedTuple):
    """Shape, order and type of an array in numpy's format."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """Bytes of the array's values."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def is_image_like(self) -> bool:
        """Whether type and number of axes are those of images."""
        return self.dtype == np.uint8 and len(self.shape) in (3, 4)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of an array N×H×W or N×H×W×C."""
        height, width, *channels = self.shape[1:]
        return height, width, channels[0] if channels else 1

    def __str__(self) -> str:
        return f"{self.dtype.name[:40]} {self.shape}"


def read_header(file: IO[bytes]) -> Header:
    """Return the header of an array in numpy's format, and leave the file where the values begin."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return Header(*read(file))


def read_npz(archive: Path | bytes, name: str = "", most: int | None = None) -> ImageData:
    """Return the images of an archive that holds ``train`` and ``test``, or exactly one uint8 array of images.

    ``archive`` is a file's path, or its bytes with a ``name``; its images may take ``most`` bytes of memory, by default
    all that is free.

    Images are uint8, (N, H, W) or (N, H, W, C) with C = 1 or 3. The parts may also be called ``x_train`` and
    ``x_test``. A single array is split by a hash of each image's bytes, about a tenth to test, which the note counts.
    ``train_source`` and ``test_source`` are numbers of photographs,
    ``source_names`` their names; without names, the numbers are the names. ``labels`` of a single array, or
    ``train_labels`` and ``test_labels`` (``y_train`` and ``y_test``), become the factor ``label``: whole numbers or
    names. The note says where these do not fit. Other arrays are ignored. The archive's own parts may share images: the
    note says how many.
    """
    name = name or (archive.name if isinstance(archive, Path) else "the archive")
    file = archive if isinstance(archive, Path) else io.BytesIO(archive)
    with errors_as_data_errors(f"{name!r} cannot be read as an .npz archive"), zipfile.ZipFile(file) as opened:
        return _read(_Arrays(opened), name, most)


class _Arrays:
    """The arrays of an archive: their headers by name, and values on demand."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.headers: dict[str, Header] = {}
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as file:
                    self.headers[name.removesuffix(".npy")] = read_header(file)

    def read(self, name: str) -> np.ndarray:
        """Return the values of an array."""
        with self._archive.open(f"{name}.npy") as file:
            return np.ascontiguousarray(np.lib.format.read_array(file, allow_pickle=False))

    def beside(self, name: str, count: int, kinds: str) -> np.ndarray | None:
        """Return one value (N,) of a kind of types for each image; None where there are none, or others."""
        header = self.headers.get(name)
        fits = header is not None and header.shape in ((count,), (count, 1)) and header.dtype.kind in kinds
        if not fits or header is None or header.bytes > MAX_BESIDE:
            return None
        values = self.read(name).reshape(-1)
        return np.array(values.tolist()) if header.dtype.kind == "U" else values  # refuses letters that do not exist


def _read(arrays: _Arrays, file_name: str, most: int | None) -> ImageData:
    headers = arrays.headers
    names: tuple[str, ...] = next((parts for parts in PARTS if set(parts) <= headers.keys()), ())
    if not names:
        names = tuple(name for name, header in headers.items() if header.is_image_like)
        if len(names) != 1:
            there = listed([f"{name[:40]!r} ({header})" for name, header in headers.items()]) or "no readable array"
            raise DataError(
                f"{file_name!r} has neither 'train' and 'test' nor exactly one uint8 array of images; it holds {there}"
            )
    chosen = [headers[name] for name in names]
    for name, header in zip(names, chosen, strict=True):
        if not header.is_image_like:
            raise DataError(f"array {name!r} of {file_name!r} is {header}; uint8 N×H×W or N×H×W×C is needed")
    if len({header.shape[1:] for header in chosen}) > 1:
        shapes = " and ".join(str(header.shape) for header in chosen)
        raise DataError(f"the parts of {file_name!r} have shapes {shapes}; images must have one shape")
    shape = chosen[0].image_shape
    check_images(f"array {names[0][:40]!r} of {file_name!r}", sum(header.shape[0] for header in chosen), *shape)
    if most is not None and (size := sum(header.bytes for header in chosen)) > most:
        raise DataError(f"the images of {file_name!r} need {size:,} bytes of memory; at most {most:,} are taken here")

    images = [arrays.read(name).reshape(-1, *shape) for name in names]
    if len(images) == 2:
        train, test = images
        factors, remark = _labels(arrays, dict(zip(PARTS[names[0], names[1]], map(len, images), strict=True)))
        sources, of_sources = _sources(arrays, len(train), len(test))
        note = "; ".join(filter(None, (shared(train, test), remark, of_sources)))
        return ImageData(file_name, train, test, *sources, note=note, factors=factors, no_labels=remark)
    (whole,) = images
    in_test = tenth_by_hash(image.tobytes() for image in whole)
    factors, remark = _labels(arrays, {"labels": len(whole)}, in_test)
    stray = ", ".join(name for name in SOURCES if name in headers)
    of_sources = f"{stray} left out: photographs are read beside train and test alone" if stray else ""
    tenth = without_parts(in_test.sum(), len(whole), "images")
    note = "; ".join(filter(None, (tenth, remark, of_sources)))
    return ImageData(file_name, whole[~in_test], whole[in_test], note=note, factors=factors, no_labels=remark)


def _labels(
    arrays: _Arrays, counts: Mapping[str, int], in_test: np.ndarray | None = None
) -> tuple[dict[str, Factor], str]:
    """Return the factor ``label``, and a remark where arrays do not fit; both empty without such arrays."""
    known = ("labels", *(name for names in PARTS.values() for name in names))
    there = ", ".join(name for name in known if name in arrays.headers)
    labels = [
        values
        for name, count in counts.items()
        if (values := arrays.beside(name, count, "iuU")) is not None and is_label(values.dtype)
    ]
    if len(labels) < len(counts):
        needed = f"{there} left out: one {LABEL} an image is needed in {' and '.join(counts)}"
        return {}, needed if there else ""
    return {"label": Factor(*labels) if in_test is None else Factor(labels[0][~in_test], labels[0][in_test])}, ""


def _sources(
    arrays: _Arrays, count: int, tested: int
) -> tuple[tuple[np.ndarray | None, np.ndarray | None, tuple[str, ...]], str]:
    """Return (train_source, test_source, source_names), and a remark where arrays do not fit; empty without any."""
    there = ", ".join(name for name in SOURCES if name in arrays.headers)
    train, test = arrays.beside("train_source", count, "iu"), arrays.beside("test_source", tested, "iu")
    if train is None or test is None:
        remark = f"{there} left out: train_source and test_source need one whole number an image"
        return (None, None, ()), remark if there else ""
    train, test = train.astype(np.int64), test.astype(np.int64)
    numbers, places = np.unique(np.concatenate([train, test]), return_inverse=True)
    header = arrays.headers.get("source_names")
    values = None if header is None else arrays.beside("source_names", sum(header.shape[:1]), "U")
    names = () if values is None else tuple(values.tolist())
    if len({*names}) == len(names) and ((numbers >= 0) & (numbers < len(names))).all():
        return (train, test, names), ""
    remark = "source_names left out: a text of its own is needed for every photograph, from number 0"
    numbered = tuple(map(str, numbers.tolist()))
    return (places[: len(train)], places[len(train) :], numbered), remark if "source_names" in there else ""
