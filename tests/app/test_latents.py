"""The Latents page: a mix of one's own, a prediction before its answer, and whatever is missing in a sentence."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from eiwflow.analysis import latents
from eiwflow.analysis.words import latents as words
from eiwflow.ui.shell.parts import MORE_EVIDENCE
from eiwflow.ui.sources import cache, checkpoints, data_sets

from .conftest import choose_image, figures_of, sentences, small_flow, visit_page, write_checkpoint


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Averages over a few images: a test does not wait for more. Averages that other tests made are forgotten."""
    cache.clear()
    monkeypatch.setattr("eiwflow.analysis.latents.SURVEY_IMAGES", 6)
    yield
    cache.clear()


#: Opens the page by a link with these parameters.
open_latents = partial(visit_page, "pages/2_latents.py")


def assert_healthy(at: AppTest) -> None:
    """Rows, charts, and neither an error nor a traceback."""
    assert not at.exception and not at.error
    assert "the image</figcaption>" in sentences(at) and at.get("plotly_chart")


@pytest.fixture
def two(bundle: Path) -> Path:
    """Return the folder of checkpoints with two flows of three levels."""
    write_checkpoint(bundle / "photos32-one.safetensors", small_flow(levels=3))
    write_checkpoint(bundle / "photos32-two.safetensors", small_flow(levels=3, split="variance-reversed"))
    return bundle


@pytest.mark.slow
def test_nothing_gives_the_prediction_away(two: Path) -> None:
    at = open_latents()
    at.session_state["fold-halvings"] = at.session_state["fold-zeroed"] = at.session_state[MORE_EVIDENCE] = False
    at.run()
    first_screen = sentences(at)
    assert at.segmented_control(key="guess").label == words.QUESTION
    assert "changes this picture most:" not in first_screen
    assert first_screen.count(" resampled<br>") == 1 and "level 1 resampled<br>" in first_screen


@pytest.mark.slow
def test_image_and_seed_move_the_page(two: Path) -> None:
    at = open_latents()
    seen = {sentences(at)}
    choose_image(at, 40).run()
    assert_healthy(at)
    seen.add(sentences(at))
    at.number_input(key="seed").set_value(7).run()
    assert_healthy(at)
    assert len(seen | {sentences(at)}) == 3


@pytest.mark.slow
def test_the_answer_waits_for_a_prediction_and_then_says_whether_it_was_right(two: Path) -> None:
    at = open_latents()
    assert at.toggle(key="reveal").disabled and "changes this picture most:" not in sentences(at)
    files = {"Image (CSV)", "Levels (CSV)", "Test images (CSV)", "Norms (CSV)", "Latents (NPZ)"}
    assert {button.label for button in at.get("download_button")} == files
    at.segmented_control(key="guess").set_value("Level 2 (z₂)").run()
    assert not at.toggle(key="reveal").disabled and "changes this picture most:" not in sentences(at)
    at.toggle(key="reveal").set_value(True).run()
    assert_healthy(at)
    assert ("Right: Level 2 (z₂) changes this picture most:" in sentences(at)) != ("No: Level " in sentences(at))


@pytest.mark.slow
def test_every_level_can_be_kept_resampled_and_zeroed(two: Path) -> None:
    at = open_latents()
    assert "Level 1 resampled, the rest kept: this " in sentences(at)
    at.segmented_control(key="z1").set_value("zero").run()
    at.segmented_control(key="z3").set_value("resample").run()
    assert_healthy(at)
    assert "Level 3 resampled, level 1 zeroed, the rest kept: this " in sentences(at)


@pytest.mark.slow
def test_a_link_opens_its_mix(two: Path) -> None:
    at = open_latents(z1="keep")
    assert_healthy(at)
    assert "Every level kept: the same picture." in sentences(at)
    assert "Level 2 zeroed, the rest kept: this " in sentences(open_latents(z1="keep", z2="zero"))


@pytest.mark.slow
def test_zero_and_a_sample_are_told_apart(two: Path) -> None:
    """A level set to zero gives other pictures than one that is resampled, in the page as in the measure."""
    at = open_latents(ck=ONE, image="5", seed="3")
    checkpoint = checkpoints.open_checkpoint(checkpoints.checkpoint_files()[ONE])
    image = data_sets.images("photos32", (3, 32, 32), 8).test[5:6]
    seen = {}
    for treatment in ("resample", "zero"):
        at.segmented_control(key="z1").set_value(treatment).run()
        way = (treatment, "keep", "keep")
        expected = latents.treat_image(checkpoint.flow, image, (way,), 3)
        assert words.mixed(expected) in sentences(at)
        seen[treatment] = expected.psnr.mean()
    assert seen["resample"] != pytest.approx(seen["zero"], abs=1e-3)


def test_latents_file_holds_the_latents_of_the_image_shown(two: Path) -> None:
    checkpoint = checkpoints.open_checkpoint(checkpoints.checkpoint_files()["photos32-one"])
    image = data_sets.images("photos32", (3, 32, 32), 8).test[5:6]

    with np.load(io.BytesIO(latents.of_image(checkpoint, [image], 3)), allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        expected = latents.encode(checkpoint.flow, image, 3)[1].levels
        assert all(np.array_equal(file[f"epsilon_{n}"], level.numpy()) for n, level in enumerate(expected, start=1))
    assert about["checkpoint"] == checkpoint.sha256 and about["seed"] == 3


@pytest.mark.slow
def test_the_page_shows_what_the_report_says(two: Path) -> None:
    at = open_latents(ck="photos32-one", image="5", seed="3")
    checkpoint = checkpoints.open_checkpoint(checkpoints.checkpoint_files()["photos32-one"])
    images = data_sets.images("photos32", (3, 32, 32), 8)
    flow, test = checkpoint.flow, images.test
    known = None if images.sources is None else tuple(images.sources[: latents.SURVEY_IMAGES])
    surveyed = latents.survey(flow, test[: latents.SURVEY_IMAGES], sources=known)
    assert words.halved(latents.treat_image(flow, test[5:6], latents.halvings(3), 3)) in sentences(at)
    assert words.left(surveyed) in sentences(at)
    assert words.norms(latents.norms(latents.encode(flow, test[5:6], 3)[1], surveyed)) in sentences(at)
    assert at.code[0].value == (
        "python -m eiwflow analyse photos32-one --what latents --data photos32 --image 5 --seed 3 --json"
    )


# ---------------------------------------------------------------------- beside another checkpoint


ONE, TWO = "photos32-one", "photos32-two"


@pytest.mark.slow
def test_two_checkpoints_are_drawn_by_the_same_figures_on_the_same_axes(two: Path) -> None:
    found = figures_of(open_latents(ck=ONE, vs=TWO))
    for key, axis in (("norms", "xaxis"), ("norms", "yaxis"), ("psnr", "xaxis")):
        assert found[key]["layout"][axis]["range"] == found[f"{key}-second"]["layout"][axis]["range"]
        assert found[key]["data"] != found[f"{key}-second"]["data"]


@pytest.mark.slow
def test_each_column_is_predicted_and_mixed_by_itself(two: Path) -> None:
    at = open_latents(ck=ONE, vs=TWO)
    at.segmented_control(key="guess-second").set_value("Level 2 (z₂)").run()
    assert at.toggle(key="reveal").disabled and not at.toggle(key="reveal-second").disabled
    at.toggle(key="reveal-second").set_value(True).run()
    assert sentences(at).count("changes this picture most: ") == 1
    at.toggle(key="reveal-second").set_value(False).run()
    at.segmented_control(key="z1-second").set_value("zero").run()
    assert_healthy(at)
    said = sentences(at)
    assert f"{ONE}: Level 1 resampled, the rest kept: " in said and f"{TWO}: Level 1 zeroed, the rest kept: " in said


@pytest.mark.slow
def test_flows_of_other_numbers_of_levels_have_their_own_columns(two: Path) -> None:
    write_checkpoint(two / "shallow.safetensors", small_flow(levels=2))
    at = open_latents(ck=ONE, vs="shallow")
    assert_healthy(at)
    assert len(figures_of(at)["norms"]["layout"]["xaxis"]["tickvals"]) == 3
    assert len(figures_of(at)["norms-second"]["layout"]["xaxis"]["tickvals"]) == 2


@pytest.mark.slow
def test_the_images_were_treated_as_the_page_says(two: Path) -> None:
    at = open_latents()
    at.segmented_control(key="guess").set_value("Level 1 (z₁)").run()
    at.toggle(key="reveal").set_value(True).run()
    texts = [element.proto.body for element in at.main if element.type in ("html", "markdown", "caption")]
    (place,) = (number for number, text in enumerate(texts) if text.startswith("One level resampled at a time"))
    assert all(f"level {level} resampled" in texts[place - 1] for level in "12") and "zeroed" not in texts[place - 1]
    zeroed = [text for text in texts if "zeroed" in text]
    assert all(any(f"level {level} zeroed" in text for text in zeroed) for level in "12")
    assert not any("resampled" in text for text in zeroed)
