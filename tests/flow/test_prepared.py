"""What is made from the weights once is made anew as soon as a weight is another, however that came about."""

import copy

import pytest
import torch

from eiwflow.flow import prepared

from .flows import images_for, ready_flow
from .numerics import largest_difference


@pytest.fixture
def flow():
    return ready_flow(dtype=torch.float32, shape=(3, 8, 8), width=8)


def log_prob_and_image(flow, x):
    with torch.no_grad():
        return flow.log_prob(x), flow.decode(flow.encode(x))


def assert_up_to_date(flow, x):
    """Hold what is computed without gradients against what is computed with them, from the weights as they are."""
    found, back = log_prob_and_image(flow, x)
    assert torch.allclose(found, flow.log_prob(x), rtol=1e-5)
    assert largest_difference(back, x) < 1e-4


def step_of_an_optimiser(flow):
    optimiser = torch.optim.AdamW(flow.parameters(), lr=0.005, fused=True)
    flow.log_prob(images_for(flow, 4)).mean().backward()
    optimiser.step()


@torch.no_grad()
def averaged(flow):
    torch._foreach_lerp_(list(flow.parameters()), [parameter + 0.01 for parameter in flow.parameters()], 0.5)


@torch.no_grad()
def added(flow):
    for parameter in flow.parameters():
        parameter += 0.005


def read_in_place(flow):
    flow.load_state_dict(
        {name: value + 0.005 for name, value in flow.state_dict().items() if value.is_floating_point()}, strict=False
    )


def read_by_assignment(flow):
    other = ready_flow(dtype=torch.float32, shape=(3, 8, 8), width=8, seed=1)
    flow.load_state_dict(other.state_dict(), assign=True)


def exchanged(flow):
    layer = flow.levels[0].steps[1].coupling.network[0]
    layer.weight = torch.nn.Parameter(layer.weight.detach() * 1.5)


def data_exchanged(flow):
    weight = flow.levels[0].steps[0].coupling.network[2].weight
    weight.data = weight.data * 1.5


def buffer_changed(flow):
    flow.levels[0].steps[0].mixing.sign.neg_()


CHANGES = [
    step_of_an_optimiser, averaged, added, read_in_place, read_by_assignment, exchanged, data_exchanged, buffer_changed,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_changed_weight_is_seen(flow, change):
    x = images_for(flow, 4)
    before, _ = log_prob_and_image(flow, x)
    change(flow)
    after, _ = log_prob_and_image(flow, x)
    assert largest_difference(before, after) > 1e-3 or change is buffer_changed
    assert_up_to_date(flow, x)


def test_weights_that_stay_are_prepared_once(flow, monkeypatch):
    made = []
    real = prepared.Prepared
    monkeypatch.setattr(prepared, "Prepared", lambda *given: made.append(given) or real(*given))
    x = images_for(flow, 4)
    for _ in range(3):
        log_prob_and_image(flow, x)
        log_prob_and_image(flow, images_for(flow, 3))
    assert len(made) == len(flow.levels)


def test_a_copy_has_its_own_and_another_precision_too(flow):
    x = images_for(flow, 4)
    found, _ = log_prob_and_image(flow, x)
    other = copy.deepcopy(flow)
    added(other)
    assert_up_to_date(other, x)
    assert torch.equal(log_prob_and_image(flow, x)[0], found)
    exact, _ = log_prob_and_image(flow.double(), x.double())
    assert largest_difference(exact.float(), found) < 1e-3


def test_weights_made_in_inference_mode_will_do():
    with torch.inference_mode():
        flow = ready_flow(dtype=torch.float32)
        x = images_for(flow, 4)
        found, _ = log_prob_and_image(flow, x)
        added(flow)
        assert largest_difference(log_prob_and_image(flow, x)[0], found) > 1e-3
