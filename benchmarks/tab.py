"""Training in a browser's tab beside torch on one thread: CPU seconds of the same steps, and the bits after them.

    python benchmarks/tab.py --steps 500
    python benchmarks/tab.py --steps 20 --plain

The flow is that of the bundled studies. Node runs the tab's modules, with WebAssembly or, by ``--plain``, without. Both
sides have the same start and the same batches, and take turns.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from eiwflow.flow.multiscale import to_bits_per_dim
from tests.lesson.test_trainer import IMAGES, STUDY, in_tab, trained_by_torch


def main() -> None:
    """Print a line a turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="without WebAssembly")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for _ in range(options.turns):
        with tempfile.TemporaryDirectory() as name:
            recipe = {**STUDY, "iterations": options.steps}
            tab = in_tab(Path(name), recipe, options.steps, moved=0, simd=not options.plain)
            began = time.process_time()
            _, average = trained_by_torch(tab, options.steps)
            seconds = time.process_time() - began
            with torch.no_grad():
                own = float(to_bits_per_dim(average(tab.x[:IMAGES])[0], average.config.dimensions).mean())
            in_node = sum(tab.said["scores"]) / len(tab.said["scores"])
        print(
            f"{options.steps} steps: tab {tab.said['seconds']:.2f} s, torch {seconds:.2f} s, "
            f"ratio {tab.said['seconds'] / seconds:.2f}; bits {in_node:.4f} and {own:.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
