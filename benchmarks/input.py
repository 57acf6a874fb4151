"""Measure what reading costs beside a training step, and whether memory depends on how many images there are.

    python benchmarks/input.py FOLDER               # writes files of 100,000 and 1,300,000 random 32×32 images, 4.3 GB
    python benchmarks/input.py FOLDER --batch 512 --width 64

The step is of CIFAR-10's size. Reading and step are CPU seconds of this process, which other work on the machine moves
less than wall time. With one worker a step waits for its batch; ``of its wall time`` is what the input costs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from eiwflow import data
from eiwflow.flow import FlowConfig
from eiwflow.training.execution import Execution
from eiwflow.training.input import Batches, Input
from eiwflow.training.recipe import Recipe
from eiwflow.training.trainer import Trainer

COUNTS = (100_000, 1_300_000)
PART, STEPS = 20_000, 4


def main() -> None:
    """Write the files, print a line for each, and remove them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--width", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for count in COUNTS:
        path = options.folder / f"noise-{count}.npy"
        try:
            write(path, count)
            report(path, options.batch, options.width)
        finally:
            path.unlink(missing_ok=True)


def write(path: Path, count: int) -> None:
    """Write random images of CIFAR-10's size."""
    random = np.random.default_rng(0)
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, 32, 32, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, count, PART):
            file.write(random.bytes(min(PART, count - start) * 3072))


def report(path: Path, batch: int, width: int) -> None:
    """Print the seconds of reading and of a step, and the resident memory of this process."""
    images = data.load(path)
    recipe = Recipe(flow=FlowConfig(width=width), batch=batch, iterations=10_000)
    reading = Input(Batches(images.train, recipe), torch.device("cpu"), 0)
    reading.batch(0)  # draws the permutation of the epoch
    read = [cpu_seconds(lambda step=step: reading.batch(step)) for step in range(1, 1 + 2 * STEPS)]
    trainer = Trainer(recipe, images, execution=Execution(workers=1))
    waits: list[float] = []
    walls: list[float] = []
    read_ahead = trainer.input.batch

    def waited(step: int) -> torch.Tensor:
        started = time.perf_counter()
        x = read_ahead(step)
        waits.append(time.perf_counter() - started)
        return x

    trainer.input.batch = waited  # type: ignore[method-assign]
    steps: list[float] = []
    for _ in range(STEPS + 1):
        started = time.perf_counter()
        steps.append(cpu_seconds(trainer.advance))
        walls.append(time.perf_counter() - started)
    del steps[0], waits[0], walls[0]  # the worker is born
    read_s, step = statistics.median(read), statistics.median(steps)
    print(
        f"{len(images.train):>10,} images: reading {1000 * read_s:.1f} ms of CPU, a step {step:.2f} s, so "
        f"{read_s / step:.2%} without a worker; with one it waits {1000 * statistics.median(waits):.1f} ms, "
        f"{sum(waits) / sum(walls):.2%} of its wall time {statistics.median(walls):.2f} s; "
        f"resident {resident_mib():,.0f} MiB",
        flush=True,
    )
    trainer.input.close()


def cpu_seconds(work) -> float:  # noqa: ANN001
    """Return the CPU seconds of some work in this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def resident_mib() -> float:
    """Return the resident memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


if __name__ == "__main__":
    main()
