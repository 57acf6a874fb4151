"""The claim of this project, in words that its studies decide: start × half, which measure, and own weights.

The README, the page Compare and ``study --report`` say it from here. The family of comparisons that Holm's method
corrects together is that of research/start-by-half.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..analysis.words.numbers import fixed
from .file import Study
from .ladder import HALVES, STARTS, Count, by_set, counts, half_from, is_start_by_half, ladder, ladders
from .recipe import Arm
from .statistics import Effect, contrast, corrected, paired

#: What the fixed half is after a start from the data, whose channels are sorted by variance.
OF_THE_LAST = "After a start from the data Glow's fixed half passes on the channels of smallest variance."


#: The halves in the words of a sentence.
_HALVES = {**HALVES, "last": "Glow's half", "variance": "the half by variance", "entropy": "the half by entropy"}


def _half(start: str, first: str, second: str) -> dict[Arm, float]:
    return {half_from(first, start): 1.0, half_from(second, start): -1.0}


_AFTER = "After a start from the data, the half by entropy"
#: The comparisons that were written down: key -> both sides in words, and arms with their weights.
FAMILY: dict[str, tuple[str, str, dict[Arm, float]]] = {
    "start": (
        "A start from the data", "a random start, both with a random half",
        {half_from("random", "principal"): 1.0, half_from("random", "random"): -1.0},
    ),
    **{
        f"{half} half without a start": (f"From a random start, {name}", "Glow's half", _half("random", half, "last"))
        for half, name in _HALVES.items()
        if half != "last"
    },
    "half": (_AFTER, "a random half", _half("principal", "entropy", "random")),
    "half over the last": (_AFTER, "Glow's half", _half("principal", "entropy", "last")),
    "measure": (_AFTER, "the half by variance", _half("principal", "entropy", "variance")),
    "together": (
        "Start × half: entropy's lead over a random half, after a start from the data minus without", "",
        _half("principal", "entropy", "random") | _half("random", "random", "entropy"),
    ),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class StartByHalf:
    """A study of every half from both starts.

    Attributes:
        study: that was read.
        cells: (half, start) -> the lead of the arm over Glow's half from a random start; None for that arm itself.
            Those from a random start are of :data:`FAMILY`; the others are corrected together with all of it.
        effects: key of :data:`FAMILY` -> effect, corrected together.

    """

    study: Study
    cells: Mapping[tuple[str, str], Effect | None]
    effects: Mapping[str, Effect]

    def table(self) -> list[dict[str, str]]:
        """Return one row a half: bits/dim saved over Glow's half from a random start, with its interval."""
        cells = {place: "0" if lead is None else lead.figures for place, lead in self.cells.items()}
        return [
            {"half passed on": name} | {where: cells[half, start] for start, where in STARTS.items()}
            for half, name in HALVES.items()
        ]

    def in_words(self, half: str, start: str) -> str:
        """Return what the arm of a cell saves over Glow's flow, in a sentence."""
        lead = self.cells[half, start]
        if lead is None:
            return "This is Glow's start and half: random, and fixed in advance."
        data, saved = self.study.recipe.data_name, fixed(abs(lead.lead), 3)
        name = "the half of smallest variance" if (half, start) == ("last", "principal") else _HALVES[half]
        if lead.claim == "not shown":
            corrected = " after correction" * (not lead.low <= 0 <= lead.high)
            verb = "cost" if lead.lead < 0 else "save"
            return f"Not shown on {data}{corrected}: a {STARTS[start]} and {name} {verb} {saved} bits per value."
        if lead.claim == "behind":
            return f"No: on {data} a {STARTS[start]} and {name} cost {saved} bits per value."
        beside, variance, measure = "", self.cells["variance", "principal"], self.effects.get("measure")
        if (half, start) == ("entropy", "principal") and variance is not None and measure is not None:
            other = fixed(variance.lead, 3)
            beside = {
                "not shown": f"; by variance {other}, no clear difference",
                "ahead": f"; by variance less, {other}",
                "behind": f"; by variance more, {other}",
            }[measure.claim]
        return f"Yes: a {STARTS[start]} and {name} save {saved} bits per value{beside}."

    def bits(self, half: str, start: str) -> float:
        """Return bits/dim of the arm of a cell, the mean over its seeds."""
        arm = half_from(half, start)
        return float(np.mean([run.bits_per_dim for (of, _), run in self.study.runs.items() if of == arm]))

    @property
    def seeds(self) -> int:
        """The seeds of its runs."""
        return len({seed for _, seed in self.study.runs})


def start_by_half(study: Study) -> StartByHalf | None:
    """Return the reading of a study of every half from both starts; None for any other study."""
    if not is_start_by_half(study):
        return None
    base = half_from("last", "random")
    known = {key: lead for key, asked in FAMILY.items() if (lead := contrast(study, *asked)) is not None}
    effects = dict(zip(known, corrected(known.values()), strict=True))
    started = [
        paired(study, half_from(half, "principal"), base, (f"{name}, {STARTS['principal']}", "Glow's flow"))
        for half, name in HALVES.items()
    ]
    cells = {(half, "random"): effects.get(f"{half} half without a start") for half in HALVES}
    together = corrected([*known.values(), *started])[len(known) :]
    cells |= {(half, "principal"): lead for half, lead in zip(HALVES, together, strict=True)}
    return StartByHalf(study, cells, effects)


@dataclass(frozen=True, eq=False)
class Claim:
    """What the studies together say.

    Attributes:
        tables: title -> study of start by half.
        counts: key of a question -> its count over all other studies at equal steps.

    """

    tables: Mapping[str, StartByHalf]
    counts: Mapping[str, Count]

    def _of(self, key: str) -> Count:
        """Return the count of a comparison of :data:`FAMILY` over the studies of start by half."""
        leads = {title: table.effects[key] for title, table in self.tables.items() if key in table.effects}
        return Count(*FAMILY[key][:2], leads)

    @property
    def _half(self) -> Count:
        """Entropy over a random half; of start by half only without other studies, since both share runs."""
        return self.counts.get("half", self._of("half"))

    @property
    def _measure(self) -> Count:
        """Entropy over variance, likewise."""
        return self.counts.get("order", self._of("measure"))

    def headline(self) -> str:
        """Return in how many studies what saves bits over what, in up to two sentences; empty without studies."""
        start, half, measure = self._of("start"), self._half, self._measure
        saved, credited = [], []
        if data := self.counts.get("data"):
            saved.append(
                "a start from the data with entropy's half saves bits over Glow's start and half "
                f"{data.where} ({data.span})"
            )
        if weights := self.counts.get("weights"):
            means = f"; over weights from means {self.counts['means'].where}" if "means" in self.counts else ""
            spans = f"{weights.span}{means}"
            saved.append(f"weights from each picture's entropies over none {weights.where} ({spans})")
        if start.leads:
            steps = " and ".join(sorted({f"{table.study.recipe.iterations:,} steps" for table in self.tables.values()}))
            credited.append(
                f"the start beats a random one {start.where} that cross start and half (random halves, {steps})"
            )
        if half.leads:
            credited.append(f"entropy's half beats a random half {half.where}")
        if measure.leads:
            behind = f", behind in {number}" if (number := measure.claimed("behind")) else ""
            credited.append(f"with any couplings, it beats variance's half {measure.where}{behind}")
        sentences = [
            f"At equal steps, on small images, {', and '.join(saved)}." if saved else "",
            f"With alternating couplings, {'; '.join(credited)}." if credited else "",
        ]
        return " ".join(filter(None, sentences))

    def details(self) -> list[str]:
        """Return the numbers behind the headline, a sentence a question."""
        without = {
            f"{title}, {key}": lead
            for key in FAMILY
            if key.endswith("without a start")
            for title, lead in self._of(key).leads.items()
        }
        asked = [
            self._of("start"), Count("From a random start, a half from the data or at random", "Glow's", without),
            self._of("half"), self._of("together"), self._measure,
            *(self.counts[key] for key in ("weights", "constant") if key in self.counts),
        ]  # fmt: skip
        return [count.in_words() for count in asked if count.leads]


def claim(studies: Iterable[Study]) -> Claim:
    """Return what studies that are done together say."""
    studies = list(studies)
    tables = {title: start_by_half(made.study) for title, made in ladders(studies).items()}
    return Claim({title: table for title, table in tables.items() if table is not None}, counts(studies))


@dataclass(frozen=True)
class Added:
    """What one choice adds on one data set.

    Attributes:
        choice, data: their names.
        iterations: training steps at equal steps.
        steps: the lead at equal steps.
        time: in a study of the same settings at equal seconds; None without one.

    """

    choice: str
    data: str
    iterations: int
    steps: Effect
    time: Effect | None

    @property
    def name(self) -> str:
        """The choice on its data set, with its training steps."""
        return f"{self.choice}, {self.data}, {self.iterations:,} steps"


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
