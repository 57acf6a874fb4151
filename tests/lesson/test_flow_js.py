"""The flow in the browser computes what torch computes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from eiwflow import checkpoint
from eiwflow.flow import FlowConfig, Latents, MultiScaleFlow
from eiwflow.flow.multiscale import quantise, to_bits_per_dim
from eiwflow.lesson import build
from eiwflow.lesson.pack import Pack
from eiwflow.lesson.spec import flow_spec

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "assets" / "lesson" / "flow.js"
NODE = shutil.which("node")
BUNDLED = sorted((ROOT / "assets" / "checkpoints").glob("*-weighted.safetensors"))
CONFIGS = {
    "weighted": FlowConfig(shape=(3, 16, 16), levels=3, steps=3, width=16),
    "grey": FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8, split="random", prior="standard"),
    "a quarter kept": FlowConfig(shape=(3, 16, 16), levels=3, steps=2, width=8, keep=0.25),
    "three quarters kept": FlowConfig(shape=(1, 16, 16), levels=3, steps=2, width=8, keep=0.75, weights="none"),
    "as many kept as have structure": FlowConfig(shape=(3, 8, 8), levels=2, steps=2, width=8, keep="auto"),
    "order of the published code": FlowConfig(
        shape=(3, 8, 8), levels=2, steps=2, width=8, order="released", weights="none", prior="standard"
    ),
    "maps of Glow": FlowConfig(
        shape=(3, 8, 8),
        levels=2,
        steps=2,
        width=8,
        weights="none",
        coupling="sigmoid",
        padding="ones",
        prior="unbounded",
        top_prior="constant",
    ),
    "maps of other code": FlowConfig(
        shape=(3, 8, 8), levels=2, steps=2, width=8, weights="none", coupling="sigmoid-inverse", prior="constant"
    ),
    "scale without a bound": FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8, coupling="exp"),
    "additive couplings": FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8, coupling="additive"),
    "fixed": FlowConfig(shape=(3, 16, 8), levels=2, steps=2, width=8, split="static-first", network="3-3-1-5"),
}

#: With this variable set, a missing node fails the tests instead of skipping them.
REQUIRED = "EIWFLOW_REQUIRE_NODE"
needs_node = pytest.mark.skipif(
    NODE is None and not os.environ.get(REQUIRED), reason="node runs the stage's JavaScript, and it is not installed"
)


def in_javascript(folder: Path, flow: MultiScaleFlow, x: Tensor, latents: Latents, ranked: bool = False) -> Any:
    pack = Pack()
    pack.head["flow"] = flow_spec(pack, flow)
    pack.head["x"] = pack.floats(x[0].permute(1, 2, 0).numpy())
    if ranked:
        pack.head["average"] = pack.floats(average_of(flow)[0].permute(1, 2, 0).numpy())
    pack.head["latents"] = [pack.floats(noise[0].permute(1, 2, 0).numpy()) for noise in latents.levels]
    assert NODE is not None, "node is not installed"
    path = folder / "pack"
    path.write_bytes(pack.to_bytes())
    command = [NODE, str(Path(__file__).with_name("parity.mjs")), str(SCRIPT), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def average_of(flow: MultiScaleFlow) -> Tensor:
    """Return features (1, C, H, W) of level 1 that stand for the average over images."""
    return flow.trace(torch.zeros(1, *flow.config.shape)).levels[0].features


def random_flow(config: FlowConfig) -> MultiScaleFlow:
    """Return a flow in which nothing is zero or the identity."""
    generator = torch.Generator().manual_seed(3)
    flow = MultiScaleFlow(config)
    flow.initialise(torch.rand(16, *config.shape, generator=generator) - 0.5)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return flow.requires_grad_(False).eval()


def close(found: list[float], expected: Tensor) -> None:
    rows = expected[0].permute(1, 2, 0).flatten() if expected.dim() == 4 else expected.flatten()
    np.testing.assert_allclose(np.array(found), rows.numpy(), atol=1e-4, rtol=0)


def compare(folder: Path, flow: MultiScaleFlow) -> None:
    generator = torch.Generator().manual_seed(4)
    _, height, width = flow.config.shape
    smooth = torch.linspace(-0.3, 0.3, height)[:, None] + torch.linspace(0.1, -0.1, width)
    x = smooth + 0.02 * torch.randn(1, *flow.config.shape, generator=generator)
    latents = flow.sample_latents(1, 0.8, generator)
    found = in_javascript(folder, flow, x, latents)
    # The browser computes in float64: so that only its error counts, torch does too.
    flow, x, latents = flow.double(), x.double(), Latents([noise.double() for noise in latents.levels])
    trace = flow.trace(x)
    for here, level in zip(found["levels"], trace.levels, strict=True):
        close(here["features"], level.features)
        close(here["noise"], level.noise)
        if level.kept is not None:
            close(here["kept"], level.kept)
        if level.log_weights is not None and level.weighted:
            close(here["logWeights"], level.log_weights)
    bits = to_bits_per_dim(trace.log_prob, flow.config.dimensions)
    np.testing.assert_allclose(found["bitsPerDim"], float(bits), atol=1e-4)
    decoded = flow.decode(latents)
    close(found["decoded"], decoded)
    again = flow.trace(decoded)
    for features, level in zip(found["decodedFeatures"], again.levels, strict=True):
        np.testing.assert_allclose(features, level.features[0].permute(1, 2, 0).flatten().numpy(), atol=1e-4)
    np.testing.assert_allclose(found["back"], x[0].permute(1, 2, 0).flatten().numpy(), atol=1e-6)


@needs_node
@pytest.mark.parametrize("name", ["weighted", "a quarter kept", "as many kept as have structure"])
def test_a_choice_is_ranked_among_all_of_its_size(tmp_path: Path, name: str) -> None:
    flow = random_flow(CONFIGS[name])
    x = torch.rand(1, *flow.config.shape, generator=torch.Generator().manual_seed(5)) - 0.5
    found = in_javascript(tmp_path, flow, x, flow.sample_latents(1), ranked=True)
    channels, gone = flow.levels[0].shuffle.order.numel(), flow.latent_shapes()[0][0]
    assert found["choices"] == comb(channels, gone)
    assert found["parts"] == sorted(found["parts"]) and all(0 < part < 1 for part in found["parts"])
    assert found["rank"] == build.own_rank(flow, quantise(x)[0], average_of(flow)[0])


@needs_node
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_level_is_torchs_in_both_directions(tmp_path: Path, config: FlowConfig) -> None:
    compare(tmp_path, random_flow(config))


@needs_node
@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_bundled_flows_are_torchs_in_both_directions(tmp_path: Path, path: Path) -> None:
    compare(tmp_path, checkpoint.load(path).flow)
