"""A study: its arms, what makes them paired, and a file that survives whatever happens to its command."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from eiwflow.flow import ConfigError, MultiScaleFlow, dequantise, to_bits_per_dim
from eiwflow.flow.bijection import generator_for
from eiwflow.flow.score import score
from eiwflow.training import arm_run, study
from eiwflow.training.arm_run import run_arm, scored_crops
from eiwflow.training.batches import training_batch
from eiwflow.training.bench import seconds_per_step
from eiwflow.training.loop import Trainer, TrainingFailed
from eiwflow.training.record import level_records
from eiwflow.training.run import RunError
from eiwflow.training.study import lock_file, run_study
from eiwflow.training.study_recipe import AGAIN, Arm, StudyRecipe, relative_costs

from ..test_cli import json_of, refused, run_main
from .tiny import tiny_config, tiny_data, tiny_flow, tiny_recipe, write_npz

ROOT = Path(__file__).resolve().parents[2]
TINY = ("--levels", 2, "--steps-per-level", 1, "--width", 8, "--size", 8, "--batch", 8, "--iterations", 6)
ARM = ("split", "init", "prior", "seed")


def tiny_study(data="planes", **fields):
    tiny = {"splits": ("static-last", "weighted"), "seeds": 2, "levels": 2, "steps": 1, "width": 8, "size": 8}
    return StudyRecipe(**{"data": str(data), **tiny, "batch": 8, "iterations": 6, **fields})


@pytest.fixture
def data(tmp_path):
    return write_npz(tmp_path / "planes.npz")


def without_clock(document):
    return [{name: value for name, value in result.items() if name != "cpu_s"} for result in document["results"]]


def command(data, out, *more):
    return [str(part) for part in ("study", "--data", data, "--out", out, *TINY, *more)]


# ---------------------------------------------------------------------- the recipe


def test_arms_are_all_combinations_and_what_was_asked_for_beside_them():
    recipe = StudyRecipe(
        splits=("static-last", "entropy+pooled"), priors=("standard", "conditional"),
        extra=("static-first/random", "weighted/random/standard", "weighted/dealt"),
    )  # fmt: skip
    assert [arm.name for arm in recipe.arms()] == [
        "static-last-dealt-standard",
        "weighted-dealt-standard",
        "static-last-dealt-conditional",
        "weighted-dealt-conditional",
        "static-first-random-standard",
        "static-first-random-conditional",
        "weighted-random-standard",
    ]


def test_runs_go_seed_by_seed_so_that_a_study_under_way_is_paired():
    recipe = StudyRecipe(splits=("static-last", "weighted"), seeds=3)
    assert [seed for _, seed in recipe.runs()] == [0, 0, 1, 1, 2, 2]
    assert len(set(recipe.runs())) == 6


def test_a_null_is_random_against_random_with_permutations_drawn_anew_for_every_seed():
    recipe = StudyRecipe(splits=(), null=True, seeds=4)
    one, other = recipe.arms()
    assert (one.split, other.split) == ("random", AGAIN)
    ours, theirs = ([recipe.training(arm, seed).flow for seed in range(4)] for arm in (one, other))
    seeds = [flow.permutation_seed for flow in ours + theirs]
    assert len(set(seeds)) == 8
    assert {(flow.order, flow.weights) for flow in ours + theirs} == {("random", "none")}
    orders = [MultiScaleFlow(flow).levels[0].shuffle.order.tolist() for flow in ours + theirs]
    assert len({tuple(order) for order in orders}) == 8


def test_the_null_stands_beside_other_arms_and_shares_their_random_arm():
    recipe = StudyRecipe(splits=("static-last", "random"), null=True)
    assert [arm.split for arm in recipe.arms()] == ["static-last", "random", AGAIN]


def test_weights_are_compared_on_the_same_permutation():
    recipe = StudyRecipe(splits=("random", "random+pooled"))
    for seed in range(3):
        one, other = (recipe.training(arm, seed).flow.permutation_seed for arm in recipe.arms())
        assert one == other


WRONG = {
    "splits": ({"splits": ("static-middle",)}, "static-middle"),
    "no arm": ({"splits": ()}, "0 arms"),
    "inits": ({"inits": ("zeros",)}, "zeros"),
    "priors": ({"priors": ("flat",)}, "flat"),
    "an arm without init": ({"extra": ("weighted",)}, "SPLIT/INIT"),
    "an arm of another init": ({"extra": ("weighted/glow",)}, "glow"),
    "an arm of another prior": ({"extra": ("weighted/random/flat",)}, "flat"),
    "no seed": ({"seeds": 0}, "between 1 and 1000"),
    "seeds": ({"seeds": 1001}, "between 1 and 1000"),
    "runs": ({"priors": ("standard", "conditional"), "seeds": 1000}, "10000 runs; at most 5000"),
    "part": ({"evaluate_on": "train"}, "train"),
    "iterations": ({"iterations": 0}, "iterations is 0"),
    "width": ({"width": 0}, "width is 0"),
    "size": ({"size": 12}, "divisible"),
}


@pytest.mark.parametrize(("fields", "named"), WRONG.values(), ids=WRONG.keys())
def test_a_setting_out_of_its_bounds_is_refused_by_name(fields, named):
    with pytest.raises(ConfigError, match=named):
        StudyRecipe(**fields)


def test_iterations_at_equal_cpu_are_divided_by_the_cost_of_a_step():
    arm = Arm("weighted", "principal", "conditional")
    assert StudyRecipe(iterations=500).training(arm, 0, cost=1.25).iterations == 400
    assert StudyRecipe(iterations=1).training(arm, 0, cost=3.0).iterations == 1


def test_a_step_costs_relative_to_the_cheapest_arm_of_its_prior():
    seconds = {"none/standard": 2.0, "pooled/standard": 3.0, "none/conditional": 4.0, "pooled/conditional": 4.2}
    expected = {"none/standard": 1.0, "pooled/standard": 1.5, "none/conditional": 1.0, "pooled/conditional": 1.05}
    assert relative_costs(seconds) == expected


def test_a_wider_flow_costs_more_a_step():
    shape = (3, 16, 16)
    seconds = seconds_per_step({"wide": tiny_config(width=128, shape=shape), "narrow": tiny_config(shape=shape)}, 16)
    assert seconds["wide"] > seconds["narrow"] > 0


# ---------------------------------------------------------------------- one run


def test_a_run_has_all_that_a_study_keeps_and_only_finite_numbers():
    result = run_arm(tiny_recipe(iterations=30), tiny_data())
    assert result["iterations"] == 30
    assert result["parameters"] == MultiScaleFlow(tiny_config()).parameter_count()
    assert 0 < result["cpu_s"] < 60
    curve = np.array(result["curve"])
    assert curve.shape == (11, 3)
    assert (curve[0, 0], curve[-1, 0]) == (1, 30)
    assert np.isfinite(curve).all()
    assert np.isfinite(result["bits_per_dim"])


def test_images_larger_than_the_training_size_are_scored_on_their_four_corners():
    images = tiny_data(size=12, test=5)
    crops = scored_crops(images, tiny_config())
    assert crops.shape == (20, 3, 8, 8)
    assert np.array_equal(crops[3].permute(1, 2, 0), images.test[0, 4:, 4:])
    whole = scored_crops(tiny_data(size=8, test=5), tiny_config())
    assert np.array_equal(whole.permute(0, 2, 3, 1), tiny_data(size=8, test=5).test)


def test_arms_of_one_seed_share_parameters_batches_and_the_noise_they_are_scored_with(monkeypatch):
    recipe, images = tiny_study(splits=("static-last", "weighted"), iterations=1), tiny_data(size=12)
    seen, scored = [], []

    def batch(*arguments):
        seen.append(training_batch(*arguments))
        return seen[-1]

    def score(flow, crops, seed):
        scored.append((crops.clone(), seed))
        return torch.ones(len(crops))

    monkeypatch.setattr("eiwflow.training.loop.training_batch", batch)
    monkeypatch.setattr(arm_run, "score", score)
    for arm in recipe.arms():
        run_arm(recipe.training(arm, 3), images)
    half = len(seen) // 2
    assert half >= 2
    assert all(torch.equal(one, other) for one, other in zip(seen[:half], seen[half:], strict=True))
    half = len(scored) // 2
    for (ours, seed), (theirs, same) in zip(scored[:half], scored[half:], strict=True):
        assert torch.equal(ours, theirs)
        assert seed == same == 3
    one, other = (MultiScaleFlow(recipe.training(arm, 3).flow, 3).state_dict() for arm in recipe.arms())
    shared = one.keys() & other.keys()
    assert len(shared) == len(one)
    # The order of the channels is what the arms differ in; every parameter and every other buffer is the same.
    different = {name for name in shared if not torch.equal(one[name], other[name])}
    assert different == {"levels.0.shuffle.order"}


def test_a_run_whose_score_is_not_finite_fails_with_a_sentence(monkeypatch):
    monkeypatch.setattr(arm_run, "score", lambda flow, images, seed: torch.full((3,), torch.nan))
    with pytest.raises(TrainingFailed, match=r"^After step 2 .* not finite\.$"):
        run_arm(tiny_recipe(iterations=2), tiny_data())


OUT_OF_MEMORY = {
    "of the CPU": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    "of a GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "of Python": MemoryError(),
}


def failing_after(monkeypatch, steps, error):
    """Let every run with ``weighted`` fail after so many steps."""
    advance = Trainer.advance

    def failing(trainer):
        if trainer.step == steps and trainer.recipe.flow.split == "weighted":
            raise error
        return advance(trainer)

    monkeypatch.setattr(Trainer, "advance", failing)


@pytest.mark.parametrize("error", OUT_OF_MEMORY.values(), ids=OUT_OF_MEMORY.keys())
def test_a_run_that_memory_is_too_small_for_fails_with_a_sentence(monkeypatch, error):
    failing_after(monkeypatch, 3, error)
    with pytest.raises(TrainingFailed, match=r"^After step 3 the run stopped: memory ran out.*\.$"):
        run_arm(tiny_recipe(split="weighted"), tiny_data())


def test_so_does_one_that_cannot_even_begin(monkeypatch):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(arm_run, "Trainer", no_memory)
    with pytest.raises(TrainingFailed, match="^After step 0 the run stopped: memory ran out"):
        run_arm(tiny_recipe(), tiny_data())


def test_a_mistake_of_the_program_is_not_called_a_failure_of_the_run(monkeypatch):
    failing_after(monkeypatch, 0, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="^shapes differ$"):
        run_arm(tiny_recipe(split="weighted"), tiny_data())


# ---------------------------------------------------------------------- the file


def test_a_study_has_one_result_a_run_and_a_record_of_seed_0_of_every_arm(tmp_path, data):
    out = tmp_path / "sub" / "one.json"
    recipe = tiny_study(data, iterations=40, priors=("standard", "conditional"))
    document = run_study(recipe, out, "python -m eiwflow study")
    assert json.loads(out.read_bytes()) == document
    assert document["recipe"] == recipe.to_dict()
    assert [tuple(result[name] for name in ARM) for result in document["results"]] == [
        (arm.split, arm.init, arm.prior, seed) for arm, seed in recipe.runs()
    ]
    folders = {path.name for path in (tmp_path / "sub" / "one").iterdir()}
    assert folders == {arm.name for arm in recipe.arms()}
    assert {path.name for path in out.parent.iterdir()} == {"one.json", "one"}
    record = json.loads((out.with_suffix("") / "weighted-dealt-standard" / "record.json").read_bytes())
    assert len(record["steps"]) >= 20
    assert (record["steps"][0]["step"], record["steps"][-1]["step"]) == (0, 40)
    for step in record["steps"]:
        assert Image.open(io.BytesIO(base64.b64decode(step["samples"]))).size == (32, 16)
        level = step["levels"][0]
        assert sorted(level["order"]) == sorted(level["entropy_order"]) == list(range(12))
        assert len(level["weights_mean"]) == len(level["entropy"]) == len(level["redundancy"]) == 12


def test_samples_of_all_arms_are_drawn_from_the_same_noise(monkeypatch):
    drawn = []
    real = MultiScaleFlow.sample_latents

    def sample_latents(self, *arguments):
        drawn.append(real(self, *arguments))
        return drawn[-1]

    monkeypatch.setattr(MultiScaleFlow, "sample_latents", sample_latents)
    for split in ("static-last", "weighted"):
        arm_run.sample_montage(tiny_flow(split=split), 0, 8)
    for ours, theirs in zip(drawn[0].levels, drawn[1].levels, strict=True):
        assert len(ours) == 8
        assert torch.equal(ours, theirs)


def test_two_jobs_give_the_numbers_of_one(tmp_path, data):
    recipe = tiny_study(data)
    one, two = (run_study(recipe, tmp_path / f"{jobs}.json", jobs=jobs) for jobs in (1, 2))
    assert without_clock(one) == without_clock(two)


class Killed(BaseException):
    """Ends a study as a kill would."""


def killed_after(runs):
    def progress(done, total):
        if done == runs:
            raise Killed

    return progress


def test_a_study_that_was_ended_goes_on_where_it_was(tmp_path, data, monkeypatch):
    recipe, out = tiny_study(data), tmp_path / "study.json"
    whole = run_study(recipe, tmp_path / "whole.json")
    with pytest.raises(Killed):
        run_study(recipe, out, progress=killed_after(3))
    begun = json.loads(out.read_bytes())["results"]
    assert len(begun) == 3
    done = []
    monkeypatch.setattr(study, "run_arm", lambda *arguments: done.append(arguments[0]) or run_arm(*arguments))
    document = run_study(recipe, out)
    assert len(done) == 1
    assert document["results"][:3] == begun
    assert without_clock(document) == without_clock(whole)


def test_a_study_that_is_done_stays_as_it_is(tmp_path, data, monkeypatch):
    recipe, out = tiny_study(data), tmp_path / "study.json"
    run_study(recipe, out)
    before = out.read_bytes()
    monkeypatch.setattr(study, "run_arm", None)
    run_study(recipe, out)
    assert out.read_bytes() == before


OTHERS = {
    "iterations": {"iterations": 7},
    "one more arm": {"splits": ("static-last", "weighted", "shuffle")},
    "seeds": {"seeds": 3},
    "evaluate_on": {"evaluate_on": "validation"},
    "flip": {"flip": True},
    "null": {"null": True},
    "equal_cpu": {"equal_cpu": True},
}


@pytest.mark.parametrize("fields", OTHERS.values(), ids=OTHERS.keys())
def test_a_file_of_another_recipe_is_refused_and_stays_as_it_is(tmp_path, data, fields):
    out = tmp_path / "study.json"
    run_study(tiny_study(data, iterations=1, seeds=1), out)
    before = out.read_bytes()
    with pytest.raises(RunError, match=r"^study\.json holds a study of another recipe, with \w+ .*, not .*\.$"):
        run_study(tiny_study(data, **{"iterations": 1, "seeds": 1, **fields}), out)
    assert out.read_bytes() == before


def test_a_study_does_not_go_on_with_other_images_of_the_same_name(tmp_path, data):
    recipe, out = tiny_study(data, iterations=1, seeds=1), tmp_path / "study.json"
    run_study(recipe, out)
    write_npz(data, train=63)
    with pytest.raises(RunError, match="images of .* are not those"):
        run_study(recipe, out)


def changed(document, **fields):
    return {**document, **fields}


def with_result(document, **fields):
    return changed(document, results=[{**document["results"][0], **fields}])


NO_STUDIES = {
    "no JSON": lambda document: "{",
    "deep": lambda document: "[" * 100_000,
    "a list": lambda document: [document],
    "another format": lambda document: changed(document, format="something"),
    "another version": lambda document: changed(document, version=99),
    "no results": lambda document: {name: value for name, value in document.items() if name != "results"},
    "results in words": lambda document: changed(document, results=["good"]),
    "one run twice": lambda document: changed(document, results=document["results"] * 2),
    "a run of another arm": lambda document: with_result(document, split="shuffle"),
    "results that are no list": lambda document: changed(document, results={}),
    "a cost that nobody asked for": lambda document: changed(document, step_cost={"none/conditional": 1.0}),
    "costs of nothing": lambda document: changed(document, step_cost={}),
    "bits not a number": lambda document: with_result(document, bits_per_dim=float("nan")),
    "bits in words": lambda document: with_result(document, bits_per_dim="x"),
    "false for a seed": lambda document: with_result(document, seed=False),
    "a seed with a point": lambda document: with_result(document, seed=0.0),
    "a curve of nothing": lambda document: with_result(document, curve=None),
    "a version without end": lambda document: changed(document, versions={"torch": float("inf")}),
    "half a letter": lambda document: changed(document, command="\ud800"),
    "null": lambda document: None,
}


@pytest.mark.parametrize("spoil", NO_STUDIES.values(), ids=NO_STUDIES.keys())
def test_a_file_that_is_no_study_is_refused_and_stays_as_it_is(tmp_path, data, spoil):
    recipe, out = tiny_study(data, iterations=1, seeds=1), tmp_path / "study.json"
    content = spoil(run_study(recipe, out))
    out.write_text(content if isinstance(content, str) else json.dumps(content))
    before = out.read_bytes()
    with pytest.raises(RunError, match=r"^study\.json is there already and .*\.$"):
        run_study(recipe, out)
    assert out.read_bytes() == before


COSTS = {
    "none": {},
    "another step's": {"none/standard": 1.0},
    "one too many": {"none/conditional": 1.0, "pooled/conditional": 1.25, "none/standard": 1.0},
    "in words": {"none/conditional": 1.0, "pooled/conditional": "much"},
    "below 1": {"none/conditional": 1.0, "pooled/conditional": 0.5},
    "no object": 1.0,
}


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS.keys())
def test_a_study_at_equal_cpu_whose_costs_are_not_those_of_its_steps_is_refused(tmp_path, data, monkeypatch, cost):
    monkeypatch.setattr(study, "seconds_per_step", lambda configs, *_: dict(zip(configs, (2.0, 2.5), strict=True)))
    recipe, out = tiny_study(data, iterations=1, seeds=1, equal_cpu=True), tmp_path / "study.json"
    out.write_text(json.dumps(changed(run_study(recipe, out), step_cost=cost, results=[])))
    before = out.read_bytes()
    with pytest.raises(RunError, match=r"^study\.json is there already and .*\.$"):
        run_study(recipe, out)
    assert out.read_bytes() == before


def test_a_study_whose_parts_an_editor_has_moved_goes_on(tmp_path, data):
    recipe, out = tiny_study(data, iterations=1), tmp_path / "study.json"
    whole = run_study(recipe, out)
    begun = changed(whole, results=whole["results"][:1])
    out.write_text(json.dumps(dict(sorted(begun.items(), key=lambda part: part[0] != "results"))))
    run_study(recipe, out)
    assert without_clock(json.loads(out.read_bytes())) == without_clock(whole)


def test_a_second_command_on_the_same_file_is_refused_while_the_first_is_alive(tmp_path, data):
    out = tmp_path / "study.json"
    with FileLock(tmp_path / ".study.json.lock"), pytest.raises(RunError, match="being written by another"):
        run_study(tiny_study(data), out)
    assert not out.exists()


def test_who_looks_whether_a_study_is_alive_does_not_keep_it_from_starting(tmp_path, data):
    glance = FileLock(lock_file(tmp_path / "s.json"), thread_local=False)
    glance.acquire()
    threading.Timer(0.1, glance.release).start()
    assert run_study(tiny_study(data), tmp_path / "s.json", "")["results"]


def test_what_a_study_that_was_killed_left_half_written_is_swept(tmp_path, data):
    mine = [tmp_path / ".s.json.0123abcd", tmp_path / "s" / "weighted" / ".record.json.0123abcd"]
    others = [tmp_path / ".s.json.settings", tmp_path / ".t.json.0123abcd", tmp_path / "s" / "notes"]
    mine[1].parent.mkdir(parents=True)
    for path in (*mine, *others):
        path.touch()
    run_study(tiny_study(data), tmp_path / "s.json", "")
    assert [path.exists() for path in (*mine, *others)] == [False, False, True, True, True]


def test_a_run_that_fails_costs_the_study_no_other_run(tmp_path, data, monkeypatch):
    def run(recipe, *arguments):
        if recipe.seed == 0 and recipe.flow.split == "weighted":
            raise TrainingFailed("At step 3 bits/dim was not finite.")
        return run_arm(recipe, *arguments)

    monkeypatch.setattr(study, "run_arm", run)
    recipe, out = tiny_study(data), tmp_path / "study.json"
    with pytest.raises(TrainingFailed, match=r"^1 of 4 runs failed; .*weighted-dealt-conditional, seed 0: At step 3"):
        run_study(recipe, out)
    assert len(json.loads(out.read_bytes())["results"]) == 3
    monkeypatch.setattr(study, "run_arm", run_arm)
    assert len(run_study(recipe, out)["results"]) == 4


def test_a_run_that_memory_is_too_small_for_costs_the_study_no_other_run(tmp_path, data, monkeypatch):
    failing_after(monkeypatch, 2, OUT_OF_MEMORY["of the CPU"])
    recipe, out = tiny_study(data), tmp_path / "study.json"
    with pytest.raises(TrainingFailed, match=r"^2 of 4 runs failed; .*weighted-.* 0: After step 2 .* memory ran out"):
        run_study(recipe, out)
    assert [result["split"] for result in json.loads(out.read_bytes())["results"]] == ["static-last"] * 2


def test_a_study_at_equal_cpu_measures_a_step_once_and_keeps_to_it(tmp_path, data, monkeypatch):
    monkeypatch.setattr(study, "seconds_per_step", lambda configs, *_: dict(zip(configs, (2.0, 2.5), strict=True)))
    recipe, out = tiny_study(data, iterations=10, seeds=1, equal_cpu=True), tmp_path / "study.json"
    document = run_study(recipe, out)
    assert document["step_cost"] == {"none/conditional": 1.0, "pooled/conditional": 1.25}
    assert [result["iterations"] for result in document["results"]] == [10, 8]
    monkeypatch.setattr(study, "seconds_per_step", None)
    assert run_study(recipe, out) == document


# ---------------------------------------------------------------------- the command


def test_the_command_runs_what_its_words_say(tmp_path, data):
    out = tmp_path / "study.json"
    words = ("--splits", "static-first,first+pooled", "--inits", "principal,random", "--priors", "standard,conditional")
    more = ("--arms", "weighted/random", "--seeds", 1, "--evaluate-on", "validation", "--flip", "--jobs", 2)
    said = json_of(*command(data, out, *words, *more))
    assert said == {"out": str(out), "runs": 10}
    recipe = json.loads(out.read_bytes())["recipe"]
    assert recipe["splits"] == ["static-first", "first+pooled"]
    assert (recipe["evaluate_on"], recipe["flip"], recipe["iterations"]) == ("validation", True, 6)
    assert (out.with_suffix("") / "first+pooled-random-standard" / "record.json").is_file()


def test_with_null_and_no_splits_the_command_runs_the_null_alone(tmp_path, data):
    out = tmp_path / "null.json"
    run_main(*command(data, out, "--null", "--seeds", 1))
    assert [result["split"] for result in json.loads(out.read_bytes())["results"]] == ["random", AGAIN]


RECIPES = {
    "defaults": {},
    "all else": {
        "splits": ("random", "random+pooled"), "inits": ("random",), "priors": ("standard", "conditional"),
        "extra": ("weighted/principal/standard",), "null": True, "seeds": 7, "evaluate_on": "validation",
        "equal_cpu": True, "size": 8, "levels": 2, "steps": 2, "width": 9, "network": "3-3", "scale_bound": 1.5,
        "batch": 7, "iterations": 11, "optimiser": "adamw", "learning_rate": 1e-3, "weight_decay": 0.1,
        "warmup": 3, "clip": 2.5, "ema": 0.5, "divergence": 0.25, "flip": True, "data": "faces16",
    },
    "the null alone": {"splits": (), "null": True},
    "arms alone": {"splits": (), "extra": ("weighted/random",)},
}  # fmt: skip


@pytest.mark.parametrize("fields", RECIPES.values(), ids=RECIPES.keys())
def test_the_command_of_a_recipe_runs_that_recipe(monkeypatch, fields):
    ran = []
    monkeypatch.setattr(study, "run_study", lambda *arguments: ran.append(arguments) or {"results": []})
    recipe = StudyRecipe(**fields)
    assert run_main(*recipe.arguments("study.json", jobs=3))[0] == 0
    assert ran[0][:2] == (recipe, Path("study.json"))
    assert ran[0][3] == 3
    assert fields.keys() == StudyRecipe.__dataclass_fields__.keys() or len(fields) < 3


def test_a_recipe_survives_its_file():
    for fields in RECIPES.values():
        recipe = StudyRecipe(**fields)
        assert StudyRecipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


REFUSED = {
    "out": (["--out", "study.txt"], "ends in .json"),
    "jobs": (["--jobs", "0"], "--jobs is 0"),
    "size": (["--size", "16"], "have 8×8 pixels"),
    "split": (["--splits", "middle"], "middle"),
    "data": (["--data", "nothing"], "nothing"),
    "flow": (["--width", "512", "--network", "5-5-5", "--steps-per-level", "64"], "parameters"),
}


@pytest.mark.parametrize(("arguments", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_the_command_refuses_wrong_input_with_one_line(tmp_path, data, arguments, named):
    assert named in refused(*command(data, tmp_path / "study.json", *arguments))


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


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def until(condition, seconds=120):
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)
    return value


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_study_leaves_no_worker_and_is_continued_by_the_same_command(tmp_path, data, number):
    out = tmp_path / "study.json"
    # Long enough that runs are left when the first is done and this process has seen it.
    words = command(data, out, "--splits", "static-last,weighted", "--seeds", "6", "--iterations", "150", "--jobs", "2")
    process = subprocess.Popen(
        [sys.executable, "-m", "eiwflow", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    begun = until(lambda: out.exists() and json.loads(out.read_bytes())["results"])
    workers = children_of(process.pid)
    assert len(workers) >= 2
    os.kill(process.pid, number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == (1 if number == signal.SIGINT else -number)
    assert "Traceback" not in said
    until(lambda: not any(alive(pid) for pid in workers))
    kept = json.loads(out.read_bytes())["results"]
    assert kept[: len(begun)] == begun
    assert len(kept) < 12
    assert run_main(*words, "--jobs", "1")[0] == 0
    results = json.loads(out.read_bytes())["results"]
    assert len(results) == 12
    assert [result for result in results if result in kept] == kept


def test_a_study_scores_and_records_the_averaged_parameters(tmp_path, monkeypatch):
    made = []

    def kept(*arguments):
        made.append(Trainer(*arguments))
        return made[-1]

    monkeypatch.setattr(arm_run, "Trainer", kept)
    recipe, images = tiny_recipe(12, learning_rate=0.01), tiny_data()
    result = run_arm(recipe, images, tmp_path / "record.json")
    (trainer,) = made
    crops = scored_crops(images, recipe.flow)
    average, current = (score(flow, crops, recipe.seed).mean().item() for flow in (trainer.average, trainer.flow))
    assert abs(average - current) > 0.01
    assert result["bits_per_dim"] == pytest.approx(average, abs=1e-4)
    last = json.loads((tmp_path / "record.json").read_text())["steps"][-1]
    probe = dequantise(trainer.test_images, generator_for(0, "probe"))
    average, current = (
        to_bits_per_dim(flow.log_prob(probe), flow.config.dimensions).mean().item()
        for flow in (trainer.average, trainer.flow)
    )
    assert abs(average - current) > 0.01
    assert last["probe_bits_per_dim"] == pytest.approx(average, abs=1e-4)
    assert last["levels"] == level_records(trainer.average, probe) != level_records(trainer.flow, probe)
