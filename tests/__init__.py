"""The tests of the package: a short form that takes minutes, and a long one, with ``EIWFLOW_LONG=1``."""

import os
from collections.abc import Collection
from itertools import product
from typing import Any

import pytest

LONG = os.environ.get("EIWFLOW_LONG") == "1"


def crossed(**values: Collection[Any]) -> pytest.MarkDecorator:
    """Parametrise a test by every combination of the values; in the short form, by few that hold every value."""
    lists = [list(those) for those in values.values()]
    # Moved on by one after every round, values that alternate do not always meet the same others.
    few = [tuple(those[(k + k // len(those)) % len(those)] for those in lists) for k in range(max(map(len, lists)))]
    return pytest.mark.parametrize(tuple(values), list(product(*lists)) if LONG else few)
