"""Entropies against distributions and fields whose true values are known, and accounts that must close."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
import torch

from eiwflow.analysis import entropy
from eiwflow.analysis.entropy import MEASURES, Channels, Entropies, Estimate, measure
from eiwflow.analysis.record import LevelRecord, TrainingRecord
from eiwflow.analysis.words import entropy as words
from eiwflow.data import DataError
from eiwflow.flow import ConfigError, MultiScaleFlow
from eiwflow.flow.config import PRIORS
from eiwflow.flow.information import GAUSSIAN_ENTROPY, entropy_rate, redundancy

from .. import crossed
from ..flow.flows import SOME_POLICIES, every_policy
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


def found(split: str = "entropy+pooled", **fields: object) -> Entropies:
    """Return the entropies of a small flow that passes on a quarter, on forty images."""
    return entropy.entropies(ready_flow(split=split, **{"keep": 0.25, **fields}), BYTES)


def row(channels: Channels, measured: str) -> np.ndarray:
    return channels.values[MEASURES.index(measured)]


# ---------------------------------------------------------------------- the estimators

STANDARD = {
    "normal": (lambda x: x, 0.0),
    "uniform": (lambda x: torch.erf(x / math.sqrt(2)), GAUSSIAN_ENTROPY + 0.5 * math.log(1 / 3) - math.log(2)),
    "laplace": (
        lambda x: -x.sign() * torch.log1p(-torch.erf(x.abs() / math.sqrt(2))),
        GAUSSIAN_ENTROPY + 0.5 * math.log(2) - 1 - math.log(2),
    ),
}


@pytest.mark.parametrize("name", STANDARD)
@pytest.mark.parametrize("sigma", [0.01, 1.0, 30.0])
def test_marginal_entropy_and_negentropy_are_those_of_the_distribution(name: str, sigma: float) -> None:
    values, negentropy = STANDARD[name]
    x = sigma * values(noise(256, 4, 8, 8))
    exact = {"normal": GAUSSIAN_ENTROPY, "uniform": math.log(2), "laplace": 1 + math.log(2)}[name] + math.log(sigma)
    measured = measure(x)
    assert measured.mean("marginal").value == pytest.approx(exact, abs=0.03)
    assert measured.mean("negentropy").value == pytest.approx(negentropy, abs=0.03)


@pytest.mark.usefixtures("all_draws")
@pytest.mark.parametrize("name", STANDARD)
def test_negentropy_is_not_negative_within_its_interval(name: str) -> None:
    for seed in range(3):
        mean = measure(STANDARD[name][0](noise(64, 4, 8, 8, seed=seed)), seed).mean("negentropy")
        assert mean.value + mean.error > 0


@pytest.mark.parametrize("scale", [0.1, 1e3])
def test_negentropy_and_redundancy_know_neither_scale_nor_offset_and_raw_entropies_rise_by_its_logarithm(
    scale: float,
) -> None:
    x = STANDARD["laplace"][0](noise(40, 3, 8, 8))
    before, after = measure(x), measure(scale * x + 5 * scale)
    for measured in ("negentropy", "redundancy"):
        np.testing.assert_allclose(row(after, measured), row(before, measured), atol=1e-6)
    for measured in ("marginal", "rate"):
        np.testing.assert_allclose(row(after, measured) - row(before, measured), math.log(scale), atol=1e-6)


@pytest.mark.parametrize(("size", "bound"), [(16, 0.02), (8, 0.02), (4, 0.05)])
def test_white_noise_has_no_redundancy_and_the_rate_of_its_marginal(size: int, bound: float) -> None:
    measured = measure(noise(256, 2, size, size))
    assert abs(measured.mean("redundancy").value) < bound
    assert abs(measured.mean("rate").value - GAUSSIAN_ENTROPY) < bound


def test_the_rate_of_an_autoregressive_field_on_a_torus_is_exact() -> None:
    spectrum = autoregressive_spectrum(0.6, 16)
    exact = GAUSSIAN_ENTROPY + 0.5 * spectrum.log().flatten()[1:].mean().item()
    assert measure(field_with(spectrum, 600)).mean("rate").value == pytest.approx(exact, abs=0.02)


def test_values_are_the_estimators_of_the_flow_on_all_images() -> None:
    x = noise(40, 3, 8, 8)
    np.testing.assert_allclose(row(measure(x), "redundancy"), redundancy(x).mean(dim=0).numpy())
    np.testing.assert_allclose(row(measure(x), "rate"), entropy_rate(x).mean(dim=0).numpy())


def test_a_single_pixel_has_a_marginal_entropy_and_no_spectrum() -> None:
    measured = measure(noise(200, 2, 1, 1))
    assert np.isfinite(row(measured, "marginal")).all() and np.isnan(row(measured, "redundancy")).all()


def test_too_few_images_or_values_are_refused_in_a_sentence() -> None:
    with pytest.raises(DataError, match=r"^31 images were given; at least 32 are needed to estimate entropies\.$"):
        measure(noise(31, 2, 8, 8))
    with pytest.raises(DataError, match=r"^40 images give 40 values a channel of 1×1 pixels; at least 128 "):
        measure(noise(40, 2, 1, 1))
    with pytest.raises(DataError, match="5 images were given"):
        entropy.entropies(ready_flow(), BYTES[:5])


# ---------------------------------------------------------------------- the intervals


@pytest.mark.slow
@pytest.mark.usefixtures("all_draws")
def test_intervals_hold_the_truth_in_about_19_of_20_draws() -> None:
    inside = 0
    for seed in range(40):
        mean = measure(noise(48, 1, 4, 4, seed=seed), seed).mean("redundancy")
        inside += abs(mean.value) <= mean.error
    assert 33 <= inside <= 40


@pytest.mark.usefixtures("all_draws")
def test_the_interval_of_redundancy_is_that_of_a_mean_over_images() -> None:
    x = noise(64, 1, 8, 8)
    exact = 1.96 * redundancy(x).std(correction=0).item() / 8
    assert measure(x).mean("redundancy").error == pytest.approx(exact, rel=0.25)


@pytest.mark.usefixtures("all_draws")
def test_values_of_one_image_are_not_counted_as_witnesses_of_their_own() -> None:
    """Images that differ in brightness: 16 values of each say hardly more than one does."""
    brightness = noise(64, 1, 1, 1)
    independent, together = noise(64, 1, 8, 8), brightness + 0.1 * noise(64, 1, 8, 8)
    assert measure(together).mean("marginal").error > 2 * measure(independent).mean("marginal").error


@pytest.mark.usefixtures("all_draws")
def test_crops_of_one_photograph_are_drawn_together() -> None:
    photographs = np.arange(64) // 4
    x = noise(16, 1, 1, 1).repeat_interleave(4, dim=0) + 0.1 * noise(64, 1, 8, 8)
    alone, together = measure(x), measure(x, sources=photographs)
    assert together.mean("marginal").error > 1.4 * alone.mean("marginal").error
    np.testing.assert_array_equal(together.values, alone.values)
    few = measure(x, sources=np.arange(64) // 32)
    np.testing.assert_array_equal(few.resampled, alone.resampled)  # of two photographs nothing can be drawn


@pytest.mark.slow
@pytest.mark.usefixtures("all_draws")
def test_every_interval_of_a_flow_is_over_photographs_where_they_are_known() -> None:
    """Nine photographs that differ much, each five times."""
    shades = torch.arange(9).repeat_interleave(5).view(-1, 1, 1, 1) / 9
    copies = (images(45) * shades).to(torch.uint8)
    flow, sources = ready_flow(weights="pooled"), [number // 5 for number in range(45)]
    blind, known = (list(entropy.entropies(flow, copies, 0, given).halves()) for given in (None, sources))
    assert {head["stage"] for head, _ in known} == {"number", "order", "weights", "standardised"}
    for (_, half), (_, own) in zip(blind, known, strict=True):
        for measured in ("marginal", "rate"):  # by which photographs of another brightness differ most
            assert own.means[measured].value == half.means[measured].value
            assert own.means[measured].error > 1.3 * half.means[measured].error


def test_a_difference_is_narrower_than_its_parts_where_images_move_them_together() -> None:
    x = noise(64, 1, 1, 1).exp() * noise(64, 2, 8, 8)
    measured = measure(x)
    gap = measured.difference("rate", [0], [1])
    assert gap.error < measured.mean("rate").error and gap.is_near_zero


def test_estimates_are_written_in_as_many_places_as_their_interval_supports() -> None:
    assert str(Estimate(0.613, 0.031)) == "0.61 ± 0.03"
    assert str(Estimate(-0.0021, 0.0043)) == "−0.002 ± 0.004"


# ---------------------------------------------------------------------- the halves


def test_a_shuffle_with_order_alone_leaves_the_sum_of_channel_entropies_unchanged() -> None:
    flow = ready_flow(split="entropy")
    trace = flow.trace(noise(40, 1, 8, 16))
    level = trace.levels[0]
    before, after = measure(level.features), measure(torch.cat([level.kept, level.emitted], dim=1))
    np.testing.assert_allclose(after.values.sum(axis=1), before.values.sum(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(after.values, before.values[:, level.order.numpy()])
    stages = entropy.entropies(flow, BYTES).levels[0]
    for measured in MEASURES:
        sums = [
            half.channels[measured].sum() + stage.kept.channels[measured].sum()
            for stage in stages.stages
            for half in (stage.emitted,)
        ]
        assert sums[1] == pytest.approx(sums[0], abs=1e-9)


def test_weights_change_raw_entropies_by_their_logarithm_and_no_redundancy() -> None:
    flow = ready_flow(split="entropy+pooled")
    level = entropy.entropies(flow, BYTES).levels[0]
    ordered, weighed = level.stage("order"), level.stage("weights")
    np.testing.assert_allclose(
        weighed.emitted.channels["redundancy"], ordered.emitted.channels["redundancy"], atol=1e-6
    )
    (trace,) = entropy.traces(flow, BYTES)
    log_weights = trace.levels[0].log_weights.mean(dim=0).numpy()
    np.testing.assert_allclose(
        np.concatenate([half.channels["rate"] for half in (weighed.kept, weighed.emitted)])
        - np.concatenate([half.channels["rate"] for half in (ordered.kept, ordered.emitted)]),
        log_weights,
        atol=1e-6,
    )


@every_policy
def test_every_policy_has_its_stages_and_the_one_used_is_what_the_flow_emits(split: str) -> None:
    flow = ready_flow(split=split, keep=0.25)
    level = entropy.entropies(flow, BYTES).levels[0]
    order, weights = split.split("+")
    expected = ["number", "order"] if order == "entropy" else ["order"]
    expected += ["weights"] * (weights == "pooled") + ["entropy"] * (order != "entropy")
    assert [stage.name for stage in level.stages] == expected
    assert level.used.name == ("weights" if weights == "pooled" else "order")
    (trace,) = entropy.traces(flow, BYTES)
    kept, emitted = measure(trace.levels[0].kept), measure(trace.levels[0].emitted)
    for half, channels in ((level.used.kept, kept), (level.used.emitted, emitted)):
        for measured in MEASURES:
            np.testing.assert_allclose(half.channels[measured], row(channels, measured), atol=1e-12)
    in_order = level.used.kept.numbers + level.used.emitted.numbers
    assert list(in_order) == flow.levels[0].shuffle.order.tolist()


def test_the_last_level_emits_everything_and_its_noise_is_the_same() -> None:
    level = found().levels[-1]
    assert level.used.kept is None and len(level.used.emitted.numbers) == 4
    assert level.noise is level.used.emitted


def test_noise_is_measured_after_its_prior() -> None:
    flow = ready_flow(prior="conditional")
    (trace,) = entropy.traces(flow, BYTES)
    expected = row(measure(trace.levels[0].noise), "marginal")
    np.testing.assert_allclose(entropy.entropies(flow, BYTES).levels[0].noise.channels["marginal"], expected)


# ---------------------------------------------------------------------- words and tables


def test_a_channel_of_few_positions_has_no_more_values_than_it_has() -> None:
    """Of forty 8×16 images level 1 has 4×8 positions a channel, of which 16 are taken, and level 2 has 2×4."""
    assert found().to_dict()["values_per_channel"] == [40 * 16, 40 * 8]


def test_words_name_both_halves_with_their_intervals_and_what_the_numbering_would_have_done() -> None:
    sentence = words.answer(found("entropy+pooled"), 1)
    assert sentence.startswith("At level 1 the 3 channels factored out have a spectral redundancy of ")
    assert sentence.count("±") >= 4 and "the 1 passed on" in sentence
    numbered = found("entropy+pooled").levels[0].stage("number")
    emitted, kept = (half.means["redundancy"] for half in (numbered.emitted, numbered.kept))
    assert str(emitted) != str(kept)
    assert sentence.endswith(f"Split by channel number, {emitted} would be factored out and {kept} passed on.")
    last = words.answer(found("entropy+pooled"), 2)
    assert last.startswith("Level 2 is the last: all 4 channels are factored out, with a spectral redundancy of")


def test_words_of_a_static_split_say_what_the_order_by_redundancy_would_send_out() -> None:
    sentence = words.answer(found("variance-reversed"), 1)
    assert "The split variance-reversed does not look at redundancy" in sentence and "would factor out" in sentence


@pytest.mark.parametrize(
    ("sent_out", "said"),
    [
        ((0, 1, 2), "and yet the entropy order would factor out the same channels."),
        (
            (0, 1, 5),
            "the entropy order would factor out 1 other channel, of 0.30 ± 0.01 against 0.40 ± 0.01 passed on.",
        ),
        ((0, 4, 5), "the entropy order would factor out 2 other channels, of 0.30 ± 0.01 against 0.40 ± 0.01 passed"),
    ],
)
def test_words_of_a_static_split_count_the_channels_that_would_be_others(sent_out: tuple[int, ...], said: str) -> None:
    def stage(name: str, emitted: tuple[int, ...], out: float, on: float) -> entropy.Stage:
        halves = [
            entropy.Half(numbers, {}, {"redundancy": Estimate(value, 0.01)})
            for numbers, value in ((tuple({*range(6)} - {*emitted}), on), (emitted, out))
        ]
        return entropy.Stage(name, *halves, {"redundancy": Estimate(on - out, 0.01)})

    stages = stage("order", (0, 1, 2), 0.1, 0.2), stage("entropy", sent_out, 0.3, 0.4)
    level = entropy.LevelEntropies(1, (6, 8, 8), stages, stages[0].emitted)
    assert said in words.answer(entropy.Entropies("variance", "variance", 64, 16, (level,)), 1)


def test_halves_that_do_not_differ_are_said_not_to() -> None:
    """Both levels see noise: nothing is there to be told apart."""
    flow = MultiScaleFlow(ready_flow().config).double()
    with torch.no_grad():
        flow.initialise(noise(200, 1, 8, 16))
    white = torch.randint(0, 256, (64, 1, 8, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    sentence = words.answer(entropy.entropies(flow, white), 1)
    assert "these images show no clear difference" in sentence or "more structure is factored out" in sentence


@pytest.mark.parametrize(
    ("on", "out", "start"),
    [
        (0.43, 0.01, "Structured channels are passed on (mean spectral redundancy 0.43 nats per pixel), noise is "),
        (0.22, 0.17, "Channels with more structure are passed on (mean"),
        (0.019, 0.005, "Channels with more structure are passed on (mean"),
        (0.17, 0.22, "Channels with less structure are passed on (mean"),
        (0.22, 0.215, "These images show no clear difference in structure: "),
    ],
)
def test_the_first_sentence_says_which_channels_have_structure(on: float, out: float, start: str) -> None:
    kept, emitted = (entropy.Half((0, 1), {}, {"redundancy": Estimate(value, 0.01)}) for value in (on, out))
    stage = entropy.Stage("order", kept, emitted, {"redundancy": Estimate(on - out, 0.01)})
    level = entropy.LevelEntropies(1, (4, 8, 8), (stage,), emitted)
    assert words.structure(entropy.Entropies("entropy", "entropy", 64, 16, (level,)), 1).startswith(start)


def test_single_pixels_are_said_to_have_no_redundancy() -> None:
    result = entropy.entropies(ready_flow(shape=(1, 8, 8), levels=3), images(130, shape=(1, 8, 8)))
    assert "all 16 channels are factored out." in words.answer(result, 3)
    assert "level 3: none" in words.by_level(result, "redundancy")


def test_a_level_that_is_not_there_is_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"^Level 7 was asked for; this flow has levels 1 to 2\.$"):
        found().to_dict(7)


def test_words_on_shape_say_what_the_weights_did_and_words_on_raw_entropy_whether_it_is_flat() -> None:
    weighted = found("entropy+pooled")
    assert "Before the channel weights it was " in words.shape(weighted, 1) and "passed on" in words.shape(weighted, 1)
    assert "channel weights" not in words.shape(found("entropy"), 1)
    assert "the 1.4189 of N(0, 1)" in words.raw(weighted) and "flat" in words.raw(weighted)


@pytest.mark.parametrize(("off", "verdict"), [(-0.16, "not flat."), (-0.14, "nearly flat, as"), (0.16, "not flat.")])
def test_flat_is_what_lies_near_a_gaussian_on_either_side(off: float, verdict: str) -> None:
    def level(number: int, marginal: float) -> entropy.LevelEntropies:
        half = entropy.Half((0, 1), {}, {"marginal": Estimate(marginal, 0.01)})
        return entropy.LevelEntropies(number, (2, 4, 4), (entropy.Stage("order", None, half, {}),), half)

    levels = level(1, GAUSSIAN_ENTROPY + off), level(2, GAUSSIAN_ENTROPY + 0.01)
    said = words.raw(entropy.Entropies("entropy", "entropy", 64, 16, levels))
    assert f"h = {GAUSSIAN_ENTROPY + off:.2f}, 1.43 nats, level by level. That is at most {abs(off):.2f} from" in said
    assert f": {verdict}" in said


def test_negentropy_is_given_after_the_channel_weights_and_before() -> None:
    def stage(name: str, on: float, out: float) -> entropy.Stage:
        halves = [entropy.Half((0, 1), {}, {"negentropy": Estimate(value, 0.01)}) for value in (on, out)]
        return entropy.Stage(name, *halves, {})

    level = entropy.LevelEntropies(
        1, (4, 8, 8), (stage("order", 0.5, 0.3), stage("weights", 0.4, 0.1)), entropy.Half((), {}, {})
    )
    assert words.shape(entropy.Entropies("entropy+pooled", "entropy", 64, 16, (level,)), 1) == (
        "Negentropy at level 1, in nats a value: passed on 0.40 ± 0.01, factored out 0.10 ± 0.01. Before the channel "
        "weights it was 0.50 ± 0.01 and 0.30 ± 0.01."
    )


def test_a_pair_says_whether_the_images_tell_two_flows_apart() -> None:
    first, second = found("entropy+pooled"), found("variance-reversed")
    sentence = words.pair(("a", "b"), (first, second), (1, 1))
    difference = second.level(1).used.emitted.means["redundancy"].minus(first.level(1).used.emitted.means["redundancy"])
    assert ("no clear" if difference.is_near_zero else "a clear") in sentence
    out, by_number = [], []
    for split in ("entropy+pooled", "variance-reversed"):
        level = ready_flow(split=split, keep=0.25).trace((BYTES.double() + 0.5) / 256 - 0.5).levels[0]
        passed_on = level.kept.shape[1]
        out.append(float(redundancy(level.features[:, level.order[passed_on:]]).mean()))
        by_number.append(float(redundancy(level.features[:, passed_on:]).mean()))
    assert abs(by_number[0] - out[0]) > 0.02  # the order matters
    said = re.findall(r"(-?[\d.]+) in [ab]", sentence.replace("−", "-"))
    assert [float(each) for each in said] == pytest.approx(out, abs=0.008)
    assert "no clear difference" in words.pair(("a", "b"), (first, first), (1, 1))
    assert "maps are of different sizes" in words.pair(("a", "b"), (first, second), (1, 2))


def test_tables_have_a_row_for_everything_measured() -> None:
    result = found("entropy+pooled")
    # Three stages of two halves, and ε, of level 1; everything, and ε, of level 2.
    assert len(result.table()) == 3 * 2 + 1 + 2 and len({tuple(row) for row in result.table()}) == 1
    assert len(result.channel_table()) == 3 * 4 + 4
    rows = [row for row in result.channel_table() if row["level"] == 1]
    order = ready_flow(keep=0.25).levels[0].shuffle.order.tolist()
    for stage, numbers in (("number", [0, 1, 2, 3]), ("order", order), ("weights", order)):
        in_place = [row for row in rows if row["stage"] == stage]
        assert [row["channel"] for row in in_place] == numbers
        assert [row["part"] for row in in_place] == ["kept", "emitted", "emitted", "emitted"]
    # A channel has its redundancy in whatever place, and with whatever weight.
    (trace,) = entropy.traces(ready_flow(split="entropy+pooled", keep=0.25), BYTES)
    of_channels = redundancy(trace.levels[0].features).mean(dim=0)
    for row in rows:
        assert row["redundancy_nats"] == pytest.approx(of_channels[row["channel"]].item(), abs=1e-6)
    cells = words.cells(result)
    assert len(cells) == len(result.table()) and all(" ± " in row["redundancy"] for row in cells)
    assert {row["part"] for row in cells} == {"passed on", "factored out"}
    assert all(math.isfinite(value) for row in result.table() for value in row.values() if isinstance(value, float))


def test_the_same_seed_gives_the_same_figures_and_another_seed_others() -> None:
    flow = ready_flow()
    first, again, other = (entropy.entropies(flow, BYTES, seed).table() for seed in (0, 0, 1))
    assert first == again and first != other


def test_no_more_than_128_images_are_looked_at() -> None:
    many = images(140)
    result = entropy.entropies(ready_flow(), many, sources=list(np.arange(140) // 4))
    assert result.images == 128 and result.sources == 32 and result.values(1) == 128 * 16
    assert "their 32 photographs" in result.interval


# ---------------------------------------------------------------------- the estimators


@pytest.mark.slow
@pytest.mark.usefixtures("all_draws")
def test_noise_reads_as_noise_in_the_size_of_every_level() -> None:
    for level in found().levels:
        noise = torch.randn(64, 6, *level.shape[1:], generator=torch.Generator().manual_seed(3), dtype=torch.double)
        channels = entropy.measure(noise, 3)
        of_noise = {
            "negentropy": 0,
            "redundancy": 0,
            "marginal": entropy.GAUSSIAN_ENTROPY,
            "rate": entropy.GAUSSIAN_ENTROPY,
        }
        for measured in entropy.MEASURES:
            mean = channels.mean(measured)
            assert abs(mean.value - of_noise[measured]) < 2 * mean.error + 0.01


# ---------------------------------------------------------------------- the account


def mean_change(account: entropy.Account) -> float:
    return account.coded + account.stretched - sum(account.noise)


@crossed(split=SOME_POLICIES, prior=PRIORS)
def test_the_account_closes_in_float64_and_nearly_in_float32(split: str, prior: str) -> None:
    flow = ready_flow(split=split, prior=prior, levels=3, dtype=torch.float32)
    account = entropy.account(flow, BYTES[:6])
    assert account.gap < 1e-9 and 0 < account.gap_float32 < 1e-5
    assert abs(mean_change(account)) < 1e-9
    assert next(flow.parameters()).dtype == torch.float32  # the flow itself is left as it was


def test_the_account_is_minus_log_p_a_dimension() -> None:
    flow = ready_flow()
    account = entropy.account(flow, BYTES[:6], seed=3)
    (trace,) = entropy.traces(flow, BYTES[:6], 3)
    assert account.coded == pytest.approx(-flow.log_prob(trace.x).mean().item() / 128)
    by_part = {(p.level, p.part): p.nats for p in account.postings}
    assert by_part[1, "coupling"] == pytest.approx(
        sum(trace.levels[0].log_dets[f"step {step} coupling"].mean().item() for step in (1, 2)) / 128
    )
    assert by_part[1, "squeeze"] == 0 and (2, "shuffle") not in by_part and account.images == 6


@pytest.mark.parametrize("split", ["variance-reversed", "random", "entropy"])
def test_a_permutation_costs_nothing_in_the_account(split: str) -> None:
    account = entropy.account(ready_flow(split=split), BYTES[:4])
    assert [posting.nats for posting in account.postings if posting.part == "shuffle"] == [0.0]


def test_scaling_moves_the_account_between_levels_and_leaves_its_ends_alone() -> None:
    """What is kept is doubled, and the next ActNorm undoes it."""
    flow = ready_flow(split="variance", prior="standard")
    before = entropy.account(flow, BYTES[:4])
    with torch.no_grad():
        step = flow.levels[0].steps[-1]
        matrix = step.mixing.matrix()
        matrix[2:] *= 2
        step.mixing.set_matrix(matrix)
        step.coupling.network[-1].weight[2:] *= 2
        step.coupling.network[-1].bias[2:] *= 2
        flow.levels[1].steps[0].actnorm.log_scale -= math.log(2)
    after = entropy.account(flow, BYTES[:4])
    assert after.coded == pytest.approx(before.coded, abs=1e-9)
    assert after.stretched == pytest.approx(before.stretched, abs=1e-9)
    first = [sum(p.nats for p in account.postings if p.level == 1) for account in (before, after)]
    assert first[1] - first[0] == pytest.approx(math.log(2) / 2)


def test_words_and_table_of_the_account_go_from_x_to_noise() -> None:
    account = entropy.account(ready_flow(dtype=torch.float32), BYTES[:4])
    assert words.account(account).startswith("From ") and "in float64" in words.account(account)
    parts = [row["part"] for row in account.table()]
    assert parts[0] == "−log p(x)" and parts[-1] == "−log N(eps; 0, I)" and len(parts) == 1 + 5 + 3 + 2
    assert json.loads(json.dumps(account.to_dict()))["postings"][0]["part"] == "squeeze"


def test_words_of_the_account_say_which_precision_closes_to_what() -> None:
    postings = (
        entropy.Posting(1, "squeeze", 0.0),
        entropy.Posting(1, "coupling", 0.5),
        entropy.Posting(2, "split", -0.25),
    )
    account = entropy.Account(4, 1.25, postings, noise=(0.9, 0.6), gap=1.5e-15, gap_float32=2.5e-7)
    assert words.account(account) == (
        "From 1.25 nats/dim at x, log|det| of +0.25 leads to 1.50 at ε, where standard normal noise has 1.42; "
        "the account closes to 1.5·10⁻¹⁵ in float64, to 2.5·10⁻⁷ in float32."
    )


# ---------------------------------------------------------------------- over training


def record(order: list[int] | None = None) -> TrainingRecord:
    """Return a record of two steps of one level of four channels."""
    of_channels = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]])
    used, by_entropy = (None, None) if order is None else (np.array([order] * 2), np.array([np.sort(order)] * 2))
    level = LevelRecord(1, of_channels, of_channels + 1, of_channels + 2, of_channels, used, by_entropy, None, None)
    return TrainingRecord(np.array([0, 10]), np.zeros(2), [level], {})


def test_growth_follows_the_channels_that_the_order_used_passes_on() -> None:
    growth = entropy.growth(record([3, 2, 0, 1]))
    np.testing.assert_allclose(growth.levels[0].mean("redundancy", "kept"), [0.35, 0.75])
    np.testing.assert_allclose(growth.levels[0].mean("rate", "emitted"), [1.15, 1.55])
    np.testing.assert_allclose(growth.levels[0].mean("marginal", "emitted"), [2.15, 2.55])
    assert words.growth(growth, 1) == (
        "From step 0 to step 10 the mean spectral redundancy at level 1 went from 0.35 to 0.75 for channels passed on "
        "and from 0.15 to 0.55 for channels factored out, in nats a pixel."
    )
    for measured, emitted, unit in (("marginal", "2.15 to 2.55", "value"), ("rate", "1.15 to 1.55", "pixel")):
        said = words.growth(growth, 1, measured)
        assert f"mean {words.NAMES[measured]} at level 1" in said
        assert said.endswith(f"from {emitted} for channels factored out, in nats a {unit}.")
    quarter = entropy.growth(record([3, 0, 1, 2]), kept=[1])
    np.testing.assert_allclose(quarter.levels[0].mean("redundancy", "kept"), [0.4, 0.8])
    assert [(row["step"], row["part"], round(row["redundancy_nats"], 6)) for row in growth.table()] == [
        (0, "kept", 0.35), (10, "kept", 0.75), (0, "emitted", 0.15), (10, "emitted", 0.55)
    ]  # fmt: skip


def test_growth_of_a_last_level_has_one_half_and_of_single_pixels_no_redundancy() -> None:
    growth = entropy.growth(record())
    assert [row["part"] for row in growth.table()] == ["emitted", "emitted"]
    assert words.growth(growth, 1).endswith("from 0.25 to 0.65 for channels, in nats a pixel.")
    assert np.isnan(growth.levels[0].mean("redundancy", "kept")).all()
    seen = record().levels[0]
    single = LevelRecord(1, None, None, seen.entropy, seen.log_std, None, None, None, None)
    bare = TrainingRecord(np.array([0, 10]), np.zeros(2), [single], {})
    assert "no spectral redundancy" in words.growth(entropy.growth(bare), 1)


def test_a_value_that_was_not_finite_when_it_was_recorded_is_a_gap() -> None:
    seen = record([0, 1, 2, 3])
    holes = np.array([[None, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]], dtype=object)
    level = LevelRecord(1, holes, *(seen.levels[0].entropy,) * 3, *(seen.levels[0].order,) * 2, None, None)
    kept = entropy.growth(TrainingRecord(seen.steps, np.zeros(2), [level], {}))
    assert np.isnan(kept.levels[0].mean("redundancy", "kept")[0])


@pytest.mark.parametrize("measured", MEASURES)
def test_the_gap_of_a_measure_is_its_mean_over_kept_channels_minus_that_over_emitted(measured: str) -> None:
    stage = found("entropy").levels[0].used
    kept, emitted = stage.kept.channels[measured].mean(), stage.emitted.channels[measured].mean()
    assert stage.gaps[measured].value == pytest.approx(kept - emitted, abs=1e-6)
    assert abs(kept - emitted) > 1e-4
