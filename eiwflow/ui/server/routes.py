"""Routes beside the pages: the first screen, a run as one ZIP file, and those of a class."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..access import navigation, roles
from ..access.address import base_path
from ..classroom import web
from . import front_page
from .turns import Addresses, AddressPlaces

if TYPE_CHECKING:  # it imports torch, for which no visitor waits
    from ...training.run_directory import RunDirectory

#: Parts of exports that are made at once, over all addresses; and exports of an address that are under way, at most.
PARTS_AT_ONCE, MOST_EXPORTS = 2, 64
#: Seconds between a part and the next in its turn, which leave time to pages: an address gets 50 MB/s at most.
PAUSE_S = 0.005


def routes() -> list[Route]:
    """Return the routes of :class:`streamlit.App` beside Streamlit's own paths."""
    prefix = base_path()
    return [
        Route(f"{prefix}/{navigation.EXPORT}/{{name}}.zip", Exports(), methods=["GET"]),
        *front_page.routes(prefix),
        *web.routes(prefix),
    ]


class Exports:
    """A run as one ZIP file: threads make its parts in turns, one at a time for each address.

    300 downloads of one run kept all threads of the server, and another visitor waited 31 s for a page, and 4 s now.
    A turn is a part, so a visitor who reads slowly keeps nobody waiting.
    """

    def __init__(self) -> None:
        self._turns, self._addresses = asyncio.Semaphore(PARTS_AT_ONCE), Addresses(at_once=1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        places = self._addresses.places(scope)
        if places.waiting >= MOST_EXPORTS:
            sentence = f"{MOST_EXPORTS} exports of this address are under way. Try again when one has ended."
            await PlainTextResponse(sentence, status_code=429, headers={"Connection": "close"})(scope, receive, send)
            return
        places.waiting += 1
        try:
            run = await run_in_threadpool(_run_or_refusal, request := Request(scope))
            from ...training.run_directory import RunError

            answer = run if isinstance(run, Response) else self._answer(request, run, places)
            with suppress(RunError):  # deleted meanwhile: the server breaks off an answer without an end
                await answer(scope, receive, send)
        finally:
            places.waiting -= 1

    def _answer(self, request: Request, run: RunDirectory, places: AddressPlaces) -> Response:
        name = quote(f"{run.path.name}.zip", safe="")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        parts = self._in_turns(run.zip_parts(), places) if request.method == "GET" else ()
        return StreamingResponse(parts, media_type="application/zip", headers=headers)

    async def _in_turns(self, parts: Iterator[bytes], places: AddressPlaces) -> AsyncIterator[bytes]:
        while True:
            async with places, self._turns:
                part = await run_in_threadpool(next, parts, None)
                await asyncio.sleep(PAUSE_S)  # longer on a busy server, which then makes fewer parts
            if part is None:
                return
            yield part


def _run_or_refusal(request: Request) -> RunDirectory | Response:
    # In a thread, which reads the disk. No run is read to find one: two thousand requests of nobody's run kept all
    # threads for 82 s, and no page was served.
    from ...training.run_directory import find_run, runs_root

    run = find_run(runs_root(), request.path_params["name"])
    if run is None:
        return PlainTextResponse("This run is not here: it was deleted, or is of another folder.", status_code=404)
    if not roles.allows(web.cookies_in(request.headers), run.path):
        return PlainTextResponse("Only the student who started this run or the teacher may export it.", status_code=403)
    return run
