"""What every scene of the lesson says and draws stands on file, and any change of it is seen.

The file says nothing about whether a figure is right: tests/browser/test_lesson.py works that out. A change that is
meant rewrites the file. Words, labels, controls and drawing calls are read, so that the letters of a machine's fonts
do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from eiwflow.lesson import bundle, default

from ..browser.conftest import PATIENCE_MS, Watched
from . import kit
from .shown import approved

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: A scene whose figures come a moment later -> what it says then, and what must be pressed before.
LATER = {
    5: {"says": "likeliest", "after": ".kind[aria-pressed=true]"},
    6: {"says": "1: error"},
}
#: Buttons that are pressed, one after the other; scene 6 has cards, of which half are thrown away. Nothing is trained.
BUTTONS = {6: 8, 8: 9, 10: 0, 11: 7}

#: Put a light square on the colour of skin in place of the first picture: of the five in scene 5 it is the likeliest.
SQUARE = """() => {
    const stage = document.getElementById("lesson").shadowRoot.querySelector(".stage").parentNode.eiwLesson,
        inside = at => at > 3 && at < 12,
        lighter = i => inside(Math.floor(i / 48)) && inside(Math.floor(i / 3) % 16) ? 30 : 0;
    stage.images[0].bytes = Uint8Array.from({ length: 768 }, (_, i) => [200, 160, 130][i % 3] + lighter(i));
    stage.choose("own");
    stage.pickImage(0);
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a page in which drawing calls are noted; whatever goes wrong in it fails the test."""
    context = browser.new_context(
        reduced_motion="reduce", viewport={"width": 1280, "height": 720}, color_scheme="light"
    )
    watched = Watched(context.new_page(), "")
    watched.page.set_default_timeout(PATIENCE_MS)
    watched.page.add_init_script(path=Path(__file__).with_name("scenes.js"))
    yield watched.page
    context.close()
    assert [one for one in watched.complaints if not one.startswith("request to another host: file:")] == []


def opened(page: Page, path: Path, number: int) -> None:
    """Open a scene of the lesson in a file."""
    page.goto(f"{path.as_uri()}?scene={number}")
    page.wait_for_selector("[data-lesson=stage]")


def test_scenes(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "lesson.html"
    path.write_text(bundle.page(default.pack()), encoding="utf-8")
    lines = []
    for number in range(1, 13):
        opened(page, path, number)
        lines += page.evaluate(
            "([number, until, most]) => walkScene(number, until, most)",
            [number, LATER.get(number), BUTTONS.get(number, 6)],
        )
    menu = "document.getElementById('lesson').shadowRoot.querySelectorAll('.menu-list button')"
    lines += ["==== menu", *page.evaluate(f"[...{menu}].map(button => button.textContent)")]
    opened(page, path, 1)
    Image.fromarray(kit.pictures(1, (50, 70), 3)[0][0]).save(tmp_path / "photo.png")
    page.locator(".hidden-file").set_input_files(tmp_path / "photo.png")
    page.locator(".thumb[aria-label='Your photo'][aria-pressed=true]").wait_for()
    lines += ["==== a photo", *page.evaluate("walkScene(1, null, 6)")]
    opened(page, path, 5)
    page.evaluate(SQUARE)
    page.locator(".kind.best").wait_for()
    lines += ["==== scene 5, itself the likeliest", page.locator("[data-lesson=sentence]").inner_text()]
    approved("scenes", "\n".join(line.replace("\u00a0", " ") for line in lines))
