"""The Train page's charts: a description that nothing moves, and rows that it knows."""

import base64
import json

import pytest

from eiwflow.analysis.train import progress
from eiwflow.figures import palette, train
from eiwflow.training.loop import train as train_flow

from ..training.tiny import tiny_data, tiny_run


@pytest.fixture(scope="module")
def now(tmp_path_factory):
    run = tiny_run(tmp_path_factory.mktemp("runs"), iterations=6)
    train_flow(run, images=tiny_data())
    return progress(run)


def lines_of(description):
    return [layer["transform"][0]["filter"]["equal"] for layer in description["layer"]]


def test_every_curve_has_its_rows_and_every_row_its_curve(now):
    rows, names = train.curve_rows(now), lines_of(train.curves())
    assert {row["line"] for row in rows} == set(names)
    assert [sum(row["line"] == name for row in rows) for name in names] == [6, 6, 7]
    test = [row["bits"] for row in rows if row["line"] == names[2]]
    assert test == [round(bits, 4) for bits in now.test.tolist()]


def test_descriptions_hold_no_data_and_can_be_sent(now):
    for description in (train.curves(), train.compared(["a", "b"]), train.channels(1)):
        assert "data" not in description and json.loads(json.dumps(description)) == description


def test_a_wheel_alone_scrolls_the_page():
    for description in (train.curves(), train.compared(["a"])):
        assert "wheel![event.ctrlKey || event.metaKey]" in json.dumps(description)


def test_compared_runs_have_a_colour_and_a_dash_each_that_mean_nothing_else(now):
    names = [f"run {i}" for i in range(train.MOST_RUNS)]
    description = train.compared(names)
    for channel in ("color", "strokeDash"):
        scale = description["layer"][0]["encoding"][channel]["scale"]
        assert scale["domain"] == names and len({str(one) for one in scale["range"]}) == len(names)
    assert not {palette.KEPT, palette.EMITTED} & set(description["layer"][0]["encoding"]["color"]["scale"]["range"])
    rows = train.compared_rows({"run 0": now, "run 1": now})
    assert {row["run"] for row in rows} == {"run 0", "run 1"}
    assert {row["line"] for row in rows} == set(lines_of(description))


def test_channels_stand_in_the_order_in_force_on_their_side(now):
    level = now.levels[0]
    rows = train.channel_rows(level)
    assert tuple(row["channel"] for row in rows) == level.order
    assert [row["side"] for row in rows] == ["kept"] * 6 + ["emitted"] * 6
    assert sum(row["crosses"] == "would cross" for row in rows) == 2 * level.crossing
    colours = train.channels(1)["encoding"]["color"]["scale"]
    assert dict(zip(colours["domain"], colours["range"], strict=True)) == {
        "kept": palette.KEPT,
        "emitted": palette.EMITTED,
    }


@pytest.mark.parametrize("draw", [train.samples, train.bought])
def test_pictures_are_in_the_page_and_words_are_escaped(draw):
    html = draw(b"webp", "a <b> & c")
    assert base64.b64encode(b"webp").decode() in html and "<b>" not in html
    assert 'alt="a &lt;b&gt; &amp; c"' in html
