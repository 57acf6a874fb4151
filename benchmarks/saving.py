"""Measure how long a save of a large flow keeps a training waiting, and when it is on disk.

    python benchmarks/saving.py FOLDER               # Glow of K = 32, width 512: 44 million parameters; needs 2 GB
    python benchmarks/saving.py FOLDER --width 128

The step waits for the copy of its state; a thread writes it. Seconds of CPU are of the training's thread.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

import numpy as np
import torch

from eiwflow.checkpoint import CheckpointInfo, save
from eiwflow.data import ImageData
from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.training.recipe import Recipe
from eiwflow.training.run_directory import RunDirectory
from eiwflow.training.saves import Journal
from eiwflow.training.trainer import Trainer

REPEATS = 3


def main() -> None:
    """Print a line for every save, and remove the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=int, default=512)
    options = parser.parse_args()
    torch.set_num_threads(1)
    flow = MultiScaleFlow(FlowConfig(steps=32, width=options.width, order="last", weights="none", init="random"))
    flow.initialised = True
    info = CheckpointInfo(flow.config)
    start = options.folder / "start.safetensors"
    save(start, flow, info)
    recipe = Recipe(flow.config, "noise", init_from=str(start))
    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    run = RunDirectory.create(options.folder, recipe, "")
    try:
        trainer = Trainer(recipe, ImageData("noise", images, images[:8]))
        for parameter in trainer.parameters:
            parameter.grad = torch.zeros_like(parameter)
        trainer._apply_gradients()  # which makes the moments
        journal = Journal(run, trainer, "", [], lambda record: None)
        for _ in range(REPEATS):
            report(trainer, journal)
        journal.close()
    finally:
        start.unlink()
        shutil.rmtree(run.path)


def report(trainer: Trainer, journal: Journal) -> None:
    """Save once, and print its times."""
    started, cpu = time.perf_counter(), time.thread_time()
    journal.save()
    waited, worked = time.perf_counter() - started, time.thread_time() - cpu
    journal.wait()
    written = time.perf_counter() - started
    state = trainer.state()
    size, count = sum(tensor.nbytes for tensor in state.values()), sum(p.numel() for p in trainer.parameters)
    print(
        f"{count:,} parameters, a state of {size / 2**20:,.0f} MiB: the step waits {waited:.2f} s ({worked:.2f} s of "
        f"CPU); on disk after {written:.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
