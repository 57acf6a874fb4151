"""The shell of every page: its frame, and the parts that pages are made of."""

from ..sources.cache import look
from ..sources.visit import Page
from .frame import begin, image_strip, open_page
from .parts import (
    Results,
    caveat,
    chart,
    closing,
    controls,
    draw_columns,
    drawn,
    each,
    errors_as_sentences,
    exports,
    fold,
    folds,
    more_evidence,
    offer,
    offer_film,
    paired,
    shuffle_level,
    table,
    takeaway,
)
from .reproduce import Call, call, reproduce, same_in_python, training
