"""How many channels a level passes on: a fraction of them, or as many as have structure."""

import dataclasses

import pytest
import torch

from eiwflow.flow import FlowConfig, MultiScaleFlow, NotInitialisedError
from eiwflow.flow.information import redundancy
from eiwflow.flow.policies import AUTO_REDUNDANCY, structured_channels
from eiwflow.flow.shuffle import Shuffle

from ..words import spelled_out
from .flows import SOME_POLICIES, fresh_flow, images_for, ready_flow
from .numerics import largest_difference, noise, sheet

KEPT = {0.25: 1, 0.5: 2, 0.75: 3}


@pytest.mark.parametrize("keep", KEPT)
def test_every_tensor_has_the_channels_that_keep_says(keep):
    flow = ready_flow(keep=keep, prior="conditional", levels=3)
    kept = KEPT[keep]
    first, second, last = flow.trace(images_for(flow, 2)).levels
    assert first.kept.shape == (2, kept, 4, 4) and first.noise.shape == (2, 4 - kept, 4, 4)
    assert second.features.shape == (2, 4 * kept, 2, 2) and second.kept.shape == (2, 4 * kept * kept // 4, 2, 2)
    assert first.prior_mean.shape == first.prior_log_std.shape == first.emitted.shape == first.noise.shape
    assert last.noise.shape == last.features.shape
    prior = flow.levels[0].split.prior
    assert prior.weight.shape == (2 * (4 - kept), kept, 3, 3)
    latents = flow.sample_latents(3)
    assert [noise.shape[1:] for noise in latents.levels] == flow.latent_shapes()
    assert sum(noise[0].numel() for noise in latents.levels) == flow.config.dimensions


@pytest.mark.parametrize("prior", ["standard", "conditional", "unbounded", "constant"])
def test_with_all_channels_passed_on_the_last_level_holds_every_value_and_no_prior_is_learned(prior):
    flow = ready_flow(keep="all", prior=prior, levels=3)
    x = images_for(flow, 2)
    latents, trace = flow.encode(x), flow.trace(x)
    assert [tuple(noise.shape[1:]) for noise in latents.levels] == [(0, 4, 4), (0, 2, 2), (64, 1, 1)]
    assert all(level.split.prior is None for level in flow.levels[:-1])
    nats = torch.distributions.Normal(0, 1).log_prob(latents.levels[-1]).sum(dim=(1, 2, 3))
    steps = sum(each for level in trace.levels for each in level.log_dets.values())
    torch.testing.assert_close(flow.log_prob(x), nats + steps)
    assert largest_difference(flow.decode(latents), x) < 1e-8


#: The channels of 8 that are passed on, by order and number, of principal channels where the order is by variance.
PASSED_ON = {
    ("first", 2): {6, 7}, ("first", 6): {2, 3, 4, 5, 6, 7}, ("last", 2): {0, 1}, ("last", 6): {0, 1, 2, 3, 4, 5},
    ("variance", 2): {0, 1}, ("variance", 6): {0, 1, 2, 3, 4, 5}, ("variance-reversed", 2): {6, 7},
    ("variance-reversed", 6): {2, 3, 4, 5, 6, 7},
}  # fmt: skip


@pytest.mark.parametrize(("order", "kept"), PASSED_ON, ids=str)
def test_an_order_passes_on_the_channels_it_says_whatever_their_number(order, kept):
    shuffle = Shuffle(8, order, "none", kept=kept)
    shuffle.draw(torch.Generator())
    shuffle.initialise(noise(4, 8, 4, 4), torch.arange(8) if "variance" in order else None)
    assert set(shuffle.order[:kept].tolist()) == PASSED_ON[order, kept]


def test_less_is_passed_on_in_the_same_order():
    x = torch.cat([sheet(3, 8, 8, n=16), noise(16, 5, 8, 8)], dim=1)
    quarter, half = (Shuffle(8, "entropy", "none", kept=kept) for kept in (2, 4))
    for shuffle in (quarter, half):
        shuffle.initialise(x)
    assert torch.equal(quarter.order, half.order)


# ------------------------------------------------------------------------------ auto


def structured(n=32, channels=1, size=16):
    """Images whose squeezed channels are partly smooth, partly noise."""
    return sheet(channels, size, size, n=n).float() + 0.3 * noise(n, channels, size, size, seed=1).float()


def auto_flow(**fields):
    config = FlowConfig(
        **{"shape": (1, 16, 16), "levels": 3, "steps": 2, "width": 4, "keep": "auto", **spelled_out(fields)}
    )
    flow = MultiScaleFlow(config, seed=3)
    flow.initialise(structured())
    return flow


def test_as_many_channels_are_passed_on_as_have_structure():
    x = torch.cat([sheet(3, 16, 16, n=16), noise(16, 5, 16, 16)], dim=1)
    assert (redundancy(x).mean(dim=0) > AUTO_REDUNDANCY).sum() == 3 == structured_channels(x)
    assert structured_channels(x[:, 3:]) == 1  # at least one
    assert structured_channels(x[:, :3]) == 2  # not all


@pytest.mark.parametrize("order", ["entropy", "random", "variance"])
def test_the_initialising_pass_counts_the_channels_of_every_level(order):
    flow = auto_flow(order=order)
    features = [level.features for level in flow.trace(structured()).levels]
    assert flow.config.kept == tuple(structured_channels(x) for x in features[:-1])
    assert 0 < flow.config.kept[0] < 4
    assert flow.latent_shapes()[0] == (4 - flow.config.kept[0], 8, 8)


@pytest.mark.parametrize("split", [*SOME_POLICIES, "released"])
def test_it_is_the_flow_that_the_numbers_alone_describe(split):
    init = "principal" if "variance" in split else "random"
    flow = auto_flow(split=split, prior="standard", init=init)
    again = MultiScaleFlow(flow.config, seed=3)
    again.initialise(structured())
    assert flow.state_dict().keys() == again.state_dict().keys()
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in flow.state_dict().items())


def test_before_it_has_seen_data_it_has_no_shape_of_latents():
    flow = fresh_flow(keep="auto")
    with pytest.raises(NotInitialisedError):
        flow.sample_latents(1)
    with pytest.raises(NotInitialisedError):
        flow.latent_shapes()


def test_a_flow_takes_numbers_that_another_process_has_found():
    flow = auto_flow()
    other = MultiScaleFlow(dataclasses.replace(flow.config, kept=()), seed=3).double()
    other.resolve(flow.config.kept)
    assert other.config == flow.config
    assert next(other.parameters()).dtype == torch.double
    assert {name: tensor.shape for name, tensor in other.state_dict().items()} == {
        name: tensor.shape for name, tensor in flow.state_dict().items()
    }


def test_its_parts_are_of_the_flows_type():
    flow = fresh_flow(keep="auto", dtype=torch.double)
    flow.initialise(images_for(flow, 16))
    assert {parameter.dtype for parameter in flow.parameters()} == {torch.double}


def test_the_state_of_a_flow_with_auto_loads_into_a_fresh_flow_of_the_same_config():
    flow, asked = auto_flow(), FlowConfig(shape=(1, 16, 16), levels=3, steps=2, width=4, keep="auto")
    loaded, x = torch.nn.ModuleDict({"flow": MultiScaleFlow(asked)}), structured(4)
    loaded.load_state_dict({f"flow.{name}": value for name, value in flow.state_dict().items()})
    assert loaded["flow"].config == flow.config
    assert torch.equal(loaded["flow"].log_prob(x), flow.log_prob(x))
