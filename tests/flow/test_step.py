"""A step is fused for speed; it is still the three bijections one after the other."""

import pytest
import torch

from eiwflow.flow.step import folded, folded_inverse

from .flows import fresh_flow, images_for, ready_flow
from .numerics import largest_difference


@pytest.mark.parametrize("init", ["principal", "random"])
def test_the_fused_step_is_its_parts_one_by_one(init):
    for level in (flow := ready_flow(init=init)).levels[:1]:
        x, _ = level.squeeze(images_for(flow, 3))
        for step in level.steps:
            fused, of_fused = step(x)
            log_det = 0
            for _, part in step.parts():
                x, of_part = part(x)
                log_det = log_det + of_part
            assert largest_difference(fused, x) < 1e-12
            assert largest_difference(of_fused, log_det) < 1e-10


def test_the_affine_maps_of_a_level_made_in_one_batch_are_those_of_its_steps():
    level = ready_flow(steps=3).levels[0]
    maps, biases, log_det = folded(level.steps)
    back, back_biases = folded_inverse(level.steps)
    for k, step in enumerate(level.steps):
        (matrix,), (bias,), _ = folded([step])
        assert largest_difference(maps[k], matrix) < 1e-14
        assert largest_difference(biases[k], bias) < 1e-14
        assert largest_difference(back[k] @ matrix, torch.eye(level.steps[0].channels, dtype=torch.double)) < 1e-10
        assert largest_difference(back[k] @ bias + back_biases[k], torch.zeros_like(bias)) < 1e-10
    assert log_det.item() == pytest.approx(torch.linalg.slogdet(maps).logabsdet.sum().item())


def test_a_level_is_squeeze_steps_shuffle_and_split_one_after_the_other():
    flow = ready_flow()
    level, x = flow.levels[0], images_for(flow, 3)
    kept, epsilon, log_det, _ = level(x)
    y, total = level.squeeze(x)
    for bijection in (*level.steps, level.shuffle, level.split):
        y, part = bijection(y)
        total = total + part
    assert largest_difference(kept, y[:, :2]) < 1e-12
    assert largest_difference(epsilon, y[:, 2:]) < 1e-12
    assert largest_difference(log_det, total) < 1e-10
    assert largest_difference(level.inverse(kept, epsilon), x) < 1e-10


def test_only_the_last_level_neither_shuffles_nor_splits():
    flow = fresh_flow(levels=3)
    assert [level.shuffle is None for level in flow.levels] == [False, False, True]
    assert [level.split is None for level in flow.levels] == [False, False, True]
    assert [level.number for level in flow.levels] == [1, 2, 3]
