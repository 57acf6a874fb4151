"""The Checkpoint page: it opens any file of ours, refuses any other in a table, and its numbers are the analysis'."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from eiwflow import cli, project
from eiwflow.analysis import entropy
from eiwflow.analysis.evaluate import evaluate
from eiwflow.analysis.words import checkpoint as words
from eiwflow.checkpoint import load
from eiwflow.data import load as load_data
from eiwflow.ui.own import images as own_images
from eiwflow.ui.own.images import IMAGES
from eiwflow.ui.sources import checkpoints

from .conftest import recipe, sentences, small_flow, url, visit_page, write_checkpoint

Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page says is tested here, not how well it estimates."""
    monkeypatch.setattr(entropy, "IMAGES", 16)
    monkeypatch.setattr(own_images, "MAX_SCORED", 24 * 3072)


@pytest.fixture
def open_page(two_and_three_levels: Path) -> Open:
    """Return a function that opens the page with a URL's parameters, on two small checkpoints."""
    return page_at


#: Opens the page by a link with these parameters.
page_at = partial(visit_page, "pages/8_checkpoint.py")


def upload(at: AppTest, box: str, name: str, content: bytes) -> AppTest:
    """Return the page after a file was put into the box whose key begins so."""
    uploader = next(uploader for uploader in at.file_uploader if uploader.key.startswith(box))
    return uploader.upload(name, content, "application/octet-stream").run()


def archive(seed: int = 0, size: int = 32, channels: int = 3, count: int = 12, greys: int = 256) -> bytes:
    """Return images of noise as the bytes of an archive."""
    random, file = np.random.default_rng(seed), io.BytesIO()
    train, test = (random.integers(0, greys, (count, size, size, channels), dtype=np.uint8) for _ in range(2))
    np.savez(file, train=train, test=test)
    return file.getvalue()


def assert_healthy(at: AppTest, charts: int = 1) -> None:
    """Strip, charts, table, and neither an error nor a traceback."""
    assert not at.exception and not at.error, [each.value for each in at.error]
    assert "<h4>Level 1</h4>" in sentences(at) and "whole flow" in sentences(at)
    assert len(at.get("plotly_chart")) == charts


@pytest.mark.slow
def test_own_images_are_scored_in_place_of_the_data_set(open_page: Open, tmp_path: Path) -> None:
    at = open_page()
    before = sentences(at)
    at = upload(at, "upload-own", "my images.npz", archive())
    assert_healthy(at)
    assert "on 12 test images of my images.npz" in sentences(at)
    assert "--data 'my images.npz'" in recipe(at)
    (tmp_path / "my.npz").write_bytes(archive())
    file = load(checkpoints.checkpoint_files()["one"].path)
    known = words.score(evaluate(file.flow, load_data(tmp_path / "my.npz", multiple=4)), file.info)
    assert known.split(" bits/dim")[0] in sentences(at)
    # Another file of the same name and size has a score of its own, in another tab of the same server.
    (tmp_path / "my.npz").write_bytes(archive(greys=64))
    other = words.score(evaluate(file.flow, load_data(tmp_path / "my.npz", multiple=4)), file.info)
    shown = page_at(own=IMAGES.keep({"my images.npz": archive(greys=64)}))
    assert_healthy(shown)
    assert other.split(" bits/dim")[0] in sentences(shown) and other.split(" bits/dim")[0] not in known
    next(button for button in at.button if button.label == "Back to the data set").click().run()
    assert "own" not in url(at) and sentences(at) == before


@pytest.mark.slow
def test_a_flow_given_a_class_is_scored_on_own_images_of_it_as_by_its_command(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    measured = {"test_bits_per_dim": 4.0, "cpu_seconds": 60.0}  # as every bundled flow says
    facts = {"labels": "label", "classes": ("0", "1", "2"), "metrics": measured}
    write_checkpoint(bundle / "one.safetensors", small_flow(context=3), data="mine", **facts)
    labels, file = np.arange(12) % 3 % 2, io.BytesIO()
    with np.load(io.BytesIO(archive())) as parts:
        names = {"source_names": np.array(list("abcdef")), "train_source": np.arange(12) // 4}
        sources = names | {"test_source": 3 + np.arange(12) // 4}
        np.savez(file, **parts, train_labels=labels, test_labels=labels, **sources)
    (tmp_path / "my.npz").write_bytes(file.getvalue())
    monkeypatch.setattr(project, "CHECKPOINTS", bundle)
    monkeypatch.chdir(tmp_path)
    for label, count in (("1", 4), ("0", 8)):
        at = page_at(label=label, own=IMAGES.keep({"my.npz": file.getvalue()}))
        assert_healthy(at)
        (command,) = (line for line in recipe(at).splitlines() if " evaluate " in line)
        assert cli.main(shlex.split(command)[3:]) == 0
        printed = json.loads(capsys.readouterr().out)
        error = f"{printed['bits_per_dim_stderr']:.3f} (standard error over 3 photographs)"
        assert printed["clusters"] == 3 and f"{printed['bits_per_dim']:.3f} ± {error} bits/dim" in sentences(at)
        assert printed["n"] == count and f"on {count} test images of" in sentences(at)
        assert f"Only images whose label is {label}." in sentences(at)
    parts = dict(np.load(io.BytesIO(file.getvalue())))
    whole = {name: parts[name] for name in ("train", "test")}
    short = whole | {f"{name}_labels": labels[1:] for name in whole}
    for arrays, count in ((whole, 12), (short, 24)):
        np.savez(changed := io.BytesIO(), **arrays)
        at = page_at(label="1", own=IMAGES.keep({"my.npz": changed.getvalue()}))
        assert f"on {count} test images of" in sentences(at) and not at.exception
        assert ("The flow is shown given label 1; my.npz" in sentences(at)) == (arrays is whole)
        refusals = [each.value.partition("has no factor 'label'; ")[2] for each in at.error]
        assert not refusals if arrays is whole else " left out: one whole number or text" in refusals[0]
    at = page_at(label="2", own=IMAGES.keep({"my.npz": file.getvalue()}))
    assert not at.exception and "Showing photos32 instead." in at.error[0].value


def test_own_images_are_unpacked_once_for_all_moves(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    key = IMAGES.keep({"mine.npz": archive(9)})
    read, unpacked = own_images.data.npz.read_npz, []

    def reading(*given: object) -> object:
        unpacked.append(given)
        return read(*given)

    monkeypatch.setattr(own_images.data.npz, "read_npz", reading)
    for seed in ("1", "2"):
        at = open_page(own=key, seed=seed)
        assert_healthy(at)
        assert "on 12 test images of" in sentences(at)
    assert len(unpacked) == 1


def test_an_archive_that_cannot_be_read_is_refused_in_a_sentence(open_page: Open) -> None:
    at = upload(open_page(), "upload-own", "mine.npz", archive(count=3))
    assert not at.exception and "mine.npz" in at.error[0].value and "3 images to train on" in at.error[0].value
    assert "own" not in url(at) and "test images of photos32" in sentences(at)
    at.run()
    assert not at.error


def test_an_archive_beyond_the_limits_is_refused(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    box = next(box for box in open_page().file_uploader if box.key.startswith("upload-own"))
    assert box.proto.max_upload_size_mb == 64
    assert own_images.MAX_UNPACKED == 128 * 2**20
    monkeypatch.setattr(own_images, "MAX_UNPACKED", 1000)
    at = upload(open_page(), "upload-own", "mine.npz", archive(seed=5))
    assert not at.exception and "1,000" in at.error[0].value and "own" not in url(at)
