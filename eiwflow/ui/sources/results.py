"""The store of results, each made once for all visitors, in the script's thread or beside it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import streamlit as st

from ...analysis import FEW_A_GROUP
from . import child

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from ...analysis.progress import Progress

Key = tuple[Hashable, ...]
#: Results kept of each kind; traces of all test images, and results of large flows, are large.
MOST = {"flow": 512, "test_trace": 4, "large flow": 128, "study": 512}
#: Seconds between two signs of life.
SIGN_OF_LIFE_S = 0.5


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
        # Averages are made one at a time; a visitor's move does not wait for them.
        self._lanes = {average: ThreadPoolExecutor(1) for average in (True, False)}

    def at_once(self, kind: str, key: Key, make: Callable[[], Any], sentence: str = "Measuring …") -> Any:  # noqa: ANN401
        """Return the result of a key; make a missing one in this thread, under a sentence."""
        while True:
            job, new = self._job(kind, key)
            if new:
                self._finish(kind, key, job, lambda: _under(sentence, make), keep_error=False)
            with suppress(child.LeftError):  # its visitor was interrupted
                return job.result.result()

    def beside(self, kind: str, key: Key, make: Callable[[Progress], Any], average: bool, line: DeltaGenerator) -> Any:  # noqa: ANN401
        """Return the result of a key; make a missing one beside the scripts, and show its progress.

        A visitor's move does not lose the work.
        """
        from ...analysis import progress

        while True:
            job, new = self._job(kind, key)
            if new:

                def work(job: _Job = job) -> None:
                    progress.watch(job.progress)
                    self._finish(kind, key, job, lambda: make(job.progress), keep_error=True)

                self._lanes[average].submit(work)
            while not job.result.done():
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
