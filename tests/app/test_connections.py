"""Connections of the server: places for all addresses, and no place for a connection that asks for nothing."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from eiwflow.ui.server import connections
from eiwflow.ui.server.connections import Connections

from ..made.server import start_server
from .conftest import SETTINGS


class Transport:
    """A connection of an address."""

    def __init__(self, address: str) -> None:
        self.address, self.closed, self.protocol = address, False, SimpleNamespace(cycle=None)

    def get_extra_info(self, name: str) -> tuple[str, int] | None:
        return (self.address, 1) if name == "peername" else None

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

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
