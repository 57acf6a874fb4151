"""Every public name of eiwflow.flow has an example in its docstring, and all examples of the package are true."""

import doctest
import importlib

import pytest
import torch

import eiwflow.flow

from ..conftest import ROOT

PUBLIC = eiwflow.flow.__all__
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
#: Its example reads from and writes to the hub; tests/test_hub.py has the same with a hub of its own.
ELSEWHERE = {"eiwflow.hub"}
PATHS = [path for path in sorted((ROOT / "eiwflow").rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in PATHS]


@pytest.mark.parametrize("name", sorted({*MODULES} - ELSEWHERE))
def test_the_examples_of_a_module_are_true(name):
    names = {key: getattr(eiwflow.flow, key) for key in PUBLIC} | {"torch": torch}
    result = doctest.testmod(importlib.import_module(name), extraglobs=names, optionflags=OPTIONS)
    assert result.failed == 0 < result.attempted


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name):
    assert ">>> " in getattr(eiwflow.flow, name).__doc__
