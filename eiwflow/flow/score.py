"""Score images in batches: bits/dim of each under a fixed-seed dequantisation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .config import FlowConfig
from .multiscale import MultiScaleFlow, dequantise, to_bits_per_dim

#: Bytes that the widest activations of a batch may take.
ACTIVATION_BYTES = 128 * 2**20
#: Multiplications of a batch, about a second of a core: so progress is seen on a large flow.
BATCH_WORK = 2**35


def activation_bytes(config: FlowConfig) -> int:
    """Return an estimate of the bytes that an image's widest activations take on their way through a flow."""
    shapes = (config.level_shape(level) for level in range(1, config.levels + 1))
    return 4 * max(2 * (config.width + channels) * height * width for channels, height, width in shapes)


def work(flow: FlowConfig) -> int:
    """Return the multiplications of an image's way through a flow's convolutions."""
    total = 0
    for level in range(1, flow.levels + 1):
        channels, height, width = flow.level_shape(level)
        kernels = [int(k) for k in flow.network.split("-")]
        sizes = [channels // 2, *[flow.width] * (len(kernels) - 1), channels]
        network = sum(k * k * a * b for k, a, b in zip(kernels, sizes[:-1], sizes[1:], strict=True))
        total += flow.steps * height * width * (network + channels**2)
    return total


def images_at_once(config: FlowConfig, most: int = 64) -> int:
    """Return how many images go through a flow at once: fewer, the larger its activations or its work.

    >>> images_at_once(FlowConfig(shape=(3, 32, 32)))
    64
    >>> images_at_once(FlowConfig(shape=(3, 128, 128), width=256))
    6

    """
    return max(1, min(most, ACTIVATION_BYTES // activation_bytes(config), BATCH_WORK // work(config)))


@torch.no_grad()
def score(
    flow: MultiScaleFlow,
    images: Tensor,
    seed: int = 0,
    batch: int = 64,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Return bits/dim (N,) of uint8 images (N, C, H, W) of the flow's shape.

    The noise of an image depends on the seed and its place alone, so the first images of a longer set score the same.
    At
    most ``batch`` go through the flow at once, of a large flow fewer; ``progress`` is called after every batch with the
    number of its images.
    """
    like, bits = next(flow.parameters()), flow.config.bits
    generator = torch.Generator().manual_seed(seed)
    scores = []
    for part in images.split(images_at_once(flow.config, batch)):
        x = dequantise(part, generator, like.dtype, bits).to(like.device).contiguous(memory_format=torch.channels_last)
        scores.append(to_bits_per_dim(flow.log_prob(x), flow.config.dimensions, bits).cpu())
        if progress is not None:
            progress(len(part))
    return torch.cat(scores)
