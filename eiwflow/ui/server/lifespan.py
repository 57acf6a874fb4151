"""The server's start and end: it imports torch before the first visitor arrives, and returns freed memory."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import platform
import signal
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from streamlit.runtime import runtime_util

from ... import server_settings
from ..classroom import join
from ..common import shelves
from ..common.engine import import_what_is_slow
from ..own import checkpoints as own_checkpoints
from . import connections

#: Seconds between two returns of freed memory, and seconds without a visitor until measures are forgotten. A reloaded
#: page, or a telephone that slept for a moment, finds them.
GIVE_BACK_S, FORGET_S = 2.0, 120.0
#: Seconds that unfinished answers get when the server has to end; then their connections are cut.
GRACE_S = 3
#: Bytes of a message to a browser, such as the film of a long training.
MOST_ANSWERED = 200_000_000
#: M_ARENA_MAX of malloc.h, the option for the number of heaps.
M_ARENA_MAX = -8


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
    _end_in_time()
    join.announce()
    own_checkpoints.remove_leftovers()
    threading.Thread(target=_import_then_give_back, daemon=True).start()
    freeing = asyncio.create_task(_free_now_and_then(connections.bound()))
    yield
    freeing.cancel()
    own_checkpoints.end()  # the interpreter does this too, but not when a signal ends it


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


def _end_in_time() -> None:
    """Bound how long the server waits for open connections when it has to end.

    Streamlit sets no bound, and a browser that no longer reads, such as a sleeping telephone's, would keep the server.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(server, uvicorn.Server):
        server.config.timeout_graceful_shutdown = GRACE_S


def _import_then_give_back() -> None:
    import_what_is_slow()
    _give_back_now_and_then()


def _give_back_now_and_then(sleep: Callable[[float], None] = time.sleep) -> None:
    """Return freed memory to the system regularly; without visitors, forget flows and results."""
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
    from ..jobs import presets
    from ..shell import parts
    from ..sources import cache, checkpoints, data_sets

    for module in (cache, checkpoints, data_sets, parts, presets):
        module.forget()
    gc.collect()
