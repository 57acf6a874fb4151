"""The server's start and end: it imports torch before the first visitor arrives, and returns freed memory."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import math
import platform
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import uvicorn
from streamlit.runtime import runtime_util

from ... import server_settings
from ...figures import pixels
from ..classroom import join
from ..common import shelves
from ..sources import store
from . import connections, engine

#: Seconds between two returns of freed memory, and seconds without a visitor until measures are forgotten. A reloaded
#: page, or a telephone that slept for a moment, finds them.
GIVE_BACK_S, FORGET_S = 2.0, 120.0
#: Seconds that unfinished answers get when the server has to end; then their connections are cut.
GRACE_S = 3
#: Threads in which the files of all visitors are made. A file may wait for others in its thread, so there are more of
#: them than of files that are worked on.
FILE_THREADS = 64
#: Bytes of a message to a browser, such as the film of a long training.
MOST_ANSWERED = 200_000_000
#: M_ARENA_MAX of malloc.h, the option for the number of heaps.
M_ARENA_MAX = -8
#: Times that the log takes the same message at once; then once in so many seconds.
SAME_AT_ONCE, SAME_S = 20, 60.0


def check_settings() -> None:
    """End the server with one sentence if a setting is wrong."""
    try:
        server_settings.check()
    except ValueError as error:
        raise SystemExit(f"eiwflow app: {error}") from None


@asynccontextmanager
async def while_the_server_runs(_: object) -> AsyncIterator[None]:
    """Import slow libraries before the first visitor arrives."""
    _share_heaps()
    _bound_only_what_browsers_send()
    _log_no_addresses()
    _log_the_same_seldom()
    _end_in_time()
    _give_files_threads()
    join.announce()
    threading.Thread(target=_import_then_give_back, daemon=True).start()
    freeing = asyncio.create_task(_free_now_and_then(connections.bound()))
    yield
    freeing.cancel()
    engine.end()  # the interpreter does this too, but not when a signal ends it


async def _free_now_and_then(opened: connections.Connections) -> None:
    while True:
        await asyncio.sleep(GIVE_BACK_S)
        try:
            opened.close_silent_ones()
            shelves.free_ended_sessions()
        except Exception:
            traceback.print_exc()  # and go on: without this task the server would fill


def _share_heaps() -> None:
    """Let all threads share two heaps: with a heap for each script, freed memory is scattered."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _bound_only_what_browsers_send() -> None:
    """Allow larger messages to browsers than from them: Streamlit has one limit, which its sockets have read."""
    runtime_util._max_message_size_bytes = MOST_ANSWERED


def _log_no_addresses() -> None:
    """Keep requests, such as the teacher's link, out of the log, also after a change of Streamlit's settings file.

    Streamlit then sets the level of this logger again.
    """
    logging.getLogger("uvicorn.access").disabled = True


class Seldom(logging.Filter):
    """Let the same message pass :data:`SAME_AT_ONCE` times, then once in :data:`SAME_S` seconds with a count.

    The same message has the same place in the code, and the same place of its error. A browser can send twenty junk
    values a second, each of which Streamlit logs with a traceback.
    """

    def __init__(self) -> None:
        super().__init__()
        self._due: dict[object, float] = {}
        self._left_out: Counter[object] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged."""
        trace = record.exc_info[2] if record.exc_info else None
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        error = trace and (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        same, now = (record.pathname, record.lineno, error), time.monotonic()
        due = max(self._due.get(same, -math.inf), now - SAME_AT_ONCE * SAME_S) + SAME_S
        if due > now:
            self._left_out[same] += 1
            return False
        self._due[same] = due
        if count := self._left_out.pop(same, 0):
            record.msg, record.args = f"{record.getMessage()} ({count:,} more like this were left out)", ()
        return True


def _log_the_same_seldom() -> None:
    """Bound the log of this process: visitors do not fill the disk with it."""
    seldom = Seldom()
    for name in {*logging.root.manager.loggerDict, "python_multipart.multipart"}:  # which begins with the first upload
        if name.partition(".")[0] in ("streamlit", "uvicorn", "python_multipart"):
            logging.getLogger(name).addFilter(seldom)


def _end_in_time() -> None:
    """Bound how long the server waits for open connections when it has to end.

    Streamlit sets no bound, and a browser that no longer reads, such as a sleeping telephone's, would keep the server.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(server, uvicorn.Server):
        server.config.timeout_graceful_shutdown = GRACE_S


def _give_files_threads() -> None:
    """Let many files be made at a time: of Python's few threads, files that waited for one result took all."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(FILE_THREADS, "eiwflow-file"))


def _import_then_give_back() -> None:
    engine.start()
    _give_back_now_and_then()


def _give_back_now_and_then(sleep: Callable[[float], None] = time.sleep) -> None:
    """Return freed memory to the system regularly; without visitors forget flows and results."""
    from ...training.memory import give_back_freed_memory

    alone_s = 0.0
    while True:
        give_back_freed_memory()
        sleep(GIVE_BACK_S)
        alone_s = alone_s + GIVE_BACK_S if nobody_is_here() else 0.0
        if FORGET_S <= alone_s < FORGET_S + GIVE_BACK_S:  # once
            forget()


def nobody_is_here() -> bool:
    """Return whether no browser has a page open."""
    from streamlit.runtime import exists, get_instance
    from streamlit.runtime.runtime import RuntimeState

    return exists() and getattr(get_instance(), "state", None) is RuntimeState.NO_SESSIONS_CONNECTED


def forget() -> None:
    """Forget flows, images, measures and figures, which can be made again. Uploads expire separately."""
    store.clear()
    pixels.forget()
    gc.collect()
