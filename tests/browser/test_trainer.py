"""The training in a tab, in Chromium and Firefox: in a Worker, with WebAssembly, under the lesson's policy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from benchmarks.faces import TEST, TRAIN
from eiwflow import data
from eiwflow.lesson import bundle

from .conftest import PATIENCE_MS
from .test_firefox import Firefox, firefox

__all__ = ["firefox"]  # the fixture

SCRIPT = """
const { train, test } = await trainer_faces_js.faces(), trainer = new trainer_client_js.Trainer();
const recipe = { levels: 2, steps: 2, width: 16, iterations: 12 };
const { simd, parameters } = await trainer.start({ recipe, seed: 1, train, test });
const running = trainer.run();
await trainer.set({ temperature: 0.8 });
const { step } = await running;
const sums = [train, test].map(({ pixels, count }) => [count, pixels.reduce((a, b, i) => a + b * (1 + (i % 7)), 0)]);
const inWorker = trainer.port.worker, bytes = (await trainer.save()).length;
document.title = JSON.stringify({ simd, parameters, step, sums, inWorker, bytes, bits: trainer.state.test.at(-1)[1] });
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    page = bundle.page(b"").partition('<script type="module">')[0]
    path = tmp_path / "tab.html"
    modules = "".join(map(bundle.script, ("scenes/tab.js", "trainer/faces.js")))
    path.write_text(f'{page}<script type="module">{modules}{SCRIPT}</script></body></html>')
    return path.as_uri()


@pytest.mark.slow
def test_a_flow_trains_alike_in_chromium_and_firefox(
    open_tab: Callable[..., Page], firefox: Firefox, file: str
) -> None:
    page = open_tab()
    page.goto(file)
    expect(page).to_have_title(re.compile(r"^\{"), timeout=PATIENCE_MS)
    firefox.open(file)
    titles = page.title(), firefox.wait("document.title[0] === '{' && document.title")
    said: list[dict[str, Any]] = [json.loads(title) for title in titles]
    page.close()
    faces = data.load("faces16", download=False)
    for each in said:
        for (count, total), images in zip(each["sums"], (faces.train[:TRAIN], faces.test[:TEST]), strict=True):
            flat = images.reshape(-1).astype(np.int64)
            assert (count, total) == (len(images), int((flat * (1 + np.arange(len(flat)) % 7)).sum()))
        assert each["simd"] and each["inWorker"] and each["step"] == 12
    assert said[0] == {**said[1], "bits": pytest.approx(said[1]["bits"], abs=1e-6)}
