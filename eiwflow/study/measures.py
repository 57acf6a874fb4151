"""What can be measured of a study, by name: the app keeps the results, in ``ui/sources/cache.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .answer import adaptive_answer, answer, control
from .file import read_record
from .statistics import comparisons, factorial

#: name -> what can be measured of a study.
MEASURES: dict[str, Callable[..., Any]] = {
    "answer": answer,
    "adaptive_answer": adaptive_answer,
    "comparisons": comparisons,
    "factorial": factorial,
    "control": control,
    "record": read_record,
}
