"""Train: start, watch, stop and continue a run beside the app, and keep its result."""

import streamlit as st

from eiwflow.ui import access
from eiwflow.ui import shell as ui
from eiwflow.ui.common import untrusted
from eiwflow.ui.components.top import to_top
from eiwflow.ui.jobs import control, live_run, new_run, presets, runs

page = ui.open_page("Can I train one now?", "Train")


if refused := control.refusal(control.SHOWN):
    st.error(untrusted.plain(refused))
if started := runs.started():
    to_top(started)

listed, complaints = runs.listed()
untrusted.complaints(st.container(), complaints)
if refused := control.refusal(control.NEW):
    st.error(untrusted.plain(refused))
if access.may_change() and not listed:
    new_run.draw(first=True)
if listed:
    name = live_run.choice(listed, next(iter(presets.devices())))
    live_run.takeaway(listed[name])
    live_run.show(listed, name, page)
    if access.may_change():
        new_run.draw(first=False)
    with st.expander(f"All runs ({len(listed)})"):
        live_run.manage(listed, name)
if access.may_change():
    new_run.draw_own()
else:
    st.info(access.TEACHER_ONLY if access.settings().classroom else access.NOBODY)
    st.page_link("pages/12_playground.py", label="Train one in this tab")

if listed and (more := ui.more_evidence()).open:
    with more:
        run = listed[name]
        live_run.draw_channels(run)
        if run.progress.levels:
            ui.table([level.row() for level in run.progress.levels])
            st.caption(
                "Means over channels at the newest record: spectral redundancy in bits per value, marginal entropy in "
                "bits per value (2.047 is that of N(0, 1))."
            )
            ui.exports(page, tables={"curves": runs.points(run.run)})
        if run.state.memory_mib:
            st.caption(f"It took at most {run.state.memory_mib:,.0f} MiB of memory so far.")
        st.subheader("Reproduce this")
        commands = f"{run.command}\npython -m eiwflow train --resume {run.run.path}"
        st.code(commands, language="bash", wrap_lines=True)
        ui.same_in_python(ui.training(str(run.run.path)))
        st.caption("The end of its log:")
        st.code(run.run.log_end(), language=None, wrap_lines=True)

ui.closing(page, "One run is for exploring. To compare two flows, train each several times: a study does that.")
