"""The store of what pages show: each measure, flow or figure is made once for all visitors, in one of two pools.

A page asks with :func:`get`, which waits for the result. A few threads make what takes a moment, two others what takes
long, such as averages over many images, so that a move does not wait for another visitor's averages. Work for which
nobody waits any more ends after its next batch of images.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Lock, Thread, local
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import get_run_yield_check

from ...analysis import FEW_A_GROUP
from ...analysis.progress import Progress, watched
from .. import access

Result = TypeVar("Result")
Key = tuple[Hashable, ...]
#: Results kept of each kind. Open flows, images, traces of all test images, results of large flows and packs of the
#: lesson are large; every page asks for the keys of all files; what has been read of an upload has a shelf of its own.
MOST = {
    "flow": 512,
    "test_trace": 4,
    "large flow": 128,
    "record": 4,
    "curve": 16,
    "study": 512,
    "study file": 64,
    "lesson": 4,
    "own": 2,
    "key": 10_000,
    "open flow": 16,
    "open large flow": 2,
    "given label": 16,
    "images": 4,
    "floor": 8,
    "facts": 64,
    "pictures": 8,
    "samples": 32,
    "figure": 128,
    "upload": 0,
}
#: Threads for what takes a moment, and for what takes long.
SHORT, LONG = 4, 2
#: Seconds between two looks whether a visitor who waits is still there, and between two signs of life.
LOOK_S, SIGN_OF_LIFE_S = 0.1, 0.5
#: Seconds after which work for which nobody waits ends: a visitor's next run may ask for it again.
LEFT_S = 3.0
#: The most seconds of a measure where others wait too.
MOST_S = 120.0


class LeftError(Exception):
    """Nobody waits for the work any more."""


class OverTimeError(Exception):
    """A measure takes longer than a server with other visitors allows."""


class _Job:
    """A result that is there, under way or waiting for a thread.

    Attributes:
        result: the result.
        progress: of the work.
        waiting: how many threads wait for it.

    """

    def __init__(self, make: Callable[[], object]) -> None:
        self.result: Future[Any] = Future()
        self.progress = Progress(changed=self._check)
        self.waiting = 0
        self._make: Callable[[], object] | None = make
        self._lock = Lock()
        self._began_at = self._left_at = 0.0

    def work(self) -> bool:
        """Do the work in this thread and return True; return False if another has begun it."""
        with self._lock:
            make, self._make = self._make, None
        if make is None:
            return False
        self._began_at = time.monotonic()
        try:
            self.result.set_result(make())
        except BaseException as error:
            self.result.set_exception(error)
        return True

    def work_unless_left(self) -> None:
        """Do the work in a thread of a pool, if anybody waits for it."""
        with self._lock:
            if self._make is not None and not self.waiting:
                self._make = _leave
        with watched(self.progress):
            self.work()
        self.progress = Progress()  # what was watched refers to this job

    def join(self) -> None:
        """Count a thread that waits."""
        with self._lock:
            self.waiting += 1

    def leave(self) -> None:
        """Count a thread that waits no longer."""
        with self._lock:
            self.waiting -= 1
            self._left_at = time.monotonic()

    def _check(self, _: Progress) -> None:
        """End the work after a batch if nobody waits for it, or if it takes too long."""
        now = time.monotonic()
        if not self.waiting and now - self._left_at > LEFT_S:
            raise LeftError
        if now - self._began_at > MOST_S and access.settings().mode:
            raise OverTimeError(
                f"This takes more than {MOST_S:.0f} s, the most that a server with other visitors allows. "
                "Open the flow on a machine of your own."
            )


def _leave() -> None:
    raise LeftError


class Store:
    """Results by kind and key; the least recently used of a kind go first, and errors are not kept."""

    def __init__(self) -> None:
        self._jobs: dict[str, OrderedDict[Key, _Job]] = {kind: OrderedDict() for kind in MOST}
        self._lock = Lock()
        self._works = local()
        self._queues: dict[bool, SimpleQueue[_Job]] = {}

    def get(
        self, kind: str, key: Key, make: Callable[[], Result], sentence: str = "Measuring …", long: bool = False
    ) -> Result:
        """Return the result of a key; make a missing one.

        Args:
            kind: of the result, one of :data:`MOST`.
            key: all that the result depends on.
            make: makes it in another thread, so it draws nothing.
            sentence: shown meanwhile.
            long: whether it takes long, and is made in the pool for such work.

        """
        while True:
            job, new = self._job(kind, key, make)
            mine = False
            try:
                if not job.result.done():
                    # A thread of a pool makes what it needs itself: all others may wait for the same.
                    if getattr(self._works, "here", False):
                        mine = job.work()
                    else:
                        self._wait(job, new, sentence, long)
                result: Result = job.result.result()
                return result
            except LeftError:
                self._forget(kind, key, job)
                if mine:
                    raise
            except Exception:
                self._forget(kind, key, job)
                raise

    def clear(self) -> None:
        """Forget all results."""
        with self._lock:
            for jobs in self._jobs.values():
                jobs.clear()

    def _job(self, kind: str, key: Key, make: Callable[[], object]) -> tuple[_Job, bool]:
        """Return the job of a key, and whether it is new."""
        with self._lock:
            jobs = self._jobs[kind]
            if new := key not in jobs:
                jobs[key] = _Job(make)
            job = jobs[key]
            jobs.move_to_end(key)
            while len(jobs) > MOST[kind]:
                jobs.popitem(last=False)
        return job, new

    def _forget(self, kind: str, key: Key, job: _Job) -> None:
        with self._lock:
            if self._jobs[kind].get(key) is job:
                del self._jobs[kind][key]

    def _wait(self, job: _Job, new: bool, sentence: str, long: bool) -> None:
        """Wait for a job, with signs of life; a script ends here if its visitor has moved on or closed the tab."""
        context = get_script_run_ctx(suppress_warning=True)
        job.join()
        if new:
            self._pool(long).put(job)
        line, said_at = None, time.monotonic()
        try:
            while not wait([job.result], timeout=LOOK_S).done:
                if context is None:  # a file that a visitor saves is made outside of a script
                    continue
                if (end_if_moved_on := get_run_yield_check()) is not None:
                    end_if_moved_on()
                if exists() and not get_instance().is_active_session(context.session_id):
                    st.stop()
                if line is None or time.monotonic() - said_at > SIGN_OF_LIFE_S:
                    line, said_at = line or st.empty(), time.monotonic()
                    done, total = job.progress.done, job.progress.total
                    if total >= FEW_A_GROUP:
                        line.progress(min(1.0, done / total), f"{sentence} {done} of {total} images.")
                    else:
                        line.caption(sentence)
        finally:
            job.leave()
        if line is not None:
            line.empty()

    def _pool(self, long: bool) -> SimpleQueue[_Job]:
        """Return the queue of a pool, whose threads begin with the first job."""
        with self._lock:
            if long not in self._queues:
                self._queues[long] = SimpleQueue()
                for _ in range(LONG if long else SHORT):
                    # Daemons, so that the server can end at once.
                    Thread(target=self._work, args=(self._queues[long],), daemon=True).start()
            return self._queues[long]

    def _work(self, queue: SimpleQueue[_Job]) -> None:
        self._works.here = True
        while True:
            queue.get().work_unless_left()


#: The store of this server.
STORE = Store()
get, clear = STORE.get, STORE.clear
