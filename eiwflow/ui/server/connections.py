"""Bounds of the server's connections: places for all addresses, and turns for all connections.

A system lets a process have so many files and connections, often 1,024. A session of Streamlit takes four of them.
The server reads all connections in one thread, which small pieces keep for long: 256 KiB hold 43,000 empty pings.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

#: Files and connections that the server asks the system for; connections of one address are an eighth of them.
MOST_FILES, SHARE = 16_384, 8
#: Seconds in which a connection has to make a request, or to read some of the answers that wait for it.
SILENT_S = 30.0
#: Seconds that a message of a WebSocket may take to come; a photo from the lesson has up to 4 MB.
MESSAGE_S = 60.0
#: Bytes of answers that are not read and of messages that are not handed on, of all connections.
MOST_HELD = 512 * 2**20
#: Seconds between two looks at what all connections hold, at least.
LOOK_S = 0.25
#: Bytes that are read of a connection at once; then the other connections have their turns.
READ_BYTES = 16_384
#: New connections that are taken at once.
NEW_AT_ONCE = 16


@dataclass
class Connection:
    """A connection of the server.

    Attributes:
        transport: its end here.
        protocol: that reads its requests; of a WebSocket, the protocol before.
        since: when it was last seen to have made a request, or was opened, on the clock of ``time.monotonic``.
        request: the last request seen.
        unread: bytes of answers that waited for its visitor when it was last seen.

    """

    transport: asyncio.Transport
    protocol: Any
    since: float
    request: object = None
    unread: int = 0

    def is_used(self) -> bool:
        """Return whether it is a WebSocket, has a request under way, or has made one since the last call.

        Where answers wait, return whether some were read, or came, since the last call.
        """
        waited, self.unread = self.unread, self.transport.get_write_buffer_size()
        if self.unread:
            return self.unread != waited
        before, self.request = self.request, getattr(self.protocol, "cycle", None)
        under_way = self.request is not None and not getattr(self.request, "response_complete", True)
        is_websocket = self.transport.get_protocol() is not self.protocol  # which answers pings
        return is_websocket or under_way or self.request is not before

    def is_late(self, now: float) -> bool:
        """Return whether a message of it has taken longer than :data:`MESSAGE_S` to come."""
        begun = getattr(self.transport.get_protocol(), "begun", None)
        return begun is not None and now - begun > MESSAGE_S

    def is_gone(self) -> bool:
        """Return whether it is closed; a connection that is closing stays until its answers are read."""
        return self.transport.is_closing() and not self.transport.get_write_buffer_size()

    def held(self) -> int:
        """Return the bytes that the server keeps for it."""
        coming = getattr(self.transport.get_protocol(), "held", int)
        return self.transport.get_write_buffer_size() + coming()


class Connections:
    """Open connections by address.

    Args:
        most: connections of one address.

    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: dict[str, list[Connection]] = {}
        self._looked = -LOOK_S

    def come(self, protocol: asyncio.Protocol, transport: asyncio.Transport) -> bool:
        """Note a new connection; return whether its address may have it."""
        address = str((transport.get_extra_info("peername") or ("",))[0])
        own = self._open.setdefault(address, [])
        if len(own) >= self.most:
            own[:] = [connection for connection in own if not connection.is_gone()]
        if len(own) >= self.most:
            return False
        own.append(Connection(transport, protocol, time.monotonic()))
        return True

    def close_silent_ones(self) -> None:
        """Close connections that neither ask nor read for :data:`SILENT_S`, or are late; forget those that are closed.

        Where the others still hold more than :data:`MOST_HELD`, the address that holds most loses its largest ones.
        """
        now = time.monotonic()
        for address, own in list(self._open.items()):
            for connection in own:
                if connection.is_used():
                    connection.since = now
                if now - connection.since > SILENT_S or connection.is_late(now):
                    connection.transport.abort()
            own[:] = [connection for connection in own if not connection.is_gone()]
            if not own:
                del self._open[address]
        self.make_room()

    def make_room(self) -> None:
        """Close what holds most where all hold more than :data:`MOST_HELD`; look once in :data:`LOOK_S`."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        held = [[(each.held(), each.transport) for each in own] for own in self._open.values()]
        too_many = sum(size for own in held for size, _ in own) - MOST_HELD
        for own in sorted(held, key=lambda own: -sum(size for size, _ in own)):
            for size, transport in sorted(own, key=lambda each: -each[0]):
                if too_many <= 0:
                    return
                transport.abort()
                too_many -= size


def allow_many() -> int:
    """Ask the system for more files and connections; return how many it allows."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return MOST_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return MOST_FILES if soft == resource.RLIM_INFINITY else min(soft, MOST_FILES)


def read_little(transport: Any) -> None:  # noqa: ANN401 (asyncio's own, which has the attribute)
    """Let a connection be read in small parts: otherwise asyncio reads 256 KiB of it before any other."""
    if hasattr(transport, "max_size"):
        transport.max_size = READ_BYTES


def take_few(loop: Any) -> None:  # noqa: ANN401 (asyncio's own, which has the method)
    """Let a loop take few new connections before it goes on: otherwise it takes all that wait, up to 2,048."""
    take = getattr(loop, "_accept_connection", None)
    if take is None:
        return

    def accept(
        factory: object, sock: object, ssl: object = None, server: object = None, backlog: int = 100, *more: object
    ) -> None:
        take(factory, sock, ssl, server, min(backlog, NEW_AT_ONCE), *more)

    loop._accept_connection = accept


def _bounded(make_room: Callable[[], None]) -> dict[object, object]:
    """Return the protocols for WebSockets that have a bounded kind, and those kinds."""
    try:
        from .websocket import BoundedWebSocket
    except ImportError:  # an older uvicorn, whose other protocol awaits every frame
        return {}
    BoundedWebSocket.make_room = staticmethod(make_room)
    return {BoundedWebSocket.__base__: BoundedWebSocket}


def bound() -> Connections:
    """Bound the connections of the server that this process is about to start; return them."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol
    from uvicorn.protocols.http.h11_impl import H11Protocol

    take_few(asyncio.get_running_loop())
    protocol: Any = H11Protocol
    if AutoHTTPProtocol is not H11Protocol:  # httptools is installed, which bounds no header
        chosen: Any = AutoHTTPProtocol
        chosen.__new__ = lambda cls, *arguments, **options: H11Protocol(*arguments, **options)
    connections = Connections(allow_many() // SHARE)
    bounded = _bounded(connections.make_room)
    made = getattr(protocol, "unbounded_connection_made", protocol.connection_made)

    def connection_made(self: Any, transport: asyncio.Transport) -> None:  # noqa: ANN401
        read_little(transport)
        self.ws_protocol_class = bounded.get(self.ws_protocol_class, self.ws_protocol_class)
        made(self, transport)
        if not connections.come(self, transport):
            transport.abort()

    protocol.unbounded_connection_made, protocol.connection_made = made, connection_made
    return connections
