"""Initialisation from data: what every module is set to, and that it happens once, first."""

import pytest
import torch

from eiwflow.flow import Latents, NotInitialisedError, ShapeError, dequantise
from eiwflow.flow.information import redundancy

from .flows import OF_PRINCIPAL, every_value, fresh_flow, images_for
from .numerics import largest_difference, noise, sheet


def initialised_flow(**fields):
    flow = fresh_flow(**{"shape": (3, 16, 16), "width": 6, **fields})
    x = 0.3 * sheet(3, 16, 16, n=16) + 0.1 * noise(16, 3, 16, 16, seed=1)
    flow.initialise(x)
    return flow, x


def after_each(flow, x, wanted):
    """Yield (step, output on x) of every part of the flow with the name ``wanted``."""
    for level in flow.levels:
        x, _ = level.squeeze(x)
        for step in level.steps:
            for name, part in step.parts():
                x, _ = part(x)
                if name == wanted:
                    yield step, x
        if level.shuffle is not None:
            x, _, _ = level.split.emit(level.shuffle(x)[0])


@every_value
def test_every_actnorm_gives_mean_0_and_standard_deviation_1_on_the_batch(arm):
    for _, y in after_each(*initialised_flow(**arm), "actnorm"):
        std, mean = torch.std_mean(y, dim=(0, 2, 3), correction=0)
        assert mean.abs().max() < 1e-6
        assert (std - 1).abs().max() < 1e-6


@pytest.mark.parametrize("split", OF_PRINCIPAL)
def test_principal_rotates_every_level_to_uncorrelated_channels_largest_variance_first(split):
    flow, x = initialised_flow(split=split, partition="alternating")
    rotations = list(after_each(flow, x, "mixing"))[:: flow.config.steps]
    assert len(rotations) == 2
    for _, y in rotations:
        covariance = torch.cov(y.transpose(0, 1).flatten(1), correction=0)
        assert largest_difference(covariance, torch.diag(covariance.diagonal())) < 1e-6
        assert (covariance.diagonal().diff() <= 1e-6).all()


def test_principal_swaps_the_halves_in_every_other_step():
    flow, _ = initialised_flow(steps=3, partition="alternating")
    for level in flow.levels:
        y = noise(1, level.steps[0].channels, 2, 2)
        for step in level.steps[1:]:
            once, _ = step.mixing(y)
            assert torch.equal(once, torch.cat(y.chunk(2, dim=1)[::-1], dim=1))
            assert torch.equal(step.mixing(once)[0], y)


def test_random_initialisation_draws_another_rotation_for_every_step():
    flow, _ = initialised_flow(init="random")
    matrices = [step.mixing.matrix() for step in flow.levels[0].steps]
    for matrix in matrices:
        assert largest_difference(matrix @ matrix.T, torch.eye(len(matrix), dtype=torch.double)) < 1e-5
    assert largest_difference(*matrices) > 0.1


@pytest.mark.parametrize("init", ["principal", "random"])
@pytest.mark.parametrize("split", ["entropy", "entropy+pooled"])
def test_the_entropy_order_is_sorted_on_the_batch_before_what_lies_behind_is_initialised(split, init):
    flow, x = initialised_flow(split=split, init=init, levels=3)
    for seen in flow.trace(x).levels[:-1]:
        assert (redundancy(seen.features).mean(dim=0)[seen.order].diff() <= 1e-9).all()
    assert flow.levels[0].shuffle.order.tolist() != list(range(12))


def test_the_coupling_prior_and_weights_still_start_as_the_identity():
    flow, x = initialised_flow()
    for seen in flow.trace(x).levels:
        assert all(not log_det.any() for name, log_det in seen.log_dets.items() if "coupling" in name)
        assert "split" not in seen.log_dets or not seen.log_dets["split"].any()
        assert seen.log_weights is None or not seen.log_weights.any()


def test_a_second_time_is_refused():
    flow, x = initialised_flow()
    before = {name: value.clone() for name, value in flow.state_dict().items()}
    with pytest.raises(RuntimeError, match="initialised already"):
        flow.initialise(x)
    assert all(torch.equal(before[name], value) for name, value in flow.state_dict().items())


def test_the_batch_must_have_the_flows_shape():
    flow = fresh_flow()
    with pytest.raises(ShapeError, match=r"\(4, 1, 8, 4\).*\(N, 1, 8, 8\)"):
        flow.initialise(torch.zeros(4, 1, 8, 4))
    assert not flow.initialised


@pytest.mark.parametrize("init", ["principal", "random"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_batch_that_is_not_finite_is_refused_and_leaves_the_flow_fresh(bad, init):
    flow = fresh_flow(init=init)
    x = images_for(flow, 4)
    x[0, 0, 0, 0] = bad
    with pytest.raises(ValueError, match="not finite"):
        flow.initialise(x)
    assert not flow.initialised


@pytest.mark.parametrize(
    "use",
    [
        lambda flow, x: flow(x),
        lambda flow, x: flow.log_prob(x),
        lambda flow, x: flow.bits_per_dim(torch.zeros(x.shape, dtype=torch.uint8)),
        lambda flow, x: flow.encode(x),
        lambda flow, x: flow.decode(Latents([torch.zeros(1, *shape) for shape in flow.latent_shapes()])),
        lambda flow, x: flow.sample(1),
        lambda flow, x: flow.trace(x),
    ],
    ids=["forward", "log_prob", "bits_per_dim", "encode", "decode", "sample", "trace"],
)
def test_a_fresh_flow_can_only_be_initialised(use):
    flow = fresh_flow()
    before = {name: value.clone() for name, value in flow.state_dict().items()}
    with pytest.raises(NotInitialisedError, match="initialise"):
        use(flow, images_for(flow, 1))
    assert all(torch.equal(before[name], value) for name, value in flow.state_dict().items())


# ------------------------------------------------------------------------------ poor batches

SIZES = {
    "small": {},
    "deep": {"shape": (3, 32, 32), "levels": 3, "steps": 8},
}


def flow_from(batch, **fields):
    """Return a float32 flow initialised from ``batch(flow)`` and images near that batch."""
    flow = fresh_flow(dtype=torch.float32, **fields)
    flow.initialise(x := batch(flow))
    return flow, x + 0.05 * images_for(flow, len(x), seed=9)


def check_usable(flow, x):
    assert all(torch.isfinite(value).all() for value in flow.state_dict().values())
    assert torch.isfinite(flow.log_prob(x)).all()
    assert largest_difference(flow.decode(flow.encode(x)), x) < 1e-4
    assert torch.isfinite(flow.sample(2, generator=torch.Generator().manual_seed(0))).all()


def one_image(flow):
    return images_for(flow, 1)


def constant_images(flow):
    return torch.full((4, *flow.config.shape), 0.1)


def images_of_constant_rows(flow):
    x = images_for(flow, 4)
    x[:, :, ::2] = -0.5
    return x


@pytest.mark.parametrize("fields", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("batch", [one_image, constant_images, images_of_constant_rows])
@pytest.mark.parametrize(
    ("split", "init"), [("variance-reversed", "principal"), ("entropy+pooled", "principal"), ("last", "random")]
)
def test_a_poor_batch_initialises_to_a_usable_flow(fields, batch, split, init):
    check_usable(*flow_from(batch, split=split, init=init, **fields))


def test_a_batch_with_fewer_positions_than_channels_fits_its_own_images():
    # The last level has 192 channels and one position an image: 64 images cannot span them.
    flow = fresh_flow(dtype=torch.float32, shape=(3, 32, 32), levels=5, steps=4)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8, generator=generator)
    flow.initialise(dequantise(images, generator))
    assert flow.bits_per_dim(images, generator).max().item() < 9


@pytest.mark.parametrize("partition", ["alternating", "random", "information"])
@pytest.mark.parametrize("steps", [2, 3])
def test_orders_by_variance_pass_on_the_principal_channels_that_vary_most_or_least(partition, steps):
    images = torch.cumsum(noise(64, 1, 16, 16), dim=2) * torch.tensor([0.2, 1.0]).repeat(8)
    spread = {}
    for order in ("variance", "variance-reversed"):
        flow = fresh_flow(
            shape=(1, 16, 16), steps=steps, order=order, weights="none", partition=partition, init="principal"
        )
        flow.initialise(images)
        level = flow.levels[0]
        shuffled, _ = level.shuffle(level.features(images)[0])
        # ActNorm makes all principal channels equally loud again; before it they are as they were rotated.
        x = level.steps[0].actnorm(level.squeeze(images)[0])[0]
        rows = x.permute(1, 0, 2, 3).flatten(1)
        values, vectors = torch.linalg.eigh(rows.cov(correction=0))
        principal = torch.einsum("ij,njhw->nihw", vectors.T, x).permute(1, 0, 2, 3).flatten(1)
        mixed = shuffled.permute(1, 0, 2, 3).flatten(1)
        correlation = torch.corrcoef(torch.cat([mixed, principal]))[:4, 4:].abs()
        spread[order] = values[correlation.argmax(dim=1)]
    largest, smallest = spread["variance"], spread["variance-reversed"]
    assert largest[:2].min() > largest[2:].max()
    assert smallest[:2].max() < smallest[2:].min()


@pytest.mark.parametrize("order", ["variance", "variance-reversed"])
def test_from_random_rotations_an_order_by_variance_ranks_the_features_at_the_split(order):
    images = torch.cumsum(noise(64, 1, 16, 16), dim=2) * torch.tensor([0.2, 1.0]).repeat(8)
    flow = fresh_flow(shape=(1, 16, 16), steps=3, order=order, weights="none", init="random")
    flow.initialise(images)
    level = flow.levels[0]
    spread = level.shuffle(level.features(images)[0])[0].detach().numpy().var(axis=(0, 2, 3))
    passed_on, factored_out = spread[:2], spread[2:]
    if order == "variance":
        assert passed_on.min() >= factored_out.max()
    else:
        assert passed_on.max() <= factored_out.min()
