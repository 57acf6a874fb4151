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

from .classroom.settings import settings

Kept = TypeVar("Kept")

#: Seconds that what nobody holds is still kept: a page that is loaded again is a new session.
GRACE_S = 120.0
#: Files, and bytes of them, that a session may have under way to the server at any moment.
MOST_FILES, MOST_BYTES = 300, 512 * 2**20
#: Sessions of which is known whose they are.
MOST_SESSIONS = 2000
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

    def hold(self, key: str, visitor: str) -> Kept | None:
        """Keep a value as long as this visitor stays, and return it; None where it is not there."""
        with self._lock:
            self.sweep()
            if key not in self:
                return None
            held = [other for other in self._held.get(visitor, []) if other != key] + [key]
            self._held[visitor] = held[-self._most :]
            for old in held[: -self._most]:
                self._let_go(old, 0.0)
            self.sweep()
            return self.get(key)

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


class Load:
    """What sessions have under way to the server, in files and bytes, until they end.

    In classroom mode the tabs of one browser count together, against the limit of a student.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming: dict[str, int] = {}  # session -> bytes of files that are just being sent
        self._owners: OrderedDict[str, str] = OrderedDict()  # session -> browser

    def come(self, session: str, size: int, browser: str = "") -> str:
        """Take note of a file that is being sent; return why it may not come, as a sentence, and then it does not."""
        most = settings().uploads_mib * 2**20 if browser else MOST_BYTES
        with self._lock:
            if browser:
                self._owners[session] = browser
                while len(self._owners) > MOST_SESSIONS:
                    self._owners.popitem(last=False)
            count = taken = 0
            for one in {session, *(other for other, owner in self._owners.items() if browser and owner == browser)}:
                sizes = _waiting(one)
                count, taken = count + len(sizes), taken + sum(sizes) + self._coming.get(one, 0)
            if count >= MOST_FILES or taken + size > most:
                return (
                    f"{'You have' if browser else 'This session has'} {count} files of {taken / 2**20:.0f} MiB under "
                    f"way; at most {MOST_FILES} files and {most / 2**20:.0f} MiB are taken."
                )
            self._coming[session] = self._coming.get(session, 0) + size
        return ""

    def arrived(self, session: str, size: int) -> None:
        """Take note that a file is here, or will not come."""
        with self._lock:
            left = self._coming.pop(session, 0) - size
            if left > 0:
                self._coming[session] = left


def _waiting(session: str) -> list[int]:
    """Return the sizes of the files that the server holds for a session's uploaders."""
    from streamlit.runtime import exists, get_instance
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

    manager = get_instance().uploaded_file_mgr if exists() else None
    if not isinstance(manager, MemoryUploadedFileManager):
        return []
    return [len(file.data) for file in list(manager.file_storage.get(session, {}).values())]


#: The one of this server.
LOAD = Load()
