"""The process that opens a pickle: it reads one line from stdin, converts one file, and prints one JSON object."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from .. import checkpoint, files, sandbox
from ..checkpoint import CheckpointInfo
from ..flow import ConfigError, FlowConfig, MultiScaleFlow
from ..flow.config import MAX_PARAMETERS
from .formats import KINDS, GlowError, Options, convert, recognise

#: Most tensors of a file; a Glow has fewer, also with its optimiser.
MAX_TENSORS = 100_000


def read(path: Path) -> object:
    """Return the content of a file, by torch's reader of weights or by that of safetensors.

    Raises:
        GlowError: it cannot be read.

    """
    start = files.read_start(path, 16)
    try:
        if start[8:9] == b"{":
            return dict(safetensors.torch.load_file(path))
        if start[:2] == b"PK":
            with zipfile.ZipFile(path) as file:
                if (part := file.testzip()) is not None:  # since torch does not compare checksums
                    raise GlowError(f"it is damaged: its part {files.printable(part)} has another checksum.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except GlowError:
        raise
    except Exception as error:
        if _of_memory(error):
            raise
        raise GlowError(f"it cannot be read as weights ({_reason(error)}).") from None


def _reason(error: Exception) -> str:
    if "weights_only" in str(error) or "Unsupported" in str(error):
        return "it holds other objects than tensors; save the state dict alone"
    if isinstance(error, OSError) and error.strerror:
        return files.reason(error)
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= 120 else line[:119] + "…"


def _of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "allocate" in str(error)


def run(request: dict[str, Any]) -> str | None:
    """Convert one file as a request says; return the sentence of a refusal, or None."""
    name, options = request["name"], Options(**request["options"])
    try:
        content = read(Path(request["source"]))
        kind, tensors = recognise(content, options.kind, options.part)
        del content
        count = sum(tensor.numel() for tensor in tensors.values())
        # Masks and permutations come beside the parameters; in the narrowest flow they are as many.
        if len(tensors) > MAX_TENSORS:
            raise GlowError(f"it has {len(tensors):,} tensors; at most {MAX_TENSORS:,} can be opened.")
        if count > 2 * MAX_PARAMETERS:
            raise GlowError(f"it has {count:,} values; at most {MAX_PARAMETERS:,} parameters can be opened.")
        converted = convert(kind, tensors, options)
        del tensors
        flow = checkpoint.outline(converted.config)
        expected = flow.state_dict()
        wrong = expected.keys() ^ converted.state.keys() or {
            key for key, value in converted.state.items() if value.shape != expected[key].shape
        }
        if wrong:
            raise GlowError(f"its tensors make no flow: {min(wrong)} is missing or has another shape.")
        flow.load_state_dict(converted.state, assign=True)
        _save(flow, converted.config, request, converted.assumed, kind)
    except (GlowError, ConfigError) as error:
        return f"{name}: {error}"
    except Exception as error:
        if _of_memory(error):
            return f"{name} takes more memory to read than {request['memory'] / 2**30:g} GiB."
        return f"{name} cannot be imported ({_reason(error)})."
    return None


def _save(flow: MultiScaleFlow, config: FlowConfig, request: dict[str, Any], assumed: list[str], kind: str) -> None:
    digest = hashlib.sha256()
    with open(request["source"], "rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    facts = {"kind": KINDS[kind], "file": request["name"], "sha256": digest.hexdigest(), "assumed": " ".join(assumed)}
    stated = {key: value for key, value in request["options"].items() if value is not None}
    facts["stated"] = ", ".join(f"{key} {value}" for key, value in stated.items())
    # The file has no names of its classes. Data with numbered classes have them as the factor "label".
    names = tuple(map(str, range(config.context)))
    info = CheckpointInfo(config=config, imported=facts, labels="label" if names else "", classes=names)
    if wrong := next(checkpoint.wrong_values(flow.state_dict()), None):
        raise GlowError(f"it makes a flow whose {wrong.tensor} is {wrong.found}; expected {wrong.expected}.")
    checkpoint.save(request["out"], flow, info)


def main() -> None:
    """Answer the request on stdin."""
    request = json.loads(sys.stdin.buffer.readline())
    sandbox.end_with_the_asker()
    # Other output must not mix with the answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    torch.set_num_threads(1)
    sandbox.bound(request["memory"], request["cpu_s"])
    answers.write(json.dumps({"refusal": run(request)}).encode())
    answers.flush()


if __name__ == "__main__":
    main()
