"""One bad entry among runs or studies costs a sentence about it, and never a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eiwflow.training.run_directory import RunDirectory
from eiwflow.ui.common import untrusted
from eiwflow.ui.jobs import studies

from ..studies import arms, write_study
from .conftest import sentences, trained_run, visit_page, write_checkpoint

HOME, LESSON, LEVELS = "app.py", "pages/0_lesson.py", "pages/1_levels.py"
COMPARE, TRAIN = "pages/6_compare.py", "pages/9_train.py"


def nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(64 * 2**30)


#: Damages a run -> what is said.
RUNS: dict[str, tuple[Callable[[RunDirectory], object], str]] = {
    "damaged metrics": (lambda run: (run.path / "metrics.jsonl").write_bytes(b"\xff{"), ""),
    "damaged status": (lambda run: (run.path / "status.json").write_text("["), ""),
    "half deleted": (lambda run: (run.path / "config.json").unlink(), ""),
    "half written": (lambda run: (run.path / "config.json").write_text("{"), "config.json"),
    "dangling run": (lambda run: nowhere(run.path.with_name("20261231-dangling")), ""),
    "a sample of no step": (lambda run: (run.samples / "step_final.webp").touch(), ""),
    "a file among runs": (lambda run: (run.path.parent / "notes.txt").touch(), ""),
}


@pytest.fixture(autouse=True)
def all_complaints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show every complaint, where a page shows few."""
    monkeypatch.setattr(untrusted, "MOST_COMPLAINTS", 99)


@pytest.fixture
def runs(bundle: Path) -> list[RunDirectory]:
    """Return two runs that were stopped."""
    write_checkpoint(bundle / "one.safetensors")
    return [trained_run(4, stop_at=2, seed=seed) for seed in (0, 1)]


def assert_said(at: AppTest, expected: Counter[str]) -> None:
    """Neither an error nor a traceback, and for every bad entry a sentence that says what is expected."""
    assert not at.exception and not at.error, [error.value for error in at.error]
    captions = [caption.value.replace("\\", "") for caption in at.caption]
    missing = {said for said, times in expected.items() if sum(said in caption for caption in captions) < times}
    assert not missing, captions


@pytest.mark.slow
def test_every_bad_entry_among_the_runs_costs_a_sentence(runs: list[RunDirectory]) -> None:
    for spoil, _ in RUNS.values():
        spoil(trained_run(4, stop_at=2))
    for page in (LEVELS, TRAIN):
        at = visit_page(page, **({"run": runs[1].path.name} if page == TRAIN else {}))
        assert_said(at, Counter(said for _, said in RUNS.values() if said))
        options = at.selectbox(key="run" if page == TRAIN else "ck").options
        assert any(name in option for option in options for name in (runs[1].title, "2 steps"))
    for page in (HOME, LESSON):  # they list no runs
        assert_said(visit_page(page), Counter())


#: Makes an entry in a folder of studies.
STUDIES: dict[str, Callable[[Path], object]] = {
    "sparse": lambda folder: sparse(folder / "sparse.zip"),
    "dangling": lambda folder: nowhere(folder / "dangling.zip"),
    "folder": lambda folder: (folder / "folder.zip").mkdir(),
    "half deleted": lambda folder: (folder / "20261231-half" / "run").mkdir(parents=True),
}


@pytest.mark.parametrize("own", [True, False], ids=["own", "bundled"])
def test_a_bad_entry_among_the_studies_costs_no_other(bundle: Path, monkeypatch: pytest.MonkeyPatch, own: bool) -> None:
    folder = bundle.parent / "studies"
    monkeypatch.setattr(studies, "BUNDLED", folder)
    write_study(folder / "photos32.zip", arms({"first/random": 3.9, "last/random": 4.1}))
    place = studies.own_folder() if own else folder
    place.mkdir(parents=True, exist_ok=True)
    for make in STUDIES.values():
        make(place)
    at = visit_page(COMPARE)
    assert not at.exception
    assert at.selectbox(key="study").value == "photos32" and "over 6 seeds on photos32" in sentences(at)
    for key in ("sparse", "dangling", "folder"):  # its choice gives the reason
        at = visit_page(COMPARE, study=key)
        assert not at.exception and at.error
    for page in (HOME, LESSON):
        assert not visit_page(page).exception
