"""Score images in batches: bits/dim of each under a fixed-seed dequantisation."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .bijection import generator_for
from .config import FlowConfig
from .context import keywords
from .multiscale import MultiScaleFlow, dequantise, to_bits_per_dim

#: Bytes that the widest activations of a batch may take.
ACTIVATION_BYTES = 128 * 2**20
#: Multiplications of a batch, about a second of one core, so that progress shows on a large flow.
BATCH_WORK = 2**35
#: Random numbers that are drawn at once to be discarded.
AT_ONCE = 2**22


def activation_bytes(config: FlowConfig) -> int:
    """Estimate the bytes of an image's widest activations in a flow."""
    shapes = (config.level_shape(level) for level in range(1, config.levels + 1))
    return 4 * max(2 * (config.width + channels) * height * width for channels, height, width in shapes)


def work(flow: FlowConfig) -> int:
    """Return the multiplications of a flow's convolutions for one image."""
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


def batch_size(flow: MultiScaleFlow, most: int = 64) -> int:
    """Return how many images go through a flow at once: on a CPU :func:`images_at_once`, on other devices ``most``."""
    return images_at_once(flow.config, most) if next(flow.parameters()).device.type == "cpu" else most


@torch.no_grad()
def score(
    flow: MultiScaleFlow,
    images: Tensor,
    seed: int = 0,
    batch: int = 64,
    progress: Callable[[int], None] | None = None,
    importance: int = 1,
    first: int = 0,
    context: Tensor | None = None,
) -> Tensor:
    """Return bits/dim (N,) of uint8 images (N, C, H, W) of the flow's shape, given their context (N, …) if it has one.

    The noise of an image depends on the seed and its place alone, so the first images of a longer set score the same.
    With K = ``importance`` > 1 the score is the importance-weighted bound −log (1/K) Σ p(v + u_k) of K draws of the
    noise. Its expectation falls with K, towards the bits/dim of the discrete image. Its first draw is the draw of K =
    1.

    Args:
        flow: initialised.
        images: on the CPU.
        seed: of the noise.
        batch: images that go through the flow at once, at most; on a CPU fewer of a large flow.
        progress: called after every pass of a batch with the number of its images.
        importance: draws of the noise for every image.
        first: the place of the first image, where these are a part of a set.
        context: of the images (N, …), for a flow that has one.

    Reference: Burda et al., Importance Weighted Autoencoders, 2016, arXiv:1509.00519; Ho et al., Flow++, 2019,
    arXiv:1902.00275, on the bound for dequantised flows.

    """
    like, bits = next(flow.parameters()), flow.config.bits
    generators = [torch.Generator().manual_seed(seed)]
    generators += [generator_for(seed, f"draw {number}") for number in range(1, importance)]
    for generator in generators:
        pass_over(first, images, generator, like.dtype)
    scores, size = [], batch_size(flow, batch)
    parts = images.split(size)
    for part, own in zip(parts, [None] * len(parts) if context is None else context.split(size), strict=True):
        draws = []
        for generator in generators:
            x = dequantise(part, generator, like.dtype, bits).to(like.device)
            x = x.contiguous(memory_format=torch.channels_last)
            draws.append(flow(x, **keywords(own))[0].cpu())
            if progress is not None:
                progress(len(part))
        log_prob = draws[0] if importance == 1 else torch.stack(draws).double().logsumexp(0) - math.log(importance)
        scores.append(to_bits_per_dim(log_prob, flow.config.dimensions, bits))
    return torch.cat(scores)


def pass_over(count: int, images: Tensor, generator: torch.Generator, dtype: torch.dtype) -> None:
    """Draw and discard the noise of ``count`` images of this size, so that the next draw belongs to a later place."""
    values = count * images[0].numel()
    for start in range(0, values, AT_ONCE):
        torch.rand(min(AT_ONCE, values - start), generator=generator, dtype=dtype)
