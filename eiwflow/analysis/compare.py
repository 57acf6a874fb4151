"""What a study says: paired differences over seeds with intervals, the part each choice has, and a verdict.

Seeds are the witnesses. A contrast is a weighted sum of arms whose weights sum to 0; for every seed it has one value,
in which initialisation, batches and noise of evaluation cancel; over seeds it has a t interval (``scipy.stats``). Of
the several contrasts that are looked at together, p is corrected by Holm's method, and a difference is claimed only
where the corrected p is below :data:`ALPHA`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from ..flow.config import INITS, ORDERS, WEIGHTS
from ..flow.policies import DEALS, parse_split, split_name
from ..training.study_recipe import AGAIN, Arm
from .compare_arms import arm_table
from .study_file import Study, StudyError
from .words.numbers import signed

ALPHA = 0.05
#: The policy whose arms a study is read for, where it has them.
ADAPTIVE = "weighted"
STATIC = ("static-first", "static-last")
OTHER_ORDERS = tuple(order for order in ORDERS if order != "entropy")


# ---------------------------------------------------------------------- one contrast


@dataclass(frozen=True, eq=False)
class Effect:
    """A contrast of arms over seeds, in bits/dim; below 0, what it is named after needs fewer bits.

    Attributes:
        name: what is contrasted.
        arms: arm -> weight; the weights sum to 0.
        seeds, values: of the n seeds that all these arms were run with.
        low, high: ends of the 95 % t interval of the mean; NaN for one seed.
        p: two-sided, of a mean of 0; NaN for one seed.
        p_corrected: p after Holm's correction for everything that is looked at together.
        correlation: of the two arms over seeds; pairing narrows the interval by as much as this is above 0. NaN where
            there are more than two arms, fewer than three seeds, or no scatter.

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

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(self.values.mean())

    @property
    def claim(self) -> str:
        """``better``, ``worse``, or ``no conclusion``: one seed, an interval that holds 0, or p too large."""
        if not (self.p_corrected < ALPHA and not self.low <= 0 <= self.high):
            return "no conclusion"
        return "better" if self.mean < 0 else "worse"

    @property
    def interval(self) -> str:
        """The interval as words."""
        return "no interval" if math.isnan(self.low) else f"{_signed(self.low)} to {_signed(self.high)}"

    def in_words(self) -> str:
        """Return one sentence."""
        n = len(self.values)
        if n == 1:
            return f"{self.name}: {_signed(self.mean)} bits/dim in one seed, which is no conclusion."
        why = "" if self.claim != "no conclusion" or self.low <= 0 <= self.high else " after correction"
        return (
            f"{self.name}: {_signed(self.mean)} bits/dim (95 % interval {self.interval}, {n} seeds): {self.claim}{why}."
        )

    def row(self) -> dict[str, Any]:
        """Return the effect as a row of a table."""
        return {
            "contrast": self.name,
            "difference_bits_per_dim": self.mean,
            "low": self.low,
            "high": self.high,
            "seeds": len(self.values),
            "p": self.p,
            "p_corrected": self.p_corrected,
            "pairing_correlation": self.correlation,
            "claim": self.claim,
        }


def contrast(study: Study, name: str, arms: Mapping[Arm, float]) -> Effect | None:
    """Return a contrast over the seeds that all of its arms were run with, or None where there is none."""
    seeds = study.seeds(arms)
    if not seeds:
        return None
    bits = np.array([[study.runs[arm, seed].bits_per_dim for arm in arms] for seed in seeds])
    found = effect(name, arms, np.array(seeds), bits @ np.array(list(arms.values())))
    if len(arms) != 2 or len(seeds) < 3 or (np.ptp(bits, axis=0) == 0).any():
        return found
    return replace(found, correlation=float(np.corrcoef(bits.T)[0, 1]))


def effect(name: str, arms: Mapping[Arm, float], seeds: np.ndarray, values: np.ndarray) -> Effect:
    """Return the effect with its t interval and uncorrected p, from its values (n,) over seeds (n,)."""
    low = high = p = math.nan
    if len(values) > 1:
        if np.ptp(values) == 0:
            # The t statistic of no scatter is 0/0 or infinite.
            low = high = float(values[0])
            p = 0.0 if low else 1.0
        else:
            test = stats.ttest_1samp(values, 0.0)
            p = float(test.pvalue)
            low, high = (float(end) for end in test.confidence_interval(1 - ALPHA))
    return Effect(name, dict(arms), seeds, values, low, high, p)


def corrected(effects: Iterable[Effect | None]) -> tuple[Effect, ...]:
    """Return effects that are looked at together with Holm's correction; those that are None are left out.

    Reference: Holm, A simple sequentially rejective multiple test procedure, 1979. SciPy has no Holm.
    """
    found = [one for one in effects if one is not None]
    tested = sorted((one.p, place) for place, one in enumerate(found) if not math.isnan(one.p))
    largest, adjusted = 0.0, {}
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[place] = largest
    return tuple(replace(one, p_corrected=adjusted.get(place, math.nan)) for place, one in enumerate(found))


# ---------------------------------------------------------------------- an arm against the others


@dataclass(frozen=True, eq=False)
class Comparisons:
    """A split policy with an initialisation, against every other arm of the same prior.

    Attributes:
        subject: (split, init) of what is compared.
        effects: subject minus other, for every prior; Holm's correction is over all of them.

    """

    subject: tuple[str, str]
    effects: tuple[Effect, ...]

    def against(self, prior: str) -> dict[Arm, Effect]:
        """Return other arm -> effect, of a prior."""
        found = {next(arm for arm, weight in one.arms.items() if weight < 0): one for one in self.effects}
        return {arm: one for arm, one in found.items() if arm.prior == prior}

    def table(self) -> list[dict[str, Any]]:
        """Return one row a comparison."""
        return [one.row() for one in self.effects]


def subjects(study: Study) -> list[tuple[str, str]]:
    """Return (split, init) of what a study can be read for, the adaptive split first."""
    found = list(dict.fromkeys((arm.split, arm.init) for arm in study.arms))
    return sorted(found, key=lambda one: one != (ADAPTIVE, usual_init(study)))


def usual_init(study: Study) -> str:
    """Return the initialisation that a study's splits are compared on.

    Of those that its recipe crosses with the splits, the first of ``flow.config.INITS``; or else that of its first arm.
    """
    return min(study.recipe.inits or [study.arms[0].init], key=INITS.index)


def comparisons(study: Study, subject: tuple[str, str] | None = None) -> Comparisons:
    """Return a subject against all others; by default the adaptive split, or else the first arm.

    Raises:
        StudyError: the study has no run, or none of the subject.

    """
    known = subjects(study)
    if not known:
        raise StudyError(f"{study.name} has no run yet.")
    chosen = subject or known[0]
    if chosen not in known:
        names = ", ".join("/".join(one) for one in known)
        raise StudyError(f"{study.name} has no arm {'/'.join(chosen)[:60]}; it has {names}.")
    effects = []
    for prior in study.priors:
        ours = Arm(*chosen, prior)
        for other in study.arms:
            if other.prior == prior and other != ours and ours in study.arms:
                effects.append(
                    contrast(study, f"{short(study, ours)} − {short(study, other)}, {prior}", {ours: 1.0, other: -1.0})
                )
    return Comparisons(chosen, corrected(effects))


def short(study: Study, arm: Arm) -> str:
    """Return an arm's name without its prior, and without the initialisation that is usual in its study."""
    return arm.split if arm.init == usual_init(study) else f"{arm.split} ({arm.init} init)"


# ---------------------------------------------------------------------- what each choice contributes


@dataclass(frozen=True, eq=False)
class Factorial:
    """The parts of a policy under one prior, each averaged over what it can be combined with, paired over seeds.

    Attributes:
        prior: of the arms.
        order: entropy against each other order, averaged over the weightings that both were run with. With the
            initialisation ``dealt`` an order that looks at data deals by information, others by chance, and the effect
            is that of order and deal together.
        weights: pooled against none, averaged over orders.
        init: the study's initialisation against each other one, averaged over the policies that were run with both.
        interaction: what weights gain under the entropy order minus what they gain under the others; what the
            initialisation gains for the adaptive split minus what it gains for the static ones.

    """

    prior: str
    order: tuple[Effect, ...]
    weights: tuple[Effect, ...]
    init: tuple[Effect, ...]
    interaction: tuple[Effect, ...]

    @property
    def effects(self) -> tuple[Effect, ...]:
        """All of them; Holm's correction is over these."""
        return self.order + self.weights + self.init + self.interaction

    def table(self) -> list[dict[str, Any]]:
        """Return one row an effect."""
        parts = {"order": self.order, "weights": self.weights, "initialisation": self.init}
        parts["interaction"] = self.interaction
        return [{"part": part, "prior": self.prior, **one.row()} for part, effects in parts.items() for one in effects]


def factorial(study: Study, prior: str) -> Factorial:
    """Return the factorial reading of a study under a prior; what has no arms is not there."""
    arms = [arm for arm in study.arms if arm.prior == prior and arm.split != AGAIN]
    grid = {(*parse_split(arm.split), arm.init): arm for arm in arms}
    usual = usual_init(study)
    others = [init for init in dict.fromkeys(arm.init for arm in arms) if init != usual]

    def pairs(*changes: tuple[tuple[str, str, str], tuple[str, str, str]]) -> list[Pair]:
        return [(grid[one], grid[other]) for one, other in changes if one in grid and other in grid]

    def against(order: str) -> list[Pair]:
        return pairs(*((("entropy", one, usual), (order, one, usual)) for one in WEIGHTS))

    ordered = {order: against(order) for order in OTHER_ORDERS}
    weighed = {order: pairs(((order, "pooled", usual), (order, "none", usual))) for order in ORDERS}
    turned = {
        (order, weighting, init): pairs(((order, weighting, usual), (order, weighting, init)))
        for order in ORDERS
        for weighting in WEIGHTS
        for init in others
    }
    under_others = _all(weighed[order] for order in OTHER_ORDERS)

    def under(init: str) -> list[Pair]:
        return _all(found for key, found in turned.items() if key[2] == init)

    def static(init: str) -> list[Pair]:
        return _all(turned[order, "none", init] for order in ("first", "last"))

    of_order = "entropy order and deal" if usual == "dealt" else "entropy order"
    order = [_mean_of(study, f"{of_order} − {name}", found) for name, found in ordered.items()]
    weights = [_mean_of(study, "weights − none", _all(weighed.values()))]
    init = [_mean_of(study, f"{usual} − {other} initialisation", under(other)) for other in others]
    interaction = [
        _mean_of(study, "weights × entropy order", weighed["entropy"], under_others),
        *(
            _mean_of(study, f"{usual} over {one} × weighted", turned["entropy", "pooled", one], static(one))
            for one in others
        ),
    ]
    parts = [order, weights, init, interaction]
    effects = iter(corrected(one for part in parts for one in part))
    return Factorial(prior, *(tuple(next(effects) for one in part if one is not None) for part in parts))


Pair = tuple[Arm, Arm]


def _all(found: Iterable[list[Pair]]) -> list[Pair]:
    return [pair for pairs in found for pair in pairs]


def _mean_of(study: Study, name: str, ours: list[Pair], theirs: list[Pair] | None = None) -> Effect | None:
    """Return the mean difference within our pairs, minus that within theirs where they are given."""
    if not ours or theirs == []:
        return None
    weights: dict[Arm, float] = {}
    for pairs, sign in ((ours, 1.0), (theirs or [], -1.0)):
        for one, other in pairs:
            weights[one] = weights.get(one, 0.0) + sign / len(pairs)
            weights[other] = weights.get(other, 0.0) - sign / len(pairs)
    return contrast(study, name, weights)


# ---------------------------------------------------------------------- the verdict


@dataclass(frozen=True, eq=False)
class Verdict:
    """What may be said of a study, prior by prior.

    Attributes:
        study: what it is said of.
        comparisons: of the subject.
        factorials: prior -> what each choice contributes.

    """

    study: Study
    comparisons: Comparisons
    factorials: dict[str, Factorial]

    @property
    def rivals(self) -> dict[str, dict[Arm, Effect]]:
        """Prior -> what the answer rests on.

        The static splits of the subject's initialisation and its own order without weights; where there is neither, all
        splits of that initialisation, or all arms. Beside these every arm, of whatever kind, that is better.
        """
        found = {}
        for prior in self.study.priors:
            others = self.comparisons.against(prior)
            alike = [arm for arm in others if arm.init == self.comparisons.subject[1]]
            asked = [arm for arm in alike if arm.split in STATIC or self._differs_by_weights_alone(arm)]
            chosen = asked or alike or list(others)
            found[prior] = {arm: one for arm, one in others.items() if arm in chosen or one.claim == "worse"}
        return {prior: others for prior, others in found.items() if others}

    def _differs_by_weights_alone(self, arm: Arm) -> bool:
        """Return whether an arm is the subject's order without its weights."""
        if AGAIN in (arm.split, self.comparisons.subject[0]):
            return False
        order, weights = parse_split(self.comparisons.subject[0])
        return weights != "none" and parse_split(arm.split) == (order, "none")

    @property
    def answer(self) -> str:
        """``Yes`` where the subject is better than every rival, ``No`` where one is better, or no conclusion."""
        claims = {one.claim for others in self.rivals.values() for one in others.values()}
        if "worse" in claims:
            return "No"
        return "Yes" if claims == {"better"} else "No conclusion"

    def in_words(self) -> str:
        """Return the answer to the page's question in one sentence."""
        if not self.rivals:
            return f"No conclusion: {self.study.name} has no two arms that were run with the same seed yet."
        if {arm.split for arm in self.study.arms} == {"random", AGAIN}:
            return self._of_a_null()
        effects = [one for others in self.rivals.values() for one in others.values()]
        seeds = {len(one.values) for one in effects}
        subject = short(self.study, Arm(*self.comparisons.subject, ""))
        clear = ", every 95 % interval clear of 0" if all(one.claim != "no conclusion" for one in effects) else ""
        said = [_needs(self.study, others, prior) for prior, others in self.rivals.items()]
        return (
            f"{self.answer}: over {_range(seeds)} seed{'s' if seeds != {1} else ''} on {self.study.recipe.data}"
            f"{_where(self.study)}, {subject} needs {'; '.join(said)}{clear}.{self._not_run()}"
        )

    def _not_run(self) -> str:
        """Return that the rival which tells order and weights apart is missing, where it is."""
        order, weights = ("", "none") if AGAIN in self.comparisons.subject else parse_split(self.comparisons.subject[0])
        if weights == "none" or any(map(self._differs_by_weights_alone, self.study.arms)):
            return ""
        return f" {split_name(order, 'none')}, the same order without weights, was not run."

    def _of_a_null(self) -> str:
        effects = self.comparisons.effects
        found = [
            f"{_signed(one.mean)}{'' if number else ' bits/dim'} ({one.interval}) with the {arm.prior} prior"
            for number, one in enumerate(effects)
            for arm in list(one.arms)[:1]
        ]
        end = (
            "no difference is claimed, as it should be"
            if all(one.claim == "no conclusion" for one in effects)
            else "a difference is claimed where there is none, as may happen in 1 study of 20"
        )
        return f"Two arms that differ by nothing but chance: {_listed(found)}; {end}."

    def entropy_informed(self) -> str:
        """Return whether the order by entropy, with weights, earns its name, or else what carries the gain."""
        if self.comparisons.subject[0] != ADAPTIVE:
            return f"Whether a gain is entropy-informed is asked of {ADAPTIVE}, which is not what is compared here."
        said: dict[str, list[str]] = {}
        for prior in self.study.priors:
            said.setdefault(self._entropy_informed(prior), []).append(prior)
        return " ".join(
            f"With {'either prior' if len(priors) > 1 else f'the {priors[0]} prior'} {text}"
            for text, priors in said.items()
        )

    def _entropy_informed(self, prior: str) -> str:
        if self.comparisons.subject[1] == "dealt":
            return self._dealt(prior)
        others = self.comparisons.against(prior)
        names = [split_name(order, "pooled") for order in OTHER_ORDERS]
        init = self.comparisons.subject[1]
        found = {arm.split: one for arm, one in others.items() if arm.split in names and arm.init == init}
        # Orders that look at the data have to be beaten where they were run; the neutral ones have to be there.
        neutral = [split_name(order, "pooled") for order in ("first", "last", "random")]
        if missing := [name for name in neutral if name not in found]:
            return f"nothing is claimed of the entropy: this study has no {', '.join(missing)}."
        if all(one.claim == "better" for one in found.values()):
            gains = ", ".join(f"{name} {_signed(one.mean)}" for name, one in found.items())
            return f"the gain is entropy-informed: {ADAPTIVE} beats each other order with weights ({gains})."
        open_ones = ", ".join(
            f"{name} ({_signed(one.mean)}, {one.claim})" for name, one in found.items() if one.claim != "better"
        )
        parts = self.factorials[prior]
        effects = parts.order + parts.weights + parts.init
        carried = ", ".join(f"{one.name} {_signed(one.mean)}" for one in effects if one.claim == "better")
        return (
            f"the gain is not called entropy-informed, because {ADAPTIVE} does not beat {open_ones}; "
            f"what carries it: {carried or 'nothing that is clear of chance'}."
        )

    def _dealt(self, prior: str) -> str:
        effects = self.factorials[prior].order
        found = ", ".join(f"− {one.name.partition(' − ')[2]} {_signed(one.mean)} ({one.claim})" for one in effects)
        return (
            "nothing is claimed of the entropy order by itself: where channels are dealt, it deals by information and "
            f"the others by chance. Order and deal together: {found or 'not compared'}."
        )


def verdict(study: Study, subject: tuple[str, str] | None = None) -> Verdict:
    """Return what may be said of a study, by default of the adaptive split.

    Raises:
        StudyError: the study has no run, or none of the subject.

    """
    return Verdict(study, comparisons(study, subject), {prior: factorial(study, prior) for prior in study.priors})


def _needs(study: Study, others: Mapping[Arm, Effect], prior: str) -> str:
    parts = [
        f"{abs(one.mean):.3f}{'' if number else ' bits/dim'} {'less' if one.mean < 0 else 'more'} than "
        f"{short(study, arm)}{_doubt(one)}"
        for number, (arm, one) in enumerate(others.items())
    ]
    return f"{_listed(parts)} with the {prior} prior"


def _doubt(one: Effect) -> str:
    # Of one seed the sentence has said so already.
    return f" ({one.interval}: no conclusion)" if one.claim == "no conclusion" and len(one.values) > 1 else ""


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _range(numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _where(study: Study) -> str:
    init = usual_init(study)
    dealt = f" with channels {init.replace('-', ' ')}" if init in DEALS else ""
    held_out = ", on photographs held out from training" if study.recipe.evaluate_on == "validation" else ""
    return dealt + held_out + (", at equal CPU seconds" if study.recipe.equal_cpu else "")


def _signed(value: float) -> str:
    return signed(value, 3)


# ---------------------------------------------------------------------- how often chance alone would be believed


@dataclass(frozen=True)
class FalseAlarms:
    """How many of simulated null studies are called a difference.

    Attributes:
        studies: simulated, each of one comparison.
        seeds: of each.
        called: how many were not "no conclusion".

    """

    studies: int
    seeds: int
    called: int

    def in_words(self) -> str:
        """Return one sentence."""
        return (
            f"Of {self.studies:,} simulated studies of {self.seeds} seeds in which chance alone is at work, with the "
            f"scatter of this study, {self.called} are called a difference ({ALPHA:.0%} of them would be "
            f"{ALPHA * self.studies:.0f})."
        )


def residuals(study: Study) -> np.ndarray:
    """Return what is left of bits/dim (M,) after the mean of every arm and of every seed, prior by prior.

    Over the seeds that all arms of a prior were run with; scaled to the variance that they had before their means were
    taken out.
    """
    pool = []
    for prior in study.priors:
        arms = [arm for arm in study.arms if arm.prior == prior]
        seeds = study.seeds(arms)
        if len(arms) > 1 and len(seeds) > 1:
            bits = np.array([[study.runs[arm, seed].bits_per_dim for seed in seeds] for arm in arms])
            left = bits - bits.mean(axis=0) - bits.mean(axis=1, keepdims=True) + bits.mean()
            freedom = (len(arms) - 1) * (len(seeds) - 1)
            pool.append((left * math.sqrt(bits.size / freedom)).ravel())
    return np.concatenate(pool) if pool else np.empty(0)


def false_alarms(pool: np.ndarray, seeds: int, studies: int = 1000, seed: int = 0) -> FalseAlarms:
    """Return how often two arms whose runs differ by draws from ``pool`` (M,) alone are called different."""
    drawn = np.random.default_rng(seed).choice(pool, (studies, 2, seeds))
    values = drawn[:, 0] - drawn[:, 1]
    claims = [corrected([effect("null", {}, np.arange(seeds), one)])[0].claim for one in values]
    return FalseAlarms(studies, seeds, sum(claim != "no conclusion" for claim in claims))


# ---------------------------------------------------------------------- for the command line


def report(study: Study, subject: tuple[str, str] | None = None) -> dict[str, Any]:
    """Return every number that the page Compare shows of a study."""
    found = verdict(study, subject)
    pool = residuals(study)
    calibration = false_alarms(pool, study.recipe.seeds) if len(pool) else None
    return {
        "study": study.name,
        "subject": "/".join(found.comparisons.subject),
        "answer": found.answer,
        "verdict": found.in_words(),
        "entropy_informed": found.entropy_informed(),
        "comparisons": found.comparisons.table(),
        "factorial": [row for one in found.factorials.values() for row in one.table()],
        "arms": arm_table(study),
        "step_cost": study.step_cost,
        "false_alarms_in_1000_nulls": None if calibration is None else calibration.called,
    }
