"""Long measures and reading of data in a child process, which is bounded and ends with the waiting tab."""

from __future__ import annotations

import os
import pickle
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from mmap import PAGESIZE
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import get_run_yield_check

from ...data.images import DataError, Facts, free_memory
from ..common.shelves import is_open

if TYPE_CHECKING:
    from ...analysis.progress import Progress
    from ...analysis.subjects import Look

#: Bounds of a child; seconds between two checks of the tab, and after which a disconnected tab counts as closed.
MOST_BYTES, MOST_S, LOOK_S, GONE_S = 2 * 2**30, 120, 0.25, 3.0
#: Bounds of a child that reads a data set: a share of the free memory, and seconds.
READING_SHARE, READING_S = 0.5, 600


class LeftError(Exception):
    """The tab that waited was closed."""


class _TooMuchError(Exception):
    """A child went beyond the bounds that its parent watches."""


def session() -> str | None:
    """Return the session whose script this thread runs; None outside a server."""
    context = get_script_run_ctx(suppress_warning=True)
    return None if context is None else context.session_id


def _nobody_listens(session: str) -> None:
    """Do nothing, where there is no server."""


#: Called with the session of a page that waits for work, its own or that of others: another page may run meanwhile.
on_wait: Callable[[str], None] = _nobody_listens


def note_wait() -> None:
    """Say that the page of this thread waits for work."""
    if (waiting := session()) is not None:
        on_wait(waiting)


def resident(pid: int | None = None) -> int:
    """Return the bytes of memory that a process has, by default this one; 0 where the system does not say."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1]) * PAGESIZE
    return 0


def end_if_moved_on() -> None:
    """End this thread's script if its visitor has moved on or closed the tab, by Streamlit's own exception."""
    if (check := get_run_yield_check()) is not None:
        check()


def measure(
    look: Look, name: str, choices: dict[str, Any], progress: Progress | None = None, session: str | None = None
) -> Any:  # noqa: ANN401 (as the measure)
    """Return a measure, made in a child process.

    Arguments:
        look: the flow and its images.
        name: of the measure.
        choices: further arguments of the measure.
        progress: updated meanwhile.
        session: that waits; None outside a server.

    Raises:
        CheckpointError: the child went beyond its bounds.
        LeftError: the tab that waits was closed.

    """
    import torch

    from ...checkpoint import CheckpointError

    request = replace(look, keep=None), name, choices, MOST_BYTES, MOST_S, torch.get_num_threads()
    if not (answer := _asked("eiwflow.analysis.child", request, progress, session)):
        raise CheckpointError(
            look.checkpoint.name,
            "the cost of looking at it",
            f"at most {MOST_BYTES / 2**30:.0f} GiB and {MOST_S} s of a processor core",
            "more",
        )
    return _result(answer)


def facts_of(name_or_path: str, multiple: int, size: tuple[int, int]) -> Facts:
    """Return the facts of a data set, read in a child process.

    The child ends, and so does this thread's script, if its visitor moves on or closes the tab.

    Arguments:
        name_or_path: as for :func:`eiwflow.data.load`, as are the others.
        multiple: of which the sides are.
        size: (H, W) of the flow.

    Raises:
        DataError: the data set cannot be used, or not within the child's bounds.

    """
    most, end = READING_SHARE * free_memory(), time.monotonic() + READING_S

    def watch(pid: int) -> None:
        note_wait()
        end_if_moved_on()
        if time.monotonic() > end or resident(pid) > most:
            raise _TooMuchError

    answer, request = b"", {"name_or_path": name_or_path, "multiple": multiple, "size": size}
    try:
        answer = _asked("eiwflow.data.child", request, None, session(), watch)
    except LeftError:
        st.stop()
    except _TooMuchError:
        pass
    if not answer:
        raise DataError(
            f"{name_or_path[:200]!r} takes more than {READING_SHARE:.0%} of the free memory, or {READING_S // 60} "
            "minutes, to read; begin its training on the command line"
        )
    facts: Facts = _result(answer)
    return facts


def _asked(
    module: str,
    request: object,
    progress: Progress | None,
    session: str | None,
    watch: Callable[[int], None] = lambda pid: None,
) -> bytes:
    """Return the answer of a module that runs in a child process; empty if it went beyond its bounds.

    ``watch`` is called with the child's number meanwhile, and may raise.
    """
    from ...training.process import environment

    child = subprocess.Popen(
        [sys.executable, "-P", "-m", module],  # -P: Python imports no modules from the working folder
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.writelines([pickle.dumps(request)])
        child.stdin.flush()  # stays open: its end tells the child to stop
        return _answer(child, progress, session, watch)
    except BrokenPipeError:
        return b""
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        with suppress(BrokenPipeError):
            child.stdin.close()


def _result(answer: bytes) -> Any:  # noqa: ANN401 (as the child's)
    """Return the result in a child's answer, or raise its error."""
    done, result = pickle.loads(answer)  # pickled by our own process
    if done:
        return result
    raise result


def _answer(
    child: subprocess.Popen[bytes], progress: Progress | None, session: str | None, watch: Callable[[int], None]
) -> bytes:
    """Return the answer of a child, which follows its lines of progress and an empty line."""
    assert child.stdout is not None
    answer, lines = bytearray(), True
    last_seen = time.monotonic()
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ)
        while True:
            if ready.select(LOOK_S):
                if not (part := os.read(child.stdout.fileno(), 2**20)):
                    return bytes(answer)
                answer += part
                while lines and b"\n" in answer:
                    line, _, answer = answer.partition(b"\n")
                    lines = line != b""
                    if lines and progress is not None:
                        progress.done, progress.total = map(int, line.split())
            watch(child.pid)
            if session is None or is_open(session):
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > GONE_S:
                raise LeftError
