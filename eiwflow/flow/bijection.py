"""The one protocol of all bijections, and the seeds of their parameters."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, overload

import torch
from torch import Tensor, nn


class ShapeError(ValueError):
    """An input has another shape than the bijection takes.

    >>> ActNorm(3)(torch.zeros(1, 4, 8, 8))
    Traceback (most recent call last):
    eiwflow.flow.bijection.ShapeError: ActNorm was given the shape (1, 4, 8, 8); it takes (N, 3, H, W).

    """


class NotInitialisedError(RuntimeError):
    """A flow was used before :meth:`MultiScaleFlow.initialise` saw data.

    >>> MultiScaleFlow(FlowConfig()).sample(1)
    Traceback (most recent call last):
    eiwflow.flow.bijection.NotInitialisedError: This flow is not initialised: call initialise(x) with a batch of ...

    """


class ConfigError(ValueError):
    """A field of a config is out of its bounds; the message is one sentence with the value and what is allowed.

    >>> FlowConfig(steps=0)
    Traceback (most recent call last):
    eiwflow.flow.bijection.ConfigError: steps is 0; it must be between 1 and 64.

    """


#: The class of a list's modules.
M = TypeVar("M", bound=nn.Module)


class Modules(nn.ModuleList, Generic[M]):
    """A list of modules of one class; torch's own list hides the class from a type checker."""

    if TYPE_CHECKING:

        def __iter__(self) -> Iterator[M]: ...

        @overload
        def __getitem__(self, idx: slice) -> Modules[M]: ...
        @overload
        def __getitem__(self, idx: int) -> M: ...
        def __getitem__(self, idx: int | slice) -> M | Modules[M]: ...


class Bijection(nn.Module):
    """An invertible map of images with a log-determinant.

    ``forward(x) -> (y, log_det)`` with x (N, C, H, W) and log_det (N,) in nats; ``inverse(y) -> x``. Neither changes a
    buffer; :meth:`initialise` sets all values that depend on data, once.

    Args:
        channels: C of every input, checked by :meth:`check`.

    >>> class Negation(Bijection):
    ...     def forward(self, x):
    ...         return -x, x.new_zeros(len(x))
    ...     def inverse(self, y):
    ...         return -y
    >>> y, log_det = Negation(3)(torch.ones(2, 3, 4, 4))
    >>> log_det
    tensor([0., 0.])

    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (y, log_det)."""
        raise TypeError(f"{type(self).__name__} does not define forward.")

    def inverse(self, y: Tensor) -> Tensor:
        """Return x with forward(x) = y."""
        raise TypeError(f"{type(self).__name__} does not define inverse.")

    def initialise(self, x: Tensor) -> None:
        """Set the values that depend on data from the batch ``x`` (N, C, H, W); most bijections have none."""

    def check(self, x: Tensor, channels: int | None = None) -> None:
        """Raise :class:`ShapeError` unless x is (N, C, H, W) with this bijection's C, or with ``channels``."""
        channels = channels or self.channels
        if x.dim() != 4 or x.shape[1] != channels:
            raise ShapeError(
                f"{type(self).__name__} was given the shape {tuple(x.shape)}; it takes (N, {channels}, H, W)."
            )


class RoundTripError(NamedTuple):
    """How far inverse(forward(x)) is from x.

    Attributes:
        pixels: (N, H, W), the largest difference over channels.
        max_abs: the largest difference of all.
        relative: the largest norm of an image's difference over the norm of the image.

    """

    pixels: Tensor
    max_abs: float
    relative: float


def round_trip_error(back: Tensor, x: Tensor) -> RoundTripError:
    """Compare ``back`` = inverse(forward(x)) with x (N, C, H, W) in float64; NaN in one value makes the error NaN.

    >>> round_trip_error(torch.full((1, 3, 2, 2), 1.5), torch.ones(1, 3, 2, 2))[1:]
    (0.5, 0.5)

    """
    x = x.double()
    difference = (back.double() - x).abs()
    # An image of zeros has no norm to divide by.
    norms = x.flatten(1).norm(dim=1).clamp_min(torch.finfo(torch.float32).eps)
    pixels = difference.amax(dim=1)
    return RoundTripError(pixels, float(pixels.max()), float((difference.flatten(1).norm(dim=1) / norms).max()))


def generator_for(seed: int, name: str) -> torch.Generator:
    """Return a generator that depends on (seed, name) alone.

    Every module draws from its own generator, so an additional module leaves the parameters of the others as they are.
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def reset_parameters(root: nn.Module, seed: int, prefix: str = "") -> None:
    """Draw every parameter of ``root``, module by module, from (seed, module name); ``prefix`` is root's own name."""
    for name, module in root.named_modules(prefix=prefix):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            generator = generator_for(seed, name)
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
            if getattr(module, "starts_at_zero", False):
                nn.init.zeros_(module.weight)
        elif hasattr(module, "draw"):
            module.draw(generator_for(seed, name))


def channel_numbers(channels: int) -> Tensor:
    """Return 0 … C − 1, (C,).

    On the meta device, where a file's flow is built first, torch.arange would import an algebra system, half a second.
    """
    return torch.tensor(range(channels))


def starts_at_zero(layer: M) -> M:
    """Mark the last layer of a network that starts as the constant zero: its bijection starts as the identity."""
    vars(layer)["starts_at_zero"] = True
    return layer


def soft_bound(s: Tensor, bound: float, centre: float = 0.0) -> Tensor:
    """Return centre + bound · tanh(s / bound): the identity near a centre of 0, never farther from it than the bound.

    >>> soft_bound(torch.tensor([-100.0, 0.0, 0.1, 100.0]), bound=2, centre=1)
    tensor([-1.0000,  1.0000,  1.0999,  3.0000])

    """
    # tanh(x) = 1 − 2 σ(−2x): faster than tanh on a CPU, and equal to 2e-7 in float32.
    return torch.rsub(torch.sigmoid(s * (-2 / bound)), centre + bound, alpha=2 * bound)
