"""Which of the things that a level's channels tell of each other its couplings get to see, deal by deal.

Before training, a level's channels are the principal ones of its input. A coupling sees what one half of them tells of
the other; two channels that stand in one half at every coupling are never told of each other but by what training makes
of the 1×1 convolutions. The deals are those of :mod:`..flow.deal`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..flow import FlowConfig, MultiScaleFlow, dequantise
from ..flow.deal import by_chance, by_information, dependence, in_turn
from ..flow.mixing import mix, principal_rotation

#: Draws of the deal by chance.
DRAWS = 20
#: Couplings of a level that are dealt to; by then nothing is left to see.
MOST_COUPLINGS = 16


@dataclass(frozen=True, eq=False)
class Deals:
    """What couplings see of what channels tell of each other, in a level just initialised.

    Attributes:
        level: from 1.
        init: how the flow's 1×1 convolutions start.
        adaptive: whether its order looks at data, and so deals by information where the initialisation is ``dealt``.
        told: what every two principal channels tell of each other, (C, C) nats, largest variance first.
        in_turn, by_information: the part of all of it that the first 1 … K couplings have seen, (K,).
        by_chance: the same, (draws, K).
        conditions: whether a channel conditions at a coupling, in turn and by information, each (K, C).

    """

    level: int
    init: str
    adaptive: bool
    told: np.ndarray
    in_turn: np.ndarray
    by_chance: np.ndarray
    by_information: np.ndarray
    conditions: tuple[np.ndarray, np.ndarray]

    @property
    def steps(self) -> int:
        """K, or :data:`MOST_COUPLINGS`."""
        return len(self.in_turn)

    def in_words(self) -> str:
        """Return how much the couplings see, and which of the deals the flow began with."""
        chance = self.by_chance[:, -1].mean()
        pair = min(1, self.steps - 1)
        return (
            f"Before training, halves that change places let couplings see {_percent(self.in_turn[-1])} of what the "
            f"{len(self.told)} channels of level {self.level} tell of each other, however many couplings there are. "
            f"Dealt by chance, {self.steps} of them see {_percent(chance)}; dealt by information "
            f"{_percent(self.by_information[-1])}, and {_percent(self.by_information[pair])} already with the first "
            f"{pair + 1}. {self._own()}"
        )

    def _own(self) -> str:
        if self.init == "dealt":
            return f"This flow began dealt by {'information' if self.adaptive else 'chance'}."
        if self.init == "principal":
            return "This flow began with halves that change places; training mixed them further."
        return "This flow began with random rotations, which mix all channels in every coupling."

    def table(self) -> list[dict[str, Any]]:
        """Return one row a coupling."""
        low, high = np.quantile(self.by_chance, [0.05, 0.95], axis=0)
        return [
            {
                "coupling": k + 1,
                "seen_in_turn": float(self.in_turn[k]),
                "seen_by_chance": float(self.by_chance[:, k].mean()),
                "by_chance_5_percent": float(low[k]),
                "by_chance_95_percent": float(high[k]),
                "seen_by_information": float(self.by_information[k]),
            }
            for k in range(self.steps)
        ]


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def deals(config: FlowConfig, images: Tensor, level: int = 1, seed: int = 0) -> Deals:
    """Initialise a flow on uint8 images (N, C, H, W) up to a level, and deal the level's channels in every way.

    The width of its networks is of no consequence, since a fresh coupling changes nothing; nor are more steps than
    :data:`MOST_COUPLINGS`, but for which half an even or an odd number brings where.
    """
    steps = config.steps if config.steps <= MOST_COUPLINGS else MOST_COUPLINGS - config.steps % 2
    flow = MultiScaleFlow(replace(config, width=1, steps=steps), seed)
    x = dequantise(images, torch.Generator().manual_seed(seed))
    for before in flow.levels[: level - 1]:
        kept = before.initialise(x)
        assert kept is not None  # only the last level keeps nothing
        x = kept
    at = flow.levels[level - 1]
    with torch.no_grad():
        x = at.squeeze(x)[0]
        at.steps[0].actnorm.initialise(x)
        channels = at.steps[0].actnorm(x)[0].double()
        channels = mix(channels, principal_rotation(channels))
    told, splits = dependence(channels), at.shuffle is not None
    ways = [deal(channels, steps, splits, 0) for deal in (in_turn, by_information)]
    chance = [by_chance(channels, steps, splits, draw) for draw in range(DRAWS)]
    turned, informed = (_conditions(stands) for stands in ways)
    return Deals(
        level=level,
        init=config.init,
        adaptive=config.order == "entropy",
        told=told.numpy(),
        in_turn=_seen(told.numpy(), turned),
        by_chance=np.stack([_seen(told.numpy(), _conditions(stands)) for stands in chance]),
        by_information=_seen(told.numpy(), informed),
        conditions=(turned, informed),
    )


def _conditions(stands: list[Tensor]) -> np.ndarray:
    """Return whether a channel conditions at a coupling, (K, C)."""
    places = np.stack([stand.argsort().numpy() for stand in stands])
    return places < places.shape[1] // 2


def _seen(told: np.ndarray, conditions: np.ndarray) -> np.ndarray:
    """Return the part of what is told between channels that stood apart at one of the first 1 … K couplings, (K,)."""
    apart = np.logical_or.accumulate(conditions[:, :, None] != conditions[:, None, :], axis=0)
    whole = told.sum()
    return np.where(apart, told, 0.0).sum(axis=(1, 2)) / whole if whole else np.ones(len(conditions))
