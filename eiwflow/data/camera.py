"""The camera of the drawn data sets: flat colours become photographs with light and grain of known strength.

Flat colours have no density, so bits/dim of them mean nothing. The camera multiplies a picture by a light that falls
off linearly across it and adds Gaussian grain with one standard deviation an image. Both are known exactly, and so is
the entropy of the grain, a floor of bits/dim that no model can beat.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

#: Largest amplitude of the light.
MAX_LIGHT = 0.15
#: Means between two grey levels that the entropy of grain is averaged over.
OFFSETS = 32


def camera_factors(count: int, max_grain: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw grain and light for each of ``count`` images.

    Args:
        count: N.
        max_grain: largest standard deviation of the grain, in grey levels; it is log-uniform from 1.
        rng: drawn from.

    Returns:
        ``grain``: σ in grey levels; ``light``: amplitude, uniform in 0 to 0.15; ``light_direction``: radians from
        the right-hand side towards the bottom, where the light comes from. Each (N,) float32.

    """
    return {
        "grain": np.exp(rng.uniform(0, math.log(max_grain), count)).astype(np.float32),
        "light": rng.uniform(0, MAX_LIGHT, count).astype(np.float32),
        "light_direction": rng.uniform(0, 2 * math.pi, count).astype(np.float32),
    }


def photograph(pictures: np.ndarray, factors: Mapping[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    r"""Photograph flat pictures.

    .. math:: y = \operatorname{clip}(\operatorname{round}(x \cdot (1 + a\,(u \cos\theta + v \sin\theta)) + \sigma n))

    with light amplitude a and direction θ, u and v from −1 to 1 across and down the image, and n standard Gaussian
    noise, independent for every value.

    Args:
        pictures: (N, H, W, 3) in grey levels, 0 to 255.
        factors: see :func:`camera_factors`.
        rng: the grain is drawn from it.

    Returns:
        (N, H, W, 3) uint8.

    """
    height, width = pictures.shape[1:3]
    down, across = (np.linspace(-1, 1, side, dtype=np.float32) for side in (height, width))
    grain, light, direction = (factors[name][:, None, None] for name in ("grain", "light", "light_direction"))
    position = np.cos(direction) * across[None, None] + np.sin(direction) * down[None, :, None]
    values = rng.standard_normal(pictures.shape, dtype=np.float32)
    values *= grain[..., None]
    values += pictures * (1 + light * position)[..., None]
    return np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)


def grain_entropy(sigma: np.ndarray) -> np.ndarray:
    r"""Return the entropy of rounded Gaussian grain, in bits a value.

    .. math:: -\sum_k p_k \log_2 p_k, \qquad p_k = \Phi((k + ½ - \mu)/\sigma) - \Phi((k - ½ - \mu)/\sigma)

    averaged over the mean μ, uniform between two grey levels. Clipping is ignored: where a picture touches 0 or 255 the
    true entropy is a little lower.

    Args:
        sigma: standard deviation of the grain in grey levels, any shape, 0.05 or more.

    Returns:
        bits, of the shape of ``sigma``.

    """
    from scipy.special import ndtr

    sigma = np.asarray(sigma, dtype=np.float64)
    means = (np.arange(OFFSETS) + 0.5) / OFFSETS
    reach = math.ceil(8 * sigma.max(initial=0)) + 1
    edges = np.arange(-reach, reach + 2) - 0.5
    entropy = np.empty(sigma.size)
    for i, s in enumerate(sigma.ravel()):
        p = np.diff(ndtr((edges - means[:, None]) / s), axis=1)
        entropy[i] = -(p * np.log2(p, where=p > 0, out=np.zeros_like(p))).sum() / OFFSETS
    return entropy.reshape(sigma.shape)


def floor_bits_per_dim(sigma: np.ndarray, bits: int = 8) -> float | None:
    """Return the floor of bits/dim over images whose grain has these standard deviations (N,), in grey levels.

    No model can beat the mean entropy of the rounded grain. Values are taken as not clipped, as in
    :func:`grain_entropy`. Bits/dim minus this floor is the cost of everything but grain. It is None for a flow of fewer
    than 8 ``bits``, whose few grey levels hide some of the grain: how much depends on the picture.
    """
    return float(grain_entropy(sigma).mean()) if bits == 8 else None
