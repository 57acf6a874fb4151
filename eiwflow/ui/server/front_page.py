"""The front page before the app has loaded: its words and its flow to touch, in the first HTML that a browser gets.

Streamlit's own scripts need most of a second before they draw; the flow does not need them, nor torch.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from streamlit.file_util import get_static_dir

from ... import project
from ...lesson import bundle, default
from ..stage import first_scene

KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}


def routes(prefix: str) -> list[Route]:
    """Return the routes below the app's own address."""
    return [
        Route(f"{prefix}/", _front_page, methods=["GET"]),
        Route(f"{prefix}/{first_scene.FOLDER}/{first_scene.SCRIPT}", _script, methods=["GET"]),
        Route(f"{prefix}/{first_scene.FOLDER}/{default.PACK.name}", _content, methods=["GET"]),
    ]


async def _front_page(request: Request) -> Response:
    # A link of an older version leads to the lesson.
    return HTMLResponse(_html(with_scene="lesson" not in request.query_params), headers={"Cache-Control": "no-cache"})


@lru_cache(maxsize=2)
def _html(with_scene: bool) -> str:
    """Return Streamlit's page with the scene first in its head, before all other scripts, and in its body."""
    page = (Path(get_static_dir()) / "index.html").read_text(encoding="utf-8")
    if not with_scene:
        return page
    style = (project.ASSETS / "style/first.css").read_text(encoding="utf-8") + bundle.style()
    head = (
        f'<link rel="modulepreload" crossorigin fetchpriority="high" href="./{first_scene.script()}">'
        f'<link rel="preload" as="fetch" crossorigin fetchpriority="high" href="./{first_scene.pack()}">'
    )
    body = (
        f'<div id="eiw-first"><template shadowrootmode="open"><style>{style}</style><aside></aside>'
        f"<main><h1>{escape(first_scene.TITLE)}</h1><p>{escape(first_scene.WHAT)}</p></main></template></div>"
        f'<script type="module" async crossorigin fetchpriority="high" src="./{first_scene.script()}"></script>'
    )
    return page.replace("<head>", f"<head>{head}", 1).replace("<body>", f"<body>{body}", 1)


async def _script(request: Request) -> Response:
    return _kept(request, bundle.script(first_scene.SCRIPT).encode(), "text/javascript")


async def _content(request: Request) -> Response:
    return _kept(request, default.pack(), "application/octet-stream")


def _kept(request: Request, content: bytes, media_type: str) -> Response:
    """Return a file that a browser keeps, compressed once: Streamlit would do it again for every request."""
    headers = {**KEPT, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = _compressed(content)
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=media_type, headers=headers)


@lru_cache(maxsize=2)  # the script and the pack
def _compressed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)
