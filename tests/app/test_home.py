"""The front page: every choice moves it, every link opens it, and what is missing is said in a sentence."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from eiwflow.analysis.subjects import Look
from eiwflow.data import load
from eiwflow.data.camera import grain_entropy
from eiwflow.training.recipe import Recipe
from eiwflow.training.run_directory import RunDirectory
from eiwflow.ui.shell import reproduce
from eiwflow.ui.sources import checkpoints, data_sets

from .conftest import choose_image, picture_bytes, run_app, sentences, small_flow, url, write_checkpoint

Open = Callable[..., AppTest]


def assert_healthy(at: AppTest) -> None:
    """A strip, a chart, and neither an error nor a traceback."""
    assert not at.exception and not at.error
    assert "eiw-strip" in sentences(at) and at.get("plotly_chart")


def test_first_visit_answers_the_question_and_writes_the_whole_url(open_app: Open) -> None:
    at = open_app()
    assert_healthy(at)
    assert at.title[0].value == "What happens to an image in a multi-scale flow?"
    assert "bits per value for this image. A Gaussian per colour needs" in sentences(at)
    assert set(url(at)) == {"ck", "vs", "data", "image", "photo", "level", "seed"}
    assert not at.info
    assert {button.label for button in at.get("download_button")} == {"Levels (CSV)", "Channels (CSV)"}
    shown = sentences(at)  # the table is headed by the field's words
    assert "values factored out" in shown and "redundancy passed on, nats/pixel" in shown
    assert "numbers that leave" not in shown and "J of what" not in shown


@pytest.mark.slow
def test_every_choice_moves_the_page_and_stands_in_the_url(open_app: Open) -> None:
    at = open_app()
    seen = {sentences(at)}
    moves = {
        "image": lambda: choose_image(at, 40),
        "seed": lambda: at.number_input(key="seed").set_value(7),
        "data": lambda: at.selectbox(key="data").set_value("faces16"),
        "ck": lambda: at.selectbox(key="ck").set_value("two"),
    }
    for key, move in moves.items():
        move().run()
        assert_healthy(at)
        assert sentences(at) not in seen, f"{key} changed nothing"
        seen.add(sentences(at))
    assert {key: url(at)[key] for key in moves} == {
        "image": "40",
        "seed": "7",
        "data": "faces16",
        "ck": "two",
    }


def test_the_floor_of_an_image_is_that_of_its_own_grain(bundle: Path) -> None:
    write_checkpoint(bundle / "faces.safetensors", small_flow(shape=(3, 16, 16)), data="faces16")
    at = run_app(image="5")
    assert_healthy(at)
    floor = grain_entropy(load("faces16").factors["grain"].test[5:6])[0]
    assert f"grain alone: {floor:.2f}" in json.dumps(json.loads(at.get("plotly_chart")[0].proto.spec))
    at.selectbox(key="data").set_value("photos32").run()
    assert_healthy(at)
    assert "grain alone" not in at.get("plotly_chart")[0].proto.spec


def test_a_flow_of_fewer_grey_levels_stands_beside_its_own_raw_values(bundle: Path) -> None:
    write_checkpoint(bundle / "faces.safetensors", small_flow(shape=(3, 16, 16), bits=5), data="faces16")
    at = run_app()
    assert_healthy(at)
    chart = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert [note["text"] for note in chart["layout"]["annotations"]] == ["raw values of 32 grey levels: 5 bits"]
    assert "grain" not in at.get("plotly_chart")[0].proto.spec and "all 768 values of 32 grey levels" in sentences(at)


def test_a_link_opens_what_it_names(open_app: Open) -> None:
    at = open_app(ck="two", data="faces16", image="5", seed="3", level="2", step="7")
    assert_healthy(at)
    assert not at.info
    assert url(at)["level"] == "2" and url(at)["step"] == "7"  # other pages keep them there
    assert at.selectbox(key="ck").value == "two" and at.session_state["image"] == 5
    assert "does not weight them" in sentences(at)
    assert "trained on photos32" in sentences(at)


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


def test_a_photo_is_shown_and_stands_in_the_url_by_its_content(open_app: Open) -> None:
    at = open_app()
    before = sentences(at)
    at.file_uploader(key="upload-photo-0").upload("mine.png", picture_bytes(), "image/png").run()
    assert_healthy(at)
    key = hashlib.sha256(picture_bytes()).hexdigest()[:32]
    assert url(at)["photo"] == key and sentences(at) != before
    assert not at.code and reproduce.OF_A_PHOTO in sentences(at)
    assert url(run_app(photo=key))["photo"] == key  # another tab of the same server
    at.button[0].click().run()
    assert url(at)["photo"] == "none" and sentences(at) == before


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
    assert set(at.selectbox(key="ck").options) == {
        "one",
        *(f"run {runs[name].path.name}" for name in ("finished", "stopped", "killed")),
    }
    digest = hashlib.sha256(runs["stopped"].last_checkpoint.read_bytes()).hexdigest()[:12]
    at.selectbox(key="ck").set_value(digest).run()
    assert_healthy(at)
    assert url(at)["ck"] == digest
    assert f"evaluate {runs['stopped'].path}" in at.code[0].value


def test_a_run_and_its_copy_can_both_be_chosen(bundle: Path) -> None:
    run = RunDirectory.create(bundle.parent / "runs", Recipe(), "")
    write_checkpoint(run.last_checkpoint)
    run.set_status("finished", 1)
    copy = RunDirectory(shutil.copytree(run.path, run.path.with_name("a copy")))
    files = checkpoints.checkpoint_files()
    keys = {file.path: key for key, file in files.items()}
    assert set(keys) == {run.last_checkpoint, copy.last_checkpoint}
    assert all(file.key == key for key, file in files.items())
    for one in (run, copy):
        at = run_app(ck=keys[one.last_checkpoint])
        assert_healthy(at)
        assert f"evaluate {shlex.quote(str(one.path))}" in at.code[0].value


@pytest.mark.slow
def test_data_are_made_to_fit_a_flow_of_another_shape_and_the_page_says_so(bundle: Path) -> None:
    write_checkpoint(bundle / "flow.safetensors", small_flow(shape=(3, 64, 64), levels=5), data="/home/someone/photos")
    at = run_app()
    assert_healthy(at)
    assert "resized and recoloured" in sentences(at) and "trained on /home/someone/photos" in sentences(at)
    assert not at.code and reproduce.OF_REMADE in sentences(at)


@pytest.mark.slow
def test_padded_images_are_said_to_be_and_the_command_line_pads_them_too(bundle: Path) -> None:
    write_checkpoint(bundle / "flow.safetensors", small_flow(shape=(3, 64, 64), levels=6))
    at = run_app()
    assert_healthy(at)
    assert "photos32: 32×32 images are zero-padded to 64×64." in sentences(at)
    assert "evaluate flow --data photos32" in at.code[0].value


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


def test_a_link_of_an_older_lesson_leads_to_the_lesson(open_app: Open) -> None:
    at = open_app(lesson="1")
    assert not at.exception and at.get("bidi_component") and not at.title


def test_the_recipe_prints_the_average_that_the_page_shows(open_app: Open) -> None:
    at = open_app()
    command = at.code[0].value.splitlines()[1]
    assert command == f"python -m eiwflow evaluate one --data photos32 --limit {checkpoints.SURVEY_IMAGES} --json"
    checkpoint = checkpoints.open_checkpoint(checkpoints.checkpoint_files()["one"])
    images = data_sets.images("photos32", (3, 32, 32), 4)
    shown = checkpoint, "photos32", images.reference, images.test, images.sources, images.test[:1], 1, 0
    look = Look(*shown, takes_first=images.takes_first)
    average, _ = look.measure("survey")
    scores = checkpoint.flow.bits_per_dim(images.test[: checkpoints.SURVEY_IMAGES], torch.Generator().manual_seed(0))
    assert average.mean[-1] == pytest.approx(scores.mean().item(), abs=1e-4)


def test_images_that_were_made_to_fit_keep_their_photographs() -> None:
    loaded = load("photos32")
    made = data_sets.images("photos32", (1, 16, 16), 4)
    assert made.remade and made.sources == tuple(loaded.test_source.tolist())
    assert len(made.test) == len(made.sources)
    # Each picture is that of its photograph: a grey one is the mean of its tile's colours, up to weights of colours.
    tiles = loaded.test.mean(axis=(1, 2, 3))
    pictures = made.test.double().mean(dim=(1, 2, 3)).numpy()
    assert np.corrcoef(tiles, pictures)[0, 1] > 0.98
