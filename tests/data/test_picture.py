"""One's own picture."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.utils import make_grid

from eiwflow.data import DataError, from_picture, montage, pixels, to_tensor
from eiwflow.data.picture import MAX_SCANS, MAX_SEGMENTS

from .samples import encoded, noise


@settings(max_examples=30)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    channels=st.sampled_from([1, 3]),
    sides=st.tuples(st.integers(8, 40), st.integers(8, 40)),
)
def test_any_picture_becomes_the_shape_asked_for(
    height: int, width: int, channels: int, sides: tuple[int, int]
) -> None:
    image = from_picture(encoded(noise(height, width, 3)), (channels, *sides))
    assert image.shape == (*sides, channels) and image.dtype == np.uint8


def test_bytes_paths_and_open_files_are_read_alike(tmp_path: Path) -> None:
    content = encoded(noise(40, 30, 3))
    path = tmp_path / "own.png"
    path.write_bytes(content)
    images = [from_picture(source, (3, 16, 16)) for source in (content, path, str(path), io.BytesIO(content))]
    assert all((image == images[0]).all() for image in images)


def test_the_middle_is_kept() -> None:
    pixels = np.zeros((16, 48, 3), np.uint8)
    pixels[:, 16:32] = noise(16, 16, 3)
    assert (from_picture(encoded(pixels), (3, 16, 16)) == pixels[:, 16:32]).all()


def test_a_photograph_taken_sideways_is_turned_upright() -> None:
    pixels = noise(16, 16, 3)
    turned_right = Image.Exif()
    turned_right[0x0112] = 6
    upright = from_picture(encoded(pixels, exif=turned_right), (3, 16, 16))
    assert (upright == np.rot90(pixels, -1)).all()


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    rows = np.linspace(0, 255, 1600, dtype=np.uint8)[:, None, None]
    content = encoded(np.broadcast_to(rows, (1600, 1600, 3)), "JPEG")
    expected = np.linspace(0, 255, 17)[:-1] + 8
    assert np.abs(from_picture(content, (1, 16, 16))[:, 0, 0] - expected).max() <= 3


def test_transparent_parts_become_white_and_not_what_is_hidden_there() -> None:
    assert (from_picture(encoded(np.zeros((16, 16, 4), np.uint8)), (3, 8, 8)) == 255).all()


def test_sixteen_bits_of_grey_are_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 16 * 16).reshape(16, 16).astype(np.uint16)
    assert np.abs(from_picture(encoded(ramp), (1, 16, 16))[..., 0] - ramp / 256.0).max() <= 1


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, colour: int, pixels: bytes, *chunks: bytes) -> bytes:
    """Return a PNG file of any depth, with chunks between its header and its pixels, rows behind a zero byte each."""
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)) + b"".join(chunks)
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("turned", [False, True], ids=["upright", "sideways"])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_becomes_white_and_no_other_grey_does(depth: int, turned: bool) -> None:
    greys = np.random.default_rng(depth).integers(0, 2**depth, (16, 16))
    greys[:4, :4] = key = 2**depth // 3
    greys[4:8, :4] = key + 1
    bits = (greys[..., None] >> np.arange(depth)[::-1] & 1).reshape(16, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(bits.astype(np.uint8), axis=1))
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    about = chunk(b"tRNS", struct.pack(">H", key)), chunk(b"eXIf", exif.tobytes()[6:])
    expected = np.where(greys == key, 255, greys * 255 // (2**depth - 1) if depth < 16 else greys // 256)
    image = from_picture(png(16, 16, depth, 0, rows, *about), (1, 16, 16))
    assert (image[..., 0] == (np.rot90(expected, -1) if turned else expected)).all()


def test_a_transparent_colour_of_sixteen_bits_is_refused() -> None:
    """Pillow keeps the upper 8 bits of every colour, so the transparent one has others like it."""
    rows = 16 * (b"\0" + noise(96).tobytes())
    assert from_picture(png(16, 16, 16, 2, rows), (3, 16, 16)).shape == (16, 16, 3)
    with pytest.raises(DataError, match="the picture is a PNG of 16 bits a colour with a transparent one; save it"):
        from_picture(png(16, 16, 16, 2, rows, chunk(b"tRNS", bytes(6))), (3, 16, 16))


def bomb(width: int, height: int) -> bytes:
    """Return a PNG file that states a size and holds next to nothing."""
    return png(width, height, 8, 2, bytes(100))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8_001, 10_000, 60_000])
def test_a_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises(DataError, match=r"pixels"):
        from_picture(bomb(side, side), (3, 32, 32))


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n", bytes(1000)])
def test_nonsense_is_refused_in_one_sentence(content: bytes) -> None:
    with pytest.raises(DataError, match="cannot be read as PNG, JPEG, WEBP, BMP, GIF") as refused:
        from_picture(content, (3, 32, 32))
    assert " at 0x" not in str(refused.value)


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """Each scan goes over all pixels, and may be empty: half a megabyte took a minute of a processor core."""
    file = io.BytesIO()
    Image.fromarray(noise(64, 64, 3)).save(file, "JPEG", progressive=True)
    picture = file.getvalue()
    last = picture.rindex(b"\xff\xda")
    scans = picture.count(b"\xff\xda")
    many = picture[:last] + (MAX_SCANS + 1 - scans) * picture[last:-2] + picture[last:]
    segments = picture[:2] + MAX_SEGMENTS * b"\xff\xee\x00\x02" + picture[2:]
    path = tmp_path / "many.jpg"
    path.write_bytes(many)
    for source, what in ((many, "100 scans"), (segments, "2,000 segments"), (path, "100 scans")):
        with pytest.raises(DataError, match=f"JPEG of more than {what}; save it again"):
            from_picture(source, (3, 16, 16))
    film = b"\xff\xda" * 200  # of a telephone, behind its picture
    most = picture[:last] + (MAX_SCANS - scans) * picture[last:-2] + picture[last:]
    for fine in (picture, most, picture + film):
        assert from_picture(fine, (3, 16, 16)).shape == (16, 16, 3)


def test_a_jpeg_of_many_pixels_in_many_scans_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 scans of the largest picture took 12 seconds: scans count by their pixels."""
    picture = encoded(noise(70, 50, 3), "JPEG", progressive=True)
    last, scans = picture.rindex(b"\xff\xda"), picture.count(b"\xff\xda")
    assert scans < 20
    most = picture[:last] + (20 - scans) * picture[last:-2] + picture[last:]
    monkeypatch.setattr("eiwflow.data.picture.MAX_SCANNED", 20 * 70 * 50)
    assert from_picture(most, (3, 16, 16)).shape == (16, 16, 3)
    with pytest.raises(DataError, match="JPEG of 21 or more scans of 3,500 pixels each; save it again"):
        from_picture(most[:-2] + picture[last:], (3, 16, 16))


@pytest.mark.parametrize(
    "start", [b"\xff\xd8", b"GIF89a\x08\0\x08\0\0\0\0", encoded(noise(8, 8, 3))[:33] + b"\x7f\xff\xff\xffabCd"]
)
def test_a_file_beyond_all_bounds_is_refused_unread(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "huge.jpg"
    path.write_bytes(start)
    os.truncate(path, 2**36)
    with pytest.raises(DataError, match="'huge.jpg' .*: it has 68,719,476,736 bytes; at most 268,435,456 are read"):
        from_picture(path, (3, 16, 16))


def test_a_jpeg_of_very_many_bytes_between_segments_is_refused() -> None:
    """32 MiB of them took 7 seconds of a processor core."""
    picture = encoded(noise(40, 40, 3), "JPEG")
    for fill in (b"\xff", b"\xff\x00", b"\0"):
        slow = picture[:2] + 2**20 * fill + picture[2:]
        with pytest.raises(DataError, match="is a JPEG with [0-9,]+ bytes between its segments; save it again"):
            from_picture(slow, (3, 16, 16))
        assert pixels(slow) == 0
    assert pixels(picture) == 1600
    assert from_picture(picture[:2] + 10 * b"\xff" + picture[2:], (3, 16, 16)).shape == (16, 16, 3)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_very_much_exif_is_refused_before_its_values_are_read(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow makes an object of every value: 32 MB took 1.2 GiB and 8 seconds."""

    def picture(count: int) -> bytes:
        # One entry of so many fractions of 8 bytes.
        entry = struct.pack("<HHHIII", 1, 0x9999, 5, count, 26, 0)
        exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + entry + bytes(8 * count)
        file = io.BytesIO()
        Image.new("RGB", (16, 16)).save(file, kind)
        content = file.getvalue()
        if kind == "JPEG":
            parts = [b"Exif\0\0" + exif[6:][at : at + 60_000] for at in range(0, len(exif), 60_000)]
            segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in parts)
            return content[:2] + segments + content[2:]
        if kind == "WEBP":
            file = io.BytesIO()
            Image.new("RGB", (16, 16)).save(file, kind, exif=exif)
            return file.getvalue()
        chunk = b"eXIf" + exif[6:]
        end = content.rindex(b"IEND") - 4
        return (
            content[:end]
            + struct.pack(">I", len(exif) - 6)
            + chunk
            + struct.pack(">I", zlib.crc32(chunk))
            + content[end:]
        )

    assert from_picture(picture(100), (3, 16, 16)).shape == (16, 16, 3)
    monkeypatch.setattr(Image.Image, "getexif", lambda _: pytest.fail("the values were read"))
    with pytest.raises(DataError, match=r"has 80,[01]\d\d bytes of EXIF data; at most 65,536 are read"):
        from_picture(picture(10_000), (3, 16, 16))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png"):
        from_picture(tmp_path / "gone.png", (3, 32, 32))


@pytest.mark.parametrize("shape", [(4, 32, 32), (3, 7, 32), (3, 32, 257)])
def test_a_shape_out_of_bounds_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match="the shape asked for"):
        from_picture(encoded(noise(32, 32, 3)), shape)


@settings(max_examples=100)
@given(choice=st.data(), kind=st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "GIF"]))
def test_damaged_pictures_give_an_image_or_one_sentence(choice: st.DataObject, kind: str) -> None:
    content = bytearray(encoded(noise(12, 12, 3), kind))
    for _ in range(choice.draw(st.integers(1, 6))):
        content[choice.draw(st.integers(0, len(content) - 1))] = choice.draw(st.integers(0, 255))
    try:
        assert from_picture(bytes(content), (3, 8, 8)).shape == (8, 8, 3)
    except DataError as error:
        assert "\n" not in str(error)


def test_images_are_laid_out_row_by_row_as_torchvision_s_grid_is() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 2, 3, 3), dtype=np.uint8)
    for gap, fill in ((0, 0), (2, 255)):
        grid = make_grid(to_tensor(images), nrow=2, padding=gap, pad_value=fill)
        np.testing.assert_array_equal(montage(images, 2, gap), grid.permute(1, 2, 0))
        np.testing.assert_array_equal(montage(images[..., 0], 2, gap), grid[0])
