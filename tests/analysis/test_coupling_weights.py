"""The weights inside couplings: their averages, what freezing costs, what they tell; worked out anew by hand."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from eiwflow.analysis import coupling_weights as module
from eiwflow.analysis.coupling_weights import (
    CHANGES,
    FactorReading,
    Frozen,
    Omegas,
    PictureWeights,
    Place,
    changed,
    channel_maps,
    freeze,
    measure,
    omegas,
    read_factors,
    regressands,
    ridge,
)
from eiwflow.analysis.intervals import of_mean_over_images
from eiwflow.analysis.levels import dequantised, trace_of
from eiwflow.analysis.words import coupling_weights as words
from eiwflow.data import DataError, Factor
from eiwflow.flow import ConfigError, MultiScaleFlow
from eiwflow.flow.entropy_weights import CouplingWeights

from ..training.tiny import tiny_data
from .test_levels import images, ready_flow


def weighted_flow(**fields: object) -> MultiScaleFlow:
    """Return a flow of 1×8×16 images with entropy weights in its levels 1 and 2."""
    return ready_flow(dtype=torch.float32, weights="entropy", levels=3, **fields).requires_grad_(False)


def made_up(seed: int = 0, places: Sequence[Place] = (Place(1, 1), Place(1, 2), Place(2, 1))) -> PictureWeights:
    """Return weights of couplings that read two channels and give four, of a picture and of 20 images."""
    rng = np.random.default_rng(seed)

    def drawn(n: int, channels: int) -> dict[Place, np.ndarray]:
        return {place: 1 + 0.1 * place.step * rng.normal(size=(n, channels)) for place in places}

    return PictureWeights(Omegas(drawn(1, 2), drawn(1, 4)), Omegas(drawn(20, 2), drawn(20, 4)))


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
    assert found.distances[found.farthest] == max(found.distances.values())
    row = next(row for row in found.table(2) if (row["step"], row["side"], row["channel"]) == (1, "given", 2))
    assert row["weight"] == pytest.approx(own.given[Place(2, 1)][0, 1], abs=1e-6)
    assert row["weight_mean"] == pytest.approx(first.given[Place(2, 1)][:, 1].mean(), abs=1e-5)
    assert row["weight_minus_mean"] == pytest.approx(row["weight"] - row["weight_mean"], abs=1e-6)
    assert row["weight_std"] == pytest.approx(first.given[Place(2, 1)][:, 1].std(ddof=1), abs=1e-5)
    assert {row["level"] for row in found.table(2)} == {2} and len(found.table()) == 2 * (2 + 4 + 4 + 8)


def test_every_column_of_the_table_is_the_measure_of_its_name_channels_read_before_those_given() -> None:
    found = made_up()
    rows = iter(found.table())
    for place in found.picture.places:
        for side, count in (("read", 2), ("given", 4)):
            own, others = getattr(found.picture, side)[place], getattr(found.images, side)[place]
            for channel in range(count):
                value, seen = own[0, channel], others[:, channel]
                figures = [value, seen.mean(), seen.std(ddof=1), value - seen.mean()]
                row = list(next(rows).values())
                assert row[:4] == [*place, side, channel + 1] and row[4:] == pytest.approx(figures)
    assert next(rows, None) is None


def test_a_flow_without_weights_is_refused_with_what_to_do() -> None:
    flow = ready_flow(weights="none")
    for ask in (lambda: measure(flow, images(2)), lambda: freeze(flow, images(2))):
        with pytest.raises(ConfigError, match="train one with --weights entropy"):
            ask()
    with pytest.raises(ConfigError, match="level 1, step 1 has no weights"):
        channel_maps(flow, images(1), Place(1, 1))


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
    with pytest.raises(ConfigError, match="level 4, step 1; this flow has levels 1 to 3 and steps 1 to 2"):
        channel_maps(flow, images(1), Place(4, 1))


# ---------------------------------------------------------------------- what freezing costs


class Constant(torch.nn.Module):
    """The same weights for every image, written apart from the analysis."""

    def __init__(self, read: list[float], given: list[float]) -> None:
        super().__init__()
        self.read, self.given = (torch.tensor(side)[:, None, None] for side in (read, given))

    def forward(self, x: torch.Tensor) -> CouplingWeights:
        return CouplingWeights(self.read.repeat(len(x), 1, 1, 1), self.given.repeat(len(x), 1, 1, 1))


def test_the_cost_of_freezing_is_that_of_weights_replaced_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IMAGES", 20)
    flow, pixels = weighted_flow(), images(40)
    sources = [number // 4 for number in range(40)]
    found = freeze(flow, pixels, sources=sources)
    x = torch.cat(list(dequantised(flow, pixels[:20], 0)))
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
    assert found.interval == pytest.approx(of_mean_over_images(found.costs, sources[:20]))
    assert found.interval != pytest.approx(of_mean_over_images(found.costs, None))


def test_weights_that_are_alike_cost_nothing_to_freeze_and_move_for_no_picture() -> None:
    flow = weighted_flow()
    for coupling in flow.couplings():
        if coupling.weights is not None:
            torch.nn.init.zeros_(coupling.weights.out.weight)
    found = freeze(flow, images(10))
    np.testing.assert_allclose(found.costs, 0, atol=1e-6)
    picture = PictureWeights(measure(flow, images(1)), measure(flow, images(10)))
    assert picture.alike
    assert words.takeaway(picture, found) == "Nothing: these weights are the same for every picture."


def test_words_give_the_range_of_distances_and_the_largest_move_of_all_channels() -> None:
    """Three couplings of two channels read and two given, whose weights are 1 on average."""
    moved = {Place(1, 1): (0.2, 0.0), Place(1, 2): (0.1, 0.0), Place(2, 1): (0.3, -0.6)}
    one = {place: np.ones((3, 2)) for place in moved}
    picture = Omegas(
        {place: 1 + np.array([values]) for place, values in moved.items()}, {p: np.ones((1, 2)) for p in one}
    )
    weights = PictureWeights(picture, Omegas(one, one))
    distances = [np.sqrt(sum(value**2 for value in values) / 4) for values in moved.values()]
    assert words.couplings(weights) == (
        f"Root-mean-square difference of ω from its average, by coupling: from {min(distances):.2f} to "
        f"{max(distances):.2f}, largest at level 2, step 1."
    )
    assert words.takeaway(weights, Frozen(np.array([0.02, 0.03, 0.04]))) == (
        "For this picture weights move by up to 0.60 from their averages. "
        "Freezing them there would cost 0.030 bits/dim."
    )


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


def test_r_squared_is_of_images_that_were_not_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FACTOR_IMAGES", 90)
    flow, pixels, rng = weighted_flow(), images(100), np.random.default_rng(0)
    seen = measure(flow, pixels[:90])
    level_1 = seen.of_level(1)
    clear = (level_1 - level_1.mean(axis=0)) @ rng.normal(size=level_1.shape[1])
    factors = {"clear": np.append(clear, np.zeros(10)), "chance": rng.normal(size=100)}
    rows = {(row.factor, row.level): row for row in read_factors(flow, pixels, factors)}
    assert set(rows) == {(factor, level) for factor in factors for level in (1, 2)}
    assert {(row.fitted, row.checked) for row in rows.values()} == {(60, 30)}
    assert rows["clear", 1].value > 0.95 and rows["chance", 1].high < 0.5
    for (factor, level), row in rows.items():
        truth, weights = factors[factor][:90], seen.of_level(level)
        predicted = ridge(weights[:60], truth[:60], weights[60:])
        residual = np.square(truth[60:] - predicted).sum() / np.square(truth[60:] - truth[60:].mean()).sum()
        assert row.value == pytest.approx(1 - residual, abs=1e-9) and row.low <= row.value <= row.high
    # Nothing that was checked has an influence on the fit.
    other = {name: np.where(np.arange(100) < 60, values, values + 5) for name, values in factors.items()}
    shifted = {(row.factor, row.level): row for row in read_factors(flow, pixels, other)}
    assert shifted["clear", 1].value < 0 < rows["clear", 1].value


def test_too_few_images_tell_nothing_and_the_bound_is_named() -> None:
    with pytest.raises(DataError, match="23 test images are too few .* 24 are needed"):
        read_factors(weighted_flow(), images(23), {"grain": np.ones(23)})


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


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_nothing_leaves_the_picture_and_other_amounts_are_bounded(change: str) -> None:
    none, most = CHANGES[change].none, CHANGES[change].most
    assert torch.equal(changed(images(1), change, none), images(1))
    assert not torch.equal(changed(images(1), change, most), images(1))
    for amount in (CHANGES[change].least - 0.1, most + 0.1):
        with pytest.raises(ConfigError, match=rf"{change} is {amount:g}; choose 0 to {most:g}\."):
            changed(images(1), change, amount)
    with pytest.raises(ConfigError, match="'blur'; choose one of grain, contrast, light"):
        changed(images(1), "blur", 1.0)


# ---------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ([0.02, 0.024, 0.019] * 4, "would cost 0.021 bits/dim."),
        ([-0.02, -0.024, -0.019] * 4, "would save 0.021 bits/dim."),
        ([-0.02, 0.023, 0.0] * 4, "would have no clear cost."),
    ],
)
def test_the_takeaway_is_short_and_goes_by_the_interval(costs: list[float], said: str) -> None:
    sentence = words.takeaway(made_up(), Frozen(np.array(costs)))
    assert sentence.endswith(said)
    assert len(sentence.split()) <= 20 and len(re.findall(r"\d[\d.]*", sentence)) <= 2
    mean, (low, high) = np.mean(costs), of_mean_over_images(np.array(costs), None)
    said = f"Cost of freezing: {mean:+.3f} bits/dim (95 % {low:+.3f} to {high:+.3f}, 12 test images)."
    assert words.cost(Frozen(np.array(costs))) == said.replace("-", "−")


def test_channels_are_named_by_what_they_are() -> None:
    assert [words.channel(number, 2, 6) for number in range(6)] == [
        "channel 1 read", "channel 2 read", "log-scale 1", "log-scale 2", "shift 1", "shift 2"
    ]  # fmt: skip
    assert words.channel(3, 2, 4) == "shift 2"  # a coupling of shifts alone
    found = made_up()
    found.picture.given[Place(1, 2)][0, 3], found.picture.read[Place(1, 2)][0, 0] = 1.9, 0.05
    assert "shift 2 is turned up the most (+0.9" in words.answer(found, Place(1, 2))
    assert "channel 1 read down the most (−" in words.answer(found, Place(1, 2))


def test_what_the_weights_tell_goes_by_both_ends_of_the_interval() -> None:
    rows = [
        FactorReading("grain", 1, 60, 30, 0.7, 0.6, 0.8),
        FactorReading("grain", 2, 60, 30, 0.2, 0.1, 0.3),
        FactorReading("light", 1, 60, 30, 0.01, -0.1, 0.05),
        FactorReading("light", 2, 60, 30, -0.01, -0.1, 0.02),
        FactorReading("size", 1, 60, 30, 0.1, -0.1, 0.3),
        FactorReading("size", 2, 60, 30, 0.0, -0.1, 0.01),
    ]
    assert words.factors(rows) == "The weights alone predict grain (R² 0.70 at level 1), and light not at all."
    assert words.factors(rows[2:4]) == "The weights alone predict no known factor clearly, and light not at all."
    assert "fitted on 60 test images, R² of 30 others" in words.regression(rows)
    columns = ("factor", "level", "images_fitted", "images_checked", "r_squared", "low", "high")
    assert [tuple(row[name] for name in columns) for row in words.factor_table(rows)] == [
        dataclasses.astuple(row) for row in rows
    ]


def test_a_high_r_squared_with_a_low_lower_end_tells_nothing_clearly() -> None:
    unsure, sure = FactorReading("size", 1, 60, 30, 0.4, 0.05, 0.7), FactorReading("size", 1, 60, 30, 0.4, 0.11, 0.7)
    assert words.factors([unsure]) == "The weights alone predict no known factor clearly."
    assert words.factors([sure]) == "The weights alone predict size (R² 0.40 at level 1)."
