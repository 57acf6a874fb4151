"""What a page and a move cost with a large flow: CPU seconds of the app's process and its children, on one thread.

The app runs without a browser. With no file, the flow has the size of the published CIFAR-10 Glow (44 million
parameters: K = 32, width 512, 3 levels), random but as tame as a trained one.

    python benchmarks/moves.py [FILE.safetensors] [--steps 32] [--width 512] [--pages levels space] [--moves image seed]

"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import logging
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from streamlit.testing.v1 import AppTest

from eiwflow import checkpoint
from eiwflow.checkpoint import CheckpointInfo
from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.ui.sources import checkpoints

ROOT = Path(__file__).resolve().parents[1]
Move = Callable[[AppTest], object]


def image(at: AppTest) -> None:
    """Choose the next test image, as the strip of thumbnails does."""
    at.session_state["image"] = at.session_state["_image"] = (at.session_state["image"] + 1) % 16


def other_end(at: AppTest) -> None:
    """Choose the next image B."""
    at.session_state["b"] = at.session_state["_b"] = (at.session_state["b"] + 1) % 16


def seed(at: AppTest) -> None:
    """Raise the seed."""
    at.number_input(key="seed").set_value(at.number_input(key="seed").value + 1)


def level(at: AppTest) -> None:
    """Look at level 2, or at level 1 again."""
    slider = at.select_slider(key="level")
    slider.set_value(3 - int(slider.value))


def pressed(key: str, value: object) -> Move:
    """Return a move that chooses a segment of a control."""
    return lambda at: at.segmented_control(key=key).set_value(value)


def unfolded(key: str) -> Move:
    """Return a move that opens a fold."""

    def unfold(at: AppTest) -> None:
        at.session_state[key] = True

    return unfold


def slid(key: str, value: float) -> Move:
    """Return a move of a slider."""
    return lambda at: at.slider(key=key).set_value(value)


def chosen(key: str) -> Move:
    """Return a move that chooses the last entry of a list."""
    return lambda at: at.selectbox(key=key).set_value(at.selectbox(key=key).options[-1])


EVIDENCE = {"more evidence": unfolded("more-evidence")}


def folds(*names: str) -> dict[str, Move]:
    """Return a move for every fold."""
    return {f"fold {name}": unfolded(f"fold-{name}") for name in names}


#: page -> its moves, in order; those after the folds are made with everything open.
PAGES: dict[str, dict[str, Move]] = {
    "1_levels": {"image": image, "seed": seed, **EVIDENCE, "image, all open": image, "seed, all open": seed},
    "2_latents": {
        "image": image, "seed": seed, "mix": pressed("z1", "zero"), "to B": pressed("z2", "go to B"),
        "image B": other_end, "temperature": slid("temperature", 0.5), **folds("one-level"), **EVIDENCE,
        "image, all open": image, "seed, all open": seed,
    },
    "3_entropy": {
        "image": image, "seed": seed, **folds("all-levels", "training"), **EVIDENCE,
        "image, all open": image, "seed, all open": seed,
    },
    "4_shuffle": {
        "image": image, "seed": seed, "level": level, **folds("at-this-step", "order"),
        "rule": pressed("rule", "first"), **EVIDENCE, "image, all open": image, "seed, all open": seed,
    },
    "5_weights": {
        "image": image, "seed": seed, "level": level, **EVIDENCE,
        "image, all open": image, "seed, all open": seed, "level, all open": level,
    },
    "8_checkpoint": {
        "seed": seed, **folds("architecture", "inversion", "training", "account"), **EVIDENCE,
        "seed, all open": seed,
    },
    "10_likelihood": {
        "image": image, "seed": seed, "guess": pressed("guess", "blurred"), **folds("archive"), **EVIDENCE,
        "image, all open": image, "seed, all open": seed,
    },
}  # fmt: skip


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def tame_flow(steps: int, width: int) -> MultiScaleFlow:
    """Return a flow in the convention of other code, as an import makes it: its last convolutions are nearly 0."""
    config = FlowConfig(
        (3, 32, 32), levels=3, steps=steps, width=width, order="last", weights="none", init="random",
        coupling="sigmoid", prior="unbounded", top_prior="constant",
    )  # fmt: skip
    flow = MultiScaleFlow(config)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(16, *config.shape, generator=generator) - 0.5
    flow.initialise(images)
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            if "coupling" in name and not parameter.any():
                parameter.normal_(0, 1e-3, generator=generator)
    return flow


def measured(page: str, ck: str, only: list[str] | None) -> Iterator[tuple[str, float]]:
    """Yield every move of a page, or those of these names, the opening first, and its CPU seconds."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=3600)
    at.query_params.update(ck=ck, data="photos32")
    at.switch_page(f"pages/{page}.py")
    for name, move in {"open": lambda at: None, **PAGES[page]}.items():
        if only is not None and name not in ("open", *only):
            continue
        started = cpu_seconds()
        move(at)
        at.run()
        for exception in at.exception:
            raise RuntimeError(f"{page}, {name}: {exception.value}")
        yield name, cpu_seconds() - started


def main() -> None:
    """Print a table of pages and moves."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, help="a checkpoint")
    parser.add_argument("--steps", type=int, default=32, help="of a level, where no file is given")
    parser.add_argument("--width", type=int, default=512, help="of its networks, where no file is given")
    parser.add_argument("--pages", nargs="+", default=list(PAGES), help="names of pages, or parts of them")
    parser.add_argument("--moves", nargs="+", help="names of moves, where not all are made")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable()  # Streamlit misses its server
    with tempfile.TemporaryDirectory() as folder:
        checkpoints.BUNDLED = Path(folder)
        path = Path(folder) / "large.safetensors"
        if options.file is None:
            flow = tame_flow(options.steps, options.width)
            checkpoint.save(path, flow, CheckpointInfo(config=flow.config, data="photos32"))
        else:
            path.symlink_to(options.file.resolve())
        for page in PAGES:
            if any(asked in page for asked in options.pages):
                for name, seconds in measured(page, "large", options.moves):
                    print(f"{page:14}{name:22}{seconds:8.2f}", flush=True)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"peak memory of one process: {peak / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
