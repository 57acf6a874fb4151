"""What every page does: it takes any flow, every choice moves it, and its address holds the choices.

Which words and numbers a page shows stands on file in ``tests/shown``.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import NumberInput, Selectbox, Slider, Toggle

from eiwflow.data import load
from eiwflow.flow import FlowConfig, MultiScaleFlow, dequantise
from eiwflow.ui.access.navigation import pages
from eiwflow.ui.jobs import studies
from eiwflow.ui.shell.reproduce import OF_REMADE

from .. import LONG, crossed
from ..flow.numerics import perturb
from ..studies import arms, write_study
from ..words import spelled_out
from .conftest import choose_image, figures_of, sentences, small_flow, url, visit_page, write_checkpoint

PAGES = [entry.path for entry in pages() if entry.label not in ("Home", "Lesson", "Playground")]
#: The page that looks at studies, and pages that look at a flow.
COMPARE = "pages/6_compare.py"
LOOKING = [entry.path for entry in pages() if entry.label not in ("Home", "Lesson", "Playground", "Compare", "Train")]
#: Pages that have a column for a second flow.
BESIDE = [path for path in LOOKING if path.split("_")[1][:-3] in ("latents", "entropy", "shuffle", "weights")]
#: Flows of faces16 by what they pass on, in what order, with what weights.
FLOWS: dict[str, dict[str, Any]] = {
    "quarter": {"keep": 0.25},
    "variance, three-quarters": {"keep": 0.75, "split": "variance"},
    "released": {"split": "released", "prior": "standard"},
    "entropy, auto": {"keep": "auto", "split": "entropy"},
    "all": {"keep": "all"},
    "labelled": {"context": 3},
    "last": {"split": "last"},
    "random": {"split": "random"},
    "pooled": {"split": "entropy+pooled"},
}
#: Flows for images of other shapes than those that the pages have: these are made to fit.
SHAPES: dict[str, dict[str, Any]] = {
    "grey, one level": {"shape": (1, 16, 16), "levels": 1},
    "deep": {"shape": (3, 64, 64), "levels": 5, "prior": "standard"},
}
#: Facts of a flow's file. Not every image of faces16 has one of three hats.
FACTS = {"labelled": {"labels": "hat", "classes": ("none", "variant01", "variant02")}}
#: A prediction that one page waits for.
GUESS = {"guess": "blurred"}


def every_other(name: str, items: list[str], flows: dict[str, Any]) -> pytest.MarkDecorator:
    """Pair items of a name with flows in turn, so that all of both come up; in the long form all with all."""
    few = zip(items, cycle(flows), strict=False) if len(items) > len(flows) else zip(cycle(items), flows, strict=False)
    pairs = [(item, flow) for item in items for flow in flows] if LONG else list(few)
    return pytest.mark.parametrize((name, "flow"), pairs)


def flow_of(name: str) -> MultiScaleFlow:
    """Return a flow of three levels on faces16 in which every part does something."""
    config = FlowConfig((3, 16, 16), levels=3, steps=2, width=8, **spelled_out(FLOWS[name]))
    flow = MultiScaleFlow(config)
    images = torch.from_numpy(load("faces16").train[:64].transpose(0, 3, 1, 2).copy())
    flow.initialise(dequantise(images, torch.Generator().manual_seed(0)))
    return perturb(flow, 0.01)


def wild_flow(**changes: object) -> MultiScaleFlow:
    """Return a small flow whose first level scales beyond all numbers."""
    flow = small_flow(**changes)
    with torch.no_grad():
        flow.levels[0].steps[0].actnorm.log_scale.fill_(300.0)
    return flow


@pytest.mark.slow
@every_other("page", PAGES, FLOWS)
def test_every_page_takes_every_kind_of_flow(bundle: Path, page: str, flow: str) -> None:
    write_checkpoint(bundle / "one.safetensors", flow_of(flow), data="faces16", **FACTS.get(flow, {}))
    at = visit_page(page, ck="one", **GUESS)
    assert not at.exception and not at.error
    assert page not in LOOKING or at.get("plotly_chart") or at.info


@pytest.mark.slow
@pytest.mark.parametrize("page", LOOKING)
def test_a_flow_that_splits_nothing_is_a_sentence_where_a_page_tells_parts_apart(bundle: Path, page: str) -> None:
    write_checkpoint(bundle / "one.safetensors", flow_of("all"), data="faces16")
    at = visit_page(page, **GUESS)
    assert not at.exception and not at.error
    of_a_split = page.split("_")[1][:-3] in ("levels", "latents", "entropy", "shuffle")
    assert bool(at.get("plotly_chart")) != of_a_split
    said = [info.value for info in at.info]
    assert any("passes on all channels" in each or "splits nothing" in each for each in said) == of_a_split


@pytest.mark.slow
@every_other("page", LOOKING, SHAPES)
def test_every_page_makes_images_fit_and_then_names_no_command(bundle: Path, page: str, flow: str) -> None:
    write_checkpoint(bundle / "one.safetensors", small_flow(**SHAPES[flow]), data="elsewhere")
    at = visit_page(page, **GUESS)
    assert not at.exception and not at.error
    drawn = at.get("plotly_chart")
    assert drawn or at.info  # of one level: nothing is split, and no coupling has weights
    assert all(" study " in block.value for block in at.code)  # another split is trained on images as they are
    assert (OF_REMADE in sentences(at)) == bool(drawn)


def content(at: AppTest) -> object:
    """Return what a page shows: its text and its figures."""
    return sentences(at), figures_of(at)


def controls(at: AppTest) -> dict[str, Any]:
    """Return the controls of a page that can be moved, by their keys; those of a form move nothing before its click."""
    kinds = ("selectbox", "select_slider", "number_input", "toggle", "slider", "button_group")
    found = {each.key: each for kind in kinds for each in at.get(kind) if each.key and not each.disabled}
    return {key: control for key, control in found.items() if not key.startswith(("study-", "retrain-"))}


def move(control: Any) -> AppTest:
    """Give a control another value, and return the page after it."""
    if isinstance(control, Selectbox):
        control.select_index((control.index + 1) % len(control.options))
    elif isinstance(control, NumberInput):
        control.set_value(control.value + 1)
    elif isinstance(control, Toggle):
        control.set_value(not control.value)
    elif isinstance(control, Slider):
        control.set_value(control.max if control.value != control.max else control.min)
    else:
        values = KEYS.get(control.key, control.options)
        control.set_value(next(value for value in values if value != control.value))
    return control.run()


#: Values of a choice whose labels differ from them.
KEYS = {"level": [1, 2], "weights": ["own", "frozen"], "redraw": [[], [2]]}


@pytest.mark.slow
@pytest.mark.parametrize("page", [*LOOKING, COMPARE])
def test_every_choice_moves_a_page_and_its_address_shows_the_same(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    write_checkpoint(bundle / "one.safetensors", flow_of("pooled"), data="faces16")
    write_checkpoint(bundle / "two.safetensors", flow_of("random"), data="faces16")
    monkeypatch.setattr(studies, "BUNDLED", bundle.parent / "studies")
    for name, prior in (("one", "conditional"), ("two", "standard")):
        means = {"variance/principal": 3.9, "entropy/principal": 3.8, "last/random": 4.1}
        runs = arms(means) | arms(means, prior="standard", noise=0.1) if name == "one" else arms(means, prior=prior)
        write_study(studies.BUNDLED / f"{name}.zip", runs)
    start = {"ck": "one", **GUESS}
    before = content(at := visit_page(page, **start))
    for key in [*controls(at), *(["image"] if page in LOOKING else [])]:
        at = visit_page(page, **start)
        at = choose_image(at, 3).run() if key == "image" else move(controls(at)[key])
        assert not at.exception and not at.error, key
        moved = content(at)
        assert moved != before or (page, key) in STILL, key
        if key in url(at):  # a browser writes the others, which Streamlit binds to the address
            assert content(visit_page(page, **url(at))) == moved, key


#: Choices that show nothing else here: Checkpoint is about no image, and draws at the flow's own temperature at first;
#: this flow's order fits all images.
STILL = {
    ("pages/8_checkpoint.py", "scaled"),
    ("pages/8_checkpoint.py", "image"),
    ("pages/4_shuffle.py", "image"),
}


def test_a_level_that_a_flow_lacks_stays_wanted_and_the_address_keeps_it(bundle: Path) -> None:
    write_checkpoint(bundle / "two.safetensors", small_flow(levels=3))
    write_checkpoint(bundle / "three.safetensors", small_flow(levels=4))
    at = visit_page("pages/4_shuffle.py", ck="three", level="4")
    for flow in ("two", "two", "three"):  # two of four levels can be shown, twice: the wanted level is not lost
        at.selectbox(key="ck").set_value(flow).run()
        assert url(at)["level"] == "4" and at.segmented_control(key="level").value == (2 if flow == "two" else 3)


@pytest.mark.parametrize("page", LOOKING)
def test_a_flow_that_gives_no_finite_number_is_a_sentence(bundle: Path, page: str) -> None:
    write_checkpoint(bundle / "one.safetensors", wild_flow())
    at = visit_page(page, **GUESS)
    assert not at.exception and at.title and any("not finite" in error.value for error in at.error)


@pytest.mark.slow
@crossed(page=BESIDE, columns=[("one", "wild"), ("wild", "one")])
def test_one_column_that_fails_leaves_the_other(bundle: Path, page: str, columns: tuple[str, str]) -> None:
    write_checkpoint(bundle / "one.safetensors", small_flow(levels=3))
    write_checkpoint(bundle / "wild.safetensors", wild_flow(levels=3, steps=2))
    at = visit_page(page, ck=columns[0], vs=columns[1])
    assert not at.exception and at.error and all("not finite" in error.value for error in at.error)
    there = figures_of(at)
    assert there and all(key.endswith("-second") == (columns[1] == "one") for key in there)
