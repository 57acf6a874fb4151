"""The charts of the weights inside couplings draw the numbers of the analysis."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from eiwflow.analysis.coupling_weights import ChannelMaps, FactorReading, Place
from eiwflow.figures import coupling_weights as figures

from ..analysis.test_coupling_weights import made_up

PLACE = Place(1, 2)


def shown(html: str) -> list[np.ndarray]:
    """Return the pixels of every picture of the HTML."""
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [decoded(picture) for picture in pictures]


def decoded(picture: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(picture))))


def maps(given: int = 4, shifts_alone: bool = False) -> ChannelMaps:
    values = np.random.default_rng(1).normal(size=(2 + given, 4, 6))
    return ChannelMaps(PLACE, values[:2], values[2:], shifts_alone)


def test_the_map_has_a_square_a_coupling_that_says_which_it_is() -> None:
    found = made_up()
    (squares,) = figures.couplings(found, PLACE, 2 * figures.most_distant(found)).data
    assert list(zip(squares.y, squares.x, strict=True)) == [(1, 1), (1, 2), (2, 1)]
    assert [tuple(place) for place in squares.customdata] == [(1, 1), (1, 2), (2, 1)]
    assert list(squares.text) == [f"{found.distances[place]:.2f}" for place in found.picture.places]
    widths = list(squares.marker.line.width)
    assert widths.index(max(widths)) == 1 and widths.count(max(widths)) == 1
    shades = [float(colour.rstrip(")").split(",")[-1]) for colour in squares.marker.color]
    assert np.argsort(shades).tolist() == np.argsort([found.distances[p] for p in found.picture.places]).tolist()
    assert max(shades) == pytest.approx(0.08 + 0.57 / 2, abs=1e-3)  # half of the largest that is drawn beside it


@pytest.mark.parametrize(("steps", "numbered"), [(4, True), (5, False), (8, False), (32, False)])
def test_squares_of_a_level_fit_side_by_side_and_are_numbered_where_numbers_fit(steps: int, numbered: bool) -> None:
    found = made_up(places=[Place(1, step) for step in range(1, steps + 1)])
    (squares,) = figures.couplings(found, PLACE, figures.most_distant(found)).data
    room = 1280 * 0.134  # what the page leaves the squares in a window of 1280 pixels
    assert squares.marker.size * steps <= room
    assert squares.mode == ("markers+text" if numbered else "markers")


def test_bars_are_differences_from_the_average_group_by_group() -> None:
    found, before = made_up(0), made_up(1)
    figure = figures.channels(found, before, maps(), 1.0)
    bars, spread, marks = figure.data
    np.testing.assert_allclose(bars.y, found.difference(PLACE), rtol=1e-4)
    for text, value, rest in zip(bars.text, found.picture.of(PLACE)[0], found.difference(PLACE), strict=True):
        assert text.endswith(f"<br>ω = {value:.3f}<br>minus its average: {rest:+.3f}".replace("-", "−"))
    np.testing.assert_allclose(marks.y, before.difference(PLACE), rtol=1e-4)
    np.testing.assert_allclose(spread.error_y.array, found.spread(PLACE), rtol=1e-4)
    assert np.diff(bars.x).round(6).tolist() == [1, 1.6, 1, 1.6, 1]
    assert [note.text for note in figure.layout.annotations] == ["reads", "gives: log-scales", "gives: shifts"]
    assert [note.x for note in figure.layout.annotations] == [0.5, 3.1, 5.7]  # in the middle of each group
    assert spread.name == "±1 sd over 20 test images"
    assert [image.x for image in figure.layout.images] == list(bars.x)
    for image, values in zip(figure.layout.images, [*maps().read, *maps().given], strict=True):
        grey = decoded(image.source.partition(",")[2])[::8, ::8]
        expected = 127.5 * (1 + np.clip((values - values.mean()) / values.std() / figures.GREY_RANGE, -1, 1))
        np.testing.assert_allclose(grey, expected, atol=1)
    assert figure.layout.yaxis.range == (-1.0, 1.0)
    assert len(figures.channels(found, None, maps(), 1.0).data) == 2


def test_a_coupling_of_shifts_alone_has_no_log_scales() -> None:
    figure = figures.channels(made_up(), None, maps(shifts_alone=True), 1.0)
    assert [note.text for note in figure.layout.annotations] == ["reads", "gives: shifts"]


def test_an_axis_that_two_charts_share_holds_both() -> None:
    quiet, loud = made_up(0), made_up(1)
    loud.picture.read[PLACE][0, 0] = 1.95
    assert figures.channel_span((quiet, PLACE), (loud, PLACE)) > np.abs(loud.difference(PLACE)).max()
    assert figures.channel_span((quiet, Place(1, 1))) >= 0.25


def test_r_squared_is_drawn_by_factor_and_level() -> None:
    rows = [FactorReading("grain", 1, 60, 30, 0.7, 0.6, 0.75), FactorReading("grain", 2, 60, 30, 0.2, -0.3, 0.3)]
    rows.append(FactorReading("light", 1, 60, 30, 0.0, -0.1, 0.1))
    grain, light = figures.factors(rows).data
    assert (grain.name, light.name) == ("grain", "light")
    assert [round(x) for x in grain.x] == [1, 2] and grain.x[0] < 1 < light.x[0] < 1.5  # side by side
    assert grain.error_y.array == pytest.approx([0.05, 0.1])
    assert (list(grain.y), list(light.y)) == ([0.7, 0.2], [0.0])
    assert grain.error_y.arrayminus == pytest.approx([0.1, 0.5]) and grain.marker.symbol != light.marker.symbol
    assert figures.factors(rows).layout.yaxis.range[0] < -0.3


def test_pictures_stand_side_by_side_with_their_names() -> None:
    html = figures.pictures(
        {"the picture": np.zeros((4, 6, 3), np.uint8), "with grain 8": np.ones((4, 6, 3), np.uint8)}
    )
    assert [pixels.max() for pixels in shown(html)] == [0, 1] and shown(html)[0].shape[:2] == (4, 6)
    assert html.index(">the picture<") < html.index(">with grain 8<")
