"""Whether the adaptive split is better than the static one: the lead in every study, then one study."""

import streamlit as st

from eiwflow import ui
from eiwflow.figures import compare as figures
from eiwflow.ui.common import untrusted
from eiwflow.ui.jobs import arm_curves, arms, new_study, studies
from eiwflow.ui.sources import cache, data_sets

visit = ui.begin("Is the adaptive split better than the static one?", "Compare", needs_checkpoint=False)

from eiwflow.study import answer, statistics, words  # noqa: E402
from eiwflow.study import arms as compare_arms  # noqa: E402 (the title does not wait for torch)
from eiwflow.study.file import StudyError  # noqa: E402

top, known = st.container(), studies.files()
untrusted.complaints(st.container(), studies.complaints())
if not known:
    top.info("There is no study yet: assets/studies holds none. Run a small one here, or `python -m eiwflow study`.")
    new_study.draw(known)
    st.stop()

# ---------------------------------------------------------------------- all studies, and which is looked at

readable = studies.readable(known)
titles = words.titles(readable)
bundled = {key: study for key, study in readable.items() if known[key].parent == studies.BUNDLED}
leads = {key: lead for key, study in bundled.items() if (lead := cache.of_study(study, "adaptive_answer")) is not None}
first = max(leads, key=lambda key: (bundled[key].recipe.budget, len(leads[key].lead.values)), default=next(iter(known)))
over_all, of_one = st.columns([1, 1.15], gap="large")
with of_one:
    key = studies.choose(known, first, lambda key: studies.name_of(key, titles, known))
    try:
        study = cache.study(known[key])
        if not study.runs:
            raise StudyError(f"{study.name} has no run yet.")
    except StudyError as error:
        top.error(f"{untrusted.plain(error)} Choose another study.")
        new_study.draw(known)
        st.stop()
page = studies.StudyVisit(**vars(visit), study=study)
with top:
    ui.takeaway(words.leads(list(leads.values())))
with over_all:
    if leads:
        every = {titles[name]: lead for name, lead in leads.items()}
        st.markdown("**Every study: lead over the nearest static split**")
        ui.chart(ui.drawn(figures.leads, every, titles[key]), page, "leads", alt=words.every(every))
with of_one:
    verdict_place, chart_place = st.container(), st.container()
    prior = arms.choose_prior(study)
with st.expander("Compare other arms"):
    arms_shown = arms.choose(study)
names = {arm: arms.name(study, arm) for arm in arms_shown}
comparisons = cache.of_study(study, "comparisons", subject=arms_shown[0])
against = comparisons.against(prior)
ran = {arm.choice: arm for arm in study.arms if arm.prior == prior}
effects = {names[arm]: against[ran[arm]] for arm in arms_shown[1:] if ran.get(arm) in against}
with verdict_place:
    short = words.too_short(study, [bundled[name].recipe.budget for name in leads]) if key not in bundled else ""
    verdict = cache.of_study(study, "answer", subject=arms_shown[0], prior=prior)
    control = cache.of_study(study, "control")
    if short or verdict is None:
        st.markdown(short or "Nothing was run with this prior yet.")
    else:
        st.markdown(words.control(control) if study.recipe.is_control else verdict.in_words())
    if not study.is_done:
        st.caption(f"The study is not done: this is what its first {len(study.runs)} runs say.")
with chart_place:
    if effects:
        title = f"lead of {names[arms_shown[0]]} (bits/dim)<br>right of 0: {names[arms_shown[0]]} needs fewer"
        chart = ui.drawn(figures.forest, list(effects.values()), list(effects), title)
        ui.chart(chart, page, f"differences-{prior}", alt=" ".join(effect.in_words() for effect in effects.values()))
    else:
        st.info("Choose what to compare with.")

# ---------------------------------------------------------------------- what is folded

with ui.fold("What each choice contributes", "verdict") as fold:
    if fold.open:
        if control:
            st.markdown(words.control(control))
        if (equal := answer.at_equal_cpu(study, readable.values())) and arms_shown[0] in statistics.subjects(equal):
            at_equal = cache.of_study(equal, "answer", subject=arms_shown[0], prior=prior)
            sentence = at_equal.in_words() if at_equal else ""
            st.markdown(f"**At equal CPU seconds.** {compare_arms.cost_in_words(equal)} {sentence}")
        if parts := cache.of_study(study, "factorial", prior=prior).effects:
            title = "lead of the first (bits/dim)<br>right of 0: the first needs fewer"
            chart = ui.drawn(figures.forest, parts, [part.lead_name for part in parts], title)
            ui.chart(chart, page, f"contributions-{prior}", alt=" ".join(part.in_words() for part in parts))
        ui.caveat(words.CAVEAT)

with ui.fold("Side by side in training", "lock-step") as fold:
    if fold.open:
        arm_curves.draw(page, {ran[arm]: names[arm] for arm in arms_shown if arm in ran})

with st.expander("Run a small study of your own"):
    new_study.draw(known)

ui.how_to_read("compare")

if (more := ui.more_evidence()).open:
    with more:
        compared, arm_rows = comparisons.table(), compare_arms.arm_table(study)
        contributions = [row for each in study.priors for row in cache.of_study(study, "factorial", prior=each).table()]
        st.subheader(f"{names[arms_shown[0]]} against all others")
        if compared:
            ui.table(words.rows(compared))
            st.caption(words.LEAD)
        st.subheader("All arms")
        ui.table(words.rows(arm_rows))
        floor = data_sets.floor_in_words(study.recipe.data, study.recipe.evaluate_on == "validation")
        st.caption(
            f"CPU seconds are those of the training steps, with as many runs at a time as the study had jobs. {floor}"
        )
        tables = {"comparisons": compared, "contributions": contributions, "arms": arm_rows}
        tables["runs"] = compare_arms.run_table(study)
        ui.exports(page, tables={name: rows for name, rows in tables.items() if rows}, pictures={})
    ui.reproduce(
        page,
        f"study --out {studies.argument(known[key])} --report --subject {arms_shown[0]} --json",
        *studies.commands(study),
    )

ui.closing(page, "A study says which split is better here. What a flow has learnt lies in its latents.")
