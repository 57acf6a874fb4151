"""The page Compare: the lead in every study, a verdict that can say no, arms in training, studies of one's own."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from html import unescape
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from eiwflow.analysis.words.numbers import signed
from eiwflow.lesson import default
from eiwflow.lesson.pack import opened
from eiwflow.project import ROOT
from eiwflow.study import worker
from eiwflow.study.answer import answer, at_equal_time
from eiwflow.study.claim import claim
from eiwflow.study.file import bundled, read_study, studies_in
from eiwflow.study.ladder import by_set, counts, half_from
from eiwflow.study.recipe import AGAIN, DEFAULT_ARMS, Arm, StudyRecipe, control
from eiwflow.study.report import report, summary, summary_in_words
from eiwflow.study.run import run_study
from eiwflow.study.statistics import comparisons, subjects
from eiwflow.training.run_directory import RunError
from eiwflow.ui.jobs import arms as arms_shown
from eiwflow.ui.jobs import new_study
from eiwflow.ui.jobs import studies as shown
from eiwflow.ui.sources import cache

from .. import LONG
from ..studies import arms, packed_document, write_begun, write_packed, write_study
from ..training.tiny import write_npz
from .conftest import sentences, url, visit_page

MEANS = {
    f"{start}/principal-alternating": mean
    for start, mean in {
        "variance": 3.90, "entropy": 3.90, "variance-reversed": 4.10, "random": 4.05, "variance+pooled": 3.88,
        "variance-reversed+pooled": 4.08, "random+pooled": 4.03, "entropy+pooled": 3.84,
    }.items()
} | {"last/random": 4.15}  # fmt: skip
BOTH = arms(MEANS) | arms({name: 5 * mean - 16 for name, mean in MEANS.items()}, prior="standard")
NULL = arms({"random/principal-alternating": 4.05, f"{AGAIN}/principal-alternating": 4.05})


@pytest.fixture
def studies(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that stands for the bundled studies, with one and its null in it."""
    folder = bundle.parent / "studies"
    monkeypatch.setattr(shown, "BUNDLED", folder)
    write_study(folder / "photos32.zip", BOTH)
    write_study(folder / "photos32-null.zip", NULL)
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a study that was run, with the records of its arms beside it."""
    folder = tmp_path_factory.mktemp("recorded")
    tiny = {"levels": 3, "steps": 1, "width": 8, "size": 8, "batch": 8, "iterations": 25, "seeds": 1}
    chosen = [Arm("variance-reversed"), Arm("entropy", "pooled"), Arm("entropy")]
    run_study(StudyRecipe(data=str(write_npz(folder / "planes.npz")), arms=chosen, **tiny), folder / "recorded")
    return folder / "recorded"


@pytest.fixture
def with_records(studies: Path, recorded: Path) -> Path:
    """Put the study that was run among the bundled ones."""
    (studies / "recorded").symlink_to(recorded)
    return studies


#: Opens the page by a link with these parameters.
visit = partial(visit_page, "pages/6_compare.py")


def figures(at: AppTest) -> list[dict]:
    """Return the figures of a page, from top to bottom."""
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def y_title(figure: dict) -> str:
    return figure["layout"]["yaxis"].get("title", {}).get("text", "")


def rows(figure: dict) -> list[str]:
    return [text.split("</b>")[0].removeprefix("<b>") for text in figure["layout"]["yaxis"].get("ticktext", [])]


def forest(at: AppTest) -> dict:
    """Return the chart of one study's arms."""
    return next(figure for figure in figures(at) if figure["data"][0].get("name") == "one seed")


def button(at: AppTest, label: str) -> object:
    return next(one for one in at.button if one.label == label)


# ---------------------------------------------------------------------- all studies, then one


def test_a_cell_is_a_choice_whose_number_is_that_of_its_runs() -> None:
    at = visit()
    study = next(iter(claim(bundled()).tables.values())).study
    glow, chosen = (
        mean(run.bits_per_dim for (arm, _), run in study.runs.items() if arm == half_from(half, "random"))
        for half in ("last", "variance")
    )
    cell = at.button(key="cell-random, by variance")
    assert f"[{signed(glow - chosen, 3)}]" in cell.label
    cell.click().run()
    assert f"cost {chosen - glow:.3f} bits per value" in sentences(at)
    assert url(at)["cell"] == "random, by variance"


@pytest.mark.slow
def test_every_document_states_the_counts_of_the_bundled_studies() -> None:
    asked = counts(bundled())
    expected = {key: count.in_words() for key, count in asked.items()}
    at = visit()
    pages = {
        "report": summary_in_words(summary(bundled())),
        "Compare": unescape(sentences(at)),
    }
    for sentence in expected.values():
        assert [name for name, text in pages.items() if sentence not in text] == []
    readme, document = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/studies.md"))
    whole = claim(bundled())
    assert all(whole.headline() in text for text in (*pages.values(), readme, document))
    cells = (ROOT / "research" / "start-by-half.csv").read_text(encoding="utf-8")
    for table in whole.tables.values():
        leads = [lead for lead in table.cells.values() if lead is not None]
        assert leads and all(f",{lead.lead:.4f},{lead.low:.4f},{lead.high:.4f}," in cells for lead in leads)
    facts = opened(default.pack())[0]["studies"]
    with_rungs = by_set(bundled()).values()
    assert [(fact["data"], fact["iterations"]) for fact in facts] == [
        (made.study.recipe.data_name, made.study.recipe.iterations) for made in with_rungs
    ]
    for fact, made in zip(facts, with_rungs, strict=True):
        assert [rung["step"]["lead"] for rung in fact["rungs"][1:]] == pytest.approx(
            [rung.step.lead for rung in made.rungs[1:] if rung.step], abs=1e-5
        )
    picture = (ROOT / "assets" / "ladder.svg").read_text(encoding="utf-8")
    for made in by_set(bundled()).values():
        assert all(f">{signed(rung.step.lead, 3)}<" in picture for rung in made.rungs if rung.step)


def test_another_study_forgets_arms_that_it_may_not_have(studies: Path) -> None:
    write_study(studies / "other.zip", arms({"random/principal": 4.0, "entropy/principal": 4.2}))
    at = visit(study="photos32")
    at.selectbox(key="subject").set_value("variance-reversed+pooled/principal-alternating").run()
    at.selectbox(key="study").set_value("other").run()
    assert not at.exception
    assert rows(forest(at)) == ["random"]


def test_a_file_that_is_no_study_is_an_error_and_the_others_can_be_chosen(studies: Path) -> None:
    write_packed(studies / "bad.zip", {})
    at = visit(study="bad")
    assert not at.exception
    assert [error.value for error in at.error] == [
        "bad.zip is not a study's file: it has no recipe and results. Choose another study."
    ]
    at.selectbox(key="study").set_value("photos32").run()
    assert not at.error and "over 6 seeds on photos32" in sentences(at)


def test_without_a_study_the_page_says_so_and_offers_to_run_one(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "BUNDLED", bundle / "nowhere")
    at = visit()
    assert not at.exception
    assert "There is no study yet" in at.info[0].value
    assert button(at, "Start the study")


@pytest.mark.slow
def test_the_lines_of_python_give_the_report_and_costs_are_those_of_the_study_at_equal_time(studies: Path) -> None:
    at = visit(study="photos32")
    names: dict[str, Any] = {}
    exec(at.code[1].value, names)
    assert names["answer"] == report(read_study(studies / "photos32.zip"))
    path = write_study(studies / "photos32-equal-cpu.zip", BOTH, equal_time=True)
    costs = {f"{weights}/{prior}": cost for weights, cost in (("none", 1.0), ("pooled", 1.034))
             for prior in ("conditional", "standard")}  # fmt: skip
    write_packed(path, {**packed_document(path), "step_cost": costs})
    at, equal = visit(study="photos32"), read_study(path)
    assert "×1.034" in sentences(at)
    own, other = (answer(equal, subject).in_words() for subject in subjects(equal)[:2])
    assert own in sentences(at) and other not in sentences(at)
    at.selectbox(key="subject").set_value(subjects(equal)[1]).run()
    assert other in sentences(at) and own not in sentences(at)


def test_an_equal_time_study_of_other_arms_is_passed_over(studies: Path) -> None:
    def written(name: str, *splits: str, equal_time: bool = True) -> Path:
        means = {f"{split}/principal-alternating": 4.0 for split in splits}
        return write_study(studies / f"{name}.zip", arms(means), equal_time=equal_time)

    other, same = written("a", "entropy", "random"), written("b", "variance", "entropy+pooled", "random")
    study, other, same = map(read_study, (written("c", "variance", "entropy+pooled", equal_time=False), other, same))
    assert at_equal_time(study, [other]) is None
    assert at_equal_time(study, [other, same]).name == "b"


# ---------------------------------------------------------------------- in lock-step


@pytest.mark.slow
def test_arms_move_in_lock_step_to_the_step_and_by_the_measure_of_the_link(with_records: Path) -> None:
    at = visit(study="recorded")
    assert not at.exception and not at.error
    moving = [figure for figure in figures(at) if figure.get("frames")]
    assert [y_title(figure) for figure in moving] == ["bits/dim on test crops"]  # curves
    steps = [[frame["name"] for frame in figure["frames"]] for figure in moving]
    assert all(one == steps[0] for one in steps)
    assert len(steps[0]) >= 20
    assert url(at)["step"] == "25"
    html = "\n".join(element.proto.body for element in at.get("html"))
    for order in ("variance-reversed", "entropy+pooled", "entropy"):
        assert f'data-name="film-{order}-principal-random-conditional"' in html
        assert f'data-of="film-{order}-principal-random-conditional"' in html
    assert "8 samples drawn from the flow" in html
    assert url(visit(study="recorded", step="999"))["step"] == "25"
    at = visit(study="recorded", step="5", curves="minus")
    assert url(at)["step"] == "5"
    (moving,) = (figure for figure in figures(at) if figure.get("frames"))
    assert y_title(moving) == "lead of entropy + weights (bits/dim)"
    # The lead of the first arm is what each other needs more than it.
    study = read_study(with_records / "recorded")
    needed = {
        arm.order + (" + weights" if arm.weights == "pooled" else ""): mean(
            run.curve[-1][-1] for (each, _), run in study.runs.items() if each == arm
        )
        for arm in study.arms
    }
    first = needed.pop("entropy + weights")
    leads = {line["name"]: line["y"][-1] for line in moving["data"] if line.get("name") in needed}
    assert leads == {name: pytest.approx(bits - first, abs=1e-3) for name, bits in needed.items()}


STUDIES = sorted(path.stem for path in studies_in(shown.BUNDLED))


# That every one of them can be read, with its records, is tested with the studies.
@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES if LONG else STUDIES[1::6])
def test_every_study_that_comes_with_the_project_is_shown_to_its_last_sentence(study: str) -> None:
    at = visit(study=study)
    assert not at.exception and not at.error
    assert re.search(r"(Yes|No|Not shown): .* seeds (with another split )?on ", sentences(at))


# ---------------------------------------------------------------------- a study of one's own


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[StudyRecipe, Path]]:
    """Return what would have been started."""
    seen: list[tuple[StudyRecipe, Path]] = []
    monkeypatch.setattr(worker, "start", lambda recipe, out: seen.append((recipe, out)))
    return seen


def test_a_study_starts_with_what_the_form_shows_at_the_click(studies: Path, started: list) -> None:
    """A number that is still being typed reaches the server together with the click."""
    at = visit()
    assert at.number_input(key="study-seeds").value == 3
    at.number_input(key="study-seeds").set_value(1)
    at.selectbox(key="study-data").set_value("faces16")
    at.toggle(key="study-null").set_value(True)
    button(at, "Start the study").click().run()
    assert not at.exception
    ((recipe, _),) = started
    assert (recipe.data, recipe.seeds, recipe.iterations) == ("faces16", 1, 100)
    assert recipe.arms == (*DEFAULT_ARMS, *control(["conditional"]))


def test_a_click_before_the_lists_of_arms_are_drawn_starts_nothing(studies: Path, started: list) -> None:
    at = visit()
    at.button_group(key="study-arms").set_value("my own choice")
    button(at, "Start the study").click().run()
    assert not at.exception and started == []


def test_the_arms_compared_at_first_are_the_best_of_each_other_order(tmp_path: Path) -> None:
    means = {
        "entropy/principal-random": 3.8,
        "entropy/principal-alternating": 3.7,
        "variance/principal-alternating": 3.9,
        "variance/principal-random": 3.95,
        "variance@0.75/principal-random": 3.6,
        "random/principal-random": 4.1,
    }
    study = read_study(write_study(tmp_path / "study.zip", arms(means)))
    first = subjects(study)[0]
    assert first.startswith("entropy/")
    assert arms_shown._usual(study) == ["variance/principal-alternating", "random/principal-random"]


@pytest.mark.slow
def test_a_study_of_nothing_cannot_be_started(studies: Path, started: list) -> None:
    at = visit()
    at.button_group(key="study-arms").set_value("my own choice").run()
    at.multiselect(key="study-orders").set_value([]).run()
    assert not [one for one in at.button if one.label == "Start the study"]
    at.toggle(key="study-null").set_value(True).run()
    button(at, "Start the study").click().run()
    assert started[0][0] == StudyRecipe(arms=control(), seeds=3, iterations=100)


def test_a_refused_start_is_a_sentence(studies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(recipe: StudyRecipe, out: Path) -> None:
        raise RunError("The CPU is taken by a run.")

    monkeypatch.setattr(worker, "start", refuse)
    at = visit()
    button(at, "Start the study").click().run()
    assert [error.value for error in at.error] == ["The CPU is taken by a run."]


def own_study(done: int) -> Path:
    """Write a study of one's own, with so many of its runs done."""
    return write_begun(shown.own_folder() / "mine", arms({"entropy+pooled/principal": 3.8}, seeds=4), done)


def test_a_study_that_was_stopped_can_go_on(studies: Path, started: list) -> None:
    path = own_study(done=1)
    at = visit()
    assert not at.exception
    button(at, "Resume").click().run()
    assert started == [(read_study(path).recipe, path)]


def test_a_study_that_is_removed_while_it_is_watched_is_gone_in_a_sentence(
    studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, draw = own_study(done=1), new_study._progress

    def removed(key: str, path: Path, was_alive: bool) -> None:
        shutil.rmtree(path, ignore_errors=True)
        draw(key, path, was_alive)

    monkeypatch.setattr(new_study, "_progress", removed)
    at = visit(study="mine")
    assert not at.exception and not path.exists()
    assert any("“mine”" in note.value for note in at.info) and not [one for one in at.button if one.label == "Resume"]


def test_a_study_under_way_is_measured_again_with_every_run(studies: Path) -> None:
    for done in (2, 4):
        bits = arms({"entropy/principal": 3.8, "random/principal": 3.9}, seeds=4)
        study = read_study(write_begun(shown.own_folder() / "mine", bits, 4 + done))
        assert [len(lead.values) for lead in cache.of_study(comparisons, study)] == [done]


def test_a_study_that_has_only_begun_is_no_failure(studies: Path) -> None:
    own_study(done=0)
    at = visit(study="mine")
    assert not at.exception
    assert "mine has no run yet." in at.error[0].value
