"""What can be measured of a study, by name: the app keeps the results, in ``ui/sources/cache.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import leads
from .file import read_record
from .statistics import alarms_of
from .verdict import verdict

#: name -> what can be measured of a study.
MEASURES: dict[str, Callable[..., Any]] = {
    "verdict": verdict,
    "lead": leads.lead,
    "ranking": leads.ranking,
    "control": leads.control,
    "record": read_record,
    "false_alarms": alarms_of,
}
