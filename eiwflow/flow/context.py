"""Context: labels, or real values, that a flow's density is conditional on."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .bijection import starts_at_zero


class ContextError(ValueError):
    """A flow was called without its context, or with a wrong context.

    >>> flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8, context=3))
    >>> flow.initialise(torch.rand(16, 1, 8, 8) - 0.5)
    >>> flow.sample(2)
    Traceback (most recent call last):
    eiwflow.flow.context.ContextError: This flow needs a context: pass 2 labels from 0 to 2, or values (2, 3).

    """


def one_hot(labels: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return labels (N,), whole numbers from 0 to ``classes`` − 1, as rows (N, classes) with one 1 each.

    >>> one_hot(torch.tensor([2, 0]), 3)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])

    """
    return (labels[:, None] == torch.arange(classes, device=labels.device)).to(dtype)


def keywords(context: Tensor | None) -> dict[str, Any]:
    """Return a context as keyword arguments; none without a context, so that other modules need no such argument.

    >>> keywords(None)
    {}

    """
    return {} if context is None else {"context": context}


class ContextMap(nn.Linear):
    """A linear map of the context without bias, zero at first: before training a flow ignores its context.

    Args:
        context: K, values of a context.
        shape: of the values added to one image.

    Shapes: context (N, K), result (N, *shape).

    >>> ContextMap(3, 4, 2, 2)(torch.ones(5, 3)).shape
    torch.Size([5, 4, 2, 2])

    """

    def __init__(self, context: int, *shape: int) -> None:
        super().__init__(context, math.prod(shape), bias=False)
        self.shape = shape
        starts_at_zero(self)
        nn.init.zeros_(self.weight)

    def forward(self, context: Tensor) -> Tensor:
        """Return the values added to every image."""
        return super().forward(context).reshape(len(context), *self.shape)
