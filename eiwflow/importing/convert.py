"""Convert a file of other code into a checkpoint of ours."""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch

from .. import checkpoint, files
from ..checkpoint import Checkpoint, CheckpointError, CheckpointInfo
from ..flow import ConfigError
from .formats import KINDS, GlowError, Options, convert, recognise

#: Most bytes of a file: weights, and an optimiser's state.
MAX_SOURCE_BYTES = 2_000_000_000


def import_flow(source: Path, out: Path, options: Options | None = None) -> Checkpoint:
    """Convert a Glow checkpoint of other code, and return the new one.

    No code in the file runs: ``torch.load`` reads it with ``weights_only=True``.

    Args:
        source: the file: a state dict saved by torch, alone or in a dictionary, or as ``.safetensors``.
        out: the ``.safetensors`` file to write, atomically.
        options: facts that the file does not state.

    """
    options = options or Options()
    name = files.printable(source.name)
    try:
        kind, tensors = recognise(_content(source), options.kind, options.part)
        converted = convert(kind, tensors, options)
        flow = checkpoint.outline(converted.config)
        flow.load_state_dict(converted.state, assign=True)
        # The file has no names of its classes. Data with numbered classes have them as the factor "label".
        classes = tuple(map(str, range(converted.config.context)))
        stated = {key: value for key, value in asdict(options).items() if value is not None}
        with open(source, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        facts = {
            "kind": KINDS[kind],
            "file": name,
            "sha256": digest,
            "assumed": " ".join(converted.assumed),
            "stated": ", ".join(f"{key} {value}" for key, value in stated.items()),
        }
        info = CheckpointInfo(
            config=converted.config, imported=facts, labels="label" if classes else "", classes=classes
        )
        checkpoint.save(out, flow, info)
    except (CheckpointError, ConfigError, RuntimeError) as error:  # a RuntimeError of tensors that make no flow
        raise GlowError(f"{name}: {_line(error)}") from None
    return checkpoint.load(out)


def _content(source: Path) -> object:
    """Return the content of a file, by torch's reader of weights or by that of safetensors."""
    try:
        if (size := source.stat().st_size) > MAX_SOURCE_BYTES:
            raise GlowError(f"it has {size:,} bytes; at most {MAX_SOURCE_BYTES:,} are read.")
        with open(source, "rb") as file:
            start = file.read(16)
        if start[8:9] == b"{":
            return dict(safetensors.torch.load_file(source))
        if start[:2] == b"PK":
            with zipfile.ZipFile(source) as archive:
                if (part := archive.testzip()) is not None:  # since torch does not compare checksums
                    raise GlowError(f"it is damaged: its part {files.printable(part)} has another checksum.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(source, map_location="cpu", weights_only=True)
    except GlowError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        if "weights_only" in str(error) or "Unsupported" in str(error):
            raise GlowError("it holds other objects than tensors; save the state dict alone.") from None
        raise GlowError(f"it cannot be read as weights ({_line(error).rstrip('.')}).") from None


def _line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return files.printable(" ".join(text.split()), 200)
