r"""Entropies of the halves of each level, and the account of log-determinants from x to ε.

A permutation changes neither the joint entropy nor the sum of channel entropies; it only decides which half holds a
channel. And since h(f(x)) = h(x) + E log|det|, raw entropy rises by mere scaling. So three measures belong together:
the marginal entropy per dimension, beside that of N(0, 1); negentropy and redundancy, which are scale-free; and the
log-det account.

The entropies are estimates from test images. Values of one image are not independent of each other, nor are crops of
one photograph: intervals come from a bootstrap over whole images, or whole photographs where they are known
(:mod:`.intervals`), jointly for all channels of a level.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import DataError
from ..flow import ConfigError, MultiScaleFlow
from ..flow.information import GAUSSIAN_ENTROPY, entropy_rate, redundancy
from ..flow.multiscale import LevelTrace
from ..flow.policies import entropy_order
from ..flow.split import standard_normal_log_prob
from . import intervals, passes
from .intervals import Estimate
from .levels import traces
from .record import LevelRecord, TrainingRecord

#: The measures of a channel, in nats a value: h, the Gaussian entropy of its variance minus h, spectral redundancy, and
#: the entropy rate Ĥ.
MEASURES = ("marginal", "negentropy", "redundancy", "rate")
#: All channels.
EVERY = slice(None)
ESTIMATORS = {
    "marginal": "scipy.stats.differential_entropy",
    "negentropy": "scipy.stats.differential_entropy",
    "redundancy": "periodogram of each image and channel",
    "rate": "periodogram of each image and channel",
}
#: Test images, values per image for a channel's marginal entropy, and bootstrap draws: a hundred draws give a standard
#: error to 7 %.
IMAGES, VALUES_PER_IMAGE, RESAMPLES = 128, 16, 100
#: Images a batch of the float64 copy, which takes 1.5 MiB each; larger batches are no faster.
BATCH = 16
#: With fewer images an interval over them means nothing; with fewer values h is biased by more than 0.02 nats.
MIN_IMAGES, MIN_VALUES = 32, 128


# ---------------------------------------------------------------------- channels, with intervals over images


@dataclass(frozen=True, eq=False)
class Channels:
    """Measures of C channels over N images; the channels keep their places.

    Attributes:
        values: (4, C) in nats a value, one row for each of :data:`MEASURES`; the last two are NaN for a single pixel.
        resampled: (B, 4, C), the same for B draws of the images with replacement.

    """

    values: np.ndarray
    resampled: np.ndarray

    def mean(self, measure: str, places: Sequence[int] | slice = EVERY) -> Estimate:
        """Return the mean of a measure over the channels at these places."""
        return self._estimate(measure, lambda rows: rows[..., places].mean(axis=-1))

    def difference(self, measure: str, places: Sequence[int], others: Sequence[int]) -> Estimate:
        """Return the mean over the channels at ``places`` minus the mean over the others."""
        return self._estimate(measure, lambda rows: rows[..., places].mean(axis=-1) - rows[..., others].mean(axis=-1))

    def _estimate(self, measure: str, statistic: Callable[[np.ndarray], np.ndarray]) -> Estimate:
        row = MEASURES.index(measure)
        return intervals.estimate(statistic(self.values[row]), statistic(self.resampled[:, row]))


def measure(x: Tensor, seed: int = 0, sources: Sequence[int] | None = None) -> Channels:
    """Measure every channel of x (N, C, H, W).

    h and negentropy use the same values, :data:`VALUES_PER_IMAGE` of each image drawn by the seed. With ``sources``
    (N,), the photograph of each image, the bootstrap draws photographs.

    Raises:
        DataError: there are too few images or values.

    """
    images, _, height, width = x.shape
    _check_images(images)
    values = _some_values(x, seed)
    if (count := values[0].size) < MIN_VALUES:
        raise DataError(
            f"{images} images give {count} values a channel of {height}×{width} pixels; "
            f"at least {MIN_VALUES} are needed to estimate an entropy"
        )
    spectral = [redundancy(x).numpy(), entropy_rate(x).numpy()] if height * width > 1 else []

    def of(numbers: np.ndarray) -> np.ndarray:
        return np.stack([*_marginals(values[:, numbers]), *(rows[numbers].mean(axis=0) for rows in spectral)])

    every = np.arange(images)
    resampled = [of(np.repeat(every, drawn)) for drawn in intervals.draws(images, sources, RESAMPLES, seed)]
    rows = np.stack([of(every), *resampled])
    missing = np.full((len(rows), len(MEASURES) - rows.shape[1], x.shape[1]), np.nan)
    estimates, *draws = np.concatenate([rows, missing], axis=1)
    return Channels(estimates, np.stack(draws))


def _check_images(count: int) -> None:
    if count < MIN_IMAGES:
        raise DataError(f"{count} images were given; at least {MIN_IMAGES} are needed to estimate entropies")


def _some_values(x: Tensor, seed: int) -> np.ndarray:
    """Return (C, N, P): at most :data:`VALUES_PER_IMAGE` positions of every image, the same for all channels."""
    rows = x.double().flatten(2).numpy().transpose(1, 0, 2)
    _, images, positions = rows.shape
    order = np.random.default_rng(seed).random((images, positions)).argsort(axis=1)
    return np.take_along_axis(rows, order[None, :, :VALUES_PER_IMAGE], axis=2)


def _marginals(values: np.ndarray) -> np.ndarray:
    """Return h and negentropy (2, C) of values (C, N, P)."""
    from scipy.stats import differential_entropy

    rows = values.reshape(len(values), -1)
    marginal = differential_entropy(rows, axis=1)
    return np.stack([marginal, GAUSSIAN_ENTROPY + np.log(rows.std(axis=1, ddof=1)) - marginal])


# ---------------------------------------------------------------------- the halves of a level


@dataclass(frozen=True, eq=False)
class Half:
    """The channels passed on, or the channels factored out.

    Attributes:
        numbers: their numbers before the Shuffle.
        channels: each measure (C,) by its name, nats a value.
        means: each measure's mean over the channels.

    """

    numbers: tuple[int, ...]
    channels: dict[str, np.ndarray]
    means: dict[str, Estimate]


@dataclass(frozen=True, eq=False)
class Stage:
    """A level's two halves at one stage of the Shuffle.

    Attributes:
        name: ``number`` (halves of the channel numbers, no Shuffle), ``order`` (the order used), ``weights`` (the order
            used, and weighted), or ``entropy`` (the order that sorting by these images' redundancy would give).
        kept: the part passed on; None at the last level.
        emitted: the part factored out.
        gaps: each measure's mean over the kept channels minus that over the emitted ones; empty at the last level.

    """

    name: str
    kept: Half | None
    emitted: Half
    gaps: dict[str, Estimate]

    @property
    def parts(self) -> list[tuple[str, Half]]:
        """The halves by name: ``kept``, if there is one, and ``emitted``."""
        return [(part, half) for part, half in (("kept", self.kept), ("emitted", self.emitted)) if half is not None]

    @property
    def halves(self) -> tuple[Half, Half]:
        """The parts factored out and passed on, at a level that splits."""
        assert self.kept is not None
        return self.emitted, self.kept


@dataclass(frozen=True, eq=False)
class LevelEntropies:
    """Entropies of one level.

    Attributes:
        number: the level, from 1.
        shape: (C, H, W), inside the level.
        stages: in order; the last level has one.
        noise: ε, the part factored out, standardised by its prior.

    """

    number: int
    shape: tuple[int, int, int]
    stages: tuple[Stage, ...]
    noise: Half

    def stage(self, name: str) -> Stage | None:
        """Return the stage of that name, or None."""
        return next((stage for stage in self.stages if stage.name == name), None)

    @property
    def used(self) -> Stage:
        """The stage that the flow splits: ordered, and weighted where it has channel weights."""
        return self.stage("weights") or self.stage("order") or self.stages[0]


@dataclass(frozen=True, eq=False)
class Entropies:
    """The entropies of a flow, level by level.

    Attributes:
        split: the flow's policy.
        rule: its order, one of ``flow.config.ORDERS``.
        images: N.
        sources: number of photographs that the bootstrap draws from; 0 if it draws images.
        levels: entropies of each level.

    """

    split: str
    rule: str
    images: int
    sources: int
    levels: tuple[LevelEntropies, ...]

    def level(self, number: int) -> LevelEntropies:
        """Return a level by its number, from 1.

        Raises:
            ConfigError: the flow has no such level.

        """
        if not 1 <= number <= len(self.levels):
            raise ConfigError(f"Level {number} was asked for; this flow has levels 1 to {len(self.levels)}.")
        return self.levels[number - 1]

    def values(self, number: int) -> int:
        """Return the number of values behind the marginal entropy of a level's channel."""
        _, height, width = self.level(number).shape
        return self.images * min(VALUES_PER_IMAGE, height * width)

    @property
    def interval(self) -> str:
        """The name of the intervals."""
        over = f"their {self.sources} photographs" if self.sources else "images"
        return f"95 % bootstrap interval over {over}"

    def table(self) -> list[dict[str, Any]]:
        """Return one row a half, stage and level."""
        rows = []
        for head, half in self.halves():
            row = dict(head)
            for name, mean in half.means.items():
                row |= {f"{name}_nats": mean.value, f"{name}_interval_nats": mean.error}
            rows.append(row)
        return rows

    def halves(self) -> Iterator[tuple[dict[str, Any], Half]]:
        """Yield every half of every stage and level, with its names."""
        for level in self.levels:
            halves = [(stage.name, part, half) for stage in level.stages for part, half in stage.parts]
            for stage, part, half in [*halves, ("standardised", "emitted", level.noise)]:
                yield {"level": level.number, "stage": stage, "part": part, "channels": len(half.numbers)}, half

    def channel_table(self) -> list[dict[str, Any]]:
        """Return one row a channel, stage and level."""
        return [
            {"level": level.number, "stage": stage.name, "part": part, "channel": number}
            | {f"{name}_nats": float(values[place]) for name, values in half.channels.items()}
            for level in self.levels
            for stage in level.stages
            for part, half in stage.parts
            for place, number in enumerate(half.numbers)
        ]

    def to_dict(self, number: int | None = None) -> dict[str, Any]:
        """Return the figures of one level, or of all, as values for JSON."""
        levels = [level.number for level in self.levels] if number is None else [self.level(number).number]
        return {
            "split": self.split,
            "estimators": ESTIMATORS,
            "images": self.images,
            "values_per_channel": [self.values(level) for level in levels],
            "interval": self.interval,
            "halves": [row for row in self.table() if row["level"] in levels],
            "channels": [row for row in self.channel_table() if row["level"] in levels],
        }


def entropies(flow: MultiScaleFlow, images: Tensor, seed: int = 0, sources: Sequence[int] | None = None) -> Entropies:
    """Measure the parts passed on and factored out at every level.

    Arguments:
        flow: the flow to measure.
        images: uint8 (N, C, H, W) of the flow's shape; the first :data:`IMAGES` are used.
        seed: of the dequantisation, of the values and of the bootstrap.
        sources: the photograph of each of ``images``, where that is known.

    Raises:
        DataError: there are too few images.

    """
    images, sources = images[:IMAGES], None if sources is None else sources[:IMAGES]
    _check_images(len(images))
    seen = list(traces(flow, images, seed))
    levels = tuple(
        _level(_joined([trace.levels[index] for trace in seen]), flow.config.order, seed, sources)
        for index in range(flow.config.levels)
    )
    return Entropies(flow.config.split, flow.config.order, len(images), intervals.photographs(sources), levels)


@dataclass(frozen=True, eq=False)
class _Seen:
    """The measured part of a :class:`LevelTrace`, over all batches."""

    number: int
    order: Tensor | None
    weighted: bool
    kept: int
    features: Tensor
    after: Tensor
    noise: Tensor


def _joined(batches: list[LevelTrace]) -> _Seen:
    first = batches[0]
    after = [torch.cat([b.emitted] if b.kept is None else [b.kept, b.emitted], dim=1) for b in batches]
    features, noise = torch.cat([b.features for b in batches]), torch.cat([b.noise for b in batches])
    kept = 0 if first.kept is None else first.kept.shape[1]
    return _Seen(first.number, first.order, first.log_weights is not None, kept, features, torch.cat(after), noise)


def _level(seen: _Seen, rule: str, seed: int, sources: Sequence[int] | None) -> LevelEntropies:
    channels, height, width = seen.features.shape[1:]
    before, kept = measure(seen.features, seed, sources), seen.kept
    if seen.order is None:
        everything = _half(before, range(channels), range(channels))
        stages = [Stage("order", None, everything, {})]
        return LevelEntropies(seen.number, (channels, height, width), tuple(stages), everything)
    order = seen.order.tolist()
    stages = [_stage("order", before, order, kept)]
    if rule == "entropy":
        stages.insert(0, _stage("number", before, list(range(channels)), kept))
    if seen.weighted:
        stages.append(_stage("weights", measure(seen.after, seed, sources), order, kept, moved=True))
    if rule != "entropy" and not np.isnan(before.values[2]).any():
        stages.append(_stage("entropy", before, entropy_order(seen.features).tolist(), kept))
    return LevelEntropies(
        number=seen.number,
        shape=(channels, height, width),
        stages=tuple(stages),
        noise=_half(measure(seen.noise, seed, sources), range(channels - kept), order[kept:]),
    )


def _stage(name: str, channels: Channels, order: list[int], kept: int, moved: bool = False) -> Stage:
    """Return the halves of an order; ``moved`` if the channels are in that order already."""
    places = list(range(len(order))) if moved else order
    return Stage(
        name,
        kept=_half(channels, places[:kept], order[:kept]),
        emitted=_half(channels, places[kept:], order[kept:]),
        gaps={measured: channels.difference(measured, places[:kept], places[kept:]) for measured in MEASURES},
    )


def _half(channels: Channels, places: Sequence[int], numbers: Sequence[int]) -> Half:
    rows = channels.values[:, list(places)]
    means = {measured: channels.mean(measured, list(places)) for measured in MEASURES}
    return Half(tuple(numbers), dict(zip(MEASURES, rows, strict=True)), means)


# ---------------------------------------------------------------------- the log-det account


@dataclass(frozen=True)
class Posting:
    """One line of the account: E log|det| of a part of a level, in nats a dimension of the image."""

    level: int
    part: str
    nats: float


@dataclass(frozen=True)
class Account:
    """From x to ε: −log p(x) + Σ log|det| = −Σ log N(ε_l; 0, I), in nats a dimension, means over images, float64.

    Attributes:
        images: their number.
        coded: −log p(x), the flow's upper bound on h(x).
        postings: log|det| by level and part, in forward order: squeeze, actnorm + mixing, coupling, shuffle, split.
        noise: −log N(ε_l; 0, I) of each level's share; their sum is near ½ log 2πe if ε is standard normal.
        gap: the largest error of the equation over images.
        gap_float32: the same with the float32 flow's own log p(x).

    """

    images: int
    coded: float
    postings: tuple[Posting, ...]
    noise: tuple[float, ...]
    gap: float
    gap_float32: float

    @property
    def stretched(self) -> float:
        """The sum of all log|det|, nats a dimension."""
        return sum(posting.nats for posting in self.postings)

    def table(self) -> list[dict[str, Any]]:
        """Return one row a line of the account, from x to ε."""
        levels = range(1, len(self.noise) + 1)
        return [
            {"level": 0, "part": "−log p(x)", "nats_per_dim": self.coded},
            *({"level": p.level, "part": f"log|det| {p.part}", "nats_per_dim": p.nats} for p in self.postings),
            *(
                {"level": level, "part": "−log N(eps; 0, I)", "nats_per_dim": nats}
                for level, nats in zip(levels, self.noise, strict=True)
            ),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the account as values for JSON."""
        return asdict(self) | {"table": self.table()}


@torch.no_grad()
def account(flow: MultiScaleFlow, images: Tensor, seed: int = 0) -> Account:
    """Add up every log-determinant between x and ε, in float64, and compare with log p(x).

    The parts are run one by one by a float64 copy of the flow; log p(x) is the copy's own, whose steps
    apply ActNorm and 1×1 convolution as one map.

    Arguments:
        flow: the flow to measure.
        images: uint8 (N, C, H, W) of the flow's shape; the first :data:`IMAGES` are used.
        seed: of the dequantisation.

    """
    exact, dimensions = copy.deepcopy(flow).double(), flow.config.dimensions
    parts: dict[tuple[int, str], float] = {}
    noise, coded = np.zeros(flow.config.levels), 0.0
    gap = gap_float32 = 0.0
    count = len(images[:IMAGES])
    for rough in traces(flow, images[:IMAGES], seed, BATCH):
        x = rough.x.double()
        trace, log_prob = passes.trace(exact, x), passes.log_prob(exact, x)
        total = x.new_zeros(len(x))
        for level in trace.levels:
            prior = standard_normal_log_prob(level.noise)
            noise[level.number - 1] -= float(prior.sum())
            total = total + prior
            for name, log_det in level.log_dets.items():
                key = level.number, _part(name)
                parts[key] = parts.get(key, 0.0) + float(log_det.sum())
                total = total + log_det
        coded -= float(log_prob.sum())
        gap = max(gap, float((total - log_prob).abs().max()))
        gap_float32 = max(gap_float32, float((passes.log_prob(flow, rough.x).double() - total).abs().max()))
    share = 1 / (count * dimensions)
    return Account(
        images=count,
        coded=coded * share,
        postings=tuple(Posting(level, part, nats * share) for (level, part), nats in parts.items()),
        noise=tuple((noise * share).tolist()),
        gap=gap / dimensions,
        gap_float32=gap_float32 / dimensions,
    )


def _part(name: str) -> str:
    """Return the part of the account that a log-determinant of a trace belongs to."""
    if name.endswith(("actnorm", "mixing")):
        return "actnorm + mixing"
    return "coupling" if name.endswith("coupling") else name


# ---------------------------------------------------------------------- over training


@dataclass(frozen=True, eq=False)
class LevelGrowth:
    """One level over S recording steps, channels by position in the order used.

    Attributes:
        number: the level, from 1.
        kept_channels: number passed on; 0 at the last level.
        order: channel numbers by position (S, C).
        measures: ``marginal``, ``redundancy`` and ``rate`` (S, C) in nats a value; NaN where nothing was recorded.

    """

    number: int
    kept_channels: int
    order: np.ndarray
    measures: dict[str, np.ndarray]

    def mean(self, measured: str, part: str) -> np.ndarray:
        """Return the mean (S,) over the ``kept`` or the ``emitted`` channels; NaN where there are none."""
        kept, emitted = np.split(self.measures[measured], [self.kept_channels], axis=1)
        rows = kept if part == "kept" else emitted
        return rows.mean(axis=1) if rows.shape[1] else np.full(len(rows), np.nan)


@dataclass(frozen=True, eq=False)
class Growth:
    """Entropies over a training: recording steps (S,) and one :class:`LevelGrowth` per level."""

    steps: np.ndarray
    levels: tuple[LevelGrowth, ...]

    def level(self, number: int) -> LevelGrowth:
        """Return a level by its number, from 1."""
        return self.levels[number - 1]

    def table(self) -> list[dict[str, Any]]:
        """Return one row a step, level and half."""
        return [
            {"step": int(step), "level": level.number, "part": part}
            | {f"{name}_nats": float(level.mean(name, part)[index]) for name in level.measures}
            for level in self.levels
            for part in (("kept", "emitted") if level.kept_channels else ("emitted",))
            for index, step in enumerate(self.steps)
        ]


def growth(record: TrainingRecord, kept: Sequence[int] | None = None) -> Growth:
    """Return the entropies of every level's halves from a training record.

    Arguments:
        record: of the training.
        kept: channels passed on by each level; by default as in the record.

    """
    counts = [level.kept_channels for level in record.levels] if kept is None else kept
    return Growth(
        record.steps, tuple(_growth(level, count) for level, count in zip(record.levels, counts, strict=True))
    )


def _growth(level: LevelRecord, kept: int) -> LevelGrowth:
    steps, channels = level.entropy.shape
    order = np.tile(np.arange(channels), (steps, 1)) if level.order is None else level.order
    recorded = {"marginal": level.entropy, "redundancy": level.redundancy, "rate": level.entropy_rate}
    nothing = np.full((steps, channels), np.nan)
    measures = {
        name: nothing if rows is None else np.take_along_axis(rows.astype(float), order, axis=1)
        for name, rows in recorded.items()
    }
    return LevelGrowth(level.number, kept, order, measures)
