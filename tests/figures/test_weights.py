"""What eiwflow.figures.weights draws."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from eiwflow.analysis.weights import ChannelWeights
from eiwflow.figures import palette
from eiwflow.figures import weights as figures

from ..analysis.test_weights import made_up


def of_part(figure: go.Figure, part: str, kind: str = "bar") -> go.Bar:
    """Return the trace of channels that are passed on or factored out."""
    (trace,) = (trace for trace in figure.data if trace.type == kind and (trace.name or "").startswith(part))
    return trace


def named(figure: go.Figure, words: str) -> go.Scatter:
    (trace,) = (trace for trace in figure.data if words in (trace.name or ""))
    return trace


CHARTS = {
    "bars": figures.bars,
    "slopes": figures.slopes,
}
every_chart = pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS.keys())


# ---------------------------------------------------------------------- by position


@every_chart
def test_channels_stand_in_order_of_position_and_are_named_by_their_numbers(draw) -> None:
    axis = draw(made_up()).layout.xaxis
    assert list(axis.tickvals) == [0, 1, 2, 3] and list(axis.ticktext) == ["3", "0", "1", "2"]


@every_chart
def test_split_line_stands_between_the_last_kept_and_the_first_emitted_position(draw) -> None:
    figure = draw(made_up())
    lines = [shape for shape in figure.layout.shapes if shape.x0 == shape.x1]
    assert [line.x0 for line in lines] == [0.5]
    names = {trace.name for trace in figure.data}
    assert all(any(half in name for name in names) for half in ("passed on", "factored out"))


@every_chart
def test_no_line_runs_across_channel_numbers(draw) -> None:
    assert all("lines" not in trace.mode for trace in draw(made_up()).data if trace.type == "scatter")


@every_chart
def test_every_title_of_an_axis_has_its_unit(draw) -> None:
    figure = draw(made_up())
    assert re.search(r"nats|slope of log ω on log σ", figure.layout.yaxis.title.text)
    assert figure.layout.xaxis.title.text == "channel, by place after the split order"


def test_kept_and_emitted_differ_in_colour_and_in_pattern_or_marker() -> None:
    figure = figures.bars(made_up())
    kept, emitted = (of_part(figure, part).marker for part in ("passed on", "factored out"))
    assert (kept.color, emitted.color) == (palette.KEPT, palette.EMITTED)
    assert (kept.pattern.shape, emitted.pattern.shape) == ("", "/")
    points = figures.slopes(made_up())
    kept, emitted = (of_part(points, part, "scatter").marker for part in ("passed on", "factored out"))
    assert kept.symbol != emitted.symbol and (kept.color, emitted.color) == (palette.KEPT, palette.EMITTED)


def test_channels_of_a_wide_level_are_named_as_far_as_there_is_room() -> None:
    axis = figures.bars(made_up(channels=96)).layout.xaxis
    assert len(axis.tickvals) == 16 and axis.ticktext[1] == "5"


# ---------------------------------------------------------------------- the main view


def test_bars_are_the_images_log_weights_without_their_average_over_images() -> None:
    found = made_up()
    figure = figures.bars(found)
    heights = [*of_part(figure, "passed on").y, *of_part(figure, "factored out").y]
    np.testing.assert_allclose(heights, found.relative, rtol=1e-4)
    np.testing.assert_allclose(named(figure, "sd over").error_y.array, found.std, rtol=1e-4)
    for draw, kind in ((figures.bars, "bar"), (figures.slopes, "scatter")):
        names = [*of_part(draw(found), "passed on", kind).text, *of_part(draw(found), "factored out", kind).text]
        places = [f"channel {channel}, place {place} of 4" for place, channel in enumerate((3, 0, 1, 2), 1)]
        assert [name.split("<br>")[0] for name in names] == places
    told = [*of_part(figure, "passed on").text, *of_part(figure, "factored out").text]
    image, average = found.image.log_weights[0], found.images.log_weights.mean(axis=0)
    for text, value, mean in zip(told, image, average, strict=True):
        said = [float(each) for each in re.findall(r"[=:×] ?([+-]?[\d.]+)", text.replace("−", "-"))]
        assert said == pytest.approx([value, np.exp(value), value - mean, np.exp(value - mean)], abs=6e-3)
    assert named(figure, "sd over").name == "±1 sd over 40 images"


def test_half_one_and_double_are_always_on_the_axis() -> None:
    small = made_up()
    parts = {
        name: dataclasses.replace(part, log_weights=part.log_weights / 100)
        for name, part in (("image", small.image), ("images", small.images))
    }
    axis = figures.bars(dataclasses.replace(small, **parts)).layout.yaxis
    assert [text.split("<br>")[0] for text in axis.ticktext] == ["×½", "×1", "×2"]
    assert axis.range[0] == -axis.range[1] and axis.range[1] > np.log(2)


def test_large_weights_stay_inside_the_axis() -> None:
    found = made_up()
    large = dataclasses.replace(found, image=dataclasses.replace(found.image, log_weights=np.full((1, 4), 1.9)))
    axis = figures.bars(large).layout.yaxis
    assert axis.range[1] > 1.9 and "×4" in axis.ticktext[-1]


def louder(found: ChannelWeights, factor: float) -> ChannelWeights:
    """Return weights that vary more with loudness, those of the image looked at most of all."""
    parts = {
        part: dataclasses.replace(old, log_weights=by * old.log_weights)
        for part, old, by in (("image", found.image, 2 * factor), ("images", found.images, factor))
    }
    return dataclasses.replace(found, **parts)


def ends(figure: go.Figure) -> tuple[float, float]:
    return figure.layout.yaxis.range


@every_chart
def test_axis_that_two_charts_share_holds_everything_in_both(draw) -> None:
    quiet, loud = made_up(), louder(made_up(seed=1), 3)
    low, high = ends(draw(quiet, beside=[loud]))
    for one in (quiet, loud):
        figure = draw(one, beside=[quiet, loud])
        assert ends(figure) == (low, high)
        for trace in figure.data:
            up, down = (np.array(bar if bar else 0.0) for bar in (trace.error_y.array, trace.error_y.arrayminus))
            assert (np.array(trace.y) + up <= high + 1e-4).all() and (np.array(trace.y) - down >= low - 1e-4).all()
    alone = ends(draw(quiet))
    assert low <= alone[0] and high >= alone[1] and (low, high) != alone


def test_slopes_leave_out_channels_whose_weight_does_not_vary() -> None:
    found = made_up()
    found.images.log_weights[:, 2] = 0.2
    figure = figures.slopes(found)
    assert list(of_part(figure, "passed on", "scatter").x) == [0]
    assert list(of_part(figure, "factored out", "scatter").x) == [1, 3]
    told = found.correlations
    for text, place in zip(of_part(figure, "factored out", "scatter").text, (1, 3), strict=True):
        said = re.search(r"slope (\S+) \((\S+) to (\S+)\), .* = (\S+)$", text.replace("−", "-")).groups()
        expected = [each[place] for each in (told.slope, told.slope_low, told.slope_high, told.pearson)]
        assert [float(each) for each in said] == pytest.approx(expected, abs=6e-3)
    slope = of_part(figure, "passed on", "scatter")
    assert slope.y[0] + slope.error_y.array[0] == pytest.approx(found.correlations.slope_high[0], rel=1e-3)
    assert slope.y[0] - slope.error_y.arrayminus[0] == pytest.approx(found.correlations.slope_low[0], rel=1e-3)
    assert {shape.y0 for shape in figure.layout.shapes if shape.y0 == shape.y1} == {0, -1}
    places = {text.text: text.y for text in figure.layout.annotations}
    low, high = figure.layout.yaxis.range
    assert high > places["ignores loudness"] == max(0, np.nanmax(found.correlations.slope_high))
    assert low < places["undoes loudness"] == min(-1, np.nanmin(found.correlations.slope_low))
