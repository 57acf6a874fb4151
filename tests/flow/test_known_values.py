"""A flow gives the numbers that earlier versions gave: their files open with the same density."""

import pytest
import torch

from eiwflow.flow import FlowConfig, MultiScaleFlow, to_bits_per_dim

#: (order, weights, init) -> bits/dim of three images and the standard deviation of two samples, as computed before.
KNOWN = {
    ("variance", "none", "principal"): ([8.067282, 10.108181, 7.525216], [0.225501, 0.224543]),
    ("last", "none", "random"): ([8.161683, 8.150463, 8.690641], [0.162370, 0.164260]),
    ("entropy", "pooled", "principal"): ([8.226294, 9.921882, 8.389886], [0.175158, 0.191379]),
    ("entropy", "pooled", "random"): ([7.343299, 7.319017, 7.565199], [0.168457, 0.188859]),
}


def images(n, seed):
    generator = torch.Generator().manual_seed(seed)
    ramp = torch.linspace(-0.4, 0.4, 16)
    down, right = (torch.rand(n, 3, 1, 1, generator=generator) for _ in range(2))
    return ramp[:, None] * down + ramp * right + 0.02 * torch.randn(n, 3, 16, 16, generator=generator)


@pytest.mark.parametrize(("policy", "expected"), KNOWN.items(), ids=str)
def test_density_and_samples_stay_what_they_were(policy, expected):
    order, weights, init = policy
    config = FlowConfig((3, 16, 16), 2, 3, 16, order, weights, init=init, partition="alternating")
    flow = MultiScaleFlow(config, seed=3)
    flow.initialise(images(64, 0))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=generator))
    bits = to_bits_per_dim(flow.log_prob(images(3, 9)), flow.config.dimensions)
    spread = flow.sample(2, 0.7, torch.Generator().manual_seed(5)).std(dim=(1, 2, 3))
    # Sums are in another order on other processors.
    assert bits.tolist() == pytest.approx(expected[0], abs=5e-5)
    assert spread.tolist() == pytest.approx(expected[1], abs=5e-5)
