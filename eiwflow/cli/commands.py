"""The work of every command: each function returns the object that --json prints, and the text printed without it."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import logging
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import project
from ..analysis.words.numbers import counted, fixed
from ..files import missing, write_atomically
from ..options import FLOW, TRAINING, option, without_effect
from ..training.presets import preset_settings
from .progress import bar, say, training_progress
from .serve import app_command

if TYPE_CHECKING:
    from ..analysis.evaluate import Evaluation
    from ..checkpoint import Checkpoint
    from ..data import ImageData
    from ..flow import FlowConfig
    from ..training.distributed import Team
    from ..training.execution import Execution
    from ..training.recipe import Recipe

_FLOW_OPTIONS = tuple(name for name in FLOW if option(name))
_RECIPE_OPTIONS = ("data", *TRAINING)


def null_for_nan(value: Any) -> Any:  # noqa: ANN401 (whatever JSON can hold)
    """Return the value with null for every number that JSON cannot write, such as the standard error of one image."""
    if isinstance(value, dict):
        return {key: null_for_nan(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [null_for_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def train_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Train, with a progress bar on a terminal and lines elsewhere."""
    if options.threads is None:
        import torch

        from ..training.execution import default_threads

        torch.set_num_threads(default_threads())
    return _by_team(options, _train)


def _by_team(
    options: argparse.Namespace, work: Callable[[argparse.Namespace, Team], tuple[dict[str, Any], str] | None]
) -> tuple[dict[str, Any], str]:
    """Run the work in all processes of torchrun; return the first one's result, and end the others."""
    from ..training.distributed import gathered

    with gathered() as team:
        result = work(options, team)
        if team.first and result is not None:
            return result
    sys.exit(0)


def _train(options: argparse.Namespace, team: Team) -> tuple[dict[str, Any], str] | None:
    if team.first:
        return _train_first(options, team)
    from ..training.run import follow
    from ..training.trainer import choose_device

    device = choose_device(options.device, team.local_rank)
    if (recipe := team.share(None)) is not None:
        follow(recipe, team, device, execution=_execution(options))
    return None


def _train_first(options: argparse.Namespace, team: Team) -> tuple[dict[str, Any], str]:
    from ..flow import ConfigError
    from ..training.cost import check_memory, free_bytes
    from ..training.execution import check_precision
    from ..training.loggers import check_logger
    from ..training.run import train
    from ..training.run_directory import RunDirectory, RunError, runs_root
    from ..training.trainer import choose_device

    device = choose_device(options.device, team.local_rank)
    check_logger(options.log or "")
    command, before = _stored_command(options.arguments), None
    if options.resume is not None:
        others = (name for name in (*_FLOW_OPTIONS, *_RECIPE_OPTIONS) if name != "iterations")
        if stated := _given(options, "preset", "size", "out", "init_from", "labels", *others):
            raise RunError(f"--resume continues a run with its own settings; leave out {', '.join(stated)}.")
        run, images = RunDirectory.open(options.resume), None
        recipe, _ = run.config()
    else:
        recipe, images = _new_recipe(options, team)
    check_precision(recipe, device)
    needed = check_memory(recipe, device, team.size)
    if images is not None:
        run = RunDirectory.create(options.out or runs_root(), recipe, command)
    elif options.iterations is not None:
        before = run.extend(options.iterations, command)
        recipe, _ = run.config()
    team.share(recipe)
    begun = run.saved_step() or 0
    if not (options.json or sys.stderr.isatty()):
        shape = "×".join(map(str, recipe.flow.shape))
        text = (
            f"{recipe.data}, images of {shape}, batch {recipe.batch}, {recipe.iterations - begun:,} steps on {device}; "
            f"about {needed / 2**30:.1f} GiB of the {free_bytes(device) / 2**30:.1f} GiB that are free"
        )
        say(text)
    if images is not None:
        _print_note(images)
    if begun == recipe.iterations and run.state().name == "finished":
        say(f"The run is finished, and nothing was done; --iterations N trains it to more than {begun:,} steps.")
    try:
        with training_progress(begun, recipe.iterations, recipe.batch, options.json) as progress:
            info = train(run, images=images, device=device, progress=progress, team=team, execution=_execution(options))
    except KeyboardInterrupt:
        say(f"python -m eiwflow train --resume {shlex.quote(str(run.path))} continues it.")
        raise
    except (RunError, ConfigError):
        if before is not None:
            run.write_config(before)  # the run ends where it did
        raise
    return {"run": str(run.path), "step": info.step, "metrics": info.metrics}, str(run.path)


def _print_note(images: ImageData) -> None:
    """Print the note of a data set, if it has one."""
    if images.note:
        say(f"{images.name}: {images.note}")


def _stored_command(arguments: Sequence[str]) -> str:
    """Return the command that a checkpoint states: without --out, which names a folder and does not shape the flow."""
    places = {at + along for at, word in enumerate(arguments) if word == "--out" for along in (0, 1)}
    kept = [word for at, word in enumerate(arguments) if at not in places and not word.startswith("--out=")]
    return shlex.join(["python", "-m", "eiwflow", *kept])


def _execution(options: argparse.Namespace) -> Execution:
    from ..training.execution import Execution

    return Execution(
        compiled=options.compile,
        deterministic=options.deterministic,
        workers=options.workers,
        strict=options.strict,
        save_every=options.save_every or 0,
        keep_every=options.keep_every or 0,
        log=options.log or "",
    )


def _new_recipe(options: argparse.Namespace, team: Team) -> tuple[Recipe, ImageData]:
    """Return the recipe of a new run, and its data set."""
    from ..data import DataError, labels_of, same_data
    from ..training.recipe import Recipe
    from ..training.trainer import check_start, load_data

    settings = {**preset_settings(options.preset, options.data), **_given(options, *_RECIPE_OPTIONS)}
    size = _given(options, "size").get("size", settings.get("size", 32))
    # A wrong setting is refused before data are read or downloaded; only the number of channels comes from the data.
    start = None if options.init_from is None else _checkpoint_to_start_from(options, settings)
    if start is None:
        flow = _flow_config(options, settings, size)
    else:  # the number of classes comes from the data
        flow = dataclasses.replace(start.info.config, memory=options.memory or "store", context=0)
    _check_effect(options, flow, settings)
    factor = options.labels or settings.get("labels", "")
    recipe = Recipe(flow=flow, **{k: v for k, v in settings.items() if k in (*_RECIPE_OPTIONS, "init_from")})
    team.check(recipe.batch, recipe.accumulate)
    images = load_data(recipe, options.strict)
    if factor:
        labels = labels_of(images, factor)
        flow = dataclasses.replace(flow, context=len(labels.classes))
        recipe = dataclasses.replace(recipe, flow=flow, labels=factor, classes=labels.classes)
    if options.init_from is not None and images.channels != flow.shape[0]:
        raise DataError(f"{images.name} has {images.channels} channels; the flow of --init-from takes {flow.shape[0]}.")
    flow = dataclasses.replace(flow, shape=(images.channels, *flow.shape[1:]))
    recipe = dataclasses.replace(recipe, flow=flow)
    if start is not None:
        check_start(start.info, start.name, recipe)  # before there is a run
        knows_all = same_data(start.info.data, recipe.data) and not start.info.recipe.get("validation")
        if recipe.validation and knows_all:
            remark = (
                "the flow that it starts from was trained on the images that are held out here: their score says "
                "nothing of new images"
            )
            images = dataclasses.replace(images, note=images.note_with(remark))
    return recipe, images


def _checkpoint_to_start_from(options: argparse.Namespace, settings: dict[str, Any]) -> Checkpoint:
    """Return the checkpoint to start from; put its path and data into the settings."""
    from .. import checkpoint
    from ..flow import ConfigError

    if stated := _given(options, "preset", "size", *(name for name in _FLOW_OPTIONS if name != "memory")):
        raise ConfigError(f"--init-from takes the flow of a checkpoint as it is; leave out {', '.join(stated)}.")
    path = find_checkpoint(options.init_from)
    loaded = checkpoint.load(path)
    settings["init_from"] = os.path.abspath(path)
    if "data" not in settings and loaded.info.data:
        settings["data"] = _named_by(loaded, "")
    if loaded.info.config.context:
        if not loaded.info.labels or options.labels not in (None, loaded.info.labels):
            own = loaded.info.labels or "another context"
            raise ConfigError(f"--init-from: {loaded.name} is conditional on {own}; start from a flow without labels.")
        settings["labels"] = loaded.info.labels
    return loaded


def study_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Run a study, with a progress bar on a terminal, or report on a study."""
    if options.out is None and options.report:
        return _study_summary()
    if options.out is None:
        from ..training.run_directory import RunError

        raise RunError("--out is missing; name the folder of the study.")
    if options.report:
        return _study_report(options)
    if options.pack is not None:
        return _study_pack(options)
    from ..study.recipe import StudyRecipe
    from ..study.run import parse_shard, run_study

    names = (field.name for field in dataclasses.fields(StudyRecipe) if field.name != "arms")
    settings = {**_given(options, *names), **_study_arms(options)}
    shard = (1, 1) if options.shard is None else parse_shard(options.shard)
    command = shlex.join(["python", "-m", "eiwflow", *options.arguments])
    with bar("run") as move:
        before = 0

        def progress(done: int, total: int) -> None:
            nonlocal before
            move(done - before, total)
            before = done

        try:
            recipe = StudyRecipe(**settings)
            study = run_study(recipe, options.out, command, options.jobs, progress, shard, _print_note, options.device)
        except KeyboardInterrupt:
            say(f"Stopped; the same command continues {options.out}.")
            raise
    return {"out": str(study.path), "runs": len(study.runs)}, f"{counted(len(study.runs), 'run')} in {study.path}"


def _study_arms(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arms named by options, as a field of a study's recipe; empty without such options."""
    from ..study.recipe import HALF, arms_of, control, crossed

    priors = options.priors or ["conditional"]
    arms: list[Any] = []
    lists = (options.orders, options.weights, options.partitions, options.keeps)
    if any(words is not None for words in (*lists, options.inits)):
        orders = options.orders or ["entropy", "variance", "variance-reversed", "random"]
        weights, inits = options.weights or ["none"], options.inits or ["principal"]
        partitions, keeps = options.partitions or ["random"], options.keeps or [HALF]
        combined, left_out = crossed(orders, weights, inits, partitions, keeps, priors)
        arms += combined
        for sentence in left_out:
            say(f"eiwflow study: {sentence}")
    elif options.arms is None and not options.null:
        from ..study.recipe import DEFAULT_ARMS

        if priors == ["conditional"] and not options.own:
            return {}

        arms += [arm.under(prior) for prior in priors for arm in DEFAULT_ARMS]
    arms += [arm for text in (*(options.arms or ()), *options.own) for arm in arms_of(text, priors)]
    arms += control(priors) if options.null else []
    return {"arms": tuple(arms)}


def _study_summary() -> tuple[dict[str, Any], str]:
    from ..study.file import StudyError, bundled
    from ..study.report import summary, summary_in_words

    if not (studies := bundled()):
        raise StudyError("assets/studies holds no study; name one with --out.")
    result = summary(studies)
    return result, summary_in_words(result)


def _study_report(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ..study import export
    from ..study.file import StudyError, read_study
    from ..study.report import report, report_in_words

    study = read_study(options.out)
    result = report(study, options.subject)
    if options.csv is not None:
        write_atomically(options.csv, export.as_csv(study, options.subject).encode())
    if options.latex is not None:
        write_atomically(options.latex, export.as_latex(study, options.subject).encode())
    if options.figure is not None:
        from ..figures.paper import leads_figure

        if options.figure.suffix not in (".svg", ".pdf"):
            raise StudyError(f"--figure is {str(options.figure)[:200]!r}; its name must end in .svg or .pdf.")
        drawing = leads_figure(study, options.subject)
        content = drawing.svg().encode() if options.figure.suffix == ".svg" else drawing.pdf()
        write_atomically(options.figure, content)
    return result, report_in_words(result)


def _study_pack(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ..study.file import pack, read_study

    studies = [read_study(path) for path in (options.out, *options.also)]
    study = pack(studies, options.pack)
    size = options.pack.stat().st_size
    facts = {"out": str(options.pack), "runs": len(study.runs), "bytes": size}
    return facts, f"{options.pack}: {study.title}, {counted(len(study.runs), 'run')}, {size:,} bytes"


def _error(value: float) -> str:
    """Return a standard deviation or error as text after its mean; empty if it is NaN, as for a single value."""
    return f" ± {value:.4f}" if math.isfinite(value) else ""


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _size(config: FlowConfig) -> str:
    """Return the levels and steps of a flow as text: ``3 levels × 8 steps``."""
    return f"{counted(config.levels, 'level')} × {counted(config.steps, 'step')}"


def _flow_config(options: argparse.Namespace, settings: dict[str, Any], size: int) -> FlowConfig:
    from ..flow import FlowConfig

    preset = {name: value for name, value in settings.items() if name in _FLOW_OPTIONS}
    return FlowConfig(shape=(3, size, size), **{**preset, **_given(options, *_FLOW_OPTIONS)})


def _check_effect(options: argparse.Namespace, flow: FlowConfig, settings: Mapping[str, Any]) -> None:
    """Refuse an option that has no effect beside the others."""
    from ..flow import ConfigError

    for name, why in without_effect({**vars(flow), **settings}).items():
        if getattr(options, name, None) is not None:
            raise ConfigError(f"{option(name)} has no effect: {why}. Leave it out.")


def find_checkpoint(text: str) -> Path:
    """Return the file of a checkpoint, as :func:`eiwflow.checkpoint.find` does; refuse a name without a file."""
    from ..checkpoint import CheckpointError, find

    path = find(text)
    if re.fullmatch(r"[\w-]{1,60}", text) and not path.exists():
        known = ", ".join(sorted(path.stem for path in project.CHECKPOINTS.glob("*.safetensors")))
        expected = f"a .safetensors file, a run directory, or a bundled flow: {known}"
        raise CheckpointError(text, "name", expected, "unknown (no such file)")
    return path


def list_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """List flows, runs, data sets and studies by the names that other commands take."""
    from ..analysis.flows import bundled_flows
    from ..data import DATASETS
    from ..data.registry import bundled
    from ..study.file import studies_in
    from ..training.run_directory import STUDIES, list_runs, runs_root, saved_flows

    del options
    flows = [
        {"name": row["flow"], "about": f"bundled, {fixed(row['bits/dim'], 3)} bits/dim on {row['data']}"}
        for row in bundled_flows()
    ]
    flows += [{"name": str(path), "about": "yours"} for path in saved_flows(runs_root())]
    runs, complaints = list_runs(runs_root())
    states = [(run.path, run.state()) for run in runs]
    trained = [{"name": str(path), "about": f"{state.name} at step {state.step:,}"} for path, state in states]
    here = bundled()
    data = [{"name": name, "about": "bundled" if name in here else "downloaded when used"} for name in DATASETS]
    folders = {"bundled": project.ASSETS / "studies", "yours": runs_root() / STUDIES}
    studies = [{"name": str(path), "about": about} for about, folder in folders.items() for path in studies_in(folder)]
    rows = {"flows": flows, "runs": trained, "data": data, "studies": studies}
    width = max(len(row["name"]) for kind in rows.values() for row in kind)
    table = [f"{kind:<8} {row['name']:<{width}}  {row['about']}" for kind, named in rows.items() for row in named]
    return {**rows, "complaints": complaints}, "\n".join([*table, *complaints])


def _whole(options: argparse.Namespace, trust: bool = True, local_rank: int = 0) -> Checkpoint:
    """Return the checkpoint that the options name, with its flow on their device."""
    from .. import checkpoint
    from ..training.trainer import choose_device

    device = choose_device(getattr(options, "device", "cpu"), local_rank)
    loaded = checkpoint.load(find_checkpoint(options.checkpoint), trust=trust)
    if device.type != "cpu":
        loaded.flow.to(device)
    return loaded


def _load(options: argparse.Namespace, local_rank: int = 0) -> Checkpoint:
    """Return the checkpoint that the options name; a flow with labels is conditioned on the class of --label."""
    from ..checkpoint import given_label

    return given_label(_whole(options, local_rank=local_rank), options.label)


def _any_label(options: argparse.Namespace, loaded: Checkpoint) -> Checkpoint:
    """Return a checkpoint; a flow with labels is conditioned on this class, or on its first class."""
    from ..checkpoint import given_label

    options.label = options.label or next(iter(loaded.info.classes), None)
    return given_label(loaded, options.label)


def _images(options: argparse.Namespace, loaded: Checkpoint, download: bool = True) -> ImageData:
    """Return the data set that --data names, or the checkpoint's own.

    For a flow that is given a class, these are those of :func:`~eiwflow.data.given_class`.
    """
    from .. import data

    config = loaded.info.config
    # A file of other code does not name its training data.
    name = _named_by(loaded, "photos32") if options.data is None else options.data
    try:
        images = data.load(name, multiple=2**config.levels, size=config.shape[1:], download=download)
    except data.DataError as error:
        if options.data is not None or not loaded.info.data:
            raise
        advice = f"{loaded.name} was trained on it; name other images with --data"
        raise data.DataError(f"{str(error).rstrip('.')}; {advice}") from error
    of_0_2 = str(loaded.info.versions.get("eiwflow")).startswith("0.2")
    if of_0_2 and name not in data.DATASETS and loaded.info.data not in data.DATASETS:
        remark = (
            "the flow is of eiwflow 0.2, which divided some folders and archives otherwise; it may have been trained "
            "on images that are test images here"
        )
        images = dataclasses.replace(images, note=images.note_with(remark))
    return images if loaded.given is None else data.given_class(images, *loaded.given)


def _named_by(loaded: Checkpoint, default: str) -> str:
    """Return the data set that a checkpoint states as its own, or the default if it states none.

    A file is untrusted: a path in it is not followed.

    Raises:
        DataError: it is not the name of a data set.

    """
    from .. import data
    from ..data.registry import NO_LONGER_BUNDLED
    from ..files import printable

    name = loaded.info.data or default
    if name not in data.DATASETS and name not in NO_LONGER_BUNDLED:
        raise data.DataError(
            f"{loaded.name} was trained on {printable(name)!r}, which is not the name of a data set; a path in a "
            "checkpoint is not followed: name the images with --data"
        )
    return name


def evaluate_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Score a checkpoint, with a progress bar on a terminal, also in several processes of torchrun."""
    return _by_team(options, _evaluate)


def _evaluate_own(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Score a flow of one's own, as a study scores it."""
    from ..data import load
    from ..study.foreign import ForeignError, evaluate

    if options.weights is None or options.data is None:
        raise ForeignError(f"{options.checkpoint[:200]} needs --weights STATE and --data, the images to score.")
    images = load(options.data, size=options.size)
    bits = evaluate(options.checkpoint, options.weights, images, options.limit, options.size)
    mean, error = float(bits.mean()), float(bits.std()) / math.sqrt(len(bits))
    facts = {"bits_per_dim": mean, "standard_error": error, "images": len(bits), "data": images.name}
    return facts, f"{images.name}: {mean:.4f}{_error(error)} bits/dim on {counted(len(bits), 'image')}"


def _evaluate(options: argparse.Namespace, team: Team) -> tuple[dict[str, Any], str]:
    if ".py:" in options.checkpoint:
        return _evaluate_own(options)
    from ..analysis.evaluate import evaluate
    from ..checkpoint import given_label
    from ..data import labels_of

    loaded, labels = _whole(options, local_rank=team.local_rank), None
    if options.label is not None:
        loaded = given_label(loaded, options.label)
    images, info = _images(options, loaded), loaded.info
    if info.labels:
        labels = labels_of(images, info.labels, info.classes)
    elif info.config.context:
        given_label(loaded, None)
    with bar("image", shown=team.first) as move:
        result = evaluate(
            loaded.flow,
            images,
            options.limit,
            progress=move,
            batch=options.batch,
            importance=options.importance,
            team=team,
            labels=labels,
        )
    over = counted(result.n, "image") + (f", {counted(result.clusters, 'source')}" if result.clusters else "")
    note = f"{images.name}: {result.note}\n" if result.note else ""
    floor = (
        ""
        if result.floor_bits_per_dim is None
        else f"floor {result.floor_bits_per_dim:.4f} bits/dim: the entropy of the grain, which no model can beat "
        "(if no values are clipped)\n"
    )
    bound = (
        ""
        if result.importance_bits_per_dim is None
        else f"importance-weighted bound {result.importance_bits_per_dim:.4f}"
        f"{_error(result.importance_bits_per_dim_stderr or math.nan)} bits/dim, of {result.importance} draws of the "
        "noise an image\n"
    )
    text = (
        f"{loaded.name} on {result.data}: {result.bits_per_dim:.4f}{_error(result.bits_per_dim_stderr)} bits/dim "
        f"({over})\n"
        f"{_of_labels(result, loaded)}{bound}{floor}{note}round trip {result.round_trip_max_abs:.1e}, "
        f"log-det gap {result.log_det_gap:.1e} nats/dim"
        f"{'' if result.holds else ': beyond the bounds of an exact flow, so its score cannot be trusted'}"
    )
    return {**result.to_dict(), "holds": result.holds}, text


def _of_labels(result: Evaluation, loaded: Checkpoint) -> str:
    """Return an evaluation's lines on labels; empty for a flow without labels."""
    if result.bits_per_dim_given_label is None or result.label_accuracy is None:
        return ""
    factor, classes = loaded.info.labels, len(loaded.info.classes)
    read_back = (
        "label not read back by Bayes' rule: all images are of one class\n"
        if result.commonest_class == 1
        else f"label read back by Bayes' rule with that prior: right for {100 * result.label_accuracy:.1f} % of the "
        f"images ({100 * (result.commonest_class or 0):.1f} % are of the commonest class)\n"
    )
    return (
        f"{result.bits_per_dim_given_label:.4f} bits/dim given the label, {factor}; the figure above is for images "
        f"alone, a mixture over {classes} classes, whose prior is {result.label_prior}\n{read_back}"
    )


def _images_if_here(options: argparse.Namespace, loaded: Checkpoint) -> ImageData | None:
    """Return the data set; None for the checkpoint's own where it is not here, or not for this flow.

    A data set is downloaded only if ``--data`` names it: describing a file is no reason for a download.
    """
    from ..analysis.evaluate import images_to_score
    from ..data import DataError

    try:
        images = _images(options, loaded, options.data is not None)
        images_to_score(images, loaded.flow, 1)
    except DataError:
        if options.data is not None:
            raise
        return None
    return images


def inspect_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Describe a checkpoint."""
    from ..analysis.inspect import inspect
    from ..analysis.record import load_curve
    from ..checkpoint import load

    loaded = _any_label(options, load(find_checkpoint(options.checkpoint)))
    images = _images_if_here(options, loaded)
    result = inspect(loaded, images, load_curve(find_checkpoint(options.checkpoint)))
    if loaded.given is not None:
        factor, label, classes = loaded.given
        result |= {"labels": factor, "classes": list(classes), "label": label}
    config = loaded.info.config
    lines = [
        f"{loaded.name}: {config.split}, prior {config.prior}, init {config.init}, partition {config.partition}, "
        f"{_size(config)}, width {config.width}, {result['parameters']:,} parameters",
        f"imported from {loaded.info.imported.get('file')}, a checkpoint of {loaded.info.imported.get('kind')}"
        if loaded.info.imported
        else f"trained {loaded.info.step} steps on {loaded.info.data}, seed {loaded.info.seed}",
    ]
    lines.append("parameters by part: " + ", ".join(f"{part} {count:,}" for part, count in result["parts"].items()))
    for level in result["levels"]:
        order = "" if level["order"] is None else f"; order (kept first): {' '.join(map(str, level['order']))}"
        back = "" if level["inversion_max_abs"] is None else f", inverse off by {level['inversion_max_abs']:.1e}"
        lines.append(
            f"level {level['level']}: {level['channels']} channels, condition number at most "
            f"{max(level['condition']):.3g}{back}{order}"
        )
    lines += [] if images is None or not images.note else [f"{images.name}: {images.note}"]
    return result, "\n".join(lines)


def verify_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Check level by level that a flow inverts and states its log-determinant."""
    from ..analysis.evaluate import images_to_score
    from ..analysis.verify import IMAGES, verify
    from ..analysis.words import checkpoint as words

    loaded = _any_label(options, _whole(options, trust=False))
    images = _images_if_here(options, loaded)
    # Without its images the checks take noise: a flow inverts on any input.
    pixels = None if images is None else images_to_score(images, loaded.flow, IMAGES)
    report = verify(loaded, pixels, "" if images is None else images.name, options.batch)
    lines = [f"{loaded.name}: {words.badge(report)}. {words.verification(report)}"]
    lines += [
        f"level {check.level}  {_ANSWERS[check.holds]:6}  {check.name:12}  it {check.finding}"
        for check in report.checks
    ]
    lines += [] if images is None or not images.note else [f"{images.name}: {images.note}"]
    return report.to_dict(), "\n".join(lines)


_ANSWERS = {True: "holds", False: "FAILS", None: "–"}


def analyse_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Print the figures of a page."""
    from ..analysis import passes
    from ..analysis.analyse import analyse
    from ..analysis.record import load_record
    from ..checkpoint import given_label

    # Under the name on the command line: checkpoints of runs all have one file name.
    loaded = given_label(dataclasses.replace(_whole(options), name=options.checkpoint), options.label)
    record = load_record(find_checkpoint(options.checkpoint))
    images = _images(options, loaded)
    choices = _given(options, "image", "level", "seed", "other_image", "path", "also")
    passes.set_batch(options.batch)
    result = analyse(loaded, images, options.what, record, **choices)
    return result, json.dumps(null_for_nan(result), indent=2, ensure_ascii=False)


def sample_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Draw images into one picture, one array, or a folder of pictures, also in several processes of torchrun."""
    return _by_team(options, _sample)


def _sample(options: argparse.Namespace, team: Team) -> tuple[dict[str, Any], str]:
    import torch

    from ..analysis.samples import draw, write_array, write_pictures
    from ..checkpoint import MAX_TEMPERATURE
    from ..data import as_picture, montage
    from ..flow import ConfigError, Latents, quantise
    from ..flow.score import batch_size

    out, n = options.out, options.n
    suffix = out.suffix.lower()
    if team.first:  # checked before the first process writes files that another would refuse
        _check_samples_out(out, n)
        if not out.is_dir():
            _check_out(options, out)
    loaded = _load(options, team.local_rank)
    levels = loaded.info.config.levels
    text = str(loaded.info.temperature) if options.temperature is None else options.temperature
    try:
        temperatures = [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--temperature is {text[:40]!r}; it must be a number, or one a level.") from None
    if len(temperatures) not in (1, levels) or not all(0 <= t <= MAX_TEMPERATURE for t in temperatures):
        raise ConfigError(
            f"--temperature is {text[:40]!r}; it must be 1 or {levels} numbers between 0 and {MAX_TEMPERATURE:g}."
        )
    temperature = temperatures[0] if len(temperatures) == 1 else temperatures
    flow, config = loaded.flow, loaded.info.config
    facts = {"out": str(out), "n": n, "temperature": temperatures, "seed": options.seed}
    facts |= {} if options.label is None else {"label": options.label}
    if suffix in _PICTURES and not team.first:
        pass  # one picture is drawn by one process
    elif suffix in _PICTURES:
        # One draw for all samples, as in flow.sample, decoded part by part.
        latents = flow.sample_latents(n, temperature, torch.Generator().manual_seed(options.seed))
        parts = zip(*(level.split(batch_size(flow, options.batch)) for level in latents.levels), strict=True)
        with torch.no_grad():
            images = torch.cat([quantise(flow.decode(Latents([*part])), config.bits).cpu() for part in parts])
        side = math.ceil(math.sqrt(n))
        grid = montage(images.permute(0, 2, 3, 1).numpy(), side, gap=2 if n > 1 else 0)
        file_format = _PICTURES[suffix]
        file = io.BytesIO()
        as_picture(grid).save(file, format=file_format, **_SAVING.get(file_format, {}))
        write_atomically(out, file.getvalue())
    else:
        with bar("image", shown=team.first) as move:
            arrays = draw(flow, n, temperature, options.seed, options.batch, lambda count: move(count, n), team)
            if not team.first:
                for _ in arrays:
                    pass
            elif suffix == ".npy":
                write_array(out, arrays, (n, *config.shape[1:], config.shape[0]))
            else:
                write_pictures(out, arrays)
    return facts, str(out)


#: Samples that one picture holds.
MOST_IN_ONE = 4096
#: Suffix -> Pillow's name of the format.
_PICTURES = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}
_SAVING: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}


def _check_samples_out(out: Path, n: int) -> None:
    """Refuse a file name that samples cannot be written to, before any sample is drawn."""
    from ..flow import ConfigError

    what, suffix = f"--out is {str(out)[:200]!r}", out.suffix.lower()
    if os.path.isdir(out):
        if suffix in (*_PICTURES, ".npy"):
            raise ConfigError(f"{what}, which is a folder; name a file.")
        if os.listdir(out):
            raise ConfigError(f"{what}, which is a folder with files in it; name a new one.")
    elif suffix and suffix not in (*_PICTURES, ".npy"):
        raise ConfigError(
            f"{what}; its name must end in .png, .webp, .jpg or .jpeg for one picture, in .npy for an array, or have "
            "no suffix for a folder."
        )
    if not os.path.isdir(out.parent):
        raise ConfigError(f"{what}; the folder {str(out.parent)[:200]!r} does not exist.")
    if suffix in _PICTURES and n > MOST_IN_ONE:
        raise ConfigError(
            f"--n is {n}; one picture holds at most {MOST_IN_ONE}. Choose a .npy file or a folder with --out."
        )


def _check_out(options: argparse.Namespace, out: Path, *read: Path) -> None:
    """Refuse to write over a file without ``--force``, and over a file that the command reads."""
    from ..flow import ConfigError

    if out.exists() and any(path.exists() and out.samefile(path) for path in read):
        raise ConfigError(f"--out is {str(out)[:200]!r}, which the command reads; name another file.")
    if out.exists() and not options.force:
        raise ConfigError(f"{str(out)[:200]!r} exists; choose another name, or overwrite it with --force.")


def compress_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Compress pictures into one archive."""
    from ..compression import archive
    from ..files import printable, write_atomically

    _check_out(options, options.out, find_checkpoint(options.checkpoint), *map(Path, options.pictures))
    flow = _load(options).flow
    pictures, left_out = archive.gather(options.pictures)
    others = archive.lossless_sizes(pictures)
    content, summary = archive.compress(flow, archive.flow_digest(flow), pictures)
    write_atomically(options.out, content)
    stated = 8 * summary.stated_bytes / summary.values
    facts = {
        "path": str(options.out),
        **dataclasses.asdict(summary),
        "bits_per_dim": summary.bits_per_dim,
        "stated_bits_per_dim": stated,
        **{f"{name}_bytes": size for name, size in others.items()},
        "left_out": left_out,
    }
    text = "\n".join(
        [
            f"{options.out}: {counted(summary.pictures, 'picture')} in {summary.bytes:,} bytes, "
            f"{summary.bits_per_dim:.3f} bits/dim",
            f"the flow states {summary.stated_bytes:,.0f} bytes, {stated:.3f} bits/dim; "
            f"{summary.start_bytes:,} bytes of the file are the digits that the first tile starts from",
            *(f"lossless {name.upper():<4} {size:,} bytes" for name, size in others.items()),
            "It was decoded again: every pixel is the same.",
            *(f"left out: {printable(sentence, 300)}" for sentence in left_out),
        ]
    )
    return facts, text


def decompress_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Write the pictures of an archive into a new folder."""
    from ..compression import CompressionError, archive
    from ..files import read_bytes, reason

    flow = _load(options).flow
    try:
        content = read_bytes(options.archive, archive.MAX_BYTES)
    except OSError as error:
        raise CompressionError(f"{options.archive} cannot be read: {reason(error)}.") from None
    pictures = archive.decompress(flow, archive.flow_digest(flow), content)
    paths = archive.write_pictures(pictures, options.out)
    return {"out": str(options.out), "pictures": len(paths)}, f"{counted(len(paths), 'picture')} in {options.out}"


def bench_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Time a flow."""
    from ..training.bench import bench

    flow = _flow_config(options, {}, 32 if options.size is None else options.size)
    _check_effect(options, flow, {})
    result = bench(flow, options.batch)
    text = "\n".join(
        [
            f"{result['parameters']:,} parameters, batch {options.batch}, {result['threads']} thread(s), CPU seconds",
            *(
                f"{name:<10} {result[name.replace(' ', '_') + '_cpu_s']:.4f}"
                for name in ("train step", "log_prob", "sample")
            ),
            f"round trip {result['round_trip_max_abs']:.1e}, peak memory {result['peak_rss_mib']:.0f} MiB",
        ]
    )
    return result, text


def import_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Convert a Glow checkpoint of other code."""
    from ..importing import GlowError, Options, import_flow
    from ..importing.check import MOST, compare

    check = [path for path in (options.check_images, options.check_log_prob) if path is not None]
    if len(check) == 1:
        raise GlowError("--check-images and --check-log-prob belong together; give both or neither.")
    _check_out(options, options.out, options.file)
    stated = Options(**{entry.name: getattr(options, entry.name) for entry in dataclasses.fields(Options)})
    loaded = import_flow(options.file, options.out, stated)
    config, facts = loaded.info.config, loaded.info.imported
    parameters = loaded.flow.parameter_count()
    size = "×".join(map(str, config.shape))
    lines = [
        f"{options.out}: {parameters:,} parameters, {_size(config)}, "
        f"width {config.width}, {config.coupling} couplings, images of {size} with {config.bits} bits",
        f"imported from {facts['file']}, a checkpoint of {facts['kind']}",
    ]
    if facts["assumed"]:
        lines.append(f"assumed: {facts['assumed']}")
    result = {"out": str(options.out), "parameters": parameters, "config": config.to_dict(), "imported": facts}
    if check:
        difference = compare(loaded.flow, facts["kind"], check[0], check[1], options.check_labels)
        result |= {"check": dataclasses.asdict(difference), "holds": difference.holds}
        advice = (
            "" if difference.holds else " A stated or assumed setting is wrong: try another scale map, leaky or bits."
        )
        lines.append(
            f"log p of {counted(difference.images, 'image')} differs by at most {abs(difference.bits_per_dim):.1e} "
            f"bits/dim (image {difference.worst}); at most {MOST:g} is rounding.{advice}"
        )
    return result, "\n".join(lines)


#: Largest allowed differences in onnxruntime, of a value of an image and of bits/dim; a grey level is 0.004.
MOST_DIFFERENCE = 1e-3


def export_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Write a checkpoint's methods as ONNX files, and compare them in onnxruntime."""
    from ..flow import ConfigError

    if absent := missing("onnx", "onnxscript", "onnxruntime"):
        raise ConfigError(f"The export needs {', '.join(absent)}, not installed here: pip install {' '.join(absent)}.")
    from ..export import EXPORTS, differences, export_onnx
    from ..files import made_folder

    flow = _load(options).flow
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    for name in EXPORTS:
        _check_out(options, options.out / f"{name}.onnx")
    with made_folder(options.out):
        paths = export_onnx(flow, options.out)
    gaps = differences(flow, paths)
    lines = [
        f"{path}: {path.stat().st_size:,} bytes; values in onnxruntime differ by at most {gaps[name]:.1e}"
        f"{' bits/dim' if name == 'log_prob' else ''}"
        for name, path in paths.items()
    ]
    holds, bits = max(gaps.values()) < MOST_DIFFERENCE, flow.config.bits
    lines.append(f"The flow takes images dequantised to {bits} bits.")
    return {"out": str(options.out), "bits": bits, "max_difference": gaps, "holds": holds}, "\n".join(lines)


def lesson_command(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Write the lesson as one file, or its homework."""
    from ..flow import ConfigError
    from ..lesson import default, one_file
    from ..lesson.build import build_for

    if options.homework is not None:
        if options.checkpoint is not None:
            raise ConfigError(
                f"checkpoint is {options.checkpoint!r}; the homework is on the bundled flow: leave it out."
            )
        from ..lesson import homework

        _check_out(options, options.homework)
        page = homework.page(options.app).encode()
        write_atomically(options.homework, page)
        facts = {"path": str(options.homework), "bytes": len(page), "questions": len(homework.QUESTIONS)}
        return facts, f"{options.homework}: {len(homework.QUESTIONS)} questions, and an answer sheet for the teacher."
    _check_out(options, options.out, *(() if options.checkpoint is None else (find_checkpoint(options.checkpoint),)))
    pack = default.pack() if options.checkpoint is None else build_for(_load(options)).to_bytes()
    page = one_file(pack)
    write_atomically(options.out, page)
    facts = {"path": str(options.out), "bytes": len(page)}
    return facts, f"{options.out}: {len(page):,} bytes; it opens in any browser, without a network."


COMMANDS: dict[str, Callable[[argparse.Namespace], tuple[dict[str, Any], str]]] = {
    "app": app_command,
    "train": train_command,
    "study": study_command,
    "evaluate": evaluate_command,
    "inspect": inspect_command,
    "verify": verify_command,
    "analyse": analyse_command,
    "sample": sample_command,
    "list": list_command,
    "import": import_command,
    "compress": compress_command,
    "decompress": decompress_command,
    "export": export_command,
    "lesson": lesson_command,
    "bench": bench_command,
}
