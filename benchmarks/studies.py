"""Rewrite the tables of docs/studies.md from the bundled studies.

    python benchmarks/studies.py

What stands between the two markers in the document is replaced: bits/dim of every arm, bits/dim against CPU for every
fraction passed on, and what the studies say of each hypothesis.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from eiwflow.analysis.words.numbers import fixed, signed
from eiwflow.study.arms import arm_table
from eiwflow.study.file import Study, bundled
from eiwflow.study.recipe import AGAIN, HALF, Arm
from eiwflow.study.statistics import Effect, contrast, corrected, factorial, label

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "studies.md"
BEGIN, END = "<!-- tables: python benchmarks/studies.py -->", "<!-- end of tables -->"
#: What every arm is compared with.
BASE = Arm("entropy")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def difference(effect: Effect | None) -> str:
    """Return a difference with its interval, its seeds and the correlation of its arms."""
    if effect is None:
        return "–"
    if len(effect.values) < 2:
        return f"{signed(effect.mean, 3)} (1 seed)"
    return f"{signed(effect.mean, 3)} ({effect.interval}; {effect.over})"


def arms(study: Study) -> Iterator[str]:
    """Yield the table of a study's arms."""
    rows = []
    for row in arm_table(study):
        arm = Arm.parse(row["arm"])
        base = next((one for one in study.arms if one.order == "entropy" and one.prior == arm.prior), None)
        base = BASE.under(arm.prior) if BASE.under(arm.prior) in study.arms else base
        minus = None if base in (None, arm) else contrast(study, "", {arm: 1.0, base: -1.0})
        scatter = "" if np.isnan(row["sd_over_seeds"]) else f" ± {fixed(row['sd_over_seeds'], 3)}"
        rows.append(
            [
                label(study, arm),
                arm.prior,
                f"{fixed(row['bits_per_dim'], 3)}{scatter}",
                str(row["seeds"]),
                "base" if arm == base else difference(minus),
                f"{1000 * row['cpu_s_per_step']:.0f}",
            ]
        )
    yield from table(["arm", "prior", "bits/dim ± sd", "seeds", "− entropy (95 % interval)", "CPU ms a step"], rows)


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


def hypotheses(studies: list[Study], prior: str = "conditional") -> Iterator[str]:
    """Yield what the studies say of each hypothesis; Holm's correction is over all rows of a study."""
    entropy, variance = BASE.under(prior), Arm("variance", prior=prior)
    pairs = {
        "1. Order: entropy − variance": (entropy, variance),
        "2. Channel weights: pooled − none": (replace(entropy, weights="pooled"), entropy),
        "3. Partitions: information − random": (replace(entropy, partition="information"), entropy),
        "A/A control: random − random again": (Arm("random", prior=prior), Arm(AGAIN, prior=prior)),
    }
    rows = []
    for study in studies:
        found = {name: contrast(study, name, {one: 1.0, other: -1.0}) for name, (one, other) in pairs.items()}
        for one in factorial(study, prior).parts.get("interaction", ()):
            if "passed on" in one.name:
                found[f"4. {one.name}, minus that at 0.5"] = one
        if (best := best_two(study, prior)) is not None:
            ours, theirs = best
            name = f"5. Goal: {label(study, ours)} − {label(study, theirs)}"
            found[name] = contrast(study, name, {ours: 1.0, theirs: -1.0})
        names = [name for name, one in found.items() if one is not None]
        for name, one in zip(names, corrected(found.values()), strict=True):
            rows.append([name, study.title, difference(one), one.claim])
    yield from table(["question", "study", "difference, bits/dim (95 % interval)", "claim"], sorted(rows))


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


def text(studies: list[Study]) -> str:
    """Return what stands between the markers."""
    lines = ["### Hypotheses, as measured", "", *hypotheses(studies)]
    for study in studies:
        lines += ["", f"### {study.title}", "", *arms(study)]
        if extra := list(fractions(study)):
            lines += [
                "",
                "Bits/dim and CPU for every fraction passed on (random partitions, conditional prior):",
                "",
                *extra,
            ]
    return "\n".join(lines)


def main() -> None:
    """Replace what stands between the markers."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text(bundled())}\n\n{END}{after}", encoding="utf-8")
    print(f"{DOCUMENT}: {len(bundled())} studies")


if __name__ == "__main__":
    main()
