"""torchvision's data sets, read from small files in its own format or small stand-ins for its classes."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from eiwflow.data import DataError, load

from .samples import noise


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder for downloads; no test touches the network."""

    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no network\nin tests")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setenv("EIWFLOW_DATA", str(tmp_path))
    return tmp_path


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write an array in the format of MNIST's files."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(head + array.tobytes())


def write_mnist(folder: Path, parts: dict[str, np.ndarray], labels: dict[str, int] | None = None) -> None:
    """Write images by part in MNIST's format, with so many labels or one for every image."""
    (folder / "raw").mkdir(parents=True)
    for part, images in parts.items():
        write_idx(folder / "raw" / f"{part}-images-idx3-ubyte", images)
        count = len(images) if labels is None else labels[part]
        write_idx(folder / "raw" / f"{part}-labels-idx1-ubyte", np.zeros(count, np.uint8))


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_mnist_files_on_the_disk_are_read_and_padded(root: Path, name: str, folder: str) -> None:
    parts = {"train": noise(12, 28, 28), "t10k": noise(4, 28, 28, seed=1)}
    write_mnist(root / folder, parts)
    data = load(name, multiple=8)
    assert (data.name, data.size, data.channels) == (name, (32, 32), 1)
    assert (data.train[:, 2:30, 2:30, 0] == parts["train"]).all()
    assert (data.test[:, 2:30, 2:30, 0] == parts["t10k"]).all()
    assert data.note == "28×28 images are zero-padded to 32×32"


def test_cifar10_takes_both_parts_and_passes_on_what_was_asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def stand_in(where: str, train: bool, download: bool) -> SimpleNamespace:
        asked.append((where, train, download))
        return SimpleNamespace(data=noise(20 if train else 5, 32, 32, 3))

    monkeypatch.setattr(datasets, "CIFAR10", stand_in)
    data = load("cifar10", multiple=8, download=False)
    assert data.train.shape == (20, 32, 32, 3) and data.test.shape == (5, 32, 32, 3) and data.note == ""
    assert asked == [(str(root), True, False), (str(root), False, False)]


def test_celeba_is_the_middle_of_each_portrait(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    portrait = np.zeros((218, 178, 3), np.uint8)
    portrait[35:183, 15:163] = (200, 100, 50)

    class StandIn:
        def __init__(self, where: str, split: str, download: bool) -> None:
            self.length = {"train": 9, "test": 2}[split]

        def __len__(self) -> int:
            return self.length

        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            decoded.append(index)
            return Image.fromarray(portrait), 0

    decoded: list[int] = []
    monkeypatch.setattr(datasets, "CelebA", StandIn)
    for _ in range(2):
        data = load("celeba", multiple=16)
    assert decoded == [*range(9), *range(2)]  # once, into the cache
    assert len(list((root / "unpacked").glob("celeba-*.npy"))) == 2
    assert data.train.shape == (9, 64, 64, 3) and data.test.shape == (2, 64, 64, 3)
    assert (data.train[:] == (200, 100, 50)).all() and (data.test == (200, 100, 50)).all()
    assert data.note == "the middle 148×148 pixels of each portrait are resized to 64×64"


@pytest.mark.parametrize("name", ["cifar10", "mnist", "fashion-mnist"])
def test_a_download_that_fails_is_one_sentence(root: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"{name}.* cannot be read or downloaded") as refusal:
        load(name)
    assert str(root) in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["cifar10", "mnist", "fashion-mnist", "celeba"])
def test_nothing_is_fetched_unless_asked(root: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"{name}.* cannot be read without a download"):
        load(name, download=False)
    assert not list(root.rglob("*.*"))


def test_a_missing_torchvision_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(DataError, match="mnist.* needs torchvision"):
        load("mnist")
