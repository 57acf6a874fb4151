"""A server of the app and a browser, both started once; a page that remembers what went wrong in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from eiwflow.training.recipe import Recipe
from eiwflow.training.run_directory import RunDirectory

from ..app.conftest import small_flow, write_checkpoint, write_record
from ..made.server import start_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from eiwflow.flow import MultiScaleFlow

#: The recording steps of the small flow's training.
STEPS = (0, 1, 2, 3, 5, 8, 13, 21, 34, 1234)
#: A busy machine may take its time; a quiet one needs a hundredth of it.
PATIENCE_MS = 120_000
#: Of a window in which no motion is tested: to draw what moves until the app is loaded takes a quarter of the CPU.
STILL = "reduce"
#: Of every chart that a scrubber moves: the steps that it has, and which of their frames it shows.
SCRUBBED = """[...document.querySelectorAll("[class*='st-key-scrub-'] .js-plotly-plot")].map(chart => {
    const frames = chart._transitionData._frames, drawn = (one) => JSON.stringify([one.x, one.y]);
    const shown = (frame) => frame.traces.every((trace, k) => drawn(chart.data[trace]) === drawn(frame.data[k]));
    return [frames.map(frame => +frame.name), frames.flatMap((frame, i) => shown(frame) ? [i] : [])];
})"""
#: What Streamlit itself asks for in vain on a deep link.
KNOWN_404 = ("/_stcore/health", "/_stcore/host-config")


class Watched:
    """A page in a browser, all that it should not have done, and what went over its wire.

    Attributes:
        sent: messages to the server.
        messages, received: the number of messages from the server, and their bytes.

    """

    def __init__(self, page: Page, host: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.sent: list[object] = []
        self.messages = self.received = 0
        page.on("pageerror", lambda error: self.complaints.append(f"pageerror: {error}"))
        page.on("console", self._console)
        page.on("websocket", self._listen)
        page.on("request", lambda request: self._request(request.url, host))

    def _listen(self, socket: object) -> None:
        socket.on("framesent", lambda frame: self.sent.append(frame))
        socket.on("framereceived", self._count)

    def _count(self, frame: bytes | str) -> None:
        self.messages += 1
        self.received += len(frame)

    def _console(self, message: object) -> None:
        known = "404" in message.text and urlsplit(message.location["url"]).path.endswith(KNOWN_404)
        if message.type == "error" and not known:
            self.complaints.append(f"console: {message.text} {message.location['url']}")

    def _request(self, address: str, host: str) -> None:
        if not address.startswith(("data:", "blob:")) and urlsplit(address).netloc != host:
            self.complaints.append(f"request to another host: {address}")

    def settle(self) -> None:
        """Wait until the script has run to its end and the chart stands."""
        self.page.wait_for_selector(".eiw-strip")
        self.page.wait_for_selector(".js-plotly-plot .main-svg")
        self.page.wait_for_function(
            "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
        )


def write_run(runs: Path, flow: MultiScaleFlow | None = None, steps: tuple[int, ...] = STEPS) -> str:
    """Write a finished run of a flow, a small one if none is given, with its record; return its key in a URL."""
    run = RunDirectory.create(runs, Recipe(), "")
    flow = flow or small_flow(levels=3)
    write_checkpoint(run.last_checkpoint, flow, step=steps[-1])
    write_record(run.path, flow, steps)
    run.set_status("finished", steps[-1])
    return hashlib.sha256(run.last_checkpoint.read_bytes()).hexdigest()[:12]


@pytest.fixture(scope="session")
def server_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of runs of the shared server; a test may put more runs and studies there."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def server(server_runs: Path) -> Iterator[str]:
    """Start the app; yield the address of the page Levels on a small flow of a finished run with a record."""
    key = write_run(server_runs)
    with start_server(server_runs) as address:
        yield f"{address}/levels?ck={key}"


@pytest.fixture(scope="session")
def address(server: str) -> str:
    """Return the shared server's address, without a page."""
    return server.partition("/levels?")[0]


@pytest.fixture(scope="session")
def key(server: str) -> str:
    """Return the key of the flow of the shared server's finished run."""
    return server.partition("?ck=")[2]


@pytest.fixture(scope="session")
def open_tab(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a tab of a size and theme; tabs share what they have loaded of the app's scripts."""
    context = browser.new_context(reduced_motion=STILL)
    context.set_default_timeout(PATIENCE_MS)

    def tab(size: tuple[int, int] = (1400, 900), theme: str = "light") -> Page:
        page = context.new_page()
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=theme)
        return page

    yield tab
    context.close()
