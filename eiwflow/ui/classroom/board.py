"""Shared by a class and its teacher while the server runs: the scene, the votes, the number of visitors."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from typing import Any

#: Most visitors with votes, beyond which new visitors are refused; most scenes per visitor.
MOST_VISITORS, MOST_SCENES = 500, 40
#: Seconds without a request after which a visitor no longer counts as present.
ABSENT_S = 15.0
_WORD = re.compile(r"[A-Za-z0-9_-]{1,24}", re.ASCII)


class Board:
    """Votes by visitor and scene, and the scene that the teacher shows.

    Example:
        >>> board = Board()
        >>> board.vote("ada", "7", "half"), board.vote("bob", "7", "full"), board.vote("ada", "7", "full")
        (True, True, True)
        >>> board.tally("7")
        {'full': 2}

    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._votes: dict[str, dict[str, str]] = {}
        self._seen: dict[str, float] = {}
        self.scene = ""

    def vote(self, visitor: str, scene: object, choice: object) -> bool:
        """Count a visitor's vote, in place of an earlier one; return whether it counts."""
        if not (visitor and _is_word(scene) and _is_word(choice)):
            return False
        with self._lock:
            own = self._votes.get(visitor, {})
            is_full = visitor not in self._votes and len(self._votes) >= MOST_VISITORS
            if is_full or (scene not in own and len(own) >= MOST_SCENES):
                return False
            self._votes[visitor] = own | {str(scene): str(choice)}
        return True

    def clear(self, scene: object) -> None:
        """Forget the votes of a scene."""
        with self._lock:
            for own in self._votes.values():
                own.pop(str(scene), None)
            self._votes = {visitor: own for visitor, own in self._votes.items() if own}

    def tally(self, scene: str) -> dict[str, int]:
        """Return the number of votes for each choice of a scene."""
        with self._lock:
            return dict(Counter(own[scene] for own in self._votes.values() if scene in own))

    def show(self, scene: object) -> bool:
        """Note the scene that the teacher shows; return whether it is a scene."""
        if not _is_word(scene):
            return False
        self.scene = str(scene)
        return True

    def here(self, visitor: str) -> None:
        """Note that a visitor is present."""
        if not visitor:
            return
        now = time.monotonic()
        with self._lock:
            if visitor not in self._seen and len(self._seen) >= MOST_VISITORS:
                self._seen = {name: when for name, when in self._seen.items() if now - when < ABSENT_S}
            if visitor in self._seen or len(self._seen) < MOST_VISITORS:
                self._seen[visitor] = now

    def present(self) -> int:
        """Return the number of visitors present."""
        with self._lock:
            return sum(time.monotonic() - when < ABSENT_S for when in self._seen.values())

    def of(self, visitor: str, teacher: bool) -> dict[str, Any]:
        """Return the state of the class for a visitor's lesson."""
        with self._lock:
            state: dict[str, Any] = {"scene": self.scene, "votes": dict(self._votes.get(visitor, {}))}
        if teacher:
            state |= {"present": self.present(), "tally": self.tally(self.scene)}
        return state


def _is_word(text: object) -> bool:
    return isinstance(text, str) and bool(_WORD.fullmatch(text))


#: The board of this server.
BOARD = Board()
