"""The Train page's charts: a description that nothing moves, and rows that it knows."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from eiwflow.analysis.train import LevelNow, progress
from eiwflow.figures import palette, train
from eiwflow.training.run import train as train_flow

from ..training.tiny import tiny_data, tiny_run


@pytest.fixture(scope="module")
def now(tmp_path_factory):
    run = tiny_run(tmp_path_factory.mktemp("runs"), iterations=6)
    train_flow(run, images=tiny_data())
    return progress(run)


ENDS = (3.0, 8.0)


def lines_of(description):
    return [layer["transform"][0]["filter"]["equal"] for layer in description["layer"]]


@pytest.mark.slow
def test_train_and_test_share_a_scale_that_stays_while_they_fall(now):
    ends = train.scale(now, 3.08)
    assert ends[0] <= 3 and ends[1] >= 8 and all(end == int(end) for end in ends)
    bits, test = now.curve.bits_per_dim - 0.01, now.curve.probe_bits_per_dim - 0.01
    fallen = replace(now.curve, bits_per_dim=bits, probe_bits_per_dim=test)
    assert train.scale(replace(now, curve=fallen), 3.08) == ends
    domains = {str(layer["encoding"]["y"]["scale"]["domain"]) for layer in train.curves(ends, 3.08)["layer"]}
    assert domains == {str(list(ends))}


@pytest.mark.parametrize(("floor", "low"), [(1.4, 1), (2.6, 2), (3.08, 3)])
def test_the_axis_begins_below_the_floor(now, floor, low):
    high = replace(now, curve=replace(now.curve, bits_per_dim=np.full(6, 4.2), probe_bits_per_dim=np.full(7, 4.2)))
    assert train.scale(high, floor) == (low, 8) and train.scale(high) == (3, 8)


@pytest.mark.parametrize(("bits", "ends"), [(8, (1, 8)), (5, (1, 5)), (2, (1, 2)), (1, (0, 2))])
def test_the_axis_of_fewer_grey_levels_ends_at_their_raw_values(now, bits, ends):
    low = replace(now, curve=replace(now.curve, bits_per_dim=np.full(6, 1.5), probe_bits_per_dim=np.full(7, 1.2)))
    assert train.scale(low, bits=bits) == ends


def test_a_diverging_run_keeps_its_scale(now):
    diverged = replace(now.curve, probe_bits_per_dim=np.array([1e9, np.inf]))
    assert train.scale(replace(now, curve=diverged))[1] == 12


def test_the_floor_is_a_line_where_it_is_known(now):
    rule, words = train.curves(ENDS, 3.0794)["layer"][-2:]
    assert rule["data"]["values"] == [{"bits": 3.0794}] and words["mark"]["text"] == "floor 3.08: the grain alone"
    assert len(train.curves(ENDS)["layer"]) == 3


def test_every_curve_has_its_rows_and_every_row_its_curve(now):
    rows, names = train.curve_rows(now), lines_of(train.curves(ENDS))
    assert {row["line"] for row in rows} == set(names)
    assert [sum(row["line"] == name for row in rows) for name in names] == [6, 6, 7]
    curve = now.curve
    for name, values in zip(names, (curve.bits_per_dim, curve.smoothed, curve.probe_bits_per_dim), strict=True):
        assert [row["bits"] for row in rows if row["line"] == name] == [round(bits, 4) for bits in values.tolist()]
    assert np.ptp(curve.bits_per_dim - curve.smoothed) > 0.01


def test_descriptions_hold_no_data_and_can_be_sent(now):
    for description in (train.curves(ENDS), train.compared(["a", "b"]), train.channels(1)):
        assert "data" not in description and json.loads(json.dumps(description)) == description


def test_a_wheel_alone_scrolls_the_page():
    for description in (train.curves(ENDS), train.compared(["a"])):
        assert "wheel![event.ctrlKey || event.metaKey]" in json.dumps(description)


def test_compared_runs_have_a_colour_and_a_dash_each_that_mean_nothing_else(now):
    names = [f"run {i}" for i in range(train.MOST_RUNS)]
    description = train.compared(names)
    for channel in ("color", "strokeDash"):
        scale = description["layer"][0]["encoding"][channel]["scale"]
        assert scale["domain"] == names and len({str(one) for one in scale["range"]}) == len(names)
    assert not {palette.KEPT, palette.EMITTED} & set(description["layer"][0]["encoding"]["color"]["scale"]["range"])
    other = replace(now, curve=replace(now.curve, probe_bits_per_dim=now.curve.probe_bits_per_dim + 1))
    rows = train.compared_rows({"run 0": now, "run 1": other})
    for run, state in (("run 0", now), ("run 1", other)):
        bits = [row["bits"] for row in rows if row["run"] == run and row["line"].startswith("test")]
        assert bits == pytest.approx(state.curve.probe_bits_per_dim, abs=1e-4)
    assert {row["run"] for row in rows} == {"run 0", "run 1"}
    assert {row["line"] for row in rows} == set(lines_of(description))
    smooth, test = (layer["mark"]["strokeWidth"] for layer in description["layer"])
    assert lines_of(description)[1].startswith("test") and test > smooth


def test_every_channel_has_its_own_figures_and_is_marked_where_it_would_cross():
    stays = (True, True, False, False)
    level = LevelNow(1, (0.1, 0.2, 0.3, 0.4), (1.0, 2.0, 3.0, 4.0), (2, 0, 3, 1), stays, None, count=2)
    assert [tuple(row.values()) for row in train.channel_rows(level)] == [
        (1, 2, "passed on", "would cross", 0.3, 3.0),
        (2, 0, "passed on", "as used", 0.1, 1.0),
        (3, 3, "factored out", "as used", 0.4, 4.0),
        (4, 1, "factored out", "would cross", 0.2, 2.0),
    ]


def test_channels_stand_in_the_order_used_on_their_side(now):
    level = now.levels[0]
    rows = train.channel_rows(level)
    assert tuple(row["channel"] for row in rows) == level.order
    assert [row["side"] for row in rows] == ["passed on"] * 6 + ["factored out"] * 6
    assert sum(row["crosses"] == "would cross" for row in rows) == 2 * level.crossing
    pale = train.channels(1)["encoding"]["opacity"]["scale"]
    opacity = dict(zip(pale["domain"], pale["range"], strict=True))
    assert opacity["would cross"] < opacity["as used"] == 1
    colours = train.channels(1)["encoding"]["color"]["scale"]
    assert dict(zip(colours["domain"], colours["range"], strict=True)) == {
        "passed on": palette.KEPT,
        "factored out": palette.EMITTED,
    }


@pytest.mark.parametrize("draw", [train.samples, train.result])
def test_pictures_are_in_the_page_and_words_are_escaped(draw):
    html = draw(b"webp", "a <b> & c")
    assert base64.b64encode(b"webp").decode() in html and "<b>" not in html
    assert 'alt="a &lt;b&gt; &amp; c"' in html
