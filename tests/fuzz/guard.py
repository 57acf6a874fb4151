"""What an input may do: be taken or refused in one sentence, in little time and memory, and touch nothing."""

from __future__ import annotations

import gc
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS, MIB = 2.0, 512.0
#: Longer than any sentence of ours with a path in it.
MAX_SENTENCE = 1000
#: Audited events that no entry point has any business with, whatever it is given.
FORBIDDEN = re.compile(
    r"pickle\.find_class|os\.(system|exec|fork|forkpty|posix_spawn|spawn|remove|rename|rmdir|link|symlink|truncate"
    r"|chmod|chown|putenv|kill).*|subprocess\.Popen|socket\..*|shutil\..*|urllib\.Request|ctypes\.dlopen|webbrowser\.open"
)

#: Of every entry point that is open: its thread, where it may write, and what it did. Threads that earlier tests left
#: behind are none of its business.
_watched: list[tuple[int, Path | None, list[str]]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched or _watched[-1][0] != threading.get_ident():
        return
    _, allowed, seen = _watched[-1]
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & 3:  # O_WRONLY, O_RDWR
        inside = allowed is not None and str(arguments[0]).startswith(str(allowed))
        if not inside:
            seen.append(f"open {str(arguments[0])[:80]} to write")
    elif FORBIDDEN.fullmatch(event) and not (allowed is not None and event in ("os.rename", "os.remove")):
        seen.append(event)


sys.addaudithook(_hook)


def answer(
    entry: Callable[[], object], refusals: tuple[type[Exception], ...], may_write: Path | None = None
) -> tuple[bool, float, float]:
    """Open an entry point; return whether it took the input, the seconds and the MiB that it cost at its peak.

    Arguments:
        entry: takes the input.
        refusals: the errors that it may refuse it with.
        may_write: a folder that it may write and rename in.

    Raises:
        AssertionError: it did what no entry point may.

    """
    taken, seen = True, []
    # The collector would walk all that pytest holds, again and again: no cost of this input's.
    gc.freeze()
    before, started = _reset_peak(), time.process_time()
    _watched.append((threading.get_ident(), may_write, seen))
    try:
        entry()
    except refusals as error:
        taken = False
        sentence = str(error)
        assert sentence and "\n" not in sentence, f"not one sentence: {sentence!r}"
        assert len(sentence) <= MAX_SENTENCE, f"a sentence of {len(sentence)} characters: {sentence[:200]!r}"
        assert "Traceback" not in sentence and " object at 0x" not in sentence, sentence
    finally:
        _watched.pop()
        gc.unfreeze()
    seconds, mib = time.process_time() - started, _peak_mib() - before
    assert not seen, f"side effects: {seen}"
    assert mib <= MIB, f"{mib:.0f} MiB"
    assert seconds <= SECONDS, f"{seconds:.1f} s"
    return taken, seconds, mib


def _reset_peak() -> float:
    """Forget the process's peak of resident memory, where the system lets us; return what it is now, in MiB."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _peak_mib()  # a peak of before is then no cost of this input's
    return _peak_mib()


def _peak_mib() -> float:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 2**10
