"""The checkpoints to choose from: bundled, of runs, and uploaded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ... import checkpoint, project
from ...analysis import SURVEY_IMAGES
from ...analysis.words.numbers import counted
from ...checkpoint import Checkpoint, CheckpointError, given_label
from ...files import printable, stamp, stamp_or_zeros
from ...flow import FlowConfig
from ...server_settings import settings
from ...training.cost import look
from ...training.run_directory import RunDirectory, list_runs, runs_root, saved_flows
from ..common.untrusted import distinct
from . import store

BUNDLED = project.CHECKPOINTS
#: Words for the data and the half in the names of bundled flows.
DATA = {"faces16": "faces", "letters32": "letters", "photos32": "photos"}
HALVES = {
    "entropy-weighted": "by entropy",
    "entropy": "by entropy, no channel weights",
    "entropy-pooled": "by entropy, weights before the split",
    "glow": "Glow’s half",
    "variance-reversed": "by smallest variance",
}
#: Most memory and core seconds that the pages of a flow may take, by estimate.
MOST_LOOK_BYTES, MOST_LOOK_S = 2 * 2**30, 30.0
#: Bytes of a file from which on two flows are kept open at most, instead of sixteen.
LARGE_BYTES = 32 * 2**20
#: Estimated seconds of one pass of the first test images beyond which a flow is large.
LARGE_S = 5.0
#: For a large flow: images of an average; on Latents, frames, frames with one level moving alone, and samples.
FEW_IMAGES, FEW_FRAMES, FEW_ALONE, FEW_SAMPLES = 32, 7, 3, 4


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint that can be chosen.

    Attributes:
        key: in the URL: the name of a bundled checkpoint, or the content hash of others, followed by the run's name if
            a newer run has the same content.
        label: in the side bar; :func:`checkpoint_files` makes it differ from those of the other files.
        path: the file.
        argument: its name on the command line; the file's name for an upload.
        run: the run's directory, or None.

    """

    key: str
    label: str
    path: Path
    argument: str
    run: Path | None = None


def checkpoint_files(uploaded: Iterable[CheckpointFile] = ()) -> dict[str, CheckpointFile]:
    """Return all checkpoints by key: bundled, saved among the runs, of runs at rest, and uploaded."""
    paths = sorted(BUNDLED.glob("*.safetensors"))
    bundled = [CheckpointFile(path.stem, _in_words(path.stem), path, path.stem) for path in paths]
    files = {file.key: file for file in (*bundled, *_saved(), *_runs_at_rest()[0], *uploaded)}
    labels = distinct({key: file.label for key, file in files.items()})
    return {key: replace(file, label=labels[key]) for key, file in files.items()}


def _in_words(name: str) -> str:
    """Return a bundled flow's name as a person says it: data and half; any other name as it is."""
    data, _, half = name.partition("-")
    return f"{DATA[data]}: {HALVES[half]}" if data in DATA and half in HALVES else name


def _of_run(run: RunDirectory) -> str:
    """Return a run's name as a person says it: its title or else its time, and its steps."""
    whose = "the class’s" if settings().classroom else "yours"
    # The title of a run that nobody has named ends in its time: entropy, 1 Dec 02:13:14.
    time = re.search(r", \d+ \w+ (?P<clock>\d\d:\d\d):\d\d$", run.title)
    called = time["clock"] if time else run.title
    return f"{whose}, {called}, {counted(run.state().step, 'step')}"


def complaints() -> list[str]:
    """Return a sentence for every unreadable entry of the folder of runs."""
    return _runs_at_rest()[1]


def _runs_at_rest() -> tuple[list[CheckpointFile], list[str]]:
    """Return the last checkpoints of runs at rest, and complaints about unreadable runs."""
    checkpoints: list[CheckpointFile] = []
    runs, complaints = list_runs(runs_root())
    for run in runs:
        try:
            if not run.state().alive and run.last_checkpoint.is_file():
                path, name = run.last_checkpoint, run.path.name
                key = _key(path, *stamp(path))
                if any(key == other.key for other in checkpoints):  # a run's folder was copied
                    key = f"{key}-{name}"
                checkpoints.append(CheckpointFile(key, _of_run(run), path, str(run.path), run.path))
        except OSError:  # deleted meanwhile, or complained about elsewhere
            continue
    return checkpoints, complaints


def _saved() -> list[CheckpointFile]:
    """Return the other checkpoints in the folder of runs: files, and folders of pretrained flows."""
    checkpoints = []
    for entry in saved_flows(runs_root()):
        path = checkpoint.find(str(entry))
        with suppress(OSError):  # deleted meanwhile, or larger than any checkpoint
            name = printable(entry.name, 60)
            checkpoints.append(CheckpointFile(_key(path, *stamp(path)), name, path, str(entry)))
    return checkpoints


def _key(path: Path, time: int, size: int) -> str:
    """Return the key of a checkpoint that is not bundled, by its content; a new file has a new time or size."""

    def digest() -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]

    return store.get("key", (path, time, size), digest, "Reading checkpoints …")


def open_checkpoint(file: CheckpointFile, label: str = "") -> Checkpoint:
    """Read a checkpoint, once for every state of its file; for a flow with labels, the flow of one class.

    Args:
        file: to read.
        label: the class; an unknown one gives the first.

    Raises:
        CheckpointError: with one sentence.

    """
    whole = _whole(file)
    classes = whole.info.classes
    if not classes:
        return whole
    chosen = label if label in classes else classes[0]
    if 4 * whole.flow.parameter_count() > LARGE_BYTES:  # not kept, since two are at most: it is made in a moment
        return given_label(whole, chosen)
    return store.get("given label", (whole.sha256, chosen), lambda: given_label(whole, chosen))


def classes_of(file: CheckpointFile) -> tuple[str, tuple[str, ...]]:
    """Return the factor that a flow is conditional on, and the names of its classes; empty for other flows.

    Raises:
        CheckpointError: with one sentence.

    """
    info = _whole(file).info
    return info.labels, info.classes


def _whole(file: CheckpointFile) -> Checkpoint:
    key = file.path, *stamp_or_zeros(file.path)
    kind = "open large flow" if key[2] > LARGE_BYTES else "open flow"
    return store.get(kind, key, lambda: _opened(file.path), "Opening the checkpoint …")


def _opened(path: Path) -> Checkpoint:
    opened = checkpoint.load(path)
    admit(opened)
    return opened


def admit(opened: Checkpoint) -> None:
    """Refuse a flow that is too costly for the pages, by an estimate from its config, before it takes memory.

    A flow whose context has no names is refused too, since no page can offer a choice, and one whose channels are
    those of no picture.

    Raises:
        CheckpointError: with the estimate and the bound.

    """
    config = opened.info.config
    if config.context and not opened.info.classes:
        expected = "labels with names, as `train --labels` writes them"
        context_kind = f"{config.context} values without names; look at it from Python, by flow.given(values)"
        raise CheckpointError(opened.name, "the context", expected, context_kind)
    if (channels := config.shape[0]) not in (1, 3):
        expected = "1 (grey) or 3 (colour), since the app shows pictures"
        raise CheckpointError(opened.name, "channels", expected, f"{channels}; look at it from Python")
    size, _ = look(config, SURVEY_IMAGES)
    images = FEW_IMAGES if is_large(config) else SURVEY_IMAGES
    _, seconds = look(config, images)
    if size > MOST_LOOK_BYTES or seconds > MOST_LOOK_S:
        raise CheckpointError(
            opened.name,
            f"the cost of looking at {images} images",
            f"at most {MOST_LOOK_BYTES / 2**30:.1f} GiB and {MOST_LOOK_S:.0f} s of a processor core",
            f"about {size / 2**30:.1f} GiB and {seconds:.0f} s",
        )


def is_large(config: FlowConfig) -> bool:
    """Return whether averages over many images take long, by an estimate from the flow's config."""
    return look(config, SURVEY_IMAGES)[1] > LARGE_S
