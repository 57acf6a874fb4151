"""From nothing to the first picture: a new environment, the installation, the app, and Home in Chromium.

    python benchmarks/fresh.py {wheel,checkout} [--wall]

What the wheel is built with, and Chromium, are there already. pip takes its packages from where it is set up to take
them: with ``PIP_FIND_LINKS`` from a folder. Processor seconds are of all processes; wall-clock seconds need a quiet
machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from app import ROOT, answering  # the benchmark beside this one

LEFT_OUT = shutil.ignore_patterns(".*_cache", ".git", "*venv", "runs", "build", "*.egg-info", "__pycache__")


@contextmanager
def timed(step: str, wall: bool) -> Iterator[None]:
    """Print what a step takes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:6.1f} s of a processor core"
    print(f"{step:<24} {took}" + (f", {time.perf_counter() - began:6.1f} s" if wall else ""), flush=True)


def mebibytes(folder: Path) -> float:
    """Return what the files of a folder take on the disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 2**20


def first_picture(command: list[str | Path], folder: Path) -> None:
    """Start the app and open Home, until its first scene says what it shows."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_HEADLESS": "true"}
    environment.pop("PYTHONPATH", None)
    app = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        answering(f"http://127.0.0.1:{port}")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(f"http://127.0.0.1:{port}", wait_until="commit")
            page.locator("[data-lesson=sentence]", has_text=" ").wait_for(timeout=300_000)
            browser.close()
    finally:
        app.terminate()
        app.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["wheel", "checkout"])
    parser.add_argument("--wall", action="store_true", help="print wall-clock seconds too")
    options = parser.parse_args()
    with TemporaryDirectory() as place:
        source, environment = Path(place, "source"), Path(place, "environment")
        programs = environment / "bin"
        shutil.copytree(ROOT, source, ignore=LEFT_OUT)
        pip = [programs / "python", "-m", "pip", "install", "--quiet"]
        if options.kind == "wheel":
            build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "-w", place]
            subprocess.run([*build, source], check=True)
            (wheel,) = Path(place).glob("*.whl")
            print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.1f} MiB")
            needs, app = [f"{wheel}[app]"], [programs / "eiwflow", "app"]
        else:
            needs, app = ["-r", source / "requirements.txt"], [programs / "streamlit", "run", "app.py"]
        with timed("environment", options.wall):
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        with timed("installation", options.wall):
            subprocess.run([*pip, *needs], cwd=source, check=True)
        folder = source if options.kind == "checkout" else Path(place)
        for start in ("first picture", "again"):
            with timed(start, options.wall):
                first_picture(app, folder)
        print(f"{'environment':<24} {mebibytes(environment):6.0f} MiB on the disk")


if __name__ == "__main__":
    main()
