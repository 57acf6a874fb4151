"""Noise, perturbed parameters and Jacobians: what the tests of the flow measure with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.double) -> Tensor:
    """Return draws of N(0, 1) that depend on the seed alone."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double).to(dtype)


@torch.no_grad()
def perturb(module: nn.Module, scale: float = 0.15, seed: int = 0) -> nn.Module:
    """Move every parameter, so that no last layer is zero any more; return the module."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter += scale * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return module


def log_abs_det(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return log|det| of the autograd Jacobian of ``function`` at x, whatever shapes both sides have."""
    jacobian = torch.autograd.functional.jacobian(
        lambda row: function(row.view_as(x)).flatten(), x.flatten(), vectorize=True
    )
    return torch.linalg.slogdet(jacobian).logabsdet


def largest_difference(a: Tensor, b: Tensor) -> float:
    """Return max |a − b|, of equal shapes; 0 of no values."""
    assert a.shape == b.shape
    return max((a - b).abs().flatten().tolist(), default=0.0)


def sheet(channels: int, height: int, width: int, n: int, seed: int = 0) -> Tensor:
    """Return n smooth fields a channel, (n, C, H, W): random planes, all structure."""
    rows = torch.linspace(-1, 1, height, dtype=torch.double).view(1, 1, -1, 1)
    columns = torch.linspace(-1, 1, width, dtype=torch.double).view(1, 1, 1, -1)
    slopes = noise(2, n, channels, 1, 1, seed=seed)
    return slopes[0] * rows + slopes[1] * columns


class Questions(TorchDispatchMode):
    """Counts how often Python asks for a tensor's value, for which a GPU would have to finish its work first."""

    count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.count += operation is torch.ops.aten._local_scalar_dense.default
        return operation(*args, **(kwargs or {}))
