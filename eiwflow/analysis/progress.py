"""Progress of a measure, in images that went through the flow, for a page that waits."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(eq=False)
class Progress:
    """Images done and in total; both are 0 until a measure states its total.

    Attributes:
        done, total: counts of images.
        changed: called after every batch.

    """

    done: int = 0
    total: int = 0
    changed: Callable[[Progress], object] | None = None


_watched: ContextVar[Progress | None] = ContextVar("progress", default=None)


def watch(progress: Progress) -> None:
    """Report all later measures of this thread to ``progress``."""
    _watched.set(progress)


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
