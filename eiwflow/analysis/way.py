r"""Entropy along the way through a flow: after the squeeze, every step and every split.

A part f changes the differential entropy of all values by its mean log-determinant, h(f(x)) = h(x) + E log|det|, so
the curve needs no estimate but its start: h(x) is at most −E log p(x), which bits/dim state. It ends at
−E log N(ε; 0, I), which is the entropy of white noise, ½ log₂(2πe) = 2.05 bits a value, for a flow that fits.

How predictable values are from their neighbours is estimated: the spectral redundancy of the channels that are still
in the flow after a part, and of those that a split factors out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..flow import MultiScaleFlow
from ..flow.information import redundancy
from ..flow.multiscale import finite
from . import passes
from .levels import dequantised

#: The entropy of a value of N(0, 1), in bits.
NOISE_BITS = 0.5 * math.log2(2 * math.pi * math.e)
#: Test images: enough for the mean of a log-determinant to 0.01 bits a value.
IMAGES = 128


@dataclass(frozen=True)
class Stop:
    """The values of images after one part of the flow.

    Attributes:
        level: from 1; 0 for the image itself.
        name: ``image``, ``squeeze``, ``step 1`` …, ``split``; ``prior`` where the last level has a learned one.
        entropy: of all values together, bits a value; an upper bound, exact for a flow that fits its data.
        in_flow: how many values are still in the flow after the part.
        redundancy: bits a value, the mean over the channels still in the flow; NaN for fields of one pixel.
        factored_out: the same of the channels that leave here; None where none do.

    """

    level: int
    name: str
    entropy: float
    in_flow: int
    redundancy: float
    factored_out: float | None

    @property
    def title(self) -> str:
        """The part with its level: ``level 1, step 2``."""
        return f"level {self.level}, {self.name}" if self.level else self.name


@dataclass(frozen=True)
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

    def table(self) -> list[dict[str, Any]]:
        """Return one row a stop."""
        return [
            {
                "level": stop.level,
                "part": stop.name,
                "entropy_bits": stop.entropy,
                "values_in_the_flow": stop.in_flow,
                "redundancy_in_the_flow_bits": stop.redundancy,
                "redundancy_factored_out_bits": stop.factored_out,
            }
            for stop in self.stops
        ]


class Part(NamedTuple):
    """One part of a flow: log|det| (N,) in nats, the values still in the flow, and those that leave."""

    level: int
    name: str
    log_det: Tensor
    x: Tensor
    leaves: Tensor | None = None


def parts(flow: MultiScaleFlow, x: Tensor) -> Iterator[Part]:
    """Send images x (N, C, H, W) through a flow, part by part."""
    for level in flow.levels:
        x, log_det = level.squeeze(x)
        yield Part(level.number, "squeeze", log_det, x)
        for number, step in enumerate(level.steps, start=1):
            x, log_det = step(x)
            yield Part(level.number, f"step {number}", log_det, finite(x, level.number))
        if level.shuffle is not None and level.split is not None:
            shuffled, log_det = level.shuffle(x)
            x, _, of_split = level.split.emit(shuffled)
            leaves = shuffled[:, x.shape[1] :]
            yield Part(level.number, "split", log_det + of_split, x, leaves if leaves.shape[1] else None)
        elif level.top is not None:
            x, log_det = level.top(x)
            yield Part(level.number, "prior", log_det, x)


@torch.no_grad()
def way(flow: MultiScaleFlow, images: Tensor, seed: int = 0) -> Way:
    """Return the entropy along the way, as means over uint8 images (N, C, H, W).

    Args:
        flow: initialised.
        images: over which means are taken.
        seed: of the dequantisation.

    >>> from ..flow import FlowConfig, dequantise
    >>> flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=1, width=4))
    >>> bytes = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8)
    >>> flow.initialise(dequantise(bytes))
    >>> [stop.title for stop in way(flow, bytes).stops]  # doctest: +NORMALIZE_WHITESPACE
    ['image', 'level 1, squeeze', 'level 1, step 1', 'level 1, split', 'level 2, squeeze', 'level 2, step 1']

    """
    device, nats, seen = passes.device_of(flow), flow.config.dimensions * math.log(2), list[Part]()
    sums: list[np.ndarray] = []  # of log-determinants in bits a value, and of redundancies passed on and factored out
    for batch in dequantised(flow, images, seed):
        x = batch.to(device)
        seen = [Part(0, "image", -flow.log_prob(x), x), *parts(flow, x)]
        leaving = [0.0 if part.leaves is None else _redundancy(part.leaves) for part in seen]
        log_dets = [float(part.log_det.sum()) / nats for part in seen]
        sums.append(np.array([log_dets, [_redundancy(part.x) for part in seen], leaving]))
    stretched, in_flow, factored_out = np.sum(sums, axis=0) / len(images)
    return Way(
        tuple(
            Stop(
                part.level,
                part.name,
                float(entropy),
                part.x[0].numel(),
                float(remains),
                None if part.leaves is None else float(gone),
            )
            for part, entropy, remains, gone in zip(seen, stretched.cumsum(), in_flow, factored_out, strict=True)
        ),
        len(images),
    )


def _redundancy(x: Tensor) -> float:
    """Return the mean spectral redundancy over channels in bits a value, summed over images; NaN for one pixel."""
    if x.shape[2] * x.shape[3] == 1:
        return math.nan
    return float(redundancy(x.cpu()).mean(dim=1).sum()) / math.log(2)


@torch.no_grad()
def maps(flow: MultiScaleFlow, image: Tensor, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Return the channels (C, H, W) of one uint8 image (1, C, H, W) after every part, the image itself first.

    Those that a part factors out come last.
    """
    (x,) = dequantised(flow, image, seed)
    x = x.to(passes.device_of(flow))
    after = (part.x if part.leaves is None else torch.cat([part.x, part.leaves], 1) for part in parts(flow, x))
    return tuple(channels[0].float().cpu().numpy() for channels in (x, *after))
