"""All steps of a level as one node of the autograd graph: what is not a convolution costs as little as it can.

Inside, images are laid out (N, H, W, C): a product over channels copies nothing, and what the convolutions are given
and give is the same memory seen as (N, C, H, W) with channels last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

#: What a step's backward pass needs: its input x, tanh(s̃ / B), e^s and e^s m_b, each (N, H, W, ·), and the input of
#: every convolution, (N, ·, H, W); see :func:`run_step`.
Activations = tuple[Tensor, ...]


def run_step(
    x: Tensor, matrix: Tensor, bias: Tensor, bound: float, convolutions: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Activations]:
    r"""Return (y, log_det of the coupling, activations) of one step.

    .. math:: m = W x + b, \qquad y_a = m_a, \qquad y_b = e^s m_b + t, \qquad (\tilde s, t) = network(m_a)

    y is written over m; the network reads a copy of m_a, which its first convolution would otherwise make twice.

    Arguments:
        x: (N, H, W, C).
        matrix: W (C, C), of ActNorm and 1×1 convolution in one.
        bias: b (C,), of the same.
        bound: B of s = B tanh(s̃ / B).
        convolutions: weight and bias of every convolution of the network, in turn; ReLU stands between.

    """
    y = F.linear(x, matrix, bias)
    m_a, m_b = y.chunk(2, dim=3)
    tanh, shift, hidden = _decide(m_a, bound, convolutions)
    log_scale = bound * tanh
    log_det = log_scale.sum(dim=(1, 2, 3))
    scale = log_scale.exp_()
    scaled = m_b * scale
    torch.add(scaled, shift, out=m_b)
    return y, log_det, (x, tanh, scale, scaled, *hidden)


def invert_step(y: Tensor, matrix: Tensor, bias: Tensor, bound: float, convolutions: Sequence[Tensor]) -> Tensor:
    """Return x of :func:`run_step`, from y (N, H, W, C), which is overwritten, and the inverse affine map."""
    y_a, y_b = y.chunk(2, dim=3)
    tanh, shift, _ = _decide(y_a, bound, convolutions)
    torch.mul(y_b.sub_(shift), tanh.mul_(-bound).exp_(), out=y_b)
    return F.linear(y, matrix, bias)


def _decide(m_a: Tensor, bound: float, convolutions: Sequence[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return what the network makes of m_a (N, H, W, C/2): tanh(s̃ / B), t, and the input of every convolution."""
    hidden = [m_a.contiguous().permute(0, 3, 1, 2)]
    *inner, (weight, offset) = _groups(convolutions, len(convolutions) // 2)
    for inner_weight, inner_offset in inner:
        hidden.append(F.conv2d(hidden[-1], inner_weight, inner_offset, padding=inner_weight.shape[2] // 2).relu_())
    decided = F.conv2d(hidden[-1], weight, offset, padding=weight.shape[2] // 2)
    raw, shift = decided.permute(0, 2, 3, 1).chunk(2, dim=3)
    return (raw / bound).tanh_(), shift, hidden


def step_gradients(
    matrix: Tensor, convolutions: Sequence[Tensor], activations: Activations, of_y: Tensor, of_log_det: Tensor
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Return the gradients of x, matrix, bias and convolutions, from those of y (N, H, W, C) and log_det (N,)."""
    x, tanh, scale, scaled, *hidden = activations
    of_y_a, of_y_b = of_y.chunk(2, dim=3)
    of_log_scale = torch.addcmul(of_log_det[:, None, None, None], of_y_b, scaled)
    of_raw = torch.ops.aten.tanh_backward(of_log_scale, tanh)
    of_output = torch.cat([of_raw, of_y_b], dim=3).permute(0, 3, 1, 2)
    of_convolutions: list[Tensor] = []
    for number, entry in reversed(list(enumerate(hidden))):
        weight = convolutions[2 * number]
        of_entry, *of_both = torch.ops.aten.convolution_backward(
            of_output, entry, weight, [len(weight)], [1, 1], [weight.shape[2] // 2] * 2, [1, 1],
            False, [0, 0], 1, [True, True, True],
        )  # fmt: skip
        of_convolutions = of_both + of_convolutions
        if number:
            of_output = torch.ops.aten.threshold_backward(of_entry, entry, 0)
    of_m = torch.cat([of_y_a + of_entry.permute(0, 2, 3, 1), of_y_b * scale], dim=3)
    rows = of_m.reshape(-1, of_m.shape[3])
    return of_m @ matrix, rows.T @ x.reshape(-1, x.shape[3]), rows.sum(dim=0), of_convolutions


def run_steps(
    x: Tensor, matrices: Tensor, biases: Tensor, bound: float, convolutions: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Return (y, log_det of all couplings) of K steps, with a gradient where one is asked for.

    Arguments:
        x: (N, C, H, W).
        matrices: of the affine maps, (K, C, C).
        biases: of the affine maps, (K, C).
        bound: of all couplings.
        convolutions: those of all networks, in turn.

    """
    if torch.is_grad_enabled():
        return FusedSteps.apply(x, matrices, biases, bound, *convolutions)
    with torch.inference_mode():
        y, log_det = _run_steps(x, matrices, biases, bound, *convolutions)
    # What was made in inference mode may not meet autograd again; copies may.
    return y.clone(), log_det.clone()


def invert_steps(y: Tensor, matrices: Tensor, biases: Tensor, bound: float, convolutions: Sequence[Tensor]) -> Tensor:
    """Return x of :func:`run_steps`, from y (N, C, H, W) and the inverse affine maps, without a gradient."""
    networks = _groups(convolutions, len(matrices))
    with torch.inference_mode():
        x = y.permute(0, 2, 3, 1).clone()
        for matrix, bias, network in reversed(list(zip(matrices, biases, networks, strict=True))):
            x = invert_step(x, matrix, bias, bound, network)
    return x.permute(0, 3, 1, 2).clone()


def _run_steps(
    x: Tensor,
    matrices: Tensor,
    biases: Tensor,
    bound: float,
    *convolutions: Tensor,
    keep: Callable[[Activations], None] | None = None,
) -> tuple[Tensor, Tensor]:
    x = x.permute(0, 2, 3, 1)
    log_det = x.new_zeros(len(x))
    for matrix, bias, network in zip(matrices, biases, _groups(convolutions, len(matrices)), strict=True):
        x, of_coupling, activations = run_step(x, matrix, bias, bound, network)
        log_det += of_coupling
        if keep is not None:
            keep(activations)
        # Not held while the next step runs: its memory is used again while the cache still has it.
        del activations
    return x.permute(0, 3, 1, 2), log_det


def _groups(tensors: Sequence[Tensor], groups: int) -> list[Sequence[Tensor]]:
    size = len(tensors) // groups
    return [tensors[start : start + size] for start in range(0, len(tensors), size)]


class FusedSteps(torch.autograd.Function):
    """(y, log_det of all couplings) of :func:`run_steps`, with a backward pass written by hand.

    Autograd sees one node instead of thirty a step; it would also fill every half's gradient up with zeros, and add.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, matrices: Tensor, biases: Tensor, bound: float, *convolutions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return (y, log_det)."""
        activations: list[Tensor] = []
        y, log_det = _run_steps(x, matrices, biases, bound, *convolutions, keep=activations.extend)
        ctx.save_for_backward(matrices, *convolutions, *activations)
        ctx.convolutions = len(convolutions)
        return y, log_det

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, of_y: Tensor, of_log_det: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of forward's arguments."""
        matrices, *saved = ctx.saved_tensors
        convolutions, activations = saved[: ctx.convolutions], saved[ctx.convolutions :]
        steps = len(matrices)
        networks, activations = (_groups(tensors, steps) for tensors in (convolutions, activations))
        of_x = of_y.permute(0, 2, 3, 1)
        of_matrices, of_biases, of_convolutions = [], [], []
        for step in reversed(range(steps)):
            of_x, of_matrix, of_bias, of_network = step_gradients(
                matrices[step], networks[step], activations[step], of_x, of_log_det
            )
            of_matrices.insert(0, of_matrix)
            of_biases.insert(0, of_bias)
            of_convolutions = of_network + of_convolutions
        return of_x.permute(0, 3, 1, 2), torch.stack(of_matrices), torch.stack(of_biases), None, *of_convolutions
