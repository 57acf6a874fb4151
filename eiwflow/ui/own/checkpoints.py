"""Checkpoints that a visitor uploads, or copies of a run in training; in the URL as ``ck`` and ``vs``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from ..common import state
from ..sources.checkpoints import CheckpointFile, admit
from .upload import Files, Limits, Upload

LABEL = "An eiwflow .safetensors file, or one that `eiwflow import` wrote of another Glow; it stays on this machine."


@cache
def upload() -> Upload[CheckpointFile]:
    """Return the kind of upload that checkpoints are. Its limit is the format's, which torch has to load first."""
    from ...checkpoint import MAX_FILE_BYTES

    limits = Limits(("safetensors",), MAX_FILE_BYTES // 2**20, kept=8)
    return Upload("checkpoints", limits, _written, lambda file: file.size, lambda file: file.path.unlink(True))


def _written(key: str, files: Files) -> CheckpointFile:
    """Check a checkpoint and write it into a folder of the server; its own name never becomes a path."""
    from ...checkpoint import load
    from ...files import write_atomically

    ((name, content),) = files.items()
    admit(load(content, name))
    path = Path(_folder().name) / f"{key}.safetensors"
    write_atomically(path, content)  # another visitor may be reading the same file
    return CheckpointFile(key, f"upload {name[:60]}", path, name, size=len(content))


@st.cache_resource(show_spinner=False)
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="eiwflow-")


def end() -> None:
    """Delete all uploads: the interpreter does it too, but not where a signal ends it."""
    _folder().cleanup()


def draw(place: str) -> None:
    """Draw an uploader for a checkpoint, which becomes the page's; ``place`` tells it from others of a page."""
    upload().draw(place, LABEL, show)


def show(key: str) -> None:
    """Make an uploaded checkpoint the page's, from a callback, and list it for this session."""
    st.session_state.setdefault("_uploaded", []).append(key)
    state.set_choice("ck", key)


def files(named: Iterable[str] = ()) -> list[CheckpointFile]:
    """Return the files that this session uploaded or that a link names, as far as they are here."""
    keys = dict.fromkeys([*st.session_state.get("_uploaded", []), *named])
    return [file for key in keys if (file := upload().kept(key)) is not None]
