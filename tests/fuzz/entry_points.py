"""Every entry point for what is from outside: sound inputs to start from, how to spoil them, how to hand them in."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from eiwflow import cli
from eiwflow.checkpoint import CheckpointError, load, save
from eiwflow.data import DataError
from eiwflow.data.folder import read_folder
from eiwflow.data.images import check_parts
from eiwflow.data.npz import read_npz
from eiwflow.data.picture import from_picture
from eiwflow.study.file import StudyError, read_record, read_study
from eiwflow.study.recipe import Arm
from eiwflow.training.run_directory import RunDirectory, RunError
from eiwflow.ui.common import state
from tests.studies import arms, document, write_packed
from tests.training.tiny import planes, tiny_flow, tiny_info, tiny_run

from .mutations import byte_changes, changed, dumped, json_changes, nasty_values, with_changes

SHAPE = (3, 8, 8)


class EntryPoint(NamedTuple):
    """A way in.

    Attributes:
        inputs: what is tried.
        knock: makes the input ready in a folder and returns what opens the entry point with it.
        refusals: the errors that it may be refused with; with none it must be taken.
        writes: whether the entry point may write, into that folder.

    """

    inputs: st.SearchStrategy[Any]
    knock: Callable[[Any, Path], Callable[[], object]]
    refusals: tuple[type[Exception], ...]
    writes: bool = False


def spoilt(*sound: bytes) -> st.SearchStrategy[bytes]:
    """Return files that byte changes make of sound ones."""
    return st.builds(changed, st.sampled_from(sound), byte_changes)


def written(path: Path, content: bytes | str) -> Path:
    """Write a file, also with text that is no Unicode; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="surrogatepass"))
    return path


# ---------------------------------------------------------------------- checkpoints


@cache
def sound_checkpoint() -> bytes:
    """Return the bytes of a checkpoint."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        flow = tiny_flow(width=4)
        save(Path(folder) / "flow.safetensors", flow, tiny_info(flow))
        return (Path(folder) / "flow.safetensors").read_bytes()


def header_and_data(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the two parts of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: str | bytes, data: bytes) -> bytes:
    """Return a safetensors file of a header's text and data."""
    text = header if isinstance(header, bytes) else header.encode(errors="surrogatepass")
    return len(text).to_bytes(8, "little") + text + data


def with_header(changes: list[Any]) -> bytes:
    header, data = header_and_data(sound_checkpoint())
    return joined(with_changes(header, changes), data)


def with_document(changes: list[Any]) -> bytes:
    """Return the checkpoint with another document in its metadata."""
    header, data = header_and_data(sound_checkpoint())
    header["__metadata__"]["eiwflow"] = with_changes(json.loads(header["__metadata__"]["eiwflow"]), changes)
    return joined(dumped(header), data)


def with_config(field: str, value: Any) -> bytes:
    header, data = header_and_data(sound_checkpoint())
    said = json.loads(header["__metadata__"]["eiwflow"])
    said["config"][field] = value
    header["__metadata__"]["eiwflow"] = dumped(said)
    return joined(dumped(header), data)


TENSORS = ("dropped", "twice", "flat", "double", "nan", "inf", "zero", "renamed", "huge", "bytes")


def with_tensor(place: float, how: str) -> bytes:
    """Return the checkpoint with one tensor that is not as it must be."""
    header, data = header_and_data(sound_checkpoint())
    names = [name for name in header if name != "__metadata__"]
    name = names[min(int(place * len(names)), len(names) - 1)]
    entry = header[name]
    begin, end = entry["data_offsets"]
    if how == "dropped":
        del header[name]
    elif how == "twice":
        return joined(json.dumps(header)[:-1] + f", {json.dumps(name)}: {json.dumps(entry)}}}", data)
    elif how == "flat":
        entry["shape"] = [int(np.prod(entry["shape"]))]
    elif how == "double":
        entry["dtype"] = "F64"
    elif how == "renamed":
        header[f"{name}.x"] = header.pop(name)
    elif how == "huge":
        entry["shape"] = [2**40, 2**20]
    else:
        value = {"nan": b"\0\0\xc0\x7f", "inf": b"\0\0\x80\xff", "zero": b"\0" * 4, "bytes": b"\x5a" * 4}[how]
        data = data[:begin] + (value * (end - begin))[: end - begin] + data[end:]
    return joined(json.dumps(header), data)


CONFIG_FIELDS = (
    "shape",
    "levels",
    "steps",
    "width",
    "order",
    "prior",
    "init",
    "network",
    "scale_bound",
    "permutation_seed",
)
checkpoints = st.one_of(
    st.deferred(lambda: spoilt(sound_checkpoint())),
    st.builds(with_header, json_changes),
    st.builds(with_document, json_changes),
    st.builds(
        with_config,
        st.sampled_from(CONFIG_FIELDS),
        nasty_values | st.integers(0, 600) | st.lists(st.sampled_from([1, 3, 4, 8, 256]), min_size=3, max_size=3),
    ),
    st.builds(with_tensor, st.floats(0, 1), st.sampled_from(TENSORS)),
    st.builds(changed, st.builds(with_document, json_changes), byte_changes),
)


# ---------------------------------------------------------------------- images


@cache
def sound_archive(compressed: bool) -> bytes:
    """Return an archive of images with their sources."""
    file = io.BytesIO()
    arrays = {"train": planes(16), "test": planes(4, seed=1), "source_names": np.array(["a", "b"])}
    arrays |= {"train_source": np.arange(16) % 2, "test_source": np.arange(4) % 2}
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """Return a file of numpy's format whose header is this text."""
    text = header.encode(errors="surrogatepass") + b"\n"
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", len(text) % 2**16)
    return b"\x93NUMPY" + version + size + text + data


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return file.getvalue()


def described(descr: str, shape: str, data: bytes, other: str) -> bytes:
    """Return an archive whose training part has a header of these words."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, {other}}}"
    return archive(
        {
            "train.npy": npy(header, data),
            "test.npy": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 8, 8, 3), }", bytes(192)),
        }
    )


archives = st.one_of(
    st.deferred(lambda: spoilt(sound_archive(False), sound_archive(True))),
    st.builds(
        described,
        st.sampled_from(
            ["'|u1'", "'|O'", "'<f8'", "'<U9'", "'|V999999999'", "[('a', '|u1')]", "'<M8[s]'", "None", "'<U999999999'"]
        ),
        st.sampled_from(
            [
                "(8, 8, 8, 3)",
                "()",
                "(-1, 8, 8)",
                "(2**62, 8, 8)",
                "(1000000, 256, 256, 3)",
                "(0, 8, 8, 3)",
                "'a'",
                "None",
            ]
        )
        | st.lists(st.integers(-1, 2**70), max_size=6).map(lambda shape: str(tuple(shape))),
        st.sampled_from([b"", bytes(1536), bytes(100)]),
        st.sampled_from(["", "'more': 1", "(" * 300, "[" * 5000, "'x' * 10**9"]),
    ),
)


@cache
def sound_picture(kind: str, mode: str = "RGB") -> bytes:
    """Return a picture of 24×17 pixels as a file's bytes."""
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (17, 24, 3), dtype=np.uint8)
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    (deep if mode == "I;16" else Image.fromarray(pixels).convert(mode)).save(file, kind)
    return file.getvalue()


def png(width: int, height: int, depth: int, colour: int, data: bytes = b"") -> bytes:
    """Return a PNG that states what it likes, with sums that are right."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


KINDS = (
    ("PNG", "RGB"),
    ("PNG", "P"),
    ("PNG", "I;16"),
    ("JPEG", "RGB"),
    ("JPEG", "CMYK"),
    ("WEBP", "RGB"),
    ("GIF", "P"),
    ("BMP", "RGB"),
)
pictures = st.one_of(
    st.deferred(lambda: spoilt(*(sound_picture(*kind) for kind in KINDS))),
    st.builds(
        png,
        st.integers(0, 2**32 - 1) | st.integers(0, 9000),
        st.integers(0, 2**32 - 1) | st.integers(0, 9000),
        st.sampled_from([1, 2, 4, 8, 16, 3]),
        st.sampled_from([0, 2, 3, 4, 6, 1]),
        st.sampled_from([b"", zlib.compress(bytes(10_000)), b"\x78\x9c" + b"\xff" * 50]),
    ),
    st.binary(max_size=40),
)
file_names = st.one_of(
    st.sampled_from(
        ["a.png", "b.JPG", "..png", "é.webp", "a\u202egnp.png", "%2e%2e.png", "x" * 200 + ".gif", " .bmp", "-rf.png"]
    ),
    st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=20).map(
        lambda name: f"{name}.png"
    ),
)


def folder_of_pictures(given: dict[str, bytes], folder: Path) -> Callable[[], object]:
    """Write pictures into a folder beside eight good ones; return what reads it."""
    for number in range(8):
        written(folder / f"good {number}.bmp", sound_picture("BMP"))
    for name, content in given.items():
        written(folder / name, content)
    return lambda: check_parts(read_folder(folder, (8, 8)))


# ---------------------------------------------------------------------- runs and studies


@cache
def sound_run() -> dict[str, Any]:
    """Return the documents of a run that was made."""
    import tempfile

    with tempfile.TemporaryDirectory() as root:
        run = tiny_run(Path(root), width=4)
        read = {name: json.loads((run.path / f"{name}.json").read_bytes()) for name in ("config", "status")}
    level = {
        "redundancy": [0.1] * 12, "entropy_rate": [0.2] * 12, "entropy": [1.4] * 12, "log_std": [0.0] * 12,
        "order": [*range(12)], "entropy_order": [*range(12)], "weights_mean": [0.0] * 12, "weights_std": [0.1] * 12,
    }  # fmt: skip
    lines = [
        {"step": step, "bits_per_dim": 5.0, "lr": 0.1, "seconds": 1.0, "probe_bits_per_dim": 5.0, "levels": [level]}
        for step in (0, 1)
    ]
    return {**read, "metrics": lines}


titles = st.text(max_size=80) | st.binary(max_size=100)


def renamed(title: str, folder: Path) -> Callable[[], object]:
    """Return what gives a run another name, and looks whether only that changed."""
    run = RunDirectory(folder / "20260101-000000-weighted-abcdef")
    written(run.path / "config.json", "{}")

    def rename() -> None:
        run.rename(title)
        assert [path.name for path in folder.iterdir()] == [run.path.name]
        assert {path.name for path in run.path.iterdir()} == {"config.json", "title.txt"}
        assert 0 < len(run.title) <= 60 and "\n" not in run.title

    return rename


@cache
def sound_study() -> dict[str, Any]:
    """Return a study's document."""
    return document(arms({"entropy+pooled/principal": 4.0, "random/principal": 4.1}, seeds=2))


ARM = Arm.parse("entropy+pooled/principal")


def study(given: tuple[str | bytes, str | bytes], folder: Path) -> Callable[[], object]:
    """Write a study's file and a record beside it; return what reads both."""
    path = write_packed(folder / "made.zip", given[0], {ARM.name: given[1]})

    def read() -> object:
        found = read_study(path)
        read_record(found, ARM)
        return found

    return read


def record_with(changes: list[Any]) -> str:
    """Return a record of a study's run, changed."""
    return with_changes({"steps": [{**line, "samples": None} for line in sound_run()["metrics"]]}, changes)


studies = st.tuples(
    st.one_of(
        st.deferred(lambda: spoilt(json.dumps(sound_study()).encode())),
        json_changes.map(lambda changes: with_changes(sound_study(), changes)),
        st.builds(lambda: json.dumps(sound_study())),
    ),
    json_changes.map(record_with) | st.binary(max_size=30),
)


# ---------------------------------------------------------------------- words


OPTIONS: dict[str, tuple[Any, Any]] = {
    "ck": (["photos32-entropy-weighted", "run"], "run"),
    "vs": (["none", "run"], "none"),
    "level": (range(1, 7), 1),
    "seed": (range(2**31), 0),
    "image": (range(952), 13),
}


def url(parameters: dict[str, str], folder: Path) -> Callable[[], object]:
    """Return what reads a page's choices out of a URL."""
    del folder
    fake = SimpleNamespace(query_params=dict(parameters), session_state={})

    def read() -> None:
        with mock.patch.object(state, "st", fake):
            for key, (options, default) in OPTIONS.items():
                assert state.hidden_choice(key, options, default) in options
            for sentence in state.notes():
                assert len(sentence) < 200

    return read


words = st.one_of(
    st.text(max_size=40),
    nasty_values.map(str),
    st.sampled_from(
        ["-1", "1e3", "٣", "²", "0x1", "1_0", " 1", "+1", "NaN", "999999999999", "../../x", "\0", "A" * 10_000]
    ),
)


def checkpoint_name(text: str, folder: Path) -> Callable[[], object]:
    """Return what looks a checkpoint up as the command line does."""
    del folder
    return lambda: load(cli.find_checkpoint(text))


names = st.one_of(
    words,
    st.sampled_from(
        [
            "..", ".", "/", "~", "/etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/mem", "../photos32-glow",
            "photos32-glow/../x", "ph\u043etos32-weighted", "photos32-random\0", "a" * 5000, "a/" * 2000, "*", "",
        ]
    ),
)  # fmt: skip


ENTRY_POINTS: dict[str, EntryPoint] = {
    "a checkpoint": EntryPoint(checkpoints, lambda content, folder: lambda: load(content), (CheckpointError,)),
    "an archive of images": EntryPoint(
        archives, lambda content, folder: lambda: check_parts(read_npz(content, "mine.npz")), (DataError,)
    ),
    "a picture": EntryPoint(pictures, lambda content, folder: lambda: from_picture(content, SHAPE), (DataError,)),
    "a folder": EntryPoint(st.dictionaries(file_names, pictures, max_size=2), folder_of_pictures, (DataError,)),
    "a study": EntryPoint(studies, study, (StudyError,)),
    "a URL": EntryPoint(st.dictionaries(st.sampled_from(sorted(OPTIONS)), words), url, ()),
    "a run's name": EntryPoint(words, renamed, (RunError,), writes=True),
    "a checkpoint's name": EntryPoint(names, checkpoint_name, (CheckpointError, OSError)),
}
