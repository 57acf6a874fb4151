"""One level of the flow: squeeze, K steps, and where another level follows, Shuffle and Split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from .actnorm import ActNorm
from .bijection import Bijection
from .config import FlowConfig
from .coupling import AffineCoupling
from .fused import invert_steps, run_steps
from .mixing import InvertibleConvolution, half_swap, inverse_matrices, matrices, mix, principal_rotation
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

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (y, log_det)."""
        self.check(x)
        return run([self], x)

    def inverse(self, y: Tensor) -> Tensor:
        """Return x."""
        self.check(y)
        return run_back([self], y)

    def parts(self) -> Iterator[tuple[str, Bijection]]:
        """Yield (name, bijection) in forward order."""
        yield from (("actnorm", self.actnorm), ("mixing", self.mixing), ("coupling", self.coupling))


def folded(steps: Sequence[Step]) -> tuple[Tensor, Tensor, Tensor]:
    """Return ActNorm and 1×1 convolution of K steps as one affine map each, all made in one batch.

    Shapes: matrices (K, C, C), biases (K, C), and the log-determinant of all K maps at one position, a scalar.
    """
    log_scale = torch.stack([step.actnorm.log_scale for step in steps])
    bias = torch.stack([step.actnorm.bias for step in steps])
    mixing = matrices([step.mixing for step in steps])
    log_det = log_scale.sum() + torch.stack([step.mixing.log_diagonal for step in steps]).sum()
    return mixing * log_scale.exp()[:, None], (mixing @ bias[:, :, None])[:, :, 0], log_det


def run(steps: Sequence[Step], x: Tensor) -> tuple[Tensor, Tensor]:
    """Return (y, log_det) of K steps one after the other."""
    matrices, biases, of_maps = folded(steps)
    convolutions = fused_convolutions(steps)
    if convolutions is None:
        of_couplings = x.new_zeros(len(x))
        for step, matrix, bias in zip(steps, matrices, biases, strict=True):
            x, log_det = step.coupling(mix(x, matrix, bias))
            of_couplings = of_couplings + log_det
    else:
        x, of_couplings = run_steps(x, matrices, biases, steps[0].coupling.scale_bound, convolutions)
    return x, of_couplings + x.shape[2] * x.shape[3] * of_maps


def run_back(steps: Sequence[Step], y: Tensor) -> Tensor:
    """Return x, by the inverses of K steps from the last to the first."""
    matrices, biases = folded_inverse(steps)
    convolutions = fused_convolutions(steps)
    if convolutions is not None and not torch.is_grad_enabled():
        return invert_steps(y, matrices, biases, steps[0].coupling.scale_bound, convolutions)
    for step, matrix, bias in reversed(list(zip(steps, matrices, biases, strict=True))):
        y = mix(step.coupling.inverse(y), matrix, bias)
    return y


def fused_convolutions(steps: Sequence[Step]) -> list[Tensor] | None:
    """Return weight and bias of every network's convolutions, in turn; None where they run in bfloat16, unfused."""
    if any(step.coupling.bfloat16 for step in steps):
        return None
    layers = (layer for step in steps for layer in step.coupling.network if isinstance(layer, nn.Conv2d))
    return [tensor for layer in layers for tensor in (layer.weight, layer.bias)]


def folded_inverse(steps: Sequence[Step]) -> tuple[Tensor, Tensor]:
    """Return the inverses of the affine maps of :func:`folded`: matrices (K, C, C), biases (K, C)."""
    log_scale = torch.stack([step.actnorm.log_scale for step in steps])
    bias = torch.stack([step.actnorm.bias for step in steps])
    unscale = (-log_scale).exp()
    return unscale[:, :, None] * inverse_matrices([step.mixing for step in steps]), -unscale * bias


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
        return matrices([step.mixing for step in self.steps])

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
        return run(self.steps, self.squeeze(x)[0])

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
        return self.squeeze.inverse(run_back(self.steps, x))
