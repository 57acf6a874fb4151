"""Why a flow gives a list of latents: what each of them holds, seen by throwing it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from eiwflow import ui
from eiwflow.figures import latents as figures
from eiwflow.ui import latent_loaders as loaders
from eiwflow.ui import navigation
from eiwflow.ui.columns import compared, places
from eiwflow.ui.prediction import predicted
from eiwflow.ui.shuffle_loaders import readable

if TYPE_CHECKING:
    from eiwflow.analysis.latents import Norms, Treatment

page = ui.begin("Why a list of latents?", "Latents", compare=True)

rows, above, halved = loaders.rows(page), st.container(), {}
st.markdown(
    "A flow turns an image into as many numbers as it has, and they leave in portions: z₁ after level 1, z₂ after "
    "level 2, and so on. Here they are thrown away in this order: what is gone is drawn anew from its prior, the rest "
    "stays, and the flow runs backwards."
)
if compared(page):
    for one, place in ui.side_by_side(page):
        with place, ui.errors_as_sentences():
            halved[one] = loaders.halved(one)
            st.html(figures.halving(halved[one]))
            st.markdown(halved[one].in_words())
else:
    for one in rows.values():
        with ui.errors_as_sentences():
            halved[one] = loaders.halved(one)
    named = dict(zip(loaders.short_names(rows), rows.values(), strict=True))
    st.html(figures.halvings({name: halved[one] for name, one in named.items() if one in halved}))
    if page in halved:
        with above:
            ui.takeaway(halved[page].in_words())

# Images of another size are other images: nothing is paired with them.
shapes = [one.image.shape for one in halved]
like = {name: one for name, one in rows.items() if one in halved and one.image.shape == shapes[0]}
comparison = None
if like:
    with ui.errors_as_sentences():
        comparison = loaders.comparison(like)
if comparison is not None:
    if compared(page) and len(like) == 2:
        with above:
            ui.takeaway(f"{comparison.pair_in_words()} One training each: no verdict on their splits.")
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        ui.chart(ui.drawn(figures.psnr_dots, comparison), page, "psnr", alt=comparison.in_words())
    with right:
        if len(like) == 1 or not compared(page):
            st.markdown(comparison.in_words())
        if page.other is not None and len(like) < len(halved):
            st.caption(f"{page.other.file.label} takes images of another size: nothing is paired with it.")
        ui.caveat(
            "PSNR is not likelihood. A flow does well here by sending out first what is faint in the pixels, whether "
            "or not it could be predicted; and a row is one trained flow, not its split policy."
        )
        for entry in navigation.pages():
            if entry.label == "Compare":
                st.page_link(entry.path, label="The verdict is on Compare", query_params=page.links)


def predict(one: ui.Page) -> None:
    """Ask which level holds the picture; answer where something was predicted."""
    prediction = loaders.prediction(one)
    st.markdown(f"{prediction.question()} Predict first.")
    guessed = predicted(one, "Your prediction", prediction.names)
    if guessed is None:
        return
    st.markdown(prediction.in_words(guessed))
    left, right = places(one, [1, 1])
    with left:
        st.html(figures.treatments(loaders.one_level(one, "resample")))
        st.caption("One level drawn anew: its prior knows what usually stands there, not what stood there.")
    with right:
        st.html(figures.treatments(loaders.one_level(one, "zero")))
        st.caption("One level set to 0, the mean of its prior.")
    ui.caveat(
        "0 is the likeliest single ε and yet no typical one: a draw of d numbers has a norm near √d, never 0. The flow "
        "is asked for an image where it has hardly seen any, so drawing anew is the fairer question."
    )
    controls, result, *_ = places(one, [1, 1.1, 1.2])
    with controls:
        st.markdown("**Mix your own**")
        treatments: tuple[Treatment, ...] = ("keep", "resample", "zero")
        way = tuple(
            st.segmented_control(name, treatments, default="keep", required=True, key=one.key(f"way {name}"))
            for name in prediction.names
        )
    with result:
        mixed = loaders.mixed(one, way)
        st.html(figures.treatments(mixed))
        st.caption(mixed.in_words())


if halved:
    st.subheader("Which of them holds the picture?")
    for one, place in ui.side_by_side(page):
        if one in halved:
            with place, ui.errors_as_sentences():
                predict(one)

ui.how_to_read("latents")


def files(one: ui.Page, norms: Norms) -> None:
    """Offer what the page shows of a flow, and of those in rows beside it."""
    beside = {one.file.argument: one} if compared(page) else rows
    shown = {name: halved[other] for name, other in beside.items() if other in halved}
    ui.exports(
        one,
        tables={
            "image": loaders.halvings_table(shown),
            "levels": [*loaders.one_level(one, "resample").table(), *loaders.one_level(one, "zero").table()],
            "norms": norms.table(),
        },
        pictures={"rows": lambda: figures.halvings_png(shown)},
    )
    ui.offer(one, {"latents.npz": lambda: loaders.latents_file(one)})


if comparison is not None and (more := ui.more_evidence()).open:
    with more:
        left, right = places(page, [1, 1])
        with left:
            st.subheader("Is ε where N(0, I) is?")
            found = {}
            for one, place in ui.side_by_side(page):
                if one in halved:
                    with place, ui.errors_as_sentences():
                        found[one] = place, loaders.norms(one)
            limits = figures.norm_limits(*(norms for _, norms in found.values()))
            for one, (place, norms) in found.items():
                with place:
                    ui.chart(ui.drawn(figures.norm_dots, norms, limits), one, "norms", alt=norms.in_words())
                    st.caption(norms.in_words())
        with right:
            if len(like) > 1:
                st.subheader("Paired differences")
                ui.chart(
                    ui.drawn(figures.difference_dots, comparison),
                    page,
                    "differences",
                    alt=comparison.difference_in_words(),
                )
                ui.caveat(
                    "crops of one photograph are not independent witnesses, so whole photographs are drawn for the "
                    "interval where they are known; few photographs make it a rough one."
                )
        ui.table(readable(comparison.table()))
        ui.exports(page, tables={"test images": comparison.table()}, pictures={})
        for one, place in ui.side_by_side(page):
            if one in found:
                with place:
                    files(one, found[one][1])
        command = f"--what latents --data {page.images.name} --image {page.links['image']} --seed {page.seed} --json"
        first, *others = like.values()
        beside = f" --vs {' '.join(other.argument for other in others)}" if others else ""
        ui.recipe(page, *(f"analyse {one.argument} {command}{beside if one is first else ''}" for one in found))

ui.closing(
    page,
    "A list of latents means that half of the numbers leave after one level. Whether it was the right half is "
    "a question of entropy.",
)
