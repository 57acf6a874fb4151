"""Reports of studies for the command line, with the numbers of the page Compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..analysis.words.numbers import counted, fixed, signed
from . import words
from .answer import answer, control, usual_prior
from .arms import arm_table
from .claim import NAMES, OF_THE_LAST, claim, start_by_half
from .file import Study
from .ladder import QUESTIONS, counts, ladder, ladders
from .statistics import SHOWN, Comparisons, comparisons, factorial


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
        "start_by_half": None
        if (table := start_by_half(study)) is None
        else table.to_dict() | {"table": table.table()},
        "limits": words.limits(study),
        "control": words.control(effects) if (effects := control(study)) else None,
        "comparisons": compared.table(),
        "factorial": [row for prior in study.priors for row in factorial(study, prior).table()],
        "once": _once(study, compared),
        "unit": study.unit,
        "arms": arm_table(study),
        "step_cost": study.step_cost,
    }


def report_in_words(result: Mapping[str, Any]) -> str:
    """Return a report as text for a terminal, an arm or comparison a line."""
    several = len({entry["prior"] for entry in result["answers"]}) > 1
    lines = [
        f"With the {entry['prior']} prior. {entry['sentence']}" if several else entry["sentence"]
        for entry in result["answers"]
    ]
    lines += result["limits"]
    lines += [
        *([result["control"]] if result["control"] else []),
        "",
        words.LEAD,
        *_table_in_words(result["start_by_half"]),
    ]
    lines += _ladder_in_words(result["ladder"])
    lines += ["", "Every other comparison", *(_comparison(row) for row in result["once"])] if result["once"] else []
    lines += ["", f"Arms: bits/dim ± standard deviation over seeds, parameters, steps, {result['unit']} seconds a step"]
    lines += [
        f"{fixed(row['bits_per_dim'], 3)}{_scatter(row['sd_over_seeds'])}  {counted(row['seeds'], 'seed')}  "
        f"{_number(row['parameters'])} parameters  {row['iterations']} steps  {row['cpu_s_per_step']:.3f} s  "
        f"{row['arm']}"
        for row in result["arms"]
    ]
    return "\n".join(lines)


def _once(study: Study, compared: Comparisons) -> list[dict[str, Any]]:
    """Return the comparisons that no ladder has, each pair of arms once."""
    made = ladder(study, usual_prior(study))
    steps = [effect for rung in made.rungs for effect in (rung.saved, rung.step) if effect is not None]
    known = {frozenset(effect.arms) for effect in (*steps, *made.answers.values())}
    rows = []
    parts = [(prior, effect) for prior in study.priors for effect in factorial(study, prior).effects]
    for prior, effect in (*(("", effect) for effect in compared.effects), *parts):
        if frozenset(effect.arms) not in known:
            known.add(frozenset(effect.arms))
            rows.append(effect.row() | ({"prior": prior} if prior and len(study.priors) > 1 else {}))
    return rows


def _table_in_words(table: Mapping[str, Any] | None) -> list[str]:
    """Return the lines of a table of start by half."""
    if table is None:
        return []
    rows = [[*row.values()] for row in table["table"]]
    lines = [[*table["table"][0]], *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    head = "Start × half: bits/dim saved over Glow's half from random rotations, with 95 % intervals, not corrected"
    effects = [f"{_lead(row)}  {SHOWN[row['claim']]:9}  {NAMES[name]}" for name, row in table["effects"].items()]
    cells = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return ["", head, *cells, OF_THE_LAST, "", "Written down beforehand, corrected together", *effects]


def summary(studies: Iterable[Study]) -> dict[str, Any]:
    """Return the summary of several studies: every question with its count, and the ladder of each study."""
    studies = list(studies)
    return {
        "claim": claim(studies).to_dict(),
        "questions": {key: count.to_dict() for key, count in counts(studies).items()},
        "ladders": [made.to_dict() | {"study": title} for title, made in ladders(studies).items()],
    }


def summary_in_words(result: Mapping[str, Any]) -> str:
    """Return a summary as text for a terminal."""
    lines = [result["claim"]["headline"], *result["claim"]["details"], ""]
    lines += [question["sentence"] for question in result["questions"].values()]
    for entry in result["ladders"]:
        if entry["rungs"]:
            lines += ["", entry["study"], *_rungs_in_words(entry)]
    return "\n".join(lines)


def _ladder_in_words(entry: Mapping[str, Any]) -> list[str]:
    """Return the lines of a ladder: its rungs from below, then its questions."""
    rungs = ["", "The ladder, from below: bits/dim that each rung saves over the rung below", *_rungs_in_words(entry)]
    answers = [
        f"{_lead(row)}  {SHOWN[row['claim']]:9}  {QUESTIONS[key].ours} over {QUESTIONS[key].theirs}"
        for key, row in entry["answers"].items()
    ]
    return (rungs if entry["rungs"] else []) + (["", "Leads", *answers] if answers else [])


def _rungs_in_words(entry: Mapping[str, Any]) -> list[str]:
    return [
        f"{_lead(rung['step'])}  {SHOWN[rung['step']['claim']]:9}  {rung['name']}"
        if rung["step"]
        else f"0  {rung['name']}"
        for rung in entry["rungs"]
    ]


def _lead(row: Mapping[str, Any]) -> str:
    if row["low"] is None:
        return f"{signed(row['lead'], 3)}  no interval: 1 seed"
    return f"{signed(row['lead'], 3)}  [{signed(row['low'], 3)}, {signed(row['high'], 3)}]"


def _comparison(row: Mapping[str, Any]) -> str:
    """Return the lead of a row with a difference."""
    name, prior = row["contrast"].replace(" − ", " over "), f" ({row['prior']})" if "prior" in row else ""
    return f"{signed(-row['difference_bits_per_dim'], 3)}  {_interval(row)}  {SHOWN[row['claim']]:9}  {name}{prior}"


def _interval(row: Mapping[str, Any]) -> str:
    """Return the interval of the lead of a row with a difference."""
    if row["low"] != row["low"]:
        return "no interval: 1 seed"
    low, high = signed(-row["high"], 3), signed(-row["low"], 3)
    return f"[{low}, {high}] over {row['interval_over']}  p {row['p_corrected']:.2g}"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _scatter(value: float) -> str:
    return "" if value != value else f" ± {value:.3f}"
