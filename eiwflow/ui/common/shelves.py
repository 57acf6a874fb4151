"""Shelves of uploads: the sessions that hold a file, how long it stays, and the limits of a session and of all."""

from __future__ import annotations

import gc
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ...server_settings import settings

Kept = TypeVar("Kept")

#: Seconds for which a value without a session is kept, since reloading a page starts a new session.
GRACE_S = 120.0
#: Most files that a session may be sending to the server at once, and their bytes.
MOST_FILES, MOST_BYTES = 300, 512 * 2**20
#: Share of the room for all visitors' uploads that the visitors of one address have. A client can have many cookies.
ADDRESS_SHARE = 0.75
#: All shelves by their name.
_SHELVES: dict[str, Shelf[Any]] = {}


class Shelf(OrderedDict[str, Kept], Generic[Kept]):
    """Values by key, each held by the sessions that uploaded or use it.

    Arguments:
        name: of the shelf; a new shelf replaces an old one of the same name.
        most: values of a session; its oldest go first.
        size: returns the bytes of a value.
        discard: called with a value that no session holds any more.

    """

    def __init__(
        self, name: str, most: int, size: Callable[[Kept], int], discard: Callable[[Kept], object] = lambda _: None
    ) -> None:
        super().__init__()
        self._most, self._size, self._discard = most, size, discard
        self._keys: dict[str, list[str]] = {}  # visitor -> keys, the newest last
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
        """Hold a value for this visitor, and return it; None if it is not there."""
        with self._lock:
            self.sweep()
            if key not in self:
                return None
            keys = [other for other in self._keys.get(visitor, []) if other != key] + [key]
            self._keys[visitor] = keys
            while len(keys) > self._most:
                self._let_go(keys.pop(0), 0.0)
            tabs, most = LOAD.allowed(visitor)
            for tab in sorted(tabs, key=visitor.__eq__):  # the newest value goes last
                own = self._keys.get(tab, [])
                while own and own != [key] and self.taken(tabs) > most:
                    self._let_go(own.pop(0), 0.0)
            self.sweep()
            return self.get(key)

    def taken(self, visitors: Collection[str] | None = None) -> int:
        """Return the bytes of all values, or of those that these visitors hold; each value counts once."""
        with self._lock:
            keys = set(self) if visitors is None else {key for name in visitors for key in self._keys.get(name, [])}
            return sum(self._size(self[key]) for key in keys if key in self)

    def leave(self, visitor: str) -> None:
        """Release the values that a visitor holds; they stay for :data:`GRACE_S`."""
        with self._lock:
            for key in self._keys.pop(visitor, []):
                self._let_go(key, GRACE_S)
            self.sweep()

    def _let_go(self, key: str, after: float) -> None:
        if not any(key in keys for keys in self._keys.values()):
            self._free_at[key] = time.monotonic() + after

    def sweep(self, early_s: float = 0.0) -> None:
        """Discard values that had no holder for :data:`GRACE_S`, or for so many seconds less."""
        with self._lock:
            in_use = {key for keys in self._keys.values() for key in keys}
            for key, when in list(self._free_at.items()):
                if key in in_use:
                    del self._free_at[key]
                elif when <= time.monotonic() + early_s:
                    del self._free_at[key]
                    if key in self:
                        self._discard(self.pop(key))


def _left(visitor: str) -> None:
    for shelf in list(_SHELVES.values()):
        shelf.leave(visitor)


@st.cache_resource(scope="session", on_release=_left, show_spinner=False)
def _session(name: str) -> str:
    return name  # in the session's cache, so that Streamlit reports its end


def visitor() -> str:
    """Return the name of this session; empty outside of a session."""
    context = get_script_run_ctx()
    return "" if context is None else _session(context.session_id)


class Load:
    """Files and bytes of sessions, received or under way, until the sessions end.

    In classroom mode the tabs of one browser count together, against the limit of a student. A session's own limit
    counts what it says it will send; the limit of all visitors together counts what has arrived, so that silent
    connections take no room from others.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming: dict[str, int] = {}  # session -> stated bytes of its files under way
        self._arrived = 0  # bytes of all files under way
        self._owners: dict[str, str] = {}  # session -> student
        self._addresses: dict[str, str] = {}  # session -> address

    def come(
        self, session: str, size: int, student: str | None = None, teacher: bool = False, address: str = ""
    ) -> str:
        """Admit a file of a session, or return the sentence of a refusal.

        Args:
            session: that sends the file.
            size: in bytes.
            student: of the session, empty for all unknown browsers; None without a class.
            teacher: whether the session is the teacher's, to whom other visitors' files do not count.
            address: of the session, whose visitors have a share together; empty where it has none.

        """
        with self._lock:
            if student is not None:
                self._owners[session] = student
            if address:
                self._addresses[session] = address
            neighbours = {other for other, named in self._addresses.items() if address == named}
        tabs, most = self.allowed(session)
        with self._lock:
            sizes = self._sizes(tabs)
            used = sum(sizes) + sum(self._coming.get(tab, 0) for tab in tabs)
            if len(sizes) >= MOST_FILES or used + size > most:
                return (
                    f"{'This session has' if student is None else 'You have'} {len(sizes)} files of "
                    f"{used / 2**20:.0f} MiB under way; at most {MOST_FILES} files and {most / 2**20:.0f} MiB are "
                    "allowed."
                )
        # Last, since it takes what nobody holds: no visitor does that by stating more than the own limit.
        if sentence := self._share_taken(size, neighbours) or self._all_taken(size, teacher):
            return sentence
        with self._lock:
            self._coming[session] = self._coming.get(session, 0) + size
        return ""

    def _all_taken(self, size: int, teacher: bool) -> str:
        """Return the sentence of a refusal if all visitors together have no room for so many bytes; else empty."""
        most = settings().all_uploads_mib * 2**20
        for early_s in (0.0, GRACE_S):  # what nobody holds makes room
            for shelf in list(_SHELVES.values()):
                shelf.sweep(early_s)
            used = sum(shelf.taken() for shelf in list(_SHELVES.values())) + sum(map(sum, _waiting().values()))
            used += self._arrived
            if teacher or used + size <= most:
                return ""
        return (
            f"The server holds {used / 2**20:.0f} MiB of uploads of all visitors; at most {most / 2**20:.0f} MiB are "
            "allowed. Try again in some minutes."
        )

    def _share_taken(self, size: int, neighbours: Collection[str]) -> str:
        """Return the sentence of a refusal if the sessions of an address have no room for so many bytes; else empty."""
        used = sum(self._sizes(neighbours)) + sum(self._coming.get(session, 0) for session in neighbours)
        used += sum(shelf.taken(neighbours) for shelf in list(_SHELVES.values()))
        most = ADDRESS_SHARE * settings().all_uploads_mib * 2**20
        if not neighbours or used + size <= most:
            return ""
        return (
            f"The server holds {used / 2**20:.0f} MiB of uploads of your network address; at most "
            f"{most / 2**20:.0f} MiB are allowed. Try again in some minutes."
        )

    @staticmethod
    def _sizes(sessions: Collection[str]) -> list[int]:
        waiting = _waiting()
        return [length for session in sessions for length in waiting.get(session, [])]

    def grow(self, size: int, teacher: bool = False) -> str:
        """Note that so many bytes of an admitted file have arrived; return the sentence of a refusal if too many."""
        sentence = self._all_taken(size, teacher)
        with self._lock:
            self._arrived += size
        return sentence

    def allowed(self, session: str) -> tuple[set[str], int]:
        """Return the sessions that share a session's limit, and the limit in bytes."""
        with self._lock:
            student = self._owners.get(session)
            if student is None:
                return {session}, MOST_BYTES
            tabs = {other for other, owner in self._owners.items() if owner == student}
        return tabs, settings().uploads_mib * 2**20

    def forget_all_but(self, sessions: Collection[str]) -> None:
        """Forget the owners and addresses of all other sessions, which have ended."""
        with self._lock:
            self._owners = {session: owner for session, owner in self._owners.items() if session in sessions}
            self._addresses = {session: named for session, named in self._addresses.items() if session in sessions}

    def arrived(self, session: str, size: int, received: int = 0) -> None:
        """Note that an admitted file of ``size`` bytes has arrived, or was given up after those received."""
        with self._lock:
            self._arrived -= received
            left = self._coming.pop(session, 0) - size
            if left > 0:
                self._coming[session] = left


def is_open(session: str) -> bool:
    """Return whether a session's tab is open; True outside a server."""
    from streamlit.runtime import exists, get_instance

    return not exists() or get_instance().is_active_session(session)


def free_ended_sessions() -> None:
    """Free the uploads of ended sessions, and those that nobody holds; the server calls this regularly.

    Streamlit keeps a session for two minutes after its tab is closed, but checks the time only when another ends. A
    file whose session ends during its upload would stay for good.
    """
    from streamlit.runtime import exists, get_instance

    for shelf in list(_SHELVES.values()):
        shelf.sweep()
    if not exists():
        return
    sessions = get_instance()._session_mgr
    ended = getattr(getattr(sessions, "_session_storage", None), "_cache", None)
    count = len(getattr(ended, "_data", ()))
    if ended is not None:
        ended.expire()
    if len(getattr(ended, "_data", ())) < count:
        gc.collect()  # a session and its parts refer to each other
    session_ids = {active.session.id for active in sessions.list_sessions()}
    for session in _waiting().keys() - session_ids:
        get_instance().uploaded_file_mgr.remove_session_files(session)
    LOAD.forget_all_but(session_ids)


def _waiting() -> dict[str, list[int]]:
    """Return the sizes of the files that the server holds for uploaders, by session."""
    from streamlit.runtime import exists, get_instance
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

    manager = get_instance().uploaded_file_mgr if exists() else None
    if not isinstance(manager, MemoryUploadedFileManager):
        return {}
    stored = list(manager.file_storage.items())
    return {session: [len(file.data) for file in list(files.values())] for session, files in stored}


#: The load of this server.
LOAD = Load()
