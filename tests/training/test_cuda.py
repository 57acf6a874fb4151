"""Every path of CUDA: construction, training, import, evaluation. Without a GPU the tests are skipped, and counted."""

import dataclasses

import numpy as np
import pytest
import torch

from eiwflow import checkpoint
from eiwflow.analysis.analyse import SUBJECTS, analyse
from eiwflow.analysis.evaluate import evaluate
from eiwflow.analysis.exactness import exactness
from eiwflow.analysis.report import verify
from eiwflow.analysis.samples import draw
from eiwflow.checkpoint import Checkpoint, load
from eiwflow.flow.score import score
from eiwflow.training.cost import check_memory
from eiwflow.training.execution import Execution
from eiwflow.training.failures import TrainingFailed
from eiwflow.training.run import train
from eiwflow.training.trainer import GATHER_EVERY, Trainer
from tests.flow.numerics import Questions

from ..importing.test_exactness import MODELS, imported
from .pretended import factored
from .test_resume import signalled_at
from .tiny import all_numbers, labelled_data, same_tensors, tiny_data, tiny_flow, tiny_info, tiny_recipe, tiny_run

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that CUDA knows"),
]
GPU = torch.device("cuda")
ARMS = {
    "default": {},
    "linear": {"init": "linear"},
    "random": {"init": "random", "order": "last", "weights": "none"},
    "released": {"order": "released", "weights": "none", "prior": "standard"},
    "keep auto": {"keep": "auto"},
    "recomputed": {"memory": "recompute"},
    "bfloat16": {"precision": "bfloat16"},
    "adamw, in parts": {"optimiser": "adamw", "accumulate": 2},
    "labels": {"labels": "side", "classes": ("none", "left", "right"), "context": 3},
}


@pytest.mark.parametrize("fields", ARMS.values(), ids=ARMS.keys())
def test_a_step_on_cuda_is_that_of_the_cpu(fields):
    data = labelled_data() if "labels" in fields else tiny_data()
    ours = Trainer(tiny_recipe(**fields), data, Execution(GPU))
    theirs = Trainer(tiny_recipe(**{**fields, "precision": "float32"}), data)
    assert ours.advance()[0] == pytest.approx(theirs.advance()[0], abs=0.05)


def test_queued_steps_ask_the_device_nothing():
    trainer = Trainer(tiny_recipe(iterations=50), tiny_data(), Execution(GPU, workers=1))
    trainer.advance()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with Questions() as questions:
            for _ in range(5):
                trainer.enqueue()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert questions.count == 0 and len(trainer.gather()) == 5
    trainer.input.close()


def test_a_run_on_cuda_ends_stops_and_goes_on(tmp_path):
    run = tiny_run(tmp_path, iterations=40, recorded=4)
    train(run, images=tiny_data(), execution=Execution(GPU), progress=signalled_at(2 * GATHER_EVERY))
    assert run.state().name == "stopped" and run.saved_step() == run.state().step < 40
    train(run, images=tiny_data(), execution=Execution(GPU))
    assert run.state().name == "finished"
    assert score(load(run.last_checkpoint).flow, torch.zeros(2, 3, 8, 8, dtype=torch.uint8)).isfinite().all()


def test_deterministic_runs_on_cuda_are_equal_to_the_bit(tmp_path):
    runs = [tiny_run(tmp_path, iterations=12, recorded=4) for _ in range(2)]
    for run in runs:
        train(run, images=tiny_data(), execution=Execution(GPU, deterministic=True))
    assert same_tensors(*(load(run.last_checkpoint).flow.state_dict() for run in runs))


def test_what_is_not_finite_stops_before_a_save(tmp_path):
    run = tiny_run(tmp_path, iterations=60, recorded=4)
    data = tiny_data()

    def poison(step, bits):
        data.train[:] = 0
        trainer[0].flow.levels[0].steps[0].actnorm.bias.data[0] = torch.nan

    trainer = []
    built = Trainer.__init__
    with pytest.MonkeyPatch.context() as patched, pytest.raises(TrainingFailed, match="was not finite"):
        patched.setattr(Trainer, "__init__", lambda self, *a, **k: (built(self, *a, **k), trainer.append(self))[0])
        train(run, images=data, execution=Execution(GPU), progress=poison)
    assert all(tensor.isfinite().all() for tensor in load(run.last_checkpoint).flow.parameters())


def test_a_compiled_step_is_that_of_the_plain_one():
    plain, compiled = (Trainer(tiny_recipe(), tiny_data(), Execution(GPU, compiled=on)) for on in (False, True))
    assert compiled.advance() == pytest.approx(plain.advance(), rel=1e-2)


def test_evaluation_sampling_and_estimates_on_cuda():
    trainer = Trainer(tiny_recipe(), tiny_data(), Execution(GPU))
    flow = trainer.average
    result = evaluate(flow, tiny_data(), importance=3)
    assert result.round_trip_max_abs < 1e-3 and result.importance_bits_per_dim < result.bits_per_dim + 0.1
    assert exactness(flow, trainer.test_images)[0] < 1e-3
    assert flow.sample(4, 0.7, torch.Generator().manual_seed(0)).device.type == "cuda"
    assert check_memory(tiny_recipe(), GPU) > 0


@pytest.mark.parametrize("what", SUBJECTS)
def test_an_analysis_on_cuda_is_that_of_the_cpu(what):
    flows = [tiny_flow(), tiny_flow().to(GPU)]
    here, there = (
        [*all_numbers(analyse(Checkpoint("it", flow, tiny_info(flow), ""), factored(), what))] for flow in flows
    )
    assert there == pytest.approx(here, rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("name", MODELS)
def test_an_imported_flow_scores_and_verifies_on_cuda(name):
    flow = imported(MODELS[name][0](), MODELS[name][1])
    images = torch.randint(0, 256, (5, *flow.config.shape), dtype=torch.uint8)
    context = {"context": torch.zeros(5, dtype=torch.long)} if flow.config.context else {}
    here = score(flow, images, **context)
    assert (score(flow.to(GPU), images, **context) - here).abs().max() < 1e-3
    if not context:
        assert verify(Checkpoint(name, flow, checkpoint.CheckpointInfo(flow.config), ""), images).holds


def test_samples_drawn_on_cuda_are_those_of_the_cpu():
    here, there = (np.concatenate([*draw(flow, 9, batch=4)]) for flow in (tiny_flow(), tiny_flow().to(GPU)))
    assert np.abs(here.astype(int) - there).max() <= 1


def test_a_flow_of_the_cpu_is_moved_and_saved_alike(tmp_path):
    trainer = Trainer(tiny_recipe(), tiny_data(), Execution(GPU))
    info = checkpoint.CheckpointInfo(dataclasses.replace(trainer.flow.config))
    checkpoint.save(tmp_path / "flow.safetensors", trainer.average, info)
    assert same_tensors(
        load(tmp_path / "flow.safetensors").flow.state_dict(),
        {name: tensor.cpu() for name, tensor in trainer.average.state_dict().items()},
    )
