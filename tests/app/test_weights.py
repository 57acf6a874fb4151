"""The Weights page: every policy has its answer, every choice moves it, what costs seconds waits to be asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from eiwflow.analysis.weights import channel_weights
from eiwflow.flow import MultiScaleFlow
from eiwflow.flow.config import NAMED_SPLITS
from eiwflow.ui import loaders, weight_loaders

from .conftest import APP, picture_bytes, sentences, small_flow, url, write_checkpoint

ABLATE, RESAMPLE = "Hold each weight at its mean over images", "Draw each emitted channel anew"


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Averages over a few images: a test does not wait for more."""
    monkeypatch.setattr("eiwflow.analysis.weights.IMAGES", 12)
    monkeypatch.setattr("eiwflow.analysis.channels.ABLATION_IMAGES", 6)
    monkeypatch.setattr("eiwflow.analysis.channels.RESAMPLED_IMAGES", 3)


def lively_flow(**changes: object) -> MultiScaleFlow:
    """Return a small flow whose weights differ from image to image."""
    flow = small_flow(**changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            if "shuffle" in name:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return flow


def open_weights(**query: str) -> AppTest:
    """Return the page after its first run."""
    at = AppTest.from_file(str(APP), default_timeout=120)
    at.query_params.update(query)
    at.switch_page("pages/5_weights.py")
    return at.run()


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
    assert charts(at) == 4
    assert "quietest" in sentences(at) and "entropy of the weights" not in sentences(at)


def test_every_choice_moves_the_page(weighted: Path) -> None:
    at = open_weights()
    seen = {sentences(at)}
    moves = {
        "image": lambda: at.number_input(key="image").set_value(40),
        "seed": lambda: at.number_input(key="seed").set_value(7),
        "data": lambda: at.selectbox(key="data").set_value("emoji32"),
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
    assert not at.exception and not at.error and "nothing is split" in sentences(at) and not charts(at)


@pytest.mark.parametrize("split", NAMED_SPLITS)
def test_every_policy_says_whether_its_weights_are_applied(bundle: Path, split: str) -> None:
    write_checkpoint(bundle / "one.safetensors", lively_flow(split=split))
    at = open_weights()
    assert not at.exception and not at.error
    text = sentences(at)
    assert ("has no weights" in text) == (split in ("static-first", "static-last", "random"))
    assert ("trained, not applied" in text) == (split == "shuffle")
    assert ("No weight enters this density" in text) == (split != "weighted")
    assert charts(at) == (2 if "has no weights" in text else 4)
    assert ("entropy order would" in text) == ("has no weights" in text)


def test_what_costs_seconds_waits_for_a_click_and_then_stays(weighted: Path) -> None:
    at = open_weights()
    assert {button.label for button in at.button} == {ABLATE, RESAMPLE}
    for label in (ABLATE, RESAMPLE):
        next(button for button in at.button if button.label == label).click().run()
        assert not at.exception and not at.error
    assert charts(at) == 6 and not at.button
    assert "Held at their means" in sentences(at) and "Drawn anew, emitted channel" in sentences(at)
    at.number_input(key="image").set_value(3).run()
    assert charts(at) == 6
    at.select_slider(key="level").set_value(2).run()
    assert charts(at) == 4 and len(at.button) == 2


def test_an_emitted_channel_can_be_drawn_anew_zeroed_and_frozen_and_a_kept_one_cannot(weighted: Path) -> None:
    at = open_weights()
    order = loaders.open_checkpoint(loaders.checkpoint_files()["one"]).flow.levels[0].shuffle.order.tolist()
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


def test_intervals_know_which_test_images_come_from_one_photograph(weighted: Path) -> None:
    images = loaders.images("photos32", (3, 32, 32), 8)
    assert len(weight_loaders.sources(images)) == len(images.test)
    assert weight_loaders.sources(loaders.images("emoji32", (3, 32, 32), 8)) is None


def test_the_page_shows_what_the_analysis_says_and_its_recipe_names_it(weighted: Path) -> None:
    at = open_weights(level="2", image="5", seed="3")
    checkpoint = loaders.open_checkpoint(loaders.checkpoint_files()["one"])
    images = loaders.images("photos32", (3, 32, 32), 8)
    found = channel_weights(
        checkpoint.flow, images.test[5:6], images.test[:12], 2, 3, weight_loaders.sources(images)[:12]
    )
    assert found.in_words() in sentences(at).replace("&#x27;", "'")
    assert at.code[0].value == (
        "python -m eiwflow analyse one --what weights --level 2 --data photos32 --image 5 --seed 3 --json"
    )


def test_ones_own_photo_has_weights_and_no_recipe(weighted: Path) -> None:
    at = open_weights(photo=loaders.remember_photo(picture_bytes()))
    assert not at.exception and not at.info and "level 1 turns channel" in sentences(at)
    assert not at.code and "The command line looks at test images" in sentences(at)
