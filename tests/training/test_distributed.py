"""Several processes train one flow: to the numbers of one process, into one run directory."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import safetensors.torch
import torch
from torch.distributed import TCPStore

from eiwflow import cli
from eiwflow.analysis.evaluate import evaluate
from eiwflow.analysis.samples import draw
from eiwflow.checkpoint import load, save
from eiwflow.training.distributed import Team
from eiwflow.training.run_directory import all_runs

from .. import LONG
from .processes import begun, ended, one_of_a_team, place_in_a_team
from .tiny import tiny_data, tiny_flow, tiny_info, write_npz

ROOT = Path(__file__).resolve().parents[2]
#: Sums in another order differ in their last bits, and training makes more of it.
NOISE = 5e-3
SETTINGS = (
    "--levels", "2", "--steps-per-level", "1", "--width", "8", "--size", "8", "--batch", "8", "--iterations", "30",
    "--seed", "1", "--device", "cpu", "--json",
)  # fmt: skip


@pytest.fixture
def command(tmp_path):
    """Return a command line that trains a tiny flow."""
    return ["train", "--data", str(write_npz(tmp_path / "planes.npz")), *SETTINGS]


@pytest.fixture
def meeting_place():
    """Return a function that returns the port of a new store, as torchrun has one: nobody else can take it."""
    stores = []

    def port():
        stores.append(TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False))
        return stores[-1].port

    return port


@pytest.fixture
def a_team(meeting_place):
    """Return a function that begins to train with two processes; it returns them and the files that they print to."""

    def begin(command, out, asked_at=(None, None)):
        port, said = meeting_place(), [out.with_suffix(f".{rank}") for rank in range(2)]
        arguments = [*command, "--out", str(out)] if "--resume" not in command else command
        return [
            begun(one_of_a_team, rank, 2, port, arguments, str(file), asked_at[rank]) for rank, file in enumerate(said)
        ], said

    return begin


def only_run(folder):
    (run,) = all_runs(folder)
    return run


def assert_same_training(ours, theirs):
    mine, other = (load(run.last_checkpoint).info.metrics for run in (ours, theirs))
    for name in ("bits_per_dim", "probe_bits_per_dim", "test_bits_per_dim", "train_bits_per_dim"):
        assert mine[name] == pytest.approx(other[name], abs=NOISE), name
    assert [r["step"] for r in ours.records()] == [r["step"] for r in theirs.records()]


@pytest.mark.slow
def test_two_processes_train_into_one_directory_to_the_numbers_of_one(tmp_path, command, a_team):
    assert cli.main([*command, "--out", str(tmp_path / "one")]) == 0
    processes, files = a_team(command, tmp_path / "two")
    assert [ended(process) for process in processes] == [0, 0]
    stdout, stderr = (file.read_text() for file in files)
    assert stderr == ""  # the second process prints nothing
    one, two = only_run(tmp_path / "one"), only_run(tmp_path / "two")
    assert [json.loads(line)["run"] for line in stdout.splitlines()] == [str(two.path)]
    assert two.state().name == "finished"
    assert_same_training(two, one)
    # What was initialised, before anything was learnt, is the same to the bit, and was sorted once.
    mine, other = (run.records()[0]["levels"][0] for run in (two, one))
    assert mine == other
    orders = [r["levels"][0]["order"] for r in two.records() if "levels" in r]
    assert orders == [orders[0]] * len(orders)


@pytest.mark.slow
def test_a_team_stops_at_one_step_and_goes_on_to_the_same_numbers(tmp_path, command, a_team):
    # The second process is asked: both have to hear of it.
    processes, said = a_team(command, tmp_path / "two", asked_at=(None, 12))
    assert [ended(process) for process in processes] == [0, 0]
    run = only_run(tmp_path / "two")
    assert (run.state().name, run.state().step) == ("stopped", 13)
    assert said[1].read_text() == ""
    processes, _ = a_team(["train", "--resume", str(run.path), "--device", "cpu"], tmp_path / "again")
    assert [ended(process) for process in processes] == [0, 0]
    assert run.state().name == "finished"
    assert cli.main([*command, "--out", str(tmp_path / "one")]) == 0
    assert_same_training(run, only_run(tmp_path / "one"))
    steps = safetensors.torch.load_file(run.resume_file)
    assert {int(tensor) for name, tensor in steps.items() if name.endswith(".step")} == {30}


@pytest.fixture
def flow_file(tmp_path):
    """Return the file of a flow."""
    flow, path = tiny_flow(), tmp_path / "flow.safetensors"
    save(path, flow, tiny_info(flow))
    return str(path)


@pytest.fixture
def planes(tmp_path):
    """Return the file of its images."""
    return str(write_npz(tmp_path / "planes.npz", test=40))


@pytest.fixture
def said_by_two(tmp_path, meeting_place):
    """Return a function that has two processes run a command, and returns what each prints."""

    def run(command):
        port, files = meeting_place(), [tmp_path / f"said.{rank}" for rank in range(2)]
        team = [begun(one_of_a_team, rank, 2, port, command, str(file)) for rank, file in enumerate(files)]
        assert [ended(process) for process in team] == [0, 0]
        return [file.read_text() for file in files]

    return run


def near(figures):
    return {k: pytest.approx(v, rel=1e-4, abs=1e-6) if isinstance(v, float) else v for k, v in figures.items()}


def test_the_parts_of_a_team_have_the_figures_and_the_samples_of_one():
    flow, images, size = tiny_flow(), tiny_data(test=13), 3
    parts, all_here = [None] * size, Barrier(size)

    class InThreads(Team):
        def gather(self, values):
            parts[self.rank] = values
            all_here.wait()
            whole = torch.cat(parts)
            all_here.wait()
            return whole

    def work(team=None):
        samples = np.concatenate([*draw(flow, 7, batch=2, team=team)])
        return evaluate(flow, images, importance=2, team=team).to_dict(), samples

    figures, samples = work()
    assert len(np.unique(samples, axis=0)) == 7
    with ThreadPoolExecutor(size) as threads:
        for found, drawn in threads.map(work, [InThreads(rank, size) for rank in range(size)]):
            assert found == near(figures) and np.array_equal(drawn, samples)


@pytest.mark.slow
def test_two_processes_score_to_the_figures_of_one(flow_file, planes, said_by_two, capsys):
    command = ["evaluate", flow_file, "--data", planes, "--limit", "13", "--importance", "2", "--json"]
    assert cli.main(command) == 0
    alone = json.loads(capsys.readouterr().out)
    said = said_by_two(command)
    assert said[1] == ""  # the second process prints nothing
    assert json.loads(said[0]) == near(alone)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["samples.npy", "samples.png", *(["samples"] if LONG else [])])
def test_two_processes_draw_the_samples_of_one(tmp_path, flow_file, said_by_two, name):
    outs = [tmp_path / place / name for place in ("one", "two")]
    for out in outs:
        out.parent.mkdir()
    command = ["sample", flow_file, "--n", "7", "--batch", "2", "--seed", "5", "--out"]
    assert cli.main([*command, str(outs[0])]) == 0
    assert said_by_two([*command, str(outs[1])]) == [f"{outs[1]}\n", ""]
    one, two = ([path.read_bytes() for path in sorted(out.parent.rglob("*")) if path.is_file()] for out in outs)
    assert one == two and len(one) == (7 if name == "samples" else 1)


@pytest.mark.slow
def test_a_process_of_a_team_ends_at_once_with_its_exit_code_and_what_it_printed(meeting_place):
    teamed = {**os.environ, **place_in_a_team(0, 1, meeting_place())}
    # Whatever is left to do as an interpreter ends is not done.
    program = "import atexit; atexit.register(print, 'tidied up'); from eiwflow.cli import run; run()"
    words = [sys.executable, "-c", program, "train", "--levels", "99"]
    done = subprocess.run(words, cwd=ROOT, env=teamed, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (cli.WRONG_INPUT, "", 1)
    assert "levels is 99" in done.stderr
