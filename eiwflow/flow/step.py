"""One step of the flow: ActNorm, invertible 1×1 convolution, affine coupling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .actnorm import ActNorm
from .bijection import Bijection, Modules
from .config import FlowConfig
from .context import keywords
from .conv1x1 import InvertibleConvolution, inverse_matrices, matrices, mix
from .coupling import AffineCoupling
from .entropy_weights import EntropyWeights


class AffineMap(NamedTuple):
    """An affine map of the channels, the same at every position: ActNorm and 1×1 convolution of one step.

    Attributes:
        matrix: (C, C).
        bias: (C,).
        log_det: of an image, all its positions together, a scalar in nats.

    """

    matrix: Tensor
    bias: Tensor
    log_det: Tensor


class Step(Bijection):
    r"""ActNorm, invertible 1×1 convolution, affine coupling: one step of Glow.

    .. math:: y = \mathrm{coupling}(W (e^{a} x + b))

    ActNorm and the convolution are affine at every pixel, so a step applies them as one matrix (:func:`affine_maps`).
    The coupling is called as a module: replace its network, hook it or parametrize it as any other.

    Args:
        channels: C of the input, even.
        config: width and kernel sizes of the network, and the bound of the scale.
        weights: makes the channel weights of the coupling; None for none.

    Shapes: x and y (N, C, H, W); log_det (N,) in nats.

    Reference: Kingma and Dhariwal, Glow, 2018, arXiv:1807.03039, section 3.

    >>> step = Step(4, FlowConfig(width=8))
    >>> step.initialise(x := torch.randn(2, 4, 8, 8))
    >>> y, log_det = step(x)
    >>> torch.allclose(step.inverse(y), x, atol=1e-5)
    True

    """

    def __init__(
        self, channels: int, config: FlowConfig, weights: Callable[[int, int], EntropyWeights] | None = None
    ) -> None:
        super().__init__(channels)
        self.actnorm = ActNorm(channels)
        self.mixing = InvertibleConvolution(channels)
        self.coupling = AffineCoupling(
            channels,
            config.width,
            config.network,
            config.scale_bound,
            config.coupling,
            config.padding,
            config.leaky,
            weights,
        )

    def initialise(self, x: Tensor) -> None:
        """Set ActNorm from the batch x (N, C, H, W)."""
        self.actnorm.initialise(x)

    def forward(
        self, x: Tensor, affine: AffineMap | None = None, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return (y, log_det).

        Args:
            x: (N, C, H, W).
            affine: the step's own map, where it was computed already: a level computes those of all steps at once.
            context: (N, K) of a flow that has one.

        """
        self.check(x)
        matrix, bias, log_det = affine or affine_maps([self], x.shape[2] * x.shape[3])[0]
        y, of_coupling = self.coupling(mix(x, matrix, bias), **keywords(context))
        return y, of_coupling + log_det

    def inverse(self, y: Tensor, affine: tuple[Tensor, Tensor] | None = None, context: Tensor | None = None) -> Tensor:
        """Return x; ``affine`` is the inverse of the step's map, matrix and bias, where it was computed already."""
        self.check(y)
        matrix, bias = affine or inverse_affine_maps([self])[0]
        return mix(self.coupling.inverse(y, **keywords(context)), matrix, bias)

    def parts(self) -> Iterator[tuple[str, Bijection]]:
        """Yield (name, bijection) in forward order."""
        yield from (("actnorm", self.actnorm), ("mixing", self.mixing), ("coupling", self.coupling))


#: K steps, of a level or not.
Steps = Sequence[Step] | Modules[Step]


def affine_maps(steps: Steps, pixels: int) -> list[AffineMap]:
    """Return ActNorm and 1×1 convolution of K steps as one map each, x ↦ W (exp(a) x + b), by one batched product.

    ``pixels`` is H W of the images, for the log-determinants.
    """
    mixing, log_scale, bias = matrices([step.mixing for step in steps]), *_actnorms(steps)
    log_diagonal = torch.stack([step.mixing.log_diagonal for step in steps])
    log_det = pixels * (log_scale + log_diagonal).sum(dim=1)
    scaled, shift = mixing * log_scale.exp()[:, None], (mixing @ bias[:, :, None])[:, :, 0]
    return [AffineMap(*each) for each in zip(scaled.unbind(), shift.unbind(), log_det.unbind(), strict=True)]


def inverse_affine_maps(steps: Steps) -> list[tuple[Tensor, Tensor]]:
    """Return the inverses of :func:`affine_maps`, matrix and bias, by two batched triangular solves in float64."""
    inverse, log_scale, bias = inverse_matrices([step.mixing for step in steps]), *_actnorms(steps)
    unscale = (-log_scale).exp()
    return list(zip((unscale[:, :, None] * inverse).unbind(), (-unscale * bias).unbind(), strict=True))


def _actnorms(steps: Steps) -> tuple[Tensor, Tensor]:
    """Return log-scales and biases of K ActNorms, each (K, C)."""
    return torch.stack([step.actnorm.log_scale for step in steps]), torch.stack([step.actnorm.bias for step in steps])
