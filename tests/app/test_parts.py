"""The parts of every page: more evidence is made when it is unfolded, and a figure that was drawn is kept unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from eiwflow.ui import parts
from eiwflow.ui.navigation import pages
from eiwflow.ui.parts import MORE_EVIDENCE

from .conftest import FOLDS, first_screen, small_flow, visit_page, write_checkpoint

EVIDENT = [entry.path for entry in pages() if entry.label not in ("Home", "Lesson", "Compare", "Train")]


@pytest.mark.parametrize("path", EVIDENT)
def test_more_evidence_is_made_when_it_is_unfolded(bundle, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr("eiwflow.analysis.weights.IMAGES", 12)
    write_checkpoint(bundle / "one.safetensors")

    def offered(at: AppTest) -> int:
        return len(at.get("download_button")) + len(at.get("code"))

    at = visit_page(path)
    assert not at.exception and offered(at) > 1
    for fold in (MORE_EVIDENCE, *(f"fold-{name}" for name in FOLDS)):
        at.session_state[fold] = False
    at.run()
    assert not at.exception and offered(at) == 0
    assert [one.label for one in at.expander if one.label == "More evidence"] == ["More evidence"]


@dataclass(frozen=True, eq=False)
class Result:
    """What a page might draw."""

    values: np.ndarray
    name: str


def lines(result: Result, limit: float = 1.0) -> go.Figure:
    return go.Figure(go.Scatter(y=result.values.tolist(), name=result.name), {"yaxis_range": [0, limit]})


def points(result: Result, limit: float = 1.0) -> go.Figure:
    return lines(result, limit).update_traces(mode="markers")


def test_a_figure_is_drawn_once_for_what_it_shows() -> None:
    first = parts.drawn(lines, Result(np.arange(3.0), "a"))
    assert parts.drawn(lines, Result(np.arange(3.0), "a")) is first
    others = [
        parts.drawn(lines, Result(np.array([0.0, 1.0, 2.5]), "a")),
        parts.drawn(lines, Result(np.arange(3.0), "b")),
        parts.drawn(lines, Result(np.arange(3.0), "a"), 2.0),
        parts.drawn(lines, Result(np.arange(3.0), "a"), limit=2.0),
        parts.drawn(points, Result(np.arange(3.0), "a")),
    ]
    assert all(one is not first for one in others)
    assert others[0].data[0].y == (0.0, 1.0, 2.5) and others[4].data[0].mode == "markers"


@pytest.mark.parametrize("for_print", [True, False])
def test_a_figure_that_is_kept_is_not_changed_by_how_it_is_shown(
    monkeypatch: pytest.MonkeyPatch, for_print: bool
) -> None:
    shown = []
    monkeypatch.setattr(parts.st, "plotly_chart", lambda figure, **_: shown.append(figure))
    page = SimpleNamespace(for_print=for_print, key=str, file_name=lambda what, suffix: f"{what}.{suffix}")
    figure = parts.drawn(lines, Result(np.arange(4.0), "c"))
    before = figure.to_json()
    parts.chart(figure, page, "lines", alt="")
    assert figure.to_json() == before
    assert (shown[0].to_json() == before) == (not for_print)


@pytest.mark.parametrize(
    "path", ["1_levels", "2_latents", "3_entropy", "4_shuffle", "5_weights", "8_checkpoint", "10_likelihood"]
)
def test_a_page_begins_with_few_words_and_at_most_two_charts(bundle, path: str) -> None:
    write_checkpoint(bundle / "one.safetensors", small_flow(steps=2))
    at = visit_page(f"pages/{path}.py", ck="one")
    words, charts = first_screen(at)
    assert not at.exception and words <= 80 and charts <= 2, (words, charts)
