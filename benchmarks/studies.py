"""Write what the bundled studies say: tables as CSV in research, docs/studies.md, README.md, and its picture.

    python benchmarks/studies.py

The headline between two markers is replaced. Counts, ladders, leads and the claim are those of ``eiwflow.study``, as on
the page Compare. A lead is bits/dim that the first arm needs less: above 0 the first is better.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from eiwflow.analysis.words.numbers import signed
from eiwflow.figures import palette
from eiwflow.study.arms import arm_table
from eiwflow.study.claim import Claim, claim
from eiwflow.study.file import Study, bundled
from eiwflow.study.ladder import QUESTIONS, RUNGS, Count, Ladder, by_set, counts, ladders
from eiwflow.study.recipe import AGAIN, Arm
from eiwflow.study.statistics import Effect, corrected, factorial, label, paired
from eiwflow.study.words import titles

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT, README, PICTURE = ROOT / "docs" / "studies.md", ROOT / "README.md", ROOT / "assets" / "ladder.svg"
RESEARCH = ROOT / "research"
HEADLINE = "<!-- headline: python benchmarks/studies.py -->", "<!-- end of headline -->"
#: What every arm is compared with.
BASE = Arm("entropy")
Row = dict[str, Any]
ENDS = ("lead", "low", "high")


def plain(number: float | None, places: int = 4) -> str:
    """Return a number as programs read it; empty for NaN and None."""
    return "" if number is None or np.isnan(number) else f"{number:.{places}f}"


def lead(effect: Effect | None) -> Row:
    """Return the cells of a lead."""
    if effect is None:
        return {}
    return {
        "lead": plain(effect.lead), "low": plain(effect.low), "high": plain(effect.high), "seeds": len(effect.values),
        "correlation": plain(effect.correlation, 2),
        "claim": effect.claim,
    }  # fmt: skip


def all_rungs(found: Mapping[str, Ladder]) -> Iterator[Row]:
    """Yield the rungs of every ladder, from below: saved over the rung below, and over the lowest."""
    for title, made in found.items():
        for rung in made.rungs:
            saved = {
                f"whole_{name}": value for name, value in lead(rung.saved).items() if name in ("lead", "low", "high")
            }
            yield {"study": title, "rung": rung.name, "arm": rung.arm.text, **lead(rung.step), **saved}


def answers(found: Mapping[str, Ladder]) -> Iterator[Row]:
    """Yield the answer of every question in every study."""
    for key, question in QUESTIONS.items():
        for title, made in found.items():
            if key in made.answers:
                yield {"first": question.ours, "second": question.theirs, "study": title, **lead(made.answers[key])}


def counted(asked: Mapping[str, Count]) -> Iterator[Row]:
    """Yield in how many studies every question has each answer, with its smallest and largest lead."""
    for count in asked.values():
        leads = [one.lead for one in count.leads.values()]
        claims = {claim: count.claimed(claim) for claim in ("ahead", "behind", "not shown")}
        yield {
            "first": count.ours,
            "second": count.theirs,
            **claims,
            "least": plain(min(leads)),
            "most": plain(max(leads)),
        }


def arms(found: Mapping[str, Study]) -> Iterator[Row]:
    """Yield the arms of every study, with the lead over the order by entropy."""
    for title, study in found.items():
        for row in arm_table(study):
            arm = Arm.parse(row["arm"])
            base = next((one for one in study.arms if one.order == "entropy" and one.prior == arm.prior), None)
            base = BASE.under(arm.prior) if BASE.under(arm.prior) in study.arms else base
            over = None if base in (None, arm) else paired(study, arm, base)
            figures = {name: value for name, value in lead(over).items() if name in ENDS}
            yield {
                "study": title, "arm": row["arm"], "seeds": row["seeds"], "bits_per_dim": plain(row["bits_per_dim"]),
                "sd_over_seeds": plain(row["sd_over_seeds"]),
                "parameters": row["parameters"], "iterations": row["iterations"],
                "cpu_ms_a_step": plain(1000 * row["cpu_s_per_step"], 1), "over": base.text if over else "", **figures,
            }  # fmt: skip


def starts(made: Claim) -> Iterator[Row]:
    """Yield the table of start and half in every such study, then the comparisons that were written down."""
    for title, table in made.tables.items():
        for one in filter(None, table.cells.values()):
            yield {"study": title, "first": one.first, "second": one.second, **lead(one), "claim": "not corrected"}
        for one in table.effects.values():
            yield {"study": title, "first": one.first, "second": one.second, **lead(one)}


def hypotheses(found: Mapping[str, Ladder], prior: str = "conditional") -> Iterator[Row]:
    """Yield what the studies say of the hypotheses that no ladder asks.

    Holm's correction is over a study's rows and all differences of its ladder. A difference that the ladder has keeps
    the claim that it has there.
    """
    entropy = BASE.under(prior)
    pairs = {
        "3. Partitions: information over random": (replace(entropy, partition="information"), entropy),
        "A/A control: random over random again": (Arm("random", prior=prior), Arm(AGAIN, prior=prior)),
        "A/A control: random over random again, alternating": (
            Arm("random", partition="alternating", prior=prior), Arm(AGAIN, partition="alternating", prior=prior),
        ),
        "Ladder 6. Entropy weights with Glow's half over Glow's half": (
            Arm("last", "entropy", "random", "alternating", prior=prior),
            Arm("last", "none", "random", "alternating", prior=prior),
        ),
    }  # fmt: skip
    rows = []
    for title, made in found.items():
        study = made.study
        effects = {name: paired(study, *pair) for name, pair in pairs.items()}
        for one in factorial(study, prior):
            if "passed on" in one.name and not one.second:
                effects[f"4. {one.name}, minus that at 0.5"] = one
        if (best := best_two(study, prior)) is not None:
            ours, theirs = best
            effects[f"5. Goal: {label(study, ours)} over {label(study, theirs)}"] = paired(study, ours, theirs)
        of_ladder = differences(made)
        new = {name: one for name, one in effects.items() if one and tuple(one.arms.items()) not in of_ladder}
        together = dict(zip([*new, *of_ladder], corrected([*new.values(), *of_ladder.values()]), strict=True))
        for name, one in effects.items():
            if one is not None:
                stated = of_ladder.get(tuple(one.arms.items())) or together[name]
                rows.append({"question": name, "study": title, **lead(stated)})
    yield from sorted(rows, key=lambda row: (row["question"], row["study"]))


def differences(made: Ladder) -> dict[object, Effect]:
    """Return the differences of a ladder by their arms, each pair of arms once."""
    steps = [one for rung in made.rungs for one in (rung.saved, rung.step) if one is not None]
    return {tuple(one.arms.items()): one for one in (*steps, *made.answers.values())}


def best_two(study: Study, prior: str) -> tuple[Arm, Arm] | None:
    """Return the best arm that looks at entropy and the best that does not, or None without two seeds in common.

    Arms with fewer than three seeds are left out where others have as many: none is the best by a lucky seed.
    """
    arms = [arm for arm in study.arms if arm.prior == prior and arm.order != AGAIN]
    most = max((len(study.of(arm)) for arm in arms), default=0)
    arms = [arm for arm in arms if len(study.of(arm)) >= min(3, most)]
    seeds = study.seeds(arms)
    means = {arm: np.mean([study.runs[arm, seed].bits_per_dim for seed in seeds]) for arm in arms if len(seeds) > 1}
    informed = [arm for arm in means if arm.looks_at_entropy]
    others = [arm for arm in means if not arm.looks_at_entropy]
    if not informed or not others:
        return None
    return min(informed, key=means.__getitem__), min(others, key=means.__getitem__)


# ---------------------------------------------------------------------- the picture of README

_LEFT, _PANEL, _GAP, _ROW, _TOP, _BELOW = 216, 236, 24, 38, 44, 40
_COLOURS = {"ahead": palette.ARMS[0], "behind": palette.ARMS[3], "not shown": palette.ARMS[4]}


def picture(shown: Mapping[str, Ladder]) -> str:
    """Return ladders side by side as an SVG: a bar is what a rung saves over the one below, a line its interval."""
    present = {name: {rung.name: rung for rung in made.rungs} for name, made in shown.items()}
    names = [name for name, _, _ in RUNGS if any(name in rungs for rungs in present.values())]
    ends = [0.0] + [
        end + rung.saved.lead - rung.step.lead
        for rungs in present.values() for rung in rungs.values() if rung.step and rung.saved
        for end in (rung.step.low, rung.step.high)
    ]  # fmt: skip
    low, high = min(ends), max(ends)
    width = _LEFT + len(shown) * (_PANEL + _GAP)
    height = _TOP + _ROW * len(names) + _BELOW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="Source Sans 3, Segoe UI, Helvetica, Arial, sans-serif" font-size="15" role="img">',
        f"<title>{escape('Bits per dimension saved over Glow’s half, rung by rung, on ' + ', '.join(shown))}</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#FFFFFF"/>',
    ]

    def put(x: float, y: float, text: str, anchor: str = "middle", more: str = "") -> None:
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222222"{more}>{escape(text)}</text>')

    rows = {name: _TOP + _ROW * (len(names) - 1 - place) for place, name in enumerate(names)}
    for name, top in rows.items():
        put(_LEFT - 14, top + _ROW / 2 + 5, name.replace("'", "’"), "end")
    for number, (set_name, rungs) in enumerate(present.items()):
        left = _LEFT + number * (_PANEL + _GAP)

        def x(value: float, left: float = left) -> float:
            return left + 8 + (_PANEL - 66) * (value - low) / ((high - low) or 1)

        put(left + _PANEL / 2, 26, set_name, more=' font-weight="bold"')
        bottom = _TOP + _ROW * len(names)
        parts.append(f'<path d="M{x(0):.1f} {_TOP}V{bottom}" stroke="#8C8C8C" stroke-width="1.5"/>')
        for name, rung in rungs.items():
            top = rows[name]
            if rung.step is None or rung.saved is None:
                parts.append(f'<circle cx="{x(0):.1f}" cy="{top + _ROW / 2}" r="5" fill="#222222"/>')
                continue
            start, end = x(rung.saved.lead - rung.step.lead), x(rung.saved.lead)
            colour, unclear = _COLOURS[rung.step.claim], rung.step.claim == "not shown"
            parts.append(
                f'<rect x="{min(start, end):.1f}" y="{top + 9}" width="{max(2.0, abs(end - start)):.1f}" '
                f'height="{_ROW - 18}" fill="{"none" if unclear else colour}" stroke="{colour}" stroke-width="2"/>'
            )
            ends_x = [x(rung.saved.lead - rung.step.lead + side) for side in (rung.step.low, rung.step.high)]
            parts.append(
                f'<path d="M{ends_x[0]:.1f} {top + _ROW / 2}H{ends_x[1]:.1f}" stroke="#222222" stroke-width="2"/>'
            )
            put(max(*ends_x, start, end) + 6, top + _ROW / 2 + 5, signed(rung.step.lead, 3), "start")
    put(
        _LEFT + (width - _LEFT) / 2, height - 14,
        "bits/dim saved, rung by rung; line: 95 % interval; grey: not shown",
    )  # fmt: skip
    return "\n".join([*parts, "</svg>", ""])


def write_headline(path: Path, content: str) -> None:
    """Replace what stands between the markers of a document."""
    begin, end = HEADLINE
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    if not found or end not in rest:
        raise SystemExit(f"{path} lacks the markers {begin} and {end}.")
    path.write_text(f"{before}{begin}\n\n{content}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def write_table(name: str, rows: Iterable[Row]) -> None:
    """Write rows as a CSV file; its columns are those of all rows."""
    listed = list(rows)
    columns = list(dict.fromkeys(column for row in listed for column in row))
    with (RESEARCH / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(listed)


def main() -> None:
    """Write the tables, the headline in both documents, and the picture."""
    studies = {study.name: study for study in bundled()}
    named = titles(studies)
    found = {named[name]: study for name, study in studies.items()}
    made, whole = ladders(found.values()), claim(found.values())
    for name, rows in (("ladder", all_rungs(made)), ("questions", answers(made)), ("arms", arms(found))):
        write_table(name, rows)
    write_table("hypotheses", hypotheses(made))
    write_table("start-by-half", starts(whole))
    write_table("counts", counted(counts(found.values())))
    headline = f"**{whole.headline()}**"
    for document in (DOCUMENT, README):
        write_headline(document, headline)
    PICTURE.write_text(picture(by_set(found.values())), encoding="utf-8")
    print(f"{len(found)} studies: {DOCUMENT}, {README}, {PICTURE}, {RESEARCH}")


if __name__ == "__main__":
    main()
