"""Image data from shards as WebDataset writes them: ``.tar`` files of pictures, each with a label beside it.

The places of all pictures are read once, from the headers. A picture is then read by its number, so the images of a
training step depend on seed and step alone, which a stream with a shuffle buffer could not guarantee.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .folder import (
    MOST_TEST,
    SUFFIXES,
    beside_parts,
    check_no_parts,
    own_parts,
    part_of,
)
from .images import DataError, Factor, ImageData, check_images, errors_as_data_errors, files_below, is_file
from .on_disk import divided
from .split import tenth_by_hash, without_parts

#: Ends of names of shards; compressed shards are refused in a sentence.
SHARDS = (".tar", ".tar.gz", ".tgz")
BLOCK = tarfile.BLOCKSIZE
#: Bytes of a label, and of a picture.
MAX_LABEL, MAX_BYTES = 20, 2**28
#: Stands for a missing label.
MISSING = np.iinfo(np.int64).min


def is_shard(name: str) -> bool:
    """Return whether a file's name is that of a shard."""
    return name.lower().endswith(SHARDS)


def shards_in(folder: Path) -> list[Path]:
    """Return the shards in a folder and below it by their paths, hidden ones left out."""
    return sorted(path for path in files_below(folder) if is_shard(path.name) and is_file(path))


def read_shards(root: Path, size: tuple[int, int], strict: bool = False) -> ImageData:
    """Return the pictures of a shard, or of all shards in a folder and below it; the train part stays on disk.

    They are centre-cropped and resized to ``size``. Images have one channel if a sample of the pictures is grey, as
    :func:`~eiwflow.data.on_disk.divided` says. Shards whose names or folders say ``train`` and ``test``, or other words
    of :func:`~eiwflow.data.folder.part_of`, are the parts. Otherwise a hash of a picture's name in its shard sends
    about a tenth, at most about 10,000, to test, whatever shards are added; the note counts them. If every picture has
    a ``.cls`` of its name, those whole numbers are the factor ``label``. Links are not followed.
    An unreadable picture is left out of the test part; in the train part the next picture of its class replaces it.

    Arguments:
        root: the shard, or the folder.
        size: (H, W) of the images in pixels.
        strict: refuse a picture that cannot be read.

    """
    name, paths = root.name, shards_in(root) if root.is_dir() else [root]
    check_images(name, 1, *size, 3)
    indices = [_index(path) for path in paths]
    words = [_part(path.relative_to(root)) for path in paths]
    made = f"centre-cropped and resized to {size[0]}×{size[1]}"
    note = f"pictures are {made}, decoded from the shards when they are needed"
    if (parts := own_parts(words)) is not None:
        beside = sum(len(index.labels) for index, word in zip(indices, words, strict=True) if word not in parts)
        note += beside_parts(beside, parts)
        kept = [number for number, word in enumerate(words) if word in parts]
        paths, indices = [paths[number] for number in kept], [indices[number] for number in kept]
        words = [words[number] for number in kept]
    else:
        check_no_parts("folders", set().union(*(index.folders for index in indices)))
        check_no_parts("shards", (re.sub(r"\d+", "*", path.relative_to(root).as_posix()) for path in paths))
    counts = [len(index.labels) for index in indices]
    if not sum(counts):
        raise DataError(
            f"{name!r} holds 0 pictures; their names in the shards must end in {', '.join(sorted(SUFFIXES))}"
        )
    numbers = np.repeat(np.arange(len(paths)), counts)
    places = np.column_stack([numbers, np.concatenate([index.places for index in indices])])
    labels = np.concatenate([index.labels for index in indices])
    if parts is None:
        in_test = tenth_by_hash((key for index in indices for key in index.names), MOST_TEST)
    else:
        in_test = (np.array(words) == parts[1])[numbers]
    has_label = labels != MISSING
    classes = np.unique(labels, return_inverse=True)[1] if has_label.all() else np.zeros(len(labels))
    album = Members(paths, places)
    train, test, readable, complaints = divided(repr(name), album, in_test, size, classes, strict)
    note += f"; {without_parts(len(test), len(in_test), 'pictures')}" if parts is None else ""
    factors = {"label": Factor(labels[~in_test], labels[in_test][readable])} if has_label.all() else {}
    no_labels = ""
    if not has_label.all() and has_label.any():
        no_labels = f"{(~has_label).sum():,} of {len(has_label):,} pictures have no .cls, so there are no labels"
        note += f"; {no_labels}"
    return ImageData(name, train, test, note=note + complaints, factors=factors, no_labels=no_labels, made=made)


def _part(path: Path) -> str:
    """Return the part that a shard's name says, such as ``train``, or else its folder, or the next; empty for none."""
    return next(filter(None, map(part_of, reversed(path.parts))), "")


class _Index(NamedTuple):
    """The pictures of a shard.

    Attributes:
        names: of the pictures.
        folders: the different paths of their folders.
        places: first byte and bytes (n, 2).
        labels: (n,).

    """

    names: list[bytes]
    folders: set[str]
    places: np.ndarray
    labels: np.ndarray


def _index(path: Path) -> _Index:
    """Return where the pictures of a shard are."""
    names: list[bytes] = []
    folders: set[str] = set()
    places: list[tuple[int, int]] = []
    labels: list[int] = []
    key, label, pictures = "", MISSING, 0
    # Only without compression can a picture be read without all pictures before it.
    what = f"{path.name!r} cannot be read as a .tar file, which must not be compressed"
    with errors_as_data_errors(what), tarfile.open(path, "r:") as shard:
        end = 0
        while (member := shard.next()) is not None:
            shard.members = []  # type: ignore[attr-defined]  # a million take a gigabyte; typeshed lacks it
            if shard.offset <= end:  # otherwise a file would be read again and again
                raise ValueError(f"a file of {member.size:,} bytes")
            end = shard.offset
            sample = re.fullmatch(r"((?:.*/)?[^./][^./]*)\.([^/]*)", member.name, re.DOTALL)
            if sample is None or not member.isreg() or member.issparse():
                continue
            is_picture = f".{sample[2].rpartition('.')[2].lower()}" in SUFFIXES
            if sample[1] != key:
                key, label, pictures = sample[1], MISSING, 0
            if is_picture:
                if pictures or member.size > MAX_BYTES:
                    problem = f"{member.size:,} bytes; at most {MAX_BYTES:,} are read"
                    problem = "another picture of its sample beside it" if pictures else problem
                    raise DataError(f"{member.name[:80]!r} in {path.name!r} has {problem}")
                names.append(member.name.encode(errors="surrogatepass"))
                folders.add(member.name.rpartition("/")[0])
                places.append((member.offset_data, member.size))
                labels.append(label)
                pictures = 1
            elif sample[2].lower() == "cls":
                label = _label(shard, member, path)
                labels[len(labels) - pictures :] = [label] * pictures
        _check_end(shard, path)
    return _Index(names, folders, np.array(places, np.int64).reshape(-1, 2), np.array(labels, np.int64))


def _label(shard: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> int:
    assert shard.fileobj is not None  # the shard is open
    shard.fileobj.seek(member.offset_data)
    text = shard.fileobj.read(min(member.size, MAX_LABEL + 1)).strip()
    if not re.fullmatch(rb"-?\d{1,18}", text):
        raise DataError(f"{member.name[:80]!r} in {path.name!r} holds {text[:20]!r}; a whole number is needed")
    return int(text)


def _check_end(shard: tarfile.TarFile, path: Path) -> None:
    """Refuse a shard whose last file is not followed by zeros alone: tarfile stops in silence at what follows."""
    assert shard.fileobj is not None  # the shard is open
    shard.fileobj.seek(shard.offset)
    end = shard.fileobj.read(BLOCK)
    if len(end) < BLOCK:
        raise DataError(f"{path.name!r} lacks the end of a .tar file: it was cut short")
    if any(end):
        raise DataError(f"{path.name!r} is damaged at byte {shard.offset:,}, where no header of a file stands")
    if any(shard.fileobj.read(2**20)):
        raise DataError(f"{path.name!r} goes on after its end, as .tar files that were joined do; give them one by one")


class Members:
    """Pictures in shards by their numbers.

    Arguments:
        paths: of the shards.
        places: number of the shard, first byte and bytes of every picture (N, 3).

    """

    def __init__(self, paths: Sequence[Path], places: np.ndarray) -> None:
        self._paths, self._places = [path.resolve() for path in paths], places

    def __len__(self) -> int:
        return len(self._places)

    def __call__(self, number: int) -> io.BytesIO:
        """Return a picture under its name, as a file that is open for reading."""
        shard, first, size = self._places[number].tolist()
        path = self._paths[shard]
        with errors_as_data_errors(f"{path.name!r} cannot be read"), open(path, "rb", buffering=0) as file:
            content = os.pread(file.fileno(), BLOCK + size, first - BLOCK)
        if len(content) < BLOCK + size:
            raise DataError(f"{path.name!r} ends before byte {first + size:,}: it was cut short")
        picture = io.BytesIO(content[BLOCK:])
        # The header before a picture begins with its name.
        picture.name = f"{path.name}/{content[:100].partition(bytes(1))[0].decode(errors='replace')}"
        return picture
