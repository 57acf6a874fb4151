"""The only part, besides app.py and pages/, that knows Streamlit: frame, shared choices, loaders, exports."""

from .frame import Page, Visit, begin, checkpoint_uploader
from .parts import (
    caveat,
    chart,
    closing,
    drawn,
    each,
    errors_as_sentences,
    exports,
    fold,
    how_to_read,
    more_evidence,
    offer,
    recipe,
    shuffle_level,
    side_by_side,
    table,
    takeaway,
)

__all__ = [
    "Page",
    "Visit",
    "begin",
    "caveat",
    "chart",
    "checkpoint_uploader",
    "closing",
    "drawn",
    "each",
    "errors_as_sentences",
    "exports",
    "fold",
    "how_to_read",
    "more_evidence",
    "offer",
    "recipe",
    "shuffle_level",
    "side_by_side",
    "table",
    "takeaway",
]
