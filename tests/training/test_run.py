"""A run from its start to its end: its files, its curve, its saves, its clock."""

import json
import math
import os
import signal
import sys
from importlib.machinery import ModuleSpec
from unittest import mock

import pytest
import torch
from torch.distributions import Normal

from eiwflow import data
from eiwflow.checkpoint import CheckpointInfo, load, save
from eiwflow.data import corner_crops, labels_of, to_tensor
from eiwflow.flow import dequantise
from eiwflow.flow.bijection import generator_for
from eiwflow.flow.score import score
from eiwflow.training import run as run_module
from eiwflow.training.execution import Execution
from eiwflow.training.loggers import check_logger
from eiwflow.training.recipe import Recipe, Recording
from eiwflow.training.run import train
from eiwflow.training.run_directory import RunDirectory, RunError
from eiwflow.training.trainer import Trainer

from ..importing.test_exactness import MODELS, imported
from .test_resume import Killed, killed_at
from .tiny import labelled_data, same_tensors, tiny_config, tiny_data, tiny_recipe, tiny_run, trained, write_npz


def test_a_whole_run_ends_finished_with_scores_of_its_test_and_train_images(tmp_path):
    run, images = tiny_run(tmp_path, iterations=4), tiny_data()
    seen = []
    info = train(run, images=images, progress=lambda step, bits: seen.append((step, bits)))
    assert [step for step, _ in seen] == [1, 2, 3, 4]
    assert run.status()["state"] == "finished"
    assert run.status()["step"] == info.step == 4
    loaded = load(run.last_checkpoint)
    assert loaded.info == info
    test = torch.from_numpy(images.test).permute(0, 3, 1, 2)
    assert score(loaded.flow, test).mean().item() == pytest.approx(info.metrics["test_bits_per_dim"], abs=1e-5)
    assert info.metrics["train_bits_per_dim"] == pytest.approx(info.metrics["test_bits_per_dim"], abs=0.5)
    newest = [record for record in run.records() if "probe_bits_per_dim" in record][-1]
    assert all(info.metrics[name] == newest[name] for name in ("bits_per_dim", "probe_bits_per_dim"))
    assert {**info.recipe, "flow": info.config.to_dict()} == tiny_recipe(4).to_dict()
    assert (info.data, info.seed, info.command) == ("planes", 0, "python -m eiwflow train")


def test_a_study_s_run_is_scored_on_every_crop_with_its_label_and_its_curve_on_every_second(tmp_path):
    images = labelled_data(size=12, test=75)
    sides = {"labels": "side", "classes": ("none", "left", "right"), "context": 3, "weights": "entropy"}
    recipe = tiny_recipe(1, seed=3, learning_rate=0.02, **sides)
    run = RunDirectory.create(tmp_path, recipe, "python -m eiwflow study", recording=Recording(2, crops=True))
    train(run, images=images)
    own = torch.from_numpy(labels_of(images, "side").test).repeat_interleave(4)
    flow, crops = load(run.last_checkpoint).flow, corner_crops(to_tensor(images.test), 8)
    expected = [score(flow, crops[::n], 3, context=own[::n]).mean().item() for n in (2, 1)]
    found = [record["crops_bits_per_dim"] for record in run.records() if "crops_bits_per_dim" in record]
    assert found == pytest.approx(expected, abs=1e-4) and abs(found[0] - found[1]) > 0.001


@pytest.mark.slow
def test_recomputing_trains_to_the_same_numbers_and_checkpoint(tmp_path):
    stored = trained(8)
    other = trained(8, memory="recompute")
    assert other.flow.levels[0].recompute and not stored.flow.levels[0].recompute
    for name, value in stored.flow.state_dict().items():
        assert torch.allclose(value.float(), other.flow.state_dict()[name].float(), atol=1e-3), name
    run = tiny_run(tmp_path, memory="recompute", iterations=2)
    info = train(run, images=tiny_data())
    assert (info.config, info.recipe["memory"]) == (tiny_config(), "recompute")
    assert run.config()[0].flow.memory == "recompute"


def test_a_point_of_the_curve_is_the_mean_of_the_steps_since_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr("eiwflow.training.recipe.recording_steps", lambda iterations, *_: [0, iterations])
    monkeypatch.setattr(run_module, "CURVE_POINTS", 2)
    run, bits = tiny_run(tmp_path, iterations=7), []
    train(run, images=tiny_data(), progress=lambda step, value: bits.append(value))
    curve = {record["step"]: record["bits_per_dim"] for record in run.records() if "bits_per_dim" in record}
    means = {3: sum(bits[:3]) / 3, 6: sum(bits[3:6]) / 3, 7: bits[6]}
    assert curve == {step: pytest.approx(mean, abs=1e-5) for step, mean in means.items()}


def test_validation_trains_and_scores_on_images_held_out_from_the_train_part(tmp_path):
    file = str(write_npz(tmp_path / "planes.npz", train=200))
    run = tiny_run(tmp_path, iterations=2, data=file, validation=True)
    info = train(run)
    whole, held_out = data.load(file), data.hold_out(data.load(file))
    trainer = Trainer(run.config()[0])

    def images(x):
        return {image.numpy().tobytes() for image in x}

    def part(x):
        return images(torch.from_numpy(x).permute(0, 3, 1, 2).contiguous())

    assert part(trainer.train_images) == part(held_out.train) < part(whole.train)
    assert images(trainer.test_images) == part(held_out.test) < part(whole.train)
    assert not part(trainer.train_images) & images(trainer.test_images)
    scored = score(load(run.last_checkpoint).flow, to_tensor(held_out.test)).mean().item()
    assert info.metrics["validation_bits_per_dim"] == pytest.approx(scored, abs=1e-4)
    assert "test_bits_per_dim" not in info.metrics and not any("test_bits_per_dim" in r for r in run.records())
    on_test_part = score(load(run.last_checkpoint).flow, to_tensor(whole.test)).mean().item()
    assert abs(info.metrics["validation_bits_per_dim"] - on_test_part) > 1e-3


def test_the_clock_of_a_resumed_run_goes_on_where_it_stood(tmp_path):
    run = tiny_run(tmp_path, iterations=6)
    train(run, images=tiny_data(), progress=lambda step, _: os.kill(os.getpid(), signal.SIGTERM) if step == 3 else None)
    assert run.status()["state"] == "stopped"
    clocks = {"seconds": 1000.0, "cpu_seconds": 500.0, "step_cpu_seconds": 400.0}
    records = [record | clocks for record in run.records()]
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    info = train(run, images=tiny_data())
    last = run.records()[-1]
    assert last["step"] == 6
    assert 1000 < last["seconds"] < 1300 and 500 < last["cpu_seconds"] < 800
    assert 400 < last["step_cpu_seconds"] < 700
    assert 500 < info.metrics["cpu_seconds"] < 800


# ---------------------------------------------------------------------- how it is computed, saved and logged


def test_prior_and_log_determinant_are_recorded_apart_and_add_up(tmp_path):
    run = tiny_run(tmp_path, iterations=3, bits=5)
    train(run, images=tiny_data())
    record = [r for r in run.records() if "levels" in r][-1]
    parts = record["prior_bits_per_dim"] + record["log_det_bits_per_dim"]
    assert record["probe_bits_per_dim"] == pytest.approx(5 + parts, abs=1e-3)
    flow = load(run.last_checkpoint).flow
    x = dequantise(to_tensor(tiny_data().test), generator_for(0, "probe"), bits=5)
    log_normal = sum(Normal(0, 1).log_prob(e.double()).flatten(1).sum(1) for e in flow.encode(x).levels).mean()
    assert record["prior_bits_per_dim"] == pytest.approx(-log_normal.item() / (192 * math.log(2)), abs=2e-3)
    squares = [level["noise_square"] for level in record["levels"]]
    assert squares == pytest.approx([e.square().mean().item() for e in flow.encode(x).levels], rel=1e-3)


def test_saves_and_kept_checkpoints_come_at_their_steps(tmp_path, monkeypatch):
    monkeypatch.setattr("eiwflow.training.recipe.recording_steps", lambda iterations, *_: [0, iterations])
    run, found = tiny_run(tmp_path, iterations=12), []
    train(
        run,
        images=tiny_data(),
        progress=lambda step, _: run.saved_step() == step == run.status()["step"] and found.append(step),
        execution=Execution(save_every=4, keep_every=5),
    )
    assert found == [4, 5, 8, 10, 12]
    kept = sorted(path.name for path in run.checkpoints.glob("step_*"))
    assert kept == ["step_0000005.safetensors", "step_0000010.safetensors"]
    assert load(run.milestone(10)).info.step == 10
    assert load(run.last_checkpoint).info.step == 12


def test_ten_minutes_of_steps_are_saved_about_once_a_minute(tmp_path, monkeypatch):
    run, steps, saved = tiny_run(tmp_path, recorded=2, iterations=30), [], []
    monkeypatch.setattr(run_module, "time", mock.Mock(monotonic=lambda: 21.0 * len(steps)))

    def progress(step, _):
        steps.append(step)
        saved.append(run.saved_step())

    train(run, images=tiny_data(), progress=progress)
    assert 8 <= len({*saved}) <= 12


def test_a_run_goes_on_to_more_steps_and_is_scored_again(tmp_path):
    run = tiny_run(tmp_path, iterations=4)
    first = train(run, images=tiny_data())
    with pytest.raises(RunError, match=r"iterations is 4; the run has taken 4 steps: choose more\."):
        run.extend(4, "again")
    run.extend(9, "again")
    info = train(run, images=tiny_data())
    assert (info.step, info.command) == (9, "python -m eiwflow train && again")
    ends = {r["step"]: r["test_bits_per_dim"] for r in run.records() if "test_bits_per_dim" in r}
    assert ends == {4: first.metrics["test_bits_per_dim"], 9: info.metrics["test_bits_per_dim"]}
    rates = {r["step"]: r["lr"] for r in run.records() if "lr" in r}
    assert rates == {s: tiny_recipe(4 if s <= 4 else 9).learning_rate_at(s - 1) for s in range(1, 10)}


def test_a_run_starts_from_a_checkpoint(tmp_path):
    source = tiny_run(tmp_path, iterations=3)
    train(source, images=tiny_data())
    begun = Trainer(tiny_recipe(init_from=str(source.last_checkpoint)), tiny_data())
    assert same_tensors(begun.flow.state_dict(), load(source.last_checkpoint).flow.state_dict())
    assert begun.step == 0 and begun.advance()[0] < trained(0).advance()[0]
    with pytest.raises(RunError, match="last.safetensors holds another flow than"):
        Trainer(tiny_recipe(init_from=str(source.last_checkpoint), width=12), tiny_data())
    with pytest.raises(RunError, match=r"^--init-from: none.safetensors is not a usable checkpoint"):
        Trainer(tiny_recipe(init_from=str(tmp_path / "none.safetensors")), tiny_data())


@pytest.mark.parametrize("name", ["y0ast", "rosinality", "normflows, exp"])
def test_an_imported_glow_is_trained_further(tmp_path, name):
    make, options = MODELS[name]
    flow = imported(make(), options)
    save(tmp_path / "glow.safetensors", flow, CheckpointInfo(flow.config))
    recipe = Recipe(
        flow.config, "planes", batch=8, iterations=4, warmup=0, init_from=str(tmp_path / "glow.safetensors")
    )
    trainer = Trainer(recipe, tiny_data(size=flow.config.shape[1], channels=flow.config.shape[0]))
    assert same_tensors(trainer.flow.state_dict(), flow.state_dict())
    first, norm = trainer.advance()
    assert norm > 0 and not same_tensors(trainer.flow.state_dict(), flow.state_dict())
    assert [trainer.advance()[0] for _ in range(3)][-1] < first


def killed_after_3(run, log):
    """Train with a logger to step 3, of which only step 2 is saved, and then to the end."""
    execution = Execution(log=log, save_every=2)
    with pytest.raises(Killed):
        train(run, images=tiny_data(), execution=execution, progress=killed_at(3))
    train(run, images=tiny_data(), execution=execution)


def test_tensorboard_shows_every_step_once_with_samples_and_recipe(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = tiny_run(tmp_path, recorded=2, iterations=5)
    killed_after_3(run, "tensorboard")
    shown = events.EventAccumulator(str(run.path / "tensorboard"))
    shown.Reload()
    curve = [(event.step, pytest.approx(event.value)) for event in shown.Scalars("bits_per_dim")]
    assert curve == [(r["step"], r["bits_per_dim"]) for r in run.records() if "bits_per_dim" in r]
    assert "level 1/noise_square" in shown.Tags()["scalars"]
    assert [event.step for event in shown.Images("samples")] == [0, 5]
    assert b'"iterations": 5' in shown.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_tracker_continues_the_same_run_with_every_step_once(tmp_path, monkeypatch, name):
    """Of a stand-in with the calls that both packages document: init, run.log, and an end."""
    calls, tracker = [], mock.Mock()
    tracker.init.return_value.log = lambda values, step: calls.append((step, values))
    tracker.__spec__ = ModuleSpec(name, None, origin="of the test")
    monkeypatch.setitem(sys.modules, name, tracker)
    run = tiny_run(tmp_path, recorded=2, iterations=5)
    killed_after_3(run, name)
    begun, resumed = (call.kwargs for call in tracker.init.call_args_list)
    assert begun == resumed and begun["name"] == run.path.name and begun["resume"] == "allow"
    assert begun["config"]["iterations"] == 5
    assert tracker.finish.call_count == 2
    assert [step for step, values in calls if "bits_per_dim" in values] == [1, 2, 3, 4, 5]
    assert [step for step, values in calls if "samples" in values] == [0, 5]


def test_a_logger_that_is_not_installed_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(RunError, match="wandb"):
        check_logger("wandb")
    check_logger("")
