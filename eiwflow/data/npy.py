"""Image data from ``.npy`` files, whose train part stays on disk, and from ImageNet's small archives."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
from filelock import FileLock

from .. import files
from .images import DataError, Factor, ImageData, check_images, errors_as_data_errors
from .labels import LABEL, is_label
from .npz import Header, read_header
from .on_disk import NpyFile
from .split import shared, tenth_by_number, without_parts
from .views import OnDisk

#: Files of a folder that hold the test part, beside ``train.npy``.
TEST_FILES = ("test.npy", "val.npy", "valid.npy", "validation.npy")
#: The format of ImageNet-32 and the other sizes: values (N, 3 H W), one colour after the other, and labels from 1.
BATCHES, VALIDATION_BATCH = "train_data_batch_*.npz", "val_data.npz"
#: Names of their classes: none, so each number is its own.
_NUMBERS: Mapping[str, tuple[str, ...]] = {"label": ()}
#: Bytes of a train part whose images are compared with those of the test part.
MOST_COMPARED = 2**28
#: Bytes copied at once.
PART = 2**24


def read_npy(path: Path) -> ImageData:
    """Return the images of a ``.npy`` file; the train part stays on disk.

    About a tenth of the images, at most about 10,000, are the test part, by their numbers; the note counts them.
    """
    whole = OnDisk(_checked(NpyFile(path), path.name))
    in_test = tenth_by_number(len(whole))
    test = _in_memory(whole.select(in_test), path.name)
    return ImageData(path.name, whole.select(~in_test), test, note=_by_number(in_test))


def _by_number(in_test: np.ndarray) -> str:
    note = without_parts(in_test.sum(), len(in_test), "images", "number")
    return f"{note}; an image that is there twice may be in both parts"


def is_npy_folder(folder: Path) -> bool:
    """Return whether a folder holds its parts as ``train.npy`` and ``test.npy``."""
    return (folder / "train.npy").is_file() and any((folder / name).is_file() for name in TEST_FILES)


def read_npy_folder(folder: Path) -> ImageData:
    """Return ``train.npy``, which stays on disk, and ``test.npy`` of a folder, with ``…_labels.npy`` as a factor.

    The note counts the images that both hold, unless the train part is large.
    """
    paths = folder / "train.npy", next(folder / name for name in TEST_FILES if (folder / name).is_file())
    train, test = (_checked(NpyFile(path), path.name) for path in paths)
    if train.shape[1:] != test.shape[1:]:
        shapes = f"{train.shape} and {test.shape}"
        raise DataError(f"the parts of {folder.name!r} have shapes {shapes}; images of both must have one shape")
    labels = [_labels_beside(path, source.shape[0]) for path, source in zip(paths, (train, test), strict=True)]
    labelled = [part for part in labels if part is not None]
    factors = {"label": Factor(*labelled)} if len(labelled) == 2 else {}
    remark = ""
    if len(labelled) == 1:
        names = [f"{path.stem}_labels.npy" for path in paths]
        there, missing = names if labels[1] is None else names[::-1]
        remark = f"{there} left out: labels of both parts are needed, and there is no {missing}"
    test_images = _in_memory(OnDisk(test), paths[1].name)
    both = shared(OnDisk(train)[:], test_images) if math.prod(train.shape) <= MOST_COMPARED else ""
    note = "; ".join(filter(None, (both, remark)))
    return ImageData(folder.name, OnDisk(train), test_images, note=note, factors=factors, no_labels=remark)


def _labels_beside(path: Path, count: int) -> np.ndarray | None:
    """Return the whole numbers or names (N,) of ``…_labels.npy``, None where there are none."""
    beside = path.with_name(f"{path.stem}_labels.npy")
    if not beside.is_file():
        return None
    with errors_as_data_errors(f"{beside.name!r} cannot be read as labels"):
        labels = np.load(beside, mmap_mode="r", allow_pickle=False)
        if labels.shape != (count,) or not is_label(labels.dtype):
            kind = f"{labels.dtype.name[:40]} {labels.shape}"
            raise DataError(f"{beside.name!r} is {kind}; {count:,} labels are needed, each a {LABEL}")
        return np.array(labels.tolist())  # refuses letters that do not exist


def _checked(source: NpyFile, name: str) -> NpyFile:
    check_images(repr(name), 1, *source.shape[1:])
    return source


def _in_memory(images: OnDisk, name: str) -> np.ndarray:
    check_images(f"the test part of {name!r}", *images.shape)
    return np.ascontiguousarray(images[:])


# ---------------------------------------------------------------------- ImageNet's small archives


def read_batches(folder: Path, cache: Path) -> ImageData:
    """Return the archives ``train_data_batch_*.npz`` and ``val_data.npz``; without the latter the parts are by number.

    The note counts a test part by number. The archives are unpacked once into a file of the cache, from which the train
    part is read. Their labels keep their numbers: they count from 1 in an order of their own, which is not that of
    ImageNet's folders.
    """
    archives = sorted(folder.glob(BATCHES), key=lambda path: (len(path.name), path.name))
    train, labels = _unpacked(archives, folder.name, cache)
    if (folder / VALIDATION_BATCH).is_file():
        test, test_labels = _unpacked([folder / VALIDATION_BATCH], folder.name, cache)
        factors = {"label": Factor(labels, test_labels)}
        return ImageData(folder.name, train, _in_memory(test, VALIDATION_BATCH), factors=factors, class_names=_NUMBERS)
    in_test = tenth_by_number(len(train))
    factors = {"label": Factor(labels[~in_test], labels[in_test])}
    test_images = _in_memory(train.select(in_test), folder.name)
    train_images, note = train.select(~in_test), _by_number(in_test)
    return ImageData(folder.name, train_images, test_images, note=note, factors=factors, class_names=_NUMBERS)


def _unpacked(archives: list[Path], name: str, cache: Path) -> tuple[OnDisk, np.ndarray]:
    """Return the images of several archives, in one file (N, 3, H, H) of the cache, and their labels (N,)."""
    with errors_as_data_errors(f"the batches of {name!r} cannot be read"):
        batches = [_batch(path) for path in archives]
        widths = sorted({header.shape[1] for header, _, _ in batches})
        side = math.isqrt(widths[0] // 3)
        if len(widths) > 1 or 3 * side * side != widths[0]:
            raise DataError(f"the batches of {name!r} have rows of {widths} values; 3 H² values of one H are needed")
        shape = (sum(header.shape[0] for header, _, _ in batches), 3, side, side)
        check_images(repr(name), 1, side, side, 3)
        # Times and sizes do not tell archives apart: a tar of reproducible content has one time for all.
        stamps = [
            (str(path.resolve()), *files.stamp(path), checksum)
            for path, (_, _, checksum) in zip(archives, batches, strict=True)
        ]

        def parts() -> Iterator[bytes]:
            for path in archives:
                with zipfile.ZipFile(path) as archive, archive.open("data.npy") as file:
                    read_header(file)
                    while content := file.read(PART):
                        yield content

        images = OnDisk(_checked(NpyFile(cached(cache, name, stamps, shape, parts)), name))
        return images, np.concatenate([labels for _, labels, _ in batches])


def _batch(path: Path) -> tuple[Header, np.ndarray, int]:
    """Return of an archive the header of its images, its labels (N,), and the CRC-32 of its images."""
    with errors_as_data_errors(f"{path.name!r} cannot be read as an .npz archive"), zipfile.ZipFile(path) as archive:
        with archive.open("data.npy") as file:
            header = read_header(file)
        if header.dtype != np.uint8 or len(header.shape) != 2 or header.fortran:
            raise DataError(f"'data' of {path.name!r} is {header}; uint8 N×D in C order is needed")
        with archive.open("labels.npy") as file:
            labels = np.lib.format.read_array(file, allow_pickle=False)
        if labels.shape != header.shape[:1] or labels.dtype.kind not in "iu":
            raise DataError(f"'labels' of {path.name!r} is {labels.dtype} {labels.shape}; N numbers are needed")
        return header, labels, archive.getinfo("data.npy").CRC


# ---------------------------------------------------------------------- the cache


def cached(cache: Path, name: str, key: object, shape: tuple[int, ...], parts: Callable[[], Iterator[bytes]]) -> Path:
    """Return a ``.npy`` file of uint8 in the cache, written once by one process while others wait for it.

    Arguments:
        cache: the folder.
        name: beginning of the file's name.
        key: everything that its content depends on.
        shape: of the array.
        parts: yields its bytes.

    """
    digest = sha256(repr((key, shape)).encode(errors="surrogatepass")).hexdigest()[:16]
    path = cache / f"{name[:40]}-{digest}.npy"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            unfinished = path.with_suffix(".part")
            try:
                with open(unfinished, "wb") as file:
                    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(file, header)
                    start = file.tell()
                    file.writelines(parts())
                    size = file.tell() - start
                if size != math.prod(shape):
                    raise DataError(f"{name!r} has {size:,} bytes of images; {math.prod(shape):,} were expected")
                os.replace(unfinished, path)
            finally:
                unfinished.unlink(missing_ok=True)
    return path
