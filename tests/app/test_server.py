"""A running server: uploads over HTTP, its answers beside the pages, its log, and what it leaves when it ends."""

from __future__ import annotations

import gzip
import io
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from eiwflow.lesson import bundle, default
from eiwflow.training.run_directory import RunDirectory
from eiwflow.ui.jobs.runs import export_link
from eiwflow.ui.stage import first_scene

from ..conftest import ROOT
from ..training.tiny import tiny_run
from .conftest import PATIENCE_S

BOUNDARY = "eiwflow-test"


def session(address: str) -> tuple[ClientConnection, str]:
    """Open the front page as a browser does; return the connection and the session's name."""
    url = f"{address.replace('http', 'ws')}/_stcore/stream"
    # Without a bound on what is not read yet: behind one, its end would wait ten seconds for the server's answer.
    line = connect(url, subprotocols=["streamlit"], max_size=None, max_queue=None)
    asked = BackMsg()
    asked.rerun_script.query_string, asked.rerun_script.page_name = urlencode({}), ""
    line.send(asked.SerializeToString())
    while True:
        message = ForwardMsg.FromString(line.recv(timeout=120))
        if message.WhichOneof("type") == "new_session":
            return line, message.new_session.initialize.session_id


def send_file(address: str, session: str, number: int, size: int) -> HTTPResponse:
    parts = urlsplit(address)
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'.encode()
    content = head + bytes(size) + f"\r\n--{BOUNDARY}--\r\n".encode()
    line = HTTPConnection(parts.hostname, parts.port, timeout=120)
    line.request(
        "PUT",
        f"/_stcore/upload_file/{session}/file-{number}",
        content,
        {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    )
    return line.getresponse()


@pytest.mark.slow
def test_uploads_are_freed_when_their_session_has_ended(address: str) -> None:
    line, name = session(address)
    assert send_file(address, name, 0, 3_000_000).status == 204
    assert held_bytes(address) >= 3_000_000
    line.close()
    end = time.monotonic() + PATIENCE_S
    while held_bytes(address) > 0:
        assert time.monotonic() < end
        time.sleep(1)
        session(address)[0].close()  # Streamlit looks for ended sessions where another one ends


def held_bytes(address: str) -> int:
    """Return the bytes of uploads that the server says it holds; it counts them at most every five seconds."""
    with urlopen(f"{address}/_stcore/metrics?families=cache_memory_bytes") as answer:
        said = re.findall(rb'cache_memory_bytes\{cache_type="UploadedFileManager"[^}]*\} (\d+)', answer.read())
    return sum(map(int, said))


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(address: str) -> None:
    line, name = session(address)
    parts = urlsplit(address)
    for length, status in ((f"{600 * 2**20}", 413), (f"{300 * 2**20}", 413), ("many", 400)):
        sender = HTTPConnection(parts.hostname, parts.port, timeout=60)
        sender.putrequest("PUT", f"/_stcore/upload_file/{name}/file")
        sender.putheader("Content-Length", length)
        sender.endheaders()
        assert sender.getresponse().status == status
    chunked = {"Transfer-Encoding": "chunked"}
    # A server whose uvicorn parses by httptools refuses both headers together before our code sees them.
    for headers, refusals in ((chunked, (411,)), (chunked | {"Content-Length": "1"}, (411, 400))):
        sender = HTTPConnection(parts.hostname, parts.port, timeout=60)
        sender.putrequest("PUT", f"/_stcore/upload_file/{name}/file")
        for header, value in headers.items():
            sender.putheader(header, value)
        sender.endheaders()
        assert sender.getresponse().status in refusals
    line.close()


@pytest.mark.slow
def test_a_wrong_setting_ends_the_server_with_one_sentence(tmp_path: Path) -> None:
    """Streamlit's own command prints the address before it reads app.py; the server does not stay behind it."""
    done = subprocess.run(
        [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.headless", "true",
         "--server.port", "0"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "EIWFLOW_MODE": "Classroom", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "eiwflow app: EIWFLOW_MODE is 'Classroom'; choose classroom, read-only or leave it out.\n" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")
def test_a_server_says_its_address_alone_and_ends_while_a_page_is_open_with_its_temporary_files(tmp_path: Path) -> None:
    with open(log := tmp_path / "log", "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.headless", "true",
             "--server.port", "0"],
            cwd=ROOT, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:
        end = time.monotonic() + 120
        while not (urls := re.findall(r"http://\S+:\d+", log.read_text())):
            assert time.monotonic() < end and process.poll() is None, log.read_text()
            time.sleep(0.1)
        line, _ = session(urls[0])
        asked = BackMsg()
        asked.rerun_script.page_name = "levels"
        line.send(asked.SerializeToString())
        while ForwardMsg.FromString(line.recv(timeout=120)).WhichOneof("type") != "script_finished":
            pass
        lines = [text.strip() for text in log.read_text().splitlines() if text.strip()]
        assert lines == ["You can now view your Streamlit app in your browser.", f"URL: {urls[0]}"]
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
    finally:
        process.kill()
    assert "Traceback" not in log.read_text() and [*tmp_path.glob("eiwflow-*")] == []


# ---------------------------------------------------------------------- beside the pages


@pytest.fixture(scope="module")
def run(server_runs: Path) -> RunDirectory:
    run = tiny_run(server_runs)
    (server_runs.parent / "secret").write_text("secret")
    return run


def ask(address: str, path: str, method: str = "GET", host: str | None = None, **headers: str) -> HTTPResponse:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request(method, path, headers=headers if host is None else headers | {"Host": host})
    return connection.getresponse()


def test_a_run_is_saved_under_its_exact_name(address: str, run: RunDirectory) -> None:
    answer = ask(address, f"/{export_link(run.path)}")
    assert answer.status == 200 and answer.getheader("Content-Type") == "application/zip"
    assert answer.getheader("Content-Disposition") == f"attachment; filename*=UTF-8''{run.path.name}.zip"
    assert answer.getheader("Content-Length") is None  # it is sent while it is made
    with zipfile.ZipFile(io.BytesIO(answer.read())) as archive:
        assert {*archive.namelist()} == {f"{run.path.name}/config.json", f"{run.path.name}/status.json"}


def test_a_run_with_a_name_of_any_letters_is_saved(address: str, run: RunDirectory) -> None:
    other = run.path.with_name('Übung "1" %2e; a=b\n')
    os.mkdir(other)
    (other / "config.json").write_bytes((run.path / "config.json").read_bytes())
    answer = ask(address, f"/{export_link(other)}")
    assert answer.status == 200 and answer.getheader("Content-Disposition").endswith(
        "filename*=UTF-8''%C3%9Cbung%20%221%22%20%252e%3B%20a%3Db%0A.zip"
    )
    with zipfile.ZipFile(io.BytesIO(answer.read())) as archive:
        assert archive.namelist() == [f"{other.name}/config.json"]


@pytest.mark.slow
def test_an_export_of_a_run_that_is_deleted_meanwhile_breaks_off(address: str, server_runs: Path) -> None:
    """A browser then says that the download failed; it was a sound file in which the rest was missing."""
    doomed = tiny_run(server_runs)
    with open(doomed.path / "large", "wb") as large:
        large.truncate(64 * 2**20)  # more than the connection holds
    answer = ask(address, f"/{export_link(doomed.path)}")
    assert answer.status == 200 and answer.read(1000)
    doomed.delete()
    with pytest.raises(IncompleteRead):
        answer.read()


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e", "..%2Fruns", "%2Fetc", "studies", "."])
def test_what_is_no_run_is_not_saved(address: str, run: RunDirectory, name: str) -> None:
    answer = ask(address, f"/_export/{name}.zip")
    assert answer.status in (400, 404) or b"PK" not in answer.read()[:2]


def test_a_foreign_host_name_gets_no_run(address: str, run: RunDirectory) -> None:
    assert ask(address, f"/{export_link(run.path)}", host="evil.example").status == 421


def test_the_front_page_asks_first_for_its_scene_and_its_pack_and_the_browser_keeps_them(address: str) -> None:
    page = ask(address, "/").read().decode()
    links = re.findall(r'(?:href|src)="\./([^"]+)"', page)
    assert links[:2] == [first_scene.script(), first_scene.pack()] and page.count(first_scene.WHAT) == 1
    for link, content in ((first_scene.script(), None), (first_scene.pack(), default.pack())):
        answer = ask(address, f"/{link}")
        assert answer.status == 200 and "immutable" in answer.getheader("Cache-Control")
        assert content is None or answer.read() == content
    assert "no-cache" in ask(address, "/").getheader("Cache-Control")  # a new version has new addresses


def test_the_scene_and_its_pack_are_compressed(address: str) -> None:
    contents = {first_scene.script(): bundle.script("home.js").encode(), first_scene.pack(): default.pack()}
    for link, content in contents.items():
        answer = ask(address, f"/{link}", **{"Accept-Encoding": "gzip"})
        assert answer.getheader("Content-Encoding") == "gzip" and gzip.decompress(answer.read()) == content
        assert ask(address, f"/{link}").getheader("Content-Encoding") is None


@pytest.mark.parametrize("path", ["/?lesson=1", "/levels", "/lesson"])
def test_a_link_that_leads_elsewhere_begins_without_the_front_page(address: str, path: str) -> None:
    assert "eiw-first" not in ask(address, path).read().decode()
