"""Long texts, which are markdown files in ``assets/texts``."""

from __future__ import annotations

from functools import cache

from ...project import ROOT

FOLDER = ROOT / "assets" / "texts"


@cache
def text(name: str) -> str:
    """Return the text of that name."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")
