"""The content of the pages for a checkpoint, by subject, as values for JSON."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..checkpoint import Checkpoint
from ..data import DataError, ImageData, chosen_places, fixed_crops, to_tensor
from ..flow import ConfigError
from . import OTHER_IMAGE, REFERENCE_IMAGES, attributes, levels, subjects, weights
from .evaluate import images_to_score
from .record import TrainingRecord
from .subjects import Look
from .words import entropy as entropy_words
from .words import latents as latent_words
from .words import levels as level_words
from .words import likelihood as likelihood_words
from .words import shuffle as shuffle_words
from .words import space as space_words
from .words import weights as weight_words


def analyse(
    checkpoint: Checkpoint,
    images: ImageData,
    what: str,
    record: TrainingRecord | None = None,
    image: int = 0,
    level: int | None = None,
    seed: int = 0,
    other_image: int = OTHER_IMAGE,
    path: str = "spherical",
    also: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the content of the page of a subject, one of :data:`SUBJECTS`, for a checkpoint.

    Arguments:
        checkpoint: the flow to analyse.
        images: a data set of images at least as large as the flow's.
        what: the subject.
        record: of the checkpoint's training, where there is one.
        image: number of the chosen test image, from 0.
        level: from 1; None for all, or for the first where a subject looks at a single level.
        seed: of the image's dequantisation and of all draws.
        other_image: number of the test image at the end of Space's path, from 0.
        path: one of ``space.PATHS``.
        also: folders, data sets or ``.npz`` files that Likelihood scores too.

    """
    flow = checkpoint.flow
    if not 0 <= image < len(images.test):
        raise DataError(f"--image is {image}; the test images of {images.name} are 0 to {len(images.test) - 1}")
    if level is not None and not 1 <= level <= flow.config.levels:
        raise ConfigError(f"--level is {level}; this flow has the levels 1 to {flow.config.levels}.")

    subject = SUBJECTS[what]
    takes = inspect.signature(subject).parameters
    for name, value in {"level": level, "also": ", ".join(also)}.items():
        if value and name not in takes:
            raise ConfigError(f"--{name} is {value}; {what} does not take it.")

    test = images_to_score(images, flow)
    reference = chosen_places(len(images.train), REFERENCE_IMAGES, images.takes_first)
    look = Look(
        checkpoint=checkpoint,
        data=images.name,
        train=fixed_crops(to_tensor(images.train[reference]), flow.config.shape[1:]),
        test=test,
        sources=images.sources,
        image=test[image : image + 1],
        level=level or 1,
        seed=seed,
        record=record,
        factors=images.measured,
        takes_first=images.takes_first,
    )
    about = {"what": what, "data": images.name, "note": images.note, "image": image, "seed": seed}
    choices = {"images": images, "level": level, "other_image": other_image, "path": path, "also": tuple(also)}
    return about | subject(look, **{name: value for name, value in choices.items() if name in takes})


def _trace(look: Look, level: int | None) -> dict[str, Any]:
    (trace,) = levels.traces(look.flow, look.image, look.seed)
    chosen = [each for each in trace.levels if level in (None, each.number)]
    return {
        "log_prob": trace.log_prob.item(),
        "levels": [
            {
                "level": each.number,
                "order": None if each.order is None else each.order.tolist(),
                "log_weights": None if each.log_weights is None else each.log_weights[0].tolist(),
                "weights_applied": each.weighted,
                "log_dets": {name: value.item() for name, value in each.log_dets.items()},
                **{name: _moments(getattr(each, name)) for name in ("input", "kept", "emitted", "noise")},
            }
            for each in chosen
        ],
    }


def _moments(x: Tensor | None) -> dict[str, Any] | None:
    """Return the shape of (1, C, H, W), and per channel mean and standard deviation over positions."""
    if x is None:
        return None
    std, mean = torch.std_mean(x[0].double(), dim=(1, 2), correction=0)
    return {"shape": list(x.shape[1:]), "mean": mean.tolist(), "std": std.tolist()}


def _levels(look: Look, level: int | None) -> dict[str, Any]:
    passage = subjects.passage(look)
    stops, facts = subjects.survey(look)
    rows = passage.level_table(facts, stops)
    return {
        "in_words": level_words.happens(passage),
        "round_trip_max_abs": passage.reconstruction.max_abs_error,
        "lost_bytes": passage.reconstruction.lost_bytes,
        "bits_per_dim_if_stopped": passage.stairs.mean.tolist(),
        "levels": [row for row in rows if level in (None, row["level"])],
        "channels": [row for row in passage.channel_table() if level in (None, row["level"])],
    }


def _weights(look: Look, level: int | None) -> dict[str, Any]:
    """Return all weights, the cost of freezing them and the factors that they predict."""
    if not weights.has_weights(look.flow):
        return {"weights": look.flow.config.weights, "in_words": weight_words.NONE}
    measured, frozen = subjects.weights(look), subjects.frozen(look)
    has_factors = look.factors and len(look.test) >= weights.LEAST_FACTOR_IMAGES
    readings = subjects.factor_readings(look) if has_factors else ()
    return {
        "weights": look.flow.config.weights,
        "images": measured.images.count,
        "in_words": weight_words.summary(measured, frozen),
        "frozen": frozen.to_dict() | {"in_words": weight_words.cost(frozen)},
        "places": [
            {**place._asdict(), "distance": distance}
            for place, distance in measured.distances.items()
            if level in (None, place.level)
        ],
        "channels": measured.table(level),
        "factors": weight_words.factor_table(readings),
        "factors_in_words": weight_words.factors(readings) if readings else None,
    }


def _shuffle(look: Look, level: int | None) -> dict[str, Any]:
    del level  # the look has it
    report = subjects.shuffle(look)
    return report.to_dict() | {"in_words": shuffle_words.answer(report)}


def _entropy(look: Look, level: int | None) -> dict[str, Any]:
    entropies, way = subjects.entropies(look), subjects.way(look)
    numbers = [each.number for each in entropies.levels if level in (None, each.number)]
    return entropies.to_dict(level) | {
        "in_words": [entropy_words.answer(entropies, number) for number in numbers],
        "way": {"in_words": entropy_words.grows(way), "images": way.images, "parts": way.table()},
        "growth": None if look.record is None else [row for row in look.record.table() if row["level"] in numbers],
    }


def _latents(look: Look) -> dict[str, Any]:
    survey = subjects.latents_survey(look)
    return {
        "words": latent_words.left(survey),
        "thrown_away": subjects.halved(look).table(),
        "levels": [row for how in ("resample", "zero") for row in subjects.one_level(look, treatment=how).table()],
        "test": survey.table(),
    }


def _space(look: Look, other_image: int, path: str) -> dict[str, Any]:
    last = len(look.test) - 1
    if not 0 <= other_image <= last:
        raise DataError(f"--other-image is {other_image}; the test images are 0 to {last}")
    way = subjects.interpolation(look, other=look.test[other_image : other_image + 1], path=path)
    return {"other_image": other_image, **space_words.report(way)}


def _attributes(look: Look, images: ImageData) -> dict[str, Any]:
    return attributes.measure_attributes(look.flow, images, look.seed).to_dict()


def _likelihood(look: Look, also: tuple[str, ...]) -> dict[str, Any]:
    result = subjects.likelihood(look, extra=also)
    return {
        "image_bits_per_dim": subjects.bits_per_dim(look),
        "takeaway": likelihood_words.takeaway(result),
        "in_words": likelihood_words.sentences(result),
        **result.to_dict(),
    }


#: subject -> the content of its page for a look; arguments are the choices that it takes beside image and seed.
SUBJECTS: dict[str, Callable[..., dict[str, Any]]] = {
    "trace": _trace,
    "levels": _levels,
    "weights": _weights,
    "shuffle": _shuffle,
    "entropy": _entropy,
    "latents": _latents,
    "space": _space,
    "attributes": _attributes,
    "likelihood": _likelihood,
}
