"""Every page in a real browser: it opens at rest, in the dark, on a telephone, and from a link; its files are saved.

To load the app takes a browser longer than most pages do, so that the short form goes from page to page by the side
bar. The long form loads every page by its link, in both themes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from eiwflow.ui.access.navigation import Entry, pages

from .. import LONG
from . import accessibility
from .conftest import Watched

if TYPE_CHECKING:
    from playwright.sync_api import Download, Page

    Visit = Callable[..., "Settled"]

MAX_PAYLOAD = 1_500_000
#: To a page at rest nothing is sent for so long; what watches a training asks every second.
REST_MS = 1200
#: A busy server may answer late: one of so many rests is a rest.
MOST_RESTS = 5
#: Between two looks at whether its text still changes.
STILL_MS = 300
#: These are a stage of their own, tested in test_lesson and test_playground.
PAGES = [entry for entry in pages() if entry.label not in ("Home", "Lesson", "Playground")]
#: Pages that look at a checkpoint, and so have its choices in their URL.
LOOKING = [entry for entry in PAGES if entry.label not in ("Compare", "Train")]
#: Pages whose files a browser saves; that each page makes its files is seen without one.
SAVED = LOOKING if LONG else [entry for entry in LOOKING if entry.label == "Latents"]
#: Pages whose link is opened by someone else; that every page reads its URL is seen without a browser.
COPIED = [entry for entry in PAGES if entry.label in (("Levels", "Latents") if LONG else ("Latents",))]


def path_of(entry: Entry) -> str:
    """Return a page's permalink."""
    return "" if entry.path == "app.py" else re.sub(r"pages/\d+_(.*)\.py", r"\1", entry.path)


class Settled(Watched):
    """A page that is waited for."""

    def settle(self) -> None:
        """Wait until the script has run to its end, all charts stand and the text no longer changes."""
        self.page.wait_for_selector("h1")
        before = ""
        while True:
            self.page.wait_for_function(
                """document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
                   && document.querySelector('.eiw-takeaway, [data-testid=stMain] [data-testid=stAlert]')
                   && !document.querySelector('[data-testid=stSkeleton]')
                   && [...document.querySelectorAll('.js-plotly-plot')].every(p => p.querySelector('.main-svg'))"""
            )
            words = self.words()
            if words == before:
                return
            before = words
            self.page.wait_for_timeout(STILL_MS)

    def words(self) -> str:
        """Return what the page says, without what it draws."""
        return self.page.locator("[data-testid=stMain]").inner_text()

    def drawn(self) -> str:
        """Return the values that the page's charts show."""
        return self.page.evaluate(
            "JSON.stringify([...document.querySelectorAll('.js-plotly-plot')].map("
            "chart => chart.data.map(trace => [trace.x, trace.y].map(values => Array.from(values ?? [])))))"
        )

    def fits(self) -> bool:
        """Return whether the page need not be scrolled sideways."""
        return self.page.evaluate(
            "[...document.querySelectorAll('[data-testid=stMain]')].every(box => box.scrollWidth <= box.clientWidth)"
        )

    def follow(self, label: str) -> None:
        """Go to a page by the side bar; what went over the wire and went wrong before is forgotten."""
        before = self.page.locator("h1").first.inner_text()
        self.complaints.clear()
        self.messages = self.received = 0
        # On a telephone the side bar is folded.
        links = self.page.locator("[data-testid=stSidebar] [data-testid=stPageLink-NavLink]")
        links.filter(has_text=label).evaluate("link => link.click()")
        self.page.wait_for_function(
            "before => ![undefined, before].includes(document.querySelector('h1')?.innerText)", arg=before
        )
        self.settle()


@pytest.fixture(scope="module")
def tabs() -> Iterator[dict[object, Settled]]:
    """Return the tab of every window in which the short form goes from page to page."""
    opened: dict[object, Settled] = {}
    yield opened
    for tab in opened.values():
        tab.page.close()


@pytest.fixture
def look(open_tab: Callable[..., Page], tabs: dict[object, Settled], server: str) -> Iterator[Visit]:
    """Return a function that opens a page on the small flow in a window of some size and theme, or any URL in a tab."""
    own = []

    def open_page(path: str, size: tuple[int, int] = (1400, 900), theme: str = "light", url: str = "") -> Settled:
        parts, key = urlsplit(server), (size, theme)
        if not url and not LONG and key in tabs:
            if urlsplit(tabs[key].page.url).path == f"/{path}":  # the test before was on this page
                tabs[key].follow("Checkpoint" if path != "checkpoint" else "Latents")
            tabs[key].follow(next(entry.label for entry in PAGES if path_of(entry) == path))
            return tabs[key]
        found = Settled(open_tab(size, theme), parts.netloc)
        if url or LONG:
            own.append(found.page)
        else:
            tabs[key] = found
        found.page.goto(url or f"{parts.scheme}://{parts.netloc}/{path}?{parts.query}")
        found.settle()
        return found

    yield open_page
    for page in own:
        page.close()


def unfold(found: Settled) -> None:
    """Unfold all of the page."""
    folded = found.page.locator("summary", has_text="How to read this")
    evidence = found.page.locator("[data-testid=stMain] details", has=folded)
    accessibility.open_everything(found.page)
    if evidence.count():
        # The server makes it only now, and has yet to begin: until then the page looks settled.
        evidence.locator("[data-testid=stElementContainer]").first.wait_for(state="attached")
    found.settle()


def assert_it_is_for_everyone(found: Settled) -> None:
    """Look for what not everyone gets of an unfolded page."""
    assert found.fits()
    assert accessibility.violations(found.page) == []
    assert accessibility.faint_letters(found.page) == []
    assert accessibility.wordless_pictures(found.page) == []
    assert accessibility.cut(found.page) == []


@pytest.mark.slow
@pytest.mark.parametrize("entry", PAGES if LONG else PAGES[1::2], ids=lambda entry: entry.label)
def test_a_page_opens_comes_to_rest_and_saves_its_files(look: Visit, entry: Entry, tmp_path: Path) -> None:
    found = look(path_of(entry))
    links = found.page.locator("[data-testid=stSidebar] [data-testid=stPageLink-NavLink]")
    assert [link.inner_text().strip() for link in links.all() if link.is_visible()] == [one.label for one in pages()]
    assert_it_is_at_rest_and_complete(found, entry, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("entry", PAGES if LONG else PAGES[::2], ids=lambda entry: entry.label)
def test_a_page_is_dark_in_the_dark_and_fits_a_telephone(look: Visit, entry: Entry, tmp_path: Path) -> None:
    found = look(path_of(entry), size=(390, 844), theme="dark")
    red, green, blue = (
        int(part)
        for part in re.findall(
            r"\d+",
            found.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"),
        )[:3]
    )
    assert max(red, green, blue) < 60
    assert_it_is_at_rest_and_complete(found, entry, tmp_path)


def assert_it_is_at_rest_and_complete(found: Settled, entry: Entry, folder: Path) -> None:
    """Look at a page as it opens, then unfold it, look at it for everyone and save its files."""
    page = found.page
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.locator("[data-testid=stAlertContentError]").count() == 0
    assert page.title() == page.locator("h1").first.inner_text()
    assert found.fits()
    assert found.received <= MAX_PAYLOAD
    unfold(found)
    before, end = found.messages, time.monotonic() + REST_MS / 1000
    assert_it_is_for_everyone(found)  # nothing is asked of the server meanwhile
    page.wait_for_timeout(max(0.0, 1000 * (end - time.monotonic())))
    for _ in range(MOST_RESTS - 1):
        if found.messages == before:
            break
        before = found.messages
        page.wait_for_timeout(REST_MS)
    assert found.messages == before, "something goes on while nobody does anything"
    if entry in SAVED:
        assert_every_file_is_saved(found, entry, folder)
    assert found.complaints == []


def assert_every_file_is_saved(found: Settled, entry: Entry, folder: Path) -> None:
    """Save every file that an unfolded page offers; what they hold is tested without a browser."""
    buttons = found.page.locator("[data-testid=stDownloadButton] button")
    buttons.first.wait_for()
    names = set()
    for button in buttons.all():
        with found.page.expect_download() as waiting:
            button.press("Enter")  # a click may miss a button that moves, a key does not
        saved: Download = waiting.value
        saved.save_as(folder / saved.suggested_filename)
        assert (folder / saved.suggested_filename).stat().st_size > 50
        names.add(saved.suggested_filename)
    assert len(names) == buttons.count()
    pattern = rf"eiwflow-{entry.label.lower()}-[a-z0-9 -]+\.(csv|png|gif|npz|eiw)"
    assert all(re.fullmatch(pattern, name) for name in names)


#: Of the first screen of a page: the bottoms of its controls and the tops of its figures, its fold-outs, the words
#: before the first of them, and the sizes of its letters.
FIRST_SCREEN = """() => {
    const main = document.querySelector("[data-testid=stMain]"), box = (one) => one.getBoundingClientRect();
    const seen = (one) => one.checkVisibility({ visibilityProperty: true }) && box(one).width > 1;
    const of = (selector) => [...main.querySelectorAll(selector)].filter(seen);
    const folds = of("[data-testid=stExpander]"), first = folds[0] ?? main;
    const letters = [], words = [], walk = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const text = walk.currentNode.data.trim(), parent = walk.currentNode.parentElement;
        if (!text || parent.closest("style, script, title, .katex, sub, sup") || !seen(parent)) continue;
        letters.push([parseFloat(getComputedStyle(parent).fontSize), text]);
        const before = folds.length ? first.compareDocumentPosition(parent) & Node.DOCUMENT_POSITION_PRECEDING : true;
        if (before && !parent.closest("svg, .eiw-frame, .st-key-controls, button, label, table")) {
            words.push(...text.split(/\\s+/));
        }
    }
    return {
        controls: of(".st-key-controls").map((one) => box(one).bottom),
        figures: of(".js-plotly-plot, [data-testid=stVegaLiteChart], .eiw-frame, .eiw-row, " +
                    ".thumbnails i, .way-chart, canvas, table")
            .map((one) => box(one).top),
        folds: folds.length, words: words.length, small: letters.filter(([size]) => size < 13.9),
    };
}"""
#: Pages whose first screen has a figure without anything chosen.
DRAWN = [entry for entry in PAGES if entry.label != "Class"]


@pytest.mark.slow
@pytest.mark.parametrize("entry", DRAWN, ids=lambda entry: entry.label)
def test_the_first_screen_has_control_and_figure_and_few_words(look: Visit, entry: Entry) -> None:
    screen = look(path_of(entry), size=(1280, 720)).page.evaluate(FIRST_SCREEN)
    assert max(screen["controls"]) < 720 and min(screen["figures"]) < 560, screen
    assert screen["folds"] <= 3 and screen["words"] <= 110 and screen["small"] == [], screen


@pytest.mark.slow
@pytest.mark.parametrize("entry", COPIED, ids=lambda entry: entry.label)
def test_quick_moves_end_where_a_copied_link_leads_someone_else(look: Visit, entry: Entry) -> None:
    mine = look(path_of(entry))
    before = mine.words(), mine.drawn()
    image = mine.page.locator(".thumbnails [aria-checked=true]").first
    following = int(image.get_attribute("data-number") or 0) + 1
    image.press("ArrowRight")
    mine.page.wait_for_url(f"**image={following}**")
    mine.settle()
    mine.page.get_by_text("More", exact=True).click()
    seed = mine.page.get_by_role("spinbutton", name="Seed")
    for _ in range(12):
        seed.press("ArrowUp")
    mine.page.wait_for_url("**seed=12*")
    mine.page.keyboard.press("Escape")
    mine.settle()
    theirs = look("", url=mine.page.url)
    assert theirs.page.url == mine.page.url
    assert theirs.words() == mine.words() and theirs.drawn() == mine.drawn()
    assert (mine.words(), mine.drawn()) != before


def test_more_opened_after_a_move_shows_what_the_page_uses_and_changes_nothing(look: Visit, server: str) -> None:
    found = look("", url=f"{server}&data=letters32&seed=5")
    chosen = "data=letters32", "seed=5"
    for image in (18, 20):
        found.page.locator(f".thumbnails [data-number='{image}']").click()
        found.page.wait_for_url(f"**image={image}**")
        found.settle()
        assert [part for part in chosen if part not in found.page.url] == [], found.page.url
        found.page.get_by_text("More", exact=True).click()
        assert found.page.get_by_role("spinbutton", name="Seed").input_value() == "5"
        found.page.keyboard.press("Escape")


@pytest.mark.slow
def test_a_key_held_on_a_slider_tells_where_it_is_let_go(look: Visit) -> None:
    found = look("latents")
    slider = found.page.get_by_role("slider", name="t, from A on")
    slider.focus()
    start, before = int(slider.input_value()), found.messages
    for _ in range(5):
        found.page.keyboard.down("ArrowLeft")
        found.page.wait_for_timeout(30)
    assert found.messages == before
    found.page.keyboard.up("ArrowLeft")
    last = int(slider.get_attribute("max") or 0)
    found.page.wait_for_url(f"**t={(start - 5) / last:.3g}*")
    found.settle()
    assert int(slider.input_value()) == start - 5


@pytest.mark.slow
def test_a_figure_is_saved_as_png_and_for_print_as_svg(look: Visit, tmp_path: Path) -> None:
    found = look("shuffle")
    found.page.emulate_media(color_scheme="dark")

    def save() -> Path:
        with found.page.expect_download() as waiting:
            found.page.locator(".modebar-btn").first.press("Enter")
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    picture = save()
    assert picture.suffix == ".png" and picture.read_bytes().startswith(b"\x89PNG")
    found.page.get_by_text("More", exact=True).click()
    found.page.get_by_text("Figures for print").click()
    found.page.wait_for_selector(".js-plotly-plot .main-svg[style*='background: white']")
    found.settle()
    drawing = save()
    assert drawing.suffix == ".svg" and b"<svg" in drawing.read_bytes()[:200]


def test_a_link_with_every_choice_is_opened_and_the_choices_go_along(look: Visit, server: str) -> None:
    """That a link may be the first request of all is seen in the files that start a server of their own."""
    choices = ("vs=photos32-glow", "image=3", "seed=5", "level=2")
    address = server.replace("/levels?", "/weights?")
    found = look("", url="&".join((address, *choices)))
    assert found.page.locator("h1").inner_text().startswith("Does it help")
    assert found.page.locator(".eiw-column b").count() == 2
    key = address.partition("?")[2]
    assert [part for part in (key, *choices) if part not in found.page.url] == [], found.page.url
    found.page.locator("[data-testid=stSidebar]").get_by_text("Latents", exact=True).click()
    found.page.wait_for_url("**/latents?**")
    found.settle()
    assert [part for part in (key, *choices) if part not in found.page.url] == [], found.page.url
    assert found.complaints == []
