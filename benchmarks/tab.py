"""Training in a browser's tab beside torch on one thread: CPU seconds of the same steps, and bits on faces held out.

    python benchmarks/tab.py --steps 500 [--browser chromium firefox]
    python benchmarks/tab.py --steps 20 --plain

The flow is that of the bundled studies. Node runs the tab's modules, with WebAssembly or, by ``--plain``, without; a
browser runs them in a worker. All have the same start and the same batches, and take turns. A browser's seconds are
those of all of its processes, without what they take at rest.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue

import torch

from eiwflow import checkpoint, data
from eiwflow.data import to_tensor
from eiwflow.flow import MultiScaleFlow
from eiwflow.flow.score import score
from eiwflow.lesson import bundle
from tests.lesson.test_trainer import IMAGES, STUDY, Tab, in_tab, trained_by_torch

#: Faces that are scored, and seconds in which a browser's time at rest is measured.
HELD_OUT, REST_S = 512, 4.0
COMMANDS = {
    "chromium": ("chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--user-data-dir={}"),
    "firefox": ("firefox-esr", "--headless", "--no-remote", "--profile", "{}"),
}
#: In a worker: the steps of trainer.mjs, with its start and batches.
WORK = """
(async () => {
  const x = new Float32Array(await (await fetch(ADDRESS + "x")).arrayBuffer());
  const engine = new trainer_engine_js.Engine(RECIPE, Math.max(RECIPE.batch, IMAGES), true);
  const size = RECIPE.batch * engine.dimensions, tell = (what, body) =>
    fetch(ADDRESS + what, { method: "POST", body });
  trainer_start_js.start(engine, x.subarray(0, IMAGES * engine.dimensions), IMAGES, 5);
  engine.f.copyWithin(engine.average, engine.trained, engine.trained + engine.size);
  await tell("ready", "");
  await new Promise(resolve => setTimeout(resolve, REST_MS));
  await tell("begin", "");
  for (let step = 0; step < STEPS; step++) {
    engine.load(x.subarray(step * size, (step + 1) * size), RECIPE.batch);
    engine.forward(RECIPE.batch);
    engine.backward(RECIPE.batch);
    trainer_optimiser_js.update(engine, trainer_optimiser_js.gradientNorm(engine), step);
  }
  await tell("done", trainer_save_js.checkpoint(engine, { data: "faces16", step: STEPS, seed: 5, metrics: {} }));
})();
"""


class Served(ThreadingHTTPServer):
    """Serves a page whose worker trains, and takes down what it tells."""

    def __init__(self, folder: Path, recipe: dict[str, object], steps: int) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.told: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
        self.address = f"http://127.0.0.1:{self.server_address[1]}/"
        known = {"ADDRESS": self.address, "RECIPE": recipe, "IMAGES": IMAGES, "STEPS": steps, "REST_MS": 1000 * REST_S}
        constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in known.items())
        worker = json.dumps(constants + bundle.script("trainer/worker.js") + WORK).replace("</", "<\\/")
        page = f"<script>new Worker(URL.createObjectURL(new Blob([{worker}])))</script>"
        self.pages = {"/": page.encode(), "/x": (folder / "x").read_bytes()}
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(BaseHTTPRequestHandler):
    """Answers with a page, or takes a message."""

    server: Served

    def do_GET(self) -> None:
        """Send a page."""
        content = self.server.pages.get(self.path, b"")
        self._send(content)

    def do_POST(self) -> None:
        """Take a message."""
        self.server.told.put((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self._send(b"")

    def _send(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if self.path == "/" else "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def family(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its descendants."""
    stats = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in family(pid)]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def in_browser(name: str, tab: Tab, steps: int) -> tuple[float, MultiScaleFlow]:
    """Train in a browser; return its CPU seconds and the averaged flow."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        Served(tab.folder, tab.recipe, steps) as served,
    ):
        program, *options = COMMANDS[name]
        command = [shutil.which(program) or name, *(option.format(profile) for option in options), served.address]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        marks = []
        try:
            for what in ("/ready", "/begin", "/done"):
                told, content = served.told.get(timeout=600)
                assert told == what
                marks.append((time.monotonic(), cpu_seconds(process.pid)))
        finally:
            process.terminate()
            process.wait()
            served.shutdown()
    (ready_at, ready), (begun_at, begun), (done_at, done) = marks
    path = tab.folder / f"{name}.safetensors"
    path.write_bytes(content)
    at_rest = (begun - ready) / (begun_at - ready_at) * (done_at - begun_at)
    return done - begun - at_rest, checkpoint.load(path).flow


def main() -> None:
    """Print a line for each of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="without WebAssembly")
    parser.add_argument("--browser", nargs="*", choices=COMMANDS, default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    faces = to_tensor(data.load("faces16", download=False).test[:HELD_OUT])
    for _ in range(options.turns):
        with tempfile.TemporaryDirectory() as name:
            recipe = {**STUDY, "iterations": options.steps}
            tab = in_tab(Path(name), recipe, options.steps, moved=0, simd=not options.plain)
            began = time.process_time()
            _, average = trained_by_torch(tab, options.steps)
            trained = {
                "torch": (time.process_time() - began, average),
                "node": (tab.said["seconds"], tab.flow("trained")),
            }
            trained |= {browser: in_browser(browser, tab, options.steps) for browser in options.browser}
            for side, (seconds, flow) in trained.items():
                bits = float(score(flow.eval(), faces).mean())
                ratio = seconds / trained["torch"][0]
                print(
                    f"{options.steps} steps: {side:9}{seconds:7.2f} s, {ratio:.2f} x torch, {bits:.4f} bits/dim",
                    flush=True,
                )


if __name__ == "__main__":
    main()
