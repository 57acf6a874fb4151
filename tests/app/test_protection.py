"""What the server refuses before Streamlit sees it, and what every response carries: on a running server."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import pytest

from eiwflow.ui.protection import is_allowed

from ..browser.conftest import ROOT, start_server


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_server(tmp_path_factory.mktemp("runs")) as address:
        yield address


def get(address: str, path: str = "/", host: str | None = None) -> HTTPResponse:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    return connection.getresponse()


def opens_a_session(address: str, host: str) -> bool:
    """Return whether the WebSocket that drives the app opens for a page that came from this host."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus

    async def opens() -> bool:
        parts = urlsplit(address)
        try:
            async with connect(
                f"ws://{host}/_stcore/stream", host=parts.hostname, port=parts.port, origin=f"http://{host}"
            ):
                return True
        except InvalidStatus:
            return False

    return asyncio.run(opens())


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
