"""The claim of this project, in words that its studies decide: start × half, which measure, and own weights.

The README, the page Compare and ``study --report`` say it from here. The family of comparisons that Holm's method
corrects together is that of research/start-by-half.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..analysis.words.numbers import fixed, signed
from .file import Study
from .ladder import Count, by_set, counts, is_start_by_half, ladder, lead_row
from .recipe import Arm
from .statistics import Effect, contrast, corrected
from .words import titles

#: The halves in the order of the table, and the starts.
HALVES = {"last": "Glow's fixed half", "random": "a random half", "variance": "by variance", "entropy": "by entropy"}
STARTS = {"random": "random rotations", "principal": "principal start"}
#: The effects of :data:`FAMILY` as pages name them.
NAMES = {
    "start": "The start: principal over random rotations, a random half",
    "random half without a start": "Without it: a random half over Glow's",
    "variance half without a start": "Without it: by variance over Glow's half",
    "entropy half without a start": "Without it: by entropy over Glow's half",
    "half": "After it: by entropy over a random half",
    "half over the last": "After it: by entropy over Glow's half",
    "measure": "After it: by entropy over by variance",
    "together": "By entropy over a random half: after a start more than without",
}
#: What the fixed half is after a principal start, whose channels are sorted by variance.
OF_THE_LAST = "After a principal start Glow's fixed half passes on the channels of smallest variance."


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

    def leads(self) -> list[dict[str, str]]:
        """Return one row an effect that was written down: its lead and what is claimed after correction."""
        return [
            {"written down before the runs": NAMES[key], "bits/dim saved": effect.lead_in_figures, "": effect.shown}
            for key, effect in self.effects.items()
        ]

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
        counts: key of a question -> its count over all other studies at equal steps.

    """

    tables: Mapping[str, StartByHalf]
    counts: Mapping[str, Count]

    def _of(self, key: str) -> list[Effect]:
        """Return the effects of the studies of start by half."""
        return [table.effects[key] for table in self.tables.values() if key in table.effects]

    def _asked(self, question: str, key: str) -> list[Effect]:
        """Return a question's effects; of start by half only without others, since both share runs."""
        return [*self.counts[question].effects.values()] if question in self.counts else self._of(key)

    def _counted(self, question: str) -> list[Effect]:
        """Return a question's effects over the studies that count."""
        return [*self.counts[question].effects.values()] if question in self.counts else []

    @property
    def _without(self) -> list[Effect]:
        return [effect for key in FAMILY if key.endswith("without a start") for effect in self._of(key)]

    def headline(self) -> str:
        """Return what the numbers bear out, in one sentence; empty without studies."""
        start, half, measure = self._of("start"), self._of("half"), self._asked("order", "measure")
        both, own = self._counted("data"), self._counted("constant")
        clauses = []
        if both:
            clauses.append(f"a start from the data with the half by entropy leads Glow's flow {_where(both)}")
        if start and half:
            clauses.append(f"tested apart, the start leads {_where(start)}, the half after it {_where(half)}")
        if measure:
            behind = _count(measure, "worse")
            clauses.append(f"entropy leads variance {_where(measure)}" + (f" and trails in {behind}" if behind else ""))
        if own:
            clauses.append(f"weights per picture lead fixed ones {_where(own)}")
        text = "; ".join(clauses)
        return f"{text[:1].upper()}{text[1:]}." if text else ""

    def details(self) -> list[str]:
        """Return the numbers behind the headline, a sentence a question."""
        asked = {
            "A principal start over random rotations, both with a random half": self._of("start"),
            "From random rotations, a half from the data or at random over Glow's": self._without,
            "After a principal start, the half by entropy over a random half": self._of("half"),
            "The same lead, after a principal start more than without": self._of("together"),
            "The half by entropy over the half by variance": self._asked("order", "measure"),
        }
        sentences = [f"{name}: {_tally(effects)}." for name, effects in asked.items() if effects]
        return sentences + [self.counts[key].in_words() for key in ("weights", "constant") if key in self.counts]

    def to_dict(self) -> dict[str, Any]:
        """Return the claim as values for JSON."""
        tables = {title: table.to_dict() for title, table in self.tables.items()}
        return {"headline": self.headline(), "details": self.details(), "start_by_half": tables}


@dataclass(frozen=True)
class Added:
    """What one choice adds on one data set.

    Attributes:
        choice, data: their names.
        iterations: training steps at equal steps.
        steps: at equal steps.
        time: in a study of the same settings at equal CPU seconds; None without one.

    """

    choice: str
    data: str
    iterations: int
    steps: Effect
    time: Effect | None

    @property
    def name(self) -> str:
        """The choice on its data set."""
        return f"{self.choice}, {self.data}"


def added(studies: Iterable[Study]) -> list[Added]:
    """Return what own weights and random partitions add, data set by data set.

    Where studies at equal time were run, the study at equal steps is that of the same settings; elsewhere the fullest.
    """
    asked = {study: ladder(study).answers for study in studies if study.is_done}
    fullest = {data: made.study for data, made in by_set(asked).items()}
    gains = []
    for key, name in {"weights": "own weights", "partitions": "random partitions"}.items():
        for data, full in fullest.items():
            of_set = [study for study in asked if study.recipe.data_name == data and key in asked[study]]
            pairs = (
                (study, other)
                for other in of_set
                for study in of_set
                if other.recipe.equal_time
                and not study.recipe.equal_time
                and not study.recipe.difference(replace(other.recipe, equal_time=False))
            )
            study, other = next(pairs, (full, None))
            if key in asked[study]:
                time = None if other is None else asked[other][key]
                gains.append(Added(name, data, study.recipe.iterations, asked[study][key], time))
    return gains


def _count(effects: Iterable[Effect], claim: str) -> int:
    return sum(effect.claim == claim for effect in effects)


def _where(effects: list[Effect]) -> str:
    """Return in how many studies a lead is claimed."""
    ahead, studies = _count(effects, "better"), f"{len(effects)} {'study' if len(effects) == 1 else 'studies'}"
    return f"in all {studies}" if ahead == len(effects) > 1 else f"in {ahead} of {studies}"


def _tally(effects: list[Effect]) -> str:
    """Return how many leads are claimed, either way or not at all, and the largest lead either way."""
    ahead, behind, unclear = (_count(effects, claim) for claim in ("better", "worse", "no conclusion"))
    leads = [effect.lead for effect in effects]
    low, high = signed(min(leads), 3), signed(max(leads), 3)
    span = high if fixed(min(leads), 3) == fixed(max(leads), 3) else f"{low} to {high}"
    return f"ahead in {ahead}, behind in {behind}, not shown in {unclear} of {len(effects)} ({span} bits/dim)"


def claim(studies: Iterable[Study]) -> Claim:
    """Return what studies at equal steps together say."""
    listed = [study for study in studies if study.runs]
    done = [study for study in listed if study.is_done]
    names = titles({study.name: study for study in listed})
    tables = {names[study.name]: table for study in done if (table := start_by_half(study)) is not None}
    return Claim(tables, counts(listed))
