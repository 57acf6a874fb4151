"""Space: paths between two images through the latent space, with a slider, level by level."""

import streamlit as st

from eiwflow.analysis import latents, space, subjects
from eiwflow.analysis.words import space as words
from eiwflow.figures import space as figures
from eiwflow.ui import shell as ui
from eiwflow.ui.components.blend import blend
from eiwflow.ui.shell.parts import MORE_EVIDENCE
from eiwflow.ui.shell.rows import readable
from eiwflow.ui.shell.second_image import other_end
from eiwflow.ui.shell.widgets import choose_one
from eiwflow.ui.sources import checkpoints

page = ui.begin("What lies between two images?", "Space", compare=True)


PATHS = {"line": "linear", "arc": "spherical"}
#: Frames of the GIF in one direction; samples, of which a large flow draws fewer.
GIF_FRAMES = 25
large = any(checkpoints.is_large(view.checkpoint.info.config) for view in (page, page.other) if view is not None)
FRAMES, ALONE, SAMPLES = (
    (checkpoints.FEW_FRAMES, checkpoints.FEW_ALONE, checkpoints.FEW_SAMPLES)
    if large
    else (space.FINE_FRAMES, space.FRAMES, 16)
)

takeaway, middle = st.container(), st.container()
other = other_end(page)
levels = max(view.checkpoint.info.config.levels for view in other.images)
pictures, controls = middle.columns([2.4, 1], gap="large")
with controls:
    moving = st.pills(
        "Levels that go to B",
        range(1, levels + 1),
        selection_mode="multi",
        default=range(1, levels + 1),
        key="moving",
        bind="query-params",
        help="The others stay those of A.",
    )
    path = PATHS[
        choose_one(
            "Path",
            list(PATHS),
            "arc",
            "path",
            help="The line is straight. The arc turns the direction of ε and keeps its norm, level by level.",
        )
    ]


def between(view: ui.Page) -> space.Interpolation:
    """Draw the big picture of a flow; return how far each level moves it."""
    own = tuple(level for level in moving if level <= view.checkpoint.info.config.levels)
    blended = subjects.blend(ui.look(view), other=other.images[view], path=path, levels=own, frames=FRAMES)
    label = f"From A towards B with {len(own)} of {view.checkpoint.info.config.levels} levels moving."
    blend(blended.images, blended.a, blended.b, label, key=view.key("blend"))
    unfolded = any(st.session_state.get(key) for key in ("fold-strips", MORE_EVIDENCE))
    return subjects.interpolation(ui.look(view), other=other.images[view], path=path, frames=ALONE if unfolded else 2)


with pictures:
    ways = ui.each(page, between)
if ways:
    names = [view.file.label for view in ways]
    with takeaway:
        ui.takeaway(words.answer(next(iter(ways.values()))) if len(ways) == 1 else words.pair(names, [*ways.values()]))


def strips(view: ui.Page, _: ui.Results) -> None:
    """Draw the path of each level alone."""
    st.html(figures.strips(subjects.interpolation(ui.look(view), other=other.images[view], path=path, frames=ALONE)))


def norms(view: ui.Page, ways: ui.Results) -> None:
    """Draw the norms on both paths."""
    all_norms, paths = [way.norms for way in ways.values()], ways[view].norms
    ui.chart(ui.drawn(figures.norm_paths, paths, all_norms), view, "norms", alt=words.norms(paths))
    st.caption(words.norms(paths))


ui.folds(page, ways, {"One level at a time": strips, "Why an arc?": norms})
own = min(page.checkpoint.info.temperature, space.MAX_TEMPERATURE)
temperatures: tuple[float, ...] = (own,) * levels
if any(f"t{level}" in st.query_params for level in range(1, levels + 1)):
    st.session_state.setdefault("fold-samples", True)  # a link with a temperature opens the samples
with ui.fold("Samples, a temperature a level", "samples") as fold:
    if fold.open:
        temperatures = tuple(
            box.slider(f"Level {level}", 0.0, space.MAX_TEMPERATURE, own, 0.05, key=f"t{level}", bind="query-params")
            for level, box in enumerate(st.columns(levels), start=1)
        )

        def draw(view: ui.Page) -> None:
            """Draw samples of a flow."""
            scales = temperatures[: view.checkpoint.info.config.levels]
            st.html(figures.samples(subjects.samples(ui.look(view), n=SAMPLES, temperatures=scales)))

        ui.each(page, draw)
        st.caption(
            f"One draw of ε, scaled. T = 0 is each level’s likeliest value; the sliders end at {space.MAX_TEMPERATURE}."
        )

ui.how_to_read("space")


def evidence(view: ui.Page, _: ui.Results) -> None:
    """Show the numbers of the path, and offer its files."""
    b = other.images[view]
    way = subjects.interpolation(ui.look(view), other=b, path=path, frames=ALONE)
    ui.table(readable(way.table(), {"share_of_numbers": "share of values"}))
    st.markdown(f"{words.answer(way)} {words.ends(way)} {words.norms(way.norms)}")
    ui.exports(view, tables={"moved": way.table(), "norms": way.norms.table()})
    ui.offer(
        view,
        {
            "way.gif": lambda: figures.gif(
                figures.rows(subjects.interpolation(ui.look(view), other=b, path=path, frames=GIF_FRAMES))
            ),
            "latents.npz": lambda: latents.of_image(view.checkpoint, [view.image, b], view.seed),
        },
    )


def calls(view: ui.Page) -> list[ui.Call]:
    """Return the calls for the path's numbers and the samples."""
    scales = temperatures[: view.checkpoint.info.config.levels]
    way = {"image": page.number, "other_image": other.number, "path": path, "seed": page.seed}
    return [
        ui.call(view, "analyse", what="space", **way),
        ui.call(view, "sample", n=SAMPLES, temperature=scales, seed=page.seed),
    ]


if (more := ui.more_evidence()).open:
    with more:
        ui.draw_columns(page, ways.get, evidence)
    photo = page.photo is not None or other.number is None
    ui.reproduce(page, *(call for view in ways for call in calls(view)), photo=photo)

ui.closing(page, "Between two images lie images of the flow’s own, and every level has its part in them.")
