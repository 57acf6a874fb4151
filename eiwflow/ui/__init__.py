"""The only part, besides app.py and pages/, that knows Streamlit: frame, shared choices, loaders, exports."""

from .frame import Page, begin
from .parts import (
    caveat,
    chart,
    closing,
    errors_as_sentences,
    exports,
    how_to_read,
    recipe,
    table,
    takeaway,
)

__all__ = [
    "Page",
    "begin",
    "caveat",
    "chart",
    "closing",
    "errors_as_sentences",
    "exports",
    "how_to_read",
    "recipe",
    "table",
    "takeaway",
]
