"""Image data from a folder of pictures."""

from __future__ import annotations

import math
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np

from ..files import linked_folders, listed, visible
from .images import DataError, Factor, ImageData, check_images, files_below, is_file
from .on_disk import Files, are_grey, decoded, divided
from .split import shared, tenth_by_hash, without_parts

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}
#: Kinds of pictures that are not decoded; the note counts them.
OTHER_SUFFIXES = {".tif", ".tiff", ".heic", ".avif", ".jp2", ".ppm", ".psd", ".raw", ".svg", ".jfif", ".jpe"}
#: A folder whose images take more bytes stays on disk.
MOST_IN_MEMORY = 2 * 1024**3
#: About the most test images of a folder on disk, or of shards, without a test part of their own.
MOST_TEST = 10_000
#: Files of a run, whose pictures are samples.
RUN = frozenset({"config.json", "metrics.jsonl"})
#: Words for the parts, whatever their case; the first that is there is taken.
TRAIN_NAMES = ("train", "training", "trainset", "trainval", "trn")
TEST_NAMES = (
    *("test", "testing", "testset", "val", "valid", "validation", "dev", "eval"),
    *("tests", "tst", "validate", "evaluation", "evaluate", "holdout", "heldout"),
)
VALIDATION_NAMES = ("val", "valid", "validation", "validate", "dev")
#: A word of a part, alone or grown together with words for what it holds, such as ``testimages``.
_HOLDS = "(?:data|images?|imgs?|pics|pictures|photos|samples|sets?|splits?|parts?|dir|folder)*"
_PART = re.compile(f"{_HOLDS}({'|'.join((*TRAIN_NAMES, *TEST_NAMES))}){_HOLDS}")


def read_folder(folder: Path, size: tuple[int, int], strict: bool = False, validation: bool = False) -> ImageData:
    """Return the pictures in a folder and in the folders below it, centre-cropped and resized to ``size``.

    They come in the order of their paths; hidden files are ignored. Folders ``train`` and ``test``, or ``train`` and
    ``val``, are the parts; the note counts pictures beside them, which are left out. Without such folders, those with
    these words in their names are, as ``DIV2K_train_HR`` and ``DIV2K_valid_HR``. The note counts images that both hold.
    Otherwise a hash of the path within the folder sends about a tenth to test, which the note counts; an image equal to
    an earlier image goes to the same part. If every picture is in a folder of its class, the folders' numbers are the
    factor ``label``. Pictures that are all grey make images of one channel. A picture that cannot be read is left out,
    and the note names it.

    If the images take more than 2 GiB, the train part is decoded on demand, the hash alone decides, and grey pictures
    are recognised by a sample of them, as :func:`~eiwflow.data.on_disk.divided` says.

    Arguments:
        folder: with the pictures.
        size: (H, W) of the images in pixels.
        strict: refuse a folder with a picture that cannot be read.
        validation: take a folder ``val`` as the test part, and leave a folder ``test`` out.

    """
    what = f"folder {folder.name!r}"
    names = picture_names(folder)
    if validation:
        names = [name for name in names if part_of(_top(name)) not in {*TEST_NAMES} - {*VALIDATION_NAMES}]
    check_images(what, 1, *size, 3)
    names, own, beside = _own_parts(folder, names)
    labels, classes, no_labels = _labels(names, own is not None)
    named = {} if labels is None else {"label": classes}
    note = f"pictures are centre-cropped and resized to {size[0]}×{size[1]}{beside}{_left_out(folder)}"
    note += f"; {no_labels}" if no_labels else ""
    files, numbers = Files(folder, names), np.arange(len(names))
    if len(names) * math.prod(size) * 3 > MOST_IN_MEMORY:
        in_test = tenth_by_hash(map(os.fsencode, names), MOST_TEST) if own is None else own
        kinds = np.zeros(len(names)) if labels is None else labels
        train, test, readable, complaints = divided(what, files, in_test, size, kinds, strict)
        of_train, of_test = numbers[~in_test], numbers[in_test][readable]
        note += "; they stay on disk and are decoded when they are needed"
    else:
        check_images(what, len(names), *size, 3)
        images, readable, complaints = decoded(files, range(len(names)), size, strict)
        images, numbers = images[readable], numbers[readable]
        if are_grey(images):
            images = np.ascontiguousarray(images[..., :1])
        if own is None:  # equal images go by the first one's name
            first: dict[bytes, str] = {}
            hashes = (sha256(image.tobytes()).digest() for image in images)
            in_test = tenth_by_hash(
                os.fsencode(first.setdefault(key, names[n])) for key, n in zip(hashes, numbers, strict=True)
            )
        else:
            in_test = own[readable]
        train, test, of_train, of_test = images[~in_test], images[in_test], numbers[~in_test], numbers[in_test]
        note += f"; {both}" if own is not None and (both := shared(train, test)) else ""
    note += f"; {without_parts(len(test), len(train) + len(test), 'pictures')}" if own is None else ""
    return ImageData(
        folder.name,
        train,
        test,
        note=note + complaints,
        factors={} if labels is None else {"label": Factor(labels[of_train], labels[of_test])},
        class_names=named,
        no_labels=no_labels,
    )


def has_validation(folder: Path) -> bool:
    """Return whether a folder has a train part and a validation part, as folders."""
    words = {part_of(path.name) for path in folder.iterdir() if path.is_dir()}
    return not words.isdisjoint(TRAIN_NAMES) and not words.isdisjoint(VALIDATION_NAMES)


def _top(name: str) -> str:
    """Return the highest folder of a picture's path; empty for a picture in none."""
    return name.partition("/")[0] if "/" in name else ""


def part_of(name: str) -> str:
    """Return the word in a name that says a part, such as ``train`` in ``DIV2K_train_HR``; empty for none.

    It may be grown together with what the part holds, as in ``traindata``; no other letters may touch it.
    Of several words the last counts: ``dev-train-0.tar`` is of the train part of a set called dev.
    """
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    joined = re.sub(r"\b(train (?=val\b)|h[eo]ld (?=out\b))", lambda found: found[0].strip(), " ".join(words))
    parts = map(_PART.fullmatch, reversed(joined.split()))
    return next((found[1] for found in parts if found), "")


def own_parts(words: Iterable[str]) -> tuple[str, str] | None:
    """Return which of these words are those of the train part and of the test part; None without both."""
    there = set(words)
    parts = [next((word for word in known if word in there), "") for known in (TRAIN_NAMES, TEST_NAMES)]
    return (parts[0], parts[1]) if all(parts) else None


def _part_folders(names: Iterable[str]) -> tuple[str, str] | None:
    """Return which of these folders are the train part and the test part, by their plain names or else by words."""
    for reading in (str.lower, part_of):
        words = {name: reading(name) for name in sorted(names)}
        if (parts := own_parts(words.values())) is not None:
            chosen = [name for part in parts for name, word in words.items() if word == part]
            if len(chosen) > 2 or not all(words.values()):
                raise _unclear("folders", (*chosen, *(name for name in words if name not in chosen)))
            return chosen[0], chosen[1]
    return None


def _unclear(kind: str, names: Iterable[str]) -> DataError:
    return DataError(
        f"it is not clear which {kind} are the parts, of {listed([*map(repr, names)])}: name them train and test, or, "
        "if they are classes, leave such words out of their names"
    )


def check_no_parts(kind: str, paths: Iterable[str]) -> None:
    """Refuse names that may say parts where they are not read as such: pooled, test pictures would be trained on.

    Beside each other, some of them may say train and others test, or one of only two may say a part.

    Arguments:
        kind: what has the names, for the message: folders or shards.
        paths: of these, with forward slashes.

    """
    inside: dict[PurePosixPath, dict[str, str]] = {}
    for path in sorted({*map(PurePosixPath, paths)}):
        for above in (path, *path.parents)[:-1]:  # the last is the folder of all
            inside.setdefault(above.parent, {})[str(above)] = part_of(above.name)
    for words in inside.values():
        saying = [path for path, word in words.items() if word]
        if own_parts(words.values()) is not None or (len(words) == 2 and len(saying) == 1):
            raise _unclear(kind, (*saying, *(path for path in words if path not in saying)))


def beside_parts(count: int, parts: tuple[str, str]) -> str:
    """Return how many pictures are in neither part, as a part of a note."""
    return f"; left out: {count:,} picture{'s' * (count > 1)} beside {' and '.join(parts)}" if count else ""


def _own_parts(folder: Path, names: list[str]) -> tuple[list[str], np.ndarray | None, str]:
    """Return the pictures in folders of parts, which of them are in that of test (N,) bool, and a part of a note.

    It counts the pictures in no part, and names the folders where words of their names say the parts. Without folders
    of parts: all pictures, None, and an empty text.
    """
    tops = [_top(name) for name in names]
    if (parts := _part_folders({*tops} - {""})) is None:
        check_no_parts("folders", map(posixpath.dirname, names))
        return names, None, ""
    inside = [(name, top) for name, top in zip(names, tops, strict=True) if top in parts]
    own = np.array([top == parts[1] for _, top in inside])
    by_words = "" if own_parts(map(str.lower, parts)) else f"; the parts are {parts[0]!r} and {parts[1]!r}"
    return [name for name, _ in inside], own, by_words + beside_parts(len(names) - len(inside), parts)


def in_test_part(folder: Path) -> list[str]:
    """Return the names of a folder's pictures that are in its test part, or of all where it has no parts."""
    inside, own, _ = _own_parts(folder, picture_names(folder))
    return inside if own is None else [name for name, in_test in zip(inside, own, strict=True) if in_test]


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


def _left_out(folder: Path) -> str:
    """Return the counts of pictures of other kinds and of linked folders, as a part of a note."""
    linked = sum(1 for _ in linked_folders(folder))
    kinds = Counter(path.suffix.lower() for path in visible(folder) if path.suffix.lower() in OTHER_SUFFIXES)
    words = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(kinds.items()))
    return (f"; left out: {linked:,} linked folder{'s' * (linked > 1)}" if linked else "") + (
        f"; left out, as their kinds are not read: {words}" if words else ""
    )


def picture_names(folder: Path) -> list[str]:
    """Return the paths of the pictures within a folder and below it, with forward slashes, sorted."""
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
