"""Pictures into an archive and back: every pixel, at the bits that the flow states."""

import io
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eiwflow import checkpoint, cli
from eiwflow.analysis.compression import Compressed
from eiwflow.analysis.words import compression as words
from eiwflow.compression import CompressionError, archive
from eiwflow.compression.archive import (
    MAGIC,
    Picture,
    compress,
    decompress,
    flow_digest,
    gather,
    lossless_sizes,
    read_picture,
    write_pictures,
)
from eiwflow.compression.grid import LIMIT, Archive, GridFlow, _floats, fraction, scaled, unscaled
from eiwflow.data import load
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
    given = pictures((8, 8, 3), (20, 13, 3), (9, 1, 3), (16, 24, 1))
    content, summary = compress(flow, "flow", given)
    again = decompress(flow, "flow", content)
    assert [picture.name for picture in again] == [picture.name for picture in given]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(given, again, strict=True))
    assert summary.tiles == 1 + 3 * 2 + 2 + 2 * 3
    assert summary.values == sum(picture.pixels.size for picture in given) < summary.tiles * 3 * 8 * 8
    assert summary.bytes == len(content)


@pytest.mark.parametrize("coupling", ["sigmoid", "additive"])
def test_the_maps_and_priors_of_imported_flows_give_the_same_pixels_back(coupling):
    flow = small_flow(order="last", weights="none", init="random", coupling=coupling, top_prior="constant")
    given = pictures((16, 24, 3))
    content, summary = compress(flow, "flow", given)
    assert np.array_equal(decompress(flow, "flow", content)[0].pixels, given[0].pixels)
    assert len(content) - summary.start_bytes < 1.1 * summary.stated_bytes + 400
    with pytest.raises(CompressionError, match="sees 32 grey levels"):
        compress(small_flow(bits=5), "flow", given)


def test_a_flow_that_splits_nothing_gives_the_same_pixels_back():
    flow, given = small_flow(keep="all"), pictures((20, 13, 3), (9, 1, 3))
    content, summary = compress(flow, "flow", given)
    again = decompress(flow, "flow", content)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(given, again, strict=True))
    assert summary.bytes == len(content)


@pytest.mark.parametrize("channels_first", [True, False])
def test_a_network_sees_cells_of_any_strides_in_the_layout_of_their_shape(channels_first):
    """Of one pixel, torch kept the strides of the array, and the last bits of a network's outputs came from them."""
    cells = np.arange(48 * 4, dtype=np.int64).reshape(4, 48, 1, 1)
    other = cells if channels_first else np.ascontiguousarray(cells.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    one, again = _floats(cells), _floats(np.asfortranarray(other))
    assert one.stride() == again.stride() and torch.equal(one, again)


def test_a_flow_of_grey_images_takes_grey_pictures_alone():
    flow = small_flow(shape=(1, 8, 8))
    given = pictures((10, 8, 1))
    content, _ = compress(flow, "flow", given)
    assert np.array_equal(decompress(flow, "flow", content)[0].pixels, given[0].pixels)
    with pytest.raises(CompressionError, match=r"0\.png has colours"):
        compress(flow, "flow", pictures((8, 8, 3)))


@pytest.mark.slow
def test_five_hundred_faces_take_what_the_flow_states_within_two_percent():
    flow = checkpoint.load(ASSETS / "checkpoints" / "faces16-entropy-weighted.safetensors").flow
    faces, _ = gather(["faces16"])
    assert len(faces) == 1000
    # The start of an archive is as long for few faces as for many: what holds for half of them holds for all.
    content, facts = compress(flow, "flow", faces if LONG else faces[:500])
    assert facts.stated_bytes <= len(content) <= 1.02 * facts.stated_bytes


@pytest.mark.slow
def test_the_command_states_that_faces_take_fewer_bytes_than_webp_and_png(tmp_path, capsys):
    # WebP at its best takes several times as long as the flow: few faces are enough to be smaller.
    for number, face in enumerate(load("faces16").test[:80]):
        Image.fromarray(face).save(tmp_path / f"{number}.png")
    out = tmp_path / "faces.eiw"
    assert cli.main(["compress", "faces16-entropy-weighted", str(tmp_path), "--out", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["pictures"] == 80
    assert facts["bytes"] == out.stat().st_size
    assert facts["bytes"] < facts["webp_bytes"] < facts["png_bytes"]


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
    assert "choose a folder that does not" in capsys.readouterr().err
    assert cli.main(["decompress", "faces16-variance-reversed", str(archive), "--out", str(tmp_path / "x")]) == 2
    assert "made with another flow" in capsys.readouterr().err


def test_a_tile_beyond_the_flow_is_kept_as_bytes():
    flow = small_flow()
    with torch.no_grad():
        # Far outside what ε may be: the flow cannot hold this image.
        flow.levels[-1].steps[-1].actnorm.bias += 2.0 * LIMIT
    given = pictures((8, 8, 3), (8, 8, 3))
    content, _ = compress(flow, "flow", given)
    assert np.array_equal(decompress(flow, "flow", content)[1].pixels, given[1].pixels)


@pytest.mark.slow
def test_changed_archives_are_refused_or_give_the_pixels():
    flow = small_flow()
    given = pictures((16, 16, 3))
    content, _ = compress(flow, "flow", given)
    noise = np.random.default_rng(3)
    refused = 0
    for _ in range(150):
        changed = bytearray(content)
        for _ in range(noise.integers(1, 4)):
            changed[noise.integers(len(changed))] = noise.integers(256)
        changed = changed[: noise.integers(1, len(changed) + 1)] if noise.random() < 0.3 else changed
        try:
            again = decompress(flow, "flow", bytes(changed))
        except CompressionError as error:
            refused += 1
            assert str(error).endswith(".")
        else:
            assert np.array_equal(again[0].pixels, given[0].pixels)
    assert refused > 100


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{" * 100_000,
        json.dumps({"version": 1}).encode(),
        b" " * 10_000_000,
    ],
)
def test_a_hostile_header_costs_a_sentence(header):
    text = zlib.compress(header)
    content = MAGIC + len(text).to_bytes(4, "little") + text + bytes(8)
    with pytest.raises(CompressionError, match="header cannot be read"):
        decompress(small_flow(), "flow", content)


def with_header(content: bytes, **changes: object) -> bytes:
    """Return an archive with other fields in its header."""
    begin = len(MAGIC) + 4
    length = int.from_bytes(content[len(MAGIC) : begin], "little")
    header = json.loads(zlib.decompress(content[begin : begin + length])) | changes
    text = zlib.compress(json.dumps(header).encode())
    return MAGIC + len(text).to_bytes(4, "little") + text + content[begin + length :]


def test_fields_of_a_header_are_of_their_kind_and_are_shown_as_they_stand():
    flow = small_flow()
    content, _ = compress(flow, "flow", pictures((8, 8, 3)))
    with pytest.raises(CompressionError, match="header cannot be read"):
        decompress(flow, "flow", with_header(content, pictures=[["a", 8, 8, 3.0]]))
    hostile = "\x1b[31m" + "2" * 1_000_000
    with pytest.raises(CompressionError, match="decodes to other pixels here") as refused:
        decompress(flow, "flow", with_header(content, torch=hostile, machine=hostile, sha256="0"))
    assert "\x1b" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize("batch", [16, -1])
def test_an_archive_of_fewer_bits_than_its_pictures_is_refused_at_once(monkeypatch, batch):
    """8 KB that state 64 megapixels took 28 s and 3.6 GiB, decoding noise, before their hash was compared."""
    flow, popped = small_flow(), []
    content, _ = compress(flow, "flow", pictures((8, 8, 3)))
    for name in ("pop", "pop_bytes"):
        where = GridFlow if name == "pop" else Archive
        pop = getattr(where, name)
        monkeypatch.setattr(where, name, lambda *args, pop=pop: popped.append(0) or pop(*args))
    claims = with_header(content, pictures=[["a", 1024, 1024, 3]], batches=[batch] * (128 * 128 // abs(batch)))
    with pytest.raises(CompressionError, match="cannot be decoded here, or is damaged"):
        decompress(flow, "flow", claims)
    assert len(popped) < 40


@pytest.mark.slow
def test_an_archive_of_few_bits_is_not_decoded_for_ever(monkeypatch):
    """4 KB that state 100,000 pictures of one pixel decoded noise of 0 bits: minutes, or hours with a larger flow."""
    flow, popped, pop = small_flow(), [], GridFlow.pop
    content, _ = compress(flow, "flow", pictures((8, 8, 3)))
    monkeypatch.setattr(GridFlow, "pop", lambda *args: popped.append(0) or pop(*args))
    claims = with_header(content, pictures=[["a", 1, 1, 3]] * 2000, batches=[1] * 2000)
    with pytest.raises(CompressionError, match="cannot be decoded here, or is damaged"):
        decompress(flow, "flow", claims)
    assert len(popped) <= 3 * 64


def test_names_in_an_archive_never_leave_the_folder(tmp_path):
    hostile = [Picture(name, np.zeros((1, 1, 3), np.uint8)) for name in ("../../x.png", "a/b.png", "..", "", "<b>.png")]
    paths = write_pictures(hostile, tmp_path / "out")
    assert {path.parent for path in paths} == {tmp_path / "out"}
    assert len(set(paths)) == len(hostile)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in paths)


def test_a_name_that_no_disk_takes_gives_way_to_another(tmp_path):
    given = [Picture("漢" * 200, np.zeros((2, 2, 3), np.uint8)), Picture("\ud800.png", np.zeros((2, 2, 3), np.uint8))]
    assert [path.name for path in write_pictures(given, tmp_path / "out")] == ["picture.png", "picture-1.png"]


def test_pictures_that_cannot_all_be_written_leave_no_folder(tmp_path, monkeypatch):
    def full(pixels):
        assert not (tmp_path / "out").exists()  # so that a killed process leaves none either
        if pixels.any():
            raise OSError(28, "No space left on device")
        return Image.fromarray(pixels)

    monkeypatch.setattr(archive, "as_picture", full)
    given = [Picture(f"{value}.png", np.full((2, 2, 3), value, np.uint8)) for value in (0, 1)]
    with pytest.raises(OSError, match="No space"):
        write_pictures(given, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_data_set_goes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "faces16").mkdir()
    Image.fromarray(np.full((2, 2, 3), 7, np.uint8)).save(tmp_path / "faces16" / "own.png")
    monkeypatch.chdir(tmp_path)
    assert len(gather(["faces16"])[0]) == 1000
    assert [picture.name for picture in gather(["./faces16"])[0]] == ["own.png"]


def test_a_folder_is_read_no_further_than_its_pictures_may_have_pixels(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(archive, "MAX_PIXELS", 300)
    monkeypatch.setattr(archive, "_read", lambda path, name: read.append(name) or pictures((16, 16, 3))[0])
    for number in range(9):
        (tmp_path / f"{number}.png").touch()
    with pytest.raises(CompressionError, match="compress them in parts"):
        gather([str(tmp_path)])
    assert read == ["0.png", "1.png"]


def test_a_flow_that_shifts_beyond_all_numbers_is_refused_before_anything_is_compressed():
    flow = small_flow()
    with torch.no_grad():
        flow.levels[1].steps[0].actnorm.bias.fill_(1e30)
    with pytest.raises(CompressionError, match="shifts values beyond all bounds"):
        compress(flow, "flow", pictures((8, 8, 3)))


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded(monkeypatch):
    file = io.BytesIO()
    Image.new("L", (64, 64)).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    scan = content[content.rfind(b"\xff\xda") : -2]
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(CompressionError, match="more than 100 scans"):
        read_picture(content[:-2] + scan * 200 + b"\xff\xd9", "slow.jpg")


def test_what_cannot_be_compressed_of_a_folder_is_left_out_and_named(tmp_path, capsys):
    for name, mode in (("a.png", "L"), ("b.png", "RGBA"), ("c.png", "I;16")):
        Image.new(mode, (8, 8)).save(tmp_path / name)
    (tmp_path / "d.png").write_bytes(b"nothing")
    (tmp_path / "e.png").symlink_to("a.png"), (tmp_path / "f").symlink_to(tmp_path), (tmp_path / "g.tif").touch()
    found, left_out = gather([str(tmp_path)])
    assert [picture.name for picture in found] == ["a.png"]
    assert left_out[:3] == ["e.png is a link.", "f is a link.", "1 file of the kind .tif, which is not read."]
    assert [sentence[:5] for sentence in left_out[3:]] == ["b.png", "c.png", "d.png"]
    assert cli.main(["compress", "faces16-glow", str(tmp_path), "--out", str(tmp_path / "some.eiw")]) == 0
    said = capsys.readouterr().out
    assert "1 picture in" in said and "left out: b.png has pixels of the kind RGBA" in said
    (tmp_path / "a.png").unlink()
    with pytest.raises(CompressionError, match=r"None of the pictures in .* can be compressed. d\.png cannot be read"):
        gather([str(tmp_path)])


def png_chunk(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


def test_a_picture_that_would_lose_something_is_refused():
    """Frames, transparent colours and the low bits of 16 were dropped, and "every pixel is the same" was said."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        file = io.BytesIO()
        frames[0].save(file, kind, save_all=True, append_images=frames[1:])
        with pytest.raises(CompressionError, match=r"a\.png is an animation; single pictures are compressed\."):
            read_picture(file.getvalue(), "a.png")
    for mode, colour in (("RGB", (255, 0, 0)), ("L", 0), ("P", 0)):
        file = io.BytesIO()
        Image.new(mode, (8, 8)).save(file, "PNG", transparency=colour)
        with pytest.raises(CompressionError, match=r"a\.png has transparent parts; grey and colour pictures of 8 bits"):
            read_picture(file.getvalue(), "a.png")
    shape = (8).to_bytes(4, "big") * 2
    deep = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", shape + b"\x10\x02\0\0\0")
    deep += png_chunk(b"IDAT", zlib.compress((b"\0" + bytes(range(48))) * 8)) + png_chunk(b"IEND", b"")
    with pytest.raises(CompressionError, match=r"a\.png has 16 bits a channel"):
        read_picture(deep, "a.png")


def test_a_telephone_s_jpeg_with_a_preview_is_compressed():
    file = io.BytesIO()
    large, small = (Image.new("RGB", (side, side), "red") for side in (16, 8))
    large.save(file, "MPO", save_all=True, append_images=[small])
    assert read_picture(file.getvalue(), "a.jpg").pixels.shape == (16, 16, 3)


def test_what_cannot_be_compressed_is_named(tmp_path):
    for mode, allowed in (("RGBA", False), ("L", True), ("P", True), ("1", True), ("I;16", False), ("CMYK", False)):
        file = io.BytesIO()
        Image.new(mode, (4, 4)).save(file, "JPEG" if mode == "CMYK" else "PNG")
        if allowed:
            assert read_picture(file.getvalue(), "a.png").pixels.shape[:2] == (4, 4)
        else:
            with pytest.raises(CompressionError, match=r"a\.png has pixels of the kind"):
                read_picture(file.getvalue(), "a.png")
    with pytest.raises(CompressionError, match="cannot be read as PNG"):
        read_picture(b"nothing", "a.png")
    with pytest.raises(CompressionError, match="holds no pictures"):
        gather([str(tmp_path)])
    with pytest.raises(CompressionError, match="cannot be read: no such file"):
        gather([str(tmp_path / "none.png")])


def test_a_scale_costs_its_log_determinant_and_is_undone_exactly():
    noise = np.random.default_rng(0)
    x = noise.normal(0, 30_000, 4000).astype(np.int64)
    log_scale = noise.normal(0, 1.5, 4000)
    archive = Archive(start=5000)
    before = archive.bits
    y = scaled(archive, x, log_scale, whole=True)
    assert archive.bits - before == pytest.approx(-log_scale.sum() / np.log(2), abs=100)
    numerator, denominator = fraction(log_scale)
    # The digit that is popped is less than the scale, on the grid of y.
    assert (np.abs(y - x * (numerator / denominator)) <= 1 + numerator / denominator).all()
    assert np.abs(np.log(numerator / denominator) - log_scale).max() < 1e-3
    assert np.array_equal(unscaled(archive, y, log_scale, whole=True), x)
    assert archive.bits == before


def test_codecs_are_given_their_best(tmp_path: Path):
    given = pictures(*[(16, 16, 3)] * 9)
    alone = {"png": 0, "webp": 0}
    for picture in given:
        for kind in alone:
            file = io.BytesIO()
            Image.fromarray(picture.pixels).save(file, kind.upper(), lossless=True, optimize=True)
            alone[kind] += len(file.getvalue())
    sizes = lossless_sizes(given)
    assert all(sizes[kind] < alone[kind] for kind in alone)
    rows = [np.concatenate([picture.pixels for picture in given[row : row + 3]], axis=1) for row in (0, 3, 6)]
    for kind, settings in {"png": {"optimize": True}, "webp": {"lossless": True, "quality": 100, "method": 6}}.items():
        file = io.BytesIO()
        Image.fromarray(np.concatenate(rows)).save(file, kind.upper(), **settings)
        assert sizes[kind] == len(file.getvalue())


@pytest.mark.parametrize(("shape", "count"), [((3, 400, 1), 1), ((400, 3, 1), 1), ((2, 60, 1), 100)])
def test_pictures_too_long_for_webp_are_cut_for_it(shape, count, monkeypatch):
    monkeypatch.setattr(archive, "WEBP_SIDE", 399)
    longest, save = [], archive._file_bytes
    monkeypatch.setattr(
        archive,
        "_file_bytes",
        lambda pixels, *kind, **how: longest.append(max(pixels.shape)) or save(pixels, *kind, **how),
    )
    given = pictures(*[shape] * count)
    values = sum(picture.pixels.size for picture in given)
    # Noise of 40 levels takes 5.3 of 8 bits.
    assert all(0.6 * values < size < 1.3 * values for size in lossless_sizes(given).values())
    png, *webp = longest
    assert png > 399 and len(webp) == 2 and max(webp) == 399


def test_no_webp_file_has_longer_sides():
    for shape in ((1, archive.WEBP_SIDE, 3), (archive.WEBP_SIDE, 1, 3)):
        assert archive._file_bytes(np.zeros(shape, np.uint8), "WEBP", lossless=True) > 0
    with pytest.raises(ValueError, match="16383"):
        archive._file_bytes(np.zeros((1, archive.WEBP_SIDE + 1, 3), np.uint8), "WEBP", lossless=True)


def test_the_longest_names_of_the_most_pictures_fit_and_longer_ones_are_refused_before_the_work(monkeypatch):
    listed = [["x" * 200, 1000, 1000, 3]] * archive.MAX_PICTURES
    assert len(json.dumps(listed)) < archive.MAX_LIST < archive.MAX_HEADER - 2**20
    flow, given = small_flow(), [Picture("é" * 20, np.zeros((2, 2, 3), np.uint8))] * 3
    length = len(json.dumps([["é" * 20, 2, 2, 3]] * 3))
    monkeypatch.setattr(archive, "MAX_LIST", length)
    assert len(decompress(flow, flow_digest(flow), compress(flow, flow_digest(flow), given)[0])) == 3
    monkeypatch.setattr(archive, "MAX_LIST", length - 1)
    monkeypatch.setattr(archive, "GridFlow", None)
    with pytest.raises(CompressionError, match=f"take {length} bytes, and an archive holds {length - 1}"):
        compress(flow, flow_digest(flow), given)


def test_the_digest_of_a_flow_sees_every_value():
    flow = small_flow()
    before = flow_digest(flow)
    assert before == flow_digest(small_flow())
    with torch.no_grad():
        flow.levels[0].steps[0].actnorm.bias[0] += 1e-6
    assert flow_digest(flow) != before


def test_a_bundled_flow_has_one_digest_however_it_is_read():
    path = ASSETS / "checkpoints" / "faces16-entropy-weighted.safetensors"
    assert flow_digest(checkpoint.load(path).flow) == flow_digest(checkpoint.load(path.read_bytes(), name="x").flow)


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_a_photo_that_a_phone_took_on_its_side_is_read_upright(orientation, turns):
    (given,) = pictures((6, 4, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(given.pixels).save(file, "PNG", exif=exif)
    assert np.array_equal(read_picture(file.getvalue(), "a.png").pixels, np.rot90(given.pixels, turns))


def test_the_bytes_of_the_start_and_of_the_code_are_all_that_follows_the_header():
    content, summary = compress(small_flow(), "flow", pictures((32, 32, 3)))
    begin = len(MAGIC) + 4
    coded = len(content) - begin - int.from_bytes(content[len(MAGIC) : begin], "little")
    assert summary.start_bytes + summary.stated_bytes == pytest.approx(coded, rel=0.1)


def test_a_picture_costs_as_much_as_with_its_border_repeated_to_whole_tiles():
    (given,) = pictures((13, 5, 3))
    rows, columns = np.arange(16).clip(max=12), np.arange(8).clip(max=4)
    whole = Picture(given.name, given.pixels[rows][:, columns])
    ours, theirs = (compress(small_flow(), "flow", [picture])[1] for picture in (given, whole))
    assert ours.stated_bytes == pytest.approx(theirs.stated_bytes, rel=1e-6)


def test_words_state_what_the_archive_has_more_as_a_share_of_the_bytes_that_the_flow_states():
    summary = archive.Summary(pictures=1, tiles=4, values=3072, bytes=1500, start_bytes=64, stated_bytes=1200.0)
    photo = Compressed(b"", summary, {"png": 2345, "webp": 1800}, (32, 48))
    assert words.takeaway(photo) == "The photo, 48×32 pixels, takes 1,500 bytes; lossless WebP takes 1,800."
    assert words.account(photo) == (
        "The flow states 1,200 bytes. The archive has 25 % more: 64 bytes that the first tile starts from, names, and "
        "rounding. PNG takes 2,345 bytes. Every pixel was compared after decoding."
    )
