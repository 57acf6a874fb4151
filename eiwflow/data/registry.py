"""Every data set by its name, and the one loader for all of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from .. import project
from . import drawn, torchvision_sets
from .folder import has_validation, pictures_in, read_folder
from .holdout import hold_out
from .images import DataError, ImageData, check_parts, pad_to_multiple
from .mosaic import read_arrays
from .npy import BATCHES, is_npy_folder, read_batches, read_npy, read_npy_folder
from .npz import read_npz
from .shards import is_shard, read_shards, shards_in

ASSETS = project.ASSETS / "data"
#: (H, W) of the images of pictures, unless a size is given.
FOLDER_SIZE = (32, 32)


class DataSet(NamedTuple):
    """A data set.

    Attributes:
        load: returns the set; the argument says whether it may be downloaded.
        flips: whether a mirrored image is still one of the set.
        load_test: returns the set with an empty training part, where that part takes long to make; else None.
        file: the archive in ``assets/data`` that the set is made of; empty for one that is downloaded.

    """

    load: Callable[[bool], ImageData]
    flips: bool = True
    load_test: Callable[[], ImageData] | None = None
    file: str = ""


def _bundled_file(name: str) -> Path:
    path = ASSETS / f"{name}.npz"
    if not path.is_file():
        raise DataError(
            f"{name!r} is bundled with eiwflow, and its file {str(path)!r} is missing: install eiwflow again"
        )
    return path


def _photos32(download: bool) -> ImageData:
    arrays = read_arrays(_bundled_file("photos32"))
    names = tuple(arrays["source_names"].tolist())
    return ImageData("photos32", arrays["train"], arrays["test"], arrays["train_source"], arrays["test_source"], names)


DATASETS: dict[str, DataSet] = {
    "photos32": DataSet(_photos32, file="photos32"),
    "faces16": DataSet(lambda _: drawn.faces16(_bundled_file("faces16").parent), file="faces16"),
    "letters32": DataSet(
        lambda _: drawn.letters32(_bundled_file("letters64").parent),
        flips=False,
        load_test=lambda: drawn.letters32_test(_bundled_file("letters64").parent),
        file="letters64",
    ),
    **{
        name: DataSet(partial(torchvision_sets.load_known, name), flips=name != "mnist")
        for name in torchvision_sets.CLASSES
    },
}


def bundled() -> list[str]:
    """Return the names of the data sets whose archive is here."""
    return [name for name, row in DATASETS.items() if row.file and (ASSETS / f"{row.file}.npz").is_file()]


def flips(name_or_path: str) -> bool:
    """Return whether a mirrored image is still in the data set; a mirrored letter or digit is not."""
    return name_or_path not in DATASETS or DATASETS[name_or_path].flips


def same_data(one: str, other: str) -> bool:
    """Return whether two names or paths are of one data set; relative paths begin at the working folder."""
    no_path = {"", *DATASETS}
    first, second = (
        each if each in no_path or "\0" in each else os.path.realpath(os.path.expanduser(each)) for each in (one, other)
    )
    return first == second


def load_test(name: str) -> ImageData:
    """Return a bundled data set for its test part; a training part that takes long to make may be empty."""
    of_test = DATASETS[name].load_test
    return load(name, download=False) if of_test is None else replace(of_test(), takes_first=True)


def load(
    name_or_path: str | os.PathLike[str] = "photos32",
    *,
    multiple: int = 1,
    download: bool = True,
    size: int | tuple[int, int] | None = None,
    strict: bool = False,
    validation: bool = False,
) -> ImageData:
    """Return a data set, at least 8 images to train on and 1 to test on.

    Arguments:
        name_or_path: a name in ``DATASETS``, the path of an ``.npz`` archive (see ``read_npz``), of a ``.npy`` file or
            of a ``.tar`` shard, or of a folder that holds one of these: pictures, ``train.npy`` and ``test.npy``,
            shards, or ImageNet's archives ``train_data_batch_*.npz``. Data that stay on disk may be larger than
            memory. A name goes before a path: a folder called mnist is ``./mnist``.
        multiple: divisor of both sides, 2**levels for a flow; sides smaller than ``size`` are zero-padded to it.
        download: whether a data set of torchvision's may be downloaded, into the folder ``EIWFLOW_DATA`` (an
            environment variable) or else ``~/.cache/eiwflow``.
        size: what a flow takes in pixels, (H, W) or the side of a square. Pictures of a folder or of shards are
            centre-cropped and resized to it, 32×32 if not given. Larger images of other data keep their size, since
            crops are taken of them; without it they are padded, too.
        strict: raise for an unreadable picture of a folder, instead of leaving it out.
        validation: score on a folder ``val`` beside ``train``; on other data on images that :func:`hold_out` takes
            from the train part. The test part is left out.

    Raises DataError where the data cannot be loaded or are out of bounds.

    """
    path = os.path.expanduser(name_or_path)
    sides = (size, size) if isinstance(size, int) else size
    own = validation and name_or_path not in DATASETS and os.path.isdir(path) and has_validation(Path(path))
    if name_or_path in DATASETS:
        data = replace(DATASETS[name_or_path].load(download), takes_first=True)
    elif os.path.isdir(path):
        data = _load_folder(Path(path).resolve(), sides or FOLDER_SIZE, strict, own)
    elif os.path.isfile(path) and path.lower().endswith(".npy"):
        data = read_npy(Path(path))
    elif os.path.isfile(path) and is_shard(path):
        data = read_shards(Path(path), sides or FOLDER_SIZE, strict)
    elif os.path.isfile(path) and path.lower().endswith(".npz"):
        data = read_npz(Path(path))
    else:
        raise DataError(
            f"{str(name_or_path)!r} is neither one of {', '.join(DATASETS)} nor a folder, "
            "an .npz, a .npy or a .tar file"
        )
    data = pad_to_multiple(check_parts(data), multiple, sides)
    return hold_out(data) if validation and not own else data


def _load_folder(folder: Path, size: tuple[int, int], strict: bool, validation: bool) -> ImageData:
    """Return the images of a folder, which must be of one kind: one kind would hide the others."""
    kinds = [BATCHES] * any(folder.glob(BATCHES)) + ["train.npy"] * is_npy_folder(folder)
    kinds += [path.name for path in shards_in(folder)[:1]]
    kinds += [path.name for path in islice(pictures_in(folder), 1)] if kinds else []
    if len(kinds) > 1:
        raise DataError(f"folder {folder.name!r} holds {' and '.join(kinds)}; keep each kind in a folder of its own")
    if BATCHES in kinds:
        return read_batches(folder, torchvision_sets.cache_root() / "unpacked")
    if "train.npy" in kinds:
        return read_npy_folder(folder)
    return read_shards(folder, size, strict) if kinds else read_folder(folder, size, strict, validation)
