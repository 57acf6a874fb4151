"""What of a page not everyone gets: what axe-core finds, letters in figures that are faint, pictures without words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: WCAG 2.2, levels A and AA.
STANDARD = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
#: (rule, selector) -> why it is not for us to mend. What axe-core finds elsewhere is ours.
NOT_OURS: dict[tuple[str, str], str] = {}
#: Of letters against what is behind them.
LEAST_CONTRAST = 4.5

#: What a click on a fold brings is there, or on its way, after so long.
STILL_MS = 400

_FOLDED = "[...document.querySelectorAll('[data-testid=stMain] details:not([open]) > summary')]"
_FAINT = """least => {
  const parts = colour => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const page = parts(getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor).slice(0, 3);
  const contrast = text => {
    const [red, green, blue, alpha = 1] = parts(getComputedStyle(text).fill);
    let opacity = alpha;
    for (let at = text; at instanceof SVGElement; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
    const seen = [red, green, blue].map((v, i) => v * opacity + page[i] * (1 - opacity));
    const [dark, bright] = [light(seen), light(page)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  return [...document.querySelectorAll('.js-plotly-plot .main-svg text, [data-testid=stVegaLiteChart] svg text')]
    .filter(text => text.textContent.trim() && text.getBoundingClientRect().width && contrast(text) < least)
    .filter(text => text.getAttribute('opacity') !== '0')  // Vega hides labels that have no room
    .map(text => `${text.textContent} ${contrast(text).toFixed(2)}`);
}"""
_PICTURES = """[...document.querySelectorAll(
    '[data-testid=stMain] :is(img, [role=img], [data-testid=stPlotlyChart], [data-testid=stVegaLiteChart])')]
  .filter(picture => picture.checkVisibility() && !picture.parentElement.closest('[role=img]'))
  .map(picture => picture.getAttribute('alt') ?? picture.getAttribute('aria-label') ?? '')"""
_CUT = """[...document.querySelectorAll(
    '[data-testid=stMain] :is(h1, h3, p, .katex-display, [role=radiogroup]:not(.thumbnails-strip), figure)')]
  .filter(block => block.scrollWidth > block.clientWidth + 1 && block.clientWidth
    && getComputedStyle(block).overflowX !== 'visible')
  .map(block => block.innerText.slice(0, 60))"""


def open_everything(page: Page) -> None:
    """Unfold all that is folded in the page, and what that brings: a fold may hold others, which come with it."""
    unfolded = f"""() => {{
        const folded = {_FOLDED};
        folded.filter(summary => !summary.dataset.clicked).forEach(summary => {{
            summary.dataset.clicked = true;
            summary.click();
        }});
        return folded.length === 0
            && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
            && [...document.querySelectorAll('.js-plotly-plot')].every(chart => chart.querySelector('.main-svg'));
    }}"""
    while True:
        page.wait_for_function(unfolded)
        page.wait_for_timeout(STILL_MS)
        if page.evaluate(unfolded):
            return


def violations(page: Page) -> list[str]:
    """Return what axe-core finds against WCAG 2.2 AA, but what is known to be none of ours: the rule, and where."""
    found = Axe().run(page, options=STANDARD).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]}"
        for rule in found
        for node in rule["nodes"]
        if not _known(page, rule["id"], node["target"][0])
    ]


def _known(page: Page, rule: str, target: str) -> bool:
    at = page.locator(target).first
    return any(
        known == rule and at.evaluate("(at, selector) => at.closest(selector) !== null", selector)
        for known, selector in NOT_OURS
    )


def faint_letters(page: Page) -> list[str]:
    """Return letters in figures, at which axe-core does not look, that do not stand out from the page."""
    return page.evaluate(_FAINT, LEAST_CONTRAST)


def wordless_pictures(page: Page) -> list[str]:
    """Return the words of those pictures that say nothing measured of what they show."""
    words = page.evaluate(_PICTURES)
    return [said for said in words if len(said) < 20 or not any(letter.isdigit() for letter in said)]


def cut(page: Page) -> list[str]:
    """Return what is wider than its place, and so is cut or has to be scrolled sideways; tables may be."""
    return page.evaluate(_CUT)
