"""How the app bears a class: ten visitors at once click through all pages, and what of the memory comes back.

The visitors speak the app's own protocol over its websocket and draw nothing: ten browsers would leave a small machine
no time for the server. A page's time is from the click to the script's last word, drawing not counted.

    python benchmarks/load.py [--visitors 10] [--seconds 180] [--warm-up 90] [--log FILE] [--json]

First one visitor opens every page once and leaves. Memory is the server's own resident set; that of its children is
their proportional share. The server's log is kept, and every kind of error is printed with its traceback.

With --classroom the server is in classroom mode, every visitor also asks for the lecturer's scene once a second, as the
lesson does, and one flow is trained meanwhile:

    python benchmarks/load.py --classroom --visitors 30 --seconds 300 --warm-up 0

With --hostile too, a student starts the training on the page, one client sends moves on Likelihood as fast as it can,
each with a new seed, and another uploads files of 4 MiB without a pause:

    python benchmarks/load.py --classroom --hostile --visitors 30 --seconds 300 --warm-up 0
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app import answering, server  # the benchmark beside this one
from eiwflow.training import worker
from eiwflow.training.run_directory import RunError, all_runs

PAGES = (
    "",
    "lesson",
    "levels",
    "latents",
    "entropy",
    "shuffle",
    "weights",
    "compare",
    "space",
    "likelihood",
    "checkpoint",
    "train",
)
CHECKPOINTS = (
    "photos32-entropy-weighted",
    "photos32-entropy",
    "photos32-glow",
    "faces16-entropy-weighted",
)
IMAGES, LEVELS = 48, 2
#: Seconds that a visitor looks at a page, and after which the server has forgotten all who have left.
LOOKS_S, FORGOTTEN_S = 1.0, 160.0
PATIENCE_S = 120
#: Seconds in which a server imports what it needs.
SETTLES_S = 10


@dataclass
class Seen:
    """What visitors met.

    Attributes:
        seconds: of every page.
        wrong: how often what went wrong.
        received: bytes from the server.
        asked: seconds of every question for the scene, and of every vote.
        health: seconds of every health check.
        hostile: messages that the flood sent, and uploads by their status.

    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: {page: [] for page in PAGES})
    wrong: Counter[str] = field(default_factory=Counter)
    received: int = 0
    asked: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    hostile: Counter[str] = field(default_factory=Counter)


def url_of(chance: random.Random) -> dict[str, str]:
    """Return a link's parameters: any checkpoint, image and level, and now and then a second checkpoint."""
    url = {"ck": chance.choice(CHECKPOINTS), "image": str(chance.randrange(IMAGES))}
    url["level"] = str(chance.randint(1, LEVELS))
    if chance.random() < 0.25:
        url["vs"] = chance.choice(CHECKPOINTS)
    return url


def open_page(line: ClientConnection, page: str, url: dict[str, str], seen: Seen) -> None:
    """Open a page and wait for its script's end."""
    asked = BackMsg()
    asked.rerun_script.query_string, asked.rerun_script.page_name = urlencode(url), page
    began = time.perf_counter()
    line.send(asked.SerializeToString())
    while True:
        content = line.recv(timeout=PATIENCE_S)
        message = ForwardMsg.FromString(content if isinstance(content, bytes) else content.encode())
        seen.received += len(content)
        if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            if element.WhichOneof("type") == "exception":
                seen.wrong[f"{page or 'home'}: {element.exception.type} {element.exception.message[:200]}"] += 1
            elif element.WhichOneof("type") == "alert" and element.alert.format == element.alert.ERROR:
                seen.wrong[f"{page or 'home'}: {element.alert.body[:200]}"] += 1
        elif message.WhichOneof("type") == "page_not_found":
            seen.wrong[f"{page}: not found"] += 1
        elif message.WhichOneof("type") == "script_finished":
            if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                seen.seconds[page].append(time.perf_counter() - began)
                return
            if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                seen.wrong[f"{page or 'home'}: does not compile"] += 1
                return


def visit(address: str, number: int, until: float, seen: Seen) -> None:
    """Click through all pages, again and again, in an order of one's own."""
    chance = random.Random(number)
    try:
        with line_to(address) as to:
            while True:
                for page in chance.sample(PAGES, len(PAGES)):
                    if time.monotonic() > until:
                        return
                    open_page(to, page, url_of(chance), seen)
                    time.sleep(LOOKS_S * chance.uniform(0.5, 1.5))
    except (OSError, TimeoutError, EOFError) as error:
        seen.wrong[f"the connection: {type(error).__name__} {error}"] += 1


def follow(address: str, until: float, seen: Seen) -> None:
    """Ask for the lecturer's scene once a second, and vote now and then, as a lesson in a telephone does."""
    at = urlsplit(address)
    line = HTTPConnection(str(at.hostname), at.port, timeout=PATIENCE_S)
    line.request("GET", "/", headers={"Accept": "text/html"})
    opened = line.getresponse()
    opened.read()
    cookie = str(opened.getheader("Set-Cookie")).partition(";")[0]
    while time.monotonic() < until:
        for path, said in (("state", None), ("vote", json.dumps({"scene": "8", "choice": "half"}))):
            began = time.perf_counter()
            line.request("GET" if said is None else "POST", f"/_class/{path}", said, {"Cookie": cookie})
            answer = line.getresponse()
            answer.read()
            seen.asked.append(time.perf_counter() - began)
            if answer.status >= 400:
                seen.wrong[f"_class/{path}: {answer.status}"] += 1
        time.sleep(1)


def cookie_of(address: str) -> dict[str, str]:
    """Return the header that makes a client the same student."""
    with urlopen(Request(address, headers={"Accept": "text/html"})) as opened:
        return {"Cookie": str(opened.headers["Set-Cookie"]).partition(";")[0]}


def line_to(address: str, **options: Any) -> ClientConnection:  # noqa: ANN401 (those of websockets)
    """Open a connection as a tab does."""
    return connect(
        f"{address.replace('http', 'ws')}/_stcore/stream", subprotocols=["streamlit"], max_size=None, **options
    )


def check_health(address: str, until: float, seen: Seen) -> None:
    """Ask five times a second whether the server is well."""
    while time.monotonic() < until:
        began = time.perf_counter()
        with urlopen(f"{address}/_stcore/health", timeout=PATIENCE_S):
            seen.health.append(time.perf_counter() - began)
        time.sleep(0.2)


def flood(address: str, until: float, seen: Seen) -> None:
    """Send moves without a pause, each of which needs a measure of its own; open the connection again and again."""
    number = 0
    while time.monotonic() < until:
        with suppress(ConnectionClosed, OSError, TimeoutError), line_to(address) as line:
            while time.monotonic() < until:
                number += 1
                asked = BackMsg()
                asked.rerun_script.query_string, asked.rerun_script.page_name = f"seed={number}", "likelihood"
                line.send(asked.SerializeToString())
                seen.hostile["moves"] += 1
                time.sleep(0.01)


def first_answer(line: ClientConnection, page: str, states: list[WidgetState]) -> tuple[str, dict[str, Any]]:
    """Run a page; return its session, and its controls by their keys."""
    asked, name, controls = BackMsg(), "", dict[str, Any]()
    asked.rerun_script.page_name = page
    asked.rerun_script.widget_states.widgets.extend(states)
    line.send(asked.SerializeToString())
    while True:
        message = ForwardMsg.FromString(line.recv(timeout=PATIENCE_S))
        match message.WhichOneof("type"):
            case "new_session":
                name = message.new_session.initialize.session_id
            case "delta" if message.delta.WhichOneof("type") == "new_element":
                element = getattr(message.delta.new_element, str(message.delta.new_element.WhichOneof("type")))
                if getattr(element, "id", ""):
                    controls[element.id.split("-", 2)[-1]] = element
            case "script_finished" if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return name, controls


def upload(address: str, until: float, seen: Seen) -> None:
    """Upload files of 4 MiB without a pause, in a new tab whenever they are refused."""
    edge = "load"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'.encode()
    content, student = head + bytes(4 * 2**20) + f"\r\n--{edge}--\r\n".encode(), cookie_of(address)
    with urlopen(f"{address}/_stcore/health") as health:
        token = str(health.headers["Set-Cookie"]).partition(";")[0]
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}", "X-Xsrftoken": token.partition("=")[2]}
    headers["Cookie"] = f"{student['Cookie']}; {token}"
    while time.monotonic() < until:
        with suppress(ConnectionClosed, OSError, TimeoutError), line_to(address, additional_headers=student) as line:
            session, _ = first_answer(line, "levels", [])
            status = 0
            while time.monotonic() < until and status in (0, 204):
                seen.hostile["uploads"] += 1
                url = f"{address}/_stcore/upload_file/{session}/{seen.hostile['uploads']}"
                try:
                    with urlopen(Request(url, content, headers, method="PUT"), timeout=PATIENCE_S) as answer:
                        status = answer.status
                except HTTPError as error:
                    status = error.code
                except URLError:  # refused before all was sent
                    status = 413
                seen.hostile[f"uploads answered {status}"] += 1
        time.sleep(0.1)


def train_on_the_page(address: str) -> None:
    """Press Start on Train as a student does, with the page's own choices."""
    with line_to(address, additional_headers=cookie_of(address)) as line:
        _, controls = first_answer(line, "train", [])
        states = []
        for control in controls.values():
            if hasattr(control, "options") and control.options:
                states.append(WidgetState(id=control.id, string_value=control.options[control.default]))
        states.append(WidgetState(id=controls["start-minute"].id, trigger_value=True))
        first_answer(line, "train", states)


def end_trainings(runs: Path) -> int:
    """Stop all trainings, which would outlive the server; return how many there were."""
    every = all_runs(runs)
    for run in every:
        with suppress(RunError):  # it has ended
            worker.ask(run)
    while any(run.state().alive for run in every):
        time.sleep(0.5)
    return len(every)


def crowd(
    address: str, visitors: int, seconds: float, first: int, classroom: bool = False, hostile: bool = False
) -> Seen:
    """Let so many visit at once; return what they met."""
    each, until = [Seen() for _ in range(visitors)], time.monotonic() + seconds
    threads = [
        threading.Thread(target=visit, args=(address, first + number, until, seen)) for number, seen in enumerate(each)
    ]
    if classroom:
        threads += [threading.Thread(target=follow, args=(address, until, seen)) for seen in each]
    for act in (check_health, *((flood, upload) if hostile else ())):
        each.append(Seen())
        threads.append(threading.Thread(target=act, args=(address, until, each[-1])))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = Seen(asked=[second for seen in each for second in seen.asked])
    for seen in each:
        for page, values in seen.seconds.items():
            together.seconds[page] += values
        together.wrong += seen.wrong
        together.received += seen.received
        together.health += seen.health
        together.hostile += seen.hostile
    return together


def mib(pid: int, file: str = "status", field: str = "VmRSS:") -> float:
    """Return the memory that a process holds, in MiB, from a field of a file about it."""
    lines = Path(f"/proc/{pid}/{file}").read_text(encoding="ascii", errors="replace").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 2**10


def children_mib(pid: int) -> float:
    """Return the proportional share of memory of a process's children and theirs, in MiB."""
    total = 0.0
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, thread.read_text().split()):
            with suppress(OSError, StopIteration):  # it has just ended
                total += mib(child, "smaps_rollup", "Pss:") + children_mib(child)
    return total


def watched(pid: int, stop: threading.Event, own: list[float], children: list[float]) -> None:
    """Take down a process's memory, and its children's, twice a second."""
    while not stop.wait(0.5):
        own.append(mib(pid))
        with suppress(OSError):
            children.append(children_mib(pid))


def alone(address: str, seen: Seen) -> None:
    """Open every page once, in their order."""
    with line_to(address) as to:
        for page in PAGES:
            open_page(to, page, {"ck": CHECKPOINTS[0], "image": "3", "level": "1"}, seen)
            time.sleep(LOOKS_S)


def tracebacks(log: Path) -> dict[str, tuple[int, str]]:
    """Return every kind of error in a server's log by its last line: how often, and the first traceback."""
    found: dict[str, tuple[int, str]] = {}
    for part in log.read_text(encoding="utf-8", errors="replace").split("Traceback (most recent call last):\n")[1:]:
        lines = list(takewhile(lambda line: not re.match(r"\d{4}-\d\d-\d\d ", line), part.splitlines()))
        last = next((line for line in reversed(lines) if line and not line.startswith(" ")), "")
        count, first = found.get(last, (0, "\n".join(lines)))
        found[last] = count + 1, first
    return found


@contextmanager
def watching(pid: int, own: list[float], children: list[float]) -> Iterator[None]:
    """Take down memory meanwhile."""
    stop = threading.Event()
    watcher = threading.Thread(target=watched, args=(pid, stop, own, children))
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


@contextmanager
def training(wanted: bool) -> Iterator[None]:
    """Train a small flow meanwhile, where it is wanted."""
    if not wanted:
        yield
        return
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "eiwflow", "train", "--preset", "five-minutes", "--out", folder]
        process = subprocess.Popen([*command, "--threads", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def measure(visitors: int, seconds: float, warm_up: float, classroom: bool, hostile: bool, log: Path) -> dict[str, Any]:
    """Return times, faults and the server's memory before, while and after so many visit."""
    if classroom:
        os.environ["EIWFLOW_MODE"] = "classroom"
    with TemporaryDirectory() as runs, server(log, runs) as (address, pid), training(classroom and not hostile):
        answering(address)
        time.sleep(SETTLES_S)
        empty, one, children = mib(pid), list[float](), list[float]()
        with watching(pid, one, children):
            alone(address, lone := Seen())
        time.sleep(FORGOTTEN_S)
        one_left = mib(pid)
        if warm_up:
            crowd(address, visitors, warm_up, 1000)
            time.sleep(FORGOTTEN_S)
        before, memory = mib(pid), list[float]()
        with watching(pid, memory, children):
            if hostile:
                train_on_the_page(address)
            load = os.getloadavg()[0]
            seen = crowd(address, visitors, seconds, 0, classroom, hostile)
            trained = end_trainings(Path(runs))
        time.sleep(FORGOTTEN_S)
        after = mib(pid)
    every = sorted(second for values in seen.seconds.values() for second in values)
    return {
        "visitors": visitors,
        "seconds": seconds,
        "pages": len(every),
        "median_s": statistics.median(every),
        "p95_s": statistics.quantiles(every, n=20)[-1],
        "median_s_by_page": {page or "home": statistics.median(found) for page, found in seen.seconds.items() if found},
        **(
            {"class_p95_s": statistics.quantiles(seen.asked, n=20)[-1], "class_asked": len(seen.asked)}
            if classroom
            else {}
        ),
        "health_median_s": statistics.median(seen.health),
        "health_p95_s": statistics.quantiles(seen.health, n=20)[-1],
        "health_most_s": max(seen.health),
        "load_before": load,
        **({"hostile": dict(seen.hostile), "trainings": trained} if hostile else {}),
        "mib_received": seen.received / 2**20,
        "errors": dict(seen.wrong + lone.wrong),
        "tracebacks": tracebacks(log),
        "mib": {
            "no visitor yet": empty,
            "peak with one": max(one),
            "one has left": one_left,
            "before": before,
            "peak": max(memory),
            "after": after,
            "peak of children": max(children, default=0.0),
        },
        "after_over_before": after / before,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--warm-up", type=float, default=90.0, help="seconds of the same before it is measured")
    parser.add_argument("--classroom", action="store_true", help="a class, while one flow is trained")
    parser.add_argument("--hostile", action="store_true", help="beside one client that floods and one that uploads")
    log = Path(gettempdir()) / "eiwflow-load.log"
    parser.add_argument("--log", type=Path, default=log, help="file for what the server says")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.visitors, options.seconds, options.warm_up, options.classroom, options.hostile, options.log)
    if options.json:
        print(json.dumps(found))
        return
    for last, (count, traceback) in found.pop("tracebacks").items():
        print(f"{count} × {last}\n{traceback}\n")
    for name, value in found.items():
        print(f"{name}: {value}")
    print(f"log: {options.log}")


if __name__ == "__main__":
    main()
