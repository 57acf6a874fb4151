"""Gradients of a chain of bijections that keep nothing but its output: what they need is found again by inverting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .bijection import Bijection


def recomputed(bijections: Sequence[Bijection], x: Tensor) -> tuple[Tensor, Tensor]:
    """Return (y, log_det) of bijections one after the other, in memory that does not grow with their number.

    The backward pass goes from the last to the first: it inverts one, runs it forward again with autograd, and takes
    its gradients. Its time is about that of a forward and an inverse pass more; its gradients are those of the plain
    chain as far as the inverses are exact. A level's fused steps do the same with one evaluation of each network for
    both (:class:`~.fused.FusedSteps`).

    Reference: Gomez et al., The Reversible Residual Network, 2017, arXiv:1707.04585.
    """
    parameters = [parameter for bijection in bijections for parameter in bijection.parameters()]
    return Recomputed.apply(x, tuple(bijections), *parameters)


class Recomputed(torch.autograd.Function):
    """(y, log_det) of :func:`recomputed`."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch's own type does not know what is put on it)
        x: Tensor,
        bijections: tuple[Bijection, ...],
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return (y, log_det); the parameters are those of the bijections in turn, for autograd to see them."""
        total = x.new_zeros(len(x))
        y = x
        for bijection in bijections:
            y, log_det = bijection(y)
            total = total + log_det
        # An output that is the input itself, as of a Split without a prior, has to be another tensor to autograd.
        y = y.view_as(y) if y is x else y
        ctx.save_for_backward(y, *parameters)
        ctx.bijections = bijections
        return y, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_y: Tensor, of_log_det: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients of forward's arguments."""
        y, *_ = ctx.saved_tensors
        of_parameters: list[Tensor | None] = []
        for bijection in reversed(ctx.bijections):
            x = bijection.inverse(y).detach().requires_grad_()
            own = list(bijection.parameters())
            wanted = [parameter for parameter in own if parameter.requires_grad]
            with torch.enable_grad():
                outputs = zip(bijection(x), (of_y, of_log_det), strict=True)
            # Of a constant log-determinant there is no gradient.
            moved, of_moved = zip(*((output, of) for output, of in outputs if output.requires_grad), strict=True)
            of_y, *found = torch.autograd.grad(moved, [x, *wanted], of_moved, allow_unused=True)
            of_wanted = iter(found)
            of_parameters[:0] = [next(of_wanted) if parameter.requires_grad else None for parameter in own]
            y = x.detach()
        return of_y, None, *of_parameters
