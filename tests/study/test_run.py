"""Running a study: every run an ordinary run directory, and a folder that survives whatever happens to its commands."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from eiwflow.checkpoint import load
from eiwflow.cli import build_parser
from eiwflow.cli import study as study_command
from eiwflow.cli.study import study_arms
from eiwflow.flow import MultiScaleFlow
from eiwflow.flow.score import score
from eiwflow.options import FLOW, TRAINING
from eiwflow.study import run as study
from eiwflow.study.file import RESULT, SETTINGS, read_study, run_folder
from eiwflow.study.recipe import AGAIN, Arm, StudyRecipe
from eiwflow.study.run import Job, StudyFolder, parse_shard, run_job, run_study
from eiwflow.training import input as input_module
from eiwflow.training import run as run_module
from eiwflow.training import run_directory
from eiwflow.training.batches import training_batch
from eiwflow.training.failures import TrainingFailed
from eiwflow.training.run import train
from eiwflow.training.run_directory import RunDirectory, RunError
from eiwflow.training.trainer import Trainer

from .. import LONG
from ..studies import arms, write_begun
from ..test_cli import json_of, refused, run_main
from ..training.processes import CONTEXT, alive, begun, ended
from ..training.test_resume import Killed, killed_at
from ..training.tiny import tiny_config, tiny_data, tiny_recipe, write_npz

ROOT = Path(__file__).resolve().parents[2]
TINY = ("--levels", 2, "--steps-per-level", 1, "--width", 8, "--size", 8, "--batch", 8, "--iterations", 6)
ARMS = ("variance-reversed/principal-random", "entropy+pooled/principal-information")


def tiny_study(data="planes", **fields):
    tiny = {"arms": ARMS, "seeds": 2, "levels": 2, "steps": 1, "width": 8, "size": 8}
    return StudyRecipe(**{"data": str(data), **tiny, "batch": 8, "iterations": 6, **fields})


@pytest.fixture
def data(tmp_path):
    return write_npz(tmp_path / "planes.npz")


def numbers(found):
    """Return the results of a study without what the clock says."""
    return [{name: value for name, value in run.to_dict().items() if name != "cpu_s"} for run in found.runs.values()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The results of the study of two seeds, run at once and in one process."""
    folder = tmp_path_factory.mktemp("whole")
    return run_study(tiny_study(write_npz(folder / "planes.npz")), folder / "study")


def results_in(folder):
    return len(list(folder.glob(f"*/seed-*/{RESULT}")))


def command(data, out, *more):
    return [str(part) for part in ("study", "--data", data, "--out", out, *TINY, *more)]


def job_of(folder, recipe, arm="entropy+pooled/principal-information"):
    return Job(folder, Arm.parse(arm), recipe, "python -m eiwflow study")


# ---------------------------------------------------------------------- one run


@pytest.mark.slow
def test_a_run_has_all_that_a_study_keeps_and_only_finite_numbers(tmp_path):
    recipe = tiny_recipe(iterations=30)
    assert run_job(job_of(tmp_path, recipe), tiny_data()) == ""
    result = json.loads((tmp_path / job_of(tmp_path, recipe).arm.name / "seed-0" / RESULT).read_bytes())
    assert result["iterations"] == 30
    assert result["parameters"] == MultiScaleFlow(tiny_config()).parameter_count()
    assert 0 < result["cpu_s"] < 60
    curve = np.array(result["curve"])
    assert curve.shape == (11, 3) and np.isfinite(curve).all()
    assert (curve[0, 0], curve[-1, 0]) == (1, 30)


@pytest.mark.slow
def test_of_images_larger_than_the_flow_a_study_sees_no_border(tmp_path):
    """Every crop of an image of one colour is the same, so its size is of no matter."""
    colours, found = np.random.default_rng(0).integers(40, 220, (40, 1, 1, 3), dtype=np.uint8), []
    for side in (12, 10, 9):  # only twelve is divided by four
        images = np.tile(colours, (1, side, side, 1))
        np.savez(tmp_path / f"{side}.npz", train=images[:30], test=images[30:])
        recipe = tiny_study(tmp_path / f"{side}.npz", arms=("last/random",), seeds=1)
        found.append(numbers(run_study(recipe, tmp_path / f"study {side}")))
    assert found[0] == found[1] == found[2]


def test_a_study_scores_the_averaged_parameters_on_four_corners_with_the_noise_of_its_seed(tmp_path, monkeypatch):
    made = []

    def kept(*arguments):
        made.append(Trainer(*arguments))
        return made[-1]

    monkeypatch.setattr(run_module, "Trainer", kept)
    images, recipe = tiny_data(size=12, test=5), tiny_recipe(12, learning_rate=0.01, seed=3)
    job = job_of(tmp_path, recipe)
    assert run_job(job, images) == ""
    (trainer,) = made
    assert trainer.crops.shape == (20, 3, 8, 8)
    assert np.array_equal(trainer.crops[3].permute(1, 2, 0), images.test[0, 4:, 4:])
    average, current = (score(flow, trainer.crops, 3).mean().item() for flow in (trainer.average, trainer.flow))
    assert abs(average - current) > 0.005
    run = run_folder(tmp_path, job.arm, 3)
    assert json.loads((run / RESULT).read_bytes())["bits_per_dim"] == pytest.approx(average, abs=1e-4)
    opened = load(run / "checkpoints" / "last.safetensors").flow
    assert score(opened, trainer.crops, 3).mean().item() == pytest.approx(average, abs=1e-4)


@pytest.mark.slow
def test_the_cost_of_a_run_is_that_of_its_steps_without_recording_and_scoring(whole):
    for run in whole.runs.values():
        end = RunDirectory.open(run_folder(whole.path, run.arm, run.seed)).records()[-1]
        assert run.cpu_s == round(end["step_cpu_seconds"], 2)
        assert end["step_cpu_seconds"] < end["cpu_seconds"]


def test_arms_of_one_seed_share_parameters_and_batches(monkeypatch, tmp_path):
    recipe, images, seen = tiny_study(iterations=2), tiny_data(size=12), []

    def batch(*arguments):
        seen.append(training_batch(*arguments))
        return seen[-1]

    monkeypatch.setattr(input_module, "training_batch", batch)
    for arm in recipe.arms:
        assert run_job(Job(tmp_path, arm, recipe.training(arm, 3), ""), images) == ""
    half = len(seen) // 2
    assert half >= 3
    assert all(torch.equal(one, other) for one, other in zip(seen[:half], seen[half:], strict=True))
    one, other = (MultiScaleFlow(recipe.training(arm, 3).flow, 3).state_dict() for arm in recipe.arms)
    assert one.keys() < other.keys()
    # Beside the weights the order of the channels is what the arms differ in; every other parameter is the same.
    different = {name for name in one if not torch.equal(one[name], other[name])}
    assert different == {"levels.0.shuffle.order"}


def failing_after(monkeypatch, steps, error):
    """Let every run with the entropy order fail after so many steps."""
    advance = Trainer.advance

    def failing(trainer):
        if trainer.step == steps and trainer.recipe.flow.order == "entropy":
            raise error
        return advance(trainer)

    monkeypatch.setattr(Trainer, "advance", failing)


@pytest.mark.slow
def test_a_run_that_memory_is_too_small_for_costs_the_study_no_other_run(tmp_path, data, monkeypatch):
    with monkeypatch.context() as patch:
        failing_after(patch, 2, RuntimeError("DefaultCPUAllocator: can't allocate memory"))
        with pytest.raises(TrainingFailed, match=r"^2 of 4 runs failed; .*entropy.* 0: After step 2 .* memory ran out"):
            run_study(tiny_study(data), tmp_path / "study")
    found = read_study(tmp_path / "study")
    assert [arm.order for arm, _ in found.runs] == ["variance-reversed"] * 2
    assert StudyFolder(tmp_path / "study").state().name == "failed"
    assert len(run_study(tiny_study(data), tmp_path / "study").runs) == 4


# ---------------------------------------------------------------------- the folder


@pytest.mark.slow
def test_every_run_of_a_study_is_a_run_directory_that_can_be_opened(tmp_path, data):
    out = tmp_path / "sub" / "one"
    recipe = tiny_study(data, iterations=25, arms=[f"{ARMS[0]}/standard", f"{ARMS[1]}/conditional"])
    found = run_study(recipe, out, "python -m eiwflow study")
    assert found.is_done and found.recipe == recipe and list(found.runs) == list(recipe.runs())
    assert {path.name for path in out.iterdir() if path.is_dir()} == {arm.name for arm in recipe.arms}
    for arm, seed in recipe.runs():
        run = RunDirectory.open(run_folder(out, arm, seed))
        assert run.config()[0] == recipe.training(arm, seed)
        assert run.state().name == "finished"
        assert load(run.last_checkpoint).info.step == 25
        assert not run.resume_file.exists()
        recorded = [record["step"] for record in run.records() if "levels" in record]
        assert len(recorded) == (24 if seed == 0 else 2) and (recorded[0], recorded[-1]) == (0, 25)
    # A finished run has nothing left to do, though its optimiser is gone.
    assert train(run, images=tiny_data()).step == 25
    said = json_of("inspect", run.path)
    assert said["step"] == 25


@pytest.mark.slow
def test_two_jobs_give_the_numbers_of_one(tmp_path, data, whole, monkeypatch):
    # Forked from a process that has torch; those of the command that is killed below are spawned.
    monkeypatch.setattr(study.multiprocessing, "get_context", lambda method: CONTEXT)
    assert numbers(run_study(tiny_study(data), tmp_path / "study", jobs=2)) == numbers(whole)


@pytest.mark.slow
def test_a_study_that_was_ended_goes_on_where_it_was(tmp_path, data, whole, monkeypatch):
    recipe, out = tiny_study(data), tmp_path / "study"
    with pytest.raises(Killed):
        run_study(recipe, out, progress=killed_at(3))
    assert results_in(out) == 3
    done = []
    monkeypatch.setattr(study, "run_job", lambda *arguments: done.append(arguments) or run_job(*arguments))
    assert numbers(run_study(recipe, out)) == numbers(whole)
    assert len(done) == 1


@pytest.mark.slow
def test_a_killed_study_goes_on_inside_a_run_to_the_same_numbers(tmp_path, data, monkeypatch):
    monkeypatch.setattr(study, "RECORDED_STEPS", 4)
    recipe = tiny_study(data, seeds=1, iterations=16)
    whole = run_study(recipe, tmp_path / "whole")
    monkeypatch.setattr(run_module, "SAVE_SECONDS", 0.0)
    advance, steps = Trainer.advance, []

    def killed(trainer):
        if trainer.step == 9 and trainer.recipe.flow.order == "entropy":
            raise Killed
        return advance(trainer)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Trainer, "advance", killed)
        run_study(recipe, tmp_path / "study")
    monkeypatch.setattr(Trainer, "advance", lambda trainer: steps.append(trainer.step) or advance(trainer))
    assert numbers(run_study(recipe, tmp_path / "study")) == numbers(whole)
    assert steps == list(range(9, 16))


def test_a_study_that_is_done_stays_as_it_is(tmp_path, data, monkeypatch):
    recipe, out = tiny_study(data, seeds=1), tmp_path / "study"
    run_study(recipe, out)
    before = {path: path.read_bytes() for path in out.rglob("*.json") if path.name != "status.json"}
    monkeypatch.setattr(study, "run_job", None)
    run_study(recipe, out)
    assert {path: path.read_bytes() for path in before} == before


OTHERS = {
    "iterations": {"iterations": 7},
    "evaluate_on": {"evaluate_on": "validation"},
    "flip": {"flip": True},
    "equal_time": {"equal_time": True},
}


@pytest.mark.parametrize("fields", OTHERS.values(), ids=OTHERS.keys())
def test_a_folder_of_another_recipe_is_refused_and_stays_as_it_is(tmp_path, data, fields):
    folder = StudyFolder.begin(tmp_path / "study", tiny_study(data, iterations=1, seeds=1))
    before = (folder.path / SETTINGS).read_bytes()
    with pytest.raises(RunError, match=r"^study holds a study of another recipe, with \w+ .*, not .*\.$"):
        run_study(tiny_study(data, **{"iterations": 1, "seeds": 1, **fields}), folder.path)
    assert (folder.path / SETTINGS).read_bytes() == before


@pytest.mark.slow
def test_the_same_recipe_with_more_arms_and_seeds_extends_the_study(tmp_path, data, whole, monkeypatch):
    out, done = tmp_path / "study", []
    first = run_study(tiny_study(data, arms=ARMS[:1], seeds=1), out)
    monkeypatch.setattr(
        study, "run_job", lambda job, *rest: done.append((job.arm.order, job.recipe.seed)) or run_job(job, *rest)
    )
    more = run_study(tiny_study(data, arms=ARMS[1:], seeds=2), out)
    assert sorted(done) == [("entropy", 0), ("entropy", 1), ("variance-reversed", 1)]
    assert more.is_done and len(more.runs) == 4
    assert numbers(more)[0] == numbers(first)[0]
    # More seeds were asked for when the results of one were there to be seen.
    assert numbers(more) == numbers(whole)


def test_a_study_goes_on_where_its_data_are_named_by_another_path(tmp_path, data, monkeypatch):
    out = tmp_path / "study"
    before = numbers(run_study(tiny_study(data, seeds=1, iterations=1, arms=ARMS[:1]), out))
    (tmp_path / "link.npz").symlink_to(data)
    monkeypatch.chdir(tmp_path)
    for seeds, path in enumerate((data.name, tmp_path / "link.npz", f"../{tmp_path.name}/{data.name}"), start=1):
        more = run_study(tiny_study(path, seeds=seeds, iterations=1, arms=ARMS[:1]), out)
        assert len(more.runs) == seeds and numbers(more)[0] == before[0] and more.recipe.data == str(data)
    (tmp_path / "copy.npz").write_bytes(data.read_bytes())
    for other in (tmp_path / "copy.npz", "faces16"):
        with pytest.raises(RunError, match=r"of another recipe, with data .*planes\.npz, not "):
            run_study(tiny_study(other, seeds=1, iterations=1, arms=ARMS[:1]), out)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_study_does_not_go_on_with_other_images_of_the_same_name(tmp_path, part):
    images, folder = tiny_data(train=4100, test=4100), StudyFolder.begin(tmp_path / "study", tiny_study())
    for _ in range(2):
        folder.extend(tiny_study(), images)
    getattr(images, part)[-1, 0, 0, 0] ^= 1
    with pytest.raises(RunError, match="of other images than"):
        folder.extend(tiny_study(), images)


NO_STUDIES = {
    "no JSON": lambda document: "{",
    "no recipe": lambda document: {**document, "recipe": None},
    "results in words": lambda document: {**document, "results": ["good"]},
}


@pytest.mark.parametrize("spoil", NO_STUDIES.values(), ids=NO_STUDIES.keys())
def test_a_folder_that_is_no_study_s_is_refused_and_stays_as_it_is(tmp_path, data, spoil):
    recipe = tiny_study(data, iterations=1, seeds=1)
    folder = StudyFolder.begin(tmp_path / "study", recipe)
    content = spoil(json.loads((folder.path / SETTINGS).read_bytes()))
    (folder.path / SETTINGS).write_text(content if isinstance(content, str) else json.dumps(content))
    before = (folder.path / SETTINGS).read_bytes()
    with pytest.raises(RunError, match=r"^study is there already and .*\.$"):
        run_study(recipe, folder.path)
    assert (folder.path / SETTINGS).read_bytes() == before


def test_a_folder_of_something_else_is_refused(tmp_path, data):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "one.png").touch()
    with pytest.raises(RunError, match="^pictures is there already and is not a study's folder"):
        run_study(tiny_study(data), tmp_path / "pictures")


def cut_short(number, file, act):
    """Act, and get a signal where a file of this name is written for the first time, in the folder of a run."""
    write, left = run_directory.write_atomically, [file]

    def signalled(path, content):
        if left == [path.name] and "seed-" in path.parent.name:
            left.clear()
            os.kill(os.getpid(), number)
        write(path, content)

    run_directory.write_atomically = signalled
    try:
        act()
    finally:
        run_directory.write_atomically = write


def run_cut_short(number, file, recipe, out):
    cut_short(number, file, partial(run_study, recipe, Path(out)))


@pytest.mark.slow
@pytest.mark.parametrize("file", ["status.json", "config.json"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_study_that_was_ended_while_it_made_a_run_goes_on(tmp_path, data, whole, number, file):
    recipe, out = tiny_study(data), tmp_path / "study"
    if number == signal.SIGTERM:
        with pytest.raises(KeyboardInterrupt, match="Stopped; the same command continues"):
            run_cut_short(number, file, recipe, out)
        assert not [*out.glob("*/*")], "something of the run is left"
    else:
        assert ended(begun(run_cut_short, number, file, recipe, str(out))) == -number
    assert results_in(out) == 0
    assert numbers(run_study(recipe, out)) == numbers(whole)


def work_cut_short(job):
    study._start_worker(tiny_data())
    cut_short(signal.SIGTERM, "config.json", partial(study._do_in_worker, job))


@pytest.mark.slow
def test_a_worker_that_is_stopped_while_it_makes_a_run_ends(tmp_path):
    """The pool kept the exception, and the process for further runs."""
    assert ended(begun(work_cut_short, job_of(tmp_path, tiny_recipe()))) == 1
    assert not [*tmp_path.glob("*/*")]


def test_a_folder_of_something_else_in_a_runs_place_is_named_and_stays(tmp_path, data):
    recipe, out = tiny_study(data, arms=ARMS[:1], seeds=1), tmp_path / "s"
    StudyFolder.begin(out, recipe)
    notes = run_folder(out, recipe.arms[0], 0) / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    with pytest.raises(TrainingFailed, match="/seed-0"):
        run_study(recipe, out)
    assert notes.read_text() == "mine"
    notes.parent.rename(tmp_path / "away")
    RunDirectory.create(notes.parent.parent, tiny_recipe(), "", "seed-0")
    with pytest.raises(TrainingFailed, match="/seed-0 holds a run of other settings"):
        run_study(recipe, out)


def test_a_study_at_equal_time_measures_a_step_once_and_keeps_to_it(tmp_path, data, monkeypatch):
    monkeypatch.setattr(study, "seconds_per_step", lambda configs, *_: dict(zip(configs, (2.0, 2.5), strict=True)))
    recipe, out = tiny_study(data, iterations=10, seeds=1, equal_time=True), tmp_path / "study"
    found = run_study(recipe, out)
    assert found.step_cost == {"none/conditional": 1.0, "pooled/conditional": 1.25}
    assert [run.iterations for run in found.runs.values()] == [10, 8]
    monkeypatch.setattr(study, "seconds_per_step", None)
    assert run_study(recipe, out).step_cost == found.step_cost


@pytest.mark.slow
def test_a_study_at_equal_time_times_the_flows_that_it_trains(tmp_path, monkeypatch):
    timed, make = [], study.step_of

    def noted(*arguments):
        timed.append(make(*arguments))
        return timed[-1]

    monkeypatch.setattr(study, "step_of", noted)
    named = ("variance-reversed+constant@auto/principal-information", "entropy/principal-random", "last@auto/random")
    recipe = tiny_study(write_npz(tmp_path / "large.npz", size=20), arms=named, seeds=1, levels=3, size=16, batch=80,
                        iterations=2, flip=True, equal_time=True)  # fmt: skip
    found = run_study(recipe, tmp_path / "study")
    trained = [load(run_folder(found.path, arm, 0) / "checkpoints" / "last.safetensors").flow for arm in recipe.arms]
    assert [step.__self__.flow.config.counts for step in timed] == [flow.config.counts for flow in trained]
    assert len({flow.config.counts for flow in trained}) == 3 and trained[0].config.counts[0] > 1


def test_a_study_takes_every_setting_that_a_training_takes():
    """But the choices of an arm, and those that a study makes run by run."""
    own = {"order", "weights", "prior", "init", "partition", "keep", "permutation_seed", "leaky", "context"}
    fields = {field.name for field in dataclasses.fields(StudyRecipe)}
    assert {*FLOW, *TRAINING, "size"} - own - {"seed", "validation"} <= fields
    recipe = tiny_study(coupling="exp", bits=5, schedule="constant", memory="recompute", accumulate=2)
    made = recipe.training(recipe.arms[0], 1)
    assert (made.flow.coupling, made.flow.bits, made.flow.memory) == ("exp", 5, "recompute")
    assert (made.schedule, made.accumulate) == ("constant", 2)


def test_the_arms_of_a_study_with_labels_are_conditional_on_them(tmp_path):
    recipe = StudyRecipe("faces16", ("variance/random",), 1, levels=2, steps=1, width=8, batch=8, iterations=2,
                         labels="glasses")  # fmt: skip
    found = run_study(recipe, tmp_path / "study")
    info = load(run_folder(found.path, recipe.arms[0], 0) / "checkpoints" / "last.safetensors").info
    assert info.labels == "glasses" and info.config.context == len(info.classes) == 15
    assert found.runs[recipe.arms[0], 0].bits_per_dim < 9


@pytest.mark.parametrize("done", [False, True], ids=["stopped", "finished"])
def test_a_study_at_equal_time_takes_no_arm_whose_steps_were_not_measured_with_the_others(
    tmp_path, data, monkeypatch, done
):
    monkeypatch.setattr(study, "seconds_per_step", lambda configs, *_: dict.fromkeys(configs, 2.0))
    recipe, out = tiny_study(data, iterations=2, seeds=1, arms=ARMS[:1], equal_time=True), tmp_path / "study"
    with monkeypatch.context() as patch:
        if not done:
            patch.setattr(study, "run_job", lambda *_: study.STOPPED)
        with nullcontext() if done else pytest.raises(study.Stopped):
            run_study(recipe, out)
    before = (out / SETTINGS).read_bytes()
    (kind,) = json.loads(before)["step_cost"]
    with pytest.raises(
        RunError, match=rf"measured together: {kind}\. The arm random\+pooled/principal-random/conditional has"
    ):
        run_study(tiny_study(data, iterations=2, arms=("random+pooled/principal-random",), equal_time=True), out)
    assert (out / SETTINGS).read_bytes() == before
    more = run_study(tiny_study(data, iterations=2, arms=ARMS[:1], equal_time=True, seeds=2), out)
    assert more.is_done and {run.iterations for run in more.runs.values()} == {2}


def test_a_command_that_is_refused_leaves_the_study_as_it_is(tmp_path, data):
    out = tmp_path / "study"
    run_study(tiny_study(data, iterations=1, seeds=1, arms=ARMS[:1]), out)
    before = (out / SETTINGS).read_bytes()
    more = tiny_study(data, iterations=1, seeds=3)
    with FileLock(out / "run.lock"), pytest.raises(RunError, match="is being trained by another process"):
        run_study(more, out)
    parts = dict(np.load(data))
    parts["train"][0, 0, 0, 0] ^= 1
    np.savez(data, **parts)
    with pytest.raises(RunError, match="of other images than"):
        run_study(more, out)
    assert (out / SETTINGS).read_bytes() == before


# ---------------------------------------------------------------------- shares


@pytest.mark.slow
def test_shares_cover_a_study_and_give_its_numbers(tmp_path, data, whole):
    recipe, out = tiny_study(data), tmp_path / "study"
    counts = []
    for number in (2, 1, 3):
        before = results_in(out)
        run_study(recipe, out, shard=(number, 3))
        counts.append(results_in(out) - before)
    assert sorted(counts) == [1, 1, 2]
    assert numbers(read_study(out)) == numbers(whole)


@pytest.mark.skipif(not LONG, reason="that shares cover a study, and that a killed one goes on, is tested apart")
def test_shares_may_run_at_the_same_time_and_be_killed(tmp_path, data):
    out = tmp_path / "study"
    words = [
        sys.executable,
        "-m",
        "eiwflow",
        *command(data, out, "--arms", ",".join(ARMS), "--seeds", 2, "--iterations", 200),
    ]
    start = partial(subprocess.Popen, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    one, two = (start([*words, "--shard", f"{number}/2"]) for number in (1, 2))
    until(lambda: len(list(out.glob("*/seed-*/config.json"))) >= 2)
    assert refused(*command(data, out, "--arms", ",".join(ARMS), "--seeds", 2, "--iterations", 200, "--shard", "1/2"))
    one.kill()
    one.communicate(timeout=60)
    said = two.communicate(timeout=200)[1]
    assert two.returncode == 0, said
    code, *printed = run_main(*words[3:], "--shard", "1/2")
    assert code == 0, printed
    assert read_study(out).is_done


@pytest.mark.parametrize("text", ["3", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_a_share_that_is_none_is_refused(text):
    with pytest.raises(RunError, match="it must be I/N"):
        parse_shard(text)
    assert parse_shard("3/16") == (3, 16)


def test_a_share_is_run_by_one_process(tmp_path, data):
    recipe = tiny_study(data)
    folder = StudyFolder.begin(tmp_path / "study", recipe)
    with FileLock(folder.path / "shard-1-of-2.lock"), pytest.raises(RunError, match="Share 1/2 of study is being run"):
        run_study(recipe, folder.path, shard=(1, 2))
    assert not folder.is_held()


# ---------------------------------------------------------------------- the command


@pytest.mark.slow
def test_the_command_runs_what_its_words_say(tmp_path, data):
    out = tmp_path / "study"
    words = ("--order", "entropy,random", "--init", "principal,random", "--keep", "0.25", "--prior", "standard")
    more = ("--arms", "entropy+pooled/random", "--seeds", 1, "--evaluate-on", "validation", "--flip", "--jobs", 1)
    assert json_of(*command(data, out, *words, *more)) == {"out": str(out), "runs": 5}
    found = read_study(out)
    assert [arm.text for arm in found.recipe.arms] == [
        "entropy@0.25/principal-random/standard", "random@0.25/principal-random/standard",
        "entropy@0.25/random/standard", "random@0.25/random/standard", "entropy+pooled/random/standard",
    ]  # fmt: skip
    assert (found.recipe.evaluate_on, found.recipe.flip, found.recipe.iterations) == ("validation", True, 6)


def asked(monkeypatch, *words):
    """Return the recipe that the command's words stand for."""
    seen = []
    monkeypatch.setattr(study_command, "run_study", lambda recipe, *_: seen.append(recipe) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_main("study", "--out", "x", *words)
    return seen[0]


def test_the_command_of_a_recipe_runs_that_recipe(monkeypatch):
    from .test_recipe import RECIPES

    for fields in RECIPES.values():
        recipe = StudyRecipe(**fields)
        found = asked(monkeypatch, *recipe.arguments("x")[1:])
        assert {*found.arms} == {*recipe.arms} and found.difference(recipe) == "" and found.seeds == recipe.seeds


def test_an_arm_that_no_flow_can_be_is_left_out_with_a_sentence(capsys):
    options = build_parser().parse_args(["study", "--out", "x", "--order", "first,released", "--init", "random"])
    assert [arm.order for arm in study_arms(options)["arms"]] == ["first"]
    assert "Left out released@0.5/random/conditional: " in capsys.readouterr().err


REFUSED = {
    "size": (["--size", "16"], "have 8×8 pixels"),
    "order": (["--order", "middle"], "middle"),
    "arm": (["--arms", "entropy"], "ORDER+WEIGHTS"),
    "data": (["--data", "nothing"], "nothing"),
    "shard": (["--shard", "3/2"], "--shard is '3/2'"),
    "flow": (["--width", "512", "--network", "5-5-5", "--steps-per-level", "64"], "GiB"),
}


@pytest.mark.parametrize(("arguments", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_the_command_refuses_wrong_input_with_one_line(tmp_path, data, arguments, named):
    assert named in refused(*command(data, tmp_path / "study", *arguments))
    assert not (tmp_path / "study").exists()


def test_a_study_needs_a_folder():
    assert "--out is missing" in refused("study")


def test_a_study_that_is_not_done_claims_nothing_however_large_a_difference(tmp_path):
    made = arms({"entropy/random": 3.8, "last/random": 3.9})
    for done, claims in ((11, {"interim"}), (12, {"ahead"})):
        out = write_begun(tmp_path / str(done), made, done)
        report = json_of("study", "--out", out, "--report")
        assert {row["claim"] for rows in report["leads"].values() for row in rows} == claims


def children_of(pid):
    """Return the worker processes of a process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if f"\nPPid:\t{pid}\n" in status.read_text():
                found.append(int(status.parent.name))
        except OSError:
            continue
    return found


def until(condition, seconds=200):
    """Wait until a condition holds; return what it gives."""
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.05)
    return value


@pytest.mark.slow
def test_a_run_that_diverged_fails_alone_and_the_study_is_still_read(tmp_path, data, monkeypatch):
    """Its result was written and then refused whenever the study was read, the good arms with it."""
    own, wild = RunDirectory.records, []

    def records(run):
        found = own(run)
        wild[:] = wild or [run.path]
        ends = {"crops_bits_per_dim": math.nan} if run.path == wild[0] else {}
        return [{**record, **(ends if "crops_bits_per_dim" in record else {})} for record in found]

    monkeypatch.setattr(RunDirectory, "records", records)
    said = "^1 of 4 runs failed; .*no score"
    with pytest.raises(TrainingFailed, match=said):
        run_study(tiny_study(data), tmp_path / "study")
    assert len(read_study(tmp_path / "study").runs) == 3
    monkeypatch.undo()
    assert run_study(tiny_study(data), tmp_path / "study").is_done


@pytest.mark.slow
def test_a_stop_between_a_runs_last_step_and_its_result_is_no_failure(tmp_path, data, monkeypatch):
    folder, recipe = tmp_path / "study", tiny_study(data)
    begun = []

    def stopped(run, arm):
        begun.append(run.path)
        os.kill(os.getpid(), signal.SIGTERM)
        return result_of(run, arm)

    result_of = study.result_of
    monkeypatch.setattr(study, "result_of", stopped)
    with pytest.raises(KeyboardInterrupt, match="Stopped; the same command continues"):
        run_study(recipe, folder)
    assert len(begun) == 1 and not results_in(folder), "it went on"
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], status["message"]) == ("stopped", "")
    monkeypatch.setattr(study, "result_of", result_of)
    assert run_study(recipe, folder).is_done


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, *([signal.SIGINT, signal.SIGTERM] if LONG else [])])
def test_a_killed_study_leaves_no_worker_and_is_continued_by_the_same_command(tmp_path, data, number):
    out = tmp_path / "study"
    words = command(data, out, "--arms", ",".join(ARMS), "--seeds", "2", "--iterations", "60", "--jobs", "2")
    process = subprocess.Popen(
        [sys.executable, "-m", "eiwflow", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    until(lambda: results_in(out))
    workers = children_of(process.pid)
    assert len(workers) >= 2
    os.kill(process.pid, number)
    said = process.communicate(timeout=100)[1]
    assert process.returncode == (-number if number == signal.SIGKILL else 1)
    assert "Traceback" not in said
    until(lambda: not any(alive(pid) for pid in workers))
    kept = numbers(read_study(out))
    assert 1 <= len(kept) < 4
    assert run_main(*words, "--jobs", "1")[0] == 0
    found = read_study(out)
    assert found.is_done and all(one in numbers(found) for one in kept)
    assert AGAIN not in {arm.order for arm in found.arms}
