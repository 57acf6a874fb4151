"""Long texts, which are markdown files in ``assets/texts``."""

from __future__ import annotations

from functools import cache

from ...project import ROOT

FOLDER = ROOT / "assets" / "texts"


@cache
def text(name: str) -> str:
    """Return the text of that name."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def how_to_read(page: str) -> str:
    """Return the text "How to read this page", with formulas."""
    return text(f"how-to-read-{page}")
