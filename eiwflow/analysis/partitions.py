"""How much of the mutual information between a level's channels its couplings see, by channel partition.

Before training, a level's channels are the principal ones of its input. A coupling sees the mutual information between
the half that conditions and the other. The partitions are those of :mod:`..flow.partitions`. They are made from one
half of the images and judged on the other, so that the search does not flatter itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..flow import FlowConfig, MultiScaleFlow, dequantise
from ..flow.conv1x1 import mix
from ..flow.initialise import principal_rotation
from ..flow.partitions import NEIGHBOURS, alternating, at_random, by_information, told
from ..flow.policies import ORDERS

#: Draws of random partitions.
DRAWS = 100
#: Couplings of a level that are looked at.
MOST_COUPLINGS = 16
#: Values of all images together that are looked at; 128 photographs of 64×64 pixels have as many.
MOST_VALUES = 128 * 3 * 64 * 64


@dataclass(frozen=True, eq=False)
class Coverage:
    """How much of the pairwise mutual information couplings see, in a level just initialised.

    Attributes:
        level: from 1.
        steps: K of the flow.
        init: how the flow's 1×1 convolutions start.
        partition: the flow's own.
        information: mutual information of channel i with channel j around it, (C, C) nats, largest variance first;
            without what chance alone would make it in the mean.
        alternating, by_information: the part of the sum of all of it that the first 1 … K couplings have seen, (K,).
        random: the same, (draws, K).

    """

    level: int
    steps: int
    init: str
    partition: str
    information: np.ndarray
    alternating: np.ndarray
    random: np.ndarray
    by_information: np.ndarray

    @property
    def couplings(self) -> int:
        """How many are looked at: K, or :data:`MOST_COUPLINGS`."""
        return len(self.alternating)

    @property
    def chance(self) -> tuple[np.ndarray, np.ndarray]:
        """The ends of the band that holds 90 % of the random partitions, each (K,)."""
        low, high = np.quantile(self.random, [0.05, 0.95], axis=0)
        return low, high

    def table(self) -> list[dict[str, Any]]:
        """Return one row a coupling."""
        low, high = self.chance
        return [
            {
                "coupling": k + 1,
                "seen_in_turn": float(self.alternating[k]),
                "seen_by_chance": float(self.random[:, k].mean()),
                "by_chance_5_percent": float(low[k]),
                "by_chance_95_percent": float(high[k]),
                "seen_by_information": float(self.by_information[k]),
            }
            for k in range(self.couplings)
        ]


def coverage(config: FlowConfig, images: Tensor, level: int = 1, seed: int = 0) -> Coverage:
    """Initialise a flow on uint8 images (N, C, H, W), N ≥ 2, up to a level; judge every kind of partition there.

    The width of its networks is of no consequence, since a fresh coupling changes nothing; nor are more steps than
    :data:`MOST_COUPLINGS`, but for which half an even or an odd number brings where.

    Raises:
        ValueError: the flow has no such level, or there is one image.

    """
    if not 1 <= level <= config.levels or len(images) < 2:
        raise ValueError(
            f"Level {level} of {config.levels} and {len(images)} images have no channel partitions to judge."
        )
    images = images[: max(2, MOST_VALUES // images[0].numel())]
    steps = config.steps if config.steps <= MOST_COUPLINGS else MOST_COUPLINGS - config.steps % 2
    flow = MultiScaleFlow(replace(config, width=1, steps=steps), seed)
    x: Tensor | None = dequantise(images, torch.Generator().manual_seed(seed), bits=config.bits)
    for before in flow.levels[: level - 1]:
        assert x is not None  # only the last level keeps nothing
        x = before.initialise(x)
    assert x is not None
    at = flow.levels[level - 1]
    with torch.no_grad():
        x = at.squeeze(x)[0]
        at.steps[0].actnorm.initialise(x)
        channels = at.steps[0].actnorm(x)[0].double()
        channels = mix(channels, principal_rotation(channels))
    fitted, judged = channels[::2], channels[1::2]
    # Regression on pure chance explains, in the mean, as much as it has unknowns.
    by_luck = len(NEIGHBOURS) / (2 * judged.numel() / judged.shape[1])
    known = (told(judged).numpy() - by_luck).clip(min=0)
    np.fill_diagonal(known, 0)
    last = None if at.shuffle is None else ORDERS[config.order].last_half(fitted)
    chance = [at_random(fitted, steps, last, draw) for draw in range(DRAWS)]
    return Coverage(
        level=level,
        steps=config.steps,
        init=config.init,
        partition=config.partition,
        information=known,
        alternating=_seen(known, alternating(fitted, steps)),
        random=np.stack([_seen(known, stands) for stands in chance]),
        by_information=_seen(known, by_information(fitted, steps, last)),
    )


def _seen(known: np.ndarray, stands: list[Tensor]) -> np.ndarray:
    """Return the part of all information between a channel that has conditioned and one that it did, (K,), so far."""
    places = np.stack([stand.argsort().numpy() for stand in stands])
    conditions = places < places.shape[1] // 2
    told_of = np.logical_or.accumulate(conditions[:, :, None] & ~conditions[:, None, :], axis=0)
    whole = known.sum()
    return (told_of * known).sum(axis=(1, 2)) / whole if whole else np.ones(len(conditions))
