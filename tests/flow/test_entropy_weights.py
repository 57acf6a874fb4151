"""Entropy weights: what decides them, where they stand, and that they change nothing before training."""

import numpy as np
import pytest
import torch

from eiwflow.flow import ConstantWeights, EntropyWeights, MeanWeights
from eiwflow.flow.entropy_weights import channel_entropies

from .flows import fresh_flow, images_for, ready_flow
from .numerics import noise, perturb


def by_hand(module, statistics):
    """Return ω (N, C) from statistics (N, C), by NumPy alone."""
    first, second = ({name: p.detach().numpy() for name, p in layer.named_parameters()} for layer in
                     (module.hidden, module.out))  # fmt: skip
    hidden = np.maximum(statistics @ first["weight"].T + first["bias"], 0)
    return 1 + 4 * np.tanh((hidden @ second["weight"].T + second["bias"]) / 4)


@pytest.mark.parametrize("kind", [EntropyWeights, MeanWeights, ConstantWeights])
def test_weights_follow_from_the_statistics_of_each_image_alone(kind):
    weights = perturb(kind(read=3, given=6).double())
    x = noise(5, 3, 4, 2) * torch.linspace(0.1, 3, 5, dtype=torch.double)[:, None, None, None]
    squares = (x.numpy() ** 2).reshape(5, 3, 8).mean(axis=2)
    statistics = {
        EntropyWeights: 0.5 * np.log(squares + 1e-4),
        MeanWeights: x.numpy().mean(axis=(2, 3)),
        ConstantWeights: np.zeros((5, 3)),
    }[kind]
    result = weights(x)
    expected = by_hand(weights, statistics)
    assert np.allclose(result.read.detach()[:, :, 0, 0], expected[:, :3], atol=1e-12)
    assert np.allclose(result.given.detach()[:, :, 0, 0], expected[:, 3:], atol=1e-12)
    assert (np.ptp(expected, axis=0).min() > 1e-3) == (kind is not ConstantWeights)
    assert np.abs(expected - 1).min() > 1e-3, "the weights would change nothing"
    assert torch.allclose(weights(x[2:3]).given, result.given[2:3], atol=1e-12)


def test_a_channel_twice_as_loud_has_log_2_more_entropy():
    x = noise(2, 3, 8, 8)
    assert torch.allclose(
        channel_entropies(2 * x) - channel_entropies(x), torch.full((2, 3), np.log(2)).double(), atol=1e-3
    )


@pytest.mark.parametrize("weights", ["entropy", "means", "constant"])
def test_before_training_the_flow_is_the_one_without_weights(weights):
    flow, plain = (fresh_flow(weights=word, levels=3, init="principal") for word in (weights, "none"))
    x = images_for(flow, 8)
    for each in (flow, plain):
        each.initialise(x)
    assert torch.equal(flow.log_prob(x), plain.log_prob(x))


def test_couplings_of_all_levels_but_the_last_have_weights():
    flow = ready_flow(weights="entropy", levels=3, steps=2)
    x = images_for(flow, 3)
    trace = flow.trace(x)
    assert [[step.coupling.weights is None for step in level.steps] for level in flow.levels] == [
        [False, False], [False, False], [True, True]
    ]  # fmt: skip
    assert [sorted(level.coupling_weights) for level in trace.levels] == 2 * [
        ["step 1 given", "step 1 read", "step 2 given", "step 2 read"]
    ] + [[]]
    # The weights of the trace are those of what reaches the coupling, worked out anew.
    first = flow.levels[0].steps[0]
    reached = first.mixing(first.actnorm(flow.levels[0].squeeze(x)[0])[0])[0]
    expected = first.coupling.weights(reached[:, :2])
    assert torch.allclose(trace.levels[0].coupling_weights["step 1 given"], expected.given[:, :, 0, 0])
    assert torch.allclose(trace.levels[0].coupling_weights["step 1 read"], expected.read[:, :, 0, 0])


def test_a_weight_multiplies_what_is_read_and_what_is_given():
    coupling = ready_flow(weights="entropy").levels[0].steps[0].coupling
    x_a = noise(3, 2, 4, 4)
    weights = coupling.weights(x_a)
    raw = coupling.network(x_a * weights.read) * weights.given
    log_scale, shift = coupling.affine(x_a)
    bound = coupling.scale_bound
    assert torch.allclose(log_scale, bound * torch.tanh(raw[:, :2] / bound), atol=1e-12)
    assert torch.allclose(shift, raw[:, 2:], atol=1e-12)
    assert float((weights.given - 1).abs().max().detach()) > 1e-3


def test_derivatives_by_functions_of_torch_agree_with_autograd():
    flow = ready_flow(weights="entropy")
    x = images_for(flow, 2).requires_grad_()
    (expected,) = torch.autograd.grad(flow.log_prob(x).sum(), x)
    assert torch.allclose(torch.func.grad(lambda x: flow.log_prob(x).sum())(x.detach()), expected)
