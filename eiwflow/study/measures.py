"""What can be measured of a study, by name: the app keeps the results, in ``ui/cache.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import leads
from .file import Study, read_record
from .statistics import FalseAlarms, false_alarms, residuals
from .verdict import verdict


def _false_alarms(study: Study) -> FalseAlarms | None:
    """Return how often chance with this study's scatter would be believed, None where there is no scatter."""
    pool = residuals(study)
    return false_alarms(pool, study.recipe.seeds) if len(pool) else None


#: name -> what can be measured of a study.
MEASURES: dict[str, Callable[..., Any]] = {
    "verdict": verdict,
    "lead": leads.lead,
    "ranking": leads.ranking,
    "control": leads.control,
    "record": read_record,
    "false_alarms": _false_alarms,
}
