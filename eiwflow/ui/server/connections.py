"""Bounds of the server's connections: places for all addresses, and turns for all connections.

A system lets a process have so many files and connections, often 1,024. A session of Streamlit takes four of them.
The server reads all connections in one thread, which small pieces keep for long: 256 KiB hold 43,000 empty pings.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

#: Files and connections that the server asks the system for; connections of one address are an eighth of them.
MOST_FILES, SHARE = 16_384, 8
#: Seconds in which a connection has to make a request.
SILENT_S = 30.0
#: Bytes that are read of a connection at once; then the other connections have their turns.
READ_BYTES = 16_384


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


def _bounded(websocket: object) -> object:
    """Return the bounded kind of a protocol for WebSockets."""
    try:
        from .websocket import BoundedWebSocket
    except ImportError:  # an older uvicorn, whose other protocol awaits every frame
        return websocket
    return BoundedWebSocket if websocket is BoundedWebSocket.__base__ else websocket


def bound() -> Connections:
    """Bound the connections of the server that this process is about to start; return them."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    protocol: Any = AutoHTTPProtocol
    connections = Connections(allow_many() // SHARE)
    made = getattr(protocol, "unbounded_connection_made", protocol.connection_made)

    def connection_made(self: Any, transport: asyncio.Transport) -> None:  # noqa: ANN401
        read_little(transport)
        self.ws_protocol_class = _bounded(self.ws_protocol_class)
        made(self, transport)
        if not connections.come(self, transport):
            transport.abort()

    protocol.unbounded_connection_made, protocol.connection_made = made, connection_made
    return connections
