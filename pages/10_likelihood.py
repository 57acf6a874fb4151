"""Likelihood: strange images beside the flow's own, by four scores."""

import streamlit as st

from eiwflow import ui
from eiwflow.figures import likelihood as figures
from eiwflow.ui.common.untrusted import plain
from eiwflow.ui.own import pictures as own_pictures
from eiwflow.ui.sources import cache

page = ui.begin("Is a likely picture a real one?", "Likelihood")

from eiwflow.analysis.words import compression as archive_words  # noqa: E402 (the title does not wait for torch)
from eiwflow.analysis.words import likelihood as words  # noqa: E402
from eiwflow.compression import CompressionError  # noqa: E402
from eiwflow.data import DataError  # noqa: E402

above, answer = st.container(), st.container()
choice, mine = st.columns([4, 1], vertical_alignment="bottom")
result = own = None
with ui.errors_as_sentences():
    try:
        with mine:
            config = page.checkpoint.info.config
            own = own_pictures.own_pictures(config.shape, 2**config.levels, above)
        result, bits = cache.measure(page).likelihood, cache.measure(page).bits_per_dim
        if own is not None:
            result = cache.measure(page, pictures=own.images, label=own.name, made=own.made).likelihood_beside
    except DataError as error:
        st.error(plain(error))
if result is None:
    st.stop()

above.html(figures.thumbnails(result))
names = [scored.group.name for scored in (result.own, *result.groups)]
guess = choice.segmented_control("Your prediction", names, key="guess", bind="query-params")
with answer:
    ui.takeaway(words.takeaway(result) if guess else "Which of these groups will the flow find likeliest?")
if guess is not None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("What is likely?")
        ui.chart(ui.drawn(figures.histograms, result, bits), page, "histograms", alt=words.likelier(result))
    with right:
        st.subheader("Which score notices?")
        ui.chart(ui.drawn(figures.aurocs, result), page, "aurocs", alt=words.told_apart(result))

ui.how_to_read("likelihood")
if (more := ui.more_evidence()).open:
    with more:
        if guess is None:
            st.info("Make your prediction first.")
        else:
            st.markdown("\n".join(f"- {sentence}" for sentence in words.sentences(result)))
            ui.table(result.group_table())
            ui.table(result.level_table())
            ui.caveat(words.LEVELS_CAVEAT)
        ui.exports(
            page, tables={"groups": result.group_table(), "auroc": result.auroc_table(), "levels": result.level_table()}
        )
        ui.reproduce(
            page,
            f"analyse {page.argument} --what likelihood --data {page.images.name} --image {page.links['image']} "
            f"--seed {page.seed} {'' if own is None else f'--also {own.argument} '}--json",
        )

if (bits_fold := ui.fold("Bits you can hold", "archive")).open:
    with bits_fold:
        try:
            archive = cache.measure(page, photo=page.photo).compressed
        except CompressionError as error:
            st.info(plain(error))
        else:
            st.markdown(archive_words.takeaway(archive))
            st.caption(archive_words.account(archive))
            ui.offer(page, {"archive.eiw": lambda: archive.content})
            if page.photo is None:
                st.caption("Choose “Your own photo” to compress that instead.")
                if not page.images.remade:
                    st.caption(archive_words.scope(archive, page.images.name))
            ui.reproduce(page, f"compress {page.argument} {page.images.name} --out archive.eiw")

meaning = "A likelihood says how well a flow compresses an image, and not whether the image is real."
ui.closing(page, "Make your prediction to see the answer." if guess is None else meaning)
