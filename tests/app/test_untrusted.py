"""What a stranger wrote is shown as it stands: no page makes a picture, a link or HTML of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from eiwflow.checkpoint import CheckpointInfo, save
from eiwflow.ui.access.navigation import pages
from eiwflow.ui.common.untrusted import distinct, plain
from eiwflow.ui.jobs import studies

from .. import LONG
from ..studies import arms, write_study
from .conftest import APP, small_flow, trained_run, visit_page, write_checkpoint

PICTURE, LINK, HTML = "![x](http://evil.example/p.png)", "[y](http://evil.example)", "<img src=//evil.example/q>"
HOSTILE = f"{PICTURE}{LINK}{HTML}"
NAMES = ("X", "X (825a8d)", "X (me-end)", "X (a/same-end)", "Y")
#: What Streamlit renders as Markdown.
RENDERED = ("markdown", "caption", "info", "error", "success", "warning", "toast")
ROOT = APP.parent
PAGES = [entry.path for entry in pages()]


def assert_nothing_raw(at: AppTest) -> None:
    assert not at.exception
    for kind in RENDERED:
        for element in at.get(kind):
            text = getattr(element, "value", "") or ""
            for raw in ("![x]", "[y](", "<img src=//", "http://evil"):
                assert raw not in text.replace("\\[", "").replace("\\<", ""), (kind, text)
    for element in at.get("html"):
        assert "<img src=//" not in element.proto.body, element.proto.body


KEYS = ("ck", "vs", "photo", "photo_b", "own", "run", "study", "data", "image", "seed", "level")


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("keys", [*([key] for key in KEYS)] if LONG else [KEYS[:1], KEYS[1:]], ids=", ".join)
def test_a_hostile_link_is_shown_as_text(bundle: Path, path: str, keys: Sequence[str]) -> None:
    write_checkpoint(bundle / "one.safetensors")
    assert_nothing_raw(visit_page(path, **{"ck": "one", **dict.fromkeys(keys, HOSTILE)}))


@pytest.mark.parametrize("path", PAGES)
def test_what_a_hostile_file_says_of_itself_is_shown_as_text(bundle: Path, path: str) -> None:
    flow = small_flow()
    info = CheckpointInfo(config=flow.config, data=HOSTILE, command=HOSTILE, recipe={HOSTILE: HOSTILE})
    save(bundle / "one.safetensors", flow, info)
    write_checkpoint(bundle / "two.safetensors", data=HOSTILE)
    at = visit_page(path, ck="one", vs="two")
    assert_nothing_raw(at)


def test_a_hostile_name_of_a_run_is_shown_as_text(bundle: Path) -> None:
    run = trained_run(4, stop_at=2)
    (run.path / "title.txt").write_text("![x](http://evil.example/p.png)")
    run.set_status("failed", 2, HOSTILE, HOSTILE)
    at = visit_page("pages/9_train.py")
    assert any("evil.example" in error.value for error in at.error)
    assert_nothing_raw(at)


@pytest.mark.parametrize("equal_time", [False, True])
def test_the_data_that_a_hostile_study_names_is_shown_as_text(bundle: Path, equal_time: bool) -> None:
    """Its entities stand for the slashes and dots that the name of a file cannot have."""
    picture = "![x](http:&#47;&#47;evil&#46;example&#47;p)"
    bits = arms({"entropy/principal": 3.9, "variance/principal": 4.0, "last/random": 4.1})
    write_study(studies.own_folder() / "hostile.zip", bits, data=picture, equal_time=equal_time)
    at = visit_page("pages/6_compare.py", study="hostile")
    assert any("evil" in element.value for element in at.markdown)
    assert_nothing_raw(at)


def test_a_hostile_file_is_refused_as_text(bundle: Path) -> None:
    write_checkpoint(bundle / "one.safetensors")
    at = visit_page("pages/1_levels.py", ck="one")
    at.file_uploader(key="upload-more-0").upload(f"{PICTURE}.safetensors", b"no flow", "").run()
    assert any("evil.example" in note.value for note in [*at.info, *at.error])
    assert_nothing_raw(at)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("photos32-weighted", "photos32-weighted"),
        ("a_b*c`d", r"a\_b\*c\`d"),
        ("<b>", r"\<b>"),
        ("$x$ ~y~ &lt;", r"\$x\$ \~y\~ \&lt;"),
        ("# head", r"\# head"),
        ("1. one", "1\u2060. one"),
        ("two\nlines\u202e", "two lines\ufffd"),
        ("http://a.example", "http:\u2060//a.example"),
        (":material/bomb:", ":\u2060material/bomb:"),
        ("www.a.example b@c.example", "www\u2060.a.example b@\u2060c.example"),
    ],
)
def test_text_is_escaped_where_markdown_would_take_it_for_more(text: str, expected: str) -> None:
    assert plain(text) == expected


@given(st.dictionaries(st.sampled_from(["1", "a/same-end", "b/same-end", "run-825a8d", ""]), st.sampled_from(NAMES)))
def test_labels_differ_and_begin_with_their_names(names: dict[str, str]) -> None:
    labels = distinct(names)
    assert list(labels) == list(names) and len({*labels.values()}) == len(names)
    assert all(label.startswith(names[key]) for key, label in labels.items())
