"""The only part, besides app.py and pages/, that knows Streamlit: frame, shared choices, exports."""

from .shell.frame import begin
from .shell.parts import (
    Results,
    caveat,
    chart,
    closing,
    draw_columns,
    draw_level,
    drawn,
    each,
    errors_as_sentences,
    exports,
    fold,
    folds,
    how_to_read,
    more_evidence,
    offer,
    offer_film,
    paired,
    shuffle_level,
    side_by_side,
    table,
    takeaway,
)
from .shell.reproduce import reproduce, same_in_python, training
from .sources.visit import Page
