"""Flows in rows beside the page's: the compared flow, or the bundled flows like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..sources import checkpoints

if TYPE_CHECKING:
    from ...checkpoint import Checkpoint
    from ..sources.visit import Page

#: Words of a heading that are not written as in a file.
SPELT = {"psnr": "PSNR", "db": "dB", "rms": "RMS"}


def rows(page: Page) -> dict[str, Page]:
    """Return the page and those it is shown beside, by the checkpoint's name on the command line.

    They are the compared flow or, where none was chosen, the bundled flows like it: images and levels of one
    shape, one data set.
    """
    if page.other is not None:
        name = page.other.file.argument
        # Two uploads may have one name.
        unlike = name if name != page.file.argument else f"{name} ({page.other.file.key})"
        return {page.file.argument: page, unlike: page.other}
    kind, pages = _kind(page.checkpoint), {page.file.argument: page}
    for file in checkpoints.checkpoint_files().values():
        bundled = file.path.parent == checkpoints.BUNDLED
        if bundled and _kind_of_file(file.path, file.path.stat().st_mtime_ns) == kind:
            pages.setdefault(file.argument, replace(page, file=file, checkpoint=checkpoints.open_checkpoint(file)))
    return pages


def readable(table: list[dict[str, Any]], headings: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Return a table with headings that wrap, in the field's spelling; ``headings`` are words for parts of its keys."""
    return [{_heading(name, headings or {}): value for name, value in row.items()} for row in table]


def _heading(name: str, headings: Mapping[str, str]) -> str:
    for key, words in headings.items():
        name = name.replace(key, words)
    return " ".join(SPELT.get(word, word) for word in name.split("_"))


@st.cache_resource(max_entries=64, show_spinner=False)
def _kind_of_file(path: Path, time: int) -> tuple[object, ...] | None:
    del time  # a new file is a new key
    from ...checkpoint import CheckpointError, load

    try:
        return _kind(load(path))
    except CheckpointError:
        return None


def _kind(checkpoint: Checkpoint) -> tuple[object, ...]:
    """Return the properties that must agree for two checkpoints to be rows of one picture."""
    config = checkpoint.info.config
    return config.shape, config.levels, checkpoint.info.data
