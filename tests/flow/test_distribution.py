"""A flow as torch.distributions has them: shapes, samples, density and gradients."""

import pytest
import torch

from eiwflow.flow import NotInitialisedError

from .flows import fresh_flow, images_for, ready_flow
from .numerics import largest_difference


def test_shapes_are_those_of_one_image_an_event():
    images = ready_flow().as_distribution()
    assert (images.batch_shape, images.event_shape) == ((), (1, 8, 8))
    assert images.sample().shape == (1, 8, 8) and images.sample((2, 3)).shape == (2, 3, 1, 8, 8)
    x = images.sample((2, 3))
    assert images.log_prob(x).shape == (2, 3) and images.log_prob(x[0, 0]).shape == ()
    assert images.support.check(x).all() and images.support.check(x).shape == (2, 3)


def test_its_density_is_the_flows():
    flow = ready_flow()
    x = images_for(flow, 6)
    assert (
        largest_difference(flow.as_distribution().log_prob(x.view(2, 3, 1, 8, 8)).flatten(), flow.log_prob(x)) < 1e-12
    )


def test_rsample_has_gradients_and_sample_has_none():
    flow = ready_flow()
    images = flow.as_distribution()
    assert images.has_rsample and images.rsample((2,)).requires_grad and not images.sample((2,)).requires_grad
    # The entropy by samples, and its gradient: what variational inference takes a distribution for.
    (-images.log_prob(images.rsample((4,)))).mean().backward()
    assert all(p.grad is not None for name, p in flow.named_parameters() if "actnorm" in name)


def test_images_of_another_shape_and_flows_without_data_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 1, 4, 4\)"):
        ready_flow().as_distribution().log_prob(torch.zeros(2, 1, 4, 4))
    with pytest.raises(NotInitialisedError):
        fresh_flow().as_distribution()
