"""Why the test curve of a training lies where it lies."""

from dataclasses import replace

import numpy as np
import pytest

from eiwflow.analysis.train import LevelNow, progress
from eiwflow.analysis.words.train import answer, gap, level
from eiwflow.training.run import train

from ...training.tiny import tiny_data, tiny_run


@pytest.fixture(scope="module")
def now(tmp_path_factory):
    run = tiny_run(tmp_path_factory.mktemp("runs"), iterations=6)
    train(run, images=tiny_data())
    return progress(run)


@pytest.mark.parametrize(
    ("apart", "sentence"),
    [
        (-0.05, "Test lies 0.05 below train: it is scored with averaged parameters"),
        (0.2, "Test lies 0.20 above train: averaged parameters lag early"),
        (0.001, "Test and train lie together."),
    ],
)
def test_the_gap_is_measured_at_the_newest_score(now, apart, sentence):
    test = now.curve.probe_bits_per_dim.copy()
    test[-1] = now.curve.smoothed[-1] + apart
    curve = replace(now.curve, probe_bits_per_dim=test)
    assert gap(replace(now, curve=curve)).startswith(sentence)
    assert gap(replace(now, curve=curve, validation=True)).startswith(sentence.replace("Test", "Held-out"))


def test_nothing_is_said_before_both_curves_exist(now):
    none, no_steps = np.empty(0), np.empty(0, dtype=int)
    assert gap(replace(now, curve=replace(now.curve, probe_steps=no_steps, probe_bits_per_dim=none))) == ""
    assert gap(replace(now, curve=replace(now.curve, steps=no_steps, bits_per_dim=none))) == ""


def test_the_answer_names_the_first_score_as_that_of_the_start(now):
    curve = replace(now.curve, probe_bits_per_dim=np.array([5.5, 7.25, 4.75]))
    assert "bits/dim" in answer(now) and answer(replace(now, curve=curve)).endswith(", from 5.50 at the start.")


def test_channels_that_would_move_are_counted_among_those_passed_on():
    """Channels 5 and 0 are passed on, with 0.7 and 0.3; sorted again, 1 would take the place of 0."""
    stays = tuple(channel in (5, 1) for channel in range(6))
    redundancy = (0.3, 0.9, 0.2, 0.1, 0.4, 0.7)
    flat = LevelNow(2, (), (1.0,) * 6, (5, 0, 1, 2, 3, 4), (), count=2)
    assert level(flat) == "Level 2 passes on 2 of 6 channels."
    assert level(LevelNow(1, redundancy, (1.0,) * 6, (5, 0, 1, 2, 3, 4), stays, count=2)) == (
        "Level 1 passes on a redundancy of 0.72 and factors out 0.58 bits a pixel. "
        "Sorting again would move 1 of 2 channels across the split line."
    )
