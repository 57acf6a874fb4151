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
from eiwflow.ui.sources import checkpoints, data_sets, store

from .conftest import sentences, small_flow, visit_page, write_checkpoint


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Averages over a few images: a test does not wait for more. Averages that other tests made are forgotten."""
    store.clear()
    monkeypatch.setattr("eiwflow.analysis.latents.SURVEY_IMAGES", 6)
    yield
    store.clear()


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


def test_latents_file_holds_the_latents_of_the_image_shown(two: Path) -> None:
    checkpoint = checkpoints.open_checkpoint(checkpoints.checkpoint_files()["photos32-one"])
    image = data_sets.images("photos32", (3, 32, 32), 8).test[5:6]

    with np.load(io.BytesIO(latents.of_image(checkpoint, [image], 3)), allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        expected = latents.encode(checkpoint.flow, image, 3)[1].levels
        assert all(np.array_equal(file[f"epsilon_{n}"], level.numpy()) for n, level in enumerate(expected, start=1))
    assert about["checkpoint"] == checkpoint.sha256 and about["seed"] == 3


# ---------------------------------------------------------------------- beside another checkpoint


ONE, TWO = "photos32-one", "photos32-two"


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
