"""Bounds of the server's connections: places for all addresses, and turns for all connections.

A system lets a process have so many files and connections, often 1,024. A session of Streamlit takes four of them.
The server reads all connections in one thread, which small pieces keep for long: 256 KiB hold 43,000 empty pings.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

#: Files and connections that the server asks the system for; connections of one address are an eighth of them.
MOST_FILES, SHARE = 16_384, 8
#: Seconds in which a connection has to make a request.
SILENT_S = 30.0
#: Bytes that are read of a connection at once; then the other connections have their turns.
READ_BYTES = 16_384
#: Bytes from which on a frame of a WebSocket is not small; small frames of a connection at once, and a second.
SMALL_BYTES, FRAMES_AT_ONCE, FRAMES_S = 1024, 1000, 50


@dataclass
class Connection:
    """A connection of the server.

    Attributes:
        transport: its end here.
        protocol: that reads its requests; of a WebSocket, the protocol before.
        since: when it was last seen to have made a request, or was opened, on the clock of ``time.monotonic``.
        request: the last request seen.

    """

    transport: asyncio.Transport
    protocol: Any
    since: float
    request: object = None

    def is_used(self) -> bool:
        """Return whether it is a WebSocket, has a request under way, or has made one since the last call."""
        before, self.request = self.request, getattr(self.protocol, "cycle", None)
        under_way = self.request is not None and not getattr(self.request, "response_complete", True)
        is_websocket = self.transport.get_protocol() is not self.protocol  # which answers pings
        return is_websocket or under_way or self.request is not before


class Connections:
    """Open connections by address.

    Args:
        most: connections of one address.

    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: dict[str, list[Connection]] = {}

    def come(self, protocol: asyncio.Protocol, transport: asyncio.Transport) -> bool:
        """Note a new connection; return whether its address may have it."""
        address = str((transport.get_extra_info("peername") or ("",))[0])
        own = self._open.setdefault(address, [])
        if len(own) >= self.most:
            own[:] = [connection for connection in own if not connection.transport.is_closing()]
        if len(own) >= self.most:
            return False
        own.append(Connection(transport, protocol, time.monotonic()))
        return True

    def close_silent_ones(self) -> None:
        """Close connections that made no request for :data:`SILENT_S`; forget those that are closed."""
        now = time.monotonic()
        for address, own in list(self._open.items()):
            for connection in own:
                if connection.is_used():
                    connection.since = now
                elif now - connection.since > SILENT_S:
                    connection.transport.abort()
            own[:] = [connection for connection in own if not connection.transport.is_closing()]
            if not own:
                del self._open[address]


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


class SmallFrames:
    """The pace of small frames of a WebSocket: pings, pongs, fragments and short messages."""

    def __init__(self) -> None:
        self._due = 0.0

    def allows(self, events: Iterable[object]) -> bool:
        """Return whether a connection may send these events of websockets' protocol."""
        small = sum(len(getattr(event, "data", bytes(SMALL_BYTES))) < SMALL_BYTES for event in events)
        now = time.monotonic()
        self._due = max(self._due, now - FRAMES_AT_ONCE / FRAMES_S) + small / FRAMES_S
        return self._due <= now


def _bound_frames() -> None:
    """Close a WebSocket that sends too many small frames.

    The pace of messages in :mod:`.protection` does not count pings, pongs and fragments. One connection that sent
    nothing else let others wait for seconds, ten for a quarter of a minute.
    """
    try:
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
    except ImportError:  # an older uvicorn, whose other protocol awaits every frame
        return
    protocol: Any = WebSocketsSansIOProtocol
    handled = getattr(protocol, "unbounded_handle_events", protocol.handle_events)
    paces: WeakKeyDictionary[Any, SmallFrames] = WeakKeyDictionary()

    def handle_events(self: Any) -> None:  # noqa: ANN401
        if paces.setdefault(self, SmallFrames()).allows(self.conn.events):
            handled(self)
        else:
            self.transport.abort()

    protocol.unbounded_handle_events, protocol.handle_events = handled, handle_events


def bound() -> Connections:
    """Bound the connections of the server that this process is about to start; return them."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    _bound_frames()
    protocol: Any = AutoHTTPProtocol
    connections = Connections(allow_many() // SHARE)
    made = getattr(protocol, "unbounded_connection_made", protocol.connection_made)

    def connection_made(self: asyncio.Protocol, transport: asyncio.Transport) -> None:
        read_little(transport)
        made(self, transport)
        if not connections.come(self, transport):
            transport.abort()

    protocol.unbounded_connection_made, protocol.connection_made = made, connection_made
    return connections
