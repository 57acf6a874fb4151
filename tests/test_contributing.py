"""What CONTRIBUTING.md promises: a split policy, a data set, an analysis subject and a page are a table row each."""

from pathlib import Path

import pytest
import torch

from eiwflow import checkpoint, data
from eiwflow.analysis.report import verify
from eiwflow.analysis.subjects import Look, measure
from eiwflow.data.registry import DATASETS, DataSet
from eiwflow.figures import checkpoint as figures
from eiwflow.flow import ConfigError, MultiScaleFlow
from eiwflow.flow.channel_weights import ChannelWeights
from eiwflow.flow.policies import ORDERS, WEIGHTS, Order, Weighting, by_number
from eiwflow.ui.access import navigation
from eiwflow.ui.access.navigation import Entry
from tests.training.tiny import tiny_data, tiny_flow, tiny_info, tiny_x

ROOT = Path(__file__).resolve().parents[1]
PAGE = """
from eiwflow.ui import shell as ui

page = ui.open_page("What is new?", "Novel")
ui.closing(page, "That was all.")
"""


def counts_of(flow):
    return figures.counts(verify(checkpoint.Checkpoint("it", flow, tiny_info(flow), "")))


def by_loudness(x):
    return x.var(dim=(0, 2, 3)).argsort(descending=True, stable=True)


def test_an_order_is_a_function_and_a_row(monkeypatch, tmp_path):
    monkeypatch.setitem(ORDERS, "loudest", Order(by_number, sorted=by_loudness))
    flow = tiny_flow(split="loudest+pooled")
    x = tiny_x(4, flow.config)
    assert torch.allclose(flow.decode(flow.encode(x)), x, atol=1e-4)
    made = MultiScaleFlow(flow.config)
    made.initialise(x)
    features = made.levels[0].features(x)[0]
    assert torch.equal(made.levels[0].shuffle.order, by_loudness(features))
    checkpoint.save(tmp_path / "it.safetensors", flow, tiny_info(flow))
    assert torch.equal(checkpoint.load(tmp_path / "it.safetensors").flow.log_prob(x), flow.log_prob(x))
    assert "order loudest, weights ω(x)" in counts_of(flow)
    assert list(ORDERS)[-1] == "loudest"
    with pytest.raises(ConfigError, match=f"must be one of {', '.join(ORDERS)}"):
        tiny_flow(split="quietest+pooled")


def test_a_weighting_is_a_class_and_a_row(monkeypatch):
    class Halved(ChannelWeights):
        """Weighs half as strongly."""

        def log_weights(self, x):
            log_b = self.emitted(x.chunk(2, dim=1)[0]) / 2
            return torch.cat([torch.zeros_like(log_b), log_b], dim=1)

        def inverse(self, y):
            a, b = y.chunk(2, dim=1)
            return torch.cat([a, b * (-self.emitted(a) / 2).exp()[:, :, None, None]], dim=1)

    monkeypatch.setitem(WEIGHTS, "halved", Weighting(shuffle=Halved))
    flow = tiny_flow(split="random+halved")
    x = tiny_x(4, flow.config)
    assert torch.allclose(flow.decode(flow.encode(x)), x, atol=1e-4)
    assert flow.trace(x).levels[0].log_weights.abs().max() > 0
    assert ", weights ω(x)" in counts_of(flow)


def test_a_data_set_is_a_row(monkeypatch):
    monkeypatch.setitem(DATASETS, "planes", DataSet(lambda download: tiny_data(), flips=False))
    assert data.load("planes", multiple=4).size == (8, 8)
    with pytest.raises(data.DataError, match="planes"):
        data.load("not there")


def test_a_measure_is_a_function():
    @measure("test")
    def brightness(look, scale=1.0):
        return look.test.float().mean().item() * scale

    flow = tiny_flow()
    test = torch.full((2, *flow.config.shape), 100, dtype=torch.uint8)
    file = checkpoint.Checkpoint("it", flow, tiny_info(flow), "")
    look = Look(file, "it", train=test, test=test, sources=None, image=test[:1], level=1, seed=0)
    assert brightness(look) == 100 and brightness(look, scale=0.5) == 50


def test_a_page_is_a_file_and_a_row(monkeypatch, tmp_path):
    (tmp_path / "pages").mkdir()
    page = tmp_path / "pages" / "10_novel.py"
    page.write_text(PAGE)
    monkeypatch.setattr(navigation, "_STORY", (*navigation._STORY, Entry("Work", str(page), "Novel")))
    assert navigation.pages()[-1].label == "Novel"
    assert navigation.following(navigation._STORY[-2].label).label == "Novel"


def test_every_page_on_disk_is_in_the_story():
    there = {f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")} - {"pages/7_space.py"}  # it leads on
    assert there == {entry.path for entry in navigation._STORY if entry.path.startswith("pages/")}
