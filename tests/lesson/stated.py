"""The numbers in the sentences of the lesson's scenes, worked out by torch and from the studies' files."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import numpy as np
import torch
from torch import Tensor

from benchmarks.pack import decoded, own_rank
from eiwflow import checkpoint, data, project
from eiwflow.analysis.attributes import measure_attributes
from eiwflow.analysis.coupling_weights import HeldWeights
from eiwflow.flow import Latents, MultiScaleFlow
from eiwflow.flow.information import redundancy
from eiwflow.flow.multiscale import quantise, to_bits_per_dim
from eiwflow.lesson import build, default, homework
from eiwflow.lesson.pack import Pack, opened
from eiwflow.lesson.seeds import counts
from eiwflow.lesson.spec import at_bin_centres

#: Scene 8 adds so much grain, in grey levels, from this seed.
GRAIN, SEED = 12, 77
#: Scene 11 shows so many samples.
FACES = 12


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


def noise_strength(image: np.ndarray) -> float:
    """Return by what factor the noise of an image (H, W, C) uint8 is stronger than normal noise, for scene 1."""
    levels = bundled().flow.trace(at_bin_centres(torch.from_numpy(image).permute(2, 0, 1)[None])).levels
    return float(torch.cat([level.noise.flatten() for level in levels]).square().mean().sqrt())


def predicted() -> list[float]:
    """Return the share of variance, in per cent, that the strongest coupling's prediction removes, for scene 3."""
    level, shares = bundled().flow.levels[0], build.explained(bundled().flow, many())
    strongest = max(shares, key=lambda one: one["share"])["step"]
    y = level.squeeze(at_bin_centres(face()))[0]
    for number, step in enumerate(level.steps):
        for name, part in step.parts():
            if (name, number) == ("coupling", strongest):
                a, b = y.chunk(2, dim=1)
                log_scale, shift = step.coupling.affine(a)
                left, whole = (x.var(dim=(2, 3), correction=0).mean() for x in (b + shift * (-log_scale).exp(), b))
                return [100 * float(1 - left / whole)]
            y = part(y)[0]
    raise AssertionError("the level has no such coupling")


def one_value() -> list[float]:
    """Return a value of the middle pixel, its bits of noise, stretching and both, and a blind guess's, for scene 4."""
    values = tests()[: build.AVERAGED, 2, 8, 8]
    value = values.sort().values[len(values) // 2].double()[None]
    noise, log_slope = homework.Curve(values.double().numpy())(value)
    unusual, stretch = -torch.distributions.Normal(0, 1).log_prob(noise) / np.log(2), -log_slope / np.log(2)
    first, both = round(float(unusual), 1), round(float(unusual + stretch), 1)
    assert abs(both - first - float(stretch)) < 0.1  # what is written adds up
    return [float(value), first, both - first, both, 8]


def usual_bits() -> float:
    """Return the mean bits of the middle pixel's values, for scene 4."""
    values = tests()[: build.AVERAGED, 2, 8, 8].double()
    noise, log_slope = homework.Curve(values.numpy())(values)
    return float((-torch.distributions.Normal(0, 1).log_prob(noise) - log_slope).mean() / np.log(2))


def rank() -> list[float]:
    """Return the rank of the flow's own half among all, for scene 5."""
    average = bundled().flow.trace(many()).levels[0].features.mean(dim=0)
    return [own_rank(bundled().flow, face()[0], average)]


def half_off() -> float:
    """Return by how many grey levels the picture is off with the flow's own half at its averages, for scene 5."""
    flow, gone = bundled().flow, bundled().flow.latent_shapes()[0][0]
    average, features = (flow.trace(x).levels[0].features for x in (many(), at_bin_centres(face())))
    shuffle = flow.levels[0].shuffle
    assert shuffle is not None
    thrown, mixed = shuffle.order[-gone:], features.clone()
    mixed[:, thrown] = average.mean(dim=0)[thrown]
    grey = ((decoded(flow, mixed) + 0.5) * 256 - 0.5).clamp(0, 255)
    return float((grey - face()).square().mean().sqrt())


def passed_on() -> list[float]:
    """Return the share of structure, in per cent, that is passed on after and before training, for scene 6."""
    flow, images = bundled().flow, data.load(default.DATA, download=False)
    shuffle, start = flow.levels[0].shuffle, build.before_training(Pack(), bundled(), images)
    assert shuffle is not None and start is not None
    assert np.allclose(start["redundancy"], opened(default.pack())[0]["before"]["redundancy"], atol=1e-3)
    kept = len(shuffle.order) - flow.latent_shapes()[0][0]
    after = redundancy(flow.trace(many()).levels[0].features).mean(dim=0)
    structures = [each.clamp_min(0) for each in (after, torch.tensor(start["redundancy"]))]
    return [100 * float(each[shuffle.order[:kept]].sum() / each.sum()) for each in structures]


def moved() -> list[float]:
    """Return structured channels passed on before training, of how many, those after it, and the cost, for scene 7."""
    recording = opened(default.pack())[0]["rivers"][0]
    path = project.CHECKPOINTS / f"{recording['name']}.safetensors"
    info = checkpoint.load(path).info
    before, after = np.mean(counts(path), axis=0)
    cost = build.half_cost(project.ASSETS / "studies", info.data, info.config.order, info.config.partition)
    return [float(before), sum(recording["kept"]), float(after), *([cost["bits"]] if cost else [])]


def weights_answer() -> list[float]:
    """Return by how many per cent the weights of scene 8 rise where grain is added, and what frozen weights cost."""
    flow, x = bundled().flow, at_bin_centres(face())
    facts, grained = build.weight_facts(flow, many()), grainy(x)
    assert facts is not None
    clean, loud = (
        flow.trace(each).levels[facts["level"] - 1].coupling_weights[f"step {facts['step'] + 1} read"]
        for each in (x, grained)
    )
    return [
        100 * float((loud - clean).mean() / clean.abs().mean()),
        float(_bits(_frozen(flow), grained) - _bits(flow, grained)),
    ]


def risen() -> int:
    """Return in how many pictures the weights of scene 8 rise in the mean, with the grain of the pack."""
    flow, facts = bundled().flow, build.weight_facts(bundled().flow, many())
    assert facts is not None
    drawn = torch.randn(many().shape, generator=torch.Generator().manual_seed(0))
    weights = [
        flow.trace(x).levels[facts["level"] - 1].coupling_weights[f"step {facts['step'] + 1} read"]
        for x in (many(), many() + build.GRAIN / 256 * drawn)
    ]
    return sum(float(loud.mean()) > float(clean.mean()) for clean, loud in zip(*weights, strict=True))


def grainy(x: Tensor) -> Tensor:
    """Return values (1, C, H, W) with the grain of scene 8."""
    drawn = homework.normals(SEED, x.numel()).reshape(1, *x.shape[2:], x.shape[1])
    return x + GRAIN / 256 * torch.from_numpy(drawn).float().permute(0, 3, 1, 2)


def noise_grown() -> float:
    """Return by how many per cent the noise of the grainy picture is stronger with frozen weights, for scene 8."""
    x = grainy(at_bin_centres(face()))
    own, frozen = (
        torch.cat([level.noise.flatten() for level in flow.trace(x).levels]).square().mean().sqrt()
        for flow in (bundled().flow, _frozen(bundled().flow))
    )
    return 100 * float(frozen / own - 1)


def _bits(flow: MultiScaleFlow, x: Tensor) -> Tensor:
    return to_bits_per_dim(flow.log_prob(x), flow.config.dimensions)


def _frozen(flow: MultiScaleFlow) -> MultiScaleFlow:
    """Return a flow whose couplings hold their weights at the averages over test images."""
    averages, frozen = [level.coupling_weights for level in flow.trace(many()).levels], deepcopy(flow)
    for level, seen in zip(frozen.levels, averages, strict=True):
        for number, step in enumerate(level.steps, start=1):
            if f"step {number} read" in seen:
                read, given = (seen[f"step {number} {side}"].mean(dim=0) for side in ("read", "given"))
                step.coupling.weights = HeldWeights(read, given)
    return frozen


def readings() -> list[float]:
    """Return the level that tells an attribute best, of all, and in how many of 100 pairs; then the least and most
    pairs in which the levels tell the attribute that they tell most alike: for scene 10."""
    measured = measure_attributes(bundled().flow, data.load(default.DATA, download=False), limit=build.ATTRIBUTE_IMAGES)
    told: dict[str, list[float]] = {}
    for one in measured.readings:
        if one.metric == "AUROC" and one.level is not None:  # one is of all levels together
            told.setdefault(one.attribute, []).append(100 * one.value)
    best = max(told.values(), key=max)
    even = min((each for each in told.values() if each is not best), key=np.ptp)
    return [1.0 + best.index(max(best)), max(best), 100, min(even), max(even)]


def variety(temperature: float) -> list[float]:
    """Return a temperature of the last level, and by how many grey levels samples differ at it and at 1: scene 11."""
    flow, found = bundled().flow, []
    for of_last in (temperature, 1.0):
        noise = []
        for number, (channels, height, width) in enumerate(flow.latent_shapes()):
            each = [homework.normals(1000 + 10 * i + number, channels * height * width) for i in range(FACES)]
            drawn = torch.from_numpy(np.stack(each)).float().reshape(FACES, height, width, channels).permute(0, 3, 1, 2)
            noise.append(drawn * (of_last if number == len(flow.levels) - 1 else 1))
        faces = quantise(flow.decode(Latents(noise))).double()
        found.append(float((faces - faces.mean(dim=0)).square().mean().sqrt()))
    return [len(flow.levels), temperature, *found]
