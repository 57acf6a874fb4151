"""Checks of every request and headers of every response, before Streamlit sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...server_settings import ancestors
from ..classroom.web import Visitors, is_from_here
from ..common import shelves
from .messages import Pace


def middleware() -> list[Middleware]:
    """Return the middleware between the network and Streamlit, the outermost first."""
    return [Middleware(kind) for kind in (ContentSecurity, AllowedHosts, Visitors, UploadLimit, Pace)]


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


class UploadLimit:
    """Refuse a file for which the session, or all visitors together, have no room."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._coming: Counter[str] = Counter()  # session -> bytes under way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        parts = scope["path"].rstrip("/").split("/") if scope["type"] == "http" and scope["method"] == "PUT" else []
        if "upload_file" not in parts:
            await self.app(scope, receive, send)
            return
        session, length = parts[-2], Headers(scope=scope).get("content-length", "")
        if not length.isdecimal():  # in chunks
            await PlainTextResponse("An upload must state its length.", status_code=411)(scope, receive, send)
            return
        if sentence := shelves.refusal(session, int(length), self._coming):
            await PlainTextResponse(sentence, status_code=413)(scope, receive, send)
            return
        self._coming[session] += int(length)
        try:
            with suppress(ClientDisconnect):
                await self.app(scope, receive, send)
        finally:
            self._coming[session] -= int(length)
            self._coming += Counter()  # forgets sessions without a file under way


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
    frames = " ".join(["frame-ancestors 'self'", *ancestors()])
    return f"img-src 'self' data: blob:; object-src 'none'; base-uri 'self'; {frames}"
