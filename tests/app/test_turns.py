"""Turns of requests: one address's do not stand before another's, and a class at one address is served."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eiwflow.ui.sources.results import Results
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from eiwflow.training import run_directory
from eiwflow.ui.server import protection, turns
from eiwflow.ui.server.routes import MOST_EXPORTS, PARTS_AT_ONCE, Exports
from eiwflow.ui.server.turns import AT_ONCE, MOST_RUNS, RUNS_AT_ONCE, RequestTurns
from eiwflow.ui.sources import child, places, results


class Visitor:
    """Asks from an address, and keeps what is answered."""

    def __init__(self, server: ASGIApp, address: str) -> None:
        self.server, self.address, self.statuses = server, address, list[int]()

    async def ask(self, kind: str = "http", path: str = "/") -> None:
        async def send(message: Message) -> None:
            self.statuses.append(message.get("status") or message.get("code") or 0)

        async def receive() -> Message:
            return {"type": "websocket.connect"} if kind == "websocket" else await asyncio.Future()

        scope = {"type": kind, "method": "GET", "path": path, "headers": [], "client": (self.address, 1)}
        await self.server(scope, receive, send)


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})


def run(script: Coroutine[Any, Any, None]) -> None:
    with ThreadPoolExecutor(1) as thread:  # a browser test before this one may have left a loop running here
        thread.submit(asyncio.run, asyncio.wait_for(script, 60)).result()


def test_an_address_that_asks_without_a_pause_delays_another_by_a_few_requests() -> None:
    """2,000 connections that asked for the server's health let another visitor wait 29 s for a page."""

    async def script() -> None:
        server = RequestTurns(answer)
        greedy, other = Visitor(server, "10.0.0.1"), Visitor(server, "10.0.0.2")

        async def flood() -> None:
            while True:
                await greedy.ask()
                await asyncio.sleep(0)  # its next request comes over the network

        floods = [asyncio.ensure_future(flood()) for _ in range(500)]
        await asyncio.sleep(0.1)
        before = len(greedy.statuses)
        for _ in range(10):
            await other.ask()
            await asyncio.sleep(0)
        assert other.statuses == [200] * 10
        assert 0 < len(greedy.statuses) - before <= 10 * 3 * AT_ONCE
        for each in floods:
            each.cancel()

    run(script())


def test_sixty_students_at_one_address_are_all_answered() -> None:
    async def script() -> None:
        server = RequestTurns(answer)
        students = [Visitor(server, "10.0.0.1") for _ in range(60)]
        await asyncio.gather(*(student.ask() for student in students for _ in range(7)))  # six files and a poll
        assert [student.statuses for student in students] == [[200] * 7] * 60

    run(script())


@pytest.mark.parametrize("base", ["", "/flows"])
def test_a_vote_does_not_wait_for_the_pages_of_its_address(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    """Of sixty students behind one router the slowest poll took nine seconds while all opened pages."""
    monkeypatch.setattr(turns, "base_path", lambda: base)
    order: list[str] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        order.append(scope["path"])
        await answer(scope, receive, send)

    async def script() -> None:
        class_ = Visitor(RequestTurns(note), "10.0.0.1")
        pages = [f"{base}/static/{number}" for number in range(600)]
        votes = [f"{base}/_class/vote", f"{base}/_class/state", f"{base}/_class/scene"]
        await asyncio.gather(*(class_.ask(path=path) for path in [*pages, f"{base}/levels/_class/state", *votes]))
        assert max(order.index(path) for path in votes) <= 3 * AT_ONCE
        assert order[-1] == f"{base}/levels/_class/state"

    run(script())


def test_a_request_that_waits_for_its_visitor_or_is_being_answered_keeps_nobody_of_its_address_waiting() -> None:
    """An upload waits for its bytes, a session for its messages, and a slow line reads for long."""

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            assert (await receive())["type"] == "websocket.connect"
            begun["websocket"] += 1
        else:
            begun["http"] += 1
        if scope["type"] == "http" and begun["http"] % 2:
            await answer(scope, receive, send)
            await asyncio.Future()
        await receive()
        await asyncio.Future()

    async def script() -> None:
        visitor = Visitor(RequestTurns(slow), "10.0.0.1")
        waiting = [
            asyncio.ensure_future(visitor.ask(kind)) for kind in ("http", "websocket") for _ in range(4 * AT_ONCE)
        ]
        while begun != {"http": 4 * AT_ONCE, "websocket": 4 * AT_ONCE}:
            await asyncio.sleep(0)
        for each in waiting:
            each.cancel()

    begun: Counter[str] = Counter()
    run(script())


def test_an_address_has_few_requests_under_way_and_another_its_own() -> None:
    begun: Counter[str] = Counter()

    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        begun[scope["client"][0]] += 1
        await asyncio.Future()

    async def script() -> None:
        server = RequestTurns(busy)
        first, second = Visitor(server, "10.0.0.1"), Visitor(server, "10.0.0.2")
        asked = [asyncio.ensure_future(visitor.ask()) for visitor in [first] * 50 + [second]]
        while not begun["10.0.0.2"]:
            await asyncio.sleep(0)
        assert begun["10.0.0.1"] == AT_ONCE
        for each in asked:
            each.cancel()

    run(script())


def test_requests_beyond_what_an_addresss_connections_can_wait_for_are_refused(monkeypatch: Any) -> None:
    """Connections that ask and close leave a request each, without end."""
    monkeypatch.setattr(turns, "MOST_WAITING", 20)
    may_go_on = asyncio.Event()

    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        await may_go_on.wait()
        await answer(scope, receive, send)

    async def script() -> None:
        server = RequestTurns(busy)
        greedy, other = Visitor(server, "10.0.0.1"), Visitor(server, "10.0.0.2")
        asked = [asyncio.ensure_future(greedy.ask()) for _ in range(AT_ONCE + 20)]
        asked.append(asyncio.ensure_future(other.ask()))
        await asyncio.sleep(0.1)
        await greedy.ask()
        await greedy.ask("websocket")
        assert greedy.statuses == [429, 0, 1013]
        may_go_on.set()
        await asyncio.gather(*asked)
        assert greedy.statuses[3:] == [200] * (AT_ONCE + 20) and other.statuses == [200]

    run(script())


RERUN = BackMsg(rerun_script={}).SerializeToString()
BEGINS = ForwardMsg(hash="x" * 32, new_session={"page_script_hash": "a"}).SerializeToString()
DONE, STARTS_AGAIN = (
    ForwardMsg(hash="x" * 32, script_finished=status).SerializeToString()
    for status in (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_EARLY_FOR_RERUN)
)


class Tab:
    """A connection of a browser; ``runs`` counts the messages to run a page that Streamlit got of it."""

    def __init__(self, frames: protection.Frames, address: str) -> None:
        self.runs, self.is_busy, self._messages = 0, False, asyncio.Queue[Message]()
        scope = {"type": "websocket", "client": (address, 1), "headers": []}
        self._frames, self._scope = frames, scope
        self.visit: asyncio.Future[None] = asyncio.ensure_future(frames(scope, self._messages.get, self._hear))

    async def _hear(self, message: Message) -> None:
        pass

    async def streamlit(self, receive: Receive, send: Send) -> None:
        """Play Streamlit's part: run a page at each message, unless it is busy."""
        self.answer = send
        while (await receive())["type"] == "websocket.receive":
            self.runs += 1
            if not self.is_busy:
                await self.say(BEGINS)

    def move(self) -> None:
        """Send a message that runs the page."""
        self._messages.put_nowait({"type": "websocket.receive", "bytes": RERUN})

    def close(self) -> None:
        """Leave."""
        self._messages.put_nowait({"type": "websocket.disconnect"})

    async def say(self, message: bytes = DONE) -> None:
        """Say that the page begins or has come to its end."""
        await self.answer({"type": "websocket.send", "bytes": message})


def tabs_of(frames_of: dict[str, int]) -> list[Tab]:
    """Return tabs by address, all of one server."""
    tabs: dict[int, Tab] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await tabs[id(scope)].streamlit(receive, send)

    frames = protection.Frames(app)
    made = [Tab(frames, address) for address, count in frames_of.items() for _ in range(count)]
    tabs.update({id(tab._scope): tab for tab in made})
    return made


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, and then for what else may come."""
    while not condition():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)


def test_few_pages_of_an_address_run_at_once_and_those_of_another_do_not_wait() -> None:
    """30 connections that ran Compare again and again let another address wait 60 s for a page."""

    async def script() -> None:
        *greedy, other = tabs_of({"10.0.0.1": RUNS_AT_ONCE + 5, "10.0.0.2": 1})
        for tab in greedy:
            tab.move()
        await until(lambda: sum(tab.runs for tab in greedy) == RUNS_AT_ONCE)
        assert sum(tab.runs for tab in greedy) == RUNS_AT_ONCE
        other.move()
        await until(lambda: other.runs == 1)
        await other.say()
        running = [tab for tab in greedy if tab.runs]
        running[0].move()  # a page that runs starts again, and keeps its place
        await until(lambda: running[0].runs == 2)
        await running[0].say(STARTS_AGAIN)
        await asyncio.sleep(0.1)
        assert sum(tab.runs for tab in greedy) == RUNS_AT_ONCE + 1
        await running[0].say()
        await until(lambda: sum(tab.runs for tab in greedy) == RUNS_AT_ONCE + 2)
        running[1].is_busy = True
        running[1].move()  # as its page ends, and then runs a second time
        await until(lambda: running[1].runs == 2)
        await running[1].say()
        await asyncio.sleep(0.1)
        assert sum(tab.runs for tab in greedy) == RUNS_AT_ONCE + 3
        running[1].move()  # which is one run with the move before
        await until(lambda: running[1].runs == 3)
        await running[1].say(BEGINS)
        await running[1].say()
        await until(lambda: sum(tab.runs for tab in greedy) == RUNS_AT_ONCE + 5)
        running[2].close()
        await until(lambda: sum(tab.runs for tab in greedy) == RUNS_AT_ONCE + 6)
        for tab in [*greedy, other]:
            tab.visit.cancel()

    run(script())


def test_pages_of_many_addresses_run_as_few_at_once_and_an_address_without_one_is_next() -> None:
    """64 connections of four addresses that ran Compare again and again let another address wait 116 s for a page."""

    async def script() -> None:
        tabs = tabs_of({**{f"10.0.0.{n}": RUNS_AT_ONCE for n in range(4)}, "10.0.1.1": 2})
        *greedy, first, second = tabs
        for tab in greedy:
            tab.move()
        await until(lambda: sum(tab.runs for tab in greedy) == RUNS_AT_ONCE + 3)
        of_first_address = greedy[:RUNS_AT_ONCE]
        assert all(tab.runs for tab in of_first_address), "it came first, and the others have a page each"
        assert sum(tab.runs for tab in greedy) == RUNS_AT_ONCE + 3
        for tab in (first, second):
            tab.move()
        await until(lambda: first.runs == 1)
        assert not second.runs
        for tab in of_first_address[:4]:
            await tab.say()
        await asyncio.sleep(0.1)
        assert sum(tab.runs for tab in tabs) == RUNS_AT_ONCE + 4, "so many run still"
        of_first_address[0].move()
        await of_first_address[4].say()
        await until(lambda: sum(tab.runs for tab in tabs) == RUNS_AT_ONCE + 5)
        assert of_first_address[0].runs == 1, "an address with fewer pages is next"
        await first.say()
        await until(lambda: second.runs == 1)
        for tab in tabs:
            tab.visit.cancel()

    run(script())


def test_an_address_without_a_page_waits_only_where_very_many_run() -> None:
    async def script() -> None:
        tabs = tabs_of({f"10.0.0.{n}": 1 for n in range(MOST_RUNS + 2)})
        for tab in tabs:
            tab.move()
        await until(lambda: sum(tab.runs for tab in tabs) == MOST_RUNS)
        assert sum(tab.runs for tab in tabs) == MOST_RUNS
        waiting = [tab for tab in tabs if not tab.runs]
        waiting[0].visit.cancel()
        await asyncio.sleep(0.1)
        next(tab for tab in tabs if tab.runs).close()
        await until(lambda: waiting[1].runs == 1)
        assert not waiting[0].runs
        for tab in tabs:
            tab.visit.cancel()

    run(script())


def test_a_page_that_takes_long_gives_its_place_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "RUN_S", 0.3)

    async def script() -> None:
        tabs = tabs_of({"10.0.0.1": RUNS_AT_ONCE + 1})
        for tab in tabs:
            tab.move()
        await until(lambda: sum(tab.runs for tab in tabs) == RUNS_AT_ONCE + 1)
        for tab in tabs:
            await tab.say()
        for tab in tabs:
            tab.visit.cancel()

    run(script())


def test_a_page_that_waits_for_work_gives_its_place_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 students who opened one page of a large flow let the next of their address wait 85 s for any page."""

    async def script() -> None:
        tabs = tabs_of({"10.0.0.1": RUNS_AT_ONCE + 2})
        sessions = {
            str(number): SimpleNamespace(client=SimpleNamespace(_websocket=SimpleNamespace(scope=tab._scope)))
            for number, tab in enumerate(tabs)
        }
        manager = SimpleNamespace(get_active_session_info=sessions.get)
        monkeypatch.setattr(protection, "get_instance", lambda: SimpleNamespace(_session_mgr=manager))
        for tab in tabs:
            tab.move()
        await until(lambda: sum(tab.runs for tab in tabs) == RUNS_AT_ONCE)
        waiting = next(number for number, tab in enumerate(tabs) if tab.runs)
        for _ in range(3):  # a page says so again and again
            await asyncio.to_thread(child.on_wait, str(waiting))
        await asyncio.to_thread(child.on_wait, "of a tab that was closed")
        await until(lambda: sum(tab.runs for tab in tabs) == RUNS_AT_ONCE + 1)
        assert sum(tab.runs for tab in tabs) == RUNS_AT_ONCE + 1
        await tabs[waiting].say()  # at its end it has no place to give back
        await asyncio.sleep(0.1)
        assert sum(tab.runs for tab in tabs) == RUNS_AT_ONCE + 1
        for tab in tabs:
            tab.visit.cancel()

    run(script())


def test_whatever_a_page_waits_for_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page waits for a place, for what another page makes, and for what is made beside the scripts."""
    said, store, may_end = queue.Queue[str](), Results(), threading.Event()
    line = SimpleNamespace(caption=lambda text: None, progress=lambda *state: None)
    monkeypatch.setattr(child, "session", lambda: threading.current_thread().name)
    monkeypatch.setattr(places, "visitor", lambda: ("an address", threading.current_thread().name))
    monkeypatch.setattr(results, "_under", lambda sentence, make: make())
    monkeypatch.setattr(child, "on_wait", said.put)

    def ask(name: str, key: str, beside: bool = False) -> threading.Thread:
        def make(*progress: object) -> None:
            may_end.wait(60)

        asked = (
            partial(store.beside, "large flow", (key,), make, False, line)
            if beside
            else partial(store.at_once, "flow", (key,), make, among=line_of_one)
        )
        thread = threading.Thread(target=asked, name=name)
        thread.start()
        return thread

    line_of_one = places.Places(1)
    threads = [ask("makes", "a")]
    while line_of_one._free:
        time.sleep(0.001)
    with pytest.raises(queue.Empty):
        said.get(timeout=0.3)
    for name, key, beside in (("same", "a", False), ("next", "b", False), ("large", "c", True)):
        threads.append(ask(name, key, beside))
        while said.get(timeout=60) != name:
            pass
    may_end.set()
    for thread in threads:
        thread.join(60)


class Exported:
    """A run whose export has so many parts, and counts those that are being made."""

    def __init__(self, path: Path, parts: int) -> None:
        self.path, self.parts, self.now, self.most, self.made = path, parts, 0, 0, 0

    def zip_parts(self) -> Iterator[bytes]:
        for _ in range(self.parts):
            self.now += 1
            self.most = max(self.most, self.now)
            time.sleep(0.01)
            self.now, self.made = self.now - 1, self.made + 1
            yield b"part"


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[int], Exported]:
    """Return a function that sets of how many parts the export of every run is."""

    def set_parts(parts: int) -> Exported:
        run = Exported(tmp_path, parts)
        monkeypatch.setattr(run_directory, "find_run", lambda root, name: run)
        return run

    return set_parts


class Downloader(Visitor):
    """Downloads a run; ``reads`` is cleared while it reads nothing."""

    def __init__(self, server: ASGIApp, address: str) -> None:
        super().__init__(server, address)
        self.reads, self.bodies = asyncio.Event(), list[bytes]()
        self.reads.set()

    async def download(self, method: str = "GET") -> None:
        async def send(message: Message) -> None:
            await self.reads.wait()
            if message["type"] == "http.response.start":
                self.statuses.append(message["status"])
            self.bodies.append(message.get("body", b""))

        scope = {"type": "http", "method": method, "path": "/", "headers": [], "client": (self.address, 1)}
        scope["path_params"] = {"name": "run"}
        await self.server(scope, asyncio.Future, send)


def test_exports_are_made_a_part_at_a_time_for_each_address_and_two_for_all(export: Any) -> None:
    """300 downloads of a run kept all 40 threads that send files, and another visitor waited 40 s for a page."""

    async def script() -> None:
        run, server = export(5), Exports()
        greedy = Downloader(server, "10.0.0.1")
        await asyncio.gather(*(greedy.download() for _ in range(20)))
        assert greedy.statuses == [200] * 20 and greedy.bodies.count(b"part") == 100 and run.most == 1
        others = [Downloader(server, f"10.0.0.{number}") for number in range(10)]
        await asyncio.gather(*(other.download() for other in others))
        assert run.most == PARTS_AT_ONCE
        run.made = 0
        await greedy.download("HEAD")
        assert run.made == 0 and greedy.statuses[-1] == 200

    run(script())


def test_an_export_that_is_not_read_keeps_no_other_waiting_and_many_of_an_address_are_refused(export: Any) -> None:
    async def script() -> None:
        export(3)
        server = Exports()
        deaf, other = Downloader(server, "10.0.0.1"), Downloader(server, "10.0.0.2")
        deaf.reads.clear()
        kept = [asyncio.ensure_future(deaf.download()) for _ in range(MOST_EXPORTS - 1)]
        await asyncio.sleep(0.5)
        neighbour, refused = Downloader(server, "10.0.0.1"), Downloader(server, "10.0.0.1")
        await asyncio.gather(neighbour.download(), refused.download(), other.download())
        assert neighbour.statuses == other.statuses == [200] and refused.statuses == [429]
        assert b"exports of this address are under way. Try again" in refused.bodies[-1]
        for each in kept:
            each.cancel()
        await asyncio.wait(kept)
        await refused.download()
        assert refused.statuses == [429, 200]

    run(script())


def test_turns_come_before_all_other_work_on_a_request() -> None:
    assert protection.middleware()[0].cls is RequestTurns
