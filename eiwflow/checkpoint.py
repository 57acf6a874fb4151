"""Read and write a checkpoint: one safetensors file whose metadata holds a JSON document.

Nothing in a file is ever unpickled. What is refused gets one sentence with the file's name.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import platform
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

import eiwflow

from . import files, project
from .flow import ConfigError, FlowConfig, MultiScaleFlow
from .flow.config import NEW, NEW_WORDS

#: Name of the checkpoint in a folder of Hugging Face's hub.
PRETRAINED = "model.safetensors"
KEY = "eiwflow"
FORMAT = "eiwflow-checkpoint"
#: Versions that are read: 3 has fields or words of a config that 2 does not know; only eiwflow 0.1 wrote 1.
READABLE = (2, 3)
MAX_HEADER_BYTES = 4 * 2**20
#: Most letters of the name of a factor or a class.
MAX_NAME = 60
#: The largest sampling temperature that a file may state.
MAX_TEMPERATURE = 3.0

_WORDS = {torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL"}
#: Fields of a document -> their types; and the values of those that older files lack.
_TYPES: dict[str, tuple[type[Any], ...]] = {
    "data": (str,), "step": (int,), "seed": (int,), "metrics": (dict,), "recipe": (dict,), "command": (str,),
    "versions": (dict,), "imported": (dict,), "labels": (str,), "classes": (list, tuple), "temperature": (int, float),
}  # fmt: skip
_USUAL: dict[str, Any] = {"imported": {}, "labels": "", "classes": (), "temperature": 1.0}


class CheckpointError(ValueError):
    """A file is not a usable checkpoint; the message is one sentence naming file, field and bound.

    Attributes:
        field, expected, found: the same in three cells, for a table.

    """

    def __init__(self, name: str, field: str, expected: str, found: str) -> None:
        self.field, self.expected, self.found = field, expected, found
        super().__init__(f"{name} is not a usable checkpoint: {field} is {found}; expected {expected}.")


class LabelError(ValueError):
    """A flow with labels needs one of its classes and got another or none; the message is one sentence."""


@dataclass(frozen=True)
class CheckpointInfo:
    """The document of a checkpoint: everything but the parameters.

    Attributes:
        config: of the flow.
        data: the data set's name or path.
        step: training steps done.
        seed: of the training.
        metrics: named figures, such as ``test_bits_per_dim``.
        recipe: the training's settings.
        command: the command line that made the file.
        versions: of the software.
        temperature: at which samples come nearest to training images in power; 1 if the file does not state it.
        imported: of a flow trained by other code: that code, its file and the assumptions made.
        labels: the factor that the density is conditional on, such as ``letter``; empty without labels.
        classes: names of its classes, by their labels 0 to K − 1.

    """

    config: FlowConfig
    data: str = ""
    step: int = 0
    seed: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    temperature: float = 1.0
    imported: dict[str, Any] = field(default_factory=dict)
    labels: str = ""
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Name the score of held-out images so: version 0.2 called it ``test_bits_per_dim``."""
        if self.recipe.get("validation") and "validation_bits_per_dim" not in self.metrics:
            names = {"test_bits_per_dim": "validation_bits_per_dim"}
            renamed = {names.get(name, name): value for name, value in self.metrics.items()}
            object.__setattr__(self, "metrics", renamed)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A flow read from a file, with the file's document and the SHA-256 of its bytes.

    Of a flow with labels that was given one, ``given`` are factor, class and the names of all classes.
    """

    name: str
    flow: MultiScaleFlow
    info: CheckpointInfo
    sha256: str
    given: tuple[str, str, tuple[str, ...]] | None = None


def software_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that a flow's values depend on."""
    return {"eiwflow": eiwflow.__version__, "torch": torch.__version__, "python": platform.python_version()}


def save(path: Path | str, flow: MultiScaleFlow, info: CheckpointInfo | None = None) -> None:
    """Write a checkpoint atomically: a reader sees the old file or the whole new one.

    Parameters are written in float32, also those of a flow in another precision; of float64, a warning says so.

    Args:
        path: of the file.
        flow: initialised.
        info: the document of the file; its config is replaced by the flow's own.

    Raises:
        ValueError: the flow is not initialised.
        CheckpointError: ``info`` or a parameter holds a value that :func:`load` would refuse, such as NaN, or the flow
            has other parameters than one of its config; an old file at ``path`` stays.

    """
    flow = getattr(flow, "_orig_mod", flow)  # as torch.compile keeps it
    if not flow.initialised:
        raise ValueError("A flow that is not initialised has nothing to save.")
    info = dataclasses.replace(info or CheckpointInfo(flow.config), config=flow.config)
    try:
        outline(flow.config).load_state_dict(flow.state_dict(), strict=True, assign=True)
    except RuntimeError as error:
        found = f"another ({_short(str(error).partition(':')[2])})"
        raise CheckpointError(_short(Path(path).name), "flow", "one that its config rebuilds", found) from None
    if any(parameter.dtype == torch.float64 for parameter in flow.parameters()):
        warnings.warn(f"{path}: parameters of float64 are written in float32", stacklevel=2)
    save_state(path, flow.state_dict(), info)


def save_state(path: Path | str, state: Mapping[str, Tensor], info: CheckpointInfo) -> None:
    """Write a checkpoint as :func:`save` does, from the state of an initialised flow."""
    name, config = _short(Path(path).name), info.config.to_dict()
    # A file without new fields keeps version 2, which older readers can read.
    is_new = config.keys() & set(NEW) or any(config[key] == word for key, word in NEW_WORDS)
    version = 3 if is_new else 2
    document = {"format": FORMAT, "version": version, **dataclasses.asdict(info), "config": config}
    document["versions"] = software_versions()
    _document_info(document, name)
    for key in ("imported", "labels", "classes"):
        if not document[key]:
            del document[key]
    tensors = {
        key: tensor.detach().to("cpu", torch.float32 if tensor.is_floating_point() else tensor.dtype).contiguous()
        for key, tensor in state.items()
    }
    for wrong in wrong_values(tensors):
        raise wrong.refusal(name)
    files.write_atomically(Path(path), file_parts(tensors, {KEY: json.dumps(document, allow_nan=False)}))


def file_parts(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """Yield a safetensors file: its header, then the memory of every tensor.

    The library's own function copies all tensors twice, and blocks all other Python threads meanwhile.

    Args:
        tensors: on the CPU, contiguous, by name.
        metadata: texts by name.

    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    names, end = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name)), 0
    for name in names:
        tensor, start = tensors[name], end
        end += tensor.nbytes
        header[name] = {"dtype": _WORDS[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    content = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    content += b" " * (-len(content) % 8)
    yield len(content).to_bytes(8, "little") + content
    for name in names:
        yield tensors[name].numpy().reshape(-1).view(np.uint8).data


@dataclass(frozen=True)
class WrongValue:
    """A tensor of the right name, shape and type with impossible values.

    Attributes:
        tensor: its name in the file.
        expected, found: the rule for its numbers, and the numbers.

    """

    tensor: str
    expected: str
    found: str

    @property
    def level(self) -> int | None:
        """The tensor's level, from 1; None outside of levels."""
        of_level = re.match(r"levels\.(\d+)\.", self.tensor)
        return None if of_level is None else int(of_level[1]) + 1

    def refusal(self, name: str) -> CheckpointError:
        """Return the error that names the tensor, in a file of this name."""
        of_level = "" if self.level is None else f" of level {self.level}"
        return CheckpointError(name, f"tensor {self.tensor!r}{of_level}", self.expected, self.found)


def load(
    source: Path | str | bytes, name: str | None = None, trust: bool = True, trainable: bool = False
) -> Checkpoint:
    """Read a checkpoint from a path or from bytes.

    Arguments:
        source: a path or the file's bytes.
        name: of the file in errors; its own by default.
        trust: refuse impossible values inside a level; ``verify`` turns this off, since it reports them.
        trainable: return parameters that take gradients, instead of frozen ones.

    Raises:
        CheckpointError: the message is one sentence that names the file, the field and the bound.

    """
    name = _short(name or ("the uploaded file" if isinstance(source, bytes) else Path(source).name or Path(source)))
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(name, "file", "a readable file", f"unreadable ({files.reason(error)})") from None
    info = _info(content, name)
    flow = outline(info.config)
    dtypes = {key: tensor.dtype for key, tensor in flow.state_dict().items()}
    try:
        tensors = safetensors.torch.load(content)
        flow.load_state_dict(tensors, assign=True)
    except (safetensors.SafetensorError, ValueError, RuntimeError) as error:
        words = str(error).removeprefix("Error(s) in loading state_dict for MultiScaleFlow:")
        raise CheckpointError(name, "layout", "the tensors of its config", f"broken ({_short(words)})") from None
    for key, tensor in tensors.items():
        if tensor.dtype != dtypes[key]:
            raise CheckpointError(name, f"type of {key!r}", str(dtypes[key]), str(tensor.dtype))
    for wrong in wrong_values(tensors):
        if trust or wrong.level is None:
            raise wrong.refusal(name)
    flow.requires_grad_(trainable).train(trainable)
    return Checkpoint(name, flow, info, hashlib.sha256(content).hexdigest())


def read_info(path: Path) -> CheckpointInfo:
    """Return a checkpoint's document, without reading its parameters.

    Raises:
        CheckpointError: the message is one sentence that names the file, the field and the bound.

    """
    name = _short(path.name)
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            return _info(start + file.read(min(MAX_HEADER_BYTES, int.from_bytes(start, "little"))), name)
    except OSError as error:
        raise CheckpointError(name, "file", "a readable file", f"unreadable ({files.reason(error)})") from None


def given_label(loaded: Checkpoint, label: str | None) -> Checkpoint:
    """Return the flow of images of one class, as a checkpoint that takes no label: p(x | label).

    Its values are those of the flow with labels up to rounding. It shares the parameters that no label changes with
    that flow. A flow without labels is returned as it is.

    Args:
        loaded: as :func:`load` returns it.
        label: the name of a class, or None.

    Raises:
        LabelError: the flow has labels and ``label`` is none of them, or it has no labels and ``label`` is not None.

    """
    name, info, classes = loaded.name, loaded.info, loaded.info.classes
    if not info.config.context:
        if label is None:
            return loaded
        raise LabelError(f"{name} has no labels; leave {label[:MAX_NAME]!r} out.")
    if not classes:
        size = info.config.context
        raise LabelError(f"{name} is conditional on {size} values without names: use it from Python.")
    names = files.listed(classes, 30)
    if label is None:
        raise LabelError(f"{name} is conditional on its labels, {info.labels}: name one of {names}, as --label does.")
    if label not in classes:
        raise LabelError(f"{info.labels} is {label[:MAX_NAME]!r}; {name} knows {names}.")
    flow = loaded.flow.given(classes.index(label), share=True)
    return Checkpoint(
        name=f"{loaded.name}, {info.labels} {label}",
        flow=flow,
        info=dataclasses.replace(info, config=flow.config, labels="", classes=()),
        sha256=hashlib.sha256(f"{loaded.sha256}/{label}".encode()).hexdigest(),
        given=(info.labels, label, classes),
    )


def find(text: str) -> Path:
    """Return the file of a checkpoint: from its path, the folder of a run or of a pretrained flow, or its name.

    A folder of a bundled flow's name, such as one of its samples, hides that flow only if it holds a checkpoint.

    >>> find("faces16-glow").name
    'faces16-glow.safetensors'

    """
    path = Path(text)
    # Path.is_file raises on names that no file can have.
    if os.path.isdir(path):
        pretrained = path / PRETRAINED
        path = pretrained if os.path.isfile(pretrained) else path / "checkpoints" / "last.safetensors"
    if os.path.exists(path):
        return path
    bundled = {file.stem: file for file in project.CHECKPOINTS.glob("*.safetensors")}
    return bundled.get(text, path)


def outline(config: FlowConfig) -> MultiScaleFlow:
    """Return the flow without values, on the ``meta`` device: names, shapes and types.

    With ``keep="auto"`` and before initialisation, every level passes on as many channels as it may.
    """
    with torch.device("meta"):
        return MultiScaleFlow(dataclasses.replace(config, kept=config.kept if config.resolved else config.counts))


@functools.lru_cache(64)
def parameter_count(config: FlowConfig) -> int:
    """Return the number of parameters of a flow."""
    return outline(config).parameter_count()


def _info(content: bytes, name: str) -> CheckpointInfo:
    """Return what a file says, by its first bytes: its header's length, and its header."""
    length, bound = int.from_bytes(content[:8], "little"), min(MAX_HEADER_BYTES, max(0, len(content) - 8))
    if length > bound:
        raise CheckpointError(name, "header length", f"at most {bound} bytes (a safetensors file)", f"{length} bytes")
    metadata = _json(content[8 : 8 + length], "header", name).get("__metadata__")
    if not isinstance(metadata, dict) or not isinstance(metadata.get(KEY), str):
        raise CheckpointError(name, f"metadata {KEY!r}", "a JSON document (an eiwflow checkpoint)", "absent")
    return _document_info(_json(metadata[KEY].encode(errors="replace"), f"metadata {KEY!r}", name), name)


def _document_info(document: Mapping[str, Any], name: str) -> CheckpointInfo:
    """Return what a document says; refuse every value that no checkpoint may hold."""
    if document.get("format") != FORMAT:
        raise CheckpointError(name, "format", repr(FORMAT), _short(repr(document.get("format"))))
    if (version := document.get("version")) not in READABLE:
        written = f"{' or '.join(map(str, READABLE))}, as eiwflow 0.2 and later write it"
        raise CheckpointError(name, "version", written, _short(repr(version)))
    try:
        config = FlowConfig.from_dict(document.get("config"))
        if not config.resolved:
            raise ConfigError("config lacks the field 'kept', which keep auto needs.")
    except ConfigError as error:
        raise CheckpointError(
            name, "config", "a flow within its bounds", f"refused ({str(error).rstrip('.')})"
        ) from None
    fields: dict[str, Any] = {}
    for key, kind in _TYPES.items():
        fields[key] = document.get(key, _USUAL.get(key))
        if not isinstance(fields[key], kind):
            expected = " or ".join(each.__name__ for each in kind)
            raise CheckpointError(name, key, f"of type {expected}", type(fields[key]).__name__)
    for key, value in fields["metrics"].items():
        if not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
            raise CheckpointError(name, f"metrics {key[:40]!r}", "a finite number", _short(repr(value)))
    if not 0 <= fields["temperature"] <= MAX_TEMPERATURE:
        found = _short(repr(fields["temperature"]))
        raise CheckpointError(name, "temperature", f"a number from 0 to {MAX_TEMPERATURE:g}", found)
    labels, classes = fields["labels"], tuple(fields["classes"])
    names = all(isinstance(text, str) and 0 < len(text) <= MAX_NAME for text in classes)
    if not names or len({*classes}) != len(classes) or len(classes) not in (0, config.context):
        raise CheckpointError(name, "classes", f"{config.context} different names", _short(repr(classes)))
    if bool(labels) != bool(classes):
        raise CheckpointError(name, "labels", "a factor where there are classes", _short(repr(labels)))
    return CheckpointInfo(config=config, **{**fields, "classes": classes})


def _json(text: bytes, what: str, name: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(name, what, "JSON", f"not readable as such ({_short(error)})") from None
    if not isinstance(document, dict):
        raise CheckpointError(name, what, "a JSON object", type(document).__name__)
    return document


def wrong_values(tensors: Mapping[str, Tensor]) -> Iterator[WrongValue]:
    """Yield the tensors of a flow's state with impossible values: not finite, no permutation, or no signs."""
    for key, tensor in tensors.items():
        leaf = key.rpartition(".")[2]
        # The smallest and the largest value are NaN if any is; torch.isfinite of all values takes 25 times as long.
        if tensor.is_floating_point() and tensor.numel() and not all(map(torch.isfinite, tensor.aminmax())):
            yield WrongValue(key, "finite numbers", "not finite")
        elif leaf in ("order", "permutation") and not torch.equal(tensor.sort().values, torch.arange(len(tensor))):
            yield WrongValue(key, f"a permutation of 0…{len(tensor) - 1}", "none")
        elif leaf == "sign" and not (tensor.abs() == 1).all():
            yield WrongValue(key, "signs ±1", "other numbers")
        elif leaf == "initialised" and not tensor:
            yield WrongValue(key, "true", "false")


def _short(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= 80 else line[:79] + "…"
