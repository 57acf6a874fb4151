"""All steps of a level as one node of the autograd graph: what is not a convolution costs as little as it can.

Inside, images are laid out (N, H, W, C): a product over channels copies nothing, and what the convolutions are given
and give is the same memory seen as (N, C, H, W) with channels last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .folding import Folded, Stacked, fold, fold_back, fold_gradients

#: What a step's backward pass needs: its input x, tanh(s̃ / B), e^s and e^s m_b, each (N, H, W, ·), and the input of
#: every convolution, (N, ·, H, W); see :func:`run_step`.
Activations = tuple[Tensor, ...]


class Convolution(NamedTuple):
    """Weight and bias of a network's convolution."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Return the convolution of x (N, C, H, W)."""
        return F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[2] // 2)


#: The convolutions of K networks.
Networks = Sequence[Sequence[Convolution]]


def run_step(
    x: Tensor, matrix: Tensor, bias: Tensor, bound: float, convolutions: Sequence[Convolution], keep: bool
) -> tuple[Tensor, Tensor, Activations]:
    r"""Return (y, log_det of the coupling, activations where they are to be kept) of one step.

    .. math:: m = W x + b, \qquad y_a = m_a, \qquad y_b = e^s m_b + t, \qquad (\tilde s, t) = network(m_a)

    y is written over m; the network reads a copy of m_a, which its first convolution would otherwise make twice.

    Arguments:
        x: (N, H, W, C).
        matrix: W (C, C), of ActNorm and 1×1 convolution in one.
        bias: b (C,), of the same.
        bound: B of s = B tanh(s̃ / B).
        convolutions: of the network, in turn; ReLU stands between.
        keep: whether a backward pass will follow.

    """
    y = F.linear(x, matrix, bias)
    m_a, m_b = y.chunk(2, dim=3)
    tanh, shift, hidden = _decide(m_a, bound, convolutions, keep)
    log_scale = tanh if bound == 1 else bound * tanh
    log_det = log_scale.sum(dim=(1, 2, 3))
    scale = log_scale.exp()
    activations = (x, tanh, scale, m_b * scale, *hidden) if keep else ()
    torch.addcmul(shift, m_b, scale, out=m_b)
    return y, log_det, activations


def undo_step(
    y: Tensor, matrix: Tensor, bias: Tensor, bound: float, convolutions: Sequence[Convolution], keep: bool
) -> tuple[Tensor, Activations]:
    """Return (x, activations where they are to be kept) of :func:`run_step`: its network runs once for both.

    y (N, H, W, C) is overwritten; matrix and bias are those of the inverse affine map.
    """
    y_a, y_b = y.chunk(2, dim=3)
    tanh, shift, hidden = _decide(y_a, bound, convolutions, keep)
    scale = (bound * tanh).exp_()
    scaled = y_b - shift
    torch.div(scaled, scale, out=y_b)
    x = F.linear(y, matrix, bias)
    return x, (x, tanh, scale, scaled, *hidden) if keep else ()


def _decide(
    m_a: Tensor, bound: float, convolutions: Sequence[Convolution], keep: bool
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return what the network makes of m_a (N, H, W, C/2): tanh(s̃ / B), t, and the inputs of the convolutions."""
    entry = m_a.contiguous().permute(0, 3, 1, 2)
    hidden = [entry]
    *inner, last = convolutions
    for convolution in inner:
        entry = convolution(entry).relu_()
        if keep:
            hidden.append(entry)
    raw, shift = last(entry).permute(0, 2, 3, 1).chunk(2, dim=3)
    # tanh x = 2σ(2x) − 1: a fifth of tanh's time, to 2e-7 in float32.
    return (raw * (2 / bound)).sigmoid_().mul_(2).sub_(1), shift, hidden


def step_gradients(
    matrix: Tensor, convolutions: Sequence[Convolution], activations: Activations, of_y: Tensor, of_log_det: Tensor
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Return the gradients of x, matrix, bias and convolutions.

    That of y (N, H, W, C) is overwritten; that of the log-determinant is (N, 1, 1, 1).
    """
    x, tanh, scale, scaled, *hidden = activations
    of_y_a, of_y_b = of_y.chunk(2, dim=3)
    of_log_scale = torch.addcmul(of_log_det, of_y_b, scaled)
    of_raw = torch.ops.aten.tanh_backward(of_log_scale, tanh)
    of_output = torch.cat([of_raw, of_y_b], dim=3).permute(0, 3, 1, 2)
    of_convolutions: list[Tensor] = []
    for number, (entry, convolution) in reversed(list(enumerate(zip(hidden, convolutions, strict=True)))):
        of_entry, *of_both = _convolution_gradients(entry, convolution.weight, of_output)
        of_convolutions = of_both + of_convolutions
        of_output = torch.ops.aten.threshold_backward(of_entry, entry, 0) if number else of_entry
    of_y_a += of_output.permute(0, 2, 3, 1)
    of_y_b *= scale
    rows = _rows(of_y)
    of_x = (rows @ matrix).view_as(of_y)
    return of_x, rows.T @ _rows(x), rows.sum(dim=0), of_convolutions


def _convolution_gradients(x: Tensor, weight: Tensor, of_y: Tensor) -> Sequence[Tensor]:
    """Return the gradients of a convolution's input, weight and bias."""
    of_x, of_weight, _ = torch.ops.aten.convolution_backward(
        of_y, x, weight, None, [1, 1], [weight.shape[2] // 2] * 2, [1, 1], False, [0, 0], 1, [True, True, False]
    )
    # The convolution would sum the bias's in several times as long.
    return of_x, of_weight, of_y.sum(dim=(0, 2, 3))


def run_steps(x: Tensor, maps: tuple[Tensor, Tensor], bound: float, networks: Networks) -> tuple[Tensor, Tensor]:
    """Return (y, log_det of all couplings) of K steps, without a gradient.

    Arguments:
        x: (N, C, H, W).
        maps: matrices (K, C, C) and biases (K, C) of the affine maps.
        bound: of all couplings.
        networks: the K networks' convolutions.

    """
    with torch.inference_mode():
        x = x.permute(0, 2, 3, 1)
        log_det = x.new_zeros(len(x))
        for matrix, bias, network in zip(*maps, networks, strict=True):
            x, of_coupling, _ = run_step(x, matrix, bias, bound, network, keep=False)
            log_det += of_coupling
    return outside(x.permute(0, 3, 1, 2)), outside(log_det)


def undo_steps(y: Tensor, maps: tuple[Tensor, Tensor], bound: float, networks: Networks) -> Tensor:
    """Return x of :func:`run_steps`, from y (N, C, H, W) and the inverse affine maps, without a gradient."""
    with torch.inference_mode():
        x = _own_rows(y)
        for matrix, bias, network in reversed(list(zip(*maps, networks, strict=True))):
            x, _ = undo_step(x, matrix, bias, bound, network, keep=False)
    return outside(x.permute(0, 3, 1, 2))


def outside(x: Tensor) -> Tensor:
    """Return x for use outside inference mode: what was made in it may not meet autograd again, a copy may."""
    return x if torch.is_inference_mode_enabled() or not x.is_inference() else x.clone()


class FusedSteps(torch.autograd.Function):
    """(y, log_det) of K steps, with a backward pass written by hand.

    Autograd sees one node instead of thirty a step; it would also fill every half's gradient up with zeros, and add.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch's own type does not know what is put on it)
        x: Tensor,
        bound: float,
        recompute: bool,
        steps: int,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return (y, log_det) of x (N, C, H, W) and K steps with couplings of one bound.

        The parameters are, of every step in turn, those of :class:`~.folding.Stacked`, then of all networks'
        convolutions weight and bias in turn. With ``recompute`` y alone is kept for the backward pass, which finds
        everything else again from it.
        """
        held, networks = arrange(steps, parameters)
        folded = fold(held)
        x = x.permute(0, 2, 3, 1)
        log_det = x.shape[1] * x.shape[2] * folded.log_det.expand(len(x))
        kept: list[Tensor] = [] if recompute else [*folded]
        for matrix, bias, network in zip(folded.matrices, folded.biases, networks, strict=True):
            x, of_coupling, activations = run_step(x, matrix, bias, bound, network, keep=not recompute)
            log_det = log_det + of_coupling
            kept += activations
        y = x.permute(0, 3, 1, 2)
        ctx.save_for_backward(*parameters, *([y] if recompute else kept))
        ctx.bound, ctx.recompute, ctx.steps, ctx.parameters = bound, recompute, steps, len(parameters)
        return y, log_det

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_y: Tensor, of_log_det: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients of forward's arguments."""
        steps, saved = ctx.steps, ctx.saved_tensors
        parameters, kept = saved[: ctx.parameters], saved[ctx.parameters :]
        held, networks = arrange(steps, parameters)
        if ctx.recompute:
            folded = fold(held)
            back, back_biases = fold_back(held)
            y = _own_rows(kept[0])
        else:
            folded = Folded(*kept[: len(Folded._fields)])
            activations = _groups(kept[len(Folded._fields) :], steps)
        of_x = _own_rows(of_y)
        of_log_dets = of_log_det[:, None, None, None]
        of_steps: list[list[Any]] = []
        for step in reversed(range(steps)):
            if ctx.recompute:
                y, of_step = undo_step(y, back[step], back_biases[step], ctx.bound, networks[step], keep=True)
            else:
                of_step = tuple(activations[step])
            of_x, *of_rest = step_gradients(folded.matrices[step], networks[step], of_step, of_x, of_log_dets)
            of_steps.insert(0, of_rest)
        of_matrices, of_biases, of_networks = zip(*of_steps, strict=True)
        of_maps = fold_gradients(
            held,
            folded,
            torch.stack(of_matrices),
            torch.stack(of_biases),
            of_x.shape[1] * of_x.shape[2] * of_log_det.sum(),
        )
        # Of a step's tensors the last two are no parameters: signs and permutation.
        of_held = [part for step in zip(*of_maps, strict=True) for part in (*step, None, None)]
        of_convolutions = [part for network in of_networks for part in network]
        return of_x.permute(0, 3, 1, 2), None, None, None, *of_held, *of_convolutions


def arrange(steps: int, parameters: Sequence[Tensor]) -> tuple[Stacked, Networks]:
    """Return what :class:`FusedSteps` is given, stacked and as networks."""
    size = steps * len(Stacked._fields)
    held = Stacked(*(torch.stack(tensors) for tensors in zip(*_groups(parameters[:size], steps), strict=True)))
    return held, [
        [Convolution(*network[number : number + 2]) for number in range(0, len(network), 2)]
        for network in _groups(parameters[size:], steps)
    ]


def _rows(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[3])


def _own_rows(x: Tensor) -> Tensor:
    """Return a copy (N, H, W, C) of x (N, C, H, W), to be overwritten."""
    return x.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)


def _groups(tensors: Sequence[Tensor], groups: int) -> list[Sequence[Tensor]]:
    size = len(tensors) // groups
    return [tensors[start : start + size] for start in range(0, len(tensors), size)]
