"""Turns of requests: one address's do not stand before another's, and a class at one address is served."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eiwflow.ui.server import protection, turns
from eiwflow.ui.server.turns import AT_ONCE, RequestTurns


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


def test_turns_come_before_all_other_work_on_a_request() -> None:
    assert protection.middleware()[0].cls is RequestTurns
