"""The Shuffle of the published code of EIW-Flow: an order that depends on parameters, the same for all images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .bijection import Bijection
from .shuffle import Shuffle

#: The factor of the divergence in the training loss of the published code.
RELEASED_STRENGTH = 1e-3


class ReleasedShuffle(Shuffle):
    r"""Order the channels by learned weights w, largest first; multiply none of them.

    .. math:: w = \mathrm{softmax}(W_2 \, \mathrm{relu}(W_1 C)), \qquad y_j = x_{π(j)}, \qquad \log|\det| = 0

    The published code of EIW-Flow does this, though the paper's abstract calls its weights feature-dependent: the input
    of the network is the number C, so w depends on no image, and no channel is multiplied by its weight. The order π
    sorts w again at every call; it is a function of the parameters and no buffer. Sorting has no gradient: only
    :meth:`divergence`, which the training loss adds times :data:`RELEASED_STRENGTH`, moves the networks.

    Args:
        channels: C.
        kept: channels passed on; half of them by default.

    Shapes: x and y (N, C, H, W); log_det (N,) in nats.

    Reference: Chen et al., EIW-Flow, 2024, arXiv:2407.04958, its published code.

    >>> shuffle, x = ReleasedShuffle(4), torch.randn(8, 4, 8, 8)
    >>> y, log_det = shuffle(x)
    >>> torch.equal(y, x[:, shuffle.weights_of_channels().argsort(descending=True)])
    True

    """

    def __init__(self, channels: int, kept: int | None = None) -> None:
        Bijection.__init__(self, channels)
        self.rule = "released"
        self.permutation_seed = 0
        self.kept = kept or channels // 2
        self.weights = None
        few = max(1, channels // 16)
        #: W_1 and W_2, of the weights w.
        self.hidden, self.out = _linear(1, channels // 2), _linear(channels // 2, channels)
        #: W_3 and W_4, of s(x).
        self.image_hidden, self.image_out = _linear(channels, few), _linear(few, channels)

    def draw(self, generator: torch.Generator) -> None:
        """Do nothing: only the networks are drawn."""

    def initialise(self, x: Tensor, principal: Tensor | None = None) -> None:
        """Do nothing: the order does not look at data."""

    def weights_of_channels(self) -> Tensor:
        """Return w (C,), which is 1 in all."""
        return self._log_weights().exp()

    def _log_weights(self) -> Tensor:
        count = self.hidden.weight.new_full((1,), float(self.channels))
        return self.out(torch.relu(self.hidden(count))).log_softmax(dim=0)

    @property
    def order(self) -> Tensor:  # type: ignore[override]  # a buffer of every other Shuffle
        """The channel numbers (C,), largest weight first."""
        return self._log_weights().detach().argsort(descending=True, stable=True)

    def divergence(self, x: Tensor, temperature: float = 1.0) -> Tensor:
        r"""Return Σ w (log w − s(x)) per image (N,), s(x) = softmax(W₄ relu(W₃ mean(x))).

        The published code calls this a KL divergence of w and s, but has s where log s belongs. So it is not 0 where w
        = s, and it has a gradient with respect to the features x too.

        Args:
            x: (N, C, H, W), features before the split.
            temperature: has no meaning here.

        """
        del temperature
        log_weights = self._log_weights()
        s = self.image_out(torch.relu(self.image_hidden(x.mean(dim=(2, 3))))).softmax(dim=1)
        return (log_weights.exp() * (log_weights - s)).sum(dim=1)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False)
