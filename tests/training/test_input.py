"""Batches that are read ahead, from memory or from disk, are those that one process reads from memory."""

import numpy as np
import pytest
import torch

from eiwflow import data
from eiwflow.data.on_disk import NpyFile
from eiwflow.data.views import OnDisk
from eiwflow.training.execution import Execution
from eiwflow.training.failures import TrainingFailed
from eiwflow.training.input import Batches, Input
from eiwflow.training.run import train

from .test_resume import assert_same_run, signalled_at
from .tiny import planes, tiny_data, tiny_recipe, tiny_run

CPU = torch.device("cpu")


@pytest.fixture
def held(tmp_path):
    """Planes in memory, and the same in a file."""
    images = planes(50, size=12)
    np.save(tmp_path / "planes.npy", np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return images, OnDisk(NpyFile(tmp_path / "planes.npy"))


@pytest.mark.parametrize("fields", [{}, {"flip": True}])
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_parts_of_batches_from_disk_are_those_of_whole_batches_from_memory(held, fields, workers):
    recipe = tiny_recipe(iterations=20, **fields)
    whole = Batches(held[0], recipe)
    for size in (1, 2, 4):
        inputs = [Input(Batches(held[1], recipe, (rank, size)), CPU, workers) for rank in range(size)]
        for step in (0, 1, 2, 12, 13):  # across an epoch, and after a jump as in a resumed run
            x = torch.cat([one.batch(step) for one in inputs])
            assert torch.equal(x, whole.of_step(step, 8)) and x.shape == (8, 3, 8, 8)
        for one in inputs:
            one.close()


@pytest.mark.slow
def test_a_run_from_disk_with_workers_is_the_run_from_memory_also_when_it_is_resumed(tmp_path):
    images = tiny_data(size=12)
    np.save(tmp_path / "train.npy", images.train)
    np.save(tmp_path / "test.npy", images.test)
    whole, stopped = (tiny_run(tmp_path / "runs", recorded=4, iterations=9) for _ in range(2))
    train(whole, images=images)
    on_disk = data.load(tmp_path)
    train(stopped, images=on_disk, progress=signalled_at(4), execution=Execution(workers=2))
    train(stopped, images=on_disk, execution=Execution(workers=1))
    assert_same_run(stopped, whole)


def test_what_a_worker_cannot_read_is_a_sentence_and_the_last_save_stays(tmp_path):
    np.save(tmp_path / "train.npy", planes(64, size=12))
    np.save(tmp_path / "test.npy", planes(16, size=12, seed=2))
    run = tiny_run(tmp_path / "runs", recorded=4, iterations=60)
    images = data.load(tmp_path)

    def cut(step, bits):
        if step == 2:
            with open(tmp_path / "train.npy", "r+b") as file:
                file.truncate(200)

    with pytest.raises(TrainingFailed, match=r"'train.npy' ends before image \d+: it was cut short") as caught:
        train(run, images=images, progress=cut, execution=Execution(workers=1))
    assert caught.value.advice == "Put the data set back as it was, then resume."
    assert run.saved_step() is not None and run.state().name == "failed"
