"""Any image shape that a config allows makes a flow that inverts itself."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eiwflow.flow import Latents
from eiwflow.flow.config import INITS, PRIORS, ROTATED
from eiwflow.options import FLOW
from tests.words import SPLITS

from .flows import images_for, ready_flow
from .numerics import largest_difference


@st.composite
def descriptions(draw):
    split = draw(st.sampled_from([*SPLITS, "first+pooled", "random+pooled", "released"]))
    levels = draw(st.integers(1, 3))
    order = split.split("+")[0]
    allowed = {"variance": ROTATED, "first": ("random",), "last": ("random",)}
    keeps = [keep for keep in FLOW["keep"].words if (keep, split.split("+")[-1]) != ("all", "pooled")]
    sides = st.integers(1, 3).map(lambda n: n * 2**levels)
    return {
        "shape": (draw(st.sampled_from([1, 3])), draw(sides), draw(sides)),
        "levels": levels,
        "steps": draw(st.integers(1, 3)),
        "width": draw(st.integers(1, 6)),
        "split": split,
        "prior": "standard" if split == "released" else draw(st.sampled_from(PRIORS)),
        "init": draw(st.sampled_from(allowed.get(order, INITS))),
        "network": draw(st.sampled_from(["1-1", "3-1-3", "3-5"])),
        "keep": draw(st.sampled_from(keeps)),
        "scale_bound": draw(st.floats(0.1, 4.0)),
        "permutation_seed": draw(st.integers(0, 2**31 - 1)),
    }


@given(fields=descriptions(), seed=st.integers(0, 99))
def test_images_survive_the_round_trip(fields, seed):
    flow = ready_flow(seed=seed, **fields)
    x = images_for(flow, 2, seed=seed)
    latents = flow.encode(x)
    assert [epsilon.shape[1:] for epsilon in latents.levels] == flow.latent_shapes()
    # All channels of a tiny image, passed on to the end, rest on a batch smaller than their number.
    assert largest_difference(flow.decode(latents), x) < (1e-7 if fields["keep"] == "all" else 1e-8)


@given(fields=descriptions(), seed=st.integers(0, 99))
def test_latents_survive_the_round_trip(fields, seed):
    """Those near images': far from what it was initialised on, an untrained flow magnifies its own rounding."""
    flow = ready_flow(seed=seed, **fields)
    of_images = flow.encode(images_for(flow, 2, seed=seed))
    drawn = flow.sample_latents(2, generator=torch.Generator().manual_seed(seed))
    latents = Latents([0.9 * near + 0.1 * far for near, far in zip(of_images.levels, drawn.levels, strict=True)])
    for given_, back in zip(latents.levels, flow.encode(flow.decode(latents)).levels, strict=True):
        assert largest_difference(given_, back) < 1e-8


@settings(max_examples=10)
@given(fields=descriptions())
def test_trace_and_log_prob_agree(fields):
    flow = ready_flow(**fields)
    x = images_for(flow, 2)
    expected = flow.log_prob(x)
    assert torch.isfinite(expected).all()
    assert torch.allclose(flow.trace(x).log_prob, expected, rtol=1e-9, atol=1e-8)
