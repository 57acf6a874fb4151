"""Lossless compression by a flow: images to about −log₂ p bits, and back.

A flow is a density of real numbers, an archive holds whole numbers. So every value is a whole number of grid cells,
:data:`CELL` cells to a byte, and every map of the flow becomes an exactly invertible map of whole numbers:

- a shift is rounded to the grid;
- a triangular matrix with ones on its diagonal is a sequence of shifts;
- a scale s ≈ R / S (whole numbers) takes x to ⌊(x R + r) / S⌋. The digit r < R is *popped* from the archive, the
  remainder (< S) is *pushed* to it. On average this costs log₂ S − log₂ R bits: the log-determinant, with its sign.

The latents ε are then coded under N(0, I). The digits below a byte (dequantisation) are popped as well, and come back
when the image is decoded: that is bits-back coding. The first image pops from an empty archive and gets random digits;
their cost does not grow with the number of images.

Encoder and decoder must compute the same networks to the last bit. On another kind of processor, or with another
version of torch, they may not: the archive then fails its check and nothing is written.

Reference: Ho et al., Compression with Flows via Local Bits-Back Coding, 2019, arXiv:1905.08500; Zhang et al., iFlow:
Numerically Invertible Flows for Efficient Lossless Compression via a Uniform Coder, 2021, arXiv:2111.00965.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import constriction
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..flow.actnorm import ActNorm
from ..flow.channel_weights import Solver
from ..flow.conv1x1 import InvertibleConvolution
from ..flow.level import Level
from ..flow.multiscale import MultiScaleFlow
from ..flow.split import Split, TopPrior
from . import CompressionError

Cells = NDArray[np.int64]

#: Binary digits below a byte: the grid of every value is 2**-(8 + DIGITS).
DIGITS = 8
CELL = 1 << DIGITS
UNIT = 1 << (8 + DIGITS)
#: A scale is a fraction of two whole numbers; the larger has about this many binary digits.
FRACTION = 12
#: The largest log-scale: beyond it the coder has no room for the digits of a scale (2²⁴).
LARGEST_LOG_SCALE = 15
#: Fixed-point digits of triangular matrices.
MATRIX = 16
#: No value inside the flow is larger.
LARGEST = 1 << 20
#: ε is coded in bins of this many cells under N(0, 1), uniform inside a bin, up to ±LIMIT bins.
BIN = UNIT >> 7
LIMIT = 1 << 13
#: Elements that one call scales for a single image, so that the archive need not hold digits for all.
PIECE = 512
LARGEST_BATCH = 16
#: Allowance for a flow's log-determinant, in bits per value. A flow that exceeds it stays exact, but wastes bits.
STRETCH = 8
_SEED = 0x5EED


class Archive:
    """A stack of bits: digits are pushed, and popped in reverse order.

    Args:
        words: its 32-bit words.
        seal: whether they are any digits to start from, and not those of an archive.

    """

    def __init__(self, words: NDArray[np.uint32], seal: bool = False) -> None:
        self._coder = constriction.stream.stack.AnsCoder(words, seal=seal)
        self._uniform = constriction.stream.model.Uniform()
        self._normal = constriction.stream.model.QuantizedGaussian(-LIMIT, LIMIT - 1, -0.5, UNIT / BIN)

    @property
    def bits(self) -> int:
        """Number of bits that the archive holds."""
        return int(self._coder.num_valid_bits())

    def words(self) -> NDArray[np.uint32]:
        """Return the archive as 32-bit words."""
        return self._coder.get_compressed()

    def pop(self, sizes: Cells) -> Cells:
        """Return one whole number below each of ``sizes`` (≥ 2)."""
        symbols: NDArray[np.int32] = self._coder.decode(self._uniform, sizes.astype(np.int32).ravel())
        return symbols.astype(np.int64).reshape(sizes.shape)

    def push(self, symbols: Cells, sizes: Cells) -> None:
        """Take one whole number below each of ``sizes``."""
        self._coder.encode_reverse(symbols.astype(np.int32).ravel(), self._uniform, sizes.astype(np.int32).ravel())

    def push_noise(self, noise: Cells) -> None:
        """Take ε, in cells of the grid."""
        bins = noise.ravel() // BIN
        self.push(noise.ravel() - bins * BIN, np.full(noise.size, BIN))
        self._coder.encode_reverse(bins.astype(np.int32), self._normal)

    def pop_noise(self, shape: tuple[int, ...]) -> Cells:
        """Return ε of a shape, in cells of the grid."""
        size = math.prod(shape)
        bins = self._coder.decode(self._normal, size).astype(np.int64)
        return (bins * BIN + self.pop(np.full(size, BIN))).reshape(shape)


def started(count: int) -> Archive:
    """Return a new archive, which starts with random words."""
    return Archive(np.random.default_rng(_SEED).integers(1, 2**32, count, dtype=np.uint32), seal=True)


def fraction(log_scale: NDArray[np.float64]) -> tuple[Cells, Cells]:
    """Return whole numbers R and S with R / S ≈ exp(log_scale); the larger is at least about 2**FRACTION."""
    if not np.abs(log_scale).max(initial=0) < LARGEST_LOG_SCALE:
        raise CompressionError(f"A part of the flow scales by more than exp({LARGEST_LOG_SCALE}).")
    scale = np.exp(np.abs(log_scale))
    # For s ≥ 1, S is a power of two and R = s S; for s < 1, R is the power of two.
    small = np.maximum(2, 1 << np.maximum(0, FRACTION - np.ceil(np.log2(scale)).astype(np.int64)))
    large = np.rint(scale * small).astype(np.int64)
    grows = log_scale >= 0
    return np.where(grows, large, small), np.where(grows, small, large)


def scaled(archive: Archive, x: Cells, log_scale: NDArray[np.float64], back: bool = False) -> Cells:
    """Return x (N, …) times exp(log_scale) on the grid; ``back`` undoes it, and what it did to the archive."""
    numerator, denominator = (each.ravel() for each in fraction(log_scale))
    step = PIECE if len(x) == 1 else x.size
    pieces = [slice(begin, begin + step) for begin in range(0, x.size, step)]
    if back:
        numerator, denominator, pieces = denominator, numerator, pieces[::-1]
    flat, result = x.ravel(), np.empty(x.size, np.int64)
    for piece in pieces:
        total = flat[piece] * numerator[piece] + archive.pop(numerator[piece])
        result[piece], rest = np.divmod(total, denominator[piece])
        archive.push(rest, denominator[piece])
    return result.reshape(x.shape)


@dataclass(frozen=True, eq=False)
class _Affine:
    """ActNorm and 1×1 convolution of a step on the grid: a scale, two triangular sequences of shifts, a permutation."""

    log_scale: NDArray[np.float64]
    sign: Cells
    upper: Cells
    lower: Cells
    bias: Cells
    rows: Cells

    @classmethod
    def of(cls, actnorm: ActNorm, mixing: InvertibleConvolution) -> _Affine:
        """Return W (exp(a) x + b) = P L (U + D) (exp(a) x + b) in whole numbers."""
        tensors = mixing.lower.tril(-1), mixing.upper.triu(1), mixing.log_diagonal, mixing.sign, actnorm.bias
        lower, upper, log_diagonal, sign, bias = (value.detach().double().cpu().numpy() for value in tensors)
        rows = mixing.permutation.cpu().numpy()
        diagonal = sign * np.exp(log_diagonal)
        shift = ((lower + np.eye(len(lower))) @ ((upper + np.diag(diagonal)) @ bias))[rows]
        return cls(
            log_scale=actnorm.log_scale.detach().double().cpu().numpy() + log_diagonal,
            sign=sign.astype(np.int64),
            # The scale comes first, so U's entries act on scaled values.
            upper=_whole(upper / diagonal, 1 << MATRIX),
            lower=_whole(lower, 1 << MATRIX),
            bias=_whole(shift, UNIT),
            rows=rows,
        )

    def forward(self, archive: Archive, x: Cells) -> Cells:
        """Return y of cells x, both (N, C, H, W)."""
        x = scaled(archive, x, np.broadcast_to(self.log_scale[:, None, None], x.shape))
        x = x * self.sign[:, None, None]
        x = x + _product(self.upper, x)
        x = x + _product(self.lower, x)
        return x[:, self.rows] + self.bias[:, None, None]

    def inverse(self, archive: Archive, y: Cells) -> Cells:
        """Return x of :meth:`forward`."""
        x = (y - self.bias[:, None, None])[:, self.rows.argsort()]
        for row in range(x.shape[1]):
            x[:, row] -= _product(self.lower[row : row + 1, :row], x[:, :row])[:, 0]
        for row in reversed(range(x.shape[1])):
            x[:, row] -= _product(self.upper[row : row + 1, row + 1 :], x[:, row + 1 :])[:, 0]
        x = x * self.sign[:, None, None]
        return scaled(archive, x, np.broadcast_to(self.log_scale[:, None, None], x.shape), back=True)


def _product(matrix: Cells, x: Cells) -> Cells:
    """Return the fixed-point matrix (C', C) times x (N, C, H, W), rounded down to the grid: exact, in any order."""
    result: Cells = np.einsum("oc,nchw->nohw", matrix, x) >> MATRIX
    return result


def _floats(x: Cells) -> Tensor:
    """Return cells as the floats that a network sees, in a layout that depends on their shape alone.

    Other strides lead to other kernels of torch, whose last bits differ.
    """
    return torch.from_numpy((x / UNIT).astype(np.float32, order="C")).contiguous(memory_format=torch.channels_last)


def _whole(values: NDArray[np.float64], unit: int) -> Cells:
    """Return values as whole numbers of 1 / unit."""
    if not (np.abs(values) < LARGEST).all():
        raise CompressionError("A value inside the flow is too large or not finite; it cannot compress these pictures.")
    return np.rint(values * unit).astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Conditional:
    """The changed channels x become y = exp(s) x + t, with (s, t) = affine(the fixed channels).

    The map of a top prior depends on no channel. It names all channels as fixed, and uses their shape alone.
    """

    affine: Callable[[Tensor], tuple[Tensor, Tensor]]
    fixed: slice | Cells
    changed: slice | Cells

    def _of(self, x: Cells) -> tuple[NDArray[np.float64], Cells]:
        log_scale, shift = self.affine(_floats(x[:, self.fixed]))
        shape = x[:, self.changed].shape
        return log_scale.double().expand(shape).contiguous().numpy(), _whole(shift.expand(shape).double().numpy(), UNIT)

    def forward(self, archive: Archive, x: Cells) -> Cells:
        """Return y of cells x, both (N, C, H, W)."""
        log_scale, shift = self._of(x)
        y = x.copy()
        y[:, self.changed] = scaled(archive, x[:, self.changed], log_scale) + shift
        return y

    def inverse(self, archive: Archive, y: Cells) -> Cells:
        """Return x of :meth:`forward`."""
        log_scale, shift = self._of(y)
        x = y.copy()
        x[:, self.changed] = scaled(archive, y[:, self.changed] - shift, log_scale, back=True)
        return x


def _parts(level: Level) -> tuple[Cells, Cells]:
    """Return the numbers of the channels that a level passes on, and of those that it factors out."""
    assert level.shuffle is not None and level.split is not None  # it splits
    order = level.shuffle.order.cpu().numpy()
    return order[: level.split.parts[0]], order[level.split.parts[0] :]


def _moves(level: Level) -> Iterator[_Affine | _Conditional]:
    """Yield the maps of a level after its squeeze."""
    for step in level.steps:
        half = step.coupling.channels // 2
        yield _Affine.of(step.actnorm, step.mixing)
        yield _Conditional(step.coupling.affine, slice(0, half), slice(half, None))
    if level.shuffle is not None and level.split is not None:
        kept, emitted = _parts(level)
        if (weights := level.shuffle.weights) is not None:
            yield _Conditional(partial(_weighted_by, weights.emitted), kept, emitted)
            yield _Conditional(partial(_weighted_by, weights.kept), emitted, kept)
        if level.split.parts[1]:
            yield _Conditional(partial(_standardised_by, level.split), kept, emitted)
    elif level.top is not None:
        yield _Conditional(partial(_standardised_by, level.top), slice(0, None), slice(0, None))


def _weighted_by(solver: Solver, x: Tensor) -> tuple[Tensor, Tensor]:
    log_weights = solver(x)[:, :, None, None]
    return log_weights, torch.zeros_like(log_weights)


def _standardised_by(prior: Split | TopPrior, kept: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_std = prior.parameters_of(kept)
    return -log_std, -mean * (-log_std).exp()


class GridFlow:
    """A flow as a code: images of bytes to an archive, and back."""

    def __init__(self, flow: MultiScaleFlow) -> None:
        if flow.config.context or flow.config.bits != 8:
            raise CompressionError("A flow of 8 bits is needed, and one with labels needs its label.")
        self.flow = flow.eval()
        self.levels = [[*_moves(level)] for level in flow.levels]
        self.dimensions = flow.config.dimensions

    def needed(self, count: int) -> int:
        """Return how many bits an archive must hold before ``count`` images are pushed at once.

        The digits below a byte are popped first, then the bits by which the flow stretches (pushed again with ε). The
        digits of one scaling are popped before its remainders are pushed.
        """
        scaled_at_once = count * self.dimensions if count > 1 else PIECE
        return (DIGITS + STRETCH) * count * self.dimensions + (FRACTION + 1) * scaled_at_once + 1024

    def batch(self, archive: Archive, left: int) -> int:
        """Return how many of the remaining images can be pushed at once."""
        count = min(left, LARGEST_BATCH)
        while count > 1 and self.needed(count) > archive.bits:
            count //= 2
        return count

    @torch.no_grad()
    def push(self, archive: Archive, images: NDArray[np.uint8]) -> None:
        """Take images (N, C, H, W)."""
        shape = images.shape
        x = images.astype(np.int64) * CELL + archive.pop(np.full(shape, CELL)) - UNIT // 2
        noises = []
        for level, moves in zip(self.flow.levels, self.levels, strict=True):
            x = level.squeeze(torch.from_numpy(x))[0].numpy()
            for move in moves:
                x = move.forward(archive, x)
            if level.split is not None:
                kept, emitted = _parts(level)
                x, noise = x[:, kept], x[:, emitted]
                noises.append(noise)
        for noise in [*noises, x]:
            if (np.abs(noise) >= LIMIT * BIN).any():
                raise CompressionError("A latent is beyond what this code can hold.")
            archive.push_noise(noise)

    @torch.no_grad()
    def pop(self, archive: Archive, count: int) -> NDArray[np.uint8]:
        """Return the images of one :meth:`push`."""
        noises = [archive.pop_noise((count, *shape)) for shape in reversed(self.flow.latent_shapes())]
        x = noises[0]
        for number, (level, moves) in enumerate(reversed(list(zip(self.flow.levels, self.levels, strict=True)))):
            if level.split is not None:
                places = np.concatenate(_parts(level)).argsort()
                x = np.concatenate([x, noises[number]], axis=1)[:, places]
            for move in reversed(moves):
                x = move.inverse(archive, x)
            x = level.squeeze.inverse(torch.from_numpy(x)).numpy()
        x = x + UNIT // 2
        images = x // CELL
        archive.push(x - images * CELL, np.full(x.shape, CELL))
        return images.astype(np.uint8)
