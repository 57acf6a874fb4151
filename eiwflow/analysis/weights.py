r"""The channel weights of a flow for a picture, the cost of freezing them, and the factors that they predict.

Weights stand at two kinds of place. A coupling multiplies its network's input and output channels by ω(x), between −3
and 5; before the split of a level (``pooled``) every channel is multiplied by its ω(x). A factor that is the same for
every image could be absorbed by other parts, so only the difference from the average over images is measured.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..data.camera import photograph
from ..flow import ConfigError, MultiScaleFlow
from ..flow.entropy_weights import CouplingWeights
from ..flow.multiscale import Trace, to_bits_per_dim
from ..flow.score import score
from ..flow.shuffle import Shuffle
from . import intervals, passes, progress
from .levels import dequantised, to_pixels, traces
from .way import parts

#: Test images for averages and for the cost of freezing.
IMAGES = 128
#: Test images for factors: a regression on ω is fitted on two thirds, R² is of the others.
FACTOR_IMAGES = 600
#: The fewest test images for factors.
LEAST_FACTOR_IMAGES = 24
#: Ridge penalties per image, of standardised weights; the least leave-one-out error decides.
PENALTIES = 10.0 ** np.arange(-4, 2)
#: Draws of the images for an interval of R².
RESAMPLES = 400
#: A spread of ω over images below this is float32 noise: the weights are the same for every image.
NO_SPREAD = 1e-5
#: The step of weights before the split of their level.
SPLIT = 0


class Place(NamedTuple):
    """Where weights stand: their level, and the step of their coupling, both from 1, or :data:`SPLIT`."""

    level: int
    step: int


def has_weights(flow: MultiScaleFlow) -> bool:
    """Return whether a flow weights channels, in couplings or before a split."""
    return any(coupling.weights is not None for coupling in flow.couplings()) or any(
        level.shuffle is not None and level.shuffle.weights is not None for level in flow.levels
    )


def shuffle_at(flow: MultiScaleFlow, level: int) -> Shuffle:
    """Return the Shuffle of a level; raise ConfigError for the last level, which has none."""
    shuffle = flow.levels[level - 1].shuffle
    if shuffle is None:
        raise ConfigError(f"level is {level}, the last one of this flow, which has no Shuffle.")
    return shuffle


# ---------------------------------------------------------------------- changes of a picture


@dataclass(frozen=True)
class Change:
    """A change of a picture, of an amount from ``least`` to ``most``; ``none`` changes nothing, ``usual`` is seen.

    Attributes:
        name: of the change.
        unit: of the amount, in words.
        least, most, step, none, usual: amounts.

    """

    name: str
    unit: str
    least: float
    most: float
    step: float
    none: float
    usual: float

    def amounts(self, *more: float) -> tuple[float, ...]:
        """Return five amounts from least to most, with none and ``more``, in order."""
        return tuple(sorted({*np.linspace(self.least, self.most, 5).round(2).tolist(), self.none, *more}))


#: The changes by their names.
CHANGES = {
    change.name: change
    for change in (
        Change("grain", "grey levels of 255", 0.0, 30.0, 1.0, 0.0, 15.0),
        Change("contrast", "1 is unchanged", 0.0, 2.0, 0.1, 1.0, 1.5),
        Change("light", "shade on one side", 0.0, 0.6, 0.05, 0.0, 0.3),
    )
}


def changed(image: Tensor, change: str, amount: float, seed: int = 0) -> Tensor:
    """Return one uint8 image (1, C, H, W) with grain, contrast or light of an amount.

    Grain and light are those of the camera of the drawn data sets, :func:`~eiwflow.data.camera.photograph`: the grain
    is drawn from ``seed``, the light comes from the right. Contrast multiplies the distance from the image's mean.

    >>> changed(torch.tensor([[[[100, 140]]]], dtype=torch.uint8), "contrast", 0.5)
    tensor([[[[110, 130]]]], dtype=torch.uint8)

    """
    pixels = to_pixels(image).astype(np.float32)
    if change == "contrast":
        mean = pixels.mean()
        changed_pixels = np.rint(mean + amount * (pixels - mean)).clip(0, 255).astype(np.uint8)
    else:
        factors = {name: np.zeros(1, np.float32) for name in ("grain", "light", "light_direction")}
        factors[change][:] = amount
        changed_pixels = photograph(pixels, factors, np.random.default_rng(seed))
    return torch.from_numpy(changed_pixels).permute(0, 3, 1, 2).contiguous()


# ---------------------------------------------------------------------- the weights


@dataclass(frozen=True, eq=False)
class Omegas:
    """The weights ω of all places with weights, for N images.

    Attributes:
        read: of the input channels of each coupling's network, (N, C/2) float64; none before a split.
        given: of the network's outputs, (N, C') float64: C/2 raw log-scales, then C/2 shifts, or shifts alone; before
            a split of all channels (N, C), those passed on first.

    """

    read: Mapping[Place, np.ndarray]
    given: Mapping[Place, np.ndarray]

    @property
    def places(self) -> tuple[Place, ...]:
        """The couplings, level by level."""
        return tuple(self.read)

    @property
    def count(self) -> int:
        """N, the number of images."""
        return len(next(iter(self.read.values())))

    def of(self, place: Place) -> np.ndarray:
        """Return ω (N, C/2 + C') of a coupling: channels read, then given."""
        return np.concatenate([self.read[place], self.given[place]], axis=1)

    def of_level(self, level: int) -> np.ndarray:
        """Return ω (N, …) of all couplings of a level."""
        return np.concatenate([self.of(place) for place in self.places if place.level == level], axis=1)


def omegas(seen: Trace, count: int | None = None) -> Omegas:
    """Return the weights of the first ``count`` traced images, or of all; ConfigError for a flow without weights."""
    sides: dict[str, dict[Place, np.ndarray]] = {"read": {}, "given": {}}
    for level in seen.levels:
        for name, weights in level.coupling_weights.items():
            _, step, side = name.split()
            sides[side][Place(level.number, int(step))] = weights[:count].double().numpy()
        if level.log_weights is not None:
            given = level.log_weights[:count].double().exp().numpy()
            sides["read"][Place(level.number, SPLIT)], sides["given"][Place(level.number, SPLIT)] = given[:, :0], given
    if not sides["read"]:
        raise ConfigError("This flow has no channel weights; train one with --weights entropy.")
    return Omegas(**sides)


def measure(flow: MultiScaleFlow, images: Tensor, seed: int = 0) -> Omegas:
    """Return the weights of uint8 images (N, C, H, W), with the same dequantisation noise as in scores."""
    # Traces are dropped one by one: they are far larger than the weights.
    parts = [omegas(trace) for trace in traces(flow, images, seed)]
    return Omegas(
        read={place: np.concatenate([part.read[place] for part in parts]) for place in parts[0].places},
        given={place: np.concatenate([part.given[place] for part in parts]) for place in parts[0].places},
    )


@dataclass(frozen=True, eq=False)
class PictureWeights:
    """The weights of all couplings for one picture, and over N test images.

    Attributes:
        picture: of the picture, N = 1.
        images: of the test images.

    """

    picture: Omegas
    images: Omegas

    def difference(self, place: Place) -> np.ndarray:
        """Return ω of the picture minus its mean over test images, (C/2 + C'): channels read, then given."""
        return self.picture.of(place)[0] - self.images.of(place).mean(axis=0)

    def spread(self, place: Place) -> np.ndarray:
        """Return the standard deviation of ω over test images, (C/2 + C')."""
        return self.images.of(place).std(axis=0, ddof=min(1, self.images.count - 1))

    @cached_property
    def distances(self) -> dict[Place, float]:
        """How far ω of each coupling is from its average: root mean square over channels."""
        return {place: float(np.sqrt(np.square(self.difference(place)).mean())) for place in self.picture.places}

    @property
    def largest(self) -> float:
        """The largest difference from the average, of all channels of all couplings."""
        return float(max(np.abs(self.difference(place)).max() for place in self.picture.places))

    def rows(self, place: Place) -> list[dict[str, Any]]:
        """Return one row per channel of a coupling: channels read, then given."""
        read = self.picture.read[place].shape[1]
        own, difference, spread = self.picture.of(place)[0], self.difference(place), self.spread(place)
        return [
            {
                "level": place.level,
                "step": place.step,
                "side": "split" if place.step == SPLIT else "read" if number < read else "given",
                "channel": 1 + (number if number < read else number - read),
                "weight": float(own[number]),
                "weight_mean": float(own[number] - difference[number]),
                "weight_std": float(spread[number]),
                "weight_minus_mean": float(difference[number]),
            }
            for number in range(len(own))
        ]

    def table(self, level: int | None = None) -> list[dict[str, Any]]:
        """Return the rows of every coupling, of one level or of all."""
        return [row for place in self.picture.places if level in (None, place.level) for row in self.rows(place)]


# ---------------------------------------------------------------------- the maps of one coupling


@dataclass(frozen=True, eq=False)
class ChannelMaps:
    """The weighted channels of one place for one picture: of a coupling, its network's input and output.

    Attributes:
        place: the coupling.
        read: (C/2, H, W), before they are weighted.
        given: (C', H, W), before they are weighted: raw log-scales, then shifts; or all channels before a split.
        shifts_alone: whether ``given`` holds no log-scales.

    """

    place: Place
    read: np.ndarray
    given: np.ndarray
    shifts_alone: bool


@torch.no_grad()
def channel_maps(flow: MultiScaleFlow, image: Tensor, place: Place, seed: int = 0) -> ChannelMaps:
    """Return the weighted channels of one place for one uint8 image (1, C, H, W)."""
    (x,) = dequantised(flow, image, seed)
    after = [part.x for part in parts(flow, x) if part.level == place.level]  # the squeeze, every step, …
    if place.step == SPLIT:
        ordered = after[flow.config.steps][:, shuffle_at(flow, place.level).order]
        return ChannelMaps(place, np.empty((0, *ordered.shape[2:])), ordered[0].double().numpy(), True)
    step = flow.levels[place.level - 1].steps[place.step - 1]
    coupling, mixed = step.coupling, step.mixing(step.actnorm(after[place.step - 1])[0])[0]
    weights = coupling.channel_weights(mixed)
    assert weights is not None  # of a place with weights
    read = mixed.chunk(2, dim=1)[0]
    given = coupling.network(read * weights.read[:, :, None, None])
    return ChannelMaps(place, read[0].double().numpy(), given[0].double().numpy(), coupling.coupling == "additive")


# ---------------------------------------------------------------------- the cost of freezing weights


class HeldWeights(nn.Module):
    """Weights of a coupling that are the same for every image, of its inputs (C/2,) and outputs (C',).

    >>> HeldWeights(torch.ones(2), torch.ones(4))(torch.randn(3, 2, 8, 8)).given.shape
    torch.Size([3, 4, 1, 1])
    """

    def __init__(self, read: Tensor, given: Tensor) -> None:
        super().__init__()
        self.sides = read[:, None, None], given[:, None, None]

    def forward(self, x: Tensor) -> CouplingWeights:
        """Return the same weights for each image of x (N, C/2, H, W)."""
        return CouplingWeights(*(side.expand(len(x), -1, 1, 1) for side in self.sides))


class HeldChannelWeights(nn.Module):
    """Weights (C,) before a split that are the same for every image.

    >>> HeldChannelWeights(torch.full((2,), 2.0))(torch.ones(3, 2, 8, 8))[0].unique()
    tensor([2.])
    """

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return x (N, C, H, W) with the weights, and the log-determinant (N,)."""
        log_det = x[0, 0].numel() * self.weights.log().sum()
        return x * self.weights[:, None, None], log_det.expand(len(x))

    def log_weights(self, x: Tensor) -> Tensor:
        """Return log ω (N, C)."""
        return self.weights.log().expand(len(x), -1)


def with_frozen_weights(flow: MultiScaleFlow, images: Omegas) -> MultiScaleFlow:
    """Return the flow with all weights frozen at their means over images; this is a density too.

    It shares the parameters of the flow.
    """
    frozen = copy.deepcopy(flow, {id(tensor): tensor for tensor in (*flow.parameters(), *flow.buffers())})
    like = next(flow.parameters())
    for place in images.places:
        read, given = (
            torch.tensor(side[place].mean(axis=0), dtype=like.dtype, device=like.device)
            for side in (images.read, images.given)
        )
        level = frozen.levels[place.level - 1]
        if place.step == SPLIT:
            shuffle_at(frozen, place.level).add_module("weights", HeldChannelWeights(given))
        else:
            level.steps[place.step - 1].coupling.add_module("weights", HeldWeights(read, given))
    return frozen


@dataclass(frozen=True)
class Prices:
    """A picture under its own weights, and under weights frozen at their averages.

    Attributes:
        own, frozen: bits per value.
        errors: of every coupling with weights, the log of the error that its network expects, own and frozen: minus the
            mean log-scale of its values.
        above: of these couplings, how much larger own weights are than average ones, as shares: one a channel that
            the network reads.

    """

    own: float
    frozen: float
    errors: Mapping[Place, tuple[float, float]]
    above: Mapping[Place, list[float]]

    @property
    def cost(self) -> float:
        """The cost of freezing, bits per value."""
        return self.frozen - self.own

    @property
    def telling(self) -> Place | None:
        """The coupling that expects the most different error with own weights; None of a flow without such weights."""
        return max(self.errors, key=lambda place: abs(np.subtract(*self.errors[place])), default=None)


def prices(flow: MultiScaleFlow, frozen: MultiScaleFlow, pictures: Tensor, seed: int = 0) -> list[Prices]:
    """Return what uint8 pictures (N, C, H, W) cost with their own weights and with frozen ones.

    All have the noise of a single picture, so pictures that differ little have prices that differ little.
    """
    x = torch.cat([one for picture in pictures.split(1) for one in dequantised(flow, picture, seed)])
    config = flow.config
    seen = [passes.trace(each, x) for each in (flow, frozen)]
    bits = torch.stack([to_bits_per_dim(each.log_prob, config.dimensions, config.bits) for each in seen], dim=1)
    errors, held = (expected_errors(each) for each in seen)
    read, usual = (omegas(each).read for each in seen)
    return [
        Prices(
            own,
            other,
            {place: (errors[place][row], held[place][row]) for place in errors},
            {place: (read[place][row] / usual[place][row] - 1).tolist() for place in errors},
        )
        for row, (own, other) in enumerate(bits.tolist())
    ]


def expected_errors(seen: Trace) -> dict[Place, list[float]]:
    """Return the log of the error that each coupling with weights expects of N images: minus its mean log-scale."""
    errors = {}
    for level in seen.levels:
        changed_values = level.features[0].numel() / 2
        for _, step, side in map(str.split, level.coupling_weights):
            if side == "read":
                log_det = level.log_dets[f"step {step} coupling"]
                errors[Place(level.number, int(step))] = (-log_det / changed_values).tolist()
    return errors


@dataclass(frozen=True, eq=False)
class Frozen:
    """The cost of freezing all weights at their averages, without training again.

    Attributes:
        costs: (N,) additional bits/dim per image; negative where the image needs fewer.
        sources: the photograph of each image, where that is known.

    """

    costs: np.ndarray
    sources: tuple[int, ...] | None = None

    @property
    def mean(self) -> float:
        """The mean cost, bits/dim."""
        return float(self.costs.mean())

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of the mean cost, paired over images."""
        low, high = intervals.of_mean_over_images(self.costs, self.sources)
        return float(low), float(high)

    def to_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        low, high = self.interval
        return {"images": len(self.costs), "cost_bits_per_dim": self.mean, "low": low, "high": high}


def freeze(flow: MultiScaleFlow, test: Tensor, averages: Omegas, sources: tuple[int, ...] | None = None) -> Frozen:
    """Return the cost of freezing all weights at their averages over uint8 test images (N, C, H, W).

    Arguments:
        flow: an initialised flow with weights.
        test: the images.
        averages: the result of :func:`measure` for them.
        sources: the photograph of each image, where that is known.

    """
    progress.expect(2 * len(test))
    flows = flow, with_frozen_weights(flow, averages)
    before, after = (score(each, test, progress=progress.advance).double().numpy() for each in flows)
    return Frozen(after - before, sources)


# ---------------------------------------------------------------------- factors predicted by weights


@dataclass(frozen=True)
class FactorReading:
    """How well the weights of one level alone predict a factor of pictures, by ridge regression.

    Attributes:
        factor: its name.
        level: from 1.
        r_squared, low, high: R² and its 95 % bootstrap interval over images; 0 or less means no prediction.
        images_fitted, images_checked: numbers of images for the regression, and for R².

    """

    factor: str
    level: int
    r_squared: float
    low: float
    high: float
    images_fitted: int
    images_checked: int


def regressands(factors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the factors (N,) to predict: log σ of the grain, and all others but angles.

    >>> regressands({"grain": np.array([1.0, np.e]), "light_direction": np.array([0.0, 1.0])})
    {'grain': array([0., 1.])}

    """
    return {
        name: np.log(values.astype(np.float64)) if name == "grain" else values.astype(np.float64)
        for name, values in factors.items()
        if name != "light_direction"
    }


def read_factors(flow: MultiScaleFlow, test: Tensor, factors: Mapping[str, np.ndarray]) -> tuple[FactorReading, ...]:
    """Return how well the weights of each level predict each factor of uint8 test images (N, C, H, W).

    Arguments:
        flow: an initialised flow with weights.
        test: at least :data:`LEAST_FACTOR_IMAGES`: two thirds to fit, the others to check.
        factors: numbers (N,) by name, as ``ImageData.measured`` has them.

    """
    count = 2 * len(test) // 3
    seen = measure(flow, test)
    drawn = intervals.draws(len(test) - count, None, RESAMPLES)
    rows = []
    for name, values in regressands(factors).items():
        for level in sorted({place.level for place in seen.places}):
            weights = seen.of_level(level)
            predicted = ridge(weights[:count], values[:count], weights[count:])
            value, spread = intervals.explained(predicted, values[count:], drawn)
            low, high = intervals.percentiles(spread)
            rows.append(FactorReading(name, level, float(value), float(low), float(high), count, len(test) - count))
    return tuple(rows)


def ridge(features: np.ndarray, truth: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return predictions (M,) for ``others`` (M, F) of a ridge regression of ``truth`` (N,) on ``features`` (N, F).

    Features are standardised. The least leave-one-out error chooses among :data:`PENALTIES`.

    Reference: Hastie et al., The Elements of Statistical Learning, 2009, sections 3.4.1 and 7.10.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > NO_SPREAD, scale, np.inf)  # a constant weight predicts nothing
    standard, centred = (features - mean) / scale, truth - truth.mean()
    left, values, right = np.linalg.svd(standard, full_matrices=False)
    shrunk = values**2 / (values**2 + len(truth) * PENALTIES[:, None])  # (penalties, rank)
    fitted = (shrunk * (left.T @ centred)) @ left.T
    # The fitted mean adds 1/N to every image's leverage.
    leverage = 1 / len(truth) + shrunk @ np.square(left).T
    errors = np.square((centred - fitted) / (1 - leverage).clip(1e-6)).sum(axis=1)
    penalty = len(truth) * PENALTIES[errors.argmin()]
    slopes = right.T @ (values / (values**2 + penalty) * (left.T @ centred))
    return truth.mean() + ((others - mean) / scale) @ slopes
