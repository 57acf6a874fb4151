"""The lesson with a server: a flow and a photo of one's own, links to what is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ..app.conftest import small_flow
from .conftest import Watched, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def lesson(open_tab: Callable[..., Page], address: str) -> Iterator[Page]:
    """Return a page; what went wrong in it fails the test."""
    watched = Watched(open_tab((1280, 720)), address.removeprefix("http://"))
    yield watched.page
    watched.page.close()
    assert watched.complaints == []


def said(page: Page, text: str) -> None:
    page.locator("[data-lesson=sentence]", has_text=text).wait_for()


def photo(path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.slow
def test_a_photo_is_in_the_link_and_leads_on_with_its_key_and_what_is_none_is_refused(
    lesson: Page, address: str, tmp_path: Path
) -> None:
    page = lesson
    page.goto(f"{address}/lesson?scene=3")
    no_picture = {"name": "a.png", "mimeType": "image/png", "buffer": b"no"}
    page.locator(".hidden-file").set_input_files(no_picture)
    said(page, "“a.png” cannot be read as a picture")
    page.locator(".hidden-file").set_input_files(photo(tmp_path / "own.png"))
    page.wait_for_url("**photo=**")
    page.locator(".thumb[aria-label='Your photo'][aria-pressed=true]").wait_for()
    shown = page.locator(".original canvas").evaluate("c => c.toDataURL()")
    link = page.url
    assert "image=" not in link
    page.goto(link)  # a new visitor with the same link
    page.locator(".thumb[aria-label='Your photo'][aria-pressed=true]").wait_for()
    assert page.locator(".original canvas").evaluate("c => c.toDataURL()") == shown
    page.get_by_role("button", name="See more").click()
    page.wait_for_url(f"**/entropy?*photo={link.split('photo=')[1][:12]}*")


@pytest.mark.slow
def test_every_way_leads_back_to_the_scene_that_was_left(lesson: Page, address: str) -> None:
    page, place = lesson, "scene=8&choice=2"
    page.goto(f"{address}/lesson?{place}")
    page.locator("[data-lesson=stage]").wait_for()
    page.get_by_role("button", name="See more").click()
    page.get_by_role("link", name="Next: Entropy").wait_for()
    page.go_back()
    page.locator("[data-lesson=stage]").wait_for()
    assert set(place.split("&")) <= set(page.url.partition("?")[2].split("&"))
    page.get_by_role("button", name="See more").click()
    back = page.get_by_role("link", name="← Back to scene 8")
    back.click()
    page.locator("[data-lesson=stage]").wait_for()
    page.wait_for_url(f"**/lesson?*{place.split('&')[1]}*")
    page.get_by_role("button", name="See more").click()
    back.wait_for()
    page.reload()  # a new visit knows the scene by the address
    back.click()
    page.locator("[data-lesson=stage]").wait_for()
    page.wait_for_url("**/lesson?*scene=8*")


@pytest.mark.slow
def test_the_scene_of_levels_takes_a_flow_of_unequal_parts(lesson: Page, address: str, server_runs: Path) -> None:
    lesson.goto(f"{address}/lesson?ck={write_run(server_runs, small_flow(levels=2, keep=0.75))}&scene=8")
    said(lesson, "Level 1 redrawn: ")


@pytest.mark.slow
def test_ones_own_flow_goes_through_every_scene(lesson: Page, address: str, key: str) -> None:
    page = lesson
    page.goto(f"{address}/lesson?ck={key}")
    page.locator("[data-lesson=stage]").wait_for()
    while True:
        title, sentence = page.locator("h1").inner_text(), page.locator("[data-lesson=sentence]").inner_text()
        assert "cannot be drawn" not in sentence, f"{title} {sentence}"
        drawn = page.locator(".picture > *").count()
        assert drawn or sentence.endswith("."), f"{title}: neither a picture nor a sentence why"
        if (onward := page.get_by_role("button", name="Explore →")).is_visible():
            break
        page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")  # a presenter's key leaves no lesson
    onward.click()
    page.wait_for_url(f"**/levels?*ck={key}*")
