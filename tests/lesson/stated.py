"""The numbers in the sentences of the lesson's scenes, worked out by torch."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import numpy as np
import torch
from torch import Tensor

from benchmarks.pack import own_rank
from eiwflow import checkpoint, data, project
from eiwflow.analysis.weights import HeldWeights
from eiwflow.flow import Latents, MultiScaleFlow
from eiwflow.flow.information import redundancy
from eiwflow.flow.multiscale import to_bits_per_dim
from eiwflow.lesson import build, default
from eiwflow.lesson.spec import at_bin_centres

#: Scene 9 adds so much grain, in grey levels, from this seed; scene 8 redraws level 1 from this one.
GRAIN, SEED, REDRAWN = 16, 77, 101


def normals(seed: int, count: int) -> np.ndarray:
    """Return the normal numbers (count,) that the lesson draws from a seed, by flow.js's generator."""
    mask, uniforms = 0xFFFFFFFF, np.empty(count + count % 2)
    state = (seed * 2654435761 + 1) & mask
    for i in range(len(uniforms)):
        state = (state + 0x6D2B79F5) & mask
        t = (state ^ (state >> 15)) * (state | 1) & mask
        t ^= (t + (t ^ (t >> 7)) * (t | 61)) & mask
        uniforms[i] = (t ^ (t >> 14)) / 4294967296
    first, second = uniforms.reshape(-1, 2).T
    radius, angle = np.sqrt(-2 * np.log(1 - first)), 2 * np.pi * second
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).flatten()[:count]


def drawn(seed: int, shape: torch.Size) -> Tensor:
    """Return the lesson's normal numbers (1, C, H, W) from a seed: it keeps the channels of a pixel together."""
    _, channels, height, width = shape
    values = normals(seed, channels * height * width).reshape(1, height, width, channels)
    return torch.from_numpy(values).float().permute(0, 3, 1, 2)


@cache
def bundled() -> checkpoint.Checkpoint:
    return checkpoint.load(project.CHECKPOINTS / f"{default.FLOW}.safetensors")


@cache
def tests() -> Tensor:
    return data.to_tensor(data.load(default.DATA, download=False).test)


def face() -> Tensor:
    return tests()[default.SHOWN[0]][None]


def many() -> Tensor:
    return at_bin_centres(tests()[: build.AVERAGED])


def bits(flow: MultiScaleFlow, x: Tensor) -> float:
    return float(to_bits_per_dim(flow.log_prob(x), flow.config.dimensions))


def predicted() -> list[float]:
    """Return by how many per cent the error of the strongest coupling's prediction is smaller than B, for scene 3."""
    level, shares = bundled().flow.levels[0], build.explained(bundled().flow, many())
    strongest = max(shares, key=lambda one: one["share"])["step"]
    y = level.squeeze(at_bin_centres(face()))[0]
    for number, step in enumerate(level.steps):
        for name, part in step.parts():
            if (name, number) == ("coupling", strongest):
                a, b = y.chunk(2, dim=1)
                log_scale, shift = step.coupling.affine(a)
                left, whole = (x.square().mean().sqrt() for x in (b + shift * (-log_scale).exp(), b))
                return [100 * float(1 - left / whole)]
            y = part(y)[0]
    raise AssertionError("the level has no such coupling")


def face_bits() -> list[float]:
    """Return the bits per value of the first picture, for scene 4."""
    return [bits(bundled().flow, at_bin_centres(face()))]


def likely() -> list[float]:
    """Return the bits per value of flat grey and of the first picture, for scene 5."""
    grey = torch.full_like(face(), int(face().double().mean() + 0.5))
    return [bits(bundled().flow, at_bin_centres(grey)), *face_bits()]


def rank() -> list[float]:
    """Return the rank of the flow's own half among all, for scene 6."""
    average = bundled().flow.trace(many()).levels[0].features.mean(dim=0)
    return [own_rank(bundled().flow, face()[0], average)]


def entropies() -> list[float]:
    """Return the mean entropy of the channels that stay, of those that leave, and of noise, in bits, for scene 7."""
    shuffle = bundled().flow.levels[0].shuffle
    assert shuffle is not None
    kept = len(shuffle.order) - bundled().flow.latent_shapes()[0][0]
    told = redundancy(bundled().flow.trace(many()).levels[0].features).mean(dim=0).clamp_min(0) / np.log(2)
    noise = np.log2(2 * np.pi * np.e) / 2
    return [*(noise - float(told[half].mean()) for half in (shuffle.order[:kept], shuffle.order[kept:])), noise]


def redrawn() -> list[float]:
    """Return the error with level 1 redrawn, the highest grey level, and the error of another face, for scene 8."""
    flow, own = bundled().flow, bundled().flow.encode(at_bin_centres(face())).levels
    decoded = flow.decode(Latents([drawn(REDRAWN, own[0].shape), *own[1:]]))
    grey = ((decoded + 0.5) * 256 - 0.5).clamp(0, 255)
    others = tests()[list(default.SHOWN[1:])].double() - face().double()
    return [
        float((grey - face()).square().mean().sqrt()),
        255,
        float(others.square().mean(dim=(1, 2, 3)).sqrt().mean()),
    ]


def averaged() -> list[float]:
    """Return how many bits more a clean and a grainy picture need with average weights, for scene 9."""
    frozen = _held(bundled().flow, {name: value.mean(dim=0) for name, value in _weights(many()).items()})
    return [bits(frozen, x) - bits(bundled().flow, x) for x in _clean_and_grainy()]


def swapped() -> list[float]:
    """Return how many bits more each of the two needs with the weights of the other, for scene 9."""
    flow, (clean, grainy) = bundled().flow, _clean_and_grainy()
    return [
        bits(_held(flow, {name: value[0] for name, value in _weights(other).items()}), x) - bits(flow, x)
        for x, other in ((clean, grainy), (grainy, clean))
    ]


def _clean_and_grainy() -> list[torch.Tensor]:
    x = at_bin_centres(face())
    return [x, x + GRAIN / 256 * drawn(SEED, x.shape)]


def _weights(x: torch.Tensor) -> dict[tuple[int, str], torch.Tensor]:
    """Return the weights of all couplings for images, by level and name."""
    levels = bundled().flow.trace(x).levels
    return {(n, name): value for n, level in enumerate(levels) for name, value in level.coupling_weights.items()}


def _held(flow: MultiScaleFlow, weights: dict[tuple[int, str], torch.Tensor]) -> MultiScaleFlow:
    """Return a flow whose couplings hold these weights for every image."""
    held = deepcopy(flow)
    for n, level in enumerate(held.levels):
        for number, step in enumerate(level.steps, start=1):
            if (n, f"step {number} read") in weights:
                read, given = (weights[n, f"step {number} {side}"] for side in ("read", "given"))
                step.coupling.weights = HeldWeights(read, given)
    return held
