"""Leads of arms over others, seed by seed, and what each choice adds.

A lead is the bits/dim that the first needs less than the second: above 0 the first is better. Arms of one seed share
initialisation, batches and noise of evaluation, so a lead has one value a seed, whose shared part may partly cancel,
and a t interval over seeds. Of leads that are looked at together p is corrected by Holm's method. A lead is claimed
where its corrected p is below the level. A study that is not done claims nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..analysis.intervals import ALPHA, of_mean
from ..analysis.words.numbers import counted, signed
from ..flow.config import ROTATED
from ..flow.policies import ORDERS
from .file import Study, StudyError
from .recipe import AGAIN, HALF, Arm, StudyRecipe


@dataclass(frozen=True, eq=False)
class Effect:
    """A lead over seeds, in bits/dim.

    Attributes:
        first, second: what is compared, in words; ``second`` is empty for an interaction.
        arms: arm -> weight, above 0 on the first side; the weights sum to 0.
        seeds, values: the lead (n,) of each of the n seeds that all these arms were run with.
        low, high: ends of the interval of the mean over seeds; NaN for one seed.
        p: two-sided, of a mean of 0; NaN for one seed.
        p_corrected: p after Holm's correction.
        correlation: of the two arms over seeds. Pairing narrows the interval where it is above 0. NaN where there are
            more than two arms, fewer than three seeds, or no scatter.
        interim: whether the study is not done, so that nothing is claimed yet.

    """

    first: str
    second: str
    arms: Mapping[Arm, float]
    seeds: np.ndarray
    values: np.ndarray
    low: float
    high: float
    p: float
    p_corrected: float = math.nan
    correlation: float = math.nan
    interim: bool = False

    @property
    def lead(self) -> float:
        """The mean over seeds."""
        return float(self.values.mean())

    @property
    def name(self) -> str:
        """What is compared: ``entropy over variance``."""
        return f"{self.first} over {self.second}" if self.second else self.first

    @property
    def claim(self) -> str:
        """``ahead``, ``behind``, ``not shown`` (one seed, or p too large), or ``interim``."""
        if self.interim:
            return "interim"
        if not (self.p_corrected < ALPHA and not self.low <= 0 <= self.high):
            return "not shown"
        return "ahead" if self.lead > 0 else "behind"

    @property
    def interval(self) -> str:
        """The interval as words."""
        return "no interval" if math.isnan(self.low) else f"{signed(self.low, 3)} to {signed(self.high, 3)}"

    @property
    def figures(self) -> str:
        """The lead with its interval: ``+0.018 (−0.010 to +0.047)``."""
        return f"{signed(self.lead, 3)}{', one seed' if math.isnan(self.low) else f' ({self.interval})'}"

    @property
    def over(self) -> str:
        """The seeds, and how far pairing helps: ``6 seeds, paired (r = +0.74)``; "paired" only if it does."""
        seeds = counted(len(self.values), "seed")
        if math.isnan(self.correlation):
            return seeds
        return f"{seeds}{', paired' * (self.correlation >= 0.005)} (r = {signed(self.correlation, 2)})"

    def in_words(self) -> str:
        """Return one sentence about the lead."""
        start = f"{self.name}: lead {signed(self.lead, 3)} bits/dim"
        if len(self.values) == 1:
            return f"{start} in one seed: not shown."
        unsure = self.claim == "not shown" and not self.low <= 0 <= self.high
        claim = "interim, no claim yet" if self.interim else f"{self.claim}{' after correction' * unsure}"
        return f"{start} (95 % interval {self.interval}, over {self.over}): {claim}."

    def row(self) -> dict[str, Any]:
        """Return the lead as a row of a table or of JSON; None for NaN."""
        numbers = {
            "lead": self.lead, "low": self.low, "high": self.high, "p": self.p, "p_corrected": self.p_corrected,
            "correlation": self.correlation,
        }  # fmt: skip
        known = {name: None if math.isnan(number) else number for name, number in numbers.items()}
        return {"comparison": self.name, **known, "seeds": len(self.values), "claim": self.claim}


def contrast(study: Study, first: str, second: str, arms: Mapping[Arm, float]) -> Effect | None:
    """Return the lead of a weighted sum of arms, over their common seeds; None without a common seed."""
    seeds = study.seeds(arms)
    if not seeds:
        return None
    bits = np.array([[study.runs[arm, seed].bits_per_dim for arm in arms] for seed in seeds])
    lead = effect(first, second, arms, np.array(seeds), -bits @ np.array(list(arms.values())))
    known = len(arms) == 2 and len(seeds) > 2 and np.ptp(bits, axis=0).all()
    correlation = float(np.corrcoef(bits.T)[0, 1]) if known else math.nan
    return replace(lead, interim=not study.is_done, correlation=correlation)


def paired(study: Study, first: Arm, second: Arm, names: tuple[str, str] | None = None) -> Effect | None:
    """Return the lead of an arm over another, by these names or their labels; None without a common seed."""
    ours, theirs = names or (label(study, first), label(study, second))
    return contrast(study, ours, theirs, {first: 1.0, second: -1.0})


def effect(first: str, second: str, arms: Mapping[Arm, float], seeds: np.ndarray, values: np.ndarray) -> Effect:
    """Return the effect with its t interval and uncorrected p, from its leads (n,) over seeds (n,)."""
    interval = of_mean(values)
    return Effect(first, second, dict(arms), seeds, values, interval.low, interval.high, interval.p)


def corrected(effects: Iterable[Effect | None]) -> tuple[Effect, ...]:
    """Return effects with Holm's correction over all of them; None is left out.

    Reference: Holm, A simple sequentially rejective multiple test procedure, 1979. SciPy has no Holm.
    """
    present = [effect for effect in effects if effect is not None]
    p = np.array([effect.p for effect in present])
    order = np.argsort(p)  # NaN last
    tested = np.isfinite(p).sum()
    adjusted = np.full(len(p), math.nan)
    adjusted[order[:tested]] = np.maximum.accumulate(p[order[:tested]] * np.arange(tested, 0, -1)).clip(max=1)
    return tuple(replace(effect, p_corrected=float(value)) for effect, value in zip(present, adjusted, strict=True))


# ---------------------------------------------------------------------- names of arms


def usual_partition(study: Study | StudyRecipe) -> str:
    """Return the most common partition among arms with principal channels; in a tie the first."""
    partitions = [arm.partition for arm in study.arms if arm.init in ROTATED]
    return max(partitions, key=partitions.count, default="random")


_WEIGHTS = {
    "none": "", "entropy": " + own weights", "means": " + weights from means", "constant": " + constant weights",
}  # fmt: skip
_FRACTIONS = {
    "0.25": ", ¼ passed on", "0.75": ", ¾ passed on", "auto": ", fraction by redundancy", "all": ", all passed on",
}  # fmt: skip


def label(study: Study, arm: Arm) -> str:
    """Return the name of an arm in its study, without its prior and the usual choices.

    For example ``entropy + own weights, ¼ passed on (partitions: information)``.
    """
    if arm.source:
        return arm.order
    pooled = " + weights" if {other.weights for other in study.arms} <= {"none", "pooled"} else " + pooled weights"
    weights = _WEIGHTS.get(arm.weights, pooled if arm.weights == "pooled" else f" + {arm.weights}")
    others = {other.init for other in study.arms} - {arm.init}
    notes = {"random": ["random init"], "linear": ["linear start"]}.get(arm.init, []) if others else []
    if arm.init != "random" and arm.partition != usual_partition(study):
        notes = [*notes, f"partitions: {arm.partition}"]
    about = f" ({', '.join(notes)})" if notes else ""
    return f"{arm.order.replace(AGAIN, 'random again')}{weights}{_FRACTIONS.get(arm.keep, '')}{about}"


# ---------------------------------------------------------------------- an arm over the others


def subjects(study: Study) -> list[str]:
    """Return the arms of a study that may be compared with all others, as :attr:`.Arm.choice`: the adaptive one first.

    That is the order by entropy, if possible from a start from the data, with half of the channels passed on, the usual
    partitions and weights. A study without weights at these partitions has the order alone as its subject, not two
    changes at once.
    """
    usual = usual_partition(study)

    def rank(arm: Arm) -> tuple[bool | int, ...]:
        weights = ("entropy", "pooled").index(arm.weights) if arm.weights in ("entropy", "pooled") else 2
        return arm.init == "random", arm.keep != HALF, arm.partition != usual, weights

    adaptive = min((arm for arm in study.arms if arm.looks_at_entropy), key=rank, default=None)
    choices = list(dict.fromkeys(arm.choice for arm in study.arms))
    return sorted(choices, key=lambda choice: adaptive is None or choice != adaptive.choice)


def subject_of(study: Study, subject: str | None = None) -> str:
    """Return the arm that is compared, without its prior: a given one, or the first of :func:`subjects`.

    Raises:
        StudyError: the study has no run, or none of this arm.
        ConfigError: the text is no arm.

    """
    choices = subjects(study)
    if not choices:
        raise StudyError(f"{study.name} has no run yet.")
    chosen = choices[0] if subject is None else Arm.parse(subject).choice
    if chosen not in choices:
        raise StudyError(f"{study.name} has no arm {chosen[:60]}; it has {', '.join(choices)}.")
    return chosen


def comparisons(study: Study, subject: str | None = None) -> tuple[Effect, ...]:
    """Return the leads of :func:`subject_of` over all others of its prior, for every prior, corrected together."""
    chosen = subject_of(study, subject)
    return corrected(
        paired(study, ours, other)
        for ours in study.arms
        for other in study.arms
        if ours.choice == chosen and other.prior == ours.prior and other != ours
    )


def opponents(effects: Iterable[Effect], prior: str) -> dict[Arm, Effect]:
    """Return the second arm -> lead, of the leads of one arm over others under a prior."""
    by_arm = {next(arm for arm, weight in effect.arms.items() if weight < 0): effect for effect in effects}
    return {arm: effect for arm, effect in by_arm.items() if arm.prior == prior}


# ---------------------------------------------------------------------- what each choice adds


#: Field of an arm -> the two values compared, and the names of both sides.
_PARTS: dict[str, tuple[tuple[tuple[str, str], ...], str, str]] = {
    "order": (tuple(("entropy", order) for order in ORDERS if order != "entropy"), "{}", "{}"),
    "weights": (tuple((kind, "none") for kind in ("entropy", "means", "constant", "pooled")), "{} weights", "{}"),
    "partition": (
        (("information", "random"), ("information", "alternating"), ("random", "alternating")),
        "partitions: {}", "{}",
    ),
    "init": ((("principal", "random"),), "{} initialisation", "{}"),
    "keep": ((("0.25", HALF), ("0.75", HALF), ("all", HALF)), "{} passed on", "{}"),
}  # fmt: skip
Pair = tuple[Arm, Arm]


def factorial(study: Study, prior: str) -> tuple[Effect, ...]:
    """Return what each choice adds under a prior: its mean lead over pairs of arms that differ in that choice alone.

    Arms that pass on a half are compared with each other; other fractions have rows of their own. Choices without arms
    are left out. Holm's correction is over all leads.
    """
    arms = [arm for arm in study.arms if arm.prior == prior and arm.order != AGAIN and not arm.source]
    halves = [arm for arm in arms if arm.keep == HALF]
    leads = [
        _mean_of(
            study, ours.format("own" if value == "entropy" and field == "weights" else value), theirs.format(other),
            pairs_of(study, arms if field == "keep" else halves, field, value, other),
        )
        for field, (compared, ours, theirs) in _PARTS.items()
        for value, other in compared
    ]  # fmt: skip
    weighted = pairs_of(study, halves, "weights", "pooled", "none")
    by_entropy = [pair for pair in weighted if pair[0].looks_at_entropy]
    others = [pair for pair in weighted if pair not in by_entropy]
    leads.append(_mean_of(study, "weights × entropy order", "", by_entropy, others))
    ordered = pairs_of(study, arms, "order", "entropy", "variance")
    at_half = {pair[0]: pair for pair in ordered if pair[0].keep == HALF}
    for keep in ("0.25", "0.75"):
        others = [pair for pair in ordered if pair[0].keep == keep and replace(pair[0], keep=HALF) in at_half]
        same = [at_half[replace(pair[0], keep=HALF)] for pair in others]
        leads.append(_mean_of(study, f"(entropy over variance) × {keep} passed on", "", others, same))
    return corrected(leads)


def pairs_of(study: Study, arms: Iterable[Arm], field: str, first: str, other: str) -> list[Pair]:
    """Return pairs of arms that differ in one field alone, ``first`` first.

    Partitions do not matter if ``init`` is random: for that field the arms of the usual partition are paired.
    """
    arms = list(arms)
    pairs = []
    for arm in arms:
        if getattr(arm, field) != first or (field == "init" and arm.partition != usual_partition(study)):
            continue
        changes = {field: other} | ({"partition": "alternating"} if field == "init" else {})
        if (partner := dataclasses.replace(arm, **changes)) in arms:
            pairs.append((arm, partner))
    return pairs


def _mean_of(
    study: Study, first: str, second: str, ours: list[Pair], theirs: list[Pair] | None = None
) -> Effect | None:
    """Return the mean lead within our pairs, minus the one within their pairs, if given."""
    if not ours or theirs == []:
        return None
    weights: dict[Arm, float] = {}
    for pairs, sign in ((ours, 1.0), (theirs or [], -1.0)):
        for better, other in pairs:
            weights[better] = weights.get(better, 0.0) + sign / len(pairs)
            weights[other] = weights.get(other, 0.0) - sign / len(pairs)
    return contrast(study, first, second, weights)
