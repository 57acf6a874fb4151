"""What the command line reports of a study: the numbers that the page Compare shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..analysis.words.numbers import counted, fixed, signed
from . import words
from .answer import answer, control
from .arms import arm_table
from .file import Study
from .statistics import comparisons, factorial


def report(study: Study, subject: str | None = None) -> dict[str, Any]:
    """Return every number that the page Compare shows of a study, by default of its adaptive arm.

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
            {"prior": prior, "answer": found.word, "sentence": found.in_words()}
            for prior, found in answers.items()
            if found is not None
        ],
        "control": words.control(effects) if (effects := control(study)) else None,
        "looks": list(study.looks),
        "comparisons": compared.table(),
        "factorial": [row for prior in study.priors for row in factorial(study, prior).table()],
        "arms": arm_table(study),
        "step_cost": study.step_cost,
    }


def report_in_words(result: Mapping[str, Any]) -> str:
    """Return a report as text."""
    lines = [f"With the {found['prior']} prior. {found['sentence']}" for found in result["answers"]]
    lines += [*([result["control"]] if result["control"] else []), ""]
    lines += [
        f"{signed(row['difference_bits_per_dim'], 4)}  {_interval(row)}  "
        f"{row['claim']:13}  {row['contrast']}{' (' + row['prior'] + ')' if 'prior' in row else ''}"
        for row in [*result["comparisons"], *result["factorial"]]
    ]
    lines += ["", *(
        f"{fixed(row['bits_per_dim'], 4)}{_scatter(row['sd_over_seeds'])}  {counted(row['seeds'], 'seed')}  "
        f"{row['parameters']:,} parameters  {row['iterations']} steps in {row['cpu_s']:.1f} CPU-s  {row['arm']}"
        for row in result["arms"]
    )]  # fmt: skip
    return "\n".join(lines)


def _interval(row: Mapping[str, Any]) -> str:
    if row["low"] != row["low"]:
        return "no interval: 1 seed"
    return (
        f"[{signed(row['low'], 4)}, {signed(row['high'], 4)}] over {row['interval_over']}  p {row['p_corrected']:.2g}"
    )


def _scatter(value: float) -> str:
    return "" if value != value else f" ± {value:.4f}"
