"""What bench measures, and how a train step divides."""

import pytest

from eiwflow.flow import ConfigError, FlowConfig
from eiwflow.training.bench import bench, profile
from tests.words import spelled_out

from .. import crossed

TINY = FlowConfig(shape=(3, 8, 8), levels=2, steps=1, width=4)
PARTS = ["convolutions", "affine", "shuffle", "prior", "optimiser", "data", "step"]


def test_a_split_is_timed_against_a_static_one_with_the_null_beside_it():
    result = bench(TINY, 4)
    assert 0 < result["split_ratio"] < 20
    assert 0 < result["null_ratio"] < 20


@crossed(split=["entropy+pooled", "entropy", "variance-reversed"], prior=["standard", "conditional"])
def test_every_part_of_a_step_is_timed_whatever_the_policy(split, prior):
    choices = spelled_out({"split": split, "prior": prior})
    seconds = profile(FlowConfig(shape=(3, 8, 8), levels=2, steps=1, width=4, **choices), 4)
    assert list(seconds) == PARTS
    assert all(seconds[name] > 0 for name in PARTS if name != "affine")
    assert seconds["affine"] >= 0


def test_a_flow_of_one_level_has_no_shuffle_to_time():
    seconds = profile(FlowConfig(shape=(1, 8, 8), levels=1, steps=2, width=4), 4)
    assert seconds["shuffle"] < seconds["convolutions"]


@pytest.mark.parametrize("measure", [bench, profile])
def test_a_flow_too_large_for_a_checkpoint_is_refused(measure):
    with pytest.raises(ConfigError, match="120000000"):
        measure(FlowConfig(shape=(3, 64, 64), levels=4, steps=64, width=512), 4)
