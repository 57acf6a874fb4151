"""Uploads belong to the session that made them."""

from __future__ import annotations

import asyncio
import io
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
import streamlit.runtime
from PIL import Image
from starlette.requests import ClientDisconnect
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import DeletedFile, UploadedFileRec

from eiwflow import data
from eiwflow.checkpoint import CheckpointError, load
from eiwflow.flow import FlowConfig
from eiwflow.training.cost import look
from eiwflow.ui.common import shelves
from eiwflow.ui.common.shelves import Shelf
from eiwflow.ui.own.photos import PHOTOS, photo_of_shape
from eiwflow.ui.own.upload import Upload
from eiwflow.ui.server import protection
from eiwflow.ui.shell import second_image
from eiwflow.ui.sources import checkpoints

from .conftest import picture_bytes, small_flow, url, visit_page, write_checkpoint


@pytest.mark.parametrize(("height", "width"), [(16, 16), (12, 20), (256, 32), (100, 258), (300, 500)])
def test_a_photo_is_never_enlarged_and_one_of_the_flows_size_keeps_every_byte(height: int, width: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    content = PHOTOS.kept(PHOTOS.keep({"mine.png": data.png_file(pixels)}))
    if max(height, width) <= 256:
        assert np.array_equal(photo_of_shape(content, (3, height, width))[0].permute(1, 2, 0), pixels)
        return
    side, left = min(256, height), (width - height) // 2  # a square of the middle
    assert Image.open(io.BytesIO(content)).size == (side, side)
    if side == height:
        assert np.array_equal(photo_of_shape(content, (3, side, side))[0].permute(1, 2, 0), pixels[:, left:-left])


def test_nobody_elses_uploads_push_out_what_a_visitor_looks_at(bundle: Path) -> None:
    write_checkpoint(bundle / "one.safetensors")
    key = PHOTOS.keep({"mine.png": picture_bytes()})
    at = visit_page("app.py", ck="one", photo=key)
    assert not at.error
    for seed in range(1, PHOTOS.most + 3):
        PHOTOS.shelf.keep(f"other-{seed}", picture_bytes(seed=seed), "another visitor")
    at.run()
    assert not at.error and url(at)["photo"] == key


def test_an_upload_that_the_server_has_lost_is_refused_in_a_sentence() -> None:
    """Streamlit gives a callback a file without content where its session ended before the page's next run."""
    st.session_state["upload-here-0"] = DeletedFile("lost")
    PHOTOS._take("here", None)
    said: list[str] = []
    PHOTOS.say_refusal("here", SimpleNamespace(error=said.append))
    assert len(said) == 1


def test_a_visitor_keeps_the_newest_of_his_own() -> None:
    gone: list[int] = []
    shelf: Shelf[int] = Shelf(2, abs, gone.append)
    for number in range(4):
        shelf.keep(str(number), number, "me")
        shelf.keep(f"other-{number}", 100 + number, "other")
    assert gone == [0, 100, 1, 101] and shelf.taken() == 2 + 3 + 102 + 103


def test_what_two_look_at_stays_until_both_sessions_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"a session", "a guest"}
    monkeypatch.setattr(shelves, "exists", lambda: True)
    monkeypatch.setattr(shelves, "get_instance", lambda: SimpleNamespace(is_active_session=here.__contains__))
    gone: list[int] = []
    shelf: Shelf[int] = Shelf(2, abs, gone.append)
    shelf.keep("a", 1, "a session")
    assert shelf.hold("a", "a guest") == 1 and shelf.hold("b", "a guest") is None
    now = time.monotonic()
    monkeypatch.setattr(shelves.time, "monotonic", lambda: now)
    here.remove("a session")  # its tab was closed
    now += 10 * shelves.GRACE_S
    shelves.sweep()
    here.remove("a guest")
    now += shelves.GRACE_S / 2
    assert shelf.hold("a", "a guest again") == 1  # the page was loaded again
    now += shelves.GRACE_S - 1
    shelves.sweep()
    assert not gone
    now += 2
    shelves.sweep()
    assert gone == [1] and shelf.hold("a", "a guest") is None


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    """Return the files of a server that has 2 MiB for uploads."""
    manager = MemoryUploadedFileManager("/upload")
    runtime = SimpleNamespace(uploaded_file_mgr=manager, is_active_session=lambda _: True)
    monkeypatch.setattr(shelves, "exists", lambda: True)
    monkeypatch.setattr(shelves, "get_instance", lambda: runtime)
    monkeypatch.setattr(shelves, "_SHELVES", [])
    monkeypatch.setenv("EIWFLOW_UPLOADS_MIB", "2")
    return manager


def test_one_tab_leaves_room_to_others_and_all_have_one_limit(manager: MemoryUploadedFileManager) -> None:
    """Thirty visitors beside a tab that uploads without a pause; what pages keep counts too."""
    half = 2**19
    shelf: Shelf[bytes] = Shelf(2, len)
    shelf.keep("kept", bytes(half), "a page")
    assert shelves.refusal("mine", 2 * half, {}) == "" != shelves.refusal("mine", 2 * half + 1, {})
    manager.add_file("mine", UploadedFileRec("1", "a.png", "image/png", bytes(half)))
    coming = {"mine": half}
    assert shelves.refusal("mine", 1, coming) and not shelves.refusal("another", half, coming)
    assert shelves.refusal("another", half + 1, coming)
    manager.remove_session_files("mine")  # as Streamlit does when the session ends
    assert not shelves.refusal("mine", half, {})


def test_nobody_names_a_file_that_another_visitor_sends() -> None:
    upload = Upload("test", ("txt",), 1, 2, lambda key, files: next(iter(files)), len)
    keys = [upload.keep({name: b"content"}) for name in ("mine.txt", "theirs.txt", "mine.txt")]
    assert keys[0] == keys[2] and [upload.kept(key) for key in keys[:2]] == ["mine.txt", "theirs.txt"]


@pytest.mark.parametrize("fails", [False, True])
def test_files_on_their_way_count_until_they_have_come(manager: MemoryUploadedFileManager, fails: bool) -> None:
    statuses: list[int] = []

    async def streamlit(scope: Any, receive: Any, send: Any) -> None:
        await put("tab", 2**19 + 1)  # while the first is under way
        if fails:
            raise ClientDisconnect
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def answer(message: dict[str, Any]) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async def put(session: str, size: int) -> None:
        scope = {"type": "http", "method": "PUT", "path": f"/_stcore/upload_file/{session}/file"}
        await limit(scope | {"headers": [(b"content-length", str(size).encode())]}, None, answer)

    limit = protection.UploadLimit(streamlit)
    with ThreadPoolExecutor(1) as thread:  # a browser test before this one may have left a loop running here
        for _ in range(2):
            thread.submit(asyncio.run, put("tab", 2**19)).result()
    assert statuses == ([413] if fails else [413, 204]) * 2


def test_a_thumbnail_takes_the_place_of_a_photo_as_b(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "query_params", asked := {"photo_b": "mine"})
    monkeypatch.setattr(st, "session_state", chosen := {})
    second_image._take_number(3)
    assert not asked and chosen["b"] == 3


# ---------------------------------------------------------------------- cost


def test_a_flow_that_is_too_costly_to_look_at_is_refused_before_memory_is_taken(bundle: Path, tmp_path: Path) -> None:
    flow = small_flow()
    content = write_checkpoint(tmp_path / "costly.safetensors", flow).read_bytes()
    checkpoint = load(content, "costly.safetensors")
    costly = FlowConfig(shape=(3, 256, 256), levels=1, steps=8, width=256)
    with pytest.raises(CheckpointError, match=r"cost of looking at .* images is about \d\.\d GiB and \d+ s; expected"):
        checkpoints.admit(replace(checkpoint, info=replace(checkpoint.info, config=costly)))
    checkpoints.admit(checkpoint)


def test_a_flow_of_two_channels_is_refused_since_the_app_shows_pictures(bundle: Path, tmp_path: Path) -> None:
    """It was taken, and then every page said that the shape asked for has 2 channels."""
    content = write_checkpoint(tmp_path / "two.safetensors", small_flow(shape=(2, 8, 8))).read_bytes()
    sentence = (
        r"channels is 2; look at it from Python; expected 1 \(grey\) or 3 \(colour\), since the app shows pictures"
    )
    with pytest.raises(CheckpointError, match=sentence):
        checkpoints.admit(load(content, "two.safetensors"))


@pytest.mark.slow
def test_every_bundled_flow_may_be_looked_at() -> None:
    for path in checkpoints.BUNDLED.glob("*.safetensors"):
        size, seconds = look(load(path).info.config, 128)
        assert size < checkpoints.MOST_LOOK_BYTES and seconds < checkpoints.MOST_LOOK_S / 4, path.name
