"""In bfloat16 the networks' convolutions are all that is: what a log-determinant is made of stays float32."""

import pytest
import torch

from eiwflow.flow.channel_weights import Solver
from eiwflow.flow.coupling import AffineCoupling
from eiwflow.flow.level import Level
from tests.flow.flows import images_for, ready_flow

each_split = pytest.mark.parametrize("split", ("entropy+pooled", "entropy", "variance-reversed"))


def float_flow(split="entropy+pooled"):
    """Return a flow in float32 in which every part does something."""
    return ready_flow(dtype=torch.float32, shape=(3, 8, 8), width=8, split=split)


def halved(flow):
    """Let the flow's networks run in bfloat16, as training on CUDA does; return the flow."""
    for module in flow.modules():
        if isinstance(module, AffineCoupling):
            module.in_bfloat16 = True
    return flow


def dtypes(flow, kind, x):
    """Return the types of all floating tensors that modules of a kind give, on the way of x."""
    seen = set()
    handles = [
        module.register_forward_hook(lambda _, __, given: seen.update(t.dtype for t in tensors(given)))
        for module in flow.modules()
        if isinstance(module, kind)
    ]
    flow(x, divergence=True)
    for handle in handles:
        handle.remove()
    return seen


def tensors(given):
    return [given] if isinstance(given, torch.Tensor) else [part for part in given if part is not None]


@each_split
def test_log_prob_in_bfloat16_is_float32_finite_and_close(split):
    flow = float_flow(split)
    x = images_for(flow, 8)
    exact = flow.log_prob(x)
    rough = halved(flow).log_prob(x)
    assert rough.dtype == torch.float32
    assert torch.isfinite(rough).all()
    difference = (rough - exact).abs().max() / flow.config.dimensions
    assert 0 < difference < 0.005


@each_split
def test_only_convolutions_of_networks_run_in_bfloat16(split):
    flow = halved(float_flow(split))
    x = images_for(flow, 4)
    assert dtypes(flow, torch.nn.Conv2d, x) >= {torch.bfloat16}
    for kind in (Level, AffineCoupling, Solver):
        assert dtypes(flow, kind, x) <= {torch.float32}
    assert all(step.mixing.matrix().dtype == torch.float32 for level in flow.levels for step in level.steps)


@each_split
def test_gradients_through_bfloat16_networks_are_float32_and_finite(split):
    flow = halved(float_flow(split))
    flow.log_prob(images_for(flow, 4)).mean().backward()
    for parameter in flow.parameters():
        assert parameter.grad.dtype == torch.float32
        assert torch.isfinite(parameter.grad).all()


def test_the_round_trip_holds_in_bfloat16_too():
    flow = halved(float_flow())
    x = images_for(flow, 8)
    assert (flow.decode(flow.encode(x)) - x).abs().max() < 1e-4
