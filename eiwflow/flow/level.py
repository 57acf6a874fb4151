"""One level of the flow: squeeze, K steps, and where another level follows, Shuffle and Split."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .bijection import Modules
from .config import ROTATED, FlowConfig
from .conv1x1 import mix
from .initialise import principal_rotation, rearrangement
from .linear import start_coupling, start_prior
from .policies import ORDERS, PARTITIONS, WEIGHTS
from .released import ReleasedShuffle
from .shuffle import Shuffle
from .split import PRIOR_BOUND, Split, TopPrior
from .squeeze import Squeeze
from .step import Step, affine_maps, inverse_affine_maps


class Level(nn.Module):
    """One level of a flow: squeeze, K steps, and except for the last level Shuffle and Split.

    The last level passes nothing on: its ε is its whole output, standardised where the flow has a learned top prior
    or a context.

    Args:
        config: of the flow.
        number: of the level, from 1.

    Shapes: x (N, C/4, 2H, 2W); passed on (N, C_h, H, W) and ε (N, C − C_h, H, W), by ``keep``, of no channels where all
    are passed on; at the last level ε (N, C, H, W) alone; context (N, K) of a flow that has one; log_det (N,) in nats.

    >>> level = Level(FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8), 1)
    >>> _ = level.initialise(x := torch.randn(16, 1, 8, 8))
    >>> kept, noise, log_det, _ = level(x)
    >>> torch.allclose(level.inverse(kept, noise), x, atol=1e-4)
    True

    """

    def __init__(self, config: FlowConfig, number: int) -> None:
        super().__init__()
        channels, height, width = config.level_shape(number)
        self.number = number
        self.rotated, self.linear = config.init in ROTATED, config.init == "linear"
        self.linear_prior = self.linear and config.prior == "conditional"
        self.permutation_seed = config.permutation_seed
        self.order, self.partition = ORDERS[config.order], PARTITIONS[config.partition]
        self.recompute = config.memory == "recompute"
        self.squeeze = Squeeze(channels // 4)
        # The last level has too few values to estimate an entropy: 4 per channel of a 16×16 image at level 3.
        weights = WEIGHTS[config.weights].coupling if number < config.levels else None
        if weights is not None and config.context:
            weights = partial(weights, context=config.context)
        self.steps: Modules[Step] = Modules(Step(channels, config, weights) for _ in range(config.steps))
        self.shuffle: Shuffle | None = None
        self.split: Split | None = None
        self.top: TopPrior | None = None
        if number < config.levels:
            kept = config.counts[number - 1]
            self.shuffle = (
                ReleasedShuffle(channels, kept)
                if self.order.learned
                else Shuffle(channels, config.order, config.weights, config.permutation_seed, kept)
            )
            self.split = Split(channels, config.prior, kept, (height, width), config.padding, config.context)
        elif config.top_prior == "constant" or config.context:
            self.top = TopPrior(channels, height, width, config.top_prior == "constant", config.context)

    def initialise(self, x: Tensor) -> Tensor | None:
        """Initialise the parts in order, each on the output of those before; return the part passed on."""
        return self.initialise_split(*self.initialise_steps(x))

    @torch.no_grad()
    def initialise_steps(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Initialise the steps; return the features and, of principal channels, their numbers (C,) as they stand."""
        x, _ = self.squeeze(x)
        stands: list[Tensor] = []
        matrix = torch.empty(0)
        for number, step in enumerate(self.steps):
            step.initialise(x)
            if self.rotated and number == 0:
                normed = step.actnorm(x)[0].double()
                rotation = principal_rotation(normed)
                principal = mix(normed, rotation)
                last = None if self.shuffle is None else self.order.last_half(principal)
                stands = self.partition(principal, len(self.steps), last, self.permutation_seed)
                matrix = rotation[stands[0]]
            elif self.rotated:
                matrix = rearrangement(stands[number - 1], stands[number]).to(x.device)
            if self.rotated:
                step.mixing.set_matrix(matrix)
            if self.linear:
                left = start_coupling(step.coupling.network, step.mixing(step.actnorm(x)[0])[0])
                step.mixing.set_matrix(matrix / torch.cat([torch.ones_like(left), left])[:, None])
            x, _ = step(x)
        return x, stands[-1] if stands else None

    @torch.no_grad()
    def initialise_split(self, features: Tensor, principal: Tensor | None) -> Tensor | None:
        """Initialise the Shuffle from the results of :meth:`initialise_steps`; return the part passed on."""
        if self.shuffle is None or self.split is None:
            return None
        self.shuffle.initialise(features, principal)
        shuffled = self.shuffle(features)[0]
        if self.linear_prior and isinstance(self.split.prior, nn.Conv2d):
            kept, emitted = shuffled.split(self.split.parts, dim=1)
            start_prior(self.split.prior, kept, emitted, PRIOR_BOUND)
        return self.split.emit(shuffled)[0]

    def features(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (features before Shuffle and Split, log_det) of x (N, C/4, 2H, 2W)."""
        return self.run_steps(self.squeeze(x)[0], context)

    def run_steps(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (y, log_det) of all steps, of x (N, C, H, W).

        With ``memory="recompute"`` a gradient stores the input of every step, and runs the step again for the rest.
        """
        total = x.new_zeros(x.shape[0])
        for step, affine in zip(self.steps, affine_maps(self.steps, x.shape[2] * x.shape[3]), strict=True):
            if self.recompute and torch.is_grad_enabled():
                x, log_det = checkpoint(step, x, affine, context, use_reentrant=False, preserve_rng_state=False)
            else:
                x, log_det = step(x, affine, context)
            total = total + log_det
        return x, total

    def forward(
        self, x: Tensor, divergence: bool = False, context: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor, Tensor, Tensor | None]:
        """Return (kept, ε, log_det, the Shuffle's divergence if asked for)."""
        x, log_det = self.features(x, context)
        if self.shuffle is None or self.split is None:
            noise, of_top = (x, 0) if self.top is None else self.top(x, context)
            return None, noise, log_det + of_top, None
        shuffled, of_shuffle = self.shuffle(x)
        kept, noise, of_split = self.split.emit(shuffled, context)
        return kept, noise, log_det + of_shuffle + of_split, self.shuffle.divergence(x) if divergence else None

    def inverse(
        self,
        kept: Tensor | None,
        noise: Tensor,
        affine: list[tuple[Tensor, Tensor]] | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        """Return the level's input from the part passed on (None for the last level) and ε.

        ``affine`` are the inverses of the steps' maps, where they were computed already.
        """
        x = noise
        if self.shuffle is not None and self.split is not None and kept is not None:
            x = self.shuffle.inverse(self.split.join(kept, noise, context))
        elif self.top is not None:
            x = self.top.inverse(noise, context)
        maps = affine or inverse_affine_maps(self.steps)
        for step, own in reversed(list(zip(self.steps, maps, strict=True))):
            x = step.inverse(x, own, context)
        return self.squeeze.inverse(x)
