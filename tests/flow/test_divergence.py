"""The divergence that asks the weights to follow the channels' Gaussian entropies."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eiwflow.flow.bijection import reset_parameters
from eiwflow.flow.channel_weights import ChannelWeights
from eiwflow.flow.information import gaussian_entropy
from eiwflow.flow.shuffle import Shuffle

from .numerics import noise, perturb


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("constant", [0.0, -4.0])
def test_it_is_zero_where_log_weights_are_a_constant_minus_the_entropy(temperature, constant, monkeypatch):
    weights, x = ChannelWeights(8).double(), noise(3, 8, 4, 4) * torch.arange(1, 9).view(1, 8, 1, 1)
    monkeypatch.setattr(weights, "log_weights", lambda x: constant - gaussian_entropy(x))
    assert weights.divergence(x, temperature).abs().max() < 1e-12


def test_it_is_zero_where_all_channels_are_equally_entropic_and_equally_weighed():
    weights = ChannelWeights(8).double()
    reset_parameters(weights, seed=0)
    x = noise(3, 1, 4, 4).expand(3, 8, 4, 4)
    assert weights.divergence(x).abs().max() < 1e-12


@given(seed=st.integers(0, 999), scale=st.floats(0.01, 100), temperature=st.floats(0.1, 10))
def test_it_is_never_negative(seed, scale, temperature):
    weights = perturb(ChannelWeights(8).double(), 0.5, seed)
    assert (weights.divergence(scale * noise(3, 8, 4, 4, seed=seed), temperature) >= -1e-12).all()


def test_it_is_the_divergence_of_two_softmaxes():
    weights, x = perturb(ChannelWeights(8).double(), 0.5), 2 * noise(3, 8, 4, 4)
    target = torch.distributions.Categorical(logits=-gaussian_entropy(x) / 1.5)
    given_by_weights = torch.distributions.Categorical(logits=weights.log_weights(x) / 1.5)
    expected = torch.distributions.kl_divergence(target, given_by_weights)
    assert torch.allclose(weights.divergence(x, 1.5), expected, atol=1e-12)


def test_descending_it_gives_the_more_entropic_channel_the_smaller_weight():
    shuffle = Shuffle(4, "entropy", "pooled").double()
    reset_parameters(shuffle, seed=0)
    optimiser = torch.optim.Adam(shuffle.parameters(), 0.02)
    x = noise(16, 4, 4, 4) * torch.tensor([4.0, 1.0, 0.25, 2.0]).view(1, 4, 1, 1)
    for _ in range(100):
        optimiser.zero_grad()
        shuffle.divergence(x).mean().backward()
        optimiser.step()
    assert shuffle.log_weights(x).mean(dim=0).argsort().tolist() == [0, 3, 1, 2]
    assert shuffle.divergence(x).mean().item() < 0.05


def test_it_teaches_the_weights_and_not_the_features():
    weights, x = perturb(ChannelWeights(8).double()), noise(3, 8, 4, 4).requires_grad_()
    weights.divergence(x).sum().backward()
    assert x.grad is None
    assert all(parameter.grad.any() for parameter in weights.parameters())
