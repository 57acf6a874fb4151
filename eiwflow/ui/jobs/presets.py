"""Devices, presets and recipes of the page Train, with their time and memory."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st
import torch

from ... import data, project
from ...flow import FlowConfig
from ...flow.score import work
from ...training.cost import check_memory
from ...training.presets import PRESETS, preset_settings
from ...training.recipe import Recipe
from ..access import folders
from ..sources import store

PICTURES = project.ROOT / "assets" / "presets"
#: The preset from whose bundled training the time of other settings is estimated.
TIMED = "five-minutes"
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


def cpu_seconds(chosen: Recipe) -> float:
    """Estimate the CPU seconds of a recipe from those of a bundled training, by their multiplications."""
    known = PRESETS[TIMED]
    shape = (3, known["size"], known["size"])
    flow = FlowConfig(shape=shape, **{name: known[name] for name in _FLOW_FIELDS})
    share = work(chosen.flow) * chosen.batch * chosen.iterations
    share /= work(flow) * known["batch"] * known["iterations"]
    return share * float(_bundled(TIMED)["cpu_seconds"])


def channels_of(name: str, flow: FlowConfig) -> int:
    """Return the channels of a data set's images, of which its files are read once.

    A set by name is read once for all sizes; a path may lead to very many pictures, which takes long.

    Raises:
        DataError: it cannot be read, or its images are smaller than the flow's.

    """
    multiple, size, by_name = 2**flow.levels, flow.shape[1:], name in data.DATASETS
    bundled = data.registry.ASSETS / f"{data.DATASETS[name].file}.npz" if by_name else None
    path = bundled or Path(os.path.realpath(os.path.expanduser(name)))
    key = str(path), multiple, None if by_name else size, folders.stamp(path)

    def read() -> tuple[str, int, tuple[int, int]]:
        images = data.load(name, multiple=multiple, size=None if by_name else size, download=False)
        return images.name, images.channels, images.size

    called, channels, sides = store.get("facts", key, read, "Reading the images …", long=not by_name)
    if size[0] > min(sides):
        raise data.DataError(f"The image side is {size[0]}; images of {called} have {sides[0]}×{sides[1]} pixels")
    return channels


def memory(chosen: Recipe, device: str) -> int:
    """Estimate the bytes of memory of a recipe; a ConfigError if the device has too little."""
    return check_memory(chosen, torch.device(device))


# ---------------------------------------------------------------------- recipes


def result(preset: str) -> tuple[bytes, str]:
    """Return the bundled result of a preset: samples, and words."""
    facts = _bundled(preset)
    return (PICTURES / f"{preset}.webp").read_bytes(), (
        f"After {facts['cpu_seconds'] / 60:.1f} CPU minutes, half by entropy: "
        f"{facts['test_bits_per_dim']:.2f} bits per value on {PRESETS[preset]['data']}."
    )


def _bundled(preset: str) -> dict[str, Any]:
    """Return the facts of the bundled training of a preset."""
    return dict(json.loads((PICTURES / f"{preset}.json").read_bytes()))


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
    config = replace(config, shape=(channels_of(data_name, config), size, size))
    return Recipe(flow=config, data=data_name, **settings)


def command(chosen: Recipe, device: str) -> str:
    """Return the command line of the same training."""
    words = ["python", "-m", "eiwflow", *chosen.arguments(), "--device", device, "--threads", str(threads())]
    return shlex.join(words)
