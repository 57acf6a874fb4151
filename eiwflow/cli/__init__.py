"""The command line: everything the app does, without the app."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

from ..files import without_controls
from ..training.process import WRONG_INPUT
from .parser import build_parser
from .progress import as_json

__all__ = ["INTERRUPTED", "WRONG_INPUT", "build_parser", "main", "run"]

#: The exit code of a shell for an interrupted program: 128 plus the number of SIGINT.
INTERRUPTED = 130
#: module -> its commands. It is imported when one of them is called, so that --help does not wait for torch.
MODULES = {
    "serve": ("app",),
    "train": ("train",),
    "study": ("study",),
    "flows": ("list", "evaluate", "inspect", "verify", "analyse"),
    "outputs": ("sample", "compress", "decompress", "import", "export", "lesson"),
}
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
    except SystemExit as end:  # from the parser, or on SIGTERM
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.exit(_left(code))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 1 (a training or a check failed) or 2 (wrong input)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = build_parser().parse_args(arguments)
    options.arguments = arguments
    is_first = "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("RANK", "0") == "0"
    if not is_first and options.name not in SHARED:
        return 0
    try:
        with _team(options.name) as options.team:
            module = next(module for module, names in MODULES.items() if options.name in names)
            command = getattr(importlib.import_module(f".{module}", __name__), f"{options.name}_command")
            result, text = command(options)
    except Exception as error:
        text, code = _failure(error)
        if not text:
            raise
        print(f"eiwflow {options.name}: {without_controls(' '.join(text.split()))}", file=sys.stderr)
        return code if code == WRONG_INPUT else _left(code)
    if not is_first:
        return 0
    _print(as_json(result) if options.json else without_controls(text))
    return int(result.get("holds") is False)


def _team(name: str) -> AbstractContextManager[Any]:
    """Return the processes of torchrun that run a command together; None for a command of the first process alone."""
    if name not in SHARED:
        return nullcontext()
    from ..training.distributed import gathered

    return gathered()


def _failure(error: Exception) -> tuple[str, int]:
    """Return what an error says to a person, and the exit code; an empty text for a fault of the program."""
    from ..training.failures import TrainingFailed, of_another_process, of_memory

    if isinstance(error, TrainingFailed):
        return f"{error} {error.advice}", 1
    if of_memory(error):
        return "memory ran out; ask for a smaller flow, or for fewer images.", 1
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}.", WRONG_INPUT
    # Every class of ours that is one of these refuses an input, in a sentence for a person.
    if isinstance(error, OSError) or (
        isinstance(error, (ValueError, ArithmeticError)) and type(error).__module__.startswith("eiwflow.")
    ):
        return str(error), WRONG_INPUT
    return of_another_process(error), 1


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # a reader such as `head` has closed the pipe, and Python's own flush would print the error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _left(code: int) -> int:
    """Return the exit code; a process of a process group ends here, with this code.

    It ends before Python frees an error: the error holds gloo's threads, which may wait for a lost process.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from ..training.distributed import leave

        leave(code)
    return code
