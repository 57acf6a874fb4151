"""A run on the page Train, during its training and after its end."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import streamlit as st

from ...analysis.words import train as words
from ...figures import train as figures
from ...training.run_directory import MAX_NOTE, MAX_TITLE, RunDirectory
from .. import access
from ..common import state
from ..common.untrusted import distinct, plain
from ..shell import parts
from ..shell.widgets import choose_one
from ..sources.data_sets import floor
from ..sources.visit import Visit
from . import control, runs

#: A chart whose description changes is redrawn and forgets its zoom, so the numbers are in sentences beside it.
CURVES = "A measure of training over its steps; the page's first sentence says how it stands."
#: Of the URL: the names of runs whose curves stand with those of the run that is shown.
TOGETHER = "with"
#: Seconds between two looks at a run in training.
LOOK_S = 1


def choice(known: dict[str, runs.Listed], device: str) -> str:
    """Draw the choice of a run, a running one first, with the buttons that its state allows; return its name."""
    called = labels(known)
    first = next((name for name, listed in known.items() if listed.state.alive), next(iter(known)))
    line = parts.controls()
    name = state.choice(
        "run",
        list(known),
        first,
        lambda at: line.selectbox("Run", list(known), at, called.__getitem__, "run", width=340),
    )
    state.write_url({"run": name})
    state.say_notes(st.container())
    run = known[name].run
    with line:
        control.buttons(run, partial(runs.resume, run, device))
    return name


def labels(known: dict[str, runs.Listed]) -> dict[str, str]:
    """Return the titles of runs, no two alike."""
    return distinct({name: listed.run.title for name, listed in known.items()})


def show(known: dict[str, runs.Listed], name: str, page: Visit) -> None:
    """Draw a run: its end, if it has ended; its curves and samples, every second during training."""
    listed = known[name]
    run, now = listed.run, listed.state
    if now.name in ("failed", "crashed"):
        st.error(f"{plain(now.message)} {plain(now.advice)}")
        if end := run.log_end():
            st.caption("The end of its log:")
            st.code(end, language=None, wrap_lines=True)
    with st.container(key="line-of-curves", horizontal=True, vertical_alignment="center"):
        measure = choose_one(
            "Measure", list(figures.MEASURES), "bits per value", "measure", label_visibility="collapsed"
        )
        axis = choose_one("Axis", list(figures.AXES), "steps", "axis", label_visibility="collapsed")
        logarithmic = st.toggle("Log axis", key="log", bind="query-params")
    called = labels(known)
    others = [each for each in st.query_params.get(TOGETHER, "").split(",") if each in known and each != name]
    together = {called[each]: known[each].run for each in others[: figures.MOST_RUNS - 1]}
    draw = partial(_draw, listed, {called[name]: run, **together}, (measure, axis, logarithmic))
    st.fragment(draw, run_every=LOOK_S if now.alive else None)()
    runs.open_links(run, page, now.alive)


def takeaway(listed: runs.Listed) -> None:
    """State the result of a run so far, every second while it trains."""
    st.fragment(_say, run_every=LOOK_S if listed.state.alive else None)(listed.run)


def _say(run: RunDirectory) -> None:
    if (now := runs.look_at(run)) is not None:
        longest = words.answer(words.longest(now.progress)) if now.state.alive else ""
        parts.takeaway(words.answer(now.progress), longest)


def _draw(listed: runs.Listed, together: dict[str, RunDirectory], choices: tuple[str, str, bool]) -> None:
    run, look = listed.run, runs.look_at(listed.run)
    if look is None:
        st.info("This run has been removed meanwhile, here or by someone else; nothing else has changed.")
        return
    now, progress = look.state, look.progress
    if listed.state.alive and (now.name, now.frozen) != (listed.state.name, listed.state.frozen):
        st.rerun()  # a run that has ended has other buttons and no timer
    if now.frozen:
        st.warning(parts.frozen(now.silent_s))
    st.progress(progress.done, f"**{now.name}** · {words.pace(progress, now.alive)}")
    recipe, flow = look.recipe, look.recipe.flow
    left, right = st.columns([2.3, 1], gap="large")
    with left:
        rows = figures.curve_rows({name: runs.points(each) for name, each in together.items()}, *choices)
        if len({row["run"] for row in rows}) < len(together):
            st.caption(f"Not every run has recorded the {choices[0]} yet.")
        ends = lowest = None
        if choices[0] == "bits per value" and len(together) == 1:
            lowest = floor(recipe.data, recipe.validation, 2**flow.levels, flow.shape[1:], flow.bits)
            ends = figures.scale(progress, lowest, flow.bits)
        parts.chart_of_rows(
            rows,
            figures.curves(list(together), *choices, ends, lowest),
            key="curve",
            alt=CURVES if now.alive else f"{CURVES} {words.answer(progress)}",
            on_select=_zoomed,
            selection_mode="zoom",
        )
        if choices[0] == "bits per value":
            st.caption(f"Thin: training batches; bold: test images. {words.gap(progress)}")
    with right:
        if samples := runs.samples(run):
            step = max(samples)
            if not now.alive and len(samples) > 1:
                step = st.select_slider("Samples at step", list(samples), step, key=f"samples-{run.path.name}")
            with suppress(OSError):  # of a run that is removed meanwhile
                caption = f"16 samples at step {step:,}, always from the same noise."
                st.html(figures.samples(samples[step].read_bytes(), caption))


def draw_channels(listed: runs.Listed) -> None:
    """Draw the redundancy of every level's channels at the newest recording step."""
    levels = [
        level
        for level in listed.progress.levels
        if level.order is not None and level.emitted.size and level.redundancy is not None
    ]
    for level, column in zip(levels, st.columns(max(1, len(levels)), gap="large"), strict=False):
        with column:
            parts.chart_of_rows(
                figures.channel_rows(level),
                figures.channels(level.number),
                key=f"channels-{level.number}",
                alt=f"Redundancy of the channels, in the order used. {words.level(level)}",
            )
            st.caption(words.level(level))


def _zoomed() -> None:
    """Do nothing: Streamlit forgets a zoom at the next second's data, unless a callback is given."""


def manage(known: dict[str, runs.Listed], name: str) -> None:
    """Draw the table of runs, of which some are chosen for their curves, and the controls of the run that is shown."""
    st.caption(f"Choose up to {figures.MOST_RUNS - 1} rows: their curves stand with those of the run that is shown.")
    with parts.pandas_imported():
        st.dataframe(
            runs.table(known.values()),
            key="all-runs",
            hide_index=True,
            on_select=partial(_take_together, list(known)),
            selection_mode="multi-row",
            alt="All runs: result, and the settings in which they differ",
        )
    parts.caveat("One training of each ranks nothing. A verdict takes several seeds on one budget.")
    if access.may_change():
        _change(known[name], name)


def _take_together(names: list[str]) -> None:
    rows = st.session_state["all-runs"]["selection"]["rows"]
    if rows:
        st.query_params[TOGETHER] = ",".join(names[row] for row in rows)
    else:
        st.query_params.pop(TOGETHER, None)


def _change(listed: runs.Listed, name: str) -> None:
    """Draw the controls that change the chosen run."""
    st.markdown(f"The run that is shown, **{plain(listed.run.title)}**:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for key, label, value, most, change in (
            (f"title-{name}", "Call it", listed.run.title, MAX_TITLE, listed.run.rename),
            (f"note-{name}", "Note", listed.run.note, MAX_NOTE, listed.run.write_note),
        ):
            st.text_input(label, value, max_chars=most, key=key, on_change=runs.write, args=(change, key), width=280)
        st.link_button("Export as one ZIP", runs.export_link(listed.run.path))
        # Keys of this run: a second click is for this run too, whichever the page shows by then.
        with st.popover("Delete …", disabled=listed.state.alive, key=f"delete-of-{name}"):
            st.markdown(
                f"Delete **{plain(listed.run.title)}** with its checkpoint, curves and samples? This cannot be undone."
            )
            st.button(
                "Delete it for good", on_click=runs.delete, args=(listed.run,), key=f"delete-{name}", type="primary"
            )
