"""Attributes: directions, how well they are judged, and edits along them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eiwflow import checkpoint
from eiwflow.analysis import attributes
from eiwflow.analysis.analyse import analyse
from eiwflow.data import Factor, ImageData, load, to_tensor
from eiwflow.flow import MultiScaleFlow, NonFiniteError, dequantise
from eiwflow.flow.bijection import generator_for
from tests.training.tiny import planes, tiny_flow, tiny_info

FACES = ["glasses", "beard", "hat", "long hair", "smile", "skin", "background"]


@pytest.fixture(scope="module")
def flow() -> MultiScaleFlow:
    return tiny_flow().requires_grad_(False)


@pytest.fixture(scope="module")
def marked() -> ImageData:
    """Planes with the factors of faces: who wears glasses has a bright spot, and a pale skin a bright lower half."""
    random = np.random.default_rng(5)
    images, factors = [], []
    for seed, count in ((1, 400), (2, 120)):
        pixels = planes(count, seed=seed).astype(int)
        glasses, pale = random.random((2, count)) < 0.4
        pixels[glasses, 2:4, 2:6] += 60
        pixels[pale, 4:] += 90
        images.append(pixels.clip(0, 255).astype(np.uint8))
        coin = random.random((3, count)) < 0.3
        factors.append({
            "glasses": np.where(glasses, "dark01", ""),
            "beard": np.where(coin[0], "variant01", ""),
            "hat": np.where(coin[1], "variant02", ""),
            "hair": np.where(coin[2], "long01", "short01"),
            "mouth": np.where(coin[0] ^ coin[1], "happy01", "sad01"),
            "skin_color": np.where(pale, "#f5cfa0", "#8d5524"),
            "background": np.where(coin[1] ^ coin[2], "#2f3b52", "#ffdfbf"),
        })  # fmt: skip
    both = {name: Factor(factors[0][name], factors[1][name]) for name in factors[0]}
    return ImageData("marked", images[0], images[1], factors=both)


def test_a_direction_is_the_difference_of_class_means(flow: MultiScaleFlow, marked: ImageData) -> None:
    found = attributes.measure_attributes(flow, marked, seed=3, limit=200).moves
    x = dequantise(to_tensor(marked.train[:200]), generator_for(3, "attributes of train"))
    glasses = torch.from_numpy(marked.factors["glasses"].train[:200] != "")
    assert list(found) == FACES
    for level, direction in zip(flow.encode(x).levels, found["glasses"], strict=True):
        expected = level[glasses].mean(dim=0) - level[~glasses].mean(dim=0)
        assert direction.shape == expected.shape
        assert torch.from_numpy(direction).sub(expected).abs().max() < 1e-4


def test_the_direction_of_a_number_is_its_slope(flow: MultiScaleFlow, marked: ImageData) -> None:
    found = attributes.measure_attributes(flow, marked, limit=200).moves["skin"]
    x = dequantise(to_tensor(marked.train[:200]), generator_for(0, "attributes of train"))
    skin = attributes.attribute_values(marked, "train")["skin"][:200]
    noise = flow.encode(x).levels[1].flatten(1).double().numpy()
    assert found[1].ravel() == pytest.approx(np.polyfit(skin, noise, 1)[0], abs=1e-5)


def test_what_is_in_the_images_is_found_and_what_is_not_is_chance(flow: MultiScaleFlow, marked: ImageData) -> None:
    found = attributes.measure_attributes(flow, marked)
    readings = {(reading.attribute, reading.level): reading for reading in found.readings}
    assert len(readings) == len(found.readings) == len(FACES) * 3
    assert max(readings["glasses", level].low for level in (1, 2, None)) > 0.7
    assert readings["skin", None].value > 0.2 and readings["skin", 1].metric == "R²"
    for level in (1, 2, None):
        chance = readings["beard", level]
        assert chance.metric == "AUROC" and chance.low < 0.55 and chance.high > 0.45
    for reading in found.readings:
        assert reading.low <= reading.value <= reading.high


def test_a_number_is_predicted_by_the_line_through_the_training_images(flow: MultiScaleFlow, marked: ImageData) -> None:
    found = attributes.measure_attributes(flow, marked, seed=3, limit=60)
    assert (found.train_images, found.test_images) == (60, 120)
    assert attributes.measure_attributes(flow, marked, limit=1000).train_images == 400
    along = found.moves["skin"][0].ravel()
    scores, skins = {}, {}
    for part, pixels in (("train", marked.train[:60]), ("test", marked.test)):
        x = dequantise(to_tensor(pixels), generator_for(3, f"attributes of {part}"))
        scores[part] = flow.encode(x).levels[0].flatten(1).double().numpy() @ along
        skins[part] = attributes.attribute_values(marked, part)["skin"][: len(pixels)]
    covariance = np.cov(scores["train"], skins["train"])
    predicted = skins["train"].mean() + covariance[0, 1] / covariance[0, 0] * (scores["test"] - scores["train"].mean())
    error, total = (np.mean((skins["test"] - guess) ** 2) for guess in (predicted, skins["test"].mean()))
    (reading,) = (row for row in found.readings if (row.attribute, row.level) == ("skin", 1))
    assert reading.value == pytest.approx(1 - error / total, abs=1e-4)
    # A line through the test images themselves would fit them better.
    assert reading.value < np.corrcoef(scores["test"], skins["test"])[0, 1] ** 2 - 0.001


def test_an_attribute_that_does_not_vary_is_named_and_has_no_readings(flow: MultiScaleFlow, marked: ImageData) -> None:
    hat, skin = (marked.factors[name] for name in ("hat", "skin_color"))
    factors = {
        **marked.factors,
        "hat": Factor(np.full_like(hat.train, "variant02"), hat.test),
        "skin_color": Factor(skin.train, np.full_like(skin.test, "#8d5524")),
    }
    found = attributes.measure_attributes(flow, replace(marked, factors=factors)).to_dict()
    assert found["constant"] == ("hat", "skin")
    names = [name for name in FACES if name not in found["constant"]]
    assert list(found["directions"]) == names and {row["attribute"] for row in found["readings"]} == set(names)
    assert np.isfinite([row[key] for row in found["readings"] for key in ("value", "low", "high", "length")]).all()
    # Where nothing varies there is nothing to read.
    alike = {name: Factor(*(np.full_like(part, part[0]) for part in factor)) for name, factor in factors.items()}
    nothing = attributes.measure_attributes(flow, replace(marked, factors=alike))
    assert set(nothing.constant) == set(FACES) and nothing.readings == () and nothing.moves == {}


@pytest.mark.slow
def test_letters_and_faces_have_the_attributes_that_are_promised() -> None:
    assert list(attributes.attribute_values(load("faces16"), "train")) == FACES
    letters = attributes.attribute_values(load("letters32"), "test")
    assert [name for name in letters if not name.startswith("letter")] == ["ink", "paper", "light", "rotation", "grain"]
    assert sum(letters[f"letter {letter}"].sum() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 1000


def test_lightness_is_the_grey_level_that_pillow_makes_of_a_colour(marked: ImageData) -> None:
    inks = np.array([[200, 30, 40], [20, 180, 60], [10, 40, 220]], np.float32)
    letters = {"letter": np.array(list("ABA")), "ink": inks, "paper": 255 - inks, "rotation": np.zeros(3)}
    grain = np.array([1.0, 2.0, 8.0], np.float32)
    letters |= {"light": grain, "light_direction": np.array([0, 1, np.pi], np.float32), "grain": grain}
    written = replace(marked, factors={name: Factor(values, values) for name, values in letters.items()})

    def grey(colour: tuple[int, ...] | str) -> int:
        return Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0))

    found = attributes.attribute_values(written, "test")
    assert found["grain"] / np.log(2) == pytest.approx([0, 1, 3])
    assert found["light"] == pytest.approx([1, 2 * np.cos(1), -8])  # from the right
    skins = [grey(colour) for colour in marked.factors["skin_color"].test.tolist()]
    assert len(set(skins)) == 2 and attributes.attribute_values(marked, "test")["skin"] == pytest.approx(skins, abs=1)
    for name in ("ink", "paper"):
        expected = [grey(tuple(colour)) for colour in letters[name].astype(int).tolist()]
        assert attributes.attribute_values(written, "test")[name] == pytest.approx(expected, abs=1)


def test_readings_that_overflow_are_refused_with_their_level(flow: MultiScaleFlow, marked: ImageData) -> None:
    """Of noise that is finite, as in a file of a stranger."""
    x = dequantise(to_tensor(marked.train[:40]), generator_for(0, "attributes of train"))
    near = flow.encode(x).levels
    values = {"skin": attributes.attribute_values(marked, "train")["skin"][:40]}
    moves = {"skin": [level[0].numpy() for level in near]}
    assert len(attributes._readings(moves, (near, values), (near, values))) == 3
    far, moves = [1e25 * level for level in near], {"skin": [1e25 * level[0].numpy() for level in near]}
    with pytest.raises(NonFiniteError, match="Level 1 of the flow gave .* while reading an attribute"):
        attributes._readings(moves, (far, values), (far, values))


def test_the_command_line_prints_what_json_can_hold(flow: MultiScaleFlow, marked: ImageData, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "tiny.safetensors", flow, tiny_info(flow))
    few = replace(marked, test=marked.test[:40], factors={
        name: Factor(factor.train, factor.test[:40]) for name, factor in marked.factors.items()
    })  # fmt: skip
    found = json.loads(json.dumps(analyse(checkpoint.load(tmp_path / "tiny.safetensors"), few, "attributes")))
    assert found["what"] == "attributes" and found["test_images"] == 40
    assert {row["attribute"] for row in found["readings"]} == set(FACES)
    expected = attributes.measure_attributes(flow, few).moves
    for name, levels in found["directions"].items():
        for level, (printed, direction) in enumerate(zip(levels, expected[name], strict=True), 1):
            assert np.array(printed) == pytest.approx(direction, abs=1e-5)
            (row,) = (row for row in found["readings"] if (row["attribute"], row["level"]) == (name, level))
            unit = 1.0 if row["metric"] == "AUROC" else attributes.attribute_values(few, "train")[name].std()
            assert row["length"] == pytest.approx(unit * np.linalg.norm(direction), rel=1e-3)
