"""Every setting of a flow and of a training, once: its default, bounds or words, and help.

``FlowConfig`` and the recipes take their defaults and checks from here, the command line its options, the page Train
its controls, and docs/training.md its table. Nothing here imports torch, so that ``--help`` is quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """One setting; its kind is that of its default.

    Attributes:
        default: its value if none is stated.
        help: a phrase about it, which may end in its words.
        bounds: the smallest and the largest value of a number.
        words: the values that a setting of words may have.
        label: its name on pages that have a control for it.
        option: its option on the command line, if that is not its name; empty without an option.
        rare: whether a printed command leaves it out at its default.

    """

    default: Any
    help: str
    bounds: tuple[float, float] | None = None
    words: tuple[Any, ...] = ()
    label: str = ""
    option: str | None = None
    rare: bool = False

    def refusal(self, name: str, value: object, words: Iterable[Any] | None = None) -> str | None:
        """Return why a value is refused, as one sentence, or None.

        Args:
            name: of the setting.
            value: of any type.
            words: the allowed words, if they are more than :attr:`words`.

        """
        if allowed := [*(self.words if words is None else words)]:
            if isinstance(value, bool) or value not in allowed:
                return f"{name} is {beginning(value)!r}; it must be one of {', '.join(map(str, allowed))}."
            return None
        if isinstance(self.default, bool):
            if not isinstance(value, bool):
                return f"{name} is {beginning(value)!r}; it must be true or false."
            return None
        return None if self.bounds is None else self._refused_number(name, value, *self.bounds)

    def _refused_number(self, name: str, value: object, low: float, high: float) -> str | None:
        whole = isinstance(self.default, int)
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            return f"{name} is {beginning(value)!r}; it must be a {'whole ' if whole else ''}number."
        if not low <= value <= high:
            return f"{name} is {beginning(value)}; it must be between {_printed(low)} and {_printed(high)}."
        return None


#: A side of images in pixels: a flow's shape holds two, a training crops to it.
SIZE = Setting(32, "training size in pixels; larger images are cropped", (2, 256), label="Image side in pixels")
CHANNELS = Setting(3, "channels of an image", (1, 3))

#: The fields of ``FlowConfig`` but shape and kept.
FLOW: dict[str, Setting] = {
    "levels": Setting(3, "levels", (1, 6), label="Levels"),
    "steps": Setting(8, "flow steps a level", (1, 64), label="Flow steps a level", option="--steps-per-level"),
    "width": Setting(64, "hidden channels of a coupling network", (1, 512), label="Width of the coupling networks"),
    "order": Setting(
        "entropy",
        "which of a level's channels are passed on: entropy, those of largest spectral redundancy; variance, those of "
        "largest variance; variance-reversed, of smallest; random; all but the first or last by position; "
        "released, as the published code of EIW-Flow, with --weights none and --prior standard",
        words=("first", "last", "random", "entropy", "variance", "variance-reversed", "released"),
        label="Order",
    ),
    "weights": Setting(
        "entropy",
        "of the channels: entropy, every coupling weights its network's inputs and outputs by the entropies of this "
        "image's channels; means, by their means; constant, the same for every image; pooled, channels are "
        "weighted before the split; none",
        words=("none", "pooled", "entropy", "means", "constant"),
        label="Channel weights",
    ),
    "prior": Setting(
        "conditional",
        "of the latents factored out: conditional, standard, unbounded or constant",
        words=("standard", "conditional", "unbounded", "constant"),
        label="Prior of the latents factored out",
    ),
    "init": Setting(
        "principal",
        "of the first step: principal channels; linear, couplings also start as linear predictors; random rotations, "
        "as Glow with --order last --weights none",
        words=("principal", "linear", "random"),
        label="Init",
    ),
    "partition": Setting(
        "information",
        "which channels a coupling computes from: alternating halves, random halves, or by mutual information; a "
        "random init has none",
        words=("alternating", "random", "information"),
        label="Partition",
    ),
    "keep": Setting(
        0.5,
        "fraction of its channels that a level passes on: 0.25, 0.5, 0.75, or auto, those with structure; all, so that "
        "nothing is split off",
        words=(0.25, 0.5, 0.75, "auto", "all"),
        label="Keep",
        rare=True,
    ),
    "network": Setting("3-1-3", "kernel sizes of a coupling network", rare=True),
    "scale_bound": Setting(1.0, "bound of a coupling's log-scale, in nats", (0.1, 4.0), rare=True),
    "coupling": Setting(
        "bounded",
        "scale of a coupling: bounded, or as in other code sigmoid, sigmoid-inverse, exp; additive has none",
        words=("bounded", "sigmoid", "sigmoid-inverse", "exp", "additive"),
        rare=True,
    ),
    "top_prior": Setting(
        "standard", "of the last level's output: standard or constant", words=("standard", "constant"), rare=True
    ),
    "padding": Setting(
        "zeros", "of the last convolution of couplings and priors: zeros or ones", words=("zeros", "ones"), rare=True
    ),
    "bits": Setting(8, "train on 2^BITS grey levels", (1, 8), rare=True),
    "permutation_seed": Setting(0, "draws the order random and the partition random", (0, 2**31 - 1), rare=True),
    "memory": Setting(
        "store",
        "of gradients: store activations, or recompute them from the input of every step, slower and in less memory",
        words=("store", "recompute"),
        rare=True,
    ),
    "leaky": Setting(0.0, "slope of the networks' ReLUs below 0, in imported flows", (0.0, 1.0), option=""),
    "context": Setting(0, "values or classes that the density is conditional on", (0, 1024), option=""),
}

#: The fields of ``Recipe`` but flow, data and init_from.
TRAINING: dict[str, Setting] = {
    "batch": Setting(32, "images a step", (1, 4096), label="Images a step"),
    "iterations": Setting(1000, "training steps", (1, 10_000_000), label="Training steps"),
    "seed": Setting(0, "seed of all random draws", (0, 2**31 - 1), label="Seed"),
    "optimiser": Setting(
        "muon",
        "muon for the coupling networks' weights with AdamW for all else, or adamw for everything",
        words=("muon", "adamw"),
        label="Optimiser",
    ),
    "learning_rate": Setting(2e-3, "peak learning rate", (1e-6, 1.0), label="Learning rate"),
    "weight_decay": Setting(0.3, "of the coupling networks' weights", (0.0, 1.0), label="Weight decay"),
    "warmup": Setting(100, "steps of warm-up, at most a tenth of all", (0, 100_000), rare=True),
    "clip": Setting(50.0, "largest gradient norm", (1e-3, 1e6), rare=True),
    "ema": Setting(0.999, "decay of the averaged weights", (0.0, 0.99999), rare=True),
    "divergence": Setting(
        0.0, "strength of the Shuffle's KL regulariser, which pooled weights alone have", (0.0, 100.0), rare=True
    ),
    "precision": Setting(
        "float32", "of the networks, on CUDA: float32 or bfloat16", words=("float32", "bfloat16"), rare=True
    ),
    "flip": Setting(False, "mirror half of the training images", label="Mirror half of the images"),
    "validation": Setting(False, "score on a folder val of one's own, or on images held out from the train part"),
    "schedule": Setting(
        "cosine",
        "of the learning rate after the warm-up: cosine falls to 0, constant stays",
        words=("cosine", "constant"),
        rare=True,
    ),
    "accumulate": Setting(1, "number of parts in which a batch passes through the flow", (1, 4096), rare=True),
}

SETTINGS: dict[str, Setting] = {**FLOW, **TRAINING, "size": SIZE}
#: The settings that all arms of a study share: first those with other defaults than a training, then the others.
STUDY: dict[str, Any] = {"levels": 3, "steps": 4, "width": 48, "size": 16, "batch": 64, "iterations": 500}
STUDY_SHARED = (
    "network", "scale_bound", "coupling", "top_prior", "padding", "bits", "memory", "optimiser", "learning_rate",
    "weight_decay", "warmup", "clip", "ema", "divergence", "precision", "flip", "schedule", "accumulate",
)  # fmt: skip


#: Settings that have no effect beside others: their names, whether they have none among all settings, and why.
_IDLE: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Any]], bool], str], ...] = (
    (("order", "keep", "prior"), lambda among: among["levels"] == 1, "a flow of one level factors nothing out"),
    (("order", "prior"), lambda among: among["keep"] == "all", "with --keep all nothing is factored out"),
    (("partition",), lambda among: among["init"] == "random", "--init random has no partition"),
    (("scale_bound",), lambda among: among["coupling"] != "bounded", "only --coupling bounded has a bound"),
    (("divergence",), lambda among: among["weights"] != "pooled", "only --weights pooled has a divergence"),
)


def without_effect(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that have no effect beside the others, with the reason; missing ones are at their defaults.

    >>> without_effect({"init": "random", "weights": "pooled"})
    {'partition': '--init random has no partition'}

    """
    among = {name: settings.get(name, setting.default) for name, setting in SETTINGS.items()}
    return {name: why for names, idle, why in reversed(_IDLE) if idle(among) for name in names}


def option(name: str) -> str:
    """Return the option of a setting on the command line: ``--steps-per-level`` of steps; empty without an option.

    >>> option("scale_bound")
    '--scale-bound'

    """
    stated = SETTINGS[name].option if name in SETTINGS else None
    return f"--{name.replace('_', '-')}" if stated is None else stated


def described(name: str, default: object = None) -> str:
    """Return a setting's help with its default, or another."""
    setting = SETTINGS[name]
    return f"{setting.help} (default: {_printed(setting.default if default is None else default)})"


def _printed(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def beginning(value: object) -> str:
    """Return the beginning of any value as text."""
    return str(value)[:40]
