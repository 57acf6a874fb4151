"""What every page shows stands on file: a change of any word, number or control of it is seen.

Whether a number is right is asked by the other tests. A text on file was read once, by a person.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st

from ..app.conftest import bundle, few_images, nothing_kept, quiet, untimed, visit_page, write_checkpoint
from ..app.test_every_page import flow_of
from . import shown

__all__ = ["bundle", "few_images", "nothing_kept", "quiet", "untimed"]


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return the files that a page would make on a click, by their names, after it was opened."""
    made: dict[str, bytes] = {}
    monkeypatch.setattr(st, "download_button", shown.recorder(made, st.download_button))
    return made


def test_levels(bundle: Path, files: dict[str, bytes]) -> None:
    write_checkpoint(bundle / "one.safetensors", flow_of("entropy, auto"), data="faces16")
    at = visit_page("pages/1_levels.py", ck="one", image="5", seed="3")
    shown.approved("page-levels", shown.page(at, files))
