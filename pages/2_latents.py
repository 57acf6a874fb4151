"""Latents: every level is kept, redrawn, set to zero or taken from a second image, and the picture answers."""

from __future__ import annotations

import streamlit as st
import torch

from eiwflow.analysis import latents, space, subjects
from eiwflow.analysis.words import latents as words
from eiwflow.analysis.words import space as space_words
from eiwflow.figures import latents as figures
from eiwflow.figures import space as space_figures
from eiwflow.ui import shell as ui
from eiwflow.ui.components.blend import blend, moment
from eiwflow.ui.shell.second_image import other_end
from eiwflow.ui.shell.widgets import choose_one, places
from eiwflow.ui.sources import checkpoints

#: The treatments of a level, in the words of links.
TREATMENTS: dict[str, latents.Treatment] = {"keep": "keep", "redraw": "resample", "zero": "zero", "from B": "b"}
PATHS = {"line": "linear", "arc": "spherical"}
GIF_FRAMES = 25

for key, treatment in st.query_params.to_dict().items():
    if treatment in (older := {"resample": "redraw", "go to B": "from B"}):  # a link of an older version
        st.query_params[key] = older[treatment]
page = ui.begin("What does each level hold?", "Latents", compare=True)
large = any(checkpoints.is_large(view.checkpoint.info.config) for view in page.views)
few = checkpoints.FEW_FRAMES, checkpoints.FEW_ALONE, checkpoints.FEW_SAMPLES
FRAMES, ALONE, SAMPLES = few if large else (space.FINE_FRAMES, space.FRAMES, 12)
levels = max(view.checkpoint.info.config.levels for view in page.views)

own = min(page.checkpoint.info.temperature, space.MAX_TEMPERATURE)
other = other_end(page)
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    chosen = [
        choose_one(f"Level {level}", list(TREATMENTS), "from B" if level == levels else "keep", f"z{level}")
        for level in range(1, levels + 1)
    ]
    above = st.empty()
ways: dict[ui.Page, latents.Way] = {
    view: tuple(TREATMENTS[each] for each in chosen[: view.checkpoint.info.config.levels]) for view in page.views
}
path = PATHS["line" if st.query_params.get("path") == "line" else "arc"]


def main(view: ui.Page) -> space.Blend:
    """Draw the picture with its treatment, and samples of the flow."""
    blended = subjects.blend(ui.look(view), other=other.images[view], way=ways[view], path=path, frames=FRAMES)
    picture, samples = places(view, [2.2, 1])
    with picture:
        to_b = blended.b if "b" in blended.way else None
        blend(blended.images, blended.a, to_b, f"The image with {words.way(blended.way)}.", key=view.key("blend"))
    with samples:
        if view is page:
            place = above if page.other else st.container()  # above both flows, or beside the samples of one
            choices = 0.0, space.MAX_TEMPERATURE, own, 0.05
            place.slider("Samples at temperature", *choices, key="temperature", bind="query-params")
        scales = (st.session_state["temperature"],) * view.checkpoint.info.config.levels
        st.html(space_figures.samples(subjects.samples(ui.look(view), n=SAMPLES, temperatures=scales), columns=4))
    return blended


blends = ui.each(page, main)
if blends:
    both = ui.paired(blends)
    ui.takeaway(words.pair(both, moment()) if both else words.treated(next(iter(blends.values())), moment()))


def one_level(view: ui.Page, _: ui.Results) -> None:
    """Show each level redrawn alone, each going to B alone, and one level more redrawn at a time."""
    resampled = subjects.one_level(ui.look(view), treatment="resample")
    st.markdown(words.answer(resampled))
    st.html(figures.treatments(resampled))
    way = subjects.interpolation(ui.look(view), other=other.images[view], path=path, frames=ALONE)
    st.markdown(space_words.answer(way))
    st.html(space_figures.strips(way))
    st.html(figures.treatments(subjects.halved(ui.look(view))))


ui.folds(page, blends, {"One level at a time": one_level})


def evidence(view: ui.Page, surveys: ui.Results) -> None:
    """Show test images instead of one, norms of paths, and all files."""
    b = other.images[view]
    dots = ui.drawn(figures.error_dots, surveys[view], list(surveys.values()))
    ui.chart(dots, view, "errors", alt=words.left(surveys[view]))
    st.markdown(words.left(surveys[view]))
    way = subjects.interpolation(ui.look(view), other=b, path=path, frames=ALONE)
    st.subheader("Why an arc?")
    ui.chart(ui.drawn(space_figures.norm_paths, way.norms), view, "paths", alt=space_words.norms(way.norms))
    st.caption(space_words.norms(way.norms))
    levels = [row for how in ("resample", "zero") for row in subjects.one_level(ui.look(view), treatment=how).table()]
    ui.exports(
        view,
        tables={
            "image": subjects.halved(ui.look(view)).table(),
            "levels": levels,
            "test images": surveys[view].table(),
            "moved": way.table(),
        },
    )
    ui.offer(
        view,
        {
            "way.gif": lambda: space_figures.gif(
                space_figures.rows(subjects.interpolation(ui.look(view), other=b, path=path, frames=GIF_FRAMES))
            ),
            "latents.npz": lambda: latents.latents_npz(view.checkpoint, torch.cat([view.image, b]), view.seed),
        },
    )


def calls(view: ui.Page) -> list[ui.Call]:
    """Return the calls for the numbers of the page and the samples."""
    choices = {"image": page.number, "seed": page.seed}
    scales = (st.session_state["temperature"],) * view.checkpoint.info.config.levels
    return [
        ui.call(view, "analyse", what="latents", **choices),
        ui.call(view, "analyse", what="space", other_image=other.number, path=path, **choices),
        ui.call(view, "sample", n=SAMPLES, temperature=scales, seed=page.seed),
    ]


if (more := ui.more_evidence()).open:
    with more:
        ui.draw_columns(page, lambda view: subjects.latents_survey(ui.look(view)), evidence)
    photo = page.photo is not None or other.number is None
    ui.reproduce(page, *(call for view in blends for call in calls(view)), photo=photo)

ui.closing(
    page, "One level factors out part of the values and passes on the rest. Is it the right part? Entropy asks that."
)
