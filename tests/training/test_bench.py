"""What bench measures."""

import pytest

from eiwflow.flow import ConfigError, FlowConfig
from eiwflow.training.bench import bench

TINY = FlowConfig(shape=(3, 8, 8), levels=2, steps=1, width=4)


def test_a_split_is_timed_against_a_static_one_with_the_null_beside_it():
    result = bench(TINY, 4)
    assert 0 < result["split_ratio"] < 20
    assert 0 < result["null_ratio"] < 20


def test_a_flow_too_large_for_a_checkpoint_is_refused():
    with pytest.raises(ConfigError, match="120000000"):
        bench(FlowConfig(shape=(3, 64, 64), levels=4, steps=64, width=512), 4)
