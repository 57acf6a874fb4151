"""What is gone is named, the page stops and its URL stays; a visitor may then choose something else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eiwflow.training.recipe import Recipe
from eiwflow.training.run_directory import RunDirectory, runs_root
from eiwflow.ui.access.navigation import pages
from eiwflow.ui.jobs import studies
from eiwflow.ui.sources import checkpoints

from .. import crossed
from ..studies import arms, write_study
from .conftest import sentences, small_flow, trained_run, url, visit_page, write_checkpoint

LEVELS, LATENTS, SHUFFLE, COMPARE = (
    "pages/1_levels.py", "pages/2_latents.py", "pages/4_shuffle.py", "pages/6_compare.py",
)  # fmt: skip
CHECKPOINT, TRAIN = "pages/8_checkpoint.py", "pages/9_train.py"
HASH = "0123456789ab"


@pytest.fixture
def one(bundle: Path) -> Path:
    write_checkpoint(bundle / "one.safetensors")
    write_checkpoint(bundle / "two.safetensors", small_flow(split="variance-reversed"))
    return bundle


def assert_named(at: AppTest, text: str, **asked: str) -> None:
    """The page names what is gone, shows nothing in its place, and its URL is what the visitor asked for."""
    assert not at.exception
    assert len(at.error) == 1 and text in at.error[0].value, [error.value for error in at.error]
    assert {key: url(at)[key] for key in asked} == asked
    assert 'class="eiw-strip' not in sentences(at)
    assert not at.get("plotly_chart") and not at.get("vega_lite_chart")


def a_run(seed: int = 0) -> RunDirectory:
    run = RunDirectory.create(runs_root(), Recipe(), "")
    write_checkpoint(run.last_checkpoint, small_flow(permutation_seed=seed, split="random"))
    run.set_status("finished", 1)
    return run


def key_of(run: RunDirectory) -> str:
    return next(key for key, file in checkpoints.checkpoint_files().items() if file.run == run.path)


# ---------------------------------------------------------------------- a link to what was never here


@pytest.mark.parametrize(
    ("page", "key", "text", "said"),
    [
        (SHUFFLE, "vs", HASH, f"The flow “{HASH}” is not here"),
        (LATENTS, "photo_b", HASH, f"The photo “{HASH}” is not here"),
        (CHECKPOINT, "own", HASH, f"The images “{HASH}” are not here"),
    ],
)
def test_a_link_to_what_is_not_here_stops_the_page(one: Path, page: str, key: str, text: str, said: str) -> None:
    at = visit_page(page, **{"ck": "one", key: text})
    assert said in at.error[0].value and not at.exception
    assert url(at)[key] == text


LOOKING = [entry.path for entry in pages() if entry.label not in ("Home", "Lesson", "Playground", "Compare", "Train")]
COMPARING = [SHUFFLE, LATENTS, "pages/3_entropy.py", "pages/5_weights.py"]


#: Parameter of a link, what it asks for in vain -> what is said.
GONE = {
    ("ck", "broken"): "broken.safetensors is not a usable checkpoint: ",
    ("ck", "../../etc/passwd"): "The flow “../../etc/passwd” is not here",
    ("data", "nothing"): "The data set “nothing” is not here; choose one of ",
    ("photo", HASH): f"The photo “{HASH}” is not here",
}


@crossed(path=LOOKING, gone=GONE)
def test_every_page_names_what_cannot_be_shown_and_shows_nothing_instead(
    one: Path, path: str, gone: tuple[str, str]
) -> None:
    asked, said = dict([gone]), GONE[gone]
    (one / "broken.safetensors").write_bytes(b"\0" * 100)
    at = visit_page(path, **{"ck": "one", **asked})
    assert_named(at, said, **asked)
    assert len(at.get("page_link")) >= len(pages()), "the ways to other pages are gone"
    at.run()
    assert_named(at, said, **asked)


@pytest.mark.parametrize("path", COMPARING)
def test_a_broken_second_flow_is_named_and_the_first_is_not_shown_alone(one: Path, path: str) -> None:
    (one / "broken.safetensors").write_bytes(b"\0" * 100)
    at = visit_page(path, ck="one", vs="broken")
    assert_named(at, "broken.safetensors is not a usable checkpoint: ", ck="one", vs="broken")
    at.selectbox(key="vs-instead").set_value("none").run()
    assert not at.error and url(at)["vs"] == "none"


@pytest.mark.slow
def test_the_lesson_names_a_flow_that_it_cannot_open(one: Path) -> None:
    (one / "broken.safetensors").write_bytes(b"\0" * 100)
    for key, said in (("broken", "is not a usable checkpoint"), ("nobody", "“nobody” is not here")):
        at = visit_page("pages/0_lesson.py", ck=key)
        assert_named(at, said, ck=key)
        assert not at.get("bidi_component"), "no other flow's lesson is shown"
    at.selectbox(key="ck-instead").set_value("one").run()
    assert not at.error and url(at)["ck"] == "one" and at.get("bidi_component")


def test_a_test_image_can_be_shown_instead_of_a_photo(one: Path) -> None:
    at = visit_page(LEVELS, photo=HASH)
    next(button for button in at.button if button.label == "Show a test image").click().run()
    assert not at.error and url(at)["photo"] == "none" and 'class="eiw-strip' in sentences(at)


# ---------------------------------------------------------------------- what is shown disappears


def test_the_flow_of_a_deleted_run_is_named(one: Path) -> None:
    run = a_run()
    key = key_of(run)
    at = visit_page(LEVELS, ck=key)
    assert not at.error
    run.delete()
    at.run()
    assert_named(at, " is not here: ", ck=key)
    at.selectbox(key="ck-instead").set_value("one").run()
    assert not at.error and url(at)["ck"] == "one"


def test_a_run_that_is_deleted_under_its_page_is_named(one: Path) -> None:
    runs = [trained_run(4, stop_at=2, seed=seed) for seed in (0, 1)]
    name = runs[0].path.name
    at = visit_page(TRAIN, run=name)
    assert not at.error
    shutil.rmtree(runs[0].path)
    at.run()
    assert_named(at, f"The run “{name}” is not here", run=name)
    at.selectbox(key="run-instead").set_value(runs[1].path.name).run()
    assert not at.error and url(at)["run"] == runs[1].path.name


def test_a_study_that_is_gone_is_named(one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "studies"
    monkeypatch.setattr(studies, "BUNDLED", folder)
    for name in ("photos32", "other"):
        write_study(folder / f"{name}.zip", arms({"first/random": 3.9, "last/random": 4.1}))
    at = visit_page(COMPARE, study="other")
    assert not at.error and at.selectbox(key="study").value == "other"
    (folder / "other.zip").unlink()
    at.run()
    assert_named(at, "The study “other” is not here", study="other")
    assert at.expander and not any(fold.error for fold in at.expander)  # it stands where it is seen
    at.selectbox(key="study-instead").set_value("photos32").run()
    assert not at.error and at.selectbox(key="study").value == "photos32"


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("pages/2_latents.py", ["z1", "z2"]),
        (SHUFFLE, ["rule"]),
        ("pages/5_weights.py", ["change"]),
        (LATENTS, ["path"]),
    ],
)
def test_an_empty_choice_in_a_link_is_none(one: Path, path: str, keys: list[str]) -> None:
    """``?path=`` showed an error page."""
    write_checkpoint(one / "one.safetensors", small_flow(weights="entropy"))
    at, usual = visit_page(path, ck="one", **dict.fromkeys(keys, "")), visit_page(path, ck="one")
    assert not at.exception and sentences(at) == sentences(usual)
