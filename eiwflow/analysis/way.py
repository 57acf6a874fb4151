r"""Entropy along the way through a flow: after the squeeze, every step and every split.

A part f changes the differential entropy of all values by its mean log-determinant, h(f(x)) = h(x) + E log|det|, so
the curve needs no estimate but its start: h(x) is at most −E log p(x), which bits/dim state. It ends at
−E log N(ε; 0, I), which is the entropy of white noise, ½ log₂(2πe) = 2.05 bits a value, for a flow that fits.

How predictable values are from their neighbours is estimated: the spectral redundancy of the channels that are still
in the flow after a part, and of those that a split factors out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..flow import MultiScaleFlow, dequantise
from ..flow.bijection import generator_for
from ..flow.context import keywords
from ..flow.information import redundancy

#: The entropy of a value of N(0, 1), in bits.
NOISE_BITS = 0.5 * math.log2(2 * math.pi * math.e)
#: Test images: enough for the mean of a log-determinant to 0.01 bits a value.
IMAGES = 128


@dataclass(frozen=True, eq=False)
class Stop:
    """The values of an image after one part of the flow.

    Attributes:
        level: from 1; 0 for the image itself.
        name: ``image``, ``squeeze``, ``step 1`` …, ``split``; ``prior`` where the last level has a learned one.
        entropy: of all values together, bits a value; an upper bound, exact for a flow that fits its data.
        in_flow: how many values are still in the flow after the part.
        redundancy: bits a value, the mean over the channels still in the flow; NaN for fields of one pixel.
        factored_out: the same of the channels that leave here; None where none do.
        maps: of one image, the channels (C, H, W) still in the flow after the part, float32.

    """

    level: int
    name: str
    entropy: float
    in_flow: int
    redundancy: float
    factored_out: float | None
    maps: np.ndarray

    @property
    def title(self) -> str:
        """The part with its level: ``level 1, step 2``."""
        return f"level {self.level}, {self.name}" if self.level else self.name


@dataclass(frozen=True, eq=False)
class Way:
    """Entropy along the way through a flow.

    Attributes:
        stops: the image, then every part in order.
        images: how many test images the means are over.

    """

    stops: tuple[Stop, ...]
    images: int

    @property
    def gained(self) -> float:
        """The growth from the image to the latents, bits a value."""
        return self.stops[-1].entropy - self.stops[0].entropy

    def table(self) -> dict[str, list[Any]]:
        """Return the stops as columns."""
        return {
            "level": [stop.level for stop in self.stops],
            "part": [stop.name for stop in self.stops],
            "entropy, bits a value": [stop.entropy for stop in self.stops],
            "values in the flow": [stop.in_flow for stop in self.stops],
            "redundancy in the flow, bits a value": [stop.redundancy for stop in self.stops],
            "redundancy factored out, bits a value": [stop.factored_out for stop in self.stops],
        }


@torch.no_grad()
def way(flow: MultiScaleFlow, images: Tensor, image: Tensor, seed: int = 0, context: Tensor | None = None) -> Way:
    """Follow images through a flow, part by part.

    Args:
        flow: initialised.
        images: uint8 (N, C, H, W), over which means are taken.
        image: uint8 (1, C, H, W), whose channels are kept at every stop.
        seed: of the dequantisation.
        context: (N + 1, K) of a flow that has one, the image's last.

    >>> from ..flow import FlowConfig
    >>> flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=1, width=4))
    >>> bytes = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8)
    >>> flow.initialise(dequantise(bytes))
    >>> [stop.title for stop in way(flow, bytes[:-1], bytes[-1:]).stops]  # doctest: +NORMALIZE_WHITESPACE
    ['image', 'level 1, squeeze', 'level 1, step 1', 'level 1, split', 'level 2, squeeze', 'level 2, step 1']

    """
    generator = generator_for(seed, "the way through a flow")
    x = dequantise(torch.cat([images, image]), generator, next(flow.parameters()).dtype, flow.config.bits)
    dimensions = flow.config.dimensions
    entropy = -float(flow.log_prob(x, context)[:-1].mean()) / (dimensions * math.log(2))
    stops = [_stop(0, "image", entropy, x)]

    def add(level: int, name: str, log_det: Tensor, x: Tensor, leaves: Tensor | None = None) -> None:
        nonlocal entropy
        entropy += float(log_det[:-1].mean()) / (dimensions * math.log(2))
        stops.append(_stop(level, name, entropy, x, leaves))

    for level in flow.levels:
        x, log_det = level.squeeze(x)
        add(level.number, "squeeze", log_det, x)
        for number, step in enumerate(level.steps, start=1):
            x, log_det = step(x, **keywords(context))
            add(level.number, f"step {number}", log_det, x)
        if level.shuffle is not None and level.split is not None:
            shuffled, log_det = level.shuffle(x)
            x, noise, of_split = level.split.emit(shuffled, context)
            add(level.number, "split", log_det + of_split, x, noise)
        elif level.top is not None:
            x, log_det = level.top(x, context)
            add(level.number, "prior", log_det, x)
    return Way(tuple(stops), len(images))


def _stop(level: int, name: str, entropy: float, x: Tensor, leaves: Tensor | None = None) -> Stop:
    """Measure the values x (N + 1, C, H, W) still in the flow, and those that leave; the last image has the maps."""
    return Stop(
        level,
        name,
        entropy,
        x[0].numel(),
        _predictable(x[:-1]),
        None if leaves is None or not leaves.shape[1] else _predictable(leaves[:-1]),
        x[-1].float().cpu().numpy(),
    )


def _predictable(x: Tensor) -> float:
    """Return the mean spectral redundancy of x (N, C, H, W) in bits a value; NaN for a single pixel."""
    return float(redundancy(x).mean()) / math.log(2) if x.shape[2] * x.shape[3] > 1 else math.nan
