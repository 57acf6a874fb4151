"""The invertible 1×1 convolution is P L U, and what it can be set to."""

import pytest
import torch

from eiwflow.flow.conv1x1 import InvertibleConvolution
from eiwflow.flow.initialise import principal_rotation, rearrangement

from .numerics import largest_difference, noise, perturb


def convolution(matrix):
    mixing = InvertibleConvolution(len(matrix)).double()
    mixing.set_matrix(matrix)
    return mixing


@pytest.mark.parametrize("channels", [1, 2, 5, 12])
def test_any_invertible_matrix_can_be_set_and_read_back(channels):
    matrix = noise(channels, channels, seed=channels)
    mixing = convolution(matrix)
    assert largest_difference(mixing.matrix(), matrix) < 1e-12
    identity = torch.eye(channels, dtype=torch.double)
    assert largest_difference(mixing.inverse_matrix() @ matrix, identity) < 1e-10
    assert mixing.log_det(6).item() == pytest.approx(6 * torch.linalg.slogdet(matrix).logabsdet.item())


def test_a_permutation_with_negative_sign_can_be_set():
    matrix = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, 1, 0]], dtype=torch.double)
    mixing = convolution(matrix)
    assert torch.equal(mixing.matrix(), matrix)
    assert torch.equal(mixing.sign.abs(), torch.ones(3, dtype=torch.double))


def test_the_convolution_multiplies_every_pixel_by_the_matrix():
    matrix, x = noise(3, 3), noise(2, 3, 4, 5)
    y, _ = convolution(matrix)(x)
    assert largest_difference(y, torch.einsum("ij,njhw->nihw", matrix, x)) < 1e-12


def test_what_stands_outside_the_triangles_changes_nothing():
    mixing = convolution(noise(4, 4))
    before = mixing.matrix()
    with torch.no_grad():
        mixing.lower += torch.ones(4, 4).triu()
        mixing.upper += torch.ones(4, 4).tril()
    assert torch.equal(mixing.matrix(), before)


def test_a_drawn_matrix_is_a_rotation_or_reflection():
    mixing = InvertibleConvolution(8).double()
    mixing.draw(torch.Generator().manual_seed(5))
    assert largest_difference(mixing.matrix() @ mixing.matrix().T, torch.eye(8, dtype=torch.double)) < 1e-6
    assert abs(mixing.log_det(100).item()) < 1e-4


def test_float32_inverse_is_as_good_as_float32_allows():
    mixing = perturb(convolution(noise(48, 48)).float(), scale=0.01)
    product = mixing.inverse_matrix().double() @ mixing.matrix().double()
    assert largest_difference(product, torch.eye(48, dtype=torch.double)) < 1e-3


def test_principal_channels_are_uncorrelated_largest_variance_first():
    x = torch.einsum("ij,njhw->nihw", noise(6, 6), noise(10, 6, 4, 4, seed=1)) + 5
    rows = torch.einsum("ij,njhw->nihw", principal_rotation(x), x).transpose(0, 1).flatten(1)
    covariance = torch.cov(rows, correction=0)
    variances = covariance.diagonal()
    assert largest_difference(covariance, torch.diag(variances)) < 1e-9 * variances[0].item()
    assert (variances.diff() < 0).all()


def test_the_principal_rotation_is_orthogonal_and_each_row_has_a_positive_largest_entry():
    for x in (noise(10, 6, 4, 4), torch.zeros(2, 6, 4, 4), noise(1, 6, 1, 2)):
        rotation = principal_rotation(x)
        assert largest_difference(rotation @ rotation.T, torch.eye(6, dtype=torch.double)) < 1e-10
        assert (rotation.gather(1, rotation.abs().argmax(dim=1, keepdim=True)) > 0).all()


def test_the_principal_rotation_does_not_depend_on_the_sign_of_the_images():
    x = noise(10, 6, 4, 4)
    assert largest_difference(principal_rotation(x), principal_rotation(-x)) < 1e-10


@pytest.mark.parametrize("channels", [2, 4, 12])
def test_a_rearrangement_brings_channels_from_one_arrangement_to_another_and_back(channels):
    before, after = (torch.randperm(channels, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    x = torch.arange(channels, dtype=torch.double)
    there = rearrangement(before, after)
    assert torch.equal(there @ x[before], x[after])
    assert torch.equal(rearrangement(after, before) @ there, torch.eye(channels, dtype=torch.double))
