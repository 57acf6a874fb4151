"""The recipe of a training: settings with bounds, and the learning-rate schedule."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..flow import ConfigError, FlowConfig
from ..options import SETTINGS, TRAINING, option, without_effect

#: Fields that version 0.2 did not know: a file lacks them when they have their defaults.
_LATER = ("schedule", "accumulate", "init_from", "labels", "classes")


@dataclass(frozen=True)
class Recipe:
    """The settings of one training.

    Arguments:
        flow: the model that is trained.
        data: a data set's name, or a path to an ``.npz`` or a folder.
        batch, iterations, seed: images a step, steps, and the seed of all random draws.
        optimiser: ``muon`` for the coupling networks' weights with AdamW for all else, or ``adamw`` for everything.
        learning_rate: of AdamW at its peak; Muon's is five times as large.
        schedule: after the warm-up: ``cosine`` falls to 0 at the end, ``constant`` stays at the peak.
        weight_decay: λ for the coupling networks' weights; a step subtracts learning rate × λ of them. Muon's steps are
            of one size, so it keeps singular values below about 1/λ.
        warmup: steps of linear warm-up; never more than a tenth of the iterations.
        clip: largest gradient norm.
        ema: d of the averaged weights' decay min(d, (1 + t)/(10 + t)).
        divergence: λ of the Shuffle's divergence, for policies with channel weights; the order ``released`` has
            its own.
        precision: ``bfloat16`` is for the networks' convolutions, on CUDA only; log-determinants stay float32.
        flip: mirror training images left to right with probability ½.
        validation: train and score on photographs held out from the train part, never on the test part.
        accumulate: parts of a batch that pass through the flow one after the other, before one step is taken; the
            result differs from that of 1 by rounding alone.
        init_from: a checkpoint whose parameters the flow starts from, instead of an initialisation from data.
        labels: the factor of the data whose class the density is conditional on, such as ``letter``; empty for none.
        classes: names of its classes, as many as the flow's ``context``.

    """

    flow: FlowConfig = field(default_factory=FlowConfig)
    data: str = "photos32"
    batch: int = TRAINING["batch"].default
    iterations: int = TRAINING["iterations"].default
    seed: int = TRAINING["seed"].default
    optimiser: str = TRAINING["optimiser"].default
    learning_rate: float = TRAINING["learning_rate"].default
    weight_decay: float = TRAINING["weight_decay"].default
    warmup: int = TRAINING["warmup"].default
    clip: float = TRAINING["clip"].default
    ema: float = TRAINING["ema"].default
    divergence: float = TRAINING["divergence"].default
    precision: str = TRAINING["precision"].default
    flip: bool = TRAINING["flip"].default
    validation: bool = TRAINING["validation"].default
    schedule: str = TRAINING["schedule"].default
    accumulate: int = TRAINING["accumulate"].default
    init_from: str = ""
    labels: str = ""
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every field against its bounds, and that factor, classes and the flow's context agree."""
        for name, setting in TRAINING.items():
            if (refusal := setting.refusal(name, getattr(self, name))) is not None:
                raise ConfigError(refusal)
        for name in ("data", "init_from", "labels"):
            if not isinstance(value := getattr(self, name), str) or (name == "data" and not value):
                raise ConfigError(f"{name} is {str(value)[:40]!r}; it must be a name or a path.")
        if self.batch % self.accumulate:
            raise ConfigError(f"accumulate is {self.accumulate}; it must be a divisor of the batch, {self.batch}.")
        classes = tuple(self.classes)
        object.__setattr__(self, "classes", classes)
        if len(set(classes)) != len(classes) or not all(isinstance(each, str) and each for each in classes):
            raise ConfigError(f"classes is {str(classes)[:40]}; it must be a list of different names.")
        if len(classes) != self.flow.context or bool(classes) != bool(self.labels):
            raise ConfigError(
                f"classes has {len(classes)} names and the flow a context of {self.flow.context}; it must be as many "
                "as the context for a recipe with labels, and none for any other."
            )

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of step ``step`` (from 0): linear warm-up, then the schedule."""
        warmup = min(self.warmup, self.iterations // 10)
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        if self.schedule == "constant":
            return self.learning_rate
        done = (step - warmup) / max(1, self.iterations - warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as values for JSON; fields unknown to version 0.2 are left out at their defaults."""
        fields = {**dataclasses.asdict(self), "flow": self.flow.to_dict()}
        return {name: value for name, value in fields.items() if name not in _LATER or value != getattr(Recipe, name)}

    def arguments(self) -> list[str]:
        """Return the words after ``python -m eiwflow`` for the same training, without the device."""
        flow = {name: value for name, value in dataclasses.asdict(self.flow).items() if name not in ("shape", "kept")}
        own = {name: value for name, value in dataclasses.asdict(self).items() if name not in ("flow", "classes")}
        usual = dataclasses.asdict(Recipe())
        usual |= usual.pop("flow")
        idle = without_effect({**flow, **own})
        words = ["train"]
        for name, value in {"data": own.pop("data"), **flow, "size": self.flow.shape[1], **own}.items():
            rare = name in ("init_from", "labels") or (name in SETTINGS and SETTINGS[name].rare)
            if name in idle:
                continue
            if isinstance(value, bool):
                words += [option(name)] * value
            elif option(name) and (not rare or value != usual[name]):
                words += [option(name), str(value)]
        return words

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Recipe:
        """Build a recipe from :meth:`to_dict`'s result; unknown and missing fields are refused by name.

        Fields unknown to version 0.2 may be missing.
        """
        if not isinstance(fields, Mapping):
            raise ConfigError(f"recipe is a {type(fields).__name__}; it must be an object of named fields.")
        known = {entry.name for entry in dataclasses.fields(cls)}
        if unknown := sorted(set(fields) - known):
            raise ConfigError(f"recipe has the unknown field {str(unknown[0])[:40]!r}.")
        # The flow comes first: it shows whether version 0.1 wrote the file.
        flow = FlowConfig.from_dict(fields["flow"]) if "flow" in fields else None
        if missing := sorted(known - set(fields) - set(_LATER)):
            raise ConfigError(f"recipe lacks the field {missing[0]!r}.")
        return cls(**{**fields, "flow": flow})


@dataclass(frozen=True)
class Recording:
    """The recording steps of a run, and whether it scores crops as a study does.

    Args:
        steps: recording steps, log-spaced, from 0 to the end.
        crops: also score the averaged parameters as a study does, with the noise of the run's seed: at the end on the
            four corner crops of every test image, or on the images themselves where they have the training size, and
            at :data:`CURVE_STEPS` steps on some of these crops.

    """

    steps: int = 48
    crops: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.steps, int) or not 2 <= self.steps <= 1000 or not isinstance(self.crops, bool):
            raise ValueError("steps must be between 2 and 1000, crops true or false")

    def steps_of(self, iterations: int) -> set[int]:
        """Return the recording steps of a run."""
        return set(recording_steps(iterations, self.steps))

    def curve_steps_of(self, iterations: int) -> set[int]:
        """Return the steps of a study's curve, at which some of the crops are scored."""
        return set(recording_steps(iterations, CURVE_STEPS)) - {0} if self.crops else set()


#: Steps at which a study's run scores some of its crops.
CURVE_STEPS = 12
#: The recording settings of a run outside of studies.
USUAL = Recording()


def recording_steps(iterations: int, count: int = 48) -> list[int]:
    """Return at most ``count`` log-spaced steps from 0 to ``iterations``."""
    count = min(count, iterations + 1)
    steps: set[int] = {0}
    points = count
    while len(steps) < count:
        ratio = iterations ** (1 / max(1, points - 2))
        steps = {0, iterations} | {round(ratio**i) for i in range(points - 1)}
        points += 1
    return [*sorted(steps)[: count - 1], iterations]
