"""Routes beside the pages: the first screen, a run as one ZIP file, and those of a class."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ..access import navigation, roles
from ..access.app_url import base_path
from ..classroom import web
from . import front_page


def routes() -> list[Route]:
    """Return the routes of :class:`streamlit.App` beside Streamlit's own paths."""
    prefix = base_path()
    return [
        Route(f"{prefix}/{navigation.EXPORT}/{{name}}.zip", _export, methods=["GET"]),
        *front_page.routes(prefix),
        *web.routes(prefix),
    ]


def _export(request: Request) -> Response:
    """Answer with a run as one ZIP file, which is made while it is sent."""
    from ...training.run_directory import find_run, runs_root

    run = find_run(runs_root(), request.path_params["name"])
    if run is None:
        return PlainTextResponse("This run is not here: it was deleted, or is of another folder.", status_code=404)
    if not roles.may_change(web.cookies_in(request.headers)):
        return PlainTextResponse("Only the teacher may export a run.", status_code=403)
    name = quote(f"{run.path.name}.zip", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    # Of a run that is deleted meanwhile the server breaks off, and the browser says so.
    return StreamingResponse(run.zip_parts(), media_type="application/zip", headers=headers)
