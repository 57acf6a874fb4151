"""The rows of the Train page's charts."""

from __future__ import annotations

import pytest

from eiwflow.figures.train import AXES, curve_rows


@pytest.mark.parametrize("axis", AXES)
def test_a_logarithmic_axis_leaves_out_the_start_and_a_linear_one_keeps_it(axis: str) -> None:
    rows = [{"measure": "learning rate", "line": "train", "step": at, "cpu": at, "value": 0.1} for at in (0, 1, 5)]
    for logarithmic, kept in ((True, [1, 5]), (False, [0, 1, 5])):
        shown = curve_rows({"run": rows}, "learning rate", axis, logarithmic)
        assert [row[AXES[axis][0]] for row in shown] == kept
