"""Components of our own: a folder each with its Python, its JavaScript and its style."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent


def sent(key: str, name: str) -> Any:  # noqa: ANN401 (whatever a component sends)
    """Return the value that a component sent; None of one that is gone, for its visitor is on another page now."""
    return getattr(st.session_state.get(key), name, None)


def declare(name: str, html: str, *, slides: bool = False) -> Callable[..., Any]:
    """Declare the component whose script and style lie in the folder of that name; one that ``slides`` has a slider."""
    parts = [FOLDER / "slider"] * slides + [FOLDER / name / name]
    script, style = (
        "".join(part.with_suffix(kind).read_text(encoding="utf-8") for part in parts) for kind in (".js", ".css")
    )
    component: Callable[..., Any] = st.components.v2.component(
        name, html=html, css=style, js=script, isolate_styles=False
    )
    return component
