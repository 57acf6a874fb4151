"""The measures of a page by their names, with the type of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...analysis import checkpoint, compression, entropy, latents, levels, shuffle, space, verify, weights
    from ...analysis.coupling_weights import ChannelMaps, FactorReading, Frozen, PictureWeights
    from ...analysis.evaluate import Evaluation
    from ...analysis.likelihood import Likelihood
    from ...analysis.subjects import Look


class Measured:
    """Measures of a look, each made or taken from the store when it is read.

    The type checker refuses a measure that is not listed here: add its name and the type of its result.

    Raises:
        NonFiniteError: the flow gives a value that is not finite.
        DataError: there are too few images.

    """

    passage: levels.Passage
    survey: tuple[levels.Staircase, tuple[levels.LevelFacts, ...]]
    facts: tuple[levels.LevelFacts, ...]
    halved: latents.Treated
    one_level: latents.Treated
    mixed: latents.Treated
    latents_survey: latents.Survey
    norms: latents.Norms
    entropies: entropy.Entropies
    account: entropy.Account
    growth: entropy.Growth | None
    shuffle: shuffle.ShuffleReport
    weights: weights.ChannelWeights
    coupling_weights: PictureWeights
    channel_maps: ChannelMaps
    frozen: Frozen
    factor_readings: tuple[FactorReading, ...]
    interpolation: space.Interpolation
    blend: space.Blend
    samples: space.Samples
    likelihood: Likelihood
    likelihood_beside: Likelihood
    compressed: compression.Compressed
    bits_per_dim: float
    anatomy: checkpoint.Anatomy
    inversion: checkpoint.Inversion
    verification: verify.Verification
    score: Evaluation

    def __init__(self, look: Look, choices: Mapping[str, Any]) -> None:
        self._look, self._choices = look, choices

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            return self._look.measure(name, **self._choices)
