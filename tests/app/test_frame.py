"""The frame of every page: a second checkpoint, a level, a checkpoint of one's own; all of it in the URL."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from eiwflow.ui.access.navigation import pages
from eiwflow.ui.common import state
from eiwflow.ui.own import checkpoints as own_checkpoints
from eiwflow.ui.shell.parts import MORE_EVIDENCE
from eiwflow.ui.shell.reproduce import OF_REMADE

from .conftest import (
    FOLDS,
    first_screen,
    picture_bytes,
    run_app,
    sentences,
    small_flow,
    url,
    visit_page,
    write_checkpoint,
)

SHUFFLE, LEVELS = "pages/4_shuffle.py", "pages/1_levels.py"


@pytest.fixture
def three(bundle: Path) -> Path:
    """Return the folder of three checkpoints: of two levels, of three levels, and trained on other images."""
    write_checkpoint(bundle / "one.safetensors")
    write_checkpoint(bundle / "two.safetensors", small_flow(split="variance-reversed", levels=3))
    write_checkpoint(bundle / "three.safetensors", small_flow(split="random"), data="faces16")
    return bundle


def said_of_levels(at: AppTest) -> list[str]:
    return [info.value for info in at.info if info.value.startswith("Level")]


def names_of_columns(at: AppTest) -> list[str]:
    return [part.split("</b>")[0] for part in sentences(at).split('eiw-column"><b>')[1:]]


def test_a_checkpoint_is_not_compared_with_itself(three: Path) -> None:
    at = visit_page(SHUFFLE, ck="one", vs="two")
    assert "one" not in at.selectbox(key="vs").options
    at.selectbox(key="ck").set_value("two").run()
    assert not at.exception and url(at)["vs"] == "none" and not names_of_columns(at)


def test_the_second_checkpoint_is_kept_on_a_page_that_has_no_place_for_it(three: Path) -> None:
    at = visit_page(LEVELS, ck="one", vs="two", level="3")
    assert (url(at)["vs"], url(at)["level"]) == ("two", "3") and not at.info
    assert "This page shows one flow. “two” stands beside it" in sentences(at)
    assert "This page shows one flow" not in sentences(visit_page(LEVELS, ck="one"))
    assert not [box for box in at.selectbox if box.key == "vs"]


@pytest.mark.slow
def test_the_level_wanted_stays_where_a_flow_has_fewer(three: Path) -> None:
    at = visit_page(SHUFFLE, ck="two", level="2")
    assert not said_of_levels(at) and at.segmented_control(key="level").value == 2
    at.selectbox(key="ck").set_value("one").run()
    assert said_of_levels(at) == ["Level 2 is the last and has no Shuffle: showing level 1."]
    assert url(at)["level"] == "2"
    at.number_input(key="seed").set_value(4).run()
    assert url(at)["level"] == "2"
    at.selectbox(key="ck").set_value("two").run()
    assert not said_of_levels(at) and at.segmented_control(key="level").value == 2
    at.segmented_control(key="level").set_value(1).run()
    assert url(at)["level"] == "1"


@pytest.mark.slow
def test_images_follow_a_checkpoint_trained_on_others_unless_chosen(three: Path) -> None:
    at = run_app(ck="one")
    assert at.selectbox(key="data").value == "photos32"
    at.selectbox(key="ck").set_value("three").run()
    assert at.selectbox(key="data").value == "faces16" and url(at)["data"] == "faces16"
    at.selectbox(key="data").set_value("photos32").run()
    at.selectbox(key="ck").set_value("one").run()
    at.selectbox(key="data").set_value("faces16").run()
    at.selectbox(key="ck").set_value("two").run()
    assert at.selectbox(key="data").value == "faces16"
    assert run_app(ck="three", data="photos32").selectbox(key="data").value == "photos32"


@pytest.mark.slow
def test_an_address_with_a_flow_and_a_data_set_shows_both_whatever_was_shown_before(three: Path) -> None:
    at = run_app(ck="three", data="letters32")
    addresses = [url(at)]
    for key, value in (("data", "photos32"), ("ck", "one")):  # that flow's own data set
        at.selectbox(key=key).set_value(value).run()
        addresses.append(url(at))
    assert [(address["ck"], address["data"]) for address in addresses] == [
        ("three", "letters32"), ("three", "photos32"), ("one", "photos32"),
    ]  # fmt: skip
    for place in (1, 2, 0, 2, 1):  # Back, Forward, twice Back, …
        at.query_params.update(addresses[place])
        at.run()
        shown = {key: at.selectbox(key=key).value for key in ("ck", "data")}
        assert url(at) == addresses[place] and shown.items() <= addresses[place].items() and not at.info


@pytest.mark.slow
def test_forward_shows_what_it_left_also_if_back_was_not_drawn_to_its_end(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = visit_page(SHUFFLE, ck="one", data="photos32", image="3", seed="7", level="1", vs="three")
    left = url(at)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(state, "write_url", lambda _: st.stop())
        at.query_params.update(ck="two", data="faces16", image="4", seed="8", level="2", vs="one")
        assert at.run().number_input(key="seed").value == 8
    at.query_params.update(left)
    at.run()
    assert not at.exception and url(at) == left
    for key, kind in (("ck", "selectbox"), ("data", "selectbox"), ("vs", "selectbox"), ("seed", "number_input")):
        assert str(getattr(at, kind)(key=key).value) == left[key]


def test_a_flow_left_before_it_was_drawn_leaves_no_data_set_behind(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = run_app(ck="one")
    before = url(at)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(state, "write_url", lambda _: st.stop())
        assert at.selectbox(key="ck").set_value("three").run().selectbox(key="data").value == "faces16"
    at.selectbox(key="ck").set_value("one").run()
    assert url(at) == before and at.selectbox(key="data").value == before["data"] == "photos32"


def own_checkpoint(tmp_path: Path, **changes: object) -> bytes:
    return write_checkpoint(tmp_path / "mine.safetensors", small_flow(**changes)).read_bytes()


@pytest.mark.slow
def test_an_uploaded_checkpoint_is_opened_and_stands_in_the_url_by_its_content(three: Path, tmp_path: Path) -> None:
    content = own_checkpoint(tmp_path, split="entropy", steps=2)
    at = run_app(ck="one")
    at.file_uploader(key="upload-more-0").upload("mine; rm -rf.safetensors", content, "").run()
    assert not at.exception and not at.error
    key = hashlib.sha256(content).hexdigest()[:32]
    assert url(at)["ck"] == key and "upload mine; rm -rf.safetensors" in at.selectbox(key="ck").options
    assert "evaluate 'mine; rm -rf.safetensors' --data" in at.code[0].value
    other = run_app(ck=key)  # a link, opened by another visitor of the same server
    assert url(other)["ck"] == key and f"upload {key}" in other.selectbox(key="ck").options
    # A visitor could give the lecturer's file a name that everybody read who sent it later.
    other.file_uploader(key="upload-more-0").upload("theirs.safetensors", content, "").run()
    assert not other.exception and "evaluate theirs.safetensors --data" in other.code[0].value
    for visitor, name in ((other, "theirs"), (at.run(), "mine; rm -rf")):
        uploads = [option for option in visitor.selectbox(key="ck").options if option.startswith("upload")]
        assert uploads == [f"upload {name}.safetensors"]
    assert "upload mine; rm -rf.safetensors" not in run_app().selectbox(key="ck").options


@pytest.mark.slow
def test_uploads_of_one_file_name_are_two_choices(three: Path, tmp_path: Path) -> None:
    contents = [own_checkpoint(tmp_path, steps=steps) for steps in (1, 2)]
    keys = [hashlib.sha256(content).hexdigest()[:32] for content in contents]
    at = run_app(ck="one")
    for time, content in enumerate(contents):  # each run saves its flow under the same name
        at.file_uploader(key=f"upload-more-{time}").upload("last.safetensors", content, "").run()
    labels = at.selectbox(key="ck").options
    assert not at.exception and labels[3:] == [f"upload last.safetensors ({key[-6:]})" for key in keys]
    for key in keys:
        at.selectbox(key="ck").set_value(key).run()
        at.number_input(key="seed").set_value(7).run()
        assert url(at)["ck"] == at.selectbox(key="ck").value == key


@pytest.mark.slow
def test_only_the_newest_uploads_are_remembered(bundle: Path, tmp_path: Path) -> None:
    keys = [
        own_checkpoints.upload().keep({"mine": own_checkpoint(tmp_path, width=width)})
        for width in range(1, own_checkpoints.upload().limits.kept + 3)
    ]
    assert [file.key for file in own_checkpoints.files(keys)] == keys[2:]


#: They measure test images, so that no image is chosen there.
OVER_TEST_IMAGES = ("pages/8_checkpoint.py",)
LOOKING = [entry.path for entry in pages() if entry.label not in ("Home", "Lesson", "Playground", "Compare", "Train")]


@pytest.mark.parametrize("path", LOOKING)
def test_every_page_says_what_to_do_where_there_is_no_checkpoint(bundle: Path, path: str) -> None:
    at = visit_page(path)
    assert not at.exception and at.title and "python -m eiwflow train" in at.error[0].value
    assert not at.get("plotly_chart")


@pytest.mark.slow
@pytest.mark.parametrize("path", LOOKING)
def test_more_evidence_is_made_when_it_is_unfolded_and_the_page_takes_a_photo_and_a_checkpoint_and_nothing_else(
    bundle: Path, tmp_path: Path, path: str
) -> None:
    write_checkpoint(bundle / "one.safetensors", small_flow(steps=2), step=0)
    folds = (MORE_EVIDENCE, *(f"fold-{name}" for name in FOLDS))

    def offered(at: AppTest) -> int:
        return len(at.get("download_button")) + len(at.get("code"))

    at = visit_page(path, guess="blurred")  # a prediction that one page waits for
    assert not at.exception and offered(at) > 1
    words, charts = first_screen(at)
    assert words <= 80 and charts <= 2, (words, charts)
    for fold in folds:
        at.session_state[fold] = False
    at.run()
    assert not at.exception and offered(at) == 0
    assert [one.label for one in at.expander if one.label == "More evidence"] == ["More evidence"]
    for fold in folds:
        at.session_state[fold] = True
    of_one_image = path not in OVER_TEST_IMAGES
    if of_one_image:
        at.file_uploader(key="upload-photo-0").upload("mine.png", b"no picture", "image/png")
    at.file_uploader(key="upload-more-0").upload("mine.safetensors", b"no flow", "").run()
    assert not at.exception and (url(at)["photo"], url(at)["ck"]) == ("none", "one")
    refusals = [error.value for error in at.error]
    assert any(said.startswith("mine.safetensors is not a usable checkpoint: ") for said in refusals)
    assert not of_one_image or any("mine.png" in said and "cannot be read" in said for said in refusals)
    if of_one_image:
        at.file_uploader(key="upload-photo-1").upload("mine.png", picture_bytes(), "image/png")
    content = own_checkpoint(tmp_path, split="entropy+entropy")
    at.file_uploader(key="upload-more-1").upload("mine.safetensors", content, "").run()
    assert not at.exception and not at.error
    assert url(at)["ck"] == hashlib.sha256(content).hexdigest()[:32]
    assert not of_one_image or url(at)["photo"] == hashlib.sha256(picture_bytes()).hexdigest()[:32]
    assert at.get("plotly_chart")
    assert not any("--image" in code.value for code in at.code)


def test_no_command_is_named_where_the_second_flow_takes_other_images(three: Path) -> None:
    write_checkpoint(three / "grey.safetensors", small_flow(shape=(1, 16, 16)))
    at = visit_page(SHUFFLE, ck="one", vs="grey")
    assert not at.exception and not at.error and not at.code and OF_REMADE in sentences(at)
