"""Every public name of eiwflow.flow has an example in its docstring, and the examples are true."""

import doctest
import importlib
import pkgutil

import pytest
import torch

import eiwflow.flow

MODULES = [module.name for module in pkgutil.iter_modules(eiwflow.flow.__path__)]
PUBLIC = eiwflow.flow.__all__
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name):
    names = {key: getattr(eiwflow.flow, key) for key in eiwflow.flow.__all__} | {"torch": torch}
    module = importlib.import_module(f"eiwflow.flow.{name}")
    assert doctest.testmod(module, extraglobs=names, optionflags=OPTIONS).failed == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name):
    assert ">>> " in getattr(eiwflow.flow, name).__doc__
