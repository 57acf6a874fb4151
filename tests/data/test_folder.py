"""Folders of pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eiwflow.analysis.evaluate import evaluate
from eiwflow.data import DataError, from_picture, labels_of, load
from eiwflow.data import folder as folder_module
from tests.training.tiny import tiny_flow

from .samples import as_set, encoded, noise, write_shard


def fill(folder: Path, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        (folder / f"{number:03}.png").write_bytes(encoded(noise(20, 24, 3, seed=number)))


def test_pictures_of_every_kind_and_size_become_one_set(tmp_path: Path) -> None:
    for number, kind in enumerate(["png", "jpg", "JPEG", "webp", "bmp", "gif"] * 3):
        pixels = noise(30 + number, 50 - number, 3, seed=number)
        (tmp_path / f"{number}.{kind}").write_bytes(encoded(pixels, kind.replace("jpg", "jpeg").upper()))
    data = load(tmp_path)
    assert data.size == (32, 32) and data.channels == 3 and len(data.train) + len(data.test) == 18
    assert data.name == tmp_path.name
    assert data.note.startswith("pictures are centre-cropped and resized to 32×32; no parts of its own")


def test_a_picture_of_the_size_is_left_as_it_is(tmp_path: Path) -> None:
    pixels = noise(12, 16, 16, 3)
    for number, image in enumerate(pixels):
        (tmp_path / f"{number:02}.png").write_bytes(encoded(image))
    data = load(tmp_path, size=16)
    assert as_set(data.train) | as_set(data.test) == as_set(pixels)


def test_the_split_does_not_depend_on_the_size_nor_on_files_added(tmp_path: Path) -> None:
    fill(tmp_path, 60)
    names = [path.name for path in sorted(tmp_path.iterdir())]
    small, large = load(tmp_path, size=8), load(tmp_path, size=16)
    assert len(small.test) == len(large.test)
    fill(tmp_path, 30, start=len(names))
    assert as_set(small.test) <= as_set(load(tmp_path, size=8).test)


def test_copies_under_other_names_never_straddle_the_parts(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    for path in list(tmp_path.iterdir()):
        for copy in range(10):
            (tmp_path / f"copy {copy} of {path.name}").write_bytes(path.read_bytes())
    data = load(tmp_path, size=8)
    assert len(data.train) + len(data.test) == 132
    assert as_set(data.train).isdisjoint(as_set(data.test))


def test_folders_below_count_and_hidden_files_do_not(tmp_path: Path) -> None:
    below = tmp_path / "cats" / "grey"
    below.mkdir(parents=True)
    fill(tmp_path, 8)
    fill(below, 4)
    (tmp_path / "._000.png").write_bytes(b"what a Mac leaves beside a file")
    (tmp_path / "readme.txt").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    data = load(tmp_path, size=8)
    assert len(data.train) + len(data.test) == 12


KEPT = ["in memory", "on disk", "shards"]


def kept(kind: str, place: Path, parts: dict[str, Iterable[np.ndarray]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with images of both parts as pictures, or as shards; an empty image is a file of no bytes."""
    monkeypatch.setattr(folder_module, "MOST_IN_MEMORY", 0 if kind == "on disk" else 2**31)
    for part, images in parts.items():
        (place / kind / part).mkdir(parents=True)
        members = {f"{number:03}.png": encoded(image) if image.size else b"" for number, image in enumerate(images)}
        if kind == "shards":
            write_shard(place / kind / part / "0.tar", members)
        else:
            for name, content in members.items():
                (place / kind / part / name).write_bytes(content)
    return place / kind


def in_three_channels(grey: np.ndarray) -> np.ndarray:
    """Return grey images (N, H, W) as (N, H, W, 3)."""
    return grey[..., None].repeat(3, axis=-1)


def test_grey_pictures_have_one_channel_and_the_same_score_however_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey, flow = {"train": noise(20, 8, 8), "test": noise(9, 8, 8, seed=1)}, tiny_flow(shape=(1, 8, 8))
    scores = set()
    for kind in KEPT:
        data = load(kept(kind, tmp_path, grey, monkeypatch), size=8)
        assert data.train.shape == (20, 8, 8, 1) and (data.train[:][..., 0] == grey["train"]).all()
        assert data.test.shape == (9, 8, 8, 1) and (data.test[..., 0] == grey["test"]).all()
        scores.add(evaluate(flow, data).bits_per_dim)
    assert len(scores) == 1


@pytest.mark.parametrize("kind", KEPT)
def test_pictures_are_cut_in_the_middle_to_the_shape_asked_for_and_then_resized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    large, tall, wide = noise(9, 24, 40, 3), noise(9, 16, 20, 3, seed=1), noise(9, 12, 26, 3, seed=2)
    train, test = (*large, *tall), (*wide,)
    data = load(kept(kind, tmp_path, {"train": train, "test": test}, monkeypatch), size=(12, 20))
    smaller = [np.asarray(Image.fromarray(image).resize((20, 12), Image.Resampling.LANCZOS)) for image in large]
    assert (data.train[:9] == smaller).all()
    assert (data.train[9:] == tall[:, 2:-2]).all() and (data.test == wide[:, :, 3:-3]).all()


# Of 257 train pictures, 256 evenly spaced ones are all but the middle one.
@pytest.mark.parametrize("kind", KEPT)
@pytest.mark.parametrize(
    ("part", "number"), [("test", 4), ("train", 0), ("train", 127), ("train", 129), ("train", 256)]
)
def test_a_picture_in_colour_that_is_looked_at_makes_three_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, part: str, number: int
) -> None:
    images = {"train": in_three_channels(noise(257, 8, 8)), "test": in_three_channels(noise(9, 8, 8, seed=1))}
    images[part][number] = noise(8, 8, 3)
    data = load(kept(kind, tmp_path, images, monkeypatch), size=8)
    assert (data.train[:] == images["train"]).all() and (data.test == images["test"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KEPT)
def test_a_picture_in_colour_that_was_not_looked_at_is_named_and_never_made_grey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    images = {"train": in_three_channels(noise(257, 8, 8)), "test": in_three_channels(noise(9, 8, 8, seed=1))}
    images["train"][128] = noise(8, 8, 3)
    data = load(folder := kept(kind, tmp_path, images, monkeypatch), size=8)
    if kind == "in memory":
        assert (data.train == images["train"]).all()
        return
    assert "; images have one channel, since the test pictures and 256 of the others are grey" in data.note
    images["train"][128] = images["train"][129]
    for _ in range(2):
        assert (data.train[:] == images["train"][..., :1]).all() and (data.test == images["test"][..., :1]).all()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "128.png' is in colour; images of this set are grey. The next picture" in said
    with pytest.raises(DataError, match=r"^picture '.*128\.png' is in colour; images of this set are grey\.$"):
        load(folder, size=8, strict=True).train[:]


def test_the_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    fill(tmp_path, 9)
    whole = (tmp_path / "003.png").read_bytes()
    (tmp_path / "003.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"003\.png"):
        load(tmp_path, strict=True)
    fill(tmp_path, 30, start=9)
    data = load(tmp_path)
    assert len(data.train) + len(data.test) == 38
    assert "; 1 left out: picture" in data.note and "003.png' cannot be read as PNG" in data.note
    (tmp_path / "004.png").unlink()
    (tmp_path / "004.png").symlink_to("gone.png")
    assert "; 2 left out: picture" in load(tmp_path).note
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"000\.png"):
        load(tmp_path)
    for name in ("cats", "dogs"):  # it moves no label
        for part, count in (("train", 6), ("test", 3)):
            (tmp_path / "two" / part / name).mkdir(parents=True)
            fill(tmp_path / "two" / part / name, count)
    (tmp_path / "two" / "train" / "cats" / "002.png").write_bytes(b"")
    assert load(tmp_path / "two", size=8).factors["label"].train.tolist() == [0] * 5 + [1] * 6


def test_train_and_test_folders_are_the_parts_and_class_folders_the_labels(tmp_path: Path) -> None:
    for number, place in enumerate(["train/cats", "train/dogs", "test/cats", "test/dogs"]):
        (tmp_path / place).mkdir(parents=True)
        fill(tmp_path / place, 6, start=10 * number)
    data = load(tmp_path, size=8)
    assert (len(data.train), len(data.test)) == (12, 12)
    assert as_set(data.test) == as_set(load(tmp_path / "test", size=8).train) | as_set(
        load(tmp_path / "test", size=8).test
    )
    assert data.factors["label"].train.tolist() == data.factors["label"].test.tolist() == [0] * 6 + [1] * 6


@pytest.mark.parametrize("labelled", [False, True], ids=["flat", "in classes"])
@pytest.mark.parametrize(
    ("train", "test", "beside"),
    [
        ("train", "test", "val"), ("train", "val", ""), ("Train", "Test", ""), ("training", "validation", ""),
        ("train", "dev", ""), ("train", "test", "."), ("train", "test", "more"), ("train", "testing", "train2"),
    ],
)  # fmt: skip
def test_pictures_of_one_part_never_come_into_the_other(
    tmp_path: Path, train: str, test: str, beside: str, labelled: bool
) -> None:
    for number, part in enumerate(part for part in (train, test, beside) if part):
        for kind, name in enumerate(["cat", "dog"] if labelled and part != "." else ["."]):
            (tmp_path / part / name).mkdir(parents=True, exist_ok=True)
            fill(tmp_path / part / name, 9, start=100 * number + 10 * kind)
    data = load(tmp_path, size=8)
    (alone := tmp_path / "alone").mkdir()
    for part, images in ((train, data.train), (test, data.test)):
        moved = (tmp_path / part).rename(alone / part)
        expected = load(moved, size=8)
        assert as_set(images) == as_set(expected.train) | as_set(expected.test) and len(images) == 9 * (1 + labelled)
    assert (data.class_names.get("label") == ("cat", "dog")) == labelled
    count = 9 * (1 + (labelled and beside != "."))
    assert ("left out" in data.note) == bool(beside)
    assert not beside or f"; left out: {count} pictures beside {train} and {test}" in data.note


def test_with_validation_the_test_part_is_left_out_whatever_its_letters(tmp_path: Path) -> None:
    for number, part in enumerate(("Train", "Test", "val")):
        (tmp_path / part).mkdir()
        fill(tmp_path / part, 12, start=100 * number)
    held, alone = load(tmp_path, size=8, validation=True), load((tmp_path / "val").rename(tmp_path / "alone"), size=8)
    assert as_set(held.test) == as_set(alone.train) | as_set(alone.test)


COMMON = [
    ("DIV2K_train_HR", "DIV2K_valid_HR"), ("train2017", "val2017"), ("training_set", "test_set"),
    ("seg_train", "seg_test"), ("train_images", "test_images"), ("trainA", "testA"), ("TRAIN-HR", "Test HR"),
    ("trainval", "test"), ("VOC2012_train_val", "VOC2012_test"), ("trainset", "testset"), ("train", "test_images"),
    ("training", "evaluation"), ("train", "Evaluate"), ("train", "validate"), ("train", "tests"), ("trn", "tst"),
    ("train", "holdout"), ("train", "hold-out"), ("training", "heldout"), ("Train", "Held Out"), ("train", "valset"),
    ("traindata", "testdata"), ("trainimages", "testimages"), ("TRAINIMGS", "EVALIMGS"), ("imgtrain", "imgval"),
    ("train_split", "valsplit"), ("traindir", "devdir"), ("traindataset", "testdataset"),
]  # fmt: skip


@pytest.mark.parametrize(("train", "test"), COMMON)
def test_folders_and_shards_whose_names_hold_the_words_of_parts_are_the_parts(
    tmp_path: Path, train: str, test: str
) -> None:
    (tmp_path / "shards").mkdir()
    images = {train: noise(9, 8, 8, 3), test: noise(4, 8, 8, 3, seed=1)}
    for part, pixels in images.items():
        members = {f"{place}.png": encoded(image) for place, image in enumerate(pixels)}
        write_shard(tmp_path / "shards" / f"{part}.tar", members)
        (tmp_path / "folder" / part).mkdir(parents=True)
        for name, content in members.items():
            (tmp_path / "folder" / part / name).write_bytes(content)
    fill(tmp_path / "folder", 1)
    for kind in ("shards", "folder"):
        data = load(tmp_path / kind, size=8)
        assert as_set(data.train[:]) == as_set(images[train]) and as_set(data.test) == as_set(images[test])
    assert f"; left out: 1 picture beside {train} and {test}" in data.note
    assert ("the parts are 'DIV2K_train_HR' and 'DIV2K_valid_HR'" in data.note) == (test == "DIV2K_valid_HR")


@pytest.mark.parametrize("shards", [False, True], ids=["pictures", "shards"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("value", "valley"), ("interval", "strain"), ("contest", "trainer"), ("latest", "trainee"), ("set", "data"),
        ("testimony", "trains"), ("evaluator", "retrain"), ("device", "validity"), ("hold", "out"), ("images", "dir"),
    ],
)  # fmt: skip
def test_other_words_that_hold_the_letters_of_a_part_say_none(
    tmp_path: Path, first: str, second: str, shards: bool
) -> None:
    for number, name in enumerate((first, second)):
        (tmp_path / name).mkdir()
        if shards:
            members = {f"{place}.png": encoded(image) for place, image in enumerate(noise(20, 8, 8, 3, seed=number))}
            write_shard(tmp_path / name / f"{name}-0.tar", members)
        else:
            fill(tmp_path / name, 20, start=100 * number)
    data = load(tmp_path, size=8)
    assert len(data.train) + len(data.test) == 40 and "no parts of its own" in data.note


def test_a_folder_that_is_too_large_for_memory_is_decoded_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, 40)
    small = load(tmp_path, size=8)
    monkeypatch.setattr(folder_module, "MOST_IN_MEMORY", 7000)
    large = load(tmp_path, size=8)
    assert not isinstance(large.train, np.ndarray) and large.train.shape == small.train.shape
    assert (large.train[:] == small.train).all() and (large.test == small.test).all()
    # A picture that breaks later is replaced by the next, and its name is printed once.
    broken = next(
        path for path in sorted(tmp_path.iterdir()) if (from_picture(path, (3, 8, 8)) == small.train[3]).all()
    )
    broken.write_bytes(b"")
    replaced = large.train[np.array([2, 3, 3])]
    assert (replaced[0] == small.train[2]).all() and (replaced[1] == replaced[2]).all()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and broken.name in said
    with pytest.raises(DataError, match=broken.name):
        load(tmp_path, size=8, strict=True).train[np.array([3])]


def test_the_test_part_of_very_many_pictures_comes_from_all_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, kind in enumerate(["cats", "dogs"]):
        (tmp_path / kind).mkdir()
        fill(tmp_path / kind, 100, start=100 * number)
    monkeypatch.setattr(folder_module, "MOST_IN_MEMORY", 0)
    monkeypatch.setattr(folder_module, "MOST_TEST", 8)
    data = load(tmp_path, size=8)
    assert 4 <= len(data.test) <= 12 and np.bincount(data.factors["label"].test, minlength=2).min() >= 2


def test_a_picture_that_breaks_is_replaced_by_one_of_its_class_and_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, place in enumerate(["train/cats", "train/dogs", "val/cats", "val/dogs"]):
        (tmp_path / place).mkdir(parents=True)
        fill(tmp_path / place, 6, start=10 * number)
    monkeypatch.setattr(folder_module, "MOST_IN_MEMORY", 1000)
    data = load(tmp_path, size=8)
    before = data.train[:]
    assert data.factors["label"].train.tolist() == [0] * 6 + [1] * 6
    for last in ("train/cats/005.png", "train/dogs/015.png"):  # behind them come dogs, and cats of the test part
        (tmp_path / last).write_bytes(b"")
    after = data.train[:]
    assert (after[5] == before[0]).all() and (after[11] == before[6]).all()
    for cat in (tmp_path / "train/cats").iterdir():
        cat.write_bytes(b"")
    with pytest.raises(DataError, match=r"003\.png' cannot be read"):
        data.train[np.array([3])]


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, 8)
    with pytest.raises(DataError, match="at least 8"):
        load(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ("train_HR", "train_LR", "valid_HR"), ("train", "test_a", "test_b"), ("cats", "test_pilots", "train_crews"),
        ("train", "query"), ("probe", "traindata"), ("photos/train", "photos/test"), ("a/b/train", "a/b/test_HR"),
        ("python/train", "python/query"),
    ],
)  # fmt: skip
def test_folders_that_may_be_parts_are_refused_by_their_names_instead_of_pooled(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for number, name in enumerate(names):
        (tmp_path / name).mkdir(parents=True)
        fill(tmp_path / name, 9, start=10 * number)
    with pytest.raises(DataError, match=names[1]):
        load(tmp_path, size=8)


@pytest.mark.parametrize("names", [("test_pilots", "cats", "dogs"), ("test_a", "val_b"), ("trainers", "testimony")])
def test_words_of_one_part_alone_are_those_of_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        (tmp_path / name).mkdir()
        fill(tmp_path / name, 20, start=100 * number)
    data = load(tmp_path, size=8)
    assert data.class_names["label"] == tuple(sorted(names)) and "no parts of its own" in data.note


def test_pictures_in_no_class_and_of_other_kinds_are_in_the_note(tmp_path: Path) -> None:
    for number, kind in enumerate(["cats", "dogs"]):
        (tmp_path / kind).mkdir()
        fill(tmp_path / kind, 9, start=10 * number)
    assert set(labels_of(load(tmp_path, size=8), "label").classes) == {"cats", "dogs"}
    (tmp_path / "cover.png").write_bytes(encoded(noise(16, 16, 3)))
    (tmp_path / "a.tif").touch()
    (tmp_path / "elsewhere").symlink_to(tmp_path.parent, target_is_directory=True)
    data = load(tmp_path, size=8)
    assert not data.factors and "'cover.png'" in data.no_labels
    assert "1 linked folder" in data.note and "1 .tif" in data.note
