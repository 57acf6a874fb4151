"""What eiwflow.figures.entropy draws of results whose numbers are given."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from eiwflow.analysis.entropy import (
    MEASURES,
    Account,
    Entropies,
    Estimate,
    Half,
    LevelEntropies,
    LevelGrowth,
    Posting,
    Stage,
)
from eiwflow.figures import entropy as figures
from eiwflow.figures import palette, steps

#: Each measure of N(0, 1).
OF_NOISE = {"marginal": 1.4189385, "negentropy": 0.0, "redundancy": 0.0, "rate": 1.4189385}


def half(numbers: tuple[int, ...], value: float) -> Half:
    """Return channels that spread by a tenth around a value, the same for every measure."""
    spread = np.linspace(-0.1, 0.1, len(numbers))
    return Half(numbers, dict.fromkeys(MEASURES, value + spread), dict.fromkeys(MEASURES, Estimate(value, 0.02)))


def stage(name: str, kept: float, emitted: float) -> Stage:
    return Stage(name, half((3,), kept), half((0, 1, 2), emitted), {})


def entropies(rule: str = "entropy", *names: str, second: float = 0.3) -> Entropies:
    """Return two levels, of which the first splits in the stages named."""
    stages = tuple(stage(name, 0.5 + place, 0.2 + place) for place, name in enumerate(names or ("number", "order")))
    last = half(tuple(range(8)), second)
    levels = (
        LevelEntropies(1, (4, 8, 6), stages, half((0, 1, 2), 1.4)),
        LevelEntropies(2, (8, 4, 3), (Stage("order", None, last, {}),), last),
    )
    return Entropies("entropy+pooled", rule, 64, 16, levels)


def named(figure: go.Figure, start: str) -> go.Scatter:
    return next(trace for trace in figure.data if (trace.name or "").startswith(start))


STEPS = np.array([0, 1, 3, 9, 27])


def growth(kept: int = 1, times: float = 1.0) -> LevelGrowth:
    rows = times * np.arange(20, dtype=float).reshape(5, 4) / 10 * (1, 1, 1, 4)  # a mean that is no median
    return LevelGrowth(1, kept, np.tile(np.arange(4), (5, 1)), dict.fromkeys(MEASURES, rows))


def account() -> Account:
    parts = ("squeeze", "actnorm + mixing", "coupling", "shuffle", "split")
    postings = [Posting(1, part, nats) for part, nats in zip(parts, (0, 3, 0.5, 0, -0.1), strict=True)]
    return Account(64, -2.0, (*postings, Posting(2, "coupling", 0.02)), (0.7, 0.72), 1e-15, 1e-7)


# ---------------------------------------------------------------------- by level


def test_passed_on_is_a_blue_solid_circle_and_factored_out_a_vermillion_dotted_diamond() -> None:
    figure = figures.by_level(entropies(), "redundancy")
    kept, emitted = named(figure, "passed on"), named(figure, "factored out")
    assert (kept.line.color, kept.line.dash, kept.marker.symbol) == (palette.KEPT, "solid", "circle")
    assert (emitted.line.color, emitted.line.dash, emitted.marker.symbol) == (palette.EMITTED, "dot", "diamond")


def test_means_carry_their_intervals_and_no_line_runs_from_level_to_level() -> None:
    figure = figures.by_level(entropies(), "redundancy")
    emitted = named(figure, "factored out")
    assert emitted.y == (0.2, 1.2, None, 0.3, None)
    assert emitted.error_y.array == (0.02, 0.02, 0, 0.02, 0) and not emitted.connectgaps
    written = [[text.strip() for text in trace.text] for trace in figure.data if trace.mode == "text"]
    assert written == [["1.50"], ["1.20", "0.30"]]
    assert list(emitted.customdata) == [str(Estimate(0.2, 0.02)), str(Estimate(1.2, 0.02)), "", "0.30 ± 0.02", ""]
    kept, emitted = (trace for trace in figure.data if trace.mode == "markers")
    assert kept.text == ("channel 3",) * 2 and kept.y == pytest.approx([0.4, 1.4])
    assert emitted.text == tuple(f"channel {channel}" for channel in (0, 1, 2, 0, 1, 2, *range(8)))
    assert emitted.y == pytest.approx([0.1, 0.2, 0.3, 1.1, 1.2, 1.3, *(0.3 + np.linspace(-0.1, 0.1, 8))], abs=1e-4)
    heads = [note.text for note in figure.layout.annotations]
    assert heads == ["<b>Level 1</b><br>4 of 8×6", "<b>Level 2</b><br>8 of 4×3"]


def test_an_order_shows_the_same_channels_twice() -> None:
    same = Stage("order", half((2, 3), 0.2), half((0, 1), 0.5), {})
    before = Stage("number", half((0, 1), 0.5), half((2, 3), 0.2), {})
    result = entropies()
    levels = (dataclasses.replace(result.levels[0], stages=(before, same)), result.levels[1])
    figure = figures.by_level(dataclasses.replace(result, levels=levels), "redundancy")
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    heights = [
        {y for trace in dots for x, y in zip(trace.x, trace.y, strict=True) if abs(x - at) < 0.3} for at in (0, 1)
    ]
    assert heights[0] == heights[1]


@pytest.mark.parametrize("measured", MEASURES)
def test_every_measure_is_read_against_what_it_is_of_noise(measured: str) -> None:
    figure = figures.by_level(entropies(), measured)
    line = next(trace for trace in figure.data if trace.line.dash == "dash")
    assert list(line.y) == pytest.approx([OF_NOISE[measured]] * 2) and line.name == figures.AXES[measured].name
    low, high = figure.layout.yaxis.range
    assert low < min(OF_NOISE[measured], 0.1) and high > 1.52


@pytest.mark.slow
def test_redundancy_knows_no_weights_and_marginal_entropy_is_followed_to_the_noise() -> None:
    result = entropies("entropy", "number", "order", "weights")
    ticks = {name: figures.by_level(result, name).layout.xaxis.ticktext for name in MEASURES}
    assert "× ω" not in ticks["redundancy"] and "× ω" in ticks["negentropy"]
    assert "ε" in ticks["marginal"] and "ε" not in ticks["rate"]


def test_a_static_split_is_shown_as_it_splits_beside_the_order_by_redundancy() -> None:
    ticks = figures.by_level(entropies("last", "order", "entropy"), "redundancy").layout.xaxis.ticktext
    assert ticks == ("as it<br>splits", "by re-<br>dundancy", "all<br>out")


def test_levels_without_a_value_are_left_empty() -> None:
    figure = figures.by_level(entropies(second=float("nan")), "redundancy")
    assert named(figure, "factored out").y == (0.2, 1.2, None, None, None)
    assert np.isfinite(figure.layout.yaxis.range).all()


def test_two_checkpoints_can_share_an_axis() -> None:
    one, other = entropies(second=0.3), entropies(second=9.0)
    limits = figures.span([one, other], "redundancy")
    for result in (one, other):
        assert figures.by_level(result, "redundancy", limits).layout.yaxis.range == pytest.approx(limits)
    assert limits[1] > 9 > figures.span([one], "redundancy")[1]


def test_figures_beside_marks_that_nearly_coincide_do_not_cover_each_other() -> None:
    result = entropies("last", "order")
    close = Stage("order", half((0, 1), 5.21), half((2, 3), 5.2), {})
    levels = (dataclasses.replace(result.levels[0], stages=(close,)), result.levels[1])
    figure = figures.by_level(dataclasses.replace(result, levels=levels), "redundancy", (0.0, 10.0))
    kept, emitted = (trace for trace in figure.data if trace.mode == "text")
    assert (kept.text[0].strip(), emitted.text[0].strip()) == ("5.21", "5.20")
    assert kept.y[0] - emitted.y[0] >= 0.5 and kept.y[0] + emitted.y[0] == pytest.approx(10.41)
    assert emitted.text[1].strip() == "0.30" and emitted.y[1] > 0.4  # off the line of white noise


# ---------------------------------------------------------------------- account


def test_the_waterfall_closes_and_names_every_part_with_its_sign() -> None:
    trace = figures.account(account()).data[0]
    assert trace.measure[0] == "absolute" and trace.measure[-1] == "total"
    assert sum(trace.x[:-1]) == pytest.approx(trace.x[-1])
    assert trace.y[1] == "1 · squeeze" and trace.text[1] == "0.000"
    assert trace.text[2] == "+3.000" and trace.text[5] == "−0.100" and trace.text[-1] == "1.420"


def test_the_account_says_how_well_it_closes_and_how_many_images_it_is_of() -> None:
    title = figures.account(account()).layout.xaxis.title.text
    assert "64 test images" in title and "1e-15 in float64" in title and " 1e-07 in float32" in title
    assert "1.4189" in title


def test_the_axis_of_an_account_has_room_for_its_bars_and_for_zero() -> None:
    low, high = figures.account(account()).layout.xaxis.range
    assert -7 < low < 0 < high
    assert figures.account(dataclasses.replace(account(), coded=-7.0)).layout.xaxis.range[0] < -7


# ---------------------------------------------------------------------- growth


def test_growth_has_one_frame_a_recorded_step() -> None:
    figure = figures.growth(growth(), STEPS)
    assert [frame.name for frame in figure.frames] == ["0", "1", "3", "9", "27"]


def test_a_frame_moves_cursor_and_marks_to_its_step_and_leaves_the_lines() -> None:
    figure = figures.growth(growth(), STEPS)
    frame = figure.frames[2]
    assert [trace.x[0] for trace in frame.data] == [2, 2, 2]
    assert [trace.y[0] for trace in frame.data[1:]] == pytest.approx([0.8, 2.1])
    assert [trace.text[0].strip() for trace in frame.data[1:]] == ["0.80", "2.10"]
    kept, emitted = named(figure, "passed on"), named(figure, "factored out")
    assert kept.y == pytest.approx([0.0, 0.4, 0.8, 1.2, 1.6]) and emitted.y == pytest.approx([0.5, 1.3, 2.1, 2.9, 3.7])
    assert kept.text == tuple(f"step {step}" for step in STEPS)
    thin = next(trace for trace in figure.data if trace.line.width == 1 and trace.line.color == palette.EMITTED)
    assert thin.y[6:11] == pytest.approx([0.2, 0.6, 1.0, 1.4, 1.8]) and list(thin.x[6:11]) == [0, 1, 2, 3, 4]
    moved = [figure.data[number] for number in frame.traces]
    assert [trace.mode for trace in moved] == ["lines", "markers+text", "markers+text"]
    # At rest the figure stands at the last step, as the scrubber does.
    assert [trace.x[0] for trace in moved] == [4, 4, 4]


def test_axes_hold_all_frames() -> None:
    figure = figures.growth(growth(), STEPS)
    low, high = figure.layout.yaxis.range
    assert low < 0 and high > 7.6
    assert figure.layout.xaxis.range[0] < 0 and figure.layout.xaxis.range[1] > 4
    assert figure.layout.xaxis.ticktext[0] == "0" and figure.layout.xaxis.ticktext[-1] == "27"


def test_a_last_level_has_one_line_and_values_that_were_not_recorded_are_gaps() -> None:
    result = growth(kept=0)
    figure = figures.growth(result, STEPS, "marginal")
    assert len(figure.frames[0].data) == 2 and not any(
        (trace.name or "").startswith("passed on") for trace in figure.data
    )
    nothing = dataclasses.replace(result, measures=dict.fromkeys(MEASURES, np.full((5, 4), np.nan)))
    empty = figures.growth(nothing, STEPS)
    assert named(empty, "factored out").y == (None,) * 5 and np.isfinite(empty.layout.yaxis.range).all()


def test_two_trainings_can_share_both_axes() -> None:
    """The second was recorded at other steps, and at fewer."""
    one, other, others = growth(), growth(times=9.0), np.array([0, 2, 3, 100, 200])
    shared, limits = steps.together([STEPS, others]), figures.growth_span([one, other], "redundancy")
    assert shared.tolist() == [0, 1, 2, 3, 9, 27, 100, 200] and limits[1] > 9 * 7.6
    drawn = [figures.growth(level, own, limits=limits, shared=shared) for level, own in ((one, STEPS), (other, others))]
    assert drawn[0].layout.xaxis == drawn[1].layout.xaxis and drawn[0].layout.yaxis == drawn[1].layout.yaxis
    assert [named(figure, "passed on").x for figure in drawn] == [(0, 1, 3, 4, 5), (0, 2, 3, 6, 7)]
    assert [frame.data[0].x[0] for frame in drawn[1].frames] == [0, 2, 3, 6, 7]
    assert [frame.name for frame in drawn[1].frames] == ["0", "2", "3", "100", "200"]


def test_figures_are_light_enough_to_send() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 48))
    level = LevelGrowth(1, 24, np.tile(np.arange(48), (60, 1)), dict.fromkeys(MEASURES, rows))
    figure = figures.growth(level, np.arange(60))
    assert len(figure.to_json()) < 150_000 and json.loads(figure.to_json())


# ---------------------------------------------------------------------- channel maps


def test_maps_passed_on_stand_above_those_factored_out_each_from_structured_to_noise() -> None:
    maps = np.array([10, 20, 30, 40], np.uint8)[:, None, None].repeat(2, axis=1).repeat(3, axis=2)
    redundancy = np.array([0.1, 0.4, 0.3, 0.2])
    html = figures.sorted_maps(maps, redundancy, numbers=[7, 5, 6, 4], kept=1)
    order = ["<h4>passed on</h4>", "Channel 7, ", "<h4>factored out</h4>", "Channel 5, ", "Channel 6, ", "Channel 4, "]
    places = [html.index(part) for part in order]
    assert places == sorted(places)
    told = re.findall(r'--share: ([\d.]+)"><img alt="Channel (\d).*?base64,([^"]+)".*?<figcaption>([\d.]+)<', html)
    pictures = [np.array(Image.open(io.BytesIO(base64.b64decode(uri)))) for _, _, uri, _ in told]
    assert [(share, number, value) for share, number, _, value in told] == [
        ("0.250", "7", "0.10"),
        ("1.000", "5", "0.40"),
        ("0.750", "6", "0.30"),
        ("0.500", "4", "0.20"),
    ]
    assert [(picture.shape, picture.max()) for picture in pictures] == [((2, 3), grey) for grey in (10, 20, 30, 40)]
    assert "spectral redundancy −0.02 nats" in figures.sorted_maps(
        maps, redundancy - 0.02 - redundancy.min(), [7, 5, 6, 4], 1
    )
    assert "passed on" not in figures.sorted_maps(maps, redundancy, numbers=[7, 5, 6, 4], kept=0)
