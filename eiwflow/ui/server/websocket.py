"""The server's end of a WebSocket: uvicorn's, with a bound on what its visitor may send."""

from __future__ import annotations

import time
from collections.abc import Iterable

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

#: Bytes from which on a frame of a WebSocket is not small; small frames of a connection at once, and a second.
SMALL_BYTES, FRAMES_AT_ONCE, FRAMES_S = 1024, 1000, 50


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


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that is closed if it sends too many small frames.

    The pace of messages in :mod:`.protection` does not count pings, pongs and fragments. One connection that sent
    nothing else let others wait for seconds, ten for a quarter of a minute.
    """

    _frames: SmallFrames | None = None

    def handle_events(self) -> None:
        """Handle the frames that have come."""
        self._frames = self._frames or SmallFrames()
        if self._frames.allows(self.conn.events):
            super().handle_events()
        else:
            self.transport.abort()
