"""A flow remembers nothing between calls, and what it is survives saving."""

import copy
import io

import pytest
import torch

from eiwflow.flow import MultiScaleFlow

from .flows import every_policy, every_value, fresh_flow, images_for, ready_flow
from .numerics import Questions, largest_difference

OPERATIONS = {
    "forward": lambda flow, x: flow(x, divergence=True),
    "log_prob": lambda flow, x: flow.log_prob(x),
    "bits_per_dim": lambda flow, x: flow.bits_per_dim(torch.zeros(x.shape, dtype=torch.uint8)),
    "encode": lambda flow, x: flow.encode(x),
    "decode": lambda flow, x: flow.decode(flow.encode(x)),
    "sample": lambda flow, x: flow.sample(2),
    "trace": lambda flow, x: flow.trace(x),
}


@pytest.mark.parametrize("use", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize("split", ["entropy", "entropy+pooled"])
@pytest.mark.parametrize("training", [True, False])
def test_no_use_changes_a_buffer_or_parameter(use, split, training):
    flow = ready_flow(split=split).train(training)
    before = {name: value.clone() for name, value in flow.state_dict().items()}
    use(flow, images_for(flow, 3))
    assert flow.state_dict().keys() == before.keys()
    assert all(torch.equal(before[name], value) for name, value in flow.state_dict().items())


@every_policy
def test_training_and_evaluation_mode_are_the_same(split):
    flow = ready_flow(split=split)
    x = images_for(flow, 3)
    assert torch.equal(flow.train().log_prob(x), flow.eval().log_prob(x))
    assert torch.equal(flow.train().decode(latents := flow.encode(x)), flow.eval().decode(latents))


@every_value
def test_a_saved_and_loaded_flow_is_the_same_density(arm):
    flow, file = ready_flow(**arm), io.BytesIO()
    torch.save(flow.state_dict(), file)
    file.seek(0)
    loaded = MultiScaleFlow(flow.config, seed=99).double()
    loaded.load_state_dict(torch.load(file, weights_only=True))
    x = images_for(flow, 3)
    assert torch.equal(loaded.log_prob(x), flow.log_prob(x))
    assert torch.equal(loaded.decode(loaded.encode(x)), flow.decode(flow.encode(x)))


def test_a_loaded_flow_is_not_initialised_again():
    loaded = fresh_flow(seed=99)
    loaded.load_state_dict(ready_flow().state_dict())
    with pytest.raises(RuntimeError, match="initialised already"):
        loaded.initialise(images_for(loaded, 4))


def test_a_copy_is_the_same_density_and_independent():
    flow = ready_flow()
    twin, x = copy.deepcopy(flow), images_for(flow, 3)
    log_prob = flow.log_prob(x)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.zero_()
    assert torch.equal(twin.log_prob(x), log_prob)


def test_a_flow_can_be_built_on_the_meta_device_with_the_names_and_shapes_of_a_real_one():
    with torch.device("meta"):
        meta = fresh_flow(dtype=torch.float32)
    real = fresh_flow(dtype=torch.float32)
    assert {name: value.shape for name, value in meta.state_dict().items()} == {
        name: value.shape for name, value in real.state_dict().items()
    }
    assert all(value.is_meta for value in meta.state_dict().values())


def test_the_memory_layout_of_the_images_changes_nothing():
    flow = ready_flow(dtype=torch.float32, shape=(3, 16, 16))
    x = images_for(flow, 4)
    channels_last = x.contiguous(memory_format=torch.channels_last)
    assert largest_difference(flow.log_prob(channels_last), flow.log_prob(x)) < 1e-5 * flow.config.dimensions


@every_value
def test_a_training_step_asks_no_tensor_for_its_value(arm):
    flow = ready_flow(**arm).requires_grad_()
    x = images_for(flow, 3)
    with Questions() as questions:
        log_prob, divergence = flow(x, divergence=True)
        (log_prob.sum() + divergence.sum()).backward()
    assert questions.count == 0
    with Questions() as questions:
        flow.encode(x)  # says by name which level is not finite
    assert questions.count > 0


def test_a_state_without_the_word_initialised_is_refused():
    state = ready_flow().state_dict()
    assert state.pop("initialised").dtype == torch.bool
    with pytest.raises(RuntimeError, match="initialised"):
        fresh_flow().load_state_dict(state)
