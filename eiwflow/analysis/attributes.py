r"""Which level holds an attribute, as glasses or the colour of the paper, and what happens if it is changed there.

Under a flow the latents ε of a level are close to N(0, I). So the direction along which an attribute moves them,

.. math:: d = \operatorname{Cov}(\varepsilon, y) / \operatorname{Var}(y),

is for a yes/no attribute the difference of class means, and ⟨d, ε⟩ is close to the best linear detector. Directions
come from training images and are judged on test images: by the AUROC of ⟨d, ε⟩, or by R² for a number.
An edit adds d to ε and decodes. A probe that was trained on pixels says whether the attribute appeared, and whether
the others stayed.

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
from ..flow import Latents, MultiScaleFlow, dequantise, quantise
from ..flow.bijection import generator_for
from ..flow.score import images_at_once
from .intervals import draws, percentiles

#: Training images that directions and probes are from, test images that are edited, and bootstrap draws.
TRAIN_IMAGES, EDITED_IMAGES, RESAMPLES = 8000, 100, 400
BATCH = 250
#: Grey level of a colour from its red, green and blue (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114])
#: Ridge penalty of a probe, per image and standardised feature.
RIDGE = 1e-2

Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class Reading:
    """How well the direction of an attribute in one level tells test images apart.

    Attributes:
        attribute: its name.
        level: from 1; None for all levels together.
        metric: ``AUROC`` for a yes/no attribute (½ is chance), ``R²`` for a number (0 is chance).
        value, low, high: the figure and its 95 % bootstrap interval over test images.
        length: of the direction in ε; for a number, that of one standard deviation of it.

    """

    attribute: str
    level: int | None
    metric: str
    value: float
    low: float
    high: float
    length: float


@dataclass(frozen=True)
class Edit:
    """What a probe trained on pixels sees of test images after one attribute was moved along its direction.

    A yes/no attribute moves from the mean of those without it to the mean of those with it, in images without it.
    A number moves up by one standard deviation.

    Attributes:
        attribute: what is moved.
        level: where, from 1; None for all levels together.
        images: how many were edited.
        before, after: share of the images that have the attribute by the probe; for a number the probe's mean reading,
            in standard deviations of the attribute.
        real: the same of test images that have the attribute; for a number it is None.
        others: by how much every other attribute changed: share of images whose reading crossed the probe's
            threshold, or mean absolute change in standard deviations for a number.

    """

    attribute: str
    level: int | None
    images: int
    before: float
    after: float
    real: float | None
    others: dict[str, float]


@dataclass(frozen=True)
class Attributes:
    """Where a flow holds the attributes of a data set.

    Attributes:
        train_images, test_images: that directions are from, and that they are judged on.
        readings: per attribute and level.
        probes: AUROC or R² on test images of the probe on pixels, by attribute: how far it can be trusted.
        edits: per attribute and level.
        found: the directions, by attribute: one array (C_l, H_l, W_l) a level.

    """

    train_images: int
    test_images: int
    readings: tuple[Reading, ...]
    probes: dict[str, float]
    edits: tuple[Edit, ...]
    found: dict[str, list[np.ndarray]]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; directions are rounded to five digits after the point."""
        figures = asdict(replace(self, found={}))
        del figures["found"]
        directions = {
            name: [np.round(d.astype(float), 5).tolist() for d in level] for name, level in self.found.items()
        }
        return {**figures, "directions": directions}


def attribute_values(images: ImageData, part: str) -> Values:
    """Return the attributes (N,) of one part of a data set by name: bool for yes/no, float for numbers.

    Raises:
        DataError: the factors of the data set are not known.

    """
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


def directions(
    flow: MultiScaleFlow, images: ImageData, seed: int = 0, limit: int = TRAIN_IMAGES
) -> dict[str, list[np.ndarray]]:
    """Return the direction of every attribute in ε, level by level.

    Args:
        flow: of the images' shape.
        images: a data set with known factors.
        seed: of the dequantisation.
        limit: how many training images to look at, the first ones.

    Returns:
        attribute -> one array (C_l, H_l, W_l) float32 a level: the change of ε from absent to present, or for a number
        the change that goes with one unit of it.

    Raises:
        DataError: factors are not known, or images are of another shape.

    """
    values = {name: value[:limit] for name, value in attribute_values(images, "train").items()}
    return _directions(_latents(flow, images, "train", limit, seed), values)


def measure_attributes(
    flow: MultiScaleFlow, images: ImageData, seed: int = 0, limit: int = TRAIN_IMAGES, edited: int = EDITED_IMAGES
) -> Attributes:
    """Measure where a flow holds the attributes of a data set, and what edits do.

    Args:
        flow: of the images' shape.
        images: a data set with known factors.
        seed: of the dequantisation.
        limit: how many training images directions and probes are from, the first ones.
        edited: how many test images are edited, at most.

    Raises:
        DataError: factors are not known, or images are of another shape.

    """
    train_values = {name: value[:limit] for name, value in attribute_values(images, "train").items()}
    test_values = attribute_values(images, "test")
    latents = _latents(flow, images, "train", limit, seed)
    found = _directions(latents, train_values)
    test_latents = _latents(flow, images, "test", len(images.test), seed)
    readings = _readings(found, (latents, train_values), (test_latents, test_values))
    probe = Probe.fit(images.train[:limit], train_values)
    edits = _edits(flow, found, test_latents, probe, test_values, edited)
    return Attributes(
        train_images=min(limit, len(images.train)),
        test_images=len(images.test),
        readings=readings,
        probes=probe.scores(images.test, test_values),
        edits=edits,
        found=found,
    )


@torch.no_grad()
def _latents(flow: MultiScaleFlow, images: ImageData, part: str, limit: int, seed: int) -> list[Tensor]:
    """Return the latents (N, C_l, H_l, W_l) of the first images of a part, one tensor a level."""
    pixels = to_tensor(getattr(images, part)[:limit])
    if tuple(pixels.shape[1:]) != flow.config.shape:
        sizes = ["×".join(map(str, shape)) for shape in (flow.config.shape, pixels.shape[1:])]
        raise DataError(
            f"this flow takes images of {sizes[0]}; attributes need whole images of {images.name}, {sizes[1]}"
        )
    generator = generator_for(seed, f"attributes of {part}")
    size = images_at_once(flow.config, BATCH)
    batches = [flow.encode(dequantise(batch, generator, bits=flow.config.bits)).levels for batch in pixels.split(size)]
    return [torch.cat(levels) for levels in zip(*batches, strict=True)]


def _directions(latents: Sequence[Tensor], values: Mapping[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    centred = np.stack([value - value.mean() for value in values.values()]).astype(np.float64)
    # A yes/no attribute that no image has, or all have, has no direction: it is 0.
    variances = np.maximum(np.square(centred).sum(axis=1, keepdims=True), 1e-12)
    weights = torch.from_numpy((centred / variances).astype(np.float32))
    slopes = [(weights @ level.flatten(1)).view(-1, *level.shape[1:]).numpy() for level in latents]
    return {name: [slope[i] for slope in slopes] for i, name in enumerate(values)}


# ---------------------------------------------------------------------- readings


def _readings(
    found: Mapping[str, Sequence[np.ndarray]],
    train: tuple[Sequence[Tensor], Values],
    test: tuple[Sequence[Tensor], Values],
) -> tuple[Reading, ...]:
    drawn = draws(len(test[0][0]), None, RESAMPLES)
    readings = []
    for name, direction in found.items():
        scores = [
            np.stack([(level.flatten(1) @ torch.from_numpy(d.ravel())).double().numpy() for level, d in pairs])
            for pairs in (list(zip(part[0], direction, strict=True)) for part in (train, test))
        ]
        levels: list[int | None] = [*range(1, len(direction) + 1), None]
        for level in levels:
            train_score, test_score = (score.sum(axis=0) if level is None else score[level - 1] for score in scores)
            truth = test[1][name]
            if truth.dtype == bool:
                metric, value, spread = "AUROC", *_auroc(test_score, truth, drawn)
            else:
                slope, offset = np.polyfit(train_score, train[1][name], 1)
                metric, value, spread = "R²", *_explained(slope * test_score + offset, truth, drawn)
            low, high = percentiles(spread)
            unit = 1.0 if truth.dtype == bool else float(train[1][name].std())
            own = direction if level is None else [direction[level - 1]]
            length = unit * float(np.sqrt(sum(np.square(d, dtype=float).sum() for d in own)))
            readings.append(Reading(name, level, metric, float(value), float(low), float(high), length))
    return tuple(readings)


def _auroc(scores: np.ndarray, truth: np.ndarray, drawn: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the area under the ROC curve of scores (N,), and that of every draw (B, N) of the images."""
    order = np.argsort(scores)
    positive = truth[order]
    counts = np.concatenate([np.ones((1, len(scores)), int), drawn])[:, order]
    below = np.cumsum(counts * ~positive, axis=1)
    pairs = (counts * positive).sum(axis=1) * below[:, -1]
    areas = np.divide((counts * positive * below).sum(axis=1), pairs, where=pairs > 0, out=np.full(len(pairs), np.nan))
    return areas[0], areas[1:]


def _explained(predicted: np.ndarray, truth: np.ndarray, drawn: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the share R² of the variance of ``truth`` (N,) that is predicted, and that of every draw (B, N)."""
    counts = np.concatenate([np.ones((1, len(truth)), int), drawn])
    means = (counts @ truth) / counts.sum(axis=1)
    error = counts @ np.square(truth - predicted)
    total = counts @ np.square(truth) - counts.sum(axis=1) * np.square(means)
    return 1 - error[0] / total[0], 1 - error[1:] / total[1:]


# ---------------------------------------------------------------------- edits


@dataclass(frozen=True, eq=False)
class Probe:
    """Ridge regressions of all attributes from pixels.

    Features are the pixels, the squared distance of each pixel's grey level from the image's mean (a light letter on
    dark paper is the same letter), and the logarithm of the grain.

    Attributes:
        names: of the attributes, K.
        means, scales: (F,) of the features.
        weights: (F, K).
        centres, spreads: (K,) mean and standard deviation of the attributes over training images.
        thresholds: (K,), half-way between the mean readings of both classes of a yes/no attribute; NaN for a number.

    """

    names: tuple[str, ...]
    means: np.ndarray
    scales: np.ndarray
    weights: np.ndarray
    centres: np.ndarray
    spreads: np.ndarray
    thresholds: np.ndarray

    @classmethod
    def fit(cls, pixels: np.ndarray, values: Mapping[str, np.ndarray]) -> Probe:
        """Fit images (N, H, W, 3) uint8."""
        features = _features(pixels)
        means, scales = features.mean(axis=0), features.std(axis=0) + 1e-6
        features = (features - means) / scales
        truth = np.stack(list(values.values()), axis=1).astype(np.float64)
        centres, spreads = truth.mean(axis=0), truth.std(axis=0) + 1e-12
        gram = features.T @ features + len(features) * RIDGE * np.eye(features.shape[1], dtype=np.float32)
        weights = np.linalg.solve(gram, features.T @ ((truth - centres) / spreads).astype(np.float32))
        readings = features @ weights
        thresholds = np.array([
            (readings[value, i].mean() + readings[~value, i].mean()) / 2 if value.dtype == bool else np.nan
            for i, value in enumerate(values.values())
        ])  # fmt: skip
        return cls(tuple(values), means, scales, weights, centres, spreads, thresholds)

    def read(self, pixels: np.ndarray) -> np.ndarray:
        """Return the readings (N, K) of images, in standard deviations of each attribute."""
        return ((_features(pixels) - self.means) / self.scales) @ self.weights

    def scores(self, pixels: np.ndarray, values: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Return AUROC or R² of every attribute on images it was not fitted on."""
        readings, nothing = self.read(pixels).astype(np.float64), np.ones((0, len(pixels)), int)
        return {
            name: float(
                _auroc(readings[:, i], value, nothing)[0]
                if value.dtype == bool
                else _explained(readings[:, i] * self.spreads[i] + self.centres[i], value, nothing)[0]
            )
            for i, (name, value) in enumerate(values.items())
        }


def _features(pixels: np.ndarray) -> np.ndarray:
    values = pixels.astype(np.float32)
    side = values.shape[1]
    pooled = values if side <= 16 else values.reshape(len(values), side // 2, 2, side // 2, 2, 3).mean(axis=(2, 4))
    grey = values @ LUMA.astype(np.float32)
    contrast = np.square(grey - grey.mean(axis=(1, 2), keepdims=True))
    # Differences of one pixel's three values from their neighbours': flat colours leave the grain alone.
    steps = np.abs(np.diff(values, axis=2)).reshape(len(values), -1)
    grain = np.log(np.quantile(steps, 0.25, axis=1) + 0.5)
    return np.concatenate(
        [pooled.reshape(len(values), -1), contrast.reshape(len(values), -1), grain[:, None]], axis=1
    ).astype(np.float32)


@torch.no_grad()
def edit(
    flow: MultiScaleFlow, latents: Latents, direction: Sequence[np.ndarray], amount: float, level: int | None = None
) -> Tensor:
    """Return images uint8 (N, C, H, W) whose latents were moved along a direction.

    Args:
        flow: the latents' own.
        latents: of N images.
        direction: of an attribute, from :func:`directions`.
        amount: times the direction; 1 goes from absent to present, or one unit of a number.
        level: the one that is moved, from 1; None for all.

    """
    moved = [
        noise + amount * torch.from_numpy(d) if level in (None, number) else noise
        for number, (noise, d) in enumerate(zip(latents.levels, direction, strict=True), 1)
    ]
    return quantise(flow.decode(Latents(moved)), flow.config.bits)


@torch.no_grad()
def _edits(
    flow: MultiScaleFlow,
    found: Mapping[str, Sequence[np.ndarray]],
    latents: Sequence[Tensor],
    probe: Probe,
    values: Values,
    edited: int,
) -> tuple[Edit, ...]:
    def read(images: Tensor) -> np.ndarray:
        return probe.read(images.permute(0, 2, 3, 1).numpy())

    original = read(quantise(flow.decode(Latents(list(latents))), flow.config.bits))
    edits = []
    for i, (name, direction) in enumerate(found.items()):
        yes_no = values[name].dtype == bool
        chosen = (np.flatnonzero(~values[name]) if yes_no else np.arange(len(values[name])))[:edited]
        part = Latents([level[torch.from_numpy(chosen)] for level in latents])
        before, amount = original[chosen], 1.0 if yes_no else float(probe.spreads[i])
        levels: list[int | None] = [*range(1, len(direction) + 1), None]
        for level in levels:
            after = read(edit(flow, part, direction, amount, level))
            above = [reading > probe.thresholds for reading in (before, after)]
            edits.append(
                Edit(
                    attribute=name,
                    level=level,
                    images=len(chosen),
                    before=float((above[0] if yes_no else before)[:, i].mean()),
                    after=float((above[1] if yes_no else after)[:, i].mean()),
                    real=float((original[values[name], i] > probe.thresholds[i]).mean()) if yes_no else None,
                    others={
                        other: float(
                            (above[0] != above[1])[:, k].mean()
                            if np.isfinite(probe.thresholds[k])
                            else np.abs(after - before)[:, k].mean()
                        )
                        for k, other in enumerate(probe.names)
                        if other != name
                    },
                )
            )
    return tuple(edits)
