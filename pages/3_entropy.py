"""Where entropy goes: what stays and what leaves at every level, and the account that closes from x to ε."""

import streamlit as st

from eiwflow import ui
from eiwflow.data import DataError
from eiwflow.figures import entropy as figures
from eiwflow.ui import entropy_loaders as loaders
from eiwflow.ui import scrubber, texts

page = ui.begin("Where does the entropy go?", "Entropy", level=True, compare=True)
level = ui.shuffle_level(page) or 1

with ui.errors_as_sentences():
    try:
        result = loaders.entropies(page)
    except DataError as error:
        st.error(f"{error} Choose another data set.")
        st.stop()

    ui.takeaway(result.in_words(level))
    st.markdown(
        "A split sends half of the channels out for good, under a prior that expects noise. What leaves should "
        "therefore *be* near noise, and what still has structure should stay for more flow. Two gaps to noise know no "
        "scale: **J** asks whether neighbours tell of each other, **negentropy** whether the values are Gaussian."
    )
    left, right = st.columns([1.3, 1], gap="large")
    with left:
        st.subheader("Structure: redundancy J")
        ui.chart(figures.by_level(result, "redundancy"), page, "redundancy", alt=result.describe("redundancy"))
        ui.caveat(
            "an order moves channels from one half to the other and changes none of them: the same small marks stand "
            "in both columns, and what one half gains the other loses."
            if result.rule == "entropy"
            else "the order “by J” is asked of channels that were trained for another one. A flow learns to bring "
            "structure into the half that it keeps, so this does not say what a flow trained by J would do."
        )
    with right:
        st.subheader("Shape: negentropy")
        ui.chart(figures.by_level(result, "negentropy"), page, "negentropy", alt=result.describe("negentropy"))
        st.caption(result.shape_in_words(level))

    st.subheader("Raw entropy, which rises by mere scaling")
    left, right = st.columns(2, gap="large")
    with left:
        ui.chart(figures.by_level(result, "marginal"), page, "marginal", alt=result.describe("marginal"))
        st.caption(result.raw_in_words())
    with right:
        ui.chart(figures.by_level(result, "rate"), page, "rate", alt=result.describe("rate"))
        st.caption(
            "The entropy rate Ĥ is what a channel holds a pixel once its neighbours are known. Multiplying a channel "
            "by ω adds log ω to h and to Ĥ, and nothing to J."
        )

    st.subheader("How it came about in training")
    growth = loaders.growth(page)
    if growth is None:
        st.info("This checkpoint has no training record, so nothing is known of its way here.")
    else:
        samples = loaders.samples(page)
        st.markdown(growth.in_words(level))
        left, right = st.columns([2.3, 1], gap="medium")
        with left:
            ui.chart(figures.growth(growth, level), page, "scrub-redundancy", alt=growth.in_words(level))
            scrubber.scrubber(growth.steps, samples=samples)
        with right:
            if samples:
                scrubber.sample_view("16 samples at this step; ε is the same at every step.")
        left, right = st.columns(2, gap="large")
        with left:
            ui.chart(figures.growth(growth, level, "marginal"), page, "scrub-marginal", alt="h over training")
        with right:
            ui.chart(figures.growth(growth, level, "rate"), page, "scrub-rate", alt="Ĥ over training")

    st.subheader("The account from x to ε")
    account = loaders.account(page)
    left, right = st.columns([1.6, 1], gap="large")
    with left:
        ui.chart(figures.account(account), page, "account", alt=account.in_words())
    with right:
        st.markdown(account.in_words())
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

text, words = st.columns([6, 1])
words.popover("Words", width="stretch").markdown(texts.WORDS)
with text.expander("How to read this"):
    st.markdown(
        """
**Entropy, for who knows a Gaussian.** The entropy h of a number says how spread out its values are, in nats:
½ log 2πe = 1.4189 for N(0, 1), and log σ more for N(0, σ²). Stretching raises it, h(aX) = h(X) + log a, although
nothing was learnt about X. So on this page raw entropies stand beside their reference, and conclusions are drawn from
two gaps that stretching cannot change.

**Negentropy.** Of all distributions of one variance the Gaussian has the largest entropy. What a channel's values lack
to it is their negentropy; it looks at the values of all images and places and forgets where they stood. It rises where
images differ in loudness: then the values are a mixture of narrow and wide, which no single Gaussian fits.

**Redundancy J.** Of all fields of one power, Gaussian white noise has the largest entropy a pixel: its *entropy rate* Ĥ
equals its h. Where neighbours tell of each other, the spectrum is uneven, Ĥ is smaller, and J is what is missing. J
looks at places, negentropy at values. *J decides the order*: the half of the channels with the least J leaves.

**The charts.** Large marks are means over the channels of a half, with a 95 % interval; small open ones are single
channels. *No order* halves the channels by their numbers, the first half stays; *in order* is the order in force; *with
ω* is the same, weighed; ε is what leaves, standardised by its prior. For a flow without a Shuffle, *as it splits* is
what it does and *by J* what the entropy order would do with the same channels. The last level keeps nothing.

**What the Shuffle can and cannot do.** A permutation changes neither the entropy of all channels together nor the sum
of the single ones; it decides who leaves. That matters because the two halves are treated differently: one is scored
under a Gaussian at once, the other goes through further levels, which can still use its structure. A weight ω(x) turns
up what is quiet in an image. Raw entropy rises by log ω for that; J does not move; negentropy can fall, because images
of different loudness become alike.

**“The entropy increases.”** Taken as raw entropy, this is true of any flow from pixels to N(0, I), with or without a
Shuffle: the account shows it as a sum of log-determinants. What can be meant beyond that is that J and negentropy of
what leaves are near 0.

**The intervals** come from drawing anew the images, or the whole photographs that they were cut from where these are
known, a hundred times; ± is 1.96 standard deviations of the results. Values of one image, and crops of one photograph,
are not independent witnesses. Everything is measured on test images; the one in the side bar plays no part.

**The account.** Means over the same images. The parts are added up one by one in float64 and compared, image by image,
with log p(x), which the flow computes by another route (its steps run fused).
"""
    )
    st.latex(r"h = -\!\int\! p \log p, \qquad \mathrm{negentropy} = \tfrac12 \log 2\pi e\, \sigma^2 - h \ge 0")
    st.latex(
        r"\hat H = \tfrac12 \log 2\pi e + \tfrac12 \operatorname*{mean}_{k \neq 0} \big[\log P(k) + \gamma + "
        r"\log 2 \cdot 1(k \equiv -k)\big]"
    )
    st.latex(
        r"J = \tfrac12 \log 2\pi e\, \sigma^2 - \hat H \ge 0, \qquad -\log p(x) + \sum \log|\det| = "
        r"-\sum_l \log \mathcal N(\varepsilon_l; 0, I)"
    )

with ui.errors_as_sentences(), st.expander("More evidence"):
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Are the estimators right?")
        tests = loaders.self_tests(page)
        st.markdown(
            f"The same estimators, on fresh N(0, I) of the same sizes: {result.images} images a level, drawn from seed "
            f"{page.seed}."
        )
        ui.table(loaders.self_test_table(tests))
        st.caption(tests[level - 1].in_words())
    with right:
        st.subheader("What the edges hide")
        st.markdown(
            "A map's opposite edges do not meet, and the periodogram takes the jump for power at all frequencies "
            "(*leakage*): J comes out too small, the more so the longer the correlations and the smaller the map. "
            "Differences in J between the halves are therefore rather too small than too large, and J of different "
            "levels, whose maps differ in size, should not be compared."
        )
        st.markdown(loaders.leakage(page))
    st.subheader("All halves, at every stage")
    st.caption("Nats a value (h, negentropy) or a pixel (J, Ĥ), each with its 95 % interval.")
    ui.table(result.cells())
    ui.exports(
        page,
        tables={
            "entropies": result.table(),
            "channels": result.channel_table(),
            "account": account.table(),
            "self-test": [test.row() for test in tests],
        }
        | ({} if growth is None else {"growth": growth.table()}),
        pictures={},
    )
    ui.recipe(
        f"analyse {page.argument} --what entropy --level {level} --data {page.images.name} --seed {page.seed} --json"
    )

ui.closing(
    page,
    "What is nearest to white noise leaves, what has structure stays: the order decides that, and makes no entropy. "
    "What it moves, and when that was decided, is the next question.",
)
