"""The Weights page: every policy has its answer, every choice moves it, what costs seconds waits to be asked."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from eiwflow import cli, ui
from eiwflow.analysis.weights import channel_weights
from eiwflow.analysis.words import weights as words
from eiwflow.flow import MultiScaleFlow
from eiwflow.ui.own.photos import PHOTOS
from eiwflow.ui.sources import cache, checkpoints, data_sets
from tests.words import SPLITS

from .conftest import choose_image, figures_of, picture_bytes, sentences, small_flow, url, visit_page, write_checkpoint


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Averages over a few images: a test does not wait for more. Averages that other tests made are forgotten."""
    cache.clear()
    monkeypatch.setattr("eiwflow.analysis.weights.IMAGES", 12)
    monkeypatch.setattr("eiwflow.analysis.channels.ABLATION_IMAGES", 6)
    monkeypatch.setattr("eiwflow.analysis.channels.RESAMPLED_IMAGES", 3)
    yield
    cache.clear()


def lively_flow(**changes: object) -> MultiScaleFlow:
    """Return a small flow whose weights differ from image to image."""
    flow = small_flow(**changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            if "shuffle" in name:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return flow


#: Opens the page by a link with these parameters.
open_weights = partial(visit_page, "pages/5_weights.py")


def charts(at: AppTest) -> int:
    return len(at.get("plotly_chart"))


@pytest.fixture
def weighted(bundle: Path) -> Path:
    """Return the folder of checkpoints with one of three levels that weighs."""
    write_checkpoint(bundle / "one.safetensors", lively_flow(levels=3))
    return bundle


def test_first_visit_answers_the_question(weighted: Path) -> None:
    at = open_weights()
    assert not at.exception and not at.error and not at.info
    assert "level 1 turns channel" in sentences(at) and "of its average weight" in sentences(at)
    assert charts(at) == 7
    assert at.title[0].value == "Does a picture turn its loud channels down?"
    assert "a channel twice as loud " in sentences(at)


def test_every_choice_moves_the_page(weighted: Path) -> None:
    at = open_weights()
    seen = {sentences(at)}
    moves = {
        "image": lambda: choose_image(at, 40),
        "seed": lambda: at.number_input(key="seed").set_value(7),
        "data": lambda: at.selectbox(key="data").set_value("faces16"),
        "level": lambda: at.select_slider(key="level").set_value(2),
    }
    for key, move in moves.items():
        move().run()
        assert not at.exception and not at.error
        assert sentences(at) not in seen, f"{key} changed nothing"
        seen.add(sentences(at))
    assert "level 2 turns channel" in sentences(at)


def test_a_link_opens_the_level_it_names(weighted: Path) -> None:
    at = open_weights(level="2", image="5")
    assert not at.exception and not at.info and "level 2 turns channel" in sentences(at)


def test_the_last_level_has_no_shuffle_and_the_page_says_which_it_shows(weighted: Path) -> None:
    at = open_weights(level="3")
    assert [info.value for info in at.info] == ["Level 3 is the last and has no Shuffle: showing level 2."]
    assert "level 2 turns channel" in sentences(at) and url(at)["level"] == "3"


def test_a_flow_of_one_level_has_nothing_to_weigh(bundle: Path) -> None:
    write_checkpoint(bundle / "one.safetensors", small_flow(levels=1))
    at = open_weights()
    assert not at.exception and not at.error and "splits nothing" in at.info[0].value and not charts(at)


@pytest.mark.parametrize("split", SPLITS)
def test_every_policy_says_whether_its_weights_are_applied(bundle: Path, split: str) -> None:
    write_checkpoint(bundle / "one.safetensors", lively_flow(split=split))
    at = open_weights()
    assert not at.exception and not at.error
    text = sentences(at)
    assert ("has no channel weights" in text) == (split != "entropy+pooled")
    assert charts(at) == (3 if "has no channel weights" in text else 7)
    assert ("entropy order would" in text) == ("has no channel weights" in text)


def test_what_costs_seconds_is_measured_where_its_fold_is_open(weighted: Path) -> None:
    at = open_weights()
    assert charts(at) == 7
    assert "Held at their means" in sentences(at) and "Resampled, factored-out channel" in sentences(at)
    at.session_state["fold-ablation"] = at.session_state["fold-reach"] = False
    at.run()
    assert not at.exception and charts(at) == 5 and "Held at their means" not in sentences(at)


def test_a_factored_out_channel_can_be_resampled_zeroed_and_frozen_and_another_cannot(weighted: Path) -> None:
    at = open_weights()
    order = checkpoints.open_checkpoint(checkpoints.checkpoint_files()["one"]).flow.levels[0].shuffle.order.tolist()
    channel = at.button_group(key="channel").value
    assert channel in order[6:] and "(8 draws)" in sentences(at)
    at.button_group(key="epsilon").set_value("set to zero").run()
    assert f"With the ε of channel {channel} set to zero the image" in sentences(at)
    at.toggle(key="frozen").set_value(True).run()
    assert "the weights frozen at the original image" in sentences(at)
    at.button_group(key="channel").set_value(order[0]).run()
    assert not at.exception and "has no ε of its own here" in sentences(at) and "(8 draws)" not in sentences(at)


def test_a_wide_level_offers_its_channels_in_a_list(bundle: Path) -> None:
    write_checkpoint(bundle / "one.safetensors", lively_flow(levels=4))
    at = open_weights(level="3")
    assert not at.exception and len(at.selectbox(key="channel").options) == 48


def test_a_flow_that_gives_no_finite_number_is_a_sentence(bundle: Path) -> None:
    flow = small_flow()
    with torch.no_grad():
        flow.levels[0].steps[0].actnorm.log_scale.fill_(300.0)
    write_checkpoint(bundle / "wild.safetensors", flow)
    at = open_weights()
    assert not at.exception and "not finite" in at.error[0].value


def test_the_page_shows_what_the_analysis_says_and_its_recipe_names_it(weighted: Path) -> None:
    at = open_weights(level="2", image="5", seed="3")
    checkpoint = checkpoints.open_checkpoint(checkpoints.checkpoint_files()["one"])
    images = data_sets.images("photos32", (3, 32, 32), 8)
    found = channel_weights(checkpoint.flow, images.test[5:6], images.test[:12], 2, 3, images.sources[:12])
    assert words.answer(found) in sentences(at).replace("&#x27;", "'")
    assert at.code[0].value == (
        "python -m eiwflow analyse one --what weights --level 2 --data photos32 --image 5 --seed 3 --json"
    )


def test_ones_own_photo_has_weights_and_no_recipe(weighted: Path) -> None:
    at = open_weights(photo=PHOTOS.keep({"mine.png": picture_bytes()}))
    assert not at.exception and not at.info and "level 1 turns channel" in sentences(at)
    assert not at.code and "The command line looks at test images" in sentences(at)


# ---------------------------------------------------------------------- beside another checkpoint


def axes(figure: dict) -> tuple[object, object]:
    return figure["layout"]["xaxis"].get("range"), figure["layout"]["yaxis"].get("range")


@pytest.fixture
def pair(weighted: Path) -> Path:
    """Return the folder of checkpoints: ``one``, of three levels, and ``two`` have weights, ``plain`` has none."""
    write_checkpoint(weighted / "two.safetensors", lively_flow(steps=2, partition="alternating"))
    write_checkpoint(weighted / "plain.safetensors", lively_flow(split="variance-reversed", levels=3))
    return weighted


def test_two_checkpoints_are_drawn_by_the_same_figures_on_the_same_axes(pair: Path) -> None:
    at = open_weights(ck="one", vs="two")
    assert not at.exception and not at.error and not at.info
    found = figures_of(at)
    both = ("weights", "slopes", "redundancy", "entropy-rates", "one-channel", "ablation", "resampling")
    assert found.keys() == {*both, *(f"{key}-second" for key in both)}
    for key in both:
        if key not in ("one-channel", "ablation", "resampling"):  # of channels that are each flow's own
            assert axes(found[key]) == axes(found[f"{key}-second"]) and None not in axes(found[key]), key
        assert found[key]["data"] != found[f"{key}-second"]["data"], key


def test_each_flow_answers_and_what_differs_is_no_verdict(pair: Path) -> None:
    at = open_weights(ck="one", vs="two")
    said = sentences(at)
    assert "In one, " in said and " In two, " in said
    assert "From image to image log ω of a channel varies in one by ±" in said
    assert "and in two by ±" in said and "paired difference" in said
    assert "One training each: no verdict" in said
    assert [line.split()[4] for line in at.code[0].value.splitlines()] == ["one", "two"]


def test_a_flow_without_weights_beside_one_that_has_some_is_compared_in_what_both_have(pair: Path) -> None:
    at = open_weights(ck="plain", vs="one")
    assert not at.exception and not at.error and "plain has no channel weights" in sentences(at)
    found = figures_of(at)
    assert list(found)[:3] == ["redundancy", "slopes-second", "weights-second"]
    assert axes(found["entropy-rates"]) == axes(found["entropy-rates-second"])


def test_each_column_has_its_own_channel_and_a_link_may_name_both(pair: Path) -> None:
    at = open_weights(ck="one", vs="two")
    flows = [checkpoints.open_checkpoint(checkpoints.checkpoint_files()[name]).flow for name in ("one", "two")]
    first, second = (flow.levels[0].shuffle.order.tolist()[0] for flow in flows)
    at.button_group(key="channel").set_value(first).run()
    at.button_group(key="channel-second").set_value(second).run()
    assert not at.exception
    assert (at.button_group(key="channel").value, at.button_group(key="channel-second").value) == (first, second)
    assert sentences(at).count(" stands at place 1 of 12") == 2
    again = open_weights(ck="one", vs="two", **{"channel": str(first), "channel-second": str(second)})
    assert again.button_group(key="channel").value == first
    assert again.button_group(key="channel-second").value == second


def test_a_level_is_clamped_for_each_column_alone(pair: Path) -> None:
    at = open_weights(ck="one", vs="two", level="2")
    assert not at.exception and not at.error
    assert [info.value for info in at.info] == ["Level 2 is the last and has no Shuffle: showing level 1."]
    said = sentences(at)
    assert "level 2 turns channel" in said and "level 1 turns channel" in said
    assert "one (level 2)" in said and "redundancy is not compared" in said


@pytest.mark.parametrize("columns", [{"ck": "one", "vs": "wild"}, {"ck": "wild", "vs": "one"}])
def test_one_column_that_fails_leaves_the_other(pair: Path, columns: dict[str, str]) -> None:
    flow = small_flow()
    with torch.no_grad():
        flow.levels[0].steps[0].actnorm.log_scale.fill_(300.0)
    write_checkpoint(pair / "wild.safetensors", flow)
    at = open_weights(**columns)
    assert not at.exception and "not finite" in at.error[0].value
    assert charts(at) == 7 and "level 1 turns channel" in sentences(at)


def test_a_flow_of_one_level_beside_another_has_nothing_to_weigh(pair: Path) -> None:
    write_checkpoint(pair / "flat.safetensors", small_flow(levels=1))
    at = open_weights(ck="one", vs="flat")
    assert not at.exception and not at.error and charts(at) == 7 and "splits nothing" in at.info[0].value


def test_the_recipe_of_two_columns_prints_the_tables_of_both(
    pair: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    exported: list[list[dict]] = []
    monkeypatch.setattr(ui, "exports", lambda page, tables, pictures: exported.extend(tables.values()))
    monkeypatch.setattr("eiwflow.cli.commands.find_checkpoint", lambda text: pair / f"{text}.safetensors")
    at = open_weights(ck="one", vs="plain", level="2", image="5", seed="3")
    assert not at.exception and not at.error and len(exported) == 6
    printed = []
    for command in at.code[0].value.splitlines():
        capsys.readouterr()
        assert cli.main(shlex.split(command)[3:]) == 0
        printed.append(json.loads(capsys.readouterr().out))
    tables = [printed[0]["ablation"], printed[0]["resampling"], printed[1]["resampling"], printed[0]["channels"]]
    tables += [printed[1]["channels"], printed[0]["beside"][0]["halves"]]
    for shown, found in zip(exported, tables, strict=True):
        assert len(shown) == len(found)
        for row, other in zip(shown, found, strict=True):
            known = {name: None if value != value else value for name, value in row.items()}
            assert known == pytest.approx(other, abs=1e-5)
    assert printed[0]["beside"][0]["in_words"] in sentences(at)
