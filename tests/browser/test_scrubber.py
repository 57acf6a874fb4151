"""The scrubber in a real browser: it moves everything at every step, and the server hears of it once, at rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from ..app.conftest import small_flow
from .conftest import SCRUBBED, STEPS, Watched, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

MAX_PAYLOAD = 1_500_000


#: Hands every message from the server on only after window.late milliseconds.
LATE = """const { set } = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
Object.defineProperty(WebSocket.prototype, "onmessage", { set(heard) {
    set.call(this, (event) => { setTimeout(() => heard.call(this, event), window.late ?? 0); });
} });
const listen = WebSocket.prototype.addEventListener;
WebSocket.prototype.addEventListener = function (kind, heard, ...more) {
    const late = (event) => { setTimeout(() => heard.call(this, event), window.late ?? 0); };
    return listen.call(this, kind, kind === "message" ? late : heard, ...more);
};"""


IDLE = "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
#: Begins the name of the fold in which more charts, and the samples, follow the slider.
FOLLOWS = "at this step"


class Scrubbed(Watched):
    """A page with a scrubber that is waited for."""

    def settle(self) -> None:
        """Unfold what follows the slider; wait until the charts stand at its step and the script has run to its end."""
        fold = self.page.locator("summary", has_text=FOLLOWS)
        fold.wait_for()
        self.page.wait_for_function(IDLE)
        if not fold.evaluate("fold => fold.parentElement.open"):
            fold.press("Enter")
        self.page.wait_for_selector(".scrub-film")
        self.page.wait_for_selector(".scrub-view")
        self.rest_at()
        self.page.wait_for_function(IDLE)

    def rest_at(self, step: int | None = None) -> None:
        """Wait until the slider says the step, if one is given, and all charts stand at their latest up to it."""
        said = "+document.querySelector('.scrub output').value.replaceAll(',', '')"
        self.page.wait_for_function(
            f"""wanted => (step => (wanted === null || step === wanted) && {SCRUBBED}.length > 1
                && {SCRUBBED}.every(([own, at]) => at.includes(own.findLastIndex(one => one <= step))))({said})""",
            arg=step,
        )

    @property
    def slider(self) -> Locator:
        """The slider."""
        return self.page.get_by_role("slider", name="Training step")


#: Recorded by the second flow: some steps are others, and the last comes sooner.
OTHERS = (0, 2, 4, 21, 55)


@pytest.fixture(scope="module")
def scrub(
    open_tab: Callable[..., Page], address: str, key: str, server_runs: Path
) -> Iterator[Callable[..., Scrubbed]]:
    """Return a function that opens the page Shuffle, alone or beside the second flow, once for all tests.

    A test begins at the step that the last one left.
    """
    tabs = dict[bool, Scrubbed]()
    other = write_run(server_runs, small_flow(split="variance-reversed"), OTHERS)

    def open_page(compared: bool = False) -> Scrubbed:
        if compared not in tabs:
            watched = tabs[compared] = Scrubbed(open_tab(), urlsplit(address).netloc)
            watched.page.add_init_script(LATE)
            versus = f"&vs={other}" if compared else ""
            watched.page.goto(f"{address}/shuffle?ck={key}{versus}")
            watched.settle()
            assert watched.received < MAX_PAYLOAD
        return tabs[compared]

    yield open_page
    for tab in tabs.values():
        tab.page.close()


def go_to(watched: Scrubbed, step: int) -> None:
    """Move the slider by keys until it rests at a step."""
    watched.slider.press("Home")
    for _ in range(STEPS.index(step)):
        watched.slider.press("ArrowRight")
    watched.page.wait_for_url(f"**step={step}*")
    watched.settle()


def assert_slider_stands_under_the_steps(watched: Scrubbed) -> None:
    """Check that the ends of the slider stand under the chart's first and last step."""
    rail = watched.slider.bounding_box()
    axis = watched.page.evaluate(
        """(() => { const c = document.querySelector('.st-key-scrub-river .js-plotly-plot'), x = c._fullLayout.xaxis;
        return [0, 9].map(i => c.getBoundingClientRect().left + x._offset + x.d2p(i)); })()"""
    )
    assert [rail["x"] + 8, rail["x"] + rail["width"] - 8] == pytest.approx(axis, abs=2)


@pytest.mark.slow
def test_keys_walk_through_all_steps_and_everything_follows(scrub: Callable[..., Scrubbed]) -> None:
    watched = scrub()
    page, slider = watched.page, watched.slider
    assert slider.get_attribute("aria-valuetext") == "step 0"
    assert_slider_stands_under_the_steps(watched)
    pictures = []
    for i, step in enumerate(STEPS):
        watched.rest_at(step)
        assert page.evaluate(SCRUBBED) == [[list(STEPS), [i]]] * 2
        assert slider.get_attribute("aria-valuetext") == f"step {step:,}"
        pictures.append(page.locator(".scrub-view img").get_attribute("src"))
        slider.press("ArrowRight")
    assert len(set(pictures)) == len(STEPS)
    slider.press("ArrowRight")
    assert slider.input_value() == str(len(STEPS) - 1)
    assert watched.complaints == []


@pytest.mark.slow
def test_the_sentence_is_that_of_the_chosen_level(open_tab: Callable[..., Page], address: str) -> None:
    page = open_tab()
    page.goto(f"{address}/shuffle?ck=faces16-entropy-weighted&level=1&step=0")
    sentence = page.locator(".eiw-takeaway")
    for level, channels in (("1", 12), ("2", 24), ("1", 12)):
        page.locator(".st-key-level").get_by_text(level, exact=True).click()
        sentence.filter(has_text=f"of {channels} ").wait_for()
        page.wait_for_function(IDLE)
        for _ in range(8):  # and stays
            page.wait_for_timeout(100)
            assert f"of {channels} " in sentence.inner_text()
    page.close()


@pytest.mark.slow
def test_an_answer_that_comes_late_does_not_move_the_slider_back(scrub: Callable[..., Scrubbed]) -> None:
    """The server answers a rest after the next one: the slider stays where it was moved to last."""
    watched = scrub()
    page, slider = watched.page, watched.slider
    go_to(watched, 1)
    page.evaluate("window.late = 1500")
    for step in ("2", "3"):
        heard = len(watched.sent)
        slider.press("ArrowRight")
        while len(watched.sent) == heard:
            page.wait_for_timeout(20)
        assert slider.input_value() == step
    page.wait_for_url("**step=3**")  # by the second answer
    page.wait_for_timeout(500)
    assert slider.input_value() == "3"
    page.evaluate("window.late = 0")
    page.wait_for_timeout(1500)  # until all has come


@pytest.mark.slow
def test_server_hears_once_when_the_slider_rests_and_play_and_the_film_lead_to_a_step(
    scrub: Callable[..., Scrubbed],
) -> None:
    watched = scrub()
    page, slider = watched.page, watched.slider
    go_to(watched, 13)
    assert slider.get_attribute("aria-valuetext") == "step 13"
    before = len(watched.sent), watched.received
    box = slider.bounding_box()
    width, middle = box["width"] - 16, box["y"] + box["height"] / 2
    places = [box["x"] + 8 + width * i / (len(STEPS) - 1) for i in range(len(STEPS))]
    page.mouse.move(places[6], middle)
    page.mouse.down()
    for i in (4, 1, 0, 5, 3):
        page.mouse.move(places[i], middle, steps=3)
        watched.rest_at(STEPS[i])
    assert len(watched.sent) == before[0]
    page.mouse.up()
    page.wait_for_url("**&step=3*")
    watched.settle()
    assert len(watched.sent) == before[0] + 1
    assert watched.received - before[1] < 200_000  # charts and samples do not come again
    watched.rest_at(3)
    page.get_by_role("button", name="Play the training").click()
    page.wait_for_url("**&step=1234*")
    assert slider.input_value() == str(len(STEPS) - 1)
    shown = page.locator(".scrub-film span:not([hidden])").first.bounding_box()
    page.mouse.click(shown["x"] + 32, shown["y"] + 32)
    page.wait_for_url("**&step=0*")
    watched.settle()
    watched.rest_at(0)
    assert watched.complaints == []


def assert_films_stand_under_their_charts(watched: Scrubbed) -> None:
    """Check that each column's film is as wide as its chart and stands under it."""
    films = watched.page.locator(".scrub-film")
    assert films.count() == 2
    for number, key in enumerate(("scrub-river", "scrub-river-second")):
        # A film takes its place when its chart has been laid out, which may be after the script has come to its end.
        watched.page.wait_for_function(
            """([number, key]) => {
              const style = document.querySelectorAll('.scrub-film')[number].style;
              const [from, length] = ['--from', '--length'].map(name => parseFloat(style.getPropertyValue(name)));
              const x = document.querySelector(`.st-key-${key} .js-plotly-plot`)._fullLayout.xaxis;
              const [first, last] = [0, 11].map(step => x._offset + x.d2p(step));
              return Math.abs(from - first) < 1 && Math.abs(from + length - last) < 1;
            }""",
            arg=[number, key],
        )
        assert films.nth(number).bounding_box()["x"] == pytest.approx(
            watched.page.locator(f".st-key-{key} .js-plotly-plot").bounding_box()["x"], abs=2
        )


@pytest.mark.slow
def test_charts_of_both_columns_move_together_and_the_server_hears_nothing(scrub: Callable[..., Scrubbed]) -> None:
    watched = scrub(compared=True)
    slider, views = watched.slider, watched.page.locator(".scrub-view img")
    assert_films_stand_under_their_charts(watched)
    together = sorted({*STEPS, *OTHERS})
    assert slider.get_attribute("aria-valuetext") == "step 0" and slider.get_attribute("max") == "11"
    before = len(watched.sent)
    seen: set[tuple[str | None, ...]] = set()
    for place, step in enumerate(together):
        slider.evaluate("(box, at) => { box.value = at; box.dispatchEvent(new Event('input')); }", place)
        watched.rest_at(step)
        assert slider.get_attribute("aria-valuetext") == f"step {step:,}"
        assert sorted(own for own, _ in watched.page.evaluate(SCRUBBED)) == sorted(
            [*STEPS] if first else [*OTHERS] for first in (True, False) for _ in range(2)
        )
        seen.add(tuple(view.get_attribute("src") for view in views.all()))
        for own, view in zip((STEPS, OTHERS), watched.page.locator(".scrub-view").all(), strict=True):
            latest = max(each for each in own if each <= step)
            late = f"16 samples, step {latest:,}"
            assert view.inner_text() == ("16 samples at this step." if latest == step else late)
            assert view.locator("img").get_attribute("alt").endswith(f"at training step {latest:,}")
    assert len(seen) == len(together) and all(len(sources) == 2 for sources in seen)
    assert len(watched.sent) == before
    slider.press("ArrowLeft")
    watched.page.wait_for_url("**&step=55*")
    watched.settle()
    assert len(watched.sent) == before + 1
    assert watched.complaints == []


@pytest.mark.slow
def test_slider_of_two_columns_stays_in_view_on_a_telephone(scrub: Callable[..., Scrubbed]) -> None:
    watched = scrub(compared=True)
    watched.page.set_viewport_size({"width": 390, "height": 844})
    watched.page.emulate_media(color_scheme="dark")
    watched.settle()
    watched.page.locator(".st-key-scrub-redundancy-second").scroll_into_view_if_needed()
    bar = watched.page.locator(".scrub").bounding_box()
    assert 0 < bar["y"] < 200 and bar["x"] >= 0 and bar["x"] + bar["width"] <= 390
    assert watched.page.locator(".scrub").evaluate("bar => getComputedStyle(bar).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert watched.page.evaluate(
        "(box => box.scrollWidth <= box.clientWidth)(document.querySelector('[data-testid=stMain]'))"
    )
    watched.slider.press("Home")
    watched.rest_at(0)
    assert watched.complaints == []
