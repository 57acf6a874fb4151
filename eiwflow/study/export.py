"""A study's arms, leads and ladder as files for a paper: CSV, a LaTeX table, a figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..analysis.words.numbers import fixed, signed
from ..files import write_atomically
from .answer import usual_prior
from .arms import arm_table
from .file import Study
from .ladder import QUESTIONS, ladder, lead_row
from .statistics import Effect, comparisons, label

#: The columns of the CSV file; a row of an arm leaves those of leads empty, and the other way round.
COLUMNS = (
    "table", "name", "over", "lead_bits_per_dim", "low", "high", "p_corrected", "claim", "seeds", "bits_per_dim",
    "sd_over_seeds", "parameters", "iterations", "seconds_per_step",
)  # fmt: skip


def leads(study: Study, subject: str | None = None) -> list[tuple[str, str, str, Effect]]:
    """Return (table, first, second, effect): the subject against every other arm, the ladder's rungs, its questions."""
    compared = comparisons(study, subject)
    rows = []
    for effect in compared.effects:
        first, second = effect.name.rpartition(",")[0].split(" − ")
        rows.append(("comparison", first, second, effect))
    made = ladder(study, usual_prior(study))
    below = ""
    for rung in made.rungs:
        if rung.step is not None:
            rows.append(("ladder", rung.name, below, rung.step))
        below = rung.name
    rows += [("question", QUESTIONS[key].ours, QUESTIONS[key].theirs, effect) for key, effect in made.answers.items()]
    return rows


def as_csv(study: Study, subject: str | None = None) -> str:
    """Return arms, comparisons, ladder and questions as CSV; a lead above 0 says that the first needs fewer bits."""
    rows: list[dict[str, Any]] = [
        {
            "table": "arm", "name": row["arm"], "seeds": row["seeds"], "bits_per_dim": fixed(row["bits_per_dim"], 4),
            "sd_over_seeds": "" if row["sd_over_seeds"] != row["sd_over_seeds"] else fixed(row["sd_over_seeds"], 4),
            "parameters": row["parameters"], "iterations": row["iterations"],
            "seconds_per_step": fixed(row["cpu_s_per_step"], 4),
        }
        for row in arm_table(study)
    ]  # fmt: skip
    for table, first, second, effect in leads(study, subject):
        figures = lead_row(effect) or {}
        p = "" if effect.p_corrected != effect.p_corrected else f"{effect.p_corrected:.3g}"
        rows.append(
            {"table": table, "name": first, "over": second, "lead_bits_per_dim": figures["lead"], "p_corrected": p}
            | {name: figures[name] for name in ("low", "high", "claim", "seeds")}
        )
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_latex(study: Study, subject: str | None = None) -> str:
    r"""Return two booktabs tables, of the arms and of the subject's leads; needs ``\usepackage{booktabs}``."""
    names = {arm.text: label(study, arm) for arm in study.arms}
    arms = [
        (
            names[row["arm"]],
            f"${fixed(row['bits_per_dim'], 3)}$" + _scatter(row["sd_over_seeds"]),
            str(row["parameters"]),
            fixed(row["cpu_s_per_step"], 3),
        )
        for row in arm_table(study)
    ]
    title = f"{study.title}. Mean and standard deviation over seeds."
    lines = [f"% {_tex(study.title)}", *_tabular("lrrr", ("arm", "bits/dim", "parameters", "s/step"), arms, title)]
    compared = [
        (f"{first} over {second}", f"${_minus(signed(effect.lead, 3))}$", _interval(effect), effect.shown)
        for _, first, second, effect in leads(study, subject)[: len(comparisons(study, subject).effects)]
    ]
    if compared:
        caption = "Leads in bits/dim, paired by seed, with 95 % intervals; claims after Holm's correction."
        lines += ["", *_tabular("lrrl", ("comparison", "lead", "interval", "claim"), compared, caption)]
    return "\n".join([*lines, ""])


def _tabular(columns: str, head: Iterable[str], rows: Iterable[Iterable[str]], caption: str) -> list[str]:
    body = [" & ".join(cell if cell.startswith("$") else _tex(cell) for cell in row) + r" \\" for row in rows]
    return [
        r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{columns}}}", r"\toprule",
        " & ".join(head) + r" \\", r"\midrule", *body, r"\bottomrule", r"\end{tabular}",
        rf"\caption{{{_tex(caption)}}}", r"\end{table}",
    ]  # fmt: skip


def _tex(text: str) -> str:
    """Return text with the characters that LaTeX reads otherwise written out."""
    special = {
        "\\": r"\textbackslash{}",
        "−": "$-$",
        "×": r"$\times$",
        "¼": "1/4",
        "¾": "3/4",
        "~": r"\textasciitilde{}",
    }
    special |= {character: f"\\{character}" for character in "&%$#_{}"} | {"^": r"\textasciicircum{}"}
    return "".join(special.get(character, character) for character in text)


def _minus(text: str) -> str:
    return text.replace("−", "-")


def _scatter(value: float) -> str:
    return "" if value != value else rf" $\pm$ ${fixed(value, 3)}$"


def _interval(effect: Effect) -> str:
    low, high = effect.lead_interval
    return "one seed" if low != low else f"$[{_minus(signed(low, 3))}, {_minus(signed(high, 3))}]$"


def write(path: Path, content: str | bytes) -> None:
    """Write a file.

    Raises:
        OSError: it cannot be written.

    """
    write_atomically(path, content if isinstance(content, bytes) else content.encode())
