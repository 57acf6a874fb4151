r"""Which level holds an attribute, for example glasses or the colour of the paper.

An attribute y moves the latents ε of a level along the direction

.. math:: d = \operatorname{Cov}(\varepsilon, y) / \operatorname{Var}(y).

For a yes/no attribute, d is the difference of the class means. The latents of a flow are close to N(0, I), so ⟨d, ε⟩ is
close to the best linear detector. Directions are estimated on training images and judged on test images: by the AUROC
of ⟨d, ε⟩, or by R² for a number.

Reference: Kingma and Dhariwal, Glow, 2018, arXiv:1807.03039, section 5; Haufe et al., On the interpretation of weight
vectors of linear models, NeuroImage 87, 2014, for d.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import DataError, ImageData, to_tensor
from ..flow import MultiScaleFlow, dequantise
from ..flow.bijection import generator_for
from ..flow.multiscale import finite
from . import passes
from .intervals import auroc, draws, explained, percentiles
from .levels import check_splits

#: Training images for directions, and bootstrap draws.
TRAIN_IMAGES, RESAMPLES = 8000, 400
BATCH = 250
#: Grey level of a colour from its red, green and blue (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114])

Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class Reading:
    """How well the direction of an attribute in one level tells test images apart.

    Attributes:
        attribute: its name.
        level: from 1; None for all levels together.
        metric: ``AUROC`` for a yes/no attribute (½ is chance), ``R²`` for a number (0 is chance).
        value, low, high: the figure and its 95 % bootstrap interval over test images.
        length: of the direction in ε; for a number, the change with one standard deviation.

    """

    attribute: str
    level: int | None
    metric: str
    value: float
    low: float
    high: float
    length: float


@dataclass(frozen=True)
class Attributes:
    """Where a flow holds the attributes of a data set.

    Attributes:
        train_images, test_images: numbers of images for directions, and for their scores.
        constant: names of attributes that do not vary in one of the two parts. They have neither readings nor
            directions.
        readings: per attribute and level.
        moves: the directions, by attribute: an array (C_l, H_l, W_l) float32 per level, the change of ε from absent to
            present, or for a number the change with one unit.

    """

    train_images: int
    test_images: int
    constant: tuple[str, ...]
    readings: tuple[Reading, ...]
    moves: dict[str, list[np.ndarray]]

    def to_dict(self) -> dict[str, Any]:
        """Return values for JSON; directions are rounded to five digits after the point."""
        figures = asdict(replace(self, moves={}))
        del figures["moves"]
        directions = {
            name: [np.round(d.astype(float), 5).tolist() for d in level] for name, level in self.moves.items()
        }
        return {**figures, "directions": directions}


def attribute_values(images: ImageData, part: str) -> Values:
    """Return the attributes (N,) of one part of a data set by name: bool for yes/no, float for numbers."""
    factors = {name: getattr(factor, part) for name, factor in images.factors.items()}
    if {"glasses", "beard", "hat", "hair", "mouth"} <= set(factors):
        return {
            "glasses": factors["glasses"] != "",
            "beard": factors["beard"] != "",
            "hat": factors["hat"] != "",
            "long hair": np.char.startswith(factors["hair"], "long"),
            "smile": np.char.startswith(factors["mouth"], "happy"),
            "skin": _hex_luma(factors["skin_color"]),
            "background": _hex_luma(factors["background"]),
        }
    if {"letter", "ink", "paper", "light", "rotation", "grain"} <= set(factors):
        return {
            **{f"letter {letter}": factors["letter"] == letter for letter in np.unique(images.factors["letter"].train)},
            "ink": factors["ink"] @ LUMA,
            "paper": factors["paper"] @ LUMA,
            "light": factors["light"] * np.cos(factors["light_direction"]).astype(np.float64),
            "rotation": factors["rotation"].astype(np.float64),
            "grain": np.log(factors["grain"].astype(np.float64)),
        }
    raise DataError(f"{images.name} has no known factors; attributes are measured on faces16 or letters32")


def _hex_luma(colours: np.ndarray) -> np.ndarray:
    """Return the grey level (N,) of colours as #rrggbb."""
    known, which = np.unique(colours, return_inverse=True)
    return np.array([LUMA @ [int(pair, 16) for pair in re.findall("..", colour[1:])] for colour in known])[which]


def measure_attributes(flow: MultiScaleFlow, images: ImageData, seed: int = 0, limit: int = TRAIN_IMAGES) -> Attributes:
    """Measure where a flow holds the attributes of a data set.

    Args:
        flow: of the images' shape.
        images: a data set with known factors.
        seed: of the dequantisation.
        limit: use this many training images, the first ones.

    """
    check_splits(flow)
    train_values = {name: value[:limit] for name, value in attribute_values(images, "train").items()}
    test_values = attribute_values(images, "test")
    parts = train_values, test_values
    constant = tuple(name for name in train_values if any((part[name] == part[name][0]).all() for part in parts))
    for name in constant:
        del train_values[name], test_values[name]
    latents = _latents(flow, images, "train", limit, seed)
    moves = _directions(latents, train_values)
    test_latents = _latents(flow, images, "test", len(images.test), seed)
    readings = _readings(moves, (latents, train_values), (test_latents, test_values))
    return Attributes(
        train_images=min(limit, len(images.train)),
        test_images=len(images.test),
        constant=constant,
        readings=readings,
        moves=moves,
    )


@torch.no_grad()
def _latents(flow: MultiScaleFlow, images: ImageData, part: str, limit: int, seed: int) -> list[Tensor]:
    """Return the latents (N, C_l, H_l, W_l) of the first images of a part, one tensor a level."""
    pixels = to_tensor(getattr(images, part)[:limit])
    generator = generator_for(seed, f"attributes of {part}")
    size = passes.images_at_once(flow, BATCH)
    noisy = (dequantise(batch, generator, bits=flow.config.bits) for batch in pixels.split(size))
    batches = [passes.encode(flow, x).levels for x in noisy]
    return [torch.cat(levels) for levels in zip(*batches, strict=True)]


def _directions(latents: Sequence[Tensor], values: Mapping[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    if not values:
        return {}
    centred = np.stack([value - value.mean() for value in values.values()]).astype(np.float64)
    # The direction of an attribute that hardly varies stays finite.
    variances = np.maximum(np.square(centred).sum(axis=1, keepdims=True), 1e-12)
    weights = torch.from_numpy((centred / variances).astype(np.float32))
    slopes = [(weights @ level.flatten(1)).view(-1, *level.shape[1:]).numpy() for level in latents]
    return {name: [slope[i] for slope in slopes] for i, name in enumerate(values)}


# ---------------------------------------------------------------------- readings


def _scores(latents: Sequence[Tensor], direction: Sequence[np.ndarray]) -> np.ndarray:
    """Return every level's coordinate (L, N) along a direction; it may overflow where the noise does not."""
    along = [noise.flatten(1) @ torch.from_numpy(d.ravel()) for noise, d in zip(latents, direction, strict=True)]
    read = [finite(score, level, "reading an attribute") for level, score in enumerate(along, start=1)]
    return torch.stack(read).double().numpy()


def _readings(
    moves: Mapping[str, Sequence[np.ndarray]],
    train: tuple[Sequence[Tensor], Values],
    test: tuple[Sequence[Tensor], Values],
) -> tuple[Reading, ...]:
    drawn = draws(len(test[0][0]), None, RESAMPLES)
    readings = []
    for name, direction in moves.items():
        scores = [_scores(latents, direction) for latents, _ in (train, test)]
        levels: list[int | None] = [*range(1, len(direction) + 1), None]
        for level in levels:
            train_score, test_score = (score.sum(axis=0) if level is None else score[level - 1] for score in scores)
            truth = test[1][name]
            if truth.dtype == bool:
                area = auroc(test_score[~truth], test_score[truth], drawn[:, ~truth], drawn[:, truth])
                assert area.draws is not None  # of finite scores
                metric, value, spread = "AUROC", area.value, area.draws
            else:
                slope, offset = np.polyfit(train_score, train[1][name], 1)
                metric, value, spread = "R²", *explained(slope * test_score + offset, truth, drawn)
            low, high = percentiles(spread)
            unit = 1.0 if truth.dtype == bool else float(train[1][name].std())
            own = direction if level is None else [direction[level - 1]]
            length = unit * float(np.sqrt(sum(np.square(d, dtype=float).sum() for d in own)))
            readings.append(Reading(name, level, metric, float(value), float(low), float(high), length))
    return tuple(readings)
