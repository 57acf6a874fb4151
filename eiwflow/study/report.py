"""Every comparison of a study once, in the groups that are corrected together, and reports for the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..analysis.words.numbers import counted, fixed, signed
from . import words
from .answer import answer, control, usual_prior
from .arms import arm_table
from .claim import OF_THE_LAST, claim, start_by_half
from .file import Study
from .ladder import counts, ladder, ladders
from .statistics import Effect, comparisons, factorial, subject_of

#: Group of comparisons -> its heading.
GROUPS = {
    "claim": "Written down before the runs",
    "ladder": "The ladder, from below: each rung over the one below",
    "question": "Leads",
    "comparison": "One arm over every other",
    "choice": "What each choice adds, on average",
}


def leads(study: Study, subject: str | None = None) -> dict[str, list[Effect]]:
    """Return group -> leads. A comparison that several groups have stands in the first, with that group's correction.

    Args:
        study: with at least one run.
        subject: the arm of the group ``comparison``; by default the adaptive one.

    Raises:
        StudyError: the study has no run, or none of the subject.
        ConfigError: the subject is no arm.

    """
    compared = comparisons(study, subject)
    table, made = start_by_half(study), ladder(study, usual_prior(study))
    found: dict[str, Iterable[Effect]] = {
        "claim": table.effects.values() if table else (),
        "ladder": made.steps,
        "question": made.answers.values(),
        "comparison": compared,
        "choice": [effect for prior in study.priors for effect in factorial(study, prior)],
    }
    seen: set[object] = set()
    groups: dict[str, list[Effect]] = {}
    for group, effects in found.items():
        for effect in effects:
            what = frozenset((arm, round(abs(weight), 9)) for arm, weight in effect.arms.items())
            if what not in seen:
                groups.setdefault(group, []).append(effect)
            seen.add(what)
    return groups


def report(study: Study, subject: str | None = None) -> dict[str, Any]:
    """Return the numbers of a study on the page Compare, by default of its adaptive arm.

    Raises:
        StudyError: the study has no run, or none of the subject.
        ConfigError: the subject is no arm.

    """
    chosen, table = subject_of(study, subject), start_by_half(study)
    verdicts = {prior: answer(study, chosen, prior) for prior in study.priors}
    known = ladder(study, usual_prior(study)).answers
    opening = [known["data"], *(table.effects[key] for key in ("start", "half", "measure"))] if table else []
    return {
        "study": study.name,
        "title": study.title,
        "subject": chosen,
        "claim": [lead.in_words() for lead in opening],
        "answers": [
            {"prior": prior, "answer": verdict.word, "sentence": verdict.in_words()}
            for prior, verdict in verdicts.items()
            if verdict is not None
        ],
        "limits": words.limits(study),
        "control": words.control(effects) if (effects := control(study)) else None,
        "start_by_half": table.table() if table else None,
        "leads": {group: [_row(study, lead) for lead in of_group] for group, of_group in leads(study, chosen).items()},
        "unit": study.unit,
        "arms": arm_table(study),
        "step_cost": study.step_cost,
    }


def _row(study: Study, lead: Effect) -> dict[str, Any]:
    """Return a lead as a row, with its prior where the study has several."""
    priors = dict.fromkeys(arm.prior for arm in lead.arms)
    return lead.row() | ({"prior": " and ".join(priors)} if len(study.priors) > 1 else {})


def report_in_words(result: Mapping[str, Any]) -> str:
    """Return a report as text for a terminal, an arm or comparison a line."""
    several = len(result["answers"]) > 1
    lines = [
        *result["claim"],
        *(f"With the {row['prior']} prior. " * several + row["sentence"] for row in result["answers"]),
        *result["limits"],
        *([result["control"]] if result["control"] else []),
        words.LEAD,
        f"{words.CORRECTED} A comparison of several groups stands in the first.",
    ]  # fmt: skip
    if result["start_by_half"]:
        lines += ["", *_table(result["start_by_half"])]
    for group, rows in result["leads"].items():
        lines += ["", GROUPS[group], *map(_line, rows)]
    lines += ["", f"Arms: bits/dim ± standard deviation over seeds, parameters, steps, {result['unit']} seconds a step"]
    return "\n".join([*lines, *map(_arm, result["arms"])])


def _table(table: list[dict[str, str]]) -> list[str]:
    """Return the lines of the table of start and half."""
    lines = [[*table[0]], *([*row.values()] for row in table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head = "Start × half: bits/dim saved over Glow's half from a random start, with 95 % intervals, not corrected"
    cells = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return [head, *cells, OF_THE_LAST]


def _line(row: Mapping[str, Any]) -> str:
    """Return a lead with its interval, its corrected p and its claim."""
    prior = f" ({row['prior']})" if "prior" in row else ""
    if row["low"] is None:
        return f"{signed(row['lead'], 3)}  1 seed  {row['claim']:9}  {row['comparison']}{prior}"
    p = f"{row['p_corrected']:.3f}" if row["p_corrected"] >= 0.001 else "<0.001"
    interval = f"[{signed(row['low'], 3)}, {signed(row['high'], 3)}]  p {p:6}"
    return f"{signed(row['lead'], 3)}  {interval}  {row['claim']:9}  {row['comparison']}{prior}"


def _arm(row: Mapping[str, Any]) -> str:
    spread = "" if row["sd_over_seeds"] is None else f" ± {row['sd_over_seeds']:.3f}"
    parameters = row["parameters"] if isinstance(row["parameters"], str) else f"{row['parameters']:,}"
    return (
        f"{fixed(row['bits_per_dim'], 3)}{spread}  {counted(row['seeds'], 'seed')}  {parameters} parameters  "
        f"{row['iterations']} steps  {row['cpu_s_per_step']:.3f} s  {row['arm']}"
    )


def summary(studies: Iterable[Study]) -> dict[str, Any]:
    """Return the summary of several studies: the claim, every question with its count, and the ladder of each study."""
    studies = list(studies)
    made = claim(studies)
    return {
        "claim": {"headline": made.headline(), "details": made.details()},
        "questions": {key: count.to_dict() for key, count in counts(studies).items()},
        "ladders": {title: [step.row() for step in of.steps] for title, of in ladders(studies).items() if of.rungs},
    }


def summary_in_words(result: Mapping[str, Any]) -> str:
    """Return a summary as text for a terminal."""
    lines = [result["claim"]["headline"], words.OWN_WEIGHTS, *result["claim"]["details"], ""]
    lines += [question["sentence"] for question in result["questions"].values()]
    for title, rows in result["ladders"].items():
        lines += ["", title, *map(_line, rows)]
    return "\n".join(lines)
