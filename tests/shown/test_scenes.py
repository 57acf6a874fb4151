"""What every scene of the lesson says and draws stands on file, and any change of it is seen.

The file says nothing about whether a figure is right: tests/browser/test_lesson.py works that out. A change that is
meant rewrites the file. Words, labels, controls and drawing calls are read, so that the letters of a machine's fonts
do not matter.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eiwflow.lesson import default, one_file

from ..browser.conftest import PATIENCE_MS, Watched, browser
from .shown import approved

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser"]
#: A scene whose figures come a moment later -> what it says then, and what must be pressed before.
LATER = {
    5: {"says": "1st: error"},
    8: {"says": "frozen weights", "after": ".choices [aria-pressed=true]"},
    12: {"says": "of the 8 pictures below", "after": ".kind[aria-pressed=true]"},
}
#: Buttons that are pressed, one after the other; scene 5 has cards, of which half are thrown away.
BUTTONS = {5: 8, 15: 3}


def test_scenes(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "lesson.html"
    path.write_bytes(one_file(default.pack()))
    context = browser.new_context(
        reduced_motion="reduce", viewport={"width": 1280, "height": 720}, color_scheme="light"
    )
    watched = Watched(context.new_page(), "")
    page = watched.page
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(path=Path(__file__).with_name("scenes.js"))
    lines = []
    try:
        for number in (*range(1, 14), 15):
            page.goto(f"{path.as_uri()}?scene={number}")
            page.wait_for_selector("[data-lesson=stage]")
            lines += page.evaluate(
                "([number, until, most]) => walkScene(number, until, most)",
                [number, LATER.get(number), BUTTONS.get(number, 6)],
            )
        menu = "document.getElementById('lesson').shadowRoot.querySelectorAll('.menu-list button')"
        lines += ["==== menu", *page.evaluate(f"[...{menu}].map(button => button.textContent)")]
    finally:
        context.close()
    assert [one for one in watched.complaints if not one.startswith("request to another host: file:")] == []
    approved("scenes", "\n".join(line.replace("\u00a0", " ") for line in lines))
