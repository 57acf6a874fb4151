"""Validation without the test part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from eiwflow.data import DataError, ImageData, folder, hold_out, load

from .samples import as_set, encoded, noise, write_npz, write_shard


def of_sources(counts: list[int]) -> ImageData:
    train_source = np.repeat(np.arange(len(counts)), counts)
    names = tuple(f"photograph {number}" for number in range(len(counts)))
    return ImageData(
        "own", noise(sum(counts), 8, 8, 1), noise(3, 8, 8, 1, seed=1), train_source, np.zeros(3, int), names
    )


def test_whole_photographs_of_photos32_are_held_out_and_the_test_part_is_gone() -> None:
    data = load("photos32")
    tuning = hold_out(data)
    assert set(tuning.train_source).isdisjoint(tuning.test_source)
    assert as_set(tuning.train) | as_set(tuning.test) == as_set(data.train)
    assert as_set(data.test).isdisjoint(as_set(tuning.train) | as_set(tuning.test))
    assert 0.15 <= len(tuning.test) / len(data.train) <= 0.25
    assert tuning.name == "photos32" and tuning.source_names == data.source_names
    assert "validation" in tuning.note
    # The bundled held-out studies are on these: those whose names have the least hashes, until 15 % are held out.
    assert {data.source_names[source] for source in tuning.test_source} == {
        "beacon-street-sunset.jpg", "casa-mila.jpg", "ocean-waves.jpg"
    }  # fmt: skip


@settings(max_examples=50)
@given(counts=st.lists(st.integers(1, 30), min_size=2, max_size=8).filter(lambda counts: sum(counts) >= 16))
def test_no_source_is_on_both_sides_and_each_image_keeps_its_own(counts: list[int]) -> None:
    data = of_sources(counts)
    tuning = hold_out(data)
    assert set(tuning.train_source).isdisjoint(tuning.test_source)
    assert 0 < len(tuning.test) <= len(data.train) / 2
    source_of = dict(zip((image.tobytes() for image in data.train), data.train_source, strict=True))
    for images, sources in ((tuning.train, tuning.train_source), (tuning.test, tuning.test_source)):
        assert [source_of[image.tobytes()] for image in images] == sources.tolist()


def test_the_choice_follows_the_names_and_not_the_order_of_the_sources() -> None:
    data = of_sources([10] * 8)
    turned = ImageData("own", data.train, data.test, 7 - data.train_source, data.test_source, data.source_names[::-1])
    assert as_set(hold_out(turned).test) == as_set(hold_out(data).test)


def test_without_sources_about_a_tenth_is_held_out_and_copies_stay_together() -> None:
    images = np.tile(noise(200, 8, 8, 1), (2, 1, 1, 1))
    tuning = hold_out(ImageData("own", images, noise(3, 8, 8, 1, seed=1)))
    assert as_set(tuning.train).isdisjoint(as_set(tuning.test))
    assert as_set(tuning.train) | as_set(tuning.test) == as_set(images)
    assert 20 <= len(tuning.test) <= 80 and tuning.test_source is None


def test_a_set_that_was_split_by_hash_can_be_split_again(tmp_path: Path) -> None:
    data = load(write_npz(tmp_path, images=noise(300, 8, 8)))
    assert len(hold_out(data).test) >= 10


def test_images_of_one_photograph_are_held_out_one_by_one() -> None:
    tuning = hold_out(of_sources([40]))
    assert len(tuning.test) and tuning.test_source.tolist() == [0] * len(tuning.test)


@pytest.mark.parametrize("kind", ["shards", "folder"])
@pytest.mark.parametrize("labelled", [False, True])
def test_a_picture_that_stands_in_for_an_unreadable_one_is_of_the_same_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, labelled: bool
) -> None:
    images = noise(200, 8, 8, 3)
    monkeypatch.setattr(folder, "MOST_IN_MEMORY", 0)

    def written(broken: set[int]) -> Path:
        """Return a set whose broken pictures are cut short; pictures with odd numbers are of another class."""
        place = tmp_path / f"set-{len(broken)}"
        for part, numbers in (("train", range(180)), ("test", range(180, 200))):
            contents = {n: encoded(images[n])[: 60 if n in broken else None] for n in numbers}
            if kind == "shards":
                place.mkdir(exist_ok=True)
                members = {f"{n:03}.png": content for n, content in contents.items()}
                members |= {f"{n:03}.cls": b"%d" % (n % 2) for n in contents} if labelled else {}
                write_shard(place / f"{part}.tar", dict(sorted(members.items())))
                continue
            for n, content in contents.items():
                path = place / part / (str(n % 2) if labelled else "") / f"{n // 2:03}-{n % 2}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        return place

    whole = hold_out(load(written(set()), size=8))
    number_of = {image.tobytes(): number for number, image in enumerate(images)}
    sides = [[number_of[image.tobytes()] for image in part] for part in (whole.train[:], whole.test)]
    broken = {*sides[0][:12], *sides[1][::4]}  # twelve in a row, and every fourth held out
    again = hold_out(load(written(broken), size=8))
    for part, side in zip((again.train[:], again.test), sides, strict=True):
        found = [number_of[image.tobytes()] for image in part]
        assert len(found) == len(side) and {*found} == {*side} - broken
        assert not labelled or [n % 2 for n in found] == [n % 2 for n in side]


def test_the_remark_comes_after_what_was_noted_before(tmp_path: Path) -> None:
    data = load(write_npz(tmp_path, images=noise(60, 28, 28)), multiple=8)
    assert "28×28 images are zero-padded to 32×32; validation:" in hold_out(data).note


@pytest.mark.parametrize("images", [noise(8, 8, 8, 1), np.zeros((20, 8, 8, 1), np.uint8)])
def test_too_few_images_to_hold_some_out_are_refused(images: np.ndarray) -> None:
    with pytest.raises(DataError, match="at least"):
        hold_out(ImageData("own", images, images[:1]))


@pytest.mark.parametrize("test", [True, False])
def test_a_validation_folder_of_ones_own_is_what_is_scored_on(tmp_path, test):
    random = np.random.default_rng(0)
    pixels = {part: random.integers(0, 256, (9, 8, 8, 3), dtype=np.uint8) for part in ("train", "val", "test")}
    for part in ("train", "val", *["test"] * test):
        (tmp_path / part).mkdir()
        for number, image in enumerate(pixels[part]):
            Image.fromarray(image).save(tmp_path / part / f"{number}.png")
    images = load(tmp_path, size=8, validation=True)
    assert np.array_equal(images.train, pixels["train"]) and np.array_equal(images.test, pixels["val"])
    assert np.array_equal(load(tmp_path, size=8).test, pixels["test" if test else "val"])
