"""Files are read up to a bound, and replaced whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eiwflow import files


def sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(64 * 2**30)


@pytest.mark.parametrize("make", [sparse, Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_within_its_bound_is_refused_at_once(tmp_path, make):
    make(path := tmp_path / "entry")
    with pytest.raises(OSError) as refused:
        files.read_bytes(path, 100)
    assert files.reason(refused.value)


# ---------------------------------------------------------------------- writing


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/null")])
def test_what_is_no_file_is_never_replaced(tmp_path, make):
    make(path := tmp_path / "entry")
    before = path.lstat()
    with pytest.raises(OSError, match="it is not a file") as refused:
        files.write_atomically(path, b"x")
    assert refused.value.filename == str(path)
    assert path.lstat().st_ino == before.st_ino and [*tmp_path.iterdir()] == [path]


def test_an_error_of_writing_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(OSError) as refused:
        files.write_atomically(tmp_path / "nowhere" / "file", b"x")
    assert refused.value.filename == str(tmp_path / "nowhere" / "file")
