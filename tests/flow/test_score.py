"""Scores of a set of images do not depend on how the set is cut."""

import pytest
import torch

from eiwflow.flow.score import score

from .flows import ready_flow
from .numerics import largest_difference

IMAGES = torch.randint(0, 256, (7, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def flow_in(dtype):
    return ready_flow(shape=(3, 8, 8), dtype=dtype)


def test_they_are_the_flows_bits_per_dim_under_the_seeds_noise():
    flow = flow_in(torch.float32)
    expected = flow.bits_per_dim(IMAGES, torch.Generator().manual_seed(3))
    assert largest_difference(score(flow, IMAGES, seed=3), expected) < 1e-4
    assert largest_difference(score(flow, IMAGES, seed=4), expected) > 1e-4


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_the_first_images_of_a_longer_set_score_the_same_whatever_the_batch(batch):
    flow = flow_in(torch.float32)
    assert largest_difference(score(flow, IMAGES[:5], batch=batch), score(flow, IMAGES)[:5]) < 1e-4


def test_a_float64_flow_is_scored_in_float64():
    flow = flow_in(torch.float64)
    assert score(flow, IMAGES).dtype == torch.float64
    expected = flow.bits_per_dim(IMAGES, torch.Generator().manual_seed(0))
    assert largest_difference(score(flow, IMAGES), expected) < 1e-10
