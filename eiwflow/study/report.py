"""Reports of studies for the command line, with the numbers of the page Compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..analysis.words.numbers import counted, fixed, signed
from . import words
from .answer import answer, control, usual_prior
from .arms import arm_table
from .file import Study
from .ladder import QUESTIONS, counts, ladder, ladders
from .statistics import comparisons, factorial


def report(study: Study, subject: str | None = None) -> dict[str, Any]:
    """Return the numbers of a study on the page Compare, by default of its adaptive arm.

    Raises:
        StudyError: the study has no run, or none of the subject.
        ConfigError: the subject is no arm.

    """
    compared = comparisons(study, subject)
    answers = {prior: answer(study, compared.subject, prior) for prior in study.priors}
    return {
        "study": study.name,
        "title": study.title,
        "subject": compared.subject,
        "answers": [
            {"prior": prior, "answer": verdict.word, "sentence": verdict.in_words()}
            for prior, verdict in answers.items()
            if verdict is not None
        ],
        "ladder": ladder(study, usual_prior(study)).to_dict(),
        "control": words.control(effects) if (effects := control(study)) else None,
        "comparisons": compared.table(),
        "factorial": [row for prior in study.priors for row in factorial(study, prior).table()],
        "arms": arm_table(study),
        "step_cost": study.step_cost,
    }


def report_in_words(result: Mapping[str, Any]) -> str:
    """Return a report as text for a terminal, an arm or comparison a line."""
    lines = [f"With the {entry['prior']} prior. {entry['sentence']}" for entry in result["answers"]]
    lines += [*([result["control"]] if result["control"] else []), "", words.LEAD, *_ladder_in_words(result["ladder"])]
    lines += ["", "Every comparison"]
    lines += [_comparison(row) for row in [*result["comparisons"], *result["factorial"]]]
    lines += ["", *(
        f"{fixed(row['bits_per_dim'], 4)}{_scatter(row['sd_over_seeds'])}  {counted(row['seeds'], 'seed')}  "
        f"{_number(row['parameters'])} parameters  {row['iterations']} steps in {row['cpu_s']:.1f} CPU-s  {row['arm']}"
        for row in result["arms"]
    )]  # fmt: skip
    return "\n".join(lines)


def summary(studies: Iterable[Study]) -> dict[str, Any]:
    """Return the summary of several studies: every question with its count, and the ladder of each study."""
    studies = list(studies)
    return {
        "questions": {key: count.to_dict() for key, count in counts(studies).items()},
        "ladders": [made.to_dict() | {"study": title} for title, made in ladders(studies).items()],
    }


def summary_in_words(result: Mapping[str, Any]) -> str:
    """Return a summary as text for a terminal."""
    lines = [question["sentence"] for question in result["questions"].values()]
    for entry in result["ladders"]:
        if entry["rungs"]:
            lines += ["", entry["study"], *_rungs_in_words(entry)]
    return "\n".join(lines)


def _ladder_in_words(entry: Mapping[str, Any]) -> list[str]:
    """Return the lines of a ladder: its rungs from below, then its questions."""
    rungs = ["", "The ladder, from below: bits/dim that each rung saves over the rung below", *_rungs_in_words(entry)]
    answers = [
        f"{_lead(row)}  {row['claim']:13}  {QUESTIONS[key].ours} over {QUESTIONS[key].theirs}"
        for key, row in entry["answers"].items()
    ]
    return (rungs if entry["rungs"] else []) + (["", "Leads", *answers] if answers else [])


def _rungs_in_words(entry: Mapping[str, Any]) -> list[str]:
    return [
        f"{_lead(rung['step'])}  {rung['step']['claim']:13}  {rung['name']}" if rung["step"] else f"0  {rung['name']}"
        for rung in entry["rungs"]
    ]


def _lead(row: Mapping[str, Any]) -> str:
    if row["low"] is None:
        return f"{signed(row['lead'], 4)}  no interval: 1 seed"
    return f"{signed(row['lead'], 4)}  [{signed(row['low'], 4)}, {signed(row['high'], 4)}]"


def _comparison(row: Mapping[str, Any]) -> str:
    """Return the lead of a row with a difference."""
    name, prior = row["contrast"].replace(" − ", " over "), f" ({row['prior']})" if "prior" in row else ""
    return f"{signed(-row['difference_bits_per_dim'], 4)}  {_interval(row)}  {row['claim']:13}  {name}{prior}"


def _interval(row: Mapping[str, Any]) -> str:
    """Return the interval of the lead of a row with a difference."""
    if row["low"] != row["low"]:
        return "no interval: 1 seed"
    low, high = signed(-row["high"], 4), signed(-row["low"], 4)
    return f"[{low}, {high}] over {row['interval_over']}  p {row['p_corrected']:.2g}"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _scatter(value: float) -> str:
    return "" if value != value else f" ± {value:.4f}"
