"""The page Levels in a real browser."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from .conftest import Watched

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def levels(open_tab: Callable[..., Page], server: str) -> Iterator[Watched]:
    """Open the page once for all tests: to load it takes longer than any of them."""
    watched = Watched(open_tab(), urlsplit(server).netloc)
    watched.page.goto(f"{server}&seed=4&image=20")
    watched.settle()
    yield watched
    watched.page.close()


def fits(watched: Watched) -> bool:
    """Return whether neither the page nor the strip has to be scrolled sideways."""
    return watched.page.evaluate(
        """[...document.querySelectorAll('[data-testid=stMain], .eiw-strip')]
           .every(box => box.scrollWidth <= box.clientWidth)"""
    )


def luminance(watched: Watched, selector: str, style: str) -> float:
    """Return how bright a colour of an element is, 0 to 255."""
    colour = watched.page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{style}")
    red, green, blue = map(int, re.findall(r"\d+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.slow
def test_page_opens_with_boxes_in_the_ratio_of_their_numbers_and_saves_its_channels(levels: Watched) -> None:
    watched, page = levels, levels.page
    assert page.title() == "What happens to an image in a multi-scale flow?"
    assert page.locator("[data-testid=stAlert]").count() == 0
    pictures = page.locator(".eiw-strip img")
    assert pictures.count() == 7  # the image, two levels of two halves, the last level, the image again
    page.wait_for_function("[...document.querySelectorAll('.eiw-strip img')].every(p => p.naturalWidth > 0)")
    assert page.locator(".js-plotly-plot .textpoint").count() == 8
    assert fits(watched)
    boxes = [box.bounding_box() for box in page.locator(".eiw-strip .eiw-emitted img").all()]
    areas = [box["width"] * box["height"] for box in boxes]
    assert [area / sum(areas) for area in areas] == pytest.approx([0.5, 0.25, 0.25], abs=0.01)
    page.get_by_text("How to read this").click()
    page.wait_for_selector(".katex-display")
    button = page.get_by_role("button", name="Channels (CSV)")
    button.wait_for()
    # What was folded is drawn only now, and moves the button: a click may miss it, a key does not.
    watched.settle()
    with page.expect_download() as download:
        button.press("Enter")
    assert download.value.suggested_filename.startswith("eiwflow-levels-channels-")
    assert download.value.suggested_filename.endswith("-seed4.csv")
    with open(download.value.path(), encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 12 + 24 + 48
    assert watched.complaints == []


@pytest.mark.slow
def test_keys_move_to_the_next_image_and_back_returns(levels: Watched) -> None:
    watched, page = levels, levels.page
    picture = page.locator(".eiw-strip img").first
    first = picture.get_attribute("src")
    page.get_by_role("radio", checked=True).and_(page.get_by_label("Test image 20")).press("ArrowRight")
    page.wait_for_function(
        "old => ![undefined, old].includes(document.querySelector('.eiw-strip img')?.src)", arg=first
    )
    watched.settle()
    assert picture.get_attribute("src") != first
    page.go_back()
    page.wait_for_function("old => document.querySelector('.eiw-strip img')?.src === old", arg=first)
    assert watched.complaints == []


@pytest.mark.slow
def test_pointing_at_a_map_names_its_channel(levels: Watched) -> None:
    watched = levels
    for size, theme in (((1400, 900), "light"), ((390, 844), "dark")):
        watched.page.set_viewport_size({"width": size[0], "height": size[1]})
        watched.page.emulate_media(color_scheme=theme)
        watched.page.wait_for_function(
            "dark => (getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme === 'dark') === dark",
            arg=theme == "dark",
        )
        watched.settle()
        cells = watched.page.locator(".eiw-cells i")
        for number, words in ((2, "place 3 of 12"), (11, "place 12 of 12"), (83, "place 48 of 48")):
            cells.nth(number).hover()
            shown = cells.nth(number).evaluate("c => getComputedStyle(c, '::after').content")
            assert words in shown and "bits per value" in shown
            assert fits(watched)
    level, image = (watched.page.locator(s).first.bounding_box() for s in (".eiw-kept", ".eiw-strip img"))
    assert level["y"] > image["y"] + image["height"]  # on a telephone they stand one below the other
    assert luminance(watched, "[data-testid=stApp]", "backgroundColor") < 60
    assert luminance(watched, "h1", "color") > 180
    assert luminance(watched, ".eiw-legend", "color") > 180
    chart = "document.querySelector('.js-plotly-plot .main-svg')"
    assert watched.page.evaluate(f"getComputedStyle({chart}).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert watched.complaints == []
