"""The immutable description of a flow: everything that is needed to build one, and its bounds."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..options import CHANNELS, FLOW, SIZE, Setting, beginning
from .bijection import ConfigError as ConfigError
from .coupling import COUPLINGS
from .policies import ORDERS as ORDERS
from .policies import PARTITIONS
from .policies import WEIGHTS as WEIGHTS

PRIORS: tuple[str, ...] = FLOW["prior"].words
INITS: tuple[str, ...] = FLOW["init"].words
#: Initialisations that start from principal channels, for which orders by variance and partitions are defined.
ROTATED = ("principal", "linear")
#: Smallest and largest value of every number in a config, checked before any memory is taken.
BOUNDS: dict[str, tuple[float, float]] = {
    name: setting.bounds
    for name, setting in {"channels": CHANNELS, "size": SIZE, **FLOW}.items()
    if setting.bounds is not None
}
#: The allowed words are the rows of a table.
_ROWS: dict[str, Iterable[str]] = {"order": ORDERS, "weights": WEIGHTS, "partition": PARTITIONS, "coupling": COUPLINGS}
#: The refusal of a file that version 0.1 wrote.
OLDER = "It was written by version 0.1; this version reads files of 0.2 and later, so train or run it again."
#: Fields that a file may lack: it is older than the field, or the field has its default.
OPTIONAL = ("memory", "keep", "kept", "coupling", "top_prior", "padding", "bits", "leaky", "context")
#: Fields that no file of version 2 has, and new words of its other fields.
NEW = ("keep", "coupling", "top_prior", "padding", "bits", "leaky", "context")
NEW_WORDS = (
    ("order", "released"), ("init", "linear"), ("prior", "unbounded"), ("prior", "constant"),
    ("weights", "entropy"), ("weights", "means"), ("weights", "constant"),
)  # fmt: skip


@dataclass(frozen=True)
class FlowConfig:
    """The settings of a :class:`~eiwflow.flow.multiscale.MultiScaleFlow`.

    Four choices decide which channels a level factors out: ``order`` × ``weights`` × ``init`` × ``partition``.

    Args:
        shape: (C, H, W) of an image; H and W are divisible by 2**levels.
        levels: number of levels L; every level but the last splits.
        steps: flow steps K a level.
        width: hidden channels of a coupling network.
        prior: of the latents factored out: ``standard`` N(0, I) or ``conditional`` N(mu(h), sigma(h)^2) on the half h
            that is passed on. ``unbounded`` is conditional with no bound of log sigma; ``constant`` has a learned mean
            and sigma of every channel and position.
        init: ``principal``: every level starts from the principal channels of its input; ``linear``: couplings and
            priors also start as linear predictors of their half; ``random``: from random rotations, as Glow.
        network: kernel sizes of a coupling network, Glow's are ``3-1-3``.
        scale_bound: B of a coupling's log-scale B tanh(s/B), in nats.
        permutation_seed: draws the order ``random`` and the partition ``random``.
        memory: for gradients, ``store`` all activations, or ``recompute`` them from the input of every step. The
            density does not depend on it.
        order: which channels are passed on. ``entropy``: the channels of largest spectral redundancy; ``variance``: the
            principal channels of largest variance, with ``init="random"`` the features of largest variance in the
            initialising pass; ``variance-reversed``: those of smallest; ``random``: drawn once; ``first`` factors out
            the first ones by position, ``last`` the last; ``released``: by learned weights, as the published
            code of EIW-Flow (:class:`~eiwflow.flow.released.ReleasedShuffle`), with weights ``none`` and prior
            ``standard``.
        weights: for every image. ``entropy``: the input and the output of every coupling's network are multiplied by
            weights computed from the entropies of its input channels
            (:class:`~eiwflow.flow.entropy_weights.EntropyWeights`), at every level but the last; ``means``: the same
            from means, a control for studies; ``pooled``: every channel is multiplied by a weight before the split;
            ``none``.
        partition: which channels each coupling computes from and which it transforms: ``alternating`` halves,
            ``random`` halves, or by the mutual ``information`` between channels. Random rotations have no partition:
            with them the field is always ``alternating``.
        keep: the fraction of its channels that a level passes on: 0.25, 0.5 or 0.75; ``auto``: as many as have a
            spectral redundancy above :data:`~eiwflow.flow.policies.AUTO_REDUNDANCY` in the initialising pass, at least
            one and not all; ``all``: nothing is factored out before the last level, so the prior has no say.
        kept: channels that every level but the last passes on, for ``auto`` once the flow is initialised; empty for a
            fraction. :attr:`counts` holds the numbers in both cases.
        coupling: how a coupling's scale follows from its network: ``bounded``, or unbounded as in other code:
            ``sigmoid`` (Glow's), ``sigmoid-inverse``, ``exp``; ``additive`` has no scale.
        top_prior: of the last level's latents: ``standard``, or ``constant`` as above.
        padding: of the last convolution of couplings and priors: ``zeros`` or ``ones``.
        bits: b; images have 2^b grey levels of the 256 that bytes have.
        leaky: slope of the networks' ReLUs below 0, as in other code.
        context: K: the density is conditional on K real values or on labels 0 to K − 1, which enter the network of the
            weights ``entropy`` or ``means`` of every coupling, the prior of the last level, and priors ``constant``;
            0 for a density of images alone.

    Raises:
        ConfigError: a field is out of bounds.

    >>> FlowConfig(shape=(3, 32, 32), levels=3).level_shape(1)
    (12, 16, 16)
    >>> FlowConfig(order="last", weights="none", init="random").partition
    'alternating'

    """

    shape: tuple[int, int, int] = (3, 32, 32)
    levels: int = FLOW["levels"].default
    steps: int = FLOW["steps"].default
    width: int = FLOW["width"].default
    order: str = FLOW["order"].default
    weights: str = FLOW["weights"].default
    prior: str = FLOW["prior"].default
    init: str = FLOW["init"].default
    partition: str = FLOW["partition"].default
    network: str = FLOW["network"].default
    scale_bound: float = FLOW["scale_bound"].default
    permutation_seed: int = FLOW["permutation_seed"].default
    memory: str = FLOW["memory"].default
    keep: float | str = FLOW["keep"].default
    kept: tuple[int, ...] = ()
    coupling: str = FLOW["coupling"].default
    top_prior: str = FLOW["top_prior"].default
    padding: str = FLOW["padding"].default
    bits: int = FLOW["bits"].default
    leaky: float = FLOW["leaky"].default
    context: int = FLOW["context"].default

    def __post_init__(self) -> None:
        """Check every field against its bounds, then the fields against each other."""
        self._check_fields()
        if self.init == "random":
            object.__setattr__(self, "partition", "alternating")
        plain = (("coupling", "bounded"), ("padding", "zeros"), ("leaky", 0))
        for name, word in plain if self.init == "linear" else ():
            if (value := getattr(self, name)) != word:
                raise ConfigError(f"{name} is {value!r}; with init linear it must be {word}.")
        if self.keep == "all" and WEIGHTS[self.weights].shuffle is not None:
            raise ConfigError(
                f"weights is {self.weights!r}; with keep all there is no split whose parts could be weighted."
            )
        if ORDERS[self.order].learned:
            for name, word in (("weights", "none"), ("prior", "standard")):
                if getattr(self, name) != word:
                    raise ConfigError(
                        f"{name} is {getattr(self, name)!r}; it must be {word} with the order {self.order}: "
                        "the published code has no channel weights and latents N(0, I)."
                    )

    def _check_fields(self) -> None:
        """Check every field against its bounds."""
        shape = self.shape
        if not isinstance(shape, (tuple, list)) or len(shape) != 3 or not all(_is_int(n) for n in shape):
            raise ConfigError(f"shape is {str(shape)[:40]}; it must be three whole numbers (C, H, W).")
        object.__setattr__(self, "shape", tuple(shape))
        for name, setting, number in zip(("channels", "size", "size"), (CHANNELS, SIZE, SIZE), shape, strict=True):
            _check(name, setting, number)
        for name, setting in FLOW.items():
            _check(name, setting, getattr(self, name))
        if not isinstance(self.network, str) or not re.fullmatch(r"[135](-[135]){1,4}", self.network):
            raise ConfigError(
                f"network is {str(self.network)[:40]!r}; it must be two to five kernel sizes of 1, 3, 5, as 3-1-3."
            )
        self._check_kept()
        for side in shape[1:]:
            if side % 2**self.levels:
                raise ConfigError(
                    f"size is {shape[1]}×{shape[2]}; with levels {self.levels} both sides must be divisible "
                    f"by {2**self.levels}."
                )

    def _check_kept(self) -> None:
        """Check the numbers of channels chosen by ``auto`` against the channels of each level."""
        kept, splits = self.kept, self.levels - 1
        if not isinstance(kept, (tuple, list)) or not all(_is_int(n) for n in kept):
            raise ConfigError(f"kept is {beginning(kept)}; it must be a list of whole numbers.")
        object.__setattr__(self, "kept", tuple(kept))
        if kept and self.keep != "auto":
            raise ConfigError(f"kept is {beginning(kept)}; it must be empty, as keep {self.keep} states the numbers.")
        if kept and len(kept) != splits:
            raise ConfigError(f"kept has {len(kept)} numbers; with levels {self.levels} it must have {splits}.")
        channels = 4 * self.shape[0]
        for level, count in enumerate(kept, start=1):
            if not 1 <= count < channels:
                raise ConfigError(
                    f"kept at level {level} is {beginning(count)}; it must be between 1 and {channels - 1}."
                )
            channels = 4 * count

    @property
    def resolved(self) -> bool:
        """Whether the channels that every level passes on are known: for ``auto`` only after initialisation."""
        return self.keep != "auto" or len(self.kept) == self.levels - 1

    @property
    def splits(self) -> bool:
        """Whether a level before the last factors something out."""
        return self.levels > 1 and self.keep != "all"

    @property
    def counts(self) -> tuple[int, ...]:
        """Channels that every level but the last passes on; the largest possible number before that is known."""
        if self.kept:
            return self.kept
        counts: list[int] = []
        for _ in range(self.levels - 1):
            channels = 4 * (counts[-1] if counts else self.shape[0])
            most = channels if self.keep == "all" else channels - 1
            counts.append(most if isinstance(self.keep, str) else round(channels * self.keep))
        return tuple(counts)

    @property
    def split(self) -> str:
        """Order and channel weights as one text: ``entropy+pooled``; without weights the order alone."""
        return self.order if self.weights == "none" else f"{self.order}+{self.weights}"

    @property
    def dimensions(self) -> int:
        """D = C H W, the number of dimensions of an image."""
        channels, height, width = self.shape
        return channels * height * width

    def level_shape(self, level: int) -> tuple[int, int, int]:
        """Return (C, H, W) of the features inside level ``level`` (counted from 1), after its squeeze.

        C is the largest possible where the channels passed on are not known yet (see :attr:`resolved`).
        """
        channels, height, width = self.shape
        return 4 * (channels, *self.counts)[level - 1], height // 2**level, width // 2**level

    def noise_shape(self, level: int) -> tuple[int, int, int]:
        """Return (C, H, W) of the part that ``level`` (from 1) factors out: its whole output at the last level."""
        channels, height, width = self.level_shape(level)
        return channels - (*self.counts, 0)[level - 1], height, width

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values for JSON.

        Fields of :data:`OPTIONAL` with their default value are left out, as in older files. Any other ``keep`` comes
        with ``kept``, once that is known.
        """
        fields = {**dataclasses.asdict(self), "shape": list(self.shape)}
        del fields["kept"]
        if self.keep != FlowConfig.keep and self.resolved:
            fields["kept"] = list(self.counts)
        return {
            name: value for name, value in fields.items() if name not in OPTIONAL or value != getattr(FlowConfig, name)
        }

    @classmethod
    def from_dict(cls, fields: object) -> FlowConfig:
        """Build a config from the result of :meth:`to_dict`, of this version or of 0.2.

        Unknown and missing fields are refused by name; those of :data:`OPTIONAL` may be missing.
        """
        if not isinstance(fields, Mapping):
            raise ConfigError(f"config is a {type(fields).__name__}; it must be an object of named fields.")
        # A config of 0.2 states order and weights once more in the field split.
        stated = {name: value for name, value in fields.items() if name != "split"}
        field_names = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(stated) - field_names, key=str):
            raise ConfigError(
                f"config has the unknown field {str(unknown[0])[:40]!r}; known are {', '.join(sorted(field_names))}."
            )
        missing = sorted(field_names - set(OPTIONAL) - set(stated))
        if "split" in fields and {"order", "weights", "partition"} <= set(missing):
            raise ConfigError(OLDER)
        if missing:
            raise ConfigError(f"config lacks the field {missing[0]!r}.")
        counted = "kept" in stated and stated.get("keep", cls.keep) != "auto"
        counts = stated.pop("kept") if counted else None
        config = cls(**stated)
        if counted and counts != list(config.counts):
            raise ConfigError(f"kept is {beginning(counts)}; with keep {config.keep} it must be {list(config.counts)}.")
        return config


def _check(name: str, setting: Setting, value: object) -> None:
    if (refusal := setting.refusal(name, value, _ROWS.get(name))) is not None:
        raise ConfigError(refusal)


def _is_int(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)
