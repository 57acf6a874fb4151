"""Passes through a flow on any device: inputs and results are on the CPU, where they are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from ..flow import Latents, MultiScaleFlow
from ..flow.multiscale import LevelTrace, Trace
from ..flow.score import batch_size

_most: ContextVar[int | None] = ContextVar("most", default=None)


def set_batch(most: int | None) -> None:
    """Set the most images that go through a flow at once in this thread's later measures; None for the default.

    A large flow on a CPU still takes fewer.
    """
    _most.set(most)


def images_at_once(flow: MultiScaleFlow, usual: int = 64) -> int:
    """Return how many images go through a flow at once on its device: ``usual``, or the number of :func:`set_batch`."""
    return batch_size(flow, _most.get() or usual)


def device_of(flow: MultiScaleFlow) -> torch.device:
    """Return the device that a flow is on."""
    return next(flow.parameters()).device


def trace(flow: MultiScaleFlow, x: Tensor) -> Trace:
    """Return the trace of images x (N, C, H, W)."""
    device = device_of(flow)
    seen = flow.trace(x.to(device))
    if device.type == "cpu":
        return seen
    fetched = [LevelTrace(**over_tensors(Tensor.cpu, vars(level))) for level in seen.levels]
    return Trace(x, fetched, seen.log_prob.cpu())


def over_tensors(change: Callable[..., Tensor], *parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by name, with every tensor changed together with those of its name in the other parts."""
    changed = dict(parts[0])
    for name, value in parts[0].items():
        each = [part[name] for part in parts]
        if isinstance(value, dict):
            changed[name] = over_tensors(change, *each)
        elif isinstance(value, Tensor):
            changed[name] = change(*each)
    return changed


def encode(flow: MultiScaleFlow, x: Tensor) -> Latents:
    """Return the latents of images x (N, C, H, W)."""
    return Latents([noise.cpu() for noise in flow.encode(x.to(device_of(flow))).levels])


def decode(flow: MultiScaleFlow, latents: Latents) -> Tensor:
    """Return the images (N, C, H, W) of latents."""
    device = device_of(flow)
    return flow.decode(Latents([noise.to(device) for noise in latents.levels])).cpu()
