"""A run's failures: the reason in a sentence, and advice."""

from __future__ import annotations

import errno
import re

import torch

from .. import files
from ..data import DataError
from ..flow import ShapeError

#: The reason when a process that reads images has ended.
READER_ENDED = "a process that reads images ended unexpectedly: killed, or out of memory."


class TrainingFailed(RuntimeError):
    """A run had to stop; the message names the step and the reason, ``advice`` the next thing to try."""

    advice = ""


class NotFinite(TrainingFailed):
    """Bits/dim or a gradient were not finite."""


def foreseen(error: BaseException) -> bool:
    """Return whether this module explains the error; any other RuntimeError is a bug."""
    known = isinstance(error, TrainingFailed) or of_memory(error) or bool(of_another_process(error))
    return known or not isinstance(error, RuntimeError)


def of_memory(error: BaseException) -> bool:
    """Return whether memory ran out: torch has an error class for GPU memory, but none for the CPU's."""
    no_class = isinstance(error, RuntimeError) and "allocate memory" in str(error)
    return no_class or isinstance(error, (MemoryError, torch.OutOfMemoryError))


def of_another_process(error: BaseException) -> str:
    """Return the end of a sentence for an error caused by the end of another process; empty for other errors.

    torch raises a RuntimeError for it; for a process that reads images, from a signal handler at any point.
    """
    words = str(error) if isinstance(error, RuntimeError) else ""
    if "DataLoader worker (pid" in words:
        return READER_ENDED
    if "/gloo/" in words or isinstance(error, getattr(torch.distributed, "DistError", ())):
        return "another process of the group ended; its output says why."
    return ""


def failed(error: Exception, step: int) -> TrainingFailed:
    """Return the failure of a run that an error stopped after ``step`` steps."""
    what = of_another_process(error) or " ".join(str(error).split())
    if of_memory(error):
        tried = re.search(r"ried to allocate ([\d.]+ \w+)", what)
        what = f"memory ran out{f' on an attempt to take {tried[1]}' if tried else ''}."
    elif isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        what = f"{named}{files.reason(error)}."
    if not isinstance(error, TrainingFailed):
        what = f"After step {step} the run stopped: {what}"
    failure = TrainingFailed(what)
    failure.advice = advice(error)
    return failure


def advice(error: BaseException) -> str:
    """Return advice after a run failed."""
    if isinstance(error, NotFinite):
        return (
            "To resume would repeat it, since batches depend on seed and step alone: "
            "start a run with a lower learning rate or another seed."
        )
    if of_memory(error):
        return "Start a run with a smaller batch, width or image size, or close what else takes memory and resume."
    if isinstance(error, (DataError, ShapeError)):
        return "Put the data set back as it was, then resume."
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "Free some space on the disk, then resume."
    return "Once the cause is gone, resume."
