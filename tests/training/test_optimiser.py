"""The optimiser is torch's, with one count of steps."""

import copy

import pytest
import torch

from eiwflow.training.optimiser import FusedAdamW
from tests.flow.flows import images_for, ready_flow


def losses(flow, make, steps=5, state=None):
    """Return the losses on the way, the parameters, and the optimiser."""
    optimiser = make(list(flow.density_parameters()), lr=2e-3, weight_decay=0.01)
    if state is not None:
        optimiser.load_state_dict(copy.deepcopy(state))
    found = []
    for step in range(steps):
        optimiser.zero_grad(set_to_none=True)
        loss = -flow.log_prob(images_for(flow, 4, seed=step)).mean()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    return found, [parameter.detach().clone() for parameter in flow.parameters()], optimiser


def plain(parameters, **settings):
    return torch.optim.AdamW(parameters, fused=True, **settings)


def test_it_takes_the_steps_of_torch_to_the_bit():
    flow = ready_flow(dtype=torch.float32)
    ours, mine, optimiser = losses(copy.deepcopy(flow), FusedAdamW)
    theirs, other, reference = losses(copy.deepcopy(flow), plain)
    assert ours == theirs
    assert all(torch.equal(a, b) for a, b in zip(mine, other, strict=True))
    for number, entry in reference.state_dict()["state"].items():
        assert all(torch.equal(optimiser.state_dict()["state"][number][name], value) for name, value in entry.items())


def test_it_goes_on_from_a_state_of_either():
    flow = ready_flow(dtype=torch.float32)
    _, _, reference = losses(flow, plain, steps=2)
    state = reference.state_dict()
    ours, _, optimiser = losses(copy.deepcopy(flow), FusedAdamW, 3, state)
    theirs, _, _ = losses(flow, plain, 3, state)
    assert ours == theirs
    assert {int(entry["step"]) for entry in optimiser.state_dict()["state"].values()} == {5}


def test_a_closure_is_refused():
    with pytest.raises(TypeError, match="no closure"):
        FusedAdamW([torch.nn.Parameter(torch.ones(1))]).step(lambda: 0.0)
