"""What every bijection promises: an inverse, the log-determinant of its Jacobian, and a named shape error."""

import re

import pytest
import torch

from eiwflow.flow import Bijection, ReleasedShuffle, ShapeError

from .bijections import every_bijection, made
from .numerics import largest_difference, log_abs_det, noise

# The second and third image lie far outside what the bijection was initialised with.
NEAR = noise(1, 4, 4, 2, seed=3)
IMAGES = torch.cat([NEAR, 10 * NEAR.flip(1), 0.01 * NEAR - 3])


@every_bijection
def test_log_det_is_that_of_the_autograd_jacobian_and_of_the_inverse_the_opposite(make):
    bijection = made(make)
    y, log_det = bijection(IMAGES)
    for image, latent, of_image in zip(IMAGES.split(1), y.detach().split(1), log_det, strict=True):
        assert log_abs_det(lambda x: bijection(x)[0], image).item() == pytest.approx(of_image.item(), abs=1e-9)
        assert log_abs_det(bijection.inverse, latent).item() == pytest.approx(-of_image.item(), abs=1e-9)


@every_bijection
def test_both_directions_undo_each_other_exactly_for_values_that_were_never_seen(make):
    bijection = made(make)
    assert largest_difference(bijection.inverse(bijection(IMAGES)[0]), IMAGES) < 1e-10
    y = bijection(torch.zeros_like(IMAGES))[0]
    for never_seen in (noise(*y.shape, seed=6), 10 * noise(*y.shape, seed=7)):
        x = bijection.inverse(never_seen)
        # Couplings without a bound of their scale make large values of noise that no image has.
        assert largest_difference(bijection(x)[0], never_seen) < 1e-10 * max(1.0, float(x.detach().abs().max()))


@every_bijection
def test_an_image_is_mapped_the_same_alone_and_in_a_batch(make):
    bijection = made(make)
    y, log_det = bijection(IMAGES)
    alone, of_alone = bijection(IMAGES[1:2])
    assert largest_difference(alone, y[1:2]) < 1e-12
    assert largest_difference(of_alone, log_det[1:2]) < 1e-12


@every_bijection
def test_wrong_channels_are_refused_in_both_directions_and_the_shape_is_named(make):
    bijection = made(make)
    for shape in [(2, 3, 4, 2), (2, 6, 4, 2), (4, 4, 2)]:
        with pytest.raises(ShapeError, match=re.escape(str(shape))):
            bijection(torch.zeros(shape, dtype=torch.double))
    for channels in (1, 6, 8):
        with pytest.raises(ShapeError, match=f"{channels}, 4, 2"):
            bijection.inverse(torch.zeros(1, channels, 4, 2, dtype=torch.double))


@every_bijection
def test_both_directions_change_no_buffer_and_no_parameter_and_every_parameter_has_a_gradient(make):
    bijection = made(make)
    before = {name: value.clone() for name, value in bijection.state_dict().items()}
    y, log_det = bijection(IMAGES.clone().requires_grad_())
    (y.square().sum() + log_det.sum()).backward()
    bijection.inverse(y)
    assert all(torch.equal(before[name], value) for name, value in bijection.state_dict().items())
    without = [
        name
        for name, parameter in bijection.named_parameters()
        if (parameter.grad is None or not parameter.grad.any())
        # The order of the published code is sorted by parameters, which has no gradient.
        and not isinstance(bijection, ReleasedShuffle)
    ]
    assert without == []


def test_a_bijection_without_directions_says_so():
    with pytest.raises(TypeError, match="Bijection does not define forward"):
        Bijection(4)(IMAGES)
    with pytest.raises(TypeError, match="Bijection does not define inverse"):
        Bijection(4).inverse(IMAGES)
