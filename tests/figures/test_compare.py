"""The Compare page's charts show what the analysis found, and every frame of it."""

import numpy as np
import pytest

from eiwflow.figures import compare, palette
from eiwflow.study.arms import ArmCurve
from eiwflow.study.recipe import Arm
from eiwflow.study.statistics import Effect, effect

ARM = Arm("entropy", "pooled")
SHARED = np.array([0, 1, 10, 100])


def an_effect(values, claim_p=0.001):
    values = np.array(values, dtype=float)
    found = effect("weighted − other", {}, 10 + np.arange(len(values)), values)
    return Effect(**{**vars(found), "p_corrected": claim_p})


BETTER = an_effect([-0.03, -0.04, -0.035])
WORSE = an_effect([0.03, 0.04, 0.035])
OPEN = an_effect([-0.03, 0.04, 0.01], 0.6)
ONE = an_effect([-0.03], np.nan)


def a_curve(end=3.8, steps=(1, 10, 100), seeds=3):
    values = end + 0.01 * np.arange(seeds)[:, None] + 1 / np.array(steps)
    return ArmCurve(ARM, np.arange(seeds), np.array(steps, dtype=float), values)


# ---------------------------------------------------------------------- differences


def test_every_seed_is_a_point_of_its_row():
    figure = compare.forest([BETTER, OPEN], ["first", "last"], "Δ")
    seeds = figure.data[0]
    assert seeds.x == pytest.approx([*-BETTER.values, *-OPEN.values])
    assert np.round(np.array(seeds.y)).tolist() == [0, 0, 0, 1, 1, 1]
    assert seeds.text[:2] == ("seed 10: lead +0.0300 bits/dim", "seed 11: lead +0.0400 bits/dim")
    assert [(trace.name, round(trace.y[0])) for trace in figure.data[1:]] == [
        ("mean: ahead", 0),
        ("mean: not shown", 1),
    ]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # the first row is at the top


def test_means_stand_in_their_intervals_and_what_needs_fewer_bits_stands_right_of_0():
    figure = compare.forest([BETTER], ["first"], "Δ")
    mean = figure.data[1]
    low, high = mean.x[0] - mean.error_x.arrayminus[0], mean.x[0] + mean.error_x.array[0]
    assert 0 < low == pytest.approx(-BETTER.high, abs=1e-4) and high == pytest.approx(-BETTER.low, abs=1e-4)
    assert figure.layout.yaxis.ticktext == ("<b>first</b><br>+0.035 (+0.023 to +0.047)",)
    assert "weighted over other: lead +0.035 bits/dim" in mean.text[0]


def test_what_is_claimed_has_a_colour_and_a_shape():
    figure = compare.forest([BETTER, WORSE, OPEN], ["a", "b", "c"], "Δ")
    styles = {trace.name: (trace.marker.color, trace.marker.symbol) for trace in figure.data[1:]}
    assert styles.keys() == {"mean: ahead", "mean: behind", "mean: not shown"}
    assert len({colour for colour, _ in styles.values()}) == len({symbol for _, symbol in styles.values()}) == 3
    for trace, found in zip(figure.data[1:], (BETTER, WORSE, OPEN), strict=True):
        assert trace.x == pytest.approx([-found.values.mean()], abs=1e-5)
    claimed = {colour for colour, _ in styles.values()}
    assert claimed.isdisjoint(
        {palette.KEPT, palette.EMITTED, figure.data[0].marker.color}
    )  # single seeds claim nothing


def test_one_seed_has_a_mean_and_no_interval():
    figure = compare.forest([ONE], ["first"], "Δ")
    assert figure.data[1].name == "mean: not shown"
    assert figure.data[1].error_x.array == (None,)
    assert figure.layout.yaxis.ticktext == ("<b>first</b><br>+0.030, one seed",)


def test_the_axis_holds_0_every_seed_and_every_interval():
    low, high = compare.span([BETTER, ONE])
    assert low < 0
    assert high > max(-BETTER.low, *-BETTER.values)
    low, high = compare.span([OPEN])
    assert low < -OPEN.high < -OPEN.low < high
    # Eleven seeds of a small lead and one of a lag far beyond the interval of the mean.
    low, high = compare.span([an_effect([-0.03] * 11 + [0.2])])
    assert low < -0.2 and 0.03 < high < 0.1


# ---------------------------------------------------------------------- in lock-step


def test_curves_have_a_bold_mean_and_faint_seeds():
    figure = compare.curves({"weighted": a_curve(), "shuffle": a_curve(3.9)}, SHARED, "bits/dim", scrubbed=True)
    faint, bold = figure.data[:2]
    assert bold.y == pytest.approx(a_curve().bits_per_dim.mean(axis=0), abs=1e-4)
    assert bold.text == tuple(f"weighted, step {step}" for step in (1, 10, 100))
    assert list(faint.x[:3]) == list(bold.x) == [1, 2, 3]
    assert faint.y[4:7] == pytest.approx(a_curve().bits_per_dim[1], abs=1e-4)
    assert len([value for value in faint.y if value is not None]) == 9
    assert {figure.data[1].line.dash, figure.data[3].line.dash} == {"solid", "dash"}
    assert figure.data[1].line.color != figure.data[3].line.color


def test_a_step_of_a_curve_stands_between_the_steps_of_the_axis():
    figure = compare.curves({"weighted": a_curve(steps=(1, 5, 100))}, SHARED, "bits/dim", scrubbed=True)
    first, middle, last = figure.data[1].x
    assert (first, last) == (1, 3)
    assert 1 < middle < 2


def test_a_curve_has_a_frame_a_step_and_its_axis_never_moves():
    figure = compare.curves({"weighted": a_curve()}, SHARED, "bits/dim", scrubbed=True)
    assert [frame.name for frame in figure.frames] == ["0", "1", "10", "100"]
    assert [frame.data[0].x[0] for frame in figure.frames] == [0, 1, 2, 3]
    low, high = figure.layout.yaxis.range
    assert low < a_curve().bits_per_dim.min() < a_curve().bits_per_dim.max() < high
    assert not compare.curves({"weighted": a_curve()}, SHARED, "bits/dim", scrubbed=False).frames


def test_differences_leave_the_first_style_to_the_line_at_0():
    plain = compare.curves({"weighted": a_curve(), "shuffle": a_curve()}, SHARED, "", scrubbed=False)
    apart = compare.curves({"shuffle": a_curve()}, SHARED, "", scrubbed=False, differences=True)
    assert apart.data[1].line.color == plain.data[3].line.color
    for end in (0.1, -3.0):
        low, high = compare.curves({"a": a_curve(end)}, SHARED, "", scrubbed=False, differences=True).layout.yaxis.range
        assert low < min(0, a_curve(end).bits_per_dim.min()) and max(0, a_curve(end).bits_per_dim.max()) < high
