r"""Channel partitions: which half of a level's channels each coupling reads, set before the first training step.

A coupling subtracts from one half of the channels the prediction by the other half; a pair of couplings does so both
ways. Mutual information between two channels of the same half is left to other couplings. With halves that only change
places (:func:`alternating`) no coupling removes it. :func:`by_information` estimates the mutual information between
channels, and gives each pair of couplings the halves with the most between them; information that a pair has used
counts less for the next. :func:`at_random` draws as many different halves without an estimate.

Where a level splits, its last pair of couplings has the halves of the order (:meth:`.policies.Order.last_half`). The
others ignore this pair: taking it into account gained nothing on held-out photographs, over three seeds.

A partition of K couplings is a list of K arrangements: the channel numbers (C,) as they stand at each coupling, the
half that it reads first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .bijection import generator_for

#: Distance in pixels up to which neighbours predict a channel; independent of the network's kernel sizes.
REACH = 1
NEIGHBOURS = [(down, right) for down in range(-REACH, REACH + 1) for right in range(-REACH, REACH + 1)]
#: Factor for mutual information that an earlier pair of couplings has used.
SEEN_ONCE = 0.3
#: Random starts of the search, of which the best result counts; fewer starts, and the channels from which they apply.
STARTS, FEWER_STARTS, MANY = 16, 4, 192
#: Least power of a channel, as a share of the mean channel's: a far weaker channel predicts little.
FAINT = 1e-3
#: Share of a neighbour's power that is treated as its own noise, so that every system of equations is regular.
RIDGE = 1e-3
#: The largest R² that counts, which ends a channel's information about another at 3.5 nats.
MOST_EXPLAINED = 0.999

#: (channels as the first coupling would get them (N, C, H, W), K, the half (C,) bool that the last pair is of where the
#: level splits, seed) to K arrangements.
Partition = Callable[[Tensor, int, Tensor | None, int], list[Tensor]]


def alternating(x: Tensor, steps: int, last: Tensor | None = None, seed: int = 0) -> list[Tensor]:
    """Return K arrangements of the channels of x: the first half and the second, which change places.

    Shapes: x (N, C, H, W), the level's channels as its first coupling would get them.
    """
    del last, seed
    channels = torch.arange(x.shape[1])
    return [channels.roll(step % 2 * (len(channels) // 2)) for step in range(steps)]


def at_random(x: Tensor, steps: int, last: Tensor | None = None, seed: int = 0) -> list[Tensor]:
    """Return K arrangements of the channels of x, every pair of random halves that do not depend on x.

    If it is given, the last pair is the half ``last`` (C,) bool and its complement.
    """
    count = x.shape[1]
    generator = generator_for(seed, f"halves of {count} channels")
    drawn = [torch.randperm(count, generator=generator) for _ in range(pairs(steps))]
    halves = [larger_first(torch.isin(torch.arange(count), order[: count // 2])) for order in drawn]
    return arranged(halves if last is None else [*halves[1:], last], steps)


def by_information(x: Tensor, steps: int, last: Tensor | None = None, seed: int = 0) -> list[Tensor]:
    """Return K arrangements of the channels of x by the mutual information between them.

    If it is given, the last pair is the half ``last`` (C,) bool and its complement; one or two couplings get
    nothing else.
    """
    del seed  # depends on the data alone
    weights, stated = dependence(x.double()).cpu(), [] if last is None else [last]
    halves: list[Tensor] = []
    while len(halves) + len(stated) < pairs(steps):
        halves.append(larger_first(best_halves(weights, len(halves))))
        weights = seen(weights, halves[-1])
    return arranged([*halves, *stated], steps)


def pairs(steps: int) -> int:
    """Return the pairs of K couplings; of an odd number the first coupling has no partner."""
    return (steps + 1) // 2


def larger_first(half: Tensor) -> Tensor:
    """Return the half (C,) bool or its complement: the one of lower mean channel number, so of larger variance."""
    channels = torch.arange(len(half))
    return half if channels[half].sum() <= channels[~half].sum() else ~half


def arranged(halves: list[Tensor], steps: int) -> list[Tensor]:
    """Return K arrangements, from the last of these halves (C,) bool; each is used twice, once in each direction."""
    channels, stands = torch.arange(len(halves[0])), []
    for half in halves:
        stands += [torch.cat([channels[half], channels[~half]]), torch.cat([channels[~half], channels[half]])]
    return stands[-steps:]


def seen(weights: Tensor, half: Tensor) -> Tensor:
    """Return the mutual information (C, C) that is left after a pair of couplings with this half."""
    return torch.where(half[:, None] != half, SEEN_ONCE * weights, weights)


def covariances(x: Tensor, reach: int) -> dict[tuple[int, int], Tensor]:
    """Return E[x_i(p + d) x_j(p)] for every offset d of at most ``reach`` rows and columns, each (C, C).

    Beyond its edges a field is 0, so the covariances are those of a stationary field.

    Shapes: x (N, C, H, W), means removed.
    """
    height, width = x.shape[2:]
    products = {}
    for down in range(reach + 1):
        for right in range(-reach, reach + 1):
            ahead = x[:, :, down:, max(right, 0) : width + min(right, 0)]
            here = x[:, :, : max(height - down, 0), max(-right, 0) : max(width - max(right, 0), 0)]
            rows = [part.permute(1, 0, 2, 3).flatten(1) for part in (ahead, here)]
            products[down, right] = rows[0] @ rows[1].T * (x.shape[1] / x.numel())
            products[-down, -right] = products[down, right].T
    return products


def dependence(x: Tensor) -> Tensor:
    """Return the mutual information of every two channels, in nats: :func:`explained` and its transpose."""
    information = explained(x)
    return information + information.T


def explained(x: Tensor) -> Tensor:
    r"""Return the mutual information of every channel with every other, (C, C) in nats: row i predicts column j.

    .. math:: I(x_i(p + d), |d| ≤ 1; x_j(p)) = −½ \log(1 − R²)

    the linear part of the mutual information between a channel's value and the 3×3 values around the same place of
    another channel. R² is of the regression on nine values, from the channels' covariances; like any R² it is too large
    by about 9/n in the mean for n values.

    Shapes: x (N, C, H, W), float64.
    """
    x = x - x.mean(dim=(0, 2, 3), keepdim=True)
    power = x.square().mean(dim=(0, 2, 3), keepdim=True)
    covariance = covariances(x / (power + FAINT * power.mean() + torch.finfo(x.dtype).tiny).sqrt(), 2 * REACH)
    own = torch.stack(
        [
            torch.stack([covariance[a[0] - b[0], a[1] - b[1]].diagonal() for b in NEIGHBOURS], dim=-1)
            for a in NEIGHBOURS
        ],
        dim=-2,
    )
    own = own + RIDGE * torch.eye(len(NEIGHBOURS), dtype=x.dtype, device=x.device)
    cross = torch.stack([covariance[d] for d in NEIGHBOURS], dim=1)  # (C of the neighbours, 9, C of the value)
    explained = (cross * torch.linalg.solve(own, cross)).sum(dim=1)
    return (-0.5 * torch.log1p(-explained.clamp(0, MOST_EXPLAINED))).fill_diagonal_(0)


def best_halves(weights: Tensor, draw: int = 0) -> Tensor:
    """Return the half (C,) bool of the channels that has the largest sum of ``weights`` (C, C) with the other half.

    By ``scipy.optimize.quadratic_assignment`` from :data:`STARTS` random assignments: a local optimum, which depends on
    (weights, draw) alone.
    """
    from scipy.optimize import quadratic_assignment

    channels = len(weights)
    first = (np.arange(channels) < channels // 2).astype(float)
    across = np.outer(first, 1 - first) + np.outer(1 - first, first)
    searches = [
        quadratic_assignment(
            weights.numpy(),
            across,
            options={"maximize": True, "P0": "randomized", "rng": np.random.default_rng([draw, start])},
        )
        for start in range(STARTS if channels < MANY else FEWER_STARTS)
    ]
    return torch.as_tensor(max(searches, key=lambda search: search.fun).col_ind < channels // 2)
