"""Sentences about a checkpoint: origin, checks, cost and training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..exactness import LOG_DET, ROUND_TRIP
from ..report import CONDITION
from .numbers import apart, counted, factor, fixed, floor_in_words, grey_level, power, raw

if TYPE_CHECKING:
    from ...checkpoint import CheckpointInfo
    from ...flow.config import FlowConfig
    from ..evaluate import Evaluation
    from ..record import TrainingCurve
    from ..report import Report
    from ..space import Samples

#: Parts of a flow and their names.
PARTS = {
    "coupling": "coupling networks",
    "mixing": "1×1 convolutions",
    "shuffle": "channel weights",
    "prior": "prior",
    "actnorm": "ActNorm",
}
#: weights inside couplings -> their name.
WEIGHTS = {"entropy": "entropy weights", "means": "weights from means", "constant": "constant weights"}
#: order -> the name of the split by it, and what it passes on.
SPLITS = {
    "entropy": ("split by entropy", "passes on the predictable half"),
    "last": ("Glow’s split", "passes on a fixed half"),
    "first": ("order first", "passes on a fixed half"),
    "variance": ("split by largest variance", "passes on the loud half"),
    "variance-reversed": ("split by smallest variance", "passes on the quiet half"),
    "random": ("random split", "passes on a random half"),
}
#: Samples whose spread is this share of the usual one, or less, are alike.
ALIKE = 0.9
#: What stands beside samples whose levels have temperatures.
SAMPLED = "Samples, always of the same noise. Temperature: how strongly a level’s noise is drawn."
NO_RECORD = "There is no training record beside this file."
ONLY_NEAR = "exact on images like these is not exact everywhere: scales may be larger far from any image."


def sound(report: Report, score: Evaluation | None = None) -> str:
    """Return the sentence on size and checks, and on bits/dim where these are known."""
    back = "exactly" if report.holds else "not exactly, see below"
    numbers = f"{report.total:,} learned numbers turn {math.prod(report.config.shape):,} values of noise into a picture"
    bits = f" {score.data}: {fixed(score.bits_per_dim, 2)} bits per value." if score else ""
    return f"{numbers}, and back {back}.{bits}"


def split(config: FlowConfig) -> str:
    """Return how a flow splits: by which order, and whether with channel weights."""
    weights = "" if config.weights == "none" else f" + {WEIGHTS.get(config.weights, 'weights')}"
    return by_order(config.order) + weights


def by_order(order: str) -> str:
    """Return the name of a split by an order."""
    return SPLITS[order][0] if order in SPLITS else f"order {order}"


def start(config: FlowConfig) -> str:
    """Return the start of a flow before training: random rotations, or principal channels with partitions."""
    if config.init == "random":
        return "random rotations"
    partitions = "partitions by information" if config.partition == "information" else f"{config.partition} partitions"
    return f"{config.init} start, {partitions}"


def made(config: FlowConfig) -> str:
    """Return the sentence on a flow's steps, its split and its weights, in plain words."""
    half = SPLITS[config.order][1] if config.order in SPLITS else by_order(config.order)
    weights = {"none": "", "constant": "channel weights that are the same for all"}
    own = weights.get(config.weights, "own channel weights for each picture")
    return " · ".join(filter(None, (f"{counted(config.steps, 'step')} a level", half * (config.levels > 1), own)))


def cooled(drawn: Samples, usual: Samples) -> str:
    """Return how far samples at other temperatures are from those of the same noise at the flow's own."""
    changed = f"At these temperatures pixels move by {apart(drawn.images, usual.images):.0f} of 255 on average"
    now, before = (apart(each.images, each.images.mean(axis=0)) for each in (drawn, usual))
    if ALIKE * before <= now <= before / ALIKE:
        return f"{changed}, and the samples differ as much."
    return f"{changed}, and the samples become {'more' if now < before else 'less'} alike."


def origin(info: CheckpointInfo) -> str:
    """Return the origin stated by the file; empty if not stated."""
    if info.imported:
        kind, file, assumed = (str(info.imported.get(key, "")) for key in ("kind", "file", "assumed"))
        return f"Imported from {file}, a checkpoint of {kind}. {f'Assumed: {assumed}' if assumed else ''}".rstrip()
    on = f" on {info.data}" if info.data else ""
    return f"trained for {info.step:,} steps{on}" if info.step else ""


def inversion(report: Report) -> str:
    """Return how large the round-trip error of the whole flow is."""
    return (
        f"Over {report.images}, decode(encode(x)) is off by at most {power(report.max_abs)}, where a grey level is "
        f"{grey_level(report.config.bits)}."
    )


def cells(report: Report) -> list[dict[str, str]]:
    """Return the table's columns for a page, with a row for the whole flow."""
    rows = [
        {
            "": f"level {level.number}",
            "largest error": power(level.max_abs),
            "relative error": power(level.relative),
            "worst condition number": f"{factor(level.condition.max())} (step {level.worst_step})",
            "singular values": _from_to(level.singular_values),
            "coupling scales seen": _from_to(level.coupling),
            "weights ω seen": _from_to(level.weights),
            "prior σ seen": _from_to(level.prior),
        }
        for level in report.levels
    ]
    whole = {"": "whole flow", "largest error": power(report.max_abs), "relative error": power(report.relative)}
    return [*rows, {**dict.fromkeys(rows[0], ""), **whole}]


def score(evaluation: Evaluation, info: CheckpointInfo) -> str:
    """Return bits/dim, beside the file's own figure where it is of the same test images."""
    over = f"{counted(evaluation.n, 'test image')} of {evaluation.data}"
    error = (
        f" ± {evaluation.bits_per_dim_stderr:.3f} (standard error"
        f"{f' over {evaluation.clusters} photographs' if evaluation.clusters else ''})"
        if math.isfinite(evaluation.bits_per_dim_stderr)
        else ""
    )
    stated = info.metrics.get("test_bits_per_dim") if info.data == evaluation.data else None
    beside = "" if stated is None else f" The file says {stated:.3f}, measured when its training ended."
    note = f" {evaluation.note[0].upper()}{evaluation.note[1:]}." if evaluation.note else ""
    floor = f" {floor_in_words(evaluation.floor_bits_per_dim)}" if evaluation.floor_bits_per_dim is not None else ""
    bits = info.config.bits
    flow = f"{evaluation.bits_per_dim:.3f}{error} bits/dim on {over}; {bits} would be the {raw(bits)}."
    return f"{flow}{floor}{beside}{note}"


def verification(report: Report) -> str:
    """Return the worst figures where all checks hold, else the failed checks and their levels."""
    if not report.holds:
        faults = "; ".join(f"level {check.level} {check.finding}" for check in report.failed)
        left = sum(check.holds is None for check in report.checks)
        rest = "" if not left else f" {counted(left, 'later check')} could not be made."
        return f"This flow cannot be trusted: {faults}.{rest}"
    back, log_det, condition = (factor(report.worst(name)) for name in ("round trip", "log-det", "conditioning"))
    return (
        f"All values are finite and every order is a permutation; no level's inverse is off by more than {back} of its "
        f"input's norm (bound {factor(ROUND_TRIP)}), no log-determinant by more than {log_det} nats/dim from that of a "
        f"Jacobian (bound {factor(LOG_DET)}), and no 1×1 convolution, its ActNorm included, stretches one direction "
        f"more than {condition} times another (bound {factor(CONDITION)}). Seen on {report.images}."
    )


def training(curve: TrainingCurve) -> str:
    """Return where the training began and ended."""
    smoothed, test = curve.smoothed, curve.test_bits_per_dim
    half = np.interp(curve.steps[-1] / 2, curve.steps, smoothed)
    end = "" if test is None else f" The images that it was scored on at the end cost {fixed(test, 3)}."
    return (
        f"In {curve.steps[-1]:,} steps the training batches went from {fixed(curve.bits_per_dim[0], 2)} to "
        f"{fixed(smoothed[-1], 2)} bits/dim, {fixed(half - smoothed[-1], 2)} of it in the second half.{end}"
    )


def _from_to(values: np.ndarray) -> str:
    if np.isnan(values).any():
        return "–"
    return " … ".join(factor(end) if end > 0 else fixed(end, 2) for end in (values.min(), values.max()))
