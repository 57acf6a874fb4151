"""Scores of a flow: what they average over, how sure they are, and how exactly the flow inverts."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eiwflow.analysis.evaluate import OF_BOUND, OF_LABELS, Evaluation, evaluate, images_to_score
from eiwflow.analysis.exactness import exactness
from eiwflow.analysis.intervals import standard_error
from eiwflow.data import Factor, fixed_crops, to_tensor
from eiwflow.flow import NonFiniteError
from eiwflow.flow.score import score
from eiwflow.training.trainer import Trainer
from tests.training.tiny import planes, tiny_data, tiny_flow, tiny_info, tiny_recipe

#: The photographs of 16 images: of some one image, of others up to seven.
SOURCES = np.array([0, 2, 2, 6, 6, 6, 6, 0, 5, 2, 6, 6, 0, 0, 2, 6])

# ---------------------------------------------------------------------- the standard error

clustered = st.lists(st.tuples(st.floats(-100, 100), st.integers(0, 4)), min_size=2, max_size=30)


def by_hand(values, clusters):
    """Return Liang and Zeger's standard error of the mean, written out."""
    n, mean = len(values), sum(values) / len(values)
    sums = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0) + value - mean
    groups = len(sums)
    return math.sqrt(groups / (groups - 1) * sum(total**2 for total in sums.values())) / n


@given(clustered.filter(lambda pairs: len({cluster for _, cluster in pairs}) > 1))
def test_the_cluster_robust_standard_error_is_the_formula_by_hand(pairs):
    values, clusters = (np.array(column) for column in zip(*pairs, strict=True))
    assert standard_error(values, clusters) == pytest.approx(by_hand(values, clusters), rel=1e-9, abs=1e-12)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30))
def test_it_is_the_plain_one_where_every_image_is_its_own_cluster(values):
    values = np.array(values)
    plain = values.std(ddof=1) / math.sqrt(len(values))
    assert standard_error(values) == pytest.approx(plain, rel=1e-9, abs=1e-12)
    assert standard_error(values, np.arange(len(values))[::-1]) == pytest.approx(plain, rel=1e-9, abs=1e-12)


def test_copies_of_an_image_are_no_further_witnesses():
    values = np.array([3.0, 3.4, 4.1, 3.7])
    copied, sources = np.repeat(values, 10), np.repeat(np.arange(4), 10)
    assert standard_error(copied, sources) == pytest.approx(standard_error(values))
    assert standard_error(copied) < standard_error(values) / 3


def test_one_value_or_one_source_says_nothing_about_the_spread():
    assert math.isnan(standard_error(np.array([3.0])))
    assert math.isnan(standard_error(np.array([3.0, 4.0]), np.array([7, 7])))


# ---------------------------------------------------------------------- which images


def test_the_score_is_the_mean_over_the_test_part():
    flow, images = tiny_flow(), tiny_data()
    scores = score(flow, to_tensor(images.test)).double()
    result = evaluate(flow, images)
    assert result.bits_per_dim == pytest.approx(scores.mean().item(), rel=1e-6)
    assert result.bits_per_dim_stderr == pytest.approx(scores.std().item() / 4, rel=1e-6)
    assert (result.n, result.clusters, result.data) == (16, None, "planes")


def test_where_sources_are_known_the_error_is_robust_over_them():
    flow, sources = tiny_flow(), SOURCES
    images = tiny_data(test_source=sources)
    scores = score(flow, to_tensor(images.test)).double().numpy()
    result = evaluate(flow, images)
    assert result.clusters == 4
    assert result.bits_per_dim_stderr == pytest.approx(by_hand(scores, sources), rel=1e-6)


def test_the_error_of_the_importance_bound_is_robust_over_sources_too():
    flow, sources = tiny_flow(), SOURCES
    images = tiny_data(test_source=sources)
    bounds = score(flow, to_tensor(images.test), importance=3).double().numpy()
    result = evaluate(flow, images, importance=3)
    assert result.importance_bits_per_dim == pytest.approx(bounds.mean(), rel=1e-6)
    assert result.importance_bits_per_dim_stderr == pytest.approx(by_hand(bounds, sources), rel=1e-6)


def test_the_floor_is_that_of_the_images_that_are_scored():
    # In grey levels. Rounding adds 1/12 to the variance σ², and a Gaussian's entropy is log2(σ √(2πe)) bits.
    grain = np.repeat([2.0, 8.0], 8)
    images = tiny_data(factors={"grain": Factor(np.ones(64), grain)})
    fine, coarse = (math.log2(2 * math.pi * math.e * (sigma**2 + 1 / 12)) / 2 for sigma in (2, 8))
    by_name = dataclasses.replace(images, takes_first=True)
    assert evaluate(tiny_flow(), by_name, 8).floor_bits_per_dim == pytest.approx(fine, abs=0.001)
    assert evaluate(tiny_flow(), images, 8).floor_bits_per_dim == pytest.approx((fine + coarse) / 2, abs=0.001)
    assert evaluate(tiny_flow(), images).floor_bits_per_dim == pytest.approx((fine + coarse) / 2, abs=0.001)
    assert evaluate(tiny_flow(bits=5), images).floor_bits_per_dim is None  # fewer grey levels take fewer bits


@pytest.mark.parametrize("limit", [1, 5, 70])
def test_a_limit_takes_the_first_images_of_a_set_by_name_with_the_same_scores(limit):
    flow, images = tiny_flow(), tiny_data(test=80, test_source=np.arange(80) // 4, takes_first=True)
    limited = evaluate(flow, images, limit)
    first = score(flow, to_tensor(images.test))[:limit]
    assert limited.n == limit
    assert limited.clusters == len(set(images.test_source[:limit]))
    assert limited.bits_per_dim == pytest.approx(first.mean().item(), rel=1e-6)


def test_of_spaced_images_the_error_is_robust_over_their_own_photographs():
    flow, images = tiny_flow(), tiny_data(test=48, test_source=np.arange(48) // 6)
    places = [0, 4, 8, 12, 16, 20, 24, 27, 31, 35, 39, 43, 47]
    scores = score(flow, to_tensor(images.test[places])).double().numpy()
    result = evaluate(flow, images, 13)
    assert result.clusters == 8
    assert result.bits_per_dim_stderr == pytest.approx(by_hand(scores, images.test_source[places]), rel=1e-6)


def test_evaluating_twice_gives_the_same_figures_and_another_seed_others():
    flow, images = tiny_flow(), tiny_data()
    torch.manual_seed(5)
    first = evaluate(flow, images)
    torch.manual_seed(6)
    assert evaluate(flow, images) == first
    assert evaluate(flow, images, seed=1).bits_per_dim != first.bits_per_dim


def test_larger_images_are_cut_the_same_way_for_every_flow():
    images = tiny_data(size=20)
    ours = images_to_score(images, tiny_flow(seed=0))
    theirs = images_to_score(images, tiny_flow(seed=1, split="random", levels=1, width=4))
    assert torch.equal(ours, theirs)
    assert torch.equal(ours, fixed_crops(to_tensor(images.test), 8))
    assert torch.equal(ours[[0, 4, 8, 11, 15]], images_to_score(images, tiny_flow(), limit=5))  # crops as in the set
    by_name = dataclasses.replace(images, takes_first=True)
    assert torch.equal(ours[:5], images_to_score(by_name, tiny_flow(), limit=5))
    assert ours.shape == (16, 3, 8, 8)


def test_scores_that_overflow_are_refused_with_a_sentence():
    flow = tiny_flow()
    with torch.no_grad():
        flow.levels[0].split.prior.bias.fill_(1e30)
    with pytest.raises(NonFiniteError, match=r"^Bits/dim is not finite on 16 of 16 test images of planes\.$"):
        evaluate(flow, tiny_data())


def test_the_figures_are_what_json_can_hold():
    result = evaluate(tiny_flow(), tiny_data())
    unknown = {"importance": 1} | dict.fromkeys((*OF_BOUND[1:], *OF_LABELS))
    assert result.to_dict() | unknown == dataclasses.asdict(result)
    assert Evaluation(**result.to_dict()) == result
    assert tiny_info(tiny_flow(), metrics={"bits_per_dim": result.bits_per_dim})


# ---------------------------------------------------------------------- exactness


def trained(**fields):
    """Return a flow after ten steps of training."""
    trainer = Trainer(tiny_recipe(**{"iterations": 10, "learning_rate": 0.01, **fields}), tiny_data())
    for _ in range(10):
        trainer.advance()
    return trainer.flow


@pytest.mark.parametrize("split", ["entropy+pooled", "entropy", "variance-reversed"])
def test_the_round_trip_and_the_log_det_gap_are_small(split):
    # Of few images the gap may come out as exactly 0.
    result = evaluate(trained(split=split, partition="alternating"), tiny_data(test=64))
    assert 0 < result.round_trip_max_abs < 1e-5
    assert 0 < result.log_det_gap < 1e-5


def test_a_flow_that_does_not_invert_is_found_out(monkeypatch):
    flow, images = trained(split="entropy+pooled"), to_tensor(planes(70))
    decode = flow.decode
    calls = []

    def off_in_the_first_batch(latents):
        x = decode(latents)
        calls.append(len(x))
        if len(calls) == 1:
            x[-1, 0, 0, 0] += 0.25
        return x

    monkeypatch.setattr(flow, "decode", off_in_the_first_batch)
    round_trip, gap = exactness(flow, images)
    assert calls == [64, 6]
    assert round_trip == pytest.approx(0.25, abs=1e-4)
    assert gap > 0.01


def test_what_does_not_come_back_as_a_number_is_no_error_of_0(monkeypatch):
    flow, images = trained(), to_tensor(planes(70))
    decode = flow.decode

    def lost_in_the_last_batch(latents):
        return decode(latents) * (math.nan if len(latents.levels[0]) == 6 else 1)

    monkeypatch.setattr(flow, "decode", lost_in_the_last_batch)
    assert math.isnan(exactness(flow, images)[0])


def test_the_log_det_gap_is_the_largest_difference_in_nats_a_dimension(monkeypatch):
    flow, images = tiny_flow(), to_tensor(planes(6, seed=9))
    seen = []
    trace = flow.trace
    monkeypatch.setattr(flow, "trace", lambda x: seen.append(trace(x)) or seen[-1])
    monkeypatch.setattr(flow, "decode", lambda latents: to_tensor(planes(6)).float() / 256 - 0.5)
    _, gap = exactness(flow, images)
    there, back = (sum(level.log_det.double() for level in trace.levels) for trace in seen)
    assert gap == pytest.approx(((there - back).abs().max() / 192).item(), rel=1e-6)
    assert gap > 0.01 and (there - back).max() / 192 < gap  # the largest is below 0
