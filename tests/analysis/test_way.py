"""The way through a flow: its entropies close, and its log-determinants are those of the trace."""

import math

import numpy as np
import pytest
import torch

from eiwflow.analysis import passes
from eiwflow.analysis.levels import dequantised
from eiwflow.analysis.way import NOISE_BITS, maps, way
from eiwflow.flow.information import redundancy

from ..flow.flows import ready_flow


def noise_images(flow, n):
    return torch.randint(0, 256, (n, *flow.config.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("fields", [{}, {"levels": 3, "keep": 0.25}, {"keep": "all"}, {"top_prior": "constant"}])
def test_entropy_starts_at_the_code_length_and_ends_at_the_latents(fields):
    flow = ready_flow(shape=(1, 16, 16), **fields)
    images = noise_images(flow, 33)
    result = way(flow, images)
    x = torch.cat(list(dequantised(flow, images)))
    trace, bits = flow.trace(x), 256 * math.log(2)
    latents = sum(0.5 * float((level.noise**2).sum()) for level in trace.levels) / len(x) / bits
    assert result.stops[0].entropy == pytest.approx(-float(flow.log_prob(x).mean()) / bits, abs=1e-4)
    assert result.stops[-1].entropy == pytest.approx(0.5 * math.log2(2 * math.pi) + latents, abs=1e-4)
    assert result.gained == pytest.approx(sum(float(level.log_det.mean()) for level in trace.levels) / bits, abs=1e-4)
    assert len(result.stops) == len(result.table()) == len(maps(flow, images[:1]))


def test_what_leaves_and_what_stays_are_those_of_the_trace_in_batches():
    flow = ready_flow(shape=(1, 16, 16), levels=3)
    images = noise_images(flow, 33)
    whole = way(flow, images)
    passes.set_batch(8)
    try:
        assert [stop.entropy for stop in way(flow, images).stops] == pytest.approx(
            [stop.entropy for stop in whole.stops], abs=0.02
        )
    finally:
        passes.set_batch(None)
    trace = flow.trace(torch.cat(list(dequantised(flow, images))))
    splits = [stop for stop in whole.stops if stop.name == "split"]
    assert [stop.in_flow for stop in splits] == [128, 64]
    for stop, level in zip(splits, trace.levels, strict=False):
        for measured, values in (
            (stop.redundancy, level.kept),
            (stop.factored_out, level.features[:, level.order[level.kept.shape[1] :]]),
        ):
            assert measured == pytest.approx(float(redundancy(values).mean()) / math.log(2), abs=1e-5)
    assert abs(NOISE_BITS - 2.0471) < 1e-4


def test_maps_are_the_channels_of_one_image_those_that_leave_last():
    flow = ready_flow(shape=(1, 16, 16), levels=2)
    image = noise_images(flow, 1)
    (trace,) = [flow.trace(x) for x in dequantised(flow, image)]
    shown = dict(zip([stop.title for stop in way(flow, noise_images(flow, 8)).stops], maps(flow, image), strict=True))
    level = trace.levels[0]
    kept, leaving = level.kept[0], level.features[0, level.order[level.kept.shape[1] :]]
    np.testing.assert_allclose(shown["level 1, split"], torch.cat([kept, leaving]).numpy(), atol=1e-5)
    assert shown["image"].shape == (1, 16, 16)
