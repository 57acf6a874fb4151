"""What a training would take: near to what it takes, and refused where there is no room."""

import dataclasses

import pytest
import torch

from eiwflow.flow import ConfigError, FlowConfig, MultiScaleFlow
from eiwflow.training import cost
from eiwflow.training.cost import check_memory, memory_bytes, work
from eiwflow.training.recipe import Recipe

CPU = torch.device("cpu")
FLOWS = {
    "small": FlowConfig(shape=(3, 16, 16), levels=2, steps=2, width=16),
    "wide": FlowConfig(shape=(3, 16, 16), levels=1, steps=2, width=96, order="variance-reversed", weights="none"),
    "deep": FlowConfig(shape=(1, 16, 16), levels=3, steps=6, width=8, prior="standard"),
}


def kept_bytes(flow, batch):
    """Return the bytes that torch keeps for the way back, parameters aside."""
    x = (torch.rand(batch, *flow.config.shape) - 0.5).contiguous(memory_format=torch.channels_last)
    storages = {}

    def pack(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        flow.log_prob(x).mean()
    own = {p.untyped_storage().data_ptr() for p in flow.parameters()}
    return sum(tensor.untyped_storage().nbytes() for key, tensor in storages.items() if key not in own)


@pytest.mark.parametrize("config", FLOWS.values(), ids=FLOWS)
def test_memory_that_grows_with_the_batch_is_estimated_to_a_fifth_or_so(config):
    flow = MultiScaleFlow(config).to(memory_format=torch.channels_last)
    flow.initialise(torch.rand(32, *config.shape) - 0.5)
    measured = kept_bytes(flow, 32) - kept_bytes(flow, 8)
    estimated = memory_bytes(Recipe(flow=config, batch=32)) - memory_bytes(Recipe(flow=config, batch=8))
    assert 0.9 < estimated / measured < 1.5


def test_what_is_too_much_is_refused_with_the_batch_that_fits(monkeypatch):
    recipe = Recipe(flow=FLOWS["small"], batch=4096)
    monkeypatch.setattr(cost, "free_bytes", lambda device: 2**29)
    with pytest.raises(ConfigError, match=r"^This needs about \d+\.\d GiB; cpu has 0\.5 GiB free\.") as caught:
        check_memory(recipe, CPU)
    fitting = int(str(caught.value).rsplit("at most ", 1)[1].split()[0])
    assert check_memory(dataclasses.replace(recipe, batch=fitting), CPU) <= cost.ROOM * 2**29
    with pytest.raises(ConfigError):
        check_memory(dataclasses.replace(recipe, batch=fitting + 1), CPU)
    monkeypatch.setattr(cost, "free_bytes", lambda device: 2**20)
    with pytest.raises(ConfigError, match="make the flow or its images smaller"):
        check_memory(recipe, CPU)


def test_work_counts_the_multiplications_of_the_convolutions():
    flow = FlowConfig(shape=(1, 8, 8), levels=1, steps=3, width=5)
    # 4 channels of 4×4: 2→5 by 3×3, 5→5, 5→4 by 3×3, and the 1×1 convolution.
    assert work(flow) == 3 * 16 * (9 * 2 * 5 + 25 + 9 * 5 * 4 + 16)
