"""The table of settings: the words of the flow's tables and the rows of the documentation."""

from pathlib import Path

import pytest

from eiwflow import options
from eiwflow.flow.config import FlowConfig
from eiwflow.flow.coupling import COUPLINGS
from eiwflow.flow.policies import ORDERS, PARTITIONS, WEIGHTS
from eiwflow.training.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("name", "rows"),
    [("order", ORDERS), ("weights", WEIGHTS), ("partition", PARTITIONS), ("coupling", COUPLINGS)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_words_of_a_setting_are_the_rows_of_its_table(name, rows):
    assert options.FLOW[name].words == tuple(rows)


def test_every_field_of_a_flow_and_of_a_training_is_a_setting():
    assert {*FlowConfig.__dataclass_fields__} == {*options.FLOW, "shape", "kept"}
    assert {*Recipe.__dataclass_fields__} == {*options.TRAINING, "flow", "data", "init_from", "labels", "classes"}


@pytest.mark.parametrize("name", [name for name, setting in options.SETTINGS.items() if setting.words])
def test_the_help_of_a_setting_names_all_its_words(name):
    setting = options.SETTINGS[name]
    assert all(str(word) in setting.help for word in setting.words)
    assert setting.default in setting.words


def test_the_documentation_has_the_table():
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    shown = text.split("<!-- options: eiwflow.options.table() -->\n")[1].split("\n<!-- end of options -->")[0]
    assert shown == options.table()
