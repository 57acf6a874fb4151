"""Read untrusted files, and write so that a reader never sees half a file.

Every file in a folder of runs or studies is read here: only regular files, only up to a bound, and without waiting. A
FIFO, a device, a sparse file of 64 GB or a circular link raises ``OSError`` with a reason, at once.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import secrets
import shutil
import signal
import stat
import sys
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: The default bound of a JSON document, in bytes; all documents of the project are smaller.
MAX_DOCUMENT = 2**20
#: The most entries that are read of one folder.
MAX_ENTRIES = 10_000


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFLNK: "a link"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def read_bytes(path: Path, most: int) -> bytes:
    """Return the content of a file of at most ``most`` bytes."""
    try:
        with open(path, "rb") as file:
            _check_size(path, os.fstat(file.fileno()).st_size, most)
            return file.read()
    except ValueError as error:  # a zero byte in the name
        raise OSError(errno.EINVAL, str(error)) from None


def _check_size(path: Path, size: int, most: int) -> None:
    if size > most:
        raise OSError(errno.EFBIG, f"it has {size:,} bytes; at most {most:,} are read", str(path))


def read_start(path: Path, most: int) -> bytes:
    """Return at most the first ``most`` bytes of a file, however large it is."""
    with open(path, "rb") as file:
        return file.read(most)


def webp_pixels(start: bytes) -> int:
    """Return the pixels of a WEBP picture, by the first 30 bytes of its file; 0 for other files.

    Nothing is decoded: a file of 6 KiB may hold 268 million pixels.
    Reference: RFC 9649, sections 2.5 to 2.7.

    Example:
        >>> webp_pixels(b"RIFF....WEBPVP8X" + bytes(8) + bytes([99, 0, 0, 9, 0, 0]))
        1000

    """
    kind, body = start[12:16], start[20:30]
    if start[:4] != b"RIFF" or start[8:12] != b"WEBP" or len(body) < 10:
        return 0
    if kind == b"VP8X":
        width, height = 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    else:
        return 0
    return width * height


def read_json(path: Path, most: int = MAX_DOCUMENT) -> Any:  # noqa: ANN401 (whatever JSON can hold)
    """Return the document in a JSON file of at most ``most`` bytes."""
    try:
        document = json.loads(read_bytes(path, most))
        if not is_text(json.dumps(document, ensure_ascii=False, allow_nan=False)):
            raise ValueError("not a text, though JSON")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return document


def is_text(value: str) -> bool:
    """Return whether a text can be encoded: JSON and arguments may hold half of a surrogate pair, which cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def stamp(path: Path) -> tuple[int, int]:
    """Return a file's time of modification and its size, by which caches notice that it was replaced."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def stamp_or_zeros(path: Path) -> tuple[int, int]:
    """Return :func:`stamp`, or zeros for a file that cannot be read: reading it then raises the error."""
    try:
        return stamp(path)
    except OSError:
        return 0, 0


def entries(folder: Path) -> list[Path]:
    """Return the entries of a folder by name, hidden ones left out; a missing folder has none."""
    try:
        with os.scandir(folder) as scan:
            names = [entry.name for entry, _ in zip(scan, range(MAX_ENTRIES), strict=False)]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def visible(folder: Path, but: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield the paths of the files below a folder; hidden ones are left out, and hidden folders are not entered.

    Nor are folders below it that hold all files of the names ``but``, unless there are no such names.
    """
    for place, folders, names in os.walk(folder, onerror=_not_permitted, followlinks=False):
        if but and but <= {*names} and place != os.fspath(folder):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place) / name for name in sorted(names) if not name.startswith("."))


def _not_permitted(error: OSError) -> None:
    """Raise the error of a folder that is there: its files are not to be missing in silence."""
    if isinstance(error, PermissionError):
        raise error


def linked_folders(folder: Path) -> Iterator[Path]:
    """Yield the links to folders below a folder; hidden folders are left out and not entered."""
    for place, folders, _ in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (path for name in folders if (path := Path(place) / name).is_symlink())


def missing(*packages: str) -> list[str]:
    """Return the packages that are not installed; a folder of that name without ``__init__.py`` is none."""
    return [name for name in packages if (spec := find_spec(name)) is None or spec.origin is None]


def complaint(path: Path, most: int) -> str:
    """Return why a file cannot be read, as the end of a sentence; empty if it can be, or does not exist."""
    try:
        if path.is_symlink() or path.exists():
            with open(path, "rb") as file:
                _check_size(path, os.fstat(file.fileno()).st_size, most)
    except OSError as error:
        return reason(error)
    return ""


def reason(error: OSError | ValueError) -> str:
    """Return the reason of a file error, as the end of a sentence."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[:200] if text.startswith("it ") else text[:200].lower()


def printable(name: str, most: int = 80) -> str:
    """Return a file's name for display: printable characters, shortened."""
    text = "".join(letter if letter.isprintable() else "�" for letter in name[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


def listed(words: Sequence[str], most: int = 5) -> str:
    """Return the first of some words with commas between them, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'

    """
    return ", ".join(words[:most]) + (f" and {len(words) - most:,} more" if len(words) > most else "")


def without_controls(text: str) -> str:
    """Return a text without control characters: a name in an untrusted file may hold commands to the terminal."""
    return "".join(
        "�" if unicodedata.category(letter) in ("Cc", "Cf") and letter not in "\n\t" else letter for letter in text
    )


# ---------------------------------------------------------------------- writing


def write_atomically(path: Path, content: bytes | Iterable[bytes | memoryview]) -> None:
    """Replace ``path`` by ``content``, bytes or parts, through a temporary file that is flushed to disk first."""
    temporary = _written_beside(path, content)
    try:
        os.replace(temporary, path)
    except BaseException as error:
        _discard(temporary, path, error)
        raise


def write_together(contents: Iterable[tuple[Path, bytes]]) -> None:
    """Replace several files that belong together: all are written and flushed beside them before an old one goes.

    A reader, or a process that is killed within the last moment, may find a file missing, but never files of both.
    """
    written: dict[Path, Path] = {}
    try:
        for path, content in contents:
            written[path] = _written_beside(path, content)
        for path in written:
            path.unlink(missing_ok=True)
        for path, temporary in written.items():
            os.replace(temporary, path)
    except BaseException as error:
        for path, temporary in written.items():
            _discard(temporary, path, error)
        raise


def _written_beside(path: Path, content: bytes | Iterable[bytes | memoryview]) -> Path:
    """Write and flush a temporary file beside ``path``, and return its path."""
    if not path.name:
        raise OSError(errno.EISDIR, "it is a folder, not a file", str(path))
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(mode := path.stat().st_mode):
            raise OSError(errno.EINVAL, f"it is {_kind(mode)}, not a file", str(path))
    # tempfile's files are readable by their owner alone, but the app may run as another user than the training.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        _discard(temporary, path, error)
        raise
    return temporary


def _discard(temporary: Path, path: Path, error: BaseException) -> None:
    """Remove a temporary file after an error, which then names the file it stood for."""
    with suppress(OSError):
        temporary.unlink(missing_ok=True)
    if isinstance(error, OSError) and error.filename == str(temporary):
        error.filename = str(path)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write into, which takes its name at the end of the block: a reader never sees half.

    A failure or SIGTERM leaves no folder, and a killed process a hidden one. Folders above it are made.
    """
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    with failing_on_sigterm():
        temporary.mkdir(parents=True)
        try:
            yield temporary
            os.rename(temporary, folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder for the block, unless it is there; a failure or SIGTERM removes it again if it is empty."""
    with failing_on_sigterm():
        made = not folder.exists()
        folder.mkdir(exist_ok=True)
        try:
            yield
        except BaseException:
            if made:
                with suppress(OSError):  # another process has written into it
                    folder.rmdir()
            raise


@contextmanager
def failing_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block by ``SystemExit``, so that unfinished files are removed.

    Nothing changes outside the main thread, where Python sets no handler, or if the program has a handler of its own.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # a shell's exit code
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove temporary files of killed :func:`write_atomically` calls in a folder: those of ``name``, or all."""
    for leftover in folder.glob(f".{'*' if name is None else glob.escape(name)}.{'[0-9a-f]' * 8}"):
        leftover.unlink(missing_ok=True)
