"""Homework: questions whose links open the lesson, and answers from its pack."""

from __future__ import annotations

from pathlib import Path

from eiwflow.cli import main
from eiwflow.lesson import default, homework
from eiwflow.lesson.pack import opened


def test_the_questions_are_those_of_the_lesson() -> None:
    head, _ = opened(default.pack())
    assert [one["query"] for one in head["homework"]] == [one.query for one in homework.QUESTIONS]


def test_a_checkpoint_has_no_homework(tmp_path: Path) -> None:
    assert main(["lesson", "faces16-glow", "--homework", str(tmp_path / "h.html")]) != 0
