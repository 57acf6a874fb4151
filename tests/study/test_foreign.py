"""Flows of one's own as arms of a study: the same frame, the same numbers after a kill, a sentence for each fault."""

import csv
import itertools
import re
import sys
from pathlib import Path

import pytest
import torch

from eiwflow.flow import FlowConfig
from eiwflow.study import foreign
from eiwflow.study.file import merge, read_study
from eiwflow.study.foreign import ForeignError, ForeignTraining, check, initialise, make
from eiwflow.study.recipe import Arm, StudyRecipe
from eiwflow.study.report import report_in_words
from eiwflow.study.run import Job, devices_of, run_job, run_study
from eiwflow.training.failures import TrainingFailed
from eiwflow.training.run_directory import RunError
from eiwflow.training.trainer import Trainer

from ..test_cli import json_of, printed, refused
from ..training.tiny import tiny_data, write_npz

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
#: A diagonal Gaussian, with noise in training that must not depend on where a run was killed.
GAUSSIAN = """
import math, torch
class Gaussian(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.mean = torch.nn.Parameter(0.1 * torch.randn(shape))
        self.log_scale = torch.nn.Parameter(torch.zeros(shape))
    def log_prob(self, x):
        mean = self.mean + (0.01 * torch.randn(()) if self.training else 0)
        z = (x - mean) * torch.exp(-self.log_scale)
        return (-0.5 * z ** 2 - self.log_scale - 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)
    def sample(self, n):
        return self.mean + torch.exp(self.log_scale) * torch.randn(n, *self.mean.shape)
def make(shape, seed):
    return Gaussian(shape)
"""
#: Replacements in the file above, and what the sentence names.
FAULTS = {
    "no function": ("def make", "def other", "make"),
    "it raises": ("return Gaussian(shape)", "raise KeyError('shape')", "KeyError"),
    "no module": ("return Gaussian(shape)", "return 3", "a int"),
    "log_prob raises": ("z = (x", "z = (y", "NameError"),
    "another shape": (".flatten(1).sum(1)", ".sum()", r"\(\)"),
    "another type": (".flatten(1).sum(1)", ".flatten(1).sum(1).long()", "int64"),
    "not finite": ("- self.log_scale - 0.5", "- self.log_scale / 0", "finite"),
    "of its neighbours": ("(x - mean)", "(x - x.mean())", "beside"),
    "of its place": (".flatten(1).sum(1)", ".flatten(1).sum(1) + torch.arange(len(x))", "order"),
    "no seed": ("return Gaussian", "torch.manual_seed(0); return Gaussian", "seed"),
    "no syntax": ("def make(", "def make((", "SyntaxError"),
}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "own.py").write_text(GAUSSIAN)
    return f"{tmp_path / 'own.py'}:make"


def study_of(data, source, **fields):
    tiny = {"arms": ("variance/principal-random", f"own={source}"), "seeds": 2, "levels": 2, "steps": 1, "width": 8}
    return StudyRecipe(**{"data": str(data), **tiny, "size": 8, "batch": 8, "iterations": 6, **fields})


def numbers(study):
    return [{k: v for k, v in run.to_dict().items() if k != "cpu_s"} for run in study.runs.values()]


@pytest.mark.parametrize(("before", "after", "named"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_ones_own_flow_is_a_sentence(tmp_path, before, after, named):
    assert before in GAUSSIAN
    (tmp_path / "own.py").write_text(GAUSSIAN.replace(before, after))
    recipe = study_of("planes", f"{tmp_path / 'own.py'}:make")
    with pytest.raises(ForeignError, match=rf"^[^\n]*{named}[^\n]*$"):
        ForeignTraining(recipe.training(recipe.arms[1], 0), recipe.arms[1].source, tiny_data(), torch.device("cpu"))


def test_an_arm_that_fails_costs_the_others_nothing(tmp_path):
    data = write_npz(tmp_path / "planes.npz")
    with pytest.raises(TrainingFailed, match="2 of 4 runs failed; the first: own=.*no file"):
        run_study(study_of(data, tmp_path / "absent.py:make"), tmp_path / "study")
    assert [arm.order for arm, _ in read_study(tmp_path / "study").runs] == ["variance"] * 2


def test_a_study_with_ones_own_flow_killed_twice_and_in_shards_ends_with_the_same_numbers(
    tmp_path, source, monkeypatch
):
    recipe = study_of(write_npz(tmp_path / "planes.npz"), source)
    whole = run_study(recipe, tmp_path / "whole")
    monkeypatch.setattr(foreign, "SAVE_SECONDS", 0.0)
    advance, left = ForeignTraining.advance, itertools.chain([3, 2], itertools.repeat(99))
    steps = {"left": next(left)}

    def killed(training):
        if not steps["left"]:
            steps["left"] = next(left)
            raise KeyboardInterrupt
        steps["left"] -= 1
        advance(training)

    monkeypatch.setattr(ForeignTraining, "advance", killed)
    for shard in [(1, 2), (1, 2), (1, 2), (2, 2), (2, 2), (2, 2)]:
        try:
            found = run_study(recipe, tmp_path / "shards", shard=shard)
        except KeyboardInterrupt:
            continue
    assert numbers(found) == numbers(whole) and next(left) == 99
    assert (tmp_path / "shards" / "own" / "seed-0" / foreign.SAMPLES).stat().st_size > 100
    assert numbers(merge([found, whole])) == numbers(whole)
    assert "own" in report_in_words(json_of("study", "--out", tmp_path / "shards", "--report"))
    said = json_of("evaluate", source, "--data", recipe.data, "--weights", tmp_path / "whole/own/seed-0/weights.pt")
    assert said["images"] == len(tiny_data().test)


def test_a_file_that_changed_since_a_run_began_is_named(tmp_path, source, monkeypatch):
    recipe = study_of("planes", source)
    job = Job(tmp_path, recipe.arms[1], recipe.training(recipe.arms[1], 0), "")
    monkeypatch.setattr(foreign, "SAVE_SECONDS", 0.0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(foreign, "_bits", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(foreign.Recording, "curve_steps_of", lambda *_: {6})
        run_job(job, tiny_data())
    file = Path(source.partition(":")[0])
    file.write_text(f"{GAUSSIAN}\n")
    assert "own.py" in run_job(job, tiny_data())
    file.write_text(GAUSSIAN)
    assert run_job(job, tiny_data()) == ""


def test_ones_own_flow_sees_the_batches_of_ours(source):
    recipe = study_of("planes", source)
    ours, theirs = (recipe.training(arm, 3) for arm in recipe.arms)
    trainer, own = Trainer(ours, tiny_data()), ForeignTraining(theirs, source, tiny_data(), torch.device("cpu"))
    for step in range(3):
        assert torch.equal(trainer.input.batch(step), own._batches.of_step(step, recipe.batch))


def test_arms_of_ones_own_are_read_and_written(tmp_path):
    arm = Arm.parse("flat=some/where.py:make_it")
    assert Arm.parse(arm.text) == arm and arm.under("standard") == arm
    recipe = StudyRecipe(arms=(Arm("entropy"), arm))
    assert recipe.arguments("x").count("--arm") == 1 and StudyRecipe.from_dict(recipe.to_dict()) == recipe
    for wrong in ("entropy=a.py:b", "a/b=a.py:b", "name=a.py", "name=a.txt:b"):
        with pytest.raises(ValueError, match=re.escape(wrong.split("=")[0]) if wrong[0] in "ea" else "name"):
            Arm.parse(wrong)


def test_runs_are_spread_over_all_gpus(monkeypatch):
    """Of two devices that torch is made to report: there need be none here."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    assert [str(device) for device in devices_of("auto")] == ["cuda:0", "cuda:1"] == list(map(str, devices_of("cuda")))
    assert [str(device) for device in devices_of("cuda:1")] == ["cuda:1"] and devices_of("cpu")[0].type == "cpu"
    with pytest.raises(RunError, match="cuda:2"):
        devices_of("cuda:2")


def test_the_tarflow_of_the_examples_inverts_and_its_log_determinant_is_that_of_its_jacobian(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from tarflow import TarFlow

    torch.manual_seed(0)
    flow = TarFlow((3, 4, 4), patch=2, width=32, blocks=3, layers=1).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64) - 0.5
    flow.initialise(x)
    z, log_det = flow.encode(x)
    assert torch.allclose(flow.decode(z), x, atol=1e-10)
    jacobian = torch.autograd.functional.jacobian(lambda image: flow.encode(image[None])[0].flatten(), x[0])
    assert torch.linalg.slogdet(jacobian.reshape(48, 48))[1].item() == pytest.approx(log_det[0].item())
    base = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(dim=(1, 2))
    assert torch.allclose(flow.log_prob(x), base + log_det)


@pytest.mark.parametrize("name", ["tarflow", "glow"])
def test_an_example_is_short_and_can_be_an_arm(name):
    if name == "glow":
        pytest.importorskip("normflows")
    path = EXAMPLES / f"{name}.py"
    assert len(path.read_text().splitlines()) <= 120
    flow = make(f"{path}:make", FlowConfig(shape=(3, 16, 16)), 0)
    x = torch.rand(16, 3, 16, 16) - 0.5
    initialise(flow, x)
    check(flow, x)
    assert flow.module.sample(2).shape == (2, 3, 16, 16)
    sys.modules.pop("tarflow", None)


def test_a_report_is_written_for_a_paper(tmp_path, source):
    out = tmp_path / "study"
    run_study(study_of(write_npz(tmp_path / "planes.npz"), source), out)
    files = [tmp_path / name for name in ("a.csv", "a.tex", "a.svg")]
    printed("study", "--out", out, "--report", "--csv", files[0], "--latex", files[1], "--figure", files[2])
    printed("study", "--out", out, "--report", "--figure", tmp_path / "a.pdf")
    table, latex, svg = (path.read_text() for path in files)
    (row,) = (row for row in csv.DictReader(table.splitlines()) if row["table"] == "comparison")
    (found,) = json_of("study", "--out", out, "--report")["leads"]["comparison"]
    assert float(row["lead_bits_per_dim"]) == found["lead"] and row["over"] == "own"
    assert latex.count(r"\toprule") == latex.count(r"\bottomrule") == 2 and "own" in svg
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-1.4")
    for name, option in (("a.csv", "--csv"), ("a.tex", "--latex"), ("a.pdf", "--figure"), ("a.svg", "--pack")):
        assert name in refused(
            "study", "--out", out, "--report", "--csv", tmp_path / "new.csv", option, tmp_path / name
        )
    assert "a.png" in refused("study", "--out", out, "--report", "--csv", tmp_path / "new.csv", "--figure", "a.png")
    assert not (tmp_path / "new.csv").exists()
    files[0].write_text("mine")
    printed("study", "--out", out, "--report", "--csv", files[0], "--force")
    assert files[0].read_text() == table
