"""Score a flow on a data set: bits/dim with its standard error, and the round-trip error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..data import DataError, ImageData, Labels, chosen_places, fixed_crops, to_tensor
from ..flow import ContextError, MultiScaleFlow, NonFiniteError
from ..flow.context import keywords
from ..flow.score import score
from .exactness import LOG_DET, ROUND_TRIP, exactness
from .intervals import standard_error

#: The figures of flows with labels alone.
OF_LABELS: tuple[str, ...] = ("bits_per_dim_given_label", "label_accuracy", "label_prior", "commonest_class")
#: The figures of the importance-weighted bound alone.
OF_BOUND: tuple[str, ...] = ("importance", "importance_bits_per_dim", "importance_bits_per_dim_stderr")


class Processes(Protocol):
    """Processes that share the images of a set, as :class:`eiwflow.training.distributed.Team`."""

    @property
    def rank(self) -> int:
        """The number of this process."""

    @property
    def size(self) -> int:
        """How many there are."""

    def own(self, count: int) -> slice:
        """Return the range of ``count`` images that this process scores."""

    def gather(self, values: Tensor) -> Tensor:
        """Return the values (n, …) of all processes, in their order."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of a flow on test images.

    Attributes:
        bits_per_dim: mean over images, one fixed-seed dequantisation. For a flow with labels it is of the mixture p(x)
            = Σ p(y) p(x | y), comparable with flows without labels. The classes' parts p(y) are those of the data set's
            own train part, which need not be what the flow was trained on.
        bits_per_dim_stderr: its standard error, robust to clusters where the data set names sources.
        clusters: number of sources, or None where images count as independent.
        n: images.
        round_trip_max_abs: largest |decode(encode(x)) − x|, of x in [−½, ½].
        log_det_gap: largest |log-det of x − log-det of decode(encode(x))| / D over images, nats a dimension.
        note: remarks on the data set; may be empty.
        floor_bits_per_dim: the entropy of these images' grain, which no model can beat, where it is known: the mean
            entropy of rounded Gaussian noise of each image's own σ. Where an image is clipped at 0 or 255 the true
            floor is a little lower.
        importance: K, draws of the noise for the importance-weighted bound; 1 without the bound.
        importance_bits_per_dim: the bound, mean over images; None if not requested.
        importance_bits_per_dim_stderr: the bound's standard error, as above.
        bits_per_dim_given_label: the mean of p(x | y) with the image's own label y; None for a flow without labels.
        label_accuracy: the share of images whose label has the largest p(y) p(x | y). It says nothing where
            ``commonest_class`` is 1.
        label_prior: p(y), in words.
        commonest_class: the share of images of the commonest class.

    """

    data: str
    bits_per_dim: float
    bits_per_dim_stderr: float
    clusters: int | None
    n: int
    round_trip_max_abs: float
    log_det_gap: float
    note: str = ""
    floor_bits_per_dim: float | None = None
    importance: int = 1
    importance_bits_per_dim: float | None = None
    importance_bits_per_dim_stderr: float | None = None
    bits_per_dim_given_label: float | None = None
    label_accuracy: float | None = None
    label_prior: str | None = None
    commonest_class: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the flow inverts and its log-determinants agree, as far as rounding allows; NaN does not hold."""
        return self.round_trip_max_abs <= ROUND_TRIP and self.log_det_gap <= LOG_DET

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as values for JSON; those of the bound and of labels only where known."""
        unknown = () if self.importance > 1 else OF_BOUND
        unknown += () if self.label_prior is not None else OF_LABELS
        return {name: value for name, value in asdict(self).items() if name not in unknown}


def images_to_score(images: ImageData, flow: MultiScaleFlow, limit: int | None = None) -> Tensor:
    """Return the test part as uint8 (N, C, H, W) of the flow's shape, or at most ``limit`` images of it.

    Those are the first ones of a set by name, and evenly spaced ones of others, which may be sorted. Larger images are
    cut by a fixed-seed crop, the same for every flow.
    """
    channels, height, width = flow.config.shape
    if images.channels != channels:
        raise DataError(f"{images.name} has images of {images.channels} channels; this flow takes {channels}.")
    places = _places(images, limit)
    return fixed_crops(to_tensor(images.test[places]), (height, width), numbers=places)


def _places(images: ImageData, limit: int | None) -> np.ndarray:
    """Return the places of at most ``limit`` test images."""
    return chosen_places(len(images.test), limit or len(images.test), images.takes_first)


def evaluate(
    flow: MultiScaleFlow,
    images: ImageData,
    limit: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    batch: int = 64,
    importance: int = 1,
    team: Processes | None = None,
    labels: Labels | None = None,
) -> Evaluation:
    """Score a flow on the test part of a data set, or on ``limit`` images of it, as :func:`images_to_score` takes them.

    Args:
        flow: initialised, on any device.
        images: the data set.
        limit: images at most; None for all.
        seed: of the dequantisation.
        progress: called with (images that passed through the flow since the last call, such passes in all).
        batch: images that go through the flow at once, at most.
        importance: K > 1 also computes the importance-weighted bound of K draws of the noise.
        team: the processes that share the images; each returns the figures of all. None for this process alone.
        labels: of the images, for a flow with labels, which scores every image once for each class.

    """
    tensor, places = images_to_score(images, flow, limit), _places(images, limit)
    if team is not None and len(tensor) < team.size:
        raise DataError(f"{len(tensor)} images cannot be shared by {team.size} processes; start at most as many")
    own = slice(0, len(tensor)) if team is None else team.own(len(tensor))
    part, passes = tensor[own], 1 + max(1, flow.config.context) + (importance if importance > 1 else 0)
    if labels is not None and importance > 1:
        raise ContextError("The importance-weighted bound is computed given one label; name it, as --label does.")

    def done(count: int) -> None:
        if progress is not None:
            progress(count, passes * len(part))

    def gathered(values: Tensor) -> Tensor:
        return values if team is None else team.gather(values)

    def scored(draws: int, context: Tensor | None = None) -> Tensor:
        scores = gathered(score(flow, part, seed, batch, done, draws, own.start, **keywords(context)))
        if lost := int((~torch.isfinite(scores)).sum()):
            raise NonFiniteError(f"Bits/dim is not finite on {lost} of {len(tensor)} test images of {images.name}.")
        return scores

    context: Tensor | None = None
    of_labels: dict[str, Any] = {}
    if labels is None:
        scores = scored(1)
    else:
        labels = labels._replace(test=labels.test[places])
        context = torch.from_numpy(labels.test[own])
        each = [scored(1, torch.full((len(part),), label)).double() for label in range(len(labels.classes))]
        scores, of_labels = _by_label(flow, torch.stack(each, dim=1), labels, images.name)
    sources = None if images.test_source is None else np.asarray(images.test_source)[places]
    bound = scored(importance) if importance > 1 else None
    figures = torch.tensor([exactness(flow, part, batch, done, own.start, **keywords(context))], dtype=torch.float64)
    round_trip, gap = gathered(figures).amax(dim=0).tolist()  # which keeps NaN
    return Evaluation(
        data=images.name,
        bits_per_dim=scores.mean().item(),
        bits_per_dim_stderr=standard_error(scores.double().numpy(), sources),
        clusters=None if sources is None else len(np.unique(sources)),
        n=len(tensor),
        round_trip_max_abs=round_trip,
        log_det_gap=gap,
        note=_note(images, len(tensor)),
        floor_bits_per_dim=images.floor_bits_per_dim(len(tensor), flow.config.bits),
        importance=importance,
        importance_bits_per_dim=None if bound is None else bound.mean().item(),
        importance_bits_per_dim_stderr=None if bound is None else standard_error(bound.double().numpy(), sources),
        **of_labels,
    )


def _note(images: ImageData, count: int) -> str:
    """Return the data set's note, and how ``count`` images were chosen of more that may be sorted."""
    some = count < len(images.test) and not images.takes_first
    return images.note_with(f"{count:,} of {len(images.test):,} test images, evenly spaced") if some else images.note


def _by_label(flow: MultiScaleFlow, given_label: Tensor, labels: Labels, data: str) -> tuple[Tensor, dict[str, Any]]:
    """Return bits/dim (N,) of the mixture of classes, from bits/dim given each class (N, K), and figures of labels."""
    own = torch.from_numpy(labels.test)
    nats = flow.config.dimensions * math.log(2)
    prior = torch.from_numpy(np.bincount(labels.train, minlength=len(labels.classes)) / len(labels.train))
    joint = prior.log() - nats * given_label
    only = f", all of class {labels.classes[int(prior.argmax())]}" if (prior == 1).any() else ""
    return -joint.logsumexp(dim=1) / nats, {
        "bits_per_dim_given_label": given_label.gather(1, own[:, None]).mean().item(),
        "label_accuracy": (joint.argmax(dim=1) == own).double().mean().item(),
        "label_prior": f"the classes' parts of the training images of {data}{only}",
        "commonest_class": own.bincount().max().item() / len(own),
    }
