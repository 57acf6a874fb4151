"""Which level is to blame where decode(encode(x)) is not x.

A flow inverts exactly on paper. In float32 an image unlike any that it was trained on can take it to where one rounding
becomes grey levels, though every number is finite and every level alone is off by no more than rounding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..flow import MultiScaleFlow
from ..flow.multiscale import Trace

#: What decode(encode(x)) may be off by, of x in [−½, ½], where a grey level is 4e-3; rounding alone is near 1e-6. Half
#: of the 1e-3 that is promised: in a batch of another size the same numbers may be rounded in other places.
BOUND = 5e-4
#: Spacing of the float32 numbers near 1: half of it is what one rounding changes.
EPSILON = float(torch.finfo(torch.float32).eps)


@torch.no_grad()
def unsound_level(flow: MultiScaleFlow, trace: Trace, max_abs: float | None = None) -> int | None:
    """Return the level, from 1, whose inverse makes the error of the levels behind it grow most; None within the bound.

    Arguments:
        flow: that is inverted.
        trace: of images, from x to ε.
        max_abs: the largest |decode(encode(x)) − x|, where it is known. A trace is made part by part, so its own
            rounding may be a tenth of that.

    Raises:
        NonFiniteError: a level gives a value that is not finite; the message names it.

    """
    if max_abs is None:
        max_abs = float((flow.decode(flow.encode(trace.x)) - trace.x).abs().max())
    if max_abs <= BOUND:
        return None
    back: Tensor | None = None
    before, worst, at = EPSILON, 0.0, len(flow.levels)
    for level, seen in zip(reversed(flow.levels), reversed(trace.levels), strict=True):
        back = level.inverse(back, seen.noise)
        error = float((back - seen.input).double().norm() / seen.input.double().norm().clamp_min(EPSILON))
        growth = error / max(before, EPSILON) if math.isfinite(error) else math.inf
        if growth > worst:
            worst, at = growth, level.number
        before = error
    return at
