"""Firefox opens Home, every scene of the lesson and every page, without an error of a script.

Firefox is driven by WebDriver BiDi, which it speaks itself. All pages of a server take minutes: ``EIWFLOW_TESTS=long``.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eiwflow.lesson import bundle, default
from eiwflow.ui.access.navigation import pages

from .. import missing, only_long
from .conftest import PATIENCE_MS

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
#: The scenes, and the place in the menu of the one that has groups of pictures.
SCENES, OF_GROUPS = range(1, 13), 4
SETTINGS = (
    'user_pref("browser.shell.checkDefaultBrowser", false);\nuser_pref("datareporting.policy.firstRunURL", "");\n'
)
SENTENCE = (
    "[...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('[data-lesson=sentence]')).find(Boolean)"
)
#: What Streamlit itself asks for in vain on a deep link.
KNOWN = re.compile(r"_stcore/(health|host-config)")


class Firefox:
    """A Firefox with one tab, and the errors of its scripts."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.count, self.errors = socket, 0, []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        self.tab = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **parameters: Any) -> Any:
        """Send a command; return its result. Errors that the tab reports meanwhile are kept."""
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=PATIENCE_MS / 1000))
            if answer.get("method") == "log.entryAdded" and answer["params"]["level"] == "error":
                self.errors.append(str(answer["params"].get("text")))
            if answer.get("id") == self.count:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self, address: str) -> None:
        """Open an address until it is loaded."""
        self.ask("browsingContext.navigate", context=self.tab, url=address, wait="complete")

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = self.ask("script.evaluate", expression=expression, target={"context": self.tab}, awaitPromise=True)
        return result["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true; return its value."""
        end = time.monotonic() + PATIENCE_MS / 1000
        while not (found := self.value(expression)):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.2)
        return found


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """Start Firefox, or skip; in the whole form, fail."""
    connect = pytest.importorskip("websockets.sync.client").connect
    if FIREFOX is None:
        missing("no firefox-esr and no firefox")
    profile = tmp_path_factory.mktemp("firefox")
    (profile / "user.js").write_text(SETTINGS)
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port=0"]
    log = profile / "log"
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE_MS / 1000
        while not (found := re.search(r"listening on (ws://\S+)", log.read_text())):
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        with connect(f"{found[1]}/session", max_size=None, open_timeout=PATIENCE_MS / 1000) as socket:
            yield Firefox(socket)
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.slow
def test_every_scene_is_drawn_and_moves_without_a_server(firefox: Firefox, tmp_path: Path) -> None:
    path = tmp_path / "lesson.html"
    path.write_text(bundle.page(default.pack()), encoding="utf-8")
    firefox.errors.clear()
    titles = set()
    firefox.open(f"{path.as_uri()}?scene=2")
    entries = "document.getElementById('lesson').shadowRoot.querySelectorAll('.menu-list button:not([aria-pressed])')"
    for place in range(len(SCENES)):
        firefox.wait(f"{SENTENCE}?.textContent")
        firefox.value(f"{entries}[{place}].click()")
        said = firefox.wait(f"{SENTENCE}?.textContent")
        assert "cannot be drawn" not in said, said
        titles.add(firefox.value("document.getElementById('lesson').shadowRoot.querySelector('h1').textContent"))
    assert len(titles) == len(SCENES)
    firefox.value(f"{entries}[{OF_GROUPS}].click()")
    first = firefox.wait(f"{SENTENCE}?.textContent")
    firefox.value("[...document.getElementById('lesson').shadowRoot.querySelectorAll('.kind')][2].click()")
    assert firefox.wait(f"{SENTENCE}.textContent.includes(' needs ')") and first not in ("", None)
    assert firefox.errors == []


@only_long
@pytest.mark.parametrize("entry", pages(), ids=lambda entry: entry.label)
def test_a_page_opens(firefox: Firefox, address: str, entry: Any) -> None:
    firefox.open("about:blank")  # what was still on its way to the page before fails now
    firefox.errors.clear()
    name = "" if entry.path == "app.py" else re.sub(r"pages/\d+_(.*)\.py", r"\1", entry.path)
    firefox.open(f"{address}/{name}")
    firefox.wait(
        "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning' && "
        f"(document.querySelector('h1')?.textContent || {SENTENCE}?.textContent)"
    )
    assert not firefox.value("document.querySelector('[data-testid=stException]')?.textContent")
    assert [error for error in firefox.errors if not KNOWN.search(error)] == []
