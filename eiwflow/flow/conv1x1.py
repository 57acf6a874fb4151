"""The invertible 1×1 convolution that mixes channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .bijection import Bijection, channel_numbers


class InvertibleConvolution(Bijection):
    r"""A 1×1 convolution with W = P L (U + diag(sign exp(log_diagonal))), log|det| = H W sum(log_diagonal).

    P is a permutation (buffer, as row numbers), L unit lower and U strictly upper triangular, sign is ±1 (buffer).

    Args:
        channels: C of the input.

    Shapes: x and y (N, C, H, W); log_det (N,) in nats.

    Reference: Kingma and Dhariwal, Glow, 2018, arXiv:1807.03039, section 3.2.

    >>> convolution = InvertibleConvolution(2)
    >>> convolution.set_matrix(torch.tensor([[0.0, 2.0], [1.0, 0.0]]))
    >>> y, log_det = convolution(torch.ones(1, 2, 4, 4))
    >>> y[0, :, 0, 0], log_det / 16
    (tensor([2., 1.], grad_fn=<SelectBackward0>), tensor([0.6931], grad_fn=<DivBackward0>))

    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.lower = nn.Parameter(torch.zeros(channels, channels))
        self.upper = nn.Parameter(torch.zeros(channels, channels))
        self.log_diagonal = nn.Parameter(torch.zeros(channels))
        self.register_buffer("permutation", channel_numbers(channels))
        self.register_buffer("sign", torch.ones(channels))

    def draw(self, generator: torch.Generator) -> None:
        """Start as a random rotation."""
        matrix, _ = torch.linalg.qr(torch.randn(self.channels, self.channels, generator=generator, dtype=torch.double))
        self.set_matrix(matrix)

    @torch.no_grad()
    def set_matrix(self, matrix: Tensor) -> None:
        """Make W the invertible ``matrix`` (C, C), by its LU decomposition."""
        permutation, lower, upper = torch.linalg.lu(matrix)
        diagonal = upper.diagonal()
        self.lower.copy_(lower.tril(-1))
        self.upper.copy_(upper.triu(1))
        self.log_diagonal.copy_(diagonal.abs().log())
        self.sign.copy_(diagonal.sign())
        # P has its one of row i in column permutation[i]: row i of W is row permutation[i] of L U.
        self.permutation.copy_(permutation.argmax(dim=1))

    def matrix(self) -> Tensor:
        """Return W, (C, C)."""
        return matrices([self])[0]

    def inverse_matrix(self) -> Tensor:
        """Return the inverse of W, (C, C)."""
        return inverse_matrices([self])[0]

    def log_det(self, pixels: int) -> Tensor:
        """Return the log-determinant of one image with ``pixels`` = H W positions, a scalar."""
        return pixels * self.log_diagonal.sum()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (y, log_det)."""
        self.check(x)
        return mix(x, self.matrix()), self.log_det(x.shape[2] * x.shape[3]).expand(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        """Return W^-1 y at every position."""
        self.check(y)
        return mix(y, self.inverse_matrix())


def matrices(mixings: Sequence[InvertibleConvolution]) -> Tensor:
    """Return W of K convolutions, (K, C, C), by one batched product."""
    lower, upper, permutation = _factors(mixings)
    return torch.baddbmm(upper, lower, upper).gather(1, permutation[:, :, None].expand_as(lower))


def inverse_matrices(mixings: Sequence[InvertibleConvolution]) -> Tensor:
    """Return the inverses of W of K convolutions, (K, C, C), by two batched triangular solves in float64."""
    lower, upper, permutation = _factors(mixings)
    identity = torch.eye(lower.shape[-1], dtype=torch.double, device=lower.device)
    # W^-1 = U^-1 L^-1 P^T, and P^T has its rows at argsort(permutation).
    half_way = torch.linalg.solve_triangular(
        lower.double(), identity[permutation.argsort(dim=1)], upper=False, unitriangular=True
    )
    return torch.linalg.solve_triangular(upper.double(), half_way, upper=True).to(lower.dtype)


def _factors(mixings: Sequence[InvertibleConvolution]) -> tuple[Tensor, Tensor, Tensor]:
    """Return L without its diagonal of ones, U with its diagonal, each (K, C, C), and the permutations (K, C)."""
    lower, upper, log_diagonal, sign, permutation = (
        torch.stack([getattr(mixing, name) for mixing in mixings])
        for name in ("lower", "upper", "log_diagonal", "sign", "permutation")
    )
    return lower.tril(-1), upper.triu(1) + torch.diag_embed(sign * log_diagonal.exp()), permutation


def mix(x: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the 1×1 convolution of x (N, C, H, W) with a matrix (C', C) and a bias (C',).

    As a product over positions: with channels last it copies nothing and is faster than a convolution of few channels.
    """
    return F.linear(x.permute(0, 2, 3, 1), matrix, bias).permute(0, 3, 1, 2)
