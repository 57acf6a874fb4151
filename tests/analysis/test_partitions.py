"""What couplings see of the mutual information between channels."""

import numpy as np
import pytest
import torch

from eiwflow.analysis.partitions import DRAWS, MOST_COUPLINGS, Coverage, coverage
from eiwflow.analysis.words import shuffle as words
from eiwflow.flow import FlowConfig, MultiScaleFlow, dequantise
from eiwflow.flow.partitions import told

SIZE = {"shape": (3, 16, 16), "levels": 2, "steps": 4, "width": 4}


def images(count: int, channels: int = 3, size: int = 16) -> torch.Tensor:
    """Return smooth pictures, uint8 (N, C, H, W)."""
    noise = torch.randn(count, channels, 4, 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(noise, (size, size), mode="bicubic")
    return (128 + 40 * smooth).clamp(0, 255).to(torch.uint8)


def unrelated(count: int) -> torch.Tensor:
    """Return images of noise, uint8 (N, 3, 16, 16)."""
    return torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def found():
    return coverage(FlowConfig(**SIZE), images(32))


def test_information_is_that_of_the_channels_that_a_fresh_flow_couples_less_what_luck_makes(found):
    flow = MultiScaleFlow(FlowConfig(**SIZE, partition="alternating"))
    x = dequantise(images(32), torch.Generator().manual_seed(0))
    flow.initialise(x)
    first = flow.levels[0].steps[0]
    with torch.no_grad():
        channels = first.mixing(first.actnorm(flow.levels[0].squeeze(x)[0])[0])[0]
    expected = told(channels[1::2].double()).numpy() - 9 / (2 * 16 * 64)
    assert np.allclose(found.information, np.where(np.eye(12), 0, expected.clip(min=0)), atol=1e-3)
    assert (found.level, found.couplings, found.random.shape) == (1, 4, (DRAWS, 4))


def test_alternating_halves_see_the_information_between_them_one_way_and_then_the_other(found):
    half, whole = len(found.information) // 2, found.information.sum()
    first, second = found.information[:half, half:].sum() / whole, found.information[half:, :half].sum() / whole
    assert np.allclose(found.alternating, [first, *[first + second] * 3])


def test_what_is_seen_grows_and_information_shows_more_than_chance(found):
    for seen in (found.by_information, *found.random):
        assert (np.diff(seen) >= 0).all() and seen[0] >= 0 and seen[-1] <= 1 + 1e-9
    assert found.by_information[1] > found.random[:, 1].mean()
    assert found.by_information[-1] > found.alternating[-1]
    assert f"{found.by_information[-1]:.0%}".replace("%", " %") in words.coverage(found)


def test_of_unrelated_channels_a_partition_by_information_shows_no_more_than_chance_does():
    found = coverage(FlowConfig(**SIZE), unrelated(64))
    low, high = np.quantile(found.random[:, -1], [0, 1])
    assert low - 0.05 <= found.by_information[-1] <= high + 0.05
    assert found.information.sum() < 0.1


@pytest.mark.parametrize(
    ("init", "partition", "own"),
    [
        ("principal", "information", "by mutual information."),
        ("principal", "random", "with partitions at random."),
        ("principal", "alternating", "alternating halves; training"),
        ("random", "alternating", "random rotations"),
    ],
)
def test_words_say_how_the_flow_itself_began(init, partition, own):
    found = coverage(FlowConfig(**SIZE, init=init, partition=partition), images(8), level=2)
    assert own in words.coverage(found) and "level 2" in words.coverage(found)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (1, ", 1 coupling sees"),
        (3, ", 3 couplings see"),
        (16, ", 16 couplings see"),
        (17, ", the first 15 couplings see"),
        (64, f", the first {MOST_COUPLINGS} couplings see"),
    ],
)
def test_words_say_how_many_couplings_were_looked_at(steps, said):
    found = coverage(FlowConfig(shape=(1, 8, 8), levels=2, steps=steps), images(8, 1, 8))
    assert said in words.coverage(found)


def test_of_no_information_no_share_is_said():
    found = Coverage(1, 2, "information", True, np.zeros((4, 4)), np.ones(2), np.ones((3, 2)), np.ones(2))
    assert "share no mutual information" in words.coverage(found) and "%" not in words.coverage(found)


def test_the_two_channels_that_share_most_are_named():
    known = np.zeros((4, 4))
    known[0, 3], known[2, 3], known[3, 2] = 0.3, 0.2, 0.2
    found = Coverage(1, 2, "information", True, known, np.ones(2), np.ones((3, 2)), np.ones(2))
    assert words.pairs(found).startswith("Channels 2 and 3 share most, 0.40 nats; 57 % of all")


@pytest.mark.parametrize(("level", "count"), [(0, 8), (3, 8), (1, 1)])
def test_a_level_that_is_not_there_and_a_single_image_are_refused(level, count):
    with pytest.raises(ValueError, match=f"Level {level} of 2 and {count} images"):
        coverage(FlowConfig(**SIZE), images(count), level)


def test_the_table_has_a_row_a_coupling(found):
    rows = found.table()
    assert [row["coupling"] for row in rows] == [1, 2, 3, 4]
    assert all(row["by_chance_5_percent"] <= row["seen_by_chance"] <= row["by_chance_95_percent"] for row in rows)
