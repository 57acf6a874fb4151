"""Files from others: a reader gives data or its own error, in one sentence, and no code in a file runs."""

from __future__ import annotations

import io
import pickle
import sys
import tarfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from eiwflow import checkpoint, data
from eiwflow.checkpoint import CheckpointError
from eiwflow.data import DataError
from eiwflow.study.file import StudyError, read_study

from .. import LONG
from ..studies import arms, write_study
from ..training.tiny import planes, tiny_flow, tiny_info

#: What a reader may refuse a file with.
REFUSALS = (CheckpointError, DataError, StudyError)
#: Names that were found for objects in a pickle, over all tests.
UNPICKLED: list[object] = []
sys.addaudithook(lambda event, about: UNPICKLED.append(about) if event == "pickle.find_class" else None)


def picture(path: Path, content: bytes | None) -> object:
    if content is None:
        pixels = np.random.default_rng(0).integers(0, 256, (17, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return None
    return data.from_picture(content, (3, 8, 8))


def pictures_in_a_folder(path: Path, content: bytes | None) -> object:
    (folder := path.parent / "folder").mkdir(exist_ok=True)
    for number, image in enumerate(planes(12)):
        Image.fromarray(image).save(folder / f"good {number}.bmp")
    if content is None:
        path.write_bytes((folder / "good 0.bmp").read_bytes())
        return None
    (folder / path.name).write_bytes(content)
    return data.load(folder, size=(8, 8))


def images(path: Path, content: bytes | None) -> object:
    if content is None:
        np.savez(path, train=planes(16), test=planes(4, seed=1), source_names=np.array(["a", "b"]))
        return None
    path.write_bytes(content)
    return data.load(path)


def array(path: Path, content: bytes | None) -> object:
    if content is None:
        np.save(path, planes(16))
        return None
    path.write_bytes(content)
    return data.load(path)


def shards(path: Path, content: bytes | None) -> object:
    if content is None:
        with tarfile.open(path, "w") as made:
            for number in range(12):
                file = io.BytesIO()
                Image.fromarray(planes(1, seed=number)[0]).save(file, "PNG")
                info = tarfile.TarInfo(f"{number:03}.png")
                info.size = len(file.getvalue())
                made.addfile(info, io.BytesIO(file.getvalue()))
        return None
    path.write_bytes(content)
    return data.load(path)


def flow(path: Path, content: bytes | None) -> object:
    if content is None:
        made = tiny_flow(width=4)
        checkpoint.save(path, made, tiny_info(made))
        return None
    return checkpoint.load(content, path.name)


def study(path: Path, content: bytes | None) -> object:
    if content is None:
        write_study(path, arms({"first/random": 3.9, "last/random": 4.1}))
        return None
    path.write_bytes(content)
    return read_study(path)


#: Name of a file -> writes a sound one (content is None), or reads a spoilt one.
READERS: dict[str, Callable[[Path, bytes | None], object]] = {
    "a.png": picture,
    "a.jpg": picture,
    "a.webp": picture,
    "a.gif": picture,
    "a.bmp": pictures_in_a_folder,
    "a.npz": images,
    "a.npy": array,
    "a.tar": shards,
    "a.safetensors": flow,
    "a.zip": study,
}


@cache
def sound(name: str) -> bytes:
    """Return the content of a sound file of a kind."""
    with TemporaryDirectory() as folder:
        READERS[name](path := Path(folder) / name, None)
        return path.read_bytes()


def read(name: str, content: bytes, folder: Path) -> bool:
    """Return whether a reader takes a file; a refusal is one sentence, and nothing is unpickled."""
    del UNPICKLED[:]
    try:
        READERS[name](folder / name, content)
        taken = True
    except REFUSALS as error:
        assert 0 < len(str(error)) < 2000 and "\n" not in str(error), error
        taken = False
    assert not UNPICKLED
    return taken


#: Where lengths and names stand is tried more often than the middle of the numbers.
PLACES = st.one_of(st.floats(0, 1), st.floats(0, 0.02), st.floats(0.98, 1))
PIECES = st.sampled_from([b"", b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7, b"9" * 20, b"[" * 64, b"\x80"])
CHANGES = st.lists(st.tuples(PLACES, st.integers(0, 64), PIECES | st.binary(max_size=16)), min_size=1, max_size=4)


@pytest.mark.parametrize("name", READERS)
def test_a_sound_file_is_taken(name: str, tmp_path: Path) -> None:
    assert read(name, sound(name), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_a_spoilt_file_gives_data_or_an_error(name: str, tmp_path: Path) -> None:
    @settings(max_examples=1000 if LONG else 40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(CHANGES)
    def spoil(changes: list[tuple[float, int, bytes]]) -> None:
        content = sound(name)
        for place, length, piece in changes:  # cut out, put in, or write over
            at = int(place * len(content))
            content = content[:at] + piece + content[at + length :]
        read(name, content, tmp_path)

    spoil()


class Code:
    """Runs where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code in a file was run')",)


def with_code(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "pickle":
        return pickle.dumps(Code())
    if kind == "torch":
        torch.save({"flow": Code()}, file)
    elif kind == "npy":
        np.save(file, np.array([Code()] * 8, dtype=object), allow_pickle=True)
    else:
        np.savez(file, train=np.array([Code()] * 8, dtype=object), test=planes(4))
    return file.getvalue()


@pytest.mark.parametrize("kind", ["pickle", "torch", "npy", "npz"])
@pytest.mark.parametrize("name", READERS)
def test_no_code_in_a_file_runs(name: str, kind: str, tmp_path: Path) -> None:
    taken = read(name, with_code(kind), tmp_path)
    assert taken == (name == "a.bmp")  # the others in its folder are


def test_a_picture_that_states_too_many_pixels_is_refused(tmp_path: Path) -> None:
    content = bytearray(sound("a.png"))
    content[16:24] = (65_535).to_bytes(4) * 2  # width and height
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    assert not read("a.png", bytes(content), tmp_path)
