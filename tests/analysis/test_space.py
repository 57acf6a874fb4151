"""What eiwflow.analysis.space says of the way between two images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from eiwflow.analysis import space
from eiwflow.analysis.latents import encode, noise_for
from eiwflow.analysis.space import (
    FRAMES,
    PATHS,
    NormPaths,
    between,
    draw,
    interpolate,
    linear,
    norm_paths,
    spherical,
)
from eiwflow.flow import Latents, quantise

from .. import crossed
from ..flow.flows import SOME_POLICIES
from ..flow.numerics import noise
from .test_levels import images, ready_flow

every_path = pytest.mark.parametrize("path", PATHS)
numbers = st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=12)
parts = st.lists(st.floats(0, 1), min_size=1, max_size=5)


def unit(values: list[float]) -> Tensor:
    """Return a vector of norm 1 from numbers, or an axis where they are all 0."""
    vector = torch.tensor(values, dtype=torch.double)
    return vector / vector.norm() if vector.norm() > 1e-3 else torch.eye(len(values), dtype=torch.double)[0]


# ---------------------------------------------------------------------- paths of vectors


@given(numbers, st.integers(0, 2**31), parts, st.floats(0.1, 50))
def test_spherical_keeps_the_norm_between_ends_of_one_norm(
    values: list[float], seed: int, t: list[float], radius: float
) -> None:
    a = radius * unit(values)
    b = radius * unit(noise(len(values), seed=seed).tolist())
    path = spherical(a, b, torch.tensor(t))
    torch.testing.assert_close(path.norm(dim=1), torch.full((len(t),), radius, dtype=torch.double))


@given(numbers, st.integers(0, 2**31), parts)
def test_spherical_takes_the_norm_straight_from_one_to_the_other(
    values: list[float], seed: int, t: list[float]
) -> None:
    a, b, steps = (
        2 * unit(values),
        7 * unit(noise(len(values), seed=seed).tolist()),
        torch.tensor(t, dtype=torch.double),
    )
    torch.testing.assert_close(spherical(a, b, steps).norm(dim=1), 2 + 5 * steps)


@given(numbers, st.integers(0, 2**31), st.floats(0, 1))
def test_spherical_turns_by_its_share_of_the_angle_and_back_again(values: list[float], seed: int, t: float) -> None:
    a, b, steps = unit(values), unit(noise(len(values), seed=seed).tolist()), torch.tensor([t], dtype=torch.double)
    (middle,) = spherical(a, b, steps)
    angle = math.acos(max(-1, min(1, float(a @ b))))
    assert float(a @ middle) == pytest.approx(math.cos(t * angle), abs=1e-6)
    if angle < 3.1:
        torch.testing.assert_close(spherical(b, a, 1 - steps)[0], middle, atol=1e-6, rtol=0)


@every_path
@given(numbers, st.integers(0, 2**31))
def test_both_paths_are_exact_at_their_ends(path: str, values: list[float], seed: int) -> None:
    a = torch.tensor(values, dtype=torch.float32)
    b = noise(len(values), seed=seed, dtype=torch.float32)
    first, last = PATHS[path](a, b, torch.tensor([0.0, 1.0]))
    assert torch.equal(first, a) and torch.equal(last, b)


@pytest.mark.parametrize("nudge", [0.0, 1e-30, 1e-16, 1e-12, 1e-8, 1e-4])
def test_spherical_between_nearly_parallel_vectors_is_the_straight_line(nudge: float) -> None:
    a = unit([1.0, 2.0, 3.0])
    b = a + nudge * torch.tensor([1.0, -1.0, 0.5], dtype=torch.double)
    t = torch.linspace(0, 1, 5, dtype=torch.double)
    torch.testing.assert_close(spherical(a, b, t), linear(a, b, t), atol=max(nudge**2, 1e-15), rtol=0)


def test_spherical_from_nothing_is_finite() -> None:
    zero, b = torch.zeros(4), torch.ones(4)
    for start, end in ((zero, b), (b, zero), (zero, zero)):
        assert torch.isfinite(spherical(start, end, torch.linspace(0, 1, 5))).all()


def test_straight_line_between_independent_draws_loses_three_tenths_of_its_norm() -> None:
    a, b = noise(2, 4000)
    (line,), (arc,) = (path(a, b, torch.tensor([0.5])) for path in (linear, spherical))
    assert line.norm() / math.sqrt(4000) == pytest.approx(math.sqrt(0.5), abs=0.03)
    assert arc.norm() / math.sqrt(4000) == pytest.approx(1, abs=0.03)


# ---------------------------------------------------------------------- levels


def ends_of(flow: object) -> tuple[Latents, Latents]:
    """Return the latents of two images."""
    encoded = encode(flow, images(2, 0, flow.config.shape))[1].levels
    return Latents([level[:1] for level in encoded]), Latents([level[1:] for level in encoded])


@every_path
@pytest.mark.parametrize("only", [1, 2, 3])
def test_level_alone_ends_with_exactly_its_latent_of_b_and_the_others_of_a(path: str, only: int) -> None:
    a, b = ends_of(ready_flow(levels=3))
    way = between(a, b, torch.linspace(0, 1, 4), path, [only])
    for number, (of_a, of_b, levels) in enumerate(zip(a.levels, b.levels, way.levels, strict=True), start=1):
        assert torch.equal(levels[0], of_a[0])
        assert torch.equal(levels[-1], of_b[0] if number == only else of_a[0])
        assert torch.equal(levels[1], of_a[0]) == (number != only)


@every_path
def test_each_level_takes_its_own_arc(path: str) -> None:
    a, b = ends_of(ready_flow(levels=3))
    t = torch.linspace(0, 1, 3)
    for of_a, of_b, levels in zip(a.levels, b.levels, between(a, b, t, path).levels, strict=True):
        torch.testing.assert_close(levels, PATHS[path](of_a[0], of_b[0], t))


# ---------------------------------------------------------------------- pictures


def test_the_way_of_a_flow_of_few_grey_levels_has_no_others() -> None:
    flow = ready_flow(bits=5, levels=2, dtype=torch.float32)
    blend = space.blend(flow, *images(2).split(1), ("b", "b"), "linear", frames=3)
    assert 8 < len(np.unique(blend.images)) <= 32
    way = interpolate(flow, *images(2).split(1))
    for end, picture, among in ((way.a, way.together[0], blend.a), (way.b, way.together[-1], blend.b)):
        np.testing.assert_array_equal(picture, end)
        np.testing.assert_array_equal(among, end)


@crossed(split=SOME_POLICIES, path=PATHS)
def test_ends_reproduce_the_images(split: str, path: str) -> None:
    flow = ready_flow(split=split, levels=3, dtype=torch.float32)
    one, other = images(2).split(1)
    way = interpolate(flow, one, other, path, seed=3)
    assert max(way.end_errors) < 1e-4
    np.testing.assert_array_equal(way.together[0], way.a)
    np.testing.assert_array_equal(way.together[-1], way.b)
    for row in way.alone:
        np.testing.assert_array_equal(row[0], way.a)
        assert not np.array_equal(row[-1], way.a)


def test_row_of_a_level_alone_is_what_the_flow_decodes() -> None:
    flow = ready_flow(levels=3)
    one, other = images(2).split(1)
    way = interpolate(flow, one, other, "spherical")
    a, b = ends_of(flow)
    a.levels[1] = b.levels[1]
    expected = quantise(flow.decode(a))[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(way.alone[1, -1], expected)
    assert way.alone.shape == (3, FRAMES, 8, 16, 1) and way.together.shape == (FRAMES, 8, 16, 1)
    assert way.t[0] == 0 and way.t[-1] == 1 and way.t[FRAMES // 2] == 0.5


def test_moved_is_the_pixel_change_from_a_and_all_of_it_is_the_distance_to_b() -> None:
    flow = ready_flow(levels=3)
    one, other = images(2).split(1)
    way = interpolate(flow, one, other)
    expected = np.sqrt(np.mean((way.b.astype(float) - way.a) ** 2)) / 256
    assert way.moved[-1] == pytest.approx(expected, abs=2 / 256)
    alone = np.sqrt(np.mean((way.alone[0, -1].astype(float) - way.a) ** 2)) / 256
    assert way.moved[0] == pytest.approx(alone, abs=2 / 256)


@pytest.mark.parametrize("far", [1.0, 8.0])
def test_what_cannot_be_shown_is_no_change(far: float) -> None:
    """Where level 2 goes further, the picture leaves the range of bytes: what lies beyond is clipped."""
    flow = ready_flow().requires_grad_(False)
    one, other = images(2).split(1)
    x, encoded = encode(flow, torch.cat([one, other]))
    encoded.levels[1][1] *= far
    way = interpolate(flow, one, other, encoded=(x, encoded))
    mixed = Latents([encoded.levels[0][:1], encoded.levels[1][1:]])
    raw = flow.decode(mixed)
    shown = raw.clamp(-0.5, 0.5)
    assert (float((raw - shown).abs().max()) > 0.1) == (far > 1)
    assert way.moved[1] == pytest.approx(float((shown - x[:1]).square().mean().sqrt()), rel=1e-6)


def test_an_image_and_itself_and_one_level_have_norms() -> None:
    image = images(1)
    flow = ready_flow()
    same = Latents([level[:1] for level in encode(flow, image)[1].levels])
    np.testing.assert_allclose(norm_paths(same, same).norms["linear"], norm_paths(same, same).norms["spherical"])
    one, other = images(2).split(1)
    for flow in (ready_flow(levels=1), ready_flow(keep="all")):
        way = interpolate(flow, one, other)
        for path in ("linear", "spherical"):
            ends = [way.norms.total(path)[end] / np.sqrt(way.norms.dimensions.sum()) for end in (0, -1)]
            np.testing.assert_allclose(way.norms.relative(path)[[0, -1], -1], ends)
            assert not way.norms.relative(path)[:, :-1].any()


@every_path
def test_every_level_of_a_blend_ends_at_its_treatment(path: str) -> None:
    flow, (one, other) = ready_flow(levels=3, prior="conditional"), images(2).split(1)
    way = "resample", "zero", "b"
    found = space.blend(flow, one, other, way, path, seed=4, frames=5)
    x, latents = encode(flow, torch.cat([one, other]), 4)
    end = [noise_for(flow, 1, 4, draws=1)[0][0], 0 * latents.levels[1][:1], latents.levels[2][1:]]
    decoded = flow.decode(Latents(end))
    np.testing.assert_array_equal(found.images[0], found.a)
    np.testing.assert_array_equal(found.images[-1], quantise(decoded)[0].permute(1, 2, 0).numpy())
    error = (decoded.clamp(-0.5, 0.5) - x[:1]).square().mean().sqrt().item()
    assert found.errors[-1] == pytest.approx(255 * error) and found.errors[0] < 1e-3
    assert found.share == 1 and len(found.errors) == 5
    kept = space.blend(flow, one, other, ("keep",) * 3, path, frames=2)
    assert kept.share == 0 and kept.errors.max() < 1e-3


# ---------------------------------------------------------------------- norms


def test_norm_paths_are_those_of_the_latents_on_the_way() -> None:
    a, b = ends_of(ready_flow(levels=3))
    paths = norm_paths(a, b)
    assert paths.dimensions.tolist() == [64, 32, 32] and paths.t[20] == 0.5
    middle = 0.5 * a.levels[1] + 0.5 * b.levels[1]
    assert paths.norms["linear"][20, 1] == pytest.approx(middle.norm().item())
    both = a.levels[1].norm() + b.levels[1].norm()
    assert paths.norms["spherical"][20, 1] == pytest.approx(both.item() / 2)
    for t in (0, 10, 40):
        for level, (start, end) in enumerate(zip(a.levels, b.levels, strict=True)):
            way = (1 - t / 40) * start + t / 40 * end
            length = (1 - t / 40) * start.norm() + t / 40 * end.norm()
            assert paths.norms["linear"][t, level] == pytest.approx(way.norm().item())
            assert paths.norms["spherical"][t, level] == pytest.approx(length.item())
    row = next(row for row in paths.table() if (row["path"], row["level"], row["t"]) == ("linear", 2, 0.25))
    assert row["norm"] == paths.norms["linear"][10, 1] and row["root_dimensions"] == pytest.approx(math.sqrt(32))


def test_total_norm_is_that_of_all_levels_together() -> None:
    paths = NormPaths(np.array([0.0, 0.5, 1.0]), np.array([9, 16]), {
        "linear": np.array([[3.0, 4.0], [1.5, 2.0], [3.0, 4.0]]),
        "spherical": np.array([[3.0, 4.0]] * 3),
    })  # fmt: skip
    assert paths.total("linear").tolist() == [5.0, 2.5, 5.0]
    assert len(paths.table()) == 12


# ---------------------------------------------------------------------- draws


def test_temperature_scales_one_level_of_the_same_draw() -> None:
    flow = ready_flow(levels=3)
    drawn = draw(flow, 4, (1.0, 0.5, 0.0), seed=3)
    latents = flow.sample_latents(4, 1.0, torch.Generator().manual_seed(3))
    latents.levels[1], latents.levels[2] = 0.5 * latents.levels[1], 0 * latents.levels[2]
    expected = quantise(flow.decode(latents)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(drawn.images, expected)


def test_a_temperature_a_level_is_needed() -> None:
    with pytest.raises(ValueError, match="1 temperatures were given; the flow has 2 levels"):
        draw(ready_flow(), 1, (1.0,))
