"""The affine coupling: who decides, who is changed, and by how much at most."""

import pytest
import torch
from torch import nn

from eiwflow.flow.bijection import reset_parameters
from eiwflow.flow.coupling import AffineCoupling, coupling_network

from .numerics import noise, perturb


def coupling(kernels="3-1-3", scale_bound=1.5, scale=0.3):
    return perturb(AffineCoupling(6, 8, kernels, scale_bound).double(), scale)


def test_a_fresh_coupling_is_the_identity():
    fresh = AffineCoupling(6, 8, "3-1-3", 2.0).double()
    reset_parameters(fresh, seed=0)
    y, log_det = fresh(x := noise(2, 6, 4, 4))
    assert torch.equal(y, x)
    assert not log_det.any()


@pytest.mark.parametrize("kernels", ["1-1", "3-1-3", "5-3-1", "3-3-1-1-5"])
def test_the_network_has_one_convolution_a_kernel_size_and_a_relu_between(kernels):
    layers = list(coupling_network(3, 6, 8, kernels))
    sizes = [layer.kernel_size for layer in layers[::2]]
    assert sizes == [(int(k), int(k)) for k in kernels.split("-")]
    assert all(isinstance(layer, nn.ReLU) for layer in layers[1::2])
    assert len(layers) == 2 * len(sizes) - 1
    assert (layers[0].in_channels, layers[-1].out_channels) == (3, 6)
    assert {layer.out_channels for layer in layers[:-1:2]} == {8}


def test_a_3_1_3_network_looks_two_pixels_far():
    x = noise(1, 6, 9, 9).requires_grad_()
    coupling("3-1-3").affine(x[:, :3])[1][0, 0, 4, 4].backward()
    rows, columns = x.grad[0, :3].abs().sum(dim=0).nonzero(as_tuple=True)
    assert (int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())) == (2, 6, 2, 6)
