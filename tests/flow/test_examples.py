"""The examples in docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import eiwflow.flow

MODULES = [module.name for module in pkgutil.iter_modules(eiwflow.flow.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name):
    assert doctest.testmod(importlib.import_module(f"eiwflow.flow.{name}")).failed == 0


def test_the_flow_itself_has_an_example():
    assert ">>> flow.initialise(x)" in eiwflow.flow.MultiScaleFlow.__doc__
