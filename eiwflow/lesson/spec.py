"""A flow as the stage in the browser runs it: its parameters as arrays, its structure as JSON."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..flow import ConfigError, MultiScaleFlow
from ..flow.coupling import AffineCoupling, OnePaddedConvolution
from ..flow.entropy_weights import ConstantWeights, EntropyWeights, MeanWeights
from ..flow.level import Level
from ..flow.split import Constant, Split
from .pack import Pack

#: Largest images and most multiplications an image that a browser computes in a moment.
MAX_SIDE, MAX_MULTIPLICATIONS = 32, 200_000_000


class LessonError(ConfigError):
    """A flow cannot be shown in the lesson; the message is one sentence."""


def at_bin_centres(images: Tensor) -> Tensor:
    """Return the values of bytes, each at the middle of its bin: the lesson adds no noise of its own."""
    return (images.float() + 0.5) / 256 - 0.5


def check(flow: MultiScaleFlow) -> None:
    """Raise LessonError unless the stage can draw the images of this flow."""
    config, needed = flow.config, multiplications(flow)
    _, height, width = config.shape
    other_sides = height != width or height & (height - 1) or height > MAX_SIDE
    refusals = {
        f"takes images of {height}×{width} pixels; the lesson shows square ones of 8, 16 or 32": other_sides,
        "is conditional on a context; the lesson shows it given one label: flow.given(label)": config.context,
        f"has images of {config.bits} bits; the lesson shows flows of 8-bit images": config.bits != 8,
        "has one level; the lesson shows how a flow splits, which takes two or more": config.levels < 2,
        "passes on all channels (keep all); the lesson shows how a flow splits": not config.splits,
        f"takes {needed / 1e6:,.0f} million multiplications a picture; the lesson runs flows of up to "
        f"{MAX_MULTIPLICATIONS / 1e6:.0f} million in the browser": needed > MAX_MULTIPLICATIONS,
    }
    for reason, refused in refusals.items():
        if refused:
            raise LessonError(f"This flow {reason}.")


def multiplications(flow: MultiScaleFlow) -> int:
    """Return how many multiplications the coupling networks take for one image."""
    total = 0
    for level in flow.levels:
        _, height, width = flow.config.level_shape(level.number)
        layers = [layer for step in level.steps for layer in step.coupling.modules() if isinstance(layer, nn.Conv2d)]
        total += height * width * sum(layer.weight.numel() for layer in layers)
    return total


def flow_spec(pack: Pack, flow: MultiScaleFlow) -> dict[str, Any]:
    """Add a flow's parameters to a pack; return its structure."""
    config = flow.config
    return {
        "shape": list(config.shape),
        "split": config.split,
        "init": config.init,
        "levels": [level_spec(pack, flow, level) for level in flow.levels],
    }


def level_spec(pack: Pack, flow: MultiScaleFlow, level: Level) -> dict[str, Any]:
    """Add the parameters of one level to a pack; return its structure."""
    channels, height, width = flow.config.level_shape(level.number)
    shuffle, split = level.shuffle, level.split
    weights = None if shuffle is None else shuffle.weights
    return {
        "number": level.number,
        "channels": channels,
        "height": height,
        "width": width,
        "bound": level.steps[0].coupling.scale_bound,
        "coupling": level.steps[0].coupling.coupling,
        "steps": [_step(pack, dict(step.parts()), channels) for step in level.steps],
        "order": None if shuffle is None else shuffle.order.tolist(),
        "kept": None if split is None else channels - flow.latent_shapes()[level.number - 1][0],
        "weights": None
        if weights is None
        else {
            name: {part: _layer(pack, getattr(solver, part)) for part in ("hidden", "out")}
            for name, solver in (("kept", weights.kept), ("emitted", weights.emitted))
        },
        "prior": None if split is None else _prior(pack, split, (height, width)),
        "top": None
        if level.top is None or level.top.prior is None
        else _constant(pack, level.top.prior, (height, width)),
    }


def _prior(pack: Pack, split: Split, size: tuple[int, int]) -> dict[str, Any] | None:
    if split.prior is None:
        return None
    if isinstance(split.prior, Constant):
        return {"constant": _constant(pack, split.prior, size)}
    return {**_layer(pack, split.prior), "bounded": split.bounded}


def _constant(pack: Pack, prior: Constant, size: tuple[int, int]) -> dict[str, Any]:
    return _floats(pack, prior.value.expand(-1, *size).permute(1, 2, 0))


def _step(pack: Pack, parts: dict[str, nn.Module], channels: int) -> dict[str, Any]:
    """Return one step: all that stands before the coupling is affine at every pixel, so unit vectors tell the map."""
    seen = torch.cat([torch.zeros(1, channels), torch.eye(channels)])[:, :, None, None]
    network: list[dict[str, Any]] = []
    weights: dict[str, Any] | None = None
    for part in parts.values():
        if isinstance(part, AffineCoupling):
            layers = [layer for layer in part.network if not isinstance(layer, nn.ReLU)]
            network = [_layer(pack, layer) for layer in layers]
            weights = None if part.weights is None else _weights(pack, part.weights)
        else:
            seen = part(seen)[0]
    bias, columns = seen[0, :, 0, 0], seen[1:, :, 0, 0]
    return {
        "matrix": _floats(pack, (columns - bias).T),
        "bias": _floats(pack, bias),
        "network": network,
        "weights": weights,
    }


def _weights(pack: Pack, weights: EntropyWeights) -> dict[str, Any]:
    """Return the two layers between the statistics of channels and their weights."""
    kinds = ((MeanWeights, "means"), (ConstantWeights, "constant"), (EntropyWeights, "entropy"))
    of = next(word for kind, word in kinds if isinstance(weights, kind))
    return {"of": of, "hidden": _layer(pack, weights.hidden), "out": _layer(pack, weights.out)}


def _layer(pack: Pack, layer: nn.Module) -> dict[str, Any]:
    """Return a convolution, or a linear layer as one of a single pixel, with its weight as [out][row][column][in]."""
    if not isinstance(layer, (nn.Conv2d, nn.Linear)) or layer.bias is None:
        raise LessonError(f"The lesson cannot run a layer of the class {type(layer).__name__}.")
    weight = layer.weight if layer.weight.dim() == 4 else layer.weight[:, :, None, None]
    outputs, inputs, kernel, _ = weight.shape
    return {
        "kernel": kernel,
        "inputs": inputs,
        "outputs": outputs,
        "pad": 1 if isinstance(layer, OnePaddedConvolution) else 0,
        "weight": _floats(pack, weight.permute(0, 2, 3, 1)),
        "bias": _floats(pack, layer.bias),
    }


def _floats(pack: Pack, tensor: Tensor) -> dict[str, Any]:
    return pack.floats(tensor.detach().cpu().numpy())
