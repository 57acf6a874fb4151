"""The command line: everything the app does, without the app."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ..files import without_controls
from .commands import COMMANDS, find_checkpoint, null_for_nan
from .parser import WRONG_INPUT, build_parser

__all__ = ["INTERRUPTED", "WRONG_INPUT", "build_parser", "find_checkpoint", "main", "run"]

#: The exit code of a shell for an interrupted program: 128 plus the number of SIGINT.
INTERRUPTED = 130
#: The commands that all processes of torchrun run together; any other command runs in the first process alone.
SHARED = ("train", "evaluate", "sample")


def run() -> NoReturn:
    """Run the command of this process and end it with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its code instead, such as \u2212 for a minus sign.
            stream.reconfigure(errors="backslashreplace")
    # Child processes must not import modules from the working folder, which may hold downloads.
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        code = main()
    except KeyboardInterrupt:
        print("eiwflow: interrupted.", file=sys.stderr, flush=True)
        code = INTERRUPTED
    except SystemExit as end:  # from the parser, or from a process of a group that trains
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.exit(_left(code))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 1 (a training or a check failed) or 2 (wrong input)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser()
    options = parser.parse_args(arguments)
    options.arguments = arguments
    if options.name not in SHARED and "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0":
        return 0
    # Imported here, so that --help does not wait for torch.
    from ..checkpoint import CheckpointError, LabelError
    from ..compression import CompressionError
    from ..data import DataError
    from ..flow import ConfigError, ContextError, NonFiniteError, ShapeError
    from ..study.file import StudyError
    from ..training.failures import TrainingFailed, of_another_process, of_memory
    from ..training.run_directory import RunError

    refusals = (
        CheckpointError,
        CompressionError,
        ConfigError,
        ContextError,
        DataError,
        LabelError,
        NonFiniteError,
        RunError,
        ShapeError,
        StudyError,
        OSError,
    )
    try:
        if getattr(options, "threads", None) is not None:
            import torch

            torch.set_num_threads(options.threads)
        result, text = COMMANDS[options.name](options)
    except refusals as error:
        print(f"eiwflow {options.name}: {without_controls(' '.join(_sentence(error).split()))}", file=sys.stderr)
        return WRONG_INPUT
    except TrainingFailed as error:
        text = without_controls(" ".join(f"{error} {error.advice}".split()))
        print(f"eiwflow {options.name}: {text}", file=sys.stderr)
        return _left(1)
    except (MemoryError, RuntimeError) as error:
        what = of_another_process(error)
        if of_memory(error):
            what = "memory ran out; ask for a smaller flow, or for fewer images."
        if not what:
            raise
        print(f"eiwflow {options.name}: {what}", file=sys.stderr)
        return _left(1)
    try:
        print(json.dumps(null_for_nan(result), allow_nan=False) if options.json else without_controls(text), flush=True)
    except BrokenPipeError:  # a reader such as `head` has closed the pipe, and Python's own flush would print the error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(result.get("holds") is False)


def _left(code: int) -> int:
    """Return the exit code; a process of a process group ends here, with this code.

    It ends before Python frees an error: the error holds gloo's threads, which may wait for a lost process.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from ..training.distributed import leave

        leave(code)
    return code


def _sentence(error: Exception) -> str:
    """Return the message of an error; for a system error its file and reason, without the error number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    return str(error)
