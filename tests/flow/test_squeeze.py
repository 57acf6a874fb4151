"""Squeeze moves pixels, and says where to."""

import pytest
import torch

from eiwflow.flow import ShapeError
from eiwflow.flow.squeeze import Squeeze

from .numerics import noise


def test_output_channel_4c_2i_j_is_row_i_column_j_of_the_patches_of_channel_c():
    x = noise(2, 3, 4, 6)
    y, log_det = Squeeze(3)(x)
    assert y.shape == (2, 12, 2, 3)
    assert torch.equal(log_det, torch.zeros(2, dtype=torch.double))
    for c in range(3):
        for i in range(2):
            for j in range(2):
                assert torch.equal(y[:, 4 * c + 2 * i + j], x[:, c, i::2, j::2])


@pytest.mark.parametrize(("height", "width"), [(3, 4), (4, 3), (1, 1)])
def test_odd_sides_are_refused_with_their_size(height, width):
    with pytest.raises(ShapeError, match=f"{height}×{width}"):
        Squeeze(1)(torch.zeros(1, 1, height, width))
