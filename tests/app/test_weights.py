"""The page Weights: what weights inside couplings do for a picture, and the weights before a split of older flows."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from eiwflow.analysis import coupling_weights as couplings
from eiwflow.analysis import levels
from eiwflow.analysis.subjects import Look
from eiwflow.analysis.weights import channel_weights, of_trace
from eiwflow.analysis.words import coupling_weights as coupling_words
from eiwflow.analysis.words import weights as words
from eiwflow.flow import MultiScaleFlow
from eiwflow.ui.own.photos import PHOTOS
from eiwflow.ui.shell import coupling_choice
from eiwflow.ui.sources import cache, checkpoints, data_sets

from .conftest import (
    choose_image,
    figures_of,
    first_screen,
    picture_bytes,
    sentences,
    small_flow,
    url,
    visit_page,
    write_checkpoint,
)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Averages that other tests made are forgotten."""
    cache.clear()
    yield
    cache.clear()


def lively_flow(**changes: object) -> MultiScaleFlow:
    """Return a small flow whose weights differ from image to image."""
    flow = small_flow(**changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            if "shuffle" in name or "coupling" in name:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return flow


#: Opens the page by a link with these parameters.
open_weights = partial(visit_page, "pages/5_weights.py")


def charts(at: AppTest) -> int:
    return len(at.get("plotly_chart"))


def alts(at: AppTest) -> str:
    """Return what charts say to who does not see them."""
    return "\n".join(chart.proto.alt for chart in at.get("plotly_chart"))


@pytest.fixture
def inside(bundle: Path) -> Path:
    """Return the folder of checkpoints with a flow of weights inside the couplings of two levels, of two steps each."""
    write_checkpoint(bundle / "one.safetensors", lively_flow(weights="entropy", levels=3, steps=2), "faces16")
    return bundle


@pytest.mark.slow
def test_the_map_the_channels_and_the_cost_stand_before_the_first_fold(inside: Path) -> None:
    at = open_weights(data="letters32")
    assert not at.exception and not at.error and not at.info
    words_there, charts_there = first_screen(at)
    assert words_there <= 80 and charts_there == 2
    checkpoint = checkpoints.open_checkpoint(checkpoints.checkpoint_files()["one"])
    images = data_sets.images("letters32", (3, 32, 32), 8)
    frozen = couplings.freeze(checkpoint.flow, images.test)
    found = couplings.PictureWeights(
        couplings.measure(checkpoint.flow, images.test[13:14]), couplings.measure(checkpoint.flow, images.test[:12])
    )
    takeaway = coupling_words.takeaway(found, frozen)
    assert len(takeaway.split()) <= 20 and takeaway.removesuffix("bits/dim.") in sentences(at)
    assert coupling_words.cost(frozen) in sentences(at)
    squares = figures_of(at)["couplings"]["data"][0]
    assert squares["customdata"] == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert "fitted on 32 test images, R² of 16 others" in sentences(at)
    assert at.code[0].value == (
        "python -m eiwflow analyse one --what weights --data letters32 --image 13 --seed 0 --json"
    )


@pytest.mark.slow
def test_the_list_and_a_click_on_the_map_choose_a_coupling_and_the_link_names_it(inside: Path) -> None:
    at = open_weights()
    step = max((1, 2), key=lambda step: float(figures_of(at)["couplings"]["data"][0]["text"][step - 1]))
    assert (url(at)["level"], url(at)["flow-step"]) == ("1", str(step))
    at.selectbox(key="coupling").set_value(couplings.Place(2, 1)).run()
    assert (url(at)["level"], url(at)["flow-step"]) == ("2", "1") and "of level 2, step 1 minus" in alts(at)
    assert at.select_slider(key="level").value == 2
    again = open_weights(level="2", **{"flow-step": "2"})
    assert "of level 2, step 2 minus" in alts(again)
    again.session_state["level"] = again.session_state["_level"] = 1
    again.run()
    assert again.selectbox(key="coupling").value == couplings.Place(1, 2)
    last = open_weights(level="3")
    assert [info.value for info in last.info] == ["Level 3 has no weights: showing level 2."]


def test_a_click_takes_the_coupling_of_the_square(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, object] = {}
    clicked = {"couplings": {"selection": {"points": [{"customdata": [2, 1]}]}}, "none": {"selection": {"points": []}}}
    monkeypatch.setattr(coupling_choice.st, "session_state", clicked)
    monkeypatch.setattr(coupling_choice.state, "set_choice", taken.__setitem__)
    coupling_choice.take_clicked("none")
    assert taken == {}
    coupling_choice.take_clicked("couplings")
    assert taken == {"level": 2, "flow-step": 1}


@pytest.mark.slow
def test_the_slider_changes_the_picture_and_the_weights_answer(inside: Path) -> None:
    at = open_weights(seed="3")
    before = figures_of(at)["channels"]["data"]
    assert len(before) == 2
    slider = at.slider(key="amount-grain")
    assert (slider.min, slider.max, slider.step, slider.value) == (0, 30, 1, 0)  # grey levels
    slider.set_value(9.0).run()
    after = figures_of(at)["channels"]["data"]
    assert len(after) == 3 and after[2]["y"] == before[0]["y"] != after[0]["y"]
    checkpoint = checkpoints.open_checkpoint(checkpoints.checkpoint_files()["one"])
    images = data_sets.images("faces16", (3, 32, 32), 8)
    noisy = couplings.changed(images.test[13:14], "grain", 9.0, 3)
    (told,) = (element.proto.body for element in at.get("html") if "with grain 9" in element.proto.body)
    sent = re.findall(r"data:image/png;base64,([^\"]+)", told)[1]  # beside the picture without grain
    drawn = np.array(Image.open(io.BytesIO(base64.b64decode(sent))))
    assert np.array_equal(drawn, noisy[0].permute(1, 2, 0).numpy())
    place = at.selectbox(key="coupling").value
    found = couplings.PictureWeights(
        couplings.measure(checkpoint.flow, noisy, 3), couplings.measure(checkpoint.flow, images.test[:12])
    )
    expected = found.picture.of(place)[0] - found.images.of(place).mean(axis=0)
    assert after[0]["y"] == pytest.approx(expected, abs=1e-4)
    assert f"weights move by up to {found.largest:.2f} from their averages" in sentences(at)
    assert "with grain 9" in sentences(at) and "of the unchanged picture" in sentences(at)
    at.button_group(key="change").set_value("contrast").run()
    assert figures_of(at)["channels"]["data"] == before and "with grain" not in sentences(at)
    again = open_weights(seed="3", **{"change": "light", "amount-light": "0.5"})
    assert "with light 0.5" in sentences(again)


@pytest.mark.slow
def test_what_is_kept_depends_on_picture_seed_and_change_but_averages_on_none_of_them(inside: Path) -> None:
    open_weights()
    checkpoint = checkpoints.open_checkpoint(checkpoints.checkpoint_files()["one"])
    images = data_sets.images("faces16", (3, 32, 32), 8)
    base = Look(checkpoint, "faces16", images.reference, images.test, None, images.test[:1], 1, 0)
    others = {
        "image": replace(base, image=images.test[1:2]), "seed": replace(base, seed=1), "level": replace(base, level=2),
    }  # fmt: skip
    moves = {
        name: {field for field, other in others.items() if key(other, name) != key(base, name)}
        for name, key in (
            (name, lambda look, name: cache._key(look, images, name, {}))
            for name in ("coupling_weights", "channel_maps", "frozen", "factor_readings", "omegas_of_test_images")
        )
    }
    assert moves == {
        "coupling_weights": {"image", "seed"}, "channel_maps": {"image", "seed", "level"}, "frozen": set(),
        "factor_readings": set(), "omegas_of_test_images": set(),
    }  # fmt: skip
    grain = [cache._key(base, images, "coupling_weights", {"change": "grain", "amount": n}) for n in (1.0, 2.0)]
    assert grain[0] != grain[1]


def test_a_flow_without_weights_says_so_and_links_to_one_with(bundle: Path) -> None:
    write_checkpoint(bundle / "photos32-glow.safetensors", small_flow(split="last"))
    write_checkpoint(bundle / "faces16-entropy-weighted.safetensors", small_flow(weights="entropy"), "faces16")
    write_checkpoint(bundle / "photos32-entropy-weighted.safetensors", small_flow(weights="entropy"))
    at = open_weights(ck="photos32-glow")
    assert not at.exception and not at.error and not charts(at)
    assert "No coupling of this flow has weights" in at.info[0].value
    links = [link.proto for link in at.get("page_link") if "which has weights" in link.proto.label]
    assert len(links) == 1 and "ck=photos32-entropy-weighted" in links[0].query_string
    beside = open_weights(ck="photos32-glow", vs="photos32-entropy-weighted")
    assert (
        not beside.exception
        and charts(beside) == 2
        and "every picture goes through the same maps" in beside.info[0].value
    )


@pytest.mark.slow
def test_two_flows_with_weights_share_the_choice_and_the_axes(inside: Path) -> None:
    write_checkpoint(inside / "two.safetensors", lively_flow(weights="entropy", levels=2), "faces16")
    at = open_weights(ck="one", vs="two", level="2", **{"flow-step": "2", "amount-grain": "5"})
    assert not at.exception and not at.error
    found = figures_of(at)
    assert found["channels"]["layout"]["yaxis"]["range"] == found["channels-second"]["layout"]["yaxis"]["range"]
    assert "of level 2, step 2 minus" in alts(at) and "of level 1, step 1 minus" in alts(at)
    assert "one: For this picture" in sentences(at) and "two: For this picture" in sentences(at)


# ---------------------------------------------------------------------- weights before a split


@pytest.fixture
def weighted(bundle: Path) -> Path:
    """Return the folder of checkpoints with one of three levels that weighs."""
    write_checkpoint(bundle / "one.safetensors", lively_flow(levels=3, weights="pooled"))
    return bundle


def test_first_visit_answers_the_question(weighted: Path) -> None:
    at = open_weights()
    assert not at.exception and not at.error and not at.info
    assert "level 1 turns channel" in alts(at) and "of its average weight" in alts(at)
    assert charts(at) == 2
    assert at.title[0].value == "What do the weights do for a picture?"
    assert "a channel twice as loud " in sentences(at)


@pytest.mark.slow
def test_every_choice_moves_the_page(weighted: Path) -> None:
    at = open_weights()
    seen = {str(figures_of(at))}
    moves = {
        "image": lambda: choose_image(at, 40),
        "seed": lambda: at.number_input(key="seed").set_value(7),
        "data": lambda: at.selectbox(key="data").set_value("faces16"),
        "level": lambda: at.select_slider(key="level").set_value(2),
    }
    for key, move in moves.items():
        move().run()
        assert not at.exception and not at.error
        assert str(figures_of(at)) not in seen, f"{key} changed nothing"
        seen.add(str(figures_of(at)))
    assert "level 2 turns channel" in alts(at)


def test_the_page_shows_what_the_analysis_says_and_its_recipe_names_it(weighted: Path) -> None:
    at = open_weights(level="2", image="5", seed="3")
    assert not at.exception and not at.info
    checkpoint = checkpoints.open_checkpoint(checkpoints.checkpoint_files()["one"])
    images = data_sets.images("photos32", (3, 32, 32), 8)
    averages = of_trace(levels.trace_of(checkpoint.flow, images.test[:12]), 2)
    image = levels.trace_of(checkpoint.flow, images.test[5:6], 3)
    found = channel_weights(checkpoint.flow, image, averages, 2, images.sources)
    assert words.answer(found) in alts(at)
    assert at.code[0].value == (
        "python -m eiwflow analyse one --what weights --level 2 --data photos32 --image 5 --seed 3 --json"
    )


def test_ones_own_photo_has_weights_and_no_recipe(weighted: Path) -> None:
    at = open_weights(photo=PHOTOS.keep({"mine.png": picture_bytes()}))
    assert not at.exception and not at.info and "level 1 turns channel" in alts(at)
    assert not at.code and "The command line measures test images" in sentences(at)


# ---------------------------------------------------------------------- beside another checkpoint


def axes(figure: dict) -> tuple[object, object]:
    return figure["layout"]["xaxis"].get("range"), figure["layout"]["yaxis"].get("range")


@pytest.fixture
def pair(weighted: Path) -> Path:
    """Return the folder of checkpoints: ``one``, of three levels, and ``two`` have weights, ``plain`` has none."""
    write_checkpoint(weighted / "two.safetensors", lively_flow(steps=2, partition="alternating", weights="pooled"))
    write_checkpoint(weighted / "plain.safetensors", lively_flow(split="variance-reversed", levels=3))
    return weighted


def test_two_checkpoints_are_drawn_by_the_same_figures_on_the_same_axes(pair: Path) -> None:
    at = open_weights(ck="one", vs="two")
    assert not at.exception and not at.error and not at.info
    found = figures_of(at)
    both = ("weights", "slopes")
    assert found.keys() == {*both, *(f"{key}-second" for key in both)}
    for key in both:
        assert axes(found[key]) == axes(found[f"{key}-second"]) and None not in axes(found[key]), key
        assert found[key]["data"] != found[f"{key}-second"]["data"], key


def test_a_level_is_clamped_for_each_column_alone(pair: Path) -> None:
    at = open_weights(ck="one", vs="two", level="2")
    assert not at.exception and not at.error
    assert [info.value for info in at.info] == ["Level 2 is the last and has no Shuffle: showing level 1."]
    assert "level 2 turns channel" in alts(at) and "level 1 turns channel" in alts(at)
