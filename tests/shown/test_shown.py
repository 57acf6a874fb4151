"""The text of a page sees what it should, and takes for equal what two machines write differently."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from . import shown

EQUAL = {
    "the last digit": ("It needs 3.91 bits.", "It needs 3.92 bits."),
    "a thousandth": ("mean 1234.5", "mean 1235.1"),
    "a rounded share": ("31 % of it, 27 dB", "32 % of it, 28 dB"),
    "the sign of about nothing": ("y [-0.0001, 2.000]", "y [0.0000, 2.000]"),
}
CHANGED = {
    "a count": ("Level 1 of 3", "Level 2 of 3"),
    "two digits": ("It needs 3.91 bits.", "It needs 3.93 bits."),
    "a sign": ("lead 0.04", "lead −0.04"),
    "a word": ("passed on 3", "factored out 3"),
    "a number's place": ("3.10 and 4.20", "4.20 and 3.10"),
    "a digit of a name": ("photos32", "photos33"),
    "a line": ("a", "a\nb"),
    "thousands": ("3,072 values", "3,073 values"),
}


@pytest.mark.parametrize(("old", "new"), EQUAL.values(), ids=EQUAL)
def test_numbers_are_equal_within_what_machines_differ_by(old: str, new: str) -> None:
    assert not shown.different(old, new)


@pytest.mark.parametrize(("old", "new"), CHANGED.values(), ids=CHANGED)
def test_any_other_change_is_seen(old: str, new: str) -> None:
    assert shown.different(old, new)


def test_a_difference_names_the_lines_that_changed_and_few_others() -> None:
    old = [f"row {place} {place / 7:.3f}" for place in range(40)]
    new = [f"row {place} {place / 7 + 0.0004:.3f}" for place in range(40)]
    new[20] = "row 20 9.000"
    lines = shown.different("\n".join(old), "\n".join(new)).splitlines()
    assert [line for line in lines[3:] if line[0] in "-+"] == [f"-{old[20]}", "+row 20 9.000"] and len(lines) < 9


def test_a_difference_leaves_out_lines_that_are_near_each_other() -> None:
    assert shown.different("x 1.51\nx 1.52\nword", "x 1.51\nx 1.52\nother").splitlines()[3:] == [
        " x 1.52",
        "-word",
        "+other",
    ]


@pytest.mark.parametrize("change", [np.flip, lambda array: np.roll(array, 1), lambda array: array + 0.01])
def test_a_long_list_that_changed_is_seen(change) -> None:
    array = np.random.default_rng(0).normal(2, 1, 500)
    assert shown.different(shown.values(array), shown.values(change(array)))
    assert not shown.different(shown.values(array), shown.values(array.astype(np.float32) * (1 + 1e-6)))


def test_dates_folders_and_hashes_are_masked() -> None:
    assert shown.masked(f"python | {platform.python_version()} |") == "python | <version> |"
    text = "2026-01-02 03:04:05 /tmp/a-b/c.d/one.pt 0123456789abcdef flow-0a1b2c3d-seed3.csv 3.7·10⁻⁷ 3.7·10⁻³"
    assert shown.masked(text) == "<date> <folder>/one.pt <hash> flow-<hash>-seed3.csv <tiny> 3.7·10⁻³"


def test_a_file_that_is_not_there_says_how_to_write_it(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(shown, "FOLDER", tmp_path)
    monkeypatch.delenv(shown.REWRITE, raising=False)
    with pytest.raises(pytest.fail.Exception, match=shown.REWRITE):
        shown.approved("page", "text")
    monkeypatch.setenv(shown.REWRITE, "1")
    with pytest.raises(pytest.skip.Exception):
        shown.approved("page", "text 1.25")
    monkeypatch.delenv(shown.REWRITE)
    shown.approved("page", "text 1.26")
    with pytest.raises(pytest.fail.Exception, match=r"(?s)-text 1.25.*\+text 1.35"):
        shown.approved("page", "text 1.35")
