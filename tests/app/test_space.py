"""The Space page: two images, the way between them, and draws."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from eiwflow.data import fitted, load
from eiwflow.ui.own.photos import PHOTOS
from eiwflow.ui.sources import checkpoints

from .conftest import (
    picture_bytes,
    sentences,
    small_flow,
    url,
    visit_page,
    write_checkpoint,
)

#: Opens the page by a link with these parameters.
open_space = partial(visit_page, "pages/7_space.py")


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


def blends(at: AppTest) -> list[dict]:
    """Return what the big pictures are given."""
    return [json.loads(one.proto.json) for one in at.get("bidi_component") if one.proto.component_name == "blend"]


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
