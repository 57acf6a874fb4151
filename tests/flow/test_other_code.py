"""Couplings, priors and grey levels as other code has them: their formulas, and flows made of them."""

import math

import pytest
import torch
from torch.nn import functional as F

from eiwflow.flow import dequantise, quantise
from eiwflow.flow.coupling import COUPLINGS, AffineCoupling
from eiwflow.flow.split import Split, TopPrior, standard_normal_log_prob

from .flows import encode_to_rows, images_for, ready_flow
from .numerics import largest_difference, log_abs_det, noise, perturb

#: The formulas as their authors write them: y_b and the log-determinant, from x_b and the network's output.
FORMULAS = {
    "sigmoid": lambda x, t, r: ((x + t) * torch.sigmoid(r + 2), torch.sigmoid(r + 2).log()),
    "sigmoid-inverse": lambda x, t, r: ((x + t) / torch.sigmoid(r + 2), -torch.sigmoid(r + 2).log()),
    "exp": lambda x, t, r: ((x + t) * r.exp(), r),
    "bounded": lambda x, t, r: (x * (1.5 * torch.tanh(r / 1.5)).exp() + t, 1.5 * torch.tanh(r / 1.5)),
}


@pytest.mark.parametrize("coupling", FORMULAS)
def test_a_coupling_is_its_formula(coupling):
    module, x = perturb(AffineCoupling(4, 5, "3-1-3", 1.5, coupling).double(), 0.3), noise(2, 4, 6, 6)
    raw, shift = module.network(x[:, :2]).chunk(2, dim=1)
    y, log_det = module(x)
    expected, log_scale = FORMULAS[coupling](x[:, 2:], shift, raw)
    assert torch.equal(y[:, :2], x[:, :2])
    assert largest_difference(y[:, 2:], expected) < 1e-12
    assert largest_difference(log_det, log_scale.sum(dim=(1, 2, 3))) < 1e-12


def test_an_additive_coupling_adds_and_changes_no_volume():
    module, x = perturb(AffineCoupling(4, 5, "3-1-3", 1.5, "additive").double(), 0.3), noise(2, 4, 6, 6)
    y, log_det = module(x)
    assert largest_difference(y[:, 2:], x[:, 2:] + module.network(x[:, :2])) < 1e-12
    assert not log_det.any()


def test_padding_with_ones_is_a_convolution_of_an_input_with_a_frame_of_ones():
    module, x = perturb(AffineCoupling(4, 5, "3-1-3", 1.5, "sigmoid", "ones").double(), 0.3), noise(2, 4, 6, 6)
    last = module.network[-1]
    hidden = module.network[:-1](x[:, :2])
    expected = F.conv2d(F.pad(hidden, [1, 1, 1, 1], value=1.0), last.weight, last.bias)
    assert largest_difference(module.network(x[:, :2]), expected) < 1e-12


def test_an_unbounded_prior_has_no_bound_and_a_constant_one_does_not_see_what_is_passed_on():
    loud = 1e3 * noise(2, 3, 4, 4)
    assert perturb(Split(6, "unbounded").double(), 1.0).parameters_of(loud)[1].abs().max() > 100
    constant = perturb(Split(6, "constant", size=(4, 4)).double(), 1.0)
    mean, log_std = constant.parameters_of(loud)
    assert torch.equal(mean[0], mean[1])
    assert torch.equal(log_std, constant.parameters_of(-loud)[1])
    assert mean[0].unique().numel() == mean[0].numel()


def test_the_top_prior_is_a_normal_of_its_means_and_deviations():
    prior, z = perturb(TopPrior(4, 4, 2).double(), 0.5), noise(3, 4, 4, 2)
    mean, log_std = prior.parameters_of(z)
    epsilon, log_det = prior(z)
    expected = torch.distributions.Normal(mean, log_std.exp()).log_prob(z).sum(dim=(1, 2, 3))
    assert largest_difference(standard_normal_log_prob(epsilon) + log_det, expected) < 1e-10


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("prior", ["unbounded", "constant"])
def test_a_flow_of_them_has_the_log_det_of_its_jacobian_and_comes_back(coupling, prior):
    flow = ready_flow(split="last", init="random", prior=prior, coupling=coupling, top_prior="constant")
    x = images_for(flow, 2)
    trace = flow.trace(x)
    for image, parts in zip(x.split(1), sum(level.log_det for level in trace.levels), strict=True):
        of_jacobian = log_abs_det(lambda x: encode_to_rows(flow, x), image)
        assert parts.item() == pytest.approx(of_jacobian.item(), abs=1e-8)
    assert largest_difference(flow.log_prob(x), trace.log_prob) < 1e-9
    assert largest_difference(flow.decode(flow.encode(x)), x) < 1e-9
    assert trace.levels[-1].prior_mean.any()


@pytest.mark.parametrize("bits", range(1, 9))
def test_quantising_gives_the_grey_level_back_with_full_contrast(bits):
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    x = dequantise(every, torch.Generator().manual_seed(0), bits=bits)
    assert -0.5 <= x.min() < x.max() < 0.5
    back = quantise(x, bits)
    assert len(back.unique()) == 2**bits
    assert torch.equal(back >> (8 - bits), every >> (8 - bits))
    assert (back.min(), back.max()) == (0, 255)
    assert torch.equal(quantise(dequantise(back, bits=bits), bits), back)


def test_bits_per_dim_of_a_flow_of_5_bits_count_from_5():
    flow = ready_flow(split="last", init="random", bits=5)
    images = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
    generator = torch.Generator().manual_seed(3)
    x = dequantise(images, torch.Generator().manual_seed(3), torch.double, bits=5)
    expected = 5 - flow.log_prob(x) / (64 * math.log(2))
    assert largest_difference(flow.bits_per_dim(images, generator), expected) < 1e-12
