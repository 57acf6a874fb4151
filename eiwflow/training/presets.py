"""Sensible settings, named by the time they take on two CPU cores."""

from __future__ import annotations

from typing import Any

_SMALL = {"data": "faces16", "levels": 3, "steps": 4, "width": 48, "size": 16, "batch": 32, "flip": True}
_LARGE = {"data": "photos32", "levels": 3, "steps": 8, "width": 64, "size": 32, "batch": 32, "flip": True}
#: preset -> settings of ``train``; options on the command line override them.
PRESETS: dict[str, dict[str, Any]] = {
    "minute": {**_SMALL, "iterations": 1400},
    "five-minutes": {**_SMALL, "iterations": 10_000},
    "quarter-hour": {**_LARGE, "iterations": 5000},
}


def preset_settings(preset: str | None, data: str | None = None) -> dict[str, Any]:
    """Return the settings of a preset for a data set (None: the preset's own); empty without a preset.

    ``flip`` is off if mirrored images do not belong to the data set.
    """
    from ..data import flips  # imported here, so that --help does not wait for numpy

    settings = dict(PRESETS.get(preset or "", {}))
    if data is not None:
        settings |= {"data": data} if flips(data) else {"data": data, "flip": False}
    return settings
