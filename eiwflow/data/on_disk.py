"""Images that are read from disk on demand, so that a set may be larger than memory."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .. import files
from .images import DataError, check_images, chosen_places, errors_as_data_errors, reason
from .picture import Source, from_picture
from .views import OnDisk

#: Pictures tried in the place of an unreadable picture, one after the other.
TRIES = 16
#: Train pictures on disk that must be grey, beside all test pictures, for a set of one channel.
PROBED = 256


class Album(Protocol):
    """Pictures by their numbers."""

    def __len__(self) -> int: ...

    def __call__(self, number: int) -> Source:
        """Return a picture."""


class NpyFile:
    """The images of a ``.npy`` file: uint8, (N, H, W, C), (N, C, H, W) or (N, H, W), with C = 1 or 3.

    It is read image by image and never mapped: a mapped file that is cut short ends the process that reads it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, -1
        with errors_as_data_errors(f"{path.name!r} cannot be read as a .npy file"):
            array = np.lib.format.open_memmap(path, mode="r")
        shape, self._start = array.shape, array.offset
        if array.dtype != np.uint8 or not array.flags.c_contiguous or len(shape) not in (3, 4):
            order = "C" if array.flags.c_contiguous else "Fortran"
            raise DataError(
                f"{path.name!r} has dtype {array.dtype.name[:40]}, shape {shape} and {order} order; "
                "uint8 N×H×W×C or N×C×H×W in C order is needed"
            )
        self._shape = (*shape, 1) if len(shape) == 3 else shape
        self._channels_first = self._shape[3] not in (1, 3) and self._shape[1] in (1, 3)
        count, *rest = self._shape
        first, second, third = rest
        self.shape: tuple[int, int, int, int] = (
            (count, second, third, first) if self._channels_first else (count, first, second, third)
        )
        self._bytes = math.prod(rest)

    def read(self, numbers: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """Return the images of these numbers; none is replaced."""
        images = np.empty((len(numbers), *self._shape[1:]), np.uint8)
        rows = images.reshape(len(numbers), self._bytes)
        try:
            if self._file < 0:
                self._file = os.open(self._path, os.O_RDONLY)
            for row, number in zip(rows, numbers.tolist(), strict=True):
                if os.preadv(self._file, [row.data], self._start + number * self._bytes) != self._bytes:
                    raise DataError(f"{self._path.name!r} ends before image {number:,}: it was cut short")
        except OSError as error:
            raise DataError(f"{self._path.name!r} cannot be read: {reason(error)}") from error
        return images.transpose(0, 2, 3, 1) if self._channels_first else images

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": -1}  # another process opens it again

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)


class Files:
    """Picture files by their numbers.

    Arguments:
        folder: that the names are relative to.
        names: of the files.

    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._names = folder, np.array([os.fsencode(name) for name in names])

    def __len__(self) -> int:
        return len(self._names)

    def __call__(self, number: int) -> Path:
        """Return the path of a picture."""
        return self._folder / os.fsdecode(self._names[number])


class Pictures:
    """Pictures that are decoded on demand, centre-cropped and resized.

    The next readable picture of its class replaces an unreadable one, whose name is printed once. A picture in colour
    counts as unreadable where the images have one channel.

    Arguments:
        album: the pictures by their numbers.
        size: (H, W) of the images in pixels.
        classes: the class (N,) of every picture; one for all where they have none.
        strict: raise DataError instead.
        channels: of the images, 3, or 1 for grey pictures.

    """

    def __init__(
        self, album: Album, size: tuple[int, int], classes: np.ndarray, strict: bool = False, channels: int = 3
    ) -> None:
        self._album, self._strict = album, strict
        self._classes = classes.astype(np.int32)
        self._unreadable: set[int] = set()
        self.shape = (len(album), *size, channels)

    def read(self, numbers: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """Return the images of these numbers; the pictures ``among``, or all, may stand in for unreadable ones."""
        images = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        for image, number in zip(images, numbers.tolist(), strict=True):
            image[:] = self._readable(number, among)
        return images

    def _readable(self, number: int, among: np.ndarray | None) -> np.ndarray:
        """Return an image, or that of the next picture of its class that can be read."""
        errors: dict[int, DataError] = {}
        for place in self._places(number, among):
            picture = self._album(place)
            try:
                image = self._image(picture)
            except DataError as error:
                errors[place] = error
                if self._strict:
                    break
            else:
                for unreadable, why in errors.items():
                    self._report(unreadable, why)
                return image
        raise errors[number]

    def _image(self, picture: Source) -> np.ndarray:
        _, height, width, channels = self.shape
        image = from_picture(picture, (3, height, width))
        if channels == 1 and not are_grey([image]):
            raise DataError(f"picture {getattr(picture, 'name', '')!r} is in colour; images of this set are grey")
        return image[..., :channels]

    def _places(self, number: int, among: np.ndarray | None) -> Iterator[int]:
        """Yield a picture's number, then those of the pictures that may stand in its place."""
        yield number
        among = np.arange(len(self._album)) if among is None else among
        alike = np.unique(among[self._classes[among] == self._classes[number]])
        yield from np.roll(alike, -int(np.searchsorted(alike, number)))[1:TRIES].tolist()

    def _report(self, place: int, error: DataError) -> None:
        if place not in self._unreadable:
            self._unreadable.add(place)
            count = len(self._unreadable)
            remark = f"The next picture of its class stands in its place ({count:,} so far)."
            print(f"{error} {remark}", file=sys.stderr, flush=True)


def are_grey(images: Iterable[np.ndarray]) -> bool:
    """Return whether the three channels of all these images (H, W, 3) are equal."""
    return all((image == image[..., :1]).all() for image in images)


def divided(
    what: str, album: Album, in_test: np.ndarray, size: tuple[int, int], classes: np.ndarray, strict: bool
) -> tuple[OnDisk, np.ndarray, np.ndarray, str]:
    """Return a train part that stays on disk, test images (n, H, W, C), the readable test pictures, and a note.

    The images have one channel if all test pictures are grey, and up to 256 train pictures, evenly spaced, and the
    first of each of up to 256 classes; a picture in colour among the other train pictures is then handled as one that
    cannot be read.

    Arguments:
        what: the set, in errors.
        album: the pictures of both parts.
        in_test: which of them (N,) are those of the test part.
        size: (H, W) of the images in pixels.
        classes: of the pictures, as :class:`Pictures` takes them.
        strict: refuse a picture that cannot be read.

    """
    numbers, others = np.flatnonzero(in_test), np.flatnonzero(~in_test)
    check_images(f"the test part of {what}", len(numbers), *size, 3)
    test, readable, note = decoded(album, numbers.tolist(), size, strict)
    test, channels = test[readable], 3
    of_each_class = np.unique(classes[others], return_index=True)[1][:PROBED]
    probed = others[np.union1d(chosen_places(len(others), PROBED), of_each_class)]
    if are_grey(test) and are_grey(decoded(album, probed.tolist(), size, strict)[0]):
        test, channels = np.ascontiguousarray(test[..., :1]), 1
        note += f"; images have one channel, since the test pictures and {len(probed):,} of the others are grey"
    return OnDisk(Pictures(album, size, classes, strict, channels)).select(~in_test), test, readable, note


def decoded(
    album: Album, numbers: Sequence[int], size: tuple[int, int], strict: bool
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return images (n, H, W, 3), the readable ones as (n,) bool, and a note on the others."""
    images = np.zeros((len(numbers), *size, 3), dtype=np.uint8)
    with ThreadPoolExecutor(max_workers=4) as threads:
        failures = list(threads.map(partial(_decode, album), numbers, images))
    unreadable = [failure for failure in failures if failure is not None]
    if unreadable and (strict or len(unreadable) == len(numbers)):
        raise unreadable[0]
    readable = np.array([failure is None for failure in failures], dtype=bool)
    if not unreadable:
        return images, readable, ""
    reasons = files.listed([str(failure).rstrip(".") for failure in unreadable])
    return images, readable, f"; {len(unreadable):,} left out: {reasons}"


def _decode(album: Album, number: int, image: np.ndarray) -> DataError | None:
    """Decode one picture into its place; return the error where it cannot be read, else None."""
    try:
        image[:] = from_picture(album(number), (3, *image.shape[:2]))
    except DataError as error:
        return error
    return None
