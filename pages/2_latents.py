"""Why a flow gives a list of latents: what each of them holds, seen by throwing it away."""

import streamlit as st

from eiwflow import ui
from eiwflow.figures import latents as figures
from eiwflow.ui import latent_loaders as loaders
from eiwflow.ui import navigation, texts

page = ui.begin("Why a list of latents?", "Latents", compare=True)

with ui.errors_as_sentences():
    halved = loaders.halved(page)
    mine, *_ = halved.values()
    ui.takeaway(mine.in_words())
    st.markdown(
        "A flow turns an image into as many numbers as it has, and they leave in portions: z₁ after level 1, z₂ after "
        "level 2, and so on. Here they are thrown away in this order: what is gone is drawn anew from its prior, the "
        "rest stays, and the flow runs backwards."
    )
    st.html(figures.halvings(halved))

    comparison = loaders.compared(page)
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        ui.chart(figures.psnr_dots(comparison), page, "psnr", alt=comparison.in_words())
    with right:
        st.markdown(comparison.in_words())
        ui.caveat(
            "PSNR is not likelihood. A flow does well here by sending out first what is faint in the pixels, whether "
            "or not it could be predicted; and a row is one trained flow, not its split policy."
        )
        for entry in navigation.pages():
            if entry.label == "Compare":
                st.page_link(entry.path, label="The verdict is on Compare", query_params=page.links)

    st.subheader("Which of them holds the picture?")
    prediction = loaders.prediction(page)
    st.markdown(f"{prediction.question()} Predict first.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        guessed = st.segmented_control("Your prediction", prediction.names, key="guess")
        revealed = st.toggle("Reveal", key="reveal", disabled=guessed is None)
    if revealed and guessed:
        st.markdown(prediction.in_words(guessed))
        left, right = st.columns(2, gap="large")
        with left:
            st.html(figures.treatments(loaders.one_level(page, "resample")))
            st.caption("One level drawn anew: its prior knows what usually stands there, not what stood there.")
        with right:
            st.html(figures.treatments(loaders.one_level(page, "zero")))
            st.caption("One level set to 0, the mean of its prior.")
        ui.caveat(
            "0 is the likeliest single ε and yet no typical one: a draw of d numbers has a norm near √d, never 0. The "
            "flow is asked for an image where it has hardly seen any, so drawing anew is the fairer question."
        )
        controls, result, _ = st.columns([1, 1.1, 1.2], gap="large")
        with controls:
            st.markdown("**Mix your own**")
            way = tuple(
                st.segmented_control(
                    name, ["keep", "resample", "zero"], default="keep", required=True, key=f"way {name}"
                )
                for name in prediction.names
            )
        with result:
            mixed = loaders.mixed(page, way)
            st.html(figures.treatments(mixed))
            st.caption(mixed.in_words())

    text, words = st.columns([6, 1])
    words.popover("Words", width="stretch").markdown(texts.WORDS)
    with text.expander("How to read this"):
        st.markdown(
            """
**The rows.** Each is one flow: the image, then what comes back when z₁ is drawn anew (half of the numbers), z₁ and z₂
(three quarters), … With everything drawn anew nothing of the image is left: that is a sample, and its PSNR the floor.
All rows get the *same* draws ε, so what differs between them is the flow.

**PSNR.** How near what comes back is to the image, in decibels: 6 dB more is half of the (root mean square) error, 20
dB a tenth. Pixels are clipped to [−½, ½] first, as a screen does. It is the mean over three draws, on this image under
the pictures and over test images in the chart; whiskers are 95 % bootstrap intervals of that mean, drawing whole
photographs.

**Alike or not.** Rows are compared image by image (*paired*), since images differ by more than flows do. A difference
counts where its interval, at 95 % for all of them together, does not hold 0.

**Why portions.** z₁ has passed one level, lives at the finest scale and is drawn under a prior that may look at the
half that stays: at its best it is texture that could as well have been otherwise. What is left goes on, to coarser
scales and more flow. Whether the picture itself really travels to the last level is what the prediction asks.
"""
        )
        st.latex(
            r"\varepsilon_l \sim \mathcal N(0, I) \text{ for what is gone}, \qquad "
            r"\mathrm{PSNR} = 10 \log_{10} \frac{1}{\tfrac1D \lVert x - \mathrm{clip}(\hat x) \rVert^2}"
        )

    with st.expander("More evidence"):
        norms = loaders.norms(page)
        left, right = st.columns(2, gap="large")
        with left:
            st.subheader("Is ε where N(0, I) is?")
            ui.chart(figures.norm_dots(norms), page, "norms", alt=norms.in_words())
            st.caption(norms.in_words())
        with right:
            if len(halved) > 1:
                st.subheader("Paired differences")
                ui.chart(figures.difference_dots(comparison), page, "differences", alt=comparison.difference_in_words())
                ui.caveat(
                    "crops of one photograph are not independent witnesses, so whole photographs are drawn for the "
                    "interval where they are known; few photographs make it a rough one."
                )
        ui.table(comparison.table())
        ui.exports(
            page,
            tables={
                "image": [{"checkpoint": name, **row} for name, treated in halved.items() for row in treated.table()],
                "levels": [*loaders.one_level(page, "resample").table(), *loaders.one_level(page, "zero").table()],
                "test images": comparison.table(),
                "norms": norms.table(),
            },
            pictures={"rows": lambda: figures.halvings_png(halved)},
        )
        loaders.offer(page, {"latents.npz": lambda: loaders.latents_file(page)})
        ui.recipe(
            f"analyse {page.argument} --what latents --data {page.images.name} "
            f"--image {page.links['image']} --seed {page.seed} --json"
        )

ui.closing(
    page,
    "A list of latents means that half of the numbers leave after one level. Whether it was the right half is "
    "a question of entropy.",
)
