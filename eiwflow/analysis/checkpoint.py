"""The parts of a flow and how well it inverts: parameters, conditioning, rounding, by level.

A level is inverted part by part. A 1×1 convolution, ActNorm folded in, can stretch one direction of channel space more
than another (its condition number), and a coupling divides by its scale. Both make rounding grow. So the result of the
inverse is compared with the input, level by level and for the whole flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..flow import FlowConfig, MultiScaleFlow, NonFiniteError
from ..flow.bijection import round_trip_error
from ..flow.level import Level
from .levels import dequantised

#: The parts of a level that have parameters, in forward order.
PARTS = ("actnorm", "mixing", "coupling", "shuffle", "prior")
#: A piece of a parameter's name inside a level -> its part.
_PLACES = {
    ".actnorm.": "actnorm",
    ".mixing.": "mixing",
    ".coupling.": "coupling",
    "shuffle.": "shuffle",
    "split.prior.": "prior",
    "top.prior.": "prior",
}
#: Test images that are encoded and decoded.
IMAGES = 64

Shape = tuple[int, int, int]


# ---------------------------------------------------------------------- the parts of a flow


@dataclass(frozen=True, eq=False)
class LevelAnatomy:
    """The parts of a level, known without data.

    Attributes:
        number: the level, from 1.
        shape_in: (C/4, 2H, 2W), of the level's input.
        shape: (C, H, W), inside the level, after its squeeze.
        kept: the shape of the part passed on; None at the last level.
        emitted: the shape of the part factored out.
        parameters: their number, for each of :data:`PARTS`.
        singular_values: (K, C) of each step's 1×1 convolution with ActNorm's scale folded in, largest first.

    """

    number: int
    shape_in: Shape
    shape: Shape
    kept: Shape | None
    emitted: Shape
    parameters: dict[str, int]
    singular_values: np.ndarray

    @property
    def steps(self) -> int:
        """K, the number of steps."""
        return len(self.singular_values)

    @property
    def total(self) -> int:
        """The number of parameters of all parts."""
        return sum(self.parameters.values())

    @property
    def condition(self) -> np.ndarray:
        """The condition number (K,) of each step's convolution with ActNorm: largest singular value over smallest."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.singular_values[:, 0] / self.singular_values[:, -1]

    @property
    def worst_step(self) -> int:
        """The step, from 1, with the largest condition number."""
        return int(self.condition.argmax()) + 1


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The parts of a flow, level by level."""

    config: FlowConfig
    levels: tuple[LevelAnatomy, ...]

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters of each of :data:`PARTS` in all levels."""
        return {part: sum(level.parameters[part] for level in self.levels) for part in PARTS}

    @property
    def total(self) -> int:
        """All parameters of the density."""
        return sum(level.total for level in self.levels)

    @property
    def worst(self) -> LevelAnatomy:
        """The level with the largest condition number."""
        return max(self.levels, key=lambda level: level.condition.max())

    def part_table(self) -> list[dict[str, Any]]:
        """Return one row a level and part, with its parameters."""
        return [
            {"level": level.number, "part": part, "parameters": count}
            for level in self.levels
            for part, count in level.parameters.items()
        ]


@torch.no_grad()
def anatomy(flow: MultiScaleFlow) -> Anatomy:
    """Return the parts of a flow; a 1×1 convolution that overflows is a NonFiniteError."""
    return Anatomy(flow.config, tuple(level_anatomy(flow.config, level) for level in flow.levels))


@torch.no_grad()
def level_anatomy(config: FlowConfig, level: Level) -> LevelAnatomy:
    """Return the parts of one level of a flow."""
    channels, height, width = config.level_shape(level.number)
    noise, last = config.noise_shape(level.number), level.shuffle is None
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in level.named_parameters():
        counts[next(part for place, part in _PLACES.items() if place in name)] += parameter.numel()
    scales = torch.stack([step.actnorm.log_scale for step in level.steps]).double().exp()
    folded = torch.stack([step.mixing.matrix() for step in level.steps]).double() * scales[:, None, :]
    if not torch.isfinite(folded).all():
        raise NonFiniteError(f"Level {level.number} of the flow has a 1×1 convolution that is not finite.")
    return LevelAnatomy(
        number=level.number,
        shape_in=(channels // 4, 2 * height, 2 * width),
        shape=(channels, height, width),
        kept=None if last else (channels - noise[0], height, width),
        emitted=noise,
        parameters=counts,
        singular_values=torch.linalg.svdvals(folded).cpu().numpy(),
    )


# ---------------------------------------------------------------------- how well it inverts


@dataclass(frozen=True, eq=False)
class LevelInversion:
    """The round-trip error of a level, and the range of its factors.

    Attributes:
        number: the level, from 1.
        max_abs: the largest |inverse(forward(h)) − h| of its inputs h.
        relative: the largest ‖inverse(forward(h)) − h‖ / ‖h‖ over images.
        coupling: (K, 2), the smallest and the largest scale eˢ of each step's coupling.
        weights: the smallest and the largest weight ω, before the split or, there also below 0, inside couplings; None
            where there are none.
        prior: the smallest and the largest σ of the prior; None where σ is 1.

    """

    number: int
    max_abs: float
    relative: float
    coupling: np.ndarray
    weights: tuple[float, float] | None
    prior: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Inversion:
    """How well a flow inverts on test images.

    Attributes:
        images: their number.
        levels: each level alone, on its own inputs.
        max_abs: the largest |decode(encode(x)) − x|, of x in [−½, ½].
        relative: the largest ‖decode(encode(x)) − x‖ / ‖x‖ over images.
        bits: of the images' grey levels.

    """

    images: int
    levels: tuple[LevelInversion, ...]
    max_abs: float
    relative: float
    bits: int = 8


@torch.no_grad()
def inversion(flow: MultiScaleFlow, images: Tensor, batch: int = 32) -> Inversion:
    """Encode and decode test images, by the whole flow and by each level alone.

    Arguments:
        flow: the flow to measure.
        images: uint8 (N, C, H, W) of the flow's shape; the first :data:`IMAGES` are used.
        batch: images at a time.

    """
    looked_at = images[:IMAGES]
    of_levels: list[list[LevelInversion]] = [[] for _ in flow.levels]
    whole = []
    for x in dequantised(flow, looked_at, batch=batch):
        whole.append(round_trip_error(flow.decode(flow.encode(x)), x)[1:])
        kept: Tensor | None = x
        for level, seen in zip(flow.levels, of_levels, strict=True):
            assert kept is not None  # only the last level passes nothing on
            level_input = kept
            kept, noise, _, _ = level(level_input)
            seen.append(level_inversion(level, level_input, kept, noise))
    max_abs, relative = np.max(whole, axis=0)
    each = tuple(_together(seen) for seen in of_levels)
    return Inversion(len(looked_at), each, float(max_abs), float(relative), flow.config.bits)


@torch.no_grad()
def level_inversion(level: Level, level_input: Tensor, kept: Tensor | None, noise: Tensor) -> LevelInversion:
    """Return the round-trip error of a level, from (kept, ε), its output for ``level_input`` (N, C/4, 2H, 2W)."""
    _, max_abs, relative = round_trip_error(level.inverse(kept, noise), level_input)
    x, _ = level.squeeze(level_input)
    scales, weights = [], []
    for step in level.steps:
        mixed = step.mixing(step.actnorm(x)[0])[0]
        scales.append(_range(step.coupling.affine(mixed.chunk(2, dim=1)[0])[0].exp()))
        if (omega := step.coupling.channel_weights(mixed)) is not None:
            weights += [each.flatten() for each in omega]
        x = step.coupling(mixed)[0]
    shuffle, split = level.shuffle, level.split
    if shuffle is not None and (log_weights := shuffle.log_weights(x)) is not None:
        weights = [log_weights.exp()]
    log_std = None if split is None or split.prior is None or kept is None else split.parameters_of(kept)[1]
    return LevelInversion(
        number=level.number,
        max_abs=max_abs,
        relative=relative,
        coupling=np.array(scales),
        weights=_range(torch.cat(weights)) if weights else None,
        prior=None if log_std is None else _range(log_std.exp()),
    )


def _range(factors: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest factor."""
    low, high = torch.aminmax(factors)
    return float(low), float(high)


def _together(batches: list[LevelInversion]) -> LevelInversion:
    def ends(ranges: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
        seen = np.array([each for each in ranges if each is not None])
        return (float(seen[:, 0].min()), float(seen[:, 1].max())) if len(seen) else None

    return LevelInversion(
        number=batches[0].number,
        max_abs=max(batch.max_abs for batch in batches),
        relative=max(batch.relative for batch in batches),
        coupling=np.array([ends(step) for step in zip(*(batch.coupling for batch in batches), strict=True)]),
        weights=ends([batch.weights for batch in batches]),
        prior=ends([batch.prior for batch in batches]),
    )


# ---------------------------------------------------------------------- as tables


def level_table(made: Anatomy, there_and_back: Inversion) -> list[dict[str, Any]]:
    """Return one row a level: shapes, parameters, conditioning and inversion, with names that say the unit."""
    return [
        {
            "level": level.number,
            "shape_in": _shape(level.shape_in),
            "shape": _shape(level.shape),
            "kept": "" if level.kept is None else _shape(level.kept),
            "emitted": _shape(level.emitted),
            "steps": level.steps,
            **{f"parameters_{part}": count for part, count in level.parameters.items()},
            "parameters": level.total,
            "inversion_max_abs": seen.max_abs,
            "inversion_relative": seen.relative,
            "condition_worst": float(level.condition.max()),
            "condition_worst_step": level.worst_step,
            "singular_value_min": float(level.singular_values.min()),
            "singular_value_max": float(level.singular_values.max()),
            "coupling_scale_min": float(seen.coupling.min()),
            "coupling_scale_max": float(seen.coupling.max()),
            **_ends("weight", seen.weights),
            **_ends("prior_sigma", seen.prior),
        }
        for level, seen in zip(made.levels, there_and_back.levels, strict=True)
    ]


def step_table(made: Anatomy, there_and_back: Inversion) -> list[dict[str, Any]]:
    """Return one row a step: its convolution's conditioning and its coupling's scales."""
    return [
        {
            "level": level.number,
            "step": step,
            "condition": float(condition),
            "singular_value_min": float(values[-1]),
            "singular_value_max": float(values[0]),
            "coupling_scale_min": float(low),
            "coupling_scale_max": float(high),
        }
        for level, seen in zip(made.levels, there_and_back.levels, strict=True)
        for step, (condition, values, (low, high)) in enumerate(
            zip(level.condition, level.singular_values, seen.coupling, strict=True), start=1
        )
    ]


def _ends(name: str, ends: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = ends or (None, None)
    return {f"{name}_min": low, f"{name}_max": high}


def _shape(shape: Shape) -> str:
    return "×".join(map(str, shape))
