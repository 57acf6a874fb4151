"""The Shuffle of the published code: an order that follows parameters, and the divergence beside the loss."""

import math

import pytest
import torch

from eiwflow.flow import ConfigError, FlowConfig, ReleasedShuffle
from eiwflow.flow.bijection import reset_parameters
from eiwflow.flow.released import RELEASED_STRENGTH
from eiwflow.training.trainer import Trainer
from tests.training.tiny import tiny_data, tiny_recipe

from .flows import images_for, ready_flow
from .numerics import largest_difference, noise, perturb


def drawn(channels=32, kept=None, seed=0):
    shuffle = ReleasedShuffle(channels, kept).double()
    reset_parameters(shuffle, seed)
    return shuffle


def test_the_weights_are_those_of_two_layers_without_biases_applied_to_the_number_of_channels():
    shuffle = drawn(32)
    assert {name: tuple(p.shape) for name, p in shuffle.named_parameters()} == {
        "hidden.weight": (16, 1),
        "out.weight": (32, 16),
        "image_hidden.weight": (2, 32),
        "image_out.weight": (32, 2),
    }
    hidden = (shuffle.hidden.weight[:, 0] * 32).clamp_min(0)
    expected = torch.softmax(shuffle.out.weight @ hidden, dim=0)
    assert largest_difference(shuffle.weights_of_channels(), expected) < 1e-12
    assert tuple(drawn(12).image_hidden.weight.shape) == (1, 12)  # at least one hidden unit


@pytest.mark.parametrize("kept", [8, 16, 24])
def test_the_channels_of_largest_weight_are_passed_on(kept):
    shuffle, x = drawn(32, kept), noise(2, 32, 4, 4)
    weights = shuffle.weights_of_channels()
    y, log_det = shuffle(x)
    chosen = shuffle.order[:kept]
    assert weights[chosen].min() > weights[shuffle.order[kept:]].max()
    assert torch.equal(y[:, :kept], x[:, chosen]) and not log_det.any()
    assert torch.equal(shuffle.inverse(y), x)


def test_the_order_follows_the_parameters_at_once():
    shuffle, x = drawn(), noise(1, 32, 2, 2)
    before = shuffle.order
    with torch.no_grad():
        shuffle.out.weight.neg_()
    assert torch.equal(shuffle.order, before.flip(0))
    assert torch.equal(shuffle.inverse(shuffle(x)[0]), x)
    assert "order" not in shuffle.state_dict()


def test_the_divergence_is_what_the_code_computes_with_s_where_its_logarithm_belongs():
    shuffle, x = perturb(drawn(), 0.5), noise(3, 32, 4, 4)
    w = shuffle.weights_of_channels()
    mean = x.mean(dim=(2, 3))
    s = torch.softmax((mean @ shuffle.image_hidden.weight.T).clamp_min(0) @ shuffle.image_out.weight.T, dim=1)
    expected = (w * (w.log() - s)).sum(dim=1)
    assert largest_difference(shuffle.divergence(x), expected) < 1e-12
    true = (w * (w.log() - s.log())).sum(dim=1)
    assert (expected - true).abs().min() > 0.1


def test_the_divergence_moves_all_four_layers_and_the_features():
    shuffle, x = perturb(drawn(), 0.5), noise(3, 32, 4, 4).requires_grad_()
    shuffle.divergence(x).mean().backward()
    assert all(parameter.grad.any() for parameter in shuffle.parameters())
    assert x.grad.any()


def test_a_flow_adds_the_divergences_of_its_levels():
    flow = ready_flow(split="released", prior="standard", levels=3)
    x = images_for(flow, 2)
    log_prob, divergence = flow(x, divergence=True)
    features = [level.features for level in flow.trace(x).levels[:-1]]
    each = [level.shuffle.divergence(f) for level, f in zip(flow.levels, features, strict=False)]
    assert largest_difference(divergence, sum(each)) < 1e-12
    assert torch.equal(log_prob, flow.log_prob(x))


def test_training_adds_it_times_its_strength_to_the_loss():
    trainer = Trainer(tiny_recipe(split="released", prior="standard", init="random", clip=1e6), tiny_data())
    x = trainer.input.batch(0)
    log_prob, divergence = trainer.flow(x, divergence=True)
    loss = 8 - log_prob.mean() / (trainer.recipe.flow.dimensions * math.log(2)) + RELEASED_STRENGTH * divergence.mean()
    parameters = list(trainer.flow.parameters())
    expected = torch.autograd.grad(loss, parameters)
    trainer.advance()
    assert all(torch.allclose(p.grad, grad, rtol=1e-4, atol=1e-7) for p, grad in zip(parameters, expected, strict=True))
    assert RELEASED_STRENGTH == 1e-3
    assert all(p.grad.any() for p in trainer.flow.levels[0].shuffle.parameters())


@pytest.mark.parametrize(("field", "value"), [("weights", "pooled"), ("prior", "conditional")])
def test_channel_weights_and_a_conditional_prior_are_refused(field, value):
    words = {"order": "released", "weights": "none", "prior": "standard"}
    with pytest.raises(ConfigError, match=f"^{field} is '{value}'; it must be .* with the order released"):
        FlowConfig(**{**words, field: value})
    assert FlowConfig(**words).split == "released"
    assert FlowConfig(order="released", weights="none", prior="standard") == FlowConfig(**words)
