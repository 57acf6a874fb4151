"""What a run's records say while they are still being written."""

import math

import numpy as np
import pytest

from eiwflow.analysis.train import points, progress
from eiwflow.analysis.words import train as words
from eiwflow.analysis.words.numbers import duration, fixed
from eiwflow.training.run import train
from eiwflow.training.run_directory import RunDirectory
from tests.words import SPLITS

from .. import LONG
from ..training.test_resume import signalled_at
from ..training.tiny import tiny_data, tiny_run

#: Nats in bits.
IN_BITS = 1 / math.log(2)


@pytest.fixture(scope="module", params=SPLITS if LONG else ["entropy+pooled", "variance"])
def finished(request, tmp_path_factory):
    """Return a run that went to its end and passes on a quarter, with weights and without."""
    run = tiny_run(tmp_path_factory.mktemp("runs"), iterations=12, split=request.param, keep=0.25)
    train(run, images=tiny_data())
    return run


def test_a_finished_run_has_its_curves_and_its_score(finished):
    now, records = progress(finished), finished.records()
    assert (now.iterations, now.step, now.done) == (12, 12, 1.0)
    assert now.curve.steps.tolist() == list(range(1, 13)) and now.curve.probe_steps.tolist() == list(range(13))
    assert now.curve.bits_per_dim.tolist() == [r["bits_per_dim"] for r in records if "bits_per_dim" in r]
    assert now.curve.probe_bits_per_dim[0] == records[0]["probe_bits_per_dim"]
    assert now.bits == now.final == records[-1]["test_bits_per_dim"]
    assert f"{now.final:.3f} bits per value on test images" in words.answer(now)
    assert now.remaining == 0.0 and "to go" not in words.pace(now, alive=True)


def test_levels_are_those_of_the_newest_recording(finished):
    now = progress(finished)
    last = [r for r in finished.records() if "levels" in r][-1]
    split, end = now.levels
    recorded = last["levels"][0]
    assert split.order[-1].tolist() == recorded["order"] == [*split.kept, *split.emitted] and len(split.kept) == 3
    assert split.redundancy.tolist() == [recorded["redundancy"]] and split.entropy.tolist() == [recorded["entropy"]]
    assert split.crossing[split.kept].sum() == len(set(recorded["entropy_order"][3:]) & set(split.kept))
    kept, emitted = (
        IN_BITS * np.mean([recorded["redundancy"][channel] for channel in half]) for half in (split.kept, split.emitted)
    )
    assert f"redundancy of {fixed(kept, 2)} and factors out {fixed(emitted, 2)}" in words.level(split)
    assert end.order is None and not end.kept.size and len(end.emitted) == 12


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(("data", "which"), [("faces16", "the first"), ("own.npz", "some")])
def test_images_held_out_are_not_called_the_test_part(tmp_path, ended, data, which):
    run = tiny_run(tmp_path, iterations=2, validation=True, data=data)
    run.append({"step": 0, "probe_bits_per_dim": 6.0})
    if ended:
        run.append({"step": 2, "test_bits_per_dim": 4.0})
    said = words.answer(progress(run))
    assert ("4.000 bits per value on held-out images." if ended else f"on {which} held-out images") in said
    assert "test" not in said


@pytest.mark.parametrize("stop_at", [0, 6])
def test_a_run_with_images_held_out_has_the_score_of_all_of_them_at_its_end(tmp_path, stop_at):
    run = tiny_run(tmp_path, iterations=12, validation=True)
    info = train(run, images=tiny_data(), progress=signalled_at(stop_at))
    now, said = progress(run), words.answer(progress(run))
    if stop_at:
        assert now.final is None and "Step 6 of 12" in said and "on some held-out images" in said
    else:
        assert now.final == info.metrics["validation_bits_per_dim"] != info.metrics["probe_bits_per_dim"]
        assert said.startswith(f"Step 12 of 12: {now.final:.3f} bits per value on held-out images, ")


def written(tmp_path, *records):
    """Return a run of 100 steps with these records."""
    run = tiny_run(tmp_path, iterations=100)
    for record in records:
        run.append(record)
    return run


def test_a_run_without_a_record_says_so(tmp_path):
    now = progress(written(tmp_path))
    assert (now.step, now.bits, now.remaining, now.done) == (-1, None, None, 0.0)
    assert words.answer(now) == "Nothing is recorded yet."


@pytest.mark.parametrize(
    ("steps", "scored", "rest"),
    [
        ([0, 57], "57 of 100: 4.250", ", 8.00 at the start"),
        ([0, 57, 99], "57 of 100: 4.250", ", 8.00 at the start"),
        ([0, 2], "0 of 100: 8.000", ""),
    ],
)
def test_bits_stand_beside_the_step_at_which_they_were_measured(tmp_path, steps, scored, rest):
    said = f"Step {scored} bits per value on some test images{rest}."
    scores = {0: 8.0, 57: 4.25}
    records = [{"step": step, "bits_per_dim": 3.0} for step in steps]
    for record in records:
        if record["step"] in scores:
            record["probe_bits_per_dim"] = scores[record["step"]]
    now = progress(written(tmp_path, *records))
    assert words.answer(now) == said
    assert len(words.answer(words.longest(now))) >= len(said)


def test_the_score_at_the_end_is_of_the_last_step(tmp_path):
    """Whatever the step of the newest score of some images."""
    scored = {"step": 57, "probe_bits_per_dim": 4.25}, {"step": 100, "test_bits_per_dim": 4.125}
    now = progress(written(tmp_path, *scored))
    assert (now.scored, now.bits) == (100, 4.125)
    assert words.answer(now) == "Step 100 of 100: 4.125 bits per value on test images."


def test_pace_is_that_of_the_last_points_and_remaining_time_follows(tmp_path):
    slow = [{"step": s, "bits_per_dim": 5.0, "seconds": 100.0 * s} for s in range(1, 11)]
    fast = [{"step": s, "bits_per_dim": 4.0, "seconds": 1000.0 + 0.5 * (s - 10)} for s in range(11, 41)]
    now = progress(written(tmp_path, *slow, *fast))
    assert now.per_second == pytest.approx(2.0) and now.remaining == pytest.approx(30.0)
    assert words.pace(now, alive=True) == (
        "step 40 of 100 · 2.0 steps a second · about 30 s to go · 17 min of training so far"
    )
    assert words.pace(now, alive=False).endswith("17 min of training")


def test_the_smoothed_curve_is_a_mean_that_does_not_lag(tmp_path):
    bits = [5 - 0.01 * s + (0.5 if s % 2 else -0.5) for s in range(100)]
    now = progress(written(tmp_path, *({"step": s, "bits_per_dim": b} for s, b in enumerate(bits, 1))))
    smoothed, middle = now.curve.smoothed, slice(10, 90)
    line = 5 - 0.01 * np.arange(100)
    assert np.abs(smoothed - line)[middle].max() < 0.2 < np.abs(now.curve.bits_per_dim - line)[middle].min()
    assert abs((smoothed - line)[middle].mean()) < 0.01


def test_the_gap_is_to_the_running_mean_and_not_to_a_single_batch(tmp_path):
    """Batches lie 0.5 above and below 5.0 by turns; the newest score is 4.9, halfway."""
    batches = [{"step": s, "bits_per_dim": 5.5 if s % 2 else 4.5} for s in range(1, 101)]
    now = progress(written(tmp_path, *batches, {"step": 50, "probe_bits_per_dim": 4.9}))
    assert now.gap == pytest.approx(-0.1, abs=0.02)


def test_numbers_that_are_none_are_left_out(tmp_path):
    broken = {"step": 1, "bits_per_dim": None}, {"step": 2, "bits_per_dim": "low"}, {"step": 3, "levels": None}
    now = progress(written(tmp_path, *broken))
    assert now.step == 3 and not len(now.curve.steps) and now.levels == ()


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "1 s"), (59, "59 s"), (130, "2 min"), (7200, "2.0 h")])
def test_durations_are_said_as_people_do(seconds, said):
    assert duration(seconds) == said


def test_a_run_that_lies_elsewhere_by_now_is_read_as_well(finished, tmp_path):
    moved = tmp_path / "moved"
    moved.symlink_to(finished.path)
    assert words.answer(progress(RunDirectory(moved))) == words.answer(progress(finished))


def test_every_measure_has_its_points_by_step_and_cpu_time(finished):
    rows, records = points(finished), finished.records()
    for measure, key in (("gradient norm", "gradient_norm"), ("learning rate", "lr")):
        own = [(row["step"], row["cpu"], row["value"]) for row in rows if row["measure"] == measure]
        assert own == [(r["step"], r["cpu_seconds"], pytest.approx(r[key], abs=1e-6)) for r in records if key in r]
    test = {row["step"]: row["value"] for row in rows if row["line"] == "test" and row["measure"] == "bits per value"}
    assert test == pytest.approx({r["step"]: r["probe_bits_per_dim"] for r in records if "levels" in r}, abs=1e-6)
    last = [row["value"] for row in rows if row["measure"] == "redundancy passed on"][-1]
    levels = [level.row()["redundancy passed on"] for level in progress(finished).levels]
    assert last == pytest.approx(np.nanmean(levels), abs=1e-6)
