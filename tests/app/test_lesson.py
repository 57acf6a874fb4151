"""What the stage of the lesson asks of the server, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st

from eiwflow.training.recipe import Recipe
from eiwflow.training.run import train
from eiwflow.training.run_directory import RunDirectory
from eiwflow.ui.stage import lesson

from ..training.test_resume import signalled_at
from ..training.tiny import tiny_data, tiny_run
from .conftest import visit_page, write_checkpoint
from .test_every_page import FACTS, flow_of


@pytest.mark.slow
def test_the_lesson_of_a_flow_with_labels_says_which_class_the_flow_is_given(bundle: Path) -> None:
    for name, note in (("labelled", b'"note":"labelled, given hat none"'), ("random", b'"note":"random"')):
        write_checkpoint(bundle / f"{name}.safetensors", flow_of(name), data="faces16", **FACTS.get(name, {}))
        at = visit_page("pages/0_lesson.py", ck=name, scenes="1")
        (stage,) = (each.proto for each in at.get("bidi_component") if each.proto.component_name == "eiwflow_lesson")
        assert not at.exception and note in stage.SerializeToString().replace(b'": "', b'":"')


def test_stop_it_stops_the_training_that_was_started_from_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = (RunDirectory.create(tmp_path, Recipe(), name) for name in ("ours", "other"))
    monkeypatch.setattr(st, "session_state", {})
    with ours.held(), other.held():
        lesson._cancel()  # nothing was started
        assert ours.asked() == ""
        st.session_state["_lesson_run"] = ours.path
        lesson._cancel()
        assert ours.asked() == "stop" and other.asked() == ""


@pytest.mark.slow
def test_the_stage_is_told_the_bits_of_test_images_after_a_training(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, iterations=30)
    train(run, images=tiny_data())
    told = lesson._training(run.path, alive=False)
    *_, last = (record for record in run.records() if "probe_bits_per_dim" in record)
    assert told["bits"] == last["probe_bits_per_dim"] != last["bits_per_dim"]
    assert (told["step"], told["scored"], told["drawn"], told["total"], told["ended"]) == (30, 30, 30, 30, True)


@pytest.mark.slow
def test_the_stage_is_told_the_steps_of_bits_and_samples(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, iterations=100)
    assert [lesson._training(run.path, alive=True)[key] for key in ("step", "scored", "drawn")] == [0, None, None]
    train(run, images=tiny_data(), progress=signalled_at(23))
    told = lesson._training(run.path, alive=False)
    assert [told[key] for key in ("step", "scored", "drawn")] == [23, 22, 22]
