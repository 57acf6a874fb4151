"""Verification finds what is broken and names its level: each check is seen failing, alone, in the level broken."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

import pytest
import torch

from eiwflow.analysis.exactness import LOG_DET, ROUND_TRIP
from eiwflow.analysis.verify import CONDITION, Verification, log_det_error, verify
from eiwflow.analysis.words import checkpoint as words
from eiwflow.analysis.words.numbers import factor
from eiwflow.checkpoint import Checkpoint
from eiwflow.flow import MultiScaleFlow
from tests import crossed
from tests.training.tiny import planes, tiny_flow, tiny_info
from tests.words import SPLITS


def images(n: int = 8, size: int | tuple[int, int] = (16, 8), channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(planes(n, size, channels, 2)).permute(0, 3, 1, 2).contiguous()


def three_levels(**fields: object) -> MultiScaleFlow:
    return tiny_flow(**{"shape": (3, 16, 8), "levels": 3, "steps": 2, **fields}).requires_grad_(False)


def verified(flow: MultiScaleFlow, shown: torch.Tensor | None = None) -> Verification:
    return verify(
        Checkpoint("flow.safetensors", flow, tiny_info(flow), "0" * 64), shown, "planes" if shown is not None else ""
    )


# ---------------------------------------------------------------------- what is sound


# An unbounded prior, drawn at random as all parameters here, is not invertible in float32, and is said not to be.
@crossed(split=[*SPLITS, "first+pooled"], prior=["standard", "conditional", "constant"])
def test_every_policy_holds_on_images_and_on_noise(split: str, prior: str) -> None:
    flow = three_levels(split=split, prior=prior)
    for found in (verified(flow, images()), verified(flow)):
        assert found.holds and not found.failed and found.levels_at_fault == []
        assert all(check.measured <= check.bound for check in found.checks if check.bound is not None)


@pytest.mark.parametrize(
    "fields", [{"shape": (1, 2, 2), "levels": 1}, {"shape": (1, 64, 64), "levels": 6}, {"init": "random", "width": 3}]
)
def test_other_shapes_hold(fields: dict) -> None:
    flow = three_levels(**fields)
    channels, size, _ = flow.config.shape
    assert verified(flow, images(8, size, channels)).holds


def test_words_and_rows_state_the_worst_figures_and_what_was_looked_at() -> None:
    found = verified(three_levels(), images(5))
    assert words.badge(found) == "All checks hold"
    assert "Seen on 5 test images of planes." in words.verification(found)
    assert "noise" in words.verification(verified(three_levels()))
    said = re.findall(
        r" (\S+) (?:of its input|nats/dim from|times another).*?\(bound (\S+)\)", words.verification(found)
    )
    worst = [
        max(check.measured for check in found.checks if check.name == name)
        for name in ("round trip", "log-det", "conditioning")
    ]
    bounds = (ROUND_TRIP, LOG_DET, CONDITION)
    assert said == [(factor(figure), factor(bound)) for figure, bound in zip(worst, bounds, strict=True)]
    assert [row["measured"] for row in found.table()] == [check.measured for check in found.checks]
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["holds"] is True


# ---------------------------------------------------------------------- what is broken


def nan_in_a_network(flow: MultiScaleFlow, level: int) -> None:
    flow.levels[level].steps[1].coupling.network[0].weight[0, 0, 0, 0] = math.nan


def a_sign_of_two(flow: MultiScaleFlow, level: int) -> None:
    flow.levels[level].steps[0].mixing.sign[1] = 2


def rows_twice(flow: MultiScaleFlow, level: int) -> None:
    flow.levels[level].steps[0].mixing.permutation[0] = flow.levels[level].steps[0].mixing.permutation[1]


def an_order_with_a_channel_twice(flow: MultiScaleFlow, level: int) -> None:
    flow.levels[level].shuffle.order[0] = flow.levels[level].shuffle.order[1]


def an_inverse_that_forgets(flow: MultiScaleFlow, level: int, share: float = 0.01) -> None:
    inverse = flow.levels[level].inverse
    flow.levels[level].inverse = lambda kept, noise: inverse(kept, noise) * (1 + share)


def a_log_determinant_that_lies(flow: MultiScaleFlow, level: int, by: float = 0.01) -> None:
    """It says ``by`` nats a dimension too many, where it is asked, in any precision."""
    of_class = type(flow.levels[level])

    class Lying(of_class):
        def forward(self, x: torch.Tensor, divergence: bool = False) -> tuple:
            kept, noise, log_det, of_shuffle = super().forward(x, divergence)
            return kept, noise, log_det + by * x[0].numel(), of_shuffle

    flow.levels[level].__class__ = Lying


def an_uneven_convolution(flow: MultiScaleFlow, level: int) -> None:
    flow.levels[level].steps[1].mixing.log_diagonal[0] += math.log(100 * CONDITION)


def a_convolution_that_overflows(flow: MultiScaleFlow, level: int) -> None:
    flow.levels[level].steps[0].mixing.log_diagonal.fill_(200.0)


def a_direction_flattened(flow: MultiScaleFlow, level: int) -> None:
    flow.levels[level].steps[0].actnorm.log_scale[3] = -2000.0


def values_that_overflow(flow: MultiScaleFlow, level: int) -> None:
    """Every parameter is finite and no direction is stretched more than another; e¹²⁰ is beyond float32."""
    for step in flow.levels[level].steps:
        step.actnorm.log_scale.fill_(60.0)


BROKEN: dict[str, tuple[Callable[[MultiScaleFlow, int], None], str]] = {
    "NaN in a network": (nan_in_a_network, "values"),
    "a sign of 2": (a_sign_of_two, "values"),
    "rows that are no permutation": (rows_twice, "values"),
    "an order with a channel twice": (an_order_with_a_channel_twice, "order"),
    "an inverse that forgets": (an_inverse_that_forgets, "round trip"),
    "a log-determinant that lies": (a_log_determinant_that_lies, "log-det"),
    "an uneven convolution": (an_uneven_convolution, "conditioning"),
    "a convolution that overflows": (a_convolution_that_overflows, "conditioning"),
    "values that overflow": (values_that_overflow, "round trip"),
    "a direction flattened": (a_direction_flattened, "conditioning"),
}


@crossed(name=BROKEN, level=(0, 1))
def test_what_is_broken_in_one_level_is_found_there_and_nowhere_else(name: str, level: int) -> None:
    (break_it, check), flow = BROKEN[name], three_levels()
    break_it(flow, level)
    found = verified(flow, images())
    assert not found.holds
    assert found.levels_at_fault == [level + 1]
    assert check in {one.name for one in found.failed}
    assert words.badge(found) == f"Level {level + 1} at fault" and f"level {level + 1} has" in words.verification(found)


def test_levels_behind_one_that_gives_nothing_finite_are_not_judged() -> None:
    flow = three_levels()
    nan_in_a_network(flow, 0)
    left = {(check.level, check.name) for check in verified(flow, images()).checks if check.holds is None}
    assert left == {(level, name) for level in (1, 2, 3) for name in ("round trip", "log-det")}


def test_a_log_determinant_that_lies_of_a_single_image_is_found() -> None:
    """The others' log-determinants are right: the check goes by the worst image."""
    flow, lies = three_levels(), iter([0.0, 0.02, 0.0, 0.0])
    of_class = type(flow.levels[1])

    class Lying(of_class):
        def forward(self, x: torch.Tensor, divergence: bool = False) -> tuple:
            kept, noise, log_det, of_shuffle = super().forward(x, divergence)
            lie = next(lies, 0.0) if x.dtype == torch.double else 0.0
            return kept, noise, log_det + lie * x[0].numel(), of_shuffle

    flow.levels[1].__class__ = Lying
    found = verified(flow, images())
    assert [(check.level, check.name) for check in found.failed] == [(2, "log-det")]
    assert found.failed[0].measured == pytest.approx(0.02, rel=1e-3)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_the_worst_image_decides_whatever_its_batch(batch: int) -> None:
    """The inverse of level 1 is off for one image of eight, by its mean in every value."""
    flow, lies = three_levels(), torch.zeros(8, 1, 1, 1)
    lies[4] = 3 * ROUND_TRIP
    inverse, parts = flow.levels[0].inverse, iter(lies.split(batch))
    flow.levels[0].inverse = lambda kept, noise: inverse(kept, noise) * (1 + next(parts))
    found = verify(Checkpoint("flow.safetensors", flow, tiny_info(flow), "0" * 64), images(), batch=batch)
    assert [(check.level, check.name) for check in found.failed] == [(1, "round trip")]
    assert found.failed[0].measured == pytest.approx(3 * ROUND_TRIP, rel=0.01)


# ---------------------------------------------------------------------- the bounds


@pytest.mark.parametrize(("share", "holds"), [(0.5, True), (2, False)])
def test_an_inverse_and_a_log_determinant_fail_just_beyond_their_bounds(share: float, holds: bool) -> None:
    for break_it, bound in ((an_inverse_that_forgets, ROUND_TRIP), (a_log_determinant_that_lies, LOG_DET)):
        flow = three_levels()
        break_it(flow, 1, share * bound)
        assert verified(flow, images()).holds is holds


def test_a_stated_log_determinant_is_that_of_the_difference_quotients_too() -> None:
    """The Jacobian's own rows against central differences: automatic differentiation is not judge in its own case."""
    level = three_levels().levels[0].double()
    x = 0.3 * torch.randn(1, 3, 4, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))

    def through(x: torch.Tensor) -> torch.Tensor:
        kept, noise, _, _ = level(x)
        return torch.cat([kept.flatten(1), noise.flatten(1)], dim=1)

    moves = 1e-6 * torch.eye(x.numel(), dtype=torch.double).view(-1, 3, 4, 4)
    quotients = (through(x + moves) - through(x - moves)) / 2e-6
    assert float(level(x)[2]) == pytest.approx(float(torch.linalg.slogdet(quotients).logabsdet), abs=1e-5)
    assert log_det_error(level, x) < 1e-12
