"""Compare in a browser: one slider for all arms, and a study that is started, watched and shown from the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from eiwflow.study.recipe import Arm, StudyRecipe
from eiwflow.study.run import StudyFolder, run_study

from ..training.tiny import write_npz
from .conftest import PATIENCE_MS, SCRUBBED, Watched

if TYPE_CHECKING:
    from playwright.sync_api import Page

ARMS = (Arm("variance-reversed"), Arm("entropy", "pooled"), Arm("entropy"))
VIEWS = "[...document.querySelectorAll('.scrub-view img')].map((image) => image.src)"
PLACES = f"{SCRUBBED}.map(([, at]) => at)"
IDLE = "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"


@pytest.fixture(scope="module")
def own(server_runs: Path) -> Iterator[Path]:
    """Return the folder of studies that were run here, with one in it; whatever still runs is asked to stop."""
    tiny = {"levels": 2, "steps": 1, "width": 8, "size": 8, "batch": 8, "iterations": 8, "seeds": 1}
    data = write_npz(server_runs / "planes.npz")
    run_study(StudyRecipe(data=str(data), arms=ARMS, **tiny), server_runs / "studies" / "recorded")
    yield server_runs / "studies"
    for path in (server_runs / "studies").iterdir():
        StudyFolder(path).ask("stop")


@pytest.fixture(scope="module")
def watched(open_tab: Callable[..., Page], address: str, own: Path) -> Iterator[Watched]:
    """Open the page on the study that was run, until its samples stand."""
    watched = Watched(open_tab((1400, 1000)), urlsplit(address).netloc)
    watched.page.goto(f"{address}/compare?study=recorded")
    for fold in ("All studies", "Side by side in training"):
        watched.page.locator("[data-testid=stMain] summary", has_text=fold).first.click()
    watched.page.wait_for_selector(".scrub-view img[src]")
    watched.page.wait_for_function(
        f"{IDLE} && {PLACES}.length === 1 && {PLACES}.every((at) => at.some((place) => place > 0))"
    )
    yield watched
    watched.page.close()


@pytest.mark.slow
def test_one_slider_moves_all_arms_in_lock_step_and_rests_in_the_url(watched: Watched) -> None:
    page = watched.page
    before, places = page.evaluate(VIEWS), page.evaluate(PLACES)
    assert len(before) == len(ARMS)
    last = set.intersection(*map(set, places))
    assert len(last) == 1
    page.locator(".scrub input[type=range]").focus()
    for _ in range(*last):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"{PLACES}.every((at) => at.includes(0))")
    page.wait_for_url("**step=0*")
    after = page.evaluate(VIEWS)
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert watched.complaints == []


@pytest.mark.slow
def test_a_study_is_started_watched_and_shown_from_the_page(watched: Watched, own: Path) -> None:
    page = watched.page
    page.get_by_text("Run a small study of your own").click()
    page.get_by_role("radio", name="my own choice").click()
    page.get_by_text("9 runs").wait_for()  # three orders, three seeds
    page.wait_for_function(IDLE)
    for name, number in (("Seeds", "1"), ("Iterations", "10")):
        box = page.get_by_role("spinbutton", name=name)
        box.fill(number)
        box.press("Enter")
        page.wait_for_function(IDLE)
    page.get_by_text("One seed shows nothing.").wait_for()  # 3 runs
    page.wait_for_function(IDLE)
    page.get_by_role("button", name="Start the study").click()
    page.get_by_text("is running: ").first.wait_for()
    (path,) = own.glob("study-*")
    end = time.monotonic() + 4 * PATIENCE_MS / 1000
    while StudyFolder(path).state().alive:
        assert time.monotonic() < end, StudyFolder(path).state().message or "the study does not end"
        page.wait_for_timeout(200)
    page.goto(f"{page.url.split('?')[0]}?study={path.stem}")
    page.get_by_text("Too short to judge: one seed").first.wait_for()
    assert watched.complaints == []
