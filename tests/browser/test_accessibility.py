"""Everyone can use it: by keyboard, by ear, with little contrast, and zoomed in.

What axe-core finds, faint letters and pictures without words are looked for wherever ``test_pages`` opens a page. With
``EIWFLOW_TESTS=long`` this file goes over all pages on the bundled flows too, in both themes, compared, at 200 %.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from .. import only_long
from .test_pages import PAGES, Settled, assert_it_is_for_everyone, look, path_of, tabs, unfold

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from eiwflow.ui.access.navigation import Entry

__all__ = ["look", "tabs"]

Visit = Callable[..., Settled]
#: A window of 1280 pixels at 200 % has the room of 640.
ZOOMED = (640, 400)
#: All that answers to a press or a key and can be seen, and at which Tab did not stop. Of radio buttons or a toolbar it
#: stops at one; arrows reach the others.
_MISSED = """[...document.querySelectorAll(
    'button, input, select, textarea, summary, a[href], [role=slider], [role=combobox], [tabindex="0"]')]
  .filter(control => control.checkVisibility({ visibilityProperty: true }) && !control.disabled
    && control.tabIndex >= 0 && control.getBoundingClientRect().width && !control.dataset.reached
    && !control.closest('[role=radiogroup], [role=toolbar]')?.querySelector('[data-reached]'))
  .map(control => control.outerHTML.slice(0, 160))"""
_AT_END = "(here => { here.dataset.reached = '1'; return here === document.body; })(document.activeElement)"
#: More than any page has.
MOST_STOPS = 400


def walk(page: Page) -> list[str]:
    """Press Tab until the end of the page has come twice; return the controls at which it did not stop."""
    ends = 0
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        ends += page.evaluate(_AT_END)
        if ends == 2:
            break
    return page.evaluate(_MISSED)


@pytest.mark.slow
def test_every_control_is_reached_and_worked_by_keys(look: Visit, server: str) -> None:
    found = look("", url=server.replace("/levels?", "/shuffle?"))
    page = found.page
    main = page.get_by_test_id("stMain")
    evidence = main.locator("summary", has_text="How to read this")
    evidence.focus()
    page.keyboard.press("Enter")
    save = main.get_by_role("button", name="River (CSV)").first
    save.wait_for()
    assert walk(page) == []

    save.focus()
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename.endswith(".csv")
    camera = main.get_by_role("button", name="Download plot as a PNG").first
    camera.focus()
    assert float(camera.evaluate("button => getComputedStyle(button.closest('.modebar')).opacity")) == 1
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename.endswith(".png")

    main.get_by_role("radio", name="last half").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.wait_for_url("**rule=random+half**")
    found.settle()
    main.get_by_role("button", name="More").focus()
    page.keyboard.press("Enter")
    more = page.get_by_test_id("stPopoverBody")
    more.locator("summary", has_text="Glossary").focus()
    page.keyboard.press("Enter")
    more.locator("strong", has_text="spectral redundancy").wait_for()
    more.get_by_role("switch", name="Figures for print").focus()
    page.keyboard.press("Space")
    page.wait_for_url("**print=true**")
    page.keyboard.press("Escape")
    more.wait_for(state="hidden")
    found.settle()
    assert found.complaints == []


@only_long
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), ZOOMED, (390, 844)], ids=lambda size: str(size[0]))
@pytest.mark.parametrize("other", ["none", "photos32-glow"])
@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.label)
def test_a_page_on_a_bundled_flow_is_for_everyone(
    look: Visit, address: str, entry: Entry, other: str, size: tuple[int, int], theme: str
) -> None:
    url = f"{address}/{path_of(entry)}?ck=photos32-entropy-weighted&vs={other}"
    found = look("", size=size, theme=theme, url=url)
    unfold(found)
    assert_it_is_for_everyone(found)
    if theme == "light":
        assert walk(found.page) == []
