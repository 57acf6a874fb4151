"""How a train step's time grows with the flow steps a level and with the pixels: fitted exponents.

    python benchmarks/growth.py

All sizes take turns in one process on one thread; what counts is the median of process CPU seconds. The exponent is the
slope of a line through the logarithms: 1 is linear, less means that a fixed part is spread over more.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flow import initialised, noise, train_step

from eiwflow.flow import FlowConfig
from eiwflow.study.cost import seconds_per_step

BATCH = 16
STEPS, SIDES = (4, 8, 16, 32), (16, 32, 64)


def report(what: str, amounts: list[int], configs: list[FlowConfig]) -> None:
    """Time a train step of every config and print the exponent over the amounts."""
    steps, generator = {}, torch.Generator().manual_seed(0)
    for amount, config in zip(amounts, configs, strict=True):
        x = noise(config, BATCH, generator)
        steps[str(amount)] = train_step(initialised(config, x, seed=0), x)
    seconds = seconds_per_step(steps, torch.device("cpu"))
    exponent = np.polyfit(np.log(amounts), np.log(list(seconds.values())), 1)[0]
    times = ", ".join(f"{1000 * value:.0f} ms at {amount}" for amount, value in seconds.items())
    print(f"exponent {exponent:.2f} over {what}: {times}", flush=True)


def main() -> None:
    """Print one line for flow steps and one for pixels."""
    torch.set_num_threads(1)
    report("flow steps a level", list(STEPS), [FlowConfig(steps=steps) for steps in STEPS])
    report("pixels", [side**2 for side in SIDES], [FlowConfig(shape=(3, side, side)) for side in SIDES])


if __name__ == "__main__":
    main()
