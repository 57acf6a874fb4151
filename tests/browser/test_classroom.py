"""A class in real browsers: a student votes and follows, the lecturer sees the tally, and only he leads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from eiwflow.training.run import train

from ..made.server import start_server
from ..training.tiny import tiny_data, tiny_run
from .conftest import PATIENCE_MS, STILL, Watched
from .test_lesson import FEWER

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TOKEN = "a-token-for-the-tests"
FULL = "listens more"
Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    settings = {"EIWFLOW_MODE": "classroom", "EIWFLOW_TEACHER_TOKEN": TOKEN}
    with start_server(runs, **settings) as address:
        yield address


@pytest.fixture
def enter(browser: Browser, address: str) -> Iterator[Open]:
    """Return a function that opens a path in a browser of its own; whatever goes wrong fails the test."""
    windows = []

    def open_at(path: str, size: tuple[int, int] = (1280, 720)) -> Page:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, reduced_motion=STILL)
        context.set_default_timeout(PATIENCE_MS)
        watched = Watched(context.new_page(), urlsplit(address).netloc)
        windows.append((context, watched))
        watched.page.goto(address + path)
        return watched.page

    yield open_at
    complaints = [one for _, watched in windows for one in watched.complaints]
    for context, _ in windows:
        context.close()
    assert complaints == []


def said(page: Page, text: str) -> None:
    page.locator("[data-lesson=sentence]", has_text=text).wait_for()


def scene(page: Page) -> str:
    return page.locator("[data-lesson=stage] h1").inner_text()


@pytest.mark.slow
def test_a_lecturers_second_tab_begins_at_the_scene_of_the_class(enter: Open, address: str) -> None:
    """It began at the first scene, and took the class there."""
    first = enter(f"/_class/teacher/{TOKEN}")
    first.goto(f"{address}/lesson?scene=6")
    first.wait_for_selector("[data-lesson=stage]")
    student = enter("/lesson")
    title = student.locator("[data-lesson=stage] h1")
    title.filter(has_text=scene(first)).wait_for()
    second = first.context.new_page()
    second.goto(f"{address}/lesson")
    second.locator("[data-lesson=stage] h1", has_text=scene(first)).wait_for()
    second.wait_for_timeout(2500)  # a student's page asks every second
    assert scene(student) == scene(first) == scene(second)
    second.keyboard.press("PageDown")
    title.filter(has_not_text=scene(first)).wait_for()
    assert scene(student) == scene(second)
    first.goto(f"{address}/lesson?scene=5")
    first.get_by_text("0 votes").wait_for()
    second.goto(f"{address}/lesson?scene=7")
    first.get_by_text("0 votes").wait_for(state="hidden")  # the class votes elsewhere


@pytest.mark.slow
def test_a_class_votes_and_follows(enter: Open, address: str) -> None:
    teacher = enter(f"/_class/teacher/{TOKEN}")
    teacher.get_by_text("This browser is the teacher’s").wait_for()
    assert TOKEN not in teacher.url and TOKEN not in teacher.content()
    code = teacher.locator("img.qr-code")
    code.wait_for()
    teacher.get_by_text(address, exact=True).wait_for()
    teacher.set_viewport_size({"width": 390, "height": 844})  # of a telephone
    assert teacher.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert code.evaluate("img => img.complete && img.naturalWidth > 0")
    teacher.set_viewport_size({"width": 1280, "height": 720})
    teacher.goto(f"{address}/lesson?scene=11")
    teacher.wait_for_selector("[data-lesson=stage]")

    student = enter("/lesson", (390, 844))
    student.get_by_role("button", name="Following the lecturer").wait_for()
    student.get_by_role("button", name="own weights").wait_for()
    assert scene(student) == scene(teacher)
    menu = student.locator(".menu summary").bounding_box()
    assert menu and menu["x"] >= 0 and menu["x"] + menu["width"] <= 390  # not pushed off the screen
    assert student.locator(".tally").count() == 0
    teacher.get_by_text("0 votes").wait_for()
    student.get_by_role("button", name="own weights").click()
    teacher.get_by_role("img", name="1 vote: looking at the data first 0, own weights 1, random halves 0").wait_for()
    bars = teacher.locator(".tally i").evaluate_all("all => all.map(each => each.style.getPropertyValue('--share'))")
    assert bars == ["0", "1", "0"]  # shares of all votes
    teacher.get_by_text("1 here").wait_for()

    teacher.keyboard.press("PageDown")
    teacher.locator("h1", has_text="to take home").wait_for()  # the last scene names the class's favourites
    teacher.locator(".caption", has_text="own weights (1 of 1)").wait_for()
    teacher.keyboard.press("PageUp")
    student.locator("[data-lesson=stage] h1", has_text=scene(teacher)).wait_for()

    student.get_by_role("button", name="← Back").click()
    student.get_by_role("button", name="Follow the lecturer").wait_for()
    alone = scene(student)
    teacher.keyboard.press("ArrowRight")
    teacher.wait_for_timeout(1500)  # a student's page asks every second
    assert scene(student) == alone != scene(teacher)
    student.get_by_role("button", name="Follow the lecturer").click()
    student.locator("[data-lesson=stage] h1", has_text=scene(teacher)).wait_for()

    student.reload()
    student.wait_for_selector("[data-lesson=stage]")
    teacher.keyboard.press("ArrowLeft")
    student.get_by_role("button", name="own weights", pressed=True).wait_for()
    student.keyboard.press("Home")  # forgets choices, and no vote
    student.get_by_role("button", name="Follow the lecturer").click()
    student.get_by_role("button", name="own weights", pressed=True).wait_for()
    student.get_by_role("button", name="random halves").click()  # a vote in place of the first one
    teacher.get_by_role("img", name="1 vote: looking at the data first 0, own weights 0, random halves 1").wait_for()
    teacher.get_by_role("button", name="Vote again").click()
    teacher.get_by_text("0 votes").wait_for()
    student.get_by_role("button", name="random halves", pressed=False).wait_for()
    student.get_by_role("button", name="random halves").click()  # the same vote once more
    teacher.get_by_role("img", name="1 vote: looking at the data first 0, own weights 0, random halves 1").wait_for()
    # The network is away while the lecturer turns a scene.
    teacher.evaluate(
        "() => { const f = fetch; window.fetch = (...a) => (window.fetch = f, Promise.reject(new TypeError())) }"
    )
    teacher.keyboard.press("ArrowRight")
    student.wait_for_url("**scene=12**")
    teacher.keyboard.press("ArrowLeft")
    student.wait_for_url("**scene=11**")

    for page in (student, teacher):  # as after a restart, which no cookie survives
        page.context.clear_cookies()
    teacher.get_by_text("open the teacher’s link again").wait_for()
    teacher.goto(f"{address}/_class/teacher/{TOKEN}")

    teacher.goto(f"{address}/lesson?scene=6")
    student.goto(f"{address}/lesson?scene=6&choice=m2b")  # a link casts no vote, of cards 0, 1, 3 and 5 either
    student.locator(".card").first.wait_for()
    student.wait_for_timeout(1500)
    assert teacher.get_by_text("0 votes").is_visible() and student.locator(".card[aria-pressed=true]").count() == 0
    for channel in (0, 1, 3, 5):
        student.locator(f".card[data-channel='{channel}']").click()
    teacher.locator(".card b:visible").nth(3).wait_for()  # each card thrown is a vote in place of the one before
    assert teacher.get_by_text("1 vote", exact=True).is_visible()
    thrown = {int(card.get_attribute("data-channel") or -1) for card in teacher.locator(".card:has(b:visible)").all()}
    assert thrown == {0, 1, 3, 5}
    assert {badge.inner_text() for badge in teacher.locator(".card b:visible").all()} == {"1"}
    # Channels of another flow are other channels.
    student.goto(f"{address}/lesson?ck=letters32-entropy-weighted&scene=6")
    student.get_by_text("The lecturer shows another flow: faces16-entropy-weighted").wait_for()
    student.locator(".card[data-channel='2']").click()
    teacher.get_by_text("0 votes").wait_for()
    assert student.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
def test_channels_of_two_runs_are_told_apart(enter: Open, address: str, runs: Path) -> None:
    """The file of every run is called last: votes on a student's own run were counted on the lecturer's channels."""
    made = [tiny_run(runs, seed=seed) for seed in (1, 2)]
    for run in made:
        train(run, images=tiny_data())
    keys = [hashlib.sha256(run.last_checkpoint.read_bytes()).hexdigest()[:12] for run in made]
    shown, own = (f"/lesson?ck={key}&scene=6" for key in keys)
    teacher = enter(f"/_class/teacher/{TOKEN}")
    teacher.goto(address + shown)
    teacher.get_by_text("0 votes").wait_for()

    student = enter(own)
    student.get_by_text("The lecturer shows another flow").wait_for()
    with student.expect_response("**/_class/vote") as voted:
        student.locator(".card[data-channel='2']").click()
    assert voted.value.status == 204
    teacher.wait_for_timeout(2500)  # a page asks every second
    assert teacher.get_by_text("0 votes").is_visible()

    student.goto(address + shown)
    student.locator(".card").first.wait_for()
    student.wait_for_timeout(2500)
    assert student.locator(".card[aria-pressed=true]").count() == 0  # thrown on the other flow
    student.locator(".card[data-channel='2']").click()
    teacher.get_by_text("1 vote", exact=True).wait_for()
    student.reload()
    student.locator(".card[data-channel='2'][aria-pressed=true]").wait_for()
    assert student.get_by_text("The lecturer shows another flow").count() == 0


@pytest.mark.slow
def test_the_class_learns_of_a_flow_that_the_lecturer_trained_in_the_same_scene(enter: Open, address: str) -> None:
    teacher = enter(f"/_class/teacher/{TOKEN}")
    with teacher.expect_response("**/_class/scene"):
        teacher.goto(f"{address}/lesson?scene=10")
    before = teacher.request.get(f"{address}/_class/state").json()
    teacher.locator("[data-lesson=train-start]").click()
    teacher.locator("[data-lesson=train-step]", has_text=re.compile(r"^[1-9]")).wait_for()
    teacher.locator("[data-lesson=train-start]").click()
    with teacher.expect_response("**/_class/scene"):
        teacher.locator("[data-lesson=train-open]").click()
    after = teacher.request.get(f"{address}/_class/state").json()
    assert (before["scene"], after["scene"]) == ("10", "2") and after["flow"] != before["flow"]


@pytest.mark.slow
def test_a_class_does_a_study_to_its_interval(enter: Open, address: str) -> None:
    teacher = enter(f"/_class/teacher/{TOKEN}")
    teacher.goto(f"{address}/lesson?scene=11")
    teacher.get_by_text(re.compile(r"^\d+ votes?$")).wait_for()
    if not teacher.get_by_text("0 votes").is_visible():  # of the test before
        teacher.get_by_role("button", name="Vote again").click()
    teacher.get_by_text("0 votes").wait_for()
    students = [enter("/lesson?scene=11", size) for size in ((1280, 720), (390, 844))]
    for student in students:
        student.locator("[data-lesson=stage]").evaluate(FEWER)
        student.get_by_role("button", name="own weights").click()
        said(student, "The lecturer starts the study")
        assert student.get_by_role("button", name="Train mine").is_disabled()
    teacher.get_by_role("img", name=re.compile("^2 votes: .* own weights 2, ")).wait_for()
    # The lecturer may try what the class did not vote for.
    teacher.get_by_role("button", name="looking at the data first").click()
    teacher.get_by_role("button", name="The class tries it").click()
    said(teacher, "No lead has arrived yet")
    for student in students:
        said(student, "The class tries looking at the data first")
        student.get_by_role("button", name="Train mine").click()
        said(student, "You: ")
    said(teacher, "2 leads: ")
    teacher.get_by_text("2 of 2 tabs are done.").wait_for()
    found = students[0].get_by_role("button", name="What studies found")
    assert found.is_disabled()  # the class sees an answer once the lecturer shows it
    teacher.get_by_role("button", name="What studies found").click()
    said(teacher, "saves most, ")
    found.and_(students[0].locator(":enabled")).wait_for()
    students[0].reload()  # a tab that comes back has given its lead
    said(students[0], "You: ")
    assert students[0].get_by_role("button", name="Train mine").is_disabled()
