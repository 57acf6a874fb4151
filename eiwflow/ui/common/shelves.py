"""Shelves of uploads: each value is held by the sessions that sent or use it, and all have one limit together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from streamlit.runtime import exists, get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ...server_settings import settings

Kept = TypeVar("Kept")

#: Seconds for which a session that has ended holds its values: a page that is loaded again is a new session.
GRACE_S = 120.0
#: Share of the room for all uploads that one session has: a tab that uploads without a pause leaves room to others.
SESSION_SHARE = 0.5
#: All shelves.
_SHELVES: list[Shelf[Any]] = []


class Shelf(Generic[Kept]):
    """Values by key, each held by the sessions that uploaded or use it.

    Arguments:
        most: values of a session; its oldest go first.
        size: returns the bytes of a value.
        discard: called with a value that no session holds any more.

    """

    def __init__(
        self, most: int, size: Callable[[Kept], int], discard: Callable[[Kept], object] = lambda _: None
    ) -> None:
        self._most, self._size, self._discard = most, size, discard
        self._values: dict[str, Kept] = {}
        self._keys: dict[str, list[str]] = {}  # session -> keys, the newest last
        self._seen: dict[str, float] = {}  # session -> when it was last here
        self._lock = threading.RLock()
        _SHELVES.append(self)

    def keep(self, key: str, value: Kept, session: str) -> None:
        """Put a value on the shelf for a session."""
        with self._lock:
            self._values[key] = value
            self.hold(key, session)

    def hold(self, key: str, session: str) -> Kept | None:
        """Hold a value for this session, and return it; None if it is not there."""
        with self._lock:
            if key not in self._values:
                return None
            keys = [other for other in self._keys.get(session, []) if other != key] + [key]
            self._keys[session], self._seen[session] = keys[-self._most :], time.monotonic()
            self.sweep()
            return self._values[key]

    def taken(self) -> int:
        """Return the bytes of all values."""
        with self._lock:
            return sum(map(self._size, self._values.values()))

    def sweep(self) -> None:
        """Discard the values that no session holds any more."""
        now = time.monotonic()
        with self._lock:
            for session, when in list(self._seen.items()):
                if not exists() or get_instance().is_active_session(session):
                    self._seen[session] = now
                elif now - when >= GRACE_S:
                    del self._seen[session], self._keys[session]
            held = {key for keys in self._keys.values() for key in keys}
            for key in self._values.keys() - held:
                self._discard(self._values.pop(key))


def sweep() -> None:
    """Discard what no session holds any more; the server calls this regularly."""
    for shelf in _SHELVES:
        shelf.sweep()


def visitor() -> str:
    """Return the name of this session; empty outside of a session."""
    context = get_script_run_ctx()
    return "" if context is None else context.session_id


def refusal(session: str, size: int, coming: Mapping[str, int]) -> str:
    """Return the sentence that refuses a file of so many bytes; empty where there is room.

    Args:
        session: that sends it.
        size: in bytes.
        coming: session -> bytes of its files under way.

    """
    most = settings().uploads_mib * 2**20
    waiting = _waiting()
    own = waiting.get(session, 0) + coming.get(session, 0)
    if own + size > SESSION_SHARE * most:
        return f"This page has sent {_mib(own)} of files; at most {_mib(SESSION_SHARE * most)} are allowed."
    used = sum(waiting.values()) + sum(coming.values()) + sum(shelf.taken() for shelf in _SHELVES)
    if used + size > most:
        return f"The server holds {_mib(used)} of uploads; at most {_mib(most)} are allowed. Try again in some minutes."
    return ""


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _waiting() -> dict[str, int]:
    """Return the bytes of the files that Streamlit holds for uploaders, by session."""
    manager = get_instance().uploaded_file_mgr if exists() else None
    if not isinstance(manager, MemoryUploadedFileManager):
        return {}
    stored = list(manager.file_storage.items())
    return {session: sum(len(file.data) for file in list(files.values())) for session, files in stored}
