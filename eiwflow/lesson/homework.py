"""Homework after the lesson: eight questions that open the lesson where they are asked, and the teacher's answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

import numpy as np
import torch
from torch import Tensor

from .. import checkpoint, data, project
from ..analysis import likelihood
from ..flow import Latents, MultiScaleFlow
from ..flow.multiscale import quantise, to_bits_per_dim
from . import default
from .pack import opened
from .probe import Curve, values_of
from .spec import at_bin_centres

#: Rows and columns into which scene 12 cuts a picture, and the seed of its draws.
TILES, SEED = 4, 4049


@dataclass(frozen=True)
class Facts:
    """The facts from which the answers are computed.

    Attributes:
        flow: the flow that the lesson shows.
        images: the pictures to choose from (N, C, H, W) uint8, in the lesson's order.
        reference: the pictures whose pixel the lesson counts (M, C, H, W) uint8.
        head: the JSON of the lesson's pack.

    """

    flow: MultiScaleFlow
    images: Tensor
    reference: Tensor
    head: dict[str, object]


@dataclass(frozen=True)
class Question:
    """A question, the state of the lesson that it opens, and its answer from the facts."""

    text: str
    query: dict[str, str]
    answer: Callable[[Facts], str]

    def link(self, app: str) -> str:
        """Return the address of the lesson in the question's state."""
        return f"{app}?{urlencode(self.query)}"


def bits(flow: MultiScaleFlow, images: Tensor) -> Tensor:
    """Return bits/dim (N,) of images (N, C, H, W) uint8, each value at the middle of its bin as in the lesson."""
    with torch.inference_mode():
        return to_bits_per_dim(flow.log_prob(at_bin_centres(images)), flow.config.dimensions)


def _differing(facts: Facts) -> str:
    image = facts.images[:1]
    with torch.inference_mode():
        back = quantise(facts.flow.decode(facts.flow.encode(at_bin_centres(image))))
    count = int((back != image).sum())
    return (
        f"{count} of {image.numel()} values differ. Every step can be undone, and nothing is thrown away: "
        "the noise is the picture in another form."
    )


def _channels(facts: Facts) -> str:
    channels, height, width = facts.flow.config.shape
    marked = torch.zeros(1, channels, height, width)
    marked[:, :, 0, 0] = 1
    squeezed = facts.flow.levels[0].squeeze(marked)[0][0]
    reached = [str(1 + channel) for channel in squeezed[:, 0, 0].nonzero().flatten().tolist()]
    return (
        f"To channels {', '.join(reached)}: one for each colour. Its neighbours in the 2×2 patch go to other channels."
    )


def _stretched(facts: Facts) -> str:
    del facts
    return (
        f"The area is 2, so the curve must be divided by 2: every value costs log₂ 2 = {math.log2(2):.0f} bit more. "
        f"Stretched by 4 it would be {math.log2(4):.0f} bits, squeezed to a half it is 1 bit less."
    )


def _one_value(facts: Facts) -> str:
    x = torch.arange(256, dtype=torch.float64)
    noise, log_slope = Curve(values_of(facts.reference).numpy())(x)
    unusual, stretch = (noise.square() + math.log(2 * math.pi)) / 2 / math.log(2), -log_slope / math.log(2)
    total = unusual + stretch
    cheapest = int(total.argmin())
    cheap = (total < 8).nonzero().flatten()
    return (
        f"The cheapest value is {cheapest}: noise {unusual[cheapest]:.1f} + stretching {stretch[cheapest]:.1f} = "
        f"{total[cheapest]:.1f} bits. Below {int(cheap[0])} and above {int(cheap[-1])} a value costs 8 bits or more: "
        "few pictures have it, so its noise is unusual or stretched far."
    )


def _faces(facts: Facts) -> str:
    each = bits(facts.flow, facts.images)
    size = facts.flow.config.dimensions
    return (
        "Bits per value, from left to right: "
        + ", ".join(f"{value:.1f}" for value in each.tolist())
        + f". The first face takes {each[0]:.2f} × {size} / 8 = {each[0] * size / 8:.0f} bytes instead of {size}."
    )


def _share(structure: list[float], order: list[int], kept: int) -> float:
    positive = [max(0.0, value) for value in structure]
    return sum(positive[channel] for channel in order[:kept]) / sum(positive)


def _structure(facts: Facts) -> str:
    shuffle = facts.flow.levels[0].shuffle
    assert shuffle is not None  # a lesson's flow has two levels or more
    order, kept = shuffle.order.tolist(), len(shuffle.order) - facts.flow.latent_shapes()[0][0]
    head: dict[str, dict[str, list[float]]] = facts.head  # type: ignore[assignment]
    before, after = (_share(head[when]["redundancy"], order, kept) for when in ("before", "flow"))
    way = "the left" if after > before else "the right"
    return (
        f"{before:.0%} before training, {after:.0%} after. The order is set once, before training; then training "
        f"changes what the channels hold, and moves structure to {way}."
    )


def uniforms(seed: int, count: int) -> np.ndarray:
    """Return the numbers (count,) in 0 … 1 that the lesson draws from a seed (``generator`` in flow.js)."""
    mask, numbers = 0xFFFFFFFF, np.empty(count)
    state = (seed * 2654435761 + 1) & mask
    for i in range(count):
        state = (state + 0x6D2B79F5) & mask
        t = (state ^ (state >> 15)) * (state | 1) & mask
        t ^= (t + (t ^ (t >> 7)) * (t | 61)) & mask
        numbers[i] = (t ^ (t >> 14)) / 4294967296
    return numbers


def normals(seed: int, count: int) -> np.ndarray:
    """Return the normal numbers (count,) that the lesson draws from a seed."""
    pairs = uniforms(seed, count + count % 2).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log(1 - pairs[:, 0])), 2 * np.pi * pairs[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).flatten()[:count]


def _resampled(facts: Facts) -> str:
    flow, image = facts.flow, facts.images[:1]
    off = []
    with torch.inference_mode():
        own = flow.encode(at_bin_centres(image)).levels
        for levels in (1, 2):
            noise = []
            for number, level in enumerate(own):
                _, channels, height, width = level.shape
                drawn = normals(101 + number, level.numel()).reshape(1, height, width, channels)
                noise.append(torch.from_numpy(drawn).float().permute(0, 3, 1, 2) if number < levels else level)
            decoded = ((flow.decode(Latents(noise)) + 0.5) * 256 - 0.5).clamp(0, 255)
            off.append(float((decoded - image.float()).square().mean().sqrt()))
    half, most = off
    others = (facts.images[1:].double() - image.double()).square().mean(dim=(1, 2, 3)).sqrt()
    return (
        f"With half of the values resampled the picture is {half:.0f} grey levels off, with three quarters {most:.0f}; "
        f"another face is {others.mean():.0f} off. What moves the picture little is detail, and leaves first; the "
        "values that are left hold what makes it this face."
    )


def five_pictures(image: np.ndarray) -> dict[str, np.ndarray]:
    """Return the pictures (H, W, C) uint8 that scene 12 makes of a picture, by their names in scenes/likely.js."""
    height, width, channels = image.shape
    high, wide = height // TILES, width // TILES
    order = np.argsort(normals(SEED, TILES * TILES))
    tiles = image.reshape(TILES, high, TILES, wide, channels).swapaxes(1, 2).reshape(-1, high, wide, channels)[order]
    return {
        "this picture": image,
        "blurred": likelihood.blurred(image[None])[0],
        "flat grey": np.full_like(image, int(image.mean() + 0.5)),
        "shuffled": tiles.reshape(TILES, TILES, high, wide, channels).swapaxes(1, 2).reshape(image.shape),
        "pure noise": (256 * uniforms(SEED, image.size)).astype(np.uint8).reshape(image.shape),
    }


def _likeliest(facts: Facts) -> str:
    pictures = five_pictures(facts.images[0].permute(1, 2, 0).numpy())
    shown = torch.from_numpy(np.stack(list(pictures.values()))).permute(0, 3, 1, 2)
    each = dict(zip(pictures, bits(facts.flow, shown).tolist(), strict=True))
    ranked = sorted(each, key=lambda name: each[name])
    real = "" if ranked[0] == "this picture" else " It is no real picture: likely need not be real."
    return (
        ", ".join(f"{name} {each[name]:.1f}" for name in ranked)
        + f" bits per value. The likeliest is {ranked[0]}.{real} Likely means few bits."
    )


FIRST = str(default.SHOWN[0])
QUESTIONS = (
    Question(
        "Play the scene to its end. How many values of the picture differ? Why can the picture come back exactly?",
        {"scene": "1", "image": FIRST},
        _differing,
    ),
    Question(
        "Point at the pixel in the upper left corner. To which channels do its values go, and why to as many?",
        {"scene": "2", "image": FIRST, "choice": "1"},
        _channels,
    ),
    Question(
        "Stretch the noise by two. What is the area of the old curve, and how many bits more does a value cost?",
        {"scene": "4", "image": FIRST, "choice": "1"},
        _stretched,
    ),
    Question(
        "Which value of the pixel is the cheapest? Find values that cost more than 8 bits: which term makes them dear?",
        {"scene": "4", "image": FIRST, "choice": "2"},
        _one_value,
    ),
    Question(
        "Read off the bits per value of all eight faces. How many bytes does the first one take as the flow counts?",
        {"scene": "4", "image": FIRST, "choice": "3"},
        _faces,
    ),
    Question(
        "How much of the structure is passed on before training, how much after? Why does it change at all?",
        {"scene": "6", "image": FIRST, "choice": "before"},
        _structure,
    ),
    Question(
        "Resample half of the values, then three quarters. What is lost first? What do the last values hold?",
        {"scene": "9", "image": FIRST, "choice": "384"},
        _resampled,
    ),
    Question(
        "Put the five pictures in order of their bits before you look. Which one is the likeliest, and is it real?",
        {"scene": "12", "image": FIRST},
        _likeliest,
    ),
)


def facts() -> Facts:
    """Return the facts for the answers: the bundled flow on the pictures of the lesson."""
    images = data.to_tensor(data.load(default.DATA, download=False).test)
    flow = checkpoint.load(project.CHECKPOINTS / f"{default.FLOW}.safetensors").flow
    head, _ = opened(default.pack())
    return Facts(flow, images[list(default.SHOWN)], images[: len(head["probe"]["values"])], head)


def page(app: str) -> str:
    """Return questions and answers as one HTML page.

    Args:
        app: the address of the lesson that the links lead to: of the app, or of the lesson in one file.

    """
    known = facts()
    asked = "".join(
        f"<li><p>{escape(question.text)}</p>"
        f'<p><a href="{escape(question.link(app))}">Open scene {question.query["scene"]}</a></p>'
        '<p class="lines"></p></li>\n'
        for question in QUESTIONS
    )
    answers = "".join(
        f"<li><p>{escape(question.text)}</p><p><b>{escape(question.answer(known))}</b></p></li>\n"
        for question in QUESTIONS
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>Homework: multi-scale flows</title>\n"
        "<style>:root { color-scheme: light dark } body { font: 18px/1.5 system-ui, sans-serif; max-width: 44em; "
        "margin: 2em auto; padding: 0 1em } li { margin: 1em 0 } .lines { height: 3em; border-bottom: 1px solid }\n"
        ".answers { break-before: page; border-top: 3px solid; margin-top: 4em }</style></head>\n<body><main>\n"
        "<h1>Homework: multi-scale flows</h1>\n<p>Each link opens the lesson where the question is asked. Answer in "
        f"one or two sentences, with a number.</p>\n<ol>\n{asked}</ol>\n"
        '<section class="answers"><h2>Answer sheet, for the teacher</h2>\n'
        f"<p>Computed from the bundled flow {escape(default.FLOW)}.</p>\n<ol>\n{answers}</ol></section>\n"
        "</main></body></html>\n"
    )
