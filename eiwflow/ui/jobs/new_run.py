"""Forms for a new run on the page Train: presets, and the visitor's own settings.

To add a control, add a row to :data:`CONTROLS`: its key is a setting of :mod:`eiwflow.options`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ... import data
from ...analysis.words.numbers import duration
from ...data.registry import bundled
from ...figures import train as figures
from ...flow import ConfigError, FlowConfig
from ...flow.config import ORDERS, WEIGHTS
from ...flow.policies import PARTITIONS
from ...options import SETTINGS
from ...training.presets import PRESETS
from ...training.recipe import Recipe
from ..common.untrusted import plain
from ..shell import parts
from . import presets, runs

#: Stands for the data set that a preset names; the default data set of own settings.
PRESETS_OWN, OWN_DATA = "The preset's own", "photos32"
#: Settings whose words are the rows of a table, or some of them.
_ROWS: dict[str, Iterable[Any]] = {
    "order": ORDERS, "weights": WEIGHTS, "partition": PARTITIONS, "prior": ("conditional", "standard")
}  # fmt: skip
#: A setting outlives a visit to another page.
KEPT: dict[str, Any] = {"persist_state": "session"}


class Number(NamedTuple):
    """A number between the bounds of its setting, unless the page has others."""

    value: float
    step: float
    format: str | None = None
    bounds: tuple[float, float] | None = None


def default_first(name: str) -> tuple[Any, ...]:
    """Return the words of a setting, its default first."""
    setting = SETTINGS[name]
    words = _ROWS.get(name, setting.words)
    return (setting.default, *(word for word in words if word != setting.default))


def _bound(value: float) -> str:
    """Return a bound of a number in words: 200,000 or 1e-06."""
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _help(name: str) -> str:
    """Return a setting's help as a sentence."""
    text = SETTINGS[name].help
    return f"{text[0].upper()}{text[1:]}."


#: Columns of controls: setting -> its number, or None for a choice of its words, or a toggle. Order and channel weights
#: are above, since presets use them too.
CONTROLS: tuple[Mapping[str, Number | None], ...] = (
    {"size": Number(16, 8, bounds=(8, 256)), "levels": Number(2, 1), "steps": Number(4, 1), "width": Number(32, 8)},
    {"init": None, "partition": None, "keep": None, "prior": None},
    {
        "optimiser": None,
        "learning_rate": Number(Recipe.learning_rate, 1e-3, format="%.4f"),
        "weight_decay": Number(Recipe.weight_decay, 0.1, format="%.2f"),
        "seed": Number(0, 1),
    },
    {"iterations": Number(1000, 100, bounds=(1, presets.MOST_ITERATIONS)), "batch": Number(64, 8), "flip": None},
)


def _draw_control(box: DeltaGenerator, name: str, number: Number | None) -> None:
    """Draw the control of a setting."""
    setting, key = SETTINGS[name], f"own-{name}"
    if number is not None:
        low, high = number.bounds or setting.bounds or (0, 1)
        kind, text = type(number.value), f"{_bound(low)} to {_bound(high)}. {_help(name)}"
        box.number_input(
            setting.label, kind(low), kind(high), number.value, number.step, number.format, key=key, help=text
        )
    elif isinstance(setting.default, bool):
        box.toggle(setting.label, key=key, help=_help(name), **KEPT)
    else:
        box.selectbox(setting.label, default_first(name), key=key, help=_help(name), **KEPT)


def draw(first: bool) -> None:
    """Draw a card for every preset, or in the presence of other runs a line of buttons, beside what both share.

    If this is the ``first`` run, the page's sentence is on the device.
    """
    names = presets.devices()
    line = parts.controls() if first else st.container(horizontal=True, vertical_alignment="center")
    if first:
        tab, *places = (
            column.container(border=True, height="stretch") for column in st.columns(1 + len(PRESETS), gap="medium")
        )
        tab.markdown("#### 30 seconds")
        tab.markdown("A small flow learns in this tab; you see every step.")
        tab.page_link("pages/12_playground.py", label="Open the playground")
    else:
        line.markdown("Start another")
        places = [line] * len(PRESETS)
    for preset, place in zip(PRESETS, places, strict=True):
        called = preset.replace("-", " ").capitalize()
        if first:
            place.markdown(f"#### {called}")
            place.html(figures.samples(*presets.result(preset), "max-width: 11rem"))
        place.button(
            "Start" if first else called,
            key=f"start-{preset}",
            on_click=_start,
            args=(preset,),
            width="stretch" if first else "content",
            help=f"`{preset}` on the command line: {presets.settings_in_words(preset)}" if first else None,
        )
    chosen = _choices()
    weights = {"none": "no weights", "entropy": "own weights"}.get(chosen["weights"], f"weights: {chosen['weights']}")
    device = st.session_state.get("device", next(iter(names)))
    with line.popover(f"Options: half by {chosen['order']}, {weights}, {device}", key="shared"):
        _draw_shared(names)
    if first:
        parts.takeaway(f"Yes, on {st.session_state['device']}: press Start, and watch noise turn into pictures.")


def _choices() -> dict[str, str]:
    """Return the order and the weights that presets and settings of one's own share."""
    return {name: st.session_state.get(f"train-{name}", default_first(name)[0]) for name in ("order", "weights")}


def _draw_shared(names: Mapping[str, str]) -> None:
    """Draw the choices that presets and settings of one's own share; ``names`` are the devices."""
    st.selectbox(
        "Data set, or a path",
        [PRESETS_OWN, *bundled()],
        key="train-data",
        **KEPT,
        accept_new_options=True,
        help=f"{PRESETS_OWN}: the one on its card, {OWN_DATA} below. Or an .npz file or folder on this machine.",
    )
    st.selectbox("Half passed on, by", default_first("order"), key="train-order", **KEPT, help=_help("order"))
    st.selectbox("Channel weights", default_first("weights"), key="train-weights", **KEPT, help=_help("weights"))
    st.selectbox("Device", list(names), format_func=lambda name: f"{name}: {names[name]}", key="device", **KEPT)


def draw_own() -> None:
    """Draw the settings of one's own, with an estimate of what they take."""
    with st.expander("Settings of your own"):
        for column, controls in zip(st.columns(len(CONTROLS), gap="medium"), CONTROLS, strict=True):
            for name, control in controls.items():
                _draw_control(column, name, control)
        estimate = st.empty()
        st.button("Start with these settings", key="start-own", on_click=_start)
        with estimate:
            _say_estimate(st.session_state["device"])


def _own_recipe() -> Recipe:
    """Return the recipe of the controls."""
    chosen = {name: st.session_state[f"own-{name}"] for controls in CONTROLS for name in controls}
    chosen |= _choices()
    size = chosen.pop("size")
    of_flow = {field.name for field in dataclasses.fields(FlowConfig)}
    flow = {name: value for name, value in chosen.items() if name in of_flow}
    settings = {name: value for name, value in chosen.items() if name not in of_flow}
    return presets.recipe(_data_name() or OWN_DATA, size, flow, settings)


def _data_name() -> str | None:
    """Return the chosen data set; None for a preset's own."""
    chosen: str = st.session_state["train-data"]
    return None if chosen == PRESETS_OWN else chosen


def _start(preset: str | None = None) -> None:
    """Start with the values of the widgets at the click, since text typed just before is not drawn yet."""
    chosen = st.session_state
    runs.start(
        _own_recipe if preset is None else partial(presets.preset_recipe, preset, _data_name(), **_choices()),
        chosen["device"],
    )


def _say_estimate(device: str) -> None:
    """Show the estimated time and memory of the settings, or their error."""
    try:
        chosen = _own_recipe()
        needed = presets.memory(chosen, device)
    except (ConfigError, data.DataError) as error:
        st.error(plain(error))
        return
    took = duration(presets.cpu_seconds(chosen))
    st.markdown(f"About {took} of a CPU core and {needed / 2**20:,.0f} MiB, estimated from flows of other sizes.")
