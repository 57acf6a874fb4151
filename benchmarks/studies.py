"""Write what the bundled studies say: docs/studies.md, the sentences of README.md, and its picture.

    python benchmarks/studies.py

What stands between two markers is replaced. Counts, ladders and leads are those of ``eiwflow.study.ladder``, as on the
page Compare. A lead is bits/dim that the first arm needs less: above 0 the first is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np

from eiwflow.analysis.words.numbers import fixed, signed
from eiwflow.figures import palette
from eiwflow.study.arms import arm_table
from eiwflow.study.file import Study, bundled
from eiwflow.study.ladder import QUESTIONS, RUNGS, Ladder, by_set, counts, ladders
from eiwflow.study.recipe import AGAIN, HALF, Arm
from eiwflow.study.statistics import Effect, contrast, corrected, factorial, label
from eiwflow.study.words import titles

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT, README, PICTURE = ROOT / "docs" / "studies.md", ROOT / "README.md", ROOT / "assets" / "ladder.svg"
TABLES = "<!-- tables: python benchmarks/studies.py -->", "<!-- end of tables -->"
COUNTS = "<!-- counts: python benchmarks/studies.py -->", "<!-- end of counts -->"
#: The questions that README answers in two sentences: whether to look at the data, what of that is the start and does
#: it matter how; and what weights and partitions buy.
IN_README = (("data", "start", "order"), ("weights", "partitions"))
#: What every arm is compared with.
BASE = Arm("entropy")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def lead(effect: Effect | None, seeds: int) -> str:
    """Return a lead with its interval, the correlation of its arms, and its seeds where they are not all ``seeds``."""
    if effect is None:
        return "–"
    if len(effect.values) < 2:
        return f"{signed(effect.lead, 3)} (1 seed)"
    over = effect.pairing if len(effect.values) == seeds else effect.over
    return f"{signed(effect.lead, 3)} ({'; '.join(filter(None, (effect.lead_range, over)))})"


def short(effect: Effect | None) -> str:
    """Return a lead with its interval."""
    return "–" if effect is None else effect.lead_in_figures


def all_rungs(found: Mapping[str, Ladder]) -> Iterator[str]:
    """Yield a table of every ladder, from below."""
    head = ["rung", "saved over Glow's half", "over the rung below", "claim of the latter"]
    for title, made in found.items():
        rows = [
            [rung.name, short(rung.saved), short(rung.step), rung.step.claim if rung.step else "–"]
            for rung in made.rungs
        ]
        if rows:
            yield from (f"**{title}**", "", *table(head, rows), "")


def answers(found: Mapping[str, Ladder]) -> Iterator[str]:
    """Yield a table of every question, with its studies."""
    for key, question in QUESTIONS.items():
        rows = [
            [title, lead(made.answers[key], made.study.recipe.seeds), made.answers[key].claim]
            for title, made in found.items()
            if key in made.answers
        ]
        if rows:
            head = ["study", "lead, bits/dim", "claim"]
            yield from (f"**{question.ours} over {question.theirs}**", "", *table(head, rows), "")


def arms(study: Study) -> Iterator[str]:
    """Yield the table of a study's arms."""
    rows = []
    for row in arm_table(study):
        arm = Arm.parse(row["arm"])
        base = next((one for one in study.arms if one.order == "entropy" and one.prior == arm.prior), None)
        base = BASE.under(arm.prior) if BASE.under(arm.prior) in study.arms else base
        over = None if base in (None, arm) else contrast(study, "", {arm: 1.0, base: -1.0})
        scatter = "" if np.isnan(row["sd_over_seeds"]) else f" ± {fixed(row['sd_over_seeds'], 3)}"
        rows.append(
            [
                label(study, arm),
                arm.prior,
                f"{fixed(row['bits_per_dim'], 3)}{scatter}",
                str(row["seeds"]),
                "base" if arm == base else lead(over, row["seeds"]),
                f"{1000 * row['cpu_s_per_step']:.0f}",
            ]
        )
    head = ["arm", "prior", "bits/dim ± sd", "seeds", "lead over entropy", "CPU ms a step"]
    yield from table(head, rows)


def fractions(study: Study) -> Iterator[str]:
    """Yield the table of fractions passed on: what a step costs, and bits/dim after the study's steps."""
    rows = []
    for order in ("entropy", "variance"):
        for keep in ("0.25", HALF, "0.75"):
            runs = study.of(Arm(order, keep=keep))
            if runs:
                step = float(np.median([run.cpu_s / run.iterations for run in runs]))
                bits = float(np.mean([run.bits_per_dim for run in runs]))
                rows.append(
                    [order, keep, f"{runs[0].parameters:,}", f"{1000 * step:.0f}", fixed(bits, 3), str(len(runs))]
                )
    if {row[1] for row in rows} > {HALF}:
        yield from table(["order", "passed on", "parameters", "CPU ms a step", "bits/dim", "seeds"], rows)


def hypotheses(found: Mapping[str, Ladder], prior: str = "conditional") -> Iterator[str]:
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
        effects = {name: contrast(study, name, {one: 1.0, other: -1.0}) for name, (one, other) in pairs.items()}
        for one in factorial(study, prior).parts.get("interaction", ()):
            if "passed on" in one.name:
                effects[f"4. {one.lead_name}, minus that at 0.5"] = one
        if (best := best_two(study, prior)) is not None:
            ours, theirs = best
            name = f"5. Goal: {label(study, ours)} over {label(study, theirs)}"
            effects[name] = contrast(study, name, {ours: 1.0, theirs: -1.0})
        of_ladder = differences(made)
        new = {name: one for name, one in effects.items() if one and tuple(one.arms.items()) not in of_ladder}
        together = dict(zip([*new, *of_ladder], corrected([*new.values(), *of_ladder.values()]), strict=True))
        for name, one in effects.items():
            if one is not None:
                stated = of_ladder.get(tuple(one.arms.items())) or together[name]
                rows.append([name, title, lead(stated, study.recipe.seeds), stated.claim])
    yield from table(["question", "study", "lead, bits/dim", "claim"], sorted(rows))


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


def text(found: Mapping[str, Study]) -> str:
    """Return the tables of the document."""
    made = ladders(found.values())
    lines = ["### The ladder", "", *all_rungs(made), "### Every question, study by study", "", *answers(made)]
    lines += ["### Further hypotheses, as measured", "", *hypotheses(made)]
    for title, study in found.items():
        lines += ["", f"### {title}", "", *arms(study)]
        if extra := list(fractions(study)):
            lines += [
                "",
                "Bits/dim and CPU for every fraction passed on (random partitions, conditional prior):",
                "",
                *extra,
            ]
    return "\n".join(lines)


# ---------------------------------------------------------------------- the picture of README

_LEFT, _PANEL, _GAP, _ROW, _TOP, _BELOW = 216, 236, 24, 38, 44, 40
_COLOURS = {"better": palette.ARMS[0], "worse": palette.ARMS[3], "no conclusion": palette.ARMS[4]}


def picture(shown: Mapping[str, Ladder]) -> str:
    """Return ladders side by side as an SVG: a bar is what a rung saves over the one below, a line its interval."""
    present = {name: {rung.name: rung for rung in made.rungs} for name, made in shown.items()}
    names = [name for name, _, _ in RUNGS if any(name in rungs for rungs in present.values())]
    ends = [0.0] + [
        end + rung.saved.lead - rung.step.lead
        for rungs in present.values() for rung in rungs.values() if rung.step and rung.saved
        for end in rung.step.lead_interval
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
            colour, unclear = _COLOURS[rung.step.claim], rung.step.claim == "no conclusion"
            parts.append(
                f'<rect x="{min(start, end):.1f}" y="{top + 9}" width="{max(2.0, abs(end - start)):.1f}" '
                f'height="{_ROW - 18}" fill="{"none" if unclear else colour}" stroke="{colour}" stroke-width="2"/>'
            )
            ends_x = [x(rung.saved.lead - rung.step.lead + side) for side in rung.step.lead_interval]
            parts.append(
                f'<path d="M{ends_x[0]:.1f} {top + _ROW / 2}H{ends_x[1]:.1f}" stroke="#222222" stroke-width="2"/>'
            )
            put(max(*ends_x, start, end) + 6, top + _ROW / 2 + 5, signed(rung.step.lead, 3), "start")
    put(
        _LEFT + (width - _LEFT) / 2, height - 14,
        "bits/dim saved, rung by rung; line: 95 % interval; grey: no conclusion",
    )  # fmt: skip
    return "\n".join([*parts, "</svg>", ""])


def write(path: Path, markers: tuple[str, str], content: str) -> None:
    """Replace what stands between two markers of a document."""
    begin, end = markers
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    if not found or end not in rest:
        raise SystemExit(f"{path} lacks the markers {begin} and {end}.")
    path.write_text(f"{before}{begin}\n\n{content}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def in_readme(said: Mapping[str, str]) -> str:
    """Return the sentences of README, from those of all questions."""
    sentences = []
    for first, *others in IN_README:
        clauses = [said[first], *(said[key][:1].lower() + said[key][1:] for key in others)]
        sentences.append("; ".join(clause.rstrip(".") for clause in clauses) + ".")
    return " ".join(sentences)


def main() -> None:
    """Write both documents and the picture."""
    studies = {study.name: study for study in bundled()}
    named = titles(studies)
    found = {named[name]: study for name, study in studies.items()}
    said = {key: count.in_words() for key, count in counts(found.values()).items()}
    write(DOCUMENT, COUNTS, "\n".join(f"- {sentence}" for sentence in said.values()))
    write(DOCUMENT, TABLES, text(found))
    write(README, COUNTS, in_readme(said))
    PICTURE.write_text(picture(by_set(found.values())), encoding="utf-8")
    print(f"{len(found)} studies: {DOCUMENT}, {README}, {PICTURE}")


if __name__ == "__main__":
    main()
