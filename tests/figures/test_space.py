"""What eiwflow.figures.space draws."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image, ImageSequence
from scipy import stats

from eiwflow.analysis.space import Interpolation, NormPaths, Samples
from eiwflow.figures import palette
from eiwflow.figures import space as figures


def paths() -> NormPaths:
    """Return norms of two levels, long and short ones: the line sags to a half, the arc stays."""
    t = np.linspace(0, 1, 5)
    arc = np.tile([12.0, 18.0], (5, 1))
    return NormPaths(t, np.array([100, 400]), {"linear": arc * (1 - 2 * t * (1 - t))[:, None], "spherical": arc})


def interpolation(channels: int = 3) -> Interpolation:
    """Return a way of three frames from black to grey, with two levels."""
    together = np.stack([np.full((4, 6, channels), grey, np.uint8) for grey in (0, 50, 100)])
    return Interpolation(
        a=together[0],
        b=together[-1],
        path="spherical",
        t=np.array([0, 0.5, 1]),
        together=together,
        alone=np.stack([together // 2, together // 5]),
        norms=paths(),
        end_errors=(1e-6, 1e-6),
        moved=np.array([0.1, 0.2, 0.3]),
    )


def test_a_strip_a_row_names_the_level_and_its_share_of_the_numbers() -> None:
    html = figures.strips(interpolation())
    assert html.count("<img") == 3 and html.count("data:image/png;base64,") == 3
    assert all(name in html for name in ("all levels", "level 1 alone (20 %)", "level 2 alone (80 %)"))
    assert len(re.findall(r'alt="From A towards B, [^"]+: [^"]+brightness \d+ of 100; at the end [^"]+"', html)) == 3
    strips = [Image.open(io.BytesIO(base64.b64decode(uri))) for uri in re.findall(r"base64,([^\"]+)", html)]
    assert [np.array(strip)[0, ::6, 0].tolist() for strip in strips] == [[0, 50, 100], [0, 25, 50], [0, 10, 20]]


def test_rows_begin_with_all_levels() -> None:
    rows = figures.rows(interpolation())
    assert rows.shape == (3, 3, 4, 6, 3) and rows[:, -1, 0, 0, 0].tolist() == [100, 50, 20]
    assert len(figures.row_names(interpolation())) == 3


def test_norms_are_in_units_of_the_root_of_d_bold_for_all_levels() -> None:
    figure = figures.norm_paths(paths())
    bold = {trace.name: trace for trace in figure.data if trace.line.width > 2}
    whole, sag = np.sqrt((12**2 + 18**2) / 500), np.array([1.0, 0.625, 0.5, 0.625, 1.0])
    assert bold["straight line"].y == pytest.approx(whole * sag, abs=1e-4)
    assert bold["arc (norm-preserving)"].y == pytest.approx([whole] * 5, abs=1e-4)
    thin = {trace.hovertemplate.split("<extra>")[1].removesuffix("</extra>"): trace for trace in figure.data[1:]}
    for level, ratio in ((1, 12 / 10), (2, 18 / 20)):
        assert thin[f"straight line, level {level}"].y == pytest.approx(ratio * sag, abs=1e-4)
        assert thin[f"arc (norm-preserving), level {level}"].y == pytest.approx([ratio] * 5, abs=1e-4)
    band = np.sqrt(stats.chi2.interval(0.95, 500) / np.array(500))
    assert figure.data[0].y == pytest.approx(band.repeat(2), abs=1e-4)
    assert all(trace.x == pytest.approx(paths().t) for trace in figure.data[1:])
    assert bold["straight line"].line.dash == "dash" and bold["straight line"].line.color == palette.REFERENCE
    assert len(figure.data) == 7 and min(figure.data[0].y) < 1 < max(figure.data[0].y)


@pytest.mark.parametrize(("size", "length"), [(1, 1.5), (0.01, 0.1)], ids=["longer lines", "a wider band"])
def test_axis_that_two_charts_share_holds_every_line_and_band(size: float, length: float) -> None:
    dimensions = (size * np.array([100, 400])).astype(int)
    few = NormPaths(paths().t, dimensions, {name: length * norms for name, norms in paths().norms.items()})
    low, high = figures.norm_paths(few, [paths()]).layout.yaxis.range
    for one in (paths(), few):
        figure = figures.norm_paths(one, [paths(), few])
        assert figure.layout.yaxis.range == (low, high)
        assert all(low < min(trace.y) and max(trace.y) < high for trace in figure.data)
    assert figures.norm_paths(paths()).layout.yaxis.range[1] < high


def test_samples_are_one_picture_with_their_temperatures_as_text() -> None:
    html = figures.samples(Samples(np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(2, 2), (1.0, 0.5)))
    (uri,) = re.findall(r"base64,([^\"]+)", html)
    montage = np.array(Image.open(io.BytesIO(base64.b64decode(uri))))
    assert montage[:, ::2].tolist() == [[*range(8)], [8, 9, *[0] * 6]]
    assert html.count("<img") == 1 and "1 (level 1), 0.5 (level 2)" in html


@pytest.mark.parametrize("channels", [1, 3])
def test_gif_goes_there_and_back_with_all_rows_side_by_side(channels: int) -> None:
    content = figures.gif(figures.rows(interpolation(channels)), scale=3)
    movie = Image.open(io.BytesIO(content))
    frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(movie)]
    assert movie.size == (3 * 6 * 3, 4 * 3) and movie.info["loop"] == 0
    assert [frame.getpixel((0, 0))[0] for frame in frames] == [0, 50, 100, 50]
    assert [frames[2].getpixel((18 * row, 0))[0] for row in range(3)] == [100, 50, 20]


def test_gif_rests_at_both_ends() -> None:
    movie = Image.open(io.BytesIO(figures.gif(figures.rows(interpolation()), milliseconds=50)))
    durations = [frame.info["duration"] for frame in ImageSequence.Iterator(movie)]
    assert durations == [400, 50, 400, 50]
