"""Whether the adaptive split is better than the static one: paired runs over seeds, and a verdict that can say no."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from eiwflow import ui
from eiwflow.analysis.compare import subjects
from eiwflow.analysis.compare_arms import arm_curve, arm_level, arm_table, cost_in_words, splitting_levels
from eiwflow.analysis.study_file import StudyError
from eiwflow.figures import compare as figures
from eiwflow.figures import steps
from eiwflow.training.study_recipe import Arm
from eiwflow.ui import compare_loaders as loaders
from eiwflow.ui import foreign, new_study
from eiwflow.ui.components import scrubber
from eiwflow.ui.parts import LESSON_LETTERS

if TYPE_CHECKING:
    import numpy as np

    from eiwflow.analysis.compare import Effect
    from eiwflow.analysis.compare_arms import ArmCurve
    from eiwflow.analysis.record import TrainingRecord

visit = ui.begin("Is the adaptive split better than the static one?", "Compare", needs_checkpoint=False)
said, files = st.container(), loaders.files()
foreign.complaints(st.container(), loaders.complaints())
if not files:
    said.info("There is no study yet: assets/studies holds none. Run a small one here, or `python -m eiwflow study`.")
    new_study.draw(files)
    st.stop()

# ---------------------------------------------------------------------- which study, which arms

CAVEAT = (
    "seeds are the witnesses. The interval says where the difference lies for other seeds, on *these* test images, "
    "this size and this budget; it knows nothing of other images. That is why there are several studies."
)
COSTS = (
    "CPU seconds are those of the training steps, with as many runs at the same time as the study had jobs. Those of "
    "`shuffle` hold the fitting of weights that are for display only."
)

first, second, third, fourth = st.columns([1.3, 1, 2.8, 0.9], vertical_alignment="bottom")
key = loaders.choose_study(first, files)
try:
    study = loaders.read(files[key])
    if not study.runs:
        raise StudyError(f"{study.name} has no run yet.")
except StudyError as error:
    said.error(f"{foreign.plain(error)} Choose another study.")
    new_study.draw(files)
    st.stop()
page = loaders.StudyVisit(**vars(visit), study=study)
shown = loaders.choose_arms(second, third, study)
loaders.offer_null(fourth, study, key, files)
names = {one: loaders.name(study, one) for one in shown}
hidden = page.lesson and st.session_state.get("vote") is None
disguise = loaders.disguised(shown, study)
found = loaders.verdict(study, shown[0])
letters = LESSON_LETTERS / 12 if page.lesson else 1.0


def differences(prior: str) -> dict[str, Effect]:
    """Return the name of every other arm that is shown -> the subject's difference from it, under a prior."""
    effects = found.comparisons.against(prior)
    arms = [Arm(*one, prior) for one in shown[1:]]
    return {names[arm.split, arm.init]: effects[arm] for arm in arms if arm in effects}


def forest(effects: dict[str, Effect], what: str, title: str, limits: tuple[float, float] | None = None) -> None:
    """Draw effects in rows."""
    chart = ui.drawn(figures.forest, list(effects.values()), list(effects), title, limits, letters)
    ui.chart(chart, page, what, alt=" ".join(one.in_words() for one in effects.values()))


def forests(effects: dict[str, dict[str, Effect]], what: str, title: str) -> None:
    """Draw effects side by side, prior by prior, on one axis."""
    limits = figures.span(one for of_prior in effects.values() for one in of_prior.values())
    for place, (prior, of_prior) in zip(st.columns(len(effects), gap="large"), effects.items(), strict=True):
        with place:
            st.markdown(f"**{prior.capitalize()} prior**")
            forest(of_prior, f"{what}-{prior}", title, limits)


def show_verdict() -> None:
    """Draw the main view, and what each choice contributes: side by side where there is one prior."""
    subject, effect = names[shown[0]], "effect (bits/dim)<br>left of 0: fewer bits"
    title = f"{subject} − other (bits/dim)<br>left of 0: {subject} needs fewer"
    main = {prior: of_prior for prior in study.priors if (of_prior := differences(prior))}
    parts = {prior: {one.name: one for one in part.effects} for prior, part in found.factorials.items() if part.effects}
    if not main:
        st.info("Choose what to compare with.")
        return
    if len(study.priors) > 1:
        forests(main, "differences", title)
    else:
        ((prior, of_prior),) = main.items()
        left, right = st.columns(2, gap="large")
        with left:
            st.markdown(f"**{prior.capitalize()} prior**")
            forest(of_prior, f"differences-{prior}", title)
        if parts:
            with right:
                st.markdown("**What each choice contributes**")
                forest(parts[prior], f"contributions-{prior}", effect)
    if not study.is_done:
        st.caption(f"The study is not done: this is what its first {len(study.runs)} runs say.")
    ui.caveat(CAVEAT)
    if shown[0][0] == "weighted":
        st.markdown(f"**Is the gain entropy-informed?** {found.entropy_informed()}")
    if parts and len(study.priors) > 1:
        st.subheader("What each choice contributes")
        forests(parts, "contributions", effect)


def show_equal_cpu() -> None:
    """Say the same comparison at equal CPU seconds, where it was run."""
    other = study if study.recipe.equal_cpu else loaders.at_equal_cpu(study, files)
    st.subheader("At equal CPU seconds")
    if other is None:
        st.markdown("A step with weights costs a little more. To give every arm the same seconds, run the study again:")
        st.code(loaders.at_equal_cpu_again(study), language="bash", wrap_lines=True)
    elif shown[0] not in subjects(other):
        st.markdown(f"{foreign.plain(other.name)} gave every arm the same CPU seconds, but has no {names[shown[0]]}.")
    else:
        st.markdown(f"{cost_in_words(other)} {loaders.verdict(other, shown[0]).in_words()}")


# ---------------------------------------------------------------------- in lock-step


def show_in_lock_step(called: dict[tuple[str, str], str]) -> None:
    """Draw curves, samples, entropies, orders and weights of the arms by what they are called, under one slider."""
    with st.container(horizontal=True):
        prior = loaders.choose_prior(study)
        apart = not hidden and len(called) > 1 and loaders.choose_curves(next(iter(called.values())))
    arms = {Arm(*one, prior): name for one, name in called.items() if Arm(*one, prior) in study.arms}
    records = loaders.records(study, list(arms))
    shared = steps.together(record.steps for record in records.values()) if records else None
    left, right = st.columns([2.2, 1], gap="medium")
    with left:
        curves = {name: curve for arm, name in arms.items() if (curve := arm_curve(study, arm)) is not None}
        # A class that saw the curves would have nothing to vote on.
        if not hidden and len(curves) > int(apart):
            draw_curves(curves, shared, apart)
        if shared is None:
            st.caption("No records lie beside this study: samples, entropies and orders on the way are not known.")
            return
        with scrubber.stays_in_view():
            scrubber.scrubber(shared, under="scrub-curves")
        for arm, record in records.items():
            st.caption(arms[arm])
            scrubber.film(shared, record.samples, "scrub-curves", loaders.film_of(arm))
    with right:
        st.caption("8 samples of each at the slider’s step: the same ε for all, temperature 0.7, seed 0.")
        for arm in records:
            scrubber.sample_view(arms[arm], loaders.film_of(arm), rows=2)
    if not hidden:
        show_halves({arms[arm]: (arm, record) for arm, record in records.items()}, shared)


def draw_curves(curves: dict[str, ArmCurve], shared: np.ndarray | None, apart: bool) -> None:
    """Draw the curves, or what the others need more than the first, on the axis of the recorded steps."""
    part = "test" if study.recipe.evaluate_on == "test" else "held-out"
    title = f"bits/dim on {part} crops"
    (base, first), *rest = curves.items()
    if apart:
        curves = {name: left for name, curve in rest if (left := curve.minus(first)) is not None}
        title = f"bits/dim more than {base}"
    axis = first.steps if shared is None else shared
    chart = ui.drawn(figures.curves, curves, axis, title, scrubbed=shared is not None, differences=apart)
    words = "; ".join(f"{name} {curve.in_words()}" for name, curve in curves.items())
    ui.chart(chart, page, "scrub-curves", alt=f"{title}: {words}")
    st.caption("Bold: mean over seeds. Faint: each seed, on some of the crops. Samples are of seed 0.")


def show_halves(found: dict[str, tuple[Arm, TrainingRecord]], shared: np.ndarray) -> None:
    """Draw what the arms keep and send out at a level: structure, channels, weights."""
    with st.container(horizontal=True):
        number = loaders.choose_level(sorted({n for _, record in found.values() for n in splitting_levels(record)}))
        measured = loaders.choose_measure()
    levels = {name: level for name, (arm, record) in found.items() if (level := arm_level(arm, record, number))}
    words = " ".join(f"{name} {level.in_words()}." for name, level in levels.items())
    left, right = st.columns(2, gap="large")
    with left:
        ui.chart(ui.drawn(figures.halves, levels, shared, measured), page, "scrub-halves", alt=words)
    with right:
        ui.chart(ui.drawn(figures.orders, levels, shared), page, "scrub-orders", alt=words)
        st.caption("Blue squares stay, vermillion diamonds leave; × where J of this step would decide otherwise.")
    weighing = {name: level for name, level in levels.items() if level.weights_mean is not None}
    limit = figures.weight_limit(weighing.values())
    for place, (name, level) in zip(st.columns(max(1, len(weighing))), weighing.items(), strict=False):
        with place:
            st.caption(f"**{name}**: weights, {'applied' if level.weighed else 'trained for display, not applied'}")
            ui.chart(
                ui.drawn(figures.weights, level, limit),
                page,
                f"scrub-weights-{level.arm.name}",
                alt=f"{name}: {level.weights_in_words()}",
            )
    st.caption(f"After the last step, level {number}: {words}")


# ---------------------------------------------------------------------- the page

if hidden:
    with said:
        budget = "CPU seconds" if study.recipe.equal_cpu else "steps"
        if len({init for _, init in shown}) == 1:
            alike = f"same initialisation, batches and {budget}. Only the split differs."
        else:
            alike = f"same batches and {budget}. Only split and initialisation differ."
        ui.takeaway(f"{len(shown)} flows, one budget: {alike}")
        loaders.ask_for_a_vote(disguise)
    show_in_lock_step(dict(sorted(((one, disguise[one]) for one in shown), key=lambda pair: pair[1])))
else:
    with said:
        if page.lesson:
            loaders.answer_the_vote(disguise, names, study)
        ui.takeaway(found.in_words())
    show_verdict()
    st.subheader("In lock-step")
    show_in_lock_step(names)
    st.subheader("What each costs")
    ui.table(loaders.rounded([row for row in arm_table(study) if (row["split"], row["init"]) in shown]))
    st.caption(f"{COSTS} {loaders.floor_in_words(study)}")
    show_equal_cpu()

with st.expander("Run a small study of your own"):
    new_study.draw(files)

ui.how_to_read("compare")

if not hidden and (more := ui.more_evidence()).open:
    with more:
        st.subheader(f"{names[shown[0]]} against all others")
        ui.table(loaders.rounded(found.comparisons.table()))
        contributions = [row for part in found.factorials.values() for row in part.table()]
        if contributions:
            st.subheader("What each choice contributes")
            ui.table(loaders.rounded(contributions))
        st.subheader("All arms")
        ui.table(loaders.rounded(arm_table(study)))
        if (alarms := loaders.false_alarms(study)) is not None:
            st.subheader("How often chance alone would be believed")
            st.markdown(alarms.in_words())
        tables = {"comparisons": found.comparisons.table(), "arms": arm_table(study), "runs": loaders.runs(study)}
        ui.exports(page, tables=tables | ({"contributions": contributions} if contributions else {}), pictures={})
        ui.recipe(page, f"study --out {loaders.argument(files[key])} --report --subject {'/'.join(shown[0])} --json")
        st.markdown("What ran it:")
        st.code(loaders.command(study), language="bash", wrap_lines=True)

ui.closing(
    page,
    "Vote, then look: the names were hidden."
    if hidden
    else "A study says which split is better here. What a flow has learnt lies in its latents.",
)
