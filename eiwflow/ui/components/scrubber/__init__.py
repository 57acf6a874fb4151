"""One slider through the training steps that moves every chart and every sample on a page, in the browser.

The slider moves charts whose key starts with ``scrub-`` and whose figure has one frame per step, named after it
(plotly's own slider cannot be reached by keyboard). Charts of several records move together, each to its latest step up
to the slider's. Slider and films of samples lie under the axis of a chart with all steps along x. When the slider
rests, one message is sent and the step is written to the URL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ....figures.pixels import file_uri
from .. import declare, sent

_HTML = """
<div class="scrub">
  <div class="scrub-head">
    <button type="button" class="slider-play"></button>
    <span>Training step <output aria-hidden="true"></output></span>
  </div>
  <input class="slider" type="range" min="0" step="1" aria-label="Training step">
</div>
"""


_range = declare("scrubber", _HTML, slides=True)


class _AsItIs(str):
    """HTML whose indentation Streamlit does not strip, which takes 4 ms a rerun for the half megabyte of a film."""

    def _repr_html_(self) -> str:
        return self


def scrubber(steps: np.ndarray, start: int | None = None, under: str | None = None, said: Sequence[str] = ()) -> int:
    """Draw the slider; return the step at which it rests.

    Arguments:
        steps: the recorded training steps, at least two: those of all charts on the page.
        start: the first step shown unless the URL names a recorded step; None for the last.
        under: the key of the chart under whose axis the slider lies; None for the whole width.
        said: the page's takeaway at every step, as HTML.

    """
    recorded = tuple(int(step) for step in steps)  # Streamlit imports pandas for a list
    in_url = st.query_params.get("step")
    step = next((option for option in recorded if str(option) == in_url), recorded[-1] if start is None else int(start))
    data = {"steps": recorded, "start": step, "under": under, "said": tuple(said)}
    _range(key="scrubber", data=data, on_moved_change=_rest)
    if in_url != str(step):
        st.query_params["step"] = str(step)
    return step


def say_where_steps_differ(steps: np.ndarray, records: Sequence[np.ndarray]) -> None:
    """Explain which recorded step a chart shows if it has none at the slider's step."""
    if any(len(own) < len(steps) for own in records):
        st.caption(
            "The two trainings were recorded at other steps: a column shows its latest record up to the slider's step, "
            "and behind its end the last one."
        )


def _rest() -> None:
    """Write the step at which the slider rests into the URL before the script runs.

    The script then starts the slider there; an outdated step would move it back.
    """
    if (step := sent("scrubber", "moved")) is not None:
        st.query_params["step"] = str(step)


def stays_in_view() -> DeltaGenerator:
    """Return a place for the slider that stays in view while its charts scroll by, in the same container."""
    return st.container(key="stays-in-view")


def film(steps: np.ndarray, samples: Mapping[int, bytes], under: str, name: str | None = None) -> None:
    """Draw samples along the steps of a slider; each shows a corner, :func:`sample_view` shows all of it.

    Arguments:
        steps: those of the slider.
        samples: step -> WEBP of samples, four in a row.
        under: the key of the chart under whose axis it lies.
        name: distinguishes films under one chart; by default the chart's key.

    """
    step_at = {place: int(step) for place, step in enumerate(steps) if int(step) in samples}
    frames = "".join(
        f'<span data-place="{place}" hidden><img alt="" src="{file_uri(samples[step], "webp")}"></span>'
        for place, step in step_at.items()
    )
    words = f"Film of samples at {len(step_at)} training steps up to {max(step_at.values(), default=0):,}"
    film_html = (
        f'<div class="scrub-film" data-under="{escape(under)}" data-name="{escape(name or under)}" role="img" '
        f'aria-label="{words}; the slider walks through them">{frames}<i></i></div>'
    )
    st.html(_AsItIs(film_html))


def sample_view(caption: str, of: str, rows: int = 4) -> None:
    """Draw the place for all samples of a film at the slider's step, four in a row."""
    words = f"{4 * rows} samples drawn from the flow at training step"  # the slider adds that of those it shows
    image = f'<img style="aspect-ratio: 4 / {rows}" alt="{words} of the slider">'
    st.html(
        f'<figure class="scrub-view" data-of="{escape(of)}" data-words="{words}">{image}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
