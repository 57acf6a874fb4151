"""Only regular files, only up to a bound, and without waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eiwflow import files


def sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(64 * 2**30)


@pytest.mark.parametrize(
    "make", [sparse, Path.mkdir, lambda path: path.symlink_to("nowhere"), lambda path: path.symlink_to(path.name)]
)
def test_what_is_no_file_within_its_bound_is_refused_at_once(tmp_path, make):
    make(path := tmp_path / "entry")
    with pytest.raises(OSError) as refused:
        files.read_bytes(path, 100)
    assert files.reason(refused.value) == files.complaint(path, 100) != ""
    with pytest.raises(OSError):
        files.read_json(path, 100)


def test_a_file_within_its_bound_is_read_also_by_a_link(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 100)
    (tmp_path / "link").symlink_to("file")
    assert files.read_bytes(tmp_path / "link", 100) == b"x" * 100
    assert files.read_start(tmp_path / "file", 3) == b"xxx"
    assert files.complaint(tmp_path / "file", 100) == files.complaint(tmp_path / "not there", 100) == ""
    with pytest.raises(OSError, match="at most 99 are read"):
        files.read_bytes(tmp_path / "file", 99)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b'"\\ud800"', b"NaN" * 2, b"[NaN]", b"-1e999"])
def test_what_is_no_document_is_a_value_error(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError):
        files.read_json(tmp_path / "file")


# ---------------------------------------------------------------------- writing


NO_FILES = {
    "a pipe": (os.mkfifo, "it is a pipe, not a file"),
    "a folder": (Path.mkdir, "it is a folder, not a file"),
    "a device": (lambda path: path.symlink_to("/dev/null"), "it is a device, not a file"),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_never_replaced(tmp_path, kind):
    make, reason = NO_FILES[kind]
    path = tmp_path / "entry"
    make(path)
    before = path.lstat()
    with pytest.raises(OSError, match=reason) as refused:
        files.write_atomically(path, b"x")
    assert refused.value.filename == str(path)
    assert path.lstat().st_ino == before.st_ino and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("path", ["/", ".", ""])
def test_a_path_without_a_name_is_a_folder(path):
    with pytest.raises(OSError, match="it is a folder"):
        files.write_atomically(Path(path), b"x")


def test_an_error_of_writing_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(OSError) as refused:
        files.write_atomically(tmp_path / "nowhere" / "file", b"x")
    assert refused.value.filename == str(tmp_path / "nowhere" / "file")


def test_files_that_belong_together_are_replaced_together(tmp_path, monkeypatch):
    paths = [tmp_path / name for name in "abc"]
    files.write_together((path, b"old") for path in paths)
    assert [path.read_bytes() for path in paths] == [b"old"] * 3

    def stopped():
        yield paths[0], b"new"
        assert paths[0].read_bytes() == b"old"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_together(stopped())
    assert [path.read_bytes() for path in paths] == [b"old"] * 3 and len([*tmp_path.iterdir()]) == 3
    seen, replace = [], os.replace

    def look_and_replace(source, path):
        replace(source, path)
        seen.append({path.read_bytes() for path in paths if path.exists()})

    monkeypatch.setattr(files.os, "replace", look_and_replace)
    files.write_together((path, b"new") for path in paths)
    assert seen == [{b"new"}] * 3  # wherever the process ends, the folder never holds files of both


def test_a_file_that_cannot_be_replaced_leaves_the_others_as_they_were(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").mkdir()
    with pytest.raises(OSError, match="it is a folder, not a file"):
        files.write_together([(tmp_path / "a", b"new"), (tmp_path / "b", b"new")])
    assert (tmp_path / "a").read_bytes() == b"old" and {path.name for path in tmp_path.iterdir()} == {"a", "b"}


@pytest.mark.parametrize("block", ["new_folder(Path('a'))", "made_folder(Path('a'))", "failing_on_sigterm()"])
def test_sigterm_leaves_nothing_unfinished(tmp_path, block):
    program = f"""
import os, signal, time
from pathlib import Path
from eiwflow.files import failing_on_sigterm, made_folder, new_folder, write_atomically

def parts():
    yield b"half"
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)

with {block} as folder:
    write_atomically((folder or Path(".")) / "b", parts())
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False, timeout=30)
    assert ended.returncode == 128 + signal.SIGTERM
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("thread", [False, True])
def test_a_folder_that_is_made_for_a_failure_is_removed_and_one_that_was_there_stays(tmp_path, thread):
    def fail(folder):
        with pytest.raises(KeyboardInterrupt), files.made_folder(folder):
            raise KeyboardInterrupt

    (tmp_path / "old").mkdir()
    for name in ("old", "new"):
        if thread:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(fail, tmp_path / name).result()
        else:
            fail(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
