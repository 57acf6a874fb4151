"""Crops and tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from eiwflow.data import DataError, corner_crops, fitted, fixed_crops, random_crops, resized, to_tensor

from .samples import noise

CROPS = {
    "random": lambda images, size: random_crops(images, size, torch.Generator().manual_seed(0)),
    "fixed": fixed_crops,
    "corner": corner_crops,
}
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def tensor(count: int, channels: int, height: int, width: int) -> Tensor:
    return to_tensor(noise(count, height, width, channels))


def places(image: Tensor, crop: Tensor) -> set[tuple[int, int]]:
    """Return where in the image the crop could have been cut."""
    height, width = crop.shape[1:]
    windows = image.unfold(1, height, 1).unfold(2, width, 1)
    return {tuple(place) for place in (windows == crop[:, None, None]).all(-1).all(-1).all(0).nonzero().tolist()}


@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
@given(count=st.integers(0, 5), channels=st.sampled_from([1, 3]), sides=SIZES, more=SIZES)
def test_every_crop_is_a_window_of_its_own_image(
    crop, count: int, channels: int, sides: tuple[int, int], more: tuple[int, int]
) -> None:
    images = tensor(count, channels, sides[0] + more[0], sides[1] + more[1])
    crops = crop(images, sides)
    assert crops.shape[1:] == (channels, *sides) and crops.dtype == torch.uint8 and crops.is_contiguous()
    each = len(crops) // max(count, 1)
    assert len(crops) == each * count
    assert all(places(images[index // each], one) for index, one in enumerate(crops))


def test_a_number_asks_for_a_square() -> None:
    assert all(crop(tensor(2, 3, 9, 7), 5).shape[1:] == (3, 5, 5) for crop in CROPS.values())


def test_random_crops_reach_every_place_and_follow_the_generator() -> None:
    images = tensor(1, 3, 6, 7).expand(400, -1, -1, -1)
    crops = random_crops(images, 4, torch.Generator().manual_seed(1))
    found = set().union(*(places(image, crop) for image, crop in zip(images, crops, strict=True)))
    assert found == {(top, left) for top in range(3) for left in range(4)}
    assert torch.equal(crops, random_crops(images, 4, torch.Generator().manual_seed(1)))
    assert not torch.equal(crops, random_crops(images, 4, torch.Generator().manual_seed(2)))


def test_images_of_the_size_come_back_as_they_are_and_nothing_is_drawn() -> None:
    images, generator = tensor(3, 3, 8, 8), torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert random_crops(images, 8, generator) is images
    assert torch.equal(generator.get_state(), before)
    assert torch.equal(fixed_crops(images, 8), images)


@given(count=st.integers(1, 40), longer=st.integers(0, 40), seed=st.integers(0, 2**32))
def test_the_first_images_of_a_longer_set_get_the_same_fixed_crops(count: int, longer: int, seed: int) -> None:
    images = tensor(count + longer, 1, 9, 12)
    torch.manual_seed(seed)
    assert torch.equal(fixed_crops(images, 5, seed)[:count], fixed_crops(images[:count], 5, seed))


def test_images_that_are_chosen_from_a_set_get_the_crops_of_the_whole_set() -> None:
    images, chosen = to_tensor(noise(9, 12, 10, 3)), np.array([8, 0, 5])
    assert torch.equal(fixed_crops(images[chosen], 6, numbers=chosen), fixed_crops(images, 6)[chosen])
    assert not torch.equal(fixed_crops(images[chosen], 6), fixed_crops(images, 6)[chosen])
    assert fixed_crops(images[:0], 6).shape == (0, 3, 6, 6)


def test_fixed_crops_are_those_of_all_times() -> None:
    rows = torch.arange(8).view(1, 1, 8, 1).expand(6, 1, 8, 8)
    assert fixed_crops(rows, 4)[:, 0, 0, 0].tolist() == [3, 0, 4, 3, 2, 4]
    assert not torch.equal(fixed_crops(rows, 4, seed=1), fixed_crops(rows, 4, seed=0))


def test_fixed_crops_reach_every_place() -> None:
    columns = torch.arange(5).expand(200, 1, 4, 5)
    assert set(fixed_crops(columns, 3)[:, 0, 0, 0].tolist()) == {0, 1, 2}


def test_the_four_corners_of_an_image_come_in_a_row() -> None:
    images = tensor(2, 3, 6, 7)
    crops = corner_crops(images, (4, 5))
    assert crops.shape == (8, 3, 4, 5)
    for index, image in enumerate(images):
        corners = [image[:, :4, :5], image[:, :4, 2:], image[:, 2:, :5], image[:, 2:, 2:]]
        assert torch.equal(crops[4 * index : 4 * index + 4], torch.stack(corners))


@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
def test_images_smaller_than_the_crop_are_refused(crop) -> None:
    with pytest.raises(DataError, match="9×4 .* 1×1 to 8×8"):
        crop(tensor(2, 3, 8, 8), (9, 4))
    with pytest.raises(DataError, match="0×0"):
        crop(tensor(2, 3, 8, 8), 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_tensor_has_its_own_memory(channels: int) -> None:
    images = noise(2, 4, 5, channels)
    images.flags.writeable = False
    result = to_tensor(images)
    assert result.shape == (2, channels, 4, 5) and result.is_contiguous()
    assert (result.numpy().transpose(0, 2, 3, 1) == images).all()
    assert not np.shares_memory(result.numpy(), images)


def test_only_uint8_images_become_tensors() -> None:
    with pytest.raises(DataError, match="float64"):
        to_tensor(noise(2, 4, 4, 3) / 255)
    with pytest.raises(DataError, match=r"\(4, 4, 3\)"):
        to_tensor(noise(4, 4, 3))


@pytest.mark.parametrize(
    ("size", "is_cut"),
    [((20, 16, 3), True), ((16, 24, 3), True), ((12, 30, 3), False), ((30, 12, 3), False), ((20, 20, 1), False)],
)
def test_images_are_cut_to_a_flows_shape_where_they_are_large_enough(size: tuple[int, int, int], is_cut: bool) -> None:
    images = noise(9, *size)
    cut = fixed_crops(to_tensor(images), 16) if is_cut else to_tensor(resized(images, (3, 16, 16)))
    assert torch.equal(fitted(images, (3, 16, 16)), cut)
