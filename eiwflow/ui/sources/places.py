"""Places for work: few scripts work at a time, and the others wait.

Streamlit starts a thread for every move and lets the thread before it work on. Without places, one visitor's moves
would take all memory and time of the server.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, local

import streamlit as st

from . import child

#: Seconds between two looks whether the visitor who waits has moved on.
MOVED_ON_S = 0.2
#: Visitors whose last turn is remembered.
MOST_TURNS = 1000


class Places:
    """Places for work; of the visitors whose scripts wait, the address that was served least recently is next.

    A thread that holds a place takes no second one, nor does a session that works already. The tabs of one address take
    turns too. A script whose visitor has moved on ends while it waits.

    Args:
        count: of the places.

    """

    def __init__(self, count: int) -> None:
        self._free, self._changed, self._held = count, Condition(), local()
        self._waiting: list[tuple[str, str]] = []
        self._working: list[str] = []  # sessions
        self._turns: OrderedDict[str, int] = OrderedDict()  # address or session -> number of its last turn
        self._turn = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place for the work of this thread."""
        if getattr(self._held, "one", False):
            yield
            return
        self.take(who := visitor())
        self._held.one = True
        try:
            yield
        finally:
            self._held.one = False
            self.free(who)

    def free(self, who: tuple[str, str]) -> None:
        """Give back the place that a visitor took."""
        with self._changed:
            self._free += 1
            self._working.remove(who[1])
            self._changed.notify_all()

    def take(self, who: tuple[str, str]) -> None:
        """Wait for a place of a visitor's own, which any thread may give back."""
        with self._changed:
            self._waiting.append(who)
        try:
            while True:
                with self._changed:
                    may = [each for each in self._waiting if not each[1] or each[1] not in self._working]
                    if self._free and may and min(may, key=self._last_turn) == who:
                        self._free -= 1
                        self._working.append(who[1])
                        self._note_turn(who)
                        return
                    self._changed.wait(MOVED_ON_S)
                child.end_if_moved_on()
        finally:
            with self._changed:
                self._waiting.remove(who)
                self._changed.notify_all()

    def _last_turn(self, who: tuple[str, str]) -> tuple[int, ...]:
        return tuple(self._turns.get(name, 0) for name in who)

    def _note_turn(self, who: tuple[str, str]) -> None:
        self._turn += 1
        for name in who:
            self._turns[name] = self._turn
            self._turns.move_to_end(name)
        while len(self._turns) > MOST_TURNS:
            self._turns.popitem(last=False)


#: For images that are read or made to fit a flow, and for flows that are opened: a picture takes up to 260 MiB
#: meanwhile, and forty at once took 10 GiB in 7 s. And for samples, which a large flow draws for seconds.
READING, DRAWING = Places(2), Places(2)


def visitor() -> tuple[str, str]:
    """Return the address and the session of the visitor whose script this thread runs; empty outside a server."""
    if (session := child.session()) is None:
        return "", ""
    return f"address {st.context.ip_address}", session
