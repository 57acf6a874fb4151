"""The fused steps of a level: the same values and gradients as its bijections one after the other."""

import pytest
import torch

from eiwflow.flow.step import run, run_back

from .flows import images_for, ready_flow
from .numerics import largest_difference, noise

kernels = pytest.mark.parametrize("network", ["3-1-3", "1-1", "5-3-1-3"])


def level_and_input(network="3-1-3", dtype=torch.double, width=6):
    flow = ready_flow(shape=(3, 8, 8), steps=3, width=width, network=network, scale_bound=1.5, dtype=dtype)
    level = flow.levels[0]
    return level, level.squeeze(images_for(flow, 4))[0]


def one_by_one(steps, x):
    total = 0
    for step in steps:
        for _, part in step.parts():
            x, log_det = part(x)
            total = total + log_det
    return x, total


def gradients(function, level, x):
    """Return the gradients of x and of every parameter of the steps, of a sum that weighs every output otherwise."""
    x = x.clone().requires_grad_()
    y, log_det = function(level.steps, x)
    weighed = (y * noise(*y.shape, seed=1, dtype=y.dtype)).sum()
    weighed = weighed + (log_det * noise(len(y), seed=2, dtype=y.dtype)).sum()
    return torch.autograd.grad(weighed, [x, *level.steps.parameters()])


@kernels
def test_values_and_log_det_are_those_of_the_bijections_one_by_one(network):
    level, x = level_and_input(network)
    y, log_det = one_by_one(level.steps, x)
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled):
            fused, of_fused = run(level.steps, x)
        assert largest_difference(fused, y) < 1e-12
        assert largest_difference(of_fused, log_det) < 1e-10


@kernels
def test_every_gradient_is_the_plain_ones_in_float64(network):
    level, x = level_and_input(network)
    for fused, plain in zip(gradients(run, level, x), gradients(one_by_one, level, x), strict=True):
        assert (fused - plain).norm() <= 1e-12 * plain.norm()


def test_every_gradient_is_the_plain_ones_within_float32():
    level, x = level_and_input(dtype=torch.float32, width=16)
    for fused, plain in zip(gradients(run, level, x), gradients(one_by_one, level, x), strict=True):
        assert (fused - plain).norm() <= 1e-4 * plain.norm()


def test_the_gradient_may_come_from_one_output_alone():
    level, x = level_and_input()
    for pick in (0, 1):
        fused, plain = (
            torch.autograd.grad(function(level.steps, given)[pick].sum(), given)[0]
            for function, given in ((run, x.clone().requires_grad_()), (one_by_one, x.clone().requires_grad_()))
        )
        assert largest_difference(fused, plain) < 1e-10


def test_a_second_derivative_is_refused_rather_than_wrong():
    level, x = level_and_input()
    y, _ = run(level.steps, x.requires_grad_())
    (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@kernels
def test_the_way_back_is_exact_with_and_without_gradients_and_leaves_its_input_alone(network):
    level, x = level_and_input(network)
    y, _ = run(level.steps, x)
    given = y.detach().clone()
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled):
            assert largest_difference(run_back(level.steps, given), x) < 1e-10
        assert torch.equal(given, y)


def test_what_was_made_without_gradients_may_be_differentiated_later():
    level, x = level_and_input()
    with torch.no_grad():
        made = [*run(level.steps, x), run_back(level.steps, x)]
    for tensor in made:
        assert not tensor.is_inference()
        assert tensor.requires_grad_().square().sum().requires_grad
