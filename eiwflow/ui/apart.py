"""Long measures run in a child of the server: bounded, and ended when the tab that waits for them is closed."""

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

from streamlit.runtime.scriptrunner import StopException, get_script_run_ctx

if TYPE_CHECKING:
    from ..analysis.subjects import Look

#: What a child may take; seconds between two looks at who waits, and after which one who has gone is gone for good.
MOST_BYTES, MOST_S, LOOK_S, GONE_S = 2 * 2**30, 120, 0.25, 3.0


def measure(look: Look, name: str, choices: dict[str, Any]) -> Any:  # noqa: ANN401 (as the measure)
    """Return a measure, made in a child process.

    Raises:
        CheckpointError: the child went beyond its bounds.

    """
    import torch

    from ..checkpoint import CheckpointError
    from ..training.detached import environment

    asked = pickle.dumps((replace(look, keep=None), name, choices, MOST_BYTES, MOST_S, torch.get_num_threads()))
    child = subprocess.Popen(
        [sys.executable, "-m", "eiwflow.analysis.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.writelines([asked])
        child.stdin.flush()  # and stays open: its end tells the child that nobody waits any more
        answer = _answer(child)
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
    done, result = pickle.loads(answer)  # of our own process
    if done:
        return result
    raise result


def _answer(child: subprocess.Popen[bytes]) -> bytes:
    """Return all that a child says; the script ends, and with it the child, where nobody waits for it any more."""
    assert child.stdout is not None
    parts: list[bytes] = []
    last_seen = time.monotonic()
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ)
        while True:
            if ready.select(LOOK_S):
                if not (part := os.read(child.stdout.fileno(), 2**20)):
                    return b"".join(parts)
                parts.append(part)
            if _somebody_waits():
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > GONE_S:
                raise StopException  # what st.stop() does


def _somebody_waits() -> bool:
    """Return whether this session's tab is open."""
    from streamlit.runtime import exists, get_instance

    context = get_script_run_ctx()
    if context is None or not exists():
        return True
    return get_instance().is_active_session(context.session_id)
