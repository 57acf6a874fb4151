"""How far a measure is, in images that went through the flow: a page that waits for it may look."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(eq=False)
class Progress:
    """Images that went through the flow, of how many; both are 0 until a measure says what it has to do.

    Attributes:
        done, total: counts of images.
        changed: called after every batch.

    """

    done: int = 0
    total: int = 0
    changed: Callable[[Progress], object] | None = None


_watched: ContextVar[Progress | None] = ContextVar("progress", default=None)


def watch(progress: Progress) -> None:
    """Let ``progress`` follow what this thread measures from here on."""
    _watched.set(progress)


def expect(images: int) -> None:
    """Say how many images are about to go through the flow.

    A measure of several passes says it of all of them first; what its passes say then adds nothing.
    """
    if (progress := _watched.get()) is not None:
        progress.total = max(progress.total, progress.done + images)


def advance(images: int) -> None:
    """Say that so many more images went through the flow."""
    if (progress := _watched.get()) is not None:
        progress.done += images
        if progress.changed is not None:
            progress.changed(progress)
