r"""Entropies of the halves of each level: negentropy and spectral redundancy, in bits a value.

A permutation changes neither the joint entropy nor the sum of channel entropies; it only decides which half holds a
channel. Raw entropy rises by mere scaling, so both measures are gaps that scaling does not change. How raw entropy
grows part by part is :mod:`.way`.

The entropies are estimates from test images. Values of one image are not independent of each other, nor are crops of
one photograph: intervals come from a bootstrap over whole images, or whole photographs where they are known
(:mod:`.intervals`), jointly for all channels of a level.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import DataError
from ..flow import MultiScaleFlow
from ..flow.information import GAUSSIAN_ENTROPY, redundancy
from ..flow.multiscale import LevelTrace
from ..flow.policies import entropy_order
from . import intervals
from .intervals import Estimate
from .levels import trace_of

#: The measures of a channel, in bits a value: the entropy of a Gaussian of its variance minus its own; and how far
#: its entropy rate lies below that of white noise of its power.
MEASURES = ("negentropy", "redundancy")
#: Nats in a bit.
BIT = math.log(2)
#: Test images, values per image for a channel's marginal entropy, and bootstrap draws: a hundred draws give a standard
#: error to 7 %.
IMAGES, VALUES_PER_IMAGE, RESAMPLES = 128, 16, 100
#: With fewer images an interval over them means nothing; with fewer values h is biased by more than 0.03 bits.
MIN_IMAGES, MIN_VALUES = 32, 128


# ---------------------------------------------------------------------- channels, with intervals over images


@dataclass(frozen=True, eq=False)
class Channels:
    """Measures of C channels over N images; the channels keep their places.

    Attributes:
        values: (2, C) in bits a value, one row for each of :data:`MEASURES`; redundancy is NaN for a single pixel.
        resampled: (B, 2, C), the same for B draws of the images with replacement.

    """

    values: np.ndarray
    resampled: np.ndarray

    def mean(self, measure: str, places: Sequence[int]) -> Estimate:
        """Return the mean of a measure over the channels at these places."""
        row = MEASURES.index(measure)
        return intervals.estimate(self.values[row, places].mean(), self.resampled[:, row, places].mean(axis=-1))


def measure(x: Tensor, seed: int = 0, sources: Sequence[int] | None = None) -> Channels:
    """Measure every channel of x (N, C, H, W).

    Negentropy is of :data:`VALUES_PER_IMAGE` values of each image, drawn by the seed. With ``sources``
    (N,), the photograph of each image, the bootstrap draws photographs. Too few images or values are a DataError.
    """
    images, _, height, width = x.shape
    values = _some_values(x, seed)
    if images < MIN_IMAGES or values[0].size < MIN_VALUES:
        raise DataError(
            f"{images} images with {values[0].size} values a channel are too few to estimate an entropy; at least "
            f"{MIN_IMAGES} images and {MIN_VALUES} values are needed"
        )
    predictable = redundancy(x).numpy() if height * width > 1 else np.full(x.shape[:2], np.nan)

    def of(numbers: np.ndarray) -> np.ndarray:
        return np.stack([_negentropy(values[:, numbers]), predictable[numbers].mean(axis=0)]) / BIT

    every = np.arange(images)
    resampled = [of(np.repeat(every, drawn)) for drawn in intervals.draws(images, sources, RESAMPLES, seed)]
    return Channels(of(every), np.stack(resampled))


def _some_values(x: Tensor, seed: int) -> np.ndarray:
    """Return (C, N, P): at most :data:`VALUES_PER_IMAGE` positions of every image, the same for all channels."""
    rows = x.double().flatten(2).numpy().transpose(1, 0, 2)
    _, images, positions = rows.shape
    order = np.random.default_rng(seed).random((images, positions)).argsort(axis=1)
    return np.take_along_axis(rows, order[None, :, :VALUES_PER_IMAGE], axis=2)


def _negentropy(values: np.ndarray) -> np.ndarray:
    """Return negentropy (C,) in nats of values (C, N, P)."""
    from scipy.stats import differential_entropy

    rows = values.reshape(len(values), -1)
    return GAUSSIAN_ENTROPY + np.log(rows.std(axis=1, ddof=1)) - differential_entropy(rows, axis=1)


# ---------------------------------------------------------------------- the halves of a level


@dataclass(frozen=True, eq=False)
class Half:
    """The channels passed on, or the channels factored out.

    Attributes:
        numbers: their numbers before the Shuffle.
        channels: each measure (C,) by its name, bits a value.
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

    """

    name: str
    kept: Half | None
    emitted: Half

    @property
    def parts(self) -> list[tuple[str, Half]]:
        """The halves by name: ``kept``, if there is one, and ``emitted``."""
        return [(part, half) for part, half in (("kept", self.kept), ("emitted", self.emitted)) if half is not None]


@dataclass(frozen=True, eq=False)
class LevelEntropies:
    """Entropies of one level.

    Attributes:
        number: the level, from 1.
        shape: (C, H, W), inside the level.
        stages: in order; the last level has one.

    """

    number: int
    shape: tuple[int, int, int]
    stages: tuple[Stage, ...]

    @property
    def used(self) -> Stage:
        """The stage that the flow splits: ordered, and weighted where it has channel weights."""
        named = {stage.name: stage for stage in self.stages}
        return named.get("weights") or named["order"]


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

    def table(self) -> list[dict[str, Any]]:
        """Return one row a half, stage and level."""
        return [
            head
            | {"channels": len(half.numbers)}
            | {
                key: figure
                for name, mean in half.means.items()
                for key, figure in ((f"{name}_bits", mean.value), (f"{name}_interval_bits", mean.error))
            }
            for head, half in self.halves()
        ]

    def halves(self) -> Iterator[tuple[dict[str, Any], Half]]:
        """Yield every half of every stage and level, with its names."""
        for level in self.levels:
            for stage in level.stages:
                for part, half in stage.parts:
                    yield {"level": level.number, "stage": stage.name, "part": part}, half

    def channel_table(self) -> list[dict[str, Any]]:
        """Return one row a channel, stage and level."""
        return [
            head | {"channel": number} | {f"{name}_bits": float(each[place]) for name, each in half.channels.items()}
            for head, half in self.halves()
            for place, number in enumerate(half.numbers)
        ]

    def to_dict(self, number: int | None = None) -> dict[str, Any]:
        """Return the figures of one level, or of all, as values for JSON."""
        levels = [level.number for level in self.levels] if number is None else [number]
        sizes = [level.shape[1] * level.shape[2] for level in self.levels if level.number in levels]
        over = f"their {self.sources} photographs" if self.sources else "images"
        return {
            "split": self.split,
            "images": self.images,
            "values_per_channel": [self.images * min(VALUES_PER_IMAGE, size) for size in sizes],
            "interval": f"95 % bootstrap interval over {over}",
            "halves": [row for row in self.table() if row["level"] in levels],
            "channels": [row for row in self.channel_table() if row["level"] in levels],
        }


def entropies(flow: MultiScaleFlow, images: Tensor, seed: int = 0, sources: Sequence[int] | None = None) -> Entropies:
    """Measure the parts passed on and factored out at every level.

    Arguments:
        flow: the flow to measure.
        images: uint8 (N, C, H, W) of the flow's shape.
        seed: of the dequantisation, of the values and of the bootstrap.
        sources: the photograph of each of ``images``, where that is known.

    """
    levels = tuple(_level(level, flow.config.order, seed, sources) for level in trace_of(flow, images, seed).levels)
    return Entropies(flow.config.split, flow.config.order, len(images), intervals.photographs(sources), levels)


def _level(seen: LevelTrace, rule: str, seed: int, sources: Sequence[int] | None) -> LevelEntropies:
    channels, height, width = seen.features.shape[1:]
    before = measure(seen.features, seed, sources)
    if seen.order is None or seen.kept is None:
        everything = _half(before, range(channels), range(channels))
        return LevelEntropies(seen.number, (channels, height, width), (Stage("order", None, everything),))
    order, kept = seen.order.tolist(), seen.kept.shape[1]
    stages = [_stage("order", before, order, kept)]
    if rule == "entropy":
        stages.insert(0, _stage("number", before, list(range(channels)), kept))
    if seen.log_weights is not None:
        after = measure(torch.cat([seen.kept, seen.emitted], dim=1), seed, sources)
        stages.append(_stage("weights", after, order, kept, moved=True))
    if rule != "entropy" and not np.isnan(before.values[1]).any():
        stages.append(_stage("entropy", before, entropy_order(seen.features).tolist(), kept))
    return LevelEntropies(seen.number, (channels, height, width), tuple(stages))


def _stage(name: str, channels: Channels, order: list[int], kept: int, moved: bool = False) -> Stage:
    """Return the halves of an order; ``moved`` if the channels are in that order already."""
    places = list(range(len(order))) if moved else order
    return Stage(
        name,
        kept=_half(channels, places[:kept], order[:kept]),
        emitted=_half(channels, places[kept:], order[kept:]),
    )


def _half(channels: Channels, places: Sequence[int], numbers: Sequence[int]) -> Half:
    rows = channels.values[:, list(places)]
    means = {measured: channels.mean(measured, list(places)) for measured in MEASURES}
    return Half(tuple(numbers), dict(zip(MEASURES, rows, strict=True)), means)
