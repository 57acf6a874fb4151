"""The checkpoints that can be chosen: bundled ones, those of runs, and uploaded ones."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from ... import project
from ...analysis import SURVEY_IMAGES
from ...files import stamp

if TYPE_CHECKING:
    from ...checkpoint import Checkpoint
    from ...flow import FlowConfig

BUNDLED = project.CHECKPOINTS
#: The most memory and seconds of a core that looking at a flow may take, by an estimate.
MOST_LOOK_BYTES, MOST_LOOK_S = 2 * 2**30, 30.0
#: A flow is large where one pass of the first test images takes longer, by an estimate.
LARGE_S = 5.0
#: Seconds of one image beyond which a move, too, is long work.
SLOW_S = 0.5
#: Of a large flow: images of an average; on Space pictures on the way, those with one level moving alone, and samples.
FEW_IMAGES, FEW_FRAMES, FEW_ALONE, FEW_SAMPLES = 32, 7, 3, 4


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint that can be chosen.

    Attributes:
        key: stands in the URL: the name of a bundled checkpoint, or the content hash of others, with the
            run's name behind it where a newer run has the same content.
        label: in the side bar.
        path: the file.
        argument: its name on the command line; the file's name for an upload.
        run: the run's directory, None where it is of none.
        size: bytes of an upload.

    """

    key: str
    label: str
    path: Path
    argument: str
    run: Path | None = None
    size: int = 0


def checkpoint_files(uploaded: Iterable[CheckpointFile] = ()) -> dict[str, CheckpointFile]:
    """Return the checkpoints that are bundled, saved among the runs, of runs at rest, and uploaded, by their key."""
    bundled = [CheckpointFile(path.stem, path.stem, path, path.stem) for path in sorted(BUNDLED.glob("*.safetensors"))]
    return {file.key: file for file in (*bundled, *_saved(), *_runs_at_rest()[0], *uploaded)}


def complaints() -> list[str]:
    """Return a sentence for everything in the folder of runs that cannot be read."""
    return _runs_at_rest()[1]


def _runs_at_rest() -> tuple[list[CheckpointFile], list[str]]:
    """Return the last checkpoints of runs at rest, and complaints about unreadable runs."""
    from ...training.run_directory import list_runs, runs_root

    checkpoints: list[CheckpointFile] = []
    runs, complaints = list_runs(runs_root())
    for run in runs:
        try:
            if not run.state().alive and run.last_checkpoint.is_file():
                file = _of_run(run.path, *stamp(run.last_checkpoint))
                if any(file.key == other.key for other in checkpoints):  # a run's folder was copied
                    file = replace(file, key=f"{file.key}-{run.path.name}")
                checkpoints.append(file)
        except OSError:  # it was deleted meanwhile, or is complained of
            continue
    return checkpoints, complaints


def _saved() -> list[CheckpointFile]:
    """Return the checkpoints in the folder of runs that no run wrote: files, and folders of pretrained flows."""
    from ... import files
    from ...checkpoint import PRETRAINED
    from ...training.run_directory import runs_root

    checkpoints = []
    for entry in reversed(files.entries(runs_root())):
        path = entry if entry.suffix == ".safetensors" else entry / PRETRAINED
        if files.is_text(entry.name) and os.path.isfile(path):
            with suppress(OSError):  # it was deleted meanwhile, or is larger than any checkpoint
                checkpoints.append(_of_file(entry, path, *stamp(path)))
    return checkpoints


@st.cache_resource(max_entries=64, show_spinner=False)
def _of_file(entry: Path, path: Path, time: int, size: int) -> CheckpointFile:
    del time, size  # as of a run
    from ... import files
    from ...checkpoint import MAX_FILE_BYTES

    digest = hashlib.sha256(files.read_bytes(path, MAX_FILE_BYTES)).hexdigest()[:12]
    return CheckpointFile(digest, files.printable(entry.name, 60), path, str(entry))


@st.cache_resource(max_entries=64, show_spinner=False)
def _of_run(run: Path, time: int, size: int) -> CheckpointFile:
    del time, size  # they are the file's stamp: a new file is a new key
    from ... import files
    from ...checkpoint import MAX_FILE_BYTES
    from ...training.run_directory import RunDirectory

    path = RunDirectory(run).last_checkpoint
    digest = hashlib.sha256(files.read_bytes(path, MAX_FILE_BYTES)).hexdigest()[:12]
    return CheckpointFile(digest, f"run {run.name}", path, str(run), run)


def open_checkpoint(file: CheckpointFile, label: str = "") -> Checkpoint:
    """Read a checkpoint, once for every state of its file; of a flow with labels the flow of one class.

    Args:
        file: that is read.
        label: the class; the first where the flow does not know it.

    Raises:
        CheckpointError: with one sentence.

    """
    whole = _whole(file)
    classes = whole.info.classes
    return _given_label(whole, label if label in classes else classes[0]) if classes else whole


def classes_of(file: CheckpointFile) -> tuple[str, tuple[str, ...]]:
    """Return the factor that a flow is conditional on, and the names of its classes; nothing for other flows.

    Raises:
        CheckpointError: with one sentence.

    """
    info = _whole(file).info
    return info.labels, info.classes


def _whole(file: CheckpointFile) -> Checkpoint:
    try:
        state = stamp(file.path)
    except OSError:
        state = 0, 0  # `load` raises the error
    return _open(file.path, *state)


@st.cache_resource(
    max_entries=16,
    hash_funcs={"eiwflow.checkpoint.Checkpoint": lambda checkpoint: checkpoint.sha256},
    show_spinner=False,
)
def _given_label(checkpoint: Checkpoint, label: str) -> Checkpoint:
    from ...checkpoint import given_label

    return given_label(checkpoint, label)


@st.cache_resource(max_entries=16, show_spinner="Opening the checkpoint …")
def _open(path: Path, time: int, size: int) -> Checkpoint:
    del time, size
    from ...checkpoint import load

    checkpoint = load(path)
    admit(checkpoint)
    return checkpoint


def forget() -> None:
    """Forget the flows that were opened."""
    _open.clear()
    _given_label.clear()


def admit(checkpoint: Checkpoint) -> None:
    """Refuse a flow that is too costly to be looked at, by an estimate from its config and before any memory is taken.

    A flow whose context has no names is refused too: no page can tell what to give it.

    Raises:
        CheckpointError: with the estimate and the bound.

    """
    from ...checkpoint import CheckpointError
    from ...training.cost import look

    config = checkpoint.info.config
    if config.context and not checkpoint.info.classes:
        expected = "labels with names, as `train --labels` writes them"
        found = f"{config.context} values without names; look at it from Python, by flow.given(values)"
        raise CheckpointError(checkpoint.name, "the context", expected, found)
    size, _ = look(config, SURVEY_IMAGES)
    images = FEW_IMAGES if is_large(config) else SURVEY_IMAGES
    _, seconds = look(config, images)
    if size > MOST_LOOK_BYTES or seconds > MOST_LOOK_S:
        raise CheckpointError(
            checkpoint.name,
            f"the cost of looking at {images} images",
            f"at most {MOST_LOOK_BYTES / 2**30:.1f} GiB and {MOST_LOOK_S:.0f} s of a processor core",
            f"about {size / 2**30:.1f} GiB and {seconds:.0f} s",
        )


def is_large(config: FlowConfig) -> bool:
    """Return whether a flow is so large that averages over many images take long, by an estimate from its config."""
    from ...training.cost import look

    return look(config, SURVEY_IMAGES)[1] > LARGE_S


def is_slow(config: FlowConfig) -> bool:
    """Return whether a flow is so large that one image takes long, by an estimate from its config."""
    from ...training.cost import look

    return look(config, 1)[1] > SLOW_S
