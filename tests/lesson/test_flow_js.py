"""The flow in the browser computes what torch computes."""

from __future__ import annotations

import json
import shutil
import subprocess
from copy import deepcopy
from math import comb, log, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.pack import own_rank
from eiwflow import checkpoint
from eiwflow.analysis.levels import KeptFit
from eiwflow.data.picture import from_picture, png_file
from eiwflow.flow import CouplingWeights, FlowConfig, Latents, MultiScaleFlow
from eiwflow.flow.multiscale import quantise, to_bits_per_dim
from eiwflow.flow.split import standard_normal_log_prob
from eiwflow.lesson import build
from eiwflow.lesson.pack import Pack
from eiwflow.lesson.probe import Curve, probe_facts
from eiwflow.lesson.spec import flow_spec

from .. import WHOLE

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "assets" / "lesson" / "flow.js"
NODE = shutil.which("node")
BUNDLED = sorted((ROOT / "assets" / "checkpoints").glob("*-weighted.safetensors"))
CONFIGS = {
    "weighted": FlowConfig(shape=(3, 16, 16), levels=3, steps=3, width=16),
    "grey": FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8, order="random", weights="none", prior="standard"),
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
    "entropy weights": FlowConfig(shape=(3, 16, 16), levels=3, steps=3, width=16, weights="entropy"),
    "weights of shifts alone": FlowConfig(
        shape=(1, 8, 8), levels=2, steps=2, width=8, weights="entropy", coupling="additive"
    ),
    "weights from means": FlowConfig(shape=(3, 8, 8), levels=2, steps=2, width=8, weights="means", coupling="exp"),
    "constant weights": FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8, weights="constant"),
    "fixed": FlowConfig(
        shape=(3, 16, 8), levels=2, steps=2, width=8, order="variance", weights="none", network="3-3-1-5"
    ),
}

#: In the whole form, a missing node fails the tests instead of skipping them.
needs_node = pytest.mark.skipif(
    NODE is None and not WHOLE, reason="node runs the stage's JavaScript, and it is not installed"
)


def in_javascript(folder: Path, flow: MultiScaleFlow, x: Tensor, latents: Latents, ranked: bool = False) -> Any:
    pack = Pack()
    pack.head["flow"] = flow_spec(pack, flow)
    pack.head["x"] = pack.floats(x[0].permute(1, 2, 0).numpy())
    if ranked:
        pack.head["average"] = pack.floats(average_of(flow)[0].permute(1, 2, 0).numpy())
    pack.head["rest"] = [
        {"mean": fit.flatten().tolist(), "spread": std.flatten().tolist()}
        for fit, std in zip(some_fit(flow).means[1:], some_fit(flow).stds[1:], strict=True)
    ]
    pack.head["latents"] = [pack.floats(noise[0].permute(1, 2, 0).numpy()) for noise in latents.levels]
    if (facts := build.weight_facts(flow, x)) is not None:
        pack.head["averages"] = halved(facts["averages"])
    assert NODE is not None, "node is not installed"
    path = folder / "pack"
    path.write_bytes(pack.to_bytes())
    command = [NODE, str(Path(__file__).with_name("parity.mjs")), str(SCRIPT), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def halved(averages: Any) -> Any:
    """Return average weights that are far from those of the image: half of them."""
    return [
        [step and {side: [w / 2 for w in values] for side, values in step.items()} for step in level]
        for level in averages
    ]


def frozen(flow: MultiScaleFlow, averages: Any) -> MultiScaleFlow:
    """Return a flow whose couplings have these weights for every image: by hooks, another way than in the browser."""
    flow = deepcopy(flow)
    for level, steps in zip(flow.levels, averages, strict=True):
        for step, fixed in zip(level.steps, steps, strict=True):
            if fixed is not None:
                sides = (torch.tensor(fixed[side], dtype=torch.double) for side in fixed)
                values = CouplingWeights(*(side[None, :, None, None] for side in sides))
                step.coupling.weights.register_forward_hook(lambda module, args, output, values=values: values)
    return flow


def some_fit(flow: MultiScaleFlow) -> KeptFit:
    """Return a Gaussian a channel of what every level passes on, of means and spreads that differ by channel."""
    counts = [flow.config.shape[0], *flow.config.counts]
    parts = [torch.linspace(0.2, 1, count, dtype=torch.float64)[None, :, None, None] for count in counts]
    return KeptFit(means=tuple(part - 0.5 for part in parts), stds=tuple(parts))


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
    for here, level in zip(found["weights"], trace.levels, strict=True):
        for number, weights in enumerate(here, start=1):
            assert (weights is None) == (f"step {number} read" not in level.coupling_weights)
            for side in weights or ():
                close(weights[side], level.coupling_weights[f"step {number} {side}"])
    if (facts := build.weight_facts(flow, x)) is not None:
        log_prob = frozen(flow, halved(facts["averages"])).log_prob(x)
        expected = float(to_bits_per_dim(log_prob, flow.config.dimensions))
        assert found["frozenBits"] == pytest.approx(expected, abs=1e-4)
        assert abs(expected - found["bitsPerDim"]) > 1e-3
    bits = to_bits_per_dim(trace.log_prob, flow.config.dimensions)
    np.testing.assert_allclose(found["bitsPerDim"], float(bits), atol=1e-4)
    # Stopped after each level, the two terms of the bits add up to what torch counts; after the last, to −log p.
    log_prob, fit = torch.zeros(1, dtype=torch.float64), some_fit(flow)
    for stop, level in zip(found["running"], trace.levels, strict=True):
        log_prob = log_prob + level.log_det + standard_normal_log_prob(level.noise)
        rest = 0 if level.kept is None else fit.log_prob(level.number, level.kept)
        price = float(to_bits_per_dim(log_prob + rest, flow.config.dimensions))
        assert stop["noise"] + stop["stretch"] == pytest.approx(price, abs=1e-4)
    log_det = float(sum(level.log_det for level in trace.levels))
    assert found["running"][-1]["stretch"] == pytest.approx(
        8 + log(2 * pi) / 2 / log(2) - log_det / flow.config.dimensions / log(2), abs=1e-4
    )
    decoded = flow.decode(latents)
    close(found["decoded"], decoded)
    grey = ((decoded + 0.5) * 256 - 0.5).clamp(0, 255)
    error = (grey - quantise(x).double()).square().mean()
    assert found["psnr"] == pytest.approx(float(10 * (255**2 / error).log10()), abs=1e-3)
    again = flow.trace(decoded)
    for features, level in zip(found["decodedFeatures"], again.levels, strict=True):
        np.testing.assert_allclose(features, level.features[0].permute(1, 2, 0).flatten().numpy(), atol=1e-4)
    np.testing.assert_allclose(found["back"], x[0].permute(1, 2, 0).flatten().numpy(), atol=1e-6)


@pytest.mark.slow
@needs_node
@pytest.mark.parametrize("name", ["weighted", "a quarter kept", "as many kept as have structure"])
def test_a_choice_is_ranked_among_all_of_its_size(tmp_path: Path, name: str) -> None:
    flow = random_flow(CONFIGS[name])
    x = torch.rand(1, *flow.config.shape, generator=torch.Generator().manual_seed(5)) - 0.5
    found = in_javascript(tmp_path, flow, x, flow.sample_latents(1), ranked=True)
    channels, gone = flow.levels[0].shuffle.order.numel(), flow.latent_shapes()[0][0]
    assert found["choices"] == comb(channels, gone)
    assert found["parts"] == sorted(found["parts"]) and all(0 < part < 1 for part in found["parts"])
    assert found["rank"] == own_rank(flow, quantise(x)[0], average_of(flow)[0])


@needs_node
@pytest.mark.parametrize("config", [
    pytest.param(config, id=name, marks=[pytest.mark.slow] * (config.shape[1] > 8)) for name, config in CONFIGS.items()
])  # fmt: skip
def test_every_level_is_torchs_in_both_directions(tmp_path: Path, config: FlowConfig) -> None:
    compare(tmp_path, random_flow(config))


@pytest.mark.slow
@needs_node
@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_bundled_flows_are_torchs_in_both_directions(tmp_path: Path, path: Path) -> None:
    compare(tmp_path, checkpoint.load(path).flow)


COUNT = """import { normal, noiseOf, stretchAt, termsOf, valueWith } from "CURVE";
const curve = JSON.parse(process.argv[1]), bytes = Array.from({ length: 256 }, (_, x) => x);
console.log(JSON.stringify({
  terms: bytes.map((x) => termsOf(curve, x)), back: bytes.map((x) => valueWith(curve, noiseOf(curve, x))),
  density: bytes.map((x) => normal(noiseOf(curve, x)) / stretchAt(curve, x)),
}));"""


@needs_node
def test_the_two_terms_of_one_value_are_its_bits(tmp_path: Path) -> None:
    """The lesson's flow of one dimension: noise and stretching add up to −log₂ p; noise in the middle adds nothing."""
    values = torch.cat([torch.linspace(20, 60, 50), torch.linspace(120, 150, 150)]).round().to(torch.uint8)
    facts = probe_facts(values[:, None, None, None])
    script = COUNT.replace("CURVE", SCRIPT.with_name("curve.js").as_uri())
    command = [NODE or "node", "--input-type=module", "--eval", script, json.dumps(facts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    x = torch.arange(256, dtype=torch.float64, requires_grad=True)
    noise, _ = Curve(values.numpy())(x)
    (slope,) = torch.autograd.grad(noise.sum(), x)
    unusual, breadth = noise.square() / 2 / log(2), log(2 * pi) / 2 / log(2)
    terms = torch.tensor([[term["noise"], term["stretch"]] for term in found["terms"]], dtype=torch.float64)
    torch.testing.assert_close(terms, torch.stack([unusual, breadth - slope.log2()], 1).detach(), atol=1e-4, rtol=0)
    np.testing.assert_allclose(found["density"], 2 ** -terms.sum(1).numpy(), atol=1e-6)
    np.testing.assert_allclose(found["back"], x.detach().numpy(), atol=1e-4)
    # It is a better guess than one Gaussian, and a guess for each byte: bits of the values on average.
    mean, std = values.double().mean(), values.double().std(correction=0)
    gaussian = torch.distributions.Normal(mean, std).log_prob(values.double()).mean() / -log(2)
    assert float(terms.sum(1)[values.long()].mean()) < float(gaussian) - 0.2


RESAMPLE = """import { bytesOf } from "PHOTO";
import { readFileSync } from "node:fs";
const data = new Uint8ClampedArray(readFileSync(0)), canvas = { width: +process.argv[1] };
process.stdout.write(bytesOf({ ...canvas, getContext: () => ({ getImageData: () => ({ data }) }) }, [16, 16, 3]));"""


@needs_node
@pytest.mark.parametrize("side", [37, 512])
def test_a_photo_is_the_same_in_the_file_as_in_the_app(side: int) -> None:
    rng = np.random.default_rng(side)
    photo = (rng.random((side, side, 4)) * np.linspace(0, 255, side)[:, None, None]).astype(np.uint8)
    photo[..., 3] = 255 if side == 37 else 100  # in part transparent
    script = RESAMPLE.replace("PHOTO", SCRIPT.with_name("photo.js").as_uri())
    command = [NODE or "node", "--input-type=module", "--eval", script, str(side)]
    done = subprocess.run(command, input=photo.tobytes(), capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = np.frombuffer(done.stdout, np.uint8).reshape(16, 16, 3)
    expected = from_picture(png_file(photo), (3, 16, 16))
    assert np.abs(found.astype(int) - expected).max() <= 1 and (found == expected).mean() > 0.99


PLANE = """import { PlaneFlow, twoMoons } from "PLANE";
const points = twoMoons(2000, 5), flow = new PlaneFlow(3), nats = [];
flow.train(points);
const gradient = new Float64Array(flow.parameters.length), by = flow.parameters.map(() => 0);
flow.loss(0.4, 0.7, gradient);
flow.parameters.forEach((value, i) => {
  const ends = [1e-5, -1e-5].map((step) => ((flow.parameters[i] = value + step), flow.loss(0.4, 0.7)));
  flow.parameters[i] = value;
  by[i] = (ends[0] - ends[1]) / 2e-5;
});
while (flow.steps < 300) nats.push(flow.train(points));
const [x, y, logDet] = flow.forward(0.4, 0.7), [u, v, back] = flow.inverse(x, y);
const moved = [[1e-4, 0], [0, 1e-4]].map(([a, b]) => flow.forward(0.4 + a, 0.7 + b));
const jacobian = moved.map(([a, b]) => [(a - x) / 1e-4, (b - y) / 1e-4]);
console.log(JSON.stringify({ gradient: [...gradient], by: [...by], nats, point: [u, v], logDet, back, jacobian }));"""


@needs_node
def test_the_flow_of_two_values_descends_its_own_gradient_and_counts_areas() -> None:
    script = PLANE.replace("PLANE", SCRIPT.with_name("plane.js").as_uri(), 1)
    command = [NODE or "node", "--input-type=module", "--eval", script]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout)
    np.testing.assert_allclose(found["gradient"], found["by"], atol=1e-6)
    assert np.mean(found["nats"][-50:]) < np.mean(found["nats"][:10]) - 0.3
    assert found["point"] == pytest.approx([0.4, 0.7]) and found["back"] == pytest.approx(-found["logDet"])
    assert found["logDet"] == pytest.approx(log(abs(np.linalg.det(found["jacobian"]))), abs=1e-2)
