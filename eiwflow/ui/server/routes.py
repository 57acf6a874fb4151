"""Routes beside the pages: the first screen, a run as one ZIP file, and those of a class."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ..access import roles
from ..access.address import base_path
from ..classroom import web
from ..jobs import runs
from . import front_page


def routes() -> list[Route]:
    """Return the routes of :class:`streamlit.App` beside Streamlit's own paths."""
    prefix = base_path()
    return [
        Route(f"{prefix}/{runs.EXPORT}/{{name}}.zip", _run, methods=["GET"]),
        *front_page.routes(prefix),
        *web.routes(prefix),
    ]


def _run(request: Request) -> Response:
    # Not a coroutine, so that the server reads the disk in a thread. No run is read to find one: two thousand requests
    # of nobody's run kept all threads for 82 s, and no page was served.
    from ...training.run_directory import find_run, runs_root

    run = find_run(runs_root(), request.path_params["name"])
    if run is None:
        return PlainTextResponse("This run is not here: it was deleted, or is of another folder.", status_code=404)
    if not roles.allows(web.cookies_in(request.headers), run.path):
        return PlainTextResponse("Only the student who started this run or the teacher may export it.", status_code=403)
    name = f"{run.path.name}.zip"
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return StreamingResponse(
        run.zip_parts(), media_type="application/zip", headers={"Content-Disposition": disposition}
    )
