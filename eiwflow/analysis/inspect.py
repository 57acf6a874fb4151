"""What a checkpoint holds, in figures: per level the order, the weights, and how much structure each channel has."""

from __future__ import annotations

from typing import Any

import torch

from ..checkpoint import Checkpoint
from ..data import ImageData
from ..flow import MultiScaleFlow, dequantise
from ..flow.bijection import generator_for
from ..flow.entropy import entropy_rate, marginal_entropy, redundancy
from ..flow.trace import LevelTrace, Trace
from .evaluate import images_to_score

#: Test images that the figures are measured on.
IMAGES = 128


def inspect(checkpoint: Checkpoint, images: ImageData | None) -> dict[str, Any]:
    """Return the checkpoint's description; test figures are None where the data set is not there."""
    flow, info = checkpoint.flow, checkpoint.info
    seen = None if images is None else trace_of_test_images(flow, images).levels
    return {
        "config": info.config.to_dict(),
        "parameters": flow.parameter_count(),
        "step": info.step,
        "seed": info.seed,
        "data": info.data,
        "sha256": checkpoint.sha256,
        "metrics": info.metrics,
        "recipe": info.recipe,
        "command": info.command,
        "versions": info.versions,
        "levels": [
            {**_stored(flow, number), **_measured(None if seen is None else seen[number - 1])}
            for number in range(1, info.config.levels + 1)
        ],
    }


def trace_of_test_images(flow: MultiScaleFlow, images: ImageData, limit: int = IMAGES) -> Trace:
    """Return the trace of the first ``limit`` test images under a fixed-seed dequantisation."""
    return flow.trace(dequantise(images_to_score(images, flow, limit), generator_for(0, "inspect")))


def _stored(flow: MultiScaleFlow, number: int) -> dict[str, Any]:
    level = flow.levels[number - 1]
    channels, height, width = flow.config.level_shape(number)
    return {
        "level": number,
        "channels": channels,
        "size": [height, width],
        "parameters": sum(p.numel() for name, p in level.named_parameters() if ".display." not in f".{name}"),
        "order": None if level.shuffle is None else level.shuffle.order.tolist(),
    }


def _measured(seen: LevelTrace | None) -> dict[str, Any]:
    names = ("weights_mean", "weights_std", "redundancy", "entropy_rate", "entropy_kept", "entropy_emitted")
    figures: dict[str, Any] = dict.fromkeys(names)
    if seen is None:
        return figures
    if seen.features[0, 0].numel() > 1:  # one pixel has no spectrum
        figures["redundancy"] = redundancy(seen.features).mean(dim=0).tolist()
        figures["entropy_rate"] = entropy_rate(seen.features).mean(dim=0).tolist()
    figures["entropy_emitted"] = float(marginal_entropy(seen.emitted).mean())
    if seen.kept is not None:
        figures["entropy_kept"] = float(marginal_entropy(seen.kept).mean())
    if seen.log_weights is not None:
        # The spread over a single image is 0, not NaN.
        std, mean = torch.std_mean(seen.log_weights, dim=0, correction=min(1, len(seen.log_weights) - 1))
        figures["weights_mean"], figures["weights_std"] = mean.tolist(), std.tolist()
    return figures
