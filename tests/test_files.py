"""Files are replaced whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eiwflow import files


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
