"""Score a flow on a data set: bits/dim with its standard error, and how exactly the flow inverts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..data import DataError, ImageData, fixed_crops, to_tensor
from ..flow import MultiScaleFlow, NonFiniteError
from ..flow.score import score
from .exactness import exactness
from .intervals import standard_error


class Processes(Protocol):
    """Processes that share the images of a set, as :class:`eiwflow.training.distributed.Team`."""

    @property
    def size(self) -> int:
        """How many there are."""

    def own(self, count: int) -> slice:
        """Return which of ``count`` images are this process' own."""

    def gather(self, values: Tensor) -> Tensor:
        """Return the values (n, …) of all processes, in their order."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of a flow on test images.

    Attributes:
        bits_per_dim: mean over images, one fixed-seed dequantisation.
        bits_per_dim_stderr: its standard error, robust to clusters where the data set names sources.
        clusters: number of sources, or None where images count as independent.
        n: images.
        round_trip_max_abs: largest |decode(encode(x)) − x|, of x in [−½, ½].
        log_det_gap: largest |log-det of x − log-det of decode(encode(x))| / D over images, nats a dimension.
        note: what a reader should know of the data set; empty where there is nothing.
        floor_bits_per_dim: the entropy of these images' grain, which no model can beat, where it is known: mean over
            images of the entropy of rounded Gaussian noise of each image's own σ. It holds for values that are not
            clipped; where an image touches 0 or 255 the true floor is a little lower.
        importance: K, draws of the noise for the importance-weighted bound; 1 where nobody asked for it.
        importance_bits_per_dim: that bound, mean over images; None where nobody asked for it.
        importance_bits_per_dim_stderr: its standard error, as above.

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

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as values for JSON; the importance-weighted bound only where it was computed."""
        figures = asdict(self)
        return figures if self.importance > 1 else {k: v for k, v in figures.items() if not k.startswith("importance")}


def images_to_score(images: ImageData, flow: MultiScaleFlow, limit: int | None = None) -> Tensor:
    """Return the test part as uint8 (N, C, H, W) of the flow's shape, the first ``limit`` of it.

    Larger images are cut by a fixed-seed crop, the same for every flow.
    """
    channels, height, width = flow.config.shape
    if images.channels != channels:
        raise DataError(f"{images.name} has images of {images.channels} channels; this flow takes {channels}.")
    return fixed_crops(to_tensor(images.test[:limit]), (height, width))


def evaluate(
    flow: MultiScaleFlow,
    images: ImageData,
    limit: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    batch: int = 64,
    importance: int = 1,
    team: Processes | None = None,
) -> Evaluation:
    """Score a flow on the test part of a data set, or on its first ``limit`` images.

    Args:
        flow: initialised, on any device.
        images: the data set.
        limit: images at most; None for all.
        seed: of the dequantisation.
        progress: called with (images that passed through the flow since the last call, such passes in all).
        batch: images that go through the flow at once, at most.
        importance: K > 1 also computes the importance-weighted bound of K draws of the noise.
        team: the processes that share the images; each returns the figures of all. None for this one alone.

    Raises:
        DataError: the images do not fit the flow, or are fewer than the processes.
        NonFiniteError: the flow gives no finite number for one of them.

    """
    tensor = images_to_score(images, flow, limit)
    if team is not None and len(tensor) < team.size:
        raise DataError(f"{len(tensor)} images cannot be shared by {team.size} processes; start at most as many")
    own = slice(0, len(tensor)) if team is None else team.own(len(tensor))
    part, passes = tensor[own], 2 + (importance if importance > 1 else 0)

    def done(count: int) -> None:
        if progress is not None:
            progress(count, passes * len(part))

    def gathered(values: Tensor) -> Tensor:
        return values if team is None else team.gather(values)

    def scored(draws: int) -> Tensor:
        scores = gathered(score(flow, part, seed, batch, done, draws, own.start))
        if lost := int((~torch.isfinite(scores)).sum()):
            raise NonFiniteError(f"Bits/dim is not finite on {lost} of {len(tensor)} test images of {images.name}.")
        return scores

    scores = scored(1)
    sources = None if images.test_source is None else np.asarray(images.test_source[:limit])
    bound = scored(importance) if importance > 1 else None
    figures = torch.tensor([exactness(flow, part, batch, done, own.start)], dtype=torch.float64)
    round_trip, gap = gathered(figures).amax(dim=0).tolist()  # which keeps NaN
    return Evaluation(
        data=images.name,
        bits_per_dim=scores.mean().item(),
        bits_per_dim_stderr=standard_error(scores.double().numpy(), sources),
        clusters=None if sources is None else len(np.unique(sources)),
        n=len(tensor),
        round_trip_max_abs=round_trip,
        log_det_gap=gap,
        note=images.note,
        floor_bits_per_dim=images.floor_bits_per_dim(len(tensor)),
        importance=importance,
        importance_bits_per_dim=None if bound is None else bound.mean().item(),
        importance_bits_per_dim_stderr=None if bound is None else standard_error(bound.double().numpy(), sources),
    )
