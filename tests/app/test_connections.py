"""Connections of the server: places for all addresses, and no place for a connection that asks for nothing."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from uvicorn.protocols.http import auto
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState
from websockets.frames import Frame

from eiwflow.ui.server import connections
from eiwflow.ui.server.connections import Connections
from eiwflow.ui.server.websocket import BoundedWebSocket

from ..made.server import start_server
from .conftest import SETTINGS


class Transport:
    """A connection of an address."""

    def __init__(self, address: str) -> None:
        self.address, self.closed, self.protocol = address, False, SimpleNamespace(cycle=None)
        self.unread, self.written = 0, b""

    def get_extra_info(self, name: str) -> tuple[str, int] | None:
        return (self.address, 1) if name == "peername" else None

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed, self.unread = True, 0

    def get_write_buffer_size(self) -> int:
        return self.unread

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        pass

    resume_reading = close = pause_reading

    def get_protocol(self) -> object:
        return self.protocol


def come(opened: Connections, address: str) -> Transport | None:
    transport = Transport(address)
    return transport if opened.come(transport.protocol, transport) else None


def test_an_address_has_its_share_of_the_connections() -> None:
    opened = Connections(2)
    first, _ = come(opened, "10.0.0.1"), come(opened, "10.0.0.1")
    assert come(opened, "10.0.0.1") is None and come(opened, "10.0.0.2") is not None
    first.closed = True
    assert come(opened, "10.0.0.1") is not None


def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(connections.time, "monotonic", lambda: now)
    opened = Connections(10)
    silent, asking, websocket, done, polling = (come(opened, "10.0.0.1") for _ in range(5))
    asking.protocol.cycle = SimpleNamespace(response_complete=False)
    done.protocol.cycle = SimpleNamespace(response_complete=True)
    websocket.protocol = SimpleNamespace()  # the protocol that took over
    for _ in range(4):
        polling.protocol.cycle = SimpleNamespace(response_complete=True)  # the lesson asks for the scene once a second
        now += connections.SILENT_S / 2
        opened.close_silent_ones()
    assert [each.closed for each in (silent, asking, websocket, done, polling)] == [True, False, False, True, False]
    asking.protocol.cycle.response_complete = True
    now += connections.SILENT_S - 1
    opened.close_silent_ones()
    assert not asking.closed  # its time begins with the end of its request


def test_a_connection_that_reads_none_of_its_answers_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closing connection kept 2.5 MB and its place for as long as its visitor wanted."""
    now = 1000.0
    monkeypatch.setattr(connections.time, "monotonic", lambda: now)
    opened = Connections(3)
    deaf, closing, slow = (come(opened, "10.0.0.1") for _ in range(3))
    deaf.protocol, slow.protocol = SimpleNamespace(), SimpleNamespace()  # WebSockets
    closing.closed = True
    for each in (deaf, closing, slow):
        each.unread = 3_000_000
    assert come(opened, "10.0.0.1") is None
    for _ in range(20):
        opened.close_silent_ones()
        now += 2
        slow.unread -= 120_000  # 60 kB a second
    assert [deaf.unread, closing.unread] == [0, 0] and deaf.closed and not slow.closed


def test_the_address_that_holds_most_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_HELD", 1000)
    opened = Connections(10)
    honest = come(opened, "10.0.0.1")
    greedy = [come(opened, "10.0.0.2") for _ in range(5)]
    honest.unread = 300
    for size, each in enumerate(greedy, 1):
        each.protocol = SimpleNamespace(held=lambda size=size: 40 * size)  # half-sent messages
        each.unread = 60 * size  # and answers
    opened.close_silent_ones()
    assert [each.closed for each in greedy] == [False, False, False, True, True] and not honest.closed


def visit(script: Callable[[Any, Transport, Any, Any], Awaitable[None]]) -> None:
    """Open a WebSocket without a network; run a script with it, its transport, and what the app gets and sends."""

    async def run() -> None:
        ends: list[Any] = []

        async def app(_: object, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            ends.extend([receive, send])
            await asyncio.Event().wait()

        websocket = BoundedWebSocket(uvicorn.Config(app, ws="websockets-sansio"), ServerState(), {})
        transport = Transport("10.0.0.1")
        transport.protocol = websocket
        websocket.connection_made(transport)
        headers = "Host: x|Upgrade: websocket|Connection: Upgrade|Sec-WebSocket-Version: 13|Sec-WebSocket-Key: "
        websocket.data_received(f"GET / HTTP/1.1|{headers}{'A' * 22}==||".replace("|", "\r\n").encode())
        while not ends:
            await asyncio.sleep(0)
        await script(websocket, transport, *ends)
        for task in list(websocket.tasks):
            task.cancel()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


def frame(first: int, content: bytes = b"") -> bytes:
    """Return a frame with this first byte, and a mask of zeros."""
    return bytes([first, 0xFF]) + len(content).to_bytes(8) + bytes(4) + content


def test_a_half_sent_message_counts_and_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 connections sent a first fragment of 7.9 MB, then answered pings: 2.3 GB for as long as they wanted."""
    now, part = 1000.0, bytes(100_000)
    monkeypatch.setattr(connections.time, "monotonic", lambda: now)

    async def script(websocket: Any, transport: Transport, receive: Any, _: Any) -> None:
        nonlocal now
        opened = Connections(10)
        opened.come(SimpleNamespace(), transport)
        websocket.data_received(frame(0x02, part))
        websocket.data_received(frame(0x00, part)[:50_014])
        assert websocket.held() == 150_000  # without the 14 bytes of the head
        now += 0.9 * connections.MESSAGE_S
        websocket.data_received(frame(0x00, part)[50_014:])
        websocket.data_received(frame(0x80))
        assert websocket.held() == 200_000  # which the app has not asked for
        assert (await receive())["bytes"] == 2 * part
        websocket.data_received(frame(0x02, part))
        now += 0.9 * connections.MESSAGE_S
        opened.close_silent_ones()
        assert not transport.closed
        websocket.data_received(frame(0x00, part))
        now += 0.2 * connections.MESSAGE_S
        opened.close_silent_ones()
        assert transport.closed
        websocket.connection_lost(None)
        assert not websocket.frames
        assert not [kept for kept in gc.get_objects() if isinstance(kept, Frame) and len(kept.data) == len(part)]

    visit(script)


def test_a_visitor_who_reads_no_answers_is_asked_for_nothing_more() -> None:
    """55 packs of 3.2 MB waited for each of 24 connections, in Streamlit's queue and in uvicorn's."""

    async def script(websocket: Any, transport: Transport, receive: Any, send: Any) -> None:
        looks: list[str] = []
        websocket.make_room = lambda: looks.append("a look")
        websocket.pause_writing()
        assert looks
        websocket.data_received(frame(0x82, b"next"))
        next_one = asyncio.ensure_future(receive())
        await asyncio.wait_for(send({"type": "websocket.send", "bytes": b"answer"}), 10)
        assert transport.written.endswith(b"answer")  # it waits where it is counted
        websocket.keepalive_timeout()  # a ping waits behind it
        assert not next_one.done() and not transport.closed and websocket.held() == len(b"next")
        websocket.resume_writing()
        assert (await next_one)["bytes"] == b"next"
        websocket.pause_writing()
        websocket.connection_lost(None)
        assert (await receive())["type"] == "websocket.disconnect"

    visit(script)


def test_a_visitor_whose_message_waits_for_its_turn_is_not_taken_for_gone() -> None:
    """Nothing is read of him meanwhile, so no answer to a ping either."""

    async def script(websocket: Any, transport: Transport, receive: Any, _: Any) -> None:
        ended: list[str] = []
        transport.close = lambda: ended.append("closed")
        websocket.data_received(frame(0x82, b"waits"))
        websocket.keepalive_timeout()
        assert not ended and not transport.closed
        assert (await receive())["bytes"] == b"waits"
        websocket.keepalive_timeout()
        assert ended or transport.closed

    visit(script)


def test_a_connection_is_read_in_small_parts() -> None:
    """A megabyte of one-byte chunks was read 256 KiB at once, and nobody else was answered meanwhile."""
    sizes: list[int] = []

    class Reader(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connections.read_little(transport)

        def data_received(self, data: bytes) -> None:
            sizes.append(len(data))

    async def read() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Reader, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(bytes(2**20))
        await writer.drain()
        while sum(sizes) < 2**20:
            await asyncio.sleep(0.01)
        writer.close()
        server.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, read()).result()
    assert max(sizes) <= connections.READ_BYTES


def test_headers_are_bounded_whichever_parser_uvicorn_would_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """httptools keeps an endless header: 150 connections filled 1.7 GB in 28 s."""

    class HttpTools(asyncio.Protocol):
        def __init__(self, **_: object) -> None:
            pytest.fail("it was made")

    async def chosen() -> object:
        connections.bound()
        config = uvicorn.Config(lambda: None, http="auto", log_level="critical")
        config.load()
        return HttpTools(config=config, server_state=ServerState(), app_state={})

    monkeypatch.setattr(H11Protocol, "connection_made", H11Protocol.connection_made)
    monkeypatch.setattr(auto, "AutoHTTPProtocol", HttpTools)
    with ThreadPoolExecutor(1) as thread:  # a browser test before this one may have left a loop running here
        assert type(thread.submit(asyncio.run, chosen()).result()) is H11Protocol


def test_new_connections_are_taken_a_few_at_a_time() -> None:
    """A thousand at once, each closed after its request: another visitor waited up to 18 s for a page."""
    passes = 0
    taken: Counter[int] = Counter()

    class Reader(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken[passes] += 1

    async def take() -> None:
        nonlocal passes
        loop = asyncio.get_running_loop()
        connections.take_few(loop)
        with socket.create_server(("127.0.0.1", 0), backlog=500) as listening:
            clients = [socket.create_connection(listening.getsockname()) for _ in range(200)]
            server = await loop.create_server(Reader, sock=listening, backlog=500)
            while taken.total() < len(clients):
                passes += 1
                await asyncio.sleep(0)
            for client in clients:
                client.close()
            server.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, asyncio.wait_for(take(), 60)).result()
    assert max(taken.values()) <= 16


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a second address of this machine")
def test_one_client_does_not_take_the_places_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand silent sockets of one client: nobody else was answered any more."""
    popen = subprocess.Popen
    few = ["prlimit", "--nofile=256:256"]
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: popen([*few, *command], **options))
    with start_server(tmp_path, **SETTINGS) as address:
        at = urlsplit(address)
        sockets = [socket.create_connection((at.hostname, at.port)) for _ in range(300)]
        time.sleep(1)
        other = HTTPConnection(at.hostname, at.port, timeout=60, source_address=("127.0.0.2", 0))
        other.request("GET", "/_stcore/health")
        assert other.getresponse().status == 200
        for each in sockets:
            each.close()
