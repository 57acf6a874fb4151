"""A flow under the interface of torch.distributions."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints


class FlowDistribution(Distribution):
    """The distribution of images under a flow, as ``flow.as_distribution()`` returns it.

    Mixtures, KL estimates and other code for ``torch.distributions`` can then use flows. Samples are drawn at
    temperature 1, since ``log_prob`` is the density at that temperature, and from torch's global generator.

    Args:
        shape: (C, H, W) of an image.
        log_prob: of the flow: images (N, C, H, W) to nats (N,).
        rsample: of the flow: a number N to images (N, C, H, W).

    Shapes: one event is an image (C, H, W); ``log_prob`` takes (..., C, H, W) and returns (...) in nats.

    >>> flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8))
    >>> flow.initialise(torch.rand(16, 1, 8, 8) - 0.5)
    >>> images = flow.as_distribution()
    >>> images.sample((2, 3)).shape, images.log_prob(images.sample((2, 3))).shape
    (torch.Size([2, 3, 1, 8, 8]), torch.Size([2, 3]))

    """

    arg_constraints = {}  # noqa: RUF012 (torch's own declaration)
    support = constraints.independent(constraints.real, 3)
    has_rsample = True

    def __init__(
        self, shape: tuple[int, int, int], log_prob: Callable[[Tensor], Tensor], rsample: Callable[[int], Tensor]
    ) -> None:
        self._log_prob, self._rsample = log_prob, rsample
        super().__init__(event_shape=Size(shape))

    def rsample(self, sample_shape: Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Return images (*sample_shape, C, H, W), through which gradients flow to the parameters."""
        return self._rsample(prod(sample_shape)).reshape(*sample_shape, *self.event_shape)

    @torch.no_grad()
    def sample(self, sample_shape: Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Return images (*sample_shape, C, H, W) without gradients."""
        return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p (...) in nats of images (..., C, H, W)."""
        return self._log_prob(value.reshape(-1, *value.shape[-3:])).reshape(value.shape[:-3])
