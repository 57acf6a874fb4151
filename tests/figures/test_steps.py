"""The axis of recorded steps: records of other steps stand where they belong on one axis."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageSequence

from eiwflow.figures import steps

LONG, SHORT = np.array([0, 1, 4, 16, 64]), np.array([0, 2, 4, 8])


def test_an_axis_of_several_records_has_all_of_their_steps_once() -> None:
    assert steps.together([LONG, SHORT]).tolist() == [0, 1, 2, 4, 8, 16, 64]
    assert steps.together([LONG]).tolist() == LONG.tolist()


def test_a_record_finds_its_own_steps_on_it() -> None:
    shared = steps.together([LONG, SHORT])
    for own in (LONG, SHORT):
        assert shared[steps.places(own, shared)].tolist() == own.tolist()


def test_between_its_steps_a_record_shows_the_latest_and_behind_its_end_nothing() -> None:
    shared = steps.together([LONG, SHORT])
    assert LONG[steps.latest(LONG, shared)].tolist() == [0, 1, 1, 4, 4, 16, 64]
    assert SHORT[steps.latest(SHORT, shared)].tolist() == [0, 0, 2, 4, 8]


def test_steps_stand_at_equal_distances_with_the_first_and_the_last_named() -> None:
    axis = steps.axis(np.array([0, 1, 10, 1_500, 12_000]), 1, 0.5, ticks=3)
    assert axis["range"] == [-1, 4.5] and axis["tickvals"] == [0, 2, 4] and axis["ticktext"] == ["0", "10", "12k"]
    assert steps.axis(np.array([1.0, 10.0, 100.0]), 0, 0)["ticktext"] == [
        "1",
        "10",
        "100",
    ]  # of a study without records


def test_a_film_shows_every_sample_in_the_order_of_steps_with_its_step_below() -> None:
    def webp(grey: int) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (16, 16), (grey, grey, grey)).save(file, "WEBP", lossless=True)
        return file.getvalue()

    film = Image.open(io.BytesIO(steps.film_gif({100: webp(200), 0: webp(40), 8: webp(120)})))
    assert [frame.info["duration"] for frame in ImageSequence.Iterator(film)] == [150, 150, 1500]  # it rests at its end
    frames = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(film)]
    assert [int(frame[10, 10]) for frame in frames] == [40, 120, 200]
    side = 16 * steps.SCALE
    assert frames[0].shape == (side + steps.FOOT, side) and (frames[0][side:] < 128).any()
