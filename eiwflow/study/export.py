"""A study's arms and leads as files for a paper: CSV and LaTeX tables."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from typing import Any

from ..analysis.words.numbers import fixed, signed
from .arms import arm_table
from .claim import start_by_half
from .file import Study
from .report import leads
from .statistics import Effect, label

#: The columns of the CSV file; a row of an arm leaves those of leads empty, and the other way round.
COLUMNS = (
    "table", "name", "over", "prior", "lead_bits_per_dim", "low", "high", "p_corrected", "correlation", "claim",
    "seeds", "bits_per_dim", "sd_over_seeds", "parameters", "iterations", "seconds_per_step",
)  # fmt: skip


def as_csv(study: Study, subject: str | None = None) -> str:
    """Return arms, the table of start and half, and every comparison once, as CSV; leads are bits/dim saved."""
    rows: list[dict[str, Any]] = [
        {
            "table": "arm", "name": row["arm"], "seeds": row["seeds"], "bits_per_dim": fixed(row["bits_per_dim"], 4),
            "sd_over_seeds": "" if row["sd_over_seeds"] is None else fixed(row["sd_over_seeds"], 4),
            "parameters": row["parameters"], "iterations": row["iterations"],
            "seconds_per_step": fixed(row["cpu_s_per_step"], 4),
        }
        for row in arm_table(study)
    ]  # fmt: skip
    cells = table.cells.values() if (table := start_by_half(study)) else ()
    rows += [_cells("cell", cell) | {"claim": ""} for cell in cells if cell is not None]
    rows += [_cells(group, lead) for group, of_group in leads(study, subject).items() for lead in of_group]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _cells(table: str, lead: Effect) -> dict[str, Any]:
    """Return a lead as cells of the CSV file."""
    row = {name: round(cell, 5) if isinstance(cell, float) else cell for name, cell in lead.row().items()}
    row |= {"table": table, "name": lead.first, "over": lead.second, "prior": next(iter(lead.arms)).prior}
    return {name: row[name] for name in COLUMNS if name in row} | {"lead_bits_per_dim": row["lead"]}


def as_latex(study: Study, subject: str | None = None) -> str:
    r"""Return two booktabs tables, of the arms and of the leads; needs ``\usepackage{booktabs}``."""
    names = {arm.text: label(study, arm) for arm in study.arms}
    arms = [
        (
            names[row["arm"]],
            f"${fixed(row['bits_per_dim'], 3)}$"
            + ("" if (scatter := row["sd_over_seeds"]) is None else rf" $\pm$ ${fixed(scatter, 3)}$"),
            str(row["parameters"]),
            fixed(row["cpu_s_per_step"], 3),
        )
        for row in arm_table(study)
    ]
    title = f"{study.title}. Mean and standard deviation over seeds."
    lines = [f"% {_tex(study.title)}", *_tabular("lrrr", ("arm", "bits/dim", "parameters", "s/step"), arms, title)]
    compared = [
        (lead.name, f"${_minus(signed(lead.lead, 3))}$", _interval(lead), lead.claim)
        for of_group in leads(study, subject).values()
        for lead in of_group
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


_TEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"−": "$-$", "×": r"$\times$", "½": "1/2", "¼": "1/4", "¾": "3/4"}
)


def _tex(text: str) -> str:
    """Return text with the characters that LaTeX reads otherwise written out."""
    return text.translate(_TEX)


def _minus(text: str) -> str:
    return text.replace("−", "-")


def _interval(lead: Effect) -> str:
    return "one seed" if math.isnan(lead.low) else f"$[{_minus(signed(lead.low, 3))}, {_minus(signed(lead.high, 3))}]$"
