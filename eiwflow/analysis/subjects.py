"""The measures of a flow, by name: one table for the command line and for the app.

A measure takes a :class:`Look`, gets other measures by :meth:`Look.measure`, and returns numbers. The app caches
results (``ui/sources/cache.py``).

To add a measure, write a function of a look and enter it in :data:`MEASURES` with the fields it depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import Checkpoint
from ..data import Factor, ImageData, chosen_places
from ..flow import Latents, MultiScaleFlow
from ..flow.score import score
from . import (
    FEW_A_GROUP,
    FEW_DRAWS,
    SURVEY_IMAGES,
    compression,
    coupling_weights,
    entropy,
    latents,
    levels,
    likelihood,
    progress,
    shuffle,
    space,
    verify,
    weights,
)
from . import checkpoint as file
from .evaluate import Evaluation, evaluate
from .record import TrainingRecord


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
        known: results of other measures, by name.
        keep: called in place of an unknown measure, to return an earlier result.

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
    known: Mapping[str, Any] = field(default_factory=dict)
    keep: Callable[[Look, str, dict[str, Any]], Any] | None = None

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

    def measure(self, name: str, **choices: Any) -> Any:  # noqa: ANN401 (each measure has a result of its own)
        """Return a measure of :data:`MEASURES`.

        Raises:
            NonFiniteError: the flow gives a value that is not finite.
            NoPartsError: the flow passes on all channels, and the measure tells parts of its levels apart.
            ConfigError: the level has no Shuffle, and the measure needs one.
            DataError: there are too few images.

        """
        if name in OF_A_SPLIT:
            levels.check_splits(self.flow)
        if name in self.known:
            return self.known[name]
        if self.keep is None:
            return MEASURES[name].of(self, **choices)
        return self.keep(self, name, choices)


class Some(NamedTuple):
    """Some of a look's test images, with the fields of the same names."""

    test: Tensor
    sources: tuple[int, ...] | None
    factors: Mapping[str, np.ndarray]


class Measure(NamedTuple):
    """A function of a look, and the fields it depends on.

    Attributes:
        of: the function.
        depends_on: the fields of the look, beside its flow.
        needs: other measures that it uses; they take the same second image, if the measure has one.

    """

    of: Callable[..., Any]
    depends_on: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def average(self) -> bool:
        """Whether the measure averages over many images, whichever image is chosen."""
        return bool({"train", "test"} & {*self.depends_on}) and "image" not in self.depends_on


# ---------------------------------------------------------------------- levels


def _passage(look: Look) -> levels.Passage:
    """Return one image's way through the flow."""
    return levels.passage(look.flow, look.image, look.measure("kept_fit"), look.seed)


def _survey(look: Look) -> tuple[levels.Staircase, tuple[levels.LevelFacts, ...]]:
    """Return staircase and facts of some test images, under the noise of ``evaluate``."""
    trace = levels.trace_of(look.flow, look.some(SURVEY_IMAGES).test)
    return levels.stops(trace, look.measure("kept_fit")), levels.level_facts(trace)


# ---------------------------------------------------------------------- latents


def _one_level(look: Look, treatment: latents.Treatment) -> latents.Treated:
    """Return the image with one level treated and the others kept, level by level."""
    return _treated(look, latents.one_level(look.flow.config.levels, treatment))


def _treated(look: Look, ways: Sequence[latents.Way]) -> latents.Treated:
    return latents.treat_image(look.flow, look.image, ways, look.seed, look.measure("encoded"), _draws(look))


def _draws(look: Look) -> int:
    return FEW_DRAWS if look.large else latents.DRAWS


def _latents_survey(look: Look) -> latents.Survey:
    """Return the PSNR of some test images after resampling."""
    some = look.some(latents.SURVEY_IMAGES)
    return latents.survey(look.flow, some.test, draws=_draws(look), sources=some.sources)


def _norms(look: Look) -> latents.Norms:
    """Return the norms of the image's latents beside those of test images."""
    return latents.norms(look.measure("encoded")[1], look.measure("latents_survey"))


# ---------------------------------------------------------------------- entropy


def _entropies(look: Look) -> entropy.Entropies:
    """Return the entropies of the parts passed on and factored out."""
    some = look.some(entropy.IMAGES)
    return entropy.entropies(look.flow, some.test, look.seed, some.sources)


def _growth(look: Look) -> entropy.Growth | None:
    """Return the entropies over the training, if recorded."""
    if look.record is None:
        return None
    numbers = range(1, look.flow.config.levels + 1)
    return entropy.growth(look.record, [levels.kept_channels(look.flow, number) for number in numbers])


# ---------------------------------------------------------------------- shuffle


def _shuffle(look: Look) -> shuffle.ShuffleReport:
    """Return the effects of a level's permutation."""
    weights.shuffle_at(look.flow, look.level)  # refuses a level without a Shuffle
    trace = look.measure("test_trace")
    (image,) = levels.traces(look.flow, look.image, look.seed)
    return shuffle.shuffle_report(trace, look.level, look.flow.config.order, look.record, image, look.seed)


# ---------------------------------------------------------------------- weights


def _weights(look: Look) -> weights.ChannelWeights:
    """Return the weights of a level for one image, beside those of test images."""
    averages = look.measure("weights_of_test_images")
    (image,) = levels.traces(look.flow, look.image, look.seed)
    return weights.channel_weights(look.flow, image, averages, look.level, look.some(weights.IMAGES).sources)


def _weights_of_test_images(look: Look) -> weights.Channels:
    weights.shuffle_at(look.flow, look.level)  # refuses a level without a Shuffle
    return weights.of_trace(look.measure("test_trace"), look.level)


# ---------------------------------------------------------------------- weights inside couplings


def _omegas_of_test_images(look: Look) -> coupling_weights.Omegas:
    """Return the weights inside couplings for test images."""
    coupling_weights.refuse_without(look.flow)
    return coupling_weights.omegas(look.measure("test_trace"), coupling_weights.IMAGES)


def _coupling_weights(look: Look, change: str = "grain", amount: float = 0.0) -> coupling_weights.PictureWeights:
    """Return the weights inside couplings for the image, changed by an amount, beside those of test images."""
    picture = coupling_weights.changed(look.image, change, amount, look.seed)
    own = coupling_weights.measure(look.flow, picture, look.seed)
    return coupling_weights.PictureWeights(own, look.measure("omegas_of_test_images"))


def _channel_maps(look: Look, step: int, change: str = "grain", amount: float = 0.0) -> coupling_weights.ChannelMaps:
    """Return the input and output channels of a coupling's network for the image, changed by an amount."""
    picture = coupling_weights.changed(look.image, change, amount, look.seed)
    return coupling_weights.channel_maps(look.flow, picture, coupling_weights.Place(look.level, step), look.seed)


def _frozen(look: Look) -> coupling_weights.Frozen:
    """Return the cost of freezing all weights inside couplings at their averages."""
    some = look.some(coupling_weights.IMAGES)
    return coupling_weights.freeze(look.flow, some.test, look.measure("omegas_of_test_images"), some.sources)


def _factor_readings(look: Look) -> tuple[coupling_weights.FactorReading, ...]:
    """Return how well the weights of each level predict each factor."""
    some = look.some(coupling_weights.FACTOR_IMAGES)
    return coupling_weights.read_factors(look.flow, some.test, some.factors)


# ---------------------------------------------------------------------- space


def _ends(look: Look, other: Tensor) -> tuple[Tensor, Latents]:
    """Return the image and another, uint8 (1, C, H, W), dequantised, and their latents."""
    return latents.encode(look.flow, torch.cat([look.image, other]), look.seed)


def _interpolation(look: Look, other: Tensor, path: str, frames: int = space.FRAMES) -> space.Interpolation:
    """Return the path from the image to another, uint8 (1, C, H, W)."""
    encoded = look.measure("ends", other=other)
    return space.interpolate(look.flow, look.image, other, path, look.seed, frames, encoded)


def _blend(
    look: Look, other: Tensor, path: str, levels: tuple[int, ...], frames: int = space.FINE_FRAMES
) -> space.Blend:
    """Return pictures from the image towards another, with only these levels moving."""
    encoded = look.measure("ends", other=other)
    return space.blend(look.flow, look.image, other, path, levels, look.seed, frames, encoded)


def _samples(look: Look, n: int, temperatures: tuple[float, ...]) -> space.Samples:
    """Return images drawn from the flow, at one temperature a level."""
    return space.draw(look.flow, n, temperatures, look.seed)


def _likelihood(look: Look, extra: tuple[str, ...] = ()) -> likelihood.Likelihood:
    """Return scores of the flow's own test images and of strange images, with ``extra`` folders or data sets."""
    most = FEW_A_GROUP if look.large else None
    return likelihood.likelihood(look.flow, look.data, look.test, look.sources, extra, look.seed, most)


def _likelihood_beside(look: Look, pictures: Tensor, label: str, made: str) -> likelihood.Likelihood:
    """Return these scores with a group of a visitor's pictures, uint8 (N, C, H, W)."""
    group = likelihood.Group(label, "folder", levels.to_pixels(pictures), None, made)
    return likelihood.beside(look.flow, look.measure("likelihood"), [group])


# ---------------------------------------------------------------------- checkpoint


def _score(look: Look, limit: int) -> Evaluation:
    """Return bits/dim of at most ``limit`` test images."""
    test = look.test.permute(0, 2, 3, 1).numpy()
    sources = None if look.sources is None else np.array(look.sources)
    factors = {name: Factor(values[:0], values) for name, values in look.factors.items()}
    images = ImageData(look.data, test[:0], test, test_source=sources, factors=factors, takes_first=look.takes_first)
    progress.expect(2 * min(limit, len(test)))
    return evaluate(look.flow, images, limit, progress=lambda done, _: progress.advance(done))


# ---------------------------------------------------------------------- compression


def _compressed(look: Look, photo: bytes | None = None) -> compression.Compressed:
    """Return a photo as an archive, or the first test images."""
    if photo is None:
        return compression.compress_images(look.flow, look.test)
    return compression.compress_photo(look.flow, photo)


#: name -> its measure.
MEASURES: dict[str, Measure] = {
    "kept_fit": Measure(lambda look: levels.fit_kept(look.flow, look.train), ("train",)),
    "passage": Measure(_passage, ("train", "image", "seed"), ("kept_fit",)),
    "survey": Measure(_survey, ("train", "test"), ("kept_fit",)),
    "encoded": Measure(lambda look: latents.encode(look.flow, look.image, look.seed), ("image", "seed")),
    "halved": Measure(
        lambda look: _treated(look, latents.halvings(look.flow.config.levels)), ("image", "seed"), ("encoded",)
    ),
    "one_level": Measure(_one_level, ("image", "seed"), ("encoded",)),
    "mixed": Measure(lambda look, way: _treated(look, (way,)), ("image", "seed"), ("encoded",)),
    "latents_survey": Measure(_latents_survey, ("test",)),
    "norms": Measure(_norms, ("test", "image", "seed"), ("encoded", "latents_survey")),
    "entropies": Measure(_entropies, ("test", "seed")),
    "account": Measure(
        lambda look: entropy.account(look.flow, look.some(entropy.IMAGES).test, look.seed), ("test", "seed")
    ),
    "growth": Measure(_growth, ("record",)),
    "test_trace": Measure(
        lambda look: levels.trace_of_test_images(look.flow, look.some(levels.IMAGES).test), ("test",)
    ),
    "shuffle": Measure(_shuffle, ("test", "image", "level", "seed", "record"), ("test_trace",)),
    "facts": Measure(lambda look: levels.level_facts(look.measure("test_trace")), ("test",), ("test_trace",)),
    "weights": Measure(_weights, ("test", "image", "level", "seed"), ("weights_of_test_images",)),
    "weights_of_test_images": Measure(_weights_of_test_images, ("test", "level"), ("test_trace",)),
    "omegas_of_test_images": Measure(_omegas_of_test_images, ("test",), ("test_trace",)),
    "coupling_weights": Measure(_coupling_weights, ("test", "image", "seed"), ("omegas_of_test_images",)),
    "channel_maps": Measure(_channel_maps, ("image", "level", "seed")),
    "frozen": Measure(_frozen, ("test",), ("omegas_of_test_images",)),
    "factor_readings": Measure(_factor_readings, ("test",)),
    "ends": Measure(_ends, ("image", "seed")),
    "interpolation": Measure(_interpolation, ("image", "seed"), ("ends",)),
    "blend": Measure(_blend, ("image", "seed"), ("ends",)),
    "samples": Measure(_samples, ("seed",)),
    "likelihood": Measure(_likelihood, ("test", "seed")),
    "likelihood_beside": Measure(_likelihood_beside, ("test", "seed"), ("likelihood",)),
    "compressed": Measure(_compressed, ("test",)),
    "bits_per_dim": Measure(lambda look: score(look.flow, look.image, look.seed).item(), ("image", "seed")),
    "anatomy": Measure(lambda look: file.anatomy(look.flow)),
    "inversion": Measure(lambda look: file.inversion(look.flow, look.some(file.IMAGES).test), ("test",)),
    "verification": Measure(lambda look: verify.verify(look.checkpoint, look.test, look.data), ("test",)),
    "score": Measure(_score, ("test",)),
}
#: Measures of the parts that levels pass on and factor out.
OF_A_SPLIT = frozenset({
    "kept_fit", "passage", "survey", "halved", "one_level", "mixed", "latents_survey", "norms", "entropies", "growth",
    "shuffle", "facts",
})  # fmt: skip
