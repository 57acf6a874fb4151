"""A step is fused for speed; it is still the three bijections one after the other."""

import pytest

from eiwflow.flow.level import Step

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


def test_a_matrix_given_by_the_caller_is_used_in_place_of_the_steps_own():
    step: Step = (flow := ready_flow()).levels[0].steps[0]
    x, _ = flow.levels[0].squeeze(images_for(flow, 3))
    assert largest_difference(step(x, step.mixing.matrix())[0], step(x)[0]) < 1e-14
    assert largest_difference(step(x, 2 * step.mixing.matrix())[0], step(x)[0]) > 1e-3


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
