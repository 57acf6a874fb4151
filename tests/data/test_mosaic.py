"""Bundled archives give back every byte of their images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.mosaic import COLUMNS, stitched, write_arrays
from eiwflow.data.mosaic import read_arrays
from eiwflow.data.registry import ASSETS


def same(written: dict[str, np.ndarray], path: Path) -> bool:
    back = read_arrays(path)
    return set(back) == set(written) and all(
        back[name].dtype == array.dtype and np.array_equal(back[name], array) for name, array in written.items()
    )


def crops(count: int, seed: int = 0) -> np.ndarray:
    """Return crops of one picture at multiples of 8 pixels, every fourth with a flat corner, and two of another."""
    rng = np.random.default_rng(seed)
    picture, other = rng.integers(0, 256, (2, 96, 128, 3), dtype=np.uint8)
    picture[:8, :24] = 7
    places = [(8 * rng.integers(0, 9), 8 * rng.integers(0, 13)) for _ in range(count)]
    found = [picture[row : row + 32, column : column + 32] for row, column in places]
    return np.stack([*found, picture[:32, :32], other[:32, :32], other[40:72, 80:112]])


@pytest.mark.parametrize("count", [1, COLUMNS, COLUMNS + 3])
@pytest.mark.parametrize("shape", [(8, 8), (8, 12, 1), (8, 12, 3)])
def test_arrays_come_back_as_they_were_written(tmp_path: Path, count: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(count)
    arrays = {
        "images": rng.integers(0, 256, (count, *shape), dtype=np.uint8),
        "number": np.arange(count, dtype=np.uint8),
        "name": np.array(["a", "bc"]),
    }
    write_arrays(tmp_path / "x.npz", arrays)
    assert same(arrays, tmp_path / "x.npz")


def test_overlapping_crops_are_stitched_and_come_back(tmp_path: Path) -> None:
    images = crops(60)
    sheets, place = stitched(images)
    assert len(place) == len(images) and len(sheets) == 3 and place[0, 0] == 0
    assert sorted(sheet.shape[:2] for sheet in sheets)[:2] == [(32, 32), (32, 32)]
    assert sum(sheet.size for sheet in sheets) < 0.4 * images.size
    write_arrays(tmp_path / "x.npz", {"x": images}, overlapping=["x"])
    assert same({"x": images}, tmp_path / "x.npz")


def test_crops_without_a_flat_tile_are_stitched() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    sheets, place = stitched(np.stack([noise[:16, :16], noise[8:, 16:]]))
    assert len(sheets) == 2 and place[:, 0].tolist() == [0, 1]


def test_a_crop_that_contradicts_a_sheet_gets_another(tmp_path: Path) -> None:
    images = crops(20)
    images[5, 0, 0] ^= 1  # every other tile is still that of its neighbours
    write_arrays(tmp_path / "x.npz", {"x": images}, overlapping=["x"])
    assert same({"x": images}, tmp_path / "x.npz")


def test_the_bundled_photographs_take_a_third_of_their_arrays() -> None:
    path = ASSETS / "photos32.npz"
    assert path.stat().st_size < 0.36 * sum(array.nbytes for array in read_arrays(path).values())
