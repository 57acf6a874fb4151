"""One report: a flow's parts are counted from its make, its inverse is really made, and what is broken is named."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from eiwflow.analysis.evaluate import images_to_score
from eiwflow.analysis.exactness import LOG_DET, ROUND_TRIP
from eiwflow.analysis.report import CONDITION, IMAGES, PARTS, Report, inspect, log_det_error, verify
from eiwflow.checkpoint import Checkpoint, load, save
from eiwflow.flow import FlowConfig, MultiScaleFlow, dequantise
from eiwflow.flow.bijection import generator_for
from eiwflow.flow.config import PRIORS
from tests import crossed
from tests.training.tiny import planes, tiny_data, tiny_flow, tiny_info
from tests.words import SPLITS


def images(n: int = 8, size: int | tuple[int, int] = 8, channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(planes(n, size, channels, 2)).permute(0, 3, 1, 2).contiguous()


def verified(flow: MultiScaleFlow, shown: torch.Tensor | None = None, batch: int = IMAGES) -> Report:
    checkpoint = Checkpoint("flow.safetensors", flow, tiny_info(flow), "0" * 64)
    return verify(checkpoint, shown, "" if shown is None else "planes", batch)


# ---------------------------------------------------------------------- parts


@crossed(split=SPLITS, prior=PRIORS)
def test_parts_add_up_to_the_parameters_of_the_density(split: str, prior: str) -> None:
    flow = tiny_flow(split=split, prior=prior, levels=3)
    made = verified(flow)
    assert made.total == sum(made.parameters.values()) == flow.parameter_count()


def test_parameters_of_a_level_are_those_that_its_make_asks_for() -> None:
    """C = 12, K = 2, width 8, 3-1-3."""
    level = verified(tiny_flow(steps=2, weights="pooled")).levels[0]
    network = (6 * 9 * 8 + 8) + (8 * 8 + 8) + (8 * 9 * 12 + 12)
    solver = (12 * 24 + 24) + (24 * 6 + 6)
    assert level.parameters == {
        "actnorm": 2 * 2 * 12,
        "mixing": 2 * (2 * 12 * 12 + 12),
        "coupling": 2 * network,
        "shuffle": 2 * solver,
        "prior": 6 * 9 * 12 + 12,
    }


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_shapes_lead_from_level_to_level_and_lose_no_number(levels: int) -> None:
    made = verified(tiny_flow(levels=levels, shape=(3, 16, 8)))
    assert (
        made.levels[0].shape == (12, 8, 4)
        and made.levels[0].shape_in == made.config.shape
        and made.levels[-1].kept is None
    )
    for before, after in zip(made.levels, made.levels[1:], strict=False):
        assert before.kept == after.shape_in
    assert sum(math.prod(level.emitted) for level in made.levels) == made.config.dimensions


# ---------------------------------------------------------------------- conditioning


def test_singular_values_are_those_of_what_a_step_really_does_to_a_pixel() -> None:
    flow = tiny_flow(steps=3)
    for level, made in zip(flow.levels, verified(flow).levels, strict=True):
        for step, values in zip(level.steps, made.singular_values, strict=True):
            affine = lambda x, step=step: step.mixing(step.actnorm(x[None, :, None, None])[0])[0].flatten()  # noqa: E731
            jacobian = torch.autograd.functional.jacobian(affine, torch.randn(step.channels))
            assert values == pytest.approx(torch.linalg.svdvals(jacobian).numpy(), rel=1e-4)


def test_actnorm_scales_the_columns_and_not_the_rows() -> None:
    """[[1, 3], [0, 1]] with columns scaled by 2 and 1 has another condition number than with its rows."""
    flow = tiny_flow()
    step, matrix = flow.levels[0].steps[0], torch.eye(12, dtype=torch.double)
    matrix[0, 1] = 3
    step.mixing.set_matrix(matrix)
    with torch.no_grad():
        step.actnorm.log_scale.zero_()[0] = math.log(2)
    known = np.linalg.svd([[2.0, 3.0], [0.0, 1.0]], compute_uv=False)
    found = verified(flow).levels[0]
    assert found.condition[0] == pytest.approx(known[0] / known[1], rel=1e-5)


def test_the_worst_step_is_found_and_named() -> None:
    flow = tiny_flow(steps=3)
    for level in flow.levels:
        for step in level.steps:
            step.mixing.set_matrix(torch.eye(step.channels, dtype=torch.double))
            torch.nn.init.zeros_(step.actnorm.log_scale)
    diagonal = torch.ones(24, dtype=torch.double)
    diagonal[5], diagonal[7] = 20, 0.5
    flow.levels[1].steps[1].mixing.set_matrix(torch.diag(diagonal))
    made = verified(flow)
    assert made.levels[0].condition == pytest.approx([1, 1, 1])
    assert made.levels[1].condition == pytest.approx([1, 40, 1], rel=1e-5)
    assert made.levels[1].worst_step == 2


# ---------------------------------------------------------------------- inversion


def off_by(flow: MultiScaleFlow, number: int, amount: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one level's inverse be wrong by so much in one number of every image."""
    level = flow.levels[number - 1]
    right = level.inverse

    def wrong(kept: torch.Tensor | None, noise: torch.Tensor) -> torch.Tensor:
        x = right(kept, noise).clone()
        x[:, 0, 0, 0] += amount
        return x

    monkeypatch.setattr(level, "inverse", wrong)


def test_a_wrong_inverse_is_found_at_its_level_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = tiny_flow(levels=3)
    off_by(flow, 2, 0.25, monkeypatch)
    first, second, third = verified(flow, images()).levels
    assert first.max_abs < 1e-3 and second.max_abs == pytest.approx(0.25, abs=1e-4)
    assert math.isnan(third.max_abs) and np.isnan(third.coupling).all()


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_errors_are_the_largest_over_images_and_relative_to_an_images_norm(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the inverse of the middle one of a black, a grey and a black image is wrong."""
    flow = tiny_flow()
    shades = torch.tensor([0, 127, 0], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 8, 8).contiguous()
    right = flow.levels[0].inverse

    def wrong(kept: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        x = right(kept, noise)
        is_grey = x.flatten(1).mean(dim=1) > -0.1
        return x + 0.25 * is_grey.view(-1, 1, 1, 1)

    monkeypatch.setattr(flow.levels[0], "inverse", wrong)
    found = verified(flow, shades, batch)
    # Of grey 127 only the dequantisation noise is left, whose norm is small: the same error is a large part of it.
    expected = 0.25 * math.sqrt(192) / (math.sqrt(192 / 3) / 256)
    assert found.levels[0].max_abs == pytest.approx(0.25, abs=1e-3)
    assert found.levels[0].relative == pytest.approx(expected, rel=0.1)


def test_errors_do_not_depend_on_the_batches() -> None:
    flow = tiny_flow(weights="pooled").double()
    one, several = verified(flow, images(9), batch=9), verified(flow, images(9), batch=4)
    for a, b in zip(one.levels, several.levels, strict=True):
        assert a.coupling == pytest.approx(b.coupling, rel=1e-6)
    assert one.levels[0].prior == pytest.approx(several.levels[0].prior, rel=1e-6)
    assert one.levels[0].weights == pytest.approx(several.levels[0].weights, rel=1e-6)


# ---------------------------------------------------------------------- factors seen


def test_factors_are_those_of_the_way_that_images_take() -> None:
    flow = tiny_flow(steps=3)
    seen: dict[int, tuple[float, float]] = {}

    def watch(coupling: torch.nn.Module, given: tuple[torch.Tensor], _: object) -> None:
        scale = coupling.affine(given[0].chunk(2, dim=1)[0])[0].exp()
        seen[id(coupling)] = (float(scale.min()), float(scale.max()))

    found = verified(flow, images())
    for level in flow.levels:
        for step in level.steps:
            step.coupling.register_forward_hook(watch)
    flow.trace(dequantise(images(), generator_for(0, "verify")))
    for level, of_level in zip(flow.levels, found.levels, strict=True):
        known = [seen[id(step.coupling)] for step in level.steps]
        assert of_level.coupling == pytest.approx(np.array(known), rel=1e-4)


def constant(layer: torch.nn.Module, bias: torch.Tensor) -> None:
    """Make a layer give its bias, whatever it is given."""
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(bias)


def test_scales_of_a_coupling_are_those_that_its_network_decides() -> None:
    flow = tiny_flow(steps=2, scale_bound=0.5, weights="none")
    raw = torch.zeros(12)
    raw[0], raw[1], raw[7] = 0.2, -0.3, 9.0  # the last six are shifts
    constant(flow.levels[0].steps[1].coupling.network[-1], raw)
    low, high = verified(flow, images()).levels[0].coupling[1]
    assert low == pytest.approx(math.exp(0.5 * math.tanh(-0.6)), rel=1e-5)
    assert high == pytest.approx(math.exp(0.5 * math.tanh(0.4)), rel=1e-5)


def test_weights_and_prior_are_what_the_level_applies() -> None:
    flow = tiny_flow(weights="pooled")
    level = flow.levels[0]
    constant(level.shuffle.weights.kept.out, torch.linspace(-0.1, 0.0, 6))
    constant(level.shuffle.weights.emitted.out, torch.linspace(0.0, 0.3, 6))
    constant(level.split.prior, torch.cat([torch.full((6,), 5.0), torch.linspace(-1.0, 0.5, 6)]))
    found = verified(flow, images()).levels[0]
    assert found.weights == pytest.approx((math.exp(2 * math.tanh(-0.05)), math.exp(2 * math.tanh(0.15))), rel=1e-5)
    assert found.prior == pytest.approx((math.exp(4 * math.tanh(-0.25)), math.exp(4 * math.tanh(0.125))), rel=1e-5)


def test_weights_inside_couplings_may_be_below_zero() -> None:
    """Their logarithm was taken, so that the weights of bundled flows were "not finite"."""
    flow, seen = tiny_flow(steps=2, weights="entropy"), []
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    for step in flow.levels[0].steps:
        weigh = step.coupling.channel_weights
        step.coupling.channel_weights = lambda x, weigh=weigh: seen.append(weigh(x)) or seen[-1]
    found = verified(flow, images())
    values = torch.cat([omega.flatten() for each in seen for omega in each])
    assert values.min() < 0
    assert found.levels[0].weights == pytest.approx((float(values.min()), float(values.max())), rel=1e-5)


@pytest.mark.parametrize(
    ("fields", "weights", "prior"),
    [({"split": "entropy"}, True, False), ({"prior": "standard", "weights": "pooled"}, False, True)],
)
def test_what_a_level_lacks_has_no_factors(fields: dict[str, str], weights: bool, prior: bool) -> None:
    first, last = verified(tiny_flow(**fields), images()).levels
    assert (bool(np.isnan(first.weights).all()), bool(np.isnan(first.prior).all())) == (weights, prior)
    assert np.isnan(last.weights).all() and np.isnan(last.prior).all()


# ---------------------------------------------------------------------- tables and words


def test_tables_hold_a_row_a_level_and_a_step() -> None:
    flow = tiny_flow(levels=3, steps=2, weights="pooled")
    made = verified(flow, images())
    rows, steps = made.tables()["levels"], made.tables()["steps"]
    assert [row["level"] for row in rows] == [1, 2, 3] and len(steps) == 6
    for row, level in zip(rows, made.levels, strict=True):
        assert row["parameters"] == sum(row[f"parameters_{part}"] for part in PARTS)
        of_level = [step for step in steps if step["level"] == level.number]
        assert row["condition_worst"] == max(step["condition"] for step in of_level)
        assert row["coupling_scale_max"] == max(step["coupling_scale_max"] for step in of_level)
        assert row["singular_value_min"] == min(step["singular_value_min"] for step in of_level)
        assert (row["inversion_max_abs"], row["inversion_relative"]) == (level.max_abs, level.relative)
    assert rows[-1]["weight_min"] is None and rows[0]["weight_min"] < rows[0]["weight_max"]


# ---------------------------------------------------------------------- what is sound


def three_levels(**fields: object) -> MultiScaleFlow:
    return tiny_flow(**{"shape": (3, 16, 8), "levels": 3, "steps": 2, **fields}).requires_grad_(False)


def wide(n: int = 8) -> torch.Tensor:
    return images(n, (16, 8))


# An unbounded prior, drawn at random as all parameters here, is not invertible in float32, and is said not to be.
@crossed(split=[*SPLITS, "first+pooled"], prior=["standard", "conditional", "constant"])
def test_every_policy_holds_on_images_and_on_noise(split: str, prior: str) -> None:
    flow = three_levels(split=split, prior=prior)
    for found in (verified(flow, wide()), verified(flow)):
        assert found.holds and not found.failed and found.levels_at_fault == []
        assert all(check.measured <= check.bound for check in found.checks if check.bound is not None)


@pytest.mark.parametrize(
    "fields", [{"shape": (1, 2, 2), "levels": 1}, {"shape": (1, 64, 64), "levels": 6}, {"init": "random", "width": 3}]
)
def test_other_shapes_hold(fields: dict) -> None:
    flow = three_levels(**fields)
    channels, *size = flow.config.shape
    assert verified(flow, images(8, tuple(size), channels)).holds


def test_the_worst_figures_are_the_largest_over_levels() -> None:
    found = verified(three_levels(), wide(5))
    assert "5 test images of planes" in found.images and "noise" in verified(three_levels()).images
    for name in ("round trip", "log-det", "conditioning"):
        assert found.worst(name) == max(check.measured for check in found.checks if check.name == name)
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
    found = verified(flow, wide())
    assert not found.holds
    assert found.levels_at_fault == [level + 1]
    assert check in {one.name for one in found.failed}


def test_levels_behind_one_that_gives_nothing_finite_are_not_judged() -> None:
    flow = three_levels()
    nan_in_a_network(flow, 0)
    left = {(check.level, check.name) for check in verified(flow, wide()).checks if check.holds is None}
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
    found = verified(flow, wide())
    assert [(check.level, check.name) for check in found.failed] == [(2, "log-det")]
    assert found.failed[0].measured == pytest.approx(0.02, rel=1e-3)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_the_worst_image_decides_whatever_its_batch(batch: int) -> None:
    """The inverse of level 1 is off for one image of eight, by its mean in every value."""
    flow, lies = three_levels(), torch.zeros(8, 1, 1, 1)
    lies[4] = 3 * ROUND_TRIP
    inverse, parts = flow.levels[0].inverse, iter(lies.split(batch))
    flow.levels[0].inverse = lambda kept, noise: inverse(kept, noise) * (1 + next(parts))
    found = verified(flow, wide(), batch)
    assert [(check.level, check.name) for check in found.failed] == [(1, "round trip")]
    assert found.failed[0].measured == pytest.approx(3 * ROUND_TRIP, rel=0.01)


# ---------------------------------------------------------------------- the bounds


@pytest.mark.parametrize(("share", "holds"), [(0.5, True), (2, False)])
def test_an_inverse_and_a_log_determinant_fail_just_beyond_their_bounds(share: float, holds: bool) -> None:
    for break_it, bound in ((an_inverse_that_forgets, ROUND_TRIP), (a_log_determinant_that_lies, LOG_DET)):
        flow = three_levels()
        break_it(flow, 1, share * bound)
        assert verified(flow, wide()).holds is holds


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


# ---------------------------------------------------------------------- beside what the file says


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    flow = tiny_flow(steps=2, weights="pooled")
    save(tmp_path / "flow.safetensors", flow, tiny_info(flow))
    return load(tmp_path / "flow.safetensors")


def test_inspect_states_the_file_s_document_and_the_report(checkpoint: Checkpoint) -> None:
    data = tiny_data(test=56)
    result = inspect(checkpoint, data)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert FlowConfig.from_dict(result["config"]) == checkpoint.info.config
    assert (result["step"], result["seed"], result["data"], result["sha256"]) == (7, 5, "planes", checkpoint.sha256)
    report = verify(checkpoint, images_to_score(data, checkpoint.flow, IMAGES), data.name)
    assert result["parameters"] == report.total and result["inversion"]["max_abs"] == report.max_abs
    assert {name: result["tables"][name] for name in report.tables()} == report.tables()
    assert inspect(checkpoint, None)["inversion"]["images"] == "16 images of noise"


def test_the_table_of_the_file_has_every_field_of_its_document(checkpoint: Checkpoint) -> None:
    rows = {(row["group"], row["field"]): row["value"] for row in inspect(checkpoint, None)["tables"]["file"]}
    info, config = checkpoint.info, checkpoint.info.config.to_dict()
    said = {("flow", name): "3×8×8" if name == "shape" else str(value) for name, value in config.items()}
    said["flow", "channel weights"] = said.pop(("flow", "weights"))
    said |= {("training", name): value for name, value in (("data", "planes"), ("step", "7"), ("seed", "5"))}
    said |= {("training", name): str(value) for name, value in info.recipe.items()}
    said |= {("measured then", name): str(value) for name, value in info.metrics.items()}
    said |= {("measured then", "temperature"): str(info.temperature)}
    said |= {("software", name): version for name, version in info.versions.items()}
    said |= {("file", "sha256"): checkpoint.sha256, ("file", "command"): "python -m eiwflow train"}
    assert rows == said
