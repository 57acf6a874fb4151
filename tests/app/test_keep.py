"""Every page and every command takes a flow, however many channels its levels pass on and by whatever order."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable
from itertools import cycle, product
from pathlib import Path

import pytest
import torch

from eiwflow import cli
from eiwflow.cli.parser import SUBJECTS
from eiwflow.data import load as load_data
from eiwflow.flow import FlowConfig, MultiScaleFlow, dequantise
from tests.words import spelled_out

from .. import LONG
from ..flow.numerics import perturb
from .conftest import visit_page, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.name for path in (ROOT / "pages").glob("*.py") if path.stem.split("_", 1)[1] not in ("lesson", "class")
)
FLOWS = {
    "quarter": {"keep": 0.25},
    "three-quarters": {"keep": 0.75, "split": "variance"},
    "released": {"split": "released", "prior": "standard"},
    "auto": {"keep": "auto", "split": "entropy"},
}


def every_other(items: Iterable[str]) -> list[tuple[str, str]]:
    """Pair every item with a flow, in turn; with all of them in the long form."""
    items = list(items)
    return list(product(items, FLOWS) if LONG else zip(items, cycle(FLOWS), strict=False))


def flow_of(name: str) -> MultiScaleFlow:
    """Return a flow of three levels on faces16 in which every part does something."""
    config = FlowConfig((3, 16, 16), levels=3, steps=2, width=8, **spelled_out(FLOWS[name]))
    flow = MultiScaleFlow(config)
    images = torch.from_numpy(load_data("faces16").train[:64].transpose(0, 3, 1, 2).copy())
    flow.initialise(dequantise(images, torch.Generator().manual_seed(0)))
    return perturb(flow, 0.01)


@pytest.mark.parametrize(("page", "name"), every_other(PAGES))
def test_every_page_takes_the_flow(bundle: Path, page: str, name: str) -> None:
    write_checkpoint(bundle / "one.safetensors", flow_of(name), data="faces16")
    at = visit_page(f"pages/{page}", ck="one")
    assert not at.exception and not at.error


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the file of every flow."""
    folder = tmp_path_factory.mktemp("flows")
    return {name: write_checkpoint(folder / f"{name}.safetensors", flow_of(name), "faces16") for name in FLOWS}


def printed(*words: object) -> str:
    """Return what a command prints that goes well."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert cli.main([str(word) for word in words]) in (0, None)
    return out.getvalue()


@pytest.mark.parametrize(("what", "name"), every_other(SUBJECTS))
def test_every_subject_takes_the_flow(files: dict[str, Path], what: str, name: str) -> None:
    assert json.loads(printed("analyse", files[name], "--what", what, "--json"))


@pytest.mark.parametrize("name", FLOWS if LONG else ["released"])
def test_every_command_takes_the_flow(files: dict[str, Path], name: str, tmp_path: Path) -> None:
    file = files[name]
    assert json.loads(printed("evaluate", file, "--limit", 8, "--json"))["bits_per_dim"] > 0
    assert json.loads(printed("inspect", file, "--json"))["parameters"] > 0
    assert json.loads(printed("verify", file, "--json"))
    printed("sample", file, "--n", 4, "--out", tmp_path / "it.png")
    assert (tmp_path / "it.png").stat().st_size > 0
    printed("lesson", file, "--out", tmp_path / "lesson.html")
    assert "<html" in (tmp_path / "lesson.html").read_text(encoding="utf-8")[:2000]
