r"""Linear predictors as a start: before training, couplings and priors compute linear regressions.

A coupling that starts as the identity first has to learn the linear part: how the channels that it changes follow from
the neighbouring values that it reads. A regression gives that part at once. :func:`start_coupling` sets the shift to
minus the prediction, and the 1×1 convolution before it scales the residual to variance 1. :func:`start_prior` sets the
mean of a split's prior to the prediction and its scale to the residual's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .partitions import RIDGE

#: Share of the hidden channels that linear predictions may use; the others start at random.
MOST_HIDDEN = 0.5
#: The least standard deviation of a channel, or of an error.
LEAST = 1e-3


def predictor(source: Tensor, target: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the linear regression of channels on the neighbourhoods of others.

    Beyond its edges a field is 0, as for a convolution.

    Args:
        source: (N, A, H, W), the channels read.
        target: (N, B, H, W), the channels predicted.
        size: side of the neighbourhood in pixels, odd.

    Returns:
        weight (B, A, size, size), bias (B,) and the standard deviation (B,) of the errors, all float64.

    """
    source, target = source.double(), target.double()
    rows = F.unfold(source, size, padding=size // 2).transpose(1, 2).flatten(0, 1)
    values = target.flatten(2).transpose(1, 2).flatten(0, 1)
    row_mean, value_mean = rows.mean(dim=0), values.mean(dim=0)
    rows, values = rows - row_mean, values - value_mean
    gram, cross = rows.T @ rows / len(rows), rows.T @ values / len(rows)
    power = gram.diagonal()
    gram = gram + torch.diag(RIDGE * power + LEAST**2 * power.mean() + torch.finfo(power.dtype).tiny)
    weight = torch.linalg.solve(gram, cross)
    errors = (values - rows @ weight).square().mean(dim=0).sqrt()
    bias = value_mean - row_mean @ weight
    return weight.T.reshape(target.shape[1], source.shape[1], size, size), bias, errors.clamp_min(LEAST)


@torch.no_grad()
def start_coupling(network: nn.Sequential, x: Tensor) -> Tensor:
    """Set a coupling's network to subtract the first half's prediction from the second half of x.

    The residual has variance 1 once the second half is divided by the result.

    The predictions with the largest variance are kept, as many as half of the hidden channels can carry: two each, for
    the positive and for the negative part.

    Args:
        network: convolutions with ReLU between; the first hidden channels and the last convolution are replaced.
        x: the coupling's input, (N, C, H, W).

    Returns:
        the standard deviation (C/2,) of the residual of each channel of the second half, float64.

    """
    first, *middle, last = (layer for layer in network if isinstance(layer, nn.Conv2d))
    x_a, x_b = x.chunk(2, dim=1)
    size, half = first.kernel_size[0], x_b.shape[1]
    weight, bias, _ = predictor(x_a, x_b, size)
    predicted = F.conv2d(x_a.double(), weight, bias, padding=size // 2)
    centred = (predicted - predicted.mean(dim=(0, 2, 3), keepdim=True)).transpose(0, 1).flatten(1)
    scale = x_b.double().std(dim=(0, 2, 3), correction=0).clamp_min(LEAST)
    centred = centred / scale[:, None]
    # The predictions of the principal directions, since the network has room for few.
    _, vectors = torch.linalg.eigh(centred @ centred.T / centred.shape[1])
    count = min(half, int(first.out_channels * MOST_HIDDEN) // 2)
    if count == 0:  # too narrow to carry a prediction
        return scale
    vectors = vectors[:, half - count :]
    rows = torch.einsum("bk,b,bcij->kcij", vectors, 1 / scale, weight)
    lengths = rows.flatten(1).norm(dim=1).clamp_min(LEAST)
    offsets = (vectors.T @ (bias / scale)) / lengths
    rows = rows / lengths[:, None, None, None]
    pairs = slice(0, 2 * count)
    first.weight[pairs] = torch.cat([rows, -rows]).to(first.weight)
    first.bias[pairs] = torch.cat([offsets, -offsets]).to(first.weight)  # type: ignore[index]
    for layer in middle:
        centre = layer.kernel_size[0] // 2
        layer.weight[pairs] = 0
        layer.bias[pairs] = 0  # type: ignore[index]
        layer.weight[pairs, pairs, centre, centre] = torch.eye(2 * count).to(layer.weight)
    back = scale[:, None] * vectors * lengths
    prediction = back @ F.conv2d(x_a.double(), rows, offsets, padding=size // 2).transpose(0, 1).flatten(1)
    left = (x_b.double().transpose(0, 1).flatten(1) - prediction).std(dim=1, correction=0).clamp_min(LEAST)
    back = back / left[:, None]
    centre = last.kernel_size[0] // 2
    last.weight.zero_()
    last.weight[half:, pairs, centre, centre] = torch.cat([-back, back], dim=1).to(last.weight)
    last.bias.zero_()  # type: ignore[union-attr]
    return left


@torch.no_grad()
def start_prior(prior: nn.Conv2d, kept: Tensor, emitted: Tensor, bound: float) -> None:
    """Set a split's prior to the regression of the channels factored out on those passed on.

    Args:
        prior: computes the mean and, before its bound, the log standard deviation.
        kept: the part passed on, (N, C_h, H, W).
        emitted: the part factored out, (N, C − C_h, H, W).
        bound: of the log standard deviation.

    """
    weight, bias, errors = predictor(kept, emitted, prior.kernel_size[0])
    log_std = bound * torch.atanh((errors.log() / bound).clamp(-0.99, 0.99))
    prior.weight.copy_(torch.cat([weight, torch.zeros_like(weight)]))
    prior.bias.copy_(torch.cat([bias, log_std]))  # type: ignore[union-attr]
