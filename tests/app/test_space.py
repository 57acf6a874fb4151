"""The Space page: two images, the way between them, and draws."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shlex
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from eiwflow import cli, ui
from eiwflow.data import fitted, load
from eiwflow.ui.own.photos import PHOTOS
from eiwflow.ui.sources import checkpoints

from .conftest import (
    choose_image,
    figures_of,
    picture_bytes,
    sentences,
    small_flow,
    url,
    visit_page,
    write_checkpoint,
)

#: Opens the page by a link with these parameters.
open_space = partial(visit_page, "pages/7_space.py")


def choose(at: AppTest, key: str, value: int) -> AppTest:
    """Choose an image, as a strip of thumbnails does when one of them is pressed."""
    at.session_state[key] = at.session_state[f"_{key}"] = value
    return at


def assert_healthy(at: AppTest) -> None:
    """Strips, a chart, and neither an error nor a traceback."""
    assert not at.exception and not at.error
    assert "From A towards B, all levels" in sentences(at) and at.get("plotly_chart")


@pytest.fixture
def one(bundle: Path) -> Path:
    """Return the folder of checkpoints with a flow of three levels."""
    write_checkpoint(bundle / "one.safetensors", small_flow(levels=3))
    return bundle


def upload(at: AppTest, content: bytes) -> AppTest:
    """Return the page after a file was given as photo B."""
    uploader = next(box for box in at.file_uploader if box.key.startswith("upload-photo_b-"))
    return uploader.upload("mine.png", content, "image/png").run()


def test_first_visit_answers_the_question(one: Path) -> None:
    at = open_space()
    assert_healthy(at)
    assert at.title[0].value == "What lies between two images?"
    assert "moves the picture most" in sentences(at) and "Half-way the straight line has a norm" in sentences(at)
    assert "level 1 alone (50 %)" in sentences(at) and "level 3 alone (25 %)" in sentences(at)
    assert not at.info
    labels = {button.label for button in at.get("download_button")}
    assert labels == {"Moved (CSV)", "Norms (CSV)", "Way (GIF)", "Latents (NPZ)"}


@pytest.mark.slow
def test_every_choice_moves_the_page(one: Path) -> None:
    at = open_space()
    seen = {sentences(at)}
    moves = {
        "A": lambda: choose_image(at, 40),
        "B": lambda: choose(at, "b", 50),
        "path": lambda: at.segmented_control(key="path").set_value("line"),
        "temperature": lambda: at.slider(key="t3").set_value(0.0),
        "seed": lambda: at.number_input(key="seed").set_value(7),
    }
    for name, move in moves.items():
        move().run()
        assert_healthy(at)
        assert sentences(at) not in seen, f"{name} changed nothing"
        seen.add(sentences(at))
    assert "1.0,1.0,0.0" in at.code[0].value


def test_a_link_opens_what_it_names(one: Path) -> None:
    at = open_space(image="5", b="7", path="line", t1="0.25")
    assert_healthy(at)
    assert url(at)["b"] == "7" and at.segmented_control(key="path").value == "line"
    assert at.slider(key="t1").value == 0.25


@pytest.mark.parametrize("bad", [{"b": "99999", "path": "zigzag", "t1": "9"}, {"b": "x", "t1": "nan"}])
def test_a_link_to_what_is_not_here_shows_something_else(one: Path, bad: dict[str, str]) -> None:
    assert_healthy(open_space(**bad))


@pytest.mark.slow
def test_both_ends_may_be_ones_own_photos(one: Path) -> None:
    at = open_space(photo=PHOTOS.keep({"mine.png": picture_bytes(seed=1)}))
    before = sentences(at)
    at = upload(at, picture_bytes(seed=2))
    assert_healthy(at)
    key = hashlib.sha256(picture_bytes(seed=2)).hexdigest()[:32]
    assert url(at)["photo_b"] == key and url(at)["photo"] != key and sentences(at) != before
    assert_healthy(open_space(photo_b=key))  # another tab of the same server
    next(button for button in at.button if button.label == "B back to the test images").click().run()
    assert "photo_b" not in url(at) and sentences(at) == before


def test_a_file_that_is_no_picture_is_refused_in_a_sentence(one: Path) -> None:
    at = upload(open_space(), b"not a picture")
    assert not at.exception and "mine.png" in at.error[0].value and "cannot be read" in at.error[0].value
    assert "photo_b" not in url(at) and "From A towards B" in sentences(at)
    at.run()
    assert not at.error


def blends(at: AppTest) -> list[dict]:
    """Return what the big pictures are given."""
    return [json.loads(one.proto.json) for one in at.get("bidi_component") if one.proto.component_name == "blend"]


def test_the_big_picture_has_its_frames_ahead_and_stands_where_the_link_says(one: Path) -> None:
    (shown,) = blends(open_space(t="0.25", image="5", b="7"))
    assert shown["last"] == 32 and shown["start"] == 8
    for bad in ("x", "7", "nan"):
        assert blends(open_space(t=bad))[0]["start"] == 16
    sheet, a, b = (decoded(shown[name]) for name in ("sheet", "a", "b"))
    assert sheet.shape == (32, 33 * 32, 3)
    for picture, frame, number in ((a, sheet[:, :32], 5), (b, sheet[:, -32:], 7)):
        expected = load("photos32").test[number]
        assert np.array_equal(picture, expected) and np.array_equal(frame, expected)


def decoded(uri: str) -> np.ndarray:
    """Return the pixels of a data URI."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_levels_that_stay_are_those_of_a(one: Path) -> None:
    at = open_space()
    whole = blends(at)[0]["sheet"]
    at.button_group(key="moving").set_value([3]).run()
    assert not at.exception and blends(at)[0]["sheet"] != whole
    at.button_group(key="moving").set_value([]).run()
    sheet = decoded(blends(at)[0]["sheet"])
    frames = np.split(sheet, 33, axis=1)
    assert all(np.array_equal(frame, frames[0]) for frame in frames)


# ---------------------------------------------------------------------- beside another checkpoint


@pytest.fixture
def two(one: Path) -> Path:
    """Return the folder of checkpoints with a second flow, of two levels."""
    write_checkpoint(one / "two.safetensors", small_flow(split="variance-reversed", steps=2))
    return one


def test_two_checkpoints_go_the_same_way_on_the_same_axes(two: Path) -> None:
    at = open_space(ck="one", vs="two", b="7")
    assert_healthy(at)
    said = sentences(at)
    assert said.count("From A towards B, all levels") == 2 and said.count(">level 3 alone") == 1
    assert " in one (" in said and " in two (" in said and "no verdict" in said
    norms, second = (figures_of(at)[key] for key in ("norms", "norms-second"))
    assert norms["layout"]["yaxis"]["range"] == second["layout"]["yaxis"]["range"] and norms["data"] != second["data"]


def test_temperatures_are_shared_level_by_level(two: Path) -> None:
    at = open_space(ck="two", vs="one", t1="0.25", t3="0.5")
    assert_healthy(at)
    assert [slider.key for slider in at.slider] == ["t1", "t2", "t3"]
    assert "temperatures 0.25 (level 1), 1 (level 2)." in sentences(at)
    assert "temperatures 0.25 (level 1), 1 (level 2), 0.5 (level 3)." in sentences(at)


def test_images_of_another_size_go_the_way_too(two: Path) -> None:
    write_checkpoint(two / "small.safetensors", small_flow(shape=(3, 16, 16)))
    at = open_space(ck="one", vs="small", photo_b=PHOTOS.keep({"mine.png": picture_bytes(seed=2)}))
    assert_healthy(at)
    assert sentences(at).count("From A towards B, all levels") == 2 and not at.code


@pytest.mark.parametrize("large", [False, True])
def test_flows_of_other_shapes_show_the_same_images(two: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """Image 40 of a set that is made to fit is no other image, nor are 40 and 41 of a large flow its last ones."""
    write_checkpoint(two / "small.safetensors", small_flow(shape=(3, 16, 16)), data="faces16")
    monkeypatch.setattr(checkpoints, "is_large", lambda config: large and config.shape[1] == 32)
    monkeypatch.setattr(checkpoints, "FEW_IMAGES", 12)
    at = open_space(ck="small", vs="one", data="faces16", image="40", b="41")
    assert_healthy(at)
    first, second = blends(at)
    for end, number in (("a", 40), ("b", 41)):
        source = load("faces16").test[number : number + 1]
        assert np.array_equal(decoded(first[end]), source[0])
        assert np.array_equal(decoded(second[end]), fitted(source, (3, 32, 32))[0].permute(1, 2, 0))
    assert not at.info


def test_columns_say_where_one_flow_takes_a_crop_and_the_other_the_whole_image(two: Path) -> None:
    write_checkpoint(two / "small.safetensors", small_flow(shape=(3, 16, 16)), data="faces16")
    said = [info.value for info in open_space(ck="small", vs="one", data="photos32").info]
    assert said == [
        "Of each test image, “small” takes a crop of 16×16 pixels and “one” takes all of it: the columns compare "
        "different parts."
    ]


@pytest.mark.slow
def test_the_command_line_prints_what_the_page_shows_of_the_straight_line(
    two: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    exported: list[dict] = []
    monkeypatch.setattr(ui, "exports", lambda page, tables: exported.append(tables))
    at = open_space(ck="one", vs="two", image="5", b="7", seed="3", path="line")
    assert_healthy(at)
    commands = [shlex.split(line)[3:] for line in at.code[0].value.splitlines() if " analyse " in line]
    assert len(commands) == len(exported) == 2
    for command, shown in zip(commands, exported, strict=True):
        command[1] = str(two / f"{command[1]}.safetensors")
        capsys.readouterr()
        assert cli.main(command) == 0
        printed = json.loads(capsys.readouterr().out)
        for name, rows in (("levels", shown["moved"]), ("norms", shown["norms"])):
            assert len(rows) == len(printed[name])
            for row, other in zip(rows, printed[name], strict=True):
                assert row == pytest.approx(other, abs=1e-5)
        assert printed["path"] == "linear"
        for words in ("words", "norms_in_words", "ends_in_words"):
            assert printed[words] in sentences(at)
