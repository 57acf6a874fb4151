"""What eiwflow.figures.weights draws."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from eiwflow.analysis.channels import Ablation, EnergyGradient, Reach, Resampling
from eiwflow.analysis.weights import ChannelWeights
from eiwflow.figures import palette
from eiwflow.figures import weights as figures

from ..analysis.test_weights import made_up, without_weights


def of_part(figure: go.Figure, part: str, kind: str = "bar") -> go.Bar:
    """Return the trace of channels that are passed on or factored out."""
    (trace,) = (trace for trace in figure.data if trace.type == kind and (trace.name or "").startswith(part))
    return trace


def named(figure: go.Figure, words: str) -> go.Scatter:
    (trace,) = (trace for trace in figure.data if words in (trace.name or ""))
    return trace


def texts(figure: go.Figure) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]


def resampling(**changes: object) -> Resampling:
    image = np.full((8, 8, 3), 100, np.uint8)
    fields = {"level": 1, "channel": 0, "zeroed": False, "frozen": False, "image": image, "changed": image // 2}
    return Resampling(**{**fields, "change": np.eye(8) * 12, "draws": 8, **changes})


GRADIENT = EnergyGradient(1, 2, 0.7, np.arange(16.0).reshape(4, 4), np.eye(8) * 0.01)
CHARTS = {
    "bars": figures.bars,
    "redundancy": figures.redundancy,
    "entropy rates": figures.entropy_rates,
    "slopes": figures.slopes,
}
every_chart = pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS.keys())


# ---------------------------------------------------------------------- by position


@every_chart
def test_channels_stand_in_order_of_position_and_are_named_by_their_numbers(draw) -> None:
    axis = draw(made_up()).layout.xaxis
    assert list(axis.tickvals) == [0, 1, 2, 3] and list(axis.ticktext) == ["3", "2", "1", "0"]


@every_chart
def test_split_line_stands_between_the_last_kept_and_the_first_emitted_position(draw) -> None:
    figure = draw(made_up())
    lines = [shape for shape in figure.layout.shapes if shape.x0 == shape.x1]
    assert [line.x0 for line in lines] == [1.5]
    names = {trace.name for trace in figure.data} if figure.layout.showlegend else texts(figure)
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
    assert len(axis.tickvals) == 16 and axis.ticktext[1] == str(95 - 6)


# ---------------------------------------------------------------------- the main view


def test_bars_are_the_images_log_weights_without_their_average_over_images() -> None:
    found = made_up()
    figure = figures.bars(found)
    heights = [*of_part(figure, "passed on").y, *of_part(figure, "factored out").y]
    np.testing.assert_allclose(heights, found.relative, rtol=1e-4)
    np.testing.assert_allclose(named(figure, "sd over").error_y.array, found.std, rtol=1e-4)


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
    """Return weights whose every number is larger, those of the image looked at most of all."""
    fields = [field.name for field in dataclasses.fields(found.images)]
    parts = {
        part: dataclasses.replace(old, **{name: by * getattr(old, name) for name in fields})
        for part, old, by in (("image", found.image, 2 * factor), ("images", found.images, factor))
    }
    return dataclasses.replace(found, **parts)


def ends(figure: go.Figure) -> tuple[float, float]:
    return figure.layout.yaxis.range


@pytest.mark.parametrize("draw", [figures.bars, figures.redundancy, figures.entropy_rates])
def test_axis_that_two_charts_share_holds_everything_in_both(draw: Callable[..., go.Figure]) -> None:
    quiet, loud = made_up(), louder(made_up(seed=1), 3)
    quiet.images.entropy_rate[:] = -1.0
    low, high = ends(draw(quiet, beside=[loud]))
    for one in (quiet, loud):
        figure = draw(one, beside=[quiet, loud])
        assert ends(figure) == (low, high)
        for trace in figure.data:
            up = np.array(trace.error_y.array if trace.error_y.array else 0.0)
            assert (np.array(trace.y) + up <= high + 1e-4).all() and (np.array(trace.y) >= low - 1e-4).all()
    alone = ends(draw(quiet))
    assert low <= alone[0] and high >= alone[1] and (low, high) != alone


def test_words_above_bars_have_room_where_an_axis_is_shared() -> None:
    plain, found = without_weights(made_up(), rule="last"), made_up()
    assert ends(figures.redundancy(found, beside=[plain]))[1] > ends(figures.redundancy(found, beside=[found]))[1]


def test_weights_of_a_policy_without_any_do_not_stretch_the_axis() -> None:
    assert ends(figures.bars(made_up(), [without_weights(made_up())])) == ends(figures.bars(made_up()))


def test_the_axes_of_a_scatter_hold_its_points() -> None:
    figure = figures.scatter(made_up(), 2)
    across, up = figure.layout.xaxis.range, ends(figure)
    for trace in figure.data[1:]:
        assert across[0] < min(trace.x) and max(trace.x) < across[1] and up[0] < min(trace.y) and max(trace.y) < up[1]


def test_intervals_that_share_an_axis_are_inside_it_with_0() -> None:
    costs = np.random.default_rng(0).normal(0.01, 0.001, size=(30, 4))
    few, many = (Ablation(1, (3, 2, 1, 0), 2, np.zeros(4), by * costs, costs.sum(axis=1)) for by in (1, 5))
    low, high = ends(figures.ablation(many, [few]))
    assert low < 0 < many.interval[1].max() < high
    assert ends(figures.ablation(few, [many])) == (low, high)


# ---------------------------------------------------------------------- beside it


def test_redundancy_has_the_means_their_intervals_and_the_images_own() -> None:
    found = made_up()
    figure = figures.redundancy(found)
    low, high = found.redundancy_interval
    for part, here in (("passed on", slice(0, 2)), ("factored out", slice(2, 4))):
        bar = of_part(figure, part)
        np.testing.assert_allclose(bar.y, found.redundancy[here], rtol=1e-4)
        np.testing.assert_allclose(np.add(bar.y, bar.error_y.array), high[here], rtol=1e-3)
        np.testing.assert_allclose(np.subtract(bar.y, bar.error_y.arrayminus), low[here], rtol=1e-3)
    np.testing.assert_allclose(named(figure, "this image").y, found.image.redundancy[0], rtol=1e-4)


def swapped(found: ChannelWeights, positions: list[int]) -> ChannelWeights:
    images = dataclasses.replace(found.images, redundancy=found.images.redundancy[:, positions])
    return dataclasses.replace(found, images=images)


def test_a_static_split_shows_which_channels_the_entropy_order_would_move() -> None:
    figure = figures.redundancy(swapped(without_weights(made_up(), rule="last"), [2, 1, 0, 3]))
    moved = {mark.text: mark.x for mark in figure.layout.annotations if mark.text.startswith("would")}
    assert moved == {"would be factored out": 0, "would be passed on": 2}
    assert not any(text.startswith("would") for text in texts(figures.redundancy(swapped(made_up(), [2, 1, 0, 3]))))


def test_slopes_leave_out_channels_whose_weight_does_not_vary() -> None:
    found = made_up()
    found.images.log_weights[:, 1] = 0.2
    figure = figures.slopes(found)
    assert list(of_part(figure, "passed on", "scatter").x) == [0]
    assert list(of_part(figure, "factored out", "scatter").x) == [2, 3]
    slope = of_part(figure, "passed on", "scatter")
    assert slope.y[0] + slope.error_y.array[0] == pytest.approx(found.correlations.slope_high[0], rel=1e-3)
    assert {shape.y0 for shape in figure.layout.shapes if shape.y0 == shape.y1} == {0, -1}
    places = {text.text: text.y for text in figure.layout.annotations}
    low, high = figure.layout.yaxis.range
    assert high > places["ignores loudness"] == max(0, np.nanmax(found.correlations.slope_high))
    assert low < places["undoes loudness"] == min(-1, np.nanmin(found.correlations.slope_low))


def test_scatter_has_a_point_an_image_and_a_line_of_slope_one_through_their_middle() -> None:
    found = made_up()
    figure = figures.scatter(found, 2)
    line, points, own = figure.data
    np.testing.assert_allclose(points.y, -found.images.log_weights[:, 2], rtol=1e-4)
    assert points.marker.color == palette.EMITTED and own.y[0] == pytest.approx(-found.log_weights[2], rel=1e-4)
    assert line.y[1] - line.y[0] == pytest.approx(line.x[1] - line.x[0], rel=1e-4)
    assert np.mean(line.y[0] - line.x[0]) == pytest.approx(np.mean(points.y) - np.mean(points.x), abs=1e-3)


def test_ablation_and_reach_have_a_bar_a_channel_with_its_interval() -> None:
    costs = 0.01 + 0.001 * np.random.default_rng(0).normal(size=(30, 4))
    held = Ablation(1, (3, 2, 1, 0), 2, np.zeros(4), costs, costs.sum(axis=1))
    figure = figures.ablation(held)
    np.testing.assert_allclose(
        [*of_part(figure, "passed on").y, *of_part(figure, "factored out").y], held.mean, rtol=1e-4
    )
    assert "bits/dim" in figure.layout.yaxis.title.text and all(of_part(figure, "passed on").error_y.array)
    drawn = Reach(1, (1, 0), 5 + costs[:, :2])
    figure = figures.reach(drawn)
    assert len(figure.data) == 1 and list(figure.layout.xaxis.ticktext) == ["1", "0"]
    np.testing.assert_allclose(of_part(figure, "factored out").y, drawn.mean, rtol=1e-4)
    assert not [shape for shape in figure.layout.shapes if shape.x0 == shape.x1]


# ---------------------------------------------------------------------- pixels


def shown(html: str) -> list[np.ndarray]:
    """Return the pixels of every picture of the HTML."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [np.array(Image.open(io.BytesIO(base64.b64decode(picture)))) for picture in found]


def test_a_channels_way_to_the_pixels_has_five_pictures_as_small_as_the_image() -> None:
    html = figures.pixels(np.full((8, 8, 3), 100, np.uint8), GRADIENT, resampling())
    image, map_, gradient, changed, change = shown(html)
    assert image.shape == gradient.shape == changed.shape == change.shape == (8, 8, 3) and map_.shape == (4, 4)
    np.testing.assert_array_equal(gradient[0, 0], palette.cividis(np.ones((1, 1)))[0, 0])
    np.testing.assert_array_equal(change[0, 1], palette.cividis(np.zeros((1, 1)))[0, 0])
    assert map_[0, 0] < 127 < map_[-1, -1]
    assert "yellow = 0.01 a grey level" in html and "yellow = 12 grey levels" in html and "resampled" in html
    assert len(re.findall(r'alt="[^"]+"', html)) == 5


def test_a_channel_that_is_passed_on_has_no_picture_without_it() -> None:
    assert len(shown(figures.pixels(np.zeros((8, 8, 1), np.uint8), GRADIENT, None))) == 3


def test_nothing_to_see_is_drawn_without_a_division_by_zero() -> None:
    flat = EnergyGradient(1, 2, 0.0, np.zeros((4, 4)), np.zeros((8, 8)))
    html = figures.pixels(np.zeros((8, 8, 1), np.uint8), flat, resampling(change=np.zeros((8, 8)), zeroed=True))
    assert len(shown(html)) == 5 and "ε zero" in html


def test_extremes_are_two_rows_of_images_with_their_weights() -> None:
    found = made_up()
    pixels = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    html = figures.extremes(pixels, found, 2, 5)
    up, down = shown(html)
    assert up.shape == down.shape == (4, 20, 3)
    assert up[0, ::4, 0].tolist() == found.extremes(2, 5)[0].tolist()
    assert ">turned up the most: ×" in html and ">turned down the most: ×" in html
