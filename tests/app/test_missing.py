"""What is gone is named, and the page shows its usual choice; a broken flow is named, and the page stops."""

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


def assert_noted(at: AppTest, text: str, **shown: str) -> None:
    """The page names what is gone once, and shows its usual choice."""
    assert not at.exception and not at.error
    assert sum(text in note.value for note in at.info) == 1, [note.value for note in at.info]
    assert {key: url(at)[key] for key in shown} == shown
    at.run()
    assert not any(text in note.value for note in at.info)


# ---------------------------------------------------------------------- a link to what was never here

LOOKING = [entry.path for entry in pages() if entry.label not in ("Home", "Lesson", "Playground", "Compare", "Train")]
COMPARING = [SHUFFLE, LATENTS, "pages/3_entropy.py", "pages/5_weights.py"]
#: Parameter of a link, what it asks for in vain -> what is shown.
GONE = {
    ("ck", "../../etc/passwd"): "one",
    ("data", "nothing"): "photos32",
    ("photo", HASH): "none",
}


@crossed(path=LOOKING, gone=GONE)
def test_every_page_names_what_is_not_here_and_shows_its_usual_choice(
    one: Path, path: str, gone: tuple[str, str]
) -> None:
    (key, asked), usual = gone, GONE[gone]
    assert_noted(visit_page(path, **{"ck": "one", key: asked}), f"“{asked}”", **{key: usual})


def test_a_second_flow_that_is_not_here_is_named(one: Path) -> None:
    assert_noted(visit_page(SHUFFLE, ck="one", vs=HASH), f"“{HASH}”", vs="none")


@pytest.mark.parametrize(("page", "key"), [(LATENTS, "photo_b"), (CHECKPOINT, "own")])
def test_an_upload_that_is_gone_is_named_by_the_page_that_takes_it(one: Path, page: str, key: str) -> None:
    at = visit_page(page, **{"ck": "one", key: HASH})
    assert any(HASH in note.value for note in [*at.info, *at.error]) and not at.exception
    assert url(at)[key] == HASH and at.get("file_uploader")


@pytest.mark.parametrize("path", LOOKING)
def test_every_page_names_a_broken_flow_and_shows_no_other(one: Path, path: str) -> None:
    (one / "broken.safetensors").write_bytes(b"\0" * 100)
    at = visit_page(path, ck="broken")
    assert_named(at, "broken.safetensors is not a usable checkpoint: ", ck="broken")
    assert len(at.get("page_link")) >= len(pages()), "the ways to other pages are gone"
    at.selectbox(key="ck").set_value("one").run()
    assert not at.error and url(at)["ck"] == "one"


@pytest.mark.parametrize("path", COMPARING)
def test_a_broken_second_flow_is_named_and_the_first_is_not_shown_alone(one: Path, path: str) -> None:
    (one / "broken.safetensors").write_bytes(b"\0" * 100)
    at = visit_page(path, ck="one", vs="broken")
    assert_named(at, "broken.safetensors is not a usable checkpoint: ", ck="one", vs="broken")
    at.selectbox(key="vs").set_value("none").run()
    assert not at.error and url(at)["vs"] == "none"


@pytest.mark.slow
def test_the_lesson_names_a_flow_that_it_cannot_open(one: Path) -> None:
    (one / "broken.safetensors").write_bytes(b"\0" * 100)
    for key, said in (("broken", "is not a usable checkpoint"), ("nobody", "“nobody” is not here")):
        at = visit_page("pages/0_lesson.py", ck=key)
        assert_named(at, said, ck=key)
        assert not at.get("bidi_component"), "no other flow's lesson is shown"
    at.button[0].click().run()
    assert not at.error and "ck" not in url(at) and at.get("bidi_component")


# ---------------------------------------------------------------------- what is shown disappears


def test_the_flow_of_a_deleted_run_is_named(one: Path) -> None:
    run = a_run()
    key = key_of(run)
    at = visit_page(LEVELS, ck=key)
    assert not at.error
    run.delete()
    at.run()
    assert_noted(at, f"“{key}”", ck="one")


def test_a_run_that_is_deleted_under_its_page_is_named(one: Path) -> None:
    runs = [trained_run(4, stop_at=2, seed=seed) for seed in (0, 1)]
    name = runs[0].path.name
    at = visit_page(TRAIN, run=name)
    assert not at.error
    shutil.rmtree(runs[0].path)
    at.run()
    assert any(f"“{name}”" in note.value for note in at.info)
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
    assert any("“other”" in note.value for note in at.info)
    assert not any("“other”" in note.value for fold in at.expander for note in fold.info)  # it stands where it is seen
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
