"""The scrubber in a real browser: it moves everything at every step, and the server hears of it once, at rest."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from eiwflow.training.recipe import Recipe
from eiwflow.training.run import RunDirectory

from ..app.conftest import small_flow, write_checkpoint
from ..app.test_shuffle import write_record
from .conftest import PATIENCE_MS, ROOT, Watched, _wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

STEPS = (0, 1, 2, 3, 5, 8, 13, 21, 34, 1234)
MAX_PAYLOAD = 1_500_000
#: What every chart that takes part shows now.
ACTIVE = """[...document.querySelectorAll("[class*='st-key-scrub-'] .js-plotly-plot")]
            .map(chart => chart._fullLayout.sliders[0].active)"""


class Scrubbed(Watched):
    """A page with a scrubber, and what went over its wire."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.sent: list[object] = []
        self.received = 0
        self.page.on("websocket", self._listen)

    def _listen(self, socket: object) -> None:
        socket.on("framesent", lambda frame: self.sent.append(frame))
        socket.on("framereceived", self._count)

    def _count(self, frame: bytes | str) -> None:
        self.received += len(frame)

    def settle(self) -> None:
        """Wait until the script has run to its end, and the charts stand at the slider's step."""
        self.page.wait_for_selector(".scrub-film")
        self.page.wait_for_function(
            "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
        )
        self.rest_at()

    def rest_at(self) -> None:
        """Wait until both charts stand where the slider does."""
        self.page.wait_for_function(
            f"{ACTIVE}.length === 2 && {ACTIVE}.every(at => at === +document.querySelector('.scrub input').value)"
        )

    @property
    def slider(self) -> Locator:
        """The slider."""
        return self.page.get_by_role("slider", name="Training step")


@pytest.fixture(scope="module")
def shuffle_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the app beside a run with a training record; yield the address of its page Shuffle."""
    runs = tmp_path_factory.mktemp("recorded")
    run = RunDirectory.create(runs, Recipe(), "")
    flow = small_flow(levels=3)
    write_checkpoint(run.last_checkpoint, flow)
    write_record(run.path, flow, STEPS)
    run.set_status("finished", STEPS[-1])
    digest = hashlib.sha256(run.last_checkpoint.read_bytes()).hexdigest()[:12]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = runs / "server.log"
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app.py",
        "--server.port",
        str(port),
        "--server.headless",
        "true",
    ]
    with open(log, "wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "EIWFLOW_RUNS": str(runs)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}/shuffle?ck={digest}"
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture
def scrub(browser: Browser, shuffle_page: str) -> Iterator[Callable[..., Scrubbed]]:
    """Return a function that opens the page Shuffle and waits until it stands."""
    contexts = []

    def open_page(url: str = "", size: tuple[int, int] = (1400, 900), theme: str = "light") -> Scrubbed:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        watched = Scrubbed(context.new_page(), urlsplit(shuffle_page).netloc)
        watched.page.goto(shuffle_page + url)
        watched.settle()
        return watched

    yield open_page
    for context in contexts:
        context.close()


def test_keys_walk_through_all_steps_and_everything_follows(scrub: Callable[..., Scrubbed]) -> None:
    watched = scrub()
    page, slider = watched.page, watched.slider
    assert slider.get_attribute("aria-valuetext") == "step 1,234"
    slider.press("Home")
    pictures = []
    for i, step in enumerate(STEPS):
        watched.rest_at()
        assert page.evaluate(ACTIVE) == [i, i]
        assert slider.get_attribute("aria-valuetext") == f"step {step:,}"
        pictures.append(page.locator(".scrub-view img").get_attribute("src"))
        slider.press("ArrowRight")
    assert len(set(pictures)) == len(STEPS)
    slider.press("ArrowRight")
    assert slider.input_value() == str(len(STEPS) - 1)
    assert watched.complaints == []


def test_server_hears_nothing_while_the_slider_moves_and_once_when_it_rests(scrub: Callable[..., Scrubbed]) -> None:
    watched = scrub("&step=13")
    page, slider = watched.page, watched.slider
    assert watched.received < MAX_PAYLOAD
    assert slider.get_attribute("aria-valuetext") == "step 13" and page.evaluate(ACTIVE) == [6, 6]
    before = len(watched.sent), watched.received
    box = slider.bounding_box()
    width, middle = box["width"] - 16, box["y"] + box["height"] / 2
    places = [box["x"] + 8 + width * i / (len(STEPS) - 1) for i in range(len(STEPS))]
    page.mouse.move(places[6], middle)
    page.mouse.down()
    for i in (4, 1, 0, 5, 3):
        page.mouse.move(places[i], middle, steps=3)
        watched.rest_at()
        assert page.evaluate(ACTIVE) == [i, i]
    assert len(watched.sent) == before[0]
    page.mouse.up()
    page.wait_for_url("**&step=3*")
    watched.settle()
    assert len(watched.sent) == before[0] + 1
    assert watched.received - before[1] < 200_000  # charts and samples do not come again
    assert page.evaluate(ACTIVE) == [3, 3]
    page.reload()
    watched.settle()
    assert slider.get_attribute("aria-valuetext") == "step 3"
    assert watched.complaints == []


def test_play_runs_to_the_end_and_the_film_is_a_way_to_a_step(scrub: Callable[..., Scrubbed]) -> None:
    watched = scrub("&step=21")
    page = watched.page
    page.get_by_role("button", name="Play the training").click()
    page.wait_for_url("**&step=1234*")
    assert watched.slider.input_value() == str(len(STEPS) - 1)
    shown = page.locator(".scrub-film span:not([hidden])").first.bounding_box()
    page.mouse.click(shown["x"] + 32, shown["y"] + 32)
    page.wait_for_url("**&step=0*")
    watched.settle()
    assert page.evaluate(ACTIVE) == [0, 0]
    assert watched.complaints == []


def test_slider_stands_under_the_steps_of_the_chart(scrub: Callable[..., Scrubbed]) -> None:
    watched = scrub("&step=0")
    rail = watched.slider.bounding_box()
    axis = watched.page.evaluate(
        """(() => { const c = document.querySelector('.st-key-scrub-river .js-plotly-plot'), x = c._fullLayout.xaxis;
        return [0, 9].map(i => c.getBoundingClientRect().left + x._offset + x.d2p(i)); })()"""
    )
    assert [rail["x"] + 8, rail["x"] + rail["width"] - 8] == pytest.approx(axis, abs=2)


def test_a_telephone_needs_no_scrolling_sideways(scrub: Callable[..., Scrubbed]) -> None:
    watched = scrub(size=(390, 844), theme="dark")
    assert watched.page.evaluate(
        "(box => box.scrollWidth <= box.clientWidth)(document.querySelector('[data-testid=stMain]'))"
    )
    watched.slider.press("Home")
    watched.rest_at()
    assert watched.page.evaluate(ACTIVE) == [0, 0]
    assert watched.complaints == []
