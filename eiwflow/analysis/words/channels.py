"""Sentences about single channels: what a weight is worth, and which pixels a channel depends on and decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .numbers import signed

if TYPE_CHECKING:
    from ..channels import Ablation, EnergyGradient, Reach, Report, Resampling

#: Of a channel that is passed on.
PASSED_ON = "A channel that is passed on has no ε of its own here; choose one that is factored out to resample it."
#: What another ε changes beside its own channel.
OTHERS_CHANGE_TOO = (
    "the factored-out channels also decide the weights of the others, so another ε changes every channel's amplitude. "
    "Freeze the weights to change this channel alone."
)


def ablation(result: Ablation) -> str:
    """Return which weights matter, in one or two sentences."""
    (low, high), mean = result.interval, result.mean
    all_mean, all_low, all_high = result.of_all
    total = (
        f"Held at their means, all weights of level {result.level} together cost {signed(all_mean, 4)} bits/dim "
        f"(95 % interval {signed(all_low, 4)} to {signed(all_high, 4)})."
    )
    if not (low > 0).any():
        return f"{total} No single weight clearly matters: every interval reaches 0."
    most = int(np.where(low > 0, mean, -np.inf).argmax())
    ends = f"{signed(low[most], 4)} to {signed(high[most], 4)}"
    return (
        f"{total} The weight of channel {result.order[most]} matters most: {signed(mean[most], 4)} ({ends}). "
        f"{int((low > 0).sum())} of {len(mean)} intervals lie above 0, {int((high < 0).sum())} below."
    )


def gradient(result: EnergyGradient) -> str:
    """Return how many pixels hold most of the gradient, in one sentence."""
    if not result.half_of_it:
        return f"No pixel changes the energy of channel {result.channel}."
    return (
        f"Half of the squared gradient of channel {result.channel}'s energy lies on {result.half_of_it} of "
        f"{result.gradient.size:,} pixels ({100 * result.half_of_it / result.gradient.size:.2g} %)."
    )


def change(result: Resampling) -> str:
    """Return how much the image changes, in one sentence."""
    how = "set to zero" if result.zeroed else f"resampled ({result.draws} draws)"
    weights = ", the weights frozen at the original image," if result.frozen else ""
    return (
        f"With the ε of channel {result.channel} {how}{weights} the image changes by {result.rms:.2g} of "
        f"256 grey levels (root mean square), {result.change.max():.2g} where it changes most."
    )


def reach(result: Reach) -> str:
    """Return which channels the image needs most, in one sentence."""
    most, least = int(result.mean.argmax()), int(result.mean.argmin())
    return (
        f"Resampled, factored-out channel {result.channels[most]} changes the image most, by {result.mean[most]:.2g} "
        f"of 256 grey levels, and channel {result.channels[least]} least, by {result.mean[least]:.2g} "
        f"(root mean square, mean over {len(result.changes)} images)."
    )


def report(numbers: Report) -> dict[str, Any]:
    """Return everything as what JSON can hold, with its sentences."""
    return {
        "ablation_in_words": None if numbers.ablation is None else ablation(numbers.ablation),
        "ablation": [] if numbers.ablation is None else numbers.ablation.table(),
        "resampling_in_words": reach(numbers.reach),
        "resampling": numbers.reach.table(),
        "pixels": [
            {
                "channel": pixels.channel,
                "energy": pixels.energy,
                "energy_in_words": gradient(pixels),
                "change_grey_levels": None if changed is None else changed.rms,
                "change_in_words": None if changed is None else change(changed),
            }
            for pixels, changed in numbers.pixels
        ],
    }
