"""The information in each latent ε_l, measured by resampling it."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import Checkpoint
from ..flow import Latents, MultiScaleFlow, quantise
from ..flow.bijection import generator_for
from ..flow.multiscale import coarsened
from . import intervals, passes, progress
from .levels import as_grey, dequantised, to_pixels

#: The treatments of an ε_l: kept, resampled from N(0, I), set to 0, the mean of its prior, or that of image B.
Treatment = Literal["keep", "resample", "zero", "b"]
#: The treatments of all levels.
Way = tuple[Treatment, ...]
_KEEP: Way = ("keep",)
_RESAMPLE: Way = ("resample",)

#: Draws of every resampled latent.
DRAWS = 3
#: Test images for averages.
SURVEY_IMAGES = 48
#: Mean square error (120 dB) of the rounding of float32.
LEAST_ERROR = 1e-12


# ---------------------------------------------------------------------- ways to treat an image


def halvings(levels: int) -> tuple[Way, ...]:
    """Return the treatments that resample half of the values (z₁), three quarters (z₁ and z₂), …, all values."""
    return tuple(_RESAMPLE * gone + _KEEP * (levels - gone) for gone in range(1, levels + 1))


def one_level(levels: int, treatment: Treatment) -> tuple[Way, ...]:
    """Return the treatments of a single level that keep the others, one per level."""
    return tuple(_KEEP * level + (treatment,) + _KEEP * (levels - level - 1) for level in range(levels))


def thrown_away(flow: MultiScaleFlow, ways: Sequence[Way]) -> np.ndarray:
    """Return the share (K,) of an image's values that each combination of treatments does not keep."""
    sizes = np.array([np.prod(shape) for shape in flow.latent_shapes()])
    lost = [[treatment != "keep" for treatment in way] for way in ways]
    return np.array(lost, dtype=float).reshape(len(ways), len(sizes)) @ sizes / sizes.sum()


def noise_for(flow: MultiScaleFlow, n: int, seed: int, draws: int = DRAWS) -> list[Tensor]:
    """Return ε ~ N(0, I) for n images, one tensor (draws, n, C_l, H_l, W_l) a level.

    It depends on the seed, the level and an image's place alone. So two flows with the same latent shapes get the same
    noise, which pairs their results, and so do the first images of a longer set.
    """
    dtype = next(flow.parameters()).dtype
    noise = []
    for number, shape in enumerate(flow.latent_shapes(), start=1):
        generator = generator_for(seed, f"resampling of level {number}")
        of_images = [torch.randn(draws, *shape, generator=generator, dtype=dtype) for _ in range(n)]
        noise.append(torch.stack(of_images, dim=1))
    return noise


def treat(latents: Latents, noise: Sequence[Tensor], way: Way) -> Latents:
    """Return R·N treated latents, the images of one draw after the other.

    Arguments:
        latents: of N images.
        noise: of :func:`noise_for`, (R, N, C_l, H_l, W_l) a level.
        way: a treatment per level, ``keep``, ``resample`` or ``zero``.

    """
    levels = []
    for kept, drawn, how in zip(latents.levels, noise, way, strict=True):
        choices = {"keep": kept.expand_as(drawn), "resample": drawn, "zero": torch.zeros_like(drawn)}
        levels.append(choices[how].flatten(0, 1))
    return Latents(levels)


@torch.no_grad()
def decode_all(flow: MultiScaleFlow, latents: Latents, batch: int = 64) -> Tensor:
    """Return the images (N, C, H, W) of latents, decoded at most ``batch`` at a time."""
    batch = passes.images_at_once(flow, batch)
    progress.expect(len(latents.levels[0]))
    decoded = []
    for part in zip(*(noise.split(batch) for noise in latents.levels), strict=True):
        decoded.append(passes.decode(flow, Latents(list(part))))
        progress.advance(len(decoded[-1]))
    return torch.cat(decoded)


def psnr(x: Tensor, restored: Tensor) -> Tensor:
    r"""Return the peak signal-to-noise ratio (N,) in dB of restored images, both (N, C, H, W).

    .. math:: \mathrm{PSNR} = 10 \log_{10} \frac{1}{\mathrm{MSE}(x, \mathrm{clip}(\hat x, -½, ½))}

    The peak is 1, the width of [−½, ½]; values outside are clipped first. The mean square error is over all colours and
    pixels, and at least :data:`LEAST_ERROR`.
    """
    error = (restored.clamp(-0.5, 0.5) - x).double().square().mean(dim=(1, 2, 3))
    return -10 * error.clamp_min(LEAST_ERROR).log10()


# ---------------------------------------------------------------------- one image


@dataclass(frozen=True, eq=False)
class Treated:
    """One image, decoded after its latents were treated in K ways, with R draws of the resampled levels.

    Attributes:
        image: bytes (H, W, C), in the flow's grey levels.
        ways: K times one treatment a level.
        shares: of the image's values that are not kept (K,).
        pictures: bytes (K, H, W, C) of the first draw.
        psnr: in dB (K, R), by :func:`psnr`; those of the pictures come first.

    """

    image: np.ndarray
    ways: tuple[Way, ...]
    shares: np.ndarray
    pictures: np.ndarray
    psnr: np.ndarray

    def table(self) -> list[dict[str, Any]]:
        """Return one row a way."""
        return [
            {
                **{f"z{level}": treatment for level, treatment in enumerate(way, start=1)},
                "share_thrown_away": float(share),
                "psnr_db": float(draws.mean()),
                **{f"psnr_db_draw_{number}": float(value) for number, value in enumerate(draws, start=1)},
            }
            for way, share, draws in zip(self.ways, self.shares, self.psnr, strict=True)
        ]


def treat_image(
    flow: MultiScaleFlow,
    image: Tensor,
    ways: Sequence[Way],
    seed: int = 0,
    encoded: tuple[Tensor, Latents] | None = None,
    draws: int = DRAWS,
) -> Treated:
    """Decode one uint8 image (1, C, H, W) after treating its latents in several ways, with the same noise in each.

    ``encoded`` is the result of :func:`encode`, where that is known; ``draws`` are at most :data:`DRAWS`.
    """
    x, latents = encoded or encode(flow, image, seed)
    noise = noise_for(flow, 1, seed)
    # One draw is enough where nothing is drawn.
    counts = [draws if "resample" in way else 1 for way in ways]
    # All ways in one batch: a few images take little longer than a single image.
    treated = [
        treat(latents, [drawn[:count] for drawn in noise], way).levels for way, count in zip(ways, counts, strict=True)
    ]
    together = Latents([torch.cat(level) for level in zip(*treated, strict=True)])
    decoded = decode_all(flow, together).split(counts)
    return Treated(
        image=to_pixels(coarsened(image, flow.config.bits))[0],
        ways=tuple(ways),
        shares=thrown_away(flow, ways),
        pictures=to_pixels(quantise(torch.stack([of_way[0] for of_way in decoded]), flow.config.bits)),
        psnr=torch.stack([psnr(x, of_way).expand(draws) for of_way in decoded]).numpy(),
    )


@dataclass(frozen=True, eq=False)
class Redrawn:
    """One image, decoded after the ε of some levels were drawn anew.

    Attributes:
        picture: bytes (H, W, C), in the flow's grey levels.
        error: root mean square, of 255.
        noise: number of a redrawn level -> its ε as grey bytes (C, H, W).

    """

    picture: np.ndarray
    error: float
    noise: dict[int, np.ndarray]


def redraw(
    flow: MultiScaleFlow,
    image: Tensor,
    levels: Sequence[int],
    seed: int = 0,
    encoded: tuple[Tensor, Latents] | None = None,
) -> Redrawn:
    """Decode one uint8 image (1, C, H, W) with the ε of these levels, from 1, drawn anew.

    ``encoded`` is as of :func:`treat_image`.
    """
    noise = noise_for(flow, 1, seed)
    way: Way = tuple("resample" if number in levels else "keep" for number in range(1, len(noise) + 1))
    treated = treat_image(flow, image, [way], seed, encoded, draws=1)
    return Redrawn(
        picture=treated.pictures[0],
        error=255 * 10 ** (-treated.psnr.item() / 20),
        noise={number: as_grey(noise[number - 1][0, 0]) for number in levels},
    )


# ---------------------------------------------------------------------- many images


@dataclass(frozen=True, eq=False)
class Survey:
    """The PSNR of N test images under one flow after half, three quarters, … of their values were resampled.

    Attributes:
        shares: of the values that are resampled, by stage (S,).
        psnr: in dB (N, S), the mean over draws.
        sources: the photograph of each image, where that is known.

    """

    shares: np.ndarray
    psnr: np.ndarray
    sources: tuple[int, ...] | None = None

    @property
    def mean(self) -> np.ndarray:
        """The mean PSNR over images, dB (S,)."""
        return self.psnr.mean(axis=0)

    @property
    def photographs(self) -> int:
        """Number of photographs that the bootstrap draws from; 0 where it draws images."""
        return intervals.photographs(self.sources)

    @cached_property
    def interval(self) -> np.ndarray:
        """The 95 % bootstrap interval of the mean, dB (S, 2); NaN for a single image."""
        if len(self.psnr) < 2:
            return np.full((len(self.shares), 2), np.nan)
        return np.stack(intervals.of_mean_over_images(self.psnr, self.sources), axis=-1)

    def table(self) -> list[dict[str, Any]]:
        """Return one row a stage."""
        return [
            {
                "share_thrown_away": float(share),
                "psnr_db": float(mean),
                "low": float(low),
                "high": float(high),
                "images": len(self.psnr),
                "photographs": self.photographs,
            }
            for share, mean, (low, high) in zip(self.shares, self.mean, self.interval, strict=True)
        ]


def survey(flow: MultiScaleFlow, images: Tensor, draws: int = DRAWS, sources: tuple[int, ...] | None = None) -> Survey:
    """Resample half, three quarters, … of the values of uint8 images (N, C, H, W), with the noise of seed 0."""
    ways = halvings(flow.config.levels)
    progress.expect((1 + len(ways) * draws) * len(images))
    x, latents = encode(flow, images)
    noise = [drawn[:draws] for drawn in noise_for(flow, len(x), seed=0)]
    stages = []
    for way in ways:
        restored = decode_all(flow, treat(latents, noise, way)).unflatten(0, (draws, len(x)))
        stages.append(torch.stack([psnr(x, draw) for draw in restored]).mean(dim=0))
    return Survey(
        shares=thrown_away(flow, ways),
        psnr=torch.stack(stages, dim=1).numpy(),
        sources=sources,
    )


# ---------------------------------------------------------------------- norms


def norms_of(latents: Latents) -> np.ndarray:
    """Return ‖ε_l‖ (N, L)."""
    return torch.stack([noise.double().flatten(1).norm(dim=1) for noise in latents.levels], dim=1).numpy()


# ---------------------------------------------------------------------- latents, and files of them


@torch.no_grad()
def encode(flow: MultiScaleFlow, images: Tensor, seed: int = 0) -> tuple[Tensor, Latents]:
    """Return uint8 images (N, C, H, W), dequantised with the noise of the seed, and their latents."""
    parts, encoded = [], []
    for x in dequantised(flow, images, seed):
        parts.append(x)
        encoded.append(passes.encode(flow, x).levels)
    return torch.cat(parts), Latents([torch.cat(level) for level in zip(*encoded, strict=True)])


def latents_npz(checkpoint: Checkpoint, images: Tensor, seed: int = 0) -> bytes:
    """Return the latents of uint8 images (N, C, H, W) as an ``.npz`` archive: ``epsilon_1`` … ``epsilon_L``.

    ``about`` in it is a JSON document of the flow's config, the checkpoint and the seed. ``numpy.load`` reads all
    without unpickling anything.
    """
    about = {"config": checkpoint.flow.config.to_dict(), "checkpoint": checkpoint.sha256, "seed": seed}
    levels = encode(checkpoint.flow, images, seed)[1].levels
    arrays: dict[str, Any] = {f"epsilon_{level}": noise.numpy() for level, noise in enumerate(levels, start=1)}
    file = io.BytesIO()
    np.savez(file, about=np.array(json.dumps(about)), **arrays)
    return file.getvalue()
