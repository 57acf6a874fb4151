"""The server's end of a WebSocket: uvicorn's, with bounds on what its visitor may send and leave unread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

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
    """A WebSocket that counts what it keeps for its visitor, and is closed if it sends too many small frames.

    The pace of messages in :mod:`.protection` does not count pings, pongs and fragments. One connection that sent
    nothing else let others wait for seconds, ten for a quarter of a minute.

    A visitor who does not read the answers is asked for no further message: 55 packs of 3.2 MB waited for one that
    read nothing. All answers wait in the transport, where :class:`.connections.Connections` counts them; uvicorn would
    leave them in Streamlit's queue.
    """

    #: Called where answers begin to wait.
    make_room: Callable[[], None] = staticmethod(lambda: None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self._small, self._fragments, self._taken = SmallFrames(), 0, 0
        self._answers_read = asyncio.Event()
        self._answers_read.set()
        #: When the message began that has not come to its end, on the clock of ``time.monotonic``.
        self.begun: float | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and free what has come of a message: parts of this protocol refer to each other."""
        super().connection_lost(exc)
        self.conn.reader.discard()
        self.frames.clear()
        self._answers_read.set()

    def pause_writing(self) -> None:
        """Note that answers wait, beyond asyncio's 64 KiB."""
        self._answers_read.clear()
        self.make_room()

    def resume_writing(self) -> None:
        """Note that the visitor has read them."""
        self._answers_read.set()

    def keepalive_timeout(self) -> None:
        """Close the connection of a visitor who has not answered a ping.

        The ping may wait behind other answers, and its answer behind a message that waits for its turn.
        """
        if self._answers_read.is_set() and not self.read_paused:
            super().keepalive_timeout()
        else:
            self.schedule_ping()

    def handle_events(self) -> None:
        """Handle the frames that have come."""
        if not self._small.allows(self.conn.events):
            self.transport.abort()
            return
        frames = [event for event in self.conn.events if isinstance(event, Frame)]
        for frame in frames:
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._fragments = 0 if frame.fin else self._fragments + len(frame.data)
                self.begun = None if frame.fin else self.begun
        super().handle_events()
        for frame in frames:
            frame.data = b""  # the parser refers to its last frame until the next has come
        self.begun = (self.begun or time.monotonic()) if self._unfinished() else None

    def _unfinished(self) -> int:
        return self._fragments + len(self.conn.reader.buffer)

    def held(self) -> int:
        """Return the bytes of messages that have come, in part or whole, or were handed on last."""
        queue: Any = self.queue  # which hides its items
        return self._unfinished() + sum(map(_size, queue._queue)) + self._taken

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next message, once its visitor has read the answers to those before."""
        self._taken = 0
        message = await super().receive()
        self._taken = _size(message)  # which .protection may delay before it asks for the next
        if message["type"] == "websocket.receive":
            await self._answers_read.wait()
        return message


def _size(message: Any) -> int:  # noqa: ANN401 (one of many typed dictionaries)
    return len(message.get("bytes") or message.get("text") or "")
