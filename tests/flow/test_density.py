"""A whole flow is a density: every arm of split policy, prior and initialisation against its own Jacobian."""

import math

import pytest
import torch

from eiwflow.flow import ShapeError
from eiwflow.flow.split import standard_normal_log_prob

from .flows import decode_rows, encode_to_rows, every_arm, every_value, images_for, ready_flow
from .numerics import largest_difference, log_abs_det, noise


@every_arm
def test_log_prob_is_the_base_density_plus_the_log_det_of_the_jacobian_of_a_bijection(arm):
    flow = ready_flow(**arm)
    x = images_for(flow, 1)
    of_jacobian = log_abs_det(lambda image: encode_to_rows(flow, image), x)
    of_base = standard_normal_log_prob(encode_to_rows(flow, x))
    assert flow.log_prob(x).item() == pytest.approx((of_base + of_jacobian).item(), abs=1e-8)
    many = torch.cat([images_for(flow, 2), 5 * images_for(flow, 1, seed=1), torch.ones(1, *flow.config.shape)])
    assert largest_difference(flow.decode(flow.encode(many)), many) < 1e-10


@every_value
def test_torch_func_sees_the_log_det_that_the_trace_states(arm):
    flow = ready_flow(**arm)
    x = images_for(flow, 3)
    jacobians = torch.func.vmap(torch.func.jacrev(lambda image: encode_to_rows(flow, image[None])[0]))(x)
    stated = sum(level.log_det for level in flow.trace(x).levels)
    of_jacobians = torch.linalg.slogdet(jacobians.flatten(2)).logabsdet
    assert largest_difference(of_jacobians, stated) < 1e-8
    assert stated.std() > 0.01  # each image has its own


def test_vmap_over_images_and_latents_is_the_batch():
    flow = ready_flow()
    x = images_for(flow, 3)
    assert largest_difference(torch.func.vmap(lambda image: flow.log_prob(image[None])[0])(x), flow.log_prob(x)) < 1e-12
    rows = encode_to_rows(flow, x)
    assert largest_difference(torch.func.vmap(lambda row: decode_rows(flow, row[None])[0])(rows), x) < 1e-12


@every_value
def test_the_decoding_jacobian_has_the_opposite_log_det(arm):
    flow = ready_flow(**arm)
    row = noise(1, flow.config.dimensions)
    log_det = flow.log_prob(decode_rows(flow, row)) - standard_normal_log_prob(row)
    of_jacobian = log_abs_det(lambda latent: decode_rows(flow, latent), row)
    assert of_jacobian.item() == pytest.approx(-log_det.item(), abs=1e-8)


@pytest.mark.parametrize("fields", [{"levels": 1}, {"shape": (3, 8, 4)}, {"levels": 3, "steps": 1}], ids=str)
def test_other_shapes_and_depths_are_densities_too(fields):
    flow = ready_flow(**fields)
    x = images_for(flow, 1)
    of_jacobian = log_abs_det(lambda image: encode_to_rows(flow, image), x)
    of_base = standard_normal_log_prob(encode_to_rows(flow, x))
    assert flow.log_prob(x).item() == pytest.approx((of_base + of_jacobian).item(), abs=1e-8)


@every_value
def test_float32_round_trips_stay_within_1e_4(arm):
    flow = ready_flow(dtype=torch.float32, **arm)
    x = images_for(flow, 8)
    assert largest_difference(flow.decode(flow.encode(x)), x) < 1e-4
    latents = flow.sample_latents(8, generator=torch.Generator().manual_seed(0))
    for given, back in zip(latents.levels, flow.encode(flow.decode(latents)).levels, strict=True):
        assert largest_difference(given, back) < 1e-4


def test_float32_and_float64_agree_to_1e_5_nats_a_dimension():
    flow = ready_flow(dtype=torch.float32, shape=(3, 16, 16), width=8)
    x = images_for(flow, 8)
    in_float32 = flow.log_prob(x).double()
    assert largest_difference(in_float32, flow.double().log_prob(x.double())) < 1e-5 * flow.config.dimensions


@pytest.mark.parametrize("init", ["principal", "random"])
def test_the_density_integrates_to_one(init):
    flow = ready_flow(shape=(1, 2, 2), levels=1, init=init)
    with torch.no_grad():
        rows = flow.sample(20_000, generator=torch.Generator().manual_seed(0)).flatten(1)
        wide = torch.distributions.MultivariateNormal(rows.mean(dim=0), 1.7 * torch.cov(rows.T))
        proposals = wide.mean + noise(20_000, 4) @ wide.scale_tril.T
        ratios = (flow.log_prob(proposals.view(-1, 1, 2, 2)) - wide.log_prob(proposals)).exp()
    assert abs(ratios.mean().item() - 1) < 5 * ratios.std().item() / math.sqrt(len(ratios)) + 1e-3
    assert ratios.std().item() / math.sqrt(len(ratios)) < 0.02


@every_value
def test_every_density_parameter_has_a_gradient(arm):
    flow = ready_flow(**arm)
    flow.log_prob(images_for(flow, 4)).sum().backward()
    without = [name for name, p in flow.named_parameters() if p.grad is None or not p.grad.any()]
    # The order of the published code is sorted by parameters, and constant weights follow from zeros: no gradient.
    unused = ".shuffle." if flow.config.order == "released" else "weights.hidden.weight"
    known = flow.config.order == "released" or flow.config.weights == "constant"
    assert without == ([name for name, _ in flow.named_parameters() if unused in name] if known else [])


def test_an_images_density_does_not_depend_on_its_batch():
    flow = ready_flow()
    x = images_for(flow, 5)
    assert largest_difference(flow.log_prob(x)[2:3], flow.log_prob(x[2:3])) < 1e-10


def test_an_empty_batch_is_refused_with_its_shape():
    flow = ready_flow()
    with pytest.raises(ShapeError, match=r"\(0, 1, 8, 8\)"):
        flow.log_prob(images_for(flow, 1)[:0])
