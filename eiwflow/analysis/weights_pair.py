"""The channels of two flows on the same images: what can be compared of them, and what cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .weights import ChannelWeights, interval, resampled
from .words.numbers import signed


@dataclass(frozen=True, eq=False)
class WeightsPair:
    """The weights of one level of two flows, each over the same images.

    A channel's number is each flow's own, so no channel of one stands for a channel of the other. What can be compared
    is how much the weights vary from image to image, and how much structure (J) leaves with the emitted half.

    Attributes:
        names: of the two checkpoints.
        first, second: what was found at a level of each.

    """

    names: tuple[str, str]
    first: ChannelWeights
    second: ChannelWeights

    @property
    def both(self) -> tuple[ChannelWeights, ChannelWeights]:
        """The first and the second."""
        return self.first, self.second

    @property
    def paired(self) -> bool:
        """Whether their channels are maps of one size, of the same images."""
        return self.first.shape == self.second.shape and self.first.count == self.second.count

    @property
    def emitted_redundancy(self) -> tuple[float, float]:
        """The mean J over emitted channels and images of each, nats a pixel."""
        first, second = (float(one.redundancy[one.kept :].mean()) for one in self.both)
        return first, second

    @property
    def emitted_difference(self) -> tuple[float, float, float]:
        """The mean of the first's minus the second's emitted J, image by image, and its 95 % bootstrap interval.

        Nats a pixel; whole photographs are drawn where they are known.
        """
        first, second = (one.images.redundancy[:, one.kept :].mean(axis=1) for one in self.both)
        low, high = interval(resampled(self.first.count, self.first.sources) @ (first - second))
        return float((first - second).mean()), float(low), float(high)

    def in_words(self) -> str:
        """Return what differs between the two, in a few sentences."""
        return f"{self._weights_in_words()} {self._emitted_in_words()} One training each: no verdict on their splits."

    def _weights_in_words(self) -> str:
        without = [name for name, one in zip(self._titles, self.both, strict=True) if not one.has_weights]
        if len(without) == 2:
            return "Neither of the two has weights."
        clauses = [
            f"{name} by ±{one.spread:.2f} nats (×{math.exp(one.spread):.2f})"
            for name, one in zip(self._titles, self.both, strict=True)
            if one.has_weights
        ]
        said = f"From image to image log ω of a channel varies in {' and in '.join(clauses)}"
        return f"{said}; {without[0]} has no weights." if without else f"{said}."

    def _emitted_in_words(self) -> str:
        if not self.paired:
            shapes = " and ".join("×".join(map(str, one.shape)) for one in self.both)
            return f"Their channels are maps of other sizes ({shapes}), so J is not compared."
        (name, other), (first, second) = self._titles, self.emitted_redundancy
        mean, low, high = self.emitted_difference
        numbers = (
            f"J of an emitted channel is {first:.3f} nats/pixel in {name} and {second:.3f} in {other} (paired "
            f"difference {signed(mean, 3)}, 95 % interval {signed(low, 3)} to {signed(high, 3)}, over "
            f"{self.first.witnesses})"
        )
        if low <= 0 <= high:
            return f"Neither clearly sends out more structure: {numbers}."
        return f"{name if low > 0 else other} sends out more structure: {numbers}."

    @property
    def _titles(self) -> tuple[str, str]:
        if self.first.level == self.second.level:
            return self.names
        first, second = (f"{name} (level {one.level})" for name, one in zip(self.names, self.both, strict=True))
        return first, second

    def table(self) -> list[dict[str, Any]]:
        """Return one row a checkpoint and half, and the paired difference of what leaves."""
        rows = [
            {"checkpoint": name, "level": one.level, **row}
            for name, one in zip(self.names, self.both, strict=True)
            for row in one.halves()
        ]
        if self.paired:
            mean, low, high = self.emitted_difference
            rows.append(
                {
                    "checkpoint": f"{self.names[0]} minus {self.names[1]}",
                    "level": self.first.level,
                    "part": "emitted",
                    "redundancy_nats_per_pixel": mean,
                    "redundancy_low": low,
                    "redundancy_high": high,
                    "log_weight_spread_nats": math.nan,
                }
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything as what JSON can hold, but for numbers that are not finite."""
        return {"in_words": self.in_words(), "halves": self.table()}
