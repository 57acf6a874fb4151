"""The claim of this project, in words that its studies decide: start × half, which measure, and own weights.

The README, the page Compare and ``study --report`` say it from here. The family of comparisons that Holm's method
corrects together is that of research/start-by-half.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..analysis.words.numbers import fixed, signed
from .file import Study
from .ladder import Count, counts, is_start_by_half, lead_row
from .recipe import Arm
from .statistics import Effect, contrast, corrected
from .words import titles

#: The halves in the order of the table, and the starts.
HALVES = {"last": "Glow's fixed half", "random": "a random half", "variance": "by variance", "entropy": "by entropy"}
STARTS = {"random": "random rotations", "principal": "principal start"}
#: Two measures hardly differ if half of their leads are within this many bits/dim of 0.
HARDLY = 0.02


def _arm(half: str, start: str) -> Arm:
    return Arm(half, init=start, partition="alternating")


#: The comparisons that were written down: key -> arms and their weights, of a difference below 0 if the first is ahead.
FAMILY: dict[str, dict[Arm, float]] = {
    "start": {_arm("random", "principal"): 1.0, _arm("random", "random"): -1.0},
    **{
        f"{half} half without a start": {_arm(half, "random"): 1.0, _arm("last", "random"): -1.0}
        for half in ("random", "variance", "entropy")
    },
    "half": {_arm("entropy", "principal"): 1.0, _arm("random", "principal"): -1.0},
    "half over the last": {_arm("entropy", "principal"): 1.0, _arm("last", "principal"): -1.0},
    "measure": {_arm("entropy", "principal"): 1.0, _arm("variance", "principal"): -1.0},
    "together": {
        _arm("entropy", "principal"): 1.0, _arm("random", "principal"): -1.0,
        _arm("entropy", "random"): -1.0, _arm("random", "random"): 1.0,
    },
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class StartByHalf:
    """A study of every half from both starts.

    Attributes:
        study: that was read.
        cells: (half, start) -> the arm minus Glow's half from random rotations; None for that arm itself. Shown with
            intervals, not claimed.
        effects: key of :data:`FAMILY` -> effect, corrected together.

    """

    study: Study
    cells: Mapping[tuple[str, str], Effect | None]
    effects: Mapping[str, Effect]

    def table(self) -> list[dict[str, str]]:
        """Return one row a half: bits/dim saved over Glow's half from random rotations, with its interval."""
        return [
            {"half passed on": name}
            | {where: _cell(self.cells[half, start]) for start, where in STARTS.items()}
            for half, name in HALVES.items()
        ]  # fmt: skip

    def in_words(self) -> str:
        """Return the effects as a sentence."""
        texts = [f"{name} {effect.lead_in_figures}, {effect.stated_claim}" for name, effect in self.effects.items()]
        return f"Bits/dim saved, on {self.study.title}: {'; '.join(texts)}."

    def to_dict(self) -> dict[str, Any]:
        """Return table and effects as values for JSON."""
        cells = {f"{half}/{start}": lead_row(effect) for (half, start), effect in self.cells.items()}
        return {"cells": cells, "effects": {key: lead_row(effect) for key, effect in self.effects.items()}}


def _cell(effect: Effect | None) -> str:
    return "0" if effect is None else effect.lead_in_figures


def start_by_half(study: Study) -> StartByHalf | None:
    """Return the reading of a study of every half from both starts; None for any other study."""
    if not is_start_by_half(study):
        return None
    base = _arm("last", "random")
    cells: dict[tuple[str, str], Effect | None] = {}
    for half in HALVES:
        for start in STARTS:
            arm = _arm(half, start)
            cells[half, start] = (
                None if arm == base else contrast(study, f"{half}, {start} start", {arm: 1.0, base: -1.0})
            )
    known = {key: effect for key, arms in FAMILY.items() if (effect := contrast(study, key, arms)) is not None}
    return StartByHalf(study, cells, dict(zip(known, corrected(known.values()), strict=True)))


@dataclass(frozen=True, eq=False)
class Claim:
    """What the studies together say.

    Attributes:
        tables: title -> study of start by half.
        start: a principal start with a random half over Glow's half in all other studies; None without one.
        weights: own weights over none, study by study; None without such a study.
        order: entropy over variance in all other studies; None without one.

    """

    tables: Mapping[str, StartByHalf]
    start: Count | None
    weights: Count | None
    order: Count | None

    def _of(self, key: str) -> list[Effect]:
        return [table.effects[key] for table in self.tables.values() if key in table.effects]

    def headline(self) -> str:
        """Return the advice that the numbers bear out, in one sentence; empty without studies."""
        start = self._of("start") or [*(self.start.effects.values() if self.start else ())]
        measure = [*self._of("measure"), *(self.order.effects.values() if self.order else ())]
        own = list(self.weights.effects.values()) if self.weights else []
        clauses = []
        if start:
            ahead = (
                "look at the data before you start"
                if _all_ahead(start)
                else f"a start from the data leads {_of_all(start)}"
            )
            clauses.append(ahead)
        if measure:
            clauses.append(
                "which measure you look with hardly matters"
                if median(abs(effect.lead) for effect in measure) <= HARDLY
                else f"entropy leads variance {_of_all(measure)}"
            )
        if own:
            clauses.append(
                "let every picture weight its own channels" if _all_ahead(own) else f"own weights lead {_of_all(own)}"
            )
        text = "; ".join(clauses)
        return f"{text[:1].upper()}{text[1:]}." if text else ""

    def details(self) -> list[str]:
        """Return the numbers behind the headline, a sentence a question."""
        sentences = []
        names = {
            "start": "A principal start over random rotations, both with a random half",
            "half": "After it, the half by entropy over a random half",
            "measure": "After it, the half by entropy over the half by variance",
            "together": "The half by entropy over a random half: after a principal start more than without",
        }
        for key, name in names.items():
            if effects := self._of(key):
                sentences.append(f"{name} {_tally(effects)} ({_span(effects)} bits/dim).")
        without = [
            effect for half in ("random", "variance", "entropy") for effect in self._of(f"{half} half without a start")
        ]
        if without:
            shown = sum(effect.claim != "no conclusion" for effect in without)
            any_shown = (
                f"{shown} of {len(without)} leads over Glow's half are" if shown else "no lead over Glow's half is"
            )
            sentences.append(f"From random rotations {any_shown} shown ({_span(without)} bits/dim).")
        return sentences + ([self.weights.in_words()] if self.weights else [])

    def to_dict(self) -> dict[str, Any]:
        """Return the claim as values for JSON."""
        tables = {title: table.to_dict() for title, table in self.tables.items()}
        return {"headline": self.headline(), "details": self.details(), "start_by_half": tables}


def _all_ahead(effects: Iterable[Effect]) -> bool:
    return all(effect.claim == "better" for effect in effects)


def _of_all(effects: list[Effect]) -> str:
    return f"in {sum(effect.claim == 'better' for effect in effects)} of {len(effects)} studies"


def _tally(effects: list[Effect]) -> str:
    """Return in how many studies a lead is claimed."""
    count = {claim: sum(effect.claim == claim for effect in effects) for claim in ("better", "worse", "no conclusion")}
    if count["better"] == len(effects):
        return f"is ahead in all {len(effects)} studies" if len(effects) > 1 else "is ahead in one study"
    words = [f"ahead in {count['better']}", f"behind in {count['worse']}", f"not shown in {count['no conclusion']}"]
    return f"is {', '.join(words)} of {len(effects)} {'study' if len(effects) == 1 else 'studies'}"


def _span(effects: list[Effect]) -> str:
    low, high = min(effect.lead for effect in effects), max(effect.lead for effect in effects)
    return signed(low, 3) if fixed(low, 3) == fixed(high, 3) else f"{signed(low, 3)} to {signed(high, 3)}"


def claim(studies: Iterable[Study]) -> Claim:
    """Return what studies at equal steps together say."""
    listed = [study for study in studies if study.runs]
    done = [study for study in listed if study.is_done]
    names = titles({study.name: study for study in listed})
    tables = {names[study.name]: table for study in done if (table := start_by_half(study)) is not None}
    asked = counts(listed)
    return Claim(tables, *(asked.get(key) for key in ("start", "weights", "order")))
