"""What a training records of its averaged flow: scores and levels while it trains, and the scores at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..data import chosen_places, fixed_crops
from ..flow import MultiScaleFlow, dequantise, to_bits_per_dim
from ..flow.bijection import generator_for
from ..flow.context import keywords
from ..flow.score import score
from .batches import take
from .failures import NotFinite
from .history import PROBE_IMAGES, level_records
from .temperature import IMAGES, SAMPLES, best_temperature
from .trainer import Trainer

#: Number of crops whose scores give the curve of a study's run.
CURVE_CROPS = 256


def probe_of(trainer: Trainer) -> tuple[Tensor, Tensor | None]:
    """Return the dequantised test images of the recording steps and their labels, the same at every step."""
    places = torch.from_numpy(chosen_places(len(trainer.test_images), PROBE_IMAGES, trainer.takes_first))
    images = dequantise(trainer.test_images[places], generator_for(0, "probe"), bits=trainer.recipe.flow.bits)
    labels = None if trainer.test_labels is None else trainer.test_labels[places].to(trainer.device)
    return images.to(trainer.device), labels


def recording(trainer: Trainer, images: Tensor, labels: Tensor | None) -> dict[str, Any]:
    """Return the record of a recording step, from the images and labels of :func:`probe_of`."""
    config = trainer.recipe.flow
    trace = trainer.average.trace(images, labels)
    bits = _finite(trainer, to_bits_per_dim(trace.log_prob, config.dimensions, config.bits))
    levels = level_records(trace)
    prior = prior_bits_per_dim(trainer.average, [level["noise_square"] for level in levels])
    return {
        "probe_bits_per_dim": round(bits, 5),
        "prior_bits_per_dim": round(prior, 4),
        "log_det_bits_per_dim": round(bits - config.bits - prior, 4),
        "levels": levels,
    }


def prior_bits_per_dim(flow: MultiScaleFlow, squares: Sequence[float]) -> float:
    """Return −log N(ε; 0, I) in bits a dimension, from the mean of ε² at every level.

    Together with −log|det| it adds up to bits/dim minus the b bits of a grey level.
    """
    sizes = [math.prod(shape) for shape in flow.latent_shapes()]
    nats = sum(0.5 * n * (square + math.log(2 * math.pi)) for n, square in zip(sizes, squares, strict=True))
    return nats / (flow.config.dimensions * math.log(2))


def of_crops(trainer: Trainer, most: int | None = None) -> float:
    """Return mean bits/dim of a study's crops, or of at most so many of them, with the noise of the seed."""
    crops, labels = trainer.crops, trainer.crop_labels
    every = 1 if most is None else math.ceil(len(crops) / most)
    own = keywords(None if labels is None else labels[::every])
    return round(_finite(trainer, score(trainer.average, crops[::every], trainer.recipe.seed, **own)), 5)


def at_end(trainer: Trainer) -> dict[str, float]:
    """Return bits/dim of the averaged weights on the test part, and on the same number of training images."""
    indices = torch.randperm(len(trainer.train_images), generator=generator_for(0, "train part"))
    indices = indices[: len(trainer.test_images)]
    train_images = fixed_crops(take(trainer.train_images, indices), trainer.recipe.flow.shape[1:])
    train_labels = None if trainer.train_labels is None else trainer.train_labels[indices]
    part = "validation" if trainer.recipe.validation else "test"
    return {
        f"{part}_bits_per_dim": _mean_score(trainer, trainer.test_images, trainer.test_labels),
        "train_bits_per_dim": _mean_score(trainer, train_images, train_labels),
    }


def _mean_score(trainer: Trainer, images: Tensor, labels: Tensor | None) -> float:
    return round(_finite(trainer, score(trainer.average, images, **keywords(labels))), 5)


def temperature(trainer: Trainer) -> float:
    """Return the sampling temperature of the averaged weights, chosen on training images."""
    count = len(trainer.train_images)
    chosen, of_samples = (torch.from_numpy(chosen_places(count, n, trainer.takes_first)) for n in (IMAGES, SAMPLES))
    train_images = fixed_crops(take(trainer.train_images, chosen), trainer.recipe.flow.shape[1:])
    labels = None if trainer.train_labels is None else trainer.train_labels[of_samples]
    return best_temperature(trainer.average, train_images, labels=labels)


def _finite(trainer: Trainer, bits: Tensor) -> float:
    """Return the mean of bits/dim (N,), which must be finite."""
    if not math.isfinite(mean := bits.mean().item()):
        raise NotFinite(f"After step {trainer.step} the averaged flow's bits/dim was not finite.")
    return mean
