"""Orders, partitions and weights from other packages, by their entry points.

A package adds a row by ``[project.entry-points."eiwflow.orders"]`` with ``loudest = "its_module:LOUDEST"``; groups are
``eiwflow.orders``, ``eiwflow.partitions`` and ``eiwflow.weights``. Files that name such a word need the package.
"""

from __future__ import annotations

import re
import warnings
from importlib.metadata import entry_points
from typing import Any


def add_installed(group: str, rows: dict[str, Any]) -> None:
    """Add the rows of installed packages; warn in a sentence of a name that is taken, and of what cannot be loaded."""
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        package = entry.dist.name if entry.dist is not None else entry.value
        left_out = f"{group}: {entry.name} of the package {package} is left out: "
        if entry.name in rows:
            warnings.warn(f"{left_out}there is one of this name already.", stacklevel=2)
        elif not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", entry.name):
            warnings.warn(f"{left_out}a name has small letters, digits and hyphens alone.", stacklevel=2)
        else:
            try:
                rows[entry.name] = entry.load()
            except Exception as error:
                warnings.warn(f"{left_out}it cannot be loaded ({type(error).__name__}: {error}).", stacklevel=2)
