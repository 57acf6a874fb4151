"""The front page: every choice moves it, every link opens it, and what is missing is said in a sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from eiwflow.data import load
from eiwflow.training.recipe import Recipe
from eiwflow.training.run_directory import RunDirectory
from eiwflow.ui.shell.reproduce import OF_A_PHOTO
from eiwflow.ui.sources import checkpoints, data_sets

from .conftest import picture_bytes, run_app, sentences, small_flow, url, write_checkpoint

Open = Callable[..., AppTest]


def assert_healthy(at: AppTest) -> None:
    """A strip, a chart, and neither an error nor a traceback."""
    assert not at.exception and not at.error
    assert "eiw-strip" in sentences(at) and at.get("plotly_chart")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("image", "-1"), ("image", "9" * 40), ("seed", "²"), ("seed", ""),
    ],
)  # fmt: skip
def test_a_link_to_no_such_number_is_said_and_another_shown(open_app: Open, key: str, text: str) -> None:
    at = open_app(**{key: text})
    assert_healthy(at)
    assert len(at.info) == 1
    assert text[:40] in at.info[0].value.replace("\\", "").replace("\u2060", "")
    at.run()
    assert not at.info


def test_a_photo_is_shown_and_stands_in_the_url(open_app: Open) -> None:
    at = open_app()
    before = sentences(at)
    at.file_uploader(key="upload-photo-0").upload("mine.png", picture_bytes(), "image/png").run()
    assert_healthy(at)
    assert (key := url(at)["photo"]) != "none" and sentences(at) != before
    assert not at.code and OF_A_PHOTO in sentences(at)
    assert url(run_app(photo=key))["photo"] == key  # another tab of the same server
    assert sentences(run_app()) == before


def test_nothing_but_broken_checkpoints_leaves_a_page_that_says_so(bundle: Path) -> None:
    (bundle / "a.safetensors").write_bytes(b"")
    at = run_app()
    assert not at.exception and not at.get("plotly_chart")
    assert "a.safetensors is not a usable checkpoint" in at.error[0].value


def test_runs_at_rest_can_be_chosen_and_one_under_way_cannot(bundle: Path) -> None:
    """One that was killed while it trained is at rest; one that was killed while it was deleted is none any more."""
    write_checkpoint(bundle / "one.safetensors")
    runs = {}
    for name, state in (("finished", "finished"), ("stopped", "stopped"), ("alive", "running"), ("killed", "running"),
                        ("half deleted", "finished")):  # fmt: skip
        run = RunDirectory.create(bundle.parent / "runs", Recipe(), "")
        write_checkpoint(run.last_checkpoint, small_flow(split="random", permutation_seed=len(runs)))
        run.set_status(state, 1)
        runs[name] = run
    half = runs["half deleted"].path
    half.rename(half.with_name(f".{half.name}.0123abcd"))
    with runs["alive"].held():
        at = run_app()
    listed = at.selectbox(key="ck").options
    assert listed[0] == "one" and len(set(listed)) == 4 and all(name.startswith("yours, ") for name in listed[1:])
    digest = hashlib.sha256(runs["stopped"].last_checkpoint.read_bytes()).hexdigest()[:12]
    at.selectbox(key="ck").set_value(digest).run()
    assert_healthy(at)
    assert url(at)["ck"] == digest
    assert f"evaluate {runs['stopped'].path}" in at.code[0].value


def test_images_that_were_padded_and_resized_are_kept_apart() -> None:
    padded, resized = (data_sets.images("photos32", (3, 64, 64), 2**levels) for levels in (6, 5))
    assert padded.test.shape == resized.test.shape and not torch.equal(padded.test, resized.test)
    assert padded.key != resized.key and (padded.remade, resized.remade) == (False, True)


@pytest.mark.parametrize("is_large", [True, False])
def test_averages_of_a_large_flow_are_over_the_first_images(monkeypatch: pytest.MonkeyPatch, is_large: bool) -> None:
    monkeypatch.setattr(checkpoints, "is_large", lambda config: is_large)
    monkeypatch.setattr(checkpoints, "FEW_IMAGES", 5)
    pixels, grain = torch.arange(18, dtype=torch.uint8).view(18, 1, 1, 1), np.arange(9.0)
    images = data_sets.Images(
        "s", pixels[9:], pixels[:9], "A note.", False, (4, 1, 1, 0, 2, 2, 3, 3, 4), {"grain": grain}
    )
    few = data_sets.few(images, small_flow().config)
    count = 5 if is_large else 9
    assert few.test.flatten().tolist() == list(range(count))
    assert few.reference.flatten().tolist() == list(range(9, 9 + count))
    assert few.sources == images.sources[:count] and few.factors["grain"].tolist() == list(range(count))
    assert few.note.startswith("A note.") and ("over the first 5 test images" in few.note) is is_large


def test_images_that_were_made_to_fit_keep_their_photographs() -> None:
    loaded = load("photos32")
    made = data_sets.images("photos32", (1, 16, 16), 4)
    assert made.remade and made.sources == tuple(loaded.test_source.tolist())
    assert len(made.test) == len(made.sources)
    # Each picture is that of its photograph: a grey one is the mean of its tile's colours, up to weights of colours.
    tiles = loaded.test.mean(axis=(1, 2, 3))
    pictures = made.test.double().mean(dim=(1, 2, 3)).numpy()
    assert np.corrcoef(tiles, pictures)[0, 1] > 0.98
