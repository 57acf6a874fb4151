"""The doors to a new run on the page Train: presets by the time they take here, and settings of one's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from .. import data
from ..figures import train as figures
from ..flow.config import BOUNDS, INITS, NAMED_SPLITS
from ..training.presets import PRESETS
from ..training.recipe import BOUNDS as RECIPE_BOUNDS
from ..training.recipe import OPTIMISERS, Recipe
from . import loaders as shared
from . import parts
from . import run_loaders as loaders
from .foreign import plain

Number = TypeVar("Number", int, float)

#: The default policy first.
SPLITS = list(NAMED_SPLITS)[::-1]
OPTIMISER = "muon moves the coupling networks' weights by Muon and all else by AdamW; adamw moves everything."
MIRRORED = "Left to right, each with probability one half: as good as more photographs. Not for letters or digits."
#: Stands for the data set that a preset names; the one for settings of one's own then.
PRESETS_OWN, OWN_DATA = "The preset's own", "photos32"
#: Seconds between two looks at whether the device has been timed.
WAIT_S = 0.25


def draw(said: DeltaGenerator | None) -> Callable[[], None]:
    """Draw all doors; return what waits until the device has been timed, and then says how long each would take.

    ``said`` takes the page's sentence where there is no run that has one.
    """
    what, how, where = st.columns([1.2, 1, 1], gap="medium", vertical_alignment="bottom")
    what.selectbox(
        "Data set, or the path of an .npz file or a folder",
        [PRESETS_OWN, *shared.data_sets()],
        key="train-data",
        accept_new_options=True,
        help=f"{PRESETS_OWN}: the one on its card, {OWN_DATA} below. Paths are on the machine that runs this app.",
    )
    how.selectbox("Split policy", SPLITS, key="split")
    names = loaders.devices()
    device = where.selectbox("Device", list(names), format_func=lambda name: f"{name}: {names[name]}", key="device")
    titles, known = {}, loaders.timings(device)
    for preset, column in zip(PRESETS, st.columns(len(PRESETS), gap="medium"), strict=True):
        with column, st.container(border=True, height="stretch"):
            titles[preset] = st.empty()
            titles[preset].markdown(_title(preset, known))  # at once: what stands below it does not move
            if (bought := loaders.bought(preset)) is not None:
                st.html(figures.bought(*bought))
            st.caption(loaders.settings_in_words(preset))
            st.button("Start", key=f"start-{preset}", on_click=_start, args=(preset,), width="stretch")
    st.caption(
        f"Times are those of {device} as if nothing else ran there, from a few steps timed when this page was first "
        f"opened: measured, not promised. On the command line the presets are {', '.join(f'`{p}`' for p in PRESETS)}."
    )
    with st.expander("Settings of your own"):
        _own_settings()
        estimate = st.empty()
        st.button("Start with these settings", key="start-own", on_click=_start)

    def say(timings: dict[str, loaders.PresetTime] | None) -> None:
        for preset, title in titles.items():
            title.markdown(_title(preset, timings))
        with estimate:
            _say_estimate(device)
        if said is not None:
            with said:
                parts.takeaway(_answer(device, names[device], timings))

    def wait() -> None:
        pulse = st.empty()
        while (timings := loaders.timings(device)) is None:
            time.sleep(WAIT_S)
            pulse.empty()  # whatever is sent lets Streamlit see whether something was clicked meanwhile
        say(timings)

    say(known)
    return wait


def _title(preset: str, timings: dict[str, loaders.PresetTime] | None) -> str:
    """Return what a preset is called: how long it takes, where that is known."""
    named = preset.replace("-", " ").capitalize()
    return f"#### {f'About {loaders.duration(timings[preset].seconds)}' if timings else named}"


def _answer(device: str, what: str, timings: dict[str, loaders.PresetTime] | None) -> str:
    if timings is None:
        return f"Yes, on {device} ({what}); how long it takes is being measured on a few steps."
    if not timings:
        return f"Yes, on {device} ({what})."
    seconds, preset = min((timings[preset].seconds, preset) for preset in timings)
    return (
        f"Yes: on {device} ({what}) the smallest preset, {preset}, takes about {loaders.duration(seconds)}, judging by "
        "a few steps of it."
    )


def _own_settings() -> None:
    """Draw every setting with its bounds; :func:`_own_recipe` reads them."""

    def number(
        box: DeltaGenerator, label: str, name: str, value: Number, step: Number, format: str | None = None
    ) -> None:
        low, high = {**BOUNDS, **RECIPE_BOUNDS, "iterations": (1, loaders.MOST_ITERATIONS)}[name]
        kind = type(value)
        box.number_input(
            label, kind(low), kind(high), value, step, format, key=f"own-{name}", help=f"{low:g} to {high:g}"
        )

    first, second, third, fourth = st.columns(4, gap="medium")
    first.number_input("Image side in pixels", 8, 256, 16, 8, key="own-size", help="Larger images are cropped.")
    number(first, "Levels", "levels", 2, 1)
    number(first, "Learning rate", "learning_rate", Recipe.learning_rate, 1e-3, format="%.4f")
    number(second, "Flow steps a level", "steps", 4, 1)
    number(second, "Width of the coupling networks", "width", 32, 8)
    number(second, "Seed", "seed", 0, 1)
    third.selectbox("Prior of what leaves", ("conditional", "standard"), key="own-prior")
    third.selectbox("Initialisation", INITS, key="own-init")
    third.selectbox("Optimiser", OPTIMISERS, key="own-optimiser", help=OPTIMISER)
    number(fourth, "Training steps", "iterations", 1000, 100)
    number(fourth, "Images a step", "batch", 64, 8)
    number(fourth, "Weight decay", "weight_decay", Recipe.weight_decay, 0.1, format="%.2f")
    st.toggle("Mirror half of the images", key="own-flip", help=MIRRORED)


def _own_recipe() -> Recipe:
    chosen = st.session_state
    flow = {name: chosen[f"own-{name}"] for name in ("levels", "steps", "width", "prior", "init")}
    names = ("iterations", "batch", "optimiser", "learning_rate", "weight_decay", "seed", "flip")
    settings = {name: chosen[f"own-{name}"] for name in names}
    return loaders.recipe(_data_name() or OWN_DATA, chosen["own-size"], {**flow, "split": chosen["split"]}, settings)


def _data_name() -> str | None:
    """Return the data set that was chosen; None for a preset's own."""
    chosen: str = st.session_state["train-data"]
    return None if chosen == PRESETS_OWN else chosen


def _start(preset: str | None = None) -> None:
    """Start what the widgets say at the click: one that was typed into just before has not been drawn since."""
    chosen = st.session_state
    loaders.start(
        _own_recipe if preset is None else partial(loaders.preset_recipe, preset, _data_name(), chosen["split"]),
        chosen["device"],
    )


def _say_estimate(device: str) -> None:
    """Say what the settings would take, or what is wrong with them."""
    from ..flow import ConfigError

    try:
        chosen = _own_recipe()
        needed = loaders.memory(chosen, device)
    except (ConfigError, data.DataError) as error:
        st.error(plain(error))
        return
    took = [f"{needed / 2**20:,.0f} MiB of memory"]
    if (seconds := loaders.seconds(chosen, device)) is not None:
        took.insert(0, loaders.duration(seconds))
    st.markdown(f"About {' and '.join(took)} on {device}, by what flows of other sizes took: an estimate.")
