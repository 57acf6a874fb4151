"""The immutable description of a flow: everything that is needed to build one, and its bounds."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .bijection import ConfigError as ConfigError
from .policies import DEALS, parse_split, split_name
from .policies import NAMED_SPLITS as NAMED_SPLITS
from .policies import ORDERS as ORDERS
from .policies import WEIGHTS as WEIGHTS

PRIORS = ("standard", "conditional")
INITS = (*DEALS, "principal", "random")
MEMORIES = ("store", "recompute")

#: Hard bounds of every number in a config; they hold before any memory is taken.
BOUNDS: dict[str, tuple[float, float]] = {
    "channels": (1, 3),
    "size": (2, 256),
    "levels": (1, 6),
    "steps": (1, 64),
    "width": (1, 512),
    "scale_bound": (0.1, 4.0),
    "permutation_seed": (0, 2**31 - 1),
}
MAX_PARAMETERS = 50_000_000


@dataclass(frozen=True)
class FlowConfig:
    """What a :class:`~eiwflow.flow.multiscale.MultiScaleFlow` is made of.

    Arguments:
        shape: (C, H, W) of an image; H and W are divisible by 2**levels.
        levels: number of levels L; every level but the last splits.
        steps: flow steps K a level.
        width: hidden channels of a coupling network.
        split: a name of :data:`NAMED_SPLITS` or ``ORDER+WEIGHTS``.
        prior: of what is emitted: ``standard`` N(0, I) or ``conditional`` N(mu(h), sigma(h)^2) on the kept half h.
        init: ``dealt`` rotates every level to the channels of largest variance, and gives pairs of couplings other
            halves (:mod:`.partitions`), by information where the order looks at data and else by chance,
            ``dealt-by-information`` and ``dealt-by-chance`` whatever the order; ``principal`` rotates too, and lets the
            halves change places from coupling to coupling; ``random`` is Glow's.
        network: kernel sizes of a coupling network, ``3-1-3`` being Glow's.
        scale_bound: B of a coupling's log-scale B tanh(s/B), in nats.
        permutation_seed: draws the permutation of the order ``random``, and what is dealt by chance.
        memory: what a gradient needs: ``store`` everything, or ``recompute`` it from the input of every step. No value
            of the density depends on it.

    Raises:
        ConfigError: a field is out of bounds.

    >>> FlowConfig(shape=(3, 32, 32), levels=3).level_shape(1)
    (12, 16, 16)

    """

    shape: tuple[int, int, int] = (3, 32, 32)
    levels: int = 3
    steps: int = 8
    width: int = 64
    split: str = "weighted"
    prior: str = "conditional"
    init: str = "dealt"
    network: str = "3-1-3"
    scale_bound: float = 1.0
    permutation_seed: int = 0
    memory: str = "store"

    def __post_init__(self) -> None:
        """Normalise what has two spellings, then hold every field against its bounds."""
        shape = self.shape
        if not isinstance(shape, (tuple, list)) or len(shape) != 3 or not all(_is_int(n) for n in shape):
            raise ConfigError(f"shape is {str(shape)[:40]}; it must be three whole numbers (C, H, W).")
        object.__setattr__(self, "shape", tuple(shape))
        for name, number in zip(("channels", "size", "size"), shape, strict=True):
            _check_bounds(name, number)
        for name in ("levels", "steps", "width", "permutation_seed"):
            if not _is_int(getattr(self, name)):
                raise ConfigError(f"{name} is {str(getattr(self, name))[:40]!r}; it must be a whole number.")
            _check_bounds(name, getattr(self, name))
        bound = self.scale_bound
        if isinstance(bound, bool) or not isinstance(bound, (int, float)):
            raise ConfigError(f"scale_bound is {str(bound)[:40]!r}; it must be a number.")
        _check_bounds("scale_bound", bound)
        for name, allowed in (("prior", PRIORS), ("init", INITS), ("memory", MEMORIES)):
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    f"{name} is {str(getattr(self, name))[:40]!r}; it must be one of {', '.join(allowed)}."
                )
        if not isinstance(self.split, str):
            raise ConfigError(f"split is {str(self.split)[:40]!r}; it must be a text.")
        object.__setattr__(self, "split", split_name(*parse_split(self.split)))
        if not isinstance(self.network, str) or not re.fullmatch(r"[135](-[135]){1,4}", self.network):
            raise ConfigError(
                f"network is {str(self.network)[:40]!r}; it must be two to five kernel sizes of 1, 3, 5, as 3-1-3."
            )
        for side in shape[1:]:
            if side % 2**self.levels:
                raise ConfigError(
                    f"size is {shape[1]}×{shape[2]}; with levels {self.levels} both sides must be divisible "
                    f"by {2**self.levels}."
                )

    @property
    def order(self) -> str:
        """The order of the split policy, one of :data:`ORDERS`."""
        return parse_split(self.split)[0]

    @property
    def weights(self) -> str:
        """The weights of the split policy, one of :data:`WEIGHTS`."""
        return parse_split(self.split)[1]

    @property
    def dimensions(self) -> int:
        """D = C H W, the number of dimensions of an image."""
        channels, height, width = self.shape
        return channels * height * width

    def level_shape(self, level: int) -> tuple[int, int, int]:
        """Return (C, H, W) of the features inside level ``level`` (counted from 1), after its squeeze."""
        channels, height, width = self.shape
        return channels * 2 ** (level + 1), height // 2**level, width // 2**level

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as what JSON can hold.

        ``memory`` is left out where it is the default: no number depends on it, and older files do not have it.
        """
        fields = {**dataclasses.asdict(self), "shape": list(self.shape)}
        if self.memory == "store":
            del fields["memory"]
        return fields

    @classmethod
    def from_dict(cls, fields: object) -> FlowConfig:
        """Build a config from :meth:`to_dict`'s result; unknown and missing fields are refused by name.

        ``memory`` may be missing.
        """
        if not isinstance(fields, Mapping):
            raise ConfigError(f"config is a {type(fields).__name__}; it must be an object of named fields.")
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(fields) - known, key=str):
            raise ConfigError(
                f"config has the unknown field {str(unknown[0])[:40]!r}; known are {', '.join(sorted(known))}."
            )
        if missing := sorted(known - {"memory"} - set(fields)):
            raise ConfigError(f"config lacks the field {missing[0]!r}.")
        return cls(**fields)


def _short(number: float) -> str:
    return str(number) if abs(number) < 10**12 or isinstance(number, float) else "a number of more than 12 digits"


def _is_int(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _check_bounds(name: str, number: float) -> None:
    low, high = BOUNDS[name]
    if not low <= number <= high:
        raise ConfigError(f"{name} is {_short(number)}; it must be between {low} and {high}.")
