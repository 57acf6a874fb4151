"""How fast the app is, in headless Chromium: first motion on Home, the stage's answers, pages, moves, the wire.

Needs the packages of the tests and a Chromium on the path. Times are wall-clock: run it on a quiet machine.

    python benchmarks/app.py [--moves 30] [--starts 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINT, SECOND = "photos32-entropy-weighted", "photos32-glow"
#: page -> the control that a key is pressed in, a role and a name: its first slider, or the image where it has none.
PAGES = {
    "levels": ("spinbutton", "Seed"),
    "latents": ("spinbutton", "Seed"),
    "entropy": ("slider", "Level"),
    "shuffle": ("slider", "Level"),
    "weights": ("slider", "Level"),
    "space": ("slider", "t, from A to B"),
    "checkpoint": ("spinbutton", "Seed"),
}
#: A move has settled with the last change of the page after the script has run to its end: charts are drawn after that.
WATCH = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const all = { subtree: true, childList: true, attributes: true, characterData: true };
  window.pressed = window.settled = 0;
  document.addEventListener('keydown', () => { window.pressed = performance.now(); }, true);
  new MutationObserver(() => { window.settled = performance.now(); }).observe(app, all);
}"""
SETTLED = """quiet => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
  && window.settled > window.pressed && performance.now() - window.settled > quiet"""
#: Milliseconds without a change after which none is expected.
QUIET = 400
ALL_THERE = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
#: The server imports torch beside its first visitor: after so many milliseconds it is warm.
WARMING_MS = 5000
STANDS = """() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
  && document.querySelector('.eiw-takeaway') && !document.querySelector('[data-testid=stSkeleton]')
  && [...document.querySelectorAll('.js-plotly-plot')].every(chart => chart.querySelector('.main-svg'))"""


@contextmanager
def server(log: Path | None = None, runs: str | None = None) -> Iterator[tuple[str, int]]:
    """Start the app on a free port; yield its address before it answers, and its process.

    Args:
        log: file for what it says.
        runs: its folder of runs; the project's by default.

    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    options = ["--server.port", str(port), "--server.headless", "true"]
    with open(log or os.devnull, "wb") as said:
        process = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            env=os.environ | ({} if runs is None else {"EIWFLOW_RUNS": runs}),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)


def answering(address: str) -> None:
    """Wait until a server answers."""
    while True:
        try:
            urlopen(f"{address}/_stcore/health", timeout=1).close()
        except (URLError, OSError):
            time.sleep(0.02)
        else:
            return


def first_motion(browser: Browser) -> tuple[float, float]:
    """Return the seconds to the first motion on Home: of a server that just answers, and of one that has shown it."""
    found = []
    with server() as (address, _):
        answering(address)
        for _ in range(2):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            started = time.perf_counter()
            page.goto(address, wait_until="commit")
            said = page.locator("[data-lesson=sentence]", has_text=" ")
            said.wait_for()  # the stage says what it shows from its first frame on
            found.append(time.perf_counter() - started)
            page.wait_for_function(ALL_THERE)
            page.wait_for_timeout(WARMING_MS)
            page.close()
    return found[0], found[1]


#: slider -> scene and choice; each is moved to and fro in the browser alone.
SLIDERS = {"Time": (1, ""), "Level 1": (2, ""), "Squeeze": (3, "1"), "Subtract, then add": (3, "2"), "Value": (4, "2"),
           "Flow’s order": (7, ""), "Redrawn": (8, "1"), "Edit": (8, "2")}  # fmt: skip
ANSWER = """(input, count) => Array.from({ length: count }, (_, i) => {
  input.value = +input.min + (+input.max - +input.min) * (i * 0.618 % 1);
  const start = performance.now();
  input.dispatchEvent(new Event('input', { bubbles: true }));
  return performance.now() - start;
})"""


def stage_answers(browser: Browser, address: str, count: int) -> dict[str, tuple[float, float]]:
    """Return the milliseconds (median, p95) in which the stage answers a slider, scene by scene."""
    page, found = browser.new_page(viewport={"width": 1280, "height": 720}), {}
    for label, (scene, choice) in SLIDERS.items():
        page.goto(f"{address}/lesson?scene={scene}&choice={choice}")
        slider = page.get_by_label(label, exact=True)
        slider.wait_for()
        page.wait_for_timeout(2500)  # its animation has ended
        slider.evaluate(ANSWER, 10)  # warms up
        times = sorted(slider.evaluate(ANSWER, count))
        found[label] = statistics.median(times), times[int(0.95 * (len(times) - 1))]
    page.close()
    return found


def photo_answer(browser: Browser, address: str) -> float:
    """Return the seconds from choosing a photo in the stage, which asks the server, to its picture."""
    page, times = browser.new_page(), []
    page.goto(f"{address}/lesson?scene=3")
    for path in sorted((ROOT / "assets/presets").glob("*.webp")) * 2:
        page.locator(".hidden-file").wait_for(state="attached")
        before = page.locator(".original canvas").evaluate("c => c.toDataURL()")
        started = time.perf_counter()
        page.locator(".hidden-file").set_input_files(path)
        page.wait_for_function(
            """before => {
              const root = [...document.querySelectorAll('*')].find(e => e.shadowRoot?.querySelector('.stage'));
              return root.shadowRoot.querySelector('.original canvas').toDataURL() !== before; }""",
            arg=before,
        )
        times.append(time.perf_counter() - started)
    page.close()
    return statistics.median(times)


def wire(page: Page) -> list[int]:
    """Return a list that grows by the size of every message from the server."""
    sizes: list[int] = []
    page.on("websocket", lambda one: one.on("framereceived", lambda frame: sizes.append(len(frame))))
    return sizes


def moves(page: Page, role: str, name: str, count: int, answers: list[int]) -> list[float]:
    """Return the seconds from a key press to the settled page, for moves to and fro after one that warms up.

    The server's ``answers`` say that the script runs: a short run begins and ends between two changes of the page.
    """
    page.evaluate(WATCH)
    control = page.get_by_role(role, name=name).first
    found = []
    for move in range(count + 2):
        answers.clear()
        control.press("ArrowRight" if role == "slider" and move % 2 == 0 else
                      "ArrowLeft" if role == "slider" else "ArrowUp")  # fmt: skip
        while not answers:
            page.wait_for_timeout(5)
        page.wait_for_timeout(QUIET)
        page.wait_for_function(SETTLED, arg=QUIET)
        if move >= 2:
            found.append(page.evaluate("(window.settled - window.pressed) / 1000"))
    return found


def measure(browser: Browser, address: str, path: str, query: str, count: int) -> dict[str, object]:
    """Return what opening and moving one page takes, on a server that has shown it once."""
    role, name = PAGES[path]
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(120_000)
    sizes = wire(page)
    loads = []
    for _ in range(4):  # the first fills the server's caches
        sizes.clear()
        started = time.perf_counter()
        page.goto(f"{address}/{path}?{query}")
        page.wait_for_function(STANDS)
        loads.append(time.perf_counter() - started)
        page.wait_for_timeout(500)
    payload = sum(sizes)
    times = sorted(moves(page, role, name, count, sizes))
    page.close()
    return {
        "page": path or "home",
        "load_s": round(statistics.median(loads[1:]), 3),
        "control": name,
        "move_median_s": round(statistics.median(times), 3),
        "move_p95_s": round(times[min(len(times) - 1, int(0.95 * len(times)))], 3),
        "payload_bytes": payload,
    }


def clicks(browser: Browser, address: str) -> dict[str, float]:
    """Return the seconds from a click on a page's link to that page, on a server that has shown it once."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(120_000)
    page.goto(f"{address}/levels?ck={CHECKPOINT}")
    page.wait_for_function(STANDS)
    found = {}
    for turn in range(2):
        for path in [*list(PAGES)[1:], next(iter(PAGES))]:
            title = page.locator("h1").inner_text()
            label = (path or "home").capitalize()
            link = page.locator("[data-testid=stSidebar]").get_by_role("link", name=label, exact=True)
            started = time.perf_counter()
            link.click()
            page.wait_for_function("old => document.querySelector('h1')?.innerText !== old", arg=title)
            page.wait_for_function(STANDS)
            if turn:
                found[path or "home"] = round(time.perf_counter() - started, 3)
            page.wait_for_timeout(300)
    page.close()
    return found


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moves", type=int, default=30, help="key presses a page (default: 30)")
    parser.add_argument("--starts", type=int, default=3, help="cold starts (default: 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        starts = [[round(seconds, 2) for seconds in first_motion(browser)] for _ in range(options.starts)]
        with server() as (address, _):
            answering(address)
            answers = stage_answers(browser, address, 10 * options.moves)
            asked = photo_answer(browser, address)
            opened = clicks(browser, address)
            alone = f"ck={CHECKPOINT}"
            rows = [measure(browser, address, page, alone, options.moves) for page in PAGES]
            beside = f"{alone}&vs={SECOND}"
            pairs = [measure(browser, address, page, beside, options.moves) for page in list(PAGES)[1:5]]
        browser.close()
    for row in rows:
        row["click_s"] = opened[row["page"]]
    if options.json:
        print(
            json.dumps(
                {"first_motion_s": starts, "stage_ms": answers, "photo_s": asked, "pages": rows, "compared": pairs}
            )
        )
        return
    cold, warm = (statistics.median(times) for times in zip(*starts, strict=True))
    print(f"first motion on Home: {cold:.2f} s on a server that just started, {warm:.2f} s on a warm one")
    print("the stage answers, median and p95 in ms:")
    for label, (median, late) in answers.items():
        print(f"  {label:12}{median:8.2f}{late:8.2f}")
    print(f"a photo, by way of the server: {asked:.3f} s")
    for heading, table in (("one checkpoint", rows), ("beside a second one", pairs)):
        print(f"\n{heading}\n{'page':12}{'load':>8}{'click':>8}{'move':>8}{'p95':>8}{'payload':>12}  control")
        for row in table:
            print(
                f"{row['page']:12}{row['load_s']:8.3f}{row.get('click_s', float('nan')):8.3f}"
                f"{row['move_median_s']:8.3f}{row['move_p95_s']:8.3f}{row['payload_bytes']:12,}  {row['control']}"
            )


if __name__ == "__main__":
    main()
