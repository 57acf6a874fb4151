"""What may be said of a study: an answer that can be no, whether it is the entropy's doing, and the one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..analysis.words.numbers import counted, fixed, listed, signed
from .arms import arm_table
from .file import Study
from .recipe import AGAIN, Arm
from .statistics import (
    Comparisons,
    Effect,
    Factorial,
    alarms_of,
    comparisons,
    contrast,
    corrected,
    factorial,
    label,
)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What may be said of a study, prior by prior.

    Attributes:
        study: what it is said of.
        comparisons: of the subject with every other arm.
        factorials: prior -> what each choice contributes.

    """

    study: Study
    comparisons: Comparisons
    factorials: dict[str, Factorial]

    def subject(self, prior: str) -> Arm:
        """Return the arm that is compared, under a prior."""
        return Arm.parse(self.comparisons.subject, prior=prior)

    @property
    def rivals(self) -> dict[str, dict[Arm, Effect]]:
        """Prior -> what a "yes" has to beat.

        Of a subject that looks at entropy: every arm that does not, and its own order without weights. Of any other
        subject: every arm. Beside these every arm, of whatever kind, that is better.
        """
        found = {}
        for prior in self.study.priors:
            others = {arm: one for arm, one in self.comparisons.against(prior).items() if arm.order != AGAIN}
            if not others:  # an A/A control
                others = self.comparisons.against(prior)
            asked = [arm for arm in others if self._is_rival(arm)] or list(others)
            found[prior] = {arm: one for arm, one in others.items() if arm in asked or one.claim == "worse"}
        return {prior: others for prior, others in found.items() if others}

    def _is_rival(self, arm: Arm) -> bool:
        ours = self.subject(arm.prior)
        return not ours.looks_at_entropy or not arm.looks_at_entropy or arm == self._without_weights(arm.prior)

    def _without_weights(self, prior: str) -> Arm | None:
        """Return the subject without its weights, None where it has none."""
        ours = self.subject(prior)
        return None if ours.weights == "none" else replace(ours, weights="none")

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
        if self.study.recipe.is_control:
            return self._of_a_control()
        effects = [one for others in self.rivals.values() for one in others.values()]
        seeds = {len(one.values) for one in effects}
        subject = label(self.study, self.subject(self.study.priors[0]))
        clear = ", every 95 % interval clear of 0" if all(one.claim != "no conclusion" for one in effects) else ""
        needs = [_needs(self.study, others, prior) for prior, others in self.rivals.items()]
        return (
            f"{self.answer}: over {_range(seeds)} seed{'s' if seeds != {1} else ''} on {self.study.recipe.data_name}"
            f"{_where(self.study)}, {subject} needs {'; '.join(needs)}{clear}.{self._not_run()}"
        )

    def _not_run(self) -> str:
        """Return that the rival which tells order and weights apart is missing, where it is."""
        arms = {arm for arm in map(self._without_weights, self.study.priors) if arm is not None}
        if not arms or arms & {*self.study.arms}:
            return ""
        return " The same order without weights was not run."

    def _of_a_control(self) -> str:
        effects = self.comparisons.effects
        found = [f"{one.lead_in_figures} with the {arm.prior} prior" for one in effects for arm in list(one.arms)[:1]]
        end = (
            "no difference is claimed, as it should be"
            if all(one.claim == "no conclusion" for one in effects)
            else "a difference is claimed where there is none, as may happen in 1 study of 20"
        )
        return f"Two arms that differ by nothing but chance, lead in bits/dim: {listed(found)}; {end}."

    def entropy_informed(self) -> str:
        """Return whether the order by entropy carries a gain of its own, or else what does."""
        if not self.subject(self.study.priors[0]).looks_at_entropy:
            return "Whether a gain is entropy-informed is asked of arms whose order looks at entropy."
        found: dict[str, list[str]] = {}
        for prior in self.study.priors:
            found.setdefault(self._entropy_informed(prior), []).append(prior)
        return " ".join(
            f"With {'either prior' if len(priors) > 1 else f'the {priors[0]} prior'} {text}"
            for text, priors in found.items()
        )

    def _entropy_informed(self, prior: str) -> str:
        ours = self.subject(prior)
        others = {
            arm.order: one
            for arm, one in self.comparisons.against(prior).items()
            if arm.order != AGAIN and replace(arm, order="entropy") == ours
        }
        if not others:
            return (
                "nothing is claimed of the entropy order by itself: no other order was run with the same weights, "
                "partitions and fraction."
            )
        leads = ", ".join(f"{signed(one.lead, 3)} over {order}: {one.claim}" for order, one in others.items())
        if all(one.claim == "better" for one in others.values()):
            return f"the gain is entropy-informed: all else equal, entropy beats each other order (lead {leads})."
        carried = ", ".join(
            f"{one.lead_name} {signed(one.lead, 3)}" for one in self.factorials[prior].effects if one.claim == "better"
        )
        return (
            f"the gain is not called entropy-informed, because all else equal the entropy order does not beat each "
            f"other order (lead {leads}); what carries it: {carried or 'nothing that is clear of chance'}."
        )


def verdict(study: Study, subject: str | None = None) -> Verdict:
    """Return what may be said of a study, by default of the adaptive arm.

    Raises:
        StudyError: the study has no run, or none of the subject.
        ConfigError: the subject is no arm.

    """
    return Verdict(study, comparisons(study, subject), {prior: factorial(study, prior) for prior in study.priors})


def _needs(study: Study, others: Mapping[Arm, Effect], prior: str) -> str:
    parts = [
        f"{abs(one.mean):.3f}{'' if number else ' bits/dim'} {'less' if one.mean < 0 else 'more'} than "
        f"{label(study, arm)}{_doubt(one)}"
        for number, (arm, one) in enumerate(others.items())
    ]
    return f"{listed(parts)} with the {prior} prior"


def _doubt(one: Effect) -> str:
    # Of one seed the sentence has said so already.
    return f" (lead {one.lead_range}: no conclusion)" if one.claim == "no conclusion" and len(one.values) > 1 else ""


def _range(numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _where(study: Study) -> str:
    held_out = ", on photographs held out from training" if study.recipe.evaluate_on == "validation" else ""
    return held_out + (", at equal CPU seconds" if study.recipe.equal_cpu else "")


# ---------------------------------------------------------------------- the goal, and the one line


#: Seeds below which an arm is not ranked where others have more.
FEWEST = 3


@dataclass(frozen=True, eq=False)
class Goal:
    """The best arm that looks at entropy against the best arm that does not, at the same prior.

    Attributes:
        study: where both were run.
        arm, rival: the two. Both are chosen by the same test images on which they are compared.
        effect: arm minus rival.

    """

    study: Study
    arm: Arm
    rival: Arm
    effect: Effect


def goal(study: Study, prior: str) -> Goal | None:
    """Return the goal of a study under a prior; None where it has no two such arms with two seeds in common.

    Arms are ranked over the seeds that all of them have; those with fewer than :data:`FEWEST` are left out where
    others have as many, so that none is the best by a lucky seed.
    """
    arms = [arm for arm in study.arms if arm.prior == prior and arm.order != AGAIN]
    if not arms:
        return None
    enough = min(FEWEST, max(len(study.of(arm)) for arm in arms))
    arms = [arm for arm in arms if len(study.of(arm)) >= enough]
    seeds = study.seeds(arms)
    if len(seeds) < 2:
        return None
    means = {arm: sum(study.runs[arm, seed].bits_per_dim for seed in seeds) / len(seeds) for arm in arms}
    informed = [arm for arm in means if arm.looks_at_entropy]
    others = [arm for arm in means if not arm.looks_at_entropy]
    if not informed or not others:
        return None
    arm, rival = min(informed, key=means.__getitem__), min(others, key=means.__getitem__)
    found = corrected([contrast(study, f"{label(study, arm)} − {label(study, rival)}", {arm: 1.0, rival: -1.0})])
    return Goal(study, arm, rival, found[0])


def line(studies: Sequence[Study], prior: str = "conditional") -> str:
    """Return what all studies say together, in one honest sentence.

    It compares the entropy order with the variance order, both without weights, with the same partitions and half of
    the channels passed on, in every study that has them; then weights against none under the entropy order.
    """
    pairs = {
        "order": (Arm("entropy", prior=prior), Arm("variance", prior=prior)),
        "weights": (Arm("entropy", "pooled", prior=prior), Arm("entropy", prior=prior)),
    }
    found: dict[str, list[tuple[str, Effect]]] = {}
    for name, (one, other) in pairs.items():
        for study in studies:
            if study.recipe.equal_cpu or study.recipe.evaluate_on != "test":
                continue
            effects = corrected([contrast(study, name, {one: 1.0, other: -1.0})])
            if effects and len(effects[0].values) > 1:
                where = f"{study.recipe.data_name} ({study.recipe.iterations:,} steps)"
                found.setdefault(name, []).append((where, effects[0]))
    if "order" not in found:
        return "No study here compares the entropy order with the variance order yet."
    order = [f"{signed(one.mean, 3)} ({one.interval}) on {where}" for where, one in found["order"]]
    text = f"Ordering channels by entropy instead of variance changes bits/dim by {listed(order)}"
    if "weights" in found:
        weights = [f"{signed(one.mean, 3)} on {where}" for where, one in found["weights"]]
        text += f"; channel weights beside it change them by {listed(weights)}"
    seeds = _range({len(one.values) for ones in found.values() for _, one in ones})
    return f"{text} (below 0 is better; 95 % intervals over {seeds} seeds)."


# ---------------------------------------------------------------------- for the command line


def report(study: Study, subject: str | None = None) -> dict[str, Any]:
    """Return every number that the page Compare shows of a study."""
    found = verdict(study, subject)
    calibration = alarms_of(study)
    goals = {prior: one for prior in study.priors if (one := goal(study, prior)) is not None}
    return {
        "study": study.name,
        "title": study.title,
        "subject": found.comparisons.subject,
        "answer": found.answer,
        "verdict": found.in_words(),
        "entropy_informed": found.entropy_informed(),
        "looks": list(study.looks),
        "comparisons": found.comparisons.table(),
        "factorial": [row for one in found.factorials.values() for row in one.table()],
        "goal": [{"prior": prior, **one.effect.row()} for prior, one in goals.items()],
        "arms": arm_table(study),
        "step_cost": study.step_cost,
        "false_alarms_in_1000_nulls": None if calibration is None else calibration.called,
    }


def report_in_words(result: Mapping[str, Any]) -> str:
    """Return a report as text."""
    lines = [result["verdict"], result["entropy_informed"], ""]
    lines += [
        f"{signed(row['difference_bits_per_dim'], 4)}  {_interval(row)}  "
        f"{row['claim']:13}  {row['contrast']}{' (' + row['prior'] + ')' if 'prior' in row else ''}"
        for row in [*result["comparisons"], *result["factorial"]]
    ]
    lines += ["", *(
        f"{fixed(row['bits_per_dim'], 4)}{_scatter(row['sd_over_seeds'])}  {counted(row['seeds'], 'seed')}  "
        f"{row['parameters']:,} parameters  {row['iterations']} steps in {row['cpu_s']:.1f} CPU-s  {row['arm']}"
        for row in result["arms"]
    )]  # fmt: skip
    return "\n".join(lines)


def _interval(row: Mapping[str, Any]) -> str:
    if row["low"] != row["low"]:
        return "no interval: 1 seed"
    return (
        f"[{signed(row['low'], 4)}, {signed(row['high'], 4)}] over {row['interval_over']}  p {row['p_corrected']:.2g}"
    )


def _scatter(value: float) -> str:
    return "" if value != value else f" ± {value:.4f}"
