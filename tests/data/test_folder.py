"""Folders of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eiwflow.data import DataError, load, picture

from .samples import as_set, encoded, noise


def fill(folder: Path, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        (folder / f"{number:03}.png").write_bytes(encoded(noise(20, 24, 3, seed=number)))


def test_pictures_of_every_kind_and_size_become_one_set(tmp_path: Path) -> None:
    for number, kind in enumerate(["png", "jpg", "JPEG", "webp", "bmp", "gif"] * 3):
        pixels = noise(30 + number, 50 - number, 3, seed=number)
        (tmp_path / f"{number}.{kind}").write_bytes(encoded(pixels, kind.replace("jpg", "jpeg").upper()))
    data = load(tmp_path)
    assert data.size == (32, 32) and data.channels == 3 and len(data.train) + len(data.test) == 18
    assert data.name == tmp_path.name and data.note == "pictures are centre-cropped and resized to 32×32"


def test_a_picture_of_the_size_is_left_as_it_is(tmp_path: Path) -> None:
    pixels = noise(12, 16, 16, 3)
    for number, image in enumerate(pixels):
        (tmp_path / f"{number:02}.png").write_bytes(encoded(image))
    data = load(tmp_path, size=16)
    assert as_set(data.train) | as_set(data.test) == as_set(pixels)


def test_loading_twice_gives_the_same_images_in_the_same_order(tmp_path: Path) -> None:
    fill(tmp_path, 30)
    first, second = load(tmp_path, size=8), load(str(tmp_path), size=8)
    assert (first.train == second.train).all() and (first.test == second.test).all()


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


def test_grey_pictures_make_images_of_one_channel(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.png").write_bytes(encoded(noise(16, 16, seed=number)))
    assert load(tmp_path, size=16).channels == 1
    (tmp_path / "colour.png").write_bytes(encoded(noise(16, 16, 3)))
    assert load(tmp_path, size=16).channels == 3


def test_the_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    fill(tmp_path, 9)
    whole = (tmp_path / "003.png").read_bytes()
    (tmp_path / "003.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"003\.png"):
        load(tmp_path)


def test_the_picture_with_too_many_pixels_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 9)
    (tmp_path / "huge.png").write_bytes(encoded(np.zeros((100, 100), np.uint8)))
    monkeypatch.setattr(picture, "MAX_PIXELS", 9_999)
    with pytest.raises(DataError, match=r"huge\.png.* 10,000 pixels; at most 9,999"):
        load(tmp_path)


@pytest.mark.parametrize("size", [7, 257, 8.0, "8"])
def test_a_size_out_of_bounds_is_named(tmp_path: Path, size: object) -> None:
    fill(tmp_path, 9)
    with pytest.raises(DataError, match=f"{size}"):
        load(tmp_path, size=size)


def test_an_empty_folder_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0 pictures.*\.png"):
        load(tmp_path)


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, 8)
    with pytest.raises(DataError, match="at least 8"):
        load(tmp_path)
