"""Pictures into an archive and back: every pixel, at the bits that the flow states."""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from eiwflow import checkpoint, cli
from eiwflow.compression import CompressionError
from eiwflow.compression.archive import (
    MAGIC,
    Picture,
    compress,
    decompress,
    flow_digest,
    gather,
    write_pictures,
)
from eiwflow.compression.grid import LIMIT, _floats, fraction, scaled, started
from eiwflow.data import DataError, load
from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.project import ASSETS

from .. import LONG, crossed


def small_flow(**choices) -> MultiScaleFlow:
    """A flow that does something: initialised, its zeros replaced by noise."""
    settings = {"shape": (3, 8, 8), "levels": 2, "steps": 2, "width": 8, **choices}
    flow = MultiScaleFlow(FlowConfig(**settings), seed=1)
    noise = torch.Generator().manual_seed(0)
    flow.initialise(torch.rand(64, *flow.config.shape, generator=noise) * 0.5 - 0.25)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=noise)
    return flow


def pictures(*shapes: tuple[int, int, int], seed: int = 0) -> list[Picture]:
    noise = np.random.default_rng(seed)
    smooth = [noise.integers(0, 200, shape[2]) + noise.integers(0, 40, shape) for shape in shapes]
    return [Picture(f"{i}.png", pixels.astype(np.uint8)) for i, pixels in enumerate(smooth)]


@crossed(
    order=["entropy", "random", "variance"],
    weights=["none", "pooled"],
    split=[("standard", 0.5), ("conditional", 0.25), ("conditional", 0.75)],
)
def test_every_policy_gives_the_same_pixels_back(order, weights, split):
    flow = small_flow(order=order, weights=weights, prior=split[0], keep=split[1])
    originals = pictures((8, 8, 3), (20, 13, 3), (9, 1, 3), (16, 24, 1))
    content, summary = compress(flow, originals)
    again = decompress(flow, content)
    assert [picture.name for picture in again] == [picture.name for picture in originals]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(originals, again, strict=True))
    assert summary.tiles == 1 + 3 * 2 + 2 + 2 * 3
    assert summary.values == sum(picture.pixels.size for picture in originals) < summary.tiles * 3 * 8 * 8
    assert summary.bytes == len(content)


@pytest.mark.parametrize("coupling", ["sigmoid", "additive"])
def test_the_maps_and_priors_of_imported_flows_give_the_same_pixels_back(coupling):
    flow = small_flow(order="last", weights="none", init="random", coupling=coupling, top_prior="constant")
    originals = pictures((16, 24, 3))
    content, summary = compress(flow, originals)
    assert np.array_equal(decompress(flow, content)[0].pixels, originals[0].pixels)
    assert len(content) - summary.start_bytes < 1.1 * summary.stated_bytes + 400
    with pytest.raises(CompressionError, match="another flow"):
        decompress(small_flow(), content)
    with pytest.raises(CompressionError, match="8 bits"):
        compress(small_flow(bits=5), originals)


@pytest.mark.parametrize("channels_first", [True, False])
def test_a_network_sees_cells_of_any_strides_in_the_layout_of_their_shape(channels_first):
    """Of one pixel, torch kept the strides of the array, and the last bits of a network's outputs came from them."""
    cells = np.arange(48 * 4, dtype=np.int64).reshape(4, 48, 1, 1)
    other = cells if channels_first else np.ascontiguousarray(cells.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    one, again = _floats(cells), _floats(np.asfortranarray(other))
    assert one.stride() == again.stride() and torch.equal(one, again)


def test_a_flow_of_grey_images_takes_grey_pictures_alone():
    with pytest.raises(CompressionError, match=r"0\.png has colours"):
        compress(small_flow(shape=(1, 8, 8)), pictures((8, 8, 3)))


@given(st.binary(min_size=1, max_size=8), st.floats(0, 1), st.booleans())
@settings(max_examples=50, deadline=None)
def test_a_damaged_archive_is_refused_or_gives_the_same_pixels(put, where, is_cut):
    flow, content, original = archive_of_a_picture()
    begin = int(where * len(content))
    damaged = content[:begin] if is_cut else content[:begin] + put + content[begin + len(put) :]
    try:
        (again,) = decompress(flow, damaged)
    except CompressionError:
        return
    assert np.array_equal(again.pixels, original.pixels)


@functools.cache
def archive_of_a_picture():
    flow, original = small_flow(), pictures((20, 13, 3))
    return flow, compress(flow, original)[0], original[0]


@pytest.mark.slow
def test_five_hundred_faces_take_what_the_flow_states_within_two_percent():
    flow = checkpoint.load(ASSETS / "checkpoints" / "faces16-entropy-weighted.safetensors").flow
    faces, _ = gather(["faces16"])
    assert len(faces) == 1000
    # The start of an archive is as long for few faces as for many: what holds for half of them holds for all.
    content, facts = compress(flow, faces if LONG else faces[:500])
    assert facts.stated_bytes <= len(content) <= 1.02 * facts.stated_bytes


@pytest.mark.slow
def test_the_command_line_writes_the_same_pictures(tmp_path, capsys):
    faces = load("faces16").test[:3]
    folder = tmp_path / "in"
    folder.mkdir()
    for number, face in enumerate(faces):
        Image.fromarray(face).save(folder / f"face {number}.png")
    archive, out = tmp_path / "a.eiw", tmp_path / "out"
    assert cli.main(["compress", "faces16-entropy-weighted", str(folder), "--out", str(archive)]) == 0
    assert "every pixel is the same" in capsys.readouterr().out
    assert cli.main(["decompress", "faces16-entropy-weighted", str(archive), "--out", str(out)]) == 0
    for number, face in enumerate(faces):
        with Image.open(out / f"face {number}.png") as image:
            assert np.array_equal(np.array(image), face)
    capsys.readouterr()
    assert cli.main(["decompress", "faces16-entropy-weighted", str(archive), "--out", str(out)]) == cli.WRONG_INPUT
    assert str(out) in capsys.readouterr().err
    assert cli.main(["decompress", "faces16-variance-reversed", str(archive), "--out", str(tmp_path / "x")]) == 2
    assert "made with another flow" in capsys.readouterr().err


def test_a_tile_beyond_the_flow_is_kept_as_bytes():
    flow = small_flow()
    with torch.no_grad():
        # Far outside what ε may be: the flow cannot hold this image.
        flow.levels[-1].steps[-1].actnorm.bias += 2.0 * LIMIT
    originals = pictures((8, 8, 3), (8, 8, 3))
    content, _ = compress(flow, originals)
    assert np.array_equal(decompress(flow, content)[1].pixels, originals[1].pixels)


def test_names_in_an_archive_never_leave_the_folder(tmp_path):
    hostile = [Picture(name, np.zeros((1, 1, 3), np.uint8)) for name in ("../../x.png", "a/b.png", "..", "", "<b>.png")]
    paths = write_pictures(hostile, tmp_path / "out")
    assert {path.parent for path in paths} == {tmp_path / "out"}
    assert len(set(paths)) == len(hostile)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in paths)


def test_a_flow_that_shifts_beyond_all_numbers_is_refused():
    flow = small_flow()
    with torch.no_grad():
        flow.levels[1].steps[0].actnorm.bias.fill_(1e30)
    with pytest.raises(CompressionError, match="too large or not finite"):
        compress(flow, pictures((8, 8, 3)))


def test_a_scale_costs_its_log_determinant_and_is_undone_exactly():
    noise = np.random.default_rng(0)
    x = noise.normal(0, 30_000, 4000).astype(np.int64)
    log_scale = noise.normal(0, 1.5, 4000)
    archive = started(5000)
    before = archive.bits
    y = scaled(archive, x, log_scale)
    assert archive.bits - before == pytest.approx(-log_scale.sum() / np.log(2), abs=100)
    numerator, denominator = fraction(log_scale)
    # The digit that is popped is less than the scale, on the grid of y.
    assert (np.abs(y - x * (numerator / denominator)) <= 1 + numerator / denominator).all()
    assert np.abs(np.log(numerator / denominator) - log_scale).max() < 1e-3
    assert np.array_equal(scaled(archive, y, log_scale, back=True), x)
    assert archive.bits == before


def test_the_digest_of_a_flow_sees_every_value():
    flow = small_flow()
    before = flow_digest(flow)
    assert before == flow_digest(small_flow())
    with torch.no_grad():
        flow.levels[0].steps[0].actnorm.bias[0] += 1e-6
    assert flow_digest(flow) != before


def test_the_bytes_of_the_start_and_of_the_code_are_all_that_follows_the_header():
    content, summary = compress(small_flow(), pictures((32, 32, 3)))
    begin = len(MAGIC) + 4
    coded = len(content) - begin - int.from_bytes(content[len(MAGIC) : begin], "little")
    assert summary.start_bytes + summary.stated_bytes == pytest.approx(coded, rel=0.1)


def test_a_picture_costs_as_much_as_with_its_border_repeated_to_whole_tiles():
    (original,) = pictures((13, 5, 3))
    rows, columns = np.arange(16).clip(max=12), np.arange(8).clip(max=4)
    whole = Picture(original.name, original.pixels[rows][:, columns])
    ours, theirs = (compress(small_flow(), [picture])[1] for picture in (original, whole))
    assert ours.stated_bytes == pytest.approx(theirs.stated_bytes, rel=1e-6)


@pytest.mark.parametrize("kind", ["transparent", "16 bits", "an animation", "text"])
def test_a_picture_that_would_lose_something_is_left_out_of_a_folder_and_named(tmp_path, kind):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "good.png")
    odd = tmp_path / "odd.png"
    if kind == "transparent":
        Image.fromarray(np.zeros((9, 9, 4), np.uint8)).save(odd)
    elif kind == "16 bits":
        Image.fromarray(np.zeros((9, 9), np.uint16)).save(odd)
    elif kind == "an animation":
        frames = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
        frames[0].save(odd, save_all=True, append_images=frames[1:])
    else:
        odd.write_text(kind)
    found, left_out = gather([str(tmp_path)])
    assert [picture.name for picture in found] == ["good.png"] and (found[0].pixels == pixels).all()
    assert len(left_out) == 1 and "odd.png" in left_out[0]
    with pytest.raises(DataError, match=r"odd\.png"):
        gather([str(odd)])
