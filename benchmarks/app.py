"""How fast the app is, in headless Chromium: first motion on Home, answers of the stage, first visits, loads, moves.

Needs the packages of the tests and a Chromium on the path. Times are wall-clock: run it on a quiet machine.

    python benchmarks/app.py [home stage training visits moves] [--beside FOLDER ...] [--count 12]

With checkouts of other versions beside it, their servers and this one take turns.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
WINDOW = {"width": 1280, "height": 720}
CHECKPOINT = "photos32-entropy-weighted"
PATIENCE_MS = 120_000
#: The server imports torch while its first visitor reads Home: after so many seconds it is warm.
WARMING_S = 6.0
#: Milliseconds without a change after which none is expected.
QUIET = 400
RESTS = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
ANSWERS = "document.querySelector('.eiw-takeaway')?.innerText.length > 9"
DRAWN = f"""() => {RESTS} && !document.querySelector('[data-testid=stSkeleton]')
  && [...document.querySelectorAll('.js-plotly-plot')].every(chart => chart.querySelector('.main-svg'))"""
#: A move has settled with the last change of the page after the script has run to its end: charts are drawn after that.
WATCH = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const all = { subtree: true, childList: true, attributes: true, characterData: true };
  window.moved = window.settled = 0;
  for (const event of ['keydown', 'pointerdown'])
    document.addEventListener(event, () => { window.moved = performance.now(); }, true);
  new MutationObserver(() => { window.settled = performance.now(); }).observe(app, all);
}"""
SETTLED = f"quiet => {RESTS} && window.settled > window.moved && performance.now() - window.settled > quiet"


@contextmanager
def server(log: Path | None = None, runs: str | None = None, root: Path = ROOT) -> Iterator[tuple[str, int]]:
    """Start the app on a free port; yield its address before it answers, and its process.

    Args:
        log: file for what it says.
        runs: its folder of runs; the project's by default.
        root: checkout of the app.

    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    environment = os.environ | {"PYTHONPATH": str(root)} | ({} if runs is None else {"EIWFLOW_RUNS": runs})
    with open(log or os.devnull, "wb") as said:
        process = subprocess.Popen(
            [*command, "--server.port", str(port), "--server.headless", "true"],
            cwd=root,
            env=environment,
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


@contextmanager
def tab(browser: Browser) -> Iterator[Page]:
    """Open a tab of a visitor who has never been here."""
    with browser.new_context(viewport=WINDOW) as context:
        context.set_default_timeout(PATIENCE_MS)
        yield context.new_page()


def in_words(seconds: Sequence[float]) -> str:
    """Return median and 95th percentile in milliseconds."""
    median, late = 1000 * np.quantile(seconds, [0.5, 0.95], method="higher")
    return f"{median:7.0f} ms, p95 {late:5.0f}"


# ---------------------------------------------------------------------- Home and the stage


def first_motion(page: Page, address: str) -> float:
    """Return the seconds until Home's stage says what it shows, which it does from its first frame on."""
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator("[data-lesson=sentence]", has_text=" ").wait_for()
    return time.perf_counter() - began


def home(browser: Browser, roots: Sequence[Path], count: int) -> None:
    """Print the seconds to the first motion on Home: of a server that just answers, and of one that has shown it."""
    for root in roots:
        times = defaultdict(list)
        for _ in range(max(1, count // 4)):
            with server(root=root) as (address, _):
                answering(address)
                for state in ("new", "warm"):
                    with tab(browser) as page:
                        times[state].append(first_motion(page, address))
                        page.wait_for_function(RESTS)
                        page.wait_for_timeout(1000 * WARMING_S)
        for state, seconds in times.items():
            print(f"{root.name:8} first motion on Home, {state:5}{in_words(seconds)}", flush=True)


#: Control -> scene and beat.
SLIDERS = {
    "Time": (1, 1), "Level 1": (2, 1), "Squeeze": (3, 1), "Subtract, then add": (3, 2), "Value": (4, 2),
    "Levels": (4, 3), "Sort": (7, 1), "Redrawn": (8, 1), "Edit": (8, 2),
}  # fmt: skip
#: Seconds from each act on an element until the frame after it has been drawn.
FRAMES = """async ([element], [act, count]) => {
  const rest = ms => new Promise(resolve => setTimeout(resolve, ms)), times = [];
  const acts = {
    slide: i => {
      element.value = +element.min + (+element.max - +element.min) * (i * 0.618 % 1);
      element.dispatchEvent(new Event('input', { bubbles: true }));
    },
    click: () => element.click(),
    turn: i => element.dispatchEvent(new KeyboardEvent('keydown',
      { key: i % 2 ? 'PageDown' : 'PageUp', bubbles: true, composed: true })),
  };
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    acts[act](i);
    await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
    times.push((performance.now() - began) / 1000);
    await rest(act === 'slide' ? 37 : 500);
  }
  return times;
}"""


def frames(page: Page, element: str, act: str, count: int) -> list[float]:
    """Return the seconds to the frame after each act, after some that warm up."""
    place = page.locator(element)
    place.wait_for()
    page.wait_for_timeout(2500)  # an animation has ended
    place.evaluate_all(FRAMES, [act, 3])
    times: list[float] = place.evaluate_all(FRAMES, [act, count])
    return times


def stage(browser: Browser, roots: Sequence[Path], count: int) -> None:
    """Print how long after a move of each slider its frame has been drawn, and a photo by way of the server."""
    del roots
    with server() as (address, _), tab(browser) as page:
        answering(address)
        for label, (scene, beat) in SLIDERS.items():
            page.goto(f"{address}/lesson?scene={scene}&choice={beat}")
            times = frames(page, f"input[aria-label='{label}']", "slide", 5 * count)
            print(f"scene {scene:2} {label:20}{in_words(times)}", flush=True)
        page.goto(f"{address}/lesson?scene=3")
        times, drawn = [], page.locator(".original canvas")
        for path in sorted((ROOT / "assets/presets").glob("*.webp"))[:count]:
            before = drawn.evaluate("c => c.toDataURL()")
            began = time.perf_counter()
            page.locator(".hidden-file").set_input_files(path)
            while drawn.evaluate("c => c.toDataURL()") == before:
                page.wait_for_timeout(5)
            times.append(time.perf_counter() - began)
        print(f"an own photo {in_words(times)}")


def training(browser: Browser, roots: Sequence[Path], count: int) -> None:
    """Print how soon knobs, scenes and another tab's first motion answer while a flow trains in a tab."""
    del roots
    with server() as (address, _), tab(browser) as page, tab(browser) as other:
        answering(address)
        page.goto(f"{address}/playground")
        page.locator("[data-play=play]:enabled").click()
        acts = {"input[aria-label=Temperature]": "slide"}
        acts |= {
            f"[data-play={knob}]": "click" for knob in ("weights", "mixing", "levels-less", "levels-more", "again")
        }
        for element, act in acts.items():
            print(f"playground, {element:30}{in_words(frames(page, element, act, count))}", flush=True)
        page.goto(f"{address}/lesson?scene=10")
        page.locator("[data-lesson=train-start]").click()
        times: list[float] = []
        for scene in range(9, 1, -1):
            times += page.locator("[data-lesson=stage]").evaluate_all(FRAMES, ["turn", 3])
            for label, place in SLIDERS.items():
                if place == (scene, 1):
                    slid = frames(page, f"input[aria-label='{label}']", "slide", 3 * count)
                    print(f"scene {scene}, {label:20}{in_words(slid)}", flush=True)
        print(f"scenes, by keys {in_words(times)}. {page.locator('.stage .status').inner_text()}", flush=True)
        first_motion(other, address)
        print(f"first motion on Home in another tab {first_motion(other, address):.2f} s")


# ---------------------------------------------------------------------- pages

VISITED = (
    "levels", "latents", "entropy", "shuffle", "weights", "compare", "likelihood?guess=blurred", "checkpoint", "train",
)  # fmt: skip


def visits(browser: Browser, roots: Sequence[Path], count: int) -> None:
    """Print the seconds of the first visit of every page on a new server, to its answer and to its end."""
    for path in VISITED:
        for root in roots:
            times = defaultdict(list)
            for _ in range(max(1, count // 6)):
                with server(root=root) as (address, _), tab(browser) as page:
                    answering(address)
                    time.sleep(WARMING_S)
                    began = time.perf_counter()
                    page.goto(f"{address}/{path}", wait_until="commit")
                    for state, rule in (("answer", ANSWERS), ("all", DRAWN)):
                        page.wait_for_function(rule)
                        times[state].append(time.perf_counter() - began)
            said = "   ".join(f"{state} {in_words(seconds)}" for state, seconds in times.items())
            print(f"{root.name:8}{path.partition('?')[0]:12}{said}", flush=True)


def image(page: Page, turn: int) -> None:
    """Choose the next test image."""
    page.locator(".thumbnails-strip [aria-checked=true]").first.press("ArrowRight")


def level(page: Page, turn: int) -> None:
    """Choose level 2, or level 1 again, by a slider or buttons; move the handle of Entropy."""
    slider = page.get_by_role("slider", name=re.compile("^Level")).or_(page.locator(".way input"))
    if slider.count():
        slider.first.press("ArrowLeft" if turn % 2 else "ArrowRight")
    else:
        page.get_by_role("radiogroup", name="Level").get_by_role("radio").nth(1 - turn % 2).click()


def seed(page: Page, turn: int) -> None:
    """Raise the seed, which stands under More or in the side bar."""
    field = page.get_by_role("spinbutton", name="Seed")
    if not field.is_visible():
        page.get_by_role("button", name="More").first.click()
        field.wait_for()
    field.press("ArrowUp")


#: Page and what is moved there.
MOVES: tuple[tuple[str, Callable[[Page, int], None]], ...] = (
    ("levels", image), ("latents", image), ("entropy", image), ("entropy", level), ("shuffle", level),
    ("weights", image), ("likelihood?guess=blurred", image), ("checkpoint", seed),
)  # fmt: skip


def settled(page: Page, answers: list[int], move: Callable[[Page, int], None], turn: int) -> float:
    """Move and return the seconds to the settled page.

    The server's answers say that the script runs: a short run begins and ends between two changes of the page.
    """
    answers.clear()
    move(page, turn)
    while not answers:
        page.wait_for_timeout(5)
    page.wait_for_timeout(QUIET)
    page.wait_for_function(SETTLED, arg=QUIET)
    seconds: float = page.evaluate("(window.settled - window.moved) / 1000")
    return seconds


def moves(browser: Browser, roots: Sequence[Path], count: int) -> None:
    """Print the seconds from a key press to the settled page, one version after the other, page by page."""
    with ExitStack() as stack:
        addresses = {root: stack.enter_context(server(root=root))[0] for root in roots}
        for address in addresses.values():
            answering(address)
        time.sleep(WARMING_S * len(roots))
        for path, move in MOVES:
            name = path.partition("?")[0]
            with ExitStack() as open_tabs:
                tabs, times, wire = {}, defaultdict(list), defaultdict(list)
                for root, address in addresses.items():
                    tabs[root] = page = open_tabs.enter_context(tab(browser))
                    listen(page, wire[root])
                    page.goto(f"{address}/{path}{'&' if '?' in path else '?'}ck={CHECKPOINT}&image=1")
                    page.wait_for_function(f"() => ({DRAWN})() && ({ANSWERS})")
                    page.wait_for_timeout(1500)
                    page.evaluate(WATCH)
                sizes = defaultdict(list)
                for turn in range(count + 2):
                    for root, page in tabs.items():
                        seconds = settled(page, wire[root], move, turn)
                        if turn >= 2:
                            times[root].append(seconds)
                            sizes[root].append(sum(wire[root]))
                for root, seconds in times.items():
                    size = np.median(sizes[root]) / 1024
                    print(f"{name:12}{move.__name__:8}{root.name:8}{in_words(seconds)}, {size:5.0f} KiB", flush=True)


def listen(page: Page, sizes: list[int]) -> None:
    """Take down the size of every message from the server."""
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sizes.append(len(frame))))


def main() -> None:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"home": home, "stage": stage, "training": training, "visits": visits, "moves": moves}
    parser.add_argument("parts", nargs="*", help=", ".join(parts), default=list(parts))
    parser.add_argument("--beside", nargs="*", type=Path, default=[], help="checkouts of other versions")
    parser.add_argument("--count", type=int, default=12, help="moves of a control (default: 12)")
    options = parser.parse_args()
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    roots = [ROOT, *options.beside]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        for part in options.parts:
            parts[part](browser, roots, options.count)
        browser.close()


if __name__ == "__main__":
    main()
