"""One run of a study: an arm trained with a seed, scored, and for one seed recorded on its way."""

from __future__ import annotations

import base64
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data import ImageData, corner_crops, to_tensor
from ..files import write_atomically
from ..flow import FlowConfig, dequantise, to_bits_per_dim
from ..flow.bijection import generator_for
from ..flow.score import score
from . import failures
from .failures import TrainingFailed
from .loop import Trainer
from .recipe import Recipe, recording_steps
from .record import PROBE_IMAGES, level_records, sample_montage

#: Points of a run's curve, and crops that its test side is measured on.
CURVE_POINTS, CURVE_CROPS = 12, 256
#: Steps that a record is written at, and the samples of each.
RECORDED_STEPS, RECORDED_SAMPLES = 24, 8


def run_arm(recipe: Recipe, images: ImageData, record: Path | None = None) -> dict[str, Any]:
    """Train a recipe in memory and return what a study keeps of it.

    ``bits_per_dim`` is that of the averaged weights on the four corner crops of every test image, or on the images
    themselves where they have the training size. ``cpu_s`` counts the training steps: neither scoring nor recording.
    ``curve`` has points [step, bits/dim of the batches since the last point, bits/dim on some of the test crops].

    Arguments:
        recipe: of the training.
        images: its data set.
        record: where to write orders, weights, entropies and samples along the training, if at all.

    Raises:
        TrainingFailed: a value was not finite, or memory ran out.

    """
    trainer: Trainer | None = None
    try:
        trainer = Trainer(recipe, images)
        return _run(trainer, images, record)
    except (MemoryError, RuntimeError) as error:
        if not failures.of_memory(error):
            raise
        raise TrainingFailed(failures.sentence(error, 0 if trainer is None else trainer.step)) from error


def _run(trainer: Trainer, images: ImageData, record: Path | None) -> dict[str, Any]:
    recipe = trainer.recipe
    crops = scored_crops(images, recipe.flow)
    some = crops[:: math.ceil(len(crops) / CURVE_CROPS)]
    probe = dequantise(trainer.test_images[:PROBE_IMAGES], generator_for(0, "probe"), bits=recipe.flow.bits)
    curve_steps = set(recording_steps(recipe.iterations, CURVE_POINTS))
    recording = set() if record is None else set(recording_steps(recipe.iterations, RECORDED_STEPS))
    curve: list[list[float]] = []
    recorded: list[dict[str, Any]] = [_recording(trainer, probe)] if recording else []
    since: list[float] = []
    cpu_s = 0.0
    while trainer.step < recipe.iterations:
        started = time.process_time()
        since.append(trainer.advance()[0])
        cpu_s += time.process_time() - started
        if trainer.step in curve_steps:
            of_test = score(trainer.average, some, recipe.seed).mean().item()
            curve.append([trainer.step, round(statistics.fmean(since), 4), round(of_test, 4)])
            since.clear()
        if trainer.step in recording:
            recorded.append(_recording(trainer, probe))
    bits = score(trainer.average, crops, recipe.seed).mean().item()
    if not math.isfinite(bits) or not all(math.isfinite(value) for point in curve for value in point):
        raise TrainingFailed(f"After step {trainer.step} the averaged flow's bits/dim was not finite.")
    if record is not None:
        record.parent.mkdir(parents=True, exist_ok=True)
        document = {"seed": recipe.seed, "flow": recipe.flow.to_dict(), "steps": recorded}
        write_atomically(record, json.dumps(document, separators=(",", ":"), allow_nan=False).encode())
    return {
        "bits_per_dim": round(bits, 5),
        "iterations": recipe.iterations,
        "parameters": trainer.flow.parameter_count(),
        "cpu_s": round(cpu_s, 2),
        "permutation_seed": recipe.flow.permutation_seed if _drawn(recipe.flow) else None,
        "curve": curve,
    }


def _drawn(flow: FlowConfig) -> bool:
    """Return whether the permutation seed decides anything of a flow."""
    return "random" in (flow.order, flow.partition)


def scored_crops(images: ImageData, flow: FlowConfig) -> Tensor:
    """Return what a study is scored on, uint8 (N, C, H, W) of the flow's shape."""
    test, size = to_tensor(images.test), flow.shape[1:]
    return test if tuple(test.shape[2:]) == size else corner_crops(test, size)


def _recording(trainer: Trainer, probe: Tensor) -> dict[str, Any]:
    flow = trainer.average
    with torch.no_grad():
        bits = to_bits_per_dim(flow.log_prob(probe), flow.config.dimensions, flow.config.bits).mean().item()
    samples = sample_montage(flow, trainer.recipe.seed, RECORDED_SAMPLES)
    return {
        "step": trainer.step,
        "probe_bits_per_dim": round(bits, 5),
        "levels": level_records(flow, probe),
        "samples": None if samples is None else base64.b64encode(samples).decode(),
    }
