"""Orders, partitions and weights from installed packages."""

from importlib.metadata import EntryPoint

import pytest

from eiwflow.flow import FlowConfig, MultiScaleFlow, installed, policies


def test_an_installed_order_is_a_row_and_a_clash_or_a_fault_is_a_sentence(monkeypatch):
    entries = [
        EntryPoint("backwards", "eiwflow.flow.policies:last_first", "eiwflow.orders"),
        EntryPoint("entropy", "eiwflow.flow.policies:last_first", "eiwflow.orders"),
        EntryPoint("a/b", "eiwflow.flow.policies:last_first", "eiwflow.orders"),
        EntryPoint("gone", "eiwflow.nowhere:x", "eiwflow.orders"),
    ]
    monkeypatch.setattr(installed, "entry_points", lambda group: [e for e in entries if e.group == group])
    rows = dict(policies.ORDERS)
    with pytest.warns(UserWarning) as said:
        installed.add_installed("eiwflow.orders", rows)
    assert [next(e.name for e in entries if e.name in str(each.message)) for each in said] == ["a/b", "entropy", "gone"]
    assert rows["entropy"] is policies.ORDERS["entropy"] and rows["backwards"] is policies.last_first
    assert set(rows) - set(policies.ORDERS) == {"backwards"}


def test_a_flow_and_an_arm_take_an_added_order(monkeypatch):
    monkeypatch.setitem(policies.ORDERS, "backwards", policies.Order(policies.last_first))
    flow = MultiScaleFlow(FlowConfig(shape=(3, 8, 8), levels=2, steps=1, width=8, order="backwards"), 0)
    assert flow.config.order == "backwards"
