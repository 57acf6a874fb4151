"""The measures of a flow: one table for the command line and for the app.

A measure is a function of a :class:`Look` and of choices of its own, under :func:`measure`, which says what it depends
on. To add one, write it here. Called, it returns its result: made now, or taken from the app's store
(``ui/sources/cache.py``). It may call other measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, Generic, Literal, NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import Checkpoint
from ..data import Factor, ImageData, chosen_places
from ..flow import Latents, MultiScaleFlow
from ..flow import score as flow_score
from ..flow.multiscale import Trace
from . import FEW_A_GROUP, FEW_DRAWS, SURVEY_IMAGES, compression, entropy, latents, levels, progress, report, space
from . import likelihood as likelihoods
from . import shuffle as shuffles
from . import way as ways
from . import weights as channel_weights
from .evaluate import Evaluation, evaluate
from .record import TrainingRecord

Choices = ParamSpec("Choices")
Result = TypeVar("Result")
#: A field of a look that a measure may depend on, beside the flow.
Field = Literal["train", "test", "image", "level", "seed", "record"]


@dataclass(frozen=True, eq=False)
class Look:
    """A flow, and the images to measure it with.

    Attributes:
        checkpoint: the flow, and the document of its file.
        data: name of the data set.
        train, test: uint8 images (N, C, H, W) of the flow's shape: a few training images, and test images.
        sources: the photograph of each test image, where that is known.
        image: uint8 (1, C, H, W), the chosen image.
        level: from 1.
        seed: of the image's dequantisation and of all draws.
        record: of the training, where there is one.
        factors: known numbers of each test image (N,), by name: grain, its σ in grey levels, light, …; or labels.
        takes_first: whether averages over some test images take the first ones, as ``ImageData.takes_first``.
        large: whether the flow is so large that measures take fewer images and draws.
        keep: called in place of a measure, with the look, the measure and its choices, to return an earlier result.

    """

    checkpoint: Checkpoint
    data: str
    train: Tensor
    test: Tensor
    sources: tuple[int, ...] | None
    image: Tensor
    level: int
    seed: int
    record: TrainingRecord | None = None
    factors: Mapping[str, np.ndarray] = field(default_factory=dict)
    takes_first: bool = False
    large: bool = False
    keep: Callable[[Look, Measure[..., Any], dict[str, Any]], Any] | None = None

    @property
    def flow(self) -> MultiScaleFlow:
        """The flow."""
        return self.checkpoint.flow

    def some(self, most: int) -> Some:
        """Return the test images that a measure over at most ``most`` of them takes."""
        places = chosen_places(len(self.test), most, self.takes_first)
        return Some(
            test=self.test[places],
            sources=None if self.sources is None else tuple(self.sources[place] for place in places),
            factors={name: values[places] for name, values in self.factors.items()},
        )


class Some(NamedTuple):
    """Some of a look's test images, with the fields of the same names."""

    test: Tensor
    sources: tuple[int, ...] | None
    factors: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Measure(Generic[Choices, Result]):
    """A function of a look, and the fields it depends on.

    Attributes:
        of: the function; its choices are given by name.
        depends_on: the fields of the look, beside its flow.
        of_a_split: whether it is about the parts that levels pass on and factor out.

    """

    of: Callable[Concatenate[Look, Choices], Result]
    depends_on: tuple[Field, ...] = ()
    of_a_split: bool = False

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.of.__name__

    @property
    def average(self) -> bool:
        """Whether the measure averages over many images, whichever image is chosen."""
        return bool({"train", "test"} & {*self.depends_on}) and "image" not in self.depends_on

    def __call__(self, look: Look, *args: Choices.args, **choices: Choices.kwargs) -> Result:
        """Return the measure of a look."""
        if self.of_a_split:
            levels.check_splits(look.flow)
        if look.keep is None:
            return self.of(look, *args, **choices)
        kept: Result = look.keep(look, self, choices)
        return kept


def measure(
    *depends_on: Field, of_a_split: bool = False
) -> Callable[[Callable[Concatenate[Look, Choices], Result]], Measure[Choices, Result]]:
    """Make a measure of a function of a look, with the fields of the look that it depends on."""
    return lambda of: Measure(of, depends_on, of_a_split)


# ---------------------------------------------------------------------- levels


@measure("train", of_a_split=True)
def kept_fit(look: Look) -> levels.KeptFit:
    """Return the Gaussians of what each level passes on."""
    return levels.fit_kept(look.flow, look.train)


@measure("train", "image", "seed", of_a_split=True)
def passage(look: Look) -> levels.Passage:
    """Return one image's way through the flow."""
    return levels.passage(look.flow, look.image, kept_fit(look), look.seed)


@measure("image", "seed")
def reconstruction(look: Look) -> levels.Reconstruction:
    """Return the image, and what comes back from its noise."""
    return levels.reconstruction(look.flow, look.image, look.seed)


@measure("image", "seed")
def redrawn(look: Look, levels: tuple[int, ...]) -> latents.Redrawn:
    """Return the image decoded with the ε of these levels drawn anew."""
    return latents.redraw(look.flow, look.image, levels, look.seed, encoded(look))


@measure("train", "test", of_a_split=True)
def survey(look: Look) -> tuple[levels.Staircase, tuple[levels.LevelFacts, ...]]:
    """Return staircase and facts of some test images, under the noise of ``evaluate``."""
    trace = levels.trace_of(look.flow, look.some(SURVEY_IMAGES).test)
    return levels.stops(trace, kept_fit(look)), levels.level_facts(trace)


@measure("test")
def test_trace(look: Look) -> Trace:
    """Return the passage of some test images."""
    return levels.trace_of(look.flow, look.some(levels.IMAGES).test)


@measure("test", of_a_split=True)
def facts(look: Look) -> tuple[levels.LevelFacts, ...]:
    """Return the facts of each level over test images."""
    return levels.level_facts(test_trace(look))


@measure("image", "seed")
def bits_per_dim(look: Look) -> float:
    """Return the bits/dim of the image."""
    return flow_score.score(look.flow, look.image, look.seed).item()


# ---------------------------------------------------------------------- latents


@measure("image", "seed")
def encoded(look: Look) -> tuple[Tensor, Latents]:
    """Return the image dequantised, and its latents."""
    return latents.encode(look.flow, look.image, look.seed)


@measure("image", "seed", of_a_split=True)
def halved(look: Look) -> latents.Treated:
    """Return the image with one level more resampled at a time."""
    return _treated(look, latents.halvings(look.flow.config.levels))


@measure("image", "seed", of_a_split=True)
def one_level(look: Look, treatment: latents.Treatment) -> latents.Treated:
    """Return the image with one level treated and the others kept, level by level."""
    return _treated(look, latents.one_level(look.flow.config.levels, treatment))


def _treated(look: Look, ways: Sequence[latents.Way]) -> latents.Treated:
    return latents.treat_image(look.flow, look.image, ways, look.seed, encoded(look), _draws(look))


def _draws(look: Look) -> int:
    return FEW_DRAWS if look.large else latents.DRAWS


@measure("test", of_a_split=True)
def latents_survey(look: Look) -> latents.Survey:
    """Return the PSNR of some test images after resampling."""
    some = look.some(latents.SURVEY_IMAGES)
    return latents.survey(look.flow, some.test, draws=_draws(look), sources=some.sources)


# ---------------------------------------------------------------------- entropy and shuffle


@measure("test", "seed", of_a_split=True)
def entropies(look: Look) -> entropy.Entropies:
    """Return the entropies of the parts passed on and factored out."""
    some = look.some(entropy.IMAGES)
    return entropy.entropies(look.flow, some.test, look.seed, some.sources)


@measure("test", "seed")
def way(look: Look) -> ways.Way:
    """Return the entropy after every part of the flow."""
    return ways.way(look.flow, look.some(ways.IMAGES).test, look.seed)


@measure("image", "seed")
def maps(look: Look) -> tuple[np.ndarray, ...]:
    """Return the image's channels after every part of the flow."""
    return ways.maps(look.flow, look.image, look.seed)


@measure("test", "image", "level", "seed", "record", of_a_split=True)
def shuffle(look: Look) -> shuffles.ShuffleReport:
    """Return the effects of a level's permutation."""
    channel_weights.shuffle_at(look.flow, look.level)  # refuses a level without a Shuffle
    trace = test_trace(look)
    (image,) = levels.traces(look.flow, look.image, look.seed)
    return shuffles.shuffle_report(trace, look.level, look.flow.config.order, image, look.record, look.seed)


# ---------------------------------------------------------------------- weights


@measure("test")
def omegas_of_test_images(look: Look) -> channel_weights.Omegas:
    """Return all weights for test images."""
    return channel_weights.omegas(test_trace(look), channel_weights.IMAGES)


@measure("test")
def frozen_flow(look: Look) -> MultiScaleFlow:
    """Return the flow with all weights frozen at their averages over test images."""
    return channel_weights.with_frozen_weights(look.flow, omegas_of_test_images(look))


@measure("test", "image", "seed")
def weights(look: Look, change: str = "grain", amount: float = 0.0) -> channel_weights.PictureWeights:
    """Return all weights for the image, changed by an amount, beside those of test images."""
    picture = channel_weights.changed(look.image, change, amount, look.seed)
    own = channel_weights.measure(look.flow, picture, look.seed)
    return channel_weights.PictureWeights(own, omegas_of_test_images(look))


@measure("test", "image", "seed")
def prices(look: Look, change: str = "grain", amount: float = 0.0) -> dict[float, channel_weights.Prices]:
    """Return the bits per value of the image with its own weights and with frozen ones, by the amount of a change.

    The amounts are those of the change, and ``amount``.
    """
    amounts = channel_weights.CHANGES[change].amounts(amount)
    pictures = torch.cat([channel_weights.changed(look.image, change, each, look.seed) for each in amounts])
    priced = channel_weights.prices(look.flow, frozen_flow(look), pictures, look.seed)
    return dict(zip(amounts, priced, strict=True))


@measure("image", "level", "seed")
def channel_maps(look: Look, step: int) -> channel_weights.ChannelMaps:
    """Return the weighted channels of a place for the image."""
    return channel_weights.channel_maps(look.flow, look.image, channel_weights.Place(look.level, step), look.seed)


@measure("test")
def frozen(look: Look) -> channel_weights.Frozen:
    """Return the cost of freezing all weights at their averages."""
    some = look.some(channel_weights.IMAGES)
    return channel_weights.freeze(look.flow, some.test, omegas_of_test_images(look), some.sources)


@measure("test")
def factor_readings(look: Look) -> tuple[channel_weights.FactorReading, ...]:
    """Return how well the weights of each level predict each factor."""
    some = look.some(channel_weights.FACTOR_IMAGES)
    return channel_weights.read_factors(look.flow, some.test, some.factors)


# ---------------------------------------------------------------------- space


@measure("image", "seed")
def ends(look: Look, other: Tensor) -> tuple[Tensor, Latents]:
    """Return the image and another, uint8 (1, C, H, W), dequantised, and their latents."""
    return latents.encode(look.flow, torch.cat([look.image, other]), look.seed)


@measure("image", "seed")
def interpolation(look: Look, other: Tensor, path: str, frames: int = space.FRAMES) -> space.Interpolation:
    """Return the path from the image to another, uint8 (1, C, H, W)."""
    return space.interpolate(look.flow, look.image, other, path, look.seed, frames, ends(look, other=other))


@measure("image", "seed")
def blend(
    look: Look, other: Tensor, way: latents.Way, path: str = "spherical", frames: int = space.FINE_FRAMES
) -> space.Blend:
    """Return pictures from the image to where every level has its treatment, which may be that of another image."""
    return space.blend(look.flow, look.image, other, way, path, look.seed, frames, ends(look, other=other))


@measure("seed")
def samples(look: Look, n: int, temperatures: tuple[float, ...]) -> space.Samples:
    """Return images drawn from the flow, at one temperature a level."""
    return space.draw(look.flow, n, temperatures, look.seed)


# ---------------------------------------------------------------------- likelihood and compression


@measure("test", "seed")
def likelihood(look: Look, extra: tuple[str, ...] = ()) -> likelihoods.Likelihood:
    """Return scores of the flow's own test images and of strange images, with ``extra`` folders or data sets."""
    most = FEW_A_GROUP if look.large else None
    return likelihoods.likelihood(look.flow, look.data, look.test, look.sources, extra, look.seed, most)


@measure("test", "seed")
def strange_images(look: Look) -> list[likelihoods.Group]:
    """Return the groups of :func:`likelihood` with few images each, unscored."""
    return likelihoods.groups(look.flow, look.data, look.test, look.sources, look.seed, most=8)


@measure("test", "seed")
def likelihood_beside(look: Look, group: likelihoods.Group) -> likelihoods.Likelihood:
    """Return these scores with a group of a visitor's pictures."""
    return likelihoods.beside(look.flow, likelihood(look), [group])


@measure("test")
def compressed(look: Look, photo: bytes | None = None) -> compression.Compressed:
    """Return a photo as an archive, or the first test images."""
    if photo is None:
        return compression.compress_images(look.flow, look.test)
    return compression.compress_photo(look.flow, photo)


# ---------------------------------------------------------------------- checkpoint


@measure("test")
def verification(look: Look) -> report.Report:
    """Return the report on the file."""
    return report.verify(look.checkpoint, look.test, look.data)


@measure("test")
def score(look: Look, limit: int) -> Evaluation:
    """Return bits/dim of at most ``limit`` test images."""
    test = look.test.permute(0, 2, 3, 1).numpy()
    sources = None if look.sources is None else np.array(look.sources)
    factors = {name: Factor(values[:0], values) for name, values in look.factors.items()}
    images = ImageData(look.data, test[:0], test, test_source=sources, factors=factors, takes_first=look.takes_first)
    progress.expect(2 * min(limit, len(test)))
    return evaluate(look.flow, images, limit, progress=lambda done, _: progress.advance(done))
