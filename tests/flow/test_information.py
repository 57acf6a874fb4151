"""Entropy rate and redundancy, against fields whose true values are known."""

import math

import pytest
import torch

from eiwflow.flow.information import (
    GAUSSIAN_ENTROPY,
    entropy_rate,
    gaussian_entropy,
    marginal_entropy,
    redundancy,
)

from .numerics import noise, sheet


def autoregressive_spectrum(a: float, size: int) -> torch.Tensor:
    """Return the power (size, size) of a separable AR(1) field on a torus, driven by noise of variance 1."""
    frequencies = 2 * math.pi * torch.arange(size, dtype=torch.double) / size
    power = 1 / (1 - 2 * a * frequencies.cos() + a * a)
    return torch.outer(power, power)


def field_with(spectrum: torch.Tensor, n: int) -> torch.Tensor:
    """Return n Gaussian fields (n, 1, H, W) on a torus whose power at every frequency is the given one."""
    return torch.fft.ifft2(torch.fft.fft2(noise(n, 1, *spectrum.shape)) * spectrum.sqrt()).real


@pytest.mark.parametrize(("height", "width"), [(16, 16), (8, 8), (4, 4), (9, 6), (3, 3), (2, 2)])
def test_white_noise_has_no_redundancy(height, width):
    bound = 0.02 if height * width > 16 else 0.05
    assert abs(redundancy(noise(4000, 1, height, width)).mean().item()) < bound


@pytest.mark.parametrize("sigma", [0.01, 1.0, 30.0])
def test_the_entropy_rate_of_white_noise_is_the_entropy_of_a_gaussian(sigma):
    rate = entropy_rate(sigma * noise(1000, 1, 16, 16)).mean().item()
    assert abs(rate - 0.5 * math.log(2 * math.pi * math.e * sigma**2)) < 0.02


@pytest.mark.parametrize("a", [0.3, 0.6, 0.9])
def test_the_entropy_rate_of_an_autoregressive_field_is_kolmogorovs(a):
    spectrum = autoregressive_spectrum(a, 16)
    exact = 0.5 * math.log(2 * math.pi * math.e) + 0.5 * spectrum.log().flatten()[1:].mean().item()
    assert abs(entropy_rate(field_with(spectrum, 1000)).mean().item() - exact) < 0.02


@pytest.mark.parametrize("a", [0.3, 0.6])
def test_the_redundancy_of_an_autoregressive_field_is_what_its_spectrum_says(a):
    powers = autoregressive_spectrum(a, 16).flatten()[1:]
    exact = 0.5 * (powers.mean().log() - powers.log().mean()).item()
    assert abs(redundancy(field_with(autoregressive_spectrum(a, 16), 1000)).mean().item() - exact) < 0.05


def test_rate_and_redundancy_make_the_entropy_of_white_noise_of_the_same_power():
    x = sheet(3, 16, 16, n=20) + 0.1 * noise(20, 3, 16, 16, seed=1)
    assert ((entropy_rate(x) + redundancy(x)) - gaussian_entropy(x)).abs().max() < 0.01


def test_smooth_fields_are_far_more_redundant_than_noise():
    assert redundancy(sheet(3, 16, 16, n=20)).min().item() > 1.0
    assert redundancy(noise(20, 3, 16, 16)).max().item() < 0.3


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_redundancy_knows_neither_scale_nor_offset(scale):
    x = sheet(2, 8, 8, n=4) + noise(4, 2, 8, 8, seed=1)
    assert (redundancy(scale * x + 5) - redundancy(x)).abs().max() < 1e-6


def test_more_correlation_is_more_redundancy():
    fields = [field_with(autoregressive_spectrum(a, 16), 200) for a in (0.0, 0.3, 0.6, 0.9)]
    means = [redundancy(field).mean().item() for field in fields]
    assert means == sorted(means)


def test_each_image_and_channel_is_measured_alone():
    x = noise(3, 2, 8, 8)
    assert redundancy(x).shape == (3, 2)
    assert torch.allclose(redundancy(x)[1:2, 1:], redundancy(x[1:2, 1:]))


def test_gaussian_entropy_is_that_of_the_spatial_variance():
    x = torch.tensor([-3.0, 3.0], dtype=torch.double).view(1, 1, 1, 2)
    assert gaussian_entropy(x).item() == pytest.approx(GAUSSIAN_ENTROPY + math.log(3))
    assert pytest.approx(1.4189, abs=1e-4) == GAUSSIAN_ENTROPY


def test_the_marginal_entropy_is_that_of_the_values_whatever_their_places():
    gaussian = noise(40, 1, 16, 16)
    uniform = 0.5 * torch.erf(gaussian / math.sqrt(2))
    assert marginal_entropy(2 * gaussian).item() == pytest.approx(GAUSSIAN_ENTROPY + math.log(2), abs=0.02)
    assert marginal_entropy(3 * uniform).item() == pytest.approx(math.log(3), abs=0.02)
    sorted_places = gaussian.flatten().sort().values.view_as(gaussian)
    assert torch.equal(marginal_entropy(sorted_places), marginal_entropy(gaussian))


def test_the_marginal_entropy_of_more_values_is_estimated_from_a_fixed_draw_of_them():
    x = noise(100, 2, 16, 16)
    assert marginal_entropy(x).shape == (2,)
    assert torch.equal(marginal_entropy(x), marginal_entropy(x))
    assert (marginal_entropy(x) - GAUSSIAN_ENTROPY).abs().max() < 0.02
    assert not torch.equal(marginal_entropy(x), marginal_entropy(x, seed=1))


def test_the_marginal_entropy_of_equal_values_is_minus_infinity_without_a_warning():
    x = torch.cat([torch.full((2, 1, 8, 8), 0.4), noise(2, 1, 8, 8)], dim=1)
    constant, other = marginal_entropy(x).tolist()
    assert constant == -math.inf and math.isfinite(other)


def test_a_constant_channel_has_finite_numbers():
    x = torch.full((2, 1, 8, 8), 0.4)
    for measure in (redundancy, entropy_rate, gaussian_entropy):
        assert torch.isfinite(measure(x)).all()


def test_float32_fields_are_measured_in_float64():
    x = noise(4, 2, 8, 8)
    assert redundancy(x.float()).dtype == torch.double
    assert (redundancy(x.float()) - redundancy(x)).abs().max() < 1e-5


def test_a_single_pixel_is_refused():
    with pytest.raises(ValueError, match="1×1 pixels"):
        redundancy(torch.zeros(1, 1, 1, 1))
