"""What lies between two images: the way through the latent space, level by level."""

import streamlit as st

from eiwflow import ui
from eiwflow.figures import space as figures
from eiwflow.ui import latent_loaders as loaders
from eiwflow.ui.columns import compared, places
from eiwflow.ui.other_end import other_end
from eiwflow.ui.prediction import predicted
from eiwflow.ui.rows import readable

page = ui.begin("What lies between two images?", "Space", compare=True)

from eiwflow.analysis.space import MAX_TEMPERATURE  # noqa: E402 (the title does not wait for torch)

PATHS = {"line": "linear", "arc": "spherical"}

above, ways, drawn = st.container(), {}, {}
ends, how = st.columns([2, 1], gap="large", vertical_alignment="bottom")
with ends:
    other = other_end(page)
path = PATHS[
    how.segmented_control(
        "Path",
        list(PATHS),
        default="arc",
        required=True,
        key="path",
        bind="query-params",
        help="The line is straight. The arc turns the direction of ε and keeps its norm, level by level.",
    )
]
levels = max(one.checkpoint.info.config.levels for one in other.images)
#: In a lesson the hall predicts before it is told.
told = True
if page.lesson and levels > 1:
    names = [f"level {level}" for level in range(1, levels + 1)]
    told = predicted(page, "One level alone goes to B. Which moves the picture most?", names) is not None
for one, place in ui.side_by_side(page):
    with place, ui.errors_as_sentences():
        ways[one] = loaders.way(one, other.images[one], path)
        st.html(figures.strips(ways[one], alone=told))
        if compared(page) and told:
            st.markdown(ways[one].in_words())
if ways and told:
    with above:
        ui.takeaway(loaders.ways_in_words(ways))

left, right = places(page, [1, 1])
with left:
    st.subheader("Why an arc?")
    limits = figures.norm_limits(*(way.norms for way in ways.values())) if ways else None
    for one, place in ui.side_by_side(page):
        if one in ways:
            norms = ways[one].norms
            with place:
                ui.chart(ui.drawn(figures.norm_paths, norms, limits), one, "norms", alt=norms.in_words())
                st.caption(norms.in_words())
with right:
    st.subheader("Drawn from the flow, a temperature a level")
    own = min(page.checkpoint.info.temperature, MAX_TEMPERATURE)
    temperatures = tuple(
        box.slider(f"Level {level}", 0.0, MAX_TEMPERATURE, own, 0.05, key=f"t{level}", bind="query-params")
        for level, box in enumerate(st.columns(levels), start=1)
    )
    for one, place in ui.side_by_side(page):
        with place, ui.errors_as_sentences():
            drawn[one] = loaders.samples(one, temperatures[: one.checkpoint.info.config.levels])
            st.html(figures.samples(drawn[one]))
    st.caption(
        "One draw of ε, scaled: T = 0 leaves each level's likeliest values, T = 1 is what the flow takes images to "
        f"be like. The sliders end at {MAX_TEMPERATURE}: beyond, a flow may leave everything it has seen."
    )

ui.how_to_read("space")


def evidence(one: ui.Page) -> None:
    """Draw the figures of the way, and offer its files."""
    way, b = ways[one], other.images[one]
    ui.table(readable(way.table()))
    st.markdown(way.ends_in_words())
    ui.exports(
        one,
        tables={"moved": way.table(), "norms": way.norms.table()},
        pictures={"strips": lambda: figures.strips_png(way)},
    )
    ui.offer(
        one,
        {
            "way.gif": lambda: loaders.moving(one, b, path),
            "latents.npz": lambda: loaders.latents_file(one, b),
        },
    )


def commands(one: ui.Page) -> list[str]:
    """Return the command lines that print the way's figures, and draw the samples."""
    scales = ",".join(map(str, temperatures[: one.checkpoint.info.config.levels]))
    return [
        f"analyse {one.argument} --what space --data {page.images.name} --image {page.links['image']} "
        f"--other-image {other.number} --path {path} --seed {page.seed} --json",
        f"sample {one.argument} --n {loaders.SAMPLES} --seed {page.seed} --temperature {scales}",
    ]


if (more := ui.more_evidence()).open:
    with more:
        for one, place in ui.side_by_side(page):
            if one in ways:
                with place:
                    evidence(one)
        photo = page.photo is not None or other.number is None
        ui.recipe(page, *(command for one in ways for command in commands(one)), photo=photo)

ui.closing(
    page,
    "Between two images lie images of the flow's own, if the way keeps to the shell where its draws lie; and every "
    "level has its own part in it.",
)
