"""The tests of the package, in three forms; ``EIWFLOW_TESTS`` names another one than the short.

- short: within six minutes on two cores. It leaves out the tests that are marked ``slow``.
- whole: all tests, as CI runs them. Chromium, Firefox and Node must be there.
- long: all tests, with more rounds and combinations of the expensive ones.
"""

import os
from collections.abc import Collection
from itertools import product
from typing import Any

import pytest

FORM = os.environ.get("EIWFLOW_TESTS", "short")
if FORM not in (FORMS := ("short", "whole", "long")):
    raise ValueError(f"EIWFLOW_TESTS is {FORM!r}; it must be one of {', '.join(FORMS)}.")
LONG, WHOLE = FORM == "long", FORM != "short"
only_long = pytest.mark.skipif(not LONG, reason="long: EIWFLOW_TESTS=long")


def crossed(**values: Collection[Any]) -> pytest.MarkDecorator:
    """Parametrise a test by every combination of the values; but for the long form, by few that hold every value."""
    lists = [list(those) for those in values.values()]
    # Moved on by one after every round, values that alternate do not always meet the same others.
    few = [tuple(those[(k + k // len(those)) % len(those)] for those in lists) for k in range(max(map(len, lists)))]
    return pytest.mark.parametrize(tuple(values), list(product(*lists)) if LONG else few)


def missing(what: str) -> None:
    """Skip a test that needs what is not installed; in the whole form, fail."""
    (pytest.fail if WHOLE else pytest.skip)(what)
