"""The store of results, each made once for all visitors, in the script's thread or beside it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import streamlit as st

from ...analysis import FEW_A_GROUP
from . import child, places
from .places import MOVED_ON_S, Places

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from ...analysis.progress import Progress

Key = tuple[Hashable, ...]
#: Results kept of each kind; open flows, images, traces of all test images, results of large flows and packs of the
#: lesson are large.
MOST = {
    "flow": 512,
    "test_trace": 4,
    "large flow": 128,
    "study": 512,
    "lesson": 4,
    "own": 2,
    "open flow": 16,
    "open large flow": 2,
    "images": 4,
    "facts": 64,
    "pictures": 8,
    "samples": 32,
}
#: Seconds between two signs of life.
SIGN_OF_LIFE_S = 0.5
#: Measures under way in scripts at a time: averages over many images, and all others.
PLACES = {True: 2, False: 4}


@dataclass(frozen=True, eq=False)
class _Job:
    """A result, finished or under way, and its progress."""

    progress: Progress
    result: Future[Any]


class Results:
    """Results by kind and key; the least recently used of a kind go first."""

    def __init__(self) -> None:
        self._jobs: dict[str, OrderedDict[Key, _Job]] = {kind: OrderedDict() for kind in MOST}
        self._lock = Lock()
        self._places = {average: Places(count) for average, count in PLACES.items()}
        # Averages of large flows are made one at a time; a visitor's move does not wait for them.
        self._lanes = {average: Places(1) for average in (True, False)}

    def at_once(
        self,
        kind: str,
        key: Key,
        make: Callable[[], Any],
        average: bool = False,
        first: Callable[[], object] = lambda: None,
        needed: int = 0,
        among: Places | None = None,
        sentence: str = "Measuring …",
    ) -> Any:  # noqa: ANN401
        """Return the result of a key; make a missing one in this thread.

        Args:
            kind: of the result.
            key: of the result.
            make: makes it.
            average: whether it is over many images.
            first: makes the results that ``make`` needs: a script that waits for their place holds no other one.
            needed: bytes that ``make`` takes, by an estimate; 0 for little.
            among: the places for ``make``; those for measures by default.
            sentence: shown meanwhile.

        """
        while True:
            if (job := self._known(kind, key)) is None:
                first()
                # A result under way has a place, so that nobody with a place waits for somebody without.
                with (among or self._places[average]).one(needed):
                    job, new = self._job(kind, key)
                    if new:
                        self._finish(kind, key, job, lambda: _under(sentence, make), keep_error=False)
            while not job.result.done():
                child.note_wait()
                wait([job.result], timeout=MOVED_ON_S)
                child.end_if_moved_on()
            with suppress(child.LeftError):  # its visitor was interrupted
                return job.result.result()

    def beside(self, kind: str, key: Key, make: Callable[[Progress], Any], average: bool, line: DeltaGenerator) -> Any:  # noqa: ANN401
        """Return the result of a key; make a missing one beside the scripts, and show its progress.

        A visitor's move does not lose work that was begun; work that was not gives way to the next visitor's.
        """
        from ...analysis.progress import Progress

        while True:
            if (job := self._known(kind, key)) is None:
                _show(line, Progress())
                lane, who = self._lanes[average], places.visitor()
                lane.take(who)
                job, new = self._job(kind, key)
                if new:
                    Thread(target=self._work, args=(kind, key, job, make, lane, who), daemon=True).start()
                else:
                    lane.free(who)
            while not job.result.done():
                child.note_wait()
                wait([job.result], timeout=SIGN_OF_LIFE_S)
                if not job.result.done():
                    _show(line, job.progress)
            with suppress(child.LeftError):  # the waiting tab of another visitor was closed
                return job.result.result()

    def clear(self) -> None:
        """Forget all results."""
        with self._lock:
            for jobs in self._jobs.values():
                jobs.clear()

    def _known(self, kind: str, key: Key) -> _Job | None:
        """Return the job of a key, if there is one."""
        with self._lock:
            jobs = self._jobs[kind]
            if key in jobs:
                jobs.move_to_end(key)
            return jobs.get(key)

    def _job(self, kind: str, key: Key) -> tuple[_Job, bool]:
        """Return the job of a key, and whether it is new: then the caller has to finish it."""
        from ...analysis.progress import Progress

        with self._lock:
            jobs = self._jobs[kind]
            if new := key not in jobs:
                jobs[key] = _Job(Progress(), Future())
            jobs.move_to_end(key)
            while len(jobs) > MOST[kind]:
                jobs.popitem(last=False)
            return jobs[key], new

    def _work(
        self, kind: str, key: Key, job: _Job, make: Callable[[Progress], Any], lane: Places, who: tuple[str, str]
    ) -> None:
        """Make a result in a thread of its own, and give back the place that its visitor took."""
        from ...analysis import progress

        progress.watch(job.progress)
        try:
            self._finish(kind, key, job, lambda: make(job.progress), keep_error=True)
        finally:
            lane.free(who)

    def _finish(self, kind: str, key: Key, job: _Job, make: Callable[[], Any], keep_error: bool) -> None:
        try:
            job.result.set_result(make())
        except BaseException as error:
            interrupted = not isinstance(error, Exception)  # Streamlit ends a script in this way
            if interrupted or not keep_error or isinstance(error, child.LeftError):
                with self._lock:
                    self._jobs[kind].pop(key, None)
            job.result.set_exception(child.LeftError() if interrupted else error)
            if interrupted:
                raise


def _under(sentence: str, make: Callable[[], Any]) -> Any:  # noqa: ANN401
    if child.session() is None:  # the class's queue asks too, outside of any script
        return make()
    with st.spinner(sentence):
        return make()


def _show(line: DeltaGenerator, progress: Progress) -> None:
    """Show the progress of a measure; a few images need no bar."""
    done, total = progress.done, progress.total
    if total >= FEW_A_GROUP:
        line.progress(min(1.0, done / total), f"This flow is large. Measuring, once: {done} of {total} images.")
    else:
        line.caption("This flow is large. Measuring …")


@st.cache_resource(show_spinner=False)
def results() -> Results:
    """Return the store of this server."""
    return Results()
