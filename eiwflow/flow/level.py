"""One level of the flow: squeeze, K steps, and where another level follows, Shuffle and Split."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .actnorm import ActNorm
from .bijection import Bijection
from .config import FlowConfig
from .coupling import AffineCoupling
from .mixing import InvertibleConvolution, half_swap, mix, principal_rotation
from .shuffle import Shuffle
from .split import Split
from .squeeze import Squeeze


class Step(Bijection):
    """ActNorm, invertible 1×1 convolution, affine coupling.

    ActNorm and the convolution are both affine a pixel: forward runs them as one convolution.
    """

    def __init__(self, channels: int, config: FlowConfig) -> None:
        super().__init__(channels)
        self.actnorm = ActNorm(channels)
        self.mixing = InvertibleConvolution(channels)
        self.coupling = AffineCoupling(channels, config.width, config.network, config.scale_bound)

    def forward(self, x: Tensor, matrix: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (y, log_det); ``matrix`` is the convolution's, where the caller has it already."""
        self.check(x)
        matrix = self.mixing.matrix() if matrix is None else matrix
        pixels = x.shape[2] * x.shape[3]
        mixed = mix(x, matrix * self.actnorm.log_scale.exp(), matrix @ self.actnorm.bias)
        y, log_det = self.coupling(mixed)
        return y, log_det + (self.actnorm.log_det(pixels) + self.mixing.log_det(pixels))

    def inverse(self, y: Tensor) -> Tensor:
        """Return x."""
        return self.actnorm.inverse(self.mixing.inverse(self.coupling.inverse(y)))

    def parts(self) -> Iterator[tuple[str, Bijection]]:
        """Yield (name, bijection) in forward order."""
        yield from (("actnorm", self.actnorm), ("mixing", self.mixing), ("coupling", self.coupling))


class Level(nn.Module):
    """Level ``number`` (from 1) of a flow: takes what the level before kept, gives (kept, ε, log_det).

    The last level keeps nothing: its ε is its whole output.
    """

    def __init__(self, config: FlowConfig, number: int) -> None:
        super().__init__()
        channels = config.level_shape(number)[0]
        self.number = number
        self.principal = config.init == "principal"
        self.squeeze = Squeeze(channels // 4)
        self.steps = nn.ModuleList(Step(channels, config) for _ in range(config.steps))
        last = number == config.levels
        self.shuffle = None if last else Shuffle(channels, config.order, config.weights, config.permutation_seed)
        self.split = None if last else Split(channels, config.prior)

    def matrices(self) -> Tensor:
        """Return the 1×1 convolutions of all steps (K, C, C), by one batched product."""
        mixings = [step.mixing for step in self.steps]
        lower, upper = (torch.stack(factors) for factors in zip(*(m.factors() for m in mixings), strict=True))
        rows = torch.stack([m.permutation for m in mixings])
        return (lower @ upper).gather(1, rows[:, :, None].expand_as(lower))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> Tensor | None:
        """Initialise every part from the batch, in order, each on the output of those before; return what is kept."""
        x, _ = self.squeeze(x)
        for number, step in enumerate(self.steps):
            step.actnorm.initialise(x)
            if self.principal:
                rotation = principal_rotation(step.actnorm(x)[0]) if number == 0 else half_swap(x.shape[1])
                step.mixing.set_matrix(rotation)
            x, _ = step(x)
        if self.shuffle is None or self.split is None:
            return None
        self.shuffle.initialise(x)
        return self.split.emit(self.shuffle(x)[0])[0]

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (features before Shuffle and Split, log_det) of x (N, C/4, 2H, 2W)."""
        x, log_det = self.squeeze(x)
        for step, matrix in zip(self.steps, self.matrices(), strict=True):
            x, part = step(x, matrix)
            log_det = log_det + part
        return x, log_det

    def forward(self, x: Tensor, divergence: bool = False) -> tuple[Tensor | None, Tensor, Tensor, Tensor | None]:
        """Return (kept, ε, log_det, the Shuffle's divergence if asked for)."""
        x, log_det = self.features(x)
        if self.shuffle is None or self.split is None:
            return None, x, log_det, None
        shuffled, of_shuffle = self.shuffle(x)
        kept, noise, of_split = self.split.emit(shuffled)
        return kept, noise, log_det + of_shuffle + of_split, self.shuffle.divergence(x) if divergence else None

    def inverse(self, kept: Tensor | None, noise: Tensor) -> Tensor:
        """Return the level's input, from what it kept (None for the last level) and its ε."""
        x = noise
        if self.shuffle is not None and self.split is not None and kept is not None:
            x = self.shuffle.inverse(self.split.join(kept, noise))
        for step in reversed(self.steps):
            x = step.inverse(x)
        return self.squeeze.inverse(x)
