"""The frame of every page: a second checkpoint, a level, a checkpoint of one's own; all of it in the URL."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from eiwflow.ui.access.navigation import pages
from eiwflow.ui.common import state
from eiwflow.ui.shell.parts import MORE_EVIDENCE
from eiwflow.ui.shell.reproduce import OF_REMADE

from .conftest import (
    FOLDS,
    first_screen,
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
    assert "“two” stands beside it" in sentences(at)
    assert not [box for box in at.selectbox if box.key == "vs"]


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


@pytest.mark.slow
def test_an_uploaded_checkpoint_is_opened_and_others_see_it_by_its_link(three: Path, tmp_path: Path) -> None:
    content = write_checkpoint(tmp_path / "mine.safetensors", small_flow(split="entropy", steps=2)).read_bytes()

    def send(at: AppTest, name: str) -> str:
        at.file_uploader(key="upload-more-0").upload(name, content, "").run()
        assert not at.exception and not at.error
        assert f"evaluate {shlex.quote(name)} --data" in at.code[0].value
        return url(at)["ck"]

    key = send(run_app(ck="one"), "mine; rm -rf.safetensors")
    other = run_app(ck=key)  # a link, opened by another visitor of the same server
    assert url(other)["ck"] == key and "upload mine; rm -rf.safetensors" in other.selectbox(key="ck").options
    # A visitor could give the lecturer's file a name that everybody read who sent it later.
    assert send(other, "theirs.safetensors") != key


LOOKING = [entry.path for entry in pages() if entry.label not in ("Home", "Lesson", "Playground", "Compare", "Train")]


@pytest.mark.parametrize("path", LOOKING)
def test_every_page_says_what_to_do_where_there_is_no_checkpoint(bundle: Path, path: str) -> None:
    at = visit_page(path)
    assert not at.exception and at.title and "python -m eiwflow train" in at.error[0].value
    assert not at.get("plotly_chart")


@pytest.mark.slow
@pytest.mark.parametrize("path", LOOKING)
def test_the_first_screen_is_lean_and_evidence_is_made_when_it_is_unfolded(bundle: Path, path: str) -> None:
    write_checkpoint(bundle / "one.safetensors", small_flow(steps=2), step=0)

    def offered(at: AppTest) -> int:
        return len(at.get("download_button")) + len(at.get("code"))

    at = visit_page(path, guess="blurred")  # a prediction that one page waits for
    assert not at.exception and offered(at) > 1
    words, charts = first_screen(at)
    assert words <= 80 and charts <= 2, (words, charts)
    for fold in (MORE_EVIDENCE, *(f"fold-{name}" for name in FOLDS)):
        at.session_state[fold] = False
    at.run()
    assert not at.exception and offered(at) == 0


def test_no_command_is_named_where_the_second_flow_takes_other_images(three: Path) -> None:
    write_checkpoint(three / "grey.safetensors", small_flow(shape=(1, 16, 16)))
    at = visit_page(SHUFFLE, ck="one", vs="grey")
    assert not at.exception and not at.error and not at.code and OF_REMADE in sentences(at)
