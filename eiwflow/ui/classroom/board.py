"""Shared by a class and its teacher while the server runs: the scene, the votes, the number of visitors."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from typing import Any, NamedTuple

#: Scenes of the lesson that have a vote.
SCENES = ("5", "8", "12", "13")
#: The scene whose votes are channels of a flow, so that they count only where it is the lecturer's.
OF_CHANNELS = "5"
#: Seconds without a request after which a visitor no longer counts as present.
ABSENT_S = 15.0
_WORD = re.compile(r"[A-Za-z0-9_-]{1,24}", re.ASCII)


class Vote(NamedTuple):
    """A vote: the choice, and the hash of the flow that its browser showed."""

    choice: str
    flow: str


class Board:
    """Votes by scene and visitor, and the scene that the teacher shows.

    Example:
        >>> board = Board()
        >>> board.vote("ada", "8", "less"), board.vote("bob", "8", "more"), board.vote("ada", "8", "more")
        (True, True, True)
        >>> board.tally("8")
        {'more': 2}

    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._votes: dict[str, dict[str, Vote]] = {scene: {} for scene in SCENES}
        self._seen: dict[str, float] = {}
        self.scene = self.flow = self.name = ""

    def vote(self, visitor: str, scene: object, choice: object, flow: object = "") -> bool:
        """Count a visitor's vote, in place of an earlier one; return whether it counts."""
        if not (visitor and isinstance(scene, str) and scene in SCENES and _is_word(choice)):
            return False
        with self._lock:
            self._votes[scene][visitor] = Vote(str(choice), _text(flow))
        return True

    def clear(self, scene: object) -> None:
        """Forget the votes of a scene."""
        with self._lock:
            if scene in SCENES:
                self._votes[str(scene)].clear()

    def tally(self, scene: str) -> dict[str, int]:
        """Return the number of votes for each choice of a scene; of channels, those of the flow that is shown."""
        with self._lock:
            votes = self._votes.get(scene, {}).values()
            return dict(Counter(vote.choice for vote in votes if scene != OF_CHANNELS or vote.flow == self.flow))

    def show(self, scene: object, flow: object = "", name: object = "") -> bool:
        """Note the scene, the flow and its name that the teacher shows; return whether it is a scene."""
        if not _is_word(scene):
            return False
        self.scene, self.flow, self.name = str(scene), _text(flow), _text(name)
        return True

    def here(self, visitor: str) -> None:
        """Note that a visitor is present."""
        now = time.monotonic()
        with self._lock:
            self._seen = {name: when for name, when in self._seen.items() if now - when < ABSENT_S}
            if visitor:
                self._seen[visitor] = now

    def present(self) -> int:
        """Return the number of visitors present."""
        self.here("")
        return len(self._seen)

    def of(self, visitor: str, teacher: bool, flow: object = "") -> dict[str, Any]:
        """Return the state of the class for a visitor's lesson; own votes for channels only if given on its flow."""
        with self._lock:
            voted = {scene: votes[visitor] for scene, votes in self._votes.items() if visitor in votes}
        own = {scene: vote.choice for scene, vote in voted.items() if scene != OF_CHANNELS or vote.flow == _text(flow)}
        state: dict[str, Any] = {"scene": self.scene, "flow": self.flow, "name": self.name, "votes": own}
        if teacher:
            state |= {"present": self.present(), "tally": self.tally(self.scene)}
        return state


def _is_word(text: object) -> bool:
    return isinstance(text, str) and bool(_WORD.fullmatch(text))


def _text(said: object) -> str:
    return said[:200] if isinstance(said, str) else ""


#: The board of this server.
BOARD = Board()
