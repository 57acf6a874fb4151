"""A run on the page Train, during its training and after its end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from ...figures import train as figures
from .. import access
from ..common import state
from ..common.untrusted import distinct, plain
from ..shell import parts
from ..sources import missing
from ..sources.data_sets import floor
from . import control, runs

if TYPE_CHECKING:
    from ...analysis.train import LevelNow
    from ...training.run_directory import RunDirectory
    from ..sources.visit import Visit

#: A chart whose description changes is redrawn and forgets its zoom, so the numbers are in sentences beside it.
CURVES = (
    "Bits/dim of training batches and of test images by training step; the page's first sentence says how it stands."
)


def choice(known: dict[str, runs.Listed], device: str) -> str:
    """Draw the choice of a run, a running one first, with the buttons that its state allows; return its name."""
    called = labels(known)
    if (asked := state.wanted("run")) is not None and asked not in known:
        missing.stop(st.container(), "run", missing.run(asked), called)
    first = next((name for name, listed in known.items() if listed.state.alive), next(iter(known)))
    chosen, buttons = st.columns([2.3, 1], gap="large", vertical_alignment="bottom")
    name = state.choice(
        "run",
        list(known),
        first,
        lambda: chosen.selectbox("Run", list(known), format_func=called.__getitem__, key="run"),
        name="the run",
    )
    state.write_url({"run": name})
    for sentence in state.notes():
        st.info(sentence)
    run = known[name].run
    with buttons, st.container(horizontal=True):
        control.buttons(run, partial(runs.resume, run, device))
    return name


def labels(known: dict[str, runs.Listed]) -> dict[str, str]:
    """Return the titles of runs, no two alike."""
    return distinct({name: listed.run.title for name, listed in known.items()})


def show(listed: runs.Listed, page: Visit) -> None:
    """Draw a run: its end, if it has ended; its curves, samples and channels, every second during training."""
    run, now = listed.run, listed.state
    if now.name in ("failed", "crashed"):
        st.error(f"{plain(now.message)} {plain(now.advice)}")
        if end := run.log_end():
            st.caption("The end of its log:")
            st.code(end, language=None, wrap_lines=True)
    runs.open_links(run, page, now.alive)
    st.fragment(_draw, run_every=1 if now.alive else None)(listed)


def takeaway(listed: runs.Listed) -> None:
    """State the result of a run so far, every second while it trains."""
    st.fragment(_say, run_every=1 if listed.state.alive else None)(listed.run)


def _say(run: RunDirectory) -> None:
    if (now := runs.look_at(run)) is not None:
        parts.takeaway(now.in_words(), now.longest_words() if now.state.alive else "")


def _draw(listed: runs.Listed) -> None:
    from ...analysis.words import train as words

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
    lowest = floor(recipe.data, recipe.validation, 2**flow.levels, flow.shape[1:], flow.bits)
    left, right = st.columns([2.3, 1], gap="large")
    with left:
        parts.chart_of_rows(
            figures.curve_rows(progress),
            figures.curves(figures.scale(progress, lowest, flow.bits), lowest),
            key="curve",
            alt=CURVES if now.alive else f"{CURVES} {words.answer(progress)}",
            on_select=_zoomed,
            selection_mode="zoom",
        )
        st.caption(words.gap(progress) or "Train and test share one scale.")
    with right:
        if (newest := runs.newest_samples(run)) is not None:
            st.html(figures.samples(newest[1], f"16 samples at step {newest[0]:,}, of the same ε at every step."))
    splitting = [level for level in progress.levels if level.order is not None and level.emitted and level.redundancy]
    if splitting:
        with st.expander("Channels now"):
            _draw_channels(splitting, now.alive)


def _draw_channels(levels: list[LevelNow], alive: bool) -> None:
    from ...analysis.words import train as words

    for level, column in zip(levels, st.columns(len(levels), gap="large"), strict=True):
        with column:
            parts.chart_of_rows(
                figures.channel_rows(level),
                figures.channels(level.number),
                key=f"channels-{level.number}",
                alt=f"Redundancy of the channels of level {level.number}, in the order used: see the sentence below."
                if alive
                else f"Redundancy of the channels, in the order used. {words.level(level)}",
            )
            st.caption(words.level(level))


def _zoomed() -> None:
    """Do nothing: Streamlit forgets a zoom at the next second's data, unless a callback is given."""


def manage(known: dict[str, runs.Listed], name: str) -> None:
    """Draw the list of runs, the controls of the chosen run, and curves of several together."""
    from ...analysis.words import train as words

    listed = known[name]
    parts.table([listed.row() for listed in known.values()])
    if access.may_change():
        _change(listed, name)
    called = labels(known)
    others = st.multiselect(
        "Compare its curves with those of",
        [other for other in known if other != name],
        format_func=called.__getitem__,
        max_selections=figures.MOST_RUNS - 1,
        key="compared",
    )
    if others:
        together = {called[key]: known[key].progress for key in [name, *others]}
        parts.chart_of_rows(
            figures.compared_rows(together),
            figures.compared(list(together)),
            key="curves-compared",
            alt=" ".join(f"{name}: {words.answer(progress)}" for name, progress in together.items()),
        )
        parts.caveat(
            "one training of each ranks nothing, since chance alone moves a curve; and runs on images of "
            "another size, other bits or other data have other bits/dim. A verdict takes several seeds on one budget."
        )


def _change(listed: runs.Listed, name: str) -> None:
    """Draw the controls that change the chosen run."""
    from ...training.run_directory import MAX_TITLE

    st.markdown(f"The run that is shown, **{plain(listed.run.title)}**:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Call it",
            listed.run.title,
            max_chars=MAX_TITLE,
            key=f"title-{name}",
            on_change=runs.rename,
            args=(listed.run, f"title-{name}"),
            width=320,
        )
        st.link_button("Export as one ZIP", runs.export_link(listed.run.path))
        # Keys of this run: a second click is for this run too, whichever the page shows by then.
        with st.popover("Delete …", disabled=listed.state.alive, key=f"delete-of-{name}"):
            st.markdown(
                f"Delete **{plain(listed.run.title)}** with its checkpoint, curves and samples? This cannot be undone."
            )
            st.button(
                "Delete it for good", on_click=runs.delete, args=(listed.run,), key=f"delete-{name}", type="primary"
            )
