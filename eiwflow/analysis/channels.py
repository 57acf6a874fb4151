"""One channel at a time: what its weight is worth, and which pixels it depends on and decides."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..flow import ConfigError, Latents, MultiScaleFlow, quantise
from ..flow.channel_weights import Solver, pool
from ..flow.score import images_at_once
from ..flow.shuffle import Shuffle
from ..flow.split import standard_normal_log_prob
from . import intervals, progress
from .latents import decode_all, encode
from .levels import dequantised, kept_channels, to_pixels
from .weights import BATCH, features_at, shuffle_at

#: Test images that an ablation is over, and that resampling is over.
ABLATION_IMAGES, RESAMPLED_IMAGES = 64, 16
#: Draws of ε that a change of one image is averaged over.
EPSILON_DRAWS = 8
#: Grey levels a unit of x.
GREY_LEVELS = 256


# ---------------------------------------------------------------------- weights held


class HeldSolver(nn.Module):
    """A Solver some of whose log-weights are held at numbers, whatever the image; NaN in ``held`` leaves one free.

    The other half still decides what is free, so the Weights around it stay an exactly invertible map.

    Shapes: ``held`` (C_h,), or (N, C_h) with a number for each of N images, of the C_h channels of its half.
    """

    held: Tensor

    def __init__(self, solver: Solver, log_weights: Tensor) -> None:
        super().__init__()
        self.solver = solver
        self.register_buffer("held", log_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Return log ω (N, C_h) of the half that x is not."""
        return self.solve(pool(x))

    def solve(self, pooled: Tensor) -> Tensor:
        """Return log ω from the pooled other half."""
        return torch.where(self.held.isnan(), self.solver.solve(pooled), self.held)


def hold(shuffle: Shuffle, log_weights: Tensor) -> Shuffle:
    """Return a copy of a Shuffle that holds log-weights, ``held`` (C,) or (N, C) by position; NaN leaves one free.

    Raises:
        ConfigError: the Shuffle applies no weights.

    """
    copied = copy.deepcopy(shuffle)
    if copied.weights is None:
        raise ConfigError("This flow's split policy applies no weights, so there are none to hold.")
    halves = [solver.out.out_features for solver in (copied.weights.kept, copied.weights.emitted)]
    kept, emitted = log_weights.split(halves, dim=-1)
    copied.weights.add_module("kept", HeldSolver(copied.weights.kept, kept))
    copied.weights.add_module("emitted", HeldSolver(copied.weights.emitted, emitted))
    return copied


def with_held_weights(flow: MultiScaleFlow, level: int, log_weights: Tensor) -> MultiScaleFlow:
    """Return a flow that holds log-weights of one level (see :func:`hold`) and is the same otherwise: a density too."""
    shuffle = shuffle_at(flow, level)
    changed = copy.deepcopy(flow)
    changed.levels[level - 1].shuffle = hold(shuffle, log_weights)
    return changed


def _log_weights_of(shuffle: Shuffle, features: Tensor) -> Tensor:
    """Return the log ω (N, C) that a Shuffle with weights applies to features (N, C, H, W)."""
    log_weights = shuffle.log_weights(features)
    if log_weights is None:
        raise ConfigError("This flow's split policy has no weights.")
    return log_weights


# ---------------------------------------------------------------------- ablation


@dataclass(frozen=True, eq=False)
class Ablation:
    """What it costs to hold the weights of a level at their means, one channel at a time and all of them together.

    The rest of the flow is as it was, not trained again: the cost is that of taking the weight away from this flow.

    Attributes:
        level: from 1.
        order: channel numbers by position, kept ones first.
        kept: how many are passed on.
        held: (C,) the means over images that log ω is held at, nats, by position.
        costs: (N, C) bits/dim more than before, per image; negative where the image is better off without.
        costs_of_all: (N,) the same with all weights of the level held.
        sources: the photograph of each image, where that is known.

    """

    level: int
    order: tuple[int, ...]
    kept: int
    held: np.ndarray
    costs: np.ndarray
    costs_of_all: np.ndarray
    sources: tuple[int, ...] | None = None

    @property
    def parts(self) -> list[str]:
        """``kept`` or ``emitted``, by position."""
        return ["kept" if position < self.kept else "emitted" for position in range(len(self.order))]

    @property
    def mean(self) -> np.ndarray:
        """The mean cost (C,), bits/dim."""
        return self.costs.mean(axis=0)

    @property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """The 95 % bootstrap interval of the mean cost, two (C,)."""
        return intervals.of_mean_over_images(self.costs, self.sources)

    @property
    def of_all(self) -> tuple[float, float, float]:
        """The mean cost of holding all weights of the level and its 95 % bootstrap interval, bits/dim."""
        low, high = intervals.of_mean_over_images(self.costs_of_all, self.sources)
        return float(self.costs_of_all.mean()), float(low), float(high)

    def table(self) -> list[dict[str, Any]]:
        """Return one row a channel, by position."""
        low, high = self.interval
        return [
            {
                "position": position + 1,
                "channel": channel,
                "part": self.parts[position],
                "held_log_weight_nats": float(self.held[position]),
                "cost_bits_per_dim": float(self.mean[position]),
                "low": float(low[position]),
                "high": float(high[position]),
            }
            for position, channel in enumerate(self.order)
        ]


@torch.no_grad()
def ablate(
    flow: MultiScaleFlow, images: Tensor, level: int, seed: int = 0, sources: Sequence[int] | None = None
) -> Ablation:
    """Return what it costs to hold each weight of a level at its mean over images.

    Arguments:
        flow: an initialised one.
        images: uint8 (N, C, H, W); the first :data:`ABLATION_IMAGES` are taken.
        level: from 1, one that has a Shuffle.
        seed: of the dequantisation.
        sources: the photograph (N,) of each image, where that is known.

    Raises:
        ConfigError: the level has no Shuffle, or the split policy applies no weights.

    """
    shuffle, images = shuffle_at(flow, level), images[:ABLATION_IMAGES]
    free = torch.full((shuffle.channels,), math.nan, dtype=next(flow.parameters()).dtype)
    before = hold(shuffle, free)  # refuses a Shuffle without weights
    progress.expect((3 + shuffle.channels) * len(images))
    features = torch.cat([features_at(flow, x, level) for x in dequantised(flow, images, seed, BATCH)])
    mean_log_weights = _log_weights_of(shuffle, features).mean(dim=0)
    alone = torch.where(torch.eye(len(mean_log_weights), dtype=torch.bool), mean_log_weights, free)
    log_probs = [_log_prob_from(flow, features, level, arm) for arm in (before, *(hold(shuffle, h) for h in alone))]
    log_probs.append(_log_prob_from(flow, features, level, hold(shuffle, mean_log_weights)))
    losses = -torch.stack(log_probs, dim=1) / (flow.config.dimensions * math.log(2))
    costs = (losses[:, 1:] - losses[:, :1]).numpy()
    return Ablation(
        level=level,
        order=tuple(shuffle.order.tolist()),
        kept=kept_channels(flow, level),
        held=mean_log_weights.double().numpy(),
        costs=costs[:, :-1],
        costs_of_all=costs[:, -1],
        sources=None if sources is None else tuple(int(source) for source in sources[:ABLATION_IMAGES]),
    )


def _log_prob_from(flow: MultiScaleFlow, features: Tensor, level: int, shuffle: Shuffle) -> Tensor:
    """Return log p(x) (N,) less what came before the Shuffle of a level, with ``shuffle`` in its place; float64."""
    parts, split = [], flow.levels[level - 1].split
    assert split is not None  # a level with a Shuffle has a Split
    for x in features.split(images_at_once(flow.config, BATCH)):
        shuffled, log_det = shuffle(x)
        kept, noise, of_split = split.emit(shuffled)
        log_prob = log_det.double() + of_split + standard_normal_log_prob(noise.double())
        for behind in flow.levels[level:]:
            kept, noise, log_det, _ = behind(kept)
            log_prob = log_prob + log_det + standard_normal_log_prob(noise.double())
        parts.append(log_prob)
        progress.advance(len(x))
    return torch.cat(parts)


# ---------------------------------------------------------------------- from a channel to the pixels


@dataclass(frozen=True, eq=False)
class EnergyGradient:
    """Which pixels a channel's energy depends on. Energy: the mean square of the channel's map before the Shuffle.

    Attributes:
        level: from 1.
        channel: its number.
        energy: of the image.
        map: (H_l, W_l) the channel's values.
        gradient: (H, W) energy a grey level of a pixel: the root of the sum of squares over colours.

    """

    level: int
    channel: int
    energy: float
    map: np.ndarray
    gradient: np.ndarray

    @property
    def half_of_it(self) -> int:
        """How many pixels hold half of the squared gradient; 0 where no pixel changes the energy."""
        squares = np.sort(np.square(self.gradient), axis=None)[::-1]
        return int(np.searchsorted(squares.cumsum(), squares.sum() / 2)) + 1 if squares.sum() else 0


def energy_gradient(flow: MultiScaleFlow, image: Tensor, level: int, channel: int, seed: int = 0) -> EnergyGradient:
    """Return which pixels of one uint8 image (1, C, H, W) the energy of a channel depends on.

    Raises:
        ConfigError: the level has no Shuffle, or no channel of this number.

    """
    _position(flow, level, channel)
    with torch.enable_grad():
        (x,) = dequantised(flow, image, seed)
        x.requires_grad_()
        map_ = features_at(flow, x, level)[0, channel]
        energy = map_.square().mean()
        (gradient,) = torch.autograd.grad(energy, x)
    return EnergyGradient(
        level=level,
        channel=channel,
        energy=energy.item(),
        map=map_.detach().double().numpy(),
        gradient=(gradient[0].double() / GREY_LEVELS).norm(dim=0).numpy(),
    )


@dataclass(frozen=True, eq=False)
class Resampling:
    """One image after a single emitted channel was given another ε, everything else of its latents as it was.

    Attributes:
        level: from 1.
        channel: its number.
        zeroed: whether ε is zero rather than drawn from N(0, 1).
        frozen: whether the level's weights were held at those of the original image while decoding.
        image, changed: bytes (H, W, C); ``changed`` is the first draw.
        change: (H, W) grey levels, root mean square over colours and draws, of x within the range of bytes.
        draws: how many draws of ε the change is over.

    """

    level: int
    channel: int
    zeroed: bool
    frozen: bool
    image: np.ndarray
    changed: np.ndarray
    change: np.ndarray
    draws: int

    @property
    def rms(self) -> float:
        """The change over all pixels, grey levels, root mean square."""
        return float(np.sqrt(np.square(self.change).mean()))


def replace_channel(latents: Latents, level: int, place: int, seed: int | None) -> Latents:
    """Return latents whose ε_level has other numbers in channel ``place``: N(0, 1) of that seed, or zeros for None."""
    noises = list(latents.levels)
    changed = noises[level - 1].clone()
    old = changed[:, place]
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    changed[:, place] = 0 if seed is None else torch.randn(old.shape, generator=generator, dtype=old.dtype)
    noises[level - 1] = changed
    return Latents(noises)


@torch.no_grad()
def frozen_at(flow: MultiScaleFlow, x: Tensor, level: int) -> MultiScaleFlow:
    """Return the flow with the weights of a level held at those of x (1, C, H, W).

    Raises:
        ConfigError: the split policy applies no weights.

    """
    return with_held_weights(flow, level, _log_weights_of(shuffle_at(flow, level), features_at(flow, x, level)))


@torch.no_grad()
def resample_channel(
    flow: MultiScaleFlow,
    image: Tensor,
    level: int,
    channel: int,
    seed: int = 0,
    zeroed: bool = False,
    frozen: bool = False,
) -> Resampling:
    """Return one uint8 image (1, C, H, W) after a single emitted channel was given another ε.

    While decoding, the kept half's weights are found from what was emitted, and the emitted half's from the kept one:
    where the flow has channel weights, another ε also changes the other channels' amplitudes. ``frozen`` holds them.

    Raises:
        ConfigError: the level has no Shuffle, no channel of this number, or passes it on: it has no ε of its own there.
        NonFiniteError: the flow gives no finite number on the way.

    """
    place = _emitted_place(flow, level, channel)
    (x,) = dequantised(flow, image, seed)
    draws = 1 if zeroed else EPSILON_DRAWS
    latents = Latents([noise.repeat(draws, 1, 1, 1) for noise in flow.encode(x).levels])
    frozen = frozen and shuffle_at(flow, level).weights is not None
    back = frozen_at(flow, x, level) if frozen else flow
    changed = back.decode(replace_channel(latents, level, place, None if zeroed else seed)).clamp(-0.5, 0.5)
    return Resampling(
        level=level,
        channel=channel,
        zeroed=zeroed,
        frozen=frozen,
        image=to_pixels(image)[0],
        changed=to_pixels(quantise(changed[:1], flow.config.bits))[0],
        change=_change(changed, x).mean(dim=0).sqrt().numpy(),
        draws=draws,
    )


@dataclass(frozen=True, eq=False)
class Reach:
    """How much the image changes when a factored-out channel is resampled, over images.

    Attributes:
        level: from 1.
        channels: numbers of the emitted channels, by position.
        changes: (N, C/2) grey levels, root mean square over pixels and colours; one draw of ε an image.
        sources: the photograph of each image, where that is known.

    """

    level: int
    channels: tuple[int, ...]
    changes: np.ndarray
    sources: tuple[int, ...] | None = None

    @property
    def mean(self) -> np.ndarray:
        """The mean over images (C/2,), grey levels."""
        return self.changes.mean(axis=0)

    @property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """The 95 % bootstrap interval of the mean, two (C/2,)."""
        return intervals.of_mean_over_images(self.changes, self.sources)

    def table(self) -> list[dict[str, Any]]:
        """Return one row an emitted channel, by position."""
        low, high = self.interval
        rows = zip(self.channels, self.mean, low, high, strict=True)
        return [
            {"channel": c, "change_grey_levels": float(mean), "low": float(a), "high": float(b)}
            for c, mean, a, b in rows
        ]


@torch.no_grad()
def reach(
    flow: MultiScaleFlow, images: Tensor, level: int, seed: int = 0, sources: Sequence[int] | None = None
) -> Reach:
    """Return how much uint8 images (N, C, H, W), the first :data:`RESAMPLED_IMAGES`, change with each emitted channel.

    Raises:
        ConfigError: the level has no Shuffle.
        NonFiniteError: the flow gives no finite number on the way.

    """
    channels = shuffle_at(flow, level).order.tolist()[shuffle_at(flow, level).kept :]
    images, changes = images[:RESAMPLED_IMAGES], []
    progress.expect((1 + len(channels)) * len(images))
    x, latents = encode(flow, images, seed)
    for place in range(len(channels)):
        changed = decode_all(flow, replace_channel(latents, level, place, seed)).clamp(-0.5, 0.5)
        changes.append(_change(changed, x).mean(dim=(1, 2)).sqrt())
    return Reach(
        level=level,
        channels=tuple(channels),
        changes=torch.stack(changes, dim=1).numpy(),
        sources=None if sources is None else tuple(int(source) for source in sources[:RESAMPLED_IMAGES]),
    )


@dataclass(frozen=True, eq=False)
class Report:
    """What is measured of every channel of a level.

    Attributes:
        ablation: what each weight is worth; None where the flow has none.
        reach: how much the image changes with each factored-out channel.
        pixels: by position the channel's energy gradient, and the image after it was resampled; None where the channel
            is passed on.

    """

    ablation: Ablation | None
    reach: Reach
    pixels: tuple[tuple[EnergyGradient, Resampling | None], ...]


def report(
    flow: MultiScaleFlow, image: Tensor, images: Tensor, level: int, seed: int = 0, sources: Sequence[int] | None = None
) -> Report:
    """Return what each channel of a level is worth, and which pixels it depends on and decides.

    Arguments:
        flow: an initialised one.
        image: uint8 (1, C, H, W), the image looked at.
        images: uint8 (N, C, H, W), what averages are over.
        level: from 1, one that has a Shuffle.
        seed: of the dequantisation of ``image`` and of what is drawn for it.
        sources: the photograph (N,) of each of ``images``, where that is known.

    Raises:
        ConfigError: the level has no Shuffle.
        NonFiniteError: the flow gives no finite number on the way.

    """
    reached = reach(flow, images, level, sources=sources)
    shuffle = shuffle_at(flow, level)
    ablation = None if shuffle.weights is None else ablate(flow, images, level, sources=sources)
    pixels = []
    for channel in shuffle.order.tolist():
        gradient = energy_gradient(flow, image, level, channel, seed)
        change = resample_channel(flow, image, level, channel, seed) if channel in reached.channels else None
        pixels.append((gradient, change))
    return Report(ablation, reached, tuple(pixels))


def _change(changed: Tensor, x: Tensor) -> Tensor:
    """Return squared differences (N, H, W) in grey levels, mean over colours; float64."""
    return (GREY_LEVELS * (changed.double() - x.double())).square().mean(dim=1)


def _position(flow: MultiScaleFlow, level: int, channel: int) -> int:
    """Return where a channel stands after the Shuffle."""
    order = shuffle_at(flow, level).order.tolist()
    if channel not in order:
        raise ConfigError(f"channel is {channel}; level {level} has the channels 0 to {len(order) - 1}.")
    return order.index(channel)


def _emitted_place(flow: MultiScaleFlow, level: int, channel: int) -> int:
    """Return where a channel stands in the emitted half."""
    place = _position(flow, level, channel) - kept_channels(flow, level)
    if place < 0:
        raise ConfigError(
            f"channel is {channel}, which level {level} passes on: only factored-out channels have an ε there."
        )
    return place
