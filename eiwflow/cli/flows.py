"""The commands that look at flows: list, evaluate, inspect, verify, analyse. Each returns its object and its text."""

from __future__ import annotations

import argparse
import dataclasses
import math

from .. import data, project
from ..analysis import passes
from ..analysis.analyse import analyse
from ..analysis.evaluate import Evaluation, evaluate, images_to_score
from ..analysis.flows import bundled_flows
from ..analysis.record import load_curve, load_record
from ..analysis.report import IMAGES, inspect, verify
from ..analysis.words import checkpoint as words
from ..analysis.words.numbers import counted, fixed
from ..checkpoint import Checkpoint, given_label
from ..data import labels_of
from ..data.registry import bundled
from ..study import foreign
from ..study.file import studies_in
from ..training.run_directory import STUDIES, list_runs, runs_root, saved_flows
from .arguments import (
    find_checkpoint,
    given,
    images_if_here,
    images_of,
    note_of,
    open_any_label,
    open_checkpoint,
    plus_minus,
    size_of,
)
from .progress import Result, as_json, bar


def list_command(options: argparse.Namespace) -> Result:
    """List flows, runs, data sets and studies by the names that other commands take."""
    del options
    runs, complaints = list_runs(runs_root())
    states = [(run.path, run.state()) for run in runs]
    here = bundled()
    folders = {"bundled": project.ASSETS / "studies", "yours": runs_root() / STUDIES}
    named = {
        "flows": [
            *(
                (row["flow"], f"bundled, {fixed(row['bits/dim'], 3)} bits/dim on {row['data']}")
                for row in bundled_flows()
            ),
            *((path, "yours") for path in saved_flows(runs_root())),
        ],
        "runs": [(path, f"{state.name} at step {state.step:,}") for path, state in states],
        "data": [(name, "bundled" if name in here else "downloaded when used") for name in data.DATASETS],
        "studies": [(path, about) for about, folder in folders.items() for path in studies_in(folder)],
    }
    rows = {kind: [{"name": str(name), "about": about} for name, about in entries] for kind, entries in named.items()}
    width = max(len(row["name"]) for kind in rows.values() for row in kind)
    table = [f"{kind:<8} {row['name']:<{width}}  {row['about']}" for kind in rows for row in rows[kind]]
    return {**rows, "complaints": complaints}, "\n".join([*table, *complaints])


def evaluate_command(options: argparse.Namespace) -> Result:
    """Score a checkpoint, with a progress bar on a terminal, also in several processes of torchrun."""
    if ".py:" in options.checkpoint:
        return _evaluate_own(options)
    loaded, labels = open_checkpoint(options), None
    if options.label is not None or not loaded.info.labels:
        loaded = given_label(loaded, options.label)
    images = images_of(options, loaded)
    if loaded.info.labels:
        labels = labels_of(images, loaded.info.labels, loaded.info.classes)
    with bar("image", shown=options.team.first) as move:
        result = evaluate(
            loaded.flow,
            images,
            options.limit,
            progress=move,
            batch=options.batch,
            importance=options.importance,
            team=options.team,
            labels=labels,
        )
    return {**result.to_dict(), "holds": result.holds}, "\n".join(_evaluation_in_words(result, loaded, images.name))


def _evaluate_own(options: argparse.Namespace) -> Result:
    """Score a flow of one's own, as a study scores it."""
    if options.weights is None or options.data is None:
        raise foreign.ForeignError(f"{options.checkpoint[:200]} needs --weights STATE and --data, the images to score.")
    images = data.load(options.data, size=options.size)
    bits = foreign.evaluate(options.checkpoint, options.weights, images, options.limit, options.size)
    mean, error = float(bits.mean()), float(bits.std()) / math.sqrt(len(bits))
    facts = {"bits_per_dim": mean, "standard_error": error, "images": len(bits), "data": images.name}
    return facts, f"{images.name}: {mean:.4f}{plus_minus(error)} bits/dim on {counted(len(bits), 'image')}"


def _evaluation_in_words(result: Evaluation, loaded: Checkpoint, data_name: str) -> list[str]:
    over = counted(result.n, "image") + (f", {counted(result.clusters, 'source')}" if result.clusters else "")
    score = f"{result.bits_per_dim:.4f}{plus_minus(result.bits_per_dim_stderr)} bits/dim"
    lines = [f"{loaded.name} on {result.data}: {score} ({over})"]
    if result.bits_per_dim_given_label is not None:
        mixture = f"a mixture over {len(loaded.info.classes)} classes, whose prior is {result.label_prior}"
        lines.append(
            f"{result.bits_per_dim_given_label:.4f} bits/dim given the label, {loaded.info.labels}; the figure above "
            f"is for images alone, {mixture}"
        )
    if result.label_accuracy is not None:
        commonest = 100 * (result.commonest_class or 0)
        right = f"right for {100 * result.label_accuracy:.1f} % of the images"
        lines.append(
            f"label read back by Bayes' rule with that prior: {right} ({commonest:.1f} % are of the commonest class)"
        )
    if result.importance_bits_per_dim is not None:
        bound = f"{result.importance_bits_per_dim:.4f}{plus_minus(result.importance_bits_per_dim_stderr)} bits/dim"
        lines.append(f"importance-weighted bound {bound}, of {result.importance} draws of the noise an image")
    if result.floor_bits_per_dim is not None:
        floor = f"floor {result.floor_bits_per_dim:.4f} bits/dim: the entropy of the grain"
        lines.append(f"{floor}, which no model can beat (if no values are clipped)")
    if result.note:
        lines.append(f"{data_name}: {result.note}")
    exact = f"round trip {result.round_trip_max_abs:.1e}, log-det gap {result.log_det_gap:.1e} nats/dim"
    lines.append(
        exact if result.holds else f"{exact}: beyond the bounds of an exact flow, so its score cannot be trusted"
    )
    return lines


def inspect_command(options: argparse.Namespace) -> Result:
    """Describe a checkpoint."""
    loaded = open_any_label(options)
    images = images_if_here(options, loaded)
    result = inspect(loaded, images, load_curve(find_checkpoint(options.checkpoint)))
    if loaded.given is not None:
        factor, label, classes = loaded.given
        result |= {"labels": factor, "classes": list(classes), "label": label}
    info, config = loaded.info, loaded.info.config
    lines = [
        f"{loaded.name}: {config.split}, prior {config.prior}, init {config.init}, partition {config.partition}, "
        f"{size_of(config)}, width {config.width}, {result['parameters']:,} parameters",
        f"imported from {info.imported.get('file')}, a checkpoint of {info.imported.get('kind')}"
        if info.imported
        else f"trained {info.step} steps on {info.data}, seed {info.seed}",
        "parameters by part: " + ", ".join(f"{part} {count:,}" for part, count in result["parts"].items()),
    ]
    for level in result["tables"]["levels"]:
        order = f"; order (kept first): {level['order']}" if level["order"] else ""
        lines.append(
            f"level {level['level']}: {level['shape']}, condition number at most {level['condition_worst']:.3g}, "
            f"inverse off by {level['inversion_max_abs']:.1e}{order}"
        )
    lines.append(f"over {result['inversion']['images']}: {'every check holds' if result['holds'] else 'a check FAILS'}")
    return result, "\n".join([*lines, *note_of(images)])


def verify_command(options: argparse.Namespace) -> Result:
    """Check level by level that a flow inverts and states its log-determinant."""
    loaded = open_any_label(options, trust=False)
    images = images_if_here(options, loaded)
    # Without its images the checks take noise: a flow inverts on any input.
    pixels = None if images is None else images_to_score(images, loaded.flow, IMAGES)
    report = verify(loaded, pixels, "" if images is None else images.name, options.batch)
    answers = {True: "holds", False: "FAILS", None: "–"}
    lines = [f"{loaded.name}: {'All checks hold. ' * report.holds}{words.verification(report)}"]
    lines += [
        f"level {check.level}  {answers[check.holds]:6}  {check.name:12}  it {check.finding}" for check in report.checks
    ]
    return report.to_dict(), "\n".join([*lines, *note_of(images)])


def analyse_command(options: argparse.Namespace) -> Result:
    """Print the figures of a page."""
    # Under the name on the command line: checkpoints of runs all have one file name.
    loaded = given_label(dataclasses.replace(open_checkpoint(options), name=options.checkpoint), options.label)
    record = load_record(find_checkpoint(options.checkpoint))
    images = images_of(options, loaded)
    passes.set_batch(options.batch)
    choices = given(options, "image", "level", "seed", "other_image", "path", "also")
    result = analyse(loaded, images, options.what, record, **choices)
    return result, as_json(result, indent=2, ensure_ascii=False)
