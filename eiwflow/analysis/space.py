"""Paths between two images through the latent space, level by level."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..flow import Latents, MultiScaleFlow, quantise
from ..flow.bijection import round_trip_error
from ..flow.multiscale import coarsened
from .latents import Way, decode_all, encode, noise_for, norms_of, thrown_away, treat
from .levels import to_pixels

#: Pictures from A to B, both ends included; with an odd number the middle is half-way.
FRAMES = 9
#: Pictures from A to B on a slider: a move to another image draws them all.
FINE_FRAMES = 11
#: Points of a norm's curve; an odd number includes the middle.
NORM_POINTS = 41
#: Above this temperature a flow of bounded couplings may leave the range of its training by orders of magnitude.
MAX_TEMPERATURE = 1.2


# ---------------------------------------------------------------------- two paths


def linear(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Return (1−t) a + t b, (T, ...), of vectors of one shape, for t (T,) in [0, 1]; exact at both ends."""
    t = t.view(-1, *[1] * a.dim()).to(a.dtype)
    return (1 - t) * a + t * b


def spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    r"""Return the norm-preserving path (T, ...) from a to b, for t (T,) in [0, 1]; exact at both ends.

    The direction turns along the great circle, by the angle :math:`t θ`; the norm changes linearly from ‖a‖ to ‖b‖,
    so it is constant if both are equal:

    .. math:: \left[(1-t) ‖a‖ + t ‖b‖\right] (\cos(tθ)\, u + \sin(tθ)\, w)

    u is a's direction, w the direction perpendicular to u in the plane of a and b. For (nearly) parallel vectors the
    angle is 0 and w has no weight. Latents are never opposite.

    Reference: Shoemake, Animating rotation with quaternion curves, SIGGRAPH 1985.

    """
    u, v = (normalize(x.double().flatten(), dim=0, eps=1e-300) for x in (a, b))
    cosine = u @ v
    across = v - cosine * u
    w = normalize(across, dim=0, eps=1e-300)
    # Near 0 the arc cosine loses half of the digits, the arc tangent none.
    angle = torch.atan2(across.norm(), cosine)
    t = t.double()[:, None]
    norm = (1 - t) * a.double().norm() + t * b.double().norm()
    path = (norm * ((t * angle).cos() * u + (t * angle).sin() * w)).to(a.dtype).view(len(t), *a.shape)
    path[t[:, 0] == 0], path[t[:, 0] == 1] = a, b
    return path


PATHS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": linear, "spherical": spherical}


def between(a: Latents, b: Latents, t: Tensor, path: str, only: Collection[int] | None = None) -> Latents:
    """Return T latents on a path between the latents of two images.

    Arguments:
        a: of one image, (1, C_l, H_l, W_l) a level.
        b: of the other.
        t: (T,) in [0, 1].
        path: a name in :data:`PATHS`; each level takes its own.
        only: the levels (from 1) that go to b while the others stay at a; None for all.

    """
    return Latents(
        [
            PATHS[path](start[0], end[0], t) if only is None or level in only else start.repeat(len(t), 1, 1, 1)
            for level, (start, end) in enumerate(zip(a.levels, b.levels, strict=True), start=1)
        ]
    )


# ---------------------------------------------------------------------- norms on the way


@dataclass(frozen=True, eq=False)
class NormPaths:
    """Norms ‖ε_l(t)‖ on both paths, against those of N(0, I): about √d_l.

    Attributes:
        t: (T,), from 0 to 1.
        dimensions: d_l (L,).
        norms: by path (T, L).

    """

    t: np.ndarray
    dimensions: np.ndarray
    norms: dict[str, np.ndarray]

    @property
    def typical_total(self) -> np.ndarray:
        """The interval (2,) of the norm of all levels together for 95 % of the draws of N(0, I)."""
        from scipy import stats

        return np.array(stats.chi(self.dimensions.sum()).interval(0.95))

    def relative(self, path: str) -> np.ndarray:
        """Return ‖ε_l(t)‖ / √d_l (T, L); 0 for a level without values."""
        return self.norms[path] / np.sqrt(self.dimensions.clip(1))

    def total(self, path: str) -> np.ndarray:
        """Return the norm of all levels together (T,)."""
        return np.sqrt(np.square(self.norms[path]).sum(axis=1))

    def table(self) -> list[dict[str, Any]]:
        """Return one row a path, level and t."""
        return [
            {
                "path": path,
                "level": level,
                "t": float(t),
                "norm": float(norm),
                "root_dimensions": float(np.sqrt(self.dimensions[level - 1])),
            }
            for path, values in self.norms.items()
            for level, column in enumerate(values.T, start=1)
            for t, norm in zip(self.t, column, strict=True)
        ]


def norm_paths(a: Latents, b: Latents) -> NormPaths:
    """Return the norms on the paths between the latents of two images."""
    t = torch.linspace(0, 1, NORM_POINTS, dtype=torch.double)
    return NormPaths(
        t=t.numpy(),
        dimensions=np.array([noise[0].numel() for noise in a.levels]),
        norms={path: norms_of(between(a, b, t, path)) for path in PATHS},
    )


# ---------------------------------------------------------------------- the pictures


@dataclass(frozen=True, eq=False)
class Interpolation:
    """Pictures between A and B: with all levels moving, and with each level alone.

    Attributes:
        a, b: bytes (H, W, C), the two images.
        path: a name in :data:`PATHS`.
        t: (T,), from 0 to 1.
        together: bytes (T, H, W, C).
        alone: bytes (L, T, H, W, C): level l goes from A to B, the others stay at A.
        norms: along both paths.
        end_errors: the largest |x̂ − x| at A and at B with all levels, of x in [−½, ½].
        moved: root mean square pixel change from A to the far end of each row, (L+1,): each level alone, then all;
            pixels are clipped to [−½, ½].
        bits: of the flow's grey levels, which all pictures have.

    """

    a: np.ndarray
    b: np.ndarray
    path: str
    t: np.ndarray
    together: np.ndarray
    alone: np.ndarray
    norms: NormPaths
    end_errors: tuple[float, float]
    moved: np.ndarray
    bits: int = 8

    @property
    def shares(self) -> np.ndarray:
        """The share (L,) of the values in each level."""
        return self.norms.dimensions / self.norms.dimensions.sum()

    def table(self) -> list[dict[str, Any]]:
        """Return one row a level, and one for all."""
        names = [*map(str, range(1, len(self.shares) + 1)), "all"]
        return [
            {"moves": name, "share_of_numbers": float(share), "rms_pixel_change": float(rms)}
            for name, share, rms in zip(names, [*self.shares, 1.0], self.moved, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Blend:
    """Pictures from A, at t = 0, to where every level has its treatment, at t = 1.

    Attributes:
        a, b: bytes (H, W, C), the two images.
        way: the treatment of every level.
        images: bytes (T, H, W, C).
        errors: root mean square pixel change from A (T,), in grey levels of 255; pixels are clipped to the screen.
        share: of the values that are not kept.

    """

    a: np.ndarray
    b: np.ndarray
    way: Way
    images: np.ndarray
    errors: np.ndarray
    share: float


def blend(
    flow: MultiScaleFlow,
    a: Tensor,
    b: Tensor,
    way: Way,
    path: str = "spherical",
    seed: int = 0,
    frames: int = FINE_FRAMES,
    encoded: tuple[Tensor, Latents] | None = None,
) -> Blend:
    """Return pictures from one uint8 image (1, C, H, W) on: every level goes to its treatment, or stays.

    Arguments:
        flow: that encodes and decodes.
        a: the image at t = 0.
        b: the image to whose latents levels with the treatment ``b`` go.
        way: a treatment per level.
        path: a name in :data:`PATHS`.
        seed: of the dequantisation, and of redrawn levels.
        frames: number of pictures, both ends included.
        encoded: the result of :func:`.latents.encode` for both, where that is known.

    """
    ends = torch.cat([a, b])
    x, latents = encoded or encode(flow, ends, seed)
    of_a, of_b = (Latents([noise[end : end + 1] for noise in latents.levels]) for end in (0, 1))
    kept = tuple("keep" if treatment == "b" else treatment for treatment in way)
    treated = treat(of_a, noise_for(flow, 1, seed, draws=1), kept)
    end = Latents(
        [other if how == "b" else own for how, own, other in zip(way, treated.levels, of_b.levels, strict=True)]
    )
    moving = [level for level, treatment in enumerate(way, start=1) if treatment != "keep"]
    t = torch.linspace(0, 1, frames, dtype=torch.double)
    decoded = decode_all(flow, between(of_a, end, t, path, moving))
    first, last = to_pixels(coarsened(ends, flow.config.bits))
    change = (decoded.clamp(-0.5, 0.5) - x[:1]).double().square().mean(dim=(1, 2, 3)).sqrt()
    return Blend(
        a=first,
        b=last,
        way=tuple(way),
        images=to_pixels(quantise(decoded, flow.config.bits)),
        errors=255 * change.numpy(),
        share=float(thrown_away(flow, [way])[0]),
    )


def interpolate(
    flow: MultiScaleFlow,
    a: Tensor,
    b: Tensor,
    path: str = "spherical",
    seed: int = 0,
    frames: int = FRAMES,
    encoded: tuple[Tensor, Latents] | None = None,
) -> Interpolation:
    """Interpolate from one uint8 image (1, C, H, W) to another through the latent space, every level on its own path.

    The arguments are those of :func:`blend`.
    """
    ends = torch.cat([a, b])
    x, latents = encoded or encode(flow, ends, seed)
    of_a, of_b = (Latents([noise[end : end + 1] for noise in latents.levels]) for end in (0, 1))
    t = torch.linspace(0, 1, frames, dtype=torch.double)
    levels = range(1, len(of_a.levels) + 1)
    # At t = 0 all rows show A.
    ways = [between(of_a, of_b, t, path), *(between(of_a, of_b, t[1:], path, [level]) for level in levels)]
    decoded = decode_all(flow, Latents([torch.cat(parts) for parts in zip(*(way.levels for way in ways), strict=True)]))
    together, *rest = decoded.split([len(t), *[len(t) - 1] * len(levels)])
    alone = [torch.cat([together[:1], row]) for row in rest]
    far_ends = torch.stack([*(row[-1] for row in alone), together[-1]]).clamp(-0.5, 0.5)
    pictures = to_pixels(coarsened(ends, flow.config.bits))
    return Interpolation(
        a=pictures[0],
        b=pictures[1],
        path=path,
        t=t.numpy(),
        together=to_pixels(quantise(together, flow.config.bits)),
        alone=np.stack([to_pixels(quantise(row, flow.config.bits)) for row in alone]),
        norms=norm_paths(of_a, of_b),
        end_errors=(round_trip_error(together[:1], x[:1]).max_abs, round_trip_error(together[-1:], x[1:]).max_abs),
        moved=(far_ends - x[0]).double().square().mean(dim=(1, 2, 3)).sqrt().numpy(),
        bits=flow.config.bits,
    )


# ---------------------------------------------------------------------- draws


@dataclass(frozen=True, eq=False)
class Samples:
    """Images drawn from a flow.

    Attributes:
        images: bytes (N, H, W, C).
        temperatures: of each level (L,); ε_l ~ N(0, T_l²).

    """

    images: np.ndarray
    temperatures: tuple[float, ...]


def draw(flow: MultiScaleFlow, n: int, temperatures: Sequence[float], seed: int = 0) -> Samples:
    """Draw n images at one temperature a level; with one seed, other temperatures scale the same ε."""
    latents = flow.sample_latents(n, list(temperatures), torch.Generator().manual_seed(seed))
    return Samples(to_pixels(quantise(decode_all(flow, latents), flow.config.bits)), tuple(temperatures))
