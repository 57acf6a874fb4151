"""Validation without the test part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from eiwflow.data import DataError, ImageData, hold_out, load

from .samples import as_set, noise


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
