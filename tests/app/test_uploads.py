"""Uploads belong to the session that made them."""

from __future__ import annotations

import asyncio
import gc
import io
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
import streamlit.runtime
from filelock import FileLock
from PIL import Image
from starlette.requests import ClientDisconnect
from streamlit.runtime.caching import cache_resource_api
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import DeletedFile, UploadedFileRec

from eiwflow import data
from eiwflow.analysis import likelihood
from eiwflow.checkpoint import CheckpointError, load
from eiwflow.flow import FlowConfig
from eiwflow.training.cost import look
from eiwflow.ui.access import roles
from eiwflow.ui.common import shelves
from eiwflow.ui.common.shelves import Shelf
from eiwflow.ui.jobs import presets
from eiwflow.ui.own import checkpoints as own_checkpoints
from eiwflow.ui.own import pictures
from eiwflow.ui.own.photos import PHOTOS, photo_of_shape
from eiwflow.ui.own.upload import Limits, Upload
from eiwflow.ui.server import protection
from eiwflow.ui.sources import cache, checkpoints, child, data_sets, places

from .conftest import line_up, picture_bytes, small_flow, url, visit_page, write_checkpoint


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
    for seed in range(1, PHOTOS.limits.kept + 3):
        PHOTOS.shelf.keep(f"other-{seed}", picture_bytes(seed=seed), "another visitor")
    at.run()
    assert not at.error and url(at)["photo"] == key


def test_an_upload_that_the_server_has_lost_is_refused_in_a_sentence() -> None:
    """Streamlit gives a callback a file without content where its session ended before the page's next run."""
    st.session_state["upload-here-0"] = DeletedFile("lost")
    PHOTOS._take("here", None)
    assert str(PHOTOS.refusal("here")) == "The server no longer has the file that this page sent; send it again."


def at_once(read: Callable[[int], object], monkeypatch: pytest.MonkeyPatch, place: Any, name: str) -> list[int]:
    """Return how many of eight readings were under way, at the start of each; ``place.name`` does the work of one."""
    now, most, lock = [], [], threading.Lock()

    def work(*_: object) -> Any:
        now.append(1)
        with lock:
            most.append(len(now))
        time.sleep(0.02)
        now.pop()
        return SimpleNamespace(images=np.zeros((1, 8, 8, 3), np.uint8), made="")

    monkeypatch.setattr(place, name, work, raising=False)
    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most


def test_few_files_are_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture takes many times the memory of its file meanwhile."""
    here = SimpleNamespace()
    upload = Upload("few", Limits(("png",), 1, kept=16), lambda *given: here.parse(*given), lambda _: 1)
    most = at_once(lambda n: upload.keep({"a.png": bytes([n])}), monkeypatch, here, "parse")
    assert len(most) == 8 and max(most) == 2


def test_images_are_made_to_fit_a_few_flows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """88 flows, each of another size, took 4.5 GiB for one set of pictures."""
    shapes = [(3, 8, 8 + 4 * n) for n in range(8)]
    most = at_once(lambda n: pictures._in_shape("key", shapes[n], ()), monkeypatch, likelihood, "pictures")
    assert len(most) == 8 and max(most) == 2
    most = at_once(lambda n: pictures._of_folder("folder", shapes[n], 4), monkeypatch, likelihood, "also")
    assert len(most) == 8 and max(most) == 1
    most = at_once(lambda n: data_sets.images("faces16", shapes[n], 4), monkeypatch, data_sets, "_images")
    assert len(most) == 8 and max(most) == 2
    config = FlowConfig(shape=(3, 16, 16), levels=2)
    most = at_once(lambda n: presets.facts(f"folder {n}", config), monkeypatch, child, "facts_of")
    assert len(most) == 8 and max(most) == 1
    cache.clear()


def test_while_a_folder_of_the_server_is_read_all_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tabs that named a folder of 6,000 photographs kept every visitor from flows and images for minutes."""
    reading, done = threading.Event(), threading.Event()

    def read_long(*_: object) -> Any:
        reading.set()
        done.wait(60)
        return SimpleNamespace(images=np.zeros((1, 16, 16, 3), np.uint8), made="")

    monkeypatch.setattr(child, "facts_of", read_long)
    monkeypatch.setattr(likelihood, "also", read_long)
    config = FlowConfig(shape=(3, 16, 16), levels=2)
    cache.clear()
    tabs = [threading.Thread(target=presets.facts, args=(f"folder {n}", config)) for n in range(3)]
    tabs += [threading.Thread(target=pictures._of_folder, args=(f"folder {n}", config.shape, 4)) for n in range(3)]
    for tab in tabs:
        tab.start()
    assert reading.wait(60)
    try:
        with ThreadPoolExecutor(1) as visitor:
            assert len(visitor.submit(data_sets.images, "faces16", (3, 16, 16), 4).result(30).test) > 0
            assert visitor.submit(presets.facts, "faces16", config).result(30).name == "faces16"
    finally:
        done.set()
        for tab in tabs:
            tab.join(60)
        cache.clear()


def test_images_that_another_waits_to_read_are_read_by_whoever_has_a_place_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script that waited for its turn kept all others from these images: uploads in turn held them up for 2 min."""
    names, read, busy = threading.local(), [], threading.Event()
    line = places.Places(1)
    for module in (data_sets, places):
        monkeypatch.setattr(module, "READING", line)
    monkeypatch.setattr(places, "visitor", lambda: names.who)
    monkeypatch.setattr(data_sets, "_images", lambda *key: read.append(names.who) or SimpleNamespace(key=key))

    def upload() -> None:
        names.who = "another address", "uploads"
        with line.one():
            busy.wait(60)

    def ask(who: tuple[str, str]) -> None:
        names.who = who
        data_sets.images("faces16", (3, 8, 8), 4)

    visitors = [("another address", "blocks"), ("an address", "looks")]
    threads = [threading.Thread(target=upload), *(threading.Thread(target=ask, args=(who,)) for who in visitors)]
    cache.clear()
    line_up(line, threads)
    busy.set()
    for thread in threads:
        thread.join(60)
    assert read == [("an address", "looks")]
    cache.clear()


def test_addresses_never_seen_before_do_not_overtake_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that came from a new address each time kept a visitor waiting 156 s for a measure of 16 s."""
    names, served, may_end = threading.local(), [], threading.Semaphore(0)
    line = places.Places(1)
    monkeypatch.setattr(places, "visitor", lambda: names.who)

    def ask(who: str) -> None:
        names.who = who, f"session of {who}"
        with line.one():
            served.append(who)
            may_end.acquire(timeout=60)

    began = [threading.Thread(target=ask, args=(who,)) for who in ("visitor", "new 1", "visitor")]
    line_up(line, began[:1])
    may_end.release()
    began[0].join(60)
    line_up(line, began[1:])  # the visitor waits behind one that works
    for number in range(2, 5):
        newcomer = threading.Thread(target=ask, args=(f"new {number}",))
        began.append(newcomer)
        newcomer.start()
        while len(line._waiting) < number:
            time.sleep(0.001)
    for _ in began[1:]:
        may_end.release()
    for thread in began:
        thread.join(60)
    assert served[:4] == ["visitor", "new 1", "visitor", "new 2"]


def test_sizes_of_a_recipe_do_not_read_a_bundled_set_again() -> None:
    cache.clear()
    small, large = (presets.facts("faces16", FlowConfig(shape=(3, side, side), levels=2)) for side in (8, 16))
    assert small is large and small.size == (16, 16)
    padded = presets.facts("faces16", FlowConfig(shape=(3, 32, 32), levels=5))
    assert padded.size == (32, 32)


def test_of_images_that_a_large_flow_takes_some_are_made_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_sets, "MOST_BYTES", 100 * 3 * 24 * 24)
    whole, fitted = (data_sets.images("faces16", (3, side, side), 4) for side in (16, 24))
    assert len(whole.test) > 100 == len(fitted.test) and len(whole.sources or whole.test) == len(whole.test)
    assert f"Of the {len(whole.test):,} test images the first 100 are here." in fitted.note
    few = data_sets.images("faces16", (3, 64, 64), 4)
    assert len(few.test) == data_sets.FEWEST_IMAGES
    cache.clear()


def test_checkpoints_are_read_once_for_their_keys_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more than 128 of them every page read all of them again at every move."""
    read: list[Path] = []
    monkeypatch.setattr(checkpoints, "read_bytes", lambda path, _: read.append(path) or str(path).encode())
    paths = [Path(f"flow-{number}.safetensors") for number in range(600)]
    keys, again = ([checkpoints._key(path, 0, 0) for path in paths] for _ in range(2))
    assert keys == again and read == paths and len(set(keys)) == len(paths)
    checkpoints._key.clear()


def test_of_large_flows_two_are_kept_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    large = 1_000
    monkeypatch.setattr(checkpoints, "LARGE_BYTES", large)
    opened: list[Path] = []
    monkeypatch.setattr(checkpoints, "_opened", lambda path: opened.append(path) or path)
    cache.clear()
    for size in (large, large + 1):
        paths = [tmp_path / f"{size}-{number}" for number in range(4)]
        for path in paths:
            path.write_bytes(bytes(size))
        opened.clear()
        for path in (*paths, *reversed(paths)):
            checkpoints._whole(checkpoints.CheckpointFile("key", "name", path, "argument"))
        again = [] if size == large else [paths[1], paths[0]]
        assert opened == [*paths, *again]
    cache.clear()


@pytest.mark.parametrize("is_large", [False, True])
def test_flows_given_a_class_keep_no_large_flow_alive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_large: bool
) -> None:
    if is_large:
        monkeypatch.setattr(checkpoints, "LARGE_BYTES", 0)
    path = write_checkpoint(tmp_path / "a.safetensors", small_flow(context=2), labels="hat", classes=("none", "cap"))
    file = checkpoints.CheckpointFile("key", "name", path, "argument")
    first, again, other = (checkpoints.open_checkpoint(file, label) for label in ("cap", "cap", "none"))
    assert (first is again) is not is_large and first.sha256 == again.sha256 != other.sha256
    gone, whole = weakref.ref(first), weakref.ref(checkpoints._whole(file).flow)
    del first, again, other
    cache.clear()
    gc.collect()
    assert (gone() is None) is is_large and whole() is None
    checkpoints.forget()


def test_a_visitor_keeps_the_newest_of_his_own() -> None:
    gone: list[int] = []
    shelf: Shelf[int] = Shelf("test", 2, abs, gone.append)
    for number in range(4):
        shelf.keep(str(number), number, "me")
        shelf.keep(f"other-{number}", 100 + number, "other")
    assert [*shelf] == ["2", "other-2", "3", "other-3"]
    assert gone == [0, 100, 1, 101]


def test_what_two_look_at_stays_until_both_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(shelves.time, "monotonic", lambda: now)
    gone: list[int] = []
    shelf: Shelf[int] = Shelf("test", 2, abs, gone.append)
    shelf.keep("a", 1, "owner")
    shelf.hold("a", "guest")
    shelf.leave("owner")
    now += 10 * shelves.GRACE_S
    shelf.sweep()
    assert [*shelf] == ["a"]
    shelf.leave("guest")
    now += shelves.GRACE_S / 2
    shelf.hold("a", "guest again")  # the page was loaded again
    now += shelves.GRACE_S
    shelf.sweep()
    assert [*shelf] == ["a"] and not gone
    shelf.leave("guest again")
    now += shelves.GRACE_S + 1
    shelf.sweep()
    assert not shelf and gone == [1]


def test_the_end_of_a_session_frees_what_it_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "GRACE_S", -1.0)
    shelf: Shelf[int] = Shelf("test", 2, abs)
    shelf.keep("a", 1, "me")
    shelves._left("me")
    shelves.free_ended_sessions()
    assert not shelf


def test_the_ends_of_many_sessions_leave_no_threads() -> None:
    """920 tabs that one script opened and closed within 20 s left 530 threads for two minutes."""
    before = threading.active_count()
    for number in range(50):
        shelves._left(f"tab {number}")
    assert threading.active_count() == before


def test_streamlit_says_when_a_session_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "GRACE_S", -1.0)
    monkeypatch.setattr(cache_resource_api, "get_session_id_or_throw", lambda: "a session")
    monkeypatch.setattr(shelves, "get_script_run_ctx", lambda: SimpleNamespace(session_id="a session"))
    shelf: Shelf[int] = Shelf("test", 2, abs)
    shelf.keep("a", 1, shelves.visitor())
    cache_resource_api.clear_session_cache("another")
    assert [*shelf] == ["a"]
    cache_resource_api.clear_session_cache("a session")
    assert not shelf


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    manager = MemoryUploadedFileManager("/upload")
    monkeypatch.setattr(streamlit.runtime, "exists", lambda: True)
    server = SimpleNamespace(uploaded_file_mgr=manager, is_active_session=lambda name: not name.startswith("invented"))
    monkeypatch.setattr(streamlit.runtime, "get_instance", lambda: server)
    return manager


def test_a_session_may_send_so_many_files_and_no_more(manager: MemoryUploadedFileManager) -> None:
    load = shelves.Load()
    for number in range(shelves.MOST_FILES):
        assert load.come("mine", 1) == ""
        load.arrived("mine", 1)
        manager.add_file("mine", UploadedFileRec(str(number), "a.png", "image/png", b"x"))
    assert load.come("mine", 1).startswith(f"This session has {shelves.MOST_FILES} files")
    assert load.come("another", 1) == ""
    manager.remove_session_files("mine")  # as Streamlit does when the session ends
    assert load.come("mine", 1) == ""


def test_files_that_are_sent_at_once_count_together(manager: MemoryUploadedFileManager) -> None:
    load, half = shelves.Load(), shelves.MOST_BYTES // 2
    assert load.come("mine", half) == "" and load.come("mine", half) == ""
    assert "512 MiB under way" in load.come("mine", 1)
    load.arrived("mine", half)
    assert load.come("mine", 1) == ""


def test_silent_uploads_take_no_room_from_other_visitors(
    manager: MemoryUploadedFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four sockets that stated 256 MB each and sent nothing had everybody refused."""
    monkeypatch.setenv("EIWFLOW_UPLOADS_MIB", "10")
    monkeypatch.setattr(shelves, "_SHELVES", {})
    load, mib = shelves.Load(), 2**20
    for number in range(4):
        assert load.come(f"silent {number}", 8 * mib) == ""
    assert load.come("mine", 4 * mib) == "" and load.grow(4 * mib) == ""
    assert load.come("late", 7 * mib).startswith("The server holds 4 MiB of uploads of all visitors; at most 10 MiB")
    # What arrives counts: also a file that was admitted may be one too many.
    assert load.grow(6 * mib) == "" and load.grow(1).startswith("The server holds 10 MiB")
    assert load.grow(1, teacher=True) == ""
    load.arrived("silent 0", 8 * mib, 6 * mib + 2)
    assert load.come("late", 6 * mib) == ""


def test_the_tabs_of_a_student_count_together(
    manager: MemoryUploadedFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EIWFLOW_STUDENT_UPLOADS_MIB", "10")
    load = shelves.Load()
    assert load.come("tab 1", 6 * 2**20, "ada") == ""
    assert "You have 0 files of 6 MiB under way; at most 300 files and 10 MiB" in load.come("tab 2", 6 * 2**20, "ada")
    assert load.come("tab 3", 6 * 2**20, "bob") == ""


def test_one_address_leaves_room_for_the_uploads_of_others_however_many_cookies_it_has(
    manager: MemoryUploadedFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen cookies of one client filled the room of all visitors."""
    monkeypatch.setenv("EIWFLOW_UPLOADS_MIB", "8")
    monkeypatch.setattr(shelves, "_SHELVES", {})
    load, mib = shelves.Load(), 2**20
    monkeypatch.setattr(shelves, "LOAD", load)
    shelf = shelves.Shelf("large", 10, len)

    def send(number: int, address: str) -> str:
        session = f"{address} {number}"
        if not (sentence := load.come(session, mib, session, address=address)):
            load.arrived(session, mib)
            shelf.keep(session, bytes(mib), session)
        return sentence

    refused = [send(number, "10.0.0.1") for number in range(8)]
    assert refused[:6] == [""] * 6 and all("6 MiB of uploads of your network address" in each for each in refused[6:])
    assert send(0, "10.0.0.2") == ""
    for number in range(6):  # its sessions end, and their files stay for a while in which a page may be reloaded
        shelf.leave(f"10.0.0.1 {number}")
    load.forget_all_but({"10.0.0.2 0"})
    assert len(shelf) == 7
    assert [send(number, "10.0.0.1") for number in range(10, 16)] == [""] * 6
    assert send(1, "10.0.0.2") == "" and "10.0.0.2 0" in shelf


def test_the_same_file_of_another_visitor_is_kept_once() -> None:
    upload = Upload("test", Limits(("txt",), 1, kept=2), lambda key, files: next(iter(files)), len)
    key = upload.keep({"mine.txt": b"content"})
    assert upload.keep({"theirs.txt": b"content"}) == key
    assert upload.kept(key) == "mine.txt"


def test_the_uploads_of_a_killed_server_are_deleted_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_checkpoints, "gettempdir", lambda: str(tmp_path))
    for name in ("eiwflow-killed", "eiwflow-alive", "eiwflow-another", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "upload.safetensors").touch()
    for name in ("eiwflow-killed", "eiwflow-alive", "other"):
        (tmp_path / name / own_checkpoints.LOCK).touch()
    (tmp_path / "eiwflow-link").symlink_to(tmp_path / "other")
    with FileLock(tmp_path / "eiwflow-alive" / own_checkpoints.LOCK):
        own_checkpoints.remove_leftovers()
    left = {path.parent.name for path in tmp_path.glob("*/upload.safetensors")}
    assert left == {"eiwflow-alive", "eiwflow-another", "eiwflow-link", "other"}


Put = Callable[..., int]
Asked = Callable[[], Awaitable[dict[str, Any]]]


@pytest.fixture
def put(manager: MemoryUploadedFileManager, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Return a function that sends 0.6 MiB to a session and returns the status; a student may have 1 MiB."""
    monkeypatch.setenv("EIWFLOW_STUDENT_UPLOADS_MIB", "1")
    monkeypatch.setattr(shelves, "LOAD", shelves.Load())

    async def streamlit(scope: dict[str, Any], receive: Asked, send: Callable[..., Awaitable[None]]) -> None:
        session, file = scope["path"].split("/")[-2:]
        if (await receive())["type"] == "http.disconnect":
            raise ClientDisconnect
        manager.add_file(session, UploadedFileRec(file, "a.png", "image/png", bytes(int(0.6 * 2**20))))
        await send({"type": "http.response.start", "status": 204, "headers": []})

    def send_file(session: str, *kinds: str, sends: bool = True, **headers: str) -> int:
        cookies = "; ".join(f"{roles.cookie_name(kind)}={roles.new_cookie(kind)}" for kind in kinds)
        said = {"content-length": str(int(0.6 * 2**20)), "cookie": cookies, **headers}
        scope = {
            "type": "http",
            "method": "PUT",
            "path": f"/_stcore/upload_file/{session}/file",
            "headers": [(name.encode(), value.encode()) for name, value in said.items()],
        }
        statuses: list[int] = []

        async def receive() -> dict[str, object]:
            if not sends:
                await asyncio.sleep(60)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        server = protection.Arriving(protection.UploadLimit(streamlit))
        with ThreadPoolExecutor(1) as thread:  # a browser test before this one may have left a loop running here
            thread.submit(asyncio.run, server(scope, receive, send)).result()
        return (statuses or [0])[0]

    return send_file


def test_sessions_without_a_cookie_count_as_one_student(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIWFLOW_MODE", "classroom")
    assert [put(f"nameless {number}") for number in range(3)] == [204, 413, 413]
    assert [put(f"student {number}", roles.VISITOR) for number in range(3)] == [204, 204, 204]
    assert [put("teacher", roles.TEACHER) for _ in range(2)] == [204, 204]


@pytest.mark.slow
def test_sessions_that_a_browser_invents_push_out_no_tab_of_a_student(
    put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,000 of them made the server forget whose the tabs were, and each new tab sent another 64 MiB."""
    monkeypatch.setenv("EIWFLOW_MODE", "classroom")
    cookie = {"cookie": f"{roles.cookie_name(roles.VISITOR)}={roles.new_cookie(roles.VISITOR)}"}
    assert put("tab 1", **cookie) == 204
    assert {put(f"invented {number}") for number in range(2001)} == {400}
    assert put("tab 2", **cookie) == 413


def test_the_owners_of_ended_sessions_are_forgotten(
    manager: MemoryUploadedFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves, "LOAD", load := shelves.Load())
    for tab in ("open", "ended"):
        load.come(tab, 1, "ada")
    tabs = [SimpleNamespace(session=SimpleNamespace(id=tab)) for tab in ("open", "new")]
    streamlit.runtime.get_instance()._session_mgr = SimpleNamespace(list_sessions=lambda: tabs)
    shelves.free_ended_sessions()
    assert load.allowed("ended")[0] == {"ended"} and load.allowed("open")[0] == {"open"}


def test_an_upload_that_fails_makes_room(
    put: Put, manager: MemoryUploadedFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(session: str, file: UploadedFileRec) -> None:
        raise OSError("No space left on device")

    monkeypatch.setenv("EIWFLOW_MODE", "classroom")
    with monkeypatch.context() as full:
        full.setattr(manager, "add_file", fail)
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                put("tab", roles.VISITOR)
    assert put("tab", roles.VISITOR) == 204


def test_an_upload_that_sends_nothing_is_given_up_and_makes_room(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "SILENT_S", 0.05)
    monkeypatch.setenv("EIWFLOW_UPLOADS_MIB", "1")
    assert put("a", sends=False) == 408
    assert put("b") == 204 and put("c") == 413


@pytest.mark.parametrize("mode", ["", "read-only", "classroom"])
def test_the_uploads_of_all_sessions_are_bounded_together(
    put: Put, manager: MemoryUploadedFileManager, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("EIWFLOW_MODE", mode)
    monkeypatch.setenv("EIWFLOW_UPLOADS_MIB", "2")
    shelf: Shelf[bytes] = Shelf("test", 2, len)
    shelf.keep("kept by a page", bytes(2**20), "a page")
    assert [put(session, roles.VISITOR) for session in "ab"] == [204, 413]
    assert put("teacher", roles.TEACHER) == (204 if mode == "classroom" else 413)
    manager.remove_session_files("a")
    manager.remove_session_files("teacher")
    assert put("c", roles.VISITOR) == 204
    shelf.clear()


def test_what_pages_keep_of_a_students_tabs_is_bounded_too(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIWFLOW_MODE", "classroom")
    cookie = {"cookie": f"{roles.cookie_name(roles.VISITOR)}={roles.new_cookie(roles.VISITOR)}"}
    assert [put(tab, **cookie) for tab in ("one", "two")] == [204, 413]  # and both are known to be the student's
    shelf: Shelf[bytes] = Shelf("test", 9, len)
    for key in "abc":
        shelf.keep(key, bytes(400_000), "one")
    assert [*shelf] == ["b", "c"]
    shelf.keep("d", bytes(400_000), "another")
    shelf.keep("e", bytes(900_000), "two")
    assert [*shelf] == ["d", "e"]
    shelf.clear()


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
