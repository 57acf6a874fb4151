"""The curve in a training's record is what the training wrote down, smoothed without a shift."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from eiwflow import checkpoint, cli
from eiwflow.analysis.record import TrainingCurve, load_curve, load_record
from eiwflow.analysis.words import checkpoint as words
from eiwflow.training.execution import Execution
from eiwflow.training.run import train
from tests.training.test_resume import signalled_at
from tests.training.tiny import tiny_data, tiny_flow, tiny_info, tiny_run, write_npz


def write(folder: Path, rows: list[dict], step: int = 40) -> Path:
    """Write a record and, beside it, a checkpoint of a step; return the checkpoint's path."""
    (folder / "flow").mkdir()
    (folder / "flow" / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flow = tiny_flow()
    checkpoint.save(folder / "flow.safetensors", flow, tiny_info(flow, step=step))
    return folder / "flow.safetensors"


ROWS = [
    {"step": 0, "probe_bits_per_dim": 6.0, "levels": []},
    {"step": 1, "bits_per_dim": 5.5, "lr": 0.001, "probe_bits_per_dim": 5.4, "levels": []},
    {"step": 10, "bits_per_dim": 5.0, "lr": 0.002},
    {"step": 20, "bits_per_dim": 4.0, "lr": 0.0},
    {"step": 20, "test_bits_per_dim": 4.25, "train_bits_per_dim": 4.1},
]


def test_curve_holds_batches_probes_and_the_end(tmp_path: Path) -> None:
    curve = load_curve(write(tmp_path, ROWS))
    assert curve.steps.tolist() == [1, 10, 20] and curve.bits_per_dim.tolist() == [5.5, 5.0, 4.0]
    assert curve.learning_rate.tolist() == [0.001, 0.002, 0.0]
    assert curve.probe_steps.tolist() == [0, 1] and curve.probe_bits_per_dim.tolist() == [6.0, 5.4]
    assert curve.test_bits_per_dim == 4.25
    assert [row["train_bits_per_dim"] for row in curve.table()] == [5.5, 5.0, 4.0]


def test_a_continued_training_is_scored_at_its_last_end(tmp_path: Path) -> None:
    curve = load_curve(
        write(
            tmp_path,
            [*ROWS, {"step": 40, "bits_per_dim": 3.5, "lr": 0.0}, ROWS[-1] | {"step": 40, "test_bits_per_dim": 3.75}],
        )
    )
    assert curve.steps[-1] == 40 and curve.test_bits_per_dim == 3.75


def test_a_training_that_goes_on_has_no_test_figure_until_its_next_end(tmp_path: Path) -> None:
    assert load_curve(write(tmp_path, [*ROWS, {"step": 30, "bits_per_dim": 3.5, "lr": 0.0}])).test_bits_per_dim is None


@pytest.mark.parametrize(
    "rows", [[], ROWS[:1], [{"step": 1, "bits_per_dim": "x", "lr": 1}], [{"step": 1, "bits_per_dim": 1.0}]]
)
def test_what_is_no_record_is_none(tmp_path: Path, rows: list[dict]) -> None:
    assert load_curve(write(tmp_path, rows)) is None
    assert load_curve(tmp_path / "other.safetensors") is None


@pytest.mark.parametrize(("step", "steps"), [(9, [1]), (10, [1, 10]), (19, [1, 10]), (20, [1, 10, 20])])
def test_the_curve_of_a_checkpoint_ends_at_its_own_step(tmp_path: Path, step: int, steps: list[int]) -> None:
    curve = load_curve(write(tmp_path, ROWS, step))
    assert curve.steps.tolist() == steps and curve.test_bits_per_dim == (4.25 if step == 20 else None)


def test_of_a_kept_checkpoint_is_shown_what_its_run_had_recorded_until_then(tmp_path: Path, capsys) -> None:
    """A run is stopped where it keeps a checkpoint, which is looked at; it goes on, and the same is seen again."""
    run, data = tiny_run(tmp_path, iterations=4), write_npz(tmp_path / "planes.npz", test=32)

    def seen(path: Path) -> list[object]:
        shown: list[object] = []
        for command in (["inspect"], ["analyse", "--what", "entropy"]):
            assert cli.main([command[0], str(path), *command[1:], "--data", str(data), "--json"]) == 0
            shown.append(json.loads(capsys.readouterr().out))
        return [*shown, sorted(load_record(path).samples)]

    train(run, images=tiny_data(), execution=Execution(keep_every=2), progress=signalled_at(2))
    before = seen(run.milestone(2))
    train(run, images=tiny_data(), execution=Execution(keep_every=2))
    assert seen(run.milestone(2)) == before and max(row["step"] for row in before[1]["growth"]) == 2
    assert [row["step"] for row in before[0]["tables"]["training"]] == [1, 2] and before[2][-1] == 2
    record = load_record(run.last_checkpoint)
    assert len(load_curve(run.last_checkpoint).steps) == 4 == record.steps[-1] == max(record.samples)


def curve_of(bits: np.ndarray) -> TrainingCurve:
    steps = np.arange(1, len(bits) + 1)
    none = np.zeros(len(bits))
    return TrainingCurve(steps, bits, none, none, steps[:0], bits[:0], None)


def test_smoothing_keeps_a_line_and_quiets_noise() -> None:
    line = np.linspace(5, 3, 400)
    noise = np.random.default_rng(0).normal(0, 0.1, 400)
    smooth = curve_of(line + noise).smoothed
    inner = slice(50, -50)
    assert curve_of(line).smoothed[inner] == pytest.approx(line[inner], abs=1e-6)
    assert (smooth - line)[inner].std() < 0.3 * noise.std()
    assert abs((smooth - line)[inner].mean()) < 0.02


def test_words_on_training_state_what_the_second_half_gained() -> None:
    """Four plateaus: the running mean is level at both ends, in the middle and at a third."""
    assert words.training(curve_of(np.repeat([6.0, 5.5, 5.0, 4.75], [100, 66, 134, 100]))) == (
        "In 400 steps the training batches went from 6.00 to 4.75 bits/dim, 0.25 of it in the second half."
    )
