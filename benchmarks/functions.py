"""How many functions of the package, in how many files, one image and one batch run through; lines, and imports of ui.

    python benchmarks/functions.py

A function counts once, however often it is called; lambdas and comprehensions do not count. All settings are those of
``eiwflow train`` without options. An import counts once for each pair of files, or of rooms (folders), wherever it
stands, those for the type checker too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
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


def imported(file: Path, files: set[Path]) -> set[Path]:
    """Return the others of these files that a file imports."""
    targets = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = file.parents[node.level - 1] if node.level else ROOT
            folder = base.joinpath(*(node.module or "").split("."))
            modules = [{path.with_suffix(".py"), path / "__init__.py"} & files
                       for path in (*(folder / alias.name for alias in node.names), folder)]  # fmt: skip
            targets |= set().union(*modules[:-1]) or modules[-1]
    return targets - {file}


def has_circle(graph: dict[str, set[str]]) -> bool:
    """Return whether a graph of imports runs back to where it began."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return True
    return False


def imports(folder: Path) -> str:
    """Return how many imports run among the files and among the rooms of a folder, and whether in a circle."""
    files = {file for file in folder.rglob("*.py") if file.parent != folder or file.name != "__init__.py"}
    of_files = {str(file): {str(other) for other in imported(file, files)} for file in files}

    def room(file: str) -> str:
        return Path(file).relative_to(folder).parts[0]

    of_rooms: dict[str, set[str]] = {room(file): set() for file in of_files}
    for file, others in of_files.items():
        of_rooms[room(file)] |= {room(other) for other in others} - {room(file)}
    return "; ".join(
        f"{len(graph)} {what}, {sum(map(len, graph.values()))} imports, {'a' if has_circle(graph) else 'no'} circle"
        for what, graph in (("files", of_files), ("rooms", of_rooms))
    )


def main() -> None:
    """Print one line a figure."""
    trainer = Trainer(Recipe())
    flow, fit = trainer.average, fit_kept(trainer.average, trainer.test_images[:8])
    x, image = trainer.input.batch(0)[:1], trainer.test_images[:1]
    with torch.no_grad():
        print("encode:", functions(lambda: flow.encode(x)))
        print("encode and decode:", functions(lambda: flow.decode(flow.encode(x))))
        print("from an image to the figure of its way:", functions(lambda: strip(passage(flow, image, fit))))
    print("training step:", functions(trainer.advance))
    print("lines of package, pages and app.py:", lines("eiwflow/**/*.py", "pages/*.py", "app.py"))
    print("lines of tests:", lines("tests/**/*.py"))
    print("ui:", imports(ROOT / "eiwflow" / "ui"))


if __name__ == "__main__":
    main()
