"""Homework: questions whose links open the lesson, and answers from its pack."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from eiwflow.cli import main
from eiwflow.lesson import default, homework
from eiwflow.lesson.pack import opened


def test_the_page_asks_with_links_and_answers_on_a_sheet_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "homework.html"
    assert main(["lesson", "--homework", str(out), "--app", "https://example.org/lesson"]) == 0
    assert f"{len(homework.QUESTIONS)} questions" in capsys.readouterr().out
    page, (head, _) = out.read_text(encoding="utf-8"), opened(default.pack())
    links = [part.split('"')[0].replace("&amp;", "&") for part in page.split('href="')[1:]]
    assert all(link.startswith("https://example.org/lesson?") for link in links)
    asked = [{key: value for key, (value,) in parse_qs(urlsplit(link).query).items()} for link in links]
    assert asked == [one["query"] for one in head["homework"]] == [one.query for one in homework.QUESTIONS]
    questions, sheet = page.split("Answer sheet")
    for question in homework.QUESTIONS:
        first = re.escape(question.answer(head).split(".")[0])
        assert re.search(first.replace("'", "(?:'|&#x27;)"), sheet) and not re.search(first, questions)


def test_answers_are_of_the_flow_in_the_pack() -> None:
    head, _ = opened(default.pack())
    answers = [question.answer(head) for question in homework.QUESTIONS]
    bits = head["images"][0]["bits"]
    assert any(f"{bits:.2f} × 768 / 8 = {bits * 96:.0f} bytes" in answer for answer in answers)
    assert any(f"median rank {head['flow']['usual']['median']} of 924" in answer for answer in answers)


def test_a_checkpoint_has_no_homework(tmp_path: Path) -> None:
    assert main(["lesson", "faces16-glow", "--homework", str(tmp_path / "h.html")]) != 0
