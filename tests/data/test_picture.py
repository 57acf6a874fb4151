"""One's own picture."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.utils import make_grid

from eiwflow.data import DataError, from_picture, montage, to_tensor

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


def test_images_are_laid_out_row_by_row_as_torchvision_s_grid_is() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 2, 3, 3), dtype=np.uint8)
    for gap, fill in ((0, 0), (2, 255)):
        grid = make_grid(to_tensor(images), nrow=2, padding=gap, pad_value=fill)
        np.testing.assert_array_equal(montage(images, 2, gap), grid.permute(1, 2, 0))
        np.testing.assert_array_equal(montage(images[..., 0], 2, gap), grid[0])


def test_what_cannot_be_read_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    rows = 16 * (b"\0" + noise(96).tobytes())  # Pillow keeps 8 of 16 bits, so the transparent colour has others like it
    (tmp_path / "deep.png").write_bytes(png(16, 16, 16, 2, rows, chunk(b"tRNS", bytes(6))))
    for name in ("page.png", "deep.png", "gone.png"):
        with pytest.raises(DataError, match=name):
            from_picture(tmp_path / name, (3, 32, 32))
    with pytest.raises(DataError) as refused:
        from_picture(bytes(1000), (3, 32, 32))
    assert " at 0x" not in str(refused.value)
