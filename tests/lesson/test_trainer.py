"""The training in a tab computes what torch computes: start, log p, gradients, steps, and the saved file."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from eiwflow import checkpoint, data
from eiwflow.analysis.intervals import of_mean
from eiwflow.flow import MultiScaleFlow
from eiwflow.flow.multiscale import dequantise, to_bits_per_dim
from eiwflow.lesson import build
from eiwflow.lesson.bundle import ASSETS
from eiwflow.lesson.pack import Pack, opened
from eiwflow.training.memory import channels_last
from eiwflow.training.optimiser import optimisers, set_learning_rate
from eiwflow.training.recipe import Recipe
from eiwflow.training.trainer import update_averages

from .. import WHOLE

NODE = shutil.which("node")
IMAGES = 96
STUDY = {
    "shape": [3, 16, 16], "levels": 3, "steps": 4, "width": 48, "start": "data", "weights": True, "half": "entropy",
    "partition": "random", "mixing": True, "coupling": True, "learningRate": 2e-3, "batch": 32, "iterations": 500,
}  # fmt: skip

pytestmark = pytest.mark.skipif(NODE is None and not WHOLE, reason="node runs the trainer, and it is not installed")

recipes = st.fixed_dictionaries(
    {
        "shape": st.sampled_from([[3, 16, 16], [1, 16, 16], [3, 8, 8]]),
        "levels": st.integers(1, 3),
        "steps": st.integers(1, 4),
        "width": st.integers(8, 20),
        "start": st.sampled_from(["data", "random"]),
        "weights": st.booleans(),
        "half": st.sampled_from(["entropy", "variance", "position", "chance"]),
        "partition": st.sampled_from(["random", "alternating"]),
        "mixing": st.sampled_from([True, True, False]),
        "coupling": st.sampled_from([True, True, False]),
        "learningRate": st.sampled_from([5e-4, 2e-3]),
        "batch": st.integers(3, 9),
        "iterations": st.sampled_from([50, 500]),
    }
)


@dataclass
class Tab:
    """What the trainer computed from ``x`` (N, C, H, W), and its files."""

    recipe: dict[str, Any]
    x: Tensor
    said: dict[str, Any]
    folder: Path

    def flow(self, name: str) -> MultiScaleFlow:
        return checkpoint.load(self.folder / f"{name}.safetensors", trainable=True).flow


def values(shape: list[int], count: int) -> Tensor:
    """Return dequantised faces (N, C, H, W), cropped to the shape."""
    faces = data.load("faces16", download=False).train
    pictures = torch.from_numpy(np.ascontiguousarray(faces[np.arange(count) % len(faces)].transpose(0, 3, 1, 2)))
    x = dequantise(pictures, torch.Generator().manual_seed(1))
    return x[:, : shape[0], : shape[1], : shape[2]].contiguous()


def in_tab(folder: Path, recipe: dict[str, Any], steps: int = 0, moved: float = 0.1, simd: bool = True) -> Tab:
    x = values(recipe["shape"], max(IMAGES, steps * recipe["batch"]))
    x.permute(0, 2, 3, 1).contiguous().numpy().tofile(folder / "x")
    request = {"recipe": recipe, "simd": simd, "moved": moved, "steps": steps, "images": IMAGES}
    (folder / "request.json").write_text(json.dumps(request))
    command = [NODE or "node", str(Path(__file__).with_name("trainer.mjs")), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["simd"] == simd
    return Tab(recipe, x, said, folder)


def started(tab: Tab) -> MultiScaleFlow:
    """Return torch's start from the same images, networks, rotations and partitions."""
    recipe = tab.recipe
    flow = tab.flow("start")
    flow.initialised = False
    if not recipe["mixing"]:
        for level in flow.levels:
            level.rotated = False
            if level.shuffle is not None and recipe["half"] == "variance":
                level.shuffle.rule = "random"  # ActNorm makes all variances alike: the tab's order stays
    elif recipe["start"] == "data":
        stands = iter(tab.said["arrangements"])
        for level in flow.levels:
            level.partition = lambda x, steps, last, seed: [torch.tensor(stand) for stand in next(stands)]
    flow.initialise(tab.x[:IMAGES])
    return flow


def compare(tab: Tab) -> None:
    recipe, own = tab.recipe, tab.flow("start").state_dict()
    for name, tensor in started(tab).state_dict().items():
        torch.testing.assert_close(own[name], tensor, atol=2e-4, rtol=0, msg=f"{name} differs at the start")
    flow = tab.flow("moved").double()
    log_prob, _ = flow(tab.x[: recipe["batch"]].double())
    expected = to_bits_per_dim(log_prob, flow.config.dimensions)
    found = to_bits_per_dim(torch.tensor(tab.said["logP"], dtype=torch.float64), flow.config.dimensions)
    torch.testing.assert_close(found, expected.detach(), atol=5e-6, rtol=0)
    assert tab.said["roundTrip"] < 2e-4
    expected.mean().backward()
    gradients = load_file(tab.folder / "gradient.safetensors")
    frozen = frozen_in(recipe)
    for name, parameter in flow.named_parameters():
        grad, grad_tab = parameter.grad, gradients[name].double()
        if any(word in name for word in frozen):
            assert not grad_tab.any()
        elif grad is not None:
            worst, length = float((grad - grad_tab).abs().max()), float((grad - grad_tab).norm())
            assert worst <= 2e-4 * float(grad.abs().max()) + 1e-8, name
            assert length <= 2e-4 * float(grad.norm()) + 1e-8, name


def frozen_in(recipe: dict[str, Any]) -> list[str]:
    """Return parts of the names of parameters that a switch of the recipe keeps as they are."""
    return ["mixing"] * (not recipe["mixing"]) + ["coupling"] * (not recipe["coupling"])


def trained_by_torch(tab: Tab, steps: int) -> tuple[list[float], MultiScaleFlow]:
    """Return bits of every step and the averaged flow, of the same steps from the same start."""
    recipe = tab.recipe
    flow, average = (channels_last(tab.flow("moved")) for _ in range(2))
    for name, parameter in flow.named_parameters():
        if any(word in name for word in frozen_in(recipe)):
            parameter.register_hook(torch.zeros_like)
    rates = Recipe(flow=flow.config, learning_rate=recipe["learningRate"], iterations=recipe["iterations"])
    steppers = optimisers(flow, "muon", rates.learning_rate, rates.weight_decay)
    curve = []
    for step in range(steps):
        x = tab.x[step * recipe["batch"] : (step + 1) * recipe["batch"]]
        set_learning_rate(steppers, rates.learning_rate_at(step))
        flow.zero_grad()
        bits = to_bits_per_dim(flow(x)[0], flow.config.dimensions).mean()
        bits.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), rates.clip)
        for stepper in steppers:
            stepper.step()
        with torch.no_grad():
            update_averages(list(average.parameters()), list(flow.parameters()), step + 1, rates.ema)
        curve.append(float(bits.detach()))
    return curve, average


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.slow
@settings(deadline=None, max_examples=8, phases=[Phase.explicit, Phase.generate])
@given(recipe=recipes, simd=st.booleans())
def test_start_log_p_and_every_gradient_are_torchs(recipe: dict[str, Any], simd: bool) -> None:
    recipe = {**recipe, "levels": min(recipe["levels"], 2 if recipe["shape"][1] == 8 else 3)}
    with tempfile.TemporaryDirectory() as name:
        compare(in_tab(Path(name), recipe, simd=simd))


@pytest.mark.slow
@settings(deadline=None, max_examples=4, phases=[Phase.explicit, Phase.generate])
@given(recipe=recipes)
def test_steps_are_torchs_with_every_switch(recipe: dict[str, Any]) -> None:
    recipe = {**recipe, "levels": min(recipe["levels"], 2 if recipe["shape"][1] == 8 else 3)}
    with tempfile.TemporaryDirectory() as name:
        tab = in_tab(Path(name), recipe, steps=20, moved=0)
        curve, _ = trained_by_torch(tab, 20)
        np.testing.assert_allclose(tab.said["curve"], curve, atol=2e-3)


def test_the_flow_of_the_studies_trains_as_in_torch(folder: Path) -> None:
    """A hundred steps from one start, with the same batches; the saved file holds the averaged flow."""
    steps = 100
    tab = in_tab(folder, {**STUDY, "batch": 8, "iterations": steps}, steps=steps, moved=0)
    curve, average = trained_by_torch(tab, steps)
    np.testing.assert_allclose(tab.said["curve"], curve, atol=5e-3)
    with torch.no_grad():
        expected, saved = (
            to_bits_per_dim(flow(tab.x[:IMAGES])[0], flow.config.dimensions) for flow in (average, tab.flow("trained"))
        )
    assert float((expected - torch.tensor(tab.said["scores"])).mean().abs()) < 2e-3
    np.testing.assert_allclose(tab.said["scores"], saved.numpy(), atol=5e-6)
    assert curve[-1] < curve[0] - 0.5
    check_what_scenes_state(tab)


def check_what_scenes_state(tab: Tab) -> None:
    """The facts that scenes state of a trained flow are those that Python computes of its file."""
    said, pack = tab.said["stated"], Pack()
    images = ((tab.x[: 2 * IMAGES] + 0.5) * 256).byte()
    expected = build.flow_facts(pack, checkpoint.load(tab.folder / "trained.safetensors"), images)
    at, (height, width, channels) = expected["average"]["at"], expected["average"]["shape"]
    average = np.frombuffer(opened(pack.to_bytes())[1], "<f4", height * width * channels, at)
    np.testing.assert_allclose(said["average"], average, atol=1e-3)
    weights, own = expected["weights"], said["weights"]
    assert (own["level"], own["step"], own["images"]) == (weights["level"], weights["step"], weights["images"])
    assert own["risen"] == pytest.approx(weights["risen"], abs=0.1 * weights["images"])  # the grain is another
    for name in ("spread", "middle", "loudest", "rest", "redundancy", "couplings", "bits"):
        assert_alike(said[name], expected[name], name)
    assert_alike(own["averages"], weights["averages"], "averages")


def assert_alike(one: Any, other: Any, name: str) -> None:
    """Compare numbers in lists and dictionaries of one shape."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), name
        one, other = [*one.values()], [other[key] for key in one]
    if isinstance(one, list):
        assert len(one) == len(other), name
        for first, second in zip(one, other, strict=True):
            assert_alike(first, second, name)
    else:
        assert one == other or one == pytest.approx(other, rel=2e-3, abs=2e-3), name


def test_gradients_of_the_flow_of_the_studies_are_torchs(folder: Path) -> None:
    compare(in_tab(folder, {**STUDY, "batch": 8}))


def test_the_interval_of_a_class_is_that_of_a_study() -> None:
    draw = np.random.default_rng(0)
    classes = [draw.normal(0.05, 0.1, count).round(4).tolist() for count in (*range(2, 40), 300)]
    classes += [[0.1, 0.1, 0.1], [-2, 2], [0.0, 0.0]]
    script = f'import {{ intervalOf }} from "{(ASSETS / "interval.js").as_uri()}"; console.log(JSON.stringify('
    script += f"{json.dumps(classes)}.map(intervalOf).map(({{ low, high }}) => [low, high])))"
    command = [NODE or "node", "--input-type=module", "--eval", script]
    said = json.loads(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)
    expected = [(interval.low, interval.high) for interval in map(of_mean, map(np.array, classes))]
    np.testing.assert_allclose(said, expected, rtol=0, atol=2e-6)


def test_a_page_starts_pauses_saves_and_survives_a_divergence(folder: Path) -> None:
    faces = data.load("faces16", download=False).test[:140]
    (folder / "faces").write_bytes(faces.tobytes())
    command = [NODE or "node", str(Path(__file__).with_name("tab.mjs")), str(folder / "faces"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    loaded = checkpoint.load(folder / "saved.safetensors")
    assert said["ready"]["parameters"] == loaded.flow.parameter_count()
    assert said["paused"]["reason"] == "paused" and said["one"]["step"] == said["paused"]["step"] + 1
    assert (said["reached"]["step"], said["reached"]["reason"], loaded.info.step) == (40, "reached", 40)
    # The file's flow gives the bits that the tab gave, up to one dequantisation.
    bits = loaded.flow.bits_per_dim(torch.from_numpy(faces[100:].transpose(0, 3, 1, 2).copy()))
    assert float(bits.mean()) == pytest.approx(np.mean(said["scores"]), abs=0.02)
    assert loaded.info.metrics["test_bits_per_dim"] == pytest.approx(said["test"][-1][1])
    assert said["same"] and said["samples"] == 5 * faces[0].size
    head, _ = opened((folder / "pack").read_bytes())
    assert head["flow"]["split"] == loaded.flow.config.split
    # A learning rate that is far too high ends in a sentence, and the last good flow stays.
    assert said["lost"]["reason"] == "diverged" and "1000000" in said["message"]
    assert np.isfinite(said["after"]).all() and "diverged" in {event["type"] for event in said["events"]}
    assert "0 pictures" in said["refused"]
