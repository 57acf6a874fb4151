"""The page Shuffle: it answers with and without a training record, and what is not there is said in a sentence."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from streamlit.testing.v1 import AppTest

from eiwflow.compression.archive import flow_digest
from eiwflow.flow import MultiScaleFlow
from eiwflow.training.history import level_records, write_samples

from ..flow.numerics import perturb
from .conftest import figures_of, first_screen, sentences, small_flow, url, visit_page, write_checkpoint

STEPS = (0, 1, 10, 100)


#: What was written once for a flow and its steps: name -> content.
RECORDS: dict[tuple[str, tuple[int, ...]], dict[str, bytes]] = {}


def write_record(folder: Path, flow: MultiScaleFlow, steps: tuple[int, ...] = STEPS) -> None:
    """Write a training record of a flow whose parameters wander away from its own, back in time."""
    if (key := (flow_digest(flow), steps)) not in RECORDS:
        with TemporaryDirectory() as made:
            _record(Path(made), deepcopy(flow), steps)
            paths = [path for path in Path(made).rglob("*") if path.is_file()]
            RECORDS[key] = {str(path.relative_to(made)): path.read_bytes() for path in paths}
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    for name, content in RECORDS[key].items():
        (folder / name).write_bytes(content)


def _record(folder: Path, flow: MultiScaleFlow, steps: tuple[int, ...]) -> None:
    probe = torch.rand(16, *flow.config.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    (folder / "samples").mkdir()
    lines = []
    with torch.no_grad():
        for step in reversed(steps):
            levels = level_records(flow, probe)
            lines.append({"step": step, "bits_per_dim": 5.0, "probe_bits_per_dim": 5.0, "levels": levels})
            write_samples(folder / "samples", flow, 0, step)
            perturb(flow, 0.03)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))


#: Opens the page by a link with these parameters.
visit = partial(visit_page, "pages/4_shuffle.py")


@pytest.fixture
def checkpoints(bundle: Path) -> Path:
    """Write a checkpoint with a training record, one without, and a static one with."""
    write_checkpoint(bundle / "recorded.safetensors", small_flow(levels=3))
    write_record(bundle / "recorded", small_flow(levels=3))
    write_checkpoint(bundle / "bare.safetensors")
    write_checkpoint(bundle / "static.safetensors", small_flow(split="variance-reversed"))
    write_record(bundle / "static", small_flow(split="variance-reversed"))
    return bundle


def assert_healthy(at: AppTest, charts: int) -> None:
    """So many charts, and neither an error nor a traceback."""
    assert not at.exception and not at.error
    assert len(at.get("plotly_chart")) == charts


@pytest.mark.slow
def test_page_says_what_moves_and_when(checkpoints: Path) -> None:
    at = visit(ck="recorded")
    assert_healthy(at, charts=4)
    said = sentences(at)
    assert at.title[0].value == "How does training change the order of channels?"
    assert "across the split line, once, before the first training step, the same for every image" in said
    assert "Sorted again" in said and "step 100" in said
    assert "The order used is the same for every image" in said
    assert 'class="scrub-film"' in said and 'class="scrub-view"' in said
    assert "analyse recorded --what shuffle --level 1" in at.code[0].value


def test_step_stands_in_the_url_and_one_that_was_not_recorded_becomes_the_first(checkpoints: Path) -> None:
    assert url(visit(ck="recorded", step="10"))["step"] == "10"
    assert url(visit(ck="recorded", step="11"))["step"] == "0"


def test_checkpoint_without_a_record_shows_what_it_tells_by_itself(checkpoints: Path) -> None:
    at = visit(ck="bare")
    assert_healthy(at, charts=3)
    assert "no training record" in at.info[0].value
    assert "test images" in sentences(at) and "step" not in url(at)


def test_record_of_another_flow_is_not_shown(checkpoints: Path) -> None:
    (checkpoints / "recorded" / "metrics.jsonl").rename(checkpoints / "metrics.jsonl")
    (checkpoints / "bare").mkdir()
    lines = (checkpoints / "metrics.jsonl").read_text().splitlines()
    other = [json.loads(line) for line in lines]
    for line in other:
        line["levels"][0]["order"].reverse()
    (checkpoints / "bare" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in other))
    at = visit(ck="bare")
    assert_healthy(at, charts=3)
    assert "no training record" in at.info[0].value


def test_static_split_is_not_called_a_shuffle(checkpoints: Path) -> None:
    at = visit(ck="static")
    assert_healthy(at, charts=4)
    assert "passes on the 6 of 12 principal channels that vary least" in sentences(at)
    assert "The principal channels that vary most are factored out" in sentences(at)
    assert "sorted its channels" not in sentences(at)


def test_flow_of_one_level_has_nothing_to_show_and_says_so(bundle: Path) -> None:
    write_checkpoint(bundle / "flat.safetensors", small_flow(levels=1))
    at = visit(ck="flat")
    assert not at.exception and not at.get("plotly_chart")
    assert "splits nothing" in at.info[0].value


@pytest.mark.slow
def test_every_choice_moves_the_page(checkpoints: Path) -> None:
    at = visit(ck="recorded")
    seen = {sentences(at)}
    moves = {
        "rule": lambda: at.get("button_group")[0].set_value("random"),
        "seed": lambda: at.number_input(key="seed").set_value(7),
        "level": lambda: at.select_slider(key="level").set_value(2),
        "data": lambda: at.selectbox(key="data").set_value("faces16"),
        "ck": lambda: at.selectbox(key="ck").set_value("static"),
    }
    for key, move in moves.items():
        move().run()
        assert_healthy(at, charts=4)
        assert sentences(at) not in seen, f"{key} changed nothing"
        seen.add(sentences(at))


# ---------------------------------------------------------------------- beside another checkpoint


def test_two_checkpoints_are_drawn_by_the_same_figures_on_the_same_axes(checkpoints: Path) -> None:
    at = visit(ck="recorded", vs="static")
    assert not at.exception and not at.error
    found = figures_of(at)
    both = ("scrub-river", "scrub-redundancy", "by-rule", "images")
    assert found.keys() == {*both, *(f"{key}-second" for key in both)}
    for key in both:
        one, other = (found[each]["layout"] for each in (key, f"{key}-second"))
        assert one["yaxis"]["range"] == other["yaxis"]["range"], key
        assert key in ("images", "by-rule") or one["xaxis"]["range"] == other["xaxis"]["range"], key
    assert found["scrub-redundancy"]["data"] != found["scrub-redundancy-second"]["data"]


def test_what_differs_is_said_above_the_columns_and_is_no_verdict(checkpoints: Path) -> None:
    at = visit(ck="recorded", vs="static")
    said = sentences(at)
    assert "of the split than entropy would put them" in said and "after training" in said
    assert "one training of each" in said.lower() and "across the split line, once" in said
    assert "passes on the 6 of 12 principal channels that vary least" in said
    words, charts = first_screen(at)
    assert words <= 80 and charts == 2, words
    assert len(at.get("button_group")) == 1  # one choice for both columns
    recipe = at.code[0].value.splitlines()
    assert [line.split()[4] for line in recipe] == ["recorded", "static"]


def test_a_level_is_clamped_for_each_column_alone(checkpoints: Path) -> None:
    at = visit(ck="recorded", vs="static", level="2")
    assert not at.exception and not at.error
    assert [info.value for info in at.info] == ["Level 2 is the last and has no Shuffle: showing level 1."]
    assert "of the split than entropy would put them" in sentences(at)
    ranks = [figures_of(at)[key]["layout"]["yaxis"]["range"] for key in ("scrub-river", "scrub-river-second")]
    assert ranks == [[24.6, 0.4], [12.6, 0.4]]


@pytest.mark.slow
def test_records_of_other_steps_share_the_slider(checkpoints: Path) -> None:
    write_checkpoint(checkpoints / "longer.safetensors", small_flow(steps=2))
    write_record(checkpoints / "longer", small_flow(steps=2), (0, 5, 10, 400))
    at = visit(ck="recorded", vs="longer", step="5")
    assert not at.exception and url(at)["step"] == "5"
    found = figures_of(at)
    assert [frame["name"] for frame in found["scrub-river"]["frames"]] == ["0", "1", "10", "100"]
    assert [frame["name"] for frame in found["scrub-river-second"]["frames"]] == ["0", "5", "10", "400"]
    assert url(visit(ck="recorded", vs="longer", step="7"))["step"] == "0"
    assert "recorded at other steps" in sentences(at)
    assert "recorded at other steps" not in sentences(visit(ck="recorded", vs="static"))


@pytest.mark.parametrize(("ck", "vs"), [("recorded", "bare"), ("bare", "recorded")])
def test_one_of_two_without_a_record_says_so_and_the_other_keeps_its_slider(
    checkpoints: Path, ck: str, vs: str
) -> None:
    at = visit(ck=ck, vs=vs)
    assert not at.exception and not at.error
    assert [info.value for info in at.info if "no training record" in info.value] and url(at)["step"] == "0"
    rivers = [key for key in figures_of(at) if key.startswith("scrub-river")]
    assert rivers == ["scrub-river" if ck == "recorded" else "scrub-river-second"]


def test_two_without_a_record_have_no_slider(checkpoints: Path) -> None:
    write_checkpoint(checkpoints / "bare-too.safetensors", small_flow(steps=2))
    at = visit(ck="bare", vs="bare-too")
    assert not at.exception and not at.error and "step" not in url(at)
    assert not [key for key in figures_of(at) if key.startswith("scrub-")]


def test_a_flow_of_one_level_leaves_the_other_column_alone(checkpoints: Path) -> None:
    write_checkpoint(checkpoints / "flat.safetensors", small_flow(levels=1))
    for link in ({"ck": "flat", "vs": "recorded"}, {"ck": "recorded", "vs": "flat"}):
        at = visit(**link)
        assert not at.exception and not at.error
        assert "splits nothing" in at.info[0].value and "across the split line, once" in sentences(at)
