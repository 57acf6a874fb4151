"""One step of the flow: ActNorm, invertible 1×1 convolution, affine coupling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .actnorm import ActNorm
from .bijection import Bijection, Modules
from .config import FlowConfig
from .conv1x1 import InvertibleConvolution, mix
from .coupling import AffineCoupling
from .folding import fold, fold_back
from .fused import FusedSteps, arrange, run_steps, undo_steps
from .prepared import prepared
from .recompute import recomputed


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


#: K steps, of a level or not.
Steps = Sequence[Step] | Modules[Step]


def tensors_of(steps: Steps) -> list[Tensor]:
    """Return the tensors of K steps as :class:`~.fused.FusedSteps` takes them.

    By their dictionaries, since a module's attributes take long to find.
    """
    held: list[Tensor] = []
    convolutions: list[Tensor] = []
    for step in steps:
        actnorm: dict[str, Any] = step.actnorm._parameters
        mixing: dict[str, Any] = step.mixing._parameters
        held += [actnorm["log_scale"], actnorm["bias"], mixing["lower"], mixing["upper"], mixing["log_diagonal"]]
        held += [step.mixing.sign, step.mixing.permutation]
        for layer in step.coupling.network:
            convolutions += [tensor for tensor in layer._parameters.values() if tensor is not None]
    return held + convolutions


def folded(steps: Steps) -> tuple[Tensor, Tensor, Tensor]:
    """Return ActNorm and 1×1 convolution of K steps as one affine map each.

    Shapes: matrices (K, C, C), biases (K, C), and the log-determinant of all K maps at one position, a scalar.
    """
    return fold(arrange(len(steps), tensors_of(steps))[0])[:3]


def folded_inverse(steps: Steps) -> tuple[Tensor, Tensor]:
    """Return the inverses of the affine maps of :func:`folded`: matrices (K, C, C), biases (K, C)."""
    return fold_back(arrange(len(steps), tensors_of(steps))[0])


def run(steps: Steps, x: Tensor, recompute: bool = False) -> tuple[Tensor, Tensor]:
    """Return (y, log_det) of K steps one after the other.

    With ``recompute``, nothing but y is kept for the gradient; what it needs is found again from y.
    """
    tensors, bound = tensors_of(steps), steps[0].coupling.scale_bound
    learning = torch.is_grad_enabled() and (x.requires_grad or any(tensor.requires_grad for tensor in tensors))
    if any(step.coupling.in_bfloat16 for step in steps):
        return recomputed(list(steps), x) if recompute and learning else one_by_one(steps, x)
    if learning:
        return FusedSteps.apply(x, bound, recompute, len(steps), *tensors)
    ready = prepared(steps, len(steps), tensors)
    y, of_couplings = run_steps(x, ready.maps, bound, ready.networks)
    return y, of_couplings + x.shape[2] * x.shape[3] * ready.log_det


def one_by_one(steps: Steps, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return (y, log_det) of K steps whose networks are modules: in bfloat16, and for gradients of gradients."""
    matrices, biases, of_maps = folded(steps)
    total = x.shape[2] * x.shape[3] * of_maps.expand(len(x))
    for step, matrix, bias in zip(steps, matrices, biases, strict=True):
        x, log_det = step.coupling(mix(x, matrix, bias))
        total = total + log_det
    return x, total


def run_back(steps: Steps, y: Tensor) -> Tensor:
    """Return x, by the inverses of K steps from the last to the first."""
    if not torch.is_grad_enabled() and not any(step.coupling.in_bfloat16 for step in steps):
        ready = prepared(steps, len(steps), tensors_of(steps))
        return undo_steps(y, ready.back, steps[0].coupling.scale_bound, ready.networks)
    for step, matrix, bias in reversed(list(zip(steps, *folded_inverse(steps), strict=True))):
        y = mix(step.coupling.inverse(y), matrix, bias)
    return y
