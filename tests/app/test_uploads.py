"""Uploads belong to the session that made them."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit.runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from eiwflow.ui import loaders, uploads
from eiwflow.ui.uploads import Shelf

from .conftest import picture_bytes, url, visit_page, write_checkpoint


def test_nobody_elses_uploads_push_out_what_a_visitor_looks_at(bundle: Path) -> None:
    write_checkpoint(bundle / "one.safetensors")
    key = loaders.remember_photo(picture_bytes())
    at = visit_page("app.py", ck="one", photo=key)
    assert not at.error
    for seed in range(1, loaders.PHOTOS + 3):
        loaders._photos().keep(f"other-{seed}", picture_bytes(seed=seed), "another visitor")
    at.run()
    assert not at.error and url(at)["photo"] == key


def test_a_visitor_keeps_the_newest_of_his_own() -> None:
    gone: list[int] = []
    shelf: Shelf[int] = Shelf("test", 2, gone.append)
    for number in range(4):
        shelf.keep(str(number), number, "me")
        shelf.keep(f"other-{number}", 100 + number, "other")
    assert [*shelf] == ["2", "other-2", "3", "other-3"]
    assert gone == [0, 100, 1, 101]


def test_what_two_look_at_stays_until_both_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(uploads.time, "monotonic", lambda: now)
    gone: list[int] = []
    shelf: Shelf[int] = Shelf("test", 2, gone.append)
    shelf.keep("a", 1, "owner")
    shelf.hold("a", "guest")
    shelf.leave("owner")
    now += 10 * uploads.GRACE_S
    shelf.sweep()
    assert [*shelf] == ["a"]
    shelf.leave("guest")
    now += uploads.GRACE_S / 2
    shelf.hold("a", "guest again")  # the page was loaded again
    now += uploads.GRACE_S
    shelf.sweep()
    assert [*shelf] == ["a"] and not gone
    shelf.leave("guest again")
    now += uploads.GRACE_S + 1
    shelf.sweep()
    assert not shelf and gone == [1]


def test_the_end_of_a_session_frees_what_it_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "GRACE_S", -1.0)
    shelf: Shelf[int] = Shelf("test", 2)
    shelf.keep("a", 1, "me")
    uploads._left("me")
    assert not shelf


def test_a_session_may_send_so_many_files_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = MemoryUploadedFileManager("/upload")
    monkeypatch.setattr(streamlit.runtime, "exists", lambda: True)
    monkeypatch.setattr(streamlit.runtime, "get_instance", lambda: SimpleNamespace(uploaded_file_mgr=manager))
    for number in range(uploads.MOST_FILES):
        assert uploads.too_much("mine") == ""
        manager.add_file("mine", UploadedFileRec(str(number), "a.png", "image/png", b"x"))
    assert uploads.too_much("mine").startswith(f"This session has {uploads.MOST_FILES} files")
    assert uploads.too_much("another") == ""
