"""What bench measures."""

from dataclasses import replace

import pytest
import torch

from eiwflow.flow import ConfigError, FlowConfig
from eiwflow.training import bench as timing
from eiwflow.training.bench import bench

TINY = FlowConfig(shape=(3, 8, 8), levels=2, steps=1, width=4)


def test_a_split_is_timed_against_a_static_one_with_the_null_beside_it():
    result = bench(TINY, 4)
    assert 0 < result["split_ratio"] < 20
    assert 0 < result["null_ratio"] < 20


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["auto", 0.25])
def test_a_flow_is_timed_with_the_channels_that_it_passes_on(keep, monkeypatch):
    config, timed, make = replace(TINY, shape=(3, 16, 16), levels=3, keep=keep), [], timing._train_step
    monkeypatch.setattr(timing, "_train_step", lambda flow, x, *more: timed.append(flow) or make(flow, x, *more))
    result = bench(config, 4)
    assert result["config"]["keep"] == keep and len(result["config"]["kept"]) == 2
    assert [list(flow.config.counts) for flow in timed] == [result["config"]["kept"]] * 3
    assert all(weight.is_contiguous(memory_format=torch.channels_last)
               for flow in timed for weight in flow.parameters() if weight.ndim == 4)  # fmt: skip
    assert result["parameters"] == sum(weight.numel() for weight in timed[0].parameters())


def test_the_ratios_are_medians_over_turns_and_over_the_static_split(monkeypatch):
    def timed(works):
        times = {name: [1.0, 1.0, 1.0] for name in works}
        return {**times, "train_step": [3.0, 6.0, 9.0], "static_step": [2.0, 2.0, 2.0], "null_step": [8.0, 2.0, 4.0]}

    monkeypatch.setattr(timing, "_timed", timed)
    result = bench(TINY, 4)
    assert (result["split_ratio"], result["null_ratio"]) == (3.0, 2.0)


def test_a_flow_too_large_for_a_checkpoint_is_refused():
    with pytest.raises(ConfigError, match="120000000"):
        bench(FlowConfig(shape=(3, 64, 64), levels=4, steps=64, width=512), 4)
