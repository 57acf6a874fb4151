"""Likelihood: strange images beside the flow's own, by four scores."""

import numpy as np
import streamlit as st

from eiwflow.analysis import subjects
from eiwflow.analysis.words import compression as archive_words
from eiwflow.analysis.words import likelihood as words
from eiwflow.compression import CompressionError
from eiwflow.data import DataError, to_tensor
from eiwflow.figures import likelihood as figures
from eiwflow.ui import shell as ui
from eiwflow.ui.common.untrusted import plain
from eiwflow.ui.components.thumbnails import thumbnails
from eiwflow.ui.own import pictures as own_pictures

page = ui.begin("Is a likely picture a real one?", "Likelihood", image=False)

above = st.container()
own = None
with ui.errors_as_sentences():
    try:
        with ui.controls():
            config = page.checkpoint.info.config
            own = own_pictures.own_pictures(config.shape, 2**config.levels, above)
        groups = subjects.strange_images(ui.look(page))
    except DataError as error:
        st.error(plain(error))
        st.stop()
if own is not None:
    groups = [*groups, own.group]
names = [group.name for group in groups]
guess = st.query_params.get("guess")
chosen = names.index(guess) if guess in names else -1
with above:
    pictures = to_tensor(np.stack([figures.thumbnail(group) for group in groups]))
    thumbnails(
        pictures, chosen, lambda number: st.query_params.update(guess=names[number]), "groups", "Group", names=names
    )
if chosen < 0:
    ui.takeaway("Which of these groups will the flow find likeliest? Choose one.")
place, result = st.container(), None
with ui.errors_as_sentences():  # also before the prediction, while the visitor makes it
    result = subjects.likelihood(ui.look(page))
    if own is not None:
        result = subjects.likelihood_beside(ui.look(page), group=own.group)
if result is None:
    st.stop()
if chosen >= 0:
    ui.takeaway(words.takeaway(result, names[chosen]))
    above.markdown(words.MEANING)
with ui.errors_as_sentences():  # after the answer, which does not need it
    bits = subjects.bits_per_dim(ui.look(page))
    if chosen >= 0:
        with place:
            ui.chart(ui.drawn(figures.histograms, result, bits), page, "histograms", alt=words.likelier(result))
            ui.image_strip(page)
        if (scores := ui.fold("Which score notices?", "scores")).open:
            with scores:
                ui.chart(ui.drawn(figures.aurocs, result), page, "aurocs", alt=words.told_apart(result))

if (more := ui.more_evidence()).open:
    with more:
        if chosen < 0:
            st.info("Make your prediction first.")
        else:
            st.markdown("\n".join(f"- {sentence}" for sentence in words.sentences(result)))
            for rows, heads in ((result.group_table(), words.GROUPS), (result.level_table(), words.LEVELS)):
                ui.table([{head: row[key] for key, head in heads.items()} for row in rows])
            ui.caveat(words.LEVELS_CAVEAT)
        ui.exports(
            page, tables={"groups": result.group_table(), "auroc": result.auroc_table(), "levels": result.level_table()}
        )
        also = () if own is None else (own.argument,)
        ui.reproduce(
            page,
            ui.call(page, "analyse", what="likelihood", image=page.number, seed=page.seed, also=also),
        )

if (bits_fold := ui.fold("Bits you can hold", "archive")).open:
    with bits_fold:
        try:
            archive = subjects.compressed(ui.look(page), photo=page.photo)
        except CompressionError as error:
            st.info(plain(error))
        else:
            st.markdown(archive_words.takeaway(archive))
            st.caption(archive_words.account(archive))
            ui.offer(page, {"archive.eiw": lambda: archive.content})
            if page.photo is None:
                st.caption("Choose “Your own pictures” to compress one instead.")
                if not page.images.remade:
                    st.caption(archive_words.scope(archive, page.images.name))
            ui.reproduce(page, ui.call(page, "compress", out="archive.eiw"))

ui.closing(page, "Next: what is in this flow, and whether it runs backwards exactly.")
