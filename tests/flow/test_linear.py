"""Couplings and priors that start as linear predictors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from eiwflow.data import load, to_tensor
from eiwflow.flow import ConfigError, FlowConfig, MultiScaleFlow, dequantise
from eiwflow.flow.coupling import AffineCoupling
from eiwflow.flow.linear import predictor, start_coupling, start_prior
from eiwflow.flow.split import Split

from .. import crossed

SIZES = {"3-1-3": 3, "5-3": 5, "1-3-1": 1}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_predictor_is_the_least_squares_solution(size: int) -> None:
    source, target = noise(20, 2, 6, 7), noise(20, 3, 6, 7, seed=1)
    weight, bias, errors = predictor(source, target + source[:, :1] + 2, size)
    rows = F.unfold(source.double(), size, padding=size // 2).transpose(1, 2).flatten(0, 1).numpy()
    values = (target + source[:, :1] + 2).double().flatten(2).transpose(1, 2).flatten(0, 1).numpy()
    solution, *_ = np.linalg.lstsq(np.c_[rows, np.ones(len(rows))], values, rcond=None)
    assert weight.flatten(1).numpy() == pytest.approx(solution[:-1].T, abs=2e-3)
    assert bias.numpy() == pytest.approx(solution[-1], abs=2e-3)
    assert errors.numpy() == pytest.approx((values - np.c_[rows, np.ones(len(rows))] @ solution).std(axis=0), rel=1e-2)


@pytest.mark.parametrize("kernels", SIZES)
def test_a_coupling_takes_away_what_its_first_half_predicts(kernels: str) -> None:
    x_a = noise(64, 2, 8, 8)
    weight = noise(2, 2, SIZES[kernels], SIZES[kernels], seed=1)
    rest = torch.tensor([0.1, 0.8])[:, None, None] * noise(64, 2, 8, 8, seed=2)
    x = torch.cat([x_a, F.conv2d(x_a, weight, padding="same") + rest], dim=1)
    coupling = AffineCoupling(4, 16, kernels, 1.0)
    left = start_coupling(coupling.network, x)
    x = x / torch.cat([torch.ones_like(left), left])[:, None, None].float()
    y, log_det = coupling(x)
    assert torch.equal(y[:, :2], x_a) and not log_det.any()
    assert left.tolist() == pytest.approx([0.1, 0.8], rel=0.05)
    assert y[:, 2:].std(dim=(0, 2, 3)).tolist() == pytest.approx([1, 1], rel=0.01) and y[:, 2:].mean().abs() < 0.02
    assert torch.allclose(coupling.inverse(y), x, atol=1e-5)


def test_a_narrow_network_carries_the_predictions_of_largest_variance() -> None:
    x_a = noise(64, 3, 8, 8)
    x = torch.cat([x_a, torch.tensor([1.0, 1.0, 0.05])[:, None, None] * x_a + 0.3 * noise(64, 3, 8, 8, seed=2)], dim=1)
    coupling = AffineCoupling(6, 8, "3-1-3", 1.0)
    assert start_coupling(coupling.network, x).tolist() == pytest.approx([0.3, 0.3, 0.3], rel=0.1)


def test_a_prior_starts_as_the_regression_and_its_errors() -> None:
    kept = noise(64, 3, 8, 8)
    emitted = torch.stack([kept[:, 0] + 0.2 * noise(64, 8, 8, seed=1), 3 + 0.5 * noise(64, 8, 8, seed=2)], dim=1)
    split = Split(5, "conditional", 3)
    assert split.prior is not None
    start_prior(split.prior, kept, emitted, 4.0)
    _, standardised, log_det = split.emit(torch.cat([kept, emitted], dim=1))
    assert standardised.mean(dim=(0, 2, 3)).abs().max() < 0.02
    assert standardised.std(dim=(0, 2, 3)).tolist() == pytest.approx([1, 1], rel=0.02)
    assert log_det.mean().item() == pytest.approx(-64 * np.log(0.2 * 0.5), rel=0.02)


@crossed(keep=[0.25, 0.5, "auto"], prior=["conditional", "standard"])
def test_a_flow_that_starts_linear_needs_fewer_bits_before_training_and_is_invertible(
    prior: str, keep: float | str
) -> None:
    x, bits = dequantise(to_tensor(load("faces16").train[:128]), torch.Generator().manual_seed(0)), {}
    for init in ("principal", "linear"):
        flow = MultiScaleFlow(
            FlowConfig((3, 16, 16), 2, 4, 32, init=init, partition="random", prior=prior, keep=keep), seed=1
        )
        flow.initialise(x)
        bits[init] = flow.log_prob(x).mean().item()
        assert (flow.decode(flow.encode(x)) - x).abs().max() < 1e-4
    assert bits["linear"] > bits["principal"] + 50


def test_linear_is_one_of_the_four_choices() -> None:
    config = FlowConfig(init="linear", order="variance", weights="none")
    assert (config.order, config.init, config.partition) == ("variance", "linear", "information")
    assert FlowConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(("field", "value"), [("padding", "ones"), ("coupling", "additive")])
def test_what_linear_cannot_start_is_refused(field: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{field} is '{value}'; with init linear it must be"):
        FlowConfig(init="linear", **{field: value})
