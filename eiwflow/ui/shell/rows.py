"""Tables of analysis in the words of a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Spelling of a heading's words that differ from a file's.
SPELT = {"psnr": "PSNR", "db": "dB", "rms": "RMS"}


def readable(table: list[dict[str, Any]], headings: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Return a table with headings that wrap, in the field's spelling; ``headings`` are words for parts of its keys."""
    return [{_heading(name, headings or {}): value for name, value in row.items()} for row in table]


def _heading(name: str, headings: Mapping[str, str]) -> str:
    for key, words in headings.items():
        name = name.replace(key, words)
    return " ".join(SPELT.get(word, word) for word in name.split("_"))
