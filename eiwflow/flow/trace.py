"""What a flow did with a batch of images, level by level: everything that can be shown of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Latents:
    """The standardised latents ε_l of a batch, one tensor (N, C_l, H_l, W_l) a level, all N(0, I) under the flow."""

    levels: list[Tensor]


@dataclass(frozen=True, eq=False)
class LevelTrace:
    """One level's part of a :class:`Trace`. Channels C, pixels H×W are those inside the level.

    Attributes:
        number: the level, from 1.
        input: (N, C/4, 2H, 2W), what the level before kept (the image for level 1).
        features: (N, C, H, W), after the last step, before the Shuffle.
        order: (C,) channel numbers, kept first; None at the last level.
        log_weights: (N, C) log ω by position after the order; None where the policy has none.
        weighed: whether log_weights enter the density (for ``shuffle`` they are for display).
        kept: (N, C/2, H, W), what goes on; None at the last level.
        emitted: (N, C/2, H, W) z_l before standardising; the whole output at the last level.
        prior_mean, prior_log_std: of z_l given the kept half, like ``emitted``.
        noise: ε_l, like ``emitted``.
        log_dets: (N,) in nats, by part in forward order: ``squeeze``, ``step 1 actnorm``, …, ``shuffle``, ``split``.

    """

    number: int
    input: Tensor
    features: Tensor
    order: Tensor | None
    log_weights: Tensor | None
    weighed: bool
    kept: Tensor | None
    emitted: Tensor
    prior_mean: Tensor
    prior_log_std: Tensor
    noise: Tensor
    log_dets: dict[str, Tensor]

    @property
    def log_det(self) -> Tensor:
        """The level's log-determinant (N,), nats: the sum over its parts."""
        first, *others = self.log_dets.values()
        return sum(others, start=first)


@dataclass(frozen=True, eq=False)
class Trace:
    """The way of a batch x (N, C, H, W) through all levels; ``log_prob`` (N,) is the flow's, in nats."""

    x: Tensor
    levels: list[LevelTrace]
    log_prob: Tensor

    @property
    def latents(self) -> Latents:
        """The standardised latents of the batch."""
        return Latents([level.noise for level in self.levels])
