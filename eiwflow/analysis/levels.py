"""An image's way through the levels: parts factored out and passed on, the cost of stopping early, and the inverse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..flow import ConfigError, MultiScaleFlow, dequantise, to_bits_per_dim
from ..flow.bijection import round_trip_error
from ..flow.information import redundancy
from ..flow.multiscale import LevelTrace, Trace, coarsened, finite, spread_levels
from ..flow.split import standard_normal_log_prob
from . import passes, progress
from .exactness import unsound_level

#: Smallest standard deviation of a fitted channel, so that a constant channel stays finite.
STD_FLOOR = 1e-6
#: Test images for averages.
IMAGES = 128
#: Channel maps go from black to white over ±GREY_RANGE standard deviations.
GREY_RANGE = 3.0


class NoPartsError(ConfigError):
    """The parts that levels factor out were asked of a flow that passes on all channels to its last level."""


def check_splits(flow: MultiScaleFlow) -> None:
    """Raise :class:`NoPartsError` for a flow whose levels before the last factor nothing out."""
    config = flow.config
    if config.levels > 1 and not config.splits:
        raise NoPartsError(
            f"This flow passes on all channels (keep {config.keep}): before its last level it factors nothing out, "
            "so there are no parts to tell apart."
        )


# ---------------------------------------------------------------------- the Gaussian that ends a stopped flow


@dataclass(frozen=True, eq=False)
class KeptFit:
    """One Gaussian per channel for the part passed on by each level l = 0 … L−1; l = 0 is the pixels.

    Attributes:
        means, stds: for each l one float64 tensor (1, C_l, 1, 1), over reference images and positions.
        bits: of the images' grey levels.

    """

    means: tuple[Tensor, ...]
    stds: tuple[Tensor, ...]
    bits: int = 8

    def standardise(self, level: int, kept: Tensor) -> Tensor:
        """Return the part passed on by level ``level``, (N, C_l, H_l, W_l), in standard deviations of its channels."""
        return (kept.double() - self.means[level]) / self.stds[level]

    def log_prob(self, level: int, kept: Tensor) -> Tensor:
        """Return log-densities (N,) in nats of the part passed on by level ``level``, (N, C_l, H_l, W_l)."""
        positions = kept.shape[2] * kept.shape[3]
        log_scale = self.stds[level].log().sum()
        return standard_normal_log_prob(self.standardise(level, kept)) - positions * log_scale


def fit_kept(flow: MultiScaleFlow, reference: Tensor) -> KeptFit:
    """Fit the Gaussians of an initialised flow that stops early, on uint8 training images (N, C, H, W)."""
    kept = [
        [trace.x, *(level.kept for level in trace.levels if level.kept is not None)]
        for trace in traces(flow, reference)
    ]
    moments = [
        torch.var_mean(torch.cat(parts).double(), dim=(0, 2, 3), correction=0, keepdim=True)
        for parts in zip(*kept, strict=True)
    ]
    return KeptFit(
        means=tuple(mean for _, mean in moments),
        stds=tuple(variance.sqrt().clamp_min(STD_FLOOR) for variance, _ in moments),
        bits=flow.config.bits,
    )


def dequantised(flow: MultiScaleFlow, images: Tensor, seed: int = 0, batch: int = 64) -> Iterator[Tensor]:
    """Yield uint8 images (N, C, H, W) as a flow takes them, with the noise of ``flow.score``.

    A batch is on the CPU and has at most ``batch`` images, fewer for a large flow.
    """
    generator = torch.Generator().manual_seed(seed)
    dtype = next(flow.parameters()).dtype
    progress.expect(len(images))
    for part in images.split(passes.images_at_once(flow, batch)):
        yield dequantise(part, generator, dtype, flow.config.bits).contiguous(memory_format=torch.channels_last)
        progress.advance(len(part))


def traces(flow: MultiScaleFlow, images: Tensor, seed: int = 0, batch: int = 64) -> Iterator[Trace]:
    """Yield traces of uint8 images (N, C, H, W), dequantised by :func:`dequantised`, at most ``batch`` at a time."""
    for x in dequantised(flow, images, seed, batch):
        trace = passes.trace(flow, x)
        for level in trace.levels:
            finite(level.features, level.number)
            finite(level.noise, level.number)
        yield trace


def trace_of(flow: MultiScaleFlow, images: Tensor, seed: int = 0) -> Trace:
    """Return one trace of uint8 images (N, C, H, W), computed batch by batch."""
    parts = list(traces(flow, images, seed))
    if len(parts) == 1:
        return parts[0]
    joined = [
        LevelTrace(**passes.over_tensors(lambda *own: torch.cat(own), *map(vars, own)) | {"order": own[0].order})
        for own in zip(*(part.levels for part in parts), strict=True)
    ]
    return Trace(torch.cat([part.x for part in parts]), joined, torch.cat([part.log_prob for part in parts]))


# ---------------------------------------------------------------------- bits/dim if the flow stopped here


@dataclass(frozen=True, eq=False)
class Staircase:
    """Bits/dim if the flow stopped after level l = 0 … L; l = 0 is a Gaussian on the pixels, l = L the flow.

    Shares of bits per level are not identified: a scale on the part passed on, undone by the next level, moves
    log-determinants between levels. These figures do not change under such a scale.

    Attributes:
        bits_per_dim: (N, L+1), per image.
        bits: of the images' grey levels: what a value costs without any model.

    """

    bits_per_dim: np.ndarray
    bits: int = 8

    @property
    def mean(self) -> np.ndarray:
        """The mean over images, (L+1,)."""
        return self.bits_per_dim.mean(axis=0)


def stops(trace: Trace, fit: KeptFit) -> Staircase:
    r"""Return bits/dim of a traced batch if the flow stopped after each level.

    .. math::
        \log p_l(x) = \sum_{i \le l} [\log|\det_i| + \log N(ε_i; 0, I)]
                      + \sum_c \log N(h_{l,c}; m_{l,c}, s_{l,c}^2)

    h_l is the part passed on by level l; the last level passes on nothing, so it has no Gaussian.
    """
    left = torch.zeros(len(trace.x), dtype=torch.double)
    log_probs = [fit.log_prob(0, trace.x)]
    for level in trace.levels:
        left = left + level.log_det.double() + standard_normal_log_prob(level.noise).double()
        log_probs.append(left if level.kept is None else left + fit.log_prob(level.number, level.kept))
    return Staircase(to_bits_per_dim(torch.stack(log_probs, dim=1), trace.x[0].numel(), fit.bits).numpy(), fit.bits)


# ---------------------------------------------------------------------- the facts of a level


@dataclass(frozen=True, eq=False)
class LevelFacts:
    """The facts of one level for N images: C channels of H×W positions, channels passed on first.

    Attributes:
        number: the level, from 1.
        shape: (C, H, W), after the squeeze.
        steps: flow steps.
        kept_channels: number passed on; 0 at the last level.
        order: channel numbers by position, the same for every image; None at the last level.
        redundancy: (N, C) spectral redundancy in nats a pixel by position; NaN where a channel is a single pixel.
        log_weights: (N, C) log ω in nats by position; None where the policy has none.

    """

    number: int
    shape: tuple[int, int, int]
    steps: int
    kept_channels: int
    order: tuple[int, ...] | None
    redundancy: np.ndarray
    log_weights: np.ndarray | None

    @property
    def emitted_channels(self) -> int:
        """How many channels are factored out."""
        return self.shape[0] - self.kept_channels

    @property
    def kept(self) -> int:
        """How many values of an image are passed on."""
        return self.kept_channels * self.shape[1] * self.shape[2]

    @property
    def emitted(self) -> int:
        """How many values of an image are factored out."""
        return self.emitted_channels * self.shape[1] * self.shape[2]

    @property
    def mean_redundancy(self) -> tuple[float, float]:
        """The mean redundancy of the channels passed on and factored out, nats a pixel; NaN where there are none."""
        kept, emitted = np.split(self.redundancy, [self.kept_channels], axis=1)
        return (float(kept.mean()) if kept.size else math.nan), float(emitted.mean())


def level_facts(trace: Trace) -> tuple[LevelFacts, ...]:
    """Return the facts of every level of a traced batch."""
    return tuple(map(_facts, trace.levels))


def _facts(level: LevelTrace) -> LevelFacts:
    features = level.features if level.order is None else level.features[:, level.order]
    _, channels, height, width = features.shape
    single = height * width == 1
    return LevelFacts(
        number=level.number,
        shape=(channels, height, width),
        steps=sum(name.endswith("coupling") for name in level.log_dets),
        kept_channels=0 if level.kept is None else level.kept.shape[1],
        order=None if level.order is None else tuple(level.order.tolist()),
        redundancy=np.full(features.shape[:2], np.nan) if single else redundancy(features).numpy(),
        log_weights=None if level.log_weights is None else level.log_weights.double().numpy(),
    )


# ---------------------------------------------------------------------- one image, there and back


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """An image, its reconstruction from the latents, and the difference.

    Attributes:
        image, restored: bytes (H, W, C), in the flow's grey levels.
        error: (H, W), the largest |decode(encode(x)) − x| over colours; x spans [−½, ½], a grey level 2^−b.
        at_fault: the level, from 1, whose inverse makes rounding grow beyond its bound, or None.
        bits: b, of the grey levels.

    """

    image: np.ndarray
    restored: np.ndarray
    error: np.ndarray
    at_fault: int | None = None
    bits: int = 8

    @property
    def max_abs_error(self) -> float:
        """The largest |decode(encode(x)) − x|."""
        return float(self.error.max())

    @property
    def lost_bytes(self) -> int:
        """The number of bytes that differ."""
        return int((self.image != self.restored).sum())


@dataclass(frozen=True, eq=False)
class Passage:
    """One image on its way through a flow.

    Attributes:
        order_rule: how the level sorts its channels, one of ``flow.config.ORDERS``.
        levels: facts of every level, with N = 1.
        maps: per level the channels as grey bytes (C, H, W) by position, from −:data:`GREY_RANGE` to
            +:data:`GREY_RANGE`: channels passed on in standard deviations over training images, channels factored out
            as ε.
        stairs: bits/dim if the flow stopped, with N = 1.
        reconstruction: of the image from all latents.

    """

    order_rule: str
    levels: tuple[LevelFacts, ...]
    maps: tuple[np.ndarray, ...]
    stairs: Staircase
    reconstruction: Reconstruction

    @property
    def dimensions(self) -> int:
        """D, the number of values of the image."""
        return self.reconstruction.image.size

    def level_table(self, facts: tuple[LevelFacts, ...], average: Staircase) -> list[dict[str, Any]]:
        """Return one row per level. A column is about this image, or about as many images as its name says."""
        images = f"{len(average.bits_per_dim)} images"
        return [
            {
                "level": level.number,
                "channels": level.shape[0],
                "size": f"{level.shape[1]}×{level.shape[2]}",
                "values factored out": level.emitted,
                "values passed on": level.kept,
                f"redundancy factored out, bits per value, {images}": level.mean_redundancy[1] / math.log(2),
                f"redundancy passed on, bits per value, {images}": level.mean_redundancy[0] / math.log(2),
                "bits/dim if stopped": float(self.stairs.mean[level.number]),
                f"bits/dim if stopped, {images}": float(average.mean[level.number]),
            }
            for level in facts
        ]

    def channel_table(self) -> list[dict[str, Any]]:
        """Return one row a channel map, in the order of the maps."""
        return [
            {
                "level": level.number,
                "position": position + 1,
                "channel": position if level.order is None else level.order[position],
                "part": "kept" if position < level.kept_channels else "emitted",
                "redundancy, bits per value": float(level.redundancy[0, position]) / math.log(2),
                "log ω, nats": None if level.log_weights is None else float(level.log_weights[0, position]),
            }
            for level in self.levels
            for position in range(level.shape[0])
        ]


def passage(flow: MultiScaleFlow, image: Tensor, fit: KeptFit, seed: int = 0) -> Passage:
    """Follow one uint8 image (1, C, H, W) through a flow and back."""
    (trace,) = traces(flow, image, seed)
    return Passage(
        order_rule=flow.config.order,
        levels=level_facts(trace),
        maps=tuple(_maps(level, fit) for level in trace.levels),
        stairs=stops(trace, fit),
        reconstruction=_reconstruct(flow, trace.x, image),
    )


def _maps(level: LevelTrace, fit: KeptFit) -> np.ndarray:
    parts = [level.noise.double()]
    if level.kept is not None:
        parts.insert(0, fit.standardise(level.number, level.kept))
    return as_grey(torch.cat(parts, dim=1)[0])


def as_grey(maps: Tensor) -> np.ndarray:
    """Return maps in standard deviations as grey bytes, from −:data:`GREY_RANGE` to +:data:`GREY_RANGE`."""
    grey = (maps / GREY_RANGE).clamp(-1, 1) * 127.5 + 127.5
    return grey.round().to(torch.uint8).numpy()


def reconstruction(flow: MultiScaleFlow, image: Tensor, seed: int = 0) -> Reconstruction:
    """Encode one uint8 image (1, C, H, W), and decode it again."""
    (x,) = dequantised(flow, image, seed)
    return _reconstruct(flow, x, image)


@torch.no_grad()
def _reconstruct(flow: MultiScaleFlow, x: Tensor, image: Tensor) -> Reconstruction:
    restored = passes.decode(flow, passes.encode(flow, x))
    error = round_trip_error(restored, x)
    bits, largest = flow.config.bits, 2**flow.config.bits - 1
    # Dequantisation noise may lie at the edge of a level, and rounding would then change the level. So it is left out.
    off = (2**bits * (restored - x)).nan_to_num().clamp(-largest, largest).round()
    levels_back = ((image >> (8 - bits)) + off).clamp(0, largest)
    return Reconstruction(
        image=to_pixels(coarsened(image, bits))[0],
        restored=to_pixels(spread_levels(levels_back, bits))[0],
        error=error.pixels[0].numpy(),
        at_fault=unsound_level(flow, x, error.max_abs),
        bits=bits,
    )


def to_pixels(images: Tensor) -> np.ndarray:
    """Return uint8 images (N, C, H, W) as an array (N, H, W, C)."""
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
