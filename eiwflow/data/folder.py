"""Image data from a folder of pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np

from ..files import linked_folders, listed, visible
from .images import DataError, Factor, ImageData, check_images, files_below, is_file
from .on_disk import Files, Pictures, decoded
from .split import tenth_by_hash
from .views import OnDisk

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}


#: Kinds of pictures that are not decoded; the note counts them.
OTHER_SUFFIXES = {".tif", ".tiff", ".heic", ".avif", ".jp2", ".ppm", ".psd", ".raw", ".svg", ".jfif"}
#: A folder whose images take more bytes stays on disk.
MOST_IN_MEMORY = 2 * 1024**3
#: About the most test images of a folder on disk, or of shards, without a test part of their own.
MOST_TEST = 10_000
#: Class folders that a note names at first.
NAMED = 5
#: Files of a run, whose pictures are samples.
RUN = frozenset({"config.json", "metrics.jsonl"})
#: Names of the parts, whatever their case; the first that is there is taken.
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation", "dev", "eval")


def read_folder(folder: Path, size: int, strict: bool = False) -> ImageData:
    """Return the pictures in a folder and in the folders below it, centre-cropped and resized to size×size.

    They come in the order of their paths; hidden files are ignored. Folders ``train`` and ``test``, or ``train`` and
    ``val``, are the parts; the note counts pictures beside them, which are left out. Otherwise a hash of the path
    within the folder sends about a tenth to test; an image equal to an earlier image goes to the same part. If every
    picture is in a folder of its class, the folders' numbers are the factor ``label``. Pictures that are all grey make
    images of one channel. A picture that cannot be read is left out, and the note names it.

    If the images take more than 2 GiB, the train part is decoded on demand, always in colour, and the hash alone
    decides.

    Arguments:
        folder: with the pictures.
        size: side of the images in pixels.
        strict: refuse a folder with a picture that cannot be read.

    Raises:
        DataError: there are no pictures, none of them can be read, or with ``strict`` one of them; or a folder below
            has parts of its own.

    """
    what = f"folder {folder.name!r}"
    if not isinstance(size, int):
        raise DataError(f"size is {size!r}; it must be a whole number of pixels")
    names = picture_names(folder)
    check_images(what, 1, size, size, 3)
    names, own, beside = _own_parts(names)
    labels, classes, no_labels = _labels(names, own is not None)
    named = {} if labels is None else {"label": classes}
    note = f"pictures are centre-cropped and resized to {size}×{size}{beside}{_left_out(folder)}{_in_words(classes)}"
    note += f"; {no_labels}" if no_labels else ""
    if len(names) * size * size * 3 > MOST_IN_MEMORY:
        on_disk = _on_disk(folder, names, size, strict, own, labels, note)
        return replace(on_disk, class_names=named, no_labels=no_labels)
    check_images(what, len(names), size, size, 3)
    images, readable, complaints = decoded(Files(folder, names), range(len(names)), size, strict)
    images = images[readable]
    if (images == images[..., :1]).all():
        images = np.ascontiguousarray(images[..., :1])
    if own is None:
        first_names: dict[bytes, str] = {}
        left = [name for name, can in zip(names, readable, strict=True) if can]
        keys = [first_names.setdefault(sha256(i.tobytes()).digest(), n) for i, n in zip(images, left, strict=True)]
        in_test = tenth_by_hash(map(os.fsencode, keys))
    else:
        in_test = own[readable]
    factors = {} if labels is None else {"label": Factor(labels[readable][~in_test], labels[readable][in_test])}
    return ImageData(
        folder.name,
        images[~in_test],
        images[in_test],
        note=note + complaints,
        factors=factors,
        class_names=named,
        no_labels=no_labels,
    )


def _on_disk(
    folder: Path,
    names: Sequence[str],
    size: int,
    strict: bool,
    own: np.ndarray | None,
    labels: np.ndarray | None,
    note: str,
) -> ImageData:
    """Return a folder whose train part stays on disk."""
    in_test = tenth_by_hash(map(os.fsencode, names), MOST_TEST) if own is None else own
    files, numbers = Files(folder, names), np.flatnonzero(in_test).tolist()
    check_images(f"the test part of folder {folder.name!r}", len(numbers), size, size, 3)
    test, readable, complaints = decoded(files, numbers, size, strict)
    groups = in_test + 2 * (0 if labels is None else labels)
    train = OnDisk(Pictures(files, size, groups, strict)).select(~in_test)
    factors = {} if labels is None else {"label": Factor(labels[~in_test], labels[in_test][readable])}
    note += f"; they stay on disk and are decoded when they are needed{complaints}"
    return ImageData(folder.name, train, test[readable], note=note, factors=factors)


def own_parts(names: Iterable[str]) -> tuple[str, str] | None:
    """Return which of these names are those of the train part and of the test part; None without both."""
    there = {name.lower(): name for name in sorted(names, reverse=True)}
    parts = [next((there[name] for name in known if name in there), "") for known in (TRAIN_NAMES, TEST_NAMES)]
    return (parts[0], parts[1]) if all(parts) else None


def beside_parts(count: int, parts: tuple[str, str]) -> str:
    """Return how many pictures are in neither part, as a part of a note."""
    return f"; left out: {count:,} picture{'s' * (count > 1)} beside {' and '.join(parts)}" if count else ""


def _own_parts(names: list[str]) -> tuple[list[str], np.ndarray | None, str]:
    """Return the pictures in folders of parts, which of them are in that of test (N,) bool, and how many are in none.

    Without such folders: all pictures, None, and an empty text.
    """
    tops = [name.partition("/")[0] if "/" in name else "" for name in names]
    if (parts := own_parts(set(tops))) is None:
        _check_no_parts_below(names)
        return names, None, ""
    inside = [(name, top) for name, top in zip(names, tops, strict=True) if top in parts]
    own = np.array([top == parts[1] for _, top in inside])
    return [name for name, _ in inside], own, beside_parts(len(names) - len(inside), parts)


def in_test_part(names: list[str]) -> list[str]:
    """Return the pictures of a folder's test part, or all of them where it has no parts.

    Raises:
        DataError: a folder below has parts of its own.

    """
    inside, own, _ = _own_parts(names)
    return inside if own is None else [name for name, in_test in zip(inside, own, strict=True) if in_test]


def _check_no_parts_below(names: Iterable[str]) -> None:
    """Refuse pictures of a folder below that has parts: pooled, its test pictures would be trained on."""
    lowest = {name.rpartition("/")[0] for name in names}
    folders = {folder for path in lowest for folder in (PurePosixPath(path), *PurePosixPath(path).parents)}
    inside: dict[PurePosixPath, list[str]] = {}
    for folder in sorted(folders):
        inside.setdefault(folder.parent, []).append(folder.name)
    for above, below in inside.items():
        if parts := own_parts(below):
            both = " and ".join(repr(str(above / part)) for part in parts)
            raise DataError(f"{both} are parts of a set of their own: give the folder {str(above)!r}, or rename them")


def _labels(names: Sequence[str], in_parts: bool) -> tuple[np.ndarray | None, tuple[str, ...], str]:
    """Return the number of every picture's class folder (N,), or None, the folders' names, and why some have none."""
    inside = [name.split("/")[int(in_parts) : -1] for name in names]
    classes, labels = np.unique([folders[0] for folders in inside if len(folders) == 1], return_inverse=True)
    if len(classes) < 2:
        return None, (), ""
    if outside := [name for name, folders in zip(names, inside, strict=True) if len(folders) != 1]:
        are = f"{len(outside):,} of {len(names):,} pictures {'are' if len(outside) > 1 else 'is'}"
        named = listed([repr(name) for name in outside])
        return None, (), f"{are} in no class folder, so there are no labels: {named}"
    return labels.astype(np.int32), tuple(classes.tolist()), ""


def _in_words(classes: Sequence[str]) -> str:
    """Return the numbers of the class folders, as a part of a note."""
    if not classes:
        return ""
    names = ", ".join(f"{number} {name}" for number, name in enumerate(classes[:NAMED]))
    more = "" if len(classes) <= NAMED else f" … {len(classes) - 1} {classes[-1]}"
    return f"; label is the number of the folder: {names}{more}"


def _left_out(folder: Path) -> str:
    """Return the counts of pictures of other kinds and of linked folders, as a part of a note."""
    linked = sum(1 for _ in linked_folders(folder))
    kinds = Counter(path.suffix.lower() for path in visible(folder) if path.suffix.lower() in OTHER_SUFFIXES)
    words = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(kinds.items()))
    return (f"; left out: {linked:,} linked folder{'s' * (linked > 1)}" if linked else "") + (
        f"; left out, as their kinds are not read: {words}" if words else ""
    )


def picture_names(folder: Path) -> list[str]:
    """Return the paths of the pictures within a folder and below it, with forward slashes, sorted.

    Raises:
        DataError: there are no pictures.

    """
    names = sorted(path.relative_to(folder).as_posix() for path in pictures_in(folder))
    if not names:
        raise DataError(
            f"folder {folder.name!r} holds 0 pictures; their names must end in {', '.join(sorted(SUFFIXES))}"
            f"{_left_out(folder)}"
        )
    return names


def pictures_in(folder: Path) -> Iterator[Path]:
    """Yield the paths of the pictures in a folder and below it; the samples of runs there are left out."""
    return (path for path in files_below(folder, RUN) if path.suffix.lower() in SUFFIXES and is_file(path))
