"""Scores of a set of images do not depend on how the set is cut."""

import itertools

import numpy as np
import pytest
import torch

from eiwflow.flow.bijection import generator_for
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


@pytest.mark.parametrize("importance", [1, 3])
def test_parts_of_a_set_score_what_they_score_in_it(importance):
    flow = flow_in(torch.float64)
    whole = score(flow, IMAGES, seed=2, batch=4, importance=importance)
    parts = [score(flow, part, 2, importance=importance, first=at) for part, at in ((IMAGES[:3], 0), (IMAGES[3:], 3))]
    assert largest_difference(torch.cat(parts), whole) < 1e-12


def log_probs(flow, seed, draws):
    """Log p of the discrete images' bins, in nats, under so many draws of noise: (draws, N), by hand in numpy."""
    generators = [torch.Generator().manual_seed(seed), *(generator_for(seed, f"draw {k}") for k in range(1, draws))]
    x = [(IMAGES + torch.rand(IMAGES.shape, generator=g, dtype=torch.float64)) / 256 - 0.5 for g in generators]
    volume = IMAGES[0].numel() * np.log(256)
    return np.stack([flow.log_prob(each).detach().numpy() - volume for each in x])


def test_the_importance_weighted_bound_is_the_log_mean_of_p_by_hand():
    flow = flow_in(torch.float64)
    nats = log_probs(flow, 5, 4)
    largest = nats.max(axis=0)
    by_hand = -(np.log(np.exp(nats - largest).mean(axis=0)) + largest) / (IMAGES[0].numel() * np.log(2))
    for batch in (2, 64):
        assert largest_difference(score(flow, IMAGES, 5, batch, importance=4), torch.from_numpy(by_hand)) < 1e-10


def test_the_importance_weighted_bound_gets_no_worse_with_more_draws():
    flow = flow_in(torch.float64)
    means = [np.mean([score(flow, IMAGES, seed, importance=k).mean() for seed in range(12)]) for k in (1, 4, 16)]
    assert means[0] > means[1] > means[2]
    # Over all choices of k of 5 draws the mean bound falls with k for every image (Jensen); the last is ours.
    nats = log_probs(flow, 0, 5)
    bounds = [
        np.mean([np.logaddexp.reduce(nats[list(some)]) - np.log(k) for some in itertools.combinations(range(5), k)], 0)
        for k in range(1, 6)
    ]
    assert (np.diff(bounds, axis=0) >= 0).all()
    scored = score(flow, IMAGES, 0, importance=5) * -IMAGES[0].numel() * np.log(2)
    assert largest_difference(scored, torch.from_numpy(bounds[-1])) < 1e-9
