"""What can be measured of a study, by name: the app keeps the results, in ``ui/sources/cache.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .answer import answer, control
from .file import read_record
from .ladder import ladder
from .statistics import comparisons, factorial

#: name -> what can be measured of a study.
MEASURES: dict[str, Callable[..., Any]] = {
    "answer": answer,
    "ladder": ladder,
    "comparisons": comparisons,
    "factorial": factorial,
    "control": control,
    "record": read_record,
}
