"""One report on a checkpoint: the parts of its flow, how exactly every level inverts, and whether it is sound.

Every level is checked alone, on its own inputs: values, order, inverse, log-determinant against the Jacobian, and
conditioning. So a fault is located in a level. A 1×1 convolution, ActNorm folded in, can stretch one direction of
channel space more than another (its condition number), and a coupling divides by its scale. Both make rounding grow.
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import Checkpoint, wrong_values
from ..data import ImageData
from ..flow import FlowConfig, Latents, dequantise
from ..flow.bijection import generator_for, round_trip_error
from ..flow.level import Level
from . import progress
from .evaluate import images_to_score
from .exactness import EPSILON, LOG_DET, ROUND_TRIP
from .record import TrainingCurve
from .words.numbers import factor

#: The parts of a level that have parameters, in forward order, and a piece of their parameters' names.
PARTS = {
    "actnorm": ".actnorm.",
    "mixing": ".mixing.",
    "coupling": ".coupling.",
    "shuffle": "shuffle.",
    "prior": ".prior.",
}
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
#: Fields of a file that :func:`inspect` repeats.
OF_THE_FILE = ("step", "seed", "data", "metrics", "recipe", "command", "versions", "temperature")
#: Fields of a file whose name alone would be taken for something else.
NAMES = {"weights": "channel weights"}

Shape = tuple[int, int, int]


# ---------------------------------------------------------------------- the report


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


@dataclass(frozen=True, eq=False)
class LevelReport:
    """The parts of a level, and how exactly it inverts; NaN where an earlier fault leaves nothing to measure on.

    Attributes:
        number: the level, from 1.
        shape_in: (C/4, 2H, 2W), of the level's input.
        shape: (C, H, W), inside the level, after its squeeze.
        kept: the shape of the part passed on; None at the last level.
        emitted: the shape of the part factored out.
        order: channel numbers in the order used, those passed on first; None at the last level.
        parameters: their number, for each of :data:`PARTS`.
        singular_values: (K, C) of each step's 1×1 convolution with ActNorm's scale folded in, largest first.
        max_abs: the largest |inverse(forward(h)) − h| of its inputs h.
        relative: the largest ‖inverse(forward(h)) − h‖ / ‖h‖ over images.
        coupling: (K, 2), the smallest and the largest scale eˢ of each step's coupling.
        weights: (2,), the smallest and the largest weight ω, before the split or, there also below 0, inside couplings;
            NaN where there are none.
        prior: (2,), the smallest and the largest σ of the prior; NaN where σ is 1.
        checks: of the level.

    """

    number: int
    shape_in: Shape
    shape: Shape
    kept: Shape | None
    emitted: Shape
    order: tuple[int, ...] | None
    parameters: dict[str, int]
    singular_values: np.ndarray
    max_abs: float
    relative: float
    coupling: np.ndarray
    weights: np.ndarray
    prior: np.ndarray
    checks: tuple[Check, ...]

    @property
    def steps(self) -> int:
        """K, the number of steps."""
        return len(self.singular_values)

    @property
    def total(self) -> int:
        """The number of parameters of all parts."""
        return sum(self.parameters.values())

    @property
    def condition(self) -> np.ndarray:
        """The condition number (K,) of each step's convolution with ActNorm: largest singular value over smallest."""
        return _condition(self.singular_values)

    @property
    def worst_step(self) -> int:
        """The step, from 1, with the largest condition number."""
        return int(self.condition.argmax()) + 1


@dataclass(frozen=True, eq=False)
class Report:
    """The report on a checkpoint.

    Attributes:
        checkpoint: its name.
        sha256: of its bytes.
        config: of its flow.
        images: the images used, in words.
        levels: each level alone, on its own inputs.
        max_abs: the largest |decode(encode(x)) − x|, of x in [−½, ½]; NaN where a level does not invert.
        relative: the largest ‖decode(encode(x)) − x‖ / ‖x‖ over images.

    """

    checkpoint: str
    sha256: str
    config: FlowConfig
    images: str
    levels: tuple[LevelReport, ...]
    max_abs: float
    relative: float

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters of each of :data:`PARTS` in all levels."""
        return {part: sum(level.parameters[part] for level in self.levels) for part in PARTS}

    @property
    def total(self) -> int:
        """All parameters of the density."""
        return sum(level.total for level in self.levels)

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks, level by level."""
        return tuple(check for level in self.levels for check in level.checks)

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

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of checks, of levels and of their steps, by the names of files."""
        return {
            "levels": [_level_row(level) for level in self.levels],
            "steps": [row for level in self.levels for row in _step_rows(level)],
            "checks": [asdict(check) for check in self.checks],
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the checks as values for JSON; numbers that are not finite stay as they are."""
        return {
            "checkpoint": self.checkpoint,
            "sha256": self.sha256,
            "holds": self.holds,
            "levels_at_fault": self.levels_at_fault,
            "images": self.images,
            "checks": self.tables()["checks"],
        }


def _level_row(level: LevelReport) -> dict[str, Any]:
    return {
        "level": level.number,
        "shape_in": _shape(level.shape_in),
        "shape": _shape(level.shape),
        "kept": "" if level.kept is None else _shape(level.kept),
        "emitted": _shape(level.emitted),
        "order": "" if level.order is None else " ".join(map(str, level.order)),
        "steps": level.steps,
        **{f"parameters_{part}": count for part, count in level.parameters.items()},
        "parameters": level.total,
        "inversion_max_abs": level.max_abs,
        "inversion_relative": level.relative,
        "condition_worst": float(level.condition.max()),
        "condition_worst_step": level.worst_step,
        **_ends("singular_value", level.singular_values),
        **_ends("coupling_scale", level.coupling),
        **_ends("weight", level.weights),
        **_ends("prior_sigma", level.prior),
    }


def _step_rows(level: LevelReport) -> list[dict[str, Any]]:
    return [
        {
            "level": level.number,
            "step": step,
            "condition": float(condition),
            **_ends("singular_value", values),
            **_ends("coupling_scale", scales),
        }
        for step, (condition, values, scales) in enumerate(
            zip(level.condition, level.singular_values, level.coupling, strict=True), start=1
        )
    ]


def _ends(name: str, values: np.ndarray) -> dict[str, float | None]:
    low, high = (None if math.isnan(end) else float(end) for end in (values.min(), values.max()))
    return {f"{name}_min": low, f"{name}_max": high}


def _shape(shape: Shape) -> str:
    return "×".join(map(str, shape))


def _condition(singular_values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return singular_values[:, 0] / singular_values[:, -1]


# ---------------------------------------------------------------------- made once


@torch.no_grad()
def verify(checkpoint: Checkpoint, images: Tensor | None = None, name: str = "", batch: int = IMAGES) -> Report:
    """Return the report on a flow; a fault is a result, never an error.

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
    like = next(flow.parameters())
    x = dequantise(images, generator, like.dtype, flow.config.bits).to(like.device)
    level_input: Tensor | None = x
    levels: list[LevelReport] = []
    latents: list[Tensor] = []
    progress.expect(len(images))
    for level in flow.levels:
        kept, noise, made = _report(config, level, level_input, batch)
        levels.append(made)
        latents.append(noise)
        # An earlier inverse with a large error, or one that is not finite, is no fault of later levels.
        inverts = made.relative <= ROUND_TRIP
        level_input = kept if inverts and kept is not None and bool(torch.isfinite(kept).all()) else None
        before, after = (len(images) * number // config.levels for number in (level.number - 1, level.number))
        progress.advance(after - before)
    max_abs = relative = math.nan
    if all(level.relative <= ROUND_TRIP for level in levels):
        parts = zip(*(noise.split(batch) for noise in latents), strict=True)
        back = torch.cat([flow.decode(Latents([*part])) for part in parts])
        _, max_abs, relative = round_trip_error(back, x)
    return Report(checkpoint.name, checkpoint.sha256, config, name_of_images, tuple(levels), max_abs, relative)


def _report(
    config: FlowConfig, level: Level, level_input: Tensor | None, batch: int
) -> tuple[Tensor | None, Tensor, LevelReport]:
    """Return the part that a level passes on, ε, and the report on the level; an input of None cannot be judged on."""
    channels, height, width = config.level_shape(level.number)
    emitted, singular_values = config.noise_shape(level.number), _singular_values(level)
    checks = _stored(level)
    kept, noise, log_det = None, torch.empty(0), None
    max_abs, relative, ranges = math.nan, None, np.full((len(level.steps) + 2, 2), np.nan)
    if level_input is not None and all(check.holds for check in checks):
        kept, noise, max_abs, relative, ranges = _there_and_back(level, level_input, batch)
        log_det = _log_det(level, level_input[:JACOBIANS])
    condition = _condition(singular_values)
    checks += [
        _figure("round trip", level, relative),
        _figure("log-det", level, log_det),
        _figure("conditioning", level, float(condition.max()), int(condition.argmax()) + 1),
    ]
    made = LevelReport(
        number=level.number,
        shape_in=(channels // 4, 2 * height, 2 * width),
        shape=(channels, height, width),
        kept=None if level.shuffle is None else (channels - emitted[0], height, width),
        emitted=emitted,
        order=None if level.shuffle is None else tuple(level.shuffle.order.tolist()),
        parameters=_parameters(level),
        singular_values=singular_values,
        max_abs=max_abs,
        relative=math.nan if relative is None else relative,
        coupling=ranges[:-2],
        weights=ranges[-2],
        prior=ranges[-1],
        checks=tuple(checks),
    )
    return kept, noise, made


def _parameters(level: Level) -> dict[str, int]:
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in level.named_parameters():
        counts[next(part for part, piece in PARTS.items() if piece in name)] += parameter.numel()
    return counts


def _singular_values(level: Level) -> np.ndarray:
    """Return (K, C) of the 1×1 convolutions with ActNorm's scale folded in; NaN where one is not finite."""
    scales = torch.stack([step.actnorm.log_scale for step in level.steps]).double().exp()
    folded = torch.stack([step.mixing.matrix() for step in level.steps]).double() * scales[:, None, :]
    if not torch.isfinite(folded).all():
        return np.full(folded.shape[:2], np.nan)
    return torch.linalg.svdvals(folded).cpu().numpy()


def _stored(level: Level) -> list[Check]:
    """Return the checks of the file's tensors: finite numbers, signs and rows, and the order."""
    state = {f"levels.{level.number - 1}.{key}": value.cpu() for key, value in level.state_dict().items()}
    wrong = list(wrong_values(state))
    orders = [entry for entry in wrong if entry.tensor.endswith("shuffle.order")]
    values = [entry for entry in wrong if entry not in orders]
    checks = []
    for name, entries, good in (
        ("values", values, "has values that can be"),
        ("order", orders, "has an order that is a permutation"),
    ):
        if entries:
            more = f" ({len(entries)} such tensors in all)" if len(entries) > 1 else ""
            bad = f"{entries[0].found}, where {entries[0].expected} must stand{more}"
            finding = f"has the tensor {entries[0].tensor!r} with {bad}"
            checks.append(Check(name, level.number, False, None, None, finding))
        elif name == "values" or level.shuffle is not None:
            checks.append(Check(name, level.number, True, None, None, good))
    return checks


def _figure(name: str, level: Level, figure: float | None, step: int = 0) -> Check:
    """Return a check of :data:`FIGURES`; it was not made where the figure is None."""
    bound, finding, otherwise = FIGURES[name]
    if figure is None:
        return Check(name, level.number, None, None, bound, "could not be checked")
    finite = math.isfinite(figure)
    words = f"{finding} (at most {factor(bound)})" if finite else otherwise
    words = words.format(factor(figure) if finite else "", step=step)
    return Check(name, level.number, finite and figure <= bound, figure, bound, words)


def _there_and_back(
    level: Level, level_input: Tensor, batch: int
) -> tuple[Tensor | None, Tensor, float, float, np.ndarray]:
    """Return the part passed on, ε, the errors of the inverse, and ranges (K + 2, 2) as :func:`_ranges`."""
    passed_on, noises, errors, ranges = [], [], [], []
    for part in level_input.split(batch):
        kept, noise, _, _ = level(part)
        errors.append(round_trip_error(level.inverse(kept, noise), part)[1:])
        ranges.append(_ranges(level, part, kept))
        passed_on += [] if kept is None else [kept]
        noises.append(noise)
    max_abs, relative = np.max(errors, axis=0).tolist()  # np.max keeps NaN
    low, high = np.min(ranges, axis=0)[:, 0], np.max(ranges, axis=0)[:, 1]
    ends = np.stack([low, high], axis=1)
    return torch.cat(passed_on) if passed_on else None, torch.cat(noises), max_abs, relative, ends


def _ranges(level: Level, level_input: Tensor, kept: Tensor | None) -> list[list[float]]:
    """Return the smallest and the largest factor of every coupling, of channel weights, and of the prior's σ."""
    x, weights, ranges = level.squeeze(level_input)[0], [], []
    for step in level.steps:
        mixed = step.mixing(step.actnorm(x)[0])[0]
        ranges.append(_range(step.coupling.affine(mixed.chunk(2, dim=1)[0])[0].exp()))
        weights += [omega.flatten() for omega in step.coupling.channel_weights(mixed) or ()]
        x = step.coupling(mixed)[0]
    if level.shuffle is not None and (log_weights := level.shuffle.log_weights(x)) is not None:
        weights = [log_weights.exp().flatten()]
    split, sigma = level.split, torch.empty(0)
    if split is not None and split.prior is not None and kept is not None:
        sigma = split.parameters_of(kept)[1].exp()
    return [*ranges, _range(torch.cat(weights) if weights else torch.empty(0)), _range(sigma)]


def _range(factors: Tensor) -> list[float]:
    return [float(end) for end in torch.aminmax(factors)] if factors.numel() else [math.nan, math.nan]


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


# ---------------------------------------------------------------------- beside what the file says


def inspect(checkpoint: Checkpoint, images: ImageData | None, curve: TrainingCurve | None = None) -> dict[str, Any]:
    """Return the file's document and the report, as values for JSON; without a data set it is measured on noise.

    ``tables`` holds the rows that the app exports, with the training's curve where there is one.
    """
    info = checkpoint.info
    pixels = None if images is None else images_to_score(images, checkpoint.flow, IMAGES)
    report = verify(checkpoint, pixels, "" if images is None else images.name)
    training = None if curve is None else curve.table()
    return {
        "config": info.config.to_dict(),
        "parameters": report.total,
        "parts": report.parameters,
        "inversion": {"images": report.images, "max_abs": report.max_abs, "relative": report.relative},
        "holds": report.holds,
        "sha256": checkpoint.sha256,
        **{name: getattr(info, name) for name in OF_THE_FILE},
        "tables": report.tables() | {"file": file_table(checkpoint), "training": training},
    }


def file_table(checkpoint: Checkpoint) -> list[dict[str, str]]:
    """Return the file's document, one row per field."""
    info = checkpoint.info
    groups = {
        "flow": info.config.to_dict(),
        "training": {"data": info.data, "step": info.step, "seed": info.seed, **info.recipe},
        "measured then": {**info.metrics, "temperature": info.temperature},
        "imported": info.imported,
        "software": info.versions,
        "file": {"sha256": checkpoint.sha256, "command": info.command},
    }
    return [
        {"group": group, "field": NAMES.get(name, name), "value": _plain(value)}
        for group, fields in groups.items()
        for name, value in fields.items()
    ]


def _plain(value: object) -> str:
    if isinstance(value, list):
        return "×".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
