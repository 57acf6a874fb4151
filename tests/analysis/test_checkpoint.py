"""What a flow is made of is counted from its make, and how well it inverts from what its inverse really does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from eiwflow.analysis.checkpoint import PARTS, anatomy, inversion, level_table, step_table
from eiwflow.analysis.levels import dequantised, level_facts
from eiwflow.analysis.words import checkpoint as words
from eiwflow.analysis.words import levels as level_words
from eiwflow.flow import MultiScaleFlow, NonFiniteError, dequantise
from eiwflow.flow.config import PRIORS
from tests import crossed
from tests.training.tiny import planes, tiny_flow
from tests.words import SPLITS


def images(n: int = 8, size: int = 8, channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(planes(n, size, channels, 2)).permute(0, 3, 1, 2).contiguous()


# ---------------------------------------------------------------------- parts


@crossed(split=SPLITS, prior=PRIORS)
def test_parts_add_up_to_the_parameters_of_the_density(split: str, prior: str) -> None:
    flow = tiny_flow(split=split, prior=prior, levels=3)
    made = anatomy(flow)
    assert made.total == sum(made.parameters.values()) == flow.parameter_count()


def test_parameters_of_a_level_are_those_that_its_make_asks_for() -> None:
    """C = 12, K = 2, width 8, 3-1-3."""
    level = anatomy(tiny_flow(steps=2, weights="pooled")).levels[0]
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
    made = anatomy(tiny_flow(levels=levels, shape=(3, 16, 8)))
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
    for level, made in zip(flow.levels, anatomy(flow).levels, strict=True):
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
    found = anatomy(flow).levels[0]
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
    made = anatomy(flow)
    assert made.levels[0].condition == pytest.approx([1, 1, 1])
    assert made.levels[1].condition == pytest.approx([1, 40, 1], rel=1e-5)
    assert (made.worst.number, made.worst.worst_step) == (2, 2)
    assert "level 2, step 2" in words.condition(made) and " 40 times" in words.condition(made)


def test_a_convolution_that_overflows_is_a_sentence() -> None:
    flow = tiny_flow()
    with torch.no_grad():
        flow.levels[1].steps[0].mixing.log_diagonal.fill_(200.0)
    with pytest.raises(NonFiniteError, match="Level 2"):
        anatomy(flow)


# ---------------------------------------------------------------------- inversion


@crossed(split=SPLITS, prior=PRIORS)
def test_every_level_inverts_to_rounding(split: str, prior: str) -> None:
    flow = tiny_flow(split=split, prior=prior, levels=3)
    rough, exact = inversion(flow, images()), inversion(flow.double(), images())
    for found, bound in ((rough, 1e-3), (exact, 1e-11)):
        assert all(0 < level.relative < bound for level in found.levels)
        assert 0 < found.relative < bound and 0 < found.max_abs < bound


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
    found = inversion(flow, images())
    assert found.levels[1].max_abs == pytest.approx(0.25, abs=1e-4)
    assert found.levels[0].max_abs < 1e-3 and found.levels[2].max_abs < 1e-3
    assert found.max_abs > 1e-3
    assert "level 2 inverts least exactly" in words.inversion(found)


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
    found = inversion(flow, shades, batch)
    # Of grey 127 only the dequantisation noise is left, whose norm is small: the same error is a large part of it.
    expected = 0.25 * math.sqrt(192) / (math.sqrt(192 / 3) / 256)
    for errors in (found, found.levels[0]):
        assert errors.max_abs == pytest.approx(0.25, abs=1e-3)
        assert errors.relative == pytest.approx(expected, rel=0.1)


def test_errors_do_not_depend_on_the_batches() -> None:
    flow = tiny_flow(weights="pooled").double()
    one, several = inversion(flow, images(9), batch=9), inversion(flow, images(9), batch=4)
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

    found = inversion(flow, images())
    for level in flow.levels:
        for step in level.steps:
            step.coupling.register_forward_hook(watch)
    flow.trace(dequantise(images(), torch.Generator().manual_seed(0)))
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
    low, high = inversion(flow, images()).levels[0].coupling[1]
    assert low == pytest.approx(math.exp(0.5 * math.tanh(-0.6)), rel=1e-5)
    assert high == pytest.approx(math.exp(0.5 * math.tanh(0.4)), rel=1e-5)


def test_weights_and_prior_are_what_the_level_applies() -> None:
    flow = tiny_flow(weights="pooled")
    level = flow.levels[0]
    constant(level.shuffle.weights.kept.out, torch.linspace(-0.1, 0.0, 6))
    constant(level.shuffle.weights.emitted.out, torch.linspace(0.0, 0.3, 6))
    constant(level.split.prior, torch.cat([torch.full((6,), 5.0), torch.linspace(-1.0, 0.5, 6)]))
    found = inversion(flow, images()).levels[0]
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
    found = inversion(flow, images())
    values = torch.cat([omega.flatten() for each in seen for omega in each])
    assert values.min() < 0
    assert found.levels[0].weights == pytest.approx((float(values.min()), float(values.max())), rel=1e-5)
    shown = words.cells(anatomy(flow), found)[0]["weights ω seen"]
    assert [float(end.replace("−", "-")) for end in shown.split(" … ")] == pytest.approx(
        found.levels[0].weights, abs=0.005
    )


@pytest.mark.parametrize(
    ("fields", "weights", "prior"),
    [({"split": "entropy"}, True, False), ({"prior": "standard", "weights": "pooled"}, False, True)],
)
def test_what_a_level_lacks_has_no_factors(fields: dict[str, str], weights: bool, prior: bool) -> None:
    first, last = inversion(tiny_flow(**fields), images()).levels
    assert (first.weights is None, first.prior is None) == (weights, prior)
    assert last.weights is None and last.prior is None


# ---------------------------------------------------------------------- tables and words


def test_tables_hold_a_row_a_level_and_a_step() -> None:
    flow = tiny_flow(levels=3, steps=2, weights="pooled")
    made, seen = anatomy(flow), inversion(flow, images())
    rows, steps = level_table(made, seen), step_table(made, seen)
    assert [row["level"] for row in rows] == [1, 2, 3] and len(steps) == 6
    for row, level in zip(rows, made.levels, strict=True):
        assert row["parameters"] == sum(row[f"parameters_{part}"] for part in PARTS)
        of_level = [step for step in steps if step["level"] == level.number]
        assert row["condition_worst"] == max(step["condition"] for step in of_level)
        assert row["coupling_scale_max"] == max(step["coupling_scale_max"] for step in of_level)
        assert row["singular_value_min"] == min(step["singular_value_min"] for step in of_level)
        whole = seen.levels[level.number - 1]
        assert (row["inversion_max_abs"], row["inversion_relative"]) == (whole.max_abs, whole.relative)
        for name, ends in (("weight", whole.weights), ("prior_sigma", whole.prior)):
            assert (row[f"{name}_min"], row[f"{name}_max"]) == (ends or (None, None))
    assert rows[-1]["weight_min"] is None and rows[0]["weight_min"] < rows[0]["weight_max"]


def test_a_level_s_facts_say_how_much_the_weights_inside_its_couplings_vary() -> None:
    flow = tiny_flow(weights="entropy", steps=2)
    trace = flow.trace(torch.cat(list(dequantised(flow, images(40), batch=40))))
    first, last = level_facts(trace)
    everything = np.concatenate([each.numpy() for each in trace.levels[0].coupling_weights.values()], axis=1)
    assert first.coupling_spread == pytest.approx(np.sqrt(everything.var(axis=0).mean()), rel=1e-4)
    assert last.coupling_spread is None
    assert f"couplings vary by ±{first.coupling_spread:.2f} between images" in level_words.level(first)
