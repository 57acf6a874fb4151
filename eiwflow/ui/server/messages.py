"""The pace of a connection's messages: a key held down, or a tab gone wild, does not stop the others."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

from . import engine

#: Messages of a connection per second on average, and at once. A moving control sends about five a second.
MESSAGES_S, AT_ONCE = 20.0, 60
#: Seconds between two messages that are taken from the network: no key and no control is as fast, but a loop is.
READ_S = 0.005
#: Messages that wait for the pace; a tab that sends more of them is read no further meanwhile.
MOST_WAITING = 100
#: Messages that the app's own pages send. ``clear_cache``, a key in Streamlit, would take all uploads away.
KNOWN = {"rerun_script", "stop_script", "app_heartbeat", "file_urls_request", "deferred_file"}
RERUN = "rerun_script"


class Pace:
    """Hand the messages of a connection on at a pace: of reruns that wait only the newest, which has all choices.

    Messages are taken from the network meanwhile. Otherwise a page would work off the moves of a key for as long again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a connection on."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        while not engine.STARTED.is_set():  # pages wait for these imports; the front page's first scene does not
            await asyncio.sleep(0.02)
        inbox, has_left = Inbox(), False

        async def send_while_there(message: Message) -> None:
            nonlocal has_left
            try:
                await send(message)
            except OSError:
                has_left = True
                raise

        reading = asyncio.create_task(_read(receive, inbox))
        try:
            await self.app(scope, inbox.next, send_while_there)
        except RuntimeError:  # of Starlette, where a browser leaves while it is sent something
            if not has_left:
                raise
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


async def _read(receive: Receive, inbox: Inbox) -> None:
    """Take messages from the network until the connection ends."""
    while True:
        message = await receive()
        kind = _kind(message.get("bytes") or b"") if message["type"] == "websocket.receive" else None
        if kind is None or kind in KNOWN:
            await inbox.put(kind, message)
        if message["type"] == "websocket.disconnect":
            return
        await asyncio.sleep(READ_S)


def _kind(content: bytes) -> str:
    """Return the kind of message to the server that a frame holds; empty where it is none."""
    try:
        message = BackMsg.FromString(content)
    except DecodeError:
        return ""
    kind = message.WhichOneof("type") or ""
    if kind == "backend_operation_request":  # has several kinds, one of which installs files beside the app
        kind = message.backend_operation_request.WhichOneof("payload") or kind
    return kind


class Inbox:
    """Messages of a connection that wait for its pace, in their order."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str | None, Message]] = []
        self._changed = asyncio.Condition()
        self._due = 0.0

    async def put(self, kind: str | None, message: Message) -> None:
        """Let a message wait; a rerun takes the place of an earlier one. The kind is None for the connection's own."""
        async with self._changed:
            await self._changed.wait_for(lambda: kind is None or len(self._waiting) < MOST_WAITING)
            if kind == RERUN:
                self._waiting = [each for each in self._waiting if each[0] != RERUN]
            self._waiting.append((kind, message))
            self._changed.notify_all()

    async def next(self) -> Message:
        """Return the next message, in its time. The beginning and the end of the connection do not wait."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting)
        if all(kind is not None for kind, _ in self._waiting):
            self._due = max(self._due, time.monotonic() - AT_ONCE / MESSAGES_S) + 1 / MESSAGES_S
            await asyncio.sleep(max(0.0, self._due - time.monotonic()))
        async with self._changed:
            own = [each for each in self._waiting if each[0] is None]
            chosen = (own or self._waiting)[0]
            self._waiting.remove(chosen)
            self._changed.notify_all()
        return chosen[1]
