"""The parts of every page: figures are kept, and need no pandas."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from PIL import Image

from eiwflow.ui import components
from eiwflow.ui.components import scrubber, thumbnails
from eiwflow.ui.shell import parts

from .conftest import small_flow, visit_page, write_checkpoint, write_record


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


HALF_WAY = """
import sys, threading, time
import numpy, plotly.graph_objects as go
from eiwflow.ui.shell import parts

half_way = threading.Event()

def line():
    return go.Figure(go.Scatter(x=numpy.arange(3)))

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "pandas.core":
            half_way.set()
            time.sleep(2)

sys.meta_path.insert(0, Slow())
rows, spec = [{"step": 1, "bits": 3.0}], {"mark": "line", "encoding": {"x": {"field": "step"}, "y": {"field": "bits"}}}
threading.Thread(target=parts.chart_of_rows, args=(rows, spec, "curve", "A curve.")).start()
half_way.wait()
parts.drawn(line)
print("drawn")
"""


@pytest.mark.slow
def test_a_figure_is_drawn_while_another_thread_imports_pandas() -> None:
    done = subprocess.run([sys.executable, "-c", HALF_WAY], capture_output=True, text=True, timeout=300)
    assert done.stdout == "drawn\n", done.stderr


@pytest.mark.parametrize("path", ["3_entropy", "4_shuffle"])
def test_a_page_with_a_slider_through_the_training_needs_no_pandas(
    bundle, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    write_checkpoint(bundle / "one.safetensors")
    write_record(bundle / "one", small_flow())
    at = visit_page(f"pages/{path}.py")
    assert not at.exception and any(part.proto.component_name == "scrubber" for part in at.get("bidi_component"))
    assert "pandas" not in sys.modules


def test_the_groups_of_likelihood_need_no_pandas(bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class opened Compare while this page had pandas imported, which plotly then took half loaded."""
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    write_checkpoint(bundle / "one.safetensors")
    at = visit_page("pages/10_likelihood.py")
    assert not at.exception and any(part.proto.component_name == "thumbnails" for part in at.get("bidi_component"))
    assert "pandas" not in sys.modules


def test_a_film_has_each_sample_at_the_place_of_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(scrubber.st, "html", lambda html: drawn.append(str(html)))
    samples = {1500: b"last", 0: b"first", 7: b"of no step"}
    scrubber.film(np.array([0, 40, 1500]), samples, "curves", "mine")
    (html,) = drawn
    frames = re.findall(r'data-place="(\d+)" hidden><img alt="" src="data:image/webp;base64,([^"]+)"', html)
    assert [(place, base64.b64decode(content)) for place, content in frames] == [("0", b"first"), ("2", b"last")]
    assert 'aria-label="Film of samples at 2 training steps up to 1,500; ' in html
    assert 'data-under="curves" data-name="mine"' in html


def test_the_strip_shows_the_images_around_the_chosen_one_and_turns_by_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    session: dict[str, object] = {}
    drawn: list[dict] = []
    for module in (components, thumbnails):
        monkeypatch.setattr(module, "st", SimpleNamespace(session_state=session))
    monkeypatch.setattr(thumbnails, "_component", lambda **given: drawn.append(given))
    each = 2 * thumbnails.AT_ONCE + 3
    images = torch.arange(each, dtype=torch.uint8)[:, None, None, None].expand(each, 1, 4, 2)
    chosen = thumbnails.AT_ONCE + 1
    choices: list[int] = []

    def strip(chosen: int, own: bytes | None = None) -> list[int]:
        """Return the numbers of the images that are shown."""
        thumbnails.thumbnails(images, chosen, choices.append, "strip", "image", own)
        data = drawn[-1]["data"]
        sheet = np.array(Image.open(io.BytesIO(base64.b64decode(data["sheet"].partition(",")[2]))))
        shown = sheet[0, ::2].tolist()
        assert (data["first"], data["shown"], data["total"]) == (shown[0], len(shown), each)
        assert (data["chosen"], bool(data["own"])) == ((-1, True) if own else (chosen, False)) and data[
            "page"
        ] == shown[0] // thumbnails.AT_ONCE
        return shown

    pages = [list(range(each))[first : first + thumbnails.AT_ONCE] for first in range(0, each, thumbnails.AT_ONCE)]
    assert strip(chosen) == pages[1] and strip(chosen, own=b"a photo") == pages[1]
    for turned, page in ((0, 0), (3, 0), (-1, 2)):  # behind the last page comes the first, and before it the last
        session["strip"] = SimpleNamespace(page=turned)
        drawn[-1]["on_page_change"]()
        assert strip(chosen) == pages[page]
    session["strip"] = SimpleNamespace(picked=each - 1)
    drawn[-1]["on_picked_change"]()
    assert choices == [each - 1] and strip(each - 1) == pages[2]
    assert strip(2) == pages[0]  # chosen elsewhere
    del session["strip"]  # as Streamlit does when a visitor clicks on a page that he has just left
    drawn[-1]["on_picked_change"](), drawn[-1]["on_page_change"]()
    assert choices == [each - 1] and strip(2) == pages[0]
