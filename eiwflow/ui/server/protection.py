"""Checks of every request and headers of every response, before Streamlit sees them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import streamlit as st
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime import get_instance
from streamlit.runtime.session_manager import ActiveSessionInfo

from ...server_settings import ancestors, settings
from ..access import roles
from ..access.address import client
from ..classroom.web import Visitors, cookies_in, is_from_here
from ..common import shelves
from .turns import FILES_AT_ONCE, Addresses, RequestTurns, Run, Runs

#: Messages of a connection per second on average, and at once. A moving control sends about five a second.
MESSAGES_S, MESSAGES_AT_ONCE = 20, 60
#: Bytes a second of a connection's messages, which larger ones delay; a photo from the lesson has up to 4 MB.
BYTES_S = 1_000_000
#: Widgets of a message, and values of its widgets; letters of its address and of the names in it; and its bytes without
#: a photo, at most. A page has about a hundred widgets; an uploader has 300 files, of half a kilobyte each.
MOST_WIDGETS, MOST_ADDRESS, MOST_BYTES = 2_000, 65_536, 524_288
#: Bytes of a message to a browser which says that a page begins or has come to its end, at most.
MOST_OF_A_RUN = 65_536
#: Seconds between two messages that run a page, over all connections.
TURN_S = 0.01
#: Delayed messages in a row, about half a minute of them, after which a connection is closed.
MOST_DELAYED = 600
#: Messages that the app's own pages send. Streamlit obeys others too: ``clear_cache`` would take away all uploads.
KNOWN_MESSAGES = {"rerun_script", "stop_script", "app_heartbeat", "file_urls_request", "deferred_file"}
#: Seconds that a second file of a connection waits for the first, at most: its answer may be lost with a page.
MADE_S = 30.0
#: A message that changes nothing.
HEARTBEAT = BackMsg(app_heartbeat=True).SerializeToString()
#: Bytes of an answer that are sent at once.
PART_BYTES = 65_536
#: Seconds without a byte after which a request is given up; it may take as many in all, and one for so many bytes.
SILENT_S, LEAST_S = 30.0, 1_000


def middleware() -> list[Middleware]:
    """Return the middleware between the network and Streamlit, the outermost first."""
    kinds = (RequestTurns, InParts, ContentSecurity, AllowedHosts, Visitors, Arriving, UploadLimit, Frames)
    return [Middleware(kind) for kind in kinds]


class InParts:
    """Send a large answer in parts, each in its turn and when its visitor has read most of those before.

    Streamlit sends a file as a whole, of which asyncio copies what its visitor has not read: 1,900 connections that
    read nothing of the lesson for download took 4.8 GiB, and others waited 24 s. It also compresses it anew for every
    request, the lesson for 0.1 CPU seconds; so a file for download is sent as it is.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, and send its answer in parts."""

        async def send_in_parts(message: Message) -> None:
            body = message.get("body", b"")
            start = 0
            while len(body) - start > PART_BYTES:
                await send({**message, "body": body[start : start + PART_BYTES], "more_body": True})
                start += PART_BYTES
                await asyncio.sleep(0)  # the other connections have their turns
            await send({**message, "body": body[start:]} if start else message)

        if scope["type"] == "http" and "media" in scope["path"].split("/"):
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}
        await self.app(scope, receive, send_in_parts if scope["type"] == "http" else send)


class AllowedHosts:
    """Refuse a request under a name that ``server.allowedHosts`` does not list, and a session of a foreign page.

    Streamlit itself refuses only the WebSocket, and the visitor sees an empty page without a reason. It compares hosts
    without the port, so another server on the same host could act with a visitor's cookies.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        host = Headers(scope=scope).get("host", "") if scope["type"] == "http" else None
        if host is not None and not is_allowed(host, st.get_option("server.allowedHosts")):
            name = "".join(letter for letter in host[:80] if letter.isprintable())
            sentence = (
                f"This server does not answer to the name “{name}”. If it is yours, start it with "
                "--server.allowedHosts and the name that visitors type."
            )
            await PlainTextResponse(sentence, status_code=421)(scope, receive, send)
            return
        if scope["type"] == "websocket" and not is_from_here(Headers(scope=scope)):
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.app(scope, receive, send)


def is_allowed(host: str, allowed: Sequence[str]) -> bool:
    """Return whether a Host header is one of the allowed names, by the rules of ``server.allowedHosts``."""
    if not allowed:
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    patterns = [pattern.strip().lower().rstrip(".") for pattern in allowed]
    return bool(name) and any(
        pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:])) for pattern in patterns
    )


class Arriving:
    """Give up a request that stops arriving, or arrives slower than :data:`LEAST_S`, and close its connection.

    An upload takes room from other visitors, and every request a connection: eight addresses held all that the server
    has with the first byte of a vote.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or answer one that stopped."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        left, has_arrived, is_late, is_answered = SILENT_S, False, False, False

        async def receive_in_time() -> Message:
            nonlocal left, has_arrived, is_late
            if has_arrived:  # what comes now is the end of the connection
                return await receive()
            begun = time.monotonic()
            try:
                async with asyncio.timeout(0 if is_late else min(left, SILENT_S)):
                    message = await receive()
            except TimeoutError:
                is_late = True
                return {"type": "http.disconnect"}
            left += len(message.get("body", b"")) / LEAST_S - (time.monotonic() - begun)
            has_arrived = not message.get("more_body", False)
            return message

        async def send_in_time(message: Message) -> None:
            nonlocal is_answered
            if is_answered or not is_late:
                is_answered = True
                await send(message)

        with suppress(ClientDisconnect):
            await self.app(scope, receive_in_time, send_in_time)
        if is_late and not is_answered:
            sentence, headers = "The request stopped arriving. Send it again.", {"Connection": "close"}
            await PlainTextResponse(sentence, status_code=408, headers=headers)(scope, receive, send)


class UploadLimit:
    """Refuse a file of a session that has too many: the page's own limits bind its own uploaders alone."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        parts = scope["path"].rstrip("/").split("/") if scope["type"] == "http" and scope["method"] == "PUT" else []
        if "upload_file" not in parts:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        # A request in chunks states no length.
        if "transfer-encoding" in headers or not (length.isascii() and length.isdigit() and len(length) < 16):
            await PlainTextResponse("An upload must state its length.", status_code=411)(scope, receive, send)
            return
        cookies, session, size = cookies_in(headers), parts[-2], int(length)
        if not shelves.is_open(session):
            await PlainTextResponse("This page is closed: load it again.", status_code=400)(scope, receive, send)
            return
        teacher = roles.is_teacher(cookies)
        # All browsers without a cookie count as one student.
        student = roles.visitor_of(cookies) if settings().classroom and not teacher else None
        address = client(scope) if settings().mode and not teacher else ""
        if sentence := shelves.LOAD.come(session, size, student, teacher, address):
            await PlainTextResponse(sentence, status_code=413)(scope, receive, send)
            return

        refusals: list[str] = []
        received, answered = 0, False

        async def receive_and_count() -> Message:
            nonlocal received
            message = await receive()
            part = len(message.get("body", b""))
            if sentence := shelves.LOAD.grow(part, teacher):
                refusals.append(sentence)
                message = {"type": "http.disconnect"}
            received += part
            return message

        async def send_and_note(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            with suppress(ClientDisconnect):
                await self.app(scope, receive_and_count, send_and_note)
        finally:
            shelves.LOAD.arrived(session, size, received)
        if refusals and not answered:
            await PlainTextResponse(refusals[0], status_code=413)(scope, receive, send)


class Frames:
    """Check the messages of a connection: delay too many, drop unexpected kinds, and close it at an unreadable message.

    Streamlit reads all arrived messages without a pause, so a flood would stop the server for everybody. For each
    unreadable message it would write fifty lines into the log. It makes an address for every file that a message
    names; for a million names it answered nobody for 43 s. Twenty messages a second of 150,000 widgets each made other
    visitors wait 4 s for a page, and ten messages of four million empty texts 11 s, for minutes.

    Pages are begun in turns, and addresses take them in turn: otherwise Streamlit begins all at once, each in a thread,
    and 1,200 connections kept the server from answering anybody for 58 s. Few pages run at once: 30 of an address that
    began Compare again and again kept another address waiting 60 s for a page, and 64 of four addresses 116 s.

    A connection has one file made at a time, which is downloaded then: Streamlit makes those of all visitors in one
    row, and 8 connections that asked for 55 each made another visitor wait 96 s for a table. An address has few made at
    a time: 160 connections that asked for one after another made it wait 83 s.

    A browser that leaves while it is sent something is no error; Streamlit would write two tracebacks into the log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._turn = asyncio.Lock()
        self._addresses, self._runs = Addresses(at_once=1), Runs()
        self._files = Addresses(FILES_AT_ONCE)
        self._of_connections: dict[int, Run] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a connection on."""
        due, delayed, is_large, has_left = 0.0, 0, False, False
        beginning = self._addresses.places(scope)
        run, file = Run(self._runs.places(scope)), Run(self._files.places(scope))
        made = asyncio.Event()
        made.set()

        async def receive_at_pace() -> Message:
            nonlocal due, delayed, is_large
            if is_large:  # Streamlit keeps a message, twice, until the next has come
                is_large = False
                return {"type": "websocket.receive", "bytes": HEARTBEAT}
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return message
                now = time.monotonic()
                content = message.get("bytes") or b""
                turn = max(due, now - MESSAGES_AT_ONCE / MESSAGES_S) + 1 / MESSAGES_S
                delayed = delayed + 1 if turn > now else 0
                due = turn + len(content) / BYTES_S  # a large message delays the next one
                kind, part = _kind_and_part(content)
                if delayed > MOST_DELAYED or not kind:
                    return {"type": "websocket.disconnect", "code": 1008 if delayed > MOST_DELAYED else 1003}
                await asyncio.sleep(max(0.0, turn - now))  # serve other connections even without a delay
                if kind == "rerun_script":
                    is_first = not run.is_under_way
                    if _begins_something(scope, part):
                        await run.ask()
                    async with beginning, self._turn:
                        await asyncio.sleep(TURN_S)  # longer on a busy server, which then begins fewer runs
                    if is_first and not _begins_something(scope, part):
                        run.leave()
                elif kind == "deferred_file":
                    with suppress(TimeoutError):
                        await asyncio.wait_for(made.wait(), MADE_S)
                    made.clear()
                    await file.ask()
                if kind in KNOWN_MESSAGES:
                    is_large = len(content) > MOST_ADDRESS
                    return message

        async def send_and_note(message: Message) -> None:
            nonlocal has_left
            content = message.get("bytes") or b""
            if not made.is_set() and _is_file(content):
                made.set()
                file.leave()
            if run.is_under_way and len(content) < MOST_OF_A_RUN:
                _note(run, content)
            try:
                await send(message)
            except OSError:
                has_left = True
                raise

        if scope["type"] == "websocket":
            self._of_connections[id(scope)] = run
            try:
                await self.app(scope, receive_at_pace, send_and_note)
            except RuntimeError:
                if not has_left:
                    raise
            finally:
                del self._of_connections[id(scope)]
                run.leave()
                file.leave()
        else:
            await self.app(scope, receive, send)

    def _note_wait(self, session: str) -> None:
        """Let another page run, from the thread of a page that waits."""
        with suppress(RuntimeError):  # the server ends
            info = get_instance()._session_mgr.get_active_session_info(session)
            if (run := self._of_connections.get(id(_scope_of(info)))) is not None:
                run.wait()


def _kind_and_part(content: bytes) -> tuple[str, str]:
    """Return the kind of message to the server that a frame holds, and the part of a page that it is to run again.

    The kind is empty if no page sends such a message, the part if it is the page.
    """
    try:
        message = BackMsg.FromString(content)
    except DecodeError:
        return "", ""
    kind = message.WhichOneof("type") or ""
    if kind == "backend_operation_request":  # has several kinds, one of which installs files beside the app
        kind = message.backend_operation_request.WhichOneof("payload") or kind
    rerun = message.rerun_script
    # Streamlit writes the name of an unknown part of a page into the log, whatever its length.
    names = rerun.query_string, rerun.page_name, rerun.page_script_hash, rerun.fragment_id
    widgets = rerun.widget_states.widgets
    photos = sum(len(widget.json_trigger_value) for widget in widgets)
    is_small = (
        len(message.file_urls_request.file_names) <= shelves.MOST_FILES
        and len(content) - photos <= MOST_BYTES
        and max(len(widgets), len(rerun.cached_message_hashes), sum(map(_values, widgets))) <= MOST_WIDGETS
        and max(map(len, names)) <= MOST_ADDRESS
    )
    return (kind if is_small else ""), rerun.fragment_id


def _begins_something(scope: Scope, part: str) -> bool:
    """Return whether Streamlit will run this part of a page, or all of it: it ignores a part that is gone."""
    if not part:
        return True
    for each in get_instance()._session_mgr.list_active_sessions():
        if _scope_of(each) is scope:
            return each.session.has_fragment(part)
    return False


def _scope_of(info: ActiveSessionInfo | None) -> Scope | None:
    """Return the scope of a session's connection; None without one."""
    return getattr(getattr(getattr(info, "client", None), "_websocket", None), "scope", None)


def _note(run: Run, content: bytes) -> None:
    """Note what a message to a browser says of a page's run: its begin, its end, or neither."""
    message = ForwardMsg.FromString(content)
    kind = message.WhichOneof("type")
    if kind == "new_session":
        run.begin()
    elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
        run.finish()


def _is_file(content: bytes) -> bool:
    """Return whether a message to a browser says where a file is, or that it cannot be made."""
    return bool(ForwardMsg.FromString(content).WhichOneof("type") == "backend_operation_response")


def _values(widget: WidgetState) -> int:
    """Return how many values a widget's state holds, at most: a value may take one byte here, and fifty in Python."""
    kind = widget.WhichOneof("value") or "id"
    if kind.startswith("json"):
        return sum(map(getattr(widget, kind).count, ",[{"))
    if kind.endswith("_array_value"):
        return len(getattr(widget, kind).data)
    return len(widget.file_uploader_state_value.uploaded_file_info)


class ContentSecurity:
    """Add a Content-Security-Policy to every response.

    Pictures come from the app alone: no text on a page makes a visitor's browser call another host for an image. No
    foreign page can show the app in a frame and make its visitors press the app's buttons.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.policy = policy()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its response."""

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self.policy
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self.app(scope, receive, send_with_policy if scope["type"] == "http" else send)


def policy() -> str:
    """Return the policy; settings list further origins that may show the app in a frame."""
    return "; ".join(
        [
            "img-src 'self' data: blob:",
            "object-src 'none'",
            "base-uri 'self'",
            " ".join(["frame-ancestors 'self'", *ancestors()]),
        ]
    )
