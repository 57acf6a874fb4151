"""Shared by a class and its teacher while the server runs: the scene, the votes, the number of visitors."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from typing import Any, NamedTuple

#: Scenes of the lesson that have a vote.
SCENES = ("5", "6", "11")
#: The scene whose votes are channels of a flow, so that they count only where it is the lecturer's.
OF_CHANNELS = "6"
#: The choices of the study in scene 11.
CHOICES = ("start", "weights", "partitions")
#: Largest lead, in bits per value, that a study of small flows can have.
LARGEST_LEAD = 2.0
#: Seconds without a request after which a visitor no longer counts as present.
ABSENT_S = 15.0
_WORD = re.compile(r"[A-Za-z0-9_-]{1,24}", re.ASCII)


class Vote(NamedTuple):
    """A vote: the choice, and the hash of the flow that its browser showed."""

    choice: str
    flow: str


class Lead(NamedTuple):
    """What a choice saves on a visitor's seed, in bits per value; light if by a smaller flow without WebAssembly."""

    seed: int
    lead: float
    light: bool


class Board:
    """Votes by scene and visitor, and the scene that the teacher shows.

    Example:
        >>> board = Board()
        >>> board.vote("ada", "5", "less"), board.vote("bob", "5", "more"), board.vote("ada", "5", "more")
        (True, True, True)
        >>> board.tally("5")
        {'more': 2}
        >>> board.begin("ada", "weights"), board.begin("bob", "weights"), board.begin("ada", "weights")
        (1, 2, 1)
        >>> board.lead("ada", "weights", 0.14), board.study["weights"]
        ('', {'ada': Lead(seed=1, lead=0.14, light=False), 'bob': None})

    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._votes: dict[str, dict[str, Vote]] = {scene: {} for scene in SCENES}
        self._seen: dict[str, float] = {}
        self._seeds: dict[str, int] = {}
        #: Who has begun with a choice, and the lead where there is one.
        self.study: dict[str, dict[str, Lead | None]] = {choice: {} for choice in CHOICES}
        self.tried = ""
        self.scene = self.flow = self.name = ""
        #: The scenes whose answer the teacher has shown; students see it from then on.
        self.answered: set[str] = set()

    def vote(self, visitor: str, scene: object, choice: object, flow: object = "") -> bool:
        """Count a visitor's vote, in place of an earlier one; return whether it counts."""
        if not (visitor and isinstance(scene, str) and scene in SCENES and _is_word(choice)):
            return False
        with self._lock:
            self._votes[scene][visitor] = Vote(str(choice), _text(flow))
        return True

    def clear(self, scene: object) -> bool:
        """Forget the votes of a scene; return whether it has any."""
        if scene not in SCENES:
            return False
        with self._lock:
            self._votes[str(scene)].clear()
            self.answered.discard(str(scene))
        return True

    def tally(self, scene: str) -> dict[str, int]:
        """Return the number of votes for each choice of a scene; of channels, those of the flow that is shown."""
        with self._lock:
            votes = self._votes.get(scene, {}).values()
            return dict(Counter(vote.choice for vote in votes if scene != OF_CHANNELS or vote.flow == self.flow))

    def show(self, scene: object, flow: object = "", name: object = "", answered: object = False) -> bool:
        """Note the scene, the flow and its name that the teacher shows, and whether its answer; False for no scene."""
        if not _is_word(scene):
            return False
        self.scene, self.flow, self.name = str(scene), _text(flow), _text(name)
        if answered is True:
            with self._lock:
                self.answered.add(str(scene))
        return True

    def try_(self, choice: object) -> bool:
        """Note the choice that the class tries; return whether it is one."""
        if choice not in CHOICES:
            return False
        self.tried = str(choice)
        return True

    def begin(self, visitor: str, choice: object) -> int:
        """Note that a visitor trains for a choice; return the visitor's seed, or 0 for a choice that does not exist."""
        if not visitor or choice not in CHOICES:
            return 0
        with self._lock:
            self.study[str(choice)].setdefault(visitor, None)
            return self._seeds.setdefault(visitor, len(self._seeds) + 1)

    def lead(self, visitor: str, choice: object, lead: object, light: object = False) -> str:
        """Take a visitor's lead for a choice, in bits per value; the first one counts. Return why it cannot count."""
        if choice not in CHOICES:
            return f"The choice is {str(choice)[:40]!r}; choose one of {', '.join(CHOICES)}."
        if isinstance(lead, bool) or not isinstance(lead, int | float) or not abs(lead) <= LARGEST_LEAD:
            return f"The lead is {str(lead)[:40]!r}; it takes a number from -2 to 2 bits per value."
        with self._lock:
            begun = self.study[str(choice)]
            if visitor not in begun:
                return "This tab has no seed of this class: train again."
            begun[visitor] = begun[visitor] or Lead(self._seeds[visitor], float(lead), light is True)
        return ""

    def study_of(self, visitor: str, teacher: bool) -> dict[str, Any]:
        """Return the study of the class: for the teacher all leads, for a visitor the own one; nothing before it."""
        if not self.tried:
            return {}
        with self._lock:
            begun = dict(self.study[self.tried])
        leads = [lead._asdict() for lead in begun.values() if lead]
        own = begun.get(visitor)
        mine = {"leads": leads, "begun": len(begun)} if teacher else {"lead": own.lead if own else None}
        return {"choice": self.tried, **mine}

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
        state |= {"study": self.study_of(visitor, teacher), "answered": sorted(self.answered)}
        if teacher:
            state |= {"present": self.present(), "tally": self.tally(self.scene)}
        return state


def _is_word(text: object) -> bool:
    return isinstance(text, str) and bool(_WORD.fullmatch(text))


def _text(said: object) -> str:
    return said[:200] if isinstance(said, str) else ""


#: The board of this server.
BOARD = Board()
