"""The sampling temperature whose samples have the power spectrum of training images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..flow import MultiScaleFlow, NonFiniteError, quantise
from ..flow.bijection import generator_for
from ..flow.context import keywords
from ..flow.multiscale import coarsened

#: Temperatures to try, samples drawn at each, and number of training images. None is above 1, where samples leave the
#: learnt distribution, even if this would make up for missing power.
TEMPERATURES = tuple(round(0.5 + 0.05 * i, 2) for i in range(11))
SAMPLES, IMAGES = 128, 1024
#: The smallest ratio of powers: flat samples have power 0, which has no logarithm.
LEAST_RATIO = 1e-6


def octave_power(images: Tensor) -> np.ndarray:
    """Return the power of uint8 images (N, C, H, W) by octave of spatial frequency, coarse first.

    Octave k is the frequencies from 2^k to 2^(k+1) periods an image, up to half a period a pixel; the power is the mean
    over images, channels and the octave's frequencies.
    """
    values = images.double().numpy()
    power = np.square(np.abs(np.fft.fft2(values))).mean(axis=(0, 1)) / values[0, 0].size
    down, across = (np.fft.fftfreq(side) * side for side in values.shape[2:])
    octave = np.floor(np.log2(np.maximum(np.hypot(down[:, None], across), 0.5))).astype(int)
    return np.array([power[octave == k].mean() for k in range(int(np.log2(min(values.shape[2:]))))])


def best_temperature(
    flow: MultiScaleFlow,
    train: Tensor,
    temperatures: Sequence[float] = TEMPERATURES,
    seed: int = 0,
    labels: Tensor | None = None,
) -> float:
    """Return the temperature whose samples have the power spectrum nearest to that of training images.

    Nearest means the smallest mean square of the log ratio of powers, over octaves. Samples and training images have
    the flow's grey levels. Test images are not used. If the samples are finite at no temperature, it is 1.

    Args:
        flow: the flow to sample from.
        train: training images uint8 (N, C, H, W) of the flow's shape.
        temperatures: to choose from.
        seed: of the samples, the same at every temperature.
        labels: of the samples (N,), in turn, if the flow has labels.

    """
    wanted = np.maximum(octave_power(coarsened(train[:IMAGES], flow.config.bits)), LEAST_RATIO)
    context = None if labels is None else labels[torch.arange(SAMPLES) % len(labels)]
    distances = {}
    for temperature in temperatures:
        try:
            drawn = flow.sample(SAMPLES, temperature, generator_for(seed, "temperature"), **keywords(context)).cpu()
        except NonFiniteError:
            continue
        ratios = octave_power(quantise(drawn, flow.config.bits)) / wanted
        distances[temperature] = np.square(np.log(np.maximum(ratios, LEAST_RATIO))).mean()
    return min(distances, key=distances.__getitem__, default=1.0)
