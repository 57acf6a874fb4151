"""Score a flow on a data set: bits/dim with its standard error, and how exactly the flow inverts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import DataError, ImageData, fixed_crops, to_tensor
from ..flow import MultiScaleFlow, NonFiniteError
from ..flow.score import score
from .exactness import exactness
from .intervals import standard_error


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

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as values for JSON."""
        return asdict(self)


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
) -> Evaluation:
    """Score a flow on the test part of a data set, or on its first ``limit`` images.

    ``progress`` is called with (images done since it was last called, images to do in all): each is looked at twice.

    Raises:
        DataError: the images do not fit the flow.
        NonFiniteError: the flow gives no finite number for one of them.

    """
    tensor = images_to_score(images, flow, limit)

    def done(count: int) -> None:
        if progress is not None:
            progress(count, 2 * len(tensor))

    scores = score(flow, tensor, seed, progress=done)
    if lost := int((~torch.isfinite(scores)).sum()):
        raise NonFiniteError(f"Bits/dim is not finite on {lost} of {len(tensor)} test images of {images.name}.")
    sources = None if images.test_source is None else np.asarray(images.test_source[:limit])
    round_trip, gap = exactness(flow, tensor, progress=done)
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
    )
