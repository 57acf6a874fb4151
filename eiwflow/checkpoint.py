"""Read and write a checkpoint: one safetensors file whose metadata holds a JSON document.

A file is untrusted. Nothing in it is ever unpickled, and each check bounds the cost of the next: size, header, config,
names with shapes and types, then values.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
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
#: Most bytes of a file: memory is the bound before.
MAX_FILE_BYTES = 64 * 2**30
MAX_HEADER_BYTES = 4 * 2**20
#: Most letters of the name of a factor or a class.
MAX_NAME = 60
#: The largest sampling temperature that a file may state.
MAX_TEMPERATURE = 3.0

_DTYPES = {"F32": torch.float32, "I64": torch.int64, "BOOL": torch.bool}
_WORDS = {dtype: word for word, dtype in _DTYPES.items()}


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
    check_flow(flow, _short(Path(path).name))
    if any(parameter.dtype == torch.float64 for parameter in flow.parameters()):
        warnings.warn(f"{path}: parameters of float64 are written in float32", stacklevel=2)
    save_state(path, flow.state_dict(), info)


def check_flow(flow: MultiScaleFlow, name: str) -> None:
    """Check that a flow of its config has the same parameters, so that :func:`load` can read what is saved.

    Args:
        flow: initialised.
        name: of the file in errors.

    Raises:
        CheckpointError: it does not; the message has what torch says of the first that differs.

    """
    try:
        outline(flow.config).load_state_dict(flow.state_dict(), strict=True, assign=True)
    except RuntimeError as error:
        raise CheckpointError(
            name, "flow", "one that its config rebuilds", f"another ({_short(str(error).partition(':')[2])})"
        ) from None


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
    tensors = _as_stored(state)
    for wrong in wrong_values(tensors):
        raise wrong.refusal(name)
    parts = file_parts(tensors, {KEY: json.dumps(document, allow_nan=False)})
    header = next(parts)
    if (length := len(header) - 8) > MAX_HEADER_BYTES:
        raise CheckpointError(name, "header length", f"at most {MAX_HEADER_BYTES} bytes", f"{length} bytes")
    files.write_atomically(Path(path), itertools.chain([header], parts))


def _stored_type(tensor: Tensor) -> torch.dtype:
    return torch.float32 if tensor.is_floating_point() else tensor.dtype


def _as_stored(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor.detach().to("cpu", _stored_type(tensor)).contiguous() for key, tensor in state.items()}


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
    content = source if isinstance(source, bytes) else _read(Path(source), name)
    header = _header(content, name)
    info = _info(header, name)
    flow = outline(info.config)
    _check_layout(header, flow, name)
    try:
        tensors = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, RuntimeError) as error:
        raise CheckpointError(name, "layout", "a whole safetensors file", f"broken ({_short(error)})") from None
    for wrong in wrong_values(tensors):
        if trust or wrong.level is None:
            raise wrong.refusal(name)
    flow.load_state_dict(tensors, assign=True)
    flow.requires_grad_(trainable).train(trainable)
    return Checkpoint(name, flow, info, hashlib.sha256(content).hexdigest())


def read_info(path: Path) -> CheckpointInfo:
    """Return a checkpoint's document, without reading its parameters.

    Raises:
        CheckpointError: the message is one sentence that names the file, the field and the bound.

    """
    name = _short(path.name)
    try:
        start = files.read_start(path, 8)
        start = files.read_start(path, 8 + min(MAX_HEADER_BYTES, int.from_bytes(start, "little")))
    except OSError as error:
        raise CheckpointError(name, "file", "a readable file", f"unreadable ({files.reason(error)})") from None
    return _info(_header(start, name), name)


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
        path = file_in(path)
    if os.path.exists(path):
        return path
    bundled = {file.stem: file for file in project.CHECKPOINTS.glob("*.safetensors")}
    return bundled.get(text, path)


def file_in(folder: Path) -> Path:
    """Return the checkpoint of a folder: of a pretrained flow of Hugging Face's hub, or of a run."""
    pretrained = folder / PRETRAINED
    return pretrained if os.path.isfile(pretrained) else folder / "checkpoints" / "last.safetensors"


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


def _read(path: Path, name: str) -> bytes:
    try:
        return files.read_bytes(path, MAX_FILE_BYTES)
    except OSError as error:
        raise CheckpointError(name, "file", "a readable file", f"unreadable ({files.reason(error)})") from None


def _header(content: bytes, name: str) -> dict[str, Any]:
    if len(content) < 8:
        raise CheckpointError(name, "size", "at least 8 bytes", f"{len(content)} bytes")
    length = int.from_bytes(content[:8], "little")
    bound = min(MAX_HEADER_BYTES, len(content) - 8)
    if length > bound:
        raise CheckpointError(name, "header length", f"at most {bound} bytes (a safetensors file)", f"{length} bytes")
    header = _json(content[8 : 8 + length], "header", name)
    for key, entry in header.items():
        if not isinstance(entry, dict):
            raise CheckpointError(name, f"header entry {key[:40]!r}", "an object", type(entry).__name__)
    return header


def _info(header: dict[str, Any], name: str) -> CheckpointInfo:
    text = header.get("__metadata__", {}).get(KEY)
    if not isinstance(text, str):
        raise CheckpointError(name, f"metadata {KEY!r}", "a JSON document (an eiwflow checkpoint)", "absent")
    return _document_info(_json(text.encode(errors="replace"), f"metadata {KEY!r}", name), name)


def _document_info(document: Mapping[str, Any], name: str) -> CheckpointInfo:
    """Return what a document says; refuse every value that no checkpoint may hold."""
    if document.get("format") != FORMAT:
        raise CheckpointError(name, "format", repr(FORMAT), _short(repr(document.get("format"))))
    version = document.get("version")
    if isinstance(version, bool) or version not in READABLE:
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
    for entry in dataclasses.fields(CheckpointInfo):
        if entry.name in ("config", "temperature", "labels", "classes"):
            continue
        value = document.get(entry.name, {} if entry.name == "imported" else None)
        kind: type[Any] = {"data": str, "command": str, "step": int, "seed": int}.get(entry.name, dict)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise CheckpointError(name, entry.name, f"of type {kind.__name__}", type(value).__name__)
        if kind is int and not 0 <= value < 2**63:
            raise CheckpointError(name, entry.name, f"between 0 and {2**63 - 1}", _short(value))
        if kind is dict:
            _check_plain(value, entry.name, name)
        if not files.is_text(json.dumps(value, ensure_ascii=False)):
            raise CheckpointError(name, entry.name, "a text", "half of a surrogate pair")
        fields[entry.name] = value
    fields |= _classes(document, config, name)
    return CheckpointInfo(config=config, temperature=_temperature(document.get("temperature", 1.0), name), **fields)


def _classes(document: Mapping[str, Any], config: FlowConfig, name: str) -> dict[str, Any]:
    """Return factor and classes of a document; refuse classes that are not names, or not as many as the context."""
    labels, classes = document.get("labels", ""), document.get("classes", ())
    names = classes if isinstance(classes, (tuple, list)) else [None]
    for what, texts in (("labels", [labels]), ("classes", names)):
        if not all(isinstance(text, str) and len(text) <= MAX_NAME and files.is_text(text) for text in texts):
            raise CheckpointError(name, what, f"of texts of at most {MAX_NAME} letters", "of something else")
    if len(set(names)) != len(names) or bool(labels) != bool(names) or (names and len(names) != config.context):
        context = f"as many different ones as the context has values, {config.context}, and a factor"
        raise CheckpointError(name, "classes", context, f"{len(names)} of the factor {_short(repr(labels))}")
    return {"labels": labels, "classes": tuple(names)}


def _temperature(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_TEMPERATURE:
        raise CheckpointError(name, "temperature", f"a number from 0 to {MAX_TEMPERATURE:g}", _short(repr(value)))
    return float(value)


def _check_plain(values: dict[str, Any], what: str, name: str) -> None:
    """Refuse nested values, numbers that are not finite, and metrics of other types, since pages print these values."""
    for key, value in values.items():
        if not isinstance(key, str):
            raise CheckpointError(name, f"a name in {what}", "a text", f"of type {type(key).__name__}")
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number and not abs(value) <= sys.float_info.max:
            raise CheckpointError(name, f"{what} {key[:40]!r}", "finite", "not finite")
        if not number and (what == "metrics" or not (value is None or isinstance(value, (str, bool)))):
            expected = "a number" if what == "metrics" else "a text, a number or a truth value"
            raise CheckpointError(name, f"{what} {key[:40]!r}", expected, f"of type {type(value).__name__}")


def _json(text: bytes, what: str, name: str) -> dict[str, Any]:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in items}) != len(items):
            raise ValueError("a name stands twice")
        return dict(items)

    try:
        document = json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(name, what, "JSON", f"not readable as such ({_short(error)})") from None
    if not isinstance(document, dict):
        raise CheckpointError(name, what, "a JSON object", type(document).__name__)
    return document


def _check_layout(header: Mapping[str, Any], flow: MultiScaleFlow, name: str) -> None:
    expected = flow.state_dict()
    tensors = {key: entry for key, entry in header.items() if key != "__metadata__"}
    if missing := sorted(set(expected) - set(tensors)):
        raise CheckpointError(name, f"tensor {missing[0]!r}", "present", f"missing ({len(missing)} in all)")
    if unknown := sorted(set(tensors) - set(expected)):
        raise CheckpointError(name, f"tensor {unknown[0][:60]!r}", "absent", f"present ({len(unknown)} unknown in all)")
    for key, tensor in expected.items():
        shape, dtype = tensors[key].get("shape"), tensors[key].get("dtype")
        if shape != list(tensor.shape):
            raise CheckpointError(name, f"shape of {key!r}", str(list(tensor.shape)), _short(str(shape)))
        if _DTYPES.get(str(dtype)) != tensor.dtype:
            raise CheckpointError(
                name, f"type of {key!r}", str(tensor.dtype).removeprefix("torch."), _short(str(dtype))
            )


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
