"""How far gradients of recomputed activations are from those of stored ones, beside what float32 itself is off by.

    python benchmarks/gradients.py photos32-weighted

For every parameter of a trained flow the gradient of the mean bits/dim of 32 training images is taken four times: in
float32 and in float64, of stored activations and of recomputed ones. Printed is how far one is from another, as a part
of the other's norm: the median over the parameters, the largest, and of how many it is above the bound.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from eiwflow import checkpoint, data
from eiwflow.data import fixed_crops, to_tensor
from eiwflow.flow import MultiScaleFlow, dequantise, to_bits_per_dim

ROOT = Path(__file__).resolve().parents[1]
IMAGES, BOUND = 32, 1e-4


def gradients(flow: MultiScaleFlow, x: Tensor, memory: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return every parameter's gradient, in float64, by its name."""
    copy = MultiScaleFlow(replace(flow.config, memory=memory))
    copy.load_state_dict(flow.state_dict())
    copy = copy.to(dtype)
    to_bits_per_dim(copy.log_prob(x.to(dtype)), flow.config.dimensions).mean().backward()
    return {name: part.grad.double() for name, part in copy.named_parameters() if part.grad is not None}


def main() -> None:
    """Print one line a comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="photos32-weighted", help="a bundled checkpoint's name")
    name = parser.parse_args().checkpoint
    torch.set_num_threads(1)
    loaded = checkpoint.load(ROOT / "assets" / "checkpoints" / f"{name}.safetensors")
    config = loaded.info.config
    images = data.load(loaded.info.data, multiple=2**config.levels, size=config.shape[1])
    images = fixed_crops(to_tensor(images.train[:IMAGES]), config.shape[1:])
    x = dequantise(images, torch.Generator().manual_seed(0))
    taken = {
        f"{memory} {str(dtype).removeprefix('torch.')}": gradients(loaded.flow, x, memory, dtype)
        for dtype in (torch.float32, torch.float64)
        for memory in ("store", "recompute")
    }
    print(f"{name}, {len(images)} images, {len(taken['store float64'])} parameters; ‖Δgradient‖ / ‖gradient‖")
    for one, other in (
        ("recompute float64", "store float64"),
        ("recompute float32", "store float32"),
        ("store float32", "store float64"),
        ("recompute float32", "store float64"),
    ):
        off = [float((taken[one][key] - of).norm() / of.norm()) for key, of in taken[other].items()]
        above = sum(part > BOUND for part in off)
        said = f"median {statistics.median(off):.1e}   largest {max(off):.1e}   above {BOUND:.0e}: {above}"
        print(f"{one:<18} from {other:<14}{said}")


if __name__ == "__main__":
    main()
