"""Training batches depend on (seed, step) alone, and an epoch leaves no image out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eiwflow.data import to_tensor
from eiwflow.training.batches import batch_indices, training_batch

from .tiny import planes


@given(st.integers(1, 60), st.integers(1, 150), st.integers(0, 2**31 - 1), st.integers(1, 3))
def test_every_image_comes_once_an_epoch(n, batch, seed, epochs):
    steps = -(-n * epochs // batch)
    seen = torch.cat([batch_indices(n, batch, seed, step) for step in range(steps)])
    assert len(seen) == steps * batch
    for epoch in seen[: n * epochs].view(epochs, n):
        assert torch.equal(epoch.sort().values, torch.arange(n))


@given(seed=st.integers(0, 2**31 - 1), step=st.integers(0, 10**7))
def test_a_batch_depends_on_seed_and_step_alone(seed, step):
    torch.manual_seed(step % 7)
    assert torch.equal(batch_indices(50, 8, seed, step), batch_indices(50, 8, seed, step))
    images = to_tensor(planes(6, size=10))
    first = training_batch(images, (8, 8), 4, seed, step)
    torch.rand(3)
    assert torch.equal(first, training_batch(images, (8, 8), 4, seed, step))


def test_other_seeds_other_steps_and_other_epochs_give_other_batches():
    images = to_tensor(planes(64))
    batches = [training_batch(images, (8, 8), 8, seed, step) for seed in (0, 1) for step in (0, 1, 8, 9)]
    assert len({batch.numpy().tobytes() for batch in batches}) == len(batches)


def test_a_batch_is_dequantised_images_between_minus_half_and_half():
    images = to_tensor(planes(8))
    x = training_batch(images, (8, 8), 8, 0, 0)
    assert x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)
    back = ((x + 0.5) * 256).floor().to(torch.uint8)
    assert torch.equal(back, images[batch_indices(8, 8, 0, 0)])


def test_larger_images_are_cropped_at_another_place_every_step():
    images = torch.zeros(8, 1, 10, 13, dtype=torch.uint8)
    images[:] = torch.arange(130).view(10, 13)
    corners = {
        int(((crop + 0.5) * 256).floor()[0, 0])
        for step in range(40)
        for crop in training_batch(images, (8, 6), 8, 0, step)[:, 0]
    }
    assert corners == {13 * row + column for row in range(3) for column in range(8)}


@pytest.mark.parametrize("flip", [False, True])
def test_flip_mirrors_about_half_of_the_images_and_nothing_else(flip):
    images = to_tensor(planes(64))
    plain = training_batch(images, (8, 8), 64, 0, 0)
    x = training_batch(images, (8, 8), 64, 0, 0, flip)
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(x, plain, strict=True)]
    assert all(torch.equal(a, b) for a, b, turned in zip(x, plain, mirrored, strict=True) if not turned)
    assert 20 < sum(mirrored) < 44 if flip else not any(mirrored)
