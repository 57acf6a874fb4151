"""Devices, presets and recipes of the page Train, with their time and memory."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st
import torch

from ... import data, project
from ...data.images import Facts
from ...flow import FlowConfig
from ...training.cost import Timing, check_memory, free_bytes
from ...training.cost import preset_recipe as recipe_of
from ...training.presets import PRESETS, preset_settings
from ...training.process import environment
from ...training.recipe import Recipe
from ..access import folders
from ..sources import store

PICTURES = project.ROOT / "assets" / "presets"
#: The preset whose timing is used for other settings: the larger preset is closer to long trainings.
TIMED_FOR_CUSTOM = "five-minutes"
#: Most steps of a training from the page.
MOST_ITERATIONS = 200_000
_FLOW_FIELDS = ("levels", "steps", "width")


# ---------------------------------------------------------------------- devices and time


@st.cache_resource(show_spinner=False)
def devices() -> dict[str, str]:
    """Return the devices of this machine by name, the fastest first, with a description."""
    gpus = {f"cuda:{i}": torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
    return gpus | {"cpu": f"{threads()} of {os.cpu_count()} cores"}


def threads() -> int:
    """Return the CPU threads of a training: as many as the app has, half of the cores."""
    return torch.get_num_threads()


#: Memory of the child that times the presets.
TIMING_BYTES = 2**30


@dataclass(frozen=True)
class PresetTime:
    """The time that a preset takes on a device.

    Attributes:
        timing: of its steps.
        seconds: from its start to its end.

    """

    timing: Timing
    seconds: float


@st.cache_resource(show_spinner=False)
def _timer(device: str) -> Future[dict[str, PresetTime]]:
    """Begin to time the presets on a device in a thread, so that the page remains usable."""
    timer: Future[dict[str, PresetTime]] = Future()

    def measure() -> None:
        try:
            timer.set_result(timed_apart(device))
        except Exception:  # the page waits for an answer, also after an error
            timer.set_result({})  # no times without the photographs, or without memory for them

    # A daemon, unlike a pool's thread, so that the server can end at once.
    threading.Thread(target=measure, daemon=True).start()
    return timer


def timed_apart(device: str) -> dict[str, PresetTime]:
    """Return the time of every preset, measured in a child, since the server would keep the memory of a training.

    Empty if there is no memory for a child; a CalledProcessError if it failed, as without the photographs.
    """
    if free_bytes(torch.device("cpu")) < TIMING_BYTES:
        return {}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "eiwflow.training.cost", device],  # -P: no modules from the working folder
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(OMP_NUM_THREADS=str(torch.get_num_threads())),
        check=True,
    )
    return {
        preset: PresetTime(Timing(recipe_of(preset), step_s, recording_s), seconds)
        for preset, (step_s, recording_s, seconds) in json.loads(done.stdout).items()
    }


def timings(device: str) -> dict[str, PresetTime] | None:
    """Return the times of the presets on a device; None during the measurement, empty if it is impossible."""
    timer = _timer(device)
    return timer.result() if timer.done() else None


def seconds(chosen: Recipe, device: str) -> float | None:
    """Estimate the seconds of any recipe by the rate of multiplications of a timed preset."""
    if not (timed := timings(device)):
        return None
    return timed[TIMED_FOR_CUSTOM].timing.seconds(chosen, facts(chosen.data, chosen.flow).tested)


def facts(name: str, flow: FlowConfig) -> Facts:
    """Return the facts of a data set for a flow, of which its files are read once.

    A set by name is read once for all sizes; a path may lead to very many pictures, which takes long.

    Raises:
        DataError: it cannot be read, or its images are smaller than the flow's.

    """
    multiple, size, by_name = 2**flow.levels, flow.shape[1:], name in data.DATASETS
    bundled = data.registry.ASSETS / f"{data.DATASETS[name].file}.npz" if by_name else None
    path = bundled or Path(os.path.realpath(os.path.expanduser(name)))
    key = str(path), multiple, None if by_name else size, folders.stamp(path)

    def read() -> Facts:
        return data.load(name, multiple=multiple, size=None if by_name else size, download=False).facts

    images = store.get("facts", key, read, "Reading the images …", long=not by_name)
    if size[0] > min(images.size):
        raise data.DataError(
            f"The image side is {size[0]}; images of {images.name} have {images.size[0]}×{images.size[1]} pixels"
        )
    return images


def memory(chosen: Recipe, device: str) -> int:
    """Estimate the bytes of memory of a recipe; a ConfigError if the device has too little."""
    return check_memory(chosen, torch.device(device))


# ---------------------------------------------------------------------- recipes


def result(preset: str) -> tuple[bytes, str]:
    """Return the bundled result of a preset: samples, and words."""
    facts = json.loads((PICTURES / f"{preset}.json").read_bytes())
    return (PICTURES / f"{preset}.webp").read_bytes(), (
        f"Samples after {facts['cpu_seconds'] / 60:.1f} CPU minutes: {facts['test_bits_per_dim']:.2f} bits/dim on "
        f"{PRESETS[preset]['data']}."
    )


def preset_recipe(preset: str, data_name: str | None, **choices: str) -> Recipe:
    """Return the recipe of a preset on a data set (None for its own), with ``choices`` of the flow."""
    settings = preset_settings(preset, data_name)
    size, data_name = settings.pop("size"), settings.pop("data")
    flow = {name: settings.pop(name) for name in _FLOW_FIELDS}
    if choices.get("order") in ("first", "last"):  # halves by number need random rotations
        flow["init"] = "random"
    return recipe(data_name, size, {**flow, **choices}, settings)


def settings_in_words(preset: str) -> str:
    """Describe the training of a preset."""
    settings = PRESETS[preset]
    mirrored = ", half of them mirrored" if settings.get("flip") else ""
    return (
        f"{settings['data']}, {settings['size']}×{settings['size']} pixels, "
        f"{settings['levels']} levels of {settings['steps']} steps, "
        f"width {settings['width']}; {settings['iterations']:,} training steps of {settings['batch']} images{mirrored}."
    )


def recipe(data_name: str, size: int, flow: dict[str, Any], settings: dict[str, Any]) -> Recipe:
    """Return a recipe for a data set, whose images are read.

    Raises:
        ConfigError: a setting is out of its bounds.
        DataError: the data cannot be read, or are smaller than ``size``.

    """
    config = FlowConfig(shape=(3, size, size), **flow)
    folders.check_data_path(data_name)
    config = replace(config, shape=(facts(data_name, config).channels, size, size))
    return Recipe(flow=config, data=data_name, **settings)


def command(chosen: Recipe, device: str) -> str:
    """Return the command line of the same training."""
    words = ["python", "-m", "eiwflow", *chosen.arguments(), "--device", device, "--threads", str(threads())]
    return shlex.join(words)
