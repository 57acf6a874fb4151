"""Entropy weights: a coupling weights each channel of an image by a function of the channels' entropies."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .bijection import soft_bound, starts_at_zero
from .context import ContextMap

#: Hidden values between entropies and weights.
HIDDEN = 16
#: Largest distance of a weight from 1.
REACH = 4.0
#: Added to a mean square before its logarithm, so that a channel of zeros stays finite.
POWER_FLOOR = 1e-4


class CouplingWeights(NamedTuple):
    """The weights ω of one coupling for a batch, all between −3 and 5; 1 changes nothing.

    :meth:`.AffineCoupling.channel_weights` returns them without the last two dimensions.

    Attributes:
        read: (N, C/2, 1, 1), of the network's input channels.
        given: (N, C', 1, 1), of the network's output channels: raw log-scales, then shifts; C' is C, or C/2 where the
            coupling has shifts alone.

    >>> EntropyWeights(read=2, given=4)(torch.randn(3, 2, 8, 8)).read.shape
    torch.Size([3, 2, 1, 1])

    """

    read: Tensor
    given: Tensor


def channel_entropies(x: Tensor) -> Tensor:
    r"""Return the entropy of every channel of every image, (N, C) in nats, of x (N, C, H, W).

    .. math:: e_c = \tfrac12 \log\Bigl(\tfrac1{HW} \sum_{i,j} x_{c,i,j}^2 + 10^{-4}\Bigr)

    It is the differential entropy of a Gaussian with the channel's mean square in this image, less the constant
    ½ log(2 pi e). ActNorm keeps means near 0, where mean square and variance agree.

    >>> channel_entropies(torch.tensor([1.0, -1.0, 3.0, -3.0]).reshape(1, 2, 1, 2)).round(decimals=3)
    tensor([[0.0000, 1.0990]])

    """
    # As ½ log(sum of squares + HW 10⁻⁴) − ½ log HW: few operations, and none of them on every position but the square.
    positions = x.shape[2] * x.shape[3]
    energy = x.square().sum(dim=(2, 3))
    return torch.rsub((energy + positions * POWER_FLOOR).log(), -math.log(positions) / 2, alpha=-0.5)


class EntropyWeights(nn.Module):
    r"""Weights of the input and output channels of a coupling's network, from the entropies of its input channels.

    .. math:: ω = 1 + 4 \tanh(\tfrac14 (A_2 \, \mathrm{relu}(A_1 e + a_1) + a_2))

    A_2 and a_2 are 0 at first, so all weights start at 1. The coupling does not change the channels that are read, so
    the inverse computes the same weights and the log-determinant keeps its form. A context c adds C c to A_1 e + a_1.

    Squeeze-and-excitation (Hu et al.) weights a network's hidden channels by their means, FiLM (Perez et al.) scales
    and shifts them by another input. Here the inputs and outputs of the network are weighted, by entropies.

    Args:
        read: C/2, input channels of the network.
        given: C', output channels.
        context: K, values of a context; 0 for none.

    Shapes: x (N, C/2, H, W); context (N, K); weights (N, C/2, 1, 1) and (N, C', 1, 1).

    Reference: Hu et al., Squeeze-and-Excitation Networks, 2018, arXiv:1709.01507; Perez et al., FiLM, 2018,
    arXiv:1709.07871; Chen et al., EIW-Flow, 2024, arXiv:2407.04958, which weights channels before a split.

    >>> weights = EntropyWeights(read=2, given=4)
    >>> weights(torch.randn(3, 2, 8, 8)).given.shape
    torch.Size([3, 4, 1, 1])

    """

    def __init__(self, read: int, given: int, context: int = 0) -> None:
        super().__init__()
        self.parts = (read, given)
        self.hidden = nn.Linear(read, HIDDEN)
        self.out = starts_at_zero(nn.Linear(HIDDEN, read + given))
        self.context_map = ContextMap(context, HIDDEN) if context else None

    def statistics(self, x: Tensor) -> Tensor:
        """Return the statistics that decide the weights: the entropies (N, C/2) of x, in nats."""
        return channel_entropies(x)

    def forward(self, x: Tensor, context: Tensor | None = None) -> CouplingWeights:
        """Return the weights of the images whose channels x are read."""
        hidden = self.hidden(self.statistics(x))
        if self.context_map is not None and context is not None:
            hidden = hidden + self.context_map(context)
        weights = soft_bound(self.out(torch.relu_(hidden)), REACH, centre=1)
        return CouplingWeights(*weights.view(*weights.shape, 1, 1).split(self.parts, dim=1))

    def fix_context(self, context: Tensor) -> None:
        """Add the map of one context (1, K) to a_1, permanently."""
        if self.context_map is not None:
            old = self.hidden.bias  # which another flow may have, too
            self.hidden.bias = nn.Parameter(old + self.context_map(context)[0], requires_grad=old.requires_grad)
            self.context_map = None


class MeanWeights(EntropyWeights):
    """The same weights from the channels' means, as squeeze-and-excitation has them: a control for studies.

    >>> MeanWeights(read=2, given=4).statistics(torch.ones(1, 2, 4, 4))
    tensor([[1., 1.]])

    """

    def statistics(self, x: Tensor) -> Tensor:
        """Return the means (N, C/2) of x."""
        return x.mean(dim=(2, 3))


class ConstantWeights(EntropyWeights):
    """Weights of the same network, which sees nothing of the image: a control for studies.

    >>> weights = ConstantWeights(read=2, given=4)
    >>> weights.statistics(torch.ones(1, 2, 4, 4))
    tensor([[0., 0.]])

    """

    def statistics(self, x: Tensor) -> Tensor:
        """Return zeros (N, C/2)."""
        return torch.zeros_like(x[:, :, 0, 0])
