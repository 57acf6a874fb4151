"""Every bijection of the flow, by name: a new one is tested by adding a row."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from eiwflow.flow import Bijection, FlowConfig
from eiwflow.flow.actnorm import ActNorm
from eiwflow.flow.bijection import reset_parameters
from eiwflow.flow.channel_weights import ChannelWeights
from eiwflow.flow.config import ORDERS, PRIORS, WEIGHTS
from eiwflow.flow.conv1x1 import InvertibleConvolution
from eiwflow.flow.coupling import COUPLINGS, AffineCoupling
from eiwflow.flow.released import ReleasedShuffle
from eiwflow.flow.shuffle import Shuffle
from eiwflow.flow.split import Split, TopPrior
from eiwflow.flow.squeeze import Squeeze
from eiwflow.flow.step import Step

from .numerics import noise, perturb

#: name -> constructor. All take (N, 4, H, W) with even H and W.
BIJECTIONS: dict[str, Callable[[], Bijection]] = {
    "squeeze": lambda: Squeeze(4),
    "actnorm": lambda: ActNorm(4),
    "invertible convolution": lambda: InvertibleConvolution(4),
    **{
        f"coupling {kernels}": lambda kernels=kernels: AffineCoupling(4, 5, kernels, scale_bound=1.5)
        for kernels in ("1-1", "3-1-3", "5-3", "3-3-1-1-5")
    },
    **{
        f"coupling {coupling}, {padding}": lambda coupling=coupling, padding=padding: AffineCoupling(
            4, 5, "3-1-3", 1.5, coupling, padding
        )
        for coupling in COUPLINGS
        for padding in ("zeros", "ones")
    },
    **{
        f"coupling {coupling}, {weights} weights": lambda coupling=coupling, weights=weights: AffineCoupling(
            4, 5, "3-1-3", 1.5, coupling, weights=WEIGHTS[weights].coupling
        )
        for coupling in COUPLINGS
        for weights in ("entropy", "means")
    },
    "step": lambda: Step(4, FlowConfig(width=5)),
    "step of other code": lambda: Step(4, FlowConfig(width=5, coupling="sigmoid", padding="ones")),
    "weights": lambda: ChannelWeights(4),
    **{
        f"shuffle {order}+{weights}": lambda order=order, weights=weights: Shuffle(4, order, weights, 7)
        for order in ORDERS
        for weights in ("none", "pooled")
        if order != "released"
    },
    **{f"split {prior}": lambda prior=prior: Split(4, prior) for prior in PRIORS},
    **{f"shuffle released, {kept} kept": lambda kept=kept: ReleasedShuffle(4, kept) for kept in (1, 2, 3)},
    **{f"weights, {kept} kept": lambda kept=kept: ChannelWeights(4, kept) for kept in (1, 3)},
    **{
        f"shuffle {order}+{weights}, {kept} kept": lambda order=order, weights=weights, kept=kept: Shuffle(
            4, order, weights, 7, kept
        )
        for order in ORDERS
        for weights in ("none", "pooled")
        for kept in (1, 3)
        if order != "released"
    },
    **{
        f"split {prior}, {kept} kept": lambda prior=prior, kept=kept: Split(4, prior, kept)
        for prior in PRIORS
        for kept in (1, 3)
    },
    "split constant by position": lambda: Split(4, "constant", size=(4, 2)),
    "split unbounded, ones": lambda: Split(4, "unbounded", padding="ones"),
    "top prior": lambda: TopPrior(4, 4, 2),
}

every_bijection = pytest.mark.parametrize("make", BIJECTIONS.values(), ids=BIJECTIONS.keys())


def made(make: Callable[[], Bijection]) -> Bijection:
    """Return the bijection in float64, drawn, initialised from data, and every parameter moved."""
    bijection = make().double()
    reset_parameters(bijection, seed=1)
    bijection.initialise(1 + 2 * noise(8, 4, 4, 2, seed=2))
    return perturb(bijection)
