"""What eiwflow.analysis.latents says of throwing numbers away."""

from __future__ import annotations

import dataclasses
import io
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eiwflow.analysis import intervals
from eiwflow.analysis.latents import (
    DRAWS,
    LEAST_ERROR,
    Survey,
    Treated,
    decode_all,
    encode,
    halvings,
    latents_npz,
    noise_for,
    norms_of,
    one_level,
    psnr,
    redraw,
    survey,
    thrown_away,
    treat,
    treat_image,
)
from eiwflow.analysis.space import NormPaths
from eiwflow.analysis.words import latents as words
from eiwflow.checkpoint import Checkpoint, CheckpointInfo
from eiwflow.flow import Latents, dequantise, quantise

from .. import crossed
from ..flow.flows import SOME_POLICIES
from .test_levels import images, ready_flow


def latents_of(flow: object, n: int = 2, seed: int = 0) -> Latents:
    """Return latents of n images."""
    return encode(flow, images(n, seed, flow.config.shape))[1]


# ---------------------------------------------------------------------- throwing away


@crossed(split=SOME_POLICIES, level=(1, 2, 3))
def test_resampling_a_level_leaves_the_other_latents_identical_when_encoded_again(split: str, level: int) -> None:
    flow = ready_flow(split=split, levels=3, prior="conditional")
    latents, noise = latents_of(flow), noise_for(flow, 2, seed=5, draws=1)
    way = one_level(3, "resample")[level - 1]
    again = flow.encode(flow.decode(treat(latents, noise, way)))
    for number, (before, drawn, after) in enumerate(zip(latents.levels, noise, again.levels, strict=True), start=1):
        expected = drawn[0] if number == level else before
        torch.testing.assert_close(after, expected, atol=1e-8, rtol=0)
        assert (number == level) == bool((after - before).abs().max() > 0.1)


def test_treatments_keep_replace_and_zero() -> None:
    flow = ready_flow(levels=3)
    latents, noise = latents_of(flow), noise_for(flow, 2, seed=5)
    kept, drawn, zeroed = treat(latents, noise, ("keep", "resample", "zero")).levels
    for draw in range(DRAWS):
        images_of_draw = slice(2 * draw, 2 * draw + 2)
        assert torch.equal(kept[images_of_draw], latents.levels[0])
        assert torch.equal(drawn[images_of_draw], noise[1][draw])
    assert zeroed.shape == (2 * DRAWS, 16, 1, 2) and not zeroed.any()


def test_keeping_everything_gives_the_image_back() -> None:
    flow = ready_flow(levels=3)
    treated = treat_image(flow, images(1), [("keep",) * 3])
    np.testing.assert_array_equal(treated.pictures[0], treated.image)
    assert treated.shares.tolist() == [0] and (treated.psnr > 110).all()


def test_halvings_throw_away_a_half_then_three_quarters_then_all() -> None:
    assert halvings(2) == (("resample", "keep"), ("resample", "resample"))
    assert thrown_away(ready_flow(levels=3), halvings(3)).tolist() == [0.5, 0.75, 1.0]
    treated = treat_image(ready_flow(levels=3), images(1), halvings(3))
    assert treated.shares.tolist() == [0.5, 0.75, 1.0]
    assert thrown_away(ready_flow(levels=3), one_level(3, "zero")).tolist() == [0.5, 0.25, 0.25]


# ---------------------------------------------------------------------- noise


def test_a_flow_that_trains_is_encoded_and_decoded_without_gradients() -> None:
    flow = ready_flow(dtype=torch.float32)
    assert all(parameter.requires_grad for parameter in flow.parameters())
    x, latents = encode(flow, images(2))
    assert not any(tensor.requires_grad for tensor in (x, *latents.levels, decode_all(flow, latents)))


def test_noise_is_paired_between_flows_of_one_shape_however_many_images_follow() -> None:
    one, other = ready_flow(split="entropy+pooled"), ready_flow(seed=1, split="variance-reversed", steps=3, width=8)
    for few, many in zip(noise_for(one, 2, seed=4), noise_for(other, 5, seed=4), strict=True):
        assert torch.equal(few, many[:, :2])


def test_noise_differs_between_levels_images_draws_and_seeds() -> None:
    flow = ready_flow(levels=3, shape=(1, 8, 8))
    first, second, _ = noise_for(flow, 2, seed=4)
    flat = first.flatten(2)
    assert not torch.allclose(flat[0, 0], flat[1, 0]) and not torch.allclose(flat[0, 0], flat[0, 1])
    assert not torch.allclose(first.flatten()[:16], second.flatten()[:16])
    assert not torch.allclose(first, noise_for(flow, 2, seed=5)[0])


def test_noise_is_standard_normal() -> None:
    drawn = noise_for(ready_flow(), 100, seed=0)[0]
    assert abs(drawn.mean()) < 0.03 and abs(drawn.std() - 1) < 0.03


# ---------------------------------------------------------------------- PSNR


def test_psnr_by_hand() -> None:
    x = torch.zeros(2, 1, 2, 2)
    restored = x.clone()
    restored[0, 0, 0, 0] = 0.2  # mean square error 0.04 / 4
    restored[1] = 0.1
    assert psnr(x, restored).tolist() == pytest.approx([20.0, 20.0])


def test_psnr_clips_what_a_screen_cannot_show() -> None:
    x = torch.full((1, 3, 2, 2), 0.4)
    assert psnr(x, torch.full_like(x, 7.0)).tolist() == pytest.approx([20.0])
    assert psnr(x, torch.full_like(x, -7.0)).item() == pytest.approx(-20 * math.log10(0.9))


def test_keeping_everything_is_exact_up_to_rounding() -> None:
    treated = treat_image(ready_flow(), images(1), [("keep", "keep"), ("zero", "keep")])
    kept, zeroed = (words.error(psnr) for psnr in treated.psnr.mean(axis=1))
    assert -10 * math.log10(LEAST_ERROR) == pytest.approx(words.EXACT)
    assert kept == "the same picture" and zeroed.endswith(" dB)")


def test_psnr_of_the_image_itself_is_finite() -> None:
    x = torch.zeros(1, 1, 2, 2)
    assert psnr(x, x).item() == pytest.approx(-10 * math.log10(LEAST_ERROR))


@given(st.floats(0.01, 0.5), st.floats(1.1, 3))
def test_psnr_falls_by_twenty_decibels_a_factor_ten_of_the_error(error: float, factor: float) -> None:
    x = torch.full((1, 1, 4, 4), -0.5, dtype=torch.double)
    small, large = psnr(x, x + error / factor), psnr(x, x + error)
    assert (small - large).item() == pytest.approx(20 * math.log10(factor), abs=1e-6)


# ---------------------------------------------------------------------- one image


def test_pictures_are_those_of_the_first_draw_and_psnr_that_of_each() -> None:
    flow = ready_flow(levels=3, dtype=torch.float32)
    treated = treat_image(flow, images(1), halvings(3), seed=2)
    assert treated.pictures.shape == (3, 8, 16, 1) and treated.psnr.shape == (3, DRAWS)
    x = dequantise(images(1), torch.Generator().manual_seed(2))
    latents = flow.encode(x)
    for draw in range(DRAWS):
        latents.levels[0] = noise_for(flow, 1, seed=2)[0][draw]
        decoded = flow.decode(latents)
        assert treated.psnr[0, draw] == pytest.approx(psnr(x, decoded).item(), abs=1e-3)
        is_shown = np.array_equal(treated.pictures[0], quantise(decoded)[0].permute(1, 2, 0).numpy())
        assert is_shown == (draw == 0)


def test_one_seed_gives_one_result_and_the_same_noise_in_every_way() -> None:
    flow = ready_flow(levels=3)
    one, other = (treat_image(flow, images(1), ways, seed=2) for ways in (halvings(3), halvings(3)[:1]))
    np.testing.assert_allclose(one.psnr[:1], other.psnr, rtol=1e-12)  # a batch of another size may round otherwise
    assert not np.array_equal(one.psnr[:1], treat_image(flow, images(1), halvings(3)[:1], seed=3).psnr)


# ---------------------------------------------------------------------- many images


def test_a_survey_of_one_image_agrees_with_the_image_treated_alone() -> None:
    flow = ready_flow(levels=3)
    alone = treat_image(flow, images(1), halvings(3), seed=0)
    np.testing.assert_allclose(survey(flow, images(1)).psnr[0], alone.psnr.mean(axis=1), rtol=1e-10)


def test_a_survey_does_not_depend_on_batches_or_on_what_follows() -> None:
    flow = ready_flow()
    few, many = survey(flow, images(70)[:3]), survey(flow, images(70))
    np.testing.assert_allclose(many.psnr[:3], few.psnr)
    latents = latents_of(flow, 5)
    torch.testing.assert_close(decode_all(flow, latents, batch=2), flow.decode(latents))


def survey_of(values: np.ndarray) -> Survey:
    """Return a survey with these PSNR (N, 3)."""
    return Survey(np.array([0.5, 0.75, 1.0]), values)


def test_intervals_are_percentile_bootstraps_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(20, 3, (200, 3))
    result = survey_of(values)
    half = 1.96 * values.std(axis=0) / math.sqrt(200)
    np.testing.assert_allclose(result.interval[:, 1] - values.mean(axis=0), half, rtol=0.1)
    np.testing.assert_allclose(values.mean(axis=0) - result.interval[:, 0], half, rtol=0.1)


def test_photographs_are_drawn_whole_where_they_are_known() -> None:
    """Images of one photograph that agree add nothing: eight copies of ten images are ten images."""
    few = np.random.default_rng(0).normal(20, 3, (10, 3))
    blind = survey_of(few.repeat(8, axis=0))
    copies = dataclasses.replace(blind, sources=tuple(np.arange(10).repeat(8)))
    np.testing.assert_allclose(copies.interval, survey_of(few).interval)
    assert copies.photographs == 10
    assert np.ptp(copies.interval[0]) > 2 * np.ptp(blind.interval[0])


def test_a_large_photograph_weighs_by_its_images() -> None:
    values = np.array([[1.0] * 3] * 9 + [[2.0] * 3] * 3)
    result = dataclasses.replace(survey_of(values), sources=(*[0] * 9, 1, 2, 3))
    assert result.mean.tolist() == pytest.approx([1.25] * 3)
    # Of the four photographs that are drawn, three are the large one, or none is.
    assert result.interval[0].tolist() == pytest.approx([(27 * 1 + 2) / 28, 2.0])


def test_one_test_image_gives_no_interval() -> None:
    one = survey_of(np.full((1, 3), 20.0))
    assert np.isnan(one.interval).all() and "nan" not in words.left(one)


def test_a_flow_of_one_level_resamples_all_at_once() -> None:
    result = survey(ready_flow(levels=1), images(3))
    assert result.shares.tolist() == [1.0]
    assert [row["share_thrown_away"] for row in result.table()] == [1.0]


# ---------------------------------------------------------------------- norms


def test_norms_by_hand_and_their_typical_interval() -> None:
    latents = Latents([torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), torch.zeros(1, 1, 1, 1)])
    assert norms_of(latents).tolist() == [[5.0, 0.0]]
    low, high = NormPaths(np.zeros(0), np.array([1000, 536]), {}).typical_total
    draws = torch.randn(4000, 1536, generator=torch.Generator().manual_seed(0)).norm(dim=1)
    assert 0.93 < ((draws > low) & (draws < high)).float().mean() < 0.97
    assert low < math.sqrt(1536) < high


def test_tables_of_resampled_pictures_have_a_row_a_way_and_a_stage() -> None:
    draws = np.array([[24.0, 30.0, 27.0], [9.0, 8.0, 10.0]])
    one = Treated(
        np.zeros((8, 16, 1)), one_level(2, "resample"), np.array([0.75, 0.25]), np.zeros((2, 8, 16, 1)), draws
    )
    assert [list(row.values()) for row in one.table()] == [
        ["resample", "keep", 0.75, 27.0, 24.0, 30.0, 27.0],
        ["keep", "resample", 0.25, 9.0, 9.0, 8.0, 10.0],
    ]
    many = dataclasses.replace(
        survey_of(np.random.default_rng(0).normal(20, 3, (40, 3))), sources=tuple(np.arange(40) // 5)
    )
    low, high = intervals.of_mean_over_images(many.psnr, many.sources)
    rows = [list(row.values()) for row in many.table()]
    expected = zip([0.5, 0.75, 1.0], many.psnr.mean(axis=0), low, high, [40] * 3, [8] * 3, strict=True)
    assert rows == [pytest.approx(row) for row in expected]


# ---------------------------------------------------------------------- report and export


@given(st.integers(0, 2**31 - 1))
def test_exported_latents_decode_to_the_image(seed: int) -> None:
    flow = ready_flow(dtype=torch.float32)
    checkpoint = Checkpoint("mine", flow, CheckpointInfo(flow.config), "0" * 64)
    with np.load(io.BytesIO(latents_npz(checkpoint, images(1), seed)), allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        read = Latents([torch.from_numpy(file[f"epsilon_{level}"]) for level in (1, 2)])
    assert about == {"config": flow.config.to_dict(), "checkpoint": "0" * 64, "seed": seed}
    x = dequantise(images(1), torch.Generator().manual_seed(seed))
    assert (flow.decode(read) - x).abs().max() < 1e-4


def test_a_level_set_to_zero_is_decoded_from_zeros_and_a_resampled_one_from_draws() -> None:
    flow, image = ready_flow(levels=3), images(1)
    zeroed, resampled = (treat_image(flow, image, one_level(3, how), seed=2) for how in ("zero", "resample"))
    assert (zeroed.psnr == zeroed.psnr[:, :1]).all() and (np.ptp(resampled.psnr, axis=1) > 0).all()
    latents = encode(flow, image, 2)[1]
    for level in range(3):
        levels = [values[:1] * (number != level) for number, values in enumerate(latents.levels)]
        expected = quantise(flow.decode(Latents(levels)))[0].permute(1, 2, 0).numpy()
        assert np.array_equal(zeroed.pictures[level], expected)
        assert not np.array_equal(resampled.pictures[level], expected)


def test_levels_redrawn_together_are_decoded_from_their_draws() -> None:
    flow, image = ready_flow(levels=3), images(1)
    found, (x, latents) = redraw(flow, image, (1, 3), seed=2), encode(flow, image, 2)
    drawn = [values[0] for values in noise_for(flow, 1, 2)]
    decoded = flow.decode(Latents([drawn[0], latents.levels[1], drawn[2]]))
    assert np.array_equal(found.picture, quantise(decoded)[0].permute(1, 2, 0).numpy())
    error = (decoded.clamp(-0.5, 0.5) - x).square().mean().sqrt()
    assert found.error == pytest.approx(255 * error.item(), rel=1e-4)
    assert [*found.noise] == [1, 3]
    expected = 127.5 * (1 + (drawn[2][0] / 3).clamp(-1, 1))
    assert np.abs(found.noise[3] - expected.numpy()).max() <= 0.51


# ---------------------------------------------------------------------- errors of pixels


@given(st.floats(7, 60))
def test_an_error_in_grey_levels_is_that_of_its_psnr(decibels: float) -> None:
    x = torch.zeros(1, 1, 4, 4, dtype=torch.double)
    assert psnr(x, x + words.grey(decibels) / 255).item() == pytest.approx(decibels, abs=1e-6)
    assert f"{decibels:.1f} dB" in words.error(decibels)
