"""Under the content security policy: foreign pictures stay out, the app's own parts work, foreign frames stay empty."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest

from ..app.conftest import picture_bytes
from .conftest import Watched


@pytest.fixture
def foreign_site() -> Iterator[HTTPServer]:
    """Serve a page on another port; every request that comes is noted in ``seen``."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.seen.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(self.server.page.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Site)
    server.seen, server.page = [], ""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.mark.slow
def test_our_own_parts_work_under_the_policy_and_a_page_calls_no_foreign_host_for_a_picture(
    open_tab, server, foreign_site
):
    watched = Watched(open_tab(), urlsplit(server).netloc)
    watched.page.goto(server)
    watched.settle()
    watched.page.get_by_text("More", exact=True).click()
    upload = {"name": "mine.png", "mimeType": "image/png", "buffer": picture_bytes()}
    watched.page.locator("input[type=file]").last.set_input_files(upload)
    watched.page.wait_for_url("**photo=*", wait_until="commit")
    watched.page.wait_for_function("!new URL(location).searchParams.get('photo').startsWith('none')")
    watched.settle()
    watched.page.get_by_role("link", name="Weights").click()
    watched.page.wait_for_selector("input[type=range]")
    watched.page.wait_for_selector(".js-plotly-plot .main-svg")
    assert watched.complaints == []
    address = f"http://127.0.0.1:{foreign_site.server_port}/picture.png"
    blocked = watched.page.evaluate(
        """address => new Promise(done => {
            document.addEventListener("securitypolicyviolation", event => done(event.effectiveDirective));
            document.body.append(Object.assign(new Image(), {src: address}));
        })""",
        address,
    )
    assert blocked == "img-src"
    assert foreign_site.seen == []
    watched.page.close()


@pytest.mark.slow
def test_a_foreign_page_cannot_frame_the_app(browser, server, foreign_site):
    parts = urlsplit(server)
    foreign_site.page = f'<iframe src="{parts.scheme}://{parts.netloc}/train"></iframe>'
    context = browser.new_context()
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"http://127.0.0.1:{foreign_site.server_port}/", wait_until="load")
    page.wait_for_timeout(500)
    framed = page.frames[1]
    assert framed.url.startswith("chrome-error://"), framed.url
    assert any("frame-ancestors" in text for text in said)
    context.close()
