"""Sensible settings, named by the time they take on two CPU cores."""

from __future__ import annotations

from typing import Any

#: preset -> settings of ``train``; what is said beside a preset on the command line wins.
PRESETS: dict[str, dict[str, Any]] = {
    "minute": {"levels": 3, "steps": 4, "width": 48, "size": 16, "batch": 64, "iterations": 1000, "flip": True},
    "five-minutes": {"levels": 3, "steps": 8, "width": 64, "size": 32, "batch": 32, "iterations": 2000, "flip": True},
    # The settings of the bundled flows.
    "quarter-hour": {"levels": 3, "steps": 8, "width": 64, "size": 32, "batch": 32, "iterations": 5000, "flip": True},
}


def preset_settings(preset: str | None, data: str | None) -> dict[str, Any]:
    """Return the settings of a preset for a data set, empty without a preset; no ``flip`` where it makes no sense."""
    from ..data import flips  # here, since a command line's help waits for no numpy

    settings = dict(PRESETS.get(preset or "", {}))
    if data is not None and not flips(data):
        settings["flip"] = False
    return settings
