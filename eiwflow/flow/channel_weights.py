"""Weights of channels: one a channel and image, made from channels that the inverse has when it needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .bijection import Bijection, starts_at_zero
from .coupling import soft_bound
from .information import gaussian_entropy

#: log ω never leaves ±LOG_WEIGHT_BOUND (nats): a channel is scaled by at most e² = 7.4.
LOG_WEIGHT_BOUND = 2.0
#: Added to a spatial variance before its logarithm; 8-bit dequantisation noise has 1.3e-6.
VARIANCE_FLOOR = 1e-4


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return spatial mean and variance (N, C) of every channel of x (N, C, H, W).

    In two passes: exact as torch.var_mean, and with channels last several times as fast.
    """
    mean, _, variance = _moments(_rows(x))
    return mean, variance


def _moments(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return means (N, C) of rows (N, H W, C), the rows without them, and variances (N, C)."""
    mean = rows.mean(dim=1)
    centred = rows - mean[:, None]
    return mean, centred, centred.square().mean(dim=1)


def pool(x: Tensor) -> Tensor:
    """Return spatial mean and log spatial variance of every channel: (N, C, H, W) to (N, 2C)."""
    return _pooled(*moments(x))


def _pooled(mean: Tensor, variance: Tensor) -> Tensor:
    return torch.cat([mean, (variance + VARIANCE_FLOOR).log()], dim=1)


class Solver(nn.Module):
    """Finds one log-weight a channel of one half from the pooled other half; 0 at first, so weights start at 1.

    Shapes: x (N, C/2, H, W) of the other half; result (N, C/2) in nats, within ±:data:`LOG_WEIGHT_BOUND`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.hidden = nn.Linear(2 * half, 2 * channels)
        self.out = starts_at_zero(nn.Linear(2 * channels, half))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return weight and bias of both layers."""
        return self.hidden.weight, self.hidden.bias, self.out.weight, self.out.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return log ω of the half that x is not."""
        return self.solve(pool(x))

    def solve(self, pooled: Tensor) -> Tensor:
        """Return log ω from the pooled other half."""
        return soft_bound(self.out(torch.relu(self.hidden(pooled))), LOG_WEIGHT_BOUND)


class Weights(Bijection):
    r"""Weighs every channel of every image in two passes, as two couplings do, so that the inverse recomputes them.

    .. math:: b' = ω_b(a) b, \qquad a' = ω_a(b') a, \qquad \log|\det| = H W \sum_c \log ω_c(x)

    a is the first half of the channels (kept), b the second (emitted).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.kept = Solver(channels)
        self.emitted = Solver(channels)

    def log_weights(self, x: Tensor) -> Tensor:
        """Return log ω (N, C) for the input x, kept half first."""
        (mean_a, mean_b), (variance_a, variance_b) = (moment.chunk(2, dim=1) for moment in moments(x))
        log_b = self.emitted.solve(_pooled(mean_a, variance_a))
        # What b' = ω_b b has follows from what b has: b' itself need not be looked at.
        weight = log_b.exp()
        log_a = self.kept.solve(_pooled(weight * mean_b, weight.square() * variance_b))
        return torch.cat([log_a, log_b], dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (y, log_det)."""
        self.check(x)
        # An analysis may put something else in a Solver's place.
        if torch.is_grad_enabled() and isinstance(self.kept, Solver) and isinstance(self.emitted, Solver):
            return FusedWeights.apply(x, *self.kept.tensors(), *self.emitted.tensors())
        log_weights = self.log_weights(x)
        return x * log_weights.exp()[:, :, None, None], x.shape[2] * x.shape[3] * log_weights.sum(dim=1)

    def inverse(self, y: Tensor) -> Tensor:
        """Undo the second pass, then the first: each is decided by what it did not change."""
        self.check(y)
        weighed_a, weighed_b = y.chunk(2, dim=1)
        a = weighed_a * (-self.kept(weighed_b)).exp()[:, :, None, None]
        b = weighed_b * (-self.emitted(a)).exp()[:, :, None, None]
        return torch.cat([a, b], dim=1)

    def divergence(self, x: Tensor, temperature: float = 1.0) -> Tensor:
        r"""Return KL(softmax(−h(x)/τ) ‖ softmax(log ω(x)/τ)) per image (N,), h each channel's Gaussian entropy.

        h carries no gradient: the divergence teaches the weights, not the features.
        """
        target = (-gaussian_entropy(x.detach()) / temperature).log_softmax(dim=1)
        return (target.exp() * (target - (self.log_weights(x.detach()) / temperature).log_softmax(dim=1))).sum(dim=1)


class FusedWeights(torch.autograd.Function):
    """(y, log_det) of :class:`Weights` as one node of the autograd graph, with a backward pass written by hand.

    The tensors are small and the operations many: autograd would take most of the time for itself.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """Return (y, log_det) of x (N, C, H, W) and the tensors of both Solvers, the kept half's first."""
        rows = _rows(x)
        half = rows.shape[2] // 2
        mean, centred, variance = _moments(rows)
        log_b, *solved_b = _solve(_pooled(mean[:, :half], variance[:, :half]), parameters[4:])
        weight = log_b.exp()
        mean_b, variance_b = weight * mean[:, half:], weight.square() * variance[:, half:]
        log_a, *solved_a = _solve(_pooled(mean_b, variance_b), parameters[:4])
        log_weights = torch.cat([log_a, log_b], dim=1)
        weights = log_weights.exp()
        ctx.save_for_backward(*parameters, x, centred, weights, variance, mean_b, variance_b, *solved_a, *solved_b)
        y = (rows * weights[:, None]).view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)
        return y, rows.shape[1] * log_weights.sum(dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_y: Tensor, of_log_det: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        """Return the gradients of forward's arguments."""
        parameters, saved = ctx.saved_tensors[:8], ctx.saved_tensors[8:]
        x, centred, weights, variance, mean_b, variance_b = saved[:6]
        pixels, half = centred.shape[1], centred.shape[2] // 2
        weight = weights[:, half:]
        of_rows = _rows(of_y) * weights[:, None]
        # A weight's logarithm moves y by y itself, and the log-determinant at every pixel.
        of_log = (of_rows * _rows(x)).sum(dim=1) + pixels * of_log_det[:, None]
        of_pooled, of_kept = _solve_gradients(of_log[:, :half], saved[6:9], parameters[:4])
        of_mean_b, of_variance_b = of_pooled[:, :half], of_pooled[:, half:] / (variance_b + VARIANCE_FLOOR)
        of_log_b = of_log[:, half:].addcmul_(of_mean_b, mean_b).addcmul_(of_variance_b, variance_b, value=2)
        of_pooled, of_emitted = _solve_gradients(of_log_b, saved[9:12], parameters[4:])
        of_variance_a = of_pooled[:, half:] / (variance[:, :half] + VARIANCE_FLOOR)
        of_mean = torch.cat([of_pooled[:, :half], of_mean_b * weight], dim=1)
        of_variance = torch.cat([of_variance_a, of_variance_b * weight.square()], dim=1)
        # The variance's gradient through the mean is zero.
        of_rows = of_rows + (of_mean / pixels)[:, None]
        of_rows = of_rows.addcmul(centred, of_variance[:, None], value=2 / pixels)
        return of_rows.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2), *of_kept, *of_emitted


def _solve(pooled: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return log ω as a :class:`Solver` finds it, and what its gradients need: its input, hidden units and tanh."""
    weight, bias, weight_out, bias_out = tensors
    hidden = torch.addmm(bias, pooled, weight.T).relu_()
    tanh = torch.addmm(bias_out, hidden, weight_out.T).div_(LOG_WEIGHT_BOUND).tanh_()
    return LOG_WEIGHT_BOUND * tanh, pooled, hidden, tanh


def _solve_gradients(
    of_log: Tensor, solved: Sequence[Tensor], tensors: Sequence[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the gradients of a Solver's input and of its tensors."""
    (pooled, hidden, tanh), (weight, _, weight_out, _) = solved, tensors
    of_out = torch.ops.aten.tanh_backward(of_log, tanh)
    of_hidden = torch.ops.aten.threshold_backward(of_out @ weight_out, hidden, 0)
    of_tensors = (of_hidden.T @ pooled, of_hidden.sum(dim=0), of_out.T @ hidden, of_out.sum(dim=0))
    return of_hidden @ weight, of_tensors


def _rows(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, x.shape[1])
