"""Routes for a class: the teacher's link, votes, the teacher's scene, and the leads of a study.

The lesson asks here once a second. An answer takes half a millisecond; a rerun of the page would take fifty times as
long.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request, cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...server_settings import settings, teacher_token
from ..access import roles
from ..access.app_url import base_path
from .board import BOARD
from .join import TEACHER_PATH

#: Seconds that a cookie lasts: longer than any class.
LASTS_S = 24 * 3600


class Visitors:
    """Give every browser that opens a page a cookie that identifies it, in classroom mode.

    A browser that is new and opens the address that the class was given lands in the lesson.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the cookie to its response."""
        if scope["type"] != "http" or not settings().classroom or not _opens_a_page(scope):
            await self.app(scope, receive, send)
            return
        cookies = cookies_in(Headers(scope=scope))

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.append("Set-Cookie", _cookie(roles.VISITOR, scope))
                headers["Cache-Control"] = "no-store"
            await send(message)

        joins = scope["path"].rstrip("/") == base_path() and not roles.is_teacher(cookies)
        app = RedirectResponse(f"{base_path()}/lesson", status_code=303) if joins else self.app
        await app(scope, receive, send if roles.visitor_of(cookies) else send_with_cookie)


def _opens_a_page(scope: Scope) -> bool:
    return scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")


def cookies_in(headers: Headers) -> dict[str, str]:
    """Return the cookies of a request."""
    return cookie_parser(headers.get("cookie", ""))


def is_from_here(headers: Headers) -> bool:
    """Return whether a request comes from a page of this app, or from a program that is no browser.

    The port counts: for a browser, pages on other ports of the same host are the same site and share its cookies.
    """
    if (origin := headers.get("origin")) is None:
        return True
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    return host in (headers.get("host"), urlsplit(settings().join_url).netloc or None) or origin in st.get_option(
        "server.corsAllowedOrigins"
    )


def _cookie(kind: str, scope: Scope) -> str:
    parts = [f"{roles.cookie_name(kind)}={roles.new_cookie(kind)}", "Path=/", f"Max-Age={LASTS_S}", "HttpOnly"]
    parts.append("SameSite=Lax")
    # Behind a proxy with TLS the browser must send it encrypted.
    if scope.get("scheme") == "https" or settings().join_url.startswith("https:"):
        parts.append("Secure")
    return "; ".join(parts)


def routes(prefix: str) -> list[Route]:
    """Return the routes below the app's own address."""
    return [
        Route(f"{prefix}/{TEACHER_PATH}/{{token}}", _teacher, methods=["GET"]),
        Route(f"{prefix}/_class/state", _state, methods=["GET"]),
        *(Route(f"{prefix}/_class/{name}", _json(act), methods=["POST"]) for name, act in _ACTS.items()),
    ]


async def _teacher(request: Request) -> Response:
    """Make this browser the teacher's, and take the token out of its address."""
    token = request.path_params["token"]
    if not settings().classroom:
        return PlainTextResponse("This server was not started with --classroom.", status_code=404)
    if not hmac.compare_digest(token.encode(), teacher_token().encode()):
        return PlainTextResponse("This is not the teacher's link of this server.", status_code=403)
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    answer = RedirectResponse(f"{base_path()}/class", status_code=303, headers=headers)
    for kind in (roles.TEACHER, roles.VISITOR):
        answer.headers.append("Set-Cookie", _cookie(kind, request.scope))
    return answer


async def _state(request: Request) -> Response:
    """Answer with the state of the class."""
    cookies = cookies_in(request.headers)
    visitor = roles.visitor_of(cookies)
    if not settings().classroom:
        return Response(status_code=404)
    teacher = roles.is_teacher(cookies)
    if not teacher:
        BOARD.here(visitor)
    state = BOARD.of(visitor, teacher, request.query_params.get("flow"))
    answer = JSONResponse(state, headers={"Cache-Control": "no-store"})
    if not visitor:  # a page open since before a restart has a cookie of the earlier server
        answer.headers.append("Set-Cookie", _cookie(roles.VISITOR, request.scope))
    return answer


#: Acts on a message of a visitor, who may be the teacher: it counts or not, or why not, or what is sent back.
Act = Callable[[dict[str, object], str, bool], bool | str | dict[str, int]]


def _json(act: Act) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler for a small JSON object sent by this app's own page."""

    async def answer(request: Request) -> Response:
        if not settings().classroom or not is_from_here(request.headers):
            return Response(status_code=403)
        try:
            message = json.loads(await request.body())
        except (ValueError, RecursionError, ClientDisconnect):
            message = None
        if not isinstance(message, dict):
            return Response(status_code=400)
        cookies = cookies_in(request.headers)
        acted = act(message, roles.visitor_of(cookies), roles.is_teacher(cookies))
        if isinstance(acted, dict):
            return JSONResponse(acted)
        if isinstance(acted, str):
            return PlainTextResponse(acted, status_code=403)
        return Response(status_code=204 if acted else 403)

    return answer


def _begin(message: dict[str, object], visitor: str, _: bool) -> bool | dict[str, int]:
    seed = BOARD.begin(visitor, message.get("choice"))
    return {"seed": seed} if seed else False


def _fields(message: dict[str, object], *names: str) -> list[object]:
    return [message.get(name) for name in names]


_ACTS: dict[str, Act] = {
    "vote": lambda message, visitor, _: BOARD.vote(visitor, *_fields(message, "scene", "choice", "flow")),
    "scene": lambda message, _, teacher: teacher and BOARD.show(*_fields(message, "scene", "flow", "name", "answered")),
    "clear": lambda message, _, teacher: teacher and BOARD.clear(message.get("scene")),
    "try": lambda message, _, teacher: teacher and BOARD.try_(message.get("choice")),
    "begin": _begin,
    "lead": lambda message, visitor, _: BOARD.lead(visitor, *_fields(message, "choice", "lead", "light")) or True,
}
