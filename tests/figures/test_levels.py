"""The front page's pictures: what they promise of areas, labels and colours holds for any flow."""

from __future__ import annotations

import base64
import io
import math
import re
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from eiwflow.analysis.levels import Passage, Reconstruction, Staircase, fit_kept, passage
from eiwflow.analysis.words.numbers import fixed, power, signed
from eiwflow.figures import levels as figures
from eiwflow.figures import palette, pixels
from tests.words import SPLITS

from ..flow.flows import ready_flow


@cache
def way(**fields: object) -> Passage:
    """Return the passage of an image of noise through a small flow."""
    flow = ready_flow(dtype=torch.float32, **fields)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (9, *flow.config.shape), generator=generator, dtype=torch.uint8)
    return passage(flow, images[:1], fit_kept(flow, images[1:]))


SHAPES = pytest.mark.parametrize(
    "fields",
    [
        {},
        {"levels": 1},
        {"levels": 3},
        {"shape": (3, 16, 8), "levels": 3},
        {"shape": (3, 32, 32), "levels": 5},
        {"keep": 0.25},
        {"shape": (3, 16, 8), "levels": 3, "keep": 0.75},
    ],
    ids=str,
)


# ---------------------------------------------------------------------- the strip


@SHAPES
def test_dashed_boxes_together_have_the_area_of_the_images_numbers(fields: dict) -> None:
    passed = way(**fields)
    of_levels, height = figures.boxes(passed), passed.reconstruction.image.shape[0]
    for parts, level in zip(of_levels, passed.levels, strict=True):
        sizes = {"kept": level.kept, "emitted": level.emitted}
        assert {box.part: box.pixels.size for box in parts} == {part: size for part, size in sizes.items() if size}
        heights = [box.pixels.shape[0] / height for box in parts]
        assert all(0.5 <= each <= 2.25 for each in heights) if "keep" in fields else set(heights) == {1}
    assert sum(box.pixels.size for parts in of_levels for box in parts if box.part == "emitted") == passed.dimensions


@SHAPES
def test_every_map_has_its_channel_and_every_picture_its_words(fields: dict) -> None:
    passed = way(**fields)
    html = figures.strip(passed)
    channels = sum(level.shape[0] for level in passed.levels)
    assert html.count("data-tip=") == channels
    assert html.count("<img ") == len(re.findall(r'<img alt="[^"]{10,}"', html))
    back = passed.reconstruction
    height, width, colours = back.image.shape
    assert f"<p>{colours} colour{'s' if colours == 3 else ''}, {height}×{width}<br>{back.image.size:,} values" in html
    expected = [back.image, *(box.pixels for parts in figures.boxes(passed) for box in parts), back.restored]
    for picture, pixels_of in zip(shown(html), expected, strict=True):
        np.testing.assert_array_equal(picture, pixels_of.squeeze())
    sizes = [f"<p>{c} channels, {h}×{w}<br>2 steps" for c, h, w in (level.shape for level in passed.levels)]
    assert all(size in html for size in sizes)
    every = np.prod(passed.reconstruction.image.shape)
    shares = re.findall(r"<p><b>ε<sub>(\d)</sub></b> ([\d,]+) values<br>([\d.]+) % of all", html)
    assert [(int(number), int(values.replace(",", ""))) for number, values, _ in shares] == [
        (level.number, level.emitted) for level in passed.levels
    ]
    assert [float(share) for *_, share in shares] == pytest.approx(
        [100 * level.emitted / every for level in passed.levels], rel=6e-3
    )
    assert html.count("factors out all it has") == 1 and "nan" not in html
    for level in filter(lambda level: level.kept, passed.levels):
        halves = np.split(level.redundancy[0], [level.kept_channels])
        for half, fate in zip(halves, ("are passed on", "are factored out"), strict=True):
            said = f"that {fate}, spectral redundancy {fixed(half.mean(), 2)} nats/pixel on average"
            assert f"Level {level.number}: {len(half)} channel maps of {level.shape[1]}×{level.shape[2]} {said}" in html


def shown(html: str) -> list[np.ndarray]:
    """Return the pixels of every picture in a page."""
    uris = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [np.array(Image.open(io.BytesIO(base64.b64decode(uri)))) for uri in uris]


def test_a_map_is_pointed_out_with_its_own_redundancy_and_weight() -> None:
    passed = way(split="entropy+pooled", keep=0.25)
    tips = re.findall(r'data-tip="([^"]+)"', figures.strip(passed))
    for tip, row in zip(tips, passed.channel_table(), strict=True):
        parts = [f"channel {row['channel']}", f"place {row['position']} of "]
        parts.append(f"redundancy {fixed(row['J, nats/pixel'], 2)} nats/pixel")
        if (omega := row["log ω, nats"]) is not None:
            parts.append(f"log ω = {signed(omega, 2)} nats (×{math.exp(omega):.2f})")
        assert all(part in tip for part in parts), tip


def test_a_map_is_pointed_out_by_its_channel_its_side_and_its_place_from_1() -> None:
    passed = way(levels=3, keep=0.75)
    told = re.findall(r"channel (\d+), (passed on|factored out), place (\d+) of (\d+)", figures.strip(passed))
    expected = []
    for level in passed.levels:
        order = level.order or range(level.shape[0])  # the last level sorts nothing
        sides = ["passed on"] * level.kept_channels + ["factored out"] * level.emitted_channels
        expected += [
            (str(channel), side, str(place), str(level.shape[0]))
            for place, (channel, side) in enumerate(zip(order, sides, strict=True), start=1)
        ]
    assert told == expected


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        ((0, 0, 51), "dark blue on average, brightness 7 of 100"),
        ((255, 250, 250), "bright grey on average, brightness 99 of 100"),
        ((200, 90, 30), "medium orange on average, brightness 42 of 100"),
        ((128,), "medium grey on average, brightness 50 of 100"),
    ],
)
def test_a_picture_is_said_in_words(colour: tuple[int, ...], words: str) -> None:
    assert pixels.appearance(np.full((4, 4, len(colour)), colour, dtype=np.uint8)) == words


@pytest.mark.parametrize("split", SPLITS)
def test_tips_give_weights_only_where_there_are_some(split: str) -> None:
    html = figures.strip(way(split=split))
    assert ("log ω" in html) == (split == "entropy+pooled")
    assert (", Shuffle" in html) == (split in ("entropy+pooled", "entropy"))


def test_maps_stand_in_the_order_of_their_positions() -> None:
    passed = way(levels=2)
    kept, emitted = figures.boxes(passed)[0]
    maps = passed.maps[0]
    np.testing.assert_array_equal(kept.pixels, np.concatenate([maps[0], maps[1]]))
    np.testing.assert_array_equal(emitted.pixels, np.concatenate([maps[2], maps[3]]))


def test_many_levels_stand_below_each_other() -> None:
    assert "stacked" in figures.strip(way(shape=(3, 32, 32), levels=5))
    assert "stacked" not in figures.strip(way(levels=3))


def test_error_picture_is_brightest_where_the_error_is_largest() -> None:
    image = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    for error in (np.zeros((2, 3)), np.array([[0.0, 1e-6, 5e-7], [2e-6, 0.0, 0.0]])):
        html = figures.reconstruction(Reconstruction(image, image + 1, error))
        assert power(float(error.max())) in html
        of_largest = error / 2e-6
        for picture, expected in zip(shown(html), (image, image + 1, palette.cividis(of_largest)), strict=True):
            np.testing.assert_array_equal(picture, expected)


def test_samples_are_separate_pictures() -> None:
    html = figures.samples(np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(6, axis=2), 0.7)
    assert [picture.tolist() for picture in shown(html)] == [[[number] * 6] for number in range(5)]
    assert re.findall(r'alt="Sample (\d) at temperature 0.7', html) == list("12345")


# ---------------------------------------------------------------------- the staircase


def stairs() -> tuple[Staircase, Staircase]:
    return Staircase(np.array([[7.5, 5.0, 4.25]])), Staircase(np.array([[7.0, 5.5, 4.0], [7.4, 5.1, 4.2]]))


def test_the_floor_is_a_line_below_every_stair_and_is_named() -> None:
    figure = figures.staircase(*stairs(), floor=3.1)
    assert [line.y0 for line in figure.layout.shapes] == [8.0, 3.1] and figure.layout.yaxis.range[0] < 3.1
    assert "this image’s grain alone: 3.10" in [note.text for note in figure.layout.annotations]
    assert all("grain" not in note.text for note in figures.staircase(*stairs()).layout.annotations)


def test_the_line_of_raw_values_is_at_the_bits_of_the_flow() -> None:
    image, average = (Staircase(each.bits_per_dim - 3, bits=5) for each in stairs())
    figure = figures.staircase(image, average)
    assert [line.y0 for line in figure.layout.shapes] == [5]
    assert [note.text for note in figure.layout.annotations] == ["raw values of 32 grey levels: 5 bits"]


def test_staircase_falls_from_tread_to_tread_and_labels_each() -> None:
    figure = figures.staircase(*stairs())
    average, _, image, labels = figure.data
    assert list(image.x) == [-0.5, 0.5, 0.5, 1.5, 1.5, 2.5] and list(image.y) == [
        7.5,
        7.5,
        5.0,
        5.0,
        4.25,
        4.25,
    ]
    assert list(labels.text) == ["7.50", "5.00", "4.25"] and list(average.y)[::2] == [7.2, 5.3, 4.1]
    assert figure.layout.xaxis.ticktext == ("no level", "level 1", "level 2:<br>the flow")
    assert figure.layout.yaxis.title.text == "bits/dim"


def test_labels_of_two_stairs_stand_on_different_sides() -> None:
    _, average, _, image = figures.staircase(*stairs()).data
    assert all(a != b for a, b in zip(average.textposition, image.textposition, strict=True))


def test_stairs_differ_in_more_than_colour_and_are_small() -> None:
    figure = figures.staircase(*stairs())
    average, _, image, _ = figure.data
    assert (average.line.color, average.line.dash) != (image.line.color, image.line.dash)
    assert average.line.dash != image.line.dash
    assert figure.layout.title.text is None and figure.layout.paper_bgcolor.endswith("0)")
    assert len(figure.to_json()) < 12_000


def test_axis_holds_every_stair() -> None:
    for image, average in (([9.5, 3.0], [8.2, 4.0]), ([1.0, 0.9], [1.1, 0.2]), ([5.0, 3.0], [9.5, 4.0])):
        stairs = (Staircase(np.array([values])) for values in (image, average))
        low, high = figures.staircase(*stairs).layout.yaxis.range
        assert low < min(*image, *average) and high > max(*image, *average)


# ---------------------------------------------------------------------- pixels and colours


def test_data_uri_gives_the_bytes_back() -> None:
    for array in (
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.zeros((2, 3, 1), np.uint8),
        np.eye(3, dtype=np.uint8),
    ):
        uri = pixels.data_uri(array)
        decoded = np.array(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
        np.testing.assert_array_equal(decoded, array.squeeze())


def test_cividis_runs_from_dark_blue_to_yellow() -> None:
    ends = palette.cividis(np.array([[0.0, 1.0]]))[0]
    assert ends.tolist() == [[0, 32, 76], [255, 233, 69]]
