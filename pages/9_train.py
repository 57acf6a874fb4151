"""Training beside the app: start a run, watch it, stop it, go on with it, and keep what came of it."""

import streamlit as st

from eiwflow import ui
from eiwflow.ui import live_run
from eiwflow.ui import run_loaders as loaders

page = ui.begin("Can I train one now?", "Train", needs_checkpoint=False)

from eiwflow.ui import new_run  # noqa: E402 (the title does not wait for torch)

said = st.empty()
if refused := loaders.refusal(loaders.SHOWN):
    st.error(refused)
if started := loaders.started():
    st.toast(f"Started “{started}”: it is shown at the top of this page.")

runs = loaders.listed()
if runs:
    name = live_run.choice(runs, next(iter(loaders.devices())))
    with said:
        live_run.takeaway(runs[name])
    live_run.show(runs[name], page)

    with st.expander(f"All runs ({len(runs)})"):
        live_run.manage(runs, name)

st.subheader("Start a run")
if refused := loaders.refusal(loaders.NEW):
    st.error(refused)
say_times = new_run.draw(None if runs else said)

with st.expander("How to read this"):
    st.markdown(
        """
**The curves.** Grey and faint: bits/dim of the training batches since the point before, with the weights of that
moment; grey and bold: the same under a running mean. Green and broken: bits/dim of the first 128 test images (with
`--validation`, of those held out) with *averaged* weights, which are what is saved, sampled and scored. Averaged
weights lag a little and jump less, so the green line may lie above the grey one early and below it later. At the end
the whole part is scored once.

**Samples** are drawn at temperature 0.7 from the same ε at every step: what changes is the flow.

**Channels.** One bar a channel, in the order in force: blue is kept, vermillion leaves. The order was sorted once,
before the first step. A pale bar with a broken edge stands where the order of J would now put it on the other side.
Shuffle shows the same over the whole training.

**A run is a process of its own.** It goes on when this page is closed, reloaded or looked at by someone else, and when
the app is stopped. *Pause* and *Stop* finish the step and save; both can be resumed, to the very numbers of a run that
was never interrupted. *Crashed* means that its process is gone without a word; what it saved last is still there. A
device takes one run at a time from here; trainings started on the command line are listed but do not count.
"""
    )
    st.latex(r"\text{bits/dim} = 8 - \frac{\log p(x)}{D \ln 2}")

if runs and (more := ui.more_evidence()).open:
    with more:
        shown = runs[name]
        if shown.progress.levels:
            ui.table([level.row() for level in shown.progress.levels])
            st.caption(
                f"Means over channels at step {shown.progress.recorded:,}: J in nats a pixel, h in nats a dimension "
                "(1.419 is that of N(0, 1)), and the spread over images of log ω in nats."
            )
            ui.exports(page, tables={"curves": shown.progress.table()}, pictures={})
        st.markdown("The same training without the app, and how to go on with it:")
        commands = f"{shown.command}\npython -m eiwflow train --resume {shown.run.path}"
        st.code(commands, language="bash", wrap_lines=True)
        st.caption("The end of its log:")
        st.code(shown.run.log_end(), language=None, wrap_lines=True)

ui.closing(page, "One training makes a flow to look at. Whether its split is a better one takes several seeds of both.")
if not (runs and runs[name].state.alive):
    say_times()  # at the end: everything else stands meanwhile, but what moves would have to wait
