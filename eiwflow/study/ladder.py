"""The gain of each choice of a flow: a ladder from Glow's fixed half to the best flow, and questions over studies.

Every statement on a page, in the lesson, in the README and in documents about this gain comes from here. A lead above 0
says that the first is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..analysis.words.numbers import fixed
from ..flow.config import FlowConfig
from .file import Study
from .recipe import Arm
from .statistics import Effect, corrected, paired, usual_partition
from .words import titles

Choices = Mapping[str, str]

GLOW: Choices = {"order": "last", "init": "random"}
RANDOM_HALF: Choices = {"order": "random"}
BY_VARIANCE: Choices = {"order": "variance"}
BY_ENTROPY: Choices = {"order": "entropy"}
WEIGHTED: Choices = {"order": "entropy", "weights": "entropy"}
RANDOM_PAIRS: Choices = {**WEIGHTED, "partition": "random"}
IN_TURN: Choices = {"partition": "alternating"}
INFORMED: Choices = {**WEIGHTED, "partition": "information"}

#: The rungs from below: name, new choice, and fields of the arm.
RUNGS: tuple[tuple[str, str, Choices], ...] = (
    ("Glow's half", "random rotations, the last channels factored out", GLOW),
    ("start from the data", "principal channels, a random half of them passed on", RANDOM_HALF),
    ("half by variance", "the channels of largest variance passed on", BY_VARIANCE),
    ("half by entropy", "the channels with most structure passed on", BY_ENTROPY),
    ("own weights", "couplings weight channels by the entropies of each picture", WEIGHTED),
    (
        "random partitions",
        "couplings read random halves, the last pair the split's, not the same two in turn",
        RANDOM_PAIRS,
    ),
    ("partitions by information", "couplings read what tells most of the rest", INFORMED),
)
#: The halves and the starts of a study of start × half, in the order of its table.
HALVES = {"last": "Glow's fixed half", "random": "a random half", "variance": "by variance", "entropy": "by entropy"}
STARTS = {"random": "random start", "principal": "start from the data"}
#: Partitions of a study that are not the alternating ones of Glow's half, as a choice.
PARTITIONS = {choices["partition"]: name for name, _, choices in RUNGS if "partition" in choices}


@dataclass(frozen=True)
class Question:
    """A question about one choice, for every study with both arms.

    Attributes:
        ours, theirs: the two sides of the comparison, in words.
        first, second: the fields of the two arms.
        prior: of both; None for the default of flows.

    """

    ours: str
    theirs: str
    first: Choices
    second: Choices
    prior: str | None = None


QUESTIONS: dict[str, Question] = {
    "data": Question("A start from the data and the half by entropy", "Glow's fixed half", BY_ENTROPY, GLOW),
    "start": Question("A start from the data with a random half", "Glow's fixed half", RANDOM_HALF, GLOW),
    "half": Question(
        "With alternating couplings, the half by entropy",
        "a random half",
        {**BY_ENTROPY, **IN_TURN},
        {**RANDOM_HALF, **IN_TURN},
    ),
    "worst": Question(
        "The half by entropy", "the half of smallest variance", BY_ENTROPY, {"order": "variance-reversed"}
    ),
    "order": Question("The half by entropy", "the half by variance", BY_ENTROPY, BY_VARIANCE),
    "weights": Question("Own weights", "the same flow without them", WEIGHTED, BY_ENTROPY),
    "means": Question("Own weights", "weights from means", WEIGHTED, {**WEIGHTED, "weights": "means"}),
    "constant": Question(
        "Own weights", "the same weights for every image", WEIGHTED, {**WEIGHTED, "weights": "constant"}
    ),
    "pooled": Question(
        "Weights at the split", "the same flow without them", {**BY_ENTROPY, "weights": "pooled"}, BY_ENTROPY
    ),
    "partitions": Question("Random partitions", "alternating ones", RANDOM_PAIRS, {**WEIGHTED, **IN_TURN}),
    "information": Question("Partitions by information", "random partitions", INFORMED, RANDOM_PAIRS),
    "released": Question(
        "The half by entropy", "the released operation", BY_ENTROPY, {"order": "released"}, "standard"
    ),
}


@dataclass(frozen=True, eq=False)
class Rung:
    """One rung of a ladder.

    Attributes:
        name, detail: name and new choice. Where a study lacks the rung below, the name holds both choices, as in
            ``start from the data + half by variance``.
        arm: that was run.
        saved: the lead of ``arm`` over the lowest rung; None for the lowest.
        step: the lead of ``arm`` over the rung below; None for the lowest.

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
        answers: key of :data:`QUESTIONS` -> lead, for questions whose arms the study has. Holm's correction is over all
            leads of this ladder.

    """

    study: Study
    rungs: tuple[Rung, ...]
    answers: dict[str, Effect]

    @property
    def steps(self) -> list[Effect]:
        """The lead of each rung over the rung below."""
        return [rung.step for rung in self.rungs if rung.step is not None]

    def in_words(self) -> str:
        """Return the saving of every rung over the rung below, as a sentence."""
        steps = [f"{step.first} {step.figures}, {step.claim}" for step in self.steps]
        return f"Bits/dim saved by each rung over the one below, on {self.study.title}: {'; '.join(steps)}."


def ladder(study: Study, prior: str = FlowConfig.prior) -> Ladder:
    """Return the gain of each choice in a study, under a prior.

    Arms with principal channels have the study's usual partition, unless a rung or question is about partitions. The
    rungs about partitions stand where the usual one is alternating, which they are compared with. Elsewhere the lowest
    rung differs in partitions too: the name of the next one says it, and no question compares with it.
    """
    usual = usual_partition(study)
    present: list[Rung] = []
    skipped: list[str] = []
    for name, detail, choices in RUNGS:
        if "partition" in choices and usual != "alternating":
            continue
        if (arm := arm_for(study, choices, prior)) in study.arms:
            present.append(Rung(" + ".join([*skipped, name]), detail, arm))
            skipped = [] if present[1:] or usual == "alternating" else [PARTITIONS[usual]]
        elif choices is not BY_VARIANCE:  # the half by entropy takes the place of the half by variance
            skipped.append(name)
    if len(present) < 2 or present[0].name != RUNGS[0][0]:
        present = []
    asked: dict[tuple[str, str], tuple[Arm, Arm, tuple[str, str]]] = {}
    for place, rung in enumerate(present[1:]):
        for kind, other in (("saved", present[0]), ("step", present[place])):
            asked[kind, rung.name] = rung.arm, other.arm, (rung.name, other.name)
    for key, question in QUESTIONS.items():
        first, second = (arm_for(study, side, question.prior or prior) for side in (question.first, question.second))
        alike = "partition" in question.first or first.partition == second.partition
        if alike and {first, second} <= {*study.arms}:
            asked["answer", key] = first, second, (question.ours, question.theirs)
    # A pair of arms counts as one comparison, however often it is asked about.
    pairs = {(first, second): paired(study, first, second) for first, second, _ in asked.values()}
    known = [pair for pair, lead in pairs.items() if lead is not None]
    of_pair = dict(zip(known, corrected(pairs[pair] for pair in known), strict=True))
    leads = {
        key: replace(of_pair[first, second], first=names[0], second=names[1])
        for key, (first, second, names) in asked.items()
        if (first, second) in of_pair
    }
    rungs = [
        replace(rung, saved=leads.get(("saved", rung.name)), step=leads.get(("step", rung.name))) for rung in present
    ]
    return Ladder(study, tuple(rungs), {key: leads["answer", key] for key in QUESTIONS if ("answer", key) in leads})


def is_start_by_half(study: Study) -> bool:
    """Return whether a study has every half from both starts."""
    return {half_from(half, start) for half in HALVES for start in STARTS} <= {*study.arms}


def half_from(half: str, start: str) -> Arm:
    """Return the arm that passes on a half from a start."""
    return Arm(half, init=start, partition="alternating")


def arm_for(study: Study, choices: Choices, prior: str) -> Arm:
    """Return the arm of a study with these choices, a half passed on, and the study's usual partition."""
    partition = "alternating" if choices.get("init") == "random" else usual_partition(study)
    return Arm(**{"partition": partition, "prior": prior, **choices})


# ---------------------------------------------------------------------- over studies


@dataclass(frozen=True, eq=False)
class Count:
    """A comparison over studies.

    Attributes:
        ours, theirs: the two sides, in words.
        leads: of the studies, by title.

    """

    ours: str
    theirs: str
    leads: Mapping[str, Effect]

    def claimed(self, claim: str) -> int:
        """Count the leads with this claim."""
        return sum(lead.claim == claim for lead in self.leads.values())

    @property
    def where(self) -> str:
        """In how many studies a lead is claimed: ``in all 10 studies``, ``in 1 of 18``."""
        ahead, studies = self.claimed("ahead"), len(self.leads)
        return f"in all {studies} studies" if ahead == studies > 1 else f"in {ahead} of {studies}"

    @property
    def span(self) -> str:
        """The smallest and the largest lead: ``0.021 to 0.190 bits/dim``."""
        low, high = (fixed(end(lead.lead for lead in self.leads.values()), 3) for end in (min, max))
        return f"{low if low == high else f'{low} to {high}'} bits/dim"

    def in_words(self) -> str:
        """Return the answer in one sentence, with the number of studies and the range of leads."""
        rest = [f"{claim} in {count}" for claim in ("behind", "not shown") if (count := self.claimed(claim))]
        name = f"{self.ours} over {self.theirs}" if self.theirs else self.ours
        return f"{name}: {', '.join([f'ahead {self.where}', *rest])} ({self.span})."

    def to_dict(self) -> dict[str, Any]:
        """Return the sentence, the claims and every study's lead, as values for JSON."""
        claims = {claim.replace(" ", "_"): self.claimed(claim) for claim in ("ahead", "behind", "not shown")}
        leads = {title: lead.row() for title, lead in self.leads.items()}
        return {"sentence": self.in_words(), **claims, "leads": leads}


def ladders(studies: Iterable[Study]) -> dict[str, Ladder]:
    """Return title -> ladder, of studies that are done and are no A/A control; titles are unique."""
    by_name = {study.name: study for study in studies if study.is_done and not study.recipe.is_control}
    return {title: ladder(by_name[name]) for name, title in titles(by_name).items()}


def counts(studies: Iterable[Study]) -> dict[str, Count]:
    """Return key of :data:`QUESTIONS` -> its answers in every study that has both arms, at equal steps.

    Studies at equal time answer another question and are left out, as are A/A controls, and those of start by half,
    whose runs other studies have too (:mod:`.claim`).
    """
    counted = {
        title: made.answers
        for title, made in ladders(studies).items()
        if not made.study.recipe.equal_time and not is_start_by_half(made.study)
    }
    leads = {key: {title: of[key] for title, of in counted.items() if key in of} for key in QUESTIONS}
    return {key: Count(QUESTIONS[key].ours, QUESTIONS[key].theirs, of) for key, of in leads.items() if of}


def by_set(studies: Iterable[Study]) -> dict[str, Ladder]:
    """Return data set -> its ladder with the most rungs; among equals, with the longest training.

    Only studies at equal steps that tell a start from the data from the choice of the half have such a ladder.
    """
    sets: dict[str, list[Ladder]] = {}
    for made in ladders(studies).values():
        of_start = any(rung.name == RUNGS[1][0] for rung in made.rungs)
        if of_start and not made.study.recipe.equal_time and not is_start_by_half(made.study):
            sets.setdefault(made.study.recipe.data_name, []).append(made)
    return {
        name: max(of_set, key=lambda made: (len(made.rungs), made.study.recipe.budget))
        for name, of_set in sorted(sets.items())
    }
