"""Progress of a measure, in images that went through the flow, for a page that waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(eq=False)
class Progress:
    """Images done and in total; both are 0 until a measure states its total.

    Attributes:
        done, total: counts of images.
        changed: called after every batch; it may raise, to end the measure.

    """

    done: int = 0
    total: int = 0
    changed: Callable[[Progress], object] | None = None


_watched: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextmanager
def watched(progress: Progress) -> Iterator[None]:
    """Report the measures of this thread to ``progress``."""
    before = _watched.set(progress)
    try:
        yield
    finally:
        _watched.reset(before)


def expect(images: int) -> None:
    """Announce the number of images that are going to pass through the flow.

    A measure of several passes announces all of them first; announcements of single passes then add nothing.
    """
    if (progress := _watched.get()) is not None:
        progress.total = max(progress.total, progress.done + images)


def advance(images: int) -> None:
    """Report that this number of further images went through the flow."""
    if (progress := _watched.get()) is not None:
        progress.done += images
        if progress.changed is not None:
            progress.changed(progress)
