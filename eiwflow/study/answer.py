"""The answer of a study: whether an arm needs fewer bits than its rivals: yes, no, or not shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..analysis.words.numbers import counted, listed, signed
from ..flow.config import FlowConfig
from .file import Study
from .recipe import AGAIN, Arm
from .statistics import Effect, comparisons, corrected, label, opponents, paired, subject_of


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to whether an arm of a study needs fewer bits than its rivals, under one prior.

    Attributes:
        study: with all arms.
        arm: the arm that the question is about.
        effects: every other arm of the prior -> the lead of ``arm`` over it. Holm's correction is over all comparisons
            of the arm in the study.

    """

    study: Study
    arm: Arm
    effects: dict[Arm, Effect]

    @property
    def rivals(self) -> dict[Arm, Effect]:
        """The arms that pass on the same fraction, and flows of one's own; of two orders by entropy neither is one."""
        return {
            other: effect
            for other, effect in self.effects.items()
            if other.keep == self.arm.keep and not (self.arm.looks_at_entropy and other.looks_at_entropy)
        }

    @property
    def nearest(self) -> Arm | None:
        """The nearest rival among those that share two seeds with the arm; None without such a rival."""
        rivals = {other: effect.lead for other, effect in self.rivals.items() if len(effect.values) > 1}
        return min(rivals, key=rivals.__getitem__, default=None)

    @property
    def better(self) -> list[Arm]:
        """The arms of any kind that need clearly fewer bits; the best first."""
        return self._by_lead(other for other, effect in self.effects.items() if effect.claim == "behind")

    @property
    def close(self) -> list[Arm]:
        """The rivals, and the arm without its weights, that are too close to call; the nearest first."""
        near = {*self.rivals, replace(self.arm, weights="none")}
        effects = {other: effect for other, effect in self.effects.items() if other in near}
        return self._by_lead(other for other, effect in effects.items() if effect.claim == "not shown")

    def _by_lead(self, others: Iterable[Arm]) -> list[Arm]:
        return sorted(others, key=lambda other: self.effects[other].lead)

    @property
    def word(self) -> str:
        """``No`` where an arm is better, ``Yes`` where all rivals are worse; else ``Not shown`` or ``Interim``."""
        if not self.study.is_done:
            return "Interim"
        if self.better:
            return "No"
        return "Yes" if self.nearest is not None and not self.close else "Not shown"

    def in_words(self) -> str:
        """Return the answer in one sentence, with the lead over the nearest rival, or of the best arm."""
        name, recipe = label(self.study, self.arm), self.study.recipe
        where = f"on {recipe.data_name}{', scored on held-out images' * (recipe.evaluate_on == 'validation')}"
        where += ", at equal time" * recipe.equal_time
        if self.word == "No":
            best, *others = self.better
            lead = self.effects[best]
            figures = f"{signed(-lead.lead, 3)} ({signed(-lead.high, 3)} to {signed(-lead.low, 3)})"
            more = f"; {counted(len(others), 'more arm')} {'are' if others[1:] else 'is'} better" if others else ""
            return f"No: {label(self.study, best)} leads {name} by {figures} bits/dim{_over(lead)} {where}{more}."
        if self.nearest is None:
            return f"Not shown: {name} shares no two seeds with another split {where}."
        nearest, lead = label(self.study, self.nearest), self.effects[self.nearest]
        figures = f"{lead.figures} bits/dim{_over(lead)} {where}"
        if self.word == "Interim":
            return f"Interim: no claim yet. So far the lead of {name} over {nearest}, its nearest rival, is {figures}."
        if self.word == "Yes":
            return f"Yes: {name} leads {nearest}, its nearest rival, by {figures}."
        close = [label(self.study, other) for other in self.close]
        named = listed([*close[:3], f"{len(close) - 3} more"] if len(close) > 3 else close)
        return (
            f"Not shown: {name} is too close to call with {named}; its lead over {nearest}, the nearest rival, is "
            f"{figures}."
        )


def answer(study: Study, subject: str | None = None, prior: str | None = None) -> Answer | None:
    """Return the answer of a study, by default of the adaptive arm; None if the arm was not run under the prior.

    Args:
        study: with at least one run.
        subject: an arm without its prior (:attr:`.Arm.choice`).
        prior: by default :func:`usual_prior`.

    Raises:
        StudyError: the study has no run, or none of the subject.
        ConfigError: the subject is no arm.

    """
    choice, prior = subject_of(study, subject), prior or usual_prior(study)
    arm = next((arm for arm in study.arms if (arm.choice, arm.prior) == (choice, prior)), None)
    if arm is None:
        return None
    effects = opponents(comparisons(study, choice), prior)
    return Answer(study, arm, {other: effect for other, effect in effects.items() if other.order != AGAIN})


def usual_prior(study: Study) -> str:
    """Return the prior to show first: the default prior of flows, if the study has it."""
    return FlowConfig.prior if FlowConfig.prior in study.priors else study.priors[0]


def control(study: Study) -> tuple[Effect, ...]:
    """Return the A/A control of a study, prior by prior: the random order over itself with other permutations."""
    again = [arm for arm in study.arms if arm.order == AGAIN]
    pairs = [(same, arm) for arm in again if (same := replace(arm, order="random")) in study.arms]
    return corrected(paired(study, same, arm) for same, arm in pairs)


def at_equal_time(study: Study, others: Iterable[Study]) -> Study | None:
    """Return the study at equal seconds that has the same arms, and perhaps more; None without such a study."""
    arms = study.recipe.arms
    for other in others:
        # The training recipe of any arm holds all settings of trainings.
        alike = other.recipe.training(arms[0], 0) == study.recipe.training(arms[0], 0)
        if other.recipe.equal_time and alike and other.runs and {*arms} <= {*other.recipe.arms}:
            return other
    return None


def _over(effect: Effect) -> str:
    return f" over {counted(len(effect.values), 'seed')}"
