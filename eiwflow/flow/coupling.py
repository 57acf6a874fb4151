"""Affine coupling, the maps of its scale, and its network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .bijection import Bijection, soft_bound, starts_at_zero
from .context import keywords
from .entropy_weights import CouplingWeights, EntropyWeights

#: The unbounded maps from a network's output r to the log-scale, by the words of ``coupling``.
SCALE_MAPS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda raw: F.logsigmoid(raw + 2),
    "sigmoid-inverse": lambda raw: -F.logsigmoid(raw + 2),
    "exp": lambda raw: raw,
}
COUPLINGS = ("bounded", *SCALE_MAPS, "additive")


class OnePaddedConvolution(nn.Conv2d):
    """A convolution that pads its input with ones, so that its outputs depend on the place of the border.

    Args:
        channels_in, channels_out: of input and output.
        kernel_size: odd.

    Shapes: x (N, C_in, H, W), result (N, C_out, H, W).

    Reference: Kingma and Dhariwal, Glow, 2018, arXiv:1807.03039: its code pads with a channel of such ones.

    >>> convolution = OnePaddedConvolution(1, 1, 3)
    >>> _ = convolution.weight.data.fill_(1), convolution.bias.data.zero_()
    >>> convolution(torch.zeros(1, 1, 3, 3))[0, 0]
    tensor([[5., 3., 5.],
            [3., 0., 3.],
            [5., 3., 5.]], grad_fn=<SelectBackward0>)

    """

    def __init__(self, channels_in: int, channels_out: int, kernel_size: int) -> None:
        super().__init__(channels_in, channels_out, kernel_size)
        self.border = kernel_size // 2

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of x."""
        return super().forward(F.pad(x, [self.border] * 4, value=1.0))


def last_convolution(channels_in: int, channels_out: int, kernel_size: int, padding: str) -> nn.Conv2d:
    """Return the last layer of a network: zero at first, and padded with ``padding``."""
    if padding == "ones":
        return starts_at_zero(OnePaddedConvolution(channels_in, channels_out, kernel_size))
    return starts_at_zero(nn.Conv2d(channels_in, channels_out, kernel_size, padding=kernel_size // 2))


def coupling_network(
    channels_in: int, channels_out: int, width: int, kernels: str, padding: str = "zeros", leaky: float = 0.0
) -> nn.Sequential:
    """Return a coupling's convolutions, one per kernel size of ``kernels`` ("3-1-3"), ReLU between; zero at first.

    ``padding`` is that of the last one; the others are padded with zeros. ``leaky`` is the slope of ReLU below 0.
    """
    sizes = [int(size) for size in kernels.split("-")]
    channels = [channels_in, *[width] * (len(sizes) - 1)]
    layers: list[nn.Module] = []
    for size, before, after in zip(sizes[:-1], channels[:-1], channels[1:], strict=True):
        activation = nn.LeakyReLU(leaky, inplace=True) if leaky else nn.ReLU(inplace=True)
        layers += [nn.Conv2d(before, after, size, padding=size // 2), activation]
    return nn.Sequential(*layers, last_convolution(channels[-1], channels_out, sizes[-1], padding))


class AffineCoupling(Bijection):
    r"""Transform the second half of the channels by an affine map that a network computes from the first half.

    .. math:: y_b = e^{s(x_a)} x_b + t(x_a), \qquad \log|\det| = \sum s(x_a), \qquad s = B \tanh(\tilde s / B)

    The bound B limits a step to a factor e^B, so that a trained flow cannot explode on images unlike its training data.
    Flows of other code have unbounded maps. Those shift first, y_b = e^s (x_b + t): ``sigmoid`` (Glow's) with
    s = log σ(r + 2) for the network's output r, ``sigmoid-inverse`` with s = −log σ(r + 2), and ``exp`` with s = r.
    ``additive`` has s = 0.

    Args:
        channels: C, even.
        width: hidden channels of the network.
        kernels: its kernel sizes, as ``3-1-3``.
        scale_bound: B in nats; the other maps have no bound.
        coupling: a word of :data:`COUPLINGS`: how the network's output becomes the log-scale.
        padding: of the network's last convolution, ``zeros`` or ``ones``.
        leaky: slope of the network's ReLUs below 0.
        weights: makes the weights of the network's input and output from their numbers of channels; or None.

    Attributes:
        weights: computes weights of the network's input and output for every image from the first half; or None.
        network: the convolutions, with ``nn.ReLU`` between; any module of the same shapes may take its place, but no
            checkpoint holds it.
        in_bfloat16: whether the network runs in bfloat16; scale, shift and log-determinant stay in the input's type.

    Shapes: x and y (N, C, H, W); log_det (N,) in nats.

    Reference: Dinh et al., Real NVP, 2017, arXiv:1605.08803, section 3.2; Kingma and Dhariwal, Glow, 2018,
    arXiv:1807.03039, and its code.

    >>> coupling = AffineCoupling(4, width=8, kernels="3-1-3", scale_bound=1.0)
    >>> y, log_det = coupling(x := torch.randn(2, 4, 8, 8))
    >>> torch.allclose(coupling.inverse(y), x)
    True

    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernels: str,
        scale_bound: float,
        coupling: str = "bounded",
        padding: str = "zeros",
        leaky: float = 0.0,
        weights: Callable[[int, int], EntropyWeights] | None = None,
    ) -> None:
        super().__init__(channels)
        self.scale_bound = scale_bound
        self.coupling = coupling
        self.in_bfloat16 = False
        half, outputs = channels // 2, channels // 2 if coupling == "additive" else channels
        self.network = coupling_network(half, outputs, width, kernels, padding, leaky)
        self.weights = None if weights is None else weights(half, outputs)

    def channel_weights(self, x: Tensor, context: Tensor | None = None) -> CouplingWeights | None:
        """Return the weights (N, C/2) and (N, C') of the input x (N, C, H, W); None without weights."""
        if self.weights is None:
            return None
        weights = self.weights(x.chunk(2, dim=1)[0], **keywords(context))
        return CouplingWeights(*(side[:, :, 0, 0] for side in weights))

    def affine(self, x_a: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (log_scale, shift), each (N, C/2, H, W): y_b = exp(log_scale) x_b + shift.

        The first half decides them, and the context (N, K) of a flow that has one. Maps that shift before they scale
        are written in this form too.
        """
        weights = None if self.weights is None else self.weights(x_a, **keywords(context))
        if weights is not None:
            x_a = x_a * weights.read
        # The convolutions are fastest with channels last, and would otherwise copy the half in both passes.
        # Not by memory_format, which torch.vmap does not know.
        x_a = x_a.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        if self.in_bfloat16:
            with torch.autocast(x_a.device.type, torch.bfloat16):
                affine = self.network(x_a).to(x_a.dtype)
        else:
            affine = self.network(x_a)
        if weights is not None:
            affine = affine * weights.given
        if self.coupling == "additive":
            return torch.zeros_like(affine), affine
        raw, shift = affine.chunk(2, dim=1)
        if self.coupling == "bounded":
            return soft_bound(raw, self.scale_bound), shift
        log_scale = SCALE_MAPS[self.coupling](raw)
        return log_scale, shift * log_scale.exp()

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (y, log_det)."""
        self.check(x)
        x_a, x_b = x.chunk(2, dim=1)
        log_scale, shift = self.affine(x_a, context)
        y = torch.cat([x_a, x_b * log_scale.exp() + shift], dim=1)
        return y, log_scale.sum(dim=(1, 2, 3))

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return x: the first half is unchanged and decides the same map."""
        self.check(y)
        y_a, y_b = y.chunk(2, dim=1)
        log_scale, shift = self.affine(y_a, context)
        return torch.cat([y_a, (y_b - shift) * (-log_scale).exp()], dim=1)
