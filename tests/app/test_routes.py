"""What the server answers beside the pages, over HTTP."""

from __future__ import annotations

import io
import os
import re
import zipfile
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from eiwflow.lesson import default
from eiwflow.training.run_directory import RunDirectory
from eiwflow.ui.jobs.runs import export_link
from eiwflow.ui.stage import first_scene

from ..training.tiny import tiny_run


@pytest.fixture(scope="module")
def run(server_runs: Path) -> RunDirectory:
    run = tiny_run(server_runs)
    (server_runs.parent / "secret").write_text("secret")
    (run.path / "link").symlink_to(server_runs.parent / "secret")
    return run


def ask(address: str, path: str, method: str = "GET", host: str | None = None) -> HTTPResponse:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    return connection.getresponse()


def test_a_run_is_saved_under_its_exact_name_without_what_links_lead_to(address: str, run: RunDirectory) -> None:
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


@pytest.mark.parametrize("path", ["/?lesson=1", "/levels", "/lesson"])
def test_a_link_that_leads_elsewhere_begins_without_the_front_page(address: str, path: str) -> None:
    assert "eiw-first" not in ask(address, path).read().decode()
