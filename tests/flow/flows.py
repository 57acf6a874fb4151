"""Small flows, fresh and ready, and their latents as rows."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

from eiwflow.flow import FlowConfig, Latents, MultiScaleFlow
from eiwflow.flow.config import INITS, ORDERS, PRIORS, WEIGHTS
from eiwflow.options import FLOW

from .. import LONG
from ..words import spelled_out
from .numerics import noise, perturb

POLICIES = [f"{order}+{weights}" for order, row in ORDERS.items() for weights in WEIGHTS if not row.learned]
#: Those whose tests start from principal channels.
OF_PRINCIPAL = [split for split in POLICIES if split.split("+")[0] not in ("first", "last")]

#: Every split policy with every prior and every initialisation.
ARMS = {
    f"{split}, {prior}, {init}": {"split": split, "prior": prior, "init": init}
    for split in POLICIES
    for prior in PRIORS
    for init in INITS
}
#: Every split policy with every prior, for every other number of channels passed on.
ARMS |= {
    f"{split}, {prior}, keep {keep}": {
        "split": split, "prior": prior, "keep": keep,
        "init": "random" if ORDERS[split.split("+")[0]].by_variance is None else "principal",
    }
    for split in POLICIES
    for prior in PRIORS
    for keep in FLOW["keep"].words
    if keep != 0.5 and (keep, split.split("+")[-1]) != ("all", "pooled")
}  # fmt: skip
ARMS |= {
    f"released, {init}, keep {keep}": {"split": "released", "prior": "standard", "init": init, "keep": keep}
    for init in ("random", "principal")
    for keep in FLOW["keep"].words
}


def covering(arms: dict[str, dict[str, Any]], fields: int) -> dict[str, dict[str, Any]]:
    """Return few arms that hold every combination of values of so many fields that some arm holds."""
    held = {name: {*combinations(sorted({"keep": 0.5, **arm}.items(), key=str), fields)} for name, arm in arms.items()}
    chosen, missing = {}, set().union(*held.values())
    while missing:
        name = max(held, key=lambda name: len(held[name] & missing))
        chosen[name] = arms[name]
        missing -= held[name]
    return chosen


def arms(fields: int) -> pytest.MarkDecorator:
    few = ARMS if LONG else covering(ARMS, fields)
    return pytest.mark.parametrize("arm", few.values(), ids=few.keys())


#: In the short form every pair of values of two fields, and every value of every field.
every_arm, every_value = arms(2), arms(1)
#: In the short form few policies that hold every order and all weights, and two of the order that looks at data.
SOME_POLICIES = (
    POLICIES
    if LONG
    else [
        *covering({split: dict(zip(("order", "weights"), split.split("+"), strict=True)) for split in POLICIES}, 1),
        "entropy+pooled",
        "entropy+entropy",
    ]
)
every_policy = pytest.mark.parametrize("split", SOME_POLICIES)


def fresh_flow(seed: int = 0, dtype: torch.dtype = torch.double, **fields: Any) -> MultiScaleFlow:
    """Return a flow that has seen no data: D = 64 and two levels of two steps, or as ``fields`` say."""
    small = {"shape": (1, 8, 8), "levels": 2, "steps": 2, "width": 4}
    return MultiScaleFlow(FlowConfig(**{**small, **spelled_out(fields)}), seed).to(dtype)


def images_for(flow: MultiScaleFlow, n: int, seed: int = 0) -> Tensor:
    """Return n images (n, C, H, W) of noise for the flow, in its precision."""
    return 0.3 * noise(n, *flow.config.shape, seed=seed, dtype=next(flow.parameters()).dtype)


def ready_flow(seed: int = 0, dtype: torch.dtype = torch.double, **fields: Any) -> MultiScaleFlow:
    """Return a flow initialised from data with every parameter moved, so that every part does something."""
    return deepcopy(_ready_flow(seed, dtype, **fields))


@cache
def _ready_flow(seed: int, dtype: torch.dtype, **fields: Any) -> MultiScaleFlow:
    flow = fresh_flow(seed, dtype, **fields)
    flow.initialise(images_for(flow, 64, seed=1000))
    return perturb(flow, 0.05)


def encode_to_rows(flow: MultiScaleFlow, x: Tensor) -> Tensor:
    """Return all ε_l of x as rows (N, D)."""
    return torch.cat([noise.flatten(1) for noise in flow.encode(x).levels], dim=1)


def decode_rows(flow: MultiScaleFlow, rows: Tensor) -> Tensor:
    """Return the images of rows (N, D) of all ε_l."""
    shapes = flow.latent_shapes()
    parts = rows.split([c * h * w for c, h, w in shapes], dim=1)
    return flow.decode(Latents([part.reshape(len(rows), *shape) for part, shape in zip(parts, shapes, strict=True)]))
