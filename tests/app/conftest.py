"""The app on small flows in a folder of their own: no test leans on the weights of a bundled checkpoint."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import streamlit as st
import torch
from PIL import Image
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest, local_script_runner

from eiwflow.checkpoint import CheckpointInfo, save
from eiwflow.compression.archive import flow_digest
from eiwflow.data import drawn, registry
from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.training.history import level_records, write_samples
from eiwflow.training.run import train
from eiwflow.training.run_directory import RunDirectory, runs_root
from eiwflow.ui.shell.parts import MORE_EVIDENCE
from eiwflow.ui.sources import checkpoints, store
from tests.words import spelled_out

from ..few import use_few_images
from ..flow.numerics import perturb
from ..made.server import start_server
from ..training.test_resume import signalled_at
from ..training.tiny import tiny_data, tiny_run

# A test's app looks through all installed packages for components anew, which takes longer than a page.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)

# The same of the pages' compiled scripts, of which a test's app has its own.
local_script_runner.ScriptCache = cache(local_script_runner.ScriptCache)

_LOOK_WHETHER_IT_ENDED = local_script_runner.require_widgets_deltas


def _wait_for_its_end(runner: local_script_runner.LocalScriptRunner, timeout: float) -> None:
    runner._script_thread.join(timeout)
    _LOOK_WHETHER_IT_ENDED(runner, timeout)


# A test's app looks every millisecond whether a page's thread has ended, which takes a twelfth of the page's time.
local_script_runner.require_widgets_deltas = _wait_for_its_end

APP = Path(__file__).resolve().parents[2] / "app.py"
#: Data that take long to read or to draw, once for all tests.
READ = cache(registry.read_arrays)
DRAWN = {name: cache(getattr(drawn, name)) for name in ("faces16", "letters32")}
#: A busy machine may take its time.
PATIENCE_S = 300
#: What pages fold beside their evidence.
FOLDS = (
    "one-level", "all-levels", "training", "at-this-step", "order", "which-channels",
    "factors", "samples", "architecture", "inversion", "arms",
    "verdict", "lock-step", "questions", "retrain", "archive", "there-and-back", "scores",
)  # fmt: skip


def small_flow(**changes: object) -> MultiScaleFlow:
    """Return an initialised flow of 3×32×32 images with two levels, or as ``changes`` say."""
    small = {"shape": (3, 32, 32), "levels": 2, "steps": 1, "width": 4}
    return deepcopy(_initialised(FlowConfig(**{**small, **spelled_out(changes)})))


@cache
def _initialised(config: FlowConfig) -> MultiScaleFlow:
    flow = MultiScaleFlow(config)
    generator = torch.Generator().manual_seed(0)
    flow.initialise(torch.rand(8, *config.shape, generator=generator) - 0.5)
    return flow


def trained_run(iterations: int, stop_at: int = 0, **fields: object) -> RunDirectory:
    """Return a tiny run that went to its end, or was stopped, in the folder for runs; all tests share one training."""
    run = tiny_run(runs_root(), iterations=iterations, **fields)
    for name, content in _files_of_run(iterations, stop_at, **fields).items():
        (run.path / name).write_bytes(content)
    return run


@cache
def _files_of_run(iterations: int, stop_at: int, **fields: object) -> dict[str, bytes]:
    with TemporaryDirectory() as root:
        run = tiny_run(Path(root), iterations=iterations, **fields)
        train(run, images=tiny_data(), progress=signalled_at(stop_at))
        return {str(path.relative_to(run.path)): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def write_checkpoint(path: Path, flow: MultiScaleFlow | None = None, data: str = "photos32", **facts: object) -> Path:
    """Write a flow after 400 steps, a small one if none is given, with what a checkpoint says of itself."""
    flow = flow or small_flow()
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, flow, CheckpointInfo(**{"config": flow.config, "data": data, "step": 400, **facts}))
    return path


def picture_bytes(kind: str = "PNG", seed: int = 0) -> bytes:
    """Return a picture of 40×60 noise pixels as a file's bytes."""
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


#: Sites that may show the shared server's pages in a frame.
FRAMES = "https://course.example https://*.uni.example:8443"
#: A session without a connection ends after a second; what stands behind Streamlit's token is tried.
SETTINGS = {
    "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "false",
    "STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL": "1",
}


@pytest.fixture(scope="session")
def server_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of runs of the shared server, with the server's log."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def address(server_runs: Path) -> Iterator[str]:
    """Start a server that all tests over HTTP share."""
    with start_server(server_runs, EIWFLOW_FRAME_ANCESTORS=FRAMES, **SETTINGS) as address:
        yield address


@pytest.fixture(autouse=True, scope="module")
def nothing_kept() -> None:
    """Forget what the app has kept: another file's tests may have made it on fewer images."""
    st.cache_resource.clear()
    store.clear()


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Streamlit warns on every run outside a server."""
    logging.getLogger("streamlit").setLevel(logging.ERROR)


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure on few images and draws: the same code, and ``analyse`` called from a test measures on as few."""
    use_few_images(monkeypatch.setattr)
    monkeypatch.setattr(registry, "read_arrays", READ)
    for name, load in DRAWN.items():
        monkeypatch.setattr(drawn, name, load)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that stands for the bundled checkpoints; there are no runs and no photos."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    monkeypatch.setattr(checkpoints, "BUNDLED", folder)
    monkeypatch.setenv("EIWFLOW_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("EIWFLOW_DATA_ROOTS", str(tmp_path))
    return folder


@pytest.fixture
def two_and_three_levels(bundle: Path) -> Path:
    """Return the folder with two small checkpoints: one of two levels that weighs, two of three levels, static."""
    write_checkpoint(bundle / "one.safetensors")
    write_checkpoint(bundle / "two.safetensors", small_flow(split="variance-reversed", levels=3))
    return bundle


@pytest.fixture
def open_app(bundle: Path) -> Callable[..., AppTest]:
    """Return a function that opens the page Levels with a URL's parameters, on two small checkpoints."""
    write_checkpoint(bundle / "one.safetensors")
    write_checkpoint(bundle / "two.safetensors", small_flow(split="variance-reversed"))

    def open_at(**url: str) -> AppTest:
        return run_app(**url)

    return open_at


def visit_page(path: str, /, **url: str) -> AppTest:
    """Return a page with its evidence unfolded, opened by a link with these parameters, after its first run."""
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE_S)
    at.query_params.update(url)
    for fold in (MORE_EVIDENCE, *(f"fold-{name}" for name in FOLDS)):
        at.session_state[fold] = True
    if path != APP.name:
        at.switch_page(path)
    return at.run()


def run_app(**url: str) -> AppTest:
    """Return the page Levels after its first run."""
    return visit_page("pages/1_levels.py", **url)


def sentences(at: AppTest) -> str:
    """Return all HTML and Markdown of a page, without the definitions of terms."""
    text = "\n".join(element.proto.body for kind in ("html", "markdown", "caption") for element in at.get(kind))
    return re.sub(r'<span class="eiw-term"[^>]*>(.*?)<span class="eiw-definition".*?</span></span>', r"\1", text)


def first_screen(at: AppTest) -> tuple[int, int]:
    """Return the words and the charts that stand before a page's first fold; a chart's own letters are not counted."""
    words = charts = 0
    waiting = [at.main]
    while waiting:
        node = waiting.pop()
        if getattr(node, "type", "") == "popover":
            continue
        if getattr(node, "type", "") == "expander":
            break
        waiting += reversed(list(getattr(node, "children", {}).values()))
        charts += "chart" in getattr(node, "type", "")
        if getattr(node, "type", "") in ("html", "markdown", "caption", "title"):
            text = node.value if node.type == "title" else node.proto.body
            if 'class="eiw-strip' in text or 'class="eiw-frame' in text:  # a figure of HTML
                charts += 1
                continue
            hidden = r'<style>.*?</style>|<span class="eiw-definition".*?</span>|<[^>]+>'
            words += len(re.sub(hidden, " ", text, flags=re.DOTALL).split())
    return words, charts


def figures_of(at: AppTest) -> dict[str, dict]:
    """Return the figures of a page by their keys, as JSON has them."""
    return {chart.proto.id.split("-", 2)[-1]: json.loads(chart.proto.spec) for chart in at.get("plotly_chart")}


def url(at: AppTest) -> dict[str, str]:
    """Return the parameters that the page's URL holds."""
    return {key: text if isinstance(text, str) else text[-1] for key, text in at.query_params.items()}


def recipe(at: AppTest) -> str:
    """Return the commands that print what a page shows."""
    return next(block.value for block in at.code if block.language == "bash" and "--json" in block.value)


def choose_image(at: AppTest, number: int) -> AppTest:
    """Choose a test image, as the strip of thumbnails does when one of them is pressed."""
    at.session_state["image"] = at.session_state["_image"] = number
    return at


def wait_until(holds: Callable[[], bool], most_s: float = 60.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + most_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def lively_flow(**changes: object) -> MultiScaleFlow:
    """Return a small flow whose weights differ from image to image."""
    flow = small_flow(**changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            if "shuffle" in name or "coupling" in name:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return flow


STEPS = (0, 1, 10, 100)


#: What was written once for a flow and its steps: name -> content.
RECORDS: dict[tuple[str, tuple[int, ...]], dict[str, bytes]] = {}


def write_record(folder: Path, flow: MultiScaleFlow, steps: tuple[int, ...] = STEPS) -> None:
    """Write a training record of a flow whose parameters wander away from its own, back in time."""
    if (key := (flow_digest(flow), steps)) not in RECORDS:
        with TemporaryDirectory() as made:
            _record(Path(made), deepcopy(flow), steps)
            paths = [path for path in Path(made).rglob("*") if path.is_file()]
            RECORDS[key] = {str(path.relative_to(made)): path.read_bytes() for path in paths}
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    for name, content in RECORDS[key].items():
        (folder / name).write_bytes(content)


def _record(folder: Path, flow: MultiScaleFlow, steps: tuple[int, ...]) -> None:
    probe = torch.rand(16, *flow.config.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    (folder / "samples").mkdir()
    lines = []
    with torch.no_grad():
        for step in reversed(steps):
            levels = level_records(flow.trace(probe))
            lines.append({"step": step, "bits_per_dim": 5.0, "probe_bits_per_dim": 5.0, "levels": levels})
            write_samples(folder / "samples", flow, 0, step)
            perturb(flow, 0.03)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))
