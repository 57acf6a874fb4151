"""What each level's latent holds, seen by resampling it."""

import streamlit as st

from eiwflow import ui
from eiwflow.figures import latents as figures
from eiwflow.ui.access import navigation
from eiwflow.ui.common.untrusted import plain
from eiwflow.ui.shell.rows import readable, rows
from eiwflow.ui.shell.widgets import compared, places, predicted
from eiwflow.ui.sources import cache

page = ui.begin("What does each level’s latent hold?", "Latents", compare=True)

from eiwflow.analysis import latents  # noqa: E402 (the title does not wait for torch)
from eiwflow.analysis.words import latents as words  # noqa: E402

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
        way = tuple(
            st.segmented_control(
                name, latents.TREATMENTS, default="resample" if level == 1 else "keep", required=True,
                key=view.key(f"z{level}"), bind="query-params",
            )
            for level, name in enumerate(names_of_levels(view), start=1)
        )  # fmt: skip
    result = cache.measure(view, "mixed", way=way)
    with picture:
        st.html(figures.large(result))
    sentences[view] = words.mixed(result)


def predict(view: ui.Page) -> None:
    """Ask which level holds the picture; show each resampled alone where that was predicted."""
    if view not in mixed:
        return  # the mix said why there is nothing
    resampled = cache.measure(view, "one_level", treatment="resample")
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

with ui.fold("Half, three quarters, everything resampled", "halvings") as fold:
    halved: dict[ui.Page, latents.Treated] = {}
    if fold.open:
        halved = ui.each(page, lambda view: cache.measure(view, "halved"))
        for view, place in ui.side_by_side(page):
            if view in halved:
                with place:
                    st.html(figures.halving(halved[view]))
                    st.markdown(words.halved(halved[view]))

with ui.fold("Zero instead of a sample", "zeroed") as fold:
    if fold.open:
        ui.each(page, lambda view: st.html(figures.treatments(cache.measure(view, "one_level", treatment="zero"))))
        ui.caveat("0 is the likeliest single ε, but no typical one: a sample of d values has a norm near √d.")

ui.how_to_read("latents")


def evidence() -> None:
    """Show test images instead of one, the norms of the latents, and all files."""
    beside = rows(page)
    # Images of another size are other images: nothing is paired with them.
    like = {name: view for name, view in beside.items() if view.image.shape == page.image.shape}
    surveys = {}
    for name, view in like.items():
        with ui.errors_as_sentences():
            surveys[name] = cache.measure(view, "latents_survey")
    if page.other is not None and len(like) < len(beside):
        st.caption(f"{plain(page.other.file.label)} takes images of another size: nothing is paired with it.")
    tables = {}
    if surveys:
        sources = page.images.sources
        comparison = latents.compare(surveys, None if sources is None else sources[: latents.SURVEY_IMAGES])
        left, right = st.columns(2, gap="large")
        with left:
            st.subheader("Over test images")
            ui.chart(ui.drawn(figures.psnr_dots, comparison), page, "psnr", alt=words.comparison(comparison))
        if len(surveys) > 1:
            with right:
                st.subheader("Paired differences")
                differences = words.differences(comparison)
                ui.chart(ui.drawn(figures.difference_dots, comparison), page, "differences", alt=differences)
        both = words.pair(comparison) if compared(page) and len(surveys) == 2 else ""
        st.markdown(plain(f"{words.comparison(comparison)} {both}"))
        ui.caveat("PSNR is not likelihood, and a row is one training, not its split. Compare has the verdict.")
        for entry in navigation.pages():
            if entry.label == "Compare":
                st.page_link(entry.path, label="The verdict is on Compare", query_params=page.links)
        ui.table(readable(comparison.table()))
        tables["test images"] = comparison.table()
        ui.exports(page, tables=tables, pictures={})
    st.subheader("Is ε where N(0, I) is?")
    norms = ui.each(page, lambda view: cache.measure(view, "norms"))
    sets = list(norms.values())
    for view, place in ui.side_by_side(page):
        if view in norms:
            with place:
                ui.chart(ui.drawn(figures.norm_dots, norms[view], sets), view, "norms", alt=words.norms(norms[view]))
                st.caption(words.norms(norms[view]))
                files(view, norms[view], {view.file.argument: view} if compared(page) else like)


def files(view: ui.Page, norms: latents.Norms, flows: dict[str, ui.Page]) -> None:
    """Offer what the page shows of a flow, and of those in rows beside it."""
    treated = {}
    for name, other in flows.items():
        with ui.errors_as_sentences():
            treated[name] = cache.measure(other, "halved")
    levels = [row for how in ("resample", "zero") for row in cache.measure(view, "one_level", treatment=how).table()]
    ui.exports(
        view,
        tables={"image": latents.halvings_table(treated), "levels": levels, "norms": norms.table()},
        pictures={"rows": lambda: figures.halvings_png(treated)},
    )
    ui.offer(view, {"latents.npz": lambda: latents.of_image(view.checkpoint, [view.image], view.seed)})


if (more := ui.more_evidence()).open:
    with more:
        evidence()
    command = f"--what latents --data {page.images.name} --image {page.links['image']} --seed {page.seed} --json"
    others = [row.argument for row in rows(page).values() if row is not page and row.image.shape == page.image.shape]
    beside = f" --vs {' '.join(others)}" if others else ""
    columns = [page] if page.other is None else [page, page.other]
    ui.reproduce(page, *(f"analyse {view.argument} {command}{beside if view is page else ''}" for view in columns))

ui.closing(page, "Half of the values are factored out after one level. Was it the right half? Entropy asks that.")
