"""What the server checks in every request and adds to every response, before Streamlit sees it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


def middleware() -> list[Middleware]:
    """Return what stands between the network and Streamlit, the outermost first."""
    return [Middleware(AllowedHosts)]


class AllowedHosts:
    """Refuse a request under a name that ``server.allowedHosts`` does not list.

    Streamlit itself refuses only the WebSocket, and a visitor would see an empty page without a reason.
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
