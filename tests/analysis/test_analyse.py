"""What the command line prints of a page's subject is what the page's analysis says."""

import json
import math

import pytest

from eiwflow import checkpoint
from eiwflow.analysis.analyse import SUBJECTS, analyse
from eiwflow.cli import SUBJECTS as OFFERED
from eiwflow.data import DataError
from eiwflow.flow import ConfigError
from tests.training.tiny import tiny_data, tiny_flow, tiny_info


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A tiny checkpoint of the default policy."""
    path = tmp_path_factory.mktemp("analyse") / "tiny.safetensors"
    flow = tiny_flow()
    checkpoint.save(path, flow, tiny_info(flow))
    return checkpoint.load(path)


def test_the_command_line_offers_every_subject():
    assert set(OFFERED) == set(SUBJECTS)


@pytest.mark.parametrize("what", SUBJECTS)
def test_every_subject_is_what_json_can_hold(opened, what):
    found = analyse(opened, tiny_data(test=32), what, image=2, level=1)
    again = json.loads(json.dumps(found))
    assert again["what"] == what
    assert again["image"] == 2


def test_a_trace_accounts_for_the_log_probability(opened):
    found = analyse(opened, tiny_data(), "trace", image=1)
    flow = opened.flow
    log_dets = sum(sum(level["log_dets"].values()) for level in found["levels"])
    squares = sum(
        (mean**2 + std**2) * level["noise"]["shape"][1] * level["noise"]["shape"][2]
        for level in found["levels"]
        for mean, std in zip(level["noise"]["mean"], level["noise"]["std"], strict=True)
    )
    normal = -0.5 * (squares + flow.config.dimensions * math.log(2 * math.pi))
    assert found["log_prob"] == pytest.approx(log_dets + normal, abs=1e-2)


def test_levels_end_where_the_flow_does(opened):
    found = analyse(opened, tiny_data(), "levels", image=1)
    trace = analyse(opened, tiny_data(), "trace", image=1)
    bits = 8 - trace["log_prob"] / (opened.flow.config.dimensions * math.log(2))
    assert found["bits_per_dim_if_stopped"][-1] == pytest.approx(bits, abs=1e-5)


def test_one_level_can_be_asked_for(opened):
    assert [level["level"] for level in analyse(opened, tiny_data(), "trace", level=2)["levels"]] == [2]


@pytest.mark.parametrize(("fields", "error"), [({"image": 16}, DataError), ({"level": 3}, ConfigError)])
def test_what_is_not_there_is_refused_with_its_bound(opened, fields, error):
    with pytest.raises(error, match=r"is (16|3); .* (15|2)\."):
        analyse(opened, tiny_data(), "trace", **fields)


def test_a_level_without_a_shuffle_has_no_shuffle_to_show(opened):
    with pytest.raises(ConfigError, match="level"):
        analyse(opened, tiny_data(), "shuffle", level=2)
