"""Where studies are kept: folders and packed files, and what a stranger may have put there."""

import json
import math
import shlex
import zipfile
from pathlib import Path

import pytest

from eiwflow.data import chosen_places
from eiwflow.study import file
from eiwflow.study.answer import answer
from eiwflow.study.arms import arm_curve
from eiwflow.study.file import (
    SETTINGS,
    StudyError,
    merge,
    own_samples,
    pack,
    read_record,
    read_study,
    settings_file,
    studies_in,
)
from eiwflow.study.recipe import Arm, StudyRecipe
from eiwflow.study.report import report
from eiwflow.study.run import run_study

from ..studies import arms, document, write_packed, write_study
from ..test_cli import json_of, printed, refused
from ..training.tiny import write_npz

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = studies_in(ROOT / "assets" / "studies")


# ---------------------------------------------------------------------- a stranger's file


def changed_result(**fields):
    def change(made):
        made["results"][0].update(fields)

    return change


def changed_recipe(**fields):
    def change(made):
        made["recipe"].update(fields)

    return change


SPOILT = {
    "no recipe": (lambda made: made.pop("recipe"), ""),
    "results in words": (lambda made: made.update(results=5), ""),
    "a field of another type": (changed_recipe(seeds="six"), "six"),
    "a field that is not known": (changed_recipe(colour="red"), "colour"),
    "an arm that is none": (changed_recipe(arms=["up/down"]), "up"),
    "a result that is none": (lambda made: made["results"].append(3), "Result 13"),
    "no arm": (lambda made: made["results"][0].pop("arm"), "arm"),
    "bits in words": (changed_result(bits_per_dim="low"), "low"),
    "bits not finite": (changed_result(bits_per_dim=math.inf), "Result 1"),
    "a point of one": (changed_result(curve=[[1]]), "Result 1"),
    "a point that is not finite": (changed_result(curve=[[1, math.nan, 2]]), "Result 1"),
    "costs in words": (lambda made: made.update(step_cost="much"), ""),
}


@pytest.mark.parametrize(("spoil", "named"), SPOILT.values(), ids=SPOILT.keys())
def test_a_file_that_is_not_a_study_is_refused_in_one_sentence(tmp_path, spoil, named):
    made = document(arms({"entropy+pooled/principal-random": 3.8, "entropy/principal-random": 3.9}))
    spoil(made)
    write_packed(tmp_path / "s.zip", made)
    with pytest.raises(StudyError) as refusal:
        read_study(tmp_path / "s.zip")
    assert named in str(refusal.value)
    assert "s.zip" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"null", b"1" * 5000])
def test_what_is_not_json_is_refused(tmp_path, content):
    write_packed(tmp_path / "s.zip", content)
    with pytest.raises(StudyError, match=r"^s\.zip is not a study's file"):
        read_study(tmp_path / "s.zip")


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"results": 5}, "has no recipe and results"),
        ({"recipe": {"seeds": 10**400}}, "seeds is 1000"),
    ],
)
def test_the_report_of_a_folder_that_is_no_study_is_refused_in_one_sentence(tmp_path, spoilt, words):
    (tmp_path / SETTINGS).write_text(json.dumps({"recipe": {}, "results": [], **spoilt}))
    line = refused("study", "--out", tmp_path, "--report")
    assert words in line and len(line) < 300


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StudyError, match="cannot be read"):
        read_study(tmp_path / "s.zip")


def test_a_study_under_way_is_read_as_far_as_it_is(tmp_path):
    made = document(arms({f"{order}/principal-random": 4.0 for order in ("entropy", "variance", "random")}))
    made["results"] = made["results"][: len(made["results"]) // 2]
    write_packed(tmp_path / "s.zip", made)
    study = read_study(tmp_path / "s.zip")
    assert not study.is_done
    assert len(study.runs) == len(made["results"])
    with pytest.raises(StudyError, match="no run yet"):
        write_packed(tmp_path / "s.zip", {**made, "results": []})
        answer(read_study(tmp_path / "s.zip"))


# ---------------------------------------------------------------------- studies that were run


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Return the folder of a study that was run, of two arms with weights and without."""
    folder = tmp_path_factory.mktemp("study")
    tiny = {"levels": 2, "steps": 1, "width": 8, "size": 8, "batch": 8, "iterations": 25, "seeds": 2}
    chosen = ("variance-reversed/principal-random", "entropy+pooled@0.25/principal-random")
    run_study(StudyRecipe(data=str(write_npz(folder / "planes.npz")), arms=chosen, **tiny), folder / "real")
    return folder / "real"


def test_a_study_that_was_run_is_read_with_its_records(real):
    study = read_study(real)
    assert study.is_done and study.name == "real" and study.path == real
    assert study.sha256 == read_study(real / SETTINGS).sha256
    assert [arm.order for arm in study.arms] == ["variance-reversed", "entropy"]
    static, weighted = (read_record(study, arm) for arm in study.arms)
    assert static.steps.tolist() == weighted.steps.tolist()
    assert len(static.steps) >= 20

    assert weighted.levels[0].redundancy.shape == (len(static.steps), 12)
    assert static.samples.keys() == set(static.steps.tolist())


def test_a_packed_study_is_one_small_file_with_the_same_results_and_thinned_records(real, tmp_path):
    study = read_study(real)
    packed = pack([study], tmp_path / "packed.zip")
    assert (packed.recipe, packed.name) == (study.recipe, "packed")
    assert [run.to_dict() for run in packed.runs.values()] == [run.to_dict() for run in study.runs.values()]
    assert answer(packed).in_words() == answer(study).in_words()
    for arm in study.arms:
        whole, kept = read_record(study, arm), read_record(packed, arm)
        assert [*kept.steps] == [*whole.steps[chosen_places(len(whole.steps), file.PACKED_STEPS)]]
        assert len(kept.steps) == file.PACKED_STEPS and kept.samples[25] == whole.samples[25]
    assert (tmp_path / "packed.zip").stat().st_size < 100_000
    (tmp_path / "again").mkdir()
    assert pack([study], tmp_path / "again" / "packed.zip").sha256 == packed.sha256
    (tmp_path / "twice").mkdir()
    assert pack([packed], tmp_path / "twice" / "packed.zip").sha256 == packed.sha256


def test_the_command_packs_a_study_and_another_of_the_same_recipe(real, tmp_path):
    study = read_study(real)
    made = document({Arm("random"): [4.0, 4.1]}, **{**study.recipe.to_dict(), "arms": ("random/principal-random",)})
    write_packed(tmp_path / "more.zip", {**made, "data_sha256": study.data_sha256})
    said = json_of("study", "--out", real, "--pack", tmp_path / "all.zip", "--also", tmp_path / "more.zip")
    found = read_study(tmp_path / "all.zip")
    assert said["runs"] == len(found.runs) == 6 and said["bytes"] == (tmp_path / "all.zip").stat().st_size
    assert [arm.order for arm in found.arms] == ["variance-reversed", "entropy", "random"]
    write_packed(tmp_path / "other.zip", {**made, "recipe": {**made["recipe"], "width": 9}})
    assert "of another recipe" in refused(
        "study", "--out", real, "--pack", tmp_path / "x.zip", "--also", tmp_path / "other.zip"
    )
    write_packed(tmp_path / "other.zip", {**made, "data_sha256": "0"})
    assert "on other images" in refused(
        "study", "--out", real, "--pack", tmp_path / "x.zip", "--also", tmp_path / "other.zip"
    )
    assert "ends in .zip" in refused("study", "--out", real, "--pack", tmp_path / "x.json")
    assert not (tmp_path / "x.zip").exists()


def test_of_studies_that_are_merged_arms_without_a_run_are_left_out(tmp_path):
    made = document({Arm("entropy"): [3.8, 3.9], Arm("variance"): [4.0, 4.1]})
    made["results"] = [one for one in made["results"] if one["arm"].startswith("entropy")]
    write_packed(tmp_path / "s.zip", made)
    assert merge([read_study(tmp_path / "s.zip")]).recipe.arms == (Arm("entropy"),)


def test_of_a_run_in_two_studies_the_first_counts(tmp_path):
    bits = {"a": [3.8, 3.9], "b": [4.0, 4.1, 4.2]}
    studies = [read_study(write_study(tmp_path / f"{name}.zip", {Arm("entropy"): of})) for name, of in bits.items()]
    assert [run.bits_per_dim for run in merge(studies).of(Arm("entropy"))] == [3.8, 3.9, 4.2]


@pytest.mark.parametrize(("cost", "merges"), [(1.3, True), (1.1, False), (None, False)])
def test_studies_at_equal_time_seconds_are_merged_only_if_their_steps_cost_the_same(tmp_path, cost, merges):
    for name, words, costs in (("a", "entropy", {"none": 1.0, "w": 1.3}), ("b", "variance", {"none": 1.0, "w": cost})):
        made = document({Arm(words): [3.8, 3.9]})
        made["recipe"]["equal_time"] = True
        write_packed(tmp_path / f"{name}.zip", {**made, "step_cost": costs if cost else None})
    if cost is None:  # of one nothing was measured
        write_packed(tmp_path / "a.zip", {**made, "step_cost": {"none": 1.0}})
    studies = [read_study(tmp_path / f"{name}.zip") for name in "ab"]
    if merges:
        assert merge(studies).step_cost == {"none": 1.0, "w": 1.3}
    else:
        with pytest.raises(StudyError, match="b.* and a.* the costs of their steps differ"):
            merge(studies)


def test_a_folder_of_studies_lists_each_once(real, tmp_path):
    write_study(tmp_path / "a.zip", arms({"entropy/principal-random": 3.8}))
    pack([read_study(real)], tmp_path / "b.zip")
    (tmp_path / "c").mkdir()
    (tmp_path / "d").symlink_to(real)
    (tmp_path / "e.txt").touch()
    (tmp_path / "f.json").write_text("{}")
    assert [path.name for path in studies_in(tmp_path)] == ["a.zip", "b.zip", "d"]
    assert settings_file(tmp_path / "d") == tmp_path / "d" / SETTINGS and settings_file(tmp_path / "b.zip").is_file()


def spoilt_record(change):
    def spoil(record):
        made = json.loads(json.dumps(record))
        change(made["steps"])
        return made

    return spoil


SPOILT_RECORDS = {
    "not there": lambda record: None,
    "no JSON": lambda record: "{",
    "steps that fall": spoilt_record(list.reverse),
    "an order that is none": spoilt_record(lambda steps: steps[0]["levels"][0].update(order=[0] * 12)),
    "no finite number": spoilt_record(lambda steps: steps[0]["levels"][0].update(entropy=[math.nan] * 12)),
}


@pytest.mark.parametrize("spoil", SPOILT_RECORDS.values(), ids=SPOILT_RECORDS.keys())
def test_a_record_that_cannot_be_trusted_is_none(tmp_path, real, spoil):
    made, arm = document(arms({"entropy/principal-random": 3.8})), Arm("entropy")
    record = {"steps": file.recorded_steps(read_study(real), read_study(real).arms[0])}
    assert read_record(read_study(write_packed(tmp_path / "s.zip", made, {arm.name: record})), arm) is not None
    spoilt = spoil(record)
    records = {} if spoilt is None else {arm.name: spoilt}
    assert read_record(read_study(write_packed(tmp_path / "s.zip", made, records)), arm) is None


def zip_with(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return path


BAD_ZIPS = {
    "no zip": lambda path: path.write_bytes(b"PK nothing"),
    "another zip": lambda path: zip_with(path, {"a.txt": "hello"}),
    "cut short": lambda path: path.write_bytes(zip_with(path, {SETTINGS: "{}"}).read_bytes()[:-30]),
    "broken bytes": lambda path: path.write_bytes(
        zip_with(path, {SETTINGS: json.dumps(list(range(999)))}).read_bytes().replace(b"0", b"1", 3)
    ),
}


@pytest.mark.parametrize("make", BAD_ZIPS.values(), ids=BAD_ZIPS.keys())
def test_a_packed_study_that_is_none_is_refused_in_one_sentence(tmp_path, make):
    make(tmp_path / "s.zip")
    with pytest.raises(StudyError, match=r"^[^\n]*(s\.zip)[^\n]*$"):
        read_study(tmp_path / "s.zip")


# ---------------------------------------------------------------------- the command, and what is bundled


def test_the_command_line_reports_what_the_page_shows(real):
    said = json_of("study", "--out", real, "--report")
    study = read_study(real)
    expected = report(study)
    assert said["answers"] == expected["answers"]
    assert said["answers"][0]["sentence"] == answer(study).in_words()
    assert said["leads"] == expected["leads"]
    assert [row["comparison"] for row in said["leads"]["comparison"]] == [
        "entropy + weights, ¼ passed on over variance-reversed"
    ]
    text = printed("study", "--out", real, "--report", "--subject", "variance-reversed/principal")
    assert "variance-reversed" in text


@pytest.mark.parametrize("subject", ["weighted", "entropy/principal/standard/1", "entropy/random"])
def test_the_command_line_refuses_a_subject_that_is_none(real, subject):
    refused("study", "--out", real, "--report", "--subject", subject)


def test_the_command_line_refuses_a_report_of_what_is_no_study(tmp_path):
    write_packed(tmp_path / "s.zip", {})
    assert "is not a study's file" in refused("study", "--out", tmp_path / "s.zip", "--report")
    (tmp_path / "s.json").write_text("{}")
    assert "s.json is not a packed study" in refused("study", "--out", tmp_path / "s.json", "--report")
    assert "cannot be read" in refused("study", "--out", tmp_path / "nothing", "--report")


@pytest.mark.parametrize("path", BUNDLED, ids=[path.stem for path in BUNDLED])
def test_a_bundled_study_has_the_records_of_its_arms_and_the_command_that_made_it(path):
    study = read_study(path)
    assert all(len(study.of(arm)) >= 2 for arm in study.arms)
    assert all((own_samples if arm.source else read_record)(study, arm) is not None for arm in study.arms)
    assert shlex.split(study.command)[:4] == ["python", "-m", "eiwflow", "study"]
    assert str(ROOT) not in study.command


@pytest.mark.parametrize("kept", [True, False])
def test_the_curve_of_an_arm_is_of_evaluation_images_where_those_were_scored(tmp_path, kept):
    arm = Arm("entropy", "pooled")
    made = document({arm: [4.0, 4.2]})
    for result, share in zip(made["results"], (1.0, 3.0), strict=True):
        # A step, bits/dim of training batches, then of evaluation images; the last run may lack the latter.
        result["curve"] = [[1, 5 + share, 7 + share], [50, 4 + share, 6.5 + share]]
        if share == 3 and not kept:
            result["curve"] = [point[:2] for point in result["curve"]]
    curve = arm_curve(read_study(write_packed(tmp_path / "made-up.zip", made)), arm)
    assert curve.bits_per_dim.tolist() == ([[8, 7.5], [10, 9.5]] if kept else [[6, 5], [8, 7]])
    first, last = ("9.000", "8.500") if kept else ("7.000", "6.000")
    assert curve.in_words() == f"from {first} at step 1 to {last} at step 50"
