"""What options name: a checkpoint, its images, an output file. Also how numbers are printed in several commands."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import Any

from .. import checkpoint, data, project
from ..analysis.evaluate import images_to_score
from ..analysis.words.numbers import counted
from ..checkpoint import Checkpoint, CheckpointError, given_label
from ..data import DataError, ImageData
from ..files import printable
from ..flow import ConfigError, FlowConfig
from ..training.execution import choose_device
from .progress import say


def given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the options of these names that have a value."""
    return {name: getattr(options, name) for name in names if getattr(options, name, None) is not None}


def find_checkpoint(text: str) -> Path:
    """Return the file of a checkpoint, as :func:`eiwflow.checkpoint.find` does; refuse a name without a file."""
    path = checkpoint.find(text)
    if re.fullmatch(r"[\w-]{1,60}", text) and not path.exists():
        known = ", ".join(sorted(path.stem for path in project.CHECKPOINTS.glob("*.safetensors")))
        expected = f"a .safetensors file, a run directory, or a bundled flow: {known}"
        raise CheckpointError(text, "name", expected, "unknown (no such file)")
    return path


def open_checkpoint(options: argparse.Namespace, trust: bool = True) -> Checkpoint:
    """Return the checkpoint that the options name, with its flow on their device."""
    loaded = checkpoint.load(find_checkpoint(options.checkpoint), trust=trust)
    rank = 0 if options.team is None else options.team.local_rank
    loaded.flow.to(choose_device(getattr(options, "device", "cpu"), rank))
    return loaded


def open_flow(options: argparse.Namespace) -> Checkpoint:
    """Return the checkpoint; a flow with labels is conditioned on the class of ``--label``."""
    return given_label(open_checkpoint(options), options.label)


def open_any_label(options: argparse.Namespace, trust: bool = True) -> Checkpoint:
    """Return the checkpoint; a flow with labels is conditioned on the class of ``--label``, or on its first."""
    loaded = open_checkpoint(options, trust)
    return given_label(loaded, options.label or next(iter(loaded.info.classes), None))


def own_data(loaded: Checkpoint, default: str = "") -> str:
    """Return the data set that a checkpoint states as its own, or the default if it states none.

    A file is untrusted: a path in it is not followed.
    """
    name = loaded.info.data or default
    if name not in data.DATASETS:
        raise DataError(
            f"{loaded.name} was trained on {printable(name)!r}, which is not the name of a data set; a path in a "
            "checkpoint is not followed: name the images with --data"
        )
    return name


def images_of(options: argparse.Namespace, loaded: Checkpoint, download: bool = True) -> ImageData:
    """Return the data set that --data names, or the checkpoint's own; of a flow with a label those of its class."""
    # A file of other code does not name its training data.
    name = options.data or own_data(loaded, "photos32")
    config = loaded.info.config
    images = data.load(name, multiple=2**config.levels, size=config.shape[1:], download=download)
    return images if loaded.given is None else data.given_class(images, *loaded.given)


def images_if_here(options: argparse.Namespace, loaded: Checkpoint) -> ImageData | None:
    """Return the data set; None for the checkpoint's own where it is not here, or not for this flow.

    A data set is downloaded only if ``--data`` names it: describing a file is no reason for a download.
    """
    try:
        images = images_of(options, loaded, options.data is not None)
        images_to_score(images, loaded.flow, 1)
    except DataError:
        if options.data is not None:
            raise
        return None
    return images


def check_out(options: argparse.Namespace, out: Path, *read: Path) -> None:
    """Refuse to write over a file without ``--force``, and over a file that the command reads."""
    if out.exists() and any(path.exists() and out.samefile(path) for path in read):
        raise ConfigError(f"--out is {str(out)[:200]!r}, which the command reads; name another file.")
    if out.exists() and not options.force:
        raise ConfigError(f"{str(out)[:200]!r} exists; choose another name, or overwrite it with --force.")


def plus_minus(value: float | None) -> str:
    """Return a standard deviation or error as text after its mean; empty if it is NaN, as for a single value."""
    return f" ± {value:.4f}" if value is not None and math.isfinite(value) else ""


def size_of(config: FlowConfig) -> str:
    """Return the levels and steps of a flow as text: ``3 levels × 8 steps``."""
    return f"{counted(config.levels, 'level')} × {counted(config.steps, 'step')}"


def note_of(images: ImageData | None) -> list[str]:
    """Return the note of a data set, if there is one, as a line."""
    return [f"{images.name}: {images.note}"] if images is not None and images.note else []


def say_note(images: ImageData | None) -> None:
    """Print the note of a data set, if there is one, beside the result."""
    for line in note_of(images):
        say(line)
