"""A flow is trained from the page: watched, left alone, found again, stopped, and opened in another page."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from eiwflow.training.recipe import Recipe
from eiwflow.training.run_directory import RunDirectory, all_runs

from .. import LONG
from ..made.server import start_server
from .conftest import Watched

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    Open = Callable[..., Page]

#: Steps that even a fast machine is busy with while a person looks at it; most are never taken.
MANY = 200_000


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Path]:
    """Return an empty folder for runs; what still trains when the test ends is killed."""
    yield tmp_path
    for run in all_runs(tmp_path):
        if (state := run.state()).alive:
            os.kill(state.pid, signal.SIGKILL)


def open_train(page: Page, address: str) -> Watched:
    found = Watched(page, urlsplit(address).netloc)
    found.page.goto(address)
    found.page.locator(".st-key-shared").wait_for()
    return found


def start_own(page: Page, **settings: int) -> None:
    """Start a tiny flow by the page's form."""
    page.get_by_text("Settings of your own").click()
    for label, value in settings.items():
        field = page.get_by_role("spinbutton", name=label.replace("_", " "), exact=True)
        field.fill(str(value))
        field.press("Enter")
    page.get_by_role("button", name="Start with these settings").click()


def step_of(page: Page) -> int:
    """Return the step that the page shows of a run."""
    words = page.get_by_text(re.compile(r"step [\d,]+ of [\d,]+ ·")).first.inner_text()
    return int(re.search(r"step ([\d,]+) of", words)[1].replace(",", ""))


def wait_for_step(page: Page, least: int) -> int:
    page.wait_for_function(
        """least => +(/step ([\\d,]+) of/.exec(document.querySelector('[data-testid=stProgress]')?.innerText)?.[1]
            .replaceAll(',', '') ?? -1) >= least""",
        arg=least,
    )
    return step_of(page)


def curve(page: Page) -> Locator:
    return page.locator("[data-testid=stVegaLiteChart]").first


def first_label(page: Page) -> float:
    """Return the smallest step that the curve's axis names."""
    labels = curve(page).locator(".role-axis-label text").all_text_contents()
    return min((float(text.replace(",", "")) for text in labels if "." not in text), default=0.0)


def zoom_in(page: Page) -> None:
    """Turn the wheel over the curve until its axis begins after 0; a browser under load may miss a turn."""
    for _ in range(20):
        curve(page).scroll_into_view_if_needed()
        box = curve(page).bounding_box()
        page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
        page.keyboard.down("Control")
        page.mouse.wheel(0, -400)
        page.keyboard.up("Control")
        for _ in range(20):
            if first_label(page) > 0:
                return
            page.wait_for_timeout(100)
    raise AssertionError(f"The wheel does not zoom at {box}, where the axis begins at {first_label(page)}.")


def only_run(runs: Path) -> RunDirectory:
    (run,) = all_runs(runs)
    return run


@pytest.mark.slow
def test_a_flow_is_trained_from_the_page_whatever_happens_to_the_page(open_tab: Open, runs: Path) -> None:
    with start_server(runs) as address:
        mine = open_train(open_tab(), f"{address}/train")
        page = mine.page
        start_own(page, Levels=2, Flow_steps_a_level=1, Width_of_the_coupling_networks=8, Images_a_step=8,
                  Training_steps=MANY)  # fmt: skip
        wait_for_step(page, 1)
        run = only_run(runs)
        os.setpriority(os.PRIO_PROCESS, run.state().pid, 10)  # the browser comes first
        assert f"run={run.path.name}" in page.url

        # It is watched: the curve grows in the same picture, keeps its zoom, and nothing jumps.
        curve(page).scroll_into_view_if_needed()
        curve(page).locator("svg.marks").evaluate("picture => { picture.dataset.mine = 1; window.jumps = 0; }")
        page.evaluate(
            """new PerformanceObserver(list => list.getEntries().forEach(entry => window.jumps += entry.value))
               .observe({ type: 'layout-shift' })"""
        )
        path = curve(page).locator(".mark-line path").last
        before, seen = path.get_attribute("d"), step_of(page)
        wait_for_step(page, seen + 1)
        page.wait_for_function(
            "before => [...document.querySelectorAll('[data-testid=stVegaLiteChart] .mark-line path')]"
            ".every(path => path.getAttribute('d') !== before)",
            arg=before,
        )
        zoom_in(page)
        wait_for_step(page, step_of(page) + 20)
        assert first_label(page) > 0, "the zoom is lost"
        assert page.locator("svg[data-mine='1']").count() == 1, "the chart was drawn anew"
        assert page.evaluate("window.jumps") < 0.02  # of 0.1, from which on browsers call it a jump
        page.wait_for_function("document.querySelector(`figure img[src^='data:image/webp']`)?.naturalWidth === 64")

        # It rests while pages are loaded; whoever comes later finds it. That nobody starts another meanwhile, and that
        # it goes on without its server, is tested without a browser.
        os.kill(run.state().pid, signal.SIGSTOP)
        assert mine.complaints == []
        page.close()
        mine = open_train(open_tab(theme="dark"), f"{address}/train")
        page = mine.page
        wait_for_step(page, seen)
        before = step_of(page)
        os.kill(run.state().pid, signal.SIGCONT)
        wait_for_step(page, before + 1)
        page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="Resume").wait_for()
        assert run.state().name == "stopped" and run.saved_step() >= seen

        # What it has learnt is one click from here.
        link = page.locator("[data-testid=stMain] [data-testid=stPageLink-NavLink]", has_text="Shuffle")
        link.click()
        page.wait_for_url("**/shuffle?**")
        page.get_by_text("Does the flow pass on the right channels?").wait_for()
        page.wait_for_selector(".eiw-takeaway")
        key = hashlib.sha256(run.last_checkpoint.read_bytes()).hexdigest()[:12]
        assert f"ck={key}" in page.url
        assert mine.complaints == []
        page.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1400, 420] if LONG else [420])
def test_what_stands_below_a_living_run_s_sentence_keeps_its_place(
    open_tab: Open, address: str, server_runs: Path, width: int
) -> None:
    run = RunDirectory.create(server_runs, Recipe(iterations=MANY), "")
    words = """() => {
        const range = document.createRange();
        range.selectNodeContents(document.querySelector('.eiw-takeaway span'));
        return range.getBoundingClientRect().height;
    }"""
    place = "document.querySelector('[data-testid=stProgress]').getBoundingClientRect().y"
    with run.held():
        run.set_status("running", 0)
        page = open_train(open_tab((width, 900)), f"{address}/train?run={run.path.name}").page
        page.get_by_text("Nothing is recorded yet.").wait_for()
        page.locator("[data-testid=stProgress]").wait_for()
        before = page.evaluate(words), page.evaluate(place)
        for step, bits in ((0, 8.27), (199_999, 3.5)):
            run.append({"step": step, "probe_bits_per_dim": bits, "seconds": 1.0, "cpu_seconds": 1.0})
        page.get_by_text("Step 199,999 of 200,000: 3.500").wait_for()
        wait_for_step(page, 199_999)
        after = page.evaluate(words), page.evaluate(place)
        assert after[0] > before[0], "the sentence did not grow"
        assert after[1] == before[1]
        page.close()
    run.delete()
