"""Who conditions whom: what channels tell of each other, and the halves that couplings get."""

import itertools
import math

import pytest
import torch

from eiwflow.flow.information import redundancy
from eiwflow.flow.partitions import (
    alternating,
    at_random,
    best_halves,
    by_information,
    covariances,
    dependence,
    larger_first,
)
from eiwflow.flow.policies import ORDERS

from .flows import fresh_flow
from .numerics import largest_difference, noise, sheet


def first_half(stand):
    return set(stand[: len(stand) // 2].tolist())


# ------------------------------------------------------------------------------ what channels tell


def test_covariances_are_those_of_fields_that_are_zero_beyond_their_edges():
    x = noise(3, 2, 4, 5)
    found = covariances(x, 2)
    assert set(found) == set(itertools.product(range(-2, 3), repeat=2))
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2))
    for (down, right), matrix in found.items():
        ahead = padded[:, :, 2 + down : 6 + down, 2 + right : 7 + right]
        assert largest_difference(matrix, torch.einsum("nihw,njhw->ij", ahead, x) / (3 * 4 * 5)) < 1e-12


def test_channels_that_share_nothing_tell_nothing():
    assert dependence(noise(64, 6, 16, 16)).max() < 2e-3


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("offset", [(0, 0), (1, 0), (-1, 1)])
def test_what_a_neighbour_tells_is_its_gaussian_mutual_information_in_both_directions(share, offset):
    first, own = noise(16, 2, 66, 66).split(1, dim=1)
    second = share * first.roll(offset, dims=(2, 3)) + math.sqrt(1 - share**2) * own
    # Without the rows that have rolled over the edge; that neighbours beyond it are not seen costs a few per cent.
    found = dependence(torch.cat([first, second], dim=1)[:, :, 1:-1, 1:-1])
    assert found[0, 1] == pytest.approx(-math.log(1 - share**2), rel=0.15)
    assert torch.equal(found, found.T) and not found.diagonal().any()


def test_a_neighbour_further_away_than_a_convolution_sees_tells_nothing():
    first = noise(64, 1, 16, 16)
    assert dependence(torch.cat([first, first.roll(4, dims=3)], dim=1)).max() < 2e-3


def test_what_is_told_does_not_depend_on_scale_and_is_zero_of_a_constant_channel():
    x = sheet(4, 8, 8, n=16) + 0.1 * noise(16, 4, 8, 8)
    scales = torch.tensor([1.0, 3.0, 0.5, 2.0], dtype=torch.double)[:, None, None]
    assert largest_difference(dependence(x), dependence(scales * x + 7)) < 0.02
    constant = torch.cat([x, torch.ones(16, 1, 8, 8, dtype=torch.double)], dim=1)
    assert torch.isfinite(dependence(constant)).all() and not dependence(constant)[4].any()


@pytest.mark.parametrize("size", [1, 2])
def test_fields_smaller_than_the_neighbourhood_are_taken(size):
    assert torch.isfinite(dependence(noise(8, 4, size, size))).all()


# ------------------------------------------------------------------------------ halves


@pytest.mark.parametrize("seed", range(5))
def test_the_best_halves_are_those_of_an_exhaustive_search(seed):
    weights = noise(8, 8, seed=seed).square()
    weights = (weights + weights.T).fill_diagonal_(0)

    def between(half):
        return float(weights[half][:, ~half].sum())

    every = [torch.isin(torch.arange(8), torch.tensor(one)) for one in itertools.combinations(range(8), 4)]
    found = best_halves(weights)
    assert found.sum() == 4
    assert between(found) == pytest.approx(max(map(between, every)))


def test_channels_that_tell_of_each_other_are_put_in_different_halves():
    weights = torch.zeros(6, 6, dtype=torch.double)
    for one, other in ((0, 3), (1, 4), (2, 5)):
        weights[one, other] = weights[other, one] = 1.0
    half = best_halves(weights)
    assert all(half[one] != half[other] for one, other in ((0, 3), (1, 4), (2, 5)))


def test_the_half_with_the_larger_variances_conditions_first():
    half = torch.tensor([False, False, True, True])
    assert torch.equal(larger_first(half), ~half) and torch.equal(larger_first(~half), ~half)


# ------------------------------------------------------------------------------ deals


FIRST = torch.arange(8) < 4


def channels_for_a_deal():
    return sheet(8, 8, 8, n=16) + 0.3 * noise(16, 8, 8, 8, seed=1)


@pytest.mark.parametrize("deal", [alternating, at_random, by_information])
@pytest.mark.parametrize("last", [None, FIRST])
@pytest.mark.parametrize("steps", [1, 2, 5, 8])
def test_a_deal_is_an_arrangement_for_every_coupling_and_turns_every_pair_round(deal, last, steps):
    stands = deal(channels_for_a_deal(), steps, last, 0)
    assert len(stands) == steps
    assert all(sorted(stand.tolist()) == list(range(8)) for stand in stands)
    back = stands[::-1]
    for second, first in itertools.zip_longest(back[::2], back[1::2]):
        if first is not None:
            assert first_half(first) == set(range(8)) - first_half(second)


def test_in_turn_the_halves_change_places():
    stands = alternating(channels_for_a_deal(), 3)
    assert [stand.tolist() for stand in stands] == [[*range(8)], [4, 5, 6, 7, 0, 1, 2, 3], [*range(8)]]


def test_chance_depends_on_the_seed_alone_and_ends_with_the_half_that_is_given():
    x = channels_for_a_deal()
    one, again, other = (at_random(given, 6, FIRST, seed) for given, seed in ((x, 3), (noise(2, 8, 4, 4), 3), (x, 4)))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert one[-1].tolist() == [4, 5, 6, 7, 0, 1, 2, 3]


@pytest.mark.parametrize("deal", [at_random, by_information])
def test_a_deal_ends_with_the_half_that_stays_transformed_where_a_level_splits(deal):
    x = channels_for_a_deal()
    x[:, ::2] = noise(16, 4, 8, 8, seed=2)
    stands = deal(x, 4, ORDERS["entropy"].last_half(x))
    structured = redundancy(x).mean(dim=0).argsort(descending=True)[:4]
    assert set(stands[-1][4:].tolist()) == set(structured.tolist()) == {1, 3, 5, 7}


@pytest.mark.parametrize("order", ["first", "last", "random"])
def test_an_order_that_does_not_look_at_data_ends_with_the_first_half_and_the_second(order):
    assert torch.equal(ORDERS[order].last_half(channels_for_a_deal()), FIRST)


def test_information_shows_pairs_of_couplings_more_of_what_is_told_than_chance_does():
    x = channels_for_a_deal()
    weights = dependence(x)

    def shown(stands):
        seen = torch.zeros_like(weights, dtype=torch.bool)
        for stand in stands:
            half = torch.isin(torch.arange(8), stand[:4])
            seen |= half[:, None] != half
        return float(weights[seen].sum() / weights.sum())

    for steps in (2, 4):
        chance = [shown(at_random(x, steps, None, seed)) for seed in range(20)]
        assert shown(by_information(x, steps)) >= max(chance) - 1e-9


# ------------------------------------------------------------------------------ in a flow


@pytest.mark.parametrize(
    ("partition", "deal"), [("information", by_information), ("random", at_random), ("alternating", alternating)]
)
@pytest.mark.parametrize("split", ["variance-reversed", "entropy+pooled"])
@pytest.mark.parametrize("steps", [3, 4])
@torch.no_grad()
def test_a_flow_divides_its_principal_channels(split, partition, deal, steps):
    flow = fresh_flow(shape=(3, 16, 16), width=6, steps=steps, split=split, partition=partition, permutation_seed=5)
    x = 0.3 * sheet(3, 16, 16, n=16) + 0.1 * noise(16, 3, 16, 16, seed=1)
    flow.initialise(x)
    level = flow.levels[0]
    y, into_couplings = level.squeeze(x)[0], []
    for step in level.steps:
        y, _ = step.mixing(step.actnorm(y)[0])
        into_couplings.append(y)
        y, _ = step.coupling(y)
    # The first rotation gives the principal channels, in the first arrangement.
    variances = into_couplings[0].var(dim=(0, 2, 3))
    principal = into_couplings[0][:, variances.argsort(descending=True)]
    covariance = torch.cov(principal.transpose(0, 1).flatten(1))
    assert largest_difference(covariance, torch.diag(covariance.diagonal())) < 1e-6
    last = ORDERS[flow.config.order].last_half(principal)
    for arrangement, channels in zip(deal(principal, steps, last, 5), into_couplings, strict=True):
        both = torch.cat([channels, principal[:, arrangement]], dim=1).transpose(0, 1).flatten(1)
        assert largest_difference(torch.corrcoef(both)[12:, :12], torch.eye(12, dtype=torch.double)) < 1e-6
