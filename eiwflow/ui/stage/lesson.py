"""The lesson's page: its flow, its requests, and links to other pages."""

from __future__ import annotations

import base64
from functools import partial
from typing import Any, NoReturn

import streamlit as st

from ... import data
from ...checkpoint import CheckpointError
from ...files import printable, stamp
from ...lesson import bundle, default, pack
from ...lesson.build import build_for
from ...lesson.spec import LessonError
from .. import access
from ..access import navigation
from ..access.app_url import address
from ..common import state, way_back, window
from ..common.untrusted import plain
from ..own import checkpoints as own_checkpoints
from ..own.photos import PHOTOS
from ..shell.frame import NOTHING
from ..sources import checkpoints, store
from . import first_scene

TITLE = "The lesson: multi-scale flows"
#: Most characters of a photo from the stage: a PNG of 512×512 pixels in base64 has at most 1.4 million.
MAX_PHOTO_TEXT = 4_000_000
_ROOT = '<div class="lesson-root"></div>'
_stage = st.components.v2.component("eiwflow_lesson", html=_ROOT, css=bundle.style(), js=bundle.script("component.js"))
_live = st.components.v2.component(
    "eiwflow_lesson_live", html="<span hidden></span>", js=(bundle.ASSETS / "live.js").read_text(encoding="utf-8")
)


def page() -> None:
    """Draw the lesson of the bundled flow or of the flow that the link names (``ck``)."""
    chosen = st.query_params.get("ck", "")
    content, label = _pack_of(chosen)
    others = [[_name(entry), entry.label] for entry in navigation.pages() if entry.label != "Lesson"]
    more: dict[str, Any] = {"pages": others}
    if label:
        more["note"] = label
    head, blobs = pack.opened(content)
    shape = tuple(head["flow"]["shape"])
    if access.settings().classroom:
        more["class"] = {"teacher": access.role() is access.Role.TEACHER, "address": address()}
    if sent := _photo(st.query_params.get("photo", NOTHING), shape):
        more["photo"] = sent
    if "scene" in (place := way_back.place({})):
        more["place"] = place
    window.begin_stage(TITLE)
    answer = _stage(
        key="lesson",
        # The bundled pack has an address that the browser caches; another pack is sent to its visitor.
        data=[first_scene.pack(), more] if content is default.pack() else pack.assemble({**head, **more}, blobs),
        on_leave_change=_rest,
        # In a callback, which no other rerun interrupts.
        on_photo_change=partial(_take_photo, shape),
    )
    if answer.leave:
        _leave(answer.leave, chosen)
    if taken := st.session_state.get("_lesson_photo"):
        _live(key="lesson-photo", data=[{"photo": taken}])  # a list: for a mapping, Streamlit would import pandas


def _rest() -> None:
    """Do nothing: Streamlit's rerun after this callback reads the stage's request."""


def _photo(key: str, shape: tuple[int, int, int]) -> dict[str, str] | None:
    """Return a remembered photo in a flow's shape (C, H, W), or None."""
    content = PHOTOS.kept(key)
    if content is None:
        return None
    pixels = data.from_picture(content, shape)
    return {"key": key, "bytes": base64.b64encode(pixels.tobytes()).decode()}


def _take_photo(shape: tuple[int, int, int]) -> None:
    """Remember a photo as other pages do; send the stage its key and its pixels for the flow, or the error."""
    answer: dict[str, Any]
    sent = st.session_state["lesson"]["photo"]
    if not isinstance(sent, dict):
        return
    try:
        content = base64.b64decode(str(sent.get("content", ""))[:MAX_PHOTO_TEXT], validate=True)
        answer = {**(_photo(PHOTOS.keep({"": content}), shape) or {})}
    except (ValueError, data.DataError):
        name = printable(str(sent.get("name", "")), 40)
        answer = {"error": f"“{name}” cannot be read as a picture; choose a PNG, JPEG or WebP."}
    # The same photo sent twice gets two answers.
    answer["count"] = 1 + st.session_state.get("_lesson_photo", {"count": 0})["count"]
    st.session_state["_lesson_photo"] = answer


def _name(entry: navigation.Entry) -> str:
    return entry.path.rpartition("/")[2].removesuffix(".py").split("_", 1)[-1]


def _leave(leave: dict[str, Any], chosen: str) -> None:
    """Open the page requested by the stage, with the same flow and image."""
    entries = {_name(entry): entry for entry in navigation.pages()}
    entry = entries.get(str(leave.get("page")))
    if entry is None:
        return
    asked = leave.get("query")
    query = {key: str(text)[:40] for key, text in asked.items()} if isinstance(asked, dict) else {}
    if isinstance(at := leave.get("at"), dict) and "scene" in at:
        way_back.remember(at)
        query["scene"] = str(at["scene"])[:4]
    # The whole address at once: what a page adds to it would be a step of its own for the browser's Back.
    if not chosen or chosen == default.FLOW:
        query["data"] = default.DATA
    for key, usual in (("vs", NOTHING), ("photo", NOTHING), ("level", 1), ("seed", 0)):
        query.setdefault(key, str(state.wanted(key) or usual))
    st.switch_page(entry.path, query_params={"ck": chosen or default.FLOW, **query})


def _pack_of(chosen: str) -> tuple[bytes, str]:
    """Return the pack and the name of a flow, by its key in a link; a missing flow ends the page.

    A flow with labels is shown given its first class, which the name states.
    """
    if not chosen or chosen == default.FLOW:
        return default.pack(), ""
    files = checkpoints.checkpoint_files(own_checkpoints.files([chosen]))
    if chosen not in files:
        _stop(f"The flow “{plain(chosen, 60)}” is not here.")
    file = files[chosen]
    try:
        whole = "scenes" not in st.query_params  # a few scenes of a new flow open faster than all
        key = file.key, *stamp(file.path), whole
        checkpoint, sentence = checkpoints.open_checkpoint(file), "Preparing the lesson of this flow …"
        content = store.get("lesson", key, lambda: build_for(checkpoint, whole).to_bytes(), sentence, long=True)
        factor, classes = checkpoints.classes_of(file)
        return content, f"{file.label}, given {factor} {classes[0]}" if classes else file.label
    except (CheckpointError, data.DataError, LessonError, OSError) as error:
        _stop(plain(error))


def _stop(sentence: str) -> NoReturn:
    """Name a flow that is missing or cannot be shown, and end the page."""
    window.begin_landing(TITLE)
    st.title("The lesson")
    st.error(sentence)
    st.button("Show the bundled lesson", on_click=state.drop, args=("ck",))
    st.stop()
