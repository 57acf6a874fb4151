"""Archives: what is taken from them, and what an archive that nobody vouches for cannot do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eiwflow.data import DataError, ImageData, hold_out, labels_of, load
from eiwflow.data.npz import read_npz

from .samples import as_set, noise, write_npz

QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_train_and_test_are_taken_as_they_are(tmp_path: Path) -> None:
    train, test = noise(9, 8, 12, 3), noise(2, 8, 12, 3, seed=1)
    data = load(write_npz(tmp_path, train=train, test=test, other=noise(30, 8, 8)))
    assert (data.train == train).all() and (data.test == test).all()
    assert (data.name, data.channels, data.size, data.note) == ("images.npz", 3, (8, 12), "")
    assert data.train_source is None and data.test_source is None and data.source_names == ()


def test_bytes_are_read_as_their_file_is(tmp_path: Path) -> None:
    path = write_npz(tmp_path, train=noise(9, 8, 12, 3), test=noise(2, 8, 12, 3, seed=1))
    of_file, of_bytes = read_npz(path), read_npz(path.read_bytes(), "mine.npz")
    assert (of_bytes.train == of_file.train).all() and (of_bytes.test == of_file.test).all()
    assert (of_file.name, of_bytes.name) == ("images.npz", "mine.npz")
    with pytest.raises(DataError, match=r"'mine.npz' cannot be read"):
        read_npz(b"no archive", "mine.npz")


def test_images_without_a_channel_axis_are_grey(tmp_path: Path) -> None:
    data = load(write_npz(tmp_path, train=noise(9, 8, 10), test=noise(1, 8, 10)))
    assert data.train.shape == (9, 8, 10, 1) and data.channels == 1


def test_the_only_array_of_images_is_split_whatever_it_is_called(tmp_path: Path) -> None:
    pictures = noise(300, 8, 8, 3)
    data = load(write_npz(tmp_path, faces=pictures, labels=np.arange(300), flags=noise(300)))
    assert as_set(data.train) | as_set(data.test) == as_set(pictures)
    assert len(data.train) + len(data.test) == 300
    assert 15 <= len(data.test) <= 50


@QUICK
@given(copies=st.lists(st.integers(0, 19), min_size=30, max_size=60))
def test_identical_images_never_straddle_the_parts(tmp_path: Path, copies: list[int]) -> None:
    path = write_npz(tmp_path, images=noise(20, 8, 8)[np.array([*copies, *range(20)])])
    data = load(path)
    assert as_set(data.train).isdisjoint(as_set(data.test))


def test_a_set_that_grows_keeps_its_split(tmp_path: Path) -> None:
    pictures = noise(200, 8, 8)
    small, large = (load(write_npz(tmp_path, images=pictures[:n])) for n in (100, 200))
    assert as_set(small.test) <= as_set(large.test) and as_set(small.train) <= as_set(large.train)


SOURCES = {"train_source": np.arange(9) % 2, "test_source": np.array([1, 0]), "source_names": ["hill", "sea"]}


def with_sources(folder: Path, **others: np.ndarray | None) -> ImageData:
    """Return images whose photographs are known, but for other arrays; None leaves one out."""
    arrays = {name: array for name, array in (SOURCES | others).items() if array is not None}
    return load(write_npz(folder, train=noise(9, 8, 8), test=noise(2, 8, 8, seed=1), **arrays))


def test_photographs_need_no_names(tmp_path: Path) -> None:
    numbers = {"train_source": np.array([7, -1] * 4 + [7], np.int16), "test_source": np.array([300, 7], np.uint64)}
    data = with_sources(tmp_path, **numbers, source_names=None)
    assert [data.source_names[place] for place in data.train_source] == ["7", "-1"] * 4 + ["7"]
    assert [data.source_names[place] for place in data.test_source] == ["300", "7"] and not data.note


def test_photographs_without_names_are_held_out_whole(tmp_path: Path) -> None:
    sources = np.arange(60) // 6
    archive = write_npz(
        tmp_path, train=noise(60, 8, 8), test=noise(2, 8, 8, seed=1), train_source=sources, test_source=np.arange(2)
    )
    held = hold_out(load(archive))
    assert len(held.test) % 6 == 0 and set(held.test_source.tolist()).isdisjoint(held.train_source.tolist())


def test_labels_of_every_image_are_kept_as_a_factor(tmp_path: Path) -> None:
    images = noise(40, 8, 8)
    data = load(write_npz(tmp_path, images=images, labels=images[:, 0, 0].astype(int)))
    assert (data.factors["label"].train == data.train[:, 0, 0, 0]).all()
    assert (data.factors["label"].test == data.test[:, 0, 0, 0]).all()
    parts = {"train": images[:30], "test": images[30:], "train_labels": np.arange(30)}
    assert load(write_npz(tmp_path, **parts, test_labels=np.arange(10))).factors["label"].test[9] == 9
    names = np.array(["ring", "cross"])[np.arange(40) % 2]
    named = load(write_npz(tmp_path, images=images, labels=names))
    assert (labels_of(named, "label").classes, len(labels_of(named, "label").train)) == (
        ("cross", "ring"),
        len(named.train),
    )


@pytest.mark.parametrize(
    ("misfit", "kept"),
    [
        ({"train_source": np.zeros(8, int)}, None),
        ({"train_source": np.zeros(9)}, None),
        ({"test_source": None}, None),
        ({"train_source": np.full(9, 2)}, ("0", "1", "2")),
        ({"source_names": np.array(["hill", "hill"])}, ("0", "1")),
        ({"source_names": np.array(["hill", None])}, ("0", "1")),
    ],
    ids=str,
)
def test_photographs_and_names_that_do_not_fit_are_left_out(
    tmp_path: Path, misfit: dict[str, np.ndarray | None], kept: tuple[str, ...] | None
) -> None:
    data = with_sources(tmp_path, **misfit)
    assert (data.train_source is None) == (kept is None) and data.source_names == (kept or ())
    assert "left out" in data.note


@pytest.mark.parametrize("labels", [np.arange(39), np.zeros(40), np.full(40, "é" * 61), None], ids=str)
def test_labels_that_do_not_fit_are_left_out(tmp_path: Path, labels: np.ndarray | None) -> None:
    arrays = {"labels": labels} if labels is not None else {"train_labels": np.arange(40)}
    data = load(write_npz(tmp_path, images=noise(40, 8, 8), **arrays))
    assert not data.factors and f"{next(iter(arrays))} left out" in data.no_labels


def test_arrays_of_keras_are_read(tmp_path: Path) -> None:
    train, test = noise(9, 8, 12, 3), noise(2, 8, 12, 3, seed=1)
    labels = {"y_train": np.arange(9, dtype=np.uint8)[:, None], "y_test": np.zeros((2, 1), np.uint8)}
    data = load(write_npz(tmp_path, x_train=train, x_test=test, **labels))
    assert (data.train == train).all() and (data.test == test).all()
    assert data.factors["label"].train.tolist() == [*range(9)] and not data.note


COLOURS, GREY = noise(60, 8, 9, 3), noise(60, 8, 9)


@pytest.mark.parametrize(
    "arrays",
    [
        {"train": noise(9, 8, 8).astype(np.float32), "test": noise(1, 8, 8)},
        {"train": noise(9, 8, 8, 4), "test": noise(1, 8, 8, 4)},
        {"train": noise(9, 7, 8), "test": noise(1, 7, 8)},
        {"train": noise(7, 8, 8), "test": noise(1, 8, 8)},
        {"train": noise(9, 8, 8), "test": noise(0, 8, 8)},
        {"train": noise(9, 8, 8), "test": noise(1, 8, 9)},
        {"left": noise(9, 8, 8), "right": noise(9, 8, 8)},
        {"images": noise(50, 8, 8) / 255},
        {"images": np.zeros((50, 8, 8), np.uint8)},
        {"x_train": COLOURS, "x_test": COLOURS[:20] / 255},
        {},
    ],
    ids=lambda arrays: "-".join(arrays),
)
def test_an_archive_without_images_that_can_be_used_is_refused_by_its_name(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    with pytest.raises(DataError, match="images.npz"):
        load(write_npz(tmp_path, **arrays))
