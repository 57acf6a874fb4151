"""An imported flow is the density that its source is: log p, samples and round trips."""

import math

import numpy as np
import pytest
import torch

from eiwflow.analysis.report import verify
from eiwflow.checkpoint import Checkpoint, CheckpointInfo
from eiwflow.flow import Latents, MultiScaleFlow
from eiwflow.importing import Options
from eiwflow.importing.check import compare
from eiwflow.importing.formats import convert, recognise

from .models import Normflows, Rosinality, Y0ast

MODELS = {
    "y0ast": (lambda: Y0ast(), Options()),
    "y0ast, additive": (lambda: Y0ast(affine=False), Options()),
    "y0ast, plain matrices and top": (lambda: Y0ast(lu=False, top=False), Options()),
    "y0ast, one level of grey": (lambda: Y0ast(channels=1, levels=1), Options(size=16)),
    "rosinality": (lambda: Rosinality(), Options(size=16, bits=5)),
    "rosinality, additive": (lambda: Rosinality(affine=False), Options(size=16, bits=5)),
    "rosinality, plain matrices": (lambda: Rosinality(lu=False), Options(size=16, bits=5)),
    **{
        f"normflows, {word}": (lambda word=word: Normflows(scale_map=word), Options(scale_map=word))
        for word in ("sigmoid", "exp", "sigmoid_inv")
    },
    "normflows, additive": (lambda: Normflows(affine=False), Options()),
    "normflows, plain matrices": (lambda: Normflows(lu=False), Options(scale_map="sigmoid")),
    "normflows, ActNorm in its networks": (lambda: Normflows(actnorm=True), Options(scale_map="sigmoid")),
    "normflows, leaky": (lambda: Normflows(leaky=0.2), Options(scale_map="sigmoid", leaky=0.2)),
    "normflows, ClassCondDiagGaussian": (lambda: Normflows(classes=3), Options(scale_map="sigmoid")),
    "normflows, GlowBase of classes": (
        lambda: Normflows(base="glow", classes=3),
        Options(size=16, scale_map="sigmoid"),
    ),
    "normflows, GlowBase": (lambda: Normflows(base="glow"), Options(size=16, scale_map="sigmoid")),
}
every_model = pytest.mark.parametrize(("make", "options"), MODELS.values(), ids=MODELS.keys())


def imported(model, options):
    """Return a model's state dict as our flow."""
    kind, tensors = recognise({"module." + name: value for name, value in model.state.items()})
    converted = convert(kind, tensors, options)
    flow = MultiScaleFlow(converted.config)
    flow.load_state_dict(converted.state)
    return flow


@every_model
@torch.no_grad()
def test_an_imported_flow_has_the_density_the_latents_and_the_samples_of_its_source(make, options):
    model = make()
    flow = imported(model, options)
    assert flow.config.context == getattr(model, "classes", 0)
    context = torch.full((4,), model.LABEL) if flow.config.context else None
    assert flow.config.bits == model.bits
    assert flow.config.shape == (model.channels, model.side, model.side)
    x = torch.rand(4, *flow.config.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    theirs = x.double() + 0.5 + model.low
    log_prob, noises = model.log_prob(theirs)
    bits = (flow.log_prob(x, context).double() - log_prob).abs() / (flow.config.dimensions * math.log(2))
    assert bits.max() < 1e-5
    assert (
        max((ours - noise).abs().max() for ours, noise in zip(flow.encode(x, context).levels, noises, strict=True))
        < 1e-4
    )
    assert (flow.decode(flow.encode(x, context), context) - x).abs().max() < 1e-4
    drawn = flow.sample_latents(4, 0.7, torch.Generator().manual_seed(2))
    samples = model.decode([noise.double() for noise in drawn.levels]) - 0.5 - model.low
    assert (flow.decode(Latents(drawn.levels), context) - samples).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["y0ast", "rosinality", "normflows, sigmoid"])
def test_an_imported_flow_passes_the_checks_of_ours(name):
    make, options = MODELS[name]
    flow = imported(make(), options)
    images = torch.randint(0, 256, (2, *flow.config.shape), dtype=torch.uint8)
    found = verify(Checkpoint("theirs", flow, CheckpointInfo(flow.config), ""), images, "noise")
    assert found.holds, found


@pytest.mark.parametrize(("bits", "holds"), [(0.02, False), (-0.004, False), (0.0005, True)])
@torch.no_grad()
def test_a_check_states_the_largest_difference_in_bits_per_dim(tmp_path, bits, holds):
    make, options = MODELS["rosinality"]
    model = make()
    flow = imported(model, options)
    x = torch.rand(4, *flow.config.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    nats = model.log_prob(x.double() + 0.5 + model.low)[0].numpy().copy()
    # A probability 2^(bits · D) times as large is that many bits/dim shorter.
    nats[2] -= np.log(np.exp2(bits)) * x[0].numel()
    np.save(tmp_path / "x.npy", x.numpy())
    np.save(tmp_path / "log_prob.npy", nats)
    found = compare(flow, "rosinality/glow-pytorch", tmp_path / "x.npy", tmp_path / "log_prob.npy")
    assert (found.images, found.worst, found.holds) == (4, 2, holds)
    assert found.bits_per_dim == pytest.approx(bits, abs=2e-5)
