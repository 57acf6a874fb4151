"""What lies between two images: the way through the latent space, level by level."""

import streamlit as st

from eiwflow import ui
from eiwflow.figures import space as figures
from eiwflow.ui import latent_loaders as loaders
from eiwflow.ui import texts
from eiwflow.ui.other_end import other_end

page = ui.begin("What lies between two images?", "Space")

from eiwflow.analysis.interpolation import MAX_TEMPERATURE  # noqa: E402 (the title does not wait for torch)

PATHS = {"line": "linear", "arc": "spherical"}

said = st.container()
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
with ui.errors_as_sentences():
    way = loaders.way(page, other, path)
    with said:
        ui.takeaway(way.in_words())
    st.html(figures.strips(way))

    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Why an arc?")
        ui.chart(figures.norm_paths(way.norms), page, "norms", alt=way.norms.in_words())
        st.caption(way.norms.in_words())
    with right, ui.errors_as_sentences():
        st.subheader("Drawn from the flow, a temperature a level")
        temperatures = tuple(
            box.slider(f"Level {level}", 0.0, MAX_TEMPERATURE, 0.7, 0.05, key=f"t{level}", bind="query-params")
            for level, box in enumerate(st.columns(page.checkpoint.flow.config.levels), start=1)
        )
        drawn = loaders.samples(page, temperatures)
        st.html(figures.samples(drawn))
        st.caption(
            "One draw of ε, scaled: T = 0 leaves each level's likeliest values, T = 1 is what the flow takes images to "
            f"be like. The sliders end at {MAX_TEMPERATURE}: beyond, a flow may leave everything it has seen."
        )

    text, words = st.columns([6, 1])
    words.popover("Words", width="stretch").markdown(texts.WORDS)
    with text.expander("How to read this"):
        st.markdown(
            """
**The strips.** Both images are encoded, and every ε goes from A's to B's. In the first row all levels go; in the others
one level goes and the rest stay A's, so the last picture there is A with that level of B. Both ends of the first row
are the images themselves: decoding undoes encoding.

**Straight line and arc.** A draw of N(0, I) in d dimensions has a norm near √d, whatever its direction: nearly all of
it lies in a thin shell. Two draws are nearly at right angles, so half-way on the straight line between them the norm is
√½ = 0.71 of theirs, far inside the shell, where the flow has seen nothing: pictures there turn flat and grey. The arc
turns the direction and lets the norm go evenly from one end to the other. Each level takes its own arc. Images lie
about the shell, not all of them in it: where a flow fits one badly, its ε are too long.

**Temperature.** ε is drawn from N(0, T²): at T < 1 the norm shrinks as on the straight line, at T > 1 it grows.
"""
        )
        st.latex(
            r"\varepsilon(t) = \big[(1-t)\lVert a\rVert + t\lVert b\rVert\big]"
            r"\big(\cos(t\theta)\,u + \sin(t\theta)\,w\big), \qquad \lVert \mathcal N(0, I_d) \rVert \approx \sqrt d"
        )

    with st.expander("More evidence"):
        ui.table(way.table())
        st.markdown(way.ends_in_words())
        ui.exports(
            page,
            tables={"moved": way.table(), "norms": way.norms.table()},
            pictures={"strips": lambda: figures.strips_png(way)},
        )
        loaders.offer(
            page,
            {
                "way.gif": lambda: loaders.moving(page, other, path),
                "latents.npz": lambda: loaders.latents_file(page, other),
            },
        )
        ui.recipe(
            f"sample {page.argument} --n {loaders.SAMPLES} --seed {page.seed} "
            f"--temperature {','.join(map(str, temperatures))}",
            f"analyse {page.argument} --what latents --data {page.images.name} "
            f"--image {page.links['image']} --seed {page.seed} --json",
        )

ui.closing(
    page,
    "Between two images lie images of the flow's own, if the way keeps to the shell where its draws lie; and every "
    "level has its own part in it.",
)
