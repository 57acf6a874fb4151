"""The recipe of a study: its arms, its seeds, and their common budget."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..analysis.words.numbers import counted
from ..data import same_data
from ..flow import ConfigError, FlowConfig
from ..flow.config import INITS, PRIORS, ROTATED
from ..flow.policies import ORDERS, PARTITIONS
from ..options import FLOW, STUDY, STUDY_SHARED, TRAINING, beginning, option
from ..training.recipe import Recipe

EVALUATE_ON = ("test", "validation")
#: The second arm of an A/A control: the order ``random`` with other permutations.
AGAIN = "random-again"
#: Permutation seeds of :data:`AGAIN` begin here; every other arm takes the run's seed.
AGAIN_FROM = 1_000_000
#: Runs of a study, at most.
MAX_RUNS = 5000
#: The fraction passed on that an arm's name leaves out.
HALF = "0.5"
_FRACTIONS = {"¼": "0.25", "1/4": "0.25", "½": "0.5", "1/2": "0.5", "¾": "0.75", "3/4": "0.75"}


@dataclass(frozen=True, order=True)
class Arm:
    """One arm of a study, in the words of :class:`~eiwflow.flow.FlowConfig`.

    Args:
        order: which channels are passed on; :data:`AGAIN` stands for ``random`` with other permutations.
        weights: ``none``, ``entropy``, ``means`` or ``pooled``.
        init: ``principal``, ``linear`` or ``random``.
        partition: of the couplings; ``alternating`` if ``init`` is ``random``, which has no partitions.
        keep: the fraction of its channels that a level passes on, as text, ``auto`` or ``all``.
        prior: of the latents factored out.
        source: ``FILE.py:FUNCTION`` of a flow of one's own (:mod:`.foreign`), whose name is ``order``; empty for ours.

    >>> Arm.parse("entropy+pooled/principal-information").text
    'entropy+pooled/principal-information/conditional'
    >>> Arm.parse("entropy@1/4/principal-random/standard").name
    'entropy@0.25-principal-random-standard'
    >>> Arm.parse("glow=flows/glow.py:make").name
    'glow'

    """

    order: str
    weights: str = "none"
    init: str = "principal"
    partition: str = "random"
    keep: str = HALF
    prior: str = "conditional"
    source: str = ""

    @property
    def choice(self) -> str:
        """The arm without its prior: ``ORDER[+WEIGHTS][@KEEP]/INIT[-PARTITION]``, or ``NAME=FILE.py:FUNCTION``."""
        if self.source:
            return f"{self.order}={self.source}"
        weights = "" if self.weights == "none" else f"+{self.weights}"
        keep = "" if self.keep == HALF else f"@{self.keep}"
        init = self.init if self.init == "random" else f"{self.init}-{self.partition}"
        return f"{self.order}{weights}{keep}/{init}"

    @property
    def text(self) -> str:
        """The arm as text, which :meth:`parse` reads."""
        return self.choice if self.source else f"{self.choice}/{self.prior}"

    @property
    def name(self) -> str:
        """The arm's name in folders."""
        return self.order if self.source else self.text.replace("/", "-")

    @property
    def looks_at_entropy(self) -> bool:
        """Whether its order is chosen by the entropy of the channels."""
        return self.order == "entropy"

    def under(self, prior: str) -> Arm:
        """Return the same arm with another prior; a flow of one's own has none."""
        return self if self.source else dataclasses.replace(self, prior=prior)

    def flow(self, permutation_seed: int = 0, **fields: Any) -> FlowConfig:  # noqa: ANN401 (a config's fields)
        """Return the flow of the arm; ``fields`` are the common fields of all arms.

        Of a flow of one's own it has the shape of its images and their grey levels alone.

        Raises:
            ConfigError: no flow has these choices.

        """
        if self.source:
            return FlowConfig(**{name: fields[name] for name in ("shape", "levels", "bits") if name in fields})
        again = self.order == AGAIN
        fields = {"weights": self.weights, "init": self.init, "prior": self.prior, **fields}
        return FlowConfig(
            order="random" if again else self.order,
            partition=self.partition,
            keep=_keep(self.keep),
            permutation_seed=permutation_seed + (AGAIN_FROM if again else 0),
            **fields,
        )

    @classmethod
    def parse(cls, text: str, prior: str = "conditional") -> Arm:
        """Read an arm: ``ORDER[+WEIGHTS][@KEEP]/INIT[-PARTITION][/PRIOR]``, or ``NAME=FILE.py:FUNCTION``.

        Args:
            text: of the arm; without a partition it has ``random`` halves.
            prior: used if the text names none.

        Raises:
            ConfigError: it is no arm.

        """
        if "=" in text:
            return cls._own(*text.split("=", 1))
        for written, number in _FRACTIONS.items():
            text = text.replace(f"@{written}", f"@{number}")
        policy, *rest = text.split("/")
        if len(rest) not in (1, 2):
            raise ConfigError(
                f"An arm is {text[:60]!r}; it must be ORDER+WEIGHTS@KEEP/INIT-PARTITION or that with /PRIOR "
                "(+WEIGHTS and @KEEP may be left out)."
            )
        split, _, keep = policy.partition("@")
        order, plus, weights = split.partition("+")
        init, dash, partition = rest[0].partition("-")
        again = order == AGAIN and not plus
        config = FlowConfig(
            order="random" if again else order, weights=weights if plus else "none", init=init,
            partition=partition if dash else "random", prior=rest[1] if rest[1:] else prior, keep=_keep(keep or HALF),
        )  # fmt: skip
        return cls(order, config.weights, config.init, config.partition, str(config.keep), config.prior)

    @classmethod
    def _own(cls, name: str, source: str) -> Arm:
        """Return the arm of a flow of one's own."""
        if not re.fullmatch(r"[A-Za-z][\w.-]{0,39}", name) or name in (*ORDERS, AGAIN):
            raise ConfigError(
                f"An arm has the name {name[:60]!r}; a flow of your own is called by up to 40 letters and digits, and "
                "not as an order is."
            )
        if not re.fullmatch(r"[^\0]{1,400}\.py:[A-Za-z_]\w*", source):
            raise ConfigError(f"The arm {name} comes from {source[:60]!r}; it must be FILE.py:FUNCTION.")
        return cls(name, init="", partition="", source=source)


def _keep(word: str) -> float | str:
    try:
        return word if word in FLOW["keep"].words else float(word)
    except ValueError:
        raise ConfigError(
            f"An arm has the fraction {word[:40]!r}; it must be 0.25, 0.5, 0.75, auto or all, as in entropy@0.25."
        ) from None


def crossed(
    orders: Iterable[str],
    weights: Iterable[str] = ("none",),
    inits: Iterable[str] = ("principal",),
    partitions: Iterable[str] = ("random",),
    keeps: Iterable[str] = (HALF,),
    priors: Iterable[str] = ("conditional",),
) -> tuple[list[Arm], list[str]]:
    """Return the arms of all combinations, and a sentence for every impossible combination.

    Partitions do not matter if ``init`` is ``random``: such arms are made once.

    Raises:
        ConfigError: a word is not allowed, or no combination is left.

    """
    arms: list[Arm] = []
    refusals: list[str] = []
    orders, inits, partitions, priors = map(list, (orders, inits, partitions, priors))
    for name, words, allowed in (
        ("order", orders, (*ORDERS, AGAIN)), ("init", inits, INITS), ("partition", partitions, PARTITIONS),
        ("prior", priors, PRIORS),
    ):  # fmt: skip
        for word in words:
            if word not in allowed:
                raise ConfigError(f"{name} is {word[:40]!r}; it must be one of {', '.join(allowed)}.")
    for prior, init, partition, keep, order, weight in itertools.product(
        priors, inits, partitions, keeps, orders, weights
    ):
        word = f"{init}-{partition}" if init in ROTATED else init
        text = f"{order}{'' if weight == 'none' else f'+{weight}'}@{keep}/{word}/{prior}"
        try:
            arms.append(Arm.parse(text))
        except ConfigError as error:
            refusals.append(f"Left out {text}: {error}")
    if not arms:
        raise ConfigError(refusals[0] if refusals else "The study has 0 arms; name at least one order.")
    return list(dict.fromkeys(arms)), list(dict.fromkeys(refusals))


#: The arms of a study by default: those of the ladder (:mod:`.ladder`).
DEFAULT_ARMS = (
    Arm("last", init="random", partition="alternating"),
    *(
        Arm(order, weights, partition="alternating")
        for order, weights in (("random", "none"), ("variance", "none"), ("entropy", "none"), ("entropy", "entropy"))
    ),
    *(Arm("entropy", "entropy", partition=partition) for partition in ("random", "information")),
)
CONTROL = (Arm("random"), Arm(AGAIN))


def control(priors: Iterable[str] = ("conditional",)) -> list[Arm]:
    """Return the arms of an A/A control: the order ``random`` against itself with other permutations."""
    return [arm.under(prior) for prior in priors for arm in CONTROL]


@dataclass(frozen=True)
class StudyRecipe:
    """The settings of a study: every arm is trained with every seed, and nothing else differs.

    The same seed gives every arm the same initial parameters, module by module, the same batches and the same noise of
    evaluation. The order and the partition ``random`` are drawn again for every seed.

    Args:
        arms: :class:`Arm` or their texts.
        seeds: seeds are 0 … seeds − 1.
        evaluate_on: the ``test`` part, or for decisions ``validation``: photographs held out from train.
        equal_time: divide an arm's iterations by the seconds of its step, CPU or GPU, relative to the cheapest arm.
        size: training size in pixels; larger images are cropped.
        labels: the factor of the data whose class the density is conditional on; empty for none.

    The other arguments are fields of :class:`FlowConfig` and :class:`Recipe`.

    Raises:
        ConfigError: a field is out of its bounds.

    """

    data: str = "photos32"
    arms: tuple[Arm, ...] = DEFAULT_ARMS
    seeds: int = 3
    evaluate_on: str = "test"
    equal_time: bool = False
    size: int = STUDY["size"]
    levels: int = STUDY["levels"]
    steps: int = STUDY["steps"]
    width: int = STUDY["width"]
    network: str = FlowConfig.network
    scale_bound: float = FlowConfig.scale_bound
    coupling: str = FlowConfig.coupling
    top_prior: str = FlowConfig.top_prior
    padding: str = FlowConfig.padding
    bits: int = FlowConfig.bits
    memory: str = FlowConfig.memory
    batch: int = STUDY["batch"]
    iterations: int = STUDY["iterations"]
    optimiser: str = Recipe.optimiser
    learning_rate: float = Recipe.learning_rate
    weight_decay: float = Recipe.weight_decay
    warmup: int = Recipe.warmup
    clip: float = Recipe.clip
    ema: float = Recipe.ema
    divergence: float = Recipe.divergence
    precision: str = Recipe.precision
    flip: bool = Recipe.flip
    schedule: str = Recipe.schedule
    accumulate: int = Recipe.accumulate
    labels: str = ""

    def __post_init__(self) -> None:
        """Read the arms, then check every field."""
        read = [arm if isinstance(arm, Arm) else Arm.parse(arm) for arm in self.arms]
        object.__setattr__(self, "arms", tuple(dict.fromkeys(read)))
        if self.evaluate_on not in EVALUATE_ON:
            raise ConfigError(
                f"evaluate_on is {str(self.evaluate_on)[:40]!r}; it must be one of {', '.join(EVALUATE_ON)}."
            )
        if not isinstance(self.seeds, int) or not 1 <= self.seeds * len(self.arms) <= MAX_RUNS:
            arms = counted(len(self.arms), "arm")
            raise ConfigError(f"seeds is {beginning(self.seeds)}, of {arms}; a study has 1 to {MAX_RUNS:,} runs.")
        if len({arm.name for arm in self.arms}) < len(self.arms):
            raise ConfigError("Two arms have one name; call each flow of your own by another.")
        for arm in self.arms:
            self.training(arm, 0)
            if arm.source and self.labels:
                raise ConfigError(f"labels is {self.labels[:40]!r}; {arm.order}, a flow of your own, takes no labels.")

    @property
    def budget(self) -> int:
        """The number of images that a run sees, counted at every repetition."""
        return self.batch * self.iterations

    @property
    def is_control(self) -> bool:
        """Whether the study is an A/A control alone."""
        return {arm.order for arm in self.arms} == {arm.order for arm in CONTROL}

    @property
    def data_name(self) -> str:
        """The name of the data set; for a path, that of its file or folder, without a suffix."""
        return PurePath(self.data).stem or self.data

    @property
    def title(self) -> str:
        """The title of the study.

        >>> StudyRecipe(data="faces16", seeds=6).title
        'faces16 at 16×16, 500 steps, 6 seeds'
        """
        words = [
            f"{self.data_name} at {self.size}×{self.size}",
            counted(self.iterations, "step"),
            counted(self.seeds, "seed"),
            "A/A control" * self.is_control,
            "scored on held-out images" * (self.evaluate_on == "validation"),
            "equal time" * self.equal_time,
        ]
        return ", ".join(filter(None, words))

    def runs(self) -> Iterator[tuple[Arm, int]]:
        """Yield every (arm, seed), a seed at a time, so that finished runs are paired at any moment."""
        return ((arm, seed) for seed in range(self.seeds) for arm in self.arms)

    def training(
        self, arm: Arm, seed: int, channels: int = 3, cost: float = 1.0, classes: Sequence[str] = ()
    ) -> Recipe:
        """Return the recipe of a run on images with this number of channels.

        Args:
            arm: of the run.
            seed: of the run.
            channels: of the images.
            cost: a step's relative cost, by which the iterations are divided.
            classes: of the labels, which the data set names.

        """
        shared = {name: getattr(self, name) for name in (*STUDY, *STUDY_SHARED) if name != "iterations"}
        flow = arm.flow(
            permutation_seed=seed,
            shape=(channels, self.size, self.size),
            context=len(classes),
            **{name: value for name, value in shared.items() if name in FLOW},
        )
        return Recipe(
            flow=flow,
            seed=seed,
            iterations=self.iterations if cost == 1 else max(1, round(self.iterations / cost)),
            validation=self.evaluate_on == "validation",
            data=self.data,
            labels=self.labels if classes else "",
            classes=tuple(classes),
            **{name: value for name, value in shared.items() if name in TRAINING},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as values for JSON."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**fields, "arms": [arm.text for arm in self.arms]}

    def arguments(self, out: str, jobs: int = 1) -> list[str]:
        """Return the words after ``python -m eiwflow`` that run this study."""
        words = ["study"]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                name = option(field.name)
                if field.name == "arms":
                    words += _arms_as_words(value)
                else:
                    words += [name] if value is True else [name, str(value)]
        return [*words, "--jobs", str(jobs), "--out", out]

    @classmethod
    def from_dict(cls, fields: object) -> StudyRecipe:
        """Build a recipe from :meth:`to_dict`'s result, of this version or of 0.2; a missing field has its default.

        Raises:
            ConfigError: a field is unknown, of another type or out of its bounds.

        """
        if not isinstance(fields, dict):
            raise ConfigError(f"recipe is a {type(fields).__name__}; it must be an object of named fields.")
        fields = {"equal_time" if name == "equal_cpu" else name: value for name, value in fields.items()}
        try:
            return cls(**{**fields, "arms": tuple(fields.get("arms", cls.arms))})
        except (TypeError, AttributeError) as error:
            raise ConfigError(f"recipe cannot be read: {error}.") from None

    def difference(self, other: StudyRecipe) -> str:
        """Return the first setting, other than arms and seeds, in which another recipe differs; empty if none does."""
        for name, ours in self.to_dict().items():
            theirs = getattr(other, name)
            if name not in ("arms", "seeds") and theirs != ours and not (name == "data" and same_data(theirs, ours)):
                return f"{name} {str(theirs)[:200]}, not {str(ours)[:200]}"
        return ""

    def extended(self, other: StudyRecipe) -> StudyRecipe:
        """Return this recipe with the arms of another as well, and the larger number of seeds."""
        arms = tuple(dict.fromkeys([*self.arms, *other.arms]))
        return dataclasses.replace(self, arms=arms, seeds=max(self.seeds, other.seeds))


def arms_of(text: str, priors: Iterable[str] = ("conditional",)) -> list[Arm]:
    """Return the arm of a text that names a prior; for any other text, its arms with all these priors."""
    return [Arm.parse(text)] if "=" in text or text.count("/") > 1 else [Arm.parse(text, prior) for prior in priors]


def kind_of_step(recipe: StudyRecipe, arm: Arm) -> str:
    """Return the kind of an arm's step, on which its cost depends: ``pooled/conditional``, ``none@0.25/…``.

    With ``keep="auto"`` every split may pass on other channels: ``none@auto:entropy-principal-random/…``.
    """
    if arm.source:
        return f"{arm.name}/{arm.prior}"
    flow = recipe.training(arm, 0).flow
    weights, keep = flow.order if flow.order == "released" else flow.weights, flow.keep
    if keep == "auto":
        keep = f"auto:{flow.order}-{flow.init}-{flow.partition}"
    return f"{weights}{'' if keep == 0.5 else f'@{keep}'}/{flow.prior}"


def relative_costs(seconds: dict[str, float]) -> dict[str, float]:
    """Return the cost of a step of every kind, relative to the cheapest kind with the same prior, to four digits."""
    cheapest: dict[str, float] = {}
    for name, value in seconds.items():
        prior = name.partition("/")[2]
        cheapest[prior] = min(value, cheapest.get(prior, math.inf))
    return {name: round(value / cheapest[name.partition("/")[2]], 4) for name, value in seconds.items()}


def _arms_as_words(arms: Sequence[Arm]) -> list[str]:
    """Return ``--arms`` and, if the arms are the same under every prior, ``--priors``; ``--arm`` for one's own."""
    own = [word for arm in arms if arm.source for word in ("--arm", arm.text)]
    if not (arms := [arm for arm in arms if not arm.source]):
        return own
    priors = list(dict.fromkeys(arm.prior for arm in arms))
    choices = list(dict.fromkeys(arm.choice for arm in arms))
    if {*arms} == {arm.under(prior) for arm in arms for prior in priors}:
        return ["--arms", ",".join(choices), *(["--priors", ",".join(priors)] * (priors != ["conditional"])), *own]
    return ["--arms", ",".join(arm.text for arm in arms), *own]
