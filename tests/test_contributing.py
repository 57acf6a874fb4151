"""What CONTRIBUTING.md promises: a split policy, a data set and a page are one file and one table row each."""

import re
from pathlib import Path

import pytest
import torch

from eiwflow import data
from eiwflow.data import registry
from eiwflow.data.registry import DATASETS, DataSet
from eiwflow.flow.config import NAMED_SPLITS
from eiwflow.ui import navigation
from eiwflow.ui.navigation import Entry
from tests.training.tiny import tiny_data, tiny_flow, tiny_x

ROOT = Path(__file__).resolve().parents[1]
PAGE = """
from eiwflow import ui

page = ui.begin("What is new?", "Novel", needs_checkpoint=False)
ui.closing(page, "That was all.")
"""


def test_a_split_policy_is_a_row(monkeypatch):
    monkeypatch.setitem(NAMED_SPLITS, "first-weighted", ("first", "pooled"))
    flow = tiny_flow(split="first-weighted")
    assert (flow.config.split, flow.config.order, flow.config.weights) == ("first-weighted", "first", "pooled")
    x = tiny_x(4, flow.config)
    assert torch.allclose(flow.decode(flow.encode(x)), x, atol=1e-4)


def test_a_data_set_is_a_row(monkeypatch):
    monkeypatch.setitem(DATASETS, "planes", DataSet(lambda download: tiny_data(), "Planes."))
    assert data.load("planes", multiple=4).size == (8, 8)
    with pytest.raises(data.DataError, match="planes"):
        data.load("not there")


def test_a_page_is_a_file_and_a_row(monkeypatch, tmp_path):
    (tmp_path / "pages").mkdir()
    page = tmp_path / "pages" / "10_novel.py"
    page.write_text(PAGE)
    monkeypatch.setattr(navigation, "_STORY", (*navigation._STORY, Entry("Work", str(page), "Novel")))
    assert navigation.pages()[-1].label == "Novel"
    assert navigation.neighbours("Novel")[0].label == navigation._STORY[-2].label
    assert navigation.neighbours(navigation._STORY[-2].label)[1].label == "Novel"


def test_every_page_on_disk_is_in_the_story():
    there = {f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")}
    assert there == {entry.path for entry in navigation._STORY if entry.path.startswith("pages/")}


def test_the_files_and_names_that_the_page_sends_one_to_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:eiwflow|tests|pages|assets)/[\w/.]*)`", text):
        assert "NAME" in path or (ROOT / path).exists(), path
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "eiwflow").rglob("*.py"))
    for name in ("NAMED_SPLITS", "DATASETS", "DataSet", "ImageData", "ORDERS", "WEIGHTS", "Shuffle"):
        assert name in text and re.search(rf"\b{name}\b", sources), name


def test_a_bundled_data_set_that_is_not_here_says_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "ASSETS", tmp_path)
    with pytest.raises(data.DataError, match=r"'photos32' lies in assets/data in the folder of the project's source"):
        data.load("photos32")
