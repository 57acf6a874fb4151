"""How many functions of the package, in how many files, one image and one batch run through; and the lines of code.

    python benchmarks/functions.py

A function counts once, however often it is called; lambdas and comprehensions do not count. All settings are those of
``eiwflow train`` without options.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from eiwflow.analysis.levels import fit_kept, passage
from eiwflow.figures.levels import strip
from eiwflow.training.recipe import Recipe
from eiwflow.training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[1]


def functions(work: Callable[[], object]) -> str:
    """Return how many functions a piece of work runs, and in brackets in how many files they stand."""
    seen = set()

    def look(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and f"{ROOT}/eiwflow/" in code.co_filename and not code.co_name.startswith("<"):
            seen.add((code.co_filename, code.co_qualname))

    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(None)
    return f"{len(seen)} ({len({file for file, _ in seen})})"


def lines(*patterns: str) -> str:
    """Return the lines of all files whose paths match one of these patterns."""
    files = [file for pattern in patterns for file in ROOT.glob(pattern)]
    return f"{sum(len(file.read_text(encoding='utf-8').splitlines()) for file in files):,}"


def main() -> None:
    """Print one line a figure."""
    trainer = Trainer(Recipe())
    flow, fit = trainer.average, fit_kept(trainer.average, trainer.test_images[:8])
    x, image = trainer.batch(0, 1), trainer.test_images[:1]
    with torch.no_grad():
        print("encode:", functions(lambda: flow.encode(x)))
        print("encode and decode:", functions(lambda: flow.decode(flow.encode(x))))
        print("from an image to the figure of its way:", functions(lambda: strip(passage(flow, image, fit))))
    print("training step:", functions(trainer.advance))
    print("lines of package, pages and app.py:", lines("eiwflow/**/*.py", "pages/*.py", "app.py"))
    print("lines of tests:", lines("tests/**/*.py"))


if __name__ == "__main__":
    main()
