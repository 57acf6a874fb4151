"""A run from its start to its end: its files, its curve, its saves, its clock."""

import json
import os
import signal

import pytest
import torch

from eiwflow import data
from eiwflow.checkpoint import load
from eiwflow.data import to_tensor
from eiwflow.flow.score import score
from eiwflow.training import run as run_module
from eiwflow.training.run import train
from eiwflow.training.trainer import Trainer

from .tiny import numbers, same_tensors, tiny_config, tiny_data, tiny_recipe, tiny_run, trained, write_npz


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
    assert {**info.recipe, "flow": info.config.to_dict()} == tiny_recipe(4).to_dict()
    assert (info.data, info.seed, info.command) == ("planes", 0, "python -m eiwflow train")


def test_the_checkpoint_holds_the_averaged_weights(tmp_path):
    run = tiny_run(tmp_path, iterations=5)
    train(run, images=tiny_data())
    trainer = trained(5, iterations=5)
    assert same_tensors(load(run.last_checkpoint).flow.state_dict(), trainer.average.state_dict())
    assert not same_tensors(trainer.average.state_dict(), trainer.flow.state_dict())


def test_recomputing_trains_to_the_same_numbers_and_a_checkpoint_that_says_nothing_of_it(tmp_path):
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


def test_a_line_of_the_metrics_says_step_bits_rate_and_time(tmp_path):
    run = tiny_run(tmp_path, iterations=3)
    train(run, images=tiny_data())
    line = run.records()[2]
    assert line["step"] == 2
    assert line["lr"] == tiny_recipe(3).learning_rate_at(1)
    assert line["gradient_norm"] > 0
    assert line["seconds"] >= 0
    assert line["cpu_seconds"] >= 0
    assert numbers([line])[0]["bits_per_dim"] < 9


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

    assert images(trainer.train_images) == part(held_out.train) < part(whole.train)
    assert images(trainer.test_images) == part(held_out.test) < part(whole.train)
    assert not images(trainer.train_images) & images(trainer.test_images)
    scored = score(load(run.last_checkpoint).flow, to_tensor(held_out.test)).mean().item()
    assert info.metrics["test_bits_per_dim"] == pytest.approx(scored, abs=1e-4)
    on_test_part = score(load(run.last_checkpoint).flow, to_tensor(whole.test)).mean().item()
    assert abs(info.metrics["test_bits_per_dim"] - on_test_part) > 1e-3


def saves(tmp_path, monkeypatch, seconds):
    """Return the steps at which a run of 10 steps had just saved."""
    monkeypatch.setattr(run_module, "SAVE_SECONDS", seconds)
    run, found = tiny_run(tmp_path, iterations=10), []
    train(run, images=tiny_data(), progress=lambda step, _: run.saved_step() == step and found.append(step))
    return found


def test_a_run_saves_at_every_recording_step_and_whenever_its_time_has_come(tmp_path, monkeypatch):
    monkeypatch.setattr("eiwflow.training.recipe.recording_steps", lambda iterations, *_: [0, 3, 8, iterations])
    assert saves(tmp_path, monkeypatch, 1e9) == [3, 8, 10]
    assert saves(tmp_path, monkeypatch, -1.0) == list(range(1, 11))


def test_the_clock_of_a_resumed_run_goes_on_where_it_stood(tmp_path):
    run = tiny_run(tmp_path, iterations=6)
    train(run, images=tiny_data(), progress=lambda step, _: os.kill(os.getpid(), signal.SIGTERM) if step == 3 else None)
    assert run.status()["state"] == "stopped"
    records = [record | {"seconds": 1000.0, "cpu_seconds": 500.0} for record in run.own_records()]
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    info = train(run, images=tiny_data())
    last = run.own_records()[-1]
    assert last["step"] == 6
    assert 1000 < last["seconds"] < 1300 and 500 < last["cpu_seconds"] < 800
    assert 500 < info.metrics["cpu_seconds"] < 800
