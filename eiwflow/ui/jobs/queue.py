"""The queue of students' trainings: short, one at a time on a device, and one for each student."""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ... import files
from ...server_settings import Settings, settings
from ..access import roles

if TYPE_CHECKING:
    from ...training.recipe import Recipe
    from ...training.run_directory import RunDirectory

#: Most waiting trainings, and most ended trainings that are remembered.
MOST_WAITING, MOST_ENDED = 60, 200
#: Share of the free disk that the runs of all students take, at most.
DISK_SHARE = 0.5
#: Seconds between two checks whether the next training can start.
LOOK_S = 0.5
#: Seconds for a training to stop on request; then its process is ended, and its last save remains.
PATIENCE_S = 30.0
WAITING, RUNNING, ENDED = "waiting", "running", "ended"


@dataclass(eq=False)
class Ticket:
    """A student's request for a training.

    Attributes:
        visitor: the name of the student's browser.
        recipe: of the training.
        start: starts it, and returns its run.
        teacher: whether the teacher asked: then it is the next training, and has no limits.
        address: of the browser. Addresses take turns, since a client may have many cookies.
        state: waiting, running or ended.
        run: its run, once started.
        refusal: a sentence if it was not started, else empty.

    """

    visitor: str
    recipe: Recipe
    start: Callable[[], RunDirectory]
    teacher: bool = False
    address: str = ""
    state: str = WAITING
    run: RunDirectory | None = None
    refusal: str = ""
    began: float = field(default=0.0, repr=False)
    is_being_started: bool = field(default=False, repr=False)
    has_left: bool = field(default=False, repr=False)


class Queue:
    """Tickets in order; a thread starts the next training when the device is free."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tickets: list[Ticket] = []
        self._thread: threading.Thread | None = None

    def ask(self, ticket: Ticket) -> Ticket:
        """Put a training into the queue.

        Raises:
            RunError: it is too long, or its visitor or the queue has no room; never for the teacher.

        """
        from ...training.run_directory import RunError

        if not ticket.teacher and (sentence := self._refusal(ticket, settings())):
            raise RunError(sentence)
        with self._lock:
            if not ticket.teacher and self.of(ticket.visitor) is not None:
                raise RunError("You have a training in the queue or under way: wait for it, or stop it first.")
            self._tickets.insert(0 if ticket.teacher else len(self._tickets), ticket)
            if len(waiting := self.waiting()) > MOST_WAITING and not ticket.teacher:
                last = waiting[-1]
                last.refusal, last.state = f"{MOST_WAITING} trainings are waiting: try again later.", ENDED
                if last is ticket:
                    self._tickets.remove(ticket)
                    raise RunError(ticket.refusal)
            ended = [other for other in self._tickets if other.state == ENDED]
            for old in ended[:-MOST_ENDED]:
                self._tickets.remove(old)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, daemon=True)
                self._thread.start()
        return ticket

    def _refusal(self, ticket: Ticket, limits: Settings) -> str:
        if not ticket.visitor:
            return "This browser sends no cookie, so the app cannot tell you from others. Allow cookies, and reload."
        if ticket.recipe.iterations > limits.steps:
            return (
                f"The training has {ticket.recipe.iterations:,} steps; a student's has at most {limits.steps:,}. "
                "Choose fewer."
            )
        return _disk_refusal(ticket, limits)

    def of(self, visitor: str) -> Ticket | None:
        """Return a visitor's waiting or running training."""
        with self._lock:
            return next(
                (ticket for ticket in self._tickets if ticket.visitor == visitor and ticket.state != ENDED), None
            )

    def last_of(self, visitor: str) -> Ticket | None:
        """Return the newest ticket of a visitor, ended or not."""
        with self._lock:
            return next((ticket for ticket in reversed(self._tickets) if visitor and ticket.visitor == visitor), None)

    def waiting(self) -> list[Ticket]:
        """Return the waiting tickets in the order of their start: the first of each address, then the second ones."""
        counts: Counter[str] = Counter()
        rounds: dict[int, list[Ticket]] = {}
        with self._lock:
            for ticket in self._tickets:
                if ticket.state == WAITING:
                    number = 0 if ticket.teacher else 1 + counts[ticket.address]
                    counts[ticket.address] += not ticket.teacher
                    rounds.setdefault(number, []).append(ticket)
        return [ticket for number in sorted(rounds) for ticket in rounds[number]]

    def running(self) -> Ticket | None:
        """Return the ticket of the running training."""
        with self._lock:
            return next((ticket for ticket in self._tickets if ticket.state == RUNNING), None)

    def leave(self, ticket: Ticket) -> None:
        """Take a waiting training out of the queue; ask one that is just starting to stop."""
        with self._lock:
            ticket.has_left = ticket.state == WAITING
            if ticket.has_left and not ticket.is_being_started:
                ticket.state = ENDED

    def _serve(self) -> None:
        """Start one training after the other until none is left."""
        while True:
            with self._lock:
                current, waiting = self.running(), self.waiting()
                if current is None and not waiting:
                    self._thread = None
                    return
            if current is not None:
                self._watch(current)
            elif waiting:
                self._try(waiting[0])
            time.sleep(LOOK_S)

    def _watch(self, ticket: Ticket) -> None:
        from ...training import process, worker
        from ...training.run_directory import RunError

        if ticket.run is None or not ticket.run.path.is_dir() or not ticket.run.state().alive:
            ticket.state = ENDED
            return
        over_s = time.monotonic() - ticket.began - 60 * settings().minutes
        if ticket.teacher or over_s <= 0:
            return
        with suppress(RunError, process.NotThatProcess, OSError):
            worker.ask(ticket.run)
            if over_s > PATIENCE_S:
                process.kill(ticket.run.status().get("process"))

    def _try(self, ticket: Ticket) -> None:
        from ...data import DataError
        from ...flow import ConfigError
        from ...training import worker
        from ...training.run_directory import DeviceTaken, RunError

        with self._lock:
            if ticket.state != WAITING:
                return
            ticket.is_being_started = True
        try:
            # The runs before it have taken their part of the disk meanwhile.
            if not ticket.teacher and (sentence := _disk_refusal(ticket, settings())):
                raise RunError(sentence)
            run = ticket.start()
        except DeviceTaken:  # the device is taken by another training: wait
            with self._lock:
                ticket.is_being_started = False
                if ticket.has_left:
                    ticket.state = ENDED
            return
        except (ConfigError, DataError, RunError, OSError) as error:
            ticket.refusal, ticket.state = str(error), ENDED
            return
        except Exception as error:  # after any error the next training has its turn
            ticket.refusal, ticket.state = f"An unexpected error: {type(error).__name__}.", ENDED
            traceback.print_exc()
            return
        if not ticket.teacher:
            roles.own(run.path, ticket.visitor)
        with self._lock:
            ticket.run, ticket.state, ticket.began = run, RUNNING, time.monotonic()
        if ticket.has_left:
            with suppress(RunError):
                worker.ask(run)


def _disk_refusal(ticket: Ticket, limits: Settings) -> str:
    """Return why a student's run would take too much of the disk; empty if it may be started."""
    from ...training.run_directory import bytes_at_rest, free_disk, runs_root

    needed, own = bytes_at_rest(ticket.recipe), bytes_of(roles.owned(ticket.visitor))
    if own + needed > (most := limits.disk_mib * 2**20):
        before = f"Your runs take {_mib(own)}, and this one" if own else "This run"
        way = "Delete one first, or choose a smaller flow." if own else "Choose a smaller flow."
        return f"{before} takes about {_mib(needed)}; {_mib(most)} are allowed. {way}"
    free, of_all = free_disk(runs_root()), bytes_of(roles.owned())
    if free is not None and of_all + needed > (most := int(DISK_SHARE * (of_all + free))):
        return (
            f"The runs of all students take {_mib(of_all)}, and this one takes about {_mib(needed)}; {_mib(most)} are "
            "allowed, half of the free disk. Ask the teacher to delete some."
        )
    return ""


def _mib(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"


def bytes_of(names: Iterable[str]) -> int:
    """Return the bytes of runs."""
    from ...training.run_directory import runs_root

    return sum(_size(path) for name in names for path in files.walk(runs_root() / name))


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_size
    return 0


#: The queue of this server.
QUEUE = Queue()


def own() -> Ticket | None:
    """Return the newest ticket of this session's visitor, ended or not."""
    return QUEUE.last_of(roles.TEACHER if roles.role() is roles.Role.TEACHER else roles.visitor_id())


def place_in_words(ticket: Ticket) -> str:
    """Return the number of trainings before a waiting one, as a sentence."""
    waiting = QUEUE.waiting()
    ahead = waiting.index(ticket) + (QUEUE.running() is not None) if ticket in waiting else 0
    if not ahead:
        return "Yours is the next training."
    return f"{ahead} {'training comes' if ahead == 1 else 'trainings come'} before yours."
