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
    shown = text.split("<!-- options: tests/test_options.py -->\n")[1].split("\n<!-- end of options -->")[0]
    lines = ["| option | default | allowed | |", "|---|---|---|---|"]
    for name, setting in options.SETTINGS.items():
        if option := options.option(name):
            default = "off" if setting.default is False else f"`{printed(setting.default)}`"
            words = ", ".join(f"`{word}`" for word in setting.words)
            allowed = words if setting.bounds is None else " to ".join(printed(end, ",") for end in setting.bounds)
            lines.append(f"| `{option}` | {default} | {allowed} | {setting.help} |")
    assert shown == "\n".join(lines)


def printed(value, whole=""):
    return f"{value:g}" if isinstance(value, float) else f"{value:{whole}}"
