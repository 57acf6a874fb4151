"""The policy ``shuffle`` shows weights that the density knows nothing of."""

import copy

import pytest
import torch

from .flows import fresh_flow, images_for, ready_flow
from .numerics import largest_difference, noise


def without_display(flow):
    bare = copy.deepcopy(flow)
    for level in bare.levels[:-1]:
        level.shuffle.display = None
    return bare


def equal(ours, theirs):
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_log_prob_gives_it_no_gradient():
    flow = ready_flow(split="shuffle")
    flow.log_prob(images_for(flow, 4)).sum().backward()
    assert list(flow.display_parameters())
    assert all(parameter.grad is None for parameter in flow.display_parameters())


def test_the_divergence_gives_it_a_gradient_and_none_to_the_density():
    flow = ready_flow(split="shuffle")
    flow(images_for(flow, 4), divergence=True)[1].sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in flow.display_parameters())
    assert all(parameter.grad is None for parameter in flow.density_parameters())


def test_the_flow_is_bit_identical_with_and_without_it():
    flow = ready_flow(split="shuffle")
    bare, x = without_display(flow), images_for(flow, 4)
    latents = flow.sample_latents(2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(flow.log_prob(x), bare.log_prob(x))
    assert torch.equal(flow(x, divergence=True)[0], bare.log_prob(x))
    assert torch.equal(flow.trace(x).log_prob, bare.trace(x).log_prob)
    assert torch.equal(flow.decode(latents), bare.decode(latents))
    assert equal(flow.encode(x).levels, bare.encode(x).levels)


def test_training_is_bit_identical_with_and_without_it():
    flow = fresh_flow(split="shuffle")
    flow.initialise(images_for(flow, 16))
    bare = without_display(flow)
    before = [parameter.clone() for parameter in flow.display_parameters()]
    display = torch.optim.Adam(flow.display_parameters(), 0.01)
    optimisers = [torch.optim.Adam(f.density_parameters(), 0.01) for f in (flow, bare)]
    for step in range(3):
        x = images_for(flow, 8, seed=step)
        for each, optimiser in zip((flow, bare), optimisers, strict=True):
            log_prob, divergence = each(x, divergence=each is flow)
            loss = -log_prob.mean() if divergence is None else divergence.mean() - log_prob.mean()
            optimiser.zero_grad()
            display.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(each.density_parameters(), 1.0)
            optimiser.step()
            if each is flow:
                display.step()
    assert equal(flow.density_parameters(), bare.density_parameters())
    assert not equal(before, flow.display_parameters())


def test_it_is_not_counted():
    shuffle, static = fresh_flow(split="shuffle"), fresh_flow(split="static-first")
    assert static.parameter_count() == sum(p.numel() for p in static.parameters())
    assert shuffle.parameter_count() == static.parameter_count()
    assert sum(p.numel() for p in shuffle.parameters()) > shuffle.parameter_count()


@pytest.mark.parametrize("split", ["weighted", "static-last", "random", "first+pooled"])
def test_no_other_policy_has_one(split):
    flow = fresh_flow(split=split)
    assert list(flow.display_parameters()) == []
    assert list(flow.density_parameters()) == list(flow.parameters())


def test_what_it_shows_is_the_weight_of_the_channel_in_that_place():
    flow = ready_flow(split="shuffle")
    shuffle = flow.levels[0].shuffle
    x = noise(2, 4, 4, 4)
    assert largest_difference(shuffle.log_weights(x), shuffle.display.log_weights(shuffle(x)[0])) == 0
