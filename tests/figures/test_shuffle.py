"""The Shuffle page's charts: what is drawn is what was measured, and every frame fits the axes."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from eiwflow.analysis.shuffle import (
    ImageOrders,
    RankRiver,
    ShuffleReport,
    alternatives,
    ranks_of,
)
from eiwflow.figures import palette, shuffle, steps


def river_of(channels: int = 12, records: int = 5, seed: int = 0) -> RankRiver:
    """Return a river whose redundancy, and with it the entropy order, drifts at random; the order used is another."""
    random = np.random.default_rng(seed)
    redundancy = random.normal(0.3, 0.2, channels) + np.cumsum(random.normal(0, 0.1, (records, channels)), axis=0)
    steps = np.array([0, *np.geomspace(1, 14_000, records - 1).round().astype(int)])
    orders = np.argsort(-redundancy, axis=1)
    return RankRiver(1, steps, random.permutation(channels), orders, redundancy, channels // 3)


def report_of(channels: int = 12, images: int = 20) -> ShuffleReport:
    """Return a report of redundancies that differs from image to image."""
    redundancy = np.random.default_rng(1).normal(np.linspace(1, 0, channels), 0.3, (images, channels))
    order, half = np.random.default_rng(2).permutation(channels), channels // 3
    others = alternatives(redundancy.mean(axis=0), order, half)
    return ShuffleReport(1, "entropy", order, half, None, ImageOrders(order, redundancy, half), others)


ANIMATED = {"lines": shuffle.rank_river, "matrix": shuffle.rank_river, "bars": shuffle.redundancy_by_rank}
animated = pytest.mark.parametrize(
    ("draw", "river"),
    [(draw, river_of(32 if name == "matrix" else 12)) for name, draw in ANIMATED.items()],
    ids=ANIMATED,
)


#: Every chart of the page.
CHARTS: dict[str, Callable[[], go.Figure]] = {
    "river": lambda: shuffle.rank_river(river_of()),
    "matrix": lambda: shuffle.rank_river(river_of(32)),
    "bars": lambda: shuffle.redundancy_by_rank(river_of()),
    "images": lambda: shuffle.emitted_over_images(report_of()),
    "rule": lambda: shuffle.halves_under(report_of(), "last"),
}


def decoded(uri: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(uri.partition(",")[2]))


def values(traces: Any, axis: str) -> Iterator[float]:
    """Yield all finite coordinates of traces on one axis."""
    for trace in traces:
        for value in trace[axis] if trace[axis] is not None else ():
            if value is not None:
                yield value


# ---------------------------------------------------------------------- what the scrubber moves


@animated
def test_there_is_a_frame_for_every_step(draw: Any, river: RankRiver) -> None:
    figure = draw(river)
    assert [frame.name for frame in figure.frames] == [str(step) for step in river.steps]


@animated
def test_figure_shows_at_first_what_its_first_frame_shows(draw: Any, river: RankRiver) -> None:
    figure = draw(river)
    first = figure.frames[0]
    for index, moved in zip(first.traces, first.data, strict=True):
        assert list(figure.data[index].y) == list(moved.y) and list(figure.data[index].x) == list(moved.x)


@animated
def test_axes_hold_every_frame(draw: Any, river: RankRiver) -> None:
    figure = draw(river)
    for axis in "xy":
        low, high = sorted(figure.layout[f"{axis}axis"].range)
        assert all(low <= value <= high for frame in figure.frames for value in values(frame.data, axis))


def test_cursor_and_dots_stand_at_the_step_with_every_channel_on_its_side() -> None:
    river = river_of()
    figure = shuffle.rank_river(river)
    for i, frame in enumerate(figure.frames):
        cursor, dots = frame.data
        assert list(cursor.x) == [i, i]
        assert list(dots.x) == [i] * river.channels and list(dots.y) == (river.ranks[i] + 1).tolist()
    marker = figure.data[figure.frames[0].traces[1]].marker
    sides = np.where(river.kept, palette.KEPT, palette.EMITTED).tolist()
    assert list(marker.color) == sides and len(set(zip(marker.color, marker.symbol, strict=True))) == 2


def test_bars_fall_with_the_rank_and_have_the_colour_of_their_side() -> None:
    river = river_of()
    for i, frame in enumerate(shuffle.redundancy_by_rank(river).frames):
        kept, emitted = (np.array(bars.y, dtype=float) for bars in frame.data)
        assert (np.isnan(kept) != np.isnan(emitted)).all()
        np.testing.assert_allclose(np.fmax(kept, emitted), -np.sort(-river.redundancy[i]), atol=1e-4)
        np.testing.assert_array_equal(~np.isnan(kept), river.kept[river.entropy_orders[i]])
        for bars in frame.data:
            assert list(bars.x) == list(range(1, 13))
            assert list(map(int, bars.text)) == np.argsort(-river.redundancy[i]).tolist()


def test_figures_of_a_long_training_are_small() -> None:
    river = river_of(24, 49)
    sizes = [len(draw(river).to_json()) for draw in (shuffle.rank_river, shuffle.redundancy_by_rank)]
    assert sum(sizes) < 350_000
    assert len(shuffle.rank_river(river_of(48, 49)).to_json()) < 350_000


# ---------------------------------------------------------------------- the river


def lines(trace: go.Scatter) -> list[np.ndarray]:
    """Return the y of every line that a trace joins, gaps taken out."""
    y = np.array(trace.y, dtype=float)
    parts = np.split(y, np.flatnonzero(np.isnan(y)))
    return [part[~np.isnan(part)] for part in parts if not np.isnan(part).all()]


def test_every_channel_is_one_line_from_its_place_in_the_order_used_through_its_ranks() -> None:
    river = river_of()
    sides = shuffle.rank_river(river).data[:2]
    drawn = [line for trace in sides for line in lines(trace)]
    said = [text for trace in sides for text in trace.text if not text.endswith(", ")]
    members = [*np.flatnonzero(river.kept), *np.flatnonzero(~river.kept)]
    for channel, line in zip(members, drawn, strict=True):
        np.testing.assert_array_equal(line, [ranks_of(river.order)[channel] + 1, *(river.ranks[:, channel] + 1)])
    whens = ["order used", *(f"step {step:,}" for step in river.steps)]
    assert said == [f"channel {channel}, {when}" for channel in members for when in whens]


def test_channels_are_emphasised_just_where_they_would_cross() -> None:
    river = river_of()
    thick = [trace for trace in shuffle.rank_river(river).data if trace.line.width == 4]
    assert sum(len(line) for trace in thick for line in lines(trace)) == river.crossing.sum() > 0
    assert [trace.name for trace in thick] == ["would be factored out", "would be passed on"]
    assert (np.concatenate(lines(thick[0])) > river.passed_on).all() and (
        np.concatenate(lines(thick[1])) <= river.passed_on
    ).all()


def test_many_channels_are_a_matrix_with_a_mark_where_they_would_cross() -> None:
    assert not shuffle.rank_river(river_of(24)).layout.images
    river = river_of(26)
    figure = shuffle.rank_river(river)
    (image,) = figure.layout.images
    assert (image.x, image.y, image.sizex, image.sizey) == (-0.5, 0.5, len(river.steps), 26)
    marks = figure.data[0]
    found = {(river.order[y - 1], x) for x, y in zip(marks.x, marks.y, strict=True)}
    assert found == {(channel, step) for step, channel in np.argwhere(river.crossing)}
    for text, x, y in zip(marks.text, marks.x, marks.y, strict=True):
        channel = river.order[y - 1]
        assert text == f"channel {channel}, step {river.steps[x]:,}: rank {river.ranks[x, channel] + 1}"
    # A row a channel in the order used, a column a step: blue where the channel's rank is passed on.
    red, _, blue = np.moveaxis(np.array(Image.open(decoded(image.source))).astype(int), -1, 0)
    assert red.shape == (26 * shuffle._CELL, len(river.steps) * shuffle._CELL)
    is_blue = (blue > red)[:: shuffle._CELL, :: shuffle._CELL]
    np.testing.assert_array_equal(is_blue, (river.ranks < river.passed_on)[:, river.order].T)


def test_matrix_is_blue_above_the_split_line_and_orange_below_it() -> None:
    red, _, blue = np.moveaxis(shuffle.sides(np.arange(26), 9).astype(int), -1, 0)
    assert (blue[:9] > red[:9]).all() and (red[9:] > blue[9:]).all()
    assert (np.diff(blue - red) < 0).all()  # the farther from the line, the deeper


@pytest.mark.parametrize("channels", [12, 32], ids=["lines", "matrix"])
def test_sides_of_the_split_line_are_named_and_shaded_where_they_are(channels: int) -> None:
    river = river_of(channels)
    layout = shuffle.rank_river(river).layout
    (line,) = (shape.y0 for shape in layout.shapes if shape.y0 == shape.y1)
    assert line == river.passed_on + 0.5
    low, high = layout.yaxis.range  # upside down: the first rank is at the top
    names = {note.text: low + note.y * (high - low) for note in layout.annotations}
    middles = {"<b>passed on</b>": (0.5 + line) / 2, "<b>factored out</b>": (line + channels + 0.5) / 2}
    assert names == pytest.approx(middles, abs=0.2)
    bands = {shape.fillcolor: (shape.y0 + shape.y1) / 2 for shape in layout.shapes if shape.fillcolor}
    if bands:  # a matrix has the colours of its cells
        assert bands[palette.KEPT] < line < bands[palette.EMITTED]


@pytest.mark.parametrize("records", [2, 5, 49])
def test_names_of_channels_stand_inside_the_river_on_both_sides(records: int) -> None:
    figure = shuffle.rank_river(river_of(24, records))
    low, high = figure.layout.xaxis.range
    (names,) = (trace for trace in figure.data if trace.mode == "text")
    left, right = names.x[0], names.x[-1]
    assert list(names.text[:24]) == list(names.text[24:]) and len(set(names.text)) == 24
    river, numbers = river_of(24, records), [int(text) for text in names.text[:24]]
    assert list(names.y[:24]) == (ranks_of(river.order)[numbers] + 1).tolist()
    assert list(names.y[24:]) == (river.ranks[-1, numbers] + 1).tolist()
    width = high - low
    assert left - low > 0.045 * width and high - right > 0.025 * width


@pytest.mark.parametrize("channels", [12, 32], ids=["lines", "matrix"])
def test_two_rivers_recorded_at_other_steps_share_their_axis(channels: int) -> None:
    one, other = river_of(channels, 5), river_of(channels, 9)
    shared = steps.together([one.steps, other.steps])
    assert len(shared) > len(other.steps)
    drawn = [shuffle.rank_river(river, shared) for river in (one, other)]
    assert drawn[0].layout.xaxis == drawn[1].layout.xaxis and drawn[0].layout.yaxis == drawn[1].layout.yaxis
    for figure, river in zip(drawn, (one, other), strict=True):
        cursors = [frame.data[0].x[0] for frame in figure.frames]
        assert [shared[place] for place in cursors] == river.steps.tolist()
        assert [frame.name for frame in figure.frames] == [str(step) for step in river.steps]


def test_a_matrix_on_a_shared_axis_ends_where_its_record_ends() -> None:
    river = river_of(26, 5)
    shared = np.append(river.steps, [20_000, 30_000])
    figure = shuffle.rank_river(river, shared)
    assert figure.layout.images[0].sizex == 5 and figure.layout.xaxis.range[1] > 6


# ---------------------------------------------------------------------- the others


def test_bars_of_two_checkpoints_share_an_axis_that_holds_both() -> None:
    one, other = river_of(seed=0), river_of(seed=3)
    shared = shuffle.redundancy_by_rank(one, [other]).layout.yaxis.range
    assert shuffle.redundancy_by_rank(other, [one]).layout.yaxis.range == shared
    assert shared[0] <= min(one.redundancy.min(), other.redundancy.min())
    assert shared[1] > max(one.redundancy.max(), other.redundancy.max())


@pytest.mark.parametrize("rule", ["used", "entropy", "first", "last", "random"])
def test_bars_under_a_rule_are_blue_where_it_keeps(rule: str) -> None:
    report = report_of()
    chosen = next(one for one in report.alternatives if one.rule == rule)
    kept, emitted = shuffle.halves_under(report, rule).data
    assert [int(text.split()[1]) for text in kept.text] == list(chosen.order[:4])
    np.testing.assert_allclose(emitted.y, report.images.mean[list(chosen.order[4:])], atol=1e-4)
    # The bars fall from left to right, and their numbers stand below them.
    falling = np.argsort(-report.images.mean).tolist()
    assert [falling[x - 1] for x in (*kept.x, *emitted.x)] == list(chosen.order)
    assert list(map(int, shuffle.halves_under(report, rule).layout.xaxis.ticktext)) == falling
    assert (kept.marker.color, emitted.marker.color) == (palette.KEPT, palette.EMITTED)
    means = {palette.KEPT: report.images.mean[list(chosen.order[:4])].mean(), palette.EMITTED: np.mean(emitted.y)}
    lines = {line.line.color: line.y0 for line in shuffle.halves_under(report, rule).layout.shapes}
    assert lines == pytest.approx(means, abs=1e-4)
    for bars in (kept, emitted):
        assert bars.name.endswith(f": {means[bars.marker.color]:.2f} on average")


def test_shares_over_images_stand_in_the_order_used() -> None:
    report = report_of()
    kept, emitted = shuffle.emitted_over_images(report).data
    out = np.argsort(np.argsort(-report.images.redundancy, axis=1), axis=1) >= 4  # of each image alone
    np.testing.assert_allclose([*kept.y, *emitted.y], out.mean(axis=0)[report.order], atol=1e-4)
    assert [*kept.text, *emitted.text] == [f"channel {channel}" for channel in report.order]
    assert [*kept.x, *emitted.x] == list(range(1, 13)) and len(kept.x) == 4


@pytest.mark.parametrize("name", CHARTS)
def test_figures_have_units_on_their_axes_no_title_and_a_second_cue_beside_colour(name: str) -> None:
    figure = CHARTS[name]()
    json.loads(figure.to_json())
    assert figure.layout.title.text is None
    assert figure.layout.yaxis.title.text and (figure.layout.xaxis.title.text or figure.layout.xaxis.ticktext)
    colours = {}
    for trace in figure.data:
        if trace.type == "bar":
            colours.setdefault(trace.marker.color, trace.marker.pattern.shape)
        elif trace.type == "scatter" and trace.mode and "lines" in trace.mode and trace.line.color != palette.SUBJECT:
            colours.setdefault(trace.line.color, trace.line.dash)
    assert len(set(colours.values())) == len(colours)
