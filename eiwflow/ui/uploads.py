"""What visitors uploaded: it belongs to their sessions, and nobody else's uploads push it out."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException

Kept = TypeVar("Kept")

#: Seconds that what nobody holds is still kept: a page that is loaded again is a new session.
GRACE_S = 120.0
#: Files, and bytes of them, that a session may have under way to the server at any moment.
MOST_FILES, MOST_BYTES = 8, 512 * 2**20
#: All shelves by their name.
_SHELVES: dict[str, Shelf[Any]] = {}


class Shelf(OrderedDict[str, Kept], Generic[Kept]):
    """Values by their key, each held by the sessions that uploaded it or look at it.

    Arguments:
        name: of the shelf; a new one takes the place of an old one of the same name.
        most: values that a session holds; its oldest go first.
        discard: what is done with a value that nobody holds any more.

    """

    def __init__(self, name: str, most: int, discard: Callable[[Kept], object] = lambda _: None) -> None:
        super().__init__()
        self._most, self._discard = most, discard
        self._held: dict[str, list[str]] = {}  # visitor -> keys, the newest last
        self._free_at: dict[str, float] = {}
        self._lock = threading.RLock()
        _SHELVES[name] = self

    def keep(self, key: str, value: Kept, visitor: str) -> None:
        """Put a value on the shelf for a visitor."""
        with self._lock:
            self[key] = value
            self.move_to_end(key)
            self.hold(key, visitor)

    def hold(self, key: str, visitor: str) -> None:
        """Keep a value that is there as long as this visitor stays."""
        with self._lock:
            self.sweep()
            if key not in self:
                return
            held = [other for other in self._held.get(visitor, []) if other != key] + [key]
            self._held[visitor] = held[-self._most :]
            for old in held[: -self._most]:
                self._let_go(old, 0.0)
            self.sweep()

    def leave(self, visitor: str) -> None:
        """Let go what a visitor held; it stays for :data:`GRACE_S`."""
        with self._lock:
            for key in self._held.pop(visitor, []):
                self._let_go(key, GRACE_S)
            self.sweep()

    def _let_go(self, key: str, after: float) -> None:
        if not any(key in held for held in self._held.values()):
            self._free_at[key] = time.monotonic() + after

    def sweep(self) -> None:
        """Discard what nobody holds and whose time is over."""
        with self._lock:
            held = {key for keys in self._held.values() for key in keys}
            for key, when in list(self._free_at.items()):
                if key in held:
                    del self._free_at[key]
                elif when <= time.monotonic():
                    del self._free_at[key]
                    if key in self:
                        self._discard(self.pop(key))


def _left(visitor: str) -> None:
    for shelf in _SHELVES.values():
        shelf.leave(visitor)
    timer = threading.Timer(GRACE_S + 1, _sweep)
    timer.daemon = True
    timer.start()


def _sweep() -> None:
    for shelf in _SHELVES.values():
        shelf.sweep()


@st.cache_resource(scope="session", on_release=_left, show_spinner=False)
def _token() -> str:
    return secrets.token_hex(8)


def visitor() -> str:
    """Return what stands for this session; outside of one, what stands for none."""
    try:
        return _token()
    except StreamlitAPIException:
        return ""


def too_much(session: str) -> str:
    """Return why a session may not send another file, as a sentence; empty where it may."""
    from streamlit.runtime import exists, get_instance
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

    manager = get_instance().uploaded_file_mgr if exists() else None
    if not isinstance(manager, MemoryUploadedFileManager):
        return ""
    waiting = manager.file_storage.get(session, {})
    size = sum(len(file.data) for file in waiting.values())
    if len(waiting) < MOST_FILES and size < MOST_BYTES:
        return ""
    return (
        f"This session has {len(waiting)} files of {size / 2**20:.0f} MiB under way; at most {MOST_FILES} files and "
        f"{MOST_BYTES / 2**20:.0f} MiB are taken."
    )
