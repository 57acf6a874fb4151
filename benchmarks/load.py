"""How the app bears a class: visitors who click, drag, vote and upload beside one training, and one tab gone wild.

    python benchmarks/load.py [--visitors 30] [--seconds 300] [--rounds 1] [--log FILE]

The visitors speak the app's own protocol and draw nothing: so many browsers would leave a small machine no time for the
server. A page's time is from the click to the script's last word. The tab gone wild sends moves as fast as it can, each
of which needs a measure of its own. Memory is the server's own resident set; after is when it has forgotten all.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app import answering, server  # the benchmark beside this one

PAGES = (
    "", "lesson", "playground", "levels", "latents", "entropy", "shuffle", "weights", "compare", "likelihood",
    "checkpoint", "train", "class",
)  # fmt: skip
CHECKPOINTS = ("photos32-entropy-weighted", "photos32-entropy", "photos32-glow", "faces16-entropy-weighted")
IMAGES, LEVELS = 48, 2
#: Seconds that a visitor looks at a page, and after which the server has forgotten all who have left.
LOOKS_S, FORGOTTEN_S = 1.0, 160.0
#: Moves of a control that is dragged, and the seconds between them; bytes of an upload.
MOVES, MOVE_S, UPLOAD = 10, 0.1, 2**20
PATIENCE_S = 120
EDGE = "load"


@dataclass
class Seen:
    """What visitors met: seconds of pages, of drags, of questions for the scene and of health; faults; counts."""

    pages: list[float] = field(default_factory=list)
    drags: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


class Tab:
    """A tab of a browser: its cookies, its connection, and what it met."""

    def __init__(self, address: str, seen: Seen) -> None:
        self.address, self.seen = address, seen
        with urlopen(Request(address, headers={"Accept": "text/html"})) as opened:
            cookie = str(opened.headers["Set-Cookie"]).partition(";")[0]
        with urlopen(f"{address}/_stcore/health") as health:
            token = str(health.headers["Set-Cookie"]).partition(";")[0]
        self.headers = {"Cookie": f"{cookie}; {token}", "X-Xsrftoken": token.partition("=")[2]}
        self.session = ""

    @contextmanager
    def line(self) -> Iterator[ClientConnection]:
        """Open the connection."""
        url = f"{self.address.replace('http', 'ws')}/_stcore/stream"
        with connect(
            url, subprotocols=["streamlit"], max_size=None, additional_headers={"Cookie": self.headers["Cookie"]}
        ) as opened:
            yield opened

    def ask(self, path: str, content: bytes | None = None, method: str = "GET", **headers: str) -> None:
        """Ask the server beside the pages; note a refusal."""
        began = time.perf_counter()
        asked = Request(f"{self.address}/{path}", content, self.headers | headers, method=method)
        try:
            urlopen(asked, timeout=PATIENCE_S).close()
        except HTTPError as error:
            self.seen.wrong[f"{path.rpartition('/')[0]}: {error.code}"] += 1
        self.seen.asked.append(time.perf_counter() - began)

    def read(self, line: ClientConnection, page: str) -> None:
        """Read until a page has come to its end; note its errors."""
        while True:
            content = line.recv(timeout=PATIENCE_S)
            message = ForwardMsg.FromString(content if isinstance(content, bytes) else content.encode())
            kind = message.WhichOneof("type")
            self.session = message.new_session.initialize.session_id or self.session
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                element = message.delta.new_element
                if element.WhichOneof("type") == "exception":
                    self.seen.wrong[f"{page}: {element.exception.type} {element.exception.message[:200]}"] += 1
                elif element.WhichOneof("type") == "alert" and element.alert.format == element.alert.ERROR:
                    self.seen.wrong[f"{page}: {element.alert.body[:200]}"] += 1
            elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    self.seen.wrong[f"{page}: does not compile"] += 1
                return


def move(line: ClientConnection, page: str, url: dict[str, str]) -> None:
    """Ask for a page with these choices."""
    asked = BackMsg()
    asked.rerun_script.query_string, asked.rerun_script.page_name = urlencode(url), page
    line.send(asked.SerializeToString())


def visit(address: str, number: int, until: float, seen: Seen) -> None:
    """Click through all pages, drag a control, vote and upload, again and again."""
    chance = random.Random(number)
    try:
        tab = Tab(address, seen)
        with tab.line() as line:
            while time.monotonic() < until:
                for page in chance.sample(PAGES, len(PAGES)):
                    if time.monotonic() > until:
                        return
                    url = {"ck": chance.choice(CHECKPOINTS), "image": str(chance.randrange(IMAGES))}
                    url["level"] = str(chance.randint(1, LEVELS))
                    began = time.perf_counter()
                    move(line, page, url)
                    tab.read(line, page)
                    seen.pages.append(time.perf_counter() - began)
                    time.sleep(LOOKS_S * chance.uniform(0.5, 1.5))
                drag(tab, line, chance)
                upload(tab, chance)
    except (OSError, TimeoutError, EOFError, ConnectionClosed) as error:
        seen.wrong[f"the connection: {type(error).__name__} {error}"] += 1


def drag(tab: Tab, line: ClientConnection, chance: random.Random) -> None:
    """Move a control of Levels many times, and wait for the answer to the last move."""
    for image in chance.sample(range(IMAGES), MOVES):
        move(line, "levels", {"ck": CHECKPOINTS[0], "image": str(image)})
        time.sleep(MOVE_S)
    began = time.perf_counter()
    move(line, "levels", {"ck": CHECKPOINTS[0], "image": "0", "level": "2"})
    with suppress(TimeoutError):
        while True:  # earlier moves may have their answers too; the last is the one after which nothing comes
            tab.read(line, "levels")
            tab.seen.drags.append(time.perf_counter() - began)
            line.recv(timeout=2 * LOOKS_S)


def upload(tab: Tab, chance: random.Random) -> None:
    """Upload a file, as an uploader does before the page looks at it."""
    head = f'--{EDGE}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'.encode()
    content = head + chance.randbytes(UPLOAD) + f"\r\n--{EDGE}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={EDGE}"}
    path = f"_stcore/upload_file/{tab.session}/{chance.randrange(10**9)}"
    tab.ask(path, content, "PUT", **kind)
    tab.ask(path, None, "DELETE")
    tab.seen.counts["uploads"] += 1


def follow(address: str, number: int, until: float, seen: Seen) -> None:
    """Ask for the lecturer's scene once a second, and vote, as a lesson in a telephone does."""
    tab, vote = Tab(address, seen), json.dumps({"scene": "5", "choice": "blurred"}).encode()
    while time.monotonic() < until:
        tab.ask("_class/state")
        tab.ask("_class/vote", vote, "POST")
        time.sleep(1)


def drain(line: ClientConnection) -> None:
    """Read what comes, and leave it."""
    with suppress(ConnectionClosed):
        for _ in line:
            pass


def go_wild(address: str, number: int, until: float, seen: Seen) -> None:
    """Send moves without a pause; open the connection again where it ends."""
    while time.monotonic() < until:
        with suppress(ConnectionClosed, OSError, TimeoutError), Tab(address, Seen()).line() as line:
            threading.Thread(target=drain, args=(line,), daemon=True).start()
            while time.monotonic() < until:
                seen.counts["wild moves"] += 1
                move(line, "likelihood", {"seed": str(seen.counts["wild moves"])})


def check_health(address: str, number: int, until: float, seen: Seen) -> None:
    """Ask five times a second whether the server is well."""
    while time.monotonic() < until:
        began = time.perf_counter()
        urlopen(f"{address}/_stcore/health", timeout=PATIENCE_S).close()
        seen.health.append(time.perf_counter() - began)
        time.sleep(0.2)


def crowd(address: str, visitors: int, seconds: float) -> Seen:
    """Let so many visit at once; return what they met."""
    seen, until = Seen(), time.monotonic() + seconds
    acts: list[Callable[[str, int, float, Seen], None]] = [visit, follow] * visitors
    threads = [
        threading.Thread(target=act, args=(address, number, until, seen), daemon=True)
        for number, act in enumerate([*acts, check_health, go_wild])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until + PATIENCE_S - time.monotonic()))
    if waiting := sum(thread.is_alive() for thread in threads):
        seen.wrong["clients that the server keeps waiting"] += waiting
    return seen


@contextmanager
def training() -> Iterator[None]:
    """Train a small flow meanwhile."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "eiwflow", "train", "--preset", "five-minutes", "--threads", "1"]
        process = subprocess.Popen([*command, "--out", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def resident_mib(pid: int) -> float:
    """Return the memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def watch(pid: int, stop: threading.Event, memory: list[float]) -> None:
    """Take down a process's memory twice a second."""
    while not stop.wait(0.5):
        memory.append(resident_mib(pid))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--rounds", type=int, default=1, help="classes, one after the other, on one server")
    parser.add_argument("--log", type=Path, default=Path(gettempdir()) / "eiwflow-load.log", help="the server's")
    options = parser.parse_args()
    os.environ["EIWFLOW_MODE"] = "classroom"
    memory: list[float] = []
    with TemporaryDirectory() as runs, server(options.log, runs) as (address, pid):
        answering(address)
        time.sleep(10)  # it imports what it needs
        before, stop = resident_mib(pid), threading.Event()
        threading.Thread(target=watch, args=(pid, stop, memory)).start()
        try:
            for _ in range(options.rounds):
                with training():
                    seen = crowd(address, options.visitors, options.seconds)
                time.sleep(FORGOTTEN_S)
                print(f"memory: {before:.0f} MiB before, {max(memory):.0f} at most, {resident_mib(pid):.0f} after")
        finally:
            stop.set()
    for name in ("pages", "drags", "asked", "health"):
        values = getattr(seen, name)
        if len(values) > 1:
            median, late = statistics.median(values), statistics.quantiles(values, n=20)[-1]
            print(f"{name}: {len(values)}, median {median:.3f} s, p95 {late:.3f} s, most {max(values):.3f} s")
    print(f"counts: {dict(seen.counts)}\nwrong: {dict(seen.wrong)}")
    print(f"tracebacks: {options.log.read_text(errors='replace').count('Traceback')} in {options.log}")


if __name__ == "__main__":
    main()
