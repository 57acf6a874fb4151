"""The gain of each choice of a flow: a ladder from Glow's fixed half to the best flow, and questions over studies.

Every statement on a page, in the lesson, in the README and in documents about this gain comes from here. A lead is the
second arm's bits/dim minus the first's: above 0, the first is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..analysis.words.numbers import fixed
from ..flow.config import FlowConfig
from .file import Study
from .recipe import Arm
from .statistics import Effect, contrast, corrected, usual_partition
from .words import titles

Choices = Mapping[str, str]

GLOW: Choices = {"order": "last", "init": "random"}
RANDOM_HALF: Choices = {"order": "random"}
BY_VARIANCE: Choices = {"order": "variance"}
BY_ENTROPY: Choices = {"order": "entropy"}
WEIGHTED: Choices = {"order": "entropy", "weights": "entropy"}
RANDOM_PAIRS: Choices = {**WEIGHTED, "partition": "random"}
INFORMED: Choices = {**WEIGHTED, "partition": "information"}

#: The rungs from below: name, new choice, and fields of the arm.
RUNGS: tuple[tuple[str, str, Choices], ...] = (
    ("Glow's half", "random rotations, the last channels factored out", GLOW),
    ("principal start", "principal channels, a random half of them passed on", RANDOM_HALF),
    ("half by variance", "the channels of largest variance passed on", BY_VARIANCE),
    ("half by entropy", "the channels with most structure passed on", BY_ENTROPY),
    ("entropy weights", "couplings weight channels by their entropies", WEIGHTED),
    ("random partitions", "couplings read random halves, not the same two in turn", RANDOM_PAIRS),
    ("partitions by information", "couplings read what tells most of the rest", INFORMED),
)
#: Partitions of a study that are not the alternating ones of Glow's half, as a choice.
PARTITIONS = {choices["partition"]: name for name, _, choices in RUNGS if "partition" in choices}


@dataclass(frozen=True)
class Question:
    """A question about one choice, for every study with both arms.

    Attributes:
        ours, theirs: the two sides of the comparison, in words.
        first, second: the fields of the two arms.
        prior: of both; None for the default of flows.
        many: whether ``ours`` is a plural.

    """

    ours: str
    theirs: str
    first: Choices
    second: Choices
    prior: str | None = None
    many: bool = False


QUESTIONS: dict[str, Question] = {
    "data": Question("A principal start and the half by entropy", "Glow's fixed half", BY_ENTROPY, GLOW, many=True),
    "start": Question("A principal start with a random half", "Glow's fixed half", RANDOM_HALF, GLOW),
    "half": Question("The half by entropy", "a random half of the same channels", BY_ENTROPY, RANDOM_HALF),
    "worst": Question(
        "The half by entropy", "the half of smallest variance", BY_ENTROPY, {"order": "variance-reversed"}
    ),
    "order": Question("The half by entropy", "the half by variance", BY_ENTROPY, BY_VARIANCE),
    "weights": Question("Entropy weights", "the same flow without them", WEIGHTED, BY_ENTROPY, many=True),
    "means": Question("Entropy weights", "weights from means", WEIGHTED, {**WEIGHTED, "weights": "means"}, many=True),
    "constant": Question(
        "Entropy weights", "the same weights for every image", WEIGHTED, {**WEIGHTED, "weights": "constant"}, many=True
    ),
    "pooled": Question(
        "Weights at the split", "the same flow without them", {**BY_ENTROPY, "weights": "pooled"}, BY_ENTROPY, many=True
    ),
    "partitions": Question(
        "Random partitions", "alternating ones", RANDOM_PAIRS, {**WEIGHTED, "partition": "alternating"}, many=True
    ),
    "information": Question("Partitions by information", "random partitions", INFORMED, RANDOM_PAIRS, many=True),
    "released": Question(
        "The half by entropy", "the released operation", BY_ENTROPY, {"order": "released"}, prior="standard"
    ),
}


@dataclass(frozen=True, eq=False)
class Rung:
    """One rung of a ladder.

    Attributes:
        name, detail: name and new choice. Where a study lacks the rung below, the name holds both choices, as in
            ``principal start + half by variance``.
        arm: that was run.
        saved: ``arm`` minus the lowest rung; None for the lowest.
        step: ``arm`` minus the rung below; None for the lowest.

    """

    name: str
    detail: str
    arm: Arm
    saved: Effect | None = None
    step: Effect | None = None


@dataclass(frozen=True, eq=False)
class Ladder:
    """The gain of each choice in one study.

    Attributes:
        study: where all arms were run.
        rungs: of the study, from below; empty where it lacks the lowest or all others.
        answers: key of :data:`QUESTIONS` -> effect, for questions whose arms the study has. Holm's correction is
            over all differences of this ladder.

    """

    study: Study
    rungs: tuple[Rung, ...]
    answers: dict[str, Effect]

    @property
    def top(self) -> Rung | None:
        """The rung that saves most."""
        saved = [rung for rung in self.rungs if rung.saved is not None]
        return max(saved, key=lambda rung: rung.saved.lead if rung.saved else 0.0, default=None)

    def in_words(self) -> str:
        """Return the saving of every rung over the rung below, as a sentence."""
        steps = [f"{each.name} {each.step.lead_in_figures}, {each.step.shown}" for each in self.rungs if each.step]
        return f"Bits/dim saved by each rung over the one below, on {self.study.title}: {'; '.join(steps)}."

    def to_dict(self) -> dict[str, Any]:
        """Return rungs and answers as values for JSON, as leads in bits/dim."""
        return {
            "study": self.study.title,
            "data": self.study.recipe.data_name,
            "iterations": self.study.recipe.iterations,
            "size": self.study.recipe.size,
            "rungs": [
                {"name": rung.name, "detail": rung.detail, "arm": rung.arm.text}
                | {key: lead_row(effect) for key, effect in (("saved", rung.saved), ("step", rung.step))}
                for rung in self.rungs
            ],
            "answers": {key: lead_row(effect) for key, effect in self.answers.items()},
        }


def lead_row(effect: Effect | None) -> dict[str, Any] | None:
    """Return a lead with its interval and claim, as values for JSON."""
    if effect is None:
        return None
    low, high = effect.lead_interval
    figures = {"lead": effect.lead, "low": low, "high": high}
    return {name: round(value, 5) if value == value else None for name, value in figures.items()} | {
        "claim": effect.stated_claim,
        "seeds": len(effect.values),
    }


def ladder(study: Study, prior: str = FlowConfig.prior) -> Ladder:
    """Return the gain of each choice in a study, under a prior.

    Arms with principal channels have the study's usual partition, unless a rung or question is about partitions. The
    rungs about partitions stand where the usual one is alternating, which they are compared with. Elsewhere the lowest
    rung differs in partitions too: the name of the next one says it, and no question compares with it.
    """
    arms = {arm for arm in study.arms if study.seeds({arm: 1.0})}
    present: list[Rung] = []
    skipped: list[str] = []
    fixed_pairs = usual_partition(study) == "alternating"
    for name, detail, choices in RUNGS:
        if "partition" in choices and not fixed_pairs:
            continue
        if (arm := arm_for(study, choices, prior)) in arms:
            present.append(Rung(" + ".join([*skipped, name]), detail, arm))
            skipped = [] if present[1:] or fixed_pairs else [PARTITIONS[usual_partition(study)]]
        elif choices is not BY_VARIANCE:  # the half by entropy takes the place of the half by variance
            skipped.append(name)
    if len(present) < 2 or present[0].name != RUNGS[0][0]:
        present = []
    pairs: dict[str, tuple[Arm, Arm]] = {}
    for place, rung in enumerate(present[1:], start=1):
        pairs[f"saved {rung.name}"] = rung.arm, present[0].arm
        pairs[f"step {rung.name}"] = rung.arm, present[place - 1].arm
    for key, question in QUESTIONS.items():
        first, second = (
            arm_for(study, choices, question.prior or prior) for choices in (question.first, question.second)
        )
        is_about_partitions = "partition" in question.first
        if first in arms and second in arms and (is_about_partitions or first.partition == second.partition):
            pairs[key] = first, second
    effects = _effects(study, pairs)
    rungs = [
        replace(rung, saved=effects.get(f"saved {rung.name}"), step=effects.get(f"step {rung.name}"))
        for rung in present
    ]
    return Ladder(study, tuple(rungs), {key: effects[key] for key in QUESTIONS if key in effects})


def is_start_by_half(study: Study) -> bool:
    """Return whether a study has every half from both starts."""
    starts = {"random": "alternating", "principal": "alternating"}
    halves = ("last", "random", "variance", "entropy")
    return {Arm(half, init=start, partition=pairs) for half in halves for start, pairs in starts.items()} <= {
        *study.arms
    }


def arm_for(study: Study, choices: Choices, prior: str) -> Arm:
    """Return the arm of a study with these choices, a half passed on, and the study's usual partition."""
    partition = "alternating" if choices.get("init") == "random" else usual_partition(study)
    return Arm(**{"partition": partition, "prior": prior, **choices})


def _effects(study: Study, pairs: Mapping[str, tuple[Arm, Arm]]) -> dict[str, Effect]:
    """Return key -> first minus second; all are corrected together, and a pair of arms counts as one comparison."""
    distinct = {pair: contrast(study, f"{pair[0].choice} − {pair[1].choice}", {pair[0]: 1.0, pair[1]: -1.0})
                for pair in dict.fromkeys(pairs.values())}  # fmt: skip
    known = [pair for pair, effect in distinct.items() if effect is not None]
    by_pair = dict(zip(known, corrected(distinct[pair] for pair in known), strict=True))
    return {key: by_pair[pair] for key, pair in pairs.items() if pair in by_pair}


# ---------------------------------------------------------------------- over studies


@dataclass(frozen=True, eq=False)
class Count:
    """A question over studies.

    Attributes:
        question: that was asked.
        effects: title of a study -> its answer.

    """

    question: Question
    effects: dict[str, Effect]

    def claimed(self, claim: str) -> int:
        """Count the studies with this claim: ``better``, ``worse`` or ``no conclusion``."""
        return sum(effect.claim == claim for effect in self.effects.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the sentence, the claims and every study's lead in bits/dim, as values for JSON."""
        claims = {"ahead": "better", "behind": "worse", "unclear": "no conclusion"}
        return {"sentence": self.in_words()} | {
            **{word: self.claimed(claim) for word, claim in claims.items()},
            "leads": {title: lead_row(effect) for title, effect in self.effects.items()},
        }

    def in_words(self) -> str:
        """Return the answer in one sentence, with the number of studies and the range of leads."""
        where, span = self._where_and_span()
        if self.claimed("better") == len(self.effects):
            verb = "lead" if self.question.many else "leads"
            return f"{self.question.ours} {verb} {self.question.theirs} {where}, by {span} bits/dim."
        return f"{self.question.ours} over {self.question.theirs}: ahead {where} (leads {span} bits/dim)."

    def _where_and_span(self) -> tuple[str, str]:
        leads = [effect.lead for effect in self.effects.values()]
        ahead, behind, unclear = (self.claimed(claim) for claim in ("better", "worse", "no conclusion"))
        studies = f"{len(leads)} {'study' if len(leads) == 1 else 'studies'}"
        low, high = fixed(min(leads), 3), fixed(max(leads), 3)
        span = low if low == high else f"{low} to {high}"
        if ahead == len(leads):
            return (f"in all {studies}" if len(leads) > 1 else "in the only study with both arms"), span
        others = [f"behind in {behind}"] * bool(behind) + [f"not shown in {unclear}"] * bool(unclear)
        return f"in {ahead} of {studies}, {' and '.join(others)}", span


def ladders(studies: Iterable[Study]) -> dict[str, Ladder]:
    """Return title -> ladder, of studies that have a run and are no A/A control; titles are unique."""
    by_name = {study.name: study for study in studies}
    named = titles(by_name)
    return {named[name]: ladder(study) for name, study in by_name.items() if study.runs and not study.recipe.is_control}


def counts(studies: Iterable[Study]) -> dict[str, Count]:
    """Return key of :data:`QUESTIONS` -> its answers in every study that has both arms, at equal steps.

    Studies at equal time answer another question and are left out, as are A/A controls, and those of start by half,
    whose runs other studies have too (:mod:`.claim`).
    """
    answers: dict[str, dict[str, Effect]] = {}
    for title, made in ladders(studies).items():
        if not made.study.recipe.equal_time and not is_start_by_half(made.study):
            for key, effect in made.answers.items():
                answers.setdefault(key, {})[title] = effect
    return {key: Count(question, answers[key]) for key, question in QUESTIONS.items() if key in answers}


def by_set(studies: Iterable[Study]) -> dict[str, Ladder]:
    """Return data set -> its ladder with the most rungs; among equals, with the longest training.

    Only studies at equal steps that tell a principal start from the choice of the half have such a ladder.
    """
    sets: dict[str, list[Ladder]] = {}
    for made in ladders(studies).values():
        if is_start_by_half(made.study):
            continue
        if not made.study.recipe.equal_time and any(rung.name == RUNGS[1][0] for rung in made.rungs):
            sets.setdefault(made.study.recipe.data_name, []).append(made)
    return {
        name: max(of_set, key=lambda made: (len(made.rungs), made.study.recipe.budget))
        for name, of_set in sorted(sets.items())
    }
