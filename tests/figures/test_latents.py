"""What eiwflow.figures.latents draws."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from eiwflow.analysis.latents import Comparison, Norms, Treated, compare, halvings
from eiwflow.figures import latents as figures
from eiwflow.figures import palette

from ..analysis.test_latents import noisy, survey_of


def treated(channels: int = 3) -> Treated:
    """Return a treated image of 4×4 pixels."""
    pictures = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.full((1, 4, 4, channels), 50, np.uint8)
    return Treated(
        image=np.full((4, 4, channels), 200, np.uint8),
        ways=halvings(3),
        shares=np.array([0.5, 0.75, 1.0]),
        pictures=pictures,
        psnr=np.array([[24.0, 26.0], [18.0, 18.0], [9.0, 9.0]]),
    )


def comparison(names: str = "abc", n: int = 40) -> Comparison:
    """Return a comparison of flows whose PSNR differ by noise."""
    return compare({name: survey_of(noisy(n, 0, seed)) for seed, name in enumerate(names)})


def test_every_row_shows_the_image_first_and_each_stage_with_its_psnr() -> None:
    html = figures.halving(treated())
    assert html.count("<img") == 4 and html.count("data:image/png;base64,") == 4
    assert html.count("<b>25.0 dB</b>") == 1 and html.count("the image</figcaption>") == 1
    assert all(re.findall(r'alt="[^"]+"', html))


def test_treatments_stand_in_one_row() -> None:
    html = figures.treatments(treated())
    assert html.count("<figure>") == 4 and "levels 1 and 2 resampled<br><b>18.0 dB</b>" in html


def test_dots_stand_at_the_mean_and_bars_reach_the_ends_of_the_interval() -> None:
    result = comparison()
    figure = figures.psnr_dots(result)
    assert len(figure.data) == 9 and [trace.showlegend for trace in figure.data].count(True) == 3
    trace = figure.data[4]  # second stage, second row
    assert trace.x[0] == pytest.approx(result.mean[1, 1], abs=1e-3) and 1 <= trace.y[0] < 1.5
    assert trace.x[0] + trace.error_x.array[0] == pytest.approx(result.interval[1, 1, 1], abs=1e-3)
    assert trace.x[0] - trace.error_x.arrayminus[0] == pytest.approx(result.interval[1, 1, 0], abs=1e-3)


def test_the_first_row_is_coloured_and_every_stage_has_its_own_marker() -> None:
    figure = figures.psnr_dots(comparison())
    assert [trace.marker.color for trace in figure.data[:3]] == [palette.SUBJECT, palette.REFERENCE, palette.REFERENCE]
    assert len({trace.marker.symbol for trace in figure.data}) == 3


def test_one_test_image_has_dots_without_bars() -> None:
    figure = figures.psnr_dots(comparison("ab", n=1))
    assert not any(trace.error_x.visible for trace in figure.data)


def test_differences_leave_out_the_first_row_and_the_stage_where_nothing_is_kept() -> None:
    result = comparison()
    figure = figures.difference_dots(result)
    assert len(figure.data) == 4 and {trace.marker.color for trace in figure.data} == {palette.REFERENCE}
    assert figure.data[0].x[0] == pytest.approx(result.difference[1, 0], abs=1e-3)
    assert figure.layout.shapes[0].x0 == 0 and "minus that of a" in figure.layout.xaxis.title.text


def test_norms_are_in_units_of_the_root_of_d() -> None:
    norms = Norms(np.array([100, 400]), np.array([11.0, 18.0]), np.array([[10.0, 20.0], [5.0, 30.0]]))
    figure = figures.norm_dots(norms)
    points, image = figure.data
    assert list(image.y) == [1.1, 0.9] and list(points.y) == [1.0, 1.0, 0.5, 1.5]
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


def test_flows_are_named_without_the_word_that_all_begin_with() -> None:
    result = compare({name: survey_of(noisy(40, 0, 1)) for name in ("photos32-weighted", "photos32-static-last")})
    assert list(figures.psnr_dots(result).layout.yaxis.ticktext) == ["weighted", "static-last"]
    assert figures.difference_dots(result).layout.xaxis.title.text == "PSNR minus that of weighted, dB"


@pytest.mark.parametrize("channels", [1, 3])
def test_slide_holds_every_picture_enlarged(channels: int) -> None:
    slide = Image.open(io.BytesIO(figures.halvings_png({"one": treated(channels), "other": treated(channels)})))
    colours = {colour for _, colour in slide.convert("RGB").getcolors(100_000)}
    assert {(0, 0, 0), (50, 50, 50), (100, 100, 100), (200, 200, 200)} <= colours
    assert slide.width > 4 * 4 * 5 and slide.height > 2 * 4 * 5
