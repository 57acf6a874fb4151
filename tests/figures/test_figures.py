"""Every figure of every page is finite, names its axes, and tells its lines apart by more than colour."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eiwflow.figures import space
from eiwflow.ui.access.navigation import pages

from ..app.conftest import bundle, few_images, nothing_kept, quiet, small_flow, visit_page, write_checkpoint

__all__ = ["bundle", "few_images", "nothing_kept", "quiet"]
#: What a page waits for before it draws.
CHOICES = {"guess": "blurred"}
PAGES = [entry.path for entry in pages() if entry.group in ("Learn", "Look inside") and entry.label != "Compare"]


@pytest.fixture
def figures(bundle: Path, request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """Return the figures of a page on two flows, all of its folds open."""
    write_checkpoint(bundle / "one.safetensors", small_flow(levels=3))
    write_checkpoint(bundle / "two.safetensors", small_flow(split="variance-reversed"))
    at = visit_page(request.param, ck="one", vs="two", **CHOICES)
    assert not at.exception
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def numbers(values: Any) -> Iterator[float]:
    """Yield the numbers of a trace's values, also of those that plotly wrote as bytes."""
    if isinstance(values, dict) and "bdata" in values:
        yield from np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).astype(float)
    elif isinstance(values, list):
        for value in values:
            yield from numbers(value)
    elif isinstance(values, (int, float)):
        yield float(values)


@pytest.mark.parametrize("figures", PAGES, indirect=True)
def test_a_figure_is_finite_and_named_and_has_two_cues(figures: list[dict[str, Any]]) -> None:
    for figure in figures:
        layout, traces = figure["layout"], [trace for trace in figure["data"] if trace.get("showlegend", True)]
        for trace in figure["data"]:
            shown = [number for axis in ("x", "y", "z") for number in numbers(trace.get(axis, []))]
            assert all(math.isfinite(number) for number in shown), trace.get("name")
        axes = [axis for name, axis in layout.items() if name.startswith(("xaxis", "yaxis"))]
        assert any(axis.get("title", {}).get("text") for axis in axes), figures.index(figure)
        names = {trace["name"] for trace in traces if trace.get("name")}
        cues = {
            (str(trace.get("line", {}).get("dash")), str(trace.get("marker", {}).get("symbol")),
             str(trace.get("marker", {}).get("pattern", {}).get("shape")), trace.get("mode"))
            for trace in traces if trace.get("name")
        }  # fmt: skip
        assert len(cues) >= len(names), (names, cues)


def test_a_moving_picture_goes_there_and_back_and_rests_at_both_ends() -> None:
    rows = np.arange(2 * 4 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 4, 8, 8, 3)
    with Image.open(io.BytesIO(space.gif(rows))) as moving:
        times = []
        for place in range(moving.n_frames):
            moving.seek(place)
            times.append(moving.info["duration"])
    assert times == [8 * times[1], times[1], times[1], 8 * times[1], times[1], times[1]]
