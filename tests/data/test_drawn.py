"""faces16 and letters32: the same images at every load, factors in their ranges, nothing in both parts."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from eiwflow.data import DATASETS, ImageData, drawn, hold_out, load, load_test
from eiwflow.data.camera import camera_factors, grain_entropy, photograph
from eiwflow.training.presets import preset_settings
from eiwflow.training.recipe import Recipe

LETTERS = {"letter", "family", "paper", "ink", "swapped", "rotation", "size", "shift"}
CAMERA = {"grain", "light", "light_direction"}


@pytest.fixture(params=["faces16", "letters32"])
def images(request: pytest.FixtureRequest) -> ImageData:
    return load(request.param, multiple=8)


def test_the_parts_have_their_sizes_and_every_factor_covers_both(images: ImageData) -> None:
    shapes = {
        "faces16": ((13_000, 16, 16, 3), (1000, 16, 16, 3)),
        "letters32": ((20_000, 32, 32, 3), (1000, 32, 32, 3)),
    }
    assert (images.train.shape, images.test.shape) == shapes[images.name]
    assert set(images.factors) >= CAMERA
    for factor in images.factors.values():
        assert len(factor.train) == len(images.train) and len(factor.test) == len(images.test)
        assert factor.train.dtype.kind == factor.test.dtype.kind


def test_no_image_is_in_both_parts_nor_twice(images: ImageData) -> None:
    everything = [image.tobytes() for part in (images.train, images.test) for image in part]
    assert len(set(everything)) == len(everything)


def test_nobody_can_change_what_others_load(images: ImageData) -> None:
    with pytest.raises(ValueError, match="read-only"):
        images.train[0] = 0


def test_no_typeface_is_in_both_parts_and_every_letter_is_in_each() -> None:
    factors = load("letters32").factors
    assert not set(factors["family"].train) & set(factors["family"].test)
    assert len(set(factors["letter"].train)) == len(set(factors["letter"].test)) == 26


def test_faces_are_the_same_when_photographed_again() -> None:
    first = load("faces16")
    drawn.faces16.cache_clear()
    again = load("faces16")
    assert again is not first and (again.train == first.train).all() and (again.test == first.test).all()


@pytest.mark.parametrize("name", ["photos32", "faces16", "letters32"])
def test_a_test_part_alone_is_that_of_the_whole(name: str) -> None:
    whole, alone = load(name), load_test(name)
    assert np.array_equal(alone.test, whole.test)
    assert all(np.array_equal(alone.factors[key].test, factor.test) for key, factor in whole.factors.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("photos32", "e37a9d9253373611", "842f47d536ff64b6"),
        ("faces16", "0a3646e4752b7eb3", "ed98180f361f8802"),
        ("letters32", "e64dd1dd14032560", "fbc163b3b7c6ed3f"),
    ],
)
def test_bundled_images_are_the_same_with_every_version_of_pillow_and_numpy(name: str, train: str, test: str) -> None:
    data = load(name)
    assert [sha256(part.tobytes()).hexdigest()[:16] for part in (data.train, data.test)] == [train, test]


@pytest.mark.parametrize("part", ["train", "test"])
def test_letters_keep_to_the_ranges_of_their_factors(part: str) -> None:
    factors = {name: getattr(factor, part) for name, factor in load("letters32").factors.items()}
    assert set(factors) == LETTERS | CAMERA
    for name, low, high in [
        ("rotation", -8, 8), ("size", 0.9, 1.15), ("shift", -2.2, 2.2), ("grain", 1, 6), ("light", 0, 0.15),
        ("light_direction", 0, 2 * np.pi),
    ]:  # fmt: skip
        spread = high - low
        assert low <= factors[name].min() < low + 0.05 * spread and high - 0.05 * spread < factors[name].max() <= high
    assert factors["swapped"].mean() == pytest.approx(0.35, abs=0.05)
    assert np.median(factors["grain"]) == pytest.approx(np.sqrt(6), rel=0.1)
    bright = np.where(factors["swapped"][:, None], factors["ink"], factors["paper"]).max(axis=1) / 255
    dark = np.where(factors["swapped"][:, None], factors["paper"], factors["ink"]).max(axis=1) / 255
    assert bright.min() > 0.779 and bright.max() < 0.961 and dark.min() > 0.119 and dark.max() < 0.551


def test_a_letter_is_where_its_factors_say() -> None:
    """Without light and grain, ink lies on paper; moved right and down, its centre of mass moves by half as much."""
    masks = np.zeros((1, 64, 64), np.uint8)
    masks[0, 24:40, 28:36] = 255
    one = np.ones(1, np.float32)

    def centre(rotation: float, shift: tuple[float, float]) -> np.ndarray:
        ink = drawn._coverage(masks, np.array([0]), one * rotation, one, np.array([shift], np.float32))[0]
        assert ink.sum() == pytest.approx(16 * 8 / 4, rel=0.02)
        return np.array([(ink.sum(axis=axis) * np.arange(32)).sum() / ink.sum() for axis in (0, 1)])

    assert centre(0, (0, 0)) == pytest.approx([15.5, 15.5], abs=0.02)
    assert centre(0, (2, -1)) == pytest.approx([16.5, 15.0], abs=0.02)
    assert centre(8, (0, 0)) == pytest.approx([15.5, 15.5], abs=0.05)
    turned = drawn._coverage(masks, np.array([0]), one * 8, one, np.zeros((1, 2), np.float32))[0]
    across = (turned * np.arange(32)).sum(axis=1) / turned.sum(axis=1).clip(1e-3)
    assert across[13] < across[18]  # counter-clockwise: the top of an upright bar moves to the left


def test_the_camera_adds_grain_of_the_stated_strength_and_light_from_the_stated_side() -> None:
    rng = np.random.default_rng(1)
    factors = camera_factors(6, 4.0, rng)
    factors["grain"][:] = [1, 1.5, 2, 3, 4, 1]
    factors["light"][:] = [0, 0, 0, 0, 0, 0.15]
    factors["light_direction"][:] = 0
    photos = photograph(np.full((6, 64, 64, 3), 128, np.float32), factors, rng).astype(float)
    # Rounding adds a variance of 1/12.
    assert photos[:5].std(axis=(1, 2, 3)) == pytest.approx(np.sqrt(factors["grain"][:5] ** 2 + 1 / 12), rel=0.03)
    assert photos[5, :, -1].mean() == pytest.approx(128 * 1.15, abs=1)
    assert photos[5, :, 0].mean() == pytest.approx(128 * 0.85, abs=1)


def test_the_entropy_of_grain_is_that_of_the_notice() -> None:
    known = {1: 2.105, 1.5: 2.658, 2: 3.062, 3: 3.639, 4: 4.051, 6: 4.634}
    assert grain_entropy(np.array(list(known))) == pytest.approx(list(known.values()), abs=6e-4)
    sigma = np.linspace(1, 6, 11)
    assert grain_entropy(sigma) == pytest.approx(np.log2(sigma * np.sqrt(2 * np.pi * np.e)) + 0.06 / sigma**2, abs=3e-3)


def test_the_floor_is_of_each_images_own_grain(images: ImageData) -> None:
    assert images.floor_bits_per_dim() == pytest.approx({"faces16": 3.07, "letters32": 3.36}[images.name], abs=0.02)
    assert images.floor_bits_per_dim(1) == pytest.approx(grain_entropy(images.factors["grain"].test[:1])[0])
    assert load("photos32").floor_bits_per_dim() is None


def test_held_out_images_keep_their_factors(images: ImageData) -> None:
    small = replace(images, train=images.train[:200], factors={
        name: type(factor)(factor.train[:200], factor.test) for name, factor in images.factors.items()
    })  # fmt: skip
    tuning = hold_out(small)
    sigma = {image.tobytes(): s for image, s in zip(images.train, images.factors["grain"].train, strict=True)}
    for part in ("train", "test"):
        for image, s in zip(getattr(tuning, part), getattr(tuning.factors["grain"], part), strict=True):
            assert sigma[image.tobytes()] == s


def test_padded_images_have_no_numbers() -> None:
    padded = load("faces16", multiple=32)
    assert padded.size == (32, 32) and padded.measured == {} and padded.floor_bits_per_dim() is None


def test_presets_do_not_mirror_letters_and_a_run_keeps_its_recipe() -> None:
    mirrored = {name: preset_settings("minute", name)["flip"] for name in DATASETS}
    assert {name for name, flip in mirrored.items() if not flip} == {"letters32", "mnist"}
    assert preset_settings("minute", "mine.npz")["flip"] is True
    for name, flip in itertools.product(("mnist", "letters32"), (True, False)):
        assert Recipe.from_dict(json.loads(json.dumps(Recipe(data=name, flip=flip).to_dict()))).flip is flip
    assert json.dumps(preset_settings(None, None)) == "{}"
