"""The figures of a checkpoint: its parts, its inversion, and for each level order, weights and structure.

Parts, conditioning and inversion are those of the app's page Checkpoint.
"""

from __future__ import annotations

from typing import Any

import torch

from ..checkpoint import Checkpoint
from ..data import ImageData
from ..flow import MultiScaleFlow
from ..flow.information import entropy_rate, marginal_entropy, redundancy
from ..flow.multiscale import LevelTrace
from . import checkpoint as anatomy
from .checkpoint import LevelAnatomy, LevelInversion
from .evaluate import images_to_score
from .levels import IMAGES, trace_of_test_images
from .record import TrainingCurve


def inspect(checkpoint: Checkpoint, images: ImageData | None, curve: TrainingCurve | None = None) -> dict[str, Any]:
    """Return the checkpoint's description; test figures are None without the data set.

    ``tables`` holds the rows that the app exports, with the training's curve where there is one.
    """
    flow, info = checkpoint.flow, checkpoint.info
    parts = anatomy.anatomy(flow)
    levels = None if images is None else trace_of_test_images(flow, images_to_score(images, flow, IMAGES)).levels
    inversion = None if images is None else anatomy.inversion(flow, images_to_score(images, flow, anatomy.IMAGES))
    return {
        "config": info.config.to_dict(),
        "parameters": flow.parameter_count(),
        "parts": parts.parameters,
        "inversion": None
        if inversion is None
        else {"images": inversion.images, "max_abs": inversion.max_abs, "relative": inversion.relative},
        "step": info.step,
        "seed": info.seed,
        "data": info.data,
        "sha256": checkpoint.sha256,
        "metrics": info.metrics,
        "recipe": info.recipe,
        "command": info.command,
        "versions": info.versions,
        "temperature": info.temperature,
        "levels": [
            {
                **_stored(flow, level),
                **_measured(None if levels is None else levels[level.number - 1]),
                **_inverted(None if inversion is None else inversion.levels[level.number - 1]),
            }
            for level in parts.levels
        ],
        "tables": {
            "file": file_table(checkpoint),
            "parts": parts.part_table(),
            "levels": None if inversion is None else anatomy.level_table(parts, inversion),
            "steps": None if inversion is None else anatomy.step_table(parts, inversion),
            "training": None if curve is None else curve.table(),
        },
    }


#: Fields whose name alone would be taken for something else.
NAMES = {"weights": "channel weights"}


def file_table(checkpoint: Checkpoint) -> list[dict[str, str]]:
    """Return the file's document, one row per field."""
    info = checkpoint.info
    groups = {
        "flow": info.config.to_dict(),
        "training": {"data": info.data, "step": info.step, "seed": info.seed, **info.recipe},
        "measured then": {**info.metrics, "temperature": info.temperature},
        "imported": info.imported,
        "software": info.versions,
        "file": {"sha256": checkpoint.sha256, "command": info.command},
    }
    return [
        {"group": group, "field": NAMES.get(name, name), "value": _plain(value)}
        for group, fields in groups.items()
        for name, value in fields.items()
    ]


def _plain(value: object) -> str:
    if isinstance(value, list):
        return "×".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _stored(flow: MultiScaleFlow, level: LevelAnatomy) -> dict[str, Any]:
    shuffle = flow.levels[level.number - 1].shuffle
    return {
        "level": level.number,
        "channels": level.shape[0],
        "size": list(level.shape[1:]),
        "parameters": level.total,
        "parts": level.parameters,
        "order": None if shuffle is None else shuffle.order.tolist(),
        "condition": level.condition.tolist(),
        "singular_values": level.singular_values[:, [-1, 0]].tolist(),
    }


def _inverted(seen: LevelInversion | None) -> dict[str, Any]:
    """Return errors and ranges of factors: of the coupling per step, of ω and the prior's σ per level."""
    names = ("inversion_max_abs", "inversion_relative", "coupling_scales", "weight_range", "prior_std_range")
    if seen is None:
        return dict.fromkeys(names)
    ranges = (None if ends is None else list(ends) for ends in (seen.weights, seen.prior))
    return dict(zip(names, (seen.max_abs, seen.relative, seen.coupling.tolist(), *ranges), strict=True))


def _measured(seen: LevelTrace | None) -> dict[str, Any]:
    names = ("weights_mean", "weights_std", "redundancy", "entropy_rate", "entropy_kept", "entropy_emitted")
    figures: dict[str, Any] = dict.fromkeys(names)
    if seen is None:
        return figures
    if seen.features[0, 0].numel() > 1:  # one pixel has no spectrum
        figures["redundancy"] = redundancy(seen.features).mean(dim=0).tolist()
        figures["entropy_rate"] = entropy_rate(seen.features).mean(dim=0).tolist()
    if seen.emitted.shape[1]:
        figures["entropy_emitted"] = float(marginal_entropy(seen.emitted).mean())
    if seen.kept is not None:
        figures["entropy_kept"] = float(marginal_entropy(seen.kept).mean())
    if seen.log_weights is not None:
        # The spread over a single image is 0, not NaN.
        std, mean = torch.std_mean(seen.log_weights, dim=0, correction=min(1, len(seen.log_weights) - 1))
        figures["weights_mean"], figures["weights_std"] = mean.tolist(), std.tolist()
    return figures
