"""Bundled archives give back every byte of their images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eiwflow.data.mosaic import COLUMNS, read_arrays, write_arrays
from eiwflow.data.registry import ASSETS


@pytest.mark.parametrize("count", [1, COLUMNS, COLUMNS + 3])
@pytest.mark.parametrize("shape", [(8, 8), (8, 12, 3)])
def test_arrays_come_back_as_they_were_written(tmp_path: Path, count: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(count)
    arrays = {
        "images": rng.integers(0, 256, (count, *shape), dtype=np.uint8),
        "number": np.arange(count, dtype=np.uint8),
        "name": np.array(["a", "bc"]),
    }
    write_arrays(tmp_path / "x.npz", arrays)
    back = read_arrays(tmp_path / "x.npz")
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype and np.array_equal(back[name], array), name


def test_a_mosaic_of_smooth_images_takes_less_than_the_array() -> None:
    path = ASSETS / "photos32.npz"
    assert path.stat().st_size < 0.6 * sum(array.nbytes for array in read_arrays(path).values())
