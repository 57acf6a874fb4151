"""What the server refuses before Streamlit sees it, what every response carries, and the pace of a wild tab."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from eiwflow.ui.server import engine, messages
from eiwflow.ui.server.protection import is_allowed, policy

from .conftest import FRAMES


def get(address: str, path: str = "/", host: str | None = None) -> HTTPResponse:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=120)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    return connection.getresponse()


def line_to(address: str, host: str = "", origin: str | None = None) -> ClientConnection:
    """Open the WebSocket that drives the app, for a page that came from a host or an origin."""
    parts = urlsplit(address)
    host = host or parts.netloc
    return connect(
        f"ws://{host}/_stcore/stream", sock=socket.create_connection((parts.hostname, parts.port)),
        origin=origin or f"http://{host}", max_size=None, max_queue=None, close_timeout=1,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "xlocalhost"])
def test_a_name_that_points_at_the_machine_from_outside_is_refused(address: str, name: str) -> None:
    """DNS rebinding: the browser connects to 127.0.0.1 and names the foreign site as the host."""
    host = f"{name}:{urlsplit(address).port}"
    for path in ("/", "/train", "/_export/x.zip"):
        answer = get(address, path, host)
        assert answer.status == 421 and host in answer.read().decode()
    with pytest.raises(InvalidStatus):
        line_to(address, host)
    assert get(address, host=f"localhost:{urlsplit(address).port}").status == 200


@pytest.mark.parametrize("origin", ["http://{name}:1", "https://{name}", "http://[", "null", "http://evil.example"])
def test_a_page_of_another_port_or_host_opens_no_session(address: str, origin: str) -> None:
    """To a browser another port of the host is the same site: its pages send the teacher's cookie."""
    with pytest.raises(InvalidStatus):
        line_to(address, origin=origin.format(name=urlsplit(address).hostname))
    line_to(address).close()


@pytest.mark.parametrize(
    ("host", "allowed", "expected"),
    [
        ("anything", [], True),
        ("anything:80", ["*"], True),
        ("Lecture.Example.", ["lecture.example"], True),
        ("[::1]:8501", ["::1"], True),
        ("a.example.com:8501", ["*.example.com"], True),
        ("example.com", ["*.example.com"], False),
        ("notexample.com", ["*.example.com"], False),
        ("", ["localhost"], False),
        ("[broken", ["localhost"], False),
    ],
)
def test_names_follow_streamlits_rules(host: str, allowed: list[str], expected: bool) -> None:
    assert is_allowed(host, allowed) is expected


@pytest.mark.parametrize("path", ["/", "/train", "/_stcore/health", "/static/no-such-file.js"])
def test_every_response_limits_pictures_and_frames(address: str, path: str) -> None:
    answer = get(address, path)
    header = answer.getheader("Content-Security-Policy")
    assert "img-src 'self' data: blob:;" in header and header.endswith(f"; frame-ancestors 'self' {FRAMES}")
    assert answer.getheader("X-Content-Type-Options") == "nosniff"


def test_no_other_window_may_send_the_app_messages_or_frame_it(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.load(get(address, "/_stcore/host-config"))["allowedOrigins"] == []
    monkeypatch.delenv("EIWFLOW_FRAME_ANCESTORS", raising=False)
    assert policy().endswith("; frame-ancestors 'self'")


@pytest.mark.parametrize("text", ["course.example", "https://a.example;", "https://a.example/page", "'none'"])
def test_an_ancestor_that_is_no_origin_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("EIWFLOW_FRAME_ANCESTORS", text)
    with pytest.raises(ValueError, match="EIWFLOW_FRAME_ANCESTORS"):
        policy()


# ---------------------------------------------------------------------- the pace of messages


def rerun(number: int) -> dict[str, Any]:
    message = BackMsg(rerun_script={"query_string": f"seed={number}"})
    return {"type": "websocket.receive", "bytes": message.SerializeToString()}


def of_kind(**kind: Any) -> dict[str, Any]:
    return {"type": "websocket.receive", "bytes": BackMsg(**kind).SerializeToString()}


def handed_on(sent: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return the first messages that the app gets of a connection on which these are sent at once."""
    waiting, got = [{"type": "websocket.connect"}, *sent], list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def app(scope: object, receive: Any, send: object) -> None:
        await asyncio.sleep(0.5)  # as many as may wait have come
        for _ in range(count):
            got.append(await receive())

    engine.STARTED.set()
    # In a thread, since a browser test before this one may have left a loop running here.
    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(1) as thread:
        patched.setattr(messages, "READ_S", 0)
        thread.submit(asyncio.run, messages.Pace(app)({"type": "websocket"}, receive, None)).result(60)
    return got


def test_of_moves_that_wait_only_the_newest_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key held down: the last answer came seconds late, after all those before it."""
    monkeypatch.setattr(messages, "AT_ONCE", 0)
    assert handed_on([rerun(number) for number in range(500)], 2)[-1] == rerun(499)


def test_messages_keep_their_order_and_none_but_a_move_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "AT_ONCE", 0)
    monkeypatch.setattr(messages, "MESSAGES_S", 1e6)
    asked, stop = of_kind(file_urls_request={"request_id": "x", "file_names": ["a"]}), of_kind(stop_script=True)
    sent = [rerun(1), asked, stop, asked, rerun(2), asked]
    assert handed_on(sent, 6)[1:] == [asked, stop, asked, rerun(2), asked]
    assert handed_on([*[asked] * 300, rerun(1)], 302)[1:] == [*[asked] * 300, rerun(1)]


def test_what_no_page_sends_is_not_obeyed_and_the_end_does_not_wait() -> None:
    """``clear_cache`` would take away everybody's uploads; a key of Streamlit's sends it."""
    junk = [of_kind(clear_cache=True), {"type": "websocket.receive", "bytes": b"\xff\xff"}, of_kind()]
    junk += [of_kind(backend_operation_request={"install_skills": {}})]
    assert handed_on([*junk, rerun(1)], 2)[1] == rerun(1)
    begun, end = time.monotonic(), {"type": "websocket.disconnect", "code": 1001}
    assert end in handed_on([*[of_kind(stop_script=True)] * 90, end], 2)
    assert time.monotonic() - begun < 5


def test_messages_go_on_at_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "AT_ONCE", 5)
    monkeypatch.setattr(messages, "MESSAGES_S", 50.0)
    begun = time.monotonic()
    handed_on([of_kind(app_heartbeat=True)] * 30, 31)
    assert time.monotonic() - begun >= (30 - 5) / 50


@pytest.mark.slow
def test_a_tab_gone_wild_keeps_nobody_else_waiting(address: str) -> None:
    """A loop in a browser's console: each message asks for a run of the page."""
    over = threading.Event()

    def flood() -> None:
        with suppress(ConnectionClosed), line_to(address) as line:
            while not over.is_set():
                line.send(rerun(0)["bytes"])

    def waits() -> list[float]:
        seconds = []
        for _ in range(20):
            time.sleep(0.1)
            before = time.monotonic()
            assert get(address, "/_stcore/health").status == 200
            seconds.append(time.monotonic() - before)
        return sorted(seconds)

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        assert waits()[10] < 2
        with line_to(address) as line:
            line.send(rerun(1)["bytes"])
            while ForwardMsg.FromString(line.recv(timeout=120)).WhichOneof("type") != "script_finished":
                pass
    finally:
        over.set()
        flooding.join(60)


@pytest.mark.slow
def test_a_browser_that_leaves_in_mid_message_leaves_no_traceback(address: str, server_runs: Any) -> None:
    log = server_runs / "server.log"
    before = log.stat().st_size
    for number in range(20):
        line = line_to(address)
        line.send(BackMsg(rerun_script={"page_name": "lesson"}).SerializeToString())
        time.sleep(number / 100)
        line.socket.close()
    time.sleep(3)
    assert get(address, "/_stcore/health").status == 200
    assert b"Traceback" not in log.read_bytes()[before:]
