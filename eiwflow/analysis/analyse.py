"""Everything that a page shows of a checkpoint, by the page's subject, as what JSON can hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..checkpoint import Checkpoint
from ..data import DataError, ImageData, fixed_crops, to_tensor
from ..flow import ConfigError, MultiScaleFlow
from . import (
    REFERENCE_IMAGES,
    SURVEY_IMAGES,
    channels,
    entropy,
    latents,
    levels,
    partitions,
    shuffle,
    space,
    weights,
)
from .evaluate import images_to_score
from .record import TrainingRecord
from .weights_pair import WeightsPair

#: The test image that Space goes to where no other is asked for.
OTHER_IMAGE = 24
#: The subjects that look at a second checkpoint too.
COMPARING = ("latents", "weights")
#: Those that are of all levels together.
ALL_LEVELS = ("latents", "space")


@dataclass(frozen=True, eq=False)
class Subject:
    """What is looked at.

    Attributes:
        flow: of the checkpoint.
        name: of the checkpoint.
        train, test: uint8 images (N, C, H, W) of the flow's shape.
        sources: the photograph of each test image, where that is known.
        record: of the training, where there is one.
        image: uint8 (1, C, H, W), the test image looked at.
        other_image: number of the test image that Space goes to.
        path: that it takes there.
        beside: the same of other checkpoints, which this one is compared with.
        level: from 1; None asks for all, or for the first where one is meant.
        seed: of the image's dequantisation and of what is drawn.

    """

    flow: MultiScaleFlow
    name: str
    train: Tensor
    test: Tensor
    sources: tuple[int, ...] | None
    record: TrainingRecord | None
    image: Tensor
    other_image: int
    path: str
    level: int | None
    seed: int
    beside: tuple[Subject, ...] = ()


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
    beside: Sequence[Checkpoint] = (),
) -> dict[str, Any]:
    """Return what the page of a subject, one of :data:`SUBJECTS`, shows of a checkpoint.

    Arguments:
        checkpoint: to look at.
        images: a data set of images at least as large as the flow's.
        what: the subject.
        record: of the checkpoint's training, where there is one.
        image: number of the test image looked at, from 0.
        level: from 1; None for all, or for the first where one is meant.
        seed: of the image's dequantisation and of what is drawn.
        other_image: number of the test image that Space goes to, from 0.
        path: that it takes there, one of ``space.PATHS``.
        beside: other checkpoints, that Latents and Weights compare with this one.

    Raises:
        DataError: there is no such image, or images do not fit the flow.
        ConfigError: there is no such level.

    """
    flow = checkpoint.flow
    if not 0 <= image < len(images.test):
        raise DataError(f"--image is {image}; {images.name} has the test images 0 to {len(images.test) - 1}")
    if level is not None and not 1 <= level <= flow.config.levels:
        raise ConfigError(f"--level is {level}; this flow has the levels 1 to {flow.config.levels}.")

    if level is not None and what in ALL_LEVELS:
        raise ConfigError(f"--level is {level}; {' and '.join(ALL_LEVELS)} look at all levels together.")
    if beside and what not in COMPARING:
        raise ConfigError(f"--vs is {beside[0].name}; of the subjects only {' and '.join(COMPARING)} compare.")

    def subject(one: Checkpoint, others: tuple[Subject, ...] = ()) -> Subject:
        test = images_to_score(images, one.flow)
        return Subject(
            flow=one.flow,
            name=one.name,
            train=fixed_crops(to_tensor(images.train[:REFERENCE_IMAGES]), one.flow.config.shape[1:]),
            test=test,
            sources=None if images.test_source is None else tuple(images.test_source.tolist()),
            record=record,
            image=test[image : image + 1],
            other_image=other_image,
            path=path,
            level=level,
            seed=seed,
            beside=others,
        )

    looked_at = subject(checkpoint, tuple(subject(one) for one in beside))
    about = {"what": what, "data": images.name, "note": images.note, "image": image, "seed": seed}
    return {**about, **SUBJECTS[what](looked_at)}


def _trace(subject: Subject) -> dict[str, Any]:
    (trace,) = levels.traces(subject.flow, subject.image, subject.seed)
    shown = [level for level in trace.levels if subject.level in (None, level.number)]
    return {
        "log_prob": trace.log_prob.item(),
        "levels": [
            {
                "level": level.number,
                "order": None if level.order is None else level.order.tolist(),
                "log_weights": None if level.log_weights is None else level.log_weights[0].tolist(),
                "weights_applied": level.weighed,
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
            for level in shown
        ],
    }


def _moments(x: Tensor) -> dict[str, Any]:
    """Return the shape of (1, C, H, W), and per channel mean and standard deviation over positions."""
    std, mean = torch.std_mean(x[0].double(), dim=(1, 2), correction=0)
    return {"shape": list(x.shape[1:]), "mean": mean.tolist(), "std": std.tolist()}


def _levels(subject: Subject) -> dict[str, Any]:
    fit = levels.fit_kept(subject.flow, subject.train)
    way = levels.passage(subject.flow, subject.image, fit, subject.seed)
    survey = subject.test[:SURVEY_IMAGES]
    (trace,) = levels.traces(subject.flow, survey, batch=SURVEY_IMAGES)
    facts = levels.level_facts(trace)
    rows = way.level_table(facts, levels.stops(trace, fit))
    return {
        "in_words": way.in_words(),
        "round_trip_max_abs": way.reconstruction.max_abs_error,
        "lost_bytes": way.reconstruction.lost_bytes,
        "bits_per_dim_if_stopped": way.stairs.mean.tolist(),
        "levels": [row for row in rows if subject.level in (None, row["level"])],
        "channels": [row for row in way.channel_table() if subject.level in (None, row["level"])],
    }


def _weights(subject: Subject) -> dict[str, Any]:
    level = subject.level or 1
    found = _channel_weights(subject, level)
    document = found.to_dict()
    document |= channels.report(subject.flow, subject.image, subject.test, level, subject.seed, subject.sources)
    if subject.beside:
        document["beside"] = [
            WeightsPair(
                (subject.name, other.name), found, _channel_weights(other, min(level, other.flow.config.levels - 1))
            ).to_dict()
            for other in subject.beside
        ]
    return document


def _channel_weights(subject: Subject, level: int) -> weights.ChannelWeights:
    return weights.channel_weights(subject.flow, subject.image, subject.test, level, subject.seed, subject.sources)


def _shuffle(subject: Subject) -> dict[str, Any]:
    level = subject.level or 1
    weights.shuffle_at(subject.flow, level)  # refuses a level without one
    trace = levels.trace_of_test_images(subject.flow, subject.test)
    (image,) = levels.traces(subject.flow, subject.image, subject.seed)
    known = None if subject.sources is None else subject.sources[: len(trace.x)]
    config = subject.flow.config
    found = shuffle.shuffle_report(trace, level, config.order, subject.record, image, subject.seed, known)
    halves = shuffle.halves_by_steps(config, subject.train, subject.seed)
    dealt = partitions.deals(config, subject.train, level, subject.seed)
    of_deals = {"in_words": dealt.in_words(), "couplings": dealt.table(), "told": dealt.told.tolist()}
    return {**found.to_dict(), "halves_by_steps": halves.table(), "deals": of_deals}


def _entropy(subject: Subject) -> dict[str, Any]:
    return entropy.report(subject.flow, subject.test, subject.seed, subject.sources, subject.record, subject.level)


def _latents(subject: Subject) -> dict[str, Any]:
    for other in subject.beside:
        if other.image.shape != subject.image.shape:
            sizes = ["×".join(map(str, one.flow.config.shape)) for one in (other, subject)]
            raise DataError(
                f"{other.name} takes images of {sizes[0]}, {subject.name} of {sizes[1]}; nothing is paired."
            )
    found = latents.report(
        subject.flow,
        subject.image,
        subject.test,
        subject.seed,
        subject.name,
        subject.sources,
        {other.name: other.flow for other in subject.beside},
    )
    return found.to_dict()


def _space(subject: Subject) -> dict[str, Any]:
    number, last = subject.other_image, len(subject.test) - 1
    if not 0 <= number <= last:
        raise DataError(f"--other-image is {number}; there are the test images 0 to {last}")
    other = subject.test[number : number + 1]
    way = space.interpolate(subject.flow, subject.image, other, subject.path, subject.seed)
    return {"other_image": number, **way.to_dict()}


#: subject -> what its page shows.
SUBJECTS: dict[str, Callable[[Subject], dict[str, Any]]] = {
    "trace": _trace,
    "levels": _levels,
    "weights": _weights,
    "shuffle": _shuffle,
    "entropy": _entropy,
    "latents": _latents,
    "space": _space,
}
