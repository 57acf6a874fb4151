"""The measures of a study, by name; the app keeps their results (``ui/sources/cache.py``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .answer import answer, control
from .file import read_record
from .ladder import ladder
from .statistics import comparisons, factorial

#: name -> measure of a study.
MEASURES: dict[str, Callable[..., Any]] = {
    "answer": answer,
    "ladder": ladder,
    "comparisons": comparisons,
    "factorial": factorial,
    "control": control,
    "record": read_record,
}
