"""Long measures in a child process of the server, which is bounded and ends with the waiting tab."""

from __future__ import annotations

import os
import pickle
import selectors
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import get_run_yield_check

from ..common.shelves import is_open

if TYPE_CHECKING:
    from ...analysis.progress import Progress
    from ...analysis.subjects import Look

#: Bounds of a child; seconds between two checks of the tab, and after which a disconnected tab counts as closed.
MOST_BYTES, MOST_S, LOOK_S, GONE_S = 2 * 2**30, 120, 0.25, 3.0


class LeftError(Exception):
    """The tab that waited was closed."""


def session() -> str | None:
    """Return the session whose script this thread runs; None outside a server."""
    context = get_script_run_ctx(suppress_warning=True)
    return None if context is None else context.session_id


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
    from ...training.detached import environment

    request = pickle.dumps((replace(look, keep=None), name, choices, MOST_BYTES, MOST_S, torch.get_num_threads()))
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "eiwflow.analysis.child"],  # -P: Python imports no modules from the working folder
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.writelines([request])
        child.stdin.flush()  # stays open: its end tells the child to stop
        answer = _answer(child, progress, session)
    except BrokenPipeError:
        answer = b""
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        with suppress(BrokenPipeError):
            child.stdin.close()
    if not answer:
        raise CheckpointError(
            look.checkpoint.name,
            "the cost of looking at it",
            f"at most {MOST_BYTES / 2**30:.0f} GiB and {MOST_S} s of a processor core",
            "more",
        )
    done, result = pickle.loads(answer)  # pickled by our own process
    if done:
        return result
    raise result


def _answer(child: subprocess.Popen[bytes], progress: Progress | None, session: str | None) -> bytes:
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
            if session is None or is_open(session):
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > GONE_S:
                raise LeftError
