"""The server's start and end: it imports torch before the first visitor arrives, and returns freed memory."""

from __future__ import annotations

import ctypes
import gc
import logging
import platform
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streamlit.runtime import exists, get_instance
from streamlit.runtime.runtime import RuntimeState

from ... import server_settings
from ...figures import pixels
from ..classroom import join
from ..common import shelves
from ..sources import store
from . import engine

#: Seconds between two returns of freed memory, and seconds without a visitor until measures are forgotten. A reloaded
#: page, or a telephone that slept for a moment, finds them.
GIVE_BACK_S, FORGET_S = 2.0, 120.0
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
    if platform.libc_ver()[0] == "glibc":  # with a heap for each script's thread, freed memory is scattered
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
    logging.getLogger("uvicorn.access").disabled = True  # an address may be the teacher's link
    join.announce()
    threading.Thread(target=_import_then_give_back, daemon=True).start()
    yield
    from ..own import checkpoints  # with torch, which has been imported meanwhile

    checkpoints.end()


def _import_then_give_back() -> None:
    """Import, then return freed memory to the system regularly; without visitors forget flows and results."""
    try:
        engine.start()
    finally:
        engine.STARTED.set()
    from ...training.memory import keep_freed_memory

    alone_s = 0.0
    while True:
        keep_freed_memory(False)
        shelves.sweep()
        time.sleep(GIVE_BACK_S)
        nobody_is_here = exists() and get_instance().state is RuntimeState.NO_SESSIONS_CONNECTED
        alone_s = alone_s + GIVE_BACK_S if nobody_is_here else 0.0
        if FORGET_S <= alone_s < FORGET_S + GIVE_BACK_S:  # once
            forget()


def forget() -> None:
    """Forget flows, images, measures and figures, which can be made again. Uploads end with their sessions."""
    store.clear()
    pixels.forget()
    gc.collect()
