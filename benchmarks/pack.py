"""Build the pack of the bundled lesson, ``assets/lesson/faces16.pack``, again.

    python benchmarks/pack.py

The usual rank of the bundled flow's half, which takes a minute, is computed where the flow changed.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eiwflow import checkpoint, data, project
from eiwflow.flow import MultiScaleFlow
from eiwflow.lesson import build, default
from eiwflow.lesson.homework import QUESTIONS
from eiwflow.lesson.pack import opened
from eiwflow.lesson.spec import at_bin_centres

#: Test images that the usual rank of a flow's half is taken over.
RANKED = 50
#: Decoded images a batch, of the 924 halves.
BATCH = 462


@torch.inference_mode()
def usual_rank(flow: MultiScaleFlow, images: Tensor) -> dict[str, int]:
    """Return the quartiles of :func:`own_rank` over the first test images (N, C, H, W) uint8."""
    average = flow.trace(at_bin_centres(images[: build.AVERAGED])).levels[0].features.mean(dim=0)
    ranks = np.array([own_rank(flow, image, average) for image in images[:RANKED]])
    low, median, high = np.quantile(ranks, [0.25, 0.5, 0.75], method="nearest").tolist()
    return {"median": median, "low": low, "high": high, "images": len(ranks)}


def _own_half(flow: MultiScaleFlow) -> Tensor:
    """Return which channels (C,) bool of level 1 the flow factors out."""
    shuffle, gone = flow.levels[0].shuffle, flow.latent_shapes()[0][0]
    assert shuffle is not None  # a lesson's flow has two levels or more
    own = torch.zeros(len(shuffle.order), dtype=torch.bool)
    own[shuffle.order[len(own) - gone :]] = True
    return own


def own_rank(flow: MultiScaleFlow, image: Tensor, average: Tensor) -> int:
    """Return the rank, from 1, of the channels that the flow factors out at level 1, among all choices of as many.

    A choice is judged by the PSNR, after clipping, of the image decoded with these channels at their average over
    images.
    """
    channels, gone = average.shape[0], flow.latent_shapes()[0][0]
    features = flow.trace(at_bin_centres(image[None])).levels[0].features
    choices = list(combinations(range(channels), gone))
    thrown = torch.zeros(len(choices), channels, dtype=torch.bool)
    thrown[torch.arange(len(choices))[:, None], torch.tensor(choices)] = True
    errors = []
    for part in thrown.split(BATCH):
        y = torch.where(part[:, :, None, None], average, features).contiguous(memory_format=torch.channels_last)
        errors.append(_error(decoded(flow, y), image))
    error = torch.cat(errors)
    mine = error[(thrown == _own_half(flow)).all(dim=1)]
    return 1 + int((error < mine).sum())


def decoded(flow: MultiScaleFlow, features: Tensor) -> Tensor:
    """Return the images (N, C, H, W) of features (N, 4C, H/2, W/2) of level 1, behind its last step."""
    level = flow.levels[0]
    for step in reversed(list(level.steps)):
        features = step.inverse(features)
    return level.squeeze.inverse(features)


def _error(x: Tensor, image: Tensor) -> Tensor:
    grey = ((x + 0.5) * 256 - 0.5).clamp(0, 255)
    return (grey - image.float()).square().mean(dim=(1, 2, 3))


def bundled_pack(checkpoints: Path, studies: Path) -> bytes:
    """Return the pack of the bundled flows.

    The usual ranks, which take a minute each, are those of the shipped pack where the flows are the same.

    Args:
        checkpoints: folder of the bundled flows.
        studies: folder of the bundled studies.

    """
    images = data.load(default.DATA, download=False)
    tests = data.to_tensor(images.test)
    flow = checkpoint.load(checkpoints / f"{default.FLOW}.safetensors")
    made = build.build(flow, tests, default.SHOWN)
    shipped = opened(default.pack())[0] if default.PACK.is_file() else {}
    before, parameters = shipped.get("flow") or {}, made.head["flow"]["parameters"]
    same = before.get("usual") and before.get("parameters") == parameters
    made.head["flow"]["usual"] = before["usual"] if same else usual_rank(flow.flow, tests)
    build.add_grain(made, images)
    made.head |= {
        "faces": True,
        "before": build.before_training(made, flow, images),
        "homework": [{"text": question.text, "query": question.query} for question in QUESTIONS],
        "attributes": build.attribute_facts(made, flow.flow, images),
        "studies": build.study_facts(studies),
    }
    return made.to_bytes()


if __name__ == "__main__":
    default.PACK.write_bytes(bundled_pack(project.CHECKPOINTS, project.ASSETS / "studies"))
    print(default.PACK)
