"""The house has floors: who may import whom, as section 1 of the design has it, also inside functions."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: Everybody may know the version, which is all that the package itself holds.
VERSION = "eiwflow"

#: The parts that train and measure a flow.
MODELS = {"files", "options", "flow", "data", "checkpoint", "training", "analysis", "project"}
#: part of the package -> the parts of ours that it may import.
MAY_IMPORT = {
    "files": set(),
    "options": set(),
    "flow": {"options"},
    "project": set(),
    "server_settings": set(),
    "data": {"files", "flow", "project"},
    "checkpoint": {"files", "flow", "project"},
    "training": {"files", "options", "flow", "data", "checkpoint"},
    "compression": {"files", "flow", "data"},
    "analysis": {"files", "flow", "data", "checkpoint", "training", "compression", "project"},
    "export": {"files", "flow"},
    "hub": {"files", "options", "flow", "data", "checkpoint"},
    "importing": {"files", "flow", "checkpoint"},
    "study": MODELS,
    "figures": {"data", "analysis", "study"},
    "lesson": {"files", "flow", "data", "checkpoint", "training", "analysis", "study", "project"},
    "cli": MODELS | {"compression", "study", "export", "figures", "importing", "lesson", "server_settings"},
    "__main__": {"cli"},
    "ui": MODELS | {"study", "figures", "lesson", "server_settings"},
    "__init__": set(),
}
#: Rooms of the app, from the lowest floor to the highest: a room imports only rooms before it.
ROOMS = ("components", "access", "common", "sources", "own", "shell", "jobs", "classroom", "stage", "server")
#: Rooms that know a class: the app runs without one, so no other room and no page but its own may need it.
KNOW_A_CLASS = {"classroom", "server"}
#: What a part must never import of others'.
MAY_NOT_IMPORT = {
    "flow": {"streamlit", "plotly", "pandas", "torchvision"},
    "data": {"streamlit", "plotly"},
    "checkpoint": {"streamlit", "plotly", "pickle"},
    "training": {"streamlit", "plotly"},
    "analysis": {"streamlit", "plotly"},
    "study": {"streamlit", "plotly"},
    "figures": {"streamlit", "torch"},
    "cli": {"streamlit", "plotly"},
    "lesson": {"streamlit", "plotly"},
}


def part_of(module):
    """Return the part that a module of ours belongs to: ``eiwflow.flow.multiscale`` to ``flow``."""
    return module.split(".")[1] if "." in module else VERSION


def modules():
    """Return the source of every module of ours, by its dotted name."""
    paths = sorted((ROOT / "eiwflow").rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}


MODULES = modules()


def imported(name, source):
    """Return the dotted names that a module imports, wherever in it the import stands.

    ``from a import b`` is a.b where that is a module of ours, else a.
    """
    found = set()
    package = name.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module(f"{target}.{alias.name}") or target for alias in node.names}
    return found


def module(name):
    """Return the name where it is a module or a package of ours, else nothing."""
    return name if name in MODULES or f"{name}.__init__" in MODULES else None


@cache
def imports(name):
    return imported(name, MODULES[name].read_text(encoding="utf-8"))


def ours(name):
    return {target for target in imports(name) if target.split(".")[0] == "eiwflow"}


def test_every_part_of_the_package_has_its_place_in_the_rule():
    parts = {part_of(name) for name in MODULES}
    assert {"flow", "data", "checkpoint", "training", "analysis", "cli"} <= parts <= MAY_IMPORT.keys()


@pytest.mark.slow
def test_a_module_imports_only_what_its_part_may():
    for name in MODULES:
        part = part_of(name)
        allowed = MAY_IMPORT[part] | {part, VERSION}
        assert {part_of(target) for target in ours(name)} <= allowed, name


def test_analysis_reads_what_trainings_leave_and_never_trains():
    of_training = {target for name in MODULES if part_of(name) == "analysis" for target in ours(name)}
    files = {"eiwflow.training.run_directory", "eiwflow.training.history"}
    assert {target for target in of_training if part_of(target) == "training"} <= files


def test_a_module_imports_none_of_the_libraries_that_its_part_must_not_know():
    for name in MODULES:
        libraries = {target.split(".")[0] for target in imports(name)}
        assert not libraries & MAY_NOT_IMPORT.get(part_of(name), set()), name


def test_there_are_no_circles_between_the_parts():
    graph = {}
    for name in MODULES:
        part = part_of(name)
        graph.setdefault(part, set()).update({part_of(target) for target in ours(name)} - {part, VERSION})
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("flow") < order.index("checkpoint") < order.index("training")


def test_there_are_no_circles_between_modules():
    """Also where an import stands in a function, or is for the type checker alone."""
    graph = {name: {itself(target) for target in ours(name)} & MODULES.keys() - {name} for name in MODULES}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def itself(name):
    """Return a package's own module, whose name ends in ``__init__``, and any other module as it is."""
    return f"{name}.__init__" if f"{name}.__init__" in MODULES else name


def room_of(name):
    """Return the room of a module of the app: ``eiwflow.ui.own.photos`` to ``own``; empty for any other module."""
    parts = name.removesuffix(".__init__").split(".")
    return parts[2] if parts[1:2] == ["ui"] and len(parts) > 2 else ""


def test_a_room_imports_only_rooms_below_it():
    for name in filter(room_of, MODULES):
        below = ROOMS[: ROOMS.index(room_of(name)) + 1]
        assert {room_of(target) for target in ours(name)} <= {"", *below}, name


def test_only_the_server_and_its_own_page_know_a_class():
    importers = {room_of(name) for name in MODULES for target in ours(name) if room_of(target) == "classroom"}
    assert importers <= KNOW_A_CLASS
    pages = [page.name for page in (ROOT / "pages").glob("*.py") if "ui.classroom" in page.read_text(encoding="utf-8")]
    assert pages == ["11_class.py"]


def python(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, which has imported nothing yet."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_help_waits_for_no_heavy_library():
    script = (
        "import sys, eiwflow.cli as cli\n"
        "try: cli.main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(str({'torch', 'numpy', 'scipy', 'streamlit', 'plotly'} & set(sys.modules)))"
    )
    assert python(script).stderr.strip() == "set()"


@pytest.mark.slow
def test_a_flow_is_opened_trained_and_sampled_without_torch_s_compiler(tmp_path):
    script = f"""
import sys
import numpy as np
from eiwflow.checkpoint import load
from eiwflow.cli import main
from eiwflow.lesson.probe import Curve

load("assets/checkpoints/photos32-glow.safetensors")
sizes = ["--size", "8", "--levels", "1", "--steps-per-level", "1", "--width", "4", "--batch", "4", "--iterations", "1"]
main(["train", "--data", "photos32", "--optimiser", "muon", "--out", "{tmp_path}", *sizes])
main(["sample", "assets/checkpoints/photos32-glow.safetensors", "--n", "2", "--out", "{tmp_path}/two.png"])
Curve(np.arange(50.0))
sys.exit(str({{"torch", "torch._dynamo", "torchvision", "sympy"}} & set(sys.modules)))
"""
    assert python(script).stderr.splitlines()[-1] == "{'torch'}"


@pytest.mark.slow
def test_the_server_starts_torch_before_a_visitor_comes():
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from streamlit.web.server.app_discovery import discover_asgi_app\n"
        "assert discover_asgi_app(Path('app.py')).import_string == 'app:app'\n"
        "from app import app\n"
        "assert 'torch' not in sys.modules\n"
        "from eiwflow.ui.server import lifespan\n"
        "async def serve():\n"
        "    async with lifespan.while_the_server_runs(app):\n"
        "        while 'eiwflow.training.run_directory' not in sys.modules: await asyncio.sleep(0.1)\n"
        "asyncio.run(serve())"
    )
    done = python(script)
    assert done.returncode == 0, done.stderr
