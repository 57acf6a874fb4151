"""Compare: the gain of a split that looks at the data, over studies, and then in one study."""

import streamlit as st

from eiwflow.figures import compare as figures
from eiwflow.study import answer, statistics, words
from eiwflow.study import arms as compare_arms
from eiwflow.study.file import StudyError
from eiwflow.study.ladder import ladder
from eiwflow.ui import shell as ui
from eiwflow.ui.common import untrusted
from eiwflow.ui.jobs import arm_curves, arms, evidence, new_study, studies
from eiwflow.ui.sources import cache, data_sets

visit = ui.open_page("Does it pay to look at the data first?", "Compare")


top, known = st.container(), studies.files()
if not known:
    top.info("There is no study yet: assets/studies holds none. Run a small one here, or `python -m eiwflow study`.")
    new_study.draw(known)
    st.stop()

readable = studies.readable(known)
titles = words.titles(readable)
bundled = {key: study for key, study in readable.items() if known[key].parent == studies.BUNDLED}
over_all = evidence.of(bundled.values())
first, all_studies = st.container(), ui.fold("All studies", "all-studies")
with all_studies:
    st.markdown(f"**{over_all.headline}**")
    key = studies.choose(known, studies.first(known, bundled), lambda key: studies.name_of(key, titles, known), top)
own = known[key].parent == studies.own_folder()
with all_studies if own else first:
    answer_to_choice = evidence.draw(visit, over_all, st.container(horizontal=True) if own else ui.controls())
ui.takeaway(over_all.headline if own or not answer_to_choice else answer_to_choice)
try:
    study = cache.study(known[key])
    if own:
        with first:
            new_study.watch(key, known[key])
    if not study.runs:
        raise StudyError(f"{study.name} has no run yet.")
except StudyError as error:
    (first if own else top).error(f"{untrusted.plain(error)} Choose another study.")
    new_study.draw(known, key if own else None)
    st.stop()
page = studies.StudyVisit(**vars(visit), study=study)

# ---------------------------------------------------------------------- one study

with first if own else all_studies:
    verdict_place = st.container()
    left, right = st.columns(2, gap="large") if own else (None, st.container())
    with verdict_place:
        prior = arms.choose_prior(study)
with all_studies:
    shown = arms.choose(study)
names = {arm: arms.name(study, arm) for arm in shown}
comparisons = cache.of_study(statistics.comparisons, study, subject=shown[0])
ran = {arm.choice: arm for arm in study.arms if arm.prior == prior}
effects = {statistics.label(study, arm): lead for arm, lead in statistics.opponents(comparisons, prior).items()}
control = cache.of_study(answer.control, study)
with verdict_place:
    short = words.too_short(study) if own else ""
    verdict = cache.of_study(answer.answer, study, subject=shown[0], prior=prior)
    st.markdown(f"**{studies.name_of(key, titles, known)}.** {studies.state_in_words(study)}")
    if short or verdict is None:
        st.markdown(short or "Nothing was run with this prior yet.")
    else:
        asked = f"Does {names[shown[0]]} beat its rivals, and no arm beat it? {verdict.in_words()}"
        st.markdown(words.control(control) if study.recipe.is_control else untrusted.plain(asked))
if left is not None:
    with left:
        evidence.draw_ladder(page, cache.of_study(ladder, study, prior=prior))
with right:
    if effects:
        title = f"lead of {names[shown[0]]} (bits/dim)<br>right of 0: {names[shown[0]]} needs fewer"
        chart = ui.drawn(figures.forest, list(effects.values()), list(effects), title)
        ui.chart(chart, page, f"differences-{prior}", alt=" ".join(effect.in_words() for effect in effects.values()))
    else:
        st.info("No two arms of this study share a seed yet.")

with all_studies:
    arms.draw_samples(study)
    with ui.fold("What each choice contributes", "verdict") as fold:
        if fold.open:
            if control:
                st.markdown(words.control(control))
            if (equal := answer.at_equal_time(study, readable.values())) and shown[0] in statistics.subjects(equal):
                at_equal = cache.of_study(answer.answer, equal, subject=shown[0], prior=prior)
                sentence = untrusted.plain(at_equal.in_words()) if at_equal else ""
                st.markdown(f"**At equal time.** {compare_arms.cost_in_words(equal)} {sentence}")
            if parts := cache.of_study(statistics.factorial, study, prior=prior):
                title = "lead of the first (bits/dim)<br>right of 0: the first needs fewer"
                chart = ui.drawn(figures.forest, parts, [effect.name for effect in parts], title)
                ui.chart(chart, page, f"contributions-{prior}", alt=" ".join(effect.in_words() for effect in parts))
            st.caption(words.CORRECTED)
            ui.caveat(words.CAVEAT)
    with ui.fold("Side by side in training", "lock-step") as fold:
        if fold.open:
            arm_curves.draw(page, {ran[arm]: names[arm] for arm in shown if arm in ran})
    with ui.fold("Every question over all studies", "questions") as fold:
        if fold.open:
            evidence.draw_further(visit, over_all)

with st.expander("Run a small study of your own"):
    new_study.draw(known, key if own else None)


if (more := ui.more_evidence()).open:
    with more:
        compared = [
            {"prior": each} | effect.row()
            for each in study.priors
            for effect in statistics.opponents(comparisons, each).values()
        ]
        arm_rows = compare_arms.arm_table(study)
        by_prior = {each: cache.of_study(statistics.factorial, study, prior=each) for each in study.priors}
        contributions = [{"prior": each} | effect.row() for each, parts in by_prior.items() for effect in parts]
        st.subheader(f"{names[shown[0]]} against all others")
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
        ui.exports(page, tables={name: rows for name, rows in tables.items() if rows})
    ui.reproduce(
        page,
        ui.Call("study", report=True),
        ui.Call("study", out=studies.argument(known[key]), report=True, subject=shown[0], json=True),
        *studies.commands(study),
    )

ui.closing(page, "A study says which flow needs fewer bits. Is a picture of fewer bits a better one?")
