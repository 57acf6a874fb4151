"""Sentences about the effects of a permutation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .numbers import fixed, percent

if TYPE_CHECKING:
    from ..shuffle import Alternative, ImageOrders, RankRiver, ShuffleReport

#: rule of a flow -> its order in words.
RULES = {
    "entropy": "The channels passed on were chosen once, before training. Training can make them the predictable ones.",
    "first": "No Shuffle: the first channels are factored out.",
    "last": "No Shuffle: the last channels are factored out.",
    "variance": "The channels of largest variance are passed on.",
    "variance-reversed": "The channels of smallest variance are passed on.",
    "released": "This flow sorts its channels by learned weights, again whenever they change.",
    "random": "This flow's order was drawn once, as a control.",
}
#: rule -> the part it factors out. Links hold these words, so they do not change, also for other parts than halves.
OTHERS = {"first": "first half", "last": "last half", "random": "random half", "entropy": "least redundancy"}
#: Headings of a page for columns of a file.
HEADINGS = {
    "kept_redundancy": "redundancy passed on, bits per value",
    "emitted_redundancy": "redundancy factored out, bits per value",
    "moved": "would change sides",
    "churn_at_first_step": "share that changes sides, first step",
    "churn_at_last_step": "share that changes sides, last step",
    "churn_of_single_images": "share that changes sides, single images",
}
NO_RECORD = "This flow has no training record, so only the trained flow is shown."
#: What a flow should do, since later levels can still use what neighbours tell.
RIGHT = "Predictable channels should be passed on."
#: The caption of the river.
THICK = "A line is a channel: :blue[●] passed on, :orange[◆] factored out; thick: on the wrong side."
NO_SPLIT = "This flow splits nothing, so there is no permutation."
END = "A permutation needs a level that splits; choose a checkpoint of two levels or more."
#: The caveat on other rules.
OTHER_RULES = "these are the channels of *this* flow. A flow trained under another rule makes other channels."
#: The caveat on two flows.
ONE_TRAINING = "one training of each is no verdict; see Compare."


def rule(name: str) -> str:
    """Return the order of a flow in words."""
    return RULES.get(name, f"The order “{name}” decides.")


def wrong_side(rivers: Mapping[str, RankRiver], step: int) -> str:
    """Return how many channels of each flow, by its name, are on the wrong side at a step; at first with the end."""
    at = {name: max(0, int(np.searchsorted(river.steps, step, "right")) - 1) for name, river in rivers.items()}
    wrong = {name: int(river.crossing[at[name]].sum()) for name, river in rivers.items()}
    if len(rivers) > 1:
        counts = "; ".join(f"“{name}” {count or 'none'} of {rivers[name].channels}" for name, count in wrong.items())
        return f"Step {step:,}, channels on the wrong side: {counts}."
    ((name, count),) = wrong.items()
    river = rivers[name]
    if at[name] == 0:
        return _from_start_to_end(river)
    if count:
        return (
            f"{count} of {river.channels} channels are on the wrong side: "
            "predictable ones are factored out, and noisy ones passed on."
        )
    now = "the split stayed, training changed the channels" if river.crossing[0].any() else "the order still fits"
    return f"No channel is on the wrong side: {now}."


def _from_start_to_end(river: RankRiver) -> str:
    """Return how many channels go the wrong way at the start and at the end, and from which step on none does."""
    wrong = river.crossing.sum(axis=1)
    if not wrong.any():
        return f"{RIGHT} At no recorded step is one of {river.channels} on the wrong side."
    first, last = int(wrong[0]), int(wrong[-1])
    start = f"{first or 'None'} of {river.channels} start{'s' * (first == 1)} on the wrong side"
    if last:
        return f"{RIGHT} {start}, {last} end{'s' * (last == 1)} so."
    return f"{RIGHT} {start}, none from step {river.steps[np.flatnonzero(wrong)[-1] + 1]:,} on."


def sorted_anew(report: ShuffleReport) -> str:
    """Return how many channels would change sides if they were sorted by the test images."""
    moved = _of(int(report.would_cross.sum()), report.images.channels)
    return f"Sorted again by {len(report.images.redundancy)} test images, {moved} would change sides."


def answer(report: ShuffleReport) -> str:
    """Return the channels that change sides at a level, and when."""
    passed_on, channels = report.images.passed_on, report.images.channels
    split = f"Level {report.level} passes on {passed_on} of {channels} channels, the same for every image."
    now = sorted_anew(report) if report.river is None else over_training(report.river)
    return f"{split} {rule(report.rule)} {now}"


def over_training(river: RankRiver) -> str:
    """Return how many channels would change sides, and when."""
    moved, steps = river.crossing.sum(axis=1), river.steps
    if not moved.any():
        return f"Sorted again at any recorded step up to {steps[-1]:,}, no channel would change sides."
    peak = int(moved.argmax())
    most = f", {moved[peak]} at most (step {steps[peak]:,})" if moved[peak] > max(moved[0], moved[-1]) else ""
    start = f"Sorted again, {_of(moved[0], river.channels)} would change sides at step {steps[0]:,}"
    return f"{start}{most} and {moved[-1] or 'none'} at step {steps[-1]:,}."


def images(orders: ImageOrders) -> str:
    """Return the sentence on the common order and the images' own orders."""
    count, channels = orders.redundancy.shape
    undecided = int(np.abs(orders.emitted_share - 0.5).argmin())
    return (
        f"The order used is the same for every image. Sorted by its own redundancy, an image would on average move "
        f"{channels * orders.churn.mean():.1f} of {channels} channels across the split line; "
        f"{int((orders.churn == 0).sum())} of {count} images would factor out just the same channels. "
        f"Channel {undecided} is the least decided: {percent(orders.emitted_share[undecided])} of the images would "
        "factor it out."
    )


def alternative(outcome: Alternative) -> str:
    """Return the channels that a rule passes on and factors out."""
    return (
        f"The order “{outcome.rule}” passes on channels of {fixed(outcome.kept_redundancy, 2)} bits per value on "
        f"average and factors out {fixed(outcome.emitted_redundancy, 2)}, with "
        f"{_of(outcome.moved, len(outcome.order))} on the other side than now."
    )


def _of(moved: int, channels: int) -> str:
    return f"{moved} of {channels} channels" if moved else "no channel"
