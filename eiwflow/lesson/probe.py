"""A flow of one dimension, fitted to the values of one pixel: the lesson counts its bits before those of a face.

The map from a value x in grey levels to its noise is a line and a few smooth steps, all of which rise:

    z(x) = offset + slope x + Σ_k height_k tanh((x − middle_k) / width_k)

so that −log₂ p(x) = −log₂ N(z(x)) − log₂ z'(x), with the standard normal density N.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..flow.split import standard_normal_log_prob
from ..training.optimiser import WithoutCompiler

#: Number of smooth steps, least width of a step in standard deviations of the values, and largest height of a step.
STEPS, LEAST_WIDTH, MOST_HEIGHT = 3, 0.35, 3.0
#: Least slope of the line, in noise per standard deviation of the values: the tails of the density are Gaussian.
LEAST_SLOPE = 0.3
#: Iterations of the fit.
ITERATIONS = 60


class LBFGS(WithoutCompiler, torch.optim.LBFGS):
    """torch's L-BFGS, without its compiler."""


class Curve(nn.Module):
    """The map of the module's docstring.

    Example:
        >>> curve = Curve(np.random.default_rng(0).normal(100, 20, 200))
        >>> noise, log_slope = curve(torch.tensor([100.0], dtype=torch.float64))
        >>> abs(float(noise)) < 0.3
        True

    """

    def __init__(self, values: np.ndarray) -> None:
        """Fit the map to values (N,) in grey levels, by maximum likelihood."""
        super().__init__()
        x = torch.as_tensor(values, dtype=torch.float64)
        self.mean, self.std = float(x.mean()), max(float(x.std()), 1.0)
        self.middles = torch.quantile(x, (torch.arange(STEPS) + 0.5).double() / STEPS)
        self.free = nn.Parameter(torch.zeros(2 + 2 * STEPS, dtype=torch.float64))
        optimiser = LBFGS([self.free], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimiser.zero_grad()
            noise, log_slope = self(x)
            nats = -(standard_normal_log_prob(noise[:, None]) + log_slope).mean()
            nats.backward()
            return nats

        optimiser.step(loss)
        self.requires_grad_(False)

    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return offset (), slope (), heights, middles and widths (K,) of the map, for x in grey levels."""
        offset, slope = self.free[0], LEAST_SLOPE + softplus(self.free[1])
        heights, widths = self.free[2:].split(STEPS)
        return (
            offset - slope * self.mean / self.std,
            slope / self.std,
            MOST_HEIGHT * heights.sigmoid(),
            self.middles,
            self.std * (LEAST_WIDTH + softplus(widths)),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the noise z (N,) of values x (N,) in grey levels, and log z'(x) (N,) in nats."""
        offset, slope, heights, middles, widths = self.parts()
        steps = torch.tanh((x[:, None] - middles) / widths)
        noise = offset + slope * x + (heights * steps).sum(1)
        return noise, (slope + (heights / widths * (1 - steps.square())).sum(1)).log()


def probe_facts(images: Tensor) -> dict[str, Any]:
    """Return the middle pixel's last colour in images (N, C, H, W) uint8, and the map fitted to its values."""
    values = images[:, -1, images.shape[2] // 2, images.shape[3] // 2].numpy()
    offset, slope, *steps = Curve(values).parts()
    return {
        "values": values.tolist(),
        "name": "Blue" if images.shape[1] == 3 else "Grey",
        "offset": float(offset),
        "slope": float(slope),
        "steps": [[float(part) for part in step] for step in zip(*steps, strict=True)],
        "range": [0, 255],
    }
