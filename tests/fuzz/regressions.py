"""Named regression inputs: what an attacker would send, made here and not kept as files."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .entry_points import (
    archive,
    header_and_data,
    joined,
    npy,
    png,
    sound_archive,
    sound_checkpoint,
    sound_picture,
    sound_study,
    with_config,
)
from .mutations import Raw, dumped

#: This process' own, and gone with it: nobody else leaves or removes anything there.
_PLACE = tempfile.TemporaryDirectory(prefix="eiwflow-fuzz-")
#: A file that a pickle which is opened would leave behind.
MARK = Path(_PLACE.name, "was-unpickled")


class Touch:
    """Unpickled, it writes :data:`MARK`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(MARK), "w")


def pickled() -> bytes:
    return pickle.dumps(Touch())


def torch_file() -> bytes:
    file = io.BytesIO()
    torch.save({"state": Touch()}, file)
    return file.getvalue()


def object_archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, train=np.array([Touch()] * 9, dtype=object), test=np.array([Touch()], dtype=object))
    return file.getvalue()


def object_names() -> bytes:
    """Return images whose names of sources are pickled objects."""
    file = io.BytesIO()
    images = np.zeros((9, 8, 8, 3), np.uint8)
    images[:, 0, 0, 0] = range(9)
    sources = {"train_source": np.zeros(9, int), "test_source": np.zeros(9, int)}
    np.savez(file, train=images, test=images, source_names=np.array([Touch()], dtype=object), **sources)
    return file.getvalue()


def bomb(images: int, side: int = 256) -> bytes:
    """Return an archive of black images: gigabytes out of little, all of them stated truthfully."""
    header = npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({images}, {side}, {side}, 3), }}")
    packer, block = zlib.compressobj(1, wbits=-15), bytes(side * side * 3)
    packed, checked = [packer.compress(header)], zlib.crc32(header)
    for _ in range(images):
        packed.append(packer.compress(block))
        checked = zlib.crc32(block, checked)
    packed.append(packer.flush())
    size = len(header) + images * len(block)
    return zipped(["train.npy", "test.npy"], b"".join(packed), checked, size)


def zipped(names: list[str], packed: bytes, checked: int, size: int) -> bytes:
    """Return a zip archive all of whose members hold the same deflated bytes."""
    sums = struct.pack("<III", checked, len(packed), size)
    fixed = struct.pack("<HHHHH", 20, 0, 8, 0, 33)
    local = b"PK\3\4" + fixed + sums + struct.pack("<HH", len(names[0]), 0) + names[0].encode()
    content, directory = local + packed, b""
    for name in names:
        start = 0 if name == names[0] else len(content)
        if start:
            content += b"PK\3\4" + fixed + sums + struct.pack("<HH", len(name), 0) + name.encode() + packed
        rest = struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, start)
        directory += b"PK\1\2" + struct.pack("<H", 20) + fixed + sums + rest + name.encode()
    end = struct.pack("<HHHHIIH", 0, 0, len(names), len(names), len(directory), len(content), 0)
    return content + directory + b"PK\5\6" + end


def picture_bomb(width: int, height: int, mode: str = "L", kind: str = "PNG", **options: Any) -> bytes:
    """Return a picture of one colour: a few kilobytes, and all its pixels are there."""
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, kind, **({"compress_level": 1} if kind == "PNG" else options))
    return file.getvalue()


def wide_json(megabytes: int) -> str:
    """Return lists beside lists: much more in memory than as text."""
    return "[" + "[]," * (megabytes * 2**20 // 3) + "[]]"


def big_flow(**fields: Any) -> bytes:
    header, data = header_and_data(sound_checkpoint())
    said = json.loads(header["__metadata__"]["eiwflow"])
    said["config"] |= fields
    header["__metadata__"]["eiwflow"] = json.dumps(said)
    return joined(json.dumps(header), data)


def stride_zero() -> bytes:
    """Return a header in which a hundred tensors lie on the same bytes."""
    header, data = header_and_data(sound_checkpoint())
    name = next(name for name in header if name != "__metadata__")
    header |= {f"{name}.{number}": header[name] for number in range(100)}
    return joined(json.dumps(header), data)


def a_study(**fields: Any) -> tuple[str, bytes]:
    return dumped({**sound_study(), **fields}), b"{}"


#: entry point -> name -> what makes the input.
REGRESSIONS: dict[str, dict[str, Callable[[], Any]]] = {
    "a checkpoint": {
        "a pickle": pickled,
        "a file of torch.save": torch_file,
        "a header of 2**63 bytes": lambda: (2**63).to_bytes(8, "little") + b"{}",
        "a header of 4 MiB of lists": lambda: joined('{"a":' + wide_json(3) + "}", b""),
        "a document of 3 MiB of lists": lambda: joined(json.dumps({"__metadata__": {"eiwflow": wide_json(3)}}), b""),
        "the largest flow that is allowed": lambda: big_flow(shape=[3, 256, 256], levels=6, steps=64, width=8),
        "a flow just too large": lambda: big_flow(shape=[3, 256, 256], levels=6, steps=64, width=512),
        "a width of 10**400": lambda: with_config("width", 10**400),
        "a scale bound of NaN": lambda: with_config("scale_bound", float("nan")),
        "an infinite scale bound": lambda: with_config("scale_bound", Raw("1e999")),
        "tensors on the same bytes": stride_zero,
        "zeros without end": lambda: bytes(2**25),
        "a zip": lambda: archive({"x": b"y"}),
    },
    "an archive of images": {
        "a pickle": pickled,
        "a file of torch.save": torch_file,
        "pickled images": object_archive,
        "pickled names": object_names,
        "1.2 GB of black in 6 MB": lambda: bomb(3000),
        "two thousand members": lambda: archive({f"{n}.npy": b"" for n in range(2000)}),
        "a header of 4 GiB": lambda: archive({"train.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "test.npy": b""}),
        "a header that multiplies": lambda: archive(
            {
                n: npy("{'descr': '|u1', 'fortran_order': False, 'shape': (9**9**9,), }")
                for n in ("train.npy", "test.npy")
            }
        ),
        "a name that climbs": lambda: archive({"../../train.npy": b"", "/etc/test.npy": b""}),
        "half of it": lambda: sound_archive(True)[: len(sound_archive(True)) // 2],
    },
    "a picture": {
        "a pickle": pickled,
        "4 gigapixels stated": lambda: png(65_535, 65_535, 8, 2, zlib.compress(bytes(10**6))),
        "2**31 pixels wide": lambda: png(2**31 - 1, 1, 8, 0),
        "a black wall in grey": lambda: picture_bomb(7900, 8000),
        "a black wall in colour": lambda: picture_bomb(7900, 8000, "RGB"),
        "a black wall with transparency": lambda: picture_bomb(7900, 8000, "RGBA"),
        "a black wall as JPEG": lambda: picture_bomb(7900, 8000, "RGB", "JPEG"),
        "a black wall as progressive JPEG": lambda: picture_bomb(7900, 8000, "RGB", "JPEG", progressive=True),
        "as much colour as is decoded": lambda: picture_bomb(4890, 4900, "RGBA"),
        "as much WebP as is decoded": lambda: picture_bomb(4890, 4900, "RGB", "WEBP"),
        "as many colour numbers as are decoded": lambda: picture_bomb(4890, 4900, "P", "GIF"),
        "as much deep grey as is decoded": lambda: picture_bomb(4890, 4900, "I;16"),
        "a black wall as WebP": lambda: picture_bomb(7900, 8000, "RGB", "WEBP"),
        "a black wall as GIF": lambda: picture_bomb(7900, 8000, "P", "GIF"),
        "a text that inflates": lambda: png_with_text(2**28),
        "PostScript": lambda: (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(" + str(MARK).encode() + b") (w) file\n"
        ),
        "an SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:9/x"/></svg>',
        "half of it": lambda: sound_picture("JPEG")[:300],
    },
    "a folder": {
        "pictures that are pickles": lambda: {"a.png": pickled(), "b.jpg": torch_file()},
        "a black wall": lambda: {"a.png": picture_bomb(7900, 8000, "RGB")},
    },
    "a study": {
        "a pickle": lambda: (pickled(), pickled()),
        "a deep file": lambda: ("[" * 10**6, "[" * 10**6),
        "11 MiB of lists": lambda: (wide_json(11), "{}"),
        "15 MiB of numbers": lambda: ("[" + "1.5," * (15 * 2**18) + "1]", "{}"),
        "15 MiB of words": lambda: ("[" + '"é",' * (15 * 2**20 // 5) + "1]", "{}"),
        "40 MiB of nothing": lambda: (" " * 40 * 2**20, "{}"),
        "a record of 11 MiB of lists": lambda: (json.dumps(sound_study()), '{"steps":' + wide_json(11) + "}"),
        "a recipe of 10**400 seeds": lambda: a_study(recipe={**sound_study()["recipe"], "seeds": 10**400}),
        "a recipe of 10,000 arms": lambda: a_study(
            recipe={**sound_study()["recipe"], "arms": ["entropy/principal"] * 10_000}
        ),
        "a bit/dim of NaN": lambda: a_study(results=[{**sound_study()["results"][0], "bits_per_dim": float("nan")}]),
        "an arm that climbs": lambda: a_study(results=[{**sound_study()["results"][0], "arm": "../../x"}]),
    },
    "a URL": {
        "everything wrong": lambda: {
            "ck": "<b>" * 1000,
            "vs": "../..",
            "level": "9" * 10**6,
            "seed": "-0",
            "image": "٣",
        },
    },
    "a run's name": {
        "a path": lambda: "../../etc/passwd",
        "NUL": lambda: "a\0b",
        "half a letter": lambda: "\ud800",
        "from right to left": lambda: "\u202egnp.exe",
        "a million letters": lambda: "x" * 10**6,
        "blank": lambda: " \n\t\u2003",
        "zero width": lambda: "\u200b",
    },
    "a checkpoint's name": {
        "a device": lambda: "/dev/zero",
        "memory": lambda: "/proc/self/mem",
        "NUL": lambda: "photos32\0-weighted",
        "half a letter": lambda: "\ud800",
        "longer than any path": lambda: "a" * 10**6,
    },
}


def png_with_text(size: int) -> bytes:
    """Return a small PNG with a comment that inflates to ``size`` bytes."""
    whole = sound_picture("PNG")
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(size // 2**20)) + packer.flush()
    content = b"Comment\0\0" + packed
    chunk = len(content).to_bytes(4, "big") + b"zTXt" + content + zlib.crc32(b"zTXt" + content).to_bytes(4, "big")
    return whole[:33] + chunk + whole[33:]
