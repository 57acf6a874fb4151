"""Arms are paired: a module more in one arm shifts no number of another's."""

import pytest
import torch

from eiwflow.flow.bijection import generator_for
from eiwflow.flow.config import INITS, PRIORS

from .flows import OF_PRINCIPAL, POLICIES, fresh_flow, images_for


def shared_parameters_equal(a, b):
    ours, theirs = dict(a.named_parameters()), dict(b.named_parameters())
    shared = ours.keys() & theirs.keys()
    assert len(shared) >= 2 * 2 * 11
    return all(torch.equal(ours[name], theirs[name]) for name in shared)


def test_all_policies_start_with_the_same_numbers_in_every_module_they_share():
    drawn = {}
    for split in POLICIES:
        flow = fresh_flow(split=split)
        assert len(drawn.keys() & dict(flow.named_parameters()).keys()) >= 2 * 2 * 11 or not drawn
        for name, parameter in flow.named_parameters():
            assert torch.equal(parameter, drawn.setdefault(name, parameter)), (split, name)


def test_priors_and_initialisations_share_numbers_too():
    flows = [fresh_flow(prior=prior, init=init) for prior in PRIORS for init in INITS]
    assert all(shared_parameters_equal(flows[0], other) for other in flows[1:])


def test_more_steps_and_levels_leave_the_others_numbers():
    small, large = fresh_flow(), fresh_flow(levels=3, steps=4)
    ours, theirs = dict(small.named_parameters()), dict(large.named_parameters())
    inner = [name for name in ours if name.startswith("levels.0.steps.")]
    assert inner
    assert all(torch.equal(ours[name], theirs[name]) for name in inner)


@pytest.mark.parametrize(("one", "other"), [("entropy", "entropy+pooled"), ("first", "first+pooled")])
def test_after_the_same_batch_weights_that_start_at_1_have_changed_nothing(one, other):
    a, b = fresh_flow(split=one), fresh_flow(split=other)
    for flow in (a, b):
        flow.initialise(images_for(flow, 16))
    assert shared_parameters_equal(a, b)
    assert torch.equal(a.log_prob(x := images_for(a, 4, seed=1)), b.log_prob(x))


def test_after_the_same_batch_the_first_levels_steps_are_the_same_under_every_policy():
    flows = [fresh_flow(split=split, partition="alternating") for split in OF_PRINCIPAL]
    for flow in flows:
        flow.initialise(images_for(flow, 16))
    first, *others = [flow.levels[0].steps.state_dict() for flow in flows]
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)


def test_parameters_depend_on_the_seed_alone_and_not_on_torchs_global_state():
    flows = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        flows.append(fresh_flow(seed=5))
    assert shared_parameters_equal(*flows)
    assert not shared_parameters_equal(flows[0], fresh_flow(seed=6))


def test_no_two_modules_draw_the_same_numbers():
    flow = fresh_flow(steps=3)
    first, *others = flow.levels[0].steps
    for other in others:
        assert not torch.equal(first.coupling.network[0].weight, other.coupling.network[0].weight)
        assert not torch.equal(first.mixing.lower, other.mixing.lower)


def test_a_generator_depends_on_seed_and_name():
    def draw(seed, name):
        return torch.rand(1, generator=generator_for(seed, name)).item()

    assert len({draw(seed, name) for seed in (0, 1) for name in ("a", "b", "1/a")}) == 6
    assert draw(0, "a") == draw(0, "a")
