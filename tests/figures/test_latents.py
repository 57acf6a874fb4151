"""What eiwflow.figures.latents draws."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from eiwflow.analysis.latents import Norms, Treated, halvings
from eiwflow.figures import latents as figures

from ..analysis.test_latents import noisy, survey_of


def treated(channels: int = 3) -> Treated:
    """Return a treated image of 4×6 pixels."""
    pictures = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.full((1, 4, 6, channels), 50, np.uint8)
    return Treated(
        image=np.full((4, 6, channels), 200, np.uint8),
        ways=halvings(3),
        shares=np.array([0.5, 0.75, 1.0]),
        pictures=pictures,
        psnr=np.array([[24.0, 26.0], [18.0, 18.0], [9.0, 9.0]]),
    )


def test_every_row_shows_the_image_first_and_each_stage_with_its_psnr() -> None:
    html = figures.halving(treated())
    assert html.count("<img") == 4 and html.count("data:image/png;base64,") == 4
    assert html.count("<b>25.0 dB</b>") == 1 and html.count("the image</figcaption>") == 1
    shown = [np.array(Image.open(io.BytesIO(base64.b64decode(uri)))) for uri in re.findall(r'base64,([^"]+)"', html)]
    assert [(*picture.shape[:2], picture.max()) for picture in shown] == [(4, 6, grey) for grey in (200, 0, 50, 100)]
    stages = [("50 % gone", "25.0"), ("75 % gone", "18.0"), ("all gone", "9.0")]
    assert re.findall(r"<figcaption>([^<]+)<br><b>(\S+) dB", html) == stages
    alts = [alt.split(":")[0] for alt in re.findall(r'alt="([^"]+)"', html)]
    assert alts == ["The image", "level 1 resampled", "levels 1 and 2 resampled", "levels 1, 2 and 3 resampled"]


def test_treatments_stand_in_one_row() -> None:
    html = figures.treatments(treated())
    assert html.count("<figure>") == 4 and "levels 1 and 2 resampled<br><b>18.0 dB</b>" in html


def test_dots_stand_at_the_mean_and_bars_reach_the_ends_of_the_interval() -> None:
    result, other = survey_of(noisy(40, 0, 1)), survey_of(noisy(40, -5, 2))
    figure = figures.psnr_dots(result, [other])
    (trace,) = figure.data
    assert trace.y == ("50 % gone", "75 % gone", "all gone")
    np.testing.assert_allclose(trace.x, result.mean, atol=1e-3)
    np.testing.assert_allclose(np.add(trace.x, trace.error_x.array), result.interval[:, 1], atol=1e-3)
    np.testing.assert_allclose(np.subtract(trace.x, trace.error_x.arrayminus), result.interval[:, 0], atol=1e-3)
    low, high = figure.layout.xaxis.range
    assert low < other.interval.min() and result.interval.max() < high


def test_one_test_image_has_dots_without_bars() -> None:
    figure = figures.psnr_dots(survey_of(noisy(1, 0, 1)))
    assert set(figure.data[0].error_x.array) == {0} and np.isfinite(figure.layout.xaxis.range).all()


def test_norms_are_in_units_of_the_root_of_d() -> None:
    norms = Norms(np.array([100, 400]), np.array([11.0, 18.0]), np.array([[10.0, 20.0], [5.0, 30.0], [8.0, 16.0]]))
    figure = figures.norm_dots(norms)
    points, image = figure.data
    assert list(image.x) == [1, 2] and list(image.y) == [1.1, 0.9]
    assert [round(x) for x in points.x] == [1, 2] * 3 and list(points.y) == [1.0, 1.0, 0.5, 1.5, 0.8, 0.8]
    assert points.name == "3 test images"
    assert figure.layout.xaxis.ticktext == ("level 1<br>d = 100", "level 2<br>d = 400")
    for shape, size in zip(figure.layout.shapes, (100, 400), strict=True):
        assert (shape.y0, shape.y1) == pytest.approx(np.sqrt(stats.chi2.interval(0.95, size)) / np.sqrt(size), rel=1e-3)
    assert [shape.y0 < 1 < shape.y1 for shape in figure.layout.shapes] == [True, True]
    assert (figure.layout.shapes[0].y1 - 1) > (figure.layout.shapes[1].y1 - 1)


def test_axis_that_two_charts_share_holds_every_dot_and_band() -> None:
    few = Norms(np.array([100, 400]), np.array([11.0, 18.0]), np.array([[10.0, 20.0], [5.0, 30.0]]))
    many = Norms(np.array([4]), np.array([6.0]), np.array([[2.0], [1.0]]))
    low, high = figures.norm_dots(few, [many]).layout.yaxis.range
    for one in (few, many):
        figure = figures.norm_dots(one, [few, many])
        assert figure.layout.yaxis.range == (low, high)
        shown = [
            *figure.data[0].y,
            *figure.data[1].y,
            *(end for band in figure.layout.shapes for end in (band.y0, band.y1)),
        ]
        assert low < min(shown) and max(shown) < high
    assert figures.norm_dots(few).layout.yaxis.range[1] < high
