"""List folders, and write so that a reader never sees half a file."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path


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
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


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
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    # tempfile's files are readable by their owner alone, but the app may run as another user than the training.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)
        raise


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write into, which takes its name at the end of the block: a reader never sees half.

    A failure leaves no folder, and a killed process a hidden one. Folders above it are made.
    """
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        os.rename(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove temporary files of killed :func:`write_atomically` calls in a folder: those of ``name``, or all."""
    for leftover in folder.glob(f".{'*' if name is None else glob.escape(name)}.{'[0-9a-f]' * 8}"):
        leftover.unlink(missing_ok=True)
