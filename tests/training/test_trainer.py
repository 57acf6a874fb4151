"""The loop: it learns, it repeats itself, and what it averages, pairs and shows is what it says."""

import json
import os
import signal

import pytest
import torch

from eiwflow import data
from eiwflow.checkpoint import load
from eiwflow.data import to_tensor
from eiwflow.flow.config import NAMED_SPLITS
from eiwflow.flow.score import score
from eiwflow.training import trainer as trainer_module
from eiwflow.training.recipe import recording_steps
from eiwflow.training.run_directory import RunError
from eiwflow.training.trainer import Trainer, choose_device, train

from .tiny import numbers, same_tensors, tiny_config, tiny_data, tiny_recipe, tiny_run, write_npz

SPLITS = ("static-last", "shuffle", "weighted")
each_split = pytest.mark.parametrize("split", SPLITS)


def trained(steps, images=None, **fields):
    """Return a trainer that has taken so many steps."""
    trainer = Trainer(tiny_recipe(**{"iterations": max(steps, 1), **fields}), images or tiny_data())
    for _ in range(steps):
        trainer.advance()
    return trainer


# ---------------------------------------------------------------------- it learns


@each_split
def test_thirty_iterations_on_tiny_images_lower_bits_per_dim(split):
    trainer = trained(0, split=split, iterations=30, learning_rate=5e-3)
    before = score(trainer.flow, trainer.test_images).mean()
    for _ in range(30):
        trainer.advance()
    after, average = (score(flow, trainer.test_images).mean() for flow in (trainer.flow, trainer.average))
    assert after < before - 0.2
    assert average < before - 0.2


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


def test_the_bits_per_dim_of_a_step_are_those_before_it():
    trainer = trained(3)
    with torch.no_grad():
        log_prob = trainer.flow.log_prob(trainer.batch(3, 8))
    before = trainer_module.to_bits_per_dim(log_prob, 192).mean().item()
    assert trainer.advance()[0] == pytest.approx(before, abs=1e-5)


# ---------------------------------------------------------------------- seeds


@each_split
def test_the_same_seed_gives_the_same_numbers(split):
    torch.manual_seed(1)
    first = trained(3, split=split, seed=11)
    torch.manual_seed(2)
    assert same_tensors(first.state(), trained(3, split=split, seed=11).state())


def test_different_seeds_give_different_numbers():
    first, second = trained(0, seed=0), trained(0, seed=1)
    assert first.advance()[0] != second.advance()[0]
    name = "levels.0.steps.0.coupling.network.0.weight"
    assert not torch.equal(first.flow.state_dict()[name], second.flow.state_dict()[name])


@pytest.mark.parametrize("init", ["principal", "dealt"])
def test_arms_are_paired_they_share_initial_numbers_and_batches(init):
    arms = [trained(0, split=split, init=init) for split in NAMED_SPLITS]
    alike = [name for name, _ in arms[0].flow.named_parameters() if ".coupling." in name]
    # An order may have a deal of its own: then the rotations differ from the first level on.
    if init == "principal":
        alike += [name for name in arms[0].flow.state_dict() if name.startswith("levels.0.steps.")]
    for arm in arms[1:]:
        ours, theirs = arms[0].flow.state_dict(), arm.flow.state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in alike)
        for step in range(4):
            assert torch.equal(arms[0].batch(step, 8), arm.batch(step, 8))


# ---------------------------------------------------------------------- the regulariser


def test_the_regulariser_moves_the_weights_only_where_it_is_asked_for():
    plain, regularised = trained(3, split="weighted"), trained(3, split="weighted", divergence=5.0)
    assert not same_tensors(plain.flow.state_dict(), regularised.flow.state_dict())
    assert same_tensors(
        trained(3, split="static-last").flow.state_dict(),
        trained(3, split="static-last", divergence=5.0).flow.state_dict(),
    )


# ---------------------------------------------------------------------- averaged weights


@pytest.mark.parametrize("ema", [0.0, 0.3, 0.999])
def test_averaged_weights_decay_by_the_smaller_of_d_and_what_t_allows(ema):
    trainer = trained(0, ema=ema, iterations=8, learning_rate=1e-2)
    by_hand = {name: p.detach().double().clone() for name, p in trainer.flow.named_parameters()}
    for t in range(1, 8):
        trainer.advance()
        decay = min(ema, (1 + t) / (10 + t))
        for name, parameter in trainer.flow.named_parameters():
            by_hand[name] = decay * by_hand[name] + (1 - decay) * parameter.detach().double()
    for name, parameter in trainer.average.named_parameters():
        torch.testing.assert_close(parameter.double(), by_hand[name], rtol=1e-5, atol=1e-6)


def test_without_decay_the_average_is_the_flow():
    trainer = trained(2, ema=0.0)
    assert same_tensors(trainer.average.state_dict(), trainer.flow.state_dict())


def test_the_checkpoint_holds_the_averaged_weights(tmp_path):
    run = tiny_run(tmp_path, iterations=5)
    train(run, images=tiny_data())
    trainer = trained(5, iterations=5)
    assert same_tensors(load(run.last_checkpoint).flow.state_dict(), trainer.average.state_dict())
    assert not same_tensors(trainer.average.state_dict(), trainer.flow.state_dict())


# ---------------------------------------------------------------------- the curve


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
    monkeypatch.setattr(trainer_module, "CURVE_POINTS", 2)
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


# ---------------------------------------------------------------------- devices


def test_auto_is_a_device_that_is_there():
    assert choose_device("auto").type in {"cuda", "cpu"}
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "mps", "", "cpu:x", "cpu:7", "CPU", "meta", "cuda:99", "cpu\n"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name):
    with pytest.raises(RunError, match=r"^device is '.*'; this machine has .*cpu.*\.$"):
        choose_device(name)


def test_bfloat16_is_for_cuda_alone():
    trainer = trained(0, precision="bfloat16")
    assert not any(step.coupling.in_bfloat16 for level in trainer.flow.levels for step in level.steps)
    assert same_tensors(trained(2, precision="bfloat16").flow.state_dict(), trained(2).flow.state_dict())


def test_grey_images_of_another_shape_are_trained_on_too():
    trainer = trained(2, tiny_data(size=16, channels=1), shape=(1, 16, 16), levels=3)
    assert trainer.flow.config == tiny_config(shape=(1, 16, 16), levels=3)
    assert trainer.step == 2


# ---------------------------------------------------------------------- what each step is taken with


def rates(trainer):
    """Return the learning rates in force, by the optimiser's name."""
    return {type(one).__name__: {group["lr"] for group in one.param_groups} for one in trainer.optimisers}


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_every_step_is_taken_at_the_recipes_learning_rate_and_muons_at_five_times_that(optimiser):
    trainer = trained(0, iterations=40, warmup=3, learning_rate=0.004, optimiser=optimiser)
    seen = []
    for step in range(40):
        rate = trainer.recipe.learning_rate_at(step)
        trainer.advance()
        expected = {"AdamW": {rate}} | ({"Muon": {5 * rate}} if optimiser == "muon" else {})
        assert rates(trainer) == expected
        seen.append(rate)
    assert seen[0] < max(seen) == pytest.approx(0.004, rel=0.1) and seen[-1] < 0.1 * max(seen)


def gradient_norm(trainer):
    return torch.cat([p.grad.flatten() for p in trainer.flow.density_parameters() if p.grad is not None]).norm().item()


def test_a_gradient_beyond_the_bound_is_cut_to_it_and_its_own_norm_is_recorded():
    free, cut = trained(0, clip=1e6), trained(0, clip=0.01)
    norm = free.advance()[1]
    assert gradient_norm(free) == pytest.approx(norm, rel=1e-4) and norm > 0.1
    assert cut.advance()[1] == pytest.approx(norm, rel=1e-4)
    assert gradient_norm(cut) == pytest.approx(0.01, rel=1e-3)


# ---------------------------------------------------------------------- held-out images


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


# ---------------------------------------------------------------------- what is saved, and when


def saves(tmp_path, monkeypatch, seconds):
    """Return the steps at which a run of 60 steps had just saved."""
    monkeypatch.setattr(trainer_module, "SAVE_SECONDS", seconds)
    run, found = tiny_run(tmp_path, iterations=60), []
    train(run, images=tiny_data(), progress=lambda step, _: run.saved_step() == step and found.append(step))
    return found


def test_a_run_saves_at_every_recording_step_and_whenever_its_time_has_come(tmp_path, monkeypatch):
    recording = [step for step in recording_steps(60) if step > 0]
    assert len(recording) < 60
    assert saves(tmp_path, monkeypatch, 1e9) == recording
    assert saves(tmp_path, monkeypatch, -1.0) == list(range(1, 61))


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
