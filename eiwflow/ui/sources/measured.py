"""The result of every measure that a page takes, by its name: the type of :func:`.cache.measure`.

A measure that is not listed here is no error of the program, but of the type checker: add its name and its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, overload

if TYPE_CHECKING:
    from ...analysis import (
        checkpoint,
        compression,
        coupling_weights,
        entropy,
        latents,
        levels,
        likelihood,
        shuffle,
        space,
        verify,
        weights,
    )
    from ...analysis.evaluate import Evaluation
    from .visit import Page


class Measured(Protocol):
    """A function of a page, the name of a measure, a level and further choices."""

    @overload
    def __call__(self, page: Page, name: Literal["passage"], *level: int, **more: object) -> levels.Passage: ...

    @overload
    def __call__(
        self, page: Page, name: Literal["survey"], *level: int, **more: object
    ) -> tuple[levels.Staircase, tuple[levels.LevelFacts, ...]]: ...

    @overload
    def __call__(
        self, page: Page, name: Literal["facts"], *level: int, **more: object
    ) -> tuple[levels.LevelFacts, ...]: ...

    @overload
    def __call__(
        self, page: Page, name: Literal["halved", "one_level", "mixed"], *level: int, **more: object
    ) -> latents.Treated: ...

    @overload
    def __call__(self, page: Page, name: Literal["latents_survey"], *level: int, **more: object) -> latents.Survey: ...

    @overload
    def __call__(self, page: Page, name: Literal["norms"], *level: int, **more: object) -> latents.Norms: ...

    @overload
    def __call__(self, page: Page, name: Literal["entropies"], *level: int, **more: object) -> entropy.Entropies: ...

    @overload
    def __call__(self, page: Page, name: Literal["account"], *level: int, **more: object) -> entropy.Account: ...

    @overload
    def __call__(self, page: Page, name: Literal["growth"], *level: int, **more: object) -> entropy.Growth | None: ...

    @overload
    def __call__(self, page: Page, name: Literal["shuffle"], *level: int, **more: object) -> shuffle.ShuffleReport: ...

    @overload
    def __call__(self, page: Page, name: Literal["weights"], *level: int, **more: object) -> weights.ChannelWeights: ...

    @overload
    def __call__(
        self, page: Page, name: Literal["coupling_weights"], *level: int, **more: object
    ) -> coupling_weights.PictureWeights: ...

    @overload
    def __call__(
        self, page: Page, name: Literal["channel_maps"], *level: int, **more: object
    ) -> coupling_weights.ChannelMaps: ...

    @overload
    def __call__(self, page: Page, name: Literal["frozen"], *level: int, **more: object) -> coupling_weights.Frozen: ...

    @overload
    def __call__(
        self, page: Page, name: Literal["factor_readings"], *level: int, **more: object
    ) -> tuple[coupling_weights.FactorReading, ...]: ...

    @overload
    def __call__(
        self, page: Page, name: Literal["interpolation"], *level: int, **more: object
    ) -> space.Interpolation: ...

    @overload
    def __call__(self, page: Page, name: Literal["blend"], *level: int, **more: object) -> space.Blend: ...

    @overload
    def __call__(self, page: Page, name: Literal["samples"], *level: int, **more: object) -> space.Samples: ...

    @overload
    def __call__(
        self, page: Page, name: Literal["likelihood", "likelihood_beside"], *level: int, **more: object
    ) -> likelihood.Likelihood: ...

    @overload
    def __call__(
        self, page: Page, name: Literal["compressed"], *level: int, **more: object
    ) -> compression.Compressed: ...

    @overload
    def __call__(self, page: Page, name: Literal["bits_per_dim"], *level: int, **more: object) -> float: ...

    @overload
    def __call__(self, page: Page, name: Literal["anatomy"], *level: int, **more: object) -> checkpoint.Anatomy: ...

    @overload
    def __call__(self, page: Page, name: Literal["inversion"], *level: int, **more: object) -> checkpoint.Inversion: ...

    @overload
    def __call__(
        self, page: Page, name: Literal["verification"], *level: int, **more: object
    ) -> verify.Verification: ...

    @overload
    def __call__(self, page: Page, name: Literal["score"], *level: int, **more: object) -> Evaluation: ...
