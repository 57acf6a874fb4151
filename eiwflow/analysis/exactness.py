"""How far decode(encode(x)) is from x, and which level causes a large error.

A flow inverts exactly on paper. In float32, for an image unlike the training images, one rounding can grow to several
grey levels, though every number is finite and every level alone is exact up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..flow import MultiScaleFlow, dequantise
from ..flow.bijection import generator_for, round_trip_error
from ..flow.context import keywords
from ..flow.score import batch_size, pass_over
from . import passes

#: The largest allowed |decode(encode(x)) − x| of x in [−½, ½], where a grey level is 4e-3; rounding alone is near 1e-6.
#: Half of the promised 1e-3, since another batch size rounds the same numbers differently.
BOUND = 5e-4
#: The largest errors of a flow that can be trusted, for ``verify`` and ``evaluate``: of a round trip (for ``verify``
#: relative to the norm of a level's input), and of a log-determinant, in nats a dimension.
ROUND_TRIP, LOG_DET = 1e-3, 1e-4
#: Spacing of the float32 numbers near 1; one rounding changes half of it.
EPSILON = float(torch.finfo(torch.float32).eps)


@torch.no_grad()
def exactness(
    flow: MultiScaleFlow,
    images: Tensor,
    batch: int = 64,
    progress: Callable[[int], None] | None = None,
    first: int = 0,
    context: Tensor | None = None,
) -> tuple[float, float]:
    """Return (largest |decode(encode(x)) − x|, largest log-det gap, nats a dimension) of uint8 images, or NaN.

    The images are on the CPU; ``first`` is the place of the first image within a larger set.
    """
    round_trips, gaps = [], []
    like, generator = next(flow.parameters()), generator_for(0, "exactness")
    pass_over(first, images, generator, torch.float32)
    size = batch_size(flow, batch)
    parts = images.split(size)
    for part, own in zip(parts, [None] * len(parts) if context is None else context.split(size), strict=True):
        x = dequantise(part, generator, bits=flow.config.bits).to(like.device)
        there = flow.trace(x, **keywords(own))
        back = flow.decode(there.latents, **keywords(own))
        again = flow.trace(back, **keywords(own))
        round_trips.append(round_trip_error(back, x).max_abs)
        pairs = zip(there.levels, again.levels, strict=True)
        difference = torch.stack([a.log_det.double() - b.log_det.double() for a, b in pairs]).sum(dim=0)
        gaps.append(float(difference.abs().max()) / flow.config.dimensions)
        if progress is not None:
            progress(len(part))
    # Python's max passes over NaN, numpy's does not.
    return float(np.max(round_trips)), float(np.max(gaps))


@torch.no_grad()
def unsound_level(flow: MultiScaleFlow, x: Tensor, max_abs: float) -> int | None:
    """Return the level, from 1, whose inverse amplifies the error of later levels most; None within the bound.

    Arguments:
        flow: the flow that is inverted.
        x: images (N, C, H, W), on the CPU. They are traced only beyond the bound.
        max_abs: the largest |decode(encode(x)) − x|. The rounding of the trace itself, which is computed part by part,
            may be a tenth of it.

    """
    if max_abs <= BOUND:
        return None
    device, trace = passes.device_of(flow), passes.trace(flow, x)
    back: Tensor | None = None
    before, worst, at = EPSILON, 0.0, len(flow.levels)
    for level, seen in zip(reversed(flow.levels), reversed(trace.levels), strict=True):
        back = level.inverse(back, seen.noise.to(device))
        error = round_trip_error(back.cpu(), seen.input).relative
        growth = error / max(before, EPSILON) if math.isfinite(error) else math.inf
        if growth > worst:
            worst, at = growth, level.number
        before = error
    return at
