"""Print in one go what a GPU makes of training steps: images a second and memory, with and without each option.

    python benchmarks/gpu.py                         # every line below, on the first GPU
    torchrun --nproc-per-node 8 benchmarks/gpu.py    # the lines of ours, over eight GPUs
    python benchmarks/gpu.py --device cpu --quick    # that the script runs, where there is no GPU

Lines: float32, bfloat16, compiled, bfloat16 compiled, recomputed, and normflows' Glow, each at CIFAR-10's size with
width 128 and with K = 32 and width 512; the input alone; and a study's equal time, the relative cost of its arms'
steps by the device's own events. What it prints on a GPU has not been checked against another clock.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from eiwflow.data import ImageData
from eiwflow.flow import FlowConfig
from eiwflow.study.cost import seconds_per_step, step_of
from eiwflow.study.recipe import StudyRecipe, kind_of_step, relative_costs
from eiwflow.training.distributed import gathered
from eiwflow.training.execution import Execution, choose_device
from eiwflow.training.recipe import Recipe
from eiwflow.training.trainer import Trainer

GLOW = {"order": "last", "weights": "none", "init": "random"}
SIZES = {
    "K=8 width 128": FlowConfig(levels=3, steps=8, width=128, **GLOW),
    "K=32 width 512": FlowConfig(levels=3, steps=32, width=512, **GLOW),
}
QUICK = {"K=1 width 8": FlowConfig(levels=2, steps=1, width=8, **GLOW)}
WARM_UP, TIMED = 10, 50


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=512, help="images of a step, over all ranks")
    parser.add_argument("--quick", action="store_true", help="a tiny flow and few steps: only that it runs")
    options = parser.parse_args()
    sizes, batch, repeats = (QUICK, 8, (1, 2)) if options.quick else (SIZES, options.batch, (WARM_UP, TIMED))
    with gathered() as team:
        device = choose_device(options.device, team.local_rank)
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
        say = print if team.first else (lambda *_: None)
        say(f"{name}, torch {torch.__version__}, {team.size} rank(s), batch {batch}")
        say(f"{'flow':<16}{'arithmetic':<22}{'images/s':>10}{'ms/step':>10}{'GiB':>8}{'input ms':>10}")
        images = ImageData("noise", *(noise(count) for count in (50_000 if not options.quick else 64, 64)))
        for size, flow in sizes.items():
            plain = Recipe(flow=flow, batch=batch, iterations=10_000)
            half, again = replace(plain, precision="bfloat16"), replace(plain, flow=replace(flow, memory="recompute"))
            lines = {"float32": (plain, False), "bfloat16": (half, False), "float32 compiled": (plain, True)}
            lines |= {"bfloat16 compiled": (half, True), "float32 recomputed": (again, False)}
            for words, (recipe, compiled) in lines.items():
                if (recipe.precision == "bfloat16" and device.type != "cuda") or (compiled and options.quick):
                    continue
                trainer = Trainer(recipe, images, Execution(device, team, compiled))
                seconds, memory = timed(trainer.enqueue, trainer.gather, device, repeats)
                reading, _ = timed(partial(trainer.input.batch, trainer.step), lambda: None, device, (0, 1))
                trainer.input.close()
                say(row(size, words, batch, seconds, memory) + f"{1000 * reading:>10.1f}")
                del trainer
            if team.size == 1:
                for kind, cost in equal_time(flow, batch, images, device).items():
                    say(f"{size:<16}equal time: a step of {kind} costs ×{cost:.3f}")
                seconds, memory = timed(glow_step(flow, batch, device), lambda: None, device, repeats)
                say(row(size, "normflows, float32", batch, seconds, memory))


def equal_time(flow: FlowConfig, batch: int, images: ImageData, device: torch.device) -> dict[str, float]:
    """Return kind of step -> its cost over the cheapest, as a study with ``--equal-time`` measures it."""
    study = StudyRecipe(
        data="noise", arms=("entropy/principal-alternating", "entropy+entropy/principal-alternating"),
        size=32, levels=flow.levels, steps=flow.steps, width=flow.width, batch=batch,
    )  # fmt: skip
    steps = {kind_of_step(study, arm): step_of(study.training(arm, 0), "", images, device) for arm in study.arms}
    return relative_costs(seconds_per_step(steps, device))


def noise(count: int) -> np.ndarray:
    """Return images of CIFAR-10's size."""
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def row(size: str, words: str, batch: int, seconds: float, memory: float) -> str:
    """Return a line of the table."""
    return f"{size:<16}{words:<22}{batch / seconds:>10,.0f}{1000 * seconds:>10.1f}{memory:>8.2f}"


def timed(
    step: Callable[[], object], end: Callable[[], object], device: torch.device, repeats: tuple[int, int]
) -> tuple[float, float]:
    """Return the mean seconds of a step and the most memory that it took, in GiB; 0 where that is not counted."""
    for _ in range(repeats[0]):
        step()
    end()
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    started = time.perf_counter()
    for _ in range(repeats[1]):
        step()
    end()
    if on_gpu:
        torch.cuda.synchronize(device)
    seconds = (time.perf_counter() - started) / repeats[1]
    return seconds, torch.cuda.max_memory_allocated(device) / 2**30 if on_gpu else 0.0


def glow_step(flow: FlowConfig, batch: int, device: torch.device) -> Callable[[], None]:
    """Return a training step of normflows' Glow of the same size, with AdamW."""
    from glow import glow

    x = torch.rand(batch, *flow.shape, device=device) - 0.5
    with torch.device(device):
        model = glow(x, flow.levels, flow.steps, flow.width, trainable=False).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        (-model.log_prob(x, None).mean() / flow.dimensions).backward()
        optimiser.step()

    return step


if __name__ == "__main__":
    main()
