"""What the stage of the lesson asks of the server, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import visit_page, write_checkpoint
from .test_every_page import FACTS, flow_of


@pytest.mark.slow
def test_the_lesson_of_a_flow_with_labels_says_which_class_the_flow_is_given(bundle: Path) -> None:
    for name, note in (("labelled", b'"note":"labelled, given hat none"'), ("random", b'"note":"random"')):
        write_checkpoint(bundle / f"{name}.safetensors", flow_of(name), data="faces16", **FACTS.get(name, {}))
        at = visit_page("pages/0_lesson.py", ck=name, scenes="1")
        (stage,) = (each.proto for each in at.get("bidi_component") if each.proto.component_name == "eiwflow_lesson")
        assert not at.exception and note in stage.SerializeToString().replace(b'": "', b'":"')
