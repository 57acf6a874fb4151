"""Checks of a checkpoint: whether its flow inverts, with the right log-determinant.

Every level is checked alone, on its own inputs: values, order, inverse, log-determinant against the Jacobian, and
conditioning. So a fault is located in a level.
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import Checkpoint, WrongValue, wrong_values
from ..flow import FlowConfig, NonFiniteError, dequantise
from ..flow.bijection import generator_for
from ..flow.level import Level
from . import passes, progress
from .checkpoint import level_anatomy, level_inversion
from .exactness import EPSILON, LOG_DET, ROUND_TRIP
from .words.numbers import factor

#: Images for the inverse, and for Jacobians.
IMAGES, JACOBIANS = 16, 2
#: The largest condition number: beyond it one rounding exceeds ``ROUND_TRIP``.
CONDITION = ROUND_TRIP / (EPSILON / 2)
#: Pixels a side, and dimensions at most, of the window of a level's input for the Jacobian. A level consists of
#: convolutions and means over positions, so a window of any size uses the same parameters.
WINDOW, MAX_WINDOW = 4, 512
#: Check -> its bound, its finding, and its finding where the figure is not finite.
FIGURES = {
    "round trip": (ROUND_TRIP, "has an inverse that is off by {} of its input's norm", "has an inverse that overflows"),
    "log-det": (
        LOG_DET,
        "has a log-determinant that is off by {} nats a dimension from its Jacobian's",
        "has a Jacobian that overflows",
    ),
    "conditioning": (
        CONDITION,
        "has a 1×1 convolution (step {step}) that stretches one direction {} times as much as another",
        "has a 1×1 convolution (step {step}) that has no inverse",
    ),
}


@dataclass(frozen=True)
class Check:
    """One check of one level.

    Attributes:
        name: ``values``, ``order``, ``round trip``, ``log-det`` or ``conditioning``, in this order.
        level: from 1.
        holds: None where an earlier fault makes the check impossible.
        measured: the figure; None where the check has none or was not made. A figure that is not finite fails.
        bound: the largest figure that holds; None where the check has none.
        finding: the result, as the end of a sentence that begins with the level.

    """

    name: str
    level: int
    holds: bool | None
    measured: float | None
    bound: float | None
    finding: str


@dataclass(frozen=True)
class Verification:
    """All checks of a checkpoint.

    Attributes:
        checkpoint: its name.
        sha256: of its bytes.
        images: the images used, in words.
        checks: level by level.

    """

    checkpoint: str
    sha256: str
    images: str
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether every check was made and holds."""
        return all(check.holds for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that fail."""
        return tuple(check for check in self.checks if check.holds is False)

    @property
    def levels_at_fault(self) -> list[int]:
        """The levels with a failed check."""
        return sorted({check.level for check in self.failed})

    def worst(self, name: str) -> float:
        """Return the largest figure of a check over levels."""
        return max(check.measured for check in self.checks if check.name == name and check.measured is not None)

    def table(self) -> list[dict[str, Any]]:
        """Return one row a check."""
        return [asdict(check) for check in self.checks]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as values for JSON; numbers that are not finite stay as they are."""
        return {
            "checkpoint": self.checkpoint,
            "sha256": self.sha256,
            "holds": self.holds,
            "levels_at_fault": self.levels_at_fault,
            "images": self.images,
            "checks": self.table(),
        }


@torch.no_grad()
def verify(checkpoint: Checkpoint, images: Tensor | None = None, name: str = "", batch: int = IMAGES) -> Verification:
    """Check every level of a flow; a fault is a result, never an error.

    Arguments:
        checkpoint: may hold wrong values: read it with ``load(…, trust=False)``.
        images: uint8 (N, C, H, W) of the flow's shape, of which the first :data:`IMAGES` are used; None for noise.
        name: the images' data set.
        batch: images that go through a level at once, at most.

    """
    flow, config = checkpoint.flow, checkpoint.info.config
    generator = generator_for(0, "verify")
    if images is None:
        images = torch.randint(0, 256, (IMAGES, *config.shape), dtype=torch.uint8, generator=generator)
        name_of_images = f"{len(images)} images of noise"
    else:
        images = images[:IMAGES]
        name_of_images = f"{len(images)} test image{'s' * (len(images) != 1)}{f' of {name}' if name else ''}"
    device = passes.device_of(flow)
    level_input: Tensor | None = dequantise(images, generator, bits=flow.config.bits).to(device)
    checks: list[Check] = []
    progress.expect(len(images))
    for level in flow.levels:
        stored = _stored(level)
        kept: Tensor | None = None
        off = log_det = None
        if level_input is not None and all(check.holds for check in stored):
            kept, off = _there_and_back(level, level_input, batch)
            log_det = _log_det(level, level_input[:JACOBIANS])
        checks += [*stored, _figure("round trip", level, off), _figure("log-det", level, log_det)]
        # An earlier inverse with a large error, or one that is not finite, is no fault of later levels.
        passable = checks[-2].holds and kept is not None and bool(torch.isfinite(kept).all())
        level_input = kept if passable else None
        checks.append(_conditioning(config, level))
        before, after = (len(images) * number // config.levels for number in (level.number - 1, level.number))
        progress.advance(after - before)
    return Verification(checkpoint.name, checkpoint.sha256, name_of_images, tuple(checks))


def _stored(level: Level) -> list[Check]:
    """Return the checks of the file's tensors: finite numbers, signs and rows, and the order."""
    state = {f"levels.{level.number - 1}.{key}": value.cpu() for key, value in level.state_dict().items()}
    wrong = list(wrong_values(state))
    orders = [entry for entry in wrong if entry.tensor.endswith("shuffle.order")]
    checks = [_possible("values", level, [entry for entry in wrong if entry not in orders], "has values that can be")]
    if level.shuffle is not None:
        checks.append(_possible("order", level, orders, "has an order that is a permutation"))
    return checks


def _possible(name: str, level: Level, wrong: list[WrongValue], good: str) -> Check:
    if not wrong:
        return Check(name, level.number, True, None, None, good)
    more = f" ({len(wrong)} such tensors in all)" if len(wrong) > 1 else ""
    bad = f"has the tensor {wrong[0].tensor!r} with {wrong[0].found}, where {wrong[0].expected} must stand{more}"
    return Check(name, level.number, False, None, None, bad)


def _there_and_back(level: Level, level_input: Tensor, batch: int) -> tuple[Tensor | None, float]:
    """Return the part that a level passes on, and the error of its inverse, of its input's norm."""
    passed_on: list[Tensor] = []
    off: list[float] = []
    for part in level_input.split(batch):
        kept, noise, _, _ = level(part)
        off.append(level_inversion(level, part, kept, noise).relative)
        passed_on += [] if kept is None else [kept]
    return torch.cat(passed_on) if passed_on else None, float(np.max(off))  # np.max keeps NaN


def _log_det(level: Level, level_input: Tensor) -> float:
    double = copy.deepcopy(level).double()
    window = WINDOW if level_input.shape[1] * WINDOW**2 <= MAX_WINDOW else 2
    return max(log_det_error(double, x[None, :, :window, :window].double()) for x in level_input)


@torch.enable_grad()
def log_det_error(level: Level, x: Tensor) -> float:
    """Return |level's log-det − log|det| of its Jacobian| at x (1, C/4, 2H, 2W), in nats a dimension."""
    dimensions = x.numel()
    # One copy of x for every output, so that one backward pass gives all rows.
    copies = x.expand(dimensions, *x.shape[1:]).contiguous().requires_grad_()
    kept, noise, log_det, _ = level(copies)
    outputs = noise.flatten(1) if kept is None else torch.cat([kept.flatten(1), noise.flatten(1)], dim=1)
    (jacobian,) = torch.autograd.grad(outputs.diagonal().sum(), copies)
    if not torch.isfinite(jacobian).all():
        return math.nan
    return float((log_det[0].detach() - torch.linalg.slogdet(jacobian.flatten(1)).logabsdet).abs()) / dimensions


def _conditioning(config: FlowConfig, level: Level) -> Check:
    try:
        parts = level_anatomy(config, level)
    except NonFiniteError:
        return Check("conditioning", level.number, False, None, CONDITION, "has a 1×1 convolution that is not finite")
    return _figure("conditioning", level, float(parts.condition.max()), parts.worst_step)


def _figure(name: str, level: Level, figure: float | None, step: int = 0) -> Check:
    """Return a check of :data:`FIGURES`; it was not made where the figure is None."""
    bound, finding, otherwise = FIGURES[name]
    if figure is None:
        return Check(name, level.number, None, None, bound, "could not be checked")
    finite = math.isfinite(figure)
    words = f"{finding} (at most {factor(bound)})" if finite else otherwise
    words = words.format(factor(figure) if finite else "", step=step)
    return Check(name, level.number, finite and figure <= bound, figure, bound, words)
