"""The loader: names, paths, padding, and what importing it costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eiwflow import project
from eiwflow.data import DATASETS, DataError, chosen_places, hold_out, load, load_test, only_class
from eiwflow.data import images as bounds

from .samples import encoded, noise, write_npz, write_shard


def test_photos32_is_the_default_and_knows_its_photographs() -> None:
    data = load()
    assert data.name == next(iter(DATASETS)) == "photos32"
    assert data.train.shape == (4203, 32, 32, 3) and data.test.shape == (553, 32, 32, 3)
    assert data.train_source.shape == (4203,) and data.test_source.shape == (553,)
    assert len(data.source_names) == 17 and data.note == ""


@pytest.mark.parametrize("name", ["photos", "", "no/such/folder", "~nobody/x.npz", "x" * 5000, "a\0b.npz"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(DataError, match="photos32, faces16, letters32, cifar10, mnist, fashion-mnist, celeba"):
        load(name)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.mat"
    path.write_bytes(noise(20, 8, 8).tobytes())
    with pytest.raises(DataError, match="images.mat"):
        load(path)


def write_kind(folder: Path, kind: str, count: int = 20) -> None:
    """Write images of a kind of files into a folder."""
    images = noise(count, 8, 8, 3, seed=len(kind))
    if kind == "pictures":
        for number, image in enumerate(images):
            (folder / f"{number:02}.png").write_bytes(encoded(image))
    elif kind == "archives":
        data = images.transpose(0, 3, 1, 2).reshape(count, -1)
        np.savez(folder / "train_data_batch_1.npz", data=data, labels=np.zeros(count, int))
    elif kind == "arrays":
        np.save(folder / "train.npy", images), np.save(folder / "test.npy", noise(2, 8, 8, 3))
    else:
        write_shard(folder / "backup.tar", {f"{number}.png": encoded(image) for number, image in enumerate(images)})


@pytest.mark.parametrize(
    ("kinds", "sentence"),
    [
        (("pictures", "shards"), "backup.tar and 00.png"),
        (("pictures", "arrays"), "train.npy and 00.png"),
        (("pictures", "archives"), "train_data_batch_*.npz and 00.png"),
        (("arrays", "shards"), "train.npy and backup.tar"),
        (("arrays", "archives"), "train_data_batch_*.npz and train.npy"),
    ],
)
def test_a_folder_with_images_of_two_kinds_is_refused_with_the_name_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, str], sentence: str
) -> None:
    monkeypatch.setenv("EIWFLOW_DATA", str(tmp_path / "cache"))
    (mixed := tmp_path / "mixed").mkdir()
    for kind in kinds:
        (alone := tmp_path / kind).mkdir()
        write_kind(alone, kind), write_kind(mixed, kind)
        assert len(load(alone, size=8).train) >= 10
    whole = f"folder 'mixed' holds {sentence}; keep each kind in a folder of its own."
    with pytest.raises(DataError, match=f"^{re.escape(whole)}$"):
        load(mixed, size=8)


@pytest.mark.parametrize(
    ("size", "padded"),
    [(8, (12, 18)), (12, (12, 18)), (16, (16, 18)), ((8, 24), (12, 24)), ((16, 24), (16, 24)), (24, (16, 24))],
)
@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_only_sides_smaller_than_the_flow_s_are_padded(
    tmp_path: Path, kind: str, size: int | tuple[int, int], padded: tuple[int, int]
) -> None:
    images = np.maximum(noise(40, 12, 18), 1)
    np.save(tmp_path / "images.npy", images)
    path = write_npz(tmp_path, images=images) if kind == "npz" else tmp_path / "images.npy"
    data = load(path, multiple=8, size=size)
    assert data.size == data.test.shape[1:3] == padded
    own = 12 * 18 / (padded[0] * padded[1])
    assert (data.train[:] > 0).mean() == pytest.approx(own) == (data.test > 0).mean()
    assert ("zero-padded" in data.note) is (padded != (12, 18))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(8, 24), width=st.integers(8, 24), levels=st.integers(0, 5))
def test_padding_keeps_every_pixel_and_nearly_the_middle(tmp_path: Path, height: int, width: int, levels: int) -> None:
    train, multiple = noise(9, height, width, 3), 2**levels
    data = load(write_npz(tmp_path, train=train, test=noise(2, height, width, 3, seed=1)), multiple=multiple)
    tall, wide = data.size
    top, left = (tall - height) // 2, (wide - width) // 2
    assert tall % multiple == wide % multiple == 0
    assert tall - height < multiple and wide - width < multiple
    assert (data.train[:, top : top + height, left : left + width] == train).all()
    assert data.train.sum() == train.sum(dtype=np.uint64) and data.test.shape == (2, tall, wide, 3)
    assert bool(data.note) == (data.size != (height, width))


def test_memory_that_caches_files_is_free_also_in_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that had read many files had no memory left for a training, and its server forgot all it had made."""
    machine = bounds.all_memory()
    monkeypatch.setattr(bounds, "CONTAINER", tmp_path)
    assert bounds.all_memory() == machine and 0 < bounds.free_memory() <= machine
    for name, text in {
        "max": "max\n",
        "current": "7000\n",
        "stat": "anon 3000\ninactive_file 2500\nfile 4000\n",
    }.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert bounds.all_memory() == machine
    (tmp_path / "memory.max").write_text("9000\n")
    assert (bounds.all_memory(), bounds.free_memory()) == (9000, 4500)
    (tmp_path / "meminfo").write_text("MemTotal: 90 kB\nMemAvailable: 4 kB\n")
    monkeypatch.setattr(bounds, "MEMORY_INFO", tmp_path / "meminfo")
    assert bounds.free_memory() == 4096


def test_importing_the_package_imports_none_of_the_heavy_ones() -> None:
    program = "import sys, eiwflow.data; print({'torch', 'torchvision', 'streamlit'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=project.ROOT,
    )
    assert result.stdout.strip() == "set()"


@given(count=st.integers(1, 2000), most=st.integers(1, 300))
def test_the_places_of_some_images_are_as_many_as_asked_and_reach_over_all(count: int, most: int) -> None:
    spaced, first = chosen_places(count, most).tolist(), chosen_places(count, most, takes_first=True).tolist()
    assert first == [*range(min(count, most))]
    assert len(spaced) == len(first) and spaced[0] == 0
    steps = np.diff(spaced)
    assert len(spaced) == 1 or (spaced[-1] == count - 1 and 1 <= steps.min() <= steps.max() <= steps.min() + 1)


def test_measures_over_some_images_take_the_first_of_a_set_by_name_alone(tmp_path: Path) -> None:
    faces = load("faces16")
    for images in (
        faces,
        hold_out(faces),
        only_class(faces, "hat", "none"),
        load("faces16", multiple=32),
        load_test("letters32"),
    ):
        assert images.takes_first
    np.savez(tmp_path / "own.npz", train=faces.train[:64], test=faces.test[:64])
    assert not load(tmp_path / "own.npz").takes_first
