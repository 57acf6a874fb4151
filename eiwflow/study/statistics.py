"""Paired differences between arms over seeds, and the contribution of each choice.

A contrast is a weighted sum of arms whose weights sum to 0. For every seed it has one value, in which initialisation,
batches and noise of evaluation cancel; over seeds it has a t interval. For several contrasts p is corrected by Holm's
method, and a difference is claimed only where the corrected p is below the level. A study
that is not done claims nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..analysis.intervals import ALPHA, of_mean
from ..analysis.words.checkpoint import WEIGHTS
from ..analysis.words.numbers import counted, signed
from ..flow.config import ROTATED
from ..flow.policies import ORDERS
from .file import Study, StudyError
from .recipe import AGAIN, HALF, Arm, StudyRecipe

#: A claim in files -> its word on pages and in reports.
SHOWN = {"better": "ahead", "worse": "behind", "no conclusion": "not shown", "interim": "interim"}


@dataclass(frozen=True, eq=False)
class Effect:
    """A contrast of arms over seeds, in bits/dim; below 0, the first arm of its name needs fewer bits.

    Attributes:
        name: of the contrast.
        arms: arm -> weight; the weights sum to 0.
        seeds, values: of the n seeds that all these arms were run with.
        low, high: ends of the interval of the mean over seeds; NaN for one seed.
        p: two-sided, of a mean of 0; NaN for one seed.
        p_corrected: p after Holm's correction.
        correlation: of the two arms over seeds. Pairing narrows the interval where it is above 0. NaN where there are
            more than two arms, fewer than three seeds, or no scatter.
        interim: whether the study is not done, so that nothing is claimed yet.

    """

    name: str
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
    def mean(self) -> float:
        """The mean over seeds."""
        return float(self.values.mean())

    @property
    def claim(self) -> str:
        """``better``, ``worse``, or ``no conclusion``: one seed, p too large, or a study that is not done."""
        if self.interim or not (self.p_corrected < ALPHA and not self.low <= 0 <= self.high):
            return "no conclusion"
        return "better" if self.mean < 0 else "worse"

    @property
    def stated_claim(self) -> str:
        """The claim, or ``interim`` of a study that is not done."""
        return "interim" if self.interim else self.claim

    @property
    def shown(self) -> str:
        """The claim as pages say it: ``ahead``, ``behind``, ``not shown`` or ``interim``."""
        return SHOWN[self.stated_claim]

    @property
    def lead(self) -> float:
        """The mean with the opposite sign, as on pages: above 0, the first arm of its name needs fewer bits."""
        return -self.mean

    @property
    def lead_interval(self) -> tuple[float, float]:
        """The interval of the lead."""
        return -self.high, -self.low

    @property
    def lead_name(self) -> str:
        """The name of the lead: ``entropy over variance`` for the contrast ``entropy − variance``."""
        return self.name.replace(" − ", " over ")

    @property
    def interval(self) -> str:
        """The interval as words."""
        return "no interval" if math.isnan(self.low) else f"{signed(self.low, 3)} to {signed(self.high, 3)}"

    @property
    def lead_range(self) -> str:
        """The interval of the lead as words."""
        return "no interval" if math.isnan(self.low) else " to ".join(signed(end, 3) for end in self.lead_interval)

    @property
    def lead_in_figures(self) -> str:
        """The lead with its interval: ``+0.018 (−0.010 to +0.047)``."""
        return f"{signed(self.lead, 3)}{', one seed' if math.isnan(self.low) else f' ({self.lead_range})'}"

    @property
    def over(self) -> str:
        """The seeds of the interval, and the pairing: ``6 seeds, paired (r = +0.74)``."""
        before = ", " if self.pairing.startswith("paired") else " "
        return f"{counted(len(self.values), 'seed')}{before}{self.pairing}".rstrip()

    @property
    def pairing(self) -> str:
        """The correlation of the arms: ``paired (r = +0.74)``; "paired" only if pairing narrows the interval."""
        if math.isnan(self.correlation):
            return ""
        paired = "paired " if self.correlation >= 0.005 else ""
        return f"{paired}(r = {signed(self.correlation, 2)})"

    def in_words(self) -> str:
        """Return one sentence about the lead."""
        start = f"{self.lead_name}: lead {signed(self.lead, 3)} bits/dim"
        if len(self.values) == 1:
            return f"{start} in one seed, which is no conclusion."
        why = "" if self.claim != "no conclusion" or self.low <= 0 <= self.high else " after correction"
        claim = "interim, no claim yet" if self.interim else f"{self.shown}{why}"
        return f"{start} (95 % interval {self.lead_range}, over {self.over}): {claim}."

    def lead_row(self) -> dict[str, Any]:
        """Return the lead as a row of a table."""
        low, high = self.lead_interval
        leads = {"comparison": self.lead_name, "lead_bits_per_dim": self.lead, "low": low, "high": high}
        differences = ("contrast", "difference_bits_per_dim", "low", "high")
        return leads | {name: value for name, value in self.row().items() if name not in differences}

    def row(self) -> dict[str, Any]:
        """Return the effect as a row of JSON, as a difference: minus the lead."""
        return {
            "contrast": self.name,
            "difference_bits_per_dim": self.mean,
            "low": self.low,
            "high": self.high,
            "interval_over": self.over,
            "seeds": len(self.values),
            "p": self.p,
            "p_corrected": self.p_corrected,
            "pairing_correlation": self.correlation,
            "claim": self.stated_claim,
        }


def contrast(study: Study, name: str, arms: Mapping[Arm, float]) -> Effect | None:
    """Return a contrast over the common seeds of its arms, or None without a common seed."""
    seeds = study.seeds(arms)
    if not seeds:
        return None
    bits = np.array([[study.runs[arm, seed].bits_per_dim for arm in arms] for seed in seeds])
    paired = effect(name, arms, np.array(seeds), bits @ np.array(list(arms.values())))
    paired = replace(paired, interim=not study.is_done)
    if len(arms) != 2 or len(seeds) < 3 or (np.ptp(bits, axis=0) == 0).any():
        return paired
    return replace(paired, correlation=float(np.corrcoef(bits.T)[0, 1]))


def effect(name: str, arms: Mapping[Arm, float], seeds: np.ndarray, values: np.ndarray) -> Effect:
    """Return the effect with its t interval and uncorrected p, from its values (n,) over seeds (n,)."""
    interval = of_mean(values)
    return Effect(name, dict(arms), seeds, values, interval.low, interval.high, interval.p)


def corrected(effects: Iterable[Effect | None]) -> tuple[Effect, ...]:
    """Return effects with Holm's correction over all of them; None is left out.

    Reference: Holm, A simple sequentially rejective multiple test procedure, 1979. SciPy has no Holm.
    """
    present = [effect for effect in effects if effect is not None]
    tested = sorted((effect.p, place) for place, effect in enumerate(present) if not math.isnan(effect.p))
    largest, adjusted = 0.0, {}
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[place] = largest
    return tuple(replace(effect, p_corrected=adjusted.get(place, math.nan)) for place, effect in enumerate(present))


# ---------------------------------------------------------------------- names of arms


def usual_partition(study: Study | StudyRecipe) -> str:
    """Return the most common partition among arms with principal channels; in a tie the first."""
    partitions = [arm.partition for arm in study.arms if arm.init in ROTATED]
    return max(partitions, key=partitions.count, default="random")


def label(study: Study, arm: Arm) -> str:
    """Return the name of an arm in its study, without its prior and the usual choices.

    For example ``entropy + weights, ¼ passed on (partitions: information)``.
    """
    if arm.source:
        return arm.order
    kinds = {other.weights for other in study.arms} - {"none"}
    weights = {"none": "", "pooled": " + weights" if kinds == {"pooled"} else " + pooled weights"}.get(
        arm.weights, f" + {WEIGHTS.get(arm.weights, arm.weights)}"
    )
    fraction = {
        "0.25": ", ¼ passed on", "0.75": ", ¾ passed on", "auto": ", fraction by redundancy", "all": ", all passed on",
    }.get(arm.keep, "")  # fmt: skip
    if arm.init == "random":
        init = " (random init)" if any(other.init != "random" for other in study.arms) else ""
    else:
        linear = arm.init == "linear" and any(other.init != "linear" for other in study.arms)
        usual = arm.partition == usual_partition(study)
        notes = [*(["linear start"] if linear else []), *([] if usual else [f"partitions: {arm.partition}"])]
        init = f" ({', '.join(notes)})" if notes else ""
    return f"{arm.order.replace('-', ' ') if arm.order == AGAIN else arm.order}{weights}{fraction}{init}"


# ---------------------------------------------------------------------- an arm against the others


@dataclass(frozen=True, eq=False)
class Comparisons:
    """An arm against every other arm of the same prior.

    Attributes:
        subject: the arm that is compared, without a prior (:attr:`.Arm.choice`).
        effects: subject minus other, for every prior; Holm's correction is over all of them.

    """

    subject: str
    effects: tuple[Effect, ...]

    def against(self, prior: str) -> dict[Arm, Effect]:
        """Return other arm -> effect, of a prior."""
        by_arm = {next(arm for arm, weight in effect.arms.items() if weight < 0): effect for effect in self.effects}
        return {arm: effect for arm, effect in by_arm.items() if arm.prior == prior}

    def table(self) -> list[dict[str, Any]]:
        """Return one row a comparison."""
        return [effect.row() for effect in self.effects]


def subjects(study: Study) -> list[str]:
    """Return the possible subjects of a study, as :attr:`.Arm.choice`: the adaptive arm first.

    That is the entropy order, if possible with half of the channels passed on, the usual partitions and weights. A
    study without weights at these partitions has the order alone as its subject, not two changes at once.
    """
    usual = usual_partition(study)

    def rank(arm: Arm) -> tuple[bool | int, ...]:
        informed = arm.looks_at_entropy
        weights = ("entropy", "pooled").index(arm.weights) if arm.weights in ("entropy", "pooled") else 2
        return not informed, arm.keep != HALF, arm.partition != usual, weights if informed else 2

    first = min(study.arms, key=rank, default=None)
    choices = list(dict.fromkeys(arm.choice for arm in study.arms))
    return sorted(choices, key=lambda choice: first is None or not first.looks_at_entropy or choice != first.choice)


def comparisons(study: Study, subject: str | None = None) -> Comparisons:
    """Return a subject against all others; by default the first of :func:`subjects`.

    Args:
        study: with at least one run.
        subject: an arm without its prior.

    Raises:
        StudyError: the study has no run, or none of the subject.
        ConfigError: the subject is no arm.

    """
    choices = subjects(study)
    if not choices:
        raise StudyError(f"{study.name} has no run yet.")
    chosen = choices[0] if subject is None else Arm.parse(subject, prior="standard").choice
    if chosen not in choices:
        raise StudyError(f"{study.name} has no arm {chosen[:60]}; it has {', '.join(choices)}.")
    effects = []
    for ours in (arm for arm in study.arms if arm.choice == chosen):
        for other in study.arms:
            if other.prior == ours.prior and other != ours:
                name = f"{label(study, ours)} − {label(study, other)}, {ours.prior}"
                effects.append(contrast(study, name, {ours: 1.0, other: -1.0}))
    return Comparisons(chosen, corrected(effects))


# ---------------------------------------------------------------------- the effect of each choice


@dataclass(frozen=True, eq=False)
class Factorial:
    """The effect of each choice under one prior, averaged over pairs of arms that differ in that choice alone.

    Attributes:
        prior: of the arms.
        parts: ``order``, ``weights``, ``partition``, ``init``, ``fraction``, ``interaction`` -> effects; Holm's
            correction is over all of them.

    """

    prior: str
    parts: Mapping[str, tuple[Effect, ...]]

    @property
    def effects(self) -> tuple[Effect, ...]:
        """All of them."""
        return tuple(effect for effects in self.parts.values() for effect in effects)

    def table(self) -> list[dict[str, Any]]:
        """Return one row an effect."""
        return [
            {"part": part, "prior": self.prior, **effect.row()}
            for part, effects in self.parts.items()
            for effect in effects
        ]


#: part -> (field of an arm, the two values compared, name of the contrast).
_PARTS: dict[str, tuple[str, tuple[tuple[str, str], ...], str]] = {
    "order": ("order", tuple(("entropy", order) for order in ORDERS if order != "entropy"), "{0} − {1}"),
    "weights": (
        "weights",
        (("entropy", "none"), ("means", "none"), ("constant", "none"), ("pooled", "none")),
        "{0} weights − none",
    ),
    "partition": (
        "partition",
        (("information", "random"), ("information", "alternating"), ("random", "alternating")),
        "partitions: {0} − {1}",
    ),
    "init": ("init", (("principal", "random"),), "{0} − {1} initialisation"),
    "fraction": ("keep", (("0.25", HALF), ("0.75", HALF), ("all", HALF)), "{0} − {1} passed on"),
}
Pair = tuple[Arm, Arm]


def factorial(study: Study, prior: str) -> Factorial:
    """Return the contribution of each choice under a prior; choices without arms are left out.

    Arms that pass on a half are compared with each other; other fractions have rows of their own.
    """
    arms = [arm for arm in study.arms if arm.prior == prior and arm.order != AGAIN and not arm.source]
    halves = [arm for arm in arms if arm.keep == HALF]
    contrasts: dict[str, list[Effect | None]] = {
        part: [
            _mean_of(
                study,
                name.format(first, other),
                pairs_of(study, arms if field == "keep" else halves, field, first, other),
            )
            for first, other in compared
        ]
        for part, (field, compared, name) in _PARTS.items()
    }
    weighted = pairs_of(study, halves, "weights", "pooled", "none")
    by_entropy = [pair for pair in weighted if pair[0].looks_at_entropy]
    contrasts["interaction"] = [
        _mean_of(study, "weights × entropy order", by_entropy, [pair for pair in weighted if pair not in by_entropy])
    ]
    for keep in ("0.25", "0.75"):
        ordered = pairs_of(study, arms, "order", "entropy", "variance")
        at_half = {pair[0]: pair for pair in ordered if pair[0].keep == HALF}
        others = [pair for pair in ordered if pair[0].keep == keep and replace(pair[0], keep=HALF) in at_half]
        same = [at_half[replace(pair[0], keep=HALF)] for pair in others]
        contrasts["interaction"].append(_mean_of(study, f"(entropy − variance) × {keep} passed on", others, same))
    effects = iter(corrected(first for part in contrasts.values() for first in part))
    parts = {part: tuple(next(effects) for first in ones if first is not None) for part, ones in contrasts.items()}
    return Factorial(prior, {part: ones for part, ones in parts.items() if ones})


def pairs_of(study: Study, arms: Iterable[Arm], field: str, first: str, other: str) -> list[Pair]:
    """Return pairs of arms that differ in one field alone, ``one`` first.

    Partitions do not matter if ``init`` is random: for that field the arms of the usual partition are paired.
    """
    arms = list(arms)
    pairs = []
    for arm in arms:
        if getattr(arm, field) != first:
            continue
        changes: dict[str, str] = {field: other}
        if field == "init":
            if arm.partition != usual_partition(study):
                continue
            changes["partition"] = "alternating"
        if (partner := dataclasses.replace(arm, **changes)) in arms:
            pairs.append((arm, partner))
    return pairs


def _mean_of(study: Study, name: str, ours: list[Pair], theirs: list[Pair] | None = None) -> Effect | None:
    """Return the mean difference within our pairs, minus the one within their pairs, if given."""
    if not ours or theirs == []:
        return None
    weights: dict[Arm, float] = {}
    for pairs, sign in ((ours, 1.0), (theirs or [], -1.0)):
        for first, other in pairs:
            weights[first] = weights.get(first, 0.0) + sign / len(pairs)
            weights[other] = weights.get(other, 0.0) - sign / len(pairs)
    return contrast(study, name, weights)
