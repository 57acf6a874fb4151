"""What a study is made of: its arms, its seeds, the one budget that all of them get, and what its file may hold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..flow import ConfigError, FlowConfig
from ..flow.config import INITS, PRIORS
from ..flow.policies import parse_split, split_name
from .recipe import Recipe

#: More bytes than the file of any study that we would run.
MAX_BYTES = 16 * 2**20

EVALUATE_ON = ("test", "validation")
#: The other arm of a null study: ``random`` once more, with permutations of its own.
AGAIN = "random-again"
#: Permutation seeds of :data:`AGAIN` begin here; those of every other arm are the run's seed.
AGAIN_FROM = 1_000_000
MAX_SEEDS, MAX_ARMS, MAX_RUNS = 1000, 100, 5000


@dataclass(frozen=True, order=True)
class Arm:
    """One of the things compared: a split policy, an initialisation, a prior."""

    split: str
    init: str
    prior: str

    @property
    def name(self) -> str:
        """The arm's name in folders and sentences: ``weighted-dealt-conditional``."""
        return f"{self.split}-{self.init}-{self.prior}"

    @property
    def policy(self) -> str:
        """The split policy, which :data:`AGAIN` shares with ``random``."""
        return "random" if self.split == AGAIN else self.split


@dataclass(frozen=True)
class StudyRecipe:
    """The settings of a study: every arm is trained with every seed, and nothing else differs.

    The same seed gives every arm the same initialisation, module by module, the same batches and the same noise of
    evaluation. An order ``random`` draws its permutation anew for every seed, the same one with and without weights;
    so do the initialisations that deal, what they deal by chance.

    Arguments:
        splits, inits, priors: arms are all their combinations.
        extra: further arms, each ``SPLIT/INIT``, for every prior, or ``SPLIT/INIT/PRIOR``.
        null: whether ``random`` is also run against itself, with other permutations.
        seeds: seeds are 0 … seeds − 1.
        evaluate_on: the ``test`` part, or for decisions ``validation``: photographs held out from train.
        equal_cpu: divide an arm's iterations by the cost of its step relative to the cheapest arm of its prior.
        size: training size in pixels; larger images are cropped.

    The others are those of :class:`FlowConfig` and :class:`Recipe`.

    Raises:
        ConfigError: a field is out of its bounds.

    """

    data: str = "photos32"
    splits: tuple[str, ...] = ("static-first", "static-last", "random", "shuffle", "weighted")
    inits: tuple[str, ...] = (FlowConfig.init,)
    priors: tuple[str, ...] = ("conditional",)
    extra: tuple[str, ...] = ()
    null: bool = False
    seeds: int = 3
    evaluate_on: str = "test"
    equal_cpu: bool = False
    size: int = 16
    levels: int = 3
    steps: int = 4
    width: int = 48
    network: str = FlowConfig.network
    scale_bound: float = FlowConfig.scale_bound
    batch: int = 64
    iterations: int = 500
    optimiser: str = Recipe.optimiser
    learning_rate: float = Recipe.learning_rate
    weight_decay: float = Recipe.weight_decay
    warmup: int = Recipe.warmup
    clip: float = Recipe.clip
    ema: float = Recipe.ema
    divergence: float = Recipe.divergence
    flip: bool = Recipe.flip

    def __post_init__(self) -> None:
        """Give policies their names, then hold every field against its bounds."""
        object.__setattr__(self, "splits", _unique(split_name(*parse_split(split)) for split in self.splits))
        for name, allowed in (("inits", INITS), ("priors", PRIORS)):
            object.__setattr__(self, name, _unique(_one_of(name, value, allowed) for value in getattr(self, name)))
        object.__setattr__(self, "extra", _unique("/".join(_named_extra(text)) for text in self.extra))
        _one_of("evaluate_on", self.evaluate_on, EVALUATE_ON)
        if not 1 <= self.seeds <= MAX_SEEDS:
            raise ConfigError(f"seeds is {self.seeds}; it must be between 1 and {MAX_SEEDS}.")
        arms = self.arms()
        if not 1 <= len(arms) <= MAX_ARMS:
            raise ConfigError(f"The study has {len(arms)} arms; it must have between 1 and {MAX_ARMS}.")
        if len(arms) * self.seeds > MAX_RUNS:
            raise ConfigError(f"The study has {len(arms) * self.seeds} runs; at most {MAX_RUNS} are taken.")
        for arm in arms:
            self.training(arm, 0)

    def arms(self) -> list[Arm]:
        """Return the arms, each once, in the order in which they were asked for."""
        splits = [*self.splits, *(("random", AGAIN) if self.null else ())]
        arms = [Arm(split, init, prior) for prior in self.priors for init in self.inits for split in splits]
        for text in self.extra:
            split, init, *prior = text.split("/")
            arms += [Arm(split, init, one) for one in (prior or self.priors)]
        return list(dict.fromkeys(arms))

    def runs(self) -> Iterator[tuple[Arm, int]]:
        """Yield every (arm, seed), a seed at a time: what is done of a study is paired at any moment."""
        return ((arm, seed) for seed in range(self.seeds) for arm in self.arms())

    def training(self, arm: Arm, seed: int, channels: int = 3, cost: float = 1.0) -> Recipe:
        """Return the recipe of one run on images of so many channels; ``cost`` is that of a step, relative."""
        flow = FlowConfig(
            shape=(channels, self.size, self.size),
            split=arm.policy,
            init=arm.init,
            prior=arm.prior,
            permutation_seed=seed + (AGAIN_FROM if arm.split == AGAIN else 0),
            **{name: getattr(self, name) for name in ("levels", "steps", "width", "network", "scale_bound")},
        )
        same = (
            "data", "batch", "optimiser", "learning_rate", "weight_decay", "warmup", "clip", "ema", "divergence",
            "flip",
        )  # fmt: skip
        return Recipe(
            flow=flow,
            seed=seed,
            iterations=max(min(1, self.iterations), round(self.iterations / cost)),
            validation=self.evaluate_on == "validation",
            **{name: getattr(self, name) for name in same},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as what JSON can hold."""
        fields = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}

    def arguments(self, out: str, jobs: int = 1) -> list[str]:
        """Return the words after ``python -m eiwflow`` that run this study."""
        words = ["study"]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            option = {"steps": "--steps-per-level", "extra": "--arms"}.get(
                field.name, f"--{field.name.replace('_', '-')}"
            )
            if value != field.default:
                words += [option] if value is True else [option, _text(value)]
        return [*words, "--jobs", str(jobs), "--out", out]

    @classmethod
    def from_dict(cls, fields: object) -> StudyRecipe:
        """Build a recipe from :meth:`to_dict`'s result; a field that is not there has its default.

        Without ``optimiser`` it is AdamW, which had no other beside it when such files were written.

        Raises:
            ConfigError: a field is unknown, of another type or out of its bounds.

        """
        if not isinstance(fields, dict):
            raise ConfigError(f"recipe is a {type(fields).__name__}; it must be an object of named fields.")
        fields = {"optimiser": "adamw", **fields}
        defaults = {field.name: field.default for field in dataclasses.fields(cls)}
        for name, value in fields.items():
            if name not in defaults:
                raise ConfigError(f"recipe has the unknown field {str(name)[:40]!r}.")
            if not _alike(value, defaults[name]):
                kind = _KINDS[type(defaults[name])]
                raise ConfigError(f"{name} is {str(value)[:40]!r}; it must be {kind}.")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        return cls(**values)

    def difference(self, other: StudyRecipe) -> str:
        """Return the first setting in which another recipe differs, as words; empty where none does."""
        for name, ours in self.to_dict().items():
            theirs = getattr(other, name)
            theirs = list(theirs) if isinstance(theirs, tuple) else theirs
            if theirs != ours:
                return f"{name} {str(theirs)[:200]}, not {str(ours)[:200]}"
        return ""


def cost_class(flow: FlowConfig) -> str:
    """Return what a step's cost depends on among the arms of one study: ``pooled/conditional``."""
    return f"{flow.weights}/{flow.prior}"


def relative_costs(seconds: dict[str, float]) -> dict[str, float]:
    """Return every class's seconds a step over those of the cheapest class with the same prior, four digits."""
    cheapest: dict[str, float] = {}
    for name, value in seconds.items():
        prior = name.partition("/")[2]
        cheapest[prior] = min(value, cheapest.get(prior, math.inf))
    return {name: round(value / cheapest[name.partition("/")[2]], 4) for name, value in seconds.items()}


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list of texts"}


def _alike(value: object, default: object) -> bool:
    """Return whether a value of JSON has the type that a field's default has."""
    if isinstance(default, tuple):
        return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    return isinstance(value, (int, float) if isinstance(default, float) else type(default)) and (
        isinstance(value, bool) == isinstance(default, bool)
    )


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _unique(values: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ConfigError(f"{name} has {str(value)[:40]!r}; it must be one of {', '.join(allowed)}.")
    return value


def _named_extra(text: str) -> list[str]:
    split, *rest = text.split("/")
    if len(rest) not in (1, 2):
        raise ConfigError(f"An arm is {text[:60]!r}; it must be SPLIT/INIT or SPLIT/INIT/PRIOR.")
    allowed = (("inits", INITS), ("priors", PRIORS))
    return [
        split_name(*parse_split(split)),
        *(_one_of(name, value, known) for value, (name, known) in zip(rest, allowed, strict=False)),
    ]


# ---------------------------------------------------------------------- what its file may hold


MAX_POINTS = 1000
#: number of a result: (its kind, smallest, largest).
BOUNDS: dict[str, tuple[type, float, float]] = {
    "seed": (int, 0, 2**31 - 1),
    "bits_per_dim": (float, -1000.0, 1000.0),
    "iterations": (int, 1, 10_000_000),
    "parameters": (int, 1, 50_000_000),
    "cpu_s": (float, 0.0, 1e9),
}


class StudyError(ValueError):
    """A file is not a study that can be trusted; the message is one sentence."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a study.

    Attributes:
        arm, seed: what was run.
        bits_per_dim: of the averaged weights, on what the study is evaluated on.
        iterations, parameters: training steps, and numbers that the density depends on.
        cpu_s: process CPU seconds of the training steps.
        curve: (P, 3): step, bits/dim of the training batches since the last point, and on some of what the study is
            evaluated on (NaN where that was not kept).

    """

    arm: Arm
    seed: int
    bits_per_dim: float
    iterations: int
    parameters: int
    cpu_s: float
    curve: np.ndarray


def checked(name: str, document: object) -> tuple[StudyRecipe, dict[tuple[Arm, int], Run], dict[str, float]]:
    """Return recipe, runs and costs of a step (empty where none are stated) of the document of the file ``name``.

    Raises:
        StudyError: it is not a study's, or a number in it is out of its bounds.

    """
    if not isinstance(document, dict) or not isinstance(document.get("results"), list) or "recipe" not in document:
        raise StudyError(f"{name} is not a study's file: it has no recipe and results.")
    try:
        recipe = StudyRecipe.from_dict(document["recipe"])
    except ConfigError as error:
        raise StudyError(f"The recipe of {name} is refused: {error}") from None
    known = set(recipe.runs())
    runs: dict[tuple[Arm, int], Run] = {}
    for number, result in enumerate(document["results"], start=1):
        run = _run(f"Result {number} of {name}", result)
        if (run.arm, run.seed) not in known or (run.arm, run.seed) in runs:
            again = "is there twice" if (run.arm, run.seed) in runs else "is not in its recipe"
            raise StudyError(f"Result {number} of {name}, {run.arm.name} with seed {run.seed}, {again}.")
        runs[run.arm, run.seed] = run
    return recipe, runs, _step_cost(name, document.get("step_cost"))


def _run(where: str, result: object) -> Run:
    if not isinstance(result, dict):
        raise StudyError(f"{where} is not an object.")
    words = [word for name in ("split", "init", "prior") if isinstance(word := result.get(name), str)]
    if len(words) < 3:
        raise StudyError(f"{where} lacks split, init or prior.")
    numbers = {name: _number(where, name, result.get(name)) for name in BOUNDS}
    return Run(arm=Arm(*words), curve=_curve(where, result.get("curve", [])), **numbers)


def _number(where: str, name: str, value: object) -> Any:  # noqa: ANN401 (int or float, by BOUNDS)
    kind, low, high = BOUNDS[name]
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
        raise StudyError(f"{where} has the {name} {str(value)[:40]!r}; it must be a number.")
    if not low <= value <= high:
        raise StudyError(f"{where} has the {name} {str(value)[:40]}; it must be between {low:g} and {high:g}.")
    return kind(value)


def _curve(where: str, points: object) -> np.ndarray:
    if not isinstance(points, list) or len(points) > MAX_POINTS:
        raise StudyError(f"{where} has a curve that is not a list of at most {MAX_POINTS} points.")
    rows = []
    for point in points:
        if not isinstance(point, list) or len(point) not in (2, 3) or not all(_is_finite(value) for value in point):
            raise StudyError(f"{where} has a point in its curve that is not two or three finite numbers.")
        rows.append([*point, math.nan][:3])
    return np.array(rows, dtype=float).reshape(-1, 3)


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12


def _step_cost(name: str, cost: object) -> dict[str, float]:
    if cost is None:
        return {}
    if not isinstance(cost, dict) or not all(_is_finite(value) and 1 <= value <= 1000 for value in cost.values()):
        raise StudyError(f"The step_cost of {name} is not one number from 1 to 1000 for every kind of step.")
    return {str(key)[:60]: float(value) for key, value in cost.items()}
