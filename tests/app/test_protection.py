"""What the server refuses before Streamlit sees it, and what every response carries: on a running server."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from http.client import HTTPConnection, HTTPResponse
from io import BufferedReader
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import streamlit.logger
import uvicorn
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import runtime_util

from eiwflow.ui.classroom import web
from eiwflow.ui.common import shelves
from eiwflow.ui.server import lifespan, protection, turns, websocket
from eiwflow.ui.server.protection import is_allowed, policy
from eiwflow.ui.sources import places

from ..conftest import ROOT
from .conftest import FRAMES


def get(address: str, path: str = "/", host: str | None = None) -> HTTPResponse:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=120)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    return connection.getresponse()


def opens_a_session(address: str, host: str, origin: str | None = None) -> bool:
    """Return whether the WebSocket that drives the app opens for a page that came from this host, or from an origin."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus

    async def opens() -> bool:
        parts = urlsplit(address)
        try:
            async with connect(
                f"ws://{host}/_stcore/stream", host=parts.hostname, port=parts.port, origin=origin or f"http://{host}"
            ):
                return True
        except InvalidStatus:
            return False

    # In a thread of its own: a browser test before this one may have left a loop running here.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, opens()).result()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_the_machines_own_names_are_answered(address, name):
    host = f"{name}:{urlsplit(address).port}"
    assert get(address, host=host).status == 200
    assert opens_a_session(address, host)


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "xlocalhost"])
def test_a_name_that_points_at_the_machine_from_outside_is_refused(address, name):
    """DNS rebinding: the browser connects to 127.0.0.1 and names the foreign site as the host."""
    host = f"{name}:{urlsplit(address).port}"
    answer = get(address, host=host)
    assert answer.status == 421
    assert f"does not answer to the name “{host}”" in answer.read().decode()
    assert get(address, "/train", host).status == 421
    assert not opens_a_session(address, host)


@pytest.mark.parametrize(
    "origin", ["http://{name}:1", "https://{name}", "http://[", "null", "http://evil.example", "x"]
)
def test_a_page_of_another_port_or_host_opens_no_session(address, origin):
    """To a browser another port of the host is the same site: its pages send the teacher's cookie."""
    parts = urlsplit(address)
    assert not opens_a_session(address, parts.netloc, origin.format(name=parts.hostname))
    assert opens_a_session(address, parts.netloc, f"http://{parts.netloc}")


def test_the_settings_list_the_machines_own_names():
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert settings["server"]["allowedHosts"] == ["localhost", "127.0.0.1", "::1"]


@pytest.mark.parametrize(
    ("host", "allowed", "expected"),
    [
        ("anything", [], True),
        ("anything:80", ["*"], True),
        ("Lecture.Example.", ["lecture.example"], True),
        ("a.example.com:8501", ["*.example.com"], True),
        ("example.com", ["*.example.com"], False),
        ("notexample.com", ["*.example.com"], False),
        ("", ["localhost"], False),
        ("[broken", ["localhost"], False),
    ],
)
def test_names_follow_streamlits_rules(host, allowed, expected):
    assert is_allowed(host, allowed) is expected


# ---------------------------------------------------------------------- uploads


@pytest.mark.parametrize(("parts", "status"), [([b"xx"], 408), ([b"x" * 600_000] * 2, 413)])
def test_a_file_that_stops_arriving_or_finds_no_room_is_refused_and_leaves_its_room(monkeypatch, parts, status):
    monkeypatch.setenv("EIWFLOW_UPLOADS_MIB", "1")
    monkeypatch.setattr(shelves, "_SHELVES", {})
    monkeypatch.setattr(shelves, "LOAD", load := shelves.Load())
    monkeypatch.setattr(protection, "SILENT_S", 0.05)
    waiting, sent = list(parts), []

    async def receive() -> dict[str, object]:
        if not waiting:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": waiting.pop(0), "more_body": True}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def app(scope: object, receive: Callable[[], Awaitable[dict[str, object]]], send: object) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        raise ClientDisconnect  # as Starlette does

    scope = {"type": "http", "method": "PUT", "path": "/_stcore/upload_file/session/file"}
    scope["headers"] = [(b"content-length", b"1000000")]
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, protection.Arriving(protection.UploadLimit(app))(scope, receive, send)).result()
    assert sent[0]["status"] == status
    assert load.come("another", 2**20) == ""


@pytest.fixture
def votes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """Serve the routes of a class, where a request may stop for a second; yield the address."""
    monkeypatch.setenv("EIWFLOW_MODE", "classroom")
    monkeypatch.setattr(protection, "SILENT_S", 1)
    app = Starlette(routes=web.routes(""), middleware=protection.middleware())
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:
        running = thread.submit(server.run, [listening])
        yield listening.getsockname()
        server.should_exit = True
        running.result()


@pytest.mark.parametrize("head", ["Content-Length: 900", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("pause", [None, 0.2])
def test_a_vote_that_stops_or_trickles_in_ends_its_connection(votes, head, pause):
    """Eight addresses held 16,384 connections with the first byte of a vote each, for as long as they wanted."""
    with socket.create_connection(votes, timeout=60) as line:
        line.sendall(f"POST /_class/vote HTTP/1.1\r\nHost: {votes[0]}:{votes[1]}\r\n{head}\r\n\r\n".encode())
        part, begun = b"{" if "Length" in head else b"1\r\n{\r\n", time.monotonic()
        line.sendall(part)
        line.settimeout(pause or 60)
        answer = b""
        while time.monotonic() - begun < 30:
            try:
                got = line.recv(4096)
            except TimeoutError:
                line.sendall(part)
                continue
            if not got:
                break
            answer += got
        assert answer.startswith(b"HTTP/1.1 408 ") and b"The request stopped arriving. Send it again." in answer
        assert 0.9 < time.monotonic() - begun < 30


def test_a_vote_over_a_slow_line_counts(votes, monkeypatch):
    monkeypatch.setattr(protection, "LEAST_S", 10)
    said = json.dumps({"scene": "8", "choice": "a"}).encode()
    with socket.create_connection(votes, timeout=60) as line:
        head = f"POST /_class/vote HTTP/1.1\r\nHost: {votes[0]}:{votes[1]}\r\nContent-Length: {len(said)}\r\n\r\n"
        line.sendall(head.encode())
        for start in range(0, len(said), 8):
            line.sendall(said[start : start + 8])
            time.sleep(0.4)  # 1.6 s in all
        assert line.recv(4096).startswith(b"HTTP/1.1 403 ")  # read to its end; without a cookie it is nobody's


# ---------------------------------------------------------------------- answers


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 200_000])
def test_a_large_answer_is_sent_in_parts(size):
    """1,900 connections that read nothing of a file of 3.6 MB took 4.8 GiB: each kept what it had not read."""
    sent, content = [], bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, protection.InParts(Response(content))(scope, None, send)).result()
    head, *parts = sent
    assert head["status"] == 200 and b"".join(part["body"] for part in parts) == content
    assert max(len(part["body"]) for part in parts) <= protection.PART_BYTES
    assert [part.get("more_body", False) for part in parts] == [True] * (len(parts) - 1) + [False]


@pytest.mark.parametrize(("path", "encoding"), [("/media/x.html", None), ("/base/media/x.csv", None), ("/x", "gzip")])
def test_a_file_for_download_is_not_compressed_for_every_request(path, encoding):
    """Streamlit compressed the lesson anew for each: 50 requests took the server 5 s."""
    head: dict[str, Any] = {}

    async def send(message: dict[str, Any]) -> None:
        head.update(message if message["type"] == "http.response.start" else {})

    app = protection.InParts(GZipMiddleware(Response(b"x" * 10_000)))
    scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"accept-encoding", b"gzip")]}
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, app(scope, None, send)).result()
    assert dict(head["headers"]).get(b"content-encoding") == (encoding and encoding.encode())


# ---------------------------------------------------------------------- floods


@pytest.mark.slow
def test_a_flood_of_messages_on_one_connection_keeps_nobody_else_waiting(address):
    """A loop in a browser's console: each message asks for a run of the page."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    parts = urlsplit(address)
    rerun, over = BackMsg(rerun_script={"query_string": ""}).SerializeToString(), threading.Event()

    def flood() -> None:
        with (
            suppress(ConnectionClosed),
            connect(f"ws://{parts.netloc}/_stcore/stream", origin=address, close_timeout=1) as line,
        ):
            while not over.is_set():
                line.send(rerun)

    def waits() -> list[float]:
        seconds = []
        for _ in range(20):
            time.sleep(0.1)
            before = time.monotonic()
            assert get(address, "/_stcore/health").status == 200
            seconds.append(time.monotonic() - before)
        return sorted(seconds)

    alone = waits()[10]  # 0.003 s on an idle machine
    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        beside = waits()
    finally:
        over.set()
        flooding.join(60)
    assert beside[10] < max(1, 20 * alone) and beside[-1] < max(10, 200 * alone), (alone, beside)


def test_a_part_of_a_page_that_is_gone_keeps_no_page_of_its_address_waiting(address):
    """Streamlit ignores such a message. Until it did, 16 connections that sent one made others wait 59 s for a page."""
    from websockets.sync.client import connect

    gone, page = ({"fragment_id": "gone"}, {"query_string": ""})
    with ExitStack() as opened:
        lines = [
            opened.enter_context(connect(f"ws://{urlsplit(address).netloc}/_stcore/stream", origin=address))
            for _ in range(turns.RUNS_AT_ONCE + 1)
        ]
        for line in lines:
            line.send(BackMsg(rerun_script=gone).SerializeToString())
        time.sleep(1)  # all of them are there
        lines[-1].send(BackMsg(rerun_script=page).SerializeToString())
        before = time.monotonic()
        while ForwardMsg.FromString(lines[-1].recv(timeout=120)).WhichOneof("type") != "script_finished":
            pass
        assert time.monotonic() - before < turns.RUN_S / 2


def test_a_part_of_a_page_is_known_by_the_session_of_its_connection(monkeypatch):
    def session(parts: list[str], scope: dict[str, str]) -> SimpleNamespace:
        client = SimpleNamespace(_websocket=SimpleNamespace(scope=scope))
        return SimpleNamespace(client=client, session=SimpleNamespace(has_fragment=parts.__contains__))

    mine, other = {"path": "/"}, {"path": "/"}
    sessions = [session(["b"], other), session(["a"], mine), SimpleNamespace(client=None, session=None)]
    manager = SimpleNamespace(list_active_sessions=lambda: sessions)
    monkeypatch.setattr(protection, "get_instance", lambda: SimpleNamespace(_session_mgr=manager))
    assert [protection._begins_something(mine, part) for part in ("a", "b", "")] == [True, False, True]


@pytest.mark.parametrize(("pause", "seconds", "end"), [(0.06, 36.0, "receive"), (0.0, 27.0, "disconnect")])
def test_messages_above_the_pace_are_delayed_and_end_their_connection(monkeypatch, pause, seconds, end):
    """A message every 0.06 s is within the pace of 20 a second; 600 without a pause take 30 s less the first 60."""
    now, message = [1000.0], BackMsg(stop_script=True).SerializeToString()

    async def sleep(delay: float) -> None:
        now[0] += delay

    async def receive() -> dict[str, object]:
        now[0] += pause
        return {"type": "websocket.receive", "bytes": message}

    last = {}

    async def app(scope: object, receive: Callable[[], Awaitable[dict[str, object]]], send: object) -> None:
        for _ in range(600):
            last.update(await receive())

    monkeypatch.setattr(protection, "MOST_DELAYED", 539)
    monkeypatch.setattr(protection.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(protection.asyncio, "sleep", sleep)
    # In a thread of its own: a browser test before this one may have left a loop running here.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, protection.Frames(app)({"type": "websocket"}, receive, None)).result()
    assert last["type"] == f"websocket.{end}" and now[0] - 1000 == pytest.approx(seconds, abs=0.1)


def handed_on(*messages: BackMsg) -> list[str]:
    """Return the kinds of messages that Streamlit gets of a connection; ``disconnect`` where it was ended."""
    waiting = [message.SerializeToString() for message in messages]

    async def receive() -> dict[str, object]:
        return {"type": "websocket.receive", "bytes": waiting.pop(0)}

    async def app(scope: object, receive: Callable[[], Awaitable[dict[str, object]]], send: object) -> None:
        while waiting:
            message = await receive()
            content = message.get("bytes")
            kinds.append(str(BackMsg.FromString(content).WhichOneof("type")) if content else "disconnect")

    kinds: list[str] = []
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, protection.Frames(app)({"type": "websocket"}, receive, None)).result()
    return kinds


def test_no_photo_stays_with_streamlit_until_the_next_message():
    """Streamlit's loop keeps a message until the next has come: twenty visitors with a photo of 8 MB took 377 MB."""
    small = BackMsg(stop_script=True)
    assert handed_on(small, PHOTO, small) == ["stop_script", "rerun_script", "app_heartbeat", "stop_script"]


#: A photo from the lesson, and widgets with more than half of the values that a message may have.
PHOTO = BackMsg(rerun_script={"widget_states": {"widgets": [{"id": "lesson", "json_trigger_value": "x" * 4_000_000}]}})
HALF = protection.MOST_WIDGETS // 2 + 1
MANY_VALUES = [
    {"int_array_value": {"data": [0] * HALF}},
    {"double_array_value": {"data": [0.0] * HALF}},
    {"string_array_value": {"data": [""] * HALF}},
    {"file_uploader_state_value": {"uploaded_file_info": [{}] * HALF}},
    *({kind: json} for kind in ("json_value", "json_trigger_value") for json in ("[" * HALF, "0," * HALF, "{" * HALF)),
]


@pytest.mark.parametrize(
    "rerun",
    [
        {"widget_states": {"widgets": [{"id": "x"}] * (protection.MOST_WIDGETS + 1)}},
        *({name: "x" * (protection.MOST_ADDRESS + 1)} for name in ("query_string", "page_name", "fragment_id")),
        {"cached_message_hashes": ["x"] * (protection.MOST_WIDGETS + 1)},
        *({"widget_states": {"widgets": [{"id": "x", **value}] * 2}} for value in MANY_VALUES),
        {"widget_states": {"widgets": [{"id": "x", "string_value": "x" * protection.MOST_BYTES}]}},
        {"context_info": {"url": "x" * protection.MOST_BYTES}},
    ],
)
def test_a_message_with_more_than_any_page_sends_ends_its_connection(rerun):
    assert handed_on(PHOTO, BackMsg(rerun_script=rerun)) == ["rerun_script", "app_heartbeat", "disconnect"]


def test_large_messages_are_delayed_by_their_bytes(monkeypatch):
    """A message of 4 MB takes as long as 80 small ones; 20 a second took most of the server's time."""
    now, delays = [1000.0], []

    async def sleep(delay: float) -> None:
        delays.append(round(delay, 1))
        now[0] += delay

    monkeypatch.setattr(protection, "TURN_S", 0.0)
    monkeypatch.setattr(protection.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(protection.asyncio, "sleep", sleep)
    handed_on(PHOTO, PHOTO, PHOTO)
    assert delays[::2] == [0.0, pytest.approx(1.1, abs=0.1), pytest.approx(4.1, abs=0.1)]  # and turns between


def test_pages_are_run_in_turns_and_the_addresses_take_them_in_turn():
    """1,200 connections asked for a page at once: nobody was answered for 58 s, and 5.6 GB of answers were made."""
    rerun, order = BackMsg(rerun_script={"query_string": ""}).SerializeToString(), []

    async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, object]]], send: object) -> None:
        await receive()
        order.append((scope["client"][0], time.monotonic()))

    async def receive() -> dict[str, object]:
        return {"type": "websocket.receive", "bytes": rerun}

    async def visit() -> None:
        frames = protection.Frames(app)
        scopes = [{"type": "websocket", "client": (address, 1)} for address in [*["10.0.0.1"] * 9, "10.0.0.2"]]
        await asyncio.gather(*(frames(scope, receive, None) for scope in scopes))

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, visit()).result()
    addresses, times = zip(*order, strict=True)
    assert addresses.index("10.0.0.2") <= 2 and len(order) == 10
    assert min(later - before for before, later in pairwise(times)) > 0.9 * protection.TURN_S


@pytest.mark.parametrize("has_left", [True, False])
def test_a_browser_that_leaves_in_mid_message_is_no_error(has_left):
    """Each left two tracebacks in the log."""

    async def app(scope: dict[str, Any], receive: object, send: object) -> None:
        visitor = WebSocket(scope, receive, send)
        await visitor.accept()
        with suppress(WebSocketDisconnect):
            await visitor.send_bytes(b"a page")
        raise RuntimeError("WebSocket is not connected.")

    async def send(message: dict[str, object]) -> None:
        if has_left and message["type"] == "websocket.send":
            raise ConnectionResetError("the browser has left")

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    visit = protection.Frames(app)({"type": "websocket", "headers": []}, receive, send)
    with ThreadPoolExecutor(1) as thread, nullcontext() if has_left else pytest.raises(RuntimeError):
        thread.submit(asyncio.run, visit).result()


def test_no_visitor_clears_what_the_server_keeps_for_everybody():
    """Streamlit's message ``clear_cache``, sent from a console, took away the uploads of all visitors."""
    rerun, stop = BackMsg(rerun_script={"query_string": ""}), BackMsg(stop_script=True)
    foreign = [BackMsg(clear_cache=True), BackMsg(set_run_on_save=True), BackMsg(debug_shutdown_runtime=True)]
    foreign.append(BackMsg(backend_operation_request={"install_skills": {}}))  # would write files beside the app
    download = BackMsg(backend_operation_request={"deferred_file": {"file_id": "x"}})
    kinds = ["rerun_script", "backend_operation_request", "stop_script"]
    assert handed_on(rerun, download, *foreign, stop) == kinds


def downloads(making_s: float, each: int, connections: int = 8) -> dict[str, float]:
    """Let connections ask for ``each`` files at once, then another address for one; return when each had its last.

    The server behind them makes files as Streamlit does: in a few threads, first come first served.
    """
    asked = BackMsg(backend_operation_request={"deferred_file": {"file_id": "x"}}).SerializeToString()
    answer = ForwardMsg(backend_operation_response={"deferred_file": {"url": "/x"}}).SerializeToString()
    other = ForwardMsg(delta={"new_element": {"html": {"body": "x"}}}).SerializeToString()
    ended: dict[str, float] = {}

    async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, object]]], send: Any) -> None:
        async def make() -> None:
            await asyncio.to_thread(time.sleep, making_s)
            await send({"type": "websocket.send", "bytes": other})
            await send({"type": "websocket.send", "bytes": answer})

        under_way = []
        while (await receive())["type"] == "websocket.receive":
            under_way.append(asyncio.create_task(make()))
        await asyncio.gather(*under_way)
        ended[scope["name"]] = time.monotonic() - begun

    async def visit(frames: protection.Frames, name: str, count: int) -> None:
        waiting = [{"type": "websocket.receive", "bytes": asked}] * count

        async def receive() -> dict[str, object]:
            return waiting.pop() if waiting else {"type": "websocket.disconnect", "code": 1000}

        async def send(message: dict[str, object]) -> None:
            pass

        address = "10.0.0.2" if name == "another" else "10.0.0.1"
        await frames({"type": "websocket", "name": name, "client": (address, 1), "headers": []}, receive, send)

    async def all_visits() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(6))
        frames = protection.Frames(app)
        crowd = [asyncio.create_task(visit(frames, f"crowd {number}", each)) for number in range(connections)]
        await asyncio.sleep(making_s)
        await asyncio.gather(visit(frames, "another", 1), *crowd)

    begun = time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, all_visits()).result()
    return ended


def test_a_crowd_of_files_for_few_connections_does_not_stand_before_another_visitor_s():
    """Eight connections asked for 55 files each: another visitor waited 96 s for a table."""
    ended = downloads(making_s=0.05, each=20)
    first_of_the_crowd = min(end for name, end in ended.items() if name != "another")
    assert len(ended) == 9 and ended["another"] < first_of_the_crowd / 2


def test_many_connections_that_ask_for_a_file_each_do_not_stand_before_another_address():
    """Of 160 connections of an address that asked for one film after another, a table waited 83 s."""
    ended = downloads(making_s=0.05, each=1, connections=96)
    of_the_crowd = sorted(end for name, end in ended.items() if name != "another")
    assert len(of_the_crowd) == 96 and ended["another"] < of_the_crowd[32]


def test_files_that_wait_for_one_result_leave_threads_to_others():
    """Seven tabs that asked for one film took all threads for 70 s, and another visitor's table waited."""
    line = threading.Barrier(40)

    async def all_at_once() -> list[int]:
        lifespan._give_files_threads()
        return await asyncio.gather(*[asyncio.to_thread(line.wait, 60) for _ in range(40)])

    with ThreadPoolExecutor(1) as thread:
        assert sorted(thread.submit(asyncio.run, all_at_once()).result()) == list(range(40))


def test_files_of_a_connection_are_worked_on_in_turns_by_address():
    seen: list[tuple[str, str]] = []

    async def app(*_: object) -> None:
        await asyncio.to_thread(lambda: seen.append(places.visitor()))

    async def visit() -> None:
        frames = protection.Frames(app)
        for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
            scope = {"type": "websocket", "client": (address, 1), "headers": []}
            await asyncio.create_task(frames(scope, None, None))
            kept.append(scope)  # or the next would have its number

    kept: list[object] = []
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, visit()).result()
    assert [address for address, _ in seen] == ["address 10.0.0.1", "address 10.0.0.1", "address 10.0.0.2"]
    assert len({connection for _, connection in seen}) == 3 and places.visitor() == ("", "")


def test_a_file_whose_answer_was_lost_keeps_its_connection_for_a_while_alone(monkeypatch):
    monkeypatch.setattr(protection, "MADE_S", 0.2)
    download = BackMsg(backend_operation_request={"deferred_file": {"file_id": "x"}})
    begun = time.monotonic()
    assert handed_on(download, download) == ["backend_operation_request"] * 2  # no answer is sent
    assert time.monotonic() - begun > 0.19


@pytest.mark.parametrize(("files", "kind"), [(300, "file_urls_request"), (301, "disconnect")])
def test_a_message_that_asks_for_more_addresses_than_files_are_taken_ends_its_connection(files, kind):
    """The server makes an address for every name: for a million it answered nobody for 43 s."""
    asked = BackMsg(file_urls_request={"request_id": "x", "file_names": ["a.png"] * files})
    assert handed_on(asked) == [kind]


@contextmanager
def opened(address: str) -> Iterator[tuple[socket.socket, BufferedReader]]:
    """Open a WebSocket; yield its socket, into which a test writes frames, and what the server sends."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as line:
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        headers |= {"Host": parts.netloc, "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        lines = ["GET /_stcore/stream HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items()), "", ""]
        line.sendall("\r\n".join(lines).encode())
        answer = line.makefile("rb")
        while answer.readline() != b"\r\n":
            pass
        yield line, answer


def test_a_message_larger_than_any_pages_is_refused_before_it_has_come(address):
    """Of a half-sent message the server holds what has come: 8 connections with 190 MB each took 1.3 GiB."""
    with opened(address) as (line, answer):
        line.sendall(b"\x82\xff" + (9_000_000).to_bytes(8) + bytes(4))  # the head of a frame
        assert answer.read(4)[2:] == (1009).to_bytes(2)


def frame(first: int, content: bytes = b"") -> bytes:
    """Return a frame with this first byte, and a mask of zeros."""
    return bytes([first, 0x80 | 126]) + len(content).to_bytes(2) + bytes(4) + content


@pytest.mark.parametrize("first", [0x89, 0x8A, 0x00], ids=["ping", "pong", "fragment"])
def test_a_flood_of_empty_frames_ends_its_connection(address, first):
    """Forty connections that sent nothing else kept all others waiting for more than half a minute."""
    with opened(address) as (line, _), suppress(ConnectionError):
        line.sendall(frame(0x02))  # begins a message, which fragments go on with
        for _ in range(1000):
            line.sendall(frame(first) * 1000)
        pytest.fail("a million frames were read")


def test_a_message_in_many_fragments_and_many_pings_are_answered(address):
    """A browser may send a photo in pieces, and a heartbeat between them."""
    with opened(address) as (line, answer):
        line.sendall(frame(0x02) + frame(0x00, bytes(websocket.SMALL_BYTES)) * 3000)
        for _ in range(5):
            line.sendall(frame(0x89, b"x") * 100)
            assert answer.read(300) == b"\x8a\x01x" * 100  # pongs


def test_what_the_server_sends_may_be_larger(monkeypatch):
    monkeypatch.setattr(runtime_util, "_max_message_size_bytes", 8_000_000)
    message = ForwardMsg(delta={"new_element": {"html": {"body": "x" * 9_000_000}}})
    lifespan._bound_only_what_browsers_send()
    assert len(runtime_util.serialize_forward_msg(message)) > 9_000_000


def test_the_teachers_link_is_in_no_log_after_a_change_of_settings(monkeypatch):
    """Streamlit reads its settings file again where it changes, and sets the levels of all loggers."""
    access = logging.getLogger("uvicorn.access")
    monkeypatch.setattr(access, "disabled", False)
    lifespan._log_no_addresses()
    streamlit.logger.init_uvicorn_logs()
    streamlit.logger.set_log_level("INFO")
    assert not access.isEnabledFor(logging.INFO)


def test_the_log_takes_the_same_message_seldom(monkeypatch, caplog):
    """A browser that sent junk values wrote 2 KB of traceback twenty times a second."""
    now = [1000.0]
    monkeypatch.setattr(lifespan.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(log := logging.getLogger("of a test"), "filters", [lifespan.Seldom()])

    def fail(place: str) -> None:
        try:
            if place == "one":
                int("nan")
            float("x")
        except ValueError:
            log.exception("Uncaught %s", place)

    for _ in range(100):
        fail("one")
    fail("another")
    assert [record.getMessage() for record in caplog.records] == ["Uncaught one"] * 20 + ["Uncaught another"]
    now[0] += lifespan.SAME_S
    fail("one")
    assert caplog.records[-1].getMessage() == "Uncaught one (80 more like this were left out)"


def test_junk_values_of_a_widget_leave_few_tracebacks(address, server_runs):
    from websockets.sync.client import connect

    log, before = server_runs / "server.log", (server_runs / "server.log").read_text().count("Traceback")
    with connect(f"ws://{urlsplit(address).netloc}/_stcore/stream", origin=address, max_size=None) as line:

        def run(**rerun: object) -> list[ForwardMsg]:
            line.send(BackMsg(rerun_script={"page_name": "lesson", **rerun}).SerializeToString())
            messages = [ForwardMsg()]
            while messages[-1].WhichOneof("type") != "script_finished":
                messages.append(ForwardMsg.FromString(line.recv(60)))
            return messages

        elements = [message.delta.new_element for message in run()]
        (lesson,) = {element.bidi_component.id for element in elements} - {""}
        for _ in range(lifespan.SAME_AT_ONCE + 10):
            run(widget_states={"widgets": [{"id": lesson, "json_value": "junk"}]})
    assert 0 < log.read_text().count("Traceback") - before <= lifespan.SAME_AT_ONCE


# ---------------------------------------------------------------------- content security


@pytest.mark.parametrize("path", ["/", "/train", "/_stcore/health", "/static/no-such-file.js"])
def test_every_response_limits_pictures_and_frames(address, path):
    answer = get(address, path)
    header = answer.getheader("Content-Security-Policy")
    assert "img-src 'self' data: blob:;" in header
    assert header.endswith(f"; frame-ancestors 'self' {FRAMES}")  # as the shared server's setting says
    assert answer.getheader("X-Content-Type-Options") == "nosniff"


def test_no_other_window_may_send_the_app_messages(address):
    """A page that frames the app could stop its script, and a site of Streamlit's cloud is listed by default."""
    assert json.load(get(address, "/_stcore/host-config"))["allowedOrigins"] == []


def test_without_a_setting_no_foreign_page_may_frame_the_app(monkeypatch):
    monkeypatch.delenv("EIWFLOW_FRAME_ANCESTORS", raising=False)
    assert policy().endswith("; frame-ancestors 'self'")


@pytest.mark.parametrize("text", ["course.example", "https://a.example;", "https://a.example/page", "'none'"])
def test_what_is_no_origin_is_refused_in_a_sentence(monkeypatch, text):
    monkeypatch.setenv("EIWFLOW_FRAME_ANCESTORS", text)
    with pytest.raises(ValueError, match=r"^EIWFLOW_FRAME_ANCESTORS holds .*; it must be origins such as"):
        policy()
