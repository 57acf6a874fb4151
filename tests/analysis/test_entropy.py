"""Negentropy and redundancy against distributions and fields whose true values are known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from eiwflow.analysis import entropy, subjects
from eiwflow.analysis.entropy import BIT, MEASURES, Channels, Entropies, measure
from eiwflow.analysis.levels import traces
from eiwflow.analysis.record import LevelRecord, TrainingRecord
from eiwflow.data import DataError
from eiwflow.flow.information import GAUSSIAN_ENTROPY, redundancy

from ..flow.flows import every_policy
from ..flow.numerics import noise
from ..flow.test_information import autoregressive_spectrum, field_with
from .test_levels import images, ready_flow

BYTES = images(40)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no interval is judged a tenth of the draws will do."""
    monkeypatch.setattr(entropy, "RESAMPLES", 10)


@pytest.fixture
def all_draws(few_draws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many draws as anywhere else."""
    monkeypatch.setattr(entropy, "RESAMPLES", 100)


def found(split: str = "entropy+pooled") -> Entropies:
    """Return the entropies of a small flow that passes on a quarter, on forty images."""
    return entropy.entropies(ready_flow(split=split, keep=0.25), BYTES)


def row(channels: Channels, measured: str) -> np.ndarray:
    return channels.values[MEASURES.index(measured)]


#: Distributions made of normal values, and their negentropy in nats.
STANDARD = {
    "normal": (lambda x: x, 0.0),
    "uniform": (lambda x: torch.erf(x / math.sqrt(2)), GAUSSIAN_ENTROPY + 0.5 * math.log(1 / 3) - math.log(2)),
    "laplace": (
        lambda x: -x.sign() * torch.log1p(-torch.erf(x.abs() / math.sqrt(2))),
        GAUSSIAN_ENTROPY + 0.5 * math.log(2) - 1 - math.log(2),
    ),
}


@pytest.mark.parametrize("name", STANDARD)
@pytest.mark.parametrize("sigma", [0.01, 30.0])
def test_negentropy_is_that_of_the_distribution_in_bits(name: str, sigma: float) -> None:
    values, negentropy = STANDARD[name]
    measured = measure(sigma * values(noise(256, 4, 8, 8))).mean("negentropy", range(4)).value
    assert measured == pytest.approx(negentropy / BIT, abs=0.04)


@pytest.mark.parametrize("scale", [0.1, 1e3])
def test_neither_measure_knows_scale_or_offset(scale: float) -> None:
    x = STANDARD["laplace"][0](noise(40, 3, 8, 8))
    np.testing.assert_allclose(measure(scale * x + 5 * scale).values, measure(x).values, atol=1e-6)


@pytest.mark.parametrize(("size", "bound"), [(16, 0.03), (8, 0.03), (4, 0.07)])
def test_white_noise_has_no_redundancy(size: int, bound: float) -> None:
    assert abs(measure(noise(256, 2, size, size)).mean("redundancy", [0, 1]).value) < bound


def test_the_redundancy_of_an_autoregressive_field_on_a_torus_is_exact() -> None:
    spectrum = autoregressive_spectrum(0.6, 16)
    x = field_with(spectrum, 600)
    rest = spectrum.flatten()[1:]  # a map is measured without its mean
    exact = 0.5 * (rest.mean().log() - rest.log().mean()).item()
    assert measure(x).mean("redundancy", [0]).value == pytest.approx(exact / BIT, abs=0.04)
    np.testing.assert_allclose(row(measure(x), "redundancy"), redundancy(x).mean(dim=0).numpy() / BIT)


def test_a_single_pixel_has_no_redundancy_and_too_few_images_are_refused() -> None:
    measured = measure(noise(200, 2, 1, 1))
    assert np.isfinite(row(measured, "negentropy")).all() and np.isnan(row(measured, "redundancy")).all()
    with pytest.raises(DataError, match="31"):
        measure(noise(31, 2, 8, 8))
    with pytest.raises(DataError, match="40"):
        measure(noise(40, 2, 1, 1))


@pytest.mark.usefixtures("all_draws")
def test_the_interval_of_redundancy_is_that_of_a_mean_over_images() -> None:
    x = noise(64, 1, 8, 8)
    exact = 1.96 * redundancy(x).std(correction=0).item() / 8 / BIT
    assert measure(x).mean("redundancy", [0]).error == pytest.approx(exact, rel=0.25)


@pytest.mark.usefixtures("all_draws")
def test_crops_of_one_photograph_are_drawn_together() -> None:
    x = noise(16, 1, 8, 8).repeat_interleave(4, dim=0) + 0.1 * noise(64, 1, 8, 8)
    alone, together = measure(x), measure(x, sources=np.arange(64) // 4)
    assert together.mean("redundancy", [0]).error > 1.4 * alone.mean("redundancy", [0]).error
    np.testing.assert_array_equal(together.values, alone.values)
    few = measure(x, sources=np.arange(64) // 32)
    np.testing.assert_array_equal(few.resampled, alone.resampled)  # of two photographs nothing can be drawn


def test_a_difference_is_narrower_than_its_parts_where_images_move_them_together() -> None:
    common = noise(64, 1, 1, 1).sigmoid()
    smooth = noise(64, 1, 1, 8).expand(64, 1, 8, 8)
    x = torch.cat([common * smooth + (1 - common) * noise(64, 1, 8, 8, seed=seed) for seed in (1, 2)], dim=1)
    measured = measure(x)
    gap = measured.mean("redundancy", [0]).minus(measured.mean("redundancy", [1]))
    assert gap.error < measured.mean("redundancy", [0, 1]).error and gap.is_near_zero


# ---------------------------------------------------------------------- the halves


@every_policy
def test_every_policy_has_its_stages_and_the_one_used_is_what_the_flow_emits(split: str) -> None:
    flow = ready_flow(split=split, keep=0.25)
    level = entropy.entropies(flow, BYTES).levels[0]
    order, weights = split.split("+")
    expected = ["number", "order"] if order == "entropy" else ["order"]
    expected += ["weights"] * (weights == "pooled") + ["entropy"] * (order != "entropy")
    assert [stage.name for stage in level.stages] == expected
    (trace,) = traces(flow, BYTES)
    kept, emitted = measure(trace.levels[0].kept), measure(trace.levels[0].emitted)
    for half, channels in ((level.used.kept, kept), (level.used.emitted, emitted)):
        for measured in MEASURES:
            np.testing.assert_allclose(half.channels[measured], row(channels, measured), atol=1e-12)
    assert list(level.used.kept.numbers + level.used.emitted.numbers) == flow.levels[0].shuffle.order.tolist()
    for half in (level.used.kept, level.used.emitted):
        for measured, mean in half.means.items():
            assert mean.value == pytest.approx(half.channels[measured].mean(), abs=1e-6)


def test_tables_have_a_row_for_everything_measured() -> None:
    result = found()
    assert len(result.table()) == 3 * 2 + 1 and len(result.channel_table()) == 3 * 4 + 4
    (trace,) = traces(ready_flow(split="entropy+pooled", keep=0.25), BYTES)
    of_channels = redundancy(trace.levels[0].features).mean(dim=0) / BIT
    for row in result.channel_table():
        if row["level"] == 1:  # a channel has its redundancy in whatever place, and with whatever weight
            assert row["redundancy_bits"] == pytest.approx(of_channels[row["channel"]].item(), abs=1e-6)
    last = result.levels[-1].used
    assert last.kept is None and len(last.emitted.numbers) == 4


def test_no_more_than_128_images_are_looked_at() -> None:
    x, photographs, file = images(140), tuple(np.arange(140) // 4), SimpleNamespace(flow=ready_flow())
    result = subjects.entropies(subjects.Look(file, "", x, x, photographs, x[:1], 1, 0, takes_first=True))
    assert result.images == 128 and result.sources == 32 and result.to_dict()["values_per_channel"][0] == 128 * 16


# ---------------------------------------------------------------------- over training


def record(order: list[int] | None = None) -> TrainingRecord:
    """Return a record of two steps of one level of four channels."""
    of_channels = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]]) * BIT
    used, by_entropy = (None, None) if order is None else (np.array([order] * 2), np.array([np.sort(order)] * 2))
    level = LevelRecord(1, 0 if order is None else 2, of_channels, of_channels + 2, used, by_entropy)
    return TrainingRecord(np.array([0, 10]), [level], {})


def test_growth_follows_the_channels_that_the_order_used_passes_on() -> None:
    growth = record([3, 2, 0, 1])
    np.testing.assert_allclose(growth.levels[0].halves()["kept"].mean(axis=1), [0.35, 0.75])
    assert [(row["step"], row["part"], round(row["redundancy_bits"], 6)) for row in growth.table()] == [
        (0, "kept", 0.35), (10, "kept", 0.75), (0, "emitted", 0.15), (10, "emitted", 0.55)
    ]  # fmt: skip


def test_growth_of_a_last_level_has_one_half_and_of_single_pixels_no_redundancy() -> None:
    growth = record()
    assert [row["part"] for row in growth.table()] == ["emitted", "emitted"]
    single = LevelRecord(1, 0, None, record().levels[0].entropy, None, None)
    assert np.isnan(single.halves()["emitted"]).all()
