"""Charts are drawn once, and as wide as their place."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .conftest import PATIENCE_MS, Watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Of every chart: how many traces it shows, and by how many pixels it is narrower than its place.
CHARTS = """[...document.querySelectorAll('.js-plotly-plot')].map(chart =>
    [chart._fullData?.length, chart.closest('[data-testid=stPlotlyChart]').clientWidth - chart._fullLayout?.width])"""


def test_a_chart_is_not_drawn_before_its_width_is_known(browser: Browser, server: str) -> None:
    """After a move, which puts up all charts anew; on the first page they may come before what spares them."""
    parts = urlsplit(server)
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    watched = Watched(page, parts.netloc)
    stand = f"(all => all.length > 2 && all.every(([n, less]) => n > 0 && Math.abs(less) < 1))({CHARTS})"
    page.goto(f"{parts.scheme}://{parts.netloc}/weights?{parts.query}")
    page.wait_for_function(stand)
    page.wait_for_function("window.Plotly.react.spared !== undefined")
    before, charts = page.evaluate("window.Plotly.react.spared"), page.evaluate(f"{CHARTS}.length")
    page.get_by_role("slider", name="Level").press("ArrowRight")
    page.wait_for_function("least => window.Plotly.react.spared >= least", arg=before + charts)
    page.wait_for_function(stand)
    assert watched.complaints == []
    page.close()
