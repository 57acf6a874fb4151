"""ActNorm standardises the batch it is initialised from, whatever the batch is."""

import pytest
import torch

from eiwflow.flow.actnorm import ActNorm

from .numerics import noise


def initialised(x):
    actnorm = ActNorm(x.shape[1]).to(x.dtype)
    actnorm.initialise(x)
    return actnorm


@pytest.mark.parametrize("scale", [2e-3, 1.0, 1e4])
def test_every_channel_of_the_batch_gets_mean_0_and_standard_deviation_1(scale):
    x = scale * (noise(5, 3, 4, 6) + torch.tensor([0.0, -7.0, 3.0], dtype=torch.double).view(1, 3, 1, 1))
    y, _ = initialised(x)(x)
    std, mean = torch.std_mean(y, dim=(0, 2, 3), correction=0)
    assert mean.abs().max() < 1e-9
    assert (std - 1).abs().max() < 1e-9


def test_statistics_are_taken_in_float64_where_float32_would_cancel():
    x = (1000 + 0.1 * noise(64, 1, 8, 8)).float()
    y = initialised(x)(x)[0].detach()
    assert abs(y.double().std(correction=0).item() - 1) < 1e-3


def test_a_constant_channel_is_centred_with_a_bounded_scale():
    x = torch.full((4, 2, 4, 4), 0.3, dtype=torch.double)
    actnorm = initialised(x)
    assert actnorm(x)[0].detach().abs().max().item() < 1e-9
    assert actnorm.log_scale.detach().exp().max().item() < 1.001e3


def test_initialise_leaves_nothing_in_the_graph():
    x = noise(4, 2, 4, 4).requires_grad_()
    actnorm = initialised(x)
    assert actnorm.log_scale.is_leaf
    assert actnorm.log_scale.requires_grad
