"""The Entropy page: every choice moves it, every link opens it, and whatever is missing is said in a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eiwflow.analysis import entropy
from eiwflow.analysis.levels import trace_of_test_images
from eiwflow.analysis.words import entropy as words
from eiwflow.checkpoint import load
from eiwflow.flow.information import redundancy
from eiwflow.ui.sources import data_sets

from .conftest import figures_of, sentences, small_flow, url, visit_page, write_checkpoint

Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page says is tested here, not how well it estimates."""
    monkeypatch.setattr(entropy, "RESAMPLES", 8)
    monkeypatch.setattr(entropy, "IMAGES", 48)


@pytest.fixture
def open_page(two_and_three_levels: Path) -> Open:
    """Return a function that opens the page with a URL's parameters, on two small checkpoints."""
    return page_at


#: Opens the page by a link with these parameters.
page_at = partial(visit_page, "pages/3_entropy.py")


def write_record(checkpoint: Path, steps: tuple[int, ...] = (0, 1, 8), channels: tuple[int, ...] = (12, 24)) -> None:
    """Write a training record beside a checkpoint whose levels have these channels."""
    rows = []
    for step in steps:
        levels = []
        for count in channels:
            order = None if count == channels[-1] else list(range(count))
            figures = dict.fromkeys(("redundancy", "entropy_rate", "entropy", "log_std"), [0.1 + step] * count)
            names = {"order": order, "entropy_order": order, "weights_mean": None, "weights_std": None}
            levels.append({**figures, **names})
        rows.append({"step": step, "probe_bits_per_dim": 4.0, "levels": levels})
    folder = checkpoint.with_suffix("")
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def assert_healthy(at: AppTest, drawn: int = 4) -> None:
    """Its charts and neither an error nor a traceback."""
    assert not at.exception and not at.error
    assert len(at.get("plotly_chart")) == drawn


@pytest.mark.slow
def test_the_page_answers_its_question_with_the_numbers_of_the_analysis(open_page: Open, bundle: Path) -> None:
    at = open_page(seed="3")
    assert_healthy(at)
    assert at.title[0].value == "Which channels still have structure?"
    images = data_sets.images("photos32", (3, 32, 32), 4)
    flow = load(bundle / "one.safetensors").flow
    found = entropy.entropies(flow, images.test, 3, images.sources)
    said = sentences(at)
    for sentence in (words.structure(found, 1), words.answer(found, 1), words.shape(found, 1), words.raw(found)):
        assert sentence.replace("'", "&#x27;") in said
    _, *rows = re.split("<h4>(?:passed on|factored out)</h4>", said.replace("−", "-"))
    assert len(rows) == 2
    of_channels = redundancy(trace_of_test_images(flow, images.test).levels[0].features).mean(dim=0)
    for row, half in zip(rows, found.levels[0].used.halves[::-1], strict=True):
        redundancies = [float(text) for text in re.findall(r"<figcaption>(-?[\d.]+)</figcaption>", row)]
        expected = of_channels[list(half.numbers)].tolist()
        assert redundancies == pytest.approx(sorted(expected, reverse=True), abs=0.0051)


@pytest.mark.slow
def test_a_checkpoint_without_a_record_says_so_and_one_with_it_has_the_scrubber(bundle: Path) -> None:
    path = write_checkpoint(bundle / "one.safetensors")
    at = page_at()
    assert_healthy(at)
    assert "no training record" in at.info[0].value
    write_record(path)
    at = page_at()
    assert_healthy(at, drawn=7)
    assert not at.info and "From step 0 to step 8 the mean spectral redundancy at level 1 went" in sentences(at)
    deep = bundle / "deep.safetensors"
    write_checkpoint(deep, small_flow(levels=3))
    write_record(deep, channels=(12, 24, 48))
    at = page_at(ck="deep", level="2")
    told = [chart.proto.alt for chart in at.get("plotly_chart") if "From step 0" in chart.proto.alt]
    names = ("spectral redundancy", "h", "Ĥ")
    assert [alt.split(" at level 2 went")[0] for alt in told] == [f"From step 0 to step 8 the mean {x}" for x in names]


@pytest.mark.slow
def test_choices_move_the_page_and_stand_in_its_url(open_page: Open) -> None:
    at = open_page(ck="two", level="2")
    assert_healthy(at)
    assert "At level 2 " in sentences(at) and "variance-reversed does not look at redundancy" in sentences(at)
    at.select_slider(key="level").set_value(1).run()
    assert_healthy(at)
    assert "At level 1 " in sentences(at)
    before = sentences(at)
    at.number_input(key="seed").set_value(5).run()
    assert_healthy(at)
    assert sentences(at) != before and url(at)["seed"] == "5"


def test_a_flow_of_one_level_shows_that_all_of_it_is_factored_out(bundle: Path) -> None:
    write_checkpoint(bundle / "flat.safetensors", small_flow(levels=1))
    at = page_at()
    assert_healthy(at)
    assert "Level 1 is the last: all 12 channels are factored out" in sentences(at)


def test_too_few_images_are_refused_in_a_sentence(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entropy, "MIN_IMAGES", 1000)
    at = open_page(seed="11")
    assert not at.exception and not at.get("plotly_chart")
    assert at.error[0].value.startswith("48 images were given; at least 1000 are needed")


# ---------------------------------------------------------------------- beside another checkpoint


@pytest.mark.slow
def test_two_checkpoints_are_drawn_by_the_same_figures_on_the_same_axes(open_page: Open, bundle: Path) -> None:
    write_record(bundle / "one.safetensors")
    write_checkpoint(bundle / "three.safetensors", small_flow(split="random"))
    write_record(bundle / "three.safetensors", (0, 2, 8, 20))
    at = open_page(ck="one", vs="three", step="2")
    assert not at.exception and not at.error
    found = figures_of(at)
    keys = ("redundancy", "negentropy", "marginal", "rate")
    over_training = tuple(f"scrub-{key}" for key in keys if key != "negentropy")
    assert found.keys() == {key + side for key in (*keys, *over_training) for side in ("", "-second")}
    for key in (*keys, *over_training):
        one, other = (found[each]["layout"] for each in (key, f"{key}-second"))
        assert one["yaxis"]["range"] == other["yaxis"]["range"], key
        assert key in keys or one["xaxis"] == other["xaxis"], key
    assert [frame["name"] for frame in found["scrub-redundancy-second"]["frames"]] == ["0", "2", "8", "20"]
    assert url(at)["step"] == "2"


def test_what_differs_is_said_above_the_columns_and_is_no_verdict(open_page: Open) -> None:
    at = open_page(ck="one", vs="two", level="1")
    assert not at.exception and not at.error
    said = sentences(at)
    assert "Factored-out channels have spectral redundancy " in said and "one training of each" in said.lower()
    assert "At level 1 the 6 channels factored out" in said and "variance-reversed does not look at redundancy" in said
    assert [line.split()[4] for line in at.code[0].value.splitlines()] == ["one", "two"]


def test_a_level_is_clamped_for_each_column_alone(open_page: Open) -> None:
    at = open_page(ck="two", vs="one", level="2")
    assert not at.exception and not at.error
    notes = [info.value for info in at.info if info.value.startswith("Level")]
    assert notes == ["Level 2 is the last and has no Shuffle: showing level 1."]
    assert "maps are of different sizes" in sentences(at)


def test_one_of_two_without_a_record_says_so_and_the_other_keeps_its_slider(open_page: Open, bundle: Path) -> None:
    write_record(bundle / "one.safetensors")
    for link, key in ((("one", "two"), "scrub-rate"), (("two", "one"), "scrub-rate-second")):
        at = open_page(ck=link[0], vs=link[1], level="1")
        assert not at.exception and not at.error and url(at)["step"] == "8"
        assert len([info for info in at.info if "no training record" in info.value]) == 1
        assert [each for each in figures_of(at) if each.startswith("scrub-rate")] == [key]
