"""The page Weights: what weights inside couplings do for a picture, and the weights before a split of older flows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from eiwflow.analysis import coupling_weights as couplings
from eiwflow.flow import MultiScaleFlow
from eiwflow.ui.shell import coupling_choice
from eiwflow.ui.sources import store

from .conftest import (
    figures_of,
    small_flow,
    url,
    visit_page,
    write_checkpoint,
)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Averages that other tests made are forgotten."""
    store.clear()
    yield
    store.clear()


def lively_flow(**changes: object) -> MultiScaleFlow:
    """Return a small flow whose weights differ from image to image."""
    flow = small_flow(**changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            if "shuffle" in name or "coupling" in name:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return flow


#: Opens the page by a link with these parameters.
open_weights = partial(visit_page, "pages/5_weights.py")


def charts(at: AppTest) -> int:
    return len(at.get("plotly_chart"))


def alts(at: AppTest) -> str:
    """Return what charts say to who does not see them."""
    return "\n".join(chart.proto.alt for chart in at.get("plotly_chart"))


@pytest.fixture
def inside(bundle: Path) -> Path:
    """Return the folder of checkpoints with a flow of weights inside the couplings of two levels, of two steps each."""
    write_checkpoint(bundle / "one.safetensors", lively_flow(weights="entropy", levels=3, steps=2), "faces16")
    return bundle


@pytest.mark.slow
def test_the_list_and_a_click_on_the_map_choose_a_coupling_and_the_link_names_it(inside: Path) -> None:
    at = open_weights()
    step = max((1, 2), key=lambda step: float(figures_of(at)["couplings"]["data"][0]["text"][step - 1]))
    assert (url(at)["level"], url(at)["flow-step"]) == ("1", str(step))
    at.selectbox(key="coupling").set_value(couplings.Place(2, 1)).run()
    assert (url(at)["level"], url(at)["flow-step"]) == ("2", "1") and "of level 2, step 1 minus" in alts(at)
    assert at.segmented_control(key="level").value == 2
    again = open_weights(level="2", **{"flow-step": "2"})
    assert "of level 2, step 2 minus" in alts(again)
    again.session_state["level"] = again.session_state["_level"] = 1
    again.run()
    assert again.selectbox(key="coupling").value == couplings.Place(1, 2)
    last = open_weights(level="3")
    assert [info.value for info in last.info] == ["Level 3 has no weights: showing level 2."]


def test_a_click_takes_the_coupling_of_the_square(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, object] = {}
    clicked = {"couplings": {"selection": {"points": [{"customdata": [2, 1]}]}}, "none": {"selection": {"points": []}}}
    monkeypatch.setattr(coupling_choice.st, "session_state", clicked)
    monkeypatch.setattr(coupling_choice.state, "set_choice", taken.__setitem__)
    coupling_choice.take_clicked("none")
    assert taken == {}
    coupling_choice.take_clicked("couplings")
    assert taken == {"level": 2, "flow-step": 1}


def test_a_flow_without_weights_says_so_and_links_to_one_with(bundle: Path) -> None:
    write_checkpoint(bundle / "photos32-glow.safetensors", small_flow(split="last"))
    write_checkpoint(bundle / "faces16-entropy-weighted.safetensors", small_flow(weights="entropy"), "faces16")
    write_checkpoint(bundle / "photos32-entropy-weighted.safetensors", small_flow(weights="entropy"))
    at = open_weights(ck="photos32-glow")
    assert not at.exception and not at.error and not charts(at)
    assert "No coupling of this flow has weights" in at.info[0].value
    links = [link.proto for link in at.get("page_link") if "which has weights" in link.proto.label]
    assert len(links) == 1 and "ck=photos32-entropy-weighted" in links[0].query_string
    beside = open_weights(ck="photos32-glow", vs="photos32-entropy-weighted")
    assert (
        not beside.exception
        and charts(beside) == 2
        and "every picture goes through the same maps" in beside.info[0].value
    )


# ---------------------------------------------------------------------- weights before a split


# ---------------------------------------------------------------------- beside another checkpoint
