"""Compare an imported flow with values of the code that trained it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .. import files
from ..flow import MultiScaleFlow
from ..flow.score import images_at_once
from .formats import KINDS, GlowError

#: The largest difference of a right import, in bits/dim: rounding alone is near 1e-6, a wrong scale map above 0.1.
MOST = 1e-3
#: Repository -> the smallest value of its images, where that is not −½ as for ours.
LOWEST = {KINDS["normflows"]: 0.0}


@dataclass(frozen=True)
class Difference:
    """How far log p of the imported flow is from the values of the other code.

    Attributes:
        images: the number compared.
        worst: the image of the largest difference, from 0.
        bits_per_dim: the largest difference, positive where the imported flow finds the image likelier.

    """

    images: int
    worst: int
    bits_per_dim: float

    @property
    def holds(self) -> bool:
        """Whether the difference is no more than rounding."""
        return abs(self.bits_per_dim) <= MOST


def compare(flow: MultiScaleFlow, kind: str, images: Path, log_prob: Path, labels: Path | None = None) -> Difference:
    """Return how far an imported flow is from values that the other code computed.

    Args:
        flow: the imported flow.
        kind: the repository of that code.
        images: a ``.npy`` file of the inputs of that code's flow, (N, C, H, W): dequantised, in its range.
        log_prob: a ``.npy`` file of its log p of them, (N,) in nats.
        labels: a ``.npy`` file of their classes, (N,) whole numbers, for a flow that is conditional on a class.

    """
    x = _array(images, "--check-images", 4) - (LOWEST.get(kind, -0.5) + 0.5)
    values = _array(log_prob, "--check-log-prob", 1)
    if tuple(x.shape[1:]) != flow.config.shape or len(x) != len(values) or not len(x):
        raise GlowError(
            f"--check-images has the shape {tuple(x.shape)} and --check-log-prob {tuple(values.shape)}; they must be "
            f"(N, {', '.join(map(str, flow.config.shape))}) and (N,)."
        )
    classes = None if labels is None else _array(labels, "--check-labels", 1, "iu").long()
    context, size = flow.checked_context(classes, len(x)), images_at_once(flow.config)
    parts = x.float().split(size)
    contexts = [None] * len(parts) if context is None else context.split(size)
    ours = torch.cat([flow.log_prob(*pair).double() for pair in zip(parts, contexts, strict=True)])
    gaps = (ours - values) / (flow.config.dimensions * math.log(2))
    worst = int(gaps.abs().nan_to_num(nan=math.inf).argmax())
    return Difference(len(x), worst, float(gaps[worst]))


def _array(path: Path, option: str, dimensions: int, kinds: str = "f") -> Tensor:
    """Return the numbers of a ``.npy`` file in float64; ``kinds`` are the accepted kinds of numpy's types."""
    try:
        array = np.load(path, allow_pickle=False)
    except Exception:  # on damaged headers numpy raises a dozen kinds of errors
        raise GlowError(f"{option} is {files.printable(path.name)}, which cannot be read as an array.") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in kinds or array.ndim != dimensions:
        what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        numbers = "floating-point" if kinds == "f" else "whole"
        raise GlowError(f"{option} holds {what}; it must be {numbers} numbers with {dimensions} dimensions.")
    return torch.from_numpy(array.astype(np.float64))
