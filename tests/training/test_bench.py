"""What bench measures."""

from dataclasses import replace

import torch

from eiwflow.flow import FlowConfig
from eiwflow.training import bench as timing
from eiwflow.training.bench import bench

TINY = FlowConfig(shape=(3, 8, 8), levels=2, steps=1, width=4)


def test_a_flow_is_timed_with_the_channels_that_it_passes_on(monkeypatch):
    config, flows, make = replace(TINY, shape=(3, 16, 16), levels=3, keep="auto"), [], timing.train_step
    monkeypatch.setattr(timing, "train_step", lambda flow, x, *more: flows.append(flow) or make(flow, x, *more))
    result = bench(config, 4)
    assert [list(flow.config.counts) for flow in flows] == [result["config"]["kept"]]
    assert all(weight.is_contiguous(memory_format=torch.channels_last)
               for flow in flows for weight in flow.parameters() if weight.ndim == 4)  # fmt: skip
    assert result["parameters"] == sum(weight.numel() for weight in flows[0].parameters())
    assert min(result[f"{name}_cpu_s"] for name in ("train_step", "log_prob", "sample")) > 0
