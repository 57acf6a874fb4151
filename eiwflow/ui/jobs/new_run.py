"""The ways to a new run on the page Train: presets by the time they take here, and the visitor's own settings.

To add a control, add a row to :data:`CONTROLS`: its key is a field of ``FlowConfig`` or of ``Recipe``.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ... import data
from ...analysis.words.numbers import duration
from ...figures import train as figures
from ...flow import FlowConfig
from ...flow.config import BOUNDS, KEEPS, ORDERS, WEIGHTS
from ...flow.policies import PARTITIONS
from ...training.presets import PRESETS
from ...training.recipe import BOUNDS as RECIPE_BOUNDS
from ...training.recipe import OPTIMISERS, Recipe
from ..common.untrusted import plain
from ..shell import parts
from ..sources import data_sets
from . import recipes, runs

#: Stands for the data set that a preset names; the default data set of own settings.
PRESETS_OWN, OWN_DATA = "The preset's own", "photos32"
#: Seconds between two looks at whether the device has been timed.
WAIT_S = 0.25

ORDER_HELP = (
    "Which of a level's channels are passed on. entropy: the channels of largest spectral redundancy; variance: "
    "the principal channels of largest variance; first and last: those that are factored out."
)
WEIGHTS_HELP = (
    "entropy: every coupling weights what it reads and gives by the entropies of this image's channels; "
    "means: by their means; pooled: channels are weighted before the split; none."
)
INIT_HELP = "Principal channels; linear: couplings also start as linear predictors; random: rotations, as in Glow."
PARTITION_HELP = (
    "Which channels a coupling computes from: alternating halves, random halves, or by mutual information. "
    "A random init has no partition."
)
KEEP_HELP = "The fraction of its channels that a level passes on; auto: those with structure."
OPTIMISER_HELP = "muon moves the coupling networks' parameters by Muon and all else by AdamW; adamw moves everything."
MIRROR_HELP = "Left to right, each with probability one half: as good as more photographs. Not for letters or digits."


@dataclass(frozen=True)
class Number:
    """A number between the bounds that its field has."""

    label: str
    value: float
    step: float
    format: str | None = None
    bounds: tuple[float, float] | None = None
    help: str = ""

    def draw(self, box: DeltaGenerator, name: str) -> None:
        """Draw the control of a field."""
        kind = type(self.value)
        low, high = self.bounds or {**BOUNDS, **RECIPE_BOUNDS}[name]
        note = f"{low:g} to {high:g}. {self.help}".strip()
        box.number_input(
            self.label, kind(low), kind(high), self.value, self.step, self.format, key=f"own-{name}", help=note
        )


@dataclass(frozen=True)
class Choice:
    """One of several words; the first is the default."""

    label: str
    options: tuple[Any, ...]
    help: str = ""

    def draw(self, box: DeltaGenerator, name: str) -> None:
        """Draw the control of a field."""
        box.selectbox(self.label, self.options, key=f"own-{name}", help=self.help or None)


@dataclass(frozen=True)
class Toggle:
    """On or off."""

    label: str
    help: str = ""

    def draw(self, box: DeltaGenerator, name: str) -> None:
        """Draw the control of a field."""
        box.toggle(self.label, key=f"own-{name}", help=self.help or None)


def _default_first(name: str, options: Iterable[Any]) -> tuple[Any, ...]:
    """Return the values that a field of a flow's config may have, its default first."""
    default = getattr(FlowConfig, name)
    return (default, *(option for option in options if option != default))


#: Columns of controls: field -> its control. Order and channel weights stand above, since presets take them too.
CONTROLS: tuple[Mapping[str, Number | Choice | Toggle], ...] = (
    {
        "size": Number("Image side in pixels", 16, 8, bounds=(8, 256), help="Larger images are cropped."),
        "levels": Number("Levels", 2, 1),
        "steps": Number("Flow steps a level", 4, 1),
        "width": Number("Width of the coupling networks", 32, 8),
    },
    {
        "init": Choice("Init", ("principal", "linear", "random"), INIT_HELP),
        "partition": Choice("Partition", _default_first("partition", PARTITIONS), PARTITION_HELP),
        "keep": Choice("Keep", _default_first("keep", KEEPS), KEEP_HELP),
        "prior": Choice("Prior of what is factored out", ("conditional", "standard")),
    },
    {
        "optimiser": Choice("Optimiser", OPTIMISERS, OPTIMISER_HELP),
        "learning_rate": Number("Learning rate", Recipe.learning_rate, 1e-3, format="%.4f"),
        "weight_decay": Number("Weight decay", Recipe.weight_decay, 0.1, format="%.2f"),
        "seed": Number("Seed", 0, 1),
    },
    {
        "iterations": Number("Training steps", 1000, 100, bounds=(1, recipes.MOST_ITERATIONS)),
        "batch": Number("Images a step", 64, 8),
        "flip": Toggle("Mirror half of the images", MIRROR_HELP),
    },
)


def draw(above: DeltaGenerator | None) -> Callable[[], None]:
    """Draw all controls; return a function that waits until the device is timed, then shows how long each takes.

    ``above`` takes the page's sentence where there is no run that has one.
    """
    what, order, weights, where = st.columns([1.6, 1, 1, 1.3], gap="medium", vertical_alignment="bottom")
    what.selectbox(
        "Data set, or the path of an .npz file or a folder",
        [PRESETS_OWN, *data_sets.names()],
        key="train-data",
        accept_new_options=True,
        help=f"{PRESETS_OWN}: the one on its card, {OWN_DATA} below. Paths are on the machine that runs this app.",
    )
    order.selectbox("Order", _default_first("order", ORDERS), key="order", help=ORDER_HELP)
    weights.selectbox(
        "Channel weights",
        _default_first("weights", WEIGHTS),
        key="weights",
        help=WEIGHTS_HELP,
    )
    names = recipes.devices()
    device = where.selectbox("Device", list(names), format_func=lambda name: f"{name}: {names[name]}", key="device")
    titles, known = {}, recipes.timings(device)
    for preset, column in zip(PRESETS, st.columns(len(PRESETS), gap="medium"), strict=True):
        with column, st.container(border=True, height="stretch"):
            titles[preset] = st.empty()
            titles[preset].markdown(_title(preset, known))  # at once: the elements below do not move
            if (result := recipes.result(preset)) is not None:
                st.html(figures.result(*result))
            st.button(
                "Start",
                key=f"start-{preset}",
                on_click=_start,
                args=(preset,),
                width="stretch",
                help=f"`{preset}` on the command line: {recipes.settings_in_words(preset)}",
            )
    with st.expander("Settings of your own"):
        _own_settings()
        estimate = st.empty()
        st.button("Start with these settings", key="start-own", on_click=_start)

    def say(timings: dict[str, recipes.PresetTime] | None) -> None:
        for preset, title in titles.items():
            title.markdown(_title(preset, timings))
        with estimate:
            _say_estimate(device)
        if above is not None:
            with above:
                parts.takeaway(_answer(device, names[device], timings))

    def wait() -> None:
        pulse = st.empty()
        while (timings := recipes.timings(device)) is None:
            time.sleep(WAIT_S)
            pulse.empty()  # any message lets Streamlit see whether the visitor clicked meanwhile
        say(timings)

    say(known)
    return wait


def _title(preset: str, timings: dict[str, recipes.PresetTime] | None) -> str:
    """Return the title of a preset: how long it takes, where that is known."""
    named = preset.replace("-", " ").capitalize()
    return f"#### {f'About {duration(timings[preset].seconds)}' if timings else named}"


def _answer(device: str, what: str, timings: dict[str, recipes.PresetTime] | None) -> str:
    if timings is None:
        return f"Yes, on {device} ({what}); how long it takes is being measured on a few steps."
    if not timings:
        return f"Yes, on {device} ({what})."
    seconds = min(timing.seconds for timing in timings.values())
    return f"Yes: the shortest takes about {duration(seconds)} on {device}, estimated from a few steps."


def _own_settings() -> None:
    """Draw every control in its column."""
    for column, controls in zip(st.columns(len(CONTROLS), gap="medium"), CONTROLS, strict=True):
        for name, control in controls.items():
            control.draw(column, name)


def _own_recipe() -> Recipe:
    """Return the recipe of the controls."""
    chosen = {name: st.session_state[f"own-{name}"] for controls in CONTROLS for name in controls}
    chosen |= {"order": st.session_state["order"], "weights": st.session_state["weights"]}
    size = chosen.pop("size")
    of_flow = {field.name for field in dataclasses.fields(FlowConfig)}
    flow = {name: value for name, value in chosen.items() if name in of_flow}
    settings = {name: value for name, value in chosen.items() if name not in of_flow}
    return recipes.recipe(_data_name() or OWN_DATA, size, flow, settings)


def _data_name() -> str | None:
    """Return the data set that was chosen; None for a preset's own."""
    chosen: str = st.session_state["train-data"]
    return None if chosen == PRESETS_OWN else chosen


def _start(preset: str | None = None) -> None:
    """Start with the values of the widgets at the click: text typed just before has not been drawn since."""
    chosen = st.session_state
    choices = {name: chosen[name] for name in ("order", "weights")}
    runs.start(
        _own_recipe if preset is None else partial(recipes.preset_recipe, preset, _data_name(), **choices),
        chosen["device"],
    )


def _say_estimate(device: str) -> None:
    """Show the time and memory that the settings need, or the error in them."""
    from ...flow import ConfigError

    try:
        chosen = _own_recipe()
        needed = recipes.memory(chosen, device)
    except (ConfigError, data.DataError) as error:
        st.error(plain(error))
        return
    took = [f"{needed / 2**20:,.0f} MiB of memory"]
    if (seconds := recipes.seconds(chosen, device)) is not None:
        took.insert(0, duration(seconds))
    st.markdown(f"About {' and '.join(took)} on {device}, by what flows of other sizes took: an estimate.")
