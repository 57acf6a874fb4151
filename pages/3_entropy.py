"""Where entropy goes: what stays and what leaves at every level, and the account that closes from x to ε."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from eiwflow import ui
from eiwflow.analysis.pair import ONE_TRAINING, EntropyPair
from eiwflow.data import DataError
from eiwflow.figures import entropy as figures
from eiwflow.figures import steps
from eiwflow.ui import entropy_loaders as loaders
from eiwflow.ui.columns import again, draw_each, places
from eiwflow.ui.components import scrubber
from eiwflow.ui.foreign import plain
from eiwflow.ui.parts import LESSON_LETTERS

if TYPE_CHECKING:
    from eiwflow.analysis.entropy import Account, Entropies, Growth

page = ui.begin("Where does the entropy go?", "Entropy", level=True, compare=True, image=False)

ORDERED = (
    "an order moves channels from one half to the other and changes none of them: the same small marks stand in both "
    "columns, and what one half gains the other loses."
)
UNORDERED = (
    "the order “by J” is asked of channels that were trained for another one. A flow learns to bring structure into "
    "the half that it keeps, so this does not say what a flow trained by J would do."
)

#: In front of a hall letters are larger, and what is written on a figure needs as much more room.
LETTERS = LESSON_LETTERS / 12 if page.lesson else 1.0

above, found, levels = st.container(), {}, {}
main = ui.side_by_side(page)
for one, place in main:
    with place, ui.errors_as_sentences():
        levels[one] = ui.shuffle_level(one) or 1
        try:
            found[one] = loaders.entropies(one)
        except DataError as error:
            st.error(f"{plain(error)} Choose another data set.")
if not found:
    st.stop()
spans = {measured: figures.span(found.values(), measured) for measured in figures.AXES}


def by_level(one: ui.Page, measured: str) -> None:
    """Draw a measure at every level, on the axis that both columns share."""
    chart = ui.drawn(figures.by_level, found[one], measured, spans[measured], LETTERS)
    ui.chart(chart, one, measured, alt=found[one].describe(measured))


def gaps(one: ui.Page, result: Entropies) -> None:
    """Draw the main view: the two gaps to noise that know no scale; words below, so that charts stand at one height."""
    left, right = places(one, [1 if page.lesson else 1.3, 1])
    with left:
        st.subheader("Structure: redundancy J")
        by_level(one, "redundancy")
    with right:
        st.subheader("Shape: negentropy")
        by_level(one, "negentropy")
    if page.other is not None:
        st.markdown(result.in_words(levels[one]))
        left = right = st.container()
    with left:
        ui.caveat(ORDERED if result.rule == "entropy" else UNORDERED)
    right.caption(result.shape_in_words(levels[one]))


def raw(one: ui.Page, result: Entropies) -> None:
    """Draw what rises by mere scaling; large letters need the whole width."""
    left, right = (st.container(), st.container()) if page.lesson else places(one, [1, 1])
    with left:
        by_level(one, "marginal")
    with right:
        by_level(one, "rate")
    if page.other is not None:
        left = right = st.container()
    left.caption(result.raw_in_words())
    if not one.second:
        right.caption(
            "The entropy rate Ĥ is what a channel holds a pixel once its neighbours are known. Multiplying a channel "
            "by ω adds log ω to h and to Ĥ, and nothing to J."
        )


def training(one: ui.Page, growth: Growth) -> None:
    """Draw how J came about, the slider that moves it where it stands alone, and h and Ĥ with it."""
    left, right = places(one, [2.3, 1])
    with left:
        over_training(one, growth, "redundancy")
        if page.other is None:
            scrubber.scrubber(shared, under=one.key("scrub-redundancy"))
        if samples := loaders.samples(one):
            scrubber.film(shared, samples, under=one.key("scrub-redundancy"))
    with right:
        view, words = st.columns([1, 1.3]) if page.other is not None else (st.container(), None)
        if samples:
            with view:
                caption = "16 samples at this step; ε is the same at every step."
                scrubber.sample_view(caption, of=one.key("scrub-redundancy"))
        if words is not None:
            words.markdown(growth.in_words(levels[one]))
    left, right = places(one, [1, 1])
    with left:
        over_training(one, growth, "marginal")
    with right:
        over_training(one, growth, "rate")


def over_training(one: ui.Page, growth: Growth, measured: str) -> None:
    """Draw a measure of the page's level over training, on axes that both columns share."""
    limits = figures.growth_span([each.level(levels[other]) for other, each in grown.items()], measured)
    chart = ui.drawn(figures.growth, growth.level(levels[one]), growth.steps, measured, limits, shared, LETTERS)
    ui.chart(chart, one, f"scrub-{measured}", alt=f"{figures.AXES[measured].symbol}. {growth.in_words(levels[one])}")


with above:
    if len(found) == 2:
        (first, of_first), (second, of_second) = found.items()
        names = first.file.label, second.file.label
        ui.takeaway(EntropyPair(names, (of_first, of_second), (levels[first], levels[second])).in_words())
        ui.caveat(ONE_TRAINING)
    else:
        ui.takeaway("".join(result.in_words(levels[one]) for one, result in found.items()))
    st.markdown(
        "A split sends half of the channels out for good, under a prior that expects noise. What leaves should "
        "therefore *be* near noise, and what still has structure should stay for more flow. Two gaps to noise know no "
        "scale: **J** asks whether neighbours tell of each other, **negentropy** whether the values are Gaussian."
    )
draw_each(main, found, gaps)

st.subheader("Raw entropy, which rises by mere scaling")
draw_each(again(page), found, raw)

st.subheader("How it came about in training")
grown = {one: growth for one in found if (growth := loaders.growth(one)) is not None}
if grown:
    shared = steps.together(growth.steps for growth in grown.values())
    if page.other is None:
        st.markdown(grown[page].in_words(levels[page]))
with st.container():
    if grown and page.other is not None:
        scrubber.say_where_steps_differ(shared, [growth.steps for growth in grown.values()])
        with scrubber.stays_in_view():
            scrubber.scrubber(shared)
    for one, place in again(page):
        if one in found:
            with place, ui.errors_as_sentences():
                if one in grown:
                    training(one, grown[one])
                else:
                    st.info("This checkpoint has no training record, so nothing is known of its way here.")

st.subheader("The account from x to ε")
accounts = {}
for one, place in (closing := again(page)):
    if one in found:
        with place, ui.errors_as_sentences():
            accounts[one] = loaders.account(one)


def account(one: ui.Page, result: Account) -> None:
    """Draw the account."""
    left, right = places(one, [1.6, 1])
    with left:
        span = figures.account_span(accounts.values())
        ui.chart(ui.drawn(figures.account, result, span, LETTERS), one, "account", alt=result.in_words())
    with right:
        st.markdown(result.in_words())
        if page.other is None:
            account_means()


def account_means() -> None:
    """Say what the account means."""
    st.markdown(
        "An image in [−½, ½] has a negative entropy a dimension: it is packed more tightly than a cube of side 1. "
        "The flow stretches it until it is as wide as N(0, I), and h(f(x)) = h(x) + E log|det|. So an entropy that "
        "increases from level to level is first of all a change of units: read backwards, the same sum gives all "
        "of it back. A permutation adds exactly 0."
    )
    ui.caveat(
        "only the sum means something. A scale on the half that stays, undone by the next level's ActNorm, moves "
        "any amount from one bar to another: no level has a share of the bits."
    )


for one, place in closing:
    if one in accounts:
        with place:
            account(one, accounts[one])
if page.other is not None:
    account_means()

ui.how_to_read("entropy")


def evidence(one: ui.Page, result: Entropies) -> None:
    """Show what the views above stand on."""
    left, right = places(one, [1, 1])
    with left:
        st.subheader("Are the estimators right?")
        tests = loaders.self_tests(one)
        st.markdown(
            f"The same estimators, on fresh N(0, I) of the same sizes: {result.images} images a level, drawn from seed "
            f"{one.seed}."
        )
        ui.table(loaders.self_test_table(tests))
        st.caption(tests[levels[one] - 1].in_words())
    if not one.second:
        with right:
            st.subheader("What the edges hide")
            st.markdown(
                "A map's opposite edges do not meet, and the periodogram takes the jump for power at all frequencies "
                "(*leakage*): J comes out too small, the more so the longer the correlations and the smaller the map. "
                "Differences in J between the halves are therefore rather too small than too large, and J of different "
                "levels, whose maps differ in size, should not be compared."
            )
            st.markdown(loaders.leakage(one))
    st.subheader("All halves, at every stage")
    st.caption("Nats a value (h, negentropy) or a pixel (J, Ĥ), each with its 95 % interval.")
    ui.table(result.cells())
    tables = {"entropies": result.table(), "channels": result.channel_table()}
    tables["self-test"] = [test.row() for test in tests]
    if one in accounts:
        tables["account"] = accounts[one].table()
    if one in grown:
        tables["growth"] = grown[one].table()
    ui.exports(one, tables=tables, pictures={})
    if one in grown and (samples := loaders.samples(one)):
        ui.offer(one, {"samples.gif": lambda: steps.film_gif(samples)})


if (more := ui.more_evidence()).open:
    with more:
        draw_each(again(page), found, evidence)
        ui.recipe(
            page,
            *(
                f"analyse {one.argument} --what entropy --data {page.images.name} --seed {page.seed} --json"
                for one in found
            ),
            photo=False,  # it is over test images
        )

ui.closing(
    page,
    "What is nearest to white noise leaves, what has structure stays: the order decides that, and makes no entropy. "
    "What it moves, and when that was decided, is the next question.",
)
