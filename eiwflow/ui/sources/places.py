"""Places for work: few scripts work at a time, and the others wait.

Streamlit starts a thread for every move and lets the thread before it work on. Without places, one visitor's moves
would take all memory and time of the server. Where memory is short, one piece of work goes on at a time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Condition, Lock, local

import streamlit as st

from ...data.images import all_memory
from . import child
from .child import resident

#: Seconds between two looks whether the visitor who waits has moved on.
MOVED_ON_S = 0.2
#: Visitors whose last turn is remembered.
MOST_TURNS = 1000
#: Bytes of this process within which work begins beside other work, and the share of the machine's memory that they
#: are at most.
MOST_BYTES, SHARE = 3 * 2**30, 0.6
#: Share of these bytes beyond which the server forgets what it can make again.
FORGET_SHARE = 0.8
#: Bytes that a piece of work takes where nothing more is known, and a picture while it is read.
WORK_BYTES, PICTURE_BYTES = 64 * 2**20, 260 * 2**20


class Memory:
    """The memory of this process, and how much of it the work under way may still take."""

    def __init__(self) -> None:
        self._needed: list[int] = []
        self._lock, self._held = Lock(), local()

    def begin(self, needed: int) -> bool:
        """Return whether work of this thread may begin, and note it then; alone, it always may.

        Small work does not wait for what large work may still take.

        Args:
            needed: bytes that it takes, by an estimate.

        """
        depth = getattr(self._held, "depth", 0)
        with self._lock:
            taken = resident() + (sum(self._needed) if needed > WORK_BYTES else 0)
            if depth or not self._needed or taken + needed <= bound():
                self._needed.append(needed)
                self._held.depth = depth + 1
                return True
        return False

    def end(self, needed: int) -> None:
        """Note that work of this thread has ended."""
        with self._lock:
            self._needed.remove(needed)
        self._held.depth -= 1


def bound() -> int:
    """Return the bytes of this process within which work begins beside other work."""
    return min(MOST_BYTES, int(SHARE * all_memory()))


def is_short() -> bool:
    """Return whether the process is to forget what it can make again."""
    return resident() > FORGET_SHARE * bound()


#: The memory of this server.
MEMORY = Memory()


class Places:
    """Places for work; of the visitors whose scripts wait, the address that was served least recently is next.

    A thread that holds a place takes no second one, nor does a session that works already. The tabs of one address take
    turns too. A script whose visitor has moved on ends while it waits.

    Args:
        count: of the places.
        needed: bytes that work takes at least, by an estimate.

    """

    def __init__(self, count: int, needed: int = WORK_BYTES) -> None:
        self._needed = needed
        self._free, self._changed, self._held = count, Condition(), local()
        self._waiting: list[tuple[str, str]] = []
        self._working: list[str] = []  # sessions
        self._turns: OrderedDict[str, float] = OrderedDict()  # address or session -> number of its last turn
        self._turn = 0

    @contextmanager
    def one(self, needed: int = 0) -> Iterator[None]:
        """Hold a place, and memory, for the work of this thread.

        Args:
            needed: bytes that the work takes, by an estimate, where they may be more than those of all such work.

        """
        if getattr(self._held, "one", False):
            yield
            return
        needed = max(needed, self._needed)
        self.take(who := visitor(), needed)
        self._held.one = True
        try:
            yield
        finally:
            self._held.one = False
            MEMORY.end(needed)
            self.free(who)

    def free(self, who: tuple[str, str]) -> None:
        """Give back the place that a visitor took."""
        with self._changed:
            self._free += 1
            self._working.remove(who[1])
            self._changed.notify_all()

    def take(self, who: tuple[str, str], needed: int | None = None) -> None:
        """Wait for a place of a visitor's own, which any thread may give back.

        Args:
            who: the visitor.
            needed: bytes of the work, where it is to take memory of this process.

        """
        with self._changed:
            self._waiting.append(who)
            # A new address or session comes after those that wait already, the address before the one served last.
            self._turns.setdefault(who[0], self._turn - 0.5)
            self._turns.setdefault(who[1], self._turn)
        try:
            while True:
                with self._changed:
                    may = [each for each in self._waiting if not each[1] or each[1] not in self._working]
                    is_next = self._free and may and min(may, key=self._last_turn) == who
                    if is_next and (needed is None or MEMORY.begin(needed)):
                        self._free -= 1
                        self._working.append(who[1])
                        self._note_turn(who)
                        return
                    child.note_wait()
                    self._changed.wait(MOVED_ON_S)
                child.end_if_moved_on()
        finally:
            with self._changed:
                self._waiting.remove(who)
                self._changed.notify_all()

    def _last_turn(self, who: tuple[str, str]) -> tuple[float, ...]:
        return tuple(self._turns.get(name, 0) for name in who)

    def _note_turn(self, who: tuple[str, str]) -> None:
        self._turn += 1
        for name in who:
            self._turns[name] = self._turn
            self._turns.move_to_end(name)
        while len(self._turns) > MOST_TURNS:
            self._turns.popitem(last=False)


#: For images that are read or made to fit a flow, and for flows that are opened: forty pictures at once took 10 GiB
#: in 7 s. For samples, which a large flow draws for seconds. And for lessons, which take ten seconds and more.
READING, DRAWING, LESSONS = Places(2, PICTURE_BYTES), Places(2), Places(1)
#: For data sets, and for pictures, that stand in folders of the server: to read a large folder takes minutes.
FOLDERS, FOLDERS_PICTURES = Places(1), Places(1, PICTURE_BYTES)


#: The address and a name of the connection for which a file is made, outside of a visitor's script.
CONNECTION: ContextVar[tuple[str, str]] = ContextVar("CONNECTION", default=("", ""))


def visitor() -> tuple[str, str]:
    """Return the address and the session of the visitor for whom this thread works; empty outside a server."""
    if (session := child.session()) is None:
        return CONNECTION.get()
    return f"address {st.context.ip_address}", session
