"""The Entropy page: every choice moves it, every link opens it, and whatever is missing is said in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eiwflow.analysis import entropy
from eiwflow.checkpoint import load
from eiwflow.ui import loaders, weight_loaders

from .conftest import APP, sentences, small_flow, url, write_checkpoint

Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page says is tested here, not how well it estimates."""
    monkeypatch.setattr(entropy, "RESAMPLES", 8)
    monkeypatch.setattr(entropy, "IMAGES", 48)


@pytest.fixture
def open_page(bundle: Path) -> Open:
    """Return a function that opens the page with a URL's parameters, on two small checkpoints."""
    write_checkpoint(bundle / "one.safetensors")
    write_checkpoint(bundle / "two.safetensors", small_flow(split="static-last", levels=3))
    return page_at


def page_at(**parameters: str) -> AppTest:
    at = AppTest.from_file(str(APP), default_timeout=240)
    at.query_params.update(parameters)
    at.switch_page("pages/3_entropy.py")
    return at.run()


def write_record(checkpoint: Path) -> None:
    """Write a training record of three steps beside a checkpoint of two levels."""
    rows = []
    for step in (0, 1, 8):
        levels = []
        for channels, order in ((12, list(range(12))), (24, None)):
            figures = dict.fromkeys(("redundancy", "entropy_rate", "entropy", "log_std"), [0.1 + step] * channels)
            names = {"order": order, "entropy_order": order, "weights_mean": None, "weights_std": None}
            levels.append({**figures, **names})
        rows.append({"step": step, "probe_bits_per_dim": 4.0, "levels": levels})
    folder = checkpoint.with_suffix("")
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def charts(at: AppTest) -> list[str]:
    return [chart.proto.id.rsplit("-", 1)[-1] for chart in at.get("plotly_chart")]


def assert_healthy(at: AppTest, drawn: int = 5) -> None:
    """Its charts and neither an error nor a traceback."""
    assert not at.exception and not at.error
    assert len(at.get("plotly_chart")) == drawn


def test_the_page_answers_its_question_with_the_numbers_of_the_analysis(open_page: Open, bundle: Path) -> None:
    at = open_page(seed="3")
    assert_healthy(at)
    assert at.title[0].value == "Where does the entropy go?"
    images = loaders.images("photos32", (3, 32, 32), 4)
    flow = load(bundle / "one.safetensors").flow
    found = entropy.entropies(flow, images.test, 3, weight_loaders.sources(images))
    said = sentences(at)
    for sentence in (found.in_words(1), found.shape_in_words(1), found.raw_in_words()):
        assert sentence.replace("'", "&#x27;") in said
    assert entropy.account(flow, images.test, 3).in_words() in said


def test_a_checkpoint_without_a_record_says_so_and_one_with_it_has_the_scrubber(bundle: Path) -> None:
    path = write_checkpoint(bundle / "one.safetensors")
    at = page_at()
    assert_healthy(at)
    assert "no training record" in at.info[0].value
    write_record(path)
    at = page_at()
    assert_healthy(at, drawn=8)
    assert not at.info and "From step 0 to step 8 the mean redundancy at level 1 went" in sentences(at)


def test_choices_move_the_page_and_stand_in_its_url(open_page: Open) -> None:
    at = open_page(ck="two", level="2")
    assert_healthy(at)
    assert "At level 2 " in sentences(at) and "static-last does not look at entropy" in sentences(at)
    at.select_slider(key="level").set_value(1).run()
    assert_healthy(at)
    assert "At level 1 " in sentences(at)
    before = sentences(at)
    at.number_input(key="seed").set_value(5).run()
    assert_healthy(at)
    assert sentences(at) != before and url(at)["seed"] == "5"


def test_the_last_level_is_clamped_in_a_sentence(open_page: Open) -> None:
    at = open_page(ck="one", level="2")
    assert_healthy(at)
    assert any("no Shuffle" in note.value for note in at.info) and "At level 1 " in sentences(at)


def test_a_flow_of_one_level_shows_that_all_of_it_leaves(bundle: Path) -> None:
    write_checkpoint(bundle / "flat.safetensors", small_flow(levels=1))
    at = page_at()
    assert_healthy(at)
    assert "Level 1 is the last: all 12 channels leave" in sentences(at)


def test_too_few_images_are_refused_in_a_sentence(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entropy, "MIN_IMAGES", 1000)
    at = open_page(seed="11")
    assert not at.exception and not at.get("plotly_chart")
    assert at.error[0].value.startswith("48 images were given; at least 1000 are needed")


def test_the_recipe_names_what_is_shown(open_page: Open) -> None:
    at = open_page(ck="two", level="2", seed="4")
    recipe = "analyse two --what entropy --level 2 --data photos32 --seed 4 --json"
    assert any(recipe in block.value for block in at.code)
