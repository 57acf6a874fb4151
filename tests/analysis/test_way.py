"""The way through a flow: its entropies close, and its log-determinants are those of the trace."""

import math

import numpy as np
import pytest
import torch

from eiwflow.analysis.way import NOISE_BITS, way
from eiwflow.flow import dequantise

from ..flow.flows import ready_flow


def noise_images(flow, n):
    return torch.randint(0, 256, (n, *flow.config.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("fields", [{}, {"levels": 3, "keep": 0.25}, {"keep": "all"}, {"top_prior": "constant"}])
def test_entropy_starts_at_the_code_length_and_ends_at_the_latents(fields):
    flow = ready_flow(shape=(1, 16, 16), **fields)
    images = noise_images(flow, 33)
    result = way(flow, images[:-1], images[-1:])
    # The same by the trace, part by part, on any other noise: log-determinants are constants but for the couplings'.
    x = dequantise(images[:-1], torch.Generator().manual_seed(5)).double()
    trace = flow.trace(x)
    bits = len(x[0].flatten()) * math.log(2)
    ends = [np.mean([-0.5 * float((noise**2).sum() / len(x)) for noise in [level.noise]]) for level in trace.levels]
    constant = 0.5 * math.log(2 * math.pi) / math.log(2)
    latents = constant - sum(ends) / bits
    assert result.stops[-1].entropy == pytest.approx(latents, abs=0.02)
    assert result.stops[0].entropy == pytest.approx(-float(flow.log_prob(x).mean()) / bits, abs=0.02)
    grown = sum(float(level.log_det.mean()) for level in trace.levels) / bits
    assert result.gained == pytest.approx(grown, abs=0.02)
    assert len(result.stops) == 1 + sum(
        1 + len(level.steps) + (level.split is not None or level.top is not None) for level in flow.levels
    )


def test_what_leaves_and_what_stays_are_all_values():
    flow = ready_flow(shape=(1, 16, 16), levels=3)
    images = noise_images(flow, 33)
    result = way(flow, images[:-1], images[-1:])
    splits = [stop for stop in result.stops if stop.name == "split"]
    assert [stop.in_flow for stop in splits] == [128, 64]
    assert all(stop.factored_out is not None for stop in splits)
    assert result.stops[-1].in_flow == 64
    assert abs(NOISE_BITS - 2.0471) < 1e-4
