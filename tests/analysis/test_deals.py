"""What couplings see of what channels tell of each other."""

import numpy as np
import pytest
import torch

from eiwflow.analysis.deals import DRAWS, deals
from eiwflow.flow import FlowConfig, MultiScaleFlow, dequantise
from eiwflow.flow.deal import dependence

SIZE = {"shape": (3, 16, 16), "levels": 2, "steps": 4, "width": 4}


def images(count: int) -> torch.Tensor:
    """Return smooth pictures, uint8 (N, 3, 16, 16)."""
    noise = torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(noise, (16, 16), mode="bicubic")
    return (128 + 40 * smooth).clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="module")
def found():
    return deals(FlowConfig(**SIZE), images(32))


def test_what_is_told_is_the_dependence_of_the_channels_that_a_fresh_flow_couples(found):
    flow = MultiScaleFlow(FlowConfig(**SIZE))
    x = dequantise(images(32), torch.Generator().manual_seed(0))
    flow.initialise(x)
    first = flow.levels[0].steps[0]
    with torch.no_grad():
        channels = first.mixing(first.actnorm(flow.levels[0].squeeze(x)[0])[0])[0]
    assert np.allclose(found.told, dependence(channels.double()).numpy(), atol=1e-3)
    assert found.level == 1 and found.steps == 4 and found.by_chance.shape == (DRAWS, 4)


def test_halves_that_change_places_never_see_more_and_the_parts_seen_are_those_between_them(found):
    half = len(found.told) // 2
    across = 2 * found.told[:half, half:].sum() / found.told.sum()
    assert np.allclose(found.in_turn, across)


def test_what_is_seen_grows_and_information_shows_most_first(found):
    for seen in (found.by_information, *found.by_chance):
        assert (np.diff(seen) >= 0).all() and seen[0] >= 0 and seen[-1] <= 1 + 1e-9
    assert found.by_information[1] >= found.by_chance[:, 1].max() - 1e-9
    assert found.by_information[-1] > found.in_turn[-1]
    assert f"{found.by_information[-1]:.0%}".replace("%", " %") in found.in_words()


@pytest.mark.parametrize(
    ("init", "split", "own"),
    [
        ("dealt", "weighted", "dealt by information"),
        ("dealt", "static-first", "dealt by chance"),
        ("principal", "weighted", "halves that change places; training"),
        ("random", "weighted", "random rotations"),
    ],
)
def test_words_say_how_the_flow_itself_began(init, split, own):
    found = deals(FlowConfig(**SIZE, init=init, split=split), images(8), level=2)
    assert own in found.in_words() and "level 2" in found.in_words()


@pytest.mark.parametrize(("given", "looked_at"), [(16, 16), (17, 15), (64, 16)])
def test_more_couplings_than_have_something_to_see_are_left_out(given, looked_at):
    found = deals(FlowConfig(shape=(1, 8, 8), levels=2, steps=given), images(8)[:, :1, :8, :8])
    assert found.steps == looked_at


def test_the_table_has_a_row_a_coupling(found):
    rows = found.table()
    assert [row["coupling"] for row in rows] == [1, 2, 3, 4]
    assert all(row["by_chance_5_percent"] <= row["seen_by_chance"] <= row["by_chance_95_percent"] for row in rows)
