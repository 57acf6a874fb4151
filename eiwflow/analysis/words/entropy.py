"""Sentences about entropies of channels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .numbers import fixed, power, signed

if TYPE_CHECKING:
    from ..entropy import Account, Entropies, Growth, Half, LevelEntropies
    from ..intervals import Estimate

#: The name of each measure at the head of a column.
NAMES = {"marginal": "h", "negentropy": "negentropy", "redundancy": "redundancy", "rate": "Ĥ"}
#: The entropy of N(0, 1), ½ log 2πe nats.
GAUSSIAN = 0.5 * math.log(2 * math.pi * math.e)
#: Up to this distance from N(0, 1), in nats a value, marginal entropies are called nearly flat.
FLAT = 0.15
PARTS = {"kept": "passed on", "emitted": "factored out"}
#: Below this spectral redundancy, in nats per pixel, channels are called noise. A line of pixels has it where the
#: correlation of neighbours is 0.2.
NOISE = 0.02
SORTED = "From structured to noise. Only pattern counts, not loudness."
NO_RECORD = "This flow has no training record, so nothing is known of its training."


def structure(entropies: Entropies, level: int) -> str:
    """Return which part of a level's channels has more structure."""
    stage = entropies.level(level).used
    out = _redundancy(stage.emitted).value
    if math.isnan(out):
        return f"The maps of level {level} are single pixels, which have no spectral redundancy."
    if stage.kept is None:
        return f"Level {level} is the last: all channels are factored out, spectral redundancy {fixed(out, 2)} nats."
    on = _redundancy(stage.kept).value
    if stage.gaps["redundancy"].is_near_zero:
        return (
            "These images show no clear difference in structure: mean spectral redundancy "
            f"{fixed(on, 2)} nats per pixel passed on, {fixed(out, 2)} factored out."
        )
    first, second = f"(mean spectral redundancy {fixed(on, 2)} nats per pixel)", f"({fixed(out, 2)})"
    if on < out:
        return f"Channels with less structure are passed on {first}, those with more are factored out {second}."
    if out < NOISE <= on:
        return f"Structured channels are passed on {first}, noise is factored out {second}."
    return f"Channels with more structure are passed on {first}, those with less are factored out {second}."


def pair(names: tuple[str, str], both: tuple[Entropies, Entropies], levels: tuple[int, int]) -> str:
    """Return how much structure two flows factor out, and whether the images tell them apart."""
    first, second = (_redundancy(result.level(level).used.emitted) for result, level in zip(both, levels, strict=True))
    each = f"{fixed(first.value, 2)} in {names[0]} and {fixed(second.value, 2)} in {names[1]}"
    sentence = f"Factored-out channels have spectral redundancy {each}"
    if both[0].level(levels[0]).shape[1:] != both[1].level(levels[1]).shape[1:]:
        return f"{sentence}. Their maps are of different sizes."
    difference = second.minus(first)
    if math.isnan(difference.value):
        return f"{sentence}."
    return f"{sentence}: {'no clear' if difference.is_near_zero else 'a clear'} difference over these images."


def answer(entropies: Entropies, number: int = 1) -> str:
    """Return the parts factored out and passed on at a level, in spectral redundancy."""
    level = entropies.level(number)
    emitted, kept = level.used.emitted, level.used.kept
    if kept is None:
        mean = _redundancy(emitted)
        end = "" if math.isnan(mean.value) else f", with a spectral redundancy of {mean} nats a pixel"
        return f"Level {number} is the last: all {len(emitted.numbers)} channels are factored out{end}."
    if math.isnan(_redundancy(emitted).value):
        return f"At level {number} a channel is a single pixel: it has no spectral redundancy."
    sentences = [_parts(level), _otherwise(entropies, level)]
    return " ".join(sentence for sentence in sentences if sentence)


def _parts(level: LevelEntropies) -> str:
    (emitted, kept), gap = level.used.halves, level.used.gaps["redundancy"]
    sentence = (
        f"At level {level.number} the {len(emitted.numbers)} channels factored out have a spectral redundancy of "
        f"{_redundancy(emitted)} nats a pixel, the {len(kept.numbers)} passed on {_redundancy(kept)}"
    )
    if gap.is_near_zero:
        return f"{sentence}: these images show no clear difference."
    return f"{sentence}." if gap.value > 0 else f"{sentence}: the part with more structure is factored out."


def _otherwise(entropies: Entropies, level: LevelEntropies) -> str:
    if (numbered := level.stage("number")) is not None:
        emitted, kept = (_redundancy(half) for half in numbered.halves)
        return f"Split by channel number, {emitted} would be factored out and {kept} passed on."
    if (entropy := level.stage("entropy")) is None:
        return ""
    sentence = f"The split {entropies.split} does not look at redundancy"
    others = set(entropy.emitted.numbers) - set(level.used.emitted.numbers)
    if not others:
        return f"{sentence}, and yet the entropy order would factor out the same channels."
    emitted, kept = (_redundancy(half) for half in entropy.halves)
    return (
        f"{sentence}; the entropy order would factor out {len(others)} other channel{'s' * (len(others) > 1)}, "
        f"of {emitted} against {kept} passed on."
    )


def shape(entropies: Entropies, number: int = 1) -> str:
    """Return how far both parts of a level are from a Gaussian, and the effect of the channel weights."""
    level = entropies.level(number)
    each = [f"{PARTS[part]} {half.means['negentropy']}" for part, half in level.used.parts]
    sentence = f"Negentropy at level {number}, in nats a value: {', '.join(each)}"
    ordered = level.stage("order")
    if level.used.name != "weights" or ordered is None:
        return f"{sentence}."
    before = [str(half.means["negentropy"]) for _, half in ordered.parts]
    return f"{sentence}. Before the channel weights it was {' and '.join(before)}."


def raw(entropies: Entropies) -> str:
    """Return the distance of the latents' marginal entropy from that of N(0, 1), after their prior."""
    each = [level.noise.means["marginal"].value for level in entropies.levels]
    furthest = max(abs(value - GAUSSIAN) for value in each)
    verdict = "nearly flat, as ActNorm and the prior make it" if furthest < FLAT else "not flat"
    values = ", ".join(fixed(value, 2) for value in each)
    return (
        f"Standardised by the prior, the values factored out have h = {values} nats, level by level. That is at "
        f"most {furthest:.2f} from the {GAUSSIAN:.4f} of N(0, 1): {verdict}."
    )


def by_level(entropies: Entropies, measured: str) -> str:
    """Return a measure at every level, for its chart."""
    parts = []
    for level in entropies.levels:
        each = [f"{PARTS[part]} {half.means[measured]}" for part, half in level.used.parts]
        nothing = math.isnan(level.used.emitted.means[measured].value)
        parts.append(f"level {level.number}: {'none' if nothing else ', '.join(each)}")
    return f"In nats a value, {NAMES[measured]} is at {'; '.join(parts)}."


def cells(entropies: Entropies) -> list[dict[str, Any]]:
    """Return one row per half, stage and level, with means and intervals as text."""
    return [
        {name: PARTS.get(value, value) for name, value in head.items()} | _cells(half.means)
        for head, half in entropies.halves()
    ]


def account(postings: Account) -> str:
    """Return how −log p(x) becomes −log N(ε), and how exactly the account closes."""
    return (
        f"From {fixed(postings.coded, 2)} nats/dim at x, log|det| of {signed(postings.stretched, 2)} leads to "
        f"{fixed(sum(postings.noise), 2)} at ε, where standard normal noise has {GAUSSIAN:.2f}; the account closes to "
        f"{power(postings.gap)} in float64, to {power(postings.gap_float32)} in float32."
    )


def growth(record: Growth, number: int, measured: str = "redundancy") -> str:
    """Return how a measure of the halves of a level moved between the first and the last recorded step."""
    level = record.level(number)
    name = "spectral redundancy" if measured == "redundancy" else NAMES[measured]
    parts = [("passed on", "kept"), ("factored out", "emitted")] if level.kept_channels else [("", "emitted")]
    moved = [
        f"from {fixed(rows[0], 2)} to {fixed(rows[-1], 2)} for channels {which}".strip()
        for which, part in parts
        if not np.isnan((rows := level.mean(measured, part))[[0, -1]]).any()
    ]
    if not moved:
        return f"At level {number} a channel is a single pixel: it has no {name}."
    return (
        f"From step {record.steps[0]:,} to step {record.steps[-1]:,} the mean {name} at level {number} "
        f"went {' and '.join(moved)}, in nats a {'value' if measured == 'marginal' else 'pixel'}."
    )


def _redundancy(half: Half) -> Estimate:
    return half.means["redundancy"]


def _cells(means: Mapping[str, Estimate]) -> dict[str, str]:
    return {NAMES[name]: "–" if math.isnan(mean.value) else str(mean) for name, mean in means.items()}
