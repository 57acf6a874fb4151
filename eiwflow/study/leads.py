"""The lead of the adaptive split over the static ones, study by study, and which arms of a study lead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..flow.config import FlowConfig
from .file import Study
from .recipe import AGAIN, Arm
from .statistics import Effect, comparisons, contrast, corrected, subjects


@dataclass(frozen=True, eq=False)
class Lead:
    """The adaptive split of a study against its strongest static rival.

    Attributes:
        study: where both were run.
        arm: the adaptive one: its order looks at entropy.
        rival: of the arms under the same prior that pass on the same fraction and whose order does not look at entropy,
            the one that comes nearest.
        effect: arm minus rival, in bits/dim: below 0 the adaptive split leads. Holm's correction is over all
            comparisons of the arm.

    """

    study: Study
    arm: Arm
    rival: Arm
    effect: Effect

    @property
    def budget(self) -> int:
        """How many images one run saw, repetitions counted."""
        return self.study.recipe.budget

    @property
    def lead(self) -> float:
        """How many bits/dim less the adaptive split needs, on average over seeds."""
        return self.effect.lead

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the lead."""
        return self.effect.lead_interval


def usual_prior(study: Study) -> str:
    """Return the prior that a study is read under first: the one that flows have unless told otherwise."""
    return FlowConfig.prior if FlowConfig.prior in study.priors else study.priors[0]


def lead(study: Study, prior: str | None = None) -> Lead | None:
    """Return the lead of a study under a prior, or None where it has no adaptive split, no rival or no second seed."""
    if not study.runs:
        return None
    prior = prior or usual_prior(study)
    arms = {arm.choice: arm for arm in study.arms if arm.prior == prior}
    adaptive = [arms[choice] for choice in subjects(study) if choice in arms and arms[choice].looks_at_entropy]
    if not adaptive:
        return None
    subject = adaptive[0]
    against = comparisons(study, subject.choice).against(prior)
    rivals = {
        arm: effect
        for arm, effect in against.items()
        if arm.order != AGAIN and not arm.looks_at_entropy and arm.keep == subject.keep and len(effect.values) > 1
    }
    if not rivals:
        return None
    nearest = max(rivals, key=lambda arm: rivals[arm].mean)
    return Lead(study, subject, nearest, rivals[nearest])


@dataclass(frozen=True, eq=False)
class Ranking:
    """The arms of a study under one prior, by bits/dim.

    Attributes:
        best: the arm with the fewest bits/dim on average.
        bits_per_dim: of the best arm, on average over its seeds.
        close: arms that need no clearly larger number, nearest first.
        behind: all other arms.

    """

    best: Arm
    bits_per_dim: float
    close: tuple[Arm, ...]
    behind: tuple[Arm, ...]


def ranking(study: Study, prior: str | None = None) -> Ranking | None:
    """Return which arms lead under a prior, or None where nothing was run under it."""
    prior = prior or (usual_prior(study) if study.runs else "")
    means = {arm: _mean(run.bits_per_dim for run in study.of(arm)) for arm in study.arms if arm.prior == prior}
    if not means:
        return None
    best = min(means, key=lambda arm: means[arm])
    against = comparisons(study, best.choice).against(prior)
    nearest = sorted(against, key=lambda arm: -against[arm].mean)
    close = tuple(arm for arm in nearest if against[arm].claim != "better")
    return Ranking(best, means[best], close, tuple(arm for arm in nearest if arm not in close))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def control(study: Study) -> tuple[Effect, ...]:
    """Return the A/A control of a study, prior by prior: the random order minus itself with other permutations."""
    effects = []
    for arm in study.arms:
        if arm.order == AGAIN and (same := replace(arm, order="random")) in study.arms:
            effects.append(contrast(study, f"random − random again, {arm.prior}", {same: 1.0, arm: -1.0}))
    return corrected(effects)


def at_equal_cpu(study: Study, others: Iterable[Study]) -> Study | None:
    """Return the study that gave the same arms, and perhaps more, the same CPU seconds; None where there is none."""
    arms = study.recipe.arms
    for other in others:
        # One arm's training holds every setting that trainings have.
        alike = other.recipe.training(arms[0], 0) == study.recipe.training(arms[0], 0)
        if other.recipe.equal_cpu and alike and other.runs and {*arms} <= {*other.recipe.arms}:
            return other
    return None
