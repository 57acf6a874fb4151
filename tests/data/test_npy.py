"""Files of images that stay on disk, and ImageNet's small archives."""

from __future__ import annotations

import os
import pickle
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from eiwflow.data import DataError, hold_out, labels_of, load, only_class
from eiwflow.data import npy as module
from eiwflow.data.npy import cached
from eiwflow.data.on_disk import NpyFile
from eiwflow.data.split import tenth_by_number
from eiwflow.data.views import OnDisk

from .samples import as_set, noise


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


@pytest.mark.parametrize("layout", ["N×H×W×C", "N×C×H×W", "N×H×W"])
def test_images_are_read_by_number_slice_and_mask(tmp_path: Path, layout: str) -> None:
    images = noise(20, 8, 12, 1 if layout == "N×H×W" else 3)
    stored = {"N×H×W×C": images, "N×C×H×W": images.transpose(0, 3, 1, 2), "N×H×W": images[..., 0]}[layout]
    held = OnDisk(NpyFile(saved(tmp_path / "a.npy", np.ascontiguousarray(stored))))
    assert held.shape == images.shape and len(held) == 20
    for index in (np.array([3, 3, 19, 0]), slice(2, 9, 3), slice(None), np.arange(20) % 3 == 0):
        assert (held[index] == images[index]).all()
    part = held.select(np.arange(5, 20))
    assert (part[:4] == images[5:9]).all() and (part.select(part[:].sum((1, 2, 3)) > 0)[:] == images[5:]).all()
    again = pickle.loads(pickle.dumps(part))
    assert (again[:] == images[5:]).all()


def test_a_file_is_divided_by_number_and_its_train_part_stays_on_disk(tmp_path: Path) -> None:
    images = noise(200, 8, 8, 3)
    data = load(saved(tmp_path / "a.npy", images), multiple=16)
    assert isinstance(data.train, OnDisk) and data.train.shape[1:] == (16, 16, 3)
    held = tenth_by_number(200)
    assert 5 < held.sum() < 40
    assert (data.train[:][:, 4:12, 4:12] == images[~held]).all()
    assert (data.test[:, 4:12, 4:12] == images[held]).all() and not data.test[:, :4].any()
    words = f"no parts of its own, so the test part is {held.sum()} of the 200 images, chosen by number"
    assert data.note.startswith(f"{words}; an image that is there twice may be in both parts")
    validation = hold_out(data)
    assert as_set(validation.test) < as_set(data.train[:])
    assert as_set(validation.train[:]) | as_set(validation.test) == as_set(data.train[:])


def test_validation_holds_out_a_tenth_of_a_file_at_places_of_its_own(
    tmp_path: Path,
) -> None:
    images = noise(1000, 8, 8, 1)
    data = load(saved(tmp_path / "a.npy", images))
    kept, held = data.train[:], as_set(hold_out(data).test)
    assert 50 < len(held) < 150
    test_places = {place for place, image in enumerate(images) if image.tobytes() in as_set(data.test)}
    held_places = {place for place, image in enumerate(kept) if image.tobytes() in held}
    # Lots drawn apart: of some 90 places held out, about a tenth falls on a place of the test part.
    assert len(test_places & held_places) < 0.4 * len(held_places)


def test_the_lot_of_an_image_does_not_depend_on_how_many_follow() -> None:
    small, large = tenth_by_number(2000), tenth_by_number(4000)
    assert (small == large[:2000]).all() and 150 < small.sum() < 250
    assert 9_500 < tenth_by_number(1_300_000).sum() < 10_500
    assert tenth_by_number(3).sum() == 1


def test_the_parts_of_a_folder_are_kept_with_their_labels(tmp_path: Path) -> None:
    train, test = noise(12, 8, 8, 3, seed=1), noise(4, 8, 8, 3, seed=2)
    saved(tmp_path / "train.npy", train), saved(tmp_path / "val.npy", test)
    saved(tmp_path / "train_labels.npy", np.arange(12)), saved(tmp_path / "val_labels.npy", np.arange(4))
    data = load(tmp_path)
    assert (data.train[:] == train).all() and (data.test == test).all()
    assert data.factors["label"].train.tolist() == [*range(12)] and data.factors["label"].test.tolist() == [*range(4)]
    saved(tmp_path / "train_labels.npy", np.full(12, "ring")), saved(tmp_path / "val_labels.npy", np.full(4, "dot"))
    assert load(tmp_path).factors["label"].test.tolist() == ["dot"] * 4
    saved(tmp_path / "val_labels.npy", np.arange(5))
    with pytest.raises(DataError, match=r"'val_labels.npy' is int64 \(5,\); 4 labels are needed, each a whole"):
        load(tmp_path)


def test_test_images_that_are_also_in_a_train_part_of_a_bounded_size_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = noise(12, 8, 8, 3)
    saved(tmp_path / "train.npy", train)
    saved(tmp_path / "test.npy", np.concatenate([train[[3, 3, 7]], noise(2, 8, 8, 3, seed=1)]))
    monkeypatch.setattr(module, "MOST_COMPARED", train.size)
    assert load(tmp_path).note == "3 of the 5 test images are also in the train part"
    monkeypatch.setattr(module, "MOST_COMPARED", train.size - 1)
    assert not load(tmp_path).note


def test_a_file_that_is_cut_short_while_it_is_read_is_a_sentence(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npy", noise(20, 8, 8, 3))
    held = OnDisk(NpyFile(path))
    with open(path, "r+b") as file:
        file.truncate(1500)
    assert held[:5].shape == (5, 8, 8, 3)
    with pytest.raises(DataError, match=r"'a.npy' ends before image 7: it was cut short\."):
        held[np.array([2, 19 - 12])]


# ---------------------------------------------------------------------- ImageNet's small archives


def write_batches(folder: Path, count: int = 11) -> np.ndarray:
    """Write archives as ImageNet-32 is published; return their images in order."""
    folder.mkdir()
    images = noise(3 * count, 8, 8, 3)
    # From 10 archives on their names are not in the order of letters.
    for number, part in zip((1, 2, 10), np.split(images, 3), strict=True):
        data = part.transpose(0, 3, 1, 2).reshape(count, -1)
        save = np.savez_compressed if number == 2 else np.savez
        save(folder / f"train_data_batch_{number}.npz", data=data, labels=np.full(count, number), mean=data.mean(0))
    return images


def test_imagenets_archives_are_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIWFLOW_DATA", str(tmp_path / "cache"))
    images = write_batches(tmp_path / "small")
    test = noise(5, 8, 8, 3, seed=9)
    data = test.transpose(0, 3, 1, 2).reshape(5, -1)
    np.savez(tmp_path / "small" / "val_data.npz", data=data, labels=[7] * 5)
    for _ in range(2):
        loaded = load(tmp_path / "small")
        assert (loaded.train[:] == images).all() and (loaded.test == test).all()
        assert loaded.factors["label"].train.tolist() == [1] * 11 + [2] * 11 + [10] * 11 and not loaded.note
        monkeypatch.setattr(module, "PART", None)  # nothing is unpacked a second time
    monkeypatch.undo()
    monkeypatch.setenv("EIWFLOW_DATA", str(tmp_path / "cache"))
    path, first = tmp_path / "small" / "train_data_batch_1.npz", images[:11]
    for part in (first, 255 - first):  # another archive of the same size and time is another one
        np.savez(path, data=part.transpose(0, 3, 1, 2).reshape(11, -1), labels=[1] * 11, mean=part.mean(0))
        os.utime(path, (1, 1))
        assert (load(tmp_path / "small").train[:11] == part).all()
    (tmp_path / "small" / "train_data_batch_2.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match="'train_data_batch_2.npz' cannot be read as an .npz archive"):
        load(tmp_path / "small")


@pytest.mark.parametrize("validation", [True, False])
def test_classes_of_imagenets_archives_keep_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, validation: bool
) -> None:
    monkeypatch.setenv("EIWFLOW_DATA", str(tmp_path / "cache"))
    write_batches(tmp_path / "small")
    if validation:
        data = noise(5, 8, 8, 3, seed=9).transpose(0, 3, 1, 2).reshape(5, -1)
        np.savez(tmp_path / "small" / "val_data.npz", data=data, labels=[1, 2, 2, 10, 10])
    images = load(tmp_path / "small")
    assert labels_of(images, "label").classes == ("1", "2", "10")
    first = only_class(images, "label", "1", ("1", "2", "10"))
    assert set(first.factors["label"].train) == {1}
    names = tuple("abcdefghijklmnop")  # more of them than the greatest number
    with pytest.raises(DataError, match="label of a train image of small is '1', which is none of the 16 classes a, b"):
        labels_of(images, "label", names)
    with pytest.raises(DataError, match="label is 'b'; small has the 3 classes 1, 2, 10"):
        only_class(images, "label", "b", names)


def _unpack(cache: Path, log: Path) -> None:
    def parts():
        with open(log, "a") as file:
            file.write("x")
        yield bytes(60)

    assert np.load(cached(cache, "set", "key", (5, 12), parts)).shape == (5, 12)


def test_one_of_several_processes_fills_the_cache(tmp_path: Path) -> None:
    context = get_context("fork")
    processes = [context.Process(target=_unpack, args=(tmp_path / "cache", tmp_path / "log")) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0] and (tmp_path / "log").read_text() == "x"
    with pytest.raises(DataError, match="'set' has 60 bytes of images; 61 were expected"):
        cached(tmp_path / "cache", "set", "key", (61,), lambda: iter([bytes(60)]))
    assert not list((tmp_path / "cache").glob("*.part"))


# ---------------------------------------------------------------------- files of strangers


@pytest.mark.parametrize(
    "array", [np.zeros((9, 8, 8, 3)), np.zeros(9, np.uint8), np.asfortranarray(noise(9, 8, 8, 3)), noise(9, 8, 8, 4)]
)
def test_an_array_that_is_no_images_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(DataError, match="a.npy"):
        load(saved(tmp_path / "a.npy", array))
