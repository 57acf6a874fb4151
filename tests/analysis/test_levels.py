"""What eiwflow.analysis.levels says of an image's way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from eiwflow.analysis.levels import (
    KeptFit,
    LevelFacts,
    Staircase,
    fit_kept,
    level_facts,
    passage,
    stops,
    trace_of,
    traces,
)
from eiwflow.flow import FlowConfig, MultiScaleFlow, NonFiniteError, dequantise
from eiwflow.flow.config import PRIORS
from eiwflow.flow.information import redundancy
from eiwflow.flow.score import activation_bytes, score

from .. import crossed
from ..flow import flows
from ..flow.flows import SOME_POLICIES, every_policy


def images(n: int, seed: int = 0, shape: tuple[int, int, int] = (1, 8, 16)) -> Tensor:
    """Return n uint8 images (n, C, H, W) that are not noise: their mean grows to the right."""
    generator = torch.Generator().manual_seed(seed)
    ramp = torch.linspace(40, 160, shape[2])
    return (ramp + 60 * torch.rand(n, *shape, generator=generator)).to(torch.uint8)


def ready_flow(seed: int = 0, **fields: Any) -> MultiScaleFlow:
    """Return a flow of such images, of two levels of two steps, in which every part does something."""
    return flows.ready_flow(seed, **{"shape": (1, 8, 16), **fields})


def staircase(flow: MultiScaleFlow, pixels: Tensor, reference: Tensor | KeptFit, seed: int = 0) -> Staircase:
    """Return bits/dim of uint8 images if the flow stopped after each level, batch by batch."""
    fit = reference if isinstance(reference, KeptFit) else fit_kept(flow, reference)
    return Staircase(np.concatenate([stops(trace, fit).bits_per_dim for trace in traces(flow, pixels, seed)]))


def facts(**changes: object) -> LevelFacts:
    """Return facts of two images in a level of 4 channels."""
    fields = {
        "number": 1,
        "shape": (4, 2, 2),
        "steps": 2,
        "kept_channels": 2,
        "order": (3, 1, 0, 2),
        "redundancy": np.array([[3.0, 1.0, 0.5, 0.1], [3.0, 1.0, 0.5, 0.3]]),
        "log_weights": np.log([[1, 1, 1, 2], [1, 1, 1, 0.5]]),
    }
    return LevelFacts(**{**fields, **changes})


# ---------------------------------------------------------------------- the staircase


@crossed(split=SOME_POLICIES, prior=PRIORS)
def test_last_stair_is_the_flows_own_bits_per_dim(split: str, prior: str) -> None:
    flow = ready_flow(split=split, prior=prior, dtype=torch.float32)
    stairs = staircase(flow, images(5), images(20, seed=1), seed=3)
    assert stairs.bits_per_dim.shape == (5, 3)
    np.testing.assert_allclose(stairs.bits_per_dim[:, -1], score(flow, images(5), seed=3).numpy(), atol=1e-5)


def test_first_stair_is_a_gaussian_a_channel_on_the_pixels() -> None:
    flow = ready_flow(shape=(3, 8, 8))
    test, train = images(4, 0, (3, 8, 8)), images(20, 1, (3, 8, 8))
    got = staircase(flow, test, train, seed=3).bits_per_dim[:, 0]
    x, reference = next(traces(flow, test, 3)).x, next(traces(flow, train)).x
    gaussian = torch.distributions.Normal(
        reference.mean(dim=(0, 2, 3), keepdim=True), reference.std(dim=(0, 2, 3), keepdim=True, correction=0)
    )
    expected = 8 - gaussian.log_prob(x).sum(dim=(1, 2, 3)) / (3 * 64 * math.log(2))
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-12)


def scale_kept_half(flow: MultiScaleFlow, factors: Tensor) -> None:
    """Multiply the channels that level 1 keeps by ``factors`` (C/2,); let the ActNorm behind undo it.

    The density stays as it is. The order is ``last`` (kept channels are the last coupling's first half, which
    it leaves alone) or ``first`` (kept channels are its second half, which it transforms).
    """
    level, following = flow.levels[0], flow.levels[1]
    step, half = level.steps[-1], len(factors)
    conditioner = level.shuffle.rule in ("last", "variance-reversed")
    rows = torch.cat([factors, torch.ones(half)] if conditioner else [torch.ones(half), factors])
    step.mixing.set_matrix(rows[:, None] * step.mixing.matrix())
    readers = [level.split.prior] if level.split.prior is not None else []
    if conditioner:
        readers.append(step.coupling.network[0])
    else:
        shift = step.coupling.network[-1]
        shift.weight[half:] *= factors.view(-1, 1, 1, 1)
        shift.bias[half:] *= factors
    for reader in readers:
        reader.weight /= factors.view(1, -1, 1, 1)
    following.steps[0].actnorm.log_scale -= factors.log().repeat_interleave(4)


@pytest.mark.parametrize("prior", [prior for prior in PRIORS if prior != "constant"])  # it reads nothing of the half
@pytest.mark.parametrize("split", ["variance-reversed", "variance"])
def test_staircase_is_unchanged_when_the_kept_half_is_rescaled_and_the_next_actnorm_undoes_it(
    split: str, prior: str
) -> None:
    flow = ready_flow(split=split, prior=prior, levels=3)
    before = staircase(flow, images(6), images(20, seed=1))
    account = next(traces(flow, images(6))).levels[0].log_det
    with torch.no_grad():
        scale_kept_half(flow, torch.tensor([3.0, 0.2], dtype=torch.double))
    after = staircase(flow, images(6), images(20, seed=1))
    np.testing.assert_allclose(after.bits_per_dim, before.bits_per_dim, atol=1e-9)
    # The level's log-determinant did move, so a share of bits made from it would have.
    assert (next(traces(flow, images(6))).levels[0].log_det - account).abs().min() > 1


def test_scores_do_not_depend_on_how_many_images_follow() -> None:
    flow, fit = ready_flow(), fit_kept(ready_flow(), images(20, seed=1))
    few, many = staircase(flow, images(70)[:3], fit), staircase(flow, images(70), fit)
    np.testing.assert_allclose(many.bits_per_dim[:3], few.bits_per_dim)


def test_constant_reference_channel_stays_finite() -> None:
    fit = KeptFit((torch.zeros(1, 1, 1, 1),), (torch.full((1, 1, 1, 1), 1e-6),))
    assert torch.isfinite(fit.log_prob(0, torch.zeros(2, 1, 4, 4))).all()
    flow = ready_flow()
    assert np.isfinite(staircase(flow, images(2), torch.zeros(9, 1, 8, 16, dtype=torch.uint8)).bits_per_dim).all()


# ---------------------------------------------------------------------- facts


@every_policy
def test_values_factored_out_add_up_to_the_image(split: str) -> None:
    flow = ready_flow(shape=(1, 8, 8), split=split, levels=3)
    levels = level_facts(next(traces(flow, images(4, shape=(1, 8, 8)))))
    assert sum(level.emitted for level in levels) == 64
    assert [level.kept for level in levels] == [32, 16, 0]
    assert [level.steps for level in levels] == [2, 2, 2]
    assert levels[-1].order is None and np.isnan(levels[-1].redundancy).all()  # 1×1: no spectrum


def test_redundancy_stands_by_position_with_the_kept_half_first() -> None:
    flow = MultiScaleFlow(FlowConfig(shape=(1, 16, 16), levels=2, steps=1, width=4, order="entropy", weights="pooled"))
    x = dequantise(images(32, 0, (1, 16, 16)), torch.Generator().manual_seed(0))
    flow.initialise(x)
    mean = level_facts(flow.trace(x))[0].redundancy.mean(axis=0)
    assert (np.diff(mean) <= 1e-9).all()


def test_mean_redundancy_of_kept_and_emitted() -> None:
    assert facts().mean_redundancy == pytest.approx((2.0, 0.35))
    kept, emitted = facts(order=None, kept_channels=0).mean_redundancy
    assert math.isnan(kept) and emitted == pytest.approx(1.175)


# ---------------------------------------------------------------------- one image


@every_policy
def test_every_byte_comes_back(split: str) -> None:
    flow = ready_flow(split=split)
    way = passage(flow, images(1), fit_kept(flow, images(20, seed=1)), seed=2)
    assert way.reconstruction.lost_bytes == 0 and way.reconstruction.max_abs_error < 1e-9


def test_an_image_comes_back_in_the_grey_levels_that_the_flow_sees() -> None:
    flow, image = ready_flow(bits=5), images(1)
    result = passage(flow, image, fit_kept(flow, images(20, seed=1)), seed=2).reconstruction
    seen = (image[0].permute(1, 2, 0).numpy() >> 3) * (255 / 31)  # the three low bits become noise
    np.testing.assert_array_equal(result.image, seen.round())
    np.testing.assert_array_equal(result.restored, result.image)


@pytest.mark.parametrize("off", [0.4, 0.6])
def test_a_value_of_few_grey_levels_is_lost_by_half_a_level(off: float) -> None:
    flow = ready_flow(bits=5)
    decode = flow.decode
    flow.decode = lambda latents: decode(latents) + off / 32
    result = passage(flow, images(1), fit_kept(flow, images(20, seed=1))).reconstruction
    assert result.lost_bytes == (128 if off > 0.5 else 0)


@pytest.mark.parametrize("number", [1, 2])
def test_an_image_that_is_lost_on_the_way_back_is_said_with_the_level(number: int) -> None:
    flow = ready_flow()
    level = flow.levels[number - 1]
    exact = level.inverse
    level.inverse = lambda kept, noise: exact(kept, noise) * 1.01
    result = passage(flow, images(1), fit_kept(flow, images(20, seed=1))).reconstruction
    assert result.max_abs_error > 1e-3 and result.at_fault == number and result.lost_bytes > 0


def test_level_table_has_a_row_a_level_and_says_of_how_many_images() -> None:
    flow = ready_flow(keep=0.25)
    fit, trace = fit_kept(flow, images(20, seed=1)), next(traces(flow, images(5)))
    way, average = passage(flow, images(5)[4:], fit), stops(trace, fit).bits_per_dim.mean(axis=0)
    first, last = (redundancy(level.features).mean(dim=0) for level in trace.levels)
    kept, *emitted = trace.levels[0].order.tolist()
    first, last = first / math.log(2), last / math.log(2)
    expected = [
        [1, 4, "4×8", 96, 32, first[emitted].mean(), first[kept], way.stairs.bits_per_dim[0, 1], average[1]],
        [2, 4, "2×4", 32, 0, last.mean(), math.nan, way.stairs.bits_per_dim[0, 2], average[2]],
    ]
    rows = way.level_table(level_facts(trace), stops(trace, fit))
    for row, values in zip(rows, expected, strict=True):
        assert (row["level"], row["channels"], row["size"]) == (values[0], values[1], values[2])
        assert list(row.values())[3:] == pytest.approx([float(value) for value in values[3:]], nan_ok=True)
    assert [name for name in rows[0] if name.endswith("5 images")] == [
        "redundancy factored out, bits per value, 5 images", "redundancy passed on, bits per value, 5 images",
        "bits/dim if stopped, 5 images",
    ]  # fmt: skip


def test_maps_are_grey_bytes_of_every_channel_and_the_table_has_a_row_for_each() -> None:
    flow = ready_flow(keep=0.25, weights="pooled")
    way = passage(flow, images(1), fit_kept(flow, images(20, seed=1)))
    assert [(maps.shape, maps.dtype) for maps in way.maps] == [((4, 4, 8), np.uint8), ((4, 2, 4), np.uint8)]
    (trace,) = traces(flow, images(1))
    rows = iter(way.channel_table())
    for level, maps in zip(trace.levels, way.maps, strict=True):
        of_channels, order = redundancy(level.features)[0], range(4) if level.order is None else level.order.tolist()
        for place, channel in enumerate(order):
            is_kept = level.kept is not None and place == 0
            omega = None if level.log_weights is None else level.log_weights[0, place].item()
            row = [
                level.number,
                place + 1,
                channel,
                "kept" if is_kept else "emitted",
                of_channels[channel].item() / math.log(2),
                omega,
            ]
            assert list(next(rows).values()) == pytest.approx(row)
        # Channels factored out are grey as their noise is, from −3 to 3.
        noise = (127.5 + 127.5 * (level.noise[0] / 3).clamp(-1, 1)).round().numpy()
        np.testing.assert_array_equal(maps[-len(noise) :], noise)
    assert next(rows, None) is None


def test_kept_maps_are_grey_in_standard_deviations_over_the_reference() -> None:
    flow = ready_flow()
    fit = fit_kept(flow, images(20, seed=1))
    kept = next(traces(flow, images(1))).levels[0].kept
    standard = (kept - fit.means[1]) / fit.stds[1]
    expected = (127.5 + 127.5 * (standard / 3).clamp(-1, 1)).round()
    np.testing.assert_array_equal(passage(flow, images(1), fit).maps[0][:2], expected[0].numpy())


def test_a_flow_that_diverged_is_named_by_its_level_before_anything_is_measured() -> None:
    flow = ready_flow()
    with torch.no_grad():
        flow.levels[1].steps[0].actnorm.log_scale.fill_(800.0)
    with pytest.raises(NonFiniteError, match="Level 2 of the flow"):
        next(traces(flow, images(2)))
    flow = ready_flow(prior="conditional")
    with torch.no_grad():
        flow.levels[0].split.prior.bias.fill_(torch.inf)  # of the level's noise alone
    with pytest.raises(NonFiniteError, match="Level 1 of the flow"):
        next(traces(flow, images(2)))


def test_batches_shrink_with_the_activations_and_results_stay(monkeypatch):
    flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8)).eval()
    images = torch.randint(0, 256, (10, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    flow.initialise(torch.randn(16, 1, 8, 8))
    sizes = []
    flow.levels[0].register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    with torch.no_grad():
        whole, scores = trace_of(flow, images), score(flow, images)
        assert set(sizes) == {10}
        monkeypatch.setattr("eiwflow.flow.score.ACTIVATION_BYTES", 3 * activation_bytes(flow.config))
        sizes.clear()
        parts, again = trace_of(flow, images), score(flow, images)
    assert sizes == [3, 3, 3, 1]
    torch.testing.assert_close(again, scores)
    torch.testing.assert_close(parts.log_prob, whole.log_prob)
    for part, level in zip(parts.levels, whole.levels, strict=True):
        torch.testing.assert_close(part.noise, level.noise)
        torch.testing.assert_close(part.log_dets, level.log_dets)
        assert (part.order is None) == (level.order is None) and (part.order is None or part.order.equal(level.order))
