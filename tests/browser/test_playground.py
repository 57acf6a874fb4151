"""The playground in a browser: it trains in the tab, knobs start it anew, a link holds them, bad heaps are refused."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from eiwflow import checkpoint, data
from eiwflow.cli.parser import build_parser
from eiwflow.lesson import bundle, default

from . import accessibility
from .conftest import PATIENCE_MS, Watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Open = Callable[..., "Page"]
#: A flow whose steps take little time, and the link of it.
SMALL = {"levels": "2", "steps": "1", "width": "8"}


@pytest.fixture(scope="module")
def lesson_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("playground") / "lesson.html"
    path.write_text(bundle.page(default.pack()), encoding="utf-8")
    return path


@pytest.fixture
def playground(browser: Browser, lesson_file: Path) -> Iterator[Open]:
    """Return a function that opens the playground of the offline file; what goes wrong in it fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(PATIENCE_MS)
    watched = Watched(context.new_page(), "")

    def opened(**knobs: str) -> Page:
        query = "&".join(["playground", *(f"{name}={value}" for name, value in {**SMALL, **knobs}.items())])
        watched.page.goto(f"{lesson_file.as_uri()}?{query}")
        ready(watched.page)
        return watched.page

    yield opened
    context.close()
    assert [one for one in watched.complaints if not one.startswith("request to another host: file:")] == []


def play(name: str) -> str:
    return f"[data-play={name}]"


def text(page: Page, name: str) -> str:
    return page.locator(play(name)).inner_text()


def ready(page: Page) -> None:
    """Wait until the flow has its start."""
    page.locator(play("bits"), has_text=".").wait_for()


def steps_of(page: Page, at_least: int) -> None:
    """Wait until so many steps are done."""
    step = page.locator(play("step")).element_handle()
    page.wait_for_function("([step, least]) => Number(step.textContent) >= least", arg=[step, at_least])


def pictures(folder: Path, count: int) -> list[Path]:
    drawn = np.random.default_rng(0).integers(0, 256, (count, 20, 24, 3), dtype=np.uint8)
    paths = [folder / f"{number}.png" for number in range(count)]
    for path, pixels in zip(paths, drawn, strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def drop(page: Page, paths: list[Path]) -> None:
    page.get_by_label("Your pictures", exact=True).set_input_files(paths)


def test_the_flow_learns_in_the_tab_and_pauses(playground: Open) -> None:
    page = playground()
    before = float(text(page, "bits"))
    page.locator(play("play")).click()
    steps_of(page, 150)
    page.locator(play("play")).click()
    page.locator(play("play") + "[aria-pressed=false]").wait_for()
    bits = page.locator(play("bits")).element_handle()  # the test of a pause comes after it
    page.wait_for_function("([bits, most]) => Number(bits.textContent) < most", arg=[bits, before - 0.05])
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the flow").click()
    assert download.value.suggested_filename.endswith(".safetensors")
    assert page.locator("i.kept").count() == 0
    page.locator(play("levels-less")).click()  # the curve stays beside that of other settings
    page.locator("i.kept").wait_for()


def test_one_step_is_one_step(playground: Open) -> None:
    page = playground()
    for count in (1, 2):
        page.locator(play("step")).click()
        steps_of(page, count)
        assert text(page, "step") == str(count)


def test_a_moved_knob_starts_anew_and_is_in_the_link(playground: Open) -> None:
    page = playground()
    page.locator(play("step")).click()
    steps_of(page, 1)
    parameters = text(page, "parameters")
    page.locator(play("levels-less")).click()
    page.wait_for_function(
        "([shown, before]) => shown.textContent !== before",
        arg=[page.locator(play("parameters")).element_handle(), parameters],
    )
    assert text(page, "step") == "0"
    assert page.locator(".notice").is_visible()
    assert parse_qs(urlsplit(page.url).query)["levels"] == ["1"]
    for _ in range(2):  # clicks in a row are one change
        page.locator(play("width-more")).click()
    (width,) = parse_qs(urlsplit(page.url).query)["width"]
    page.locator(".notice", has_text=f"width {width}").wait_for()
    assert "level" in page.locator(".notice").inner_text()


def test_a_link_opens_every_knob_and_nonsense_is_the_default(playground: Open) -> None:
    knobs = {
        "pictures": "letters", "levels": "2", "steps": "1", "width": "8", "start": "random", "weights": "none",
        "half": "chance", "mixing": "off", "coupling": "off", "rate": "0.005", "draw": "7", "temperature": "0.5",
    }  # fmt: skip
    page = playground(**knobs)
    held = {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
    assert held == knobs
    page = playground(width="1e9", half="<b>", draw="-1", temperature="")
    held = {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
    assert (held["width"], held["half"], held["draw"]) == ("48", "entropy", "1")
    assert page.locator(".notice").is_visible()


def test_a_heap_is_read_here_and_a_bad_one_is_refused(playground: Open, tmp_path: Path) -> None:
    page, drawn = playground(), pictures(tmp_path, 70)
    notes = tmp_path / "notes.txt"
    notes.write_text("not a picture")
    for few in (drawn[:10], [notes]):
        drop(page, few)
        page.locator(play("error") + ":visible").wait_for()
        assert "pictures=faces" in page.url
    drop(page, [*drawn, notes])
    page.wait_for_url("**pictures=own**")
    ready(page)
    assert "notes.txt" in page.locator(play("error")).inner_text()
    trained, tested = map(int, re.findall(r"\d+", page.locator(play("own") + " small").inner_text()))
    assert trained + tested == 70
    page.locator(play("step")).click()
    steps_of(page, 1)


def test_the_command_for_python_and_its_pictures_are_read(playground: Open, tmp_path: Path) -> None:
    page = playground(pictures="letters", half="position", start="random", weights="none", draw="5")
    page.get_by_text("The same with Python").click()
    said = build_parser().parse_args(shlex.split(page.locator(".python code").inner_text())[3:])
    assert (said.levels, said.steps, said.width, said.size, said.seed) == (2, 1, 8, 16, 5)
    assert (said.order, said.weights, said.init, said.partition) == ("last", "none", "random", "alternating")
    with page.expect_download() as download:
        page.locator(".python button").click()
    download.value.save_as(archive := tmp_path / download.value.suggested_filename)
    assert archive.name == said.data
    images = data.load(str(archive))
    assert images.train.shape[1:] == images.test.shape[1:] == (16, 16, 3)


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (390, 844)])
def test_everything_fits_the_screen(playground: Open, size: tuple[int, int]) -> None:
    page = playground(levels="3", steps="6")
    page.set_viewport_size({"width": size[0], "height": size[1]})
    beyond = page.locator(".playground").evaluate(
        """(stage, tall) => [...stage.querySelectorAll("button, canvas, select, output, p, b, small")]
            .filter(node => node.checkVisibility())
            .map(node => [node.outerHTML.slice(0, 80), node.getBoundingClientRect(), getComputedStyle(node).fontSize])
            .filter(([, box, size]) => box.right > innerWidth + 1 || (!tall && box.bottom > innerHeight + 1)
                || parseFloat(size) < 14)""",
        size[0] < 900,
    )
    assert beyond == []
    rows = page.locator(".playground > :is(header, .toolbar, .columns)").evaluate_all(
        "rows => rows.map(row => row.getBoundingClientRect()).map(box => [box.top, box.bottom])"
    )
    assert all(bottom <= top for (_, bottom), (top, _) in pairwise(rows))


def test_the_app_has_it_too(open_tab: Callable[..., Page], address: str) -> None:
    watched = Watched(open_tab((1280, 720)), address.removeprefix("http://"))
    page = watched.page
    page.goto(f"{address}/playground?levels=2&steps=1&width=8")
    ready(page)
    page.locator(play("step")).click()
    steps_of(page, 1)
    before = len(watched.sent)
    page.locator(play("steps-more")).click()
    ready(page)
    page.locator(play("step")).click()
    steps_of(page, 1)
    assert len(watched.sent) == before  # nothing of a training goes to the server
    assert accessibility.violations(page) == []
    page.get_by_role("button", name="Lesson →").click()
    page.wait_for_selector("[data-lesson=stage]")
    page.close()
    assert watched.complaints == []


#: What takes a part of the browser away; of a Worker through the text that it is made from.
WITHOUT = {
    "Worker": "delete window.Worker;",
    "WebAssembly": """const Whole = Blob; delete window.WebAssembly;
        window.Blob = function (parts, options) {
            const script = options?.type === "text/javascript";
            return new Whole(script ? ["delete self.WebAssembly;", ...parts] : parts, options); };""",
}


@pytest.mark.slow
@pytest.mark.parametrize("without", WITHOUT)
def test_without_webassembly_or_workers_it_says_so_and_goes_on(playground: Open, without: str) -> None:
    playground().add_init_script(WITHOUT[without])
    page = playground()
    page.locator(".notice:visible").wait_for()
    page.locator(play("step")).click()
    steps_of(page, 1)


@pytest.mark.slow
def test_a_flow_that_diverges_ends_with_a_sentence_and_its_last_good_pictures(playground: Open) -> None:
    page = playground(rate="0.1", levels="3", steps="4", width="16")
    page.locator(play("play")).click()
    page.locator(play("error") + ":visible").wait_for()
    assert "0.1" in page.locator(play("error")).inner_text()
    assert page.get_by_role("button", name="Save the flow").is_enabled()


@pytest.mark.slow
def test_a_flow_opens_in_the_lesson_and_its_file_has_the_same_bits(playground: Open, tmp_path: Path) -> None:
    page = playground()
    page.locator(play("play")).click()
    steps_of(page, 20)
    page.locator(play("play")).click()
    page.locator(play("play") + "[aria-pressed=false]").wait_for()
    page.wait_for_timeout(1000)
    shown = float(text(page, "bits"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the flow").click()
    download.value.save_as(path := tmp_path / "played.safetensors")
    said = checkpoint.load(path)
    assert said.info.metrics["test_bits_per_dim"] == pytest.approx(shown, abs=6e-4)
    faces = data.to_tensor(data.load("faces16", download=False).test[:256])
    assert float(said.flow.bits_per_dim(faces).mean()) == pytest.approx(shown, abs=0.02)
    page.get_by_role("button", name="Open in the lesson").click()
    page.locator(".stage header", has_text="Your flow, ").wait_for()
    page.locator(".menu summary").click()  # and back, to another flow of other data
    page.get_by_role("button", name="Playground").click()
    ready(page)
    page.locator("[data-play=letters]").click()
    page.wait_for_url("**pictures=letters**")
    ready(page)
    page.locator(play("step")).click()
    steps_of(page, 1)
    page.get_by_role("button", name="Open in the lesson").click()
    page.locator(".stage header", has_text="Your flow, 1 steps").wait_for()
