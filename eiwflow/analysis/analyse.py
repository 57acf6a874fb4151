"""The content of the pages for a checkpoint, by subject, as values for JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..checkpoint import Checkpoint
from ..data import DataError, ImageData, chosen_places, fixed_crops, to_tensor
from ..flow import ConfigError
from . import OTHER_IMAGE, REFERENCE_IMAGES, attributes, coupling_weights, levels
from .evaluate import images_to_score
from .record import TrainingRecord
from .subjects import Look
from .words import coupling_weights as coupling_words
from .words import entropy as entropy_words
from .words import latents as latent_words
from .words import levels as level_words
from .words import likelihood as likelihood_words
from .words import shuffle as shuffle_words
from .words import space as space_words
from .words import weights as weight_words

#: The subjects that look at all levels together.
ALL_LEVELS = ("attributes", "latents", "likelihood", "space")


@dataclass(frozen=True, eq=False)
class Request:
    """A request for an analysis.

    Attributes:
        look: the flow and its images.
        images: the data set of these images.
        level: from 1; None for all, or for the first where a subject looks at a single level.
        other_image: number of the test image at the end of Space's path.
        path: one of ``space.PATHS``.
        also: folders, data sets or ``.npz`` files that Likelihood scores too.

    """

    look: Look
    images: ImageData
    level: int | None
    other_image: int
    path: str
    also: tuple[str, ...]


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

    Raises:
        DataError: there is no such image, or images do not fit the flow.
        ConfigError: there is no such level.

    """
    flow = checkpoint.flow
    if not 0 <= image < len(images.test):
        raise DataError(f"--image is {image}; the test images of {images.name} are 0 to {len(images.test) - 1}")
    if level is not None and not 1 <= level <= flow.config.levels:
        raise ConfigError(f"--level is {level}; this flow has the levels 1 to {flow.config.levels}.")

    if level is not None and what in ALL_LEVELS:
        raise ConfigError(
            f"--level is {level}; {', '.join(ALL_LEVELS[:-1])} and {ALL_LEVELS[-1]} look at all levels together."
        )
    if also and what != "likelihood":
        raise ConfigError(f"--also is {also[0]}; of the subjects only likelihood scores other images.")

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
    return {**about, **SUBJECTS[what](Request(look, images, level, other_image, path, tuple(also)))}


def _trace(request: Request) -> dict[str, Any]:
    look = request.look
    (trace,) = levels.traces(look.flow, look.image, look.seed)
    chosen = [level for level in trace.levels if request.level in (None, level.number)]
    return {
        "log_prob": trace.log_prob.item(),
        "levels": [
            {
                "level": level.number,
                "order": None if level.order is None else level.order.tolist(),
                "log_weights": None if level.log_weights is None else level.log_weights[0].tolist(),
                "weights_applied": level.weighted,
                "log_dets": {name: value.item() for name, value in level.log_dets.items()},
                **{
                    name: None if tensor is None else _moments(tensor)
                    for name, tensor in (
                        ("input", level.input),
                        ("kept", level.kept),
                        ("emitted", level.emitted),
                        ("noise", level.noise),
                    )
                },
            }
            for level in chosen
        ],
    }


def _moments(x: Tensor) -> dict[str, Any]:
    """Return the shape of (1, C, H, W), and per channel mean and standard deviation over positions."""
    std, mean = torch.std_mean(x[0].double(), dim=(1, 2), correction=0)
    return {"shape": list(x.shape[1:]), "mean": mean.tolist(), "std": std.tolist()}


def _levels(request: Request) -> dict[str, Any]:
    passage = request.look.measure("passage")
    stops, facts = request.look.measure("survey")
    rows = passage.level_table(facts, stops)
    return {
        "in_words": f"{level_words.happens(passage)} {level_words.cost(passage)}",
        "round_trip_max_abs": passage.reconstruction.max_abs_error,
        "lost_bytes": passage.reconstruction.lost_bytes,
        "bits_per_dim_if_stopped": passage.stairs.mean.tolist(),
        "levels": [row for row in rows if request.level in (None, row["level"])],
        "channels": [row for row in passage.channel_table() if request.level in (None, row["level"])],
    }


def _weights(request: Request) -> dict[str, Any]:
    look = request.look
    if coupling_weights.has_coupling_weights(look.flow):
        return _coupling_weights(request)
    if look.flow.config.weights == "none":
        return {"weights": "none", "in_words": coupling_words.NONE}
    measured = look.measure("weights")
    return measured.to_dict() | {"in_words": weight_words.answer(measured)}


def _coupling_weights(request: Request) -> dict[str, Any]:
    """Return the weights inside couplings, the cost of freezing them and the factors that they predict."""
    look = request.look
    measured, frozen = look.measure("coupling_weights"), look.measure("frozen")
    has_factors = look.factors and len(look.test) >= coupling_weights.LEAST_FACTOR_IMAGES
    readings = look.measure("factor_readings") if has_factors else ()
    return {
        "weights": look.flow.config.weights,
        "images": measured.images.count,
        "in_words": coupling_words.takeaway(measured, frozen),
        "frozen": frozen.to_dict() | {"in_words": coupling_words.cost(frozen)},
        "couplings": [
            {"level": place.level, "step": place.step, "distance": distance}
            for place, distance in measured.distances.items()
            if request.level in (None, place.level)
        ],
        "channels": measured.table(request.level),
        "factors": coupling_words.factor_table(readings),
        "factors_in_words": coupling_words.factors(readings) if readings else None,
    }


def _shuffle(request: Request) -> dict[str, Any]:
    return shuffle_words.report(request.look.measure("shuffle"))


def _entropy(request: Request) -> dict[str, Any]:
    look, level = request.look, request.level
    entropies, account = look.measure("entropies"), look.measure("account")
    numbers = [each.number for each in entropies.levels if level in (None, each.number)]
    growth = look.measure("growth")
    return entropies.to_dict(level) | {
        "in_words": [entropy_words.answer(entropies, number) for number in numbers],
        "account": account.to_dict() | {"in_words": entropy_words.account(account)},
        "growth": None if growth is None else [row for row in growth.table() if row["level"] in numbers],
    }


def _latents(request: Request) -> dict[str, Any]:
    look = request.look
    survey = look.measure("latents_survey")
    return {
        "words": latent_words.left(survey),
        "thrown_away": look.measure("halved").table(),
        "levels": [row for how in ("resample", "zero") for row in look.measure("one_level", treatment=how).table()],
        "test": survey.table(),
        "norms": look.measure("norms").table(),
    }


def _space(request: Request) -> dict[str, Any]:
    look, number = request.look, request.other_image
    last = len(look.test) - 1
    if not 0 <= number <= last:
        raise DataError(f"--other-image is {number}; the test images are 0 to {last}")
    way = look.measure("interpolation", other=look.test[number : number + 1], path=request.path)
    return {"other_image": number, **space_words.report(way)}


def _attributes(request: Request) -> dict[str, Any]:
    look = request.look
    return attributes.measure_attributes(look.flow, request.images, look.seed).to_dict()


def _likelihood(request: Request) -> dict[str, Any]:
    look = request.look
    result = look.measure("likelihood", extra=request.also)
    return {
        "image_bits_per_dim": look.measure("bits_per_dim"),
        "takeaway": likelihood_words.takeaway(result),
        "in_words": likelihood_words.sentences(result),
        **result.to_dict(),
    }


#: subject -> the content of its page.
SUBJECTS: dict[str, Callable[[Request], dict[str, Any]]] = {
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
