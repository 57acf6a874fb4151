"""Build the lesson's pack: every fact that a sentence states is computed here or in the browser."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import checkpoint, data, project
from ..analysis.attributes import attribute_values, measure_attributes
from ..data import DataError, ImageData, to_tensor
from ..flow import ConfigError, MultiScaleFlow, NonFiniteError
from ..flow.information import redundancy
from ..flow.multiscale import to_bits_per_dim
from ..study.file import read_study, studies_in
from ..study.ladder import by_set
from ..study.statistics import Effect
from ..training.recipe import Recipe
from ..training.trainer import Trainer
from . import default
from .pack import Pack
from .probe import probe_facts
from .spec import LessonError, at_bin_centres, check, flow_spec, level_spec

#: Number of test images for averages of channels.
AVERAGED = 256
#: Training images for the directions of attributes: for the bundled flow, and for a flow that a visitor waits for.
ATTRIBUTE_IMAGES, QUICK_ATTRIBUTE_IMAGES = 4000, 1000
#: Least standard deviation of a channel passed on, so that a constant channel stays finite.
LEAST_SPREAD = 1e-3
#: Grain, in grey levels, added to choose the coupling whose weights answer it most.
GRAIN = 4.0


@torch.inference_mode()
def flow_facts(pack: Pack, loaded: checkpoint.Checkpoint, images: Tensor) -> dict[str, Any]:
    """Return a flow's structure and the facts that the stage states about it.

    Args:
        pack: takes the arrays.
        loaded: the flow.
        images: test images (N, C, H, W) uint8 of the flow's shape.

    """
    flow = loaded.flow
    check(flow)
    levels = flow.trace(at_bin_centres(images[:AVERAGED])).levels
    features = [level.features for level in levels]
    first, noise = features[0], torch.cat([level.noise.flatten(1) for level in levels], dim=1)
    return flow_spec(pack, flow) | {
        "name": loaded.name.removesuffix(".safetensors"),
        "parameters": parameters_hash(flow),
        "temperature": round(loaded.info.temperature, 2),
        "average": pack.floats(first.mean(dim=0).permute(1, 2, 0).numpy()),
        "spread": [_rounded(level.std(dim=(0, 2, 3))) for level in features],
        "middle": [_rounded(level.mean(dim=(0, 2, 3))) for level in features],
        # Noise has a mean square of 1; for a picture unlike these it is larger than for any of them.
        "loudest": round(float(noise.square().mean(dim=1).max()), 3),
        "rest": [_moments(level.kept) for level in levels if level.kept is not None],
        "redundancy": _rounded(redundancy(first).mean(dim=0)),
        "couplings": explained(flow, at_bin_centres(images[:AVERAGED])),
        "weights": weight_facts(flow, at_bin_centres(images[:AVERAGED])),
        "bits": sorted(bits_of(flow, images[:AVERAGED])),
        "usual": None,
    }


@torch.inference_mode()
def bits_of(flow: MultiScaleFlow, images: Tensor) -> list[float]:
    """Return bits per value of images (N, C, H, W) uint8, each value at the middle of its bin."""
    bits = to_bits_per_dim(flow.log_prob(at_bin_centres(images)), flow.config.dimensions)
    return [round(value, 4) for value in bits.double().tolist()]


def weight_facts(flow: MultiScaleFlow, x: Tensor) -> dict[str, Any] | None:
    """Return the average weights ω of every coupling, and the coupling whose weights answer grain most.

    ``risen`` counts the ``images`` in which grain raises the mean of the weights that this coupling's network reads.

    Args:
        flow: without weights in its couplings that depend on the picture, None is returned.
        x: values (N, C, H, W), one picture a row. Grain of :data:`GRAIN` grey levels is added, from a fixed seed.

    """
    clean = flow.trace(x).levels
    if not any(level.coupling_weights for level in clean):
        return None
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    grained = flow.trace(x + GRAIN / 256 * noise).levels
    averages: list[list[dict[str, list[float]] | None]] = []
    answers: dict[tuple[int, int], float] = {}
    for place, (level, other) in enumerate(zip(clean, grained, strict=True)):
        averages.append([])
        for step in range(flow.config.steps):
            sides = {side: f"step {step + 1} {side}" for side in ("read", "given")}
            if sides["read"] not in level.coupling_weights:
                averages[-1].append(None)
                continue
            averages[-1].append({side: _rounded(level.coupling_weights[key].mean(0)) for side, key in sides.items()})
            change = [(other.coupling_weights[key] - level.coupling_weights[key]).mean(0) for key in sides.values()]
            answers[place, step] = float(torch.cat(change).abs().mean())
    if not any(answers.values()):
        return None
    place, step = max(answers, key=lambda key: answers[key])
    before, after = (levels[place].coupling_weights[f"step {step + 1} read"] for levels in (clean, grained))
    risen = int((after.mean(dim=1) > before.mean(dim=1)).sum())
    return {"averages": averages, "level": place + 1, "step": step, "risen": risen, "images": len(x)}


def parameters_hash(flow: MultiScaleFlow) -> str:
    """Return the SHA-256 of a flow's config and parameters, without its file's name and remarks."""
    digest = hashlib.sha256()
    for name, value in sorted(flow.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def explained(flow: MultiScaleFlow, x: Tensor) -> list[dict[str, Any]]:
    """Return, of every coupling of level 1, the share of the other half's variance that its shift predicts.

    A coupling maps x_b to e^s (x_b − p) with the prediction p = −t e^(−s), so x_b − p is left.
    """
    level = flow.levels[0]
    y = level.squeeze(x)[0]
    shares = []
    for number, step in enumerate(level.steps):
        for name, part in step.parts():
            if name == "coupling":
                a, b = y.chunk(2, dim=1)
                log_scale, shift = step.coupling.affine(a)
                left = b + shift * (-log_scale).exp()
                share = 1 - _variance(left) / _variance(b)
                shares.append({"level": 1, "step": number, "share": round(float(share), 4)})
            y = part(y)[0]
    return shares


def before_training(pack: Pack, loaded: checkpoint.Checkpoint, images: ImageData) -> dict[str, Any] | None:
    """Return level 1 of a flow at the start of its training, with the structure of its channels in test images.

    Args:
        pack: takes the arrays.
        loaded: the flow.
        images: the whole data set that it was trained on, with what the training held out.

    Returns:
        None if the file states too little to rebuild that flow, or if the rebuilt flow would differ. So it is for a
        flow that started from another checkpoint: it was trained before, and that path is never opened, since an
        untrusted file may state any path.

    """
    stated = loaded.info.recipe
    if not stated or stated.get("init_from") or loaded.info.imported or stated.get("data") != images.name:
        return None
    try:
        recipe = Recipe(flow=loaded.info.config, **stated)
        seen = data.hold_out(images) if recipe.validation else images
        start = Trainer(recipe, seen).flow.eval().requires_grad_(False)
    except (ConfigError, DataError, TypeError):
        return None  # a recipe of another version
    first, shuffle = start.levels[0], loaded.flow.levels[0].shuffle
    assert shuffle is not None and first.shuffle is not None  # a lesson's flow has two levels or more
    if not torch.equal(first.shuffle.order, shuffle.order):
        return None
    with torch.inference_mode():
        features = start.trace(at_bin_centres(to_tensor(images.test[:AVERAGED]))).levels[0].features
        return {"level": level_spec(pack, start, first), "redundancy": _rounded(redundancy(features).mean(dim=0))}


def attribute_facts(
    pack: Pack, flow: MultiScaleFlow, images: ImageData, limit: int = ATTRIBUTE_IMAGES
) -> list[dict[str, Any]]:
    """Return the directions of attributes in every level's latents, and how well each level detects them."""
    measured = measure_attributes(flow, images, limit=limit)
    values = attribute_values(images, "train")
    facts = []
    for name, levels in measured.moves.items():
        readings = {reading.level: reading for reading in measured.readings if reading.attribute == name}
        yes_or_no = values[name].dtype == bool
        facts.append(
            {
                "label": name.capitalize() if yes_or_no else f"{name.capitalize()}, lighter",
                "unit": 1.0 if yes_or_no else round(float(values[name][:limit].std()), 4),
                "metric": readings[1].metric,
                "readings": [round(readings[level].value, 4) for level in range(1, len(levels) + 1)],
                "images": measured.test_images,
                "error": round(max(reading.high - reading.low for reading in readings.values()) / 2, 4),
                "directions": [pack.floats(level.transpose(1, 2, 0)) for level in levels],
            }
        )
    return facts


def study_facts(folder: Path) -> list[dict[str, Any]]:
    """Return data, length and rungs of the fullest ladder of every data set, from the studies in a folder."""
    facts = []
    for name, made in by_set(read_study(path) for path in studies_in(folder)).items():
        rungs = [{"name": rung.name, "saved": _lead(rung.saved), "step": _lead(rung.step)} for rung in made.rungs]
        facts.append({"data": name, "iterations": made.study.recipe.iterations, "rungs": rungs})
    return facts


def _lead(lead: Effect | None) -> dict[str, Any] | None:
    """Return a lead of a study, in bits/dim."""
    if lead is None:
        return None
    numbers = {"lead": lead.lead, "low": lead.low, "high": lead.high}
    rounded = {name: round(value, 7) for name, value in numbers.items()}
    return rounded | {"claim": lead.claim, "seeds": len(lead.values)}


def _moments(x: Tensor) -> dict[str, list[float]]:
    """Return mean and standard deviation of every channel of x (N, C, H, W), over images and positions."""
    return {"mean": _rounded(x.mean(dim=(0, 2, 3))), "spread": _rounded(x.std(dim=(0, 2, 3)).clamp_min(LEAST_SPREAD))}


def _variance(x: Tensor) -> Tensor:
    return (x - x.mean(dim=(0, 2, 3), keepdim=True)).square().mean()


def _rounded(x: Tensor) -> list[float]:
    return [round(value, 5) for value in x.double().tolist()]


def build(loaded: checkpoint.Checkpoint, images: Tensor, shown: Sequence[int]) -> Pack:
    """Return the pack of a flow.

    Args:
        loaded: the flow that the lesson shows.
        images: test images (N, C, H, W) uint8.
        shown: numbers of the images to choose from.

    """
    pack = Pack()
    channels, height, width = loaded.flow.config.shape
    pack.head |= {
        "version": 1,
        "shape": [height, width, channels],
        "flow": flow_facts(pack, loaded, images),
        "probe": probe_facts(images[:AVERAGED]),
        "images": [
            {"number": number, "bits": bits, "bytes": pack.data(images[number].permute(1, 2, 0).numpy().tobytes())}
            for number, bits in zip(shown, bits_of(loaded.flow, images[list(shown)]), strict=True)
        ],
    }
    return pack


def add_grain(pack: Pack, images: ImageData) -> None:
    """Add the grain of every image to choose from, which its data set states."""
    grains = images.factors["grain"].test
    for image in pack.head["images"]:
        image["grain"] = round(float(grains[image["number"]]), 3)


def build_for(loaded: checkpoint.Checkpoint, whole: bool = True) -> Pack:
    """Return the pack of any flow, on the bundled images that it was trained on, or on faces.

    A flow of the lesson's own faces gets all scenes; of any other, those that need no known attributes. A flow that is
    given a class is shown on the images of this class alone.

    Args:
        loaded: the flow.
        whole: include what scenes 7, 8 and 11 compare; without them the pack is made in a moment.

    Raises:
        LessonError: the stage cannot draw this flow, or it gives values that are not finite.
        DataError: there are no such images.

    """
    check(loaded.flow)
    try:
        pack = _pack_of(loaded, whole)
    except NonFiniteError as error:
        raise LessonError(f"The lesson cannot show this flow. {error}") from None
    try:
        json.dumps(pack.head, allow_nan=False)
    except ValueError:
        raise LessonError("This flow gives numbers that are not finite; the lesson cannot show it.") from None
    return pack


def _pack_of(loaded: checkpoint.Checkpoint, whole: bool) -> Pack:
    shape = loaded.flow.config.shape
    bundled_sets = data.registry.bundled()
    # An untrusted file may state any path.
    name = loaded.info.data if loaded.info.data in bundled_sets else default.DATA
    source = data.load(name, download=False)
    if loaded.given is not None and loaded.given[0] in source.factors:
        source = data.only_class(source, *loaded.given)
    if name == default.DATA and loaded.given is None and source.test.shape[1:] == (*shape[1:], shape[0]):
        pack = build(loaded, data.to_tensor(source.test), default.SHOWN)
        if whole:
            pack.head["attributes"] = attribute_facts(pack, loaded.flow, source, QUICK_ATTRIBUTE_IMAGES)
            pack.head["before"] = before_training(pack, loaded, source)
        add_grain(pack, source)
    else:
        pack = build(loaded, data.fitted(source.test[:AVERAGED], shape), range(min(8, len(source.test))))
    pack.head |= {"faces": name == default.DATA, "partial": not whole}
    if whole:
        pack.head["studies"] = study_facts(project.ASSETS / "studies")
    return pack
