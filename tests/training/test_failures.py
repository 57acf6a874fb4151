"""A run that cannot go on says why in one sentence, and its last good checkpoint stays."""

import errno
import os

import pytest
import torch

from eiwflow import checkpoint, files
from eiwflow.checkpoint import load
from eiwflow.training import input as input_module
from eiwflow.training import run as run_module
from eiwflow.training import scores
from eiwflow.training.failures import TrainingFailed
from eiwflow.training.run import train
from eiwflow.training.trainer import Trainer

from .. import crossed
from .tiny import same_tensors, tiny_data, tiny_recipe, tiny_run, tiny_x, write_npz


def failure(run, **arguments):
    """Return the sentence that a run fails with and its last checkpoint; status and log say the same."""
    with pytest.raises(TrainingFailed) as caught:
        train(run, **arguments)
    sentence, status = str(caught.value), run.status()
    assert "\n" not in sentence
    assert (status["state"], status["message"]) == ("failed", sentence)
    assert sentence in (run.path / "log.txt").read_text()
    return sentence, load(run.last_checkpoint)


def poisoned_batch(monkeypatch, at_step, value=float("nan")):
    """Put one bad number into the batch of a step."""
    whole = input_module.training_batch

    def batch(images, size, n, seed, step, *others):
        x = whole(images, size, n, seed, step, *others)
        if step == at_step and n == 8:
            x[3, 1, 2, 2] = value
        return x

    monkeypatch.setattr(input_module, "training_batch", batch)


# ---------------------------------------------------------------------- what is not finite


@crossed(value=[float("nan"), float("inf"), -float("inf")], split=["entropy+pooled", "entropy"])
def test_a_batch_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path, monkeypatch, value, split):
    poisoned_batch(monkeypatch, at_step=4, value=value)
    run = tiny_run(tmp_path, split=split)
    sentence, last = failure(run, images=tiny_data())
    assert sentence == "At step 5 bits/dim was not finite, first in level 1."
    assert run.status()["step"] == last.info.step == 4
    assert torch.isfinite(last.flow.log_prob(tiny_x(4, last.flow.config))).all()
    assert run.records()[-1]["step"] == 4


@pytest.fixture
def trainers(monkeypatch):
    """The trainers of the test's runs, in a list that grows."""
    made = []

    class Watched(Trainer):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(run_module, "Trainer", Watched)
    return made


def test_averaged_weights_that_are_not_finite_replace_no_checkpoint(tmp_path, trainers):
    run = tiny_run(tmp_path, iterations=50)

    @torch.no_grad()
    def poison_and_stop(step, bits):
        if step == 7:
            trainers[0].average.levels[1].steps[0].actnorm.bias[0] = float("inf")
            run.ask("stop")

    sentence, last = failure(run, images=tiny_data(), progress=poison_and_stop)
    assert sentence.startswith("After step 7 the run stopped: last.safetensors is not a usable checkpoint: ")
    assert "'levels.1.steps.0.actnorm.bias' of level 2 is not finite" in sentence
    assert last.info.step == 7  # saved before the weights went wrong


def test_a_gradient_that_is_not_finite_stops_before_the_step_is_taken():
    trainer = Trainer(tiny_recipe(), tiny_data())
    trainer.advance()
    before = {name: tensor.clone() for name, tensor in trainer.state().items()}
    bias = trainer.flow.levels[0].steps[0].actnorm.bias
    bias.register_hook(lambda gradient: gradient / 0)
    with pytest.raises(TrainingFailed, match=r"^At step 2 the gradient was not finite\.$"):
        trainer.advance()
    assert same_tensors(trainer.state(), before)
    assert trainer.step == 1


def test_final_scores_that_are_not_finite_fail_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "score", lambda *_: torch.full((16,), float("nan")))
    run = tiny_run(tmp_path, iterations=3)
    sentence, last = failure(run, images=tiny_data())
    assert sentence == "After step 3 the averaged flow's bits/dim was not finite."
    assert last.info.step == 3
    assert "test_bits_per_dim" not in last.info.metrics


# ---------------------------------------------------------------------- the disk and the data


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("module", "failing"), [(checkpoint, "save_state"), (files, "write_atomically")])
def test_a_full_disk_stops_the_run_and_keeps_the_last_checkpoint(tmp_path, module, failing):
    run = tiny_run(tmp_path)
    with pytest.MonkeyPatch.context() as patched:
        sentence, last = failure(
            run,
            images=tiny_data(),
            progress=lambda step, _: patched.setattr(module, failing, no_space) if step == 3 else None,
        )
    assert sentence == "After step 4 the run stopped: no space left on device."
    assert last.info.step == 3
    assert train(run, images=tiny_data()).step == 8


CHANGED = {"grey": {"channels": 1}, "smaller than the crops": {"size": 8}}


@pytest.mark.parametrize("fields", CHANGED.values(), ids=CHANGED.keys())
def test_a_data_set_that_became_another_fails_the_run(tmp_path, fields):
    data = write_npz(tmp_path / "planes.npz", **{"size": 16, "channels": 3, **fields})
    run = tiny_run(tmp_path / "runs", data=str(data), shape=(3, 16, 16))
    with pytest.raises(TrainingFailed, match="^After step 0 the run stopped: .+") as caught:
        train(run)
    sentence = str(caught.value)
    assert run.status()["message"] == sentence
    assert "\n" not in sentence
