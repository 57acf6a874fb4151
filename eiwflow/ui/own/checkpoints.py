"""Checkpoints that a visitor uploads, or copies of a run in training; in the URL as ``ck`` and ``vs``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from ...checkpoint import load
from ...files import write_atomically
from ..common import state
from ..sources.checkpoints import CheckpointFile, admit
from .upload import Files, Upload

#: Most MiB of a checkpoint: a flow of about 120 million parameters.
MOST_MIB = 495
LABEL = "An eiwflow .safetensors file, or one that `eiwflow import` wrote of another Glow; it stays on this machine."


def _written(key: str, files: Files) -> CheckpointFile:
    """Check a checkpoint and write it into a folder of the server; its own name never becomes a path."""
    ((name, content),) = files.items()
    admit(load(content, name))
    path = Path(_folder().name) / f"{key}.safetensors"
    write_atomically(path, content)  # another visitor may be reading the same file
    return CheckpointFile(key, f"upload {name[:60]}", path, name)


CHECKPOINTS = Upload(
    "checkpoints",
    ("safetensors",),
    MOST_MIB,
    8,
    _written,
    lambda file: file.path.stat().st_size,
    lambda file: file.path.unlink(True),
)


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="eiwflow-")


def end() -> None:
    """Delete all uploads, which the interpreter would not do if a signal ends it."""
    _folder().cleanup()


def show(key: str) -> None:
    """Make an uploaded checkpoint the page's, from a callback, and list it for this session."""
    st.session_state.setdefault("_uploaded", []).append(key)
    state.set_choice("ck", key)


def files(named: Iterable[str] = ()) -> list[CheckpointFile]:
    """Return the files that this session uploaded or that a link names, if the server still holds them."""
    keys = dict.fromkeys([*st.session_state.get("_uploaded", []), *named])
    return [file for key in keys if (file := CHECKPOINTS.kept(key)) is not None]
