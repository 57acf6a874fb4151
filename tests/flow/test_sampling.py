"""Sampling: seeds, temperatures, and refusals that say what is wrong."""

import warnings

import numpy as np
import pytest
import torch

from eiwflow.flow import Latents, NonFiniteError, ShapeError

from .flows import every_policy, fresh_flow, images_for, ready_flow
from .numerics import largest_difference, noise


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@every_policy
def test_a_generator_makes_samples_reproducible(split):
    flow = ready_flow(split=split)
    assert flow.sample(3, generator=seeded()).shape == (3, 1, 8, 8)
    assert torch.equal(flow.sample(3, generator=seeded()), flow.sample(3, generator=seeded()))
    assert not torch.equal(flow.sample(3, generator=seeded()), flow.sample(3, generator=seeded(1)))


def test_rsample_draws_what_sample_draws_and_has_its_gradient():
    flow, step = ready_flow(), 1e-6
    bias = flow.levels[0].steps[0].actnorm.bias
    drawn = flow.rsample(3, 0.7, seeded())
    drawn.square().sum().backward()
    assert largest_difference(drawn, flow.sample(3, 0.7, seeded())) < 1e-12
    assert not flow.sample(3).requires_grad
    sums = []
    for sign in (1, -1):
        with torch.no_grad():
            bias[1] += sign * step
            sums.append(flow.sample(3, 0.7, seeded()).square().sum())
            bias[1] -= sign * step
    assert bias.grad[1].item() == pytest.approx(((sums[0] - sums[1]) / (2 * step)).item(), rel=1e-5)


def test_a_generator_leaves_torchs_global_state_alone():
    flow = ready_flow()
    before = torch.get_rng_state()
    flow.sample(3, generator=seeded())
    assert torch.equal(torch.get_rng_state(), before)


def test_at_temperature_0_all_samples_are_the_image_of_the_zero_latent():
    flow = ready_flow()
    zero = Latents([torch.zeros(1, *shape, dtype=torch.double) for shape in flow.latent_shapes()])
    assert largest_difference(flow.sample(3, temperature=0), flow.decode(zero).expand(3, -1, -1, -1)) < 1e-12


def test_latents_have_the_standard_deviation_of_their_levels_temperature():
    flow = ready_flow(levels=3)
    latents = flow.sample_latents(2000, temperature=[0.0, 0.5, 1.2], generator=seeded())
    assert [level.shape[1:] for level in latents.levels] == flow.latent_shapes()
    assert [level.std().item() for level in latents.levels] == pytest.approx([0, 0.5, 1.2], abs=0.02)


@pytest.mark.parametrize("temperatures", [[1.0], [1.0, 1.0, 1.0], []])
def test_another_number_of_temperatures_than_levels_is_refused(temperatures):
    with pytest.raises(ValueError, match=f"{len(temperatures)} temperatures .* 2 levels"):
        ready_flow().sample(1, temperature=temperatures)


@pytest.mark.parametrize("temperature", [-0.1, float("nan"), float("inf"), [1.0, -1.0]])
def test_a_temperature_that_is_negative_or_not_finite_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature"):
        ready_flow().sample(1, temperature=temperature)


@pytest.mark.parametrize("temperature", [np.float32(0.5), np.float64(0.5), np.array([0.5, 0.5]), torch.full((2,), 0.5)])
def test_a_temperature_of_numpy_or_torch_is_a_temperature(temperature):
    flow = ready_flow()
    drawn, expected = (flow.sample(2, t, seeded()) for t in (temperature, 0.5))
    assert torch.equal(drawn, expected)


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_images_than_one_are_refused(n):
    with pytest.raises(ValueError, match=f"n is {n}; at least 1"):
        ready_flow().sample(n)


def test_latent_shapes_hold_all_dimensions_of_the_image():
    flow = ready_flow(shape=(3, 16, 8), levels=3)
    assert flow.latent_shapes() == [(6, 8, 4), (12, 4, 2), (48, 2, 1)]
    assert sum(c * h * w for c, h, w in flow.latent_shapes()) == flow.config.dimensions
    assert [level.shape[1:] for level in flow.encode(images_for(flow, 2)).levels] == flow.latent_shapes()


def test_latents_of_another_flow_are_refused_with_both_shapes():
    flow = ready_flow()
    with pytest.raises(ShapeError, match=r"\(2, 4, 2\).*\(2, 4, 4\)"):
        flow.decode(Latents([noise(1, 2, 4, 2), noise(1, 8, 2, 2)]))
    with pytest.raises(ShapeError):
        flow.decode(Latents([noise(1, 2, 4, 4)]))


def test_latents_of_different_numbers_of_images_are_refused():
    with pytest.raises(ShapeError, match=r"2.*3"):
        ready_flow().decode(Latents([noise(2, 2, 4, 4), noise(3, 8, 2, 2)]))


@pytest.mark.parametrize("use", ["log_prob", "encode", "trace"])
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 1, 8, 4), (1, 8, 8)], ids=str)
def test_images_of_another_shape_are_refused_with_both_shapes(use, shape):
    with pytest.raises(ShapeError) as refusal:
        getattr(ready_flow(), use)(torch.zeros(shape, dtype=torch.double))
    assert str(shape) in str(refusal.value)
    assert "(N, 1, 8, 8)" in str(refusal.value)


@pytest.mark.parametrize("use", ["initialise", "log_prob", "encode", "trace"])
def test_bytes_are_refused_with_what_turns_them_into_images(use):
    flow = fresh_flow() if use == "initialise" else ready_flow()
    with pytest.raises(ShapeError, match=r"images of torch.uint8; it takes dequantised ones: dequantise\(images\)"):
        getattr(flow, use)(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("use", ["initialise", "log_prob", "encode"])
def test_images_of_another_range_are_warned_about(use):
    flow = fresh_flow() if use == "initialise" else ready_flow()
    x = (torch.arange(2 * 64) / 127).view(2, 1, 8, 8).double()
    with pytest.warns(UserWarning, match=r"values from 0 to 1; the flow knows images from −0.5 to 0.5"):
        getattr(flow, use)(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ready_flow().log_prob(1.4 * (x - 0.5))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_value_that_is_not_finite_names_the_level_that_made_it(level):
    flow = ready_flow(levels=3)
    x = images_for(flow, 2)
    with torch.no_grad():
        flow.levels[level - 1].steps[0].actnorm.bias[0] = float("inf")
    with pytest.raises(NonFiniteError, match=f"Level {level} .* encoding"):
        flow.encode(x)
    with pytest.raises(NonFiniteError, match=f"Level {level} .* decoding"):
        flow.sample(2)


def test_a_level_that_keeps_what_is_not_finite_is_named_and_not_the_next():
    flow = ready_flow(split="variance", prior="standard")
    with torch.no_grad():
        flow.levels[0].steps[-1].coupling.network[-1].bias[2:] = float("inf")
    with pytest.raises(NonFiniteError, match="Level 1 .* encoding"):
        flow.encode(images_for(flow, 2))
