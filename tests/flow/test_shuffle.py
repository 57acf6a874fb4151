"""The Shuffle: who leaves, how channels are weighed, and that the inverse knows both."""

import pytest
import torch

from eiwflow.flow.bijection import reset_parameters
from eiwflow.flow.channel_weights import LOG_WEIGHT_BOUND, ChannelWeights, pool
from eiwflow.flow.config import ORDERS, WEIGHTS
from eiwflow.flow.information import redundancy
from eiwflow.flow.policies import entropy_order
from eiwflow.flow.shuffle import Shuffle

from .flows import every_policy, ready_flow
from .numerics import largest_difference, noise, perturb, sheet


def drawn(channels, order, weights="none", permutation_seed=0, seed=0):
    shuffle = Shuffle(channels, order, weights, permutation_seed).double()
    reset_parameters(shuffle, seed)
    return shuffle


# ------------------------------------------------------------------------------ order


@pytest.mark.parametrize(("order", "emitted"), [("first", [0, 1, 2, 3]), ("last", [4, 5, 6, 7])])
def test_first_and_last_emit_the_half_they_are_named_after(order, emitted):
    x = noise(2, 8, 4, 4)
    y, log_det = drawn(8, order)(x)
    assert torch.equal(y[:, 4:], x[:, emitted])
    assert torch.equal(y[:, :4], x[:, [c for c in range(8) if c not in emitted]])
    assert not log_det.any()


def test_first_emits_what_the_last_coupling_conditions_on_and_last_what_it_transformed():
    for order, half in (("first", slice(0, 2)), ("last", slice(2, 4))):
        flow = ready_flow(split=f"{order}+none", prior="standard")
        level, x = flow.levels[0], noise(3, 1, 8, 8)
        features, _ = level.features(x)
        before = level.squeeze(x)[0]
        for step in level.steps[:-1]:
            before, _ = step(before)
        into_coupling, _ = level.steps[-1].mixing(level.steps[-1].actnorm(before)[0])
        _, emitted, _, _ = level(x)
        assert torch.equal(emitted, features[:, half])
        assert torch.allclose(emitted, into_coupling[:, half], atol=1e-10) == (order == "first")


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_is_a_permutation_of_the_channels(order):
    shuffle = drawn(12, order)
    shuffle.initialise(noise(4, 12, 4, 4))
    assert shuffle.order.sort().values.tolist() == list(range(12))
    assert not shuffle.order.requires_grad
    assert "order" in shuffle.state_dict()


def test_the_random_order_depends_on_the_permutation_seed_alone():
    orders = [drawn(24, "random", weights, 3, seed).order.tolist() for weights in WEIGHTS for seed in (0, 1)]
    assert all(order == orders[0] for order in orders)
    assert drawn(24, "random", permutation_seed=4).order.tolist() != orders[0]
    assert orders[0] != list(range(24))


def test_only_orders_that_sort_features_look_at_data():
    assert ORDERS["entropy"].sorted and not ORDERS["variance"].sorted
    for order, policy in ORDERS.items():
        shuffle = drawn(12, order, permutation_seed=3)
        before = shuffle.order.clone()
        shuffle.initialise(noise(4, 12, 4, 4))
        looks = policy.sorted is not None or policy.by_variance is not None
        assert torch.equal(shuffle.order, before) != looks


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_white_noise_leaves_and_structure_stays_whatever_its_scale(scale):
    x = sheet(8, 8, 8, n=16)
    white = [1, 2, 5, 6]
    x[:, white] = scale * noise(16, 4, 8, 8, seed=1)
    shuffle = drawn(8, "entropy")
    shuffle.initialise(x)
    assert sorted(shuffle.order[4:].tolist()) == white


def test_the_entropy_order_has_falling_redundancy():
    mixed = torch.tensor([0.6, 0.0, 0.9, 0.45, 1.0, 0.7, 0.3, 0.8], dtype=torch.double).view(1, 8, 1, 1)
    x = mixed * sheet(8, 8, 8, n=16) + (1 - mixed) * noise(16, 8, 8, 8, seed=1)
    order = entropy_order(x)
    assert (redundancy(x).mean(dim=0)[order].diff() < 0).all()
    assert order.tolist() == mixed.flatten().argsort(descending=True).tolist()


def test_channels_of_equal_redundancy_keep_their_places():
    assert entropy_order(noise(4, 1, 8, 8).expand(4, 6, 8, 8)).tolist() == list(range(6))


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_without_weights_neither_loses_nor_changes_a_channel(order):
    shuffle, x = drawn(8, order), noise(2, 8, 4, 4)
    shuffle.initialise(x)
    y, log_det = shuffle(x)
    for image, shuffled in zip(x.flatten(2).tolist(), y.flatten(2).tolist(), strict=True):
        assert sorted(image) == sorted(shuffled)
    assert torch.equal(shuffle.inverse(y), x)
    assert not log_det.any()


# ------------------------------------------------------------------------------ weights


def test_the_output_is_the_ordered_input_times_its_weights():
    shuffle, x = perturb(drawn(8, "random", "pooled"), 0.3), noise(3, 8, 4, 6)
    log_weights = shuffle.log_weights(x)
    y, log_det = shuffle(x)
    assert largest_difference(y, log_weights.exp()[:, :, None, None] * x[:, shuffle.order]) < 1e-12
    assert largest_difference(log_det, 4 * 6 * log_weights.sum(dim=1)) < 1e-10


def test_weights_depend_on_the_image():
    log_weights = perturb(ChannelWeights(8).double()).log_weights(noise(5, 8, 4, 4))
    assert (log_weights.std(dim=0) > 1e-3).all()


def test_no_parameters_weigh_beyond_the_bound():
    log_weights = perturb(ChannelWeights(8).double(), 100.0).log_weights(100 * noise(3, 8, 4, 4))
    assert log_weights.abs().max().item() == pytest.approx(LOG_WEIGHT_BOUND)


def test_a_half_is_weighed_from_the_other_half_only():
    weights, x = perturb(ChannelWeights(8).double(), 0.3), noise(2, 8, 4, 4)
    other = torch.cat([x[:, :4], noise(2, 4, 4, 4, seed=1)], dim=1)
    assert torch.equal(weights.log_weights(x)[:, 4:], weights.log_weights(other)[:, 4:])
    weighed, _ = weights(x)
    assert largest_difference(weights.log_weights(x)[:, :4], weights.kept(weighed[:, 4:])) < 1e-12


def test_pooling_is_mean_and_log_variance_and_stands_a_constant_channel():
    x = noise(2, 3, 4, 4)
    x[:, 1] = 0.7
    mean, log_variance = pool(x).chunk(2, dim=1)
    assert largest_difference(mean, x.mean(dim=(2, 3))) < 1e-12
    assert largest_difference(log_variance.exp(), x.var(dim=(2, 3), correction=0) + 1e-4) < 1e-12


@every_policy
def test_log_weights_are_there_where_the_policy_has_weights(split):
    order, weights = split.split("+")
    shuffle = drawn(8, order, weights)
    x = noise(2, 8, 4, 4)
    if weights == "pooled":
        assert shuffle.log_weights(x).shape == (2, 8)
    else:
        assert shuffle.log_weights(x) is None
        assert torch.equal(shuffle.divergence(x), torch.zeros(2, dtype=torch.double))
