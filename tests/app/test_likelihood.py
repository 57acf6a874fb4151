"""The Likelihood page: predict first, then two charts and one sentence."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eiwflow import checkpoint
from eiwflow.analysis import compression
from eiwflow.analysis.analyse import analyse
from eiwflow.compression.archive import decompress
from eiwflow.data import load
from eiwflow.ui.own.photos import PHOTOS
from eiwflow.ui.own.pictures import PICTURES

from .conftest import picture_bytes, sentences, visit_page, write_checkpoint

#: Opens the page by a link with these parameters.
open_likelihood = partial(visit_page, "pages/10_likelihood.py")


@pytest.fixture
def one(bundle: Path) -> Path:
    """Return the folder of checkpoints with one flow."""
    write_checkpoint(bundle / "one.safetensors")
    return bundle


def assert_answered(at: AppTest) -> None:
    """Two charts and a takeaway, and no traceback."""
    assert not at.exception and not at.error
    assert len(at.get("plotly_chart")) == 2 and 'class="eiw-takeaway"' in sentences(at)


@pytest.mark.slow
def test_ones_own_pictures_stand_beside_the_others_with_the_numbers_of_the_command(
    one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{seed}.png": picture_bytes(seed=seed) for seed in (3, 1, 2)}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    opened = checkpoint.load(one / "one.safetensors")
    said = analyse(opened, load("photos32"), "likelihood", image=13, also=[str(tmp_path)])
    rows = [row for row in said["auroc"] if row["group"] == tmp_path.name]
    assert len(rows) == len(said["auroc"]) // len({row["group"] for row in said["auroc"]})
    monkeypatch.setenv("EIWFLOW_DATA_ROOTS", str(tmp_path))
    for also, name in ((PICTURES.keep(files), "your pictures"), (str(tmp_path), "your folder")):
        at = open_likelihood(guess=name, also=also)
        assert_answered(at)
        assert at.query_params["also"] == also
        bits, aurocs = (json.loads(chart.proto.spec) for chart in at.get("plotly_chart"))
        assert any(name in tick for tick in bits["layout"]["yaxis"]["ticktext"])
        for trace, row in zip((trace for trace in aurocs["data"] if trace.get("error_x")), rows, strict=False):
            assert (trace["text"][-1], trace["x"][-1]) == (name, round(row["auroc"], 5))
            assert row["high"] - row["low"] > 0.4  # three pictures tell little


def test_own_pictures_that_are_gone_or_refused_are_named_and_the_others_stay(
    one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EIWFLOW_DATA_ROOTS", str(tmp_path))
    for also, words in (
        ("upload-0123456789ab", "“upload-0123456789ab”"),
        ("/etc", "reads no images there"),
        (str(tmp_path), "holds 0 pictures"),
        ("photos32", "is no folder"),
    ):
        at = open_likelihood(guess="blurred", also=also)
        assert not at.exception and words in at.error[0].value and len(at.get("plotly_chart")) == 2
    at.button(key="put-away").click().run()
    assert_answered(at)
    assert "also" not in at.query_params


def test_an_archive_of_test_images_and_of_ones_own_photo_holds_what_the_page_says(one: Path) -> None:
    at = open_likelihood()
    said = re.search(r"(\d+) test images take ([\d,]+) bytes", sentences(at))
    assert said is not None and not at.exception
    assert "compress one photos32 --out" in at.code[-2].value
    key = PHOTOS.keep({"mine.png": picture_bytes(seed=1)})
    at = open_likelihood(photo=key)
    said = re.search(r"The photo, (\d+)×(\d+) pixels, takes ([\d,]+) bytes; lossless WebP", sentences(at))
    assert said is not None and not at.exception
    flow = checkpoint.load(one / "one.safetensors").flow
    made = compression.compress_photo(flow, PHOTOS.shelf._values[key])  # as small as the server keeps it
    (again,) = decompress(flow, made.content)
    assert f"{len(made.content):,}" == said[3]
    assert again.pixels.shape[:2] == (int(said[2]), int(said[1]))
