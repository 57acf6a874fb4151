"""The way back through all levels: how far from its beginning it ends, and which level is to blame.

A flow inverts exactly on paper. In float32 an image unlike any that it was trained on can take it to where one rounding
becomes grey levels, though every number is finite and every level alone is off by no more than rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..flow import MultiScaleFlow
from ..flow.multiscale import Trace

#: What decode(encode(x)) may be off by, of x in [−½, ½], where a grey level is 4e-3; rounding alone is near 1e-6. Half
#: of the 1e-3 that is promised: in a batch of another size the same numbers may be rounded in other places.
BOUND = 5e-4
#: Spacing of the float32 numbers near 1: half of it is what one rounding changes.
EPSILON = float(torch.finfo(torch.float32).eps)


@dataclass(frozen=True)
class WayBack:
    """Where the way back of a batch ends.

    Attributes:
        max_abs: the largest |decode(encode(x)) − x|.
        level: the one whose inverse makes the error of the levels behind it grow most.

    """

    max_abs: float
    level: int

    @property
    def holds(self) -> bool:
        """Whether the way back ends where it began; what is no number does not."""
        return self.max_abs <= BOUND

    def in_words(self) -> str:
        """Return one sentence where it does not, which names the level; else nothing."""
        if self.holds:
            return ""
        return (
            f"The inverse of level {self.level} makes rounding grow beyond what can be trusted: this image is unlike "
            "those that the flow was trained on."
        )


@torch.no_grad()
def way_back(flow: MultiScaleFlow, trace: Trace) -> WayBack:
    """Send images there and back, and a trace of them back alone, level by level beside what each was given there.

    How far off the way is, is asked of ``decode(encode(x))`` itself: part by part, as a trace is made, rounding may be
    a tenth of that.

    Raises:
        NonFiniteError: a level gives a value that is not finite; the message names it.

    """
    restored = flow.decode(flow.encode(trace.x))
    back: Tensor | None = None
    before, worst, at = EPSILON, 0.0, len(flow.levels)
    for level, seen in zip(reversed(flow.levels), reversed(trace.levels), strict=True):
        back = level.inverse(back, seen.noise)
        error = float((back - seen.input).double().norm() / seen.input.double().norm().clamp_min(EPSILON))
        growth = error / max(before, EPSILON) if math.isfinite(error) else math.inf
        if growth > worst:
            worst, at = growth, level.number
        before = error
    return WayBack(float((restored - trace.x).abs().max()), at)
