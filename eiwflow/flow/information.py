r"""How much structure a channel has: its entropy rate and its redundancy.

Both come from the periodogram. For a stationary Gaussian field the entropy rate is ½ log(2 pi e) + ½ the mean log power
over frequencies (Kolmogorov's formula); white noise of the same power has the largest rate, and the redundancy J is the
distance to it. J is estimated from one field per channel and image: unbiased for white noise, biased down where
opposite edges of a field differ (leakage).
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

#: ½ log(2 pi e): the entropy of N(0, 1) in nats, 1.4189.
GAUSSIAN_ENTROPY = 0.5 * math.log(2 * math.pi * math.e)

#: Values per channel from which its marginal entropy is estimated.
MARGINAL_VALUES = 20_000
#: The fewest values whose spacings give a marginal entropy.
MIN_VALUES = 5

#: Added to every power before its logarithm: a constant channel stays finite.
LEAST_POWER = 1e-12


@lru_cache(maxsize=64)
def _log_power_bias(height: int, width: int) -> Tensor:
    """Return (H, W): minus the mean log of a unit-power periodogram ordinate, so that adding it removes the bias.

    An ordinate of white noise is a unit exponential (mean log −γ); at a self-conjugate frequency it is χ²₁
    (mean log −γ − log 2).
    """
    own_mirror = torch.outer(_is_own_mirror(height), _is_own_mirror(width))
    return (
        torch.tensor(float(torch.special.digamma(torch.tensor(1.0, dtype=torch.double)))).neg()
        + math.log(2) * own_mirror
    )


def _is_own_mirror(length: int) -> Tensor:
    frequencies = torch.arange(length)
    return ((2 * frequencies) % length == 0).double()


def _log_spectrum(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return (log variance, mean log power), each (N, C) float64, both unbiased for white noise."""
    height, width = x.shape[-2:]
    others = height * width - 1
    if others < 1:
        raise ValueError("A field of 1×1 pixels has no spectrum; at least two pixels are needed.")
    power = torch.fft.fft2(x.double() - x.double().mean(dim=(-2, -1), keepdim=True), norm="ortho").abs().square()
    log_power = (power + LEAST_POWER).log() + _log_power_bias(height, width).to(x.device)
    # The zero frequency is the mean, which is removed above.
    mean_log_power = (log_power.sum(dim=(-2, -1)) - log_power[..., 0, 0]) / others
    # E log(χ²_n / n) = digamma(n/2) − log(n/2): small fields would otherwise read as slightly redundant.
    half = torch.tensor(others / 2, dtype=torch.double)
    log_variance = (power.sum(dim=(-2, -1)) / others + LEAST_POWER).log() - (torch.special.digamma(half) - half.log())
    return log_variance, mean_log_power


def redundancy(x: Tensor) -> Tensor:
    r"""Return J per image and channel: how far the entropy rate lies below that of white noise of the same power.

    .. math:: J_c = ½ \log σ_c² − ½ \cdot \mathrm{mean}_{k≠0} [\log P_c(k) + γ + \log 2 · 1(k ≡ −k)]

    Scale-free; 0 for white noise up to the estimate's error, larger the more structure a channel has.

    Shapes: x (N, C, H, W); result (N, C) in nats a pixel, float64.
    """
    log_variance, mean_log_power = _log_spectrum(x)
    return (log_variance - mean_log_power) / 2


def entropy_rate(x: Tensor) -> Tensor:
    """Return Ĥ per image and channel: ½ log(2 pi e) + ½ mean log power. Shapes: x (N, C, H, W); result (N, C), nats."""
    return GAUSSIAN_ENTROPY + _log_spectrum(x)[1] / 2


def marginal_entropy(x: Tensor, values: int = MARGINAL_VALUES, seed: int = 0) -> Tensor:
    """Return the differential entropy (C,) in nats of every channel's values over images and positions, float64.

    Estimator: ``scipy.stats.differential_entropy``, on at most ``values`` values per channel, drawn with a fixed seed;
    NaN for fewer than :data:`MIN_VALUES`.

    Shapes: x (N, C, H, W).
    """
    import numpy as np
    from scipy.stats import differential_entropy

    rows = x.double().permute(1, 0, 2, 3).flatten(1).cpu()
    if rows.shape[1] > values:
        rows = rows[:, torch.randperm(rows.shape[1], generator=torch.Generator().manual_seed(seed))[:values]]
    if rows.shape[1] < MIN_VALUES:
        return torch.full((len(rows),), torch.nan, dtype=torch.double)
    with np.errstate(divide="ignore"):  # of equal values it is −∞
        return torch.as_tensor(differential_entropy(rows.numpy(), axis=1))


def gaussian_entropy(x: Tensor) -> Tensor:
    """Return ½ log(2 pi e σ²) of every image's spatial variance per channel, (N, C) in nats."""
    return GAUSSIAN_ENTROPY + (x.var(dim=(-2, -1), correction=0) + LEAST_POWER).log() / 2
