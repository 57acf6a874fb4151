"""Channel weights: their averages, what freezing costs, what they tell; worked out anew by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from eiwflow.analysis import weights as module
from eiwflow.analysis.intervals import of_mean_over_images
from eiwflow.analysis.levels import dequantised, trace_of
from eiwflow.analysis.weights import (
    CHANGES,
    SPLIT,
    Change,
    Omegas,
    PictureWeights,
    Place,
    changed,
    channel_maps,
    freeze,
    measure,
    omegas,
    prices,
    read_factors,
    regressands,
    ridge,
    with_frozen_weights,
)
from eiwflow.data import Factor
from eiwflow.flow import ConfigError, MultiScaleFlow
from eiwflow.flow.entropy_weights import CouplingWeights
from eiwflow.flow.score import score

from ..training.tiny import tiny_data
from .test_levels import images, ready_flow


def weighted_flow(**fields: object) -> MultiScaleFlow:
    """Return a flow of 1×8×16 images with entropy weights in its levels 1 and 2."""
    return ready_flow(dtype=torch.float32, weights="entropy", levels=3, **fields).requires_grad_(False)


# ---------------------------------------------------------------------- ω


def test_weights_are_those_that_the_couplings_compute() -> None:
    flow, pixels = weighted_flow(), images(70)
    found = measure(flow, pixels, seed=3)
    assert found.places == (Place(1, 1), Place(1, 2), Place(2, 1), Place(2, 2)) and found.count == 70
    x = torch.cat(list(dequantised(flow, pixels, 3)))
    kept = flow.levels[0](x)[0]
    reached = flow.levels[1].squeeze(kept)[0]
    reached = flow.levels[1].steps[0](reached)[0]
    step = flow.levels[1].steps[1]
    mixed = step.mixing(step.actnorm(reached)[0])[0]
    expected = step.coupling.weights(mixed[:, : mixed.shape[1] // 2])
    np.testing.assert_allclose(found.read[Place(2, 2)], expected.read[:, :, 0, 0], atol=1e-5)
    np.testing.assert_allclose(found.given[Place(2, 2)], expected.given[:, :, 0, 0], atol=1e-5)
    assert found.of_level(2).shape == (70, 2 * (expected.read.shape[1] + expected.given.shape[1]))


def test_a_picture_is_beside_the_mean_over_the_images_that_are_counted() -> None:
    flow, pixels = weighted_flow(), images(30, seed=1)
    averages = omegas(trace_of(flow, pixels), 12)
    found = PictureWeights(measure(flow, images(1), 5), averages)
    own, first = measure(flow, images(1), 5), measure(flow, pixels[:12])
    for place in found.picture.places:
        expected = own.of(place)[0] - first.of(place).mean(axis=0)
        np.testing.assert_allclose(found.difference(place), expected, atol=1e-5)
        assert np.abs(expected).max() > 1e-3
        assert found.distances[place] == pytest.approx(math.sqrt(np.mean(expected**2)), abs=1e-5)
    row = next(row for row in found.table(2) if (row["step"], row["side"], row["channel"]) == (1, "given", 2))
    assert row["weight"] == pytest.approx(own.given[Place(2, 1)][0, 1], abs=1e-6)
    assert row["weight_mean"] == pytest.approx(first.given[Place(2, 1)][:, 1].mean(), abs=1e-5)
    assert row["weight_minus_mean"] == pytest.approx(row["weight"] - row["weight_mean"], abs=1e-6)
    assert row["weight_std"] == pytest.approx(first.given[Place(2, 1)][:, 1].std(ddof=1), abs=1e-5)
    assert {row["level"] for row in found.table(2)} == {2} and len(found.table()) == 2 * (2 + 4 + 4 + 8)


def test_a_flow_without_weights_is_refused_with_what_to_do() -> None:
    flow = ready_flow(weights="none")
    with pytest.raises(ConfigError, match="weights"):
        measure(flow, images(2))


def test_maps_are_what_the_network_reads_and_gives() -> None:
    flow = weighted_flow()
    found = channel_maps(flow, images(1), Place(1, 2), seed=4)
    (x,) = dequantised(flow, images(1), 4)
    seen = []
    coupling = flow.levels[0].steps[1].coupling
    coupling.network.register_forward_hook(lambda network, given, result: seen.append((given[0], result)))
    trace = flow.trace(x).levels[0]
    weights = trace.coupling_weights["step 2 read"]
    np.testing.assert_allclose(found.read * weights[0, :, None, None].numpy(), seen[0][0][0], atol=1e-5)
    np.testing.assert_allclose(found.given, seen[0][1][0], atol=1e-5)


# ---------------------------------------------------------------------- what freezing costs


class Constant(torch.nn.Module):
    """The same weights for every image, written apart from the analysis."""

    def __init__(self, read: list[float], given: list[float]) -> None:
        super().__init__()
        self.read, self.given = (torch.tensor(side)[:, None, None] for side in (read, given))

    def forward(self, x: torch.Tensor) -> CouplingWeights:
        return CouplingWeights(self.read.repeat(len(x), 1, 1, 1), self.given.repeat(len(x), 1, 1, 1))


def test_the_cost_of_freezing_is_that_of_weights_replaced_by_hand() -> None:
    flow, pixels = weighted_flow(), images(20)
    sources = tuple(number // 4 for number in range(20))
    found = freeze(flow, pixels, measure(flow, pixels), sources)
    x = torch.cat(list(dequantised(flow, pixels, 0)))
    before = flow.log_prob(x)
    trace = flow.trace(x)
    for level, seen in zip(flow.levels[:2], trace.levels[:2], strict=True):
        for number, step in enumerate(level.steps, start=1):
            means = (seen.coupling_weights[f"step {number} {side}"].mean(dim=0).tolist() for side in ("read", "given"))
            step.coupling.weights = Constant(*means)
    costs = (before - flow.log_prob(x)) / (128 * math.log(2))
    assert costs.abs().max() > 1e-4
    np.testing.assert_allclose(found.costs, costs, atol=2e-6)
    assert found.mean == pytest.approx(costs.mean().item(), abs=1e-6)
    assert found.interval == pytest.approx(of_mean_over_images(found.costs, sources))
    assert found.interval != pytest.approx(of_mean_over_images(found.costs, None))


def test_weights_that_are_alike_cost_nothing_to_freeze_and_move_for_no_picture() -> None:
    flow = weighted_flow()
    for coupling in flow.couplings():
        if coupling.weights is not None:
            torch.nn.init.zeros_(coupling.weights.out.weight)
    found = freeze(flow, images(10), measure(flow, images(10)))
    np.testing.assert_allclose(found.costs, 0, atol=1e-6)
    picture = PictureWeights(measure(flow, images(1)), measure(flow, images(10)))
    assert picture.largest < 1e-5


def test_given_averages_are_taken_and_the_flow_stays_as_it_was() -> None:
    flow, pixels = weighted_flow(), images(10)
    ones = measure(flow, pixels)
    ones = Omegas(*({place: np.ones_like(own) for place, own in side.items()} for side in (ones.read, ones.given)))
    before = flow.state_dict()
    plain = weighted_flow()
    for coupling in plain.couplings():
        coupling.weights = None
    x = torch.cat(list(dequantised(flow, pixels, 0)))
    expected = (flow.log_prob(x) - plain.log_prob(x)) / (128 * math.log(2))
    np.testing.assert_allclose(freeze(flow, pixels, ones).costs, expected, atol=2e-6)
    assert all(torch.equal(before[name], value) for name, value in flow.state_dict().items())


# ---------------------------------------------------------------------- what they tell


@pytest.mark.parametrize(("count", "seed"), [(30, 0), (8, 2), (8, 3)])
def test_ridge_is_that_of_the_penalty_with_the_least_leave_one_out_error(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features, others = rng.normal(size=(count, 4)), rng.normal(size=(7, 4))
    truth = features @ np.array([1.0, -2.0, 0.0, 0.5]) + rng.normal(size=count)

    def predict(fit: np.ndarray, target: np.ndarray, at: np.ndarray, penalty: float) -> np.ndarray:
        centre = target.mean()
        gram = fit.T @ fit + penalty * np.eye(4)
        return centre + at @ np.linalg.solve(gram, fit.T @ (target - centre))

    mean, scale = features.mean(axis=0), features.std(axis=0)
    standard = (features - mean) / scale
    errors = []
    for penalty in count * module.PENALTIES:
        # One image left out, with its intercept: a column of ones that is not penalised.
        full, target = np.column_stack([np.ones(count), standard]), truth
        error = 0.0
        for out in range(count):
            rest = np.arange(count) != out
            gram = full[rest].T @ full[rest] + np.diag([0.0, *[penalty] * 4])
            error += (target[out] - full[out] @ np.linalg.solve(gram, full[rest].T @ target[rest])) ** 2
        errors.append(error)
    best = count * module.PENALTIES[int(np.argmin(errors))]
    np.testing.assert_allclose(ridge(features, truth, others), predict(standard, truth, (others - mean) / scale, best))


def test_a_feature_that_does_not_vary_tells_nothing() -> None:
    features = np.column_stack([np.random.default_rng(0).normal(size=20), np.full(20, 0.7)])
    truth = 3 * features[:, 0]
    np.testing.assert_allclose(ridge(features, truth, np.array([[1.0, 5.0]])), [3.0], rtol=1e-3)


def test_r_squared_is_of_images_that_were_not_fitted() -> None:
    flow, pixels, rng = weighted_flow(), images(90), np.random.default_rng(0)
    seen = measure(flow, pixels)
    level_1 = seen.of_level(1)
    clear = (level_1 - level_1.mean(axis=0)) @ rng.normal(size=level_1.shape[1])
    factors = {"clear": clear, "chance": rng.normal(size=90)}
    rows = {(row.factor, row.level): row for row in read_factors(flow, pixels, factors)}
    assert set(rows) == {(factor, level) for factor in factors for level in (1, 2)}
    assert {(row.images_fitted, row.images_checked) for row in rows.values()} == {(60, 30)}
    assert rows["clear", 1].r_squared > 0.95 and rows["chance", 1].high < 0.5
    for (factor, level), row in rows.items():
        truth, weights = factors[factor], seen.of_level(level)
        predicted = ridge(weights[:60], truth[:60], weights[60:])
        residual = np.square(truth[60:] - predicted).sum() / np.square(truth[60:] - truth[60:].mean()).sum()
        assert row.r_squared == pytest.approx(1 - residual, abs=1e-9) and row.low <= row.r_squared <= row.high
    # Nothing that was checked has an influence on the fit.
    other = {name: np.where(np.arange(90) < 60, values, values + 5) for name, values in factors.items()}
    shifted = {(row.factor, row.level): row for row in read_factors(flow, pixels, other)}
    assert shifted["clear", 1].r_squared < 0 < rows["clear", 1].r_squared


def test_factors_are_numbers_of_the_test_images_and_grain_is_a_logarithm() -> None:
    factors = {
        "grain": Factor(np.ones(64), np.array([1.0, math.e], np.float32)),
        "light_direction": Factor(np.ones(64), np.zeros(2, np.float32)),
        "ink": Factor(np.ones((64, 3)), np.zeros((2, 3), np.float32)),
        "letter": Factor(np.full(64, "A"), np.array(["A", "B"])),
    }
    data = dataclasses.replace(tiny_data(test=2), factors=factors)
    assert set(data.measured) == {"grain", "light_direction"}
    found = regressands(data.measured)
    assert set(found) == {"grain"} and found["grain"] == pytest.approx([0, 1])


# ---------------------------------------------------------------------- a picture with a change


def test_grain_contrast_and_light_are_what_they_say() -> None:
    grey = torch.full((1, 3, 32, 32), 100, dtype=torch.uint8)
    grain = changed(grey, "grain", 12.0, seed=1).double()
    assert grain.std().item() == pytest.approx(12, rel=0.05) and grain.mean().item() == pytest.approx(100, abs=1)
    assert not torch.equal(grain, changed(grey, "grain", 12.0, seed=2).double())
    light = changed(grey, "light", 0.5)[0, 0, 0].tolist()
    assert (light[0], light[-1]) == (50, 150) and light == sorted(light)
    extremes = torch.tensor([[[[0, 100, 250]]]], dtype=torch.uint8)
    assert changed(extremes, "contrast", 2.0).tolist() == [[[[0, 83, 255]]]]
    # Around the mean of all values, so that less contrast leaves less of a tint.
    tinted = torch.tensor([40, 120, 200], dtype=torch.uint8)[None, :, None, None].expand(1, 3, 2, 2)
    assert changed(tinted, "contrast", 0.5)[0, :, 0, 0].tolist() == [80, 120, 160]
    half = changed(images(1, 3), "contrast", 0.5).double()
    assert half.std().item() == pytest.approx(images(1, 3).double().std().item() / 2, rel=0.02)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_nothing_leaves_the_picture(change: Change) -> None:
    assert torch.equal(changed(images(1), change.name, change.none), images(1))
    assert not torch.equal(changed(images(1), change.name, change.most), images(1))


def test_expected_errors_are_one_over_the_mean_stretch_of_each_coupling() -> None:
    flow, pixels = ready_flow(dtype=torch.float32, weights="entropy", levels=2).requires_grad_(False), images(20)
    held = with_frozen_weights(flow, measure(flow, pixels))
    priced = prices(flow, held, pixels[:2])[1]
    x = torch.cat([*dequantised(flow, pixels[:1], 0), *dequantised(flow, pixels[1:2], 0)])
    for number, each in enumerate((flow, held)):
        features, _ = each.levels[0].squeeze(x)
        for step, part in enumerate(each.levels[0].steps, start=1):
            log_scale, _ = part.coupling.affine(part.mixing(part.actnorm(features)[0])[0].chunk(2, dim=1)[0])
            features, _ = part(features)
            assert priced.errors[Place(1, step)][number] == pytest.approx(-log_scale[1].mean().item(), abs=1e-6)
    assert {place.level for place in priced.errors} == {1} and len({*priced.errors.values()}) > 1


# ---------------------------------------------------------------------- before a split


def test_weights_before_a_split_are_those_of_the_shuffle_and_freezing_holds_their_means() -> None:
    flow, pixels = ready_flow(dtype=torch.float32, weights="pooled", levels=3).requires_grad_(False), images(20)
    found = measure(flow, pixels, seed=3)
    assert found.places == (Place(1, SPLIT), Place(2, SPLIT))
    x = torch.cat(list(dequantised(flow, pixels, 3)))
    level = flow.trace(x).levels[1]
    np.testing.assert_allclose(found.of(Place(2, SPLIT)), level.log_weights.exp(), rtol=1e-4)
    maps = channel_maps(flow, pixels[:1], Place(2, SPLIT), seed=3)
    assert not len(maps.read)
    weighted = maps.given * found.of(Place(2, SPLIT))[0][:, None, None]
    np.testing.assert_allclose(weighted, torch.cat([level.kept, level.emitted], dim=1)[0], atol=1e-4)
    found = measure(flow, pixels)
    first, second = prices(flow, with_frozen_weights(flow, found), pixels[:2])
    assert first.own == pytest.approx(score(flow, pixels[:1]).item())
    assert second.own == pytest.approx(score(flow, pixels[1:2]).item())  # with the noise of a first picture too
    assert first.cost == pytest.approx(freeze(flow, pixels, found).costs[0], abs=1e-5) and abs(first.cost) > 1e-5
    held = with_frozen_weights(flow, found)
    trace = held.levels[0].shuffle(flow.trace(x).levels[0].features)
    expected = flow.trace(x).levels[0].features[:, flow.levels[0].shuffle.order]
    expected = expected * torch.tensor(found.of(Place(1, SPLIT)).mean(axis=0), dtype=x.dtype)[:, None, None]
    torch.testing.assert_close(trace[0], expected)
