"""Bytes, their dequantisation, and bits per dimension."""

import math
from unittest.mock import patch

import pytest
import torch

from eiwflow.checkpoint import find, load
from eiwflow.data import load_test, to_tensor
from eiwflow.flow import ShapeError, dequantise, quantise, to_bits_per_dim

from .flows import fresh_flow, images_for
from .numerics import largest_difference

ALL_BYTES = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", DTYPES)
def test_quantising_a_dequantised_byte_gives_it_back(dtype):
    for seed in range(20):
        assert torch.equal(quantise(dequantise(ALL_BYTES, seeded(seed), dtype)), ALL_BYTES)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("end", ["smallest", "largest"])
def test_even_the_extremes_of_the_noise_stay_in_their_byte(dtype, end):
    def extreme(shape, dtype, **kinds):
        return torch.full(shape, 0.0 if end == "smallest" else 1 - torch.finfo(dtype).eps / 2, dtype=dtype)

    with patch("torch.rand", extreme):
        x = dequantise(ALL_BYTES, dtype=dtype)
    assert x.dtype == dtype
    assert torch.equal(quantise(x), ALL_BYTES)
    assert x.min().item() >= -0.5
    assert x.max().item() < 0.5


def test_dequantised_bytes_are_uniform_in_their_bin():
    x = dequantise(torch.full((1, 1, 200, 200), 40, dtype=torch.uint8), seeded(), torch.float64)
    u = (x + 0.5) * 256 - 40
    assert 0 <= u.min().item() < 0.001
    assert 0.999 < u.max().item() < 1
    assert u.mean().item() == pytest.approx(1 / 2, abs=0.01)
    assert u.var().item() == pytest.approx(1 / 12, abs=0.002)


@pytest.mark.parametrize("bits", [8, 5])
@pytest.mark.parametrize(("dtype", "digits"), [(torch.float16, 11), (torch.bfloat16, 8)])
def test_the_noise_of_low_precision_takes_all_values_that_every_bin_holds_equally_often(dtype, digits, bits):
    """In bfloat16 there was no noise at all, and in float16 none above 0.875."""
    greys = torch.arange(2**bits, dtype=torch.uint8) << (8 - bits)
    x = dequantise(greys.repeat(4096, 1)[None, None], seeded(), dtype, bits)
    # Of the numbers from ¼ to ½, 2^(digits − 1) in all, each of the bins there has as many; outside they are denser.
    count = 2 ** (digits - 1) // 2 ** (bits - 2)
    in_bin = (x[0, 0].double() + 0.5) * 2**bits - torch.arange(2**bits)
    for grey in (0, 1, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 1):
        values, often = in_bin[:, grey].unique(return_counts=True)
        assert values.tolist() == [number / count for number in range(count)]
        assert (often - 4096 / count).abs().max() < 5 * math.sqrt(4096 / count)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int64])
def test_a_type_that_holds_no_byte_is_refused(dtype):
    with pytest.raises(
        ValueError, match=rf"^dtype is {dtype}; it must be torch\.float64, float32, float16 or bfloat16\.$"
    ):
        dequantise(ALL_BYTES, dtype=dtype)


@pytest.mark.parametrize(("dtype", "gap"), [(torch.float16, 0.01), (torch.bfloat16, 0.05)])
def test_a_flow_of_low_precision_scores_images_with_noise_nearly_as_in_float32(dtype, gap):
    flow, images = load(find("faces16-glow")).flow, to_tensor(load_test("faces16").test[:128])
    true = flow.bits_per_dim(images, seeded()).mean().item()
    low = flow.to(dtype)
    assert low.bits_per_dim(images, seeded()).double().mean().item() == pytest.approx(true, abs=gap)
    same = images[:1].expand(16, -1, -1, -1)
    assert len(low.bits_per_dim(same, seeded()).unique()) > 1  # each draws its own noise


def test_a_generator_makes_dequantisation_reproducible():
    assert torch.equal(dequantise(ALL_BYTES, seeded()), dequantise(ALL_BYTES, seeded()))
    assert not torch.equal(dequantise(ALL_BYTES, seeded()), dequantise(ALL_BYTES, seeded(1)))


def test_what_lies_outside_the_range_becomes_the_nearest_byte():
    assert quantise(torch.tensor([-9.0, -0.5, 0.5, 9.0])).tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_only_bytes_are_dequantised(dtype):
    with pytest.raises(ShapeError, match=str(dtype)):
        dequantise(torch.zeros(1, 1, 2, 2, dtype=dtype))


def test_the_uniform_density_costs_8_bits_and_a_half_as_wide_one_7():
    assert to_bits_per_dim(torch.tensor(0.0), 12).item() == 8
    assert to_bits_per_dim(torch.tensor(12 * math.log(2)), 12).item() == pytest.approx(7)


def affine_flow(init):
    """Return a flow of one initialised step, whose coupling is still the identity, and the Gaussian it is."""
    flow = fresh_flow(shape=(1, 4, 6), levels=1, steps=1, init=init)
    flow.initialise(0.1 * images_for(flow, 32).cumsum(dim=3))
    step = flow.levels[0].steps[0]
    matrix = step.mixing.matrix() @ torch.diag(step.actnorm.log_scale.exp())
    shift = step.mixing.matrix() @ step.actnorm.bias
    to_x = torch.linalg.inv(matrix).detach()
    return flow, torch.distributions.MultivariateNormal(-to_x @ shift.detach(), to_x @ to_x.T)


@pytest.mark.parametrize("init", ["principal", "random"])
def test_one_affine_step_has_the_bits_per_dim_of_its_gaussian(init):
    flow, gaussian = affine_flow(init)
    images = torch.randint(0, 256, (3, 1, 4, 6), dtype=torch.uint8, generator=seeded())
    patches = flow.levels[0].squeeze(dequantise(images, seeded(1), torch.float64))[0].permute(0, 2, 3, 1)
    expected = 8 - gaussian.log_prob(patches).sum(dim=(1, 2)) / (24 * math.log(2))
    assert largest_difference(flow.bits_per_dim(images, seeded(1)), expected) < 1e-9


def test_noise_that_the_flow_was_initialised_on_costs_about_8_bits():
    flow = fresh_flow(shape=(3, 16, 16), dtype=torch.float32)
    images = torch.randint(0, 256, (64, 3, 16, 16), dtype=torch.uint8, generator=seeded())
    flow.initialise(dequantise(images, seeded()))
    # A Gaussian fitted to a uniform density loses ½ log2(2 pi e / 12) = 0.254 bits.
    assert flow.bits_per_dim(images, seeded(1)).mean().item() == pytest.approx(8 + 0.254, abs=0.05)
