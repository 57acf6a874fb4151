"""The command train: options, a recipe, a run directory, and its training."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .. import checkpoint
from ..checkpoint import Checkpoint
from ..data import DataError, ImageData, labels_of, same_data
from ..flow import ConfigError, FlowConfig
from ..options import FLOW, TRAINING, option, without_effect
from ..training.cost import check_memory, free_bytes
from ..training.execution import Execution, choose_device, default_threads
from ..training.loggers import check_logger
from ..training.presets import preset_settings
from ..training.recipe import Recipe
from ..training.run import follow, train
from ..training.run_directory import RunDirectory, RunError, runs_root
from ..training.trainer import check_start, load_data
from .arguments import find_checkpoint, given, own_data, say_note
from .parser import EXECUTION
from .progress import Result, say, training_progress

_FLOW_OPTIONS = tuple(name for name in FLOW if option(name))
#: Options that say what a new run trains, and where it is kept; a resumed run takes none of them but ``iterations``.
_OF_A_NEW_RUN = ("preset", "init_from", "data", "labels", "size", *_FLOW_OPTIONS, *TRAINING, "out")


def train_command(options: argparse.Namespace) -> Result:
    """Train, with a progress bar."""
    torch.set_num_threads(options.threads or default_threads())
    team, device = options.team, choose_device(options.device, options.team.local_rank)
    execution = Execution(device, team, **{name: getattr(options, name) for name in EXECUTION})
    if not team.first:
        if (shared := team.share(None)) is not None:
            follow(shared, execution)
        return {}, ""
    check_logger(execution.log)
    stated, command = given(options, *_OF_A_NEW_RUN), _stored_command(options.arguments)
    if options.resume is None:
        root = stated.pop("out", runs_root())
        recipe, images = _new_recipe(stated, execution.strict)
    elif own := sorted(stated.keys() - {"iterations"}):
        raise RunError(f"--resume continues a run with its own settings; leave out {', '.join(own)}.")
    else:
        run = RunDirectory.open(options.resume)
        if stated:
            run.extend(stated["iterations"], command)
        recipe, images = run.config()[0], None
    execution.check(recipe)
    needed = check_memory(recipe, device, team.size)
    if options.resume is None:
        run = RunDirectory.create(root, recipe, command)
    team.share(recipe)
    begun = run.saved_step() or 0
    if not (options.json or sys.stderr.isatty()):
        say(
            f"{recipe.data}, images of {'×'.join(map(str, recipe.flow.shape))}, batch {recipe.batch}, "
            f"{recipe.iterations - begun:,} steps on {device}; about {needed / 2**30:.1f} GiB of the "
            f"{free_bytes(device) / 2**30:.1f} GiB that are free"
        )
    say_note(images)
    if begun == recipe.iterations:
        say(f"The run is finished, and nothing was done; --iterations N trains it to more than {begun:,} steps.")
    try:
        with training_progress(begun, recipe.iterations, options.json) as progress:
            info = train(run, images=images, progress=progress, execution=execution)
    except KeyboardInterrupt:
        say(f"python -m eiwflow train --resume {shlex.quote(str(run.path))} continues it.")
        raise
    return {"run": str(run.path), "step": info.step, "metrics": info.metrics}, str(run.path)


def _stored_command(arguments: Sequence[str]) -> str:
    """Return the command that a checkpoint states: without --out, which names a folder and does not shape the flow."""
    places = {at + along for at, word in enumerate(arguments) if word == "--out" for along in (0, 1)}
    kept = [word for at, word in enumerate(arguments) if at not in places and not word.startswith("--out=")]
    return shlex.join(["python", "-m", "eiwflow", *kept])


def _new_recipe(stated: Mapping[str, Any], strict: bool) -> tuple[Recipe, ImageData]:
    """Return the recipe of a new run, and its data set. A wrong setting is refused before data are read."""
    if "init_from" in stated:
        start, settings = _start(stated)
        config = dataclasses.replace(start.info.config, memory=settings.pop("memory", "store"), context=0)
    else:
        start, settings = None, {**preset_settings(stated.get("preset"), stated.get("data")), **stated}
        settings.pop("preset", None)
        size = settings.pop("size", 32)
        flow = {name: settings.pop(name) for name in _FLOW_OPTIONS if name in settings}
        config = FlowConfig(shape=(3, size, size), **flow)
    for name, why in without_effect({**vars(config), **settings}).items():
        if name in stated:
            raise ConfigError(f"{option(name)} has no effect: {why}. Leave it out.")
    labels = settings.pop("labels", "")
    recipe = Recipe(flow=config, **settings)
    images = load_data(recipe, strict)
    # The numbers of channels and of classes come from the data.
    if start is not None and images.channels != config.shape[0]:
        raise DataError(f"{images.name} has {images.channels} channels; {start.name} takes {config.shape[0]}.")
    classes = labels_of(images, labels).classes if labels else ()
    config = dataclasses.replace(config, shape=(images.channels, *config.shape[1:]), context=len(classes))
    recipe = dataclasses.replace(recipe, flow=config, labels=labels, classes=classes)
    if start is not None:
        check_start(start.info, start.name, recipe)  # before there is a run
        knows_all = same_data(start.info.data, recipe.data) and not start.info.recipe.get("validation")
        if recipe.validation and knows_all:
            remark = "the flow to start from was trained on the images held out here: their score is not of new images"
            images = dataclasses.replace(images, note=images.note_with(remark))
    return recipe, images


def _start(stated: Mapping[str, Any]) -> tuple[Checkpoint, dict[str, Any]]:
    """Return the checkpoint to start from, and the settings with its path, data and labels."""
    own = ("preset", "size", *(name for name in _FLOW_OPTIONS if name != "memory"))
    if refused := [name for name in own if name in stated]:
        raise ConfigError(f"--init-from takes the flow of a checkpoint as it is; leave out {', '.join(refused)}.")
    path = find_checkpoint(stated["init_from"])
    start = checkpoint.load(path)
    settings = {**stated, "init_from": os.path.abspath(path)}
    if "data" not in stated and start.info.data:
        settings["data"] = own_data(start)
    if start.info.config.context:
        labels = start.info.labels
        if not labels or settings.setdefault("labels", labels) != labels:
            what = labels or "another context"
            raise ConfigError(f"--init-from: {start.name} is conditional on {what}; start from a flow without labels.")
    return start, settings
