"""The well-known data sets, read (and fetched, when asked) by torchvision."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from .images import DataError, Factor, ImageData, reason
from .npy import cached
from .on_disk import NpyFile
from .views import OnDisk

if TYPE_CHECKING:
    from PIL import Image

CELEBA_CROP, CELEBA_SIDE = 148, 64
#: Name of a data set -> torchvision's class.
CLASSES = {"cifar10": "CIFAR10", "mnist": "MNIST", "fashion-mnist": "FashionMNIST", "celeba": "CelebA"}


def load_known(name: str, download: bool) -> ImageData:
    """Return a data set of :data:`CLASSES`; CelebA's faces are cut and resized to 64×64.

    CIFAR-10's files are pickles; torchvision compares their MD5 with the published ones before it opens them.

    Raises:
        DataError: the data or torchvision are missing.

    """
    faces = name == "celeba"
    parts: tuple[dict[str, Any], ...] = ({"train": True}, {"train": False})
    if faces:
        parts = ({"split": "train"}, {"split": "test"})
    read = _faces if faces else _whole_array
    try:
        from torchvision import datasets
    except Exception as error:  # a torchvision that does not fit its torch raises a RuntimeError
        raise DataError(f"{name!r} needs torchvision, which cannot be imported: {reason(error)}") from error
    root = str(cache_root())
    try:
        with _one_at_a_time(root) if download else nullcontext():
            kind = getattr(datasets, CLASSES[name])
            opened = [kind(root, download=download, **part) for part in parts]
            train, test = (read(part) for part in opened)
            labels = [_labels(part) for part in opened]
            named = getattr(opened[0], "classes", None)
            class_names = {} if named is None or labels[0] is None else {"label": tuple(map(str, named))}
    except Exception as error:  # torchvision passes on errors of the network, the disk and archives
        attempt = "read or downloaded" if download else "read without a download"
        raise DataError(f"{name!r} cannot be {attempt} in {root!r}: {reason(error)}") from error
    factors = {} if labels[0] is None or labels[1] is None else {"label": Factor(labels[0], labels[1])}
    cut, side = CELEBA_CROP, CELEBA_SIDE
    note = f"the middle {cut}×{cut} pixels of each portrait are resized to {side}×{side}" if faces else ""
    return ImageData(name, train, test[:], note=note, factors=factors, class_names=class_names)


def cache_root() -> Path:
    """Return the folder of downloaded and unpacked data."""
    return Path(os.path.expanduser(os.environ.get("EIWFLOW_DATA") or Path("~", ".cache", "eiwflow")))


def _one_at_a_time(root: str) -> AbstractContextManager[object]:
    """Let one process of a machine download at a time; a folder that cannot be written is not locked."""
    try:
        os.makedirs(root, exist_ok=True)
        return FileLock(os.path.join(root, "download.lock")) if os.access(root, os.W_OK) else nullcontext()
    except OSError:
        return nullcontext()


def _labels(dataset: object) -> np.ndarray | None:
    """Return the number (N,) of every image's class, None where torchvision holds none."""
    targets = np.asarray(getattr(dataset, "targets", ()))
    return targets.astype(np.int32) if targets.ndim == 1 and len(targets) and targets.dtype.kind in "iu" else None


def _whole_array(dataset: Any) -> np.ndarray:  # noqa: ANN401 (of torchvision)
    """Return the images that torchvision holds as one array or tensor, channels last."""
    images = np.asarray(dataset.data)
    return images[..., np.newaxis] if images.ndim == 3 else images


def _faces(dataset: Sequence[tuple[Image.Image, object]]) -> OnDisk:
    """Return the faces, their background cut off, decoded once into a file of the cache."""
    from torchvision.transforms import CenterCrop, Compose, Resize

    cut = Compose([CenterCrop(CELEBA_CROP), Resize(CELEBA_SIDE)])
    shape = (len(dataset), CELEBA_SIDE, CELEBA_SIDE, 3)

    def parts() -> Iterator[bytes]:
        for index in range(len(dataset)):
            yield np.asarray(cut(dataset[index][0]), dtype=np.uint8).tobytes()

    return OnDisk(NpyFile(cached(cache_root() / "unpacked", "celeba", (CELEBA_CROP, CELEBA_SIDE), shape, parts)))
