"""The class of image data sets, and their bounds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..files import visible
from .camera import floor_bits_per_dim

if TYPE_CHECKING:
    from .views import OnDisk

MIN_SIDE, MAX_SIDE = 8, 256
MIN_TRAIN = 8
#: The part of the free memory that images may take.
ROOM = 0.8


class DataError(ValueError):
    """A data set cannot be used; the message is one sentence on one line."""

    def __init__(self, sentence: str) -> None:
        # Reasons quoted from other libraries run over several lines, and some bring their own full stop.
        super().__init__(" ".join(sentence.split()).rstrip(".") + ".")


def reason(error: Exception) -> str:
    """Return the message of another library's error, or its type; for a system error the reason alone."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)[:200] or type(error).__name__


@contextmanager
def errors_as_data_errors(sentence: str) -> Iterator[None]:
    """Raise DataError, with this sentence and the reason, for any other error in the block.

    On damaged files zipfile, zlib and numpy raise a dozen kinds of errors.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{sentence}: {reason(error)}") from error


def is_file(path: Path) -> bool:
    """Return whether a path is a file, or a broken link: reading it then fails with an error that names the file."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def files_below(folder: Path, but: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield the paths of :func:`eiwflow.files.visible`."""
    with errors_as_data_errors(f"folder {folder.name!r} cannot be read"):
        yield from visible(folder, but)


class Factor(NamedTuple):
    """A known property of every image, such as its letter or its grain: an array (N, …) for each part."""

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images in two parts. They share no content, unless the source itself states the parts.

    The note then counts the shared images. A train part that is a large file or decoded on demand is not compared.

    Attributes:
        name: the data set's name, or the file's or the folder's.
        train: (N, H, W, C) uint8, C = 1 or 3; a large set is an :class:`~eiwflow.data.views.OnDisk`, which gives
            arrays where it is indexed.
        test: (M, H, W, C) uint8.
        train_source: (N,) integers into ``source_names``, the photograph that an image was cut from, or None.
        test_source: (M,) integers likewise, or None.
        source_names: one name per source; empty where the sources are unknown.
        note: remarks for a reader, such as how the images were cropped; may be empty.
        factors: known properties of how each image was made, by name; empty for other images.
        class_names: names of the numbers 0, 1, … of a factor, by the factor's name, where they are known. A number
            beyond them is its own name; a checkpoint's names are then not taken.
        no_labels: why labels that some images have are not read, as a clause that the note has too; else empty.
        made: how pictures of any size were made images, as a clause that the note has too; else empty.
        takes_first: whether a measure over some images takes the first ones, as for every set by name. The images of
            files and folders may be sorted, so there it takes evenly spaced ones; see :func:`chosen_places`.

    """

    name: str
    train: np.ndarray | OnDisk
    test: np.ndarray
    train_source: np.ndarray | None = None
    test_source: np.ndarray | None = None
    source_names: tuple[str, ...] = ()
    note: str = ""
    factors: Mapping[str, Factor] = field(default_factory=dict)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    no_labels: str = ""
    made: str = ""
    takes_first: bool = False

    @property
    def sources(self) -> tuple[int, ...] | None:
        """``test_source`` as a tuple, which keys of measures may hold."""
        return None if self.test_source is None else tuple(np.asarray(self.test_source).tolist())

    def floor_bits_per_dim(self, limit: int | None = None, bits: int = 8) -> float | None:
        """Return the bits/dim of the test images' grain alone, which no model of these ``bits`` can beat, or None.

        It is None where it is not known. It holds for values that are not clipped. Clipping lowers it a little where an
        image touches 0 or 255.
        """
        if "grain" not in self.factors:
            return None
        grain = self.factors["grain"].test
        return floor_bits_per_dim(grain[chosen_places(len(grain), limit or len(grain), self.takes_first)], bits)

    @property
    def measured(self) -> dict[str, np.ndarray]:
        """The factors of the test images that are one real number (N,) each, by name."""
        return {
            name: factor.test
            for name, factor in self.factors.items()
            if factor.test.ndim == 1 and factor.test.dtype.kind == "f"
        }

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return self.train.shape[3]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.train.shape[1], self.train.shape[2]

    def note_with(self, remark: str) -> str:
        """Return the note with a remark added to it."""
        return f"{self.note}; {remark}" if self.note else remark


def chosen_places(count: int, most: int, takes_first: bool = False) -> np.ndarray:
    """Return the places (n,) of those of ``count`` images that a measure over at most ``most`` takes, in order.

    They are spaced evenly from the first image to the last, or are the first ones.

    >>> chosen_places(10, 4), chosen_places(10, 4, takes_first=True)
    (array([0, 3, 6, 9]), array([0, 1, 2, 3]))

    """
    chosen = min(count, most)
    return np.arange(chosen) if takes_first else np.linspace(0, count - 1, chosen).round().astype(int)


def check_images(what: str, count: int, height: int, width: int, channels: int) -> None:
    """Raise DataError if ``count`` images of this shape are out of bounds; call this before memory is taken."""
    if channels not in (1, 3):
        raise DataError(f"{what} has {channels} channels; images are N×H×W or N×H×W×C with C = 1 or 3")
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in (height, width)):
        raise DataError(f"{what} is {height}×{width} pixels an image; sides may be {MIN_SIDE} to {MAX_SIDE}")
    if (size := count * height * width * channels) > (room := int(ROOM * free_memory())):
        raise DataError(f"{what} needs {size:,} bytes of memory; at most {room:,} bytes of the free memory may be used")


#: Files of the system that state memory: of the machine, and of a container.
MEMORY_INFO, CONTAINER = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def all_memory() -> int:
    """Return the bytes of memory of this machine or container."""
    bounds = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError, ValueError):
        bounds.append(int((CONTAINER / "memory.max").read_text()))
    return min(bounds)


def free_memory() -> int:
    """Return the bytes of free memory of this machine or container; what caches files there is free."""
    bounds = [all_memory()]
    with suppress(OSError, ValueError, StopIteration):
        bounds.append(1024 * _stated(MEMORY_INFO, "MemAvailable:"))
    # A container may have less than the machine.
    with suppress(OSError, ValueError, StopIteration):
        used = int((CONTAINER / "memory.current").read_text()) - _stated(CONTAINER / "memory.stat", "inactive_file")
        bounds.append(int((CONTAINER / "memory.max").read_text()) - used)
    return min(bounds)


def _stated(file: Path, name: str) -> int:
    """Return the number that stands behind a name in a file of the system."""
    return int(next(line for line in file.read_text().splitlines() if line.startswith(f"{name} ")).split()[1])


def check_parts(data: ImageData) -> ImageData:
    """Return the data, or raise DataError where it has no test image or too few images to train on."""
    if len(data.train) < MIN_TRAIN:
        raise DataError(f"{data.name!r} has {len(data.train)} images to train on; at least {MIN_TRAIN} are needed")
    if not len(data.test):
        raise DataError(f"{data.name!r} has 0 images to test on; at least 1 unlike the training images is needed")
    return data


def pad_to_multiple(data: ImageData, multiple: int, size: tuple[int, int] | None = None) -> ImageData:
    """Return the data with black borders, so that both sides are divisible by ``multiple``.

    With ``size`` (H, W), which divides so, longer sides have no border: crops of that size are taken of the images.
    The border is even on opposite sides; an odd pixel goes to the bottom or to the right.
    Numbers among the factors are left out of padded data: a border has neither grain nor light.
    Raises DataError where the padded images would be out of bounds.
    """
    (height, width), count = data.size, len(data.train) + len(data.test)
    least = size or (MAX_SIDE + 1, MAX_SIDE + 1)
    down, across = (-side % multiple if side < own else 0 for side, own in zip(data.size, least, strict=True))
    if not down and not across:
        return data
    padded = height + down, width + across
    in_memory = count if isinstance(data.train, np.ndarray) else len(data.test)
    check_images(f"{data.name!r} padded to a multiple of {multiple}", in_memory, *padded, data.channels)
    border = ((0, 0), (down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0))
    return replace(
        data,
        train=np.pad(data.train, border) if isinstance(data.train, np.ndarray) else data.train.padded(border),
        test=np.pad(data.test, border),
        note=data.note_with(f"{height}×{width} images are zero-padded to {padded[0]}×{padded[1]}"),
        factors={name: factor for name, factor in data.factors.items() if factor.train.dtype.kind != "f"},
    )
