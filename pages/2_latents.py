"""Latents: the information in each level's latent, measured by resampling it."""

import streamlit as st

from eiwflow.analysis import latents, subjects
from eiwflow.analysis.words import latents as words
from eiwflow.figures import latents as figures
from eiwflow.ui import shell as ui
from eiwflow.ui.shell.rows import readable
from eiwflow.ui.shell.widgets import choose_one, places, predicted

page = ui.begin("What does each level’s latent hold?", "Latents", compare=True)


takeaway = st.container()
sentences: dict[ui.Page, str] = {}


def names_of_levels(view: ui.Page) -> list[str]:
    """Return the names of a flow's levels, with their latents."""
    return [words.named(level) for level in range(1, view.checkpoint.info.config.levels + 1)]


def mix(view: ui.Page) -> None:
    """Show a mix of levels kept, resampled or zeroed; it opens with level 1 resampled."""
    picture, controls = places(view, [1.9, 1])
    with controls:
        st.markdown("**Mix your own**")
        way: latents.Way = tuple(
            choose_one(name, latents.TREATMENTS, "resample" if level == 1 else "keep", view.key(f"z{level}"))
            for level, name in enumerate(names_of_levels(view), start=1)
        )
    result = subjects.mixed(ui.look(view), way=way)
    with picture:
        st.html(figures.large(result))
    sentences[view] = words.mixed(result)


def predict(view: ui.Page) -> None:
    """Ask which level holds the picture; after the prediction, show each level resampled alone."""
    if view not in mixed:
        return  # the mix has explained why there is nothing
    resampled = subjects.one_level(ui.look(view), treatment="resample")
    if (guessed := predicted(view, words.QUESTION, names_of_levels(view))) is None:
        return
    sentences[view] = words.answer(resampled, guessed)
    st.html(figures.treatments(resampled))
    st.caption("One level resampled at a time, the others kept.")


mixed = ui.each(page, mix)
ui.each(page, predict)
if sentences:
    with takeaway:
        names = {view: f"{view.file.label}: " if page.other else "" for view in sentences}
        ui.takeaway(" ".join(f"{names[view]}{sentence}" for view, sentence in sentences.items()))

with ui.fold("One level more at a time, until all are resampled", "halvings") as fold:
    halved: dict[ui.Page, latents.Treated] = {}
    if fold.open:
        halved = ui.each(page, lambda view: subjects.halved(ui.look(view)))
        for view, place in ui.side_by_side(page):
            if view in halved:
                with place:
                    st.html(figures.halving(halved[view]))
                    st.markdown(words.halved(halved[view]))

with ui.fold("Zero instead of a sample", "zeroed") as fold:
    if fold.open:
        ui.each(page, lambda view: st.html(figures.treatments(subjects.one_level(ui.look(view), treatment="zero"))))
        ui.caveat("0 is the likeliest single ε, but no typical one: a sample of d values has a norm near √d.")

ui.how_to_read("latents")


def evidence(view: ui.Page, surveys: ui.Results) -> None:
    """Show test images instead of one, the norms of the latents, and all files."""
    st.subheader("Over test images")
    dots = ui.drawn(figures.psnr_dots, surveys[view], list(surveys.values()))
    ui.chart(dots, view, "psnr", alt=words.left(surveys[view]))
    st.markdown(words.left(surveys[view]))
    ui.table(readable(surveys[view].table()))
    st.subheader("Is ε where N(0, I) is?")
    norms = {each: subjects.norms(ui.look(each)) for each in surveys}
    chart = ui.drawn(figures.norm_dots, norms[view], list(norms.values()))
    ui.chart(chart, view, "norms", alt=words.norms(norms[view]))
    st.caption(words.norms(norms[view]))
    treated = subjects.halved(ui.look(view))
    levels = [row for how in ("resample", "zero") for row in subjects.one_level(ui.look(view), treatment=how).table()]
    ui.exports(
        view,
        tables={
            "image": treated.table(),
            "levels": levels,
            "test images": surveys[view].table(),
            "norms": norms[view].table(),
        },
    )
    ui.offer(view, {"latents.npz": lambda: latents.of_image(view.checkpoint, [view.image], view.seed)})


if (more := ui.more_evidence()).open:
    with more:
        ui.draw_columns(page, lambda view: subjects.latents_survey(ui.look(view)), evidence)
        ui.caveat("PSNR is not likelihood: a flow that keeps more of the image need not be the better one.")
    calls = (ui.call(view, "analyse", what="latents", image=page.number, seed=page.seed) for view in page.views)
    ui.reproduce(page, *calls)

ui.closing(
    page, "One level factors out part of the values and passes on the rest. Is it the right part? Entropy asks that."
)
