"""The way through a flow: entropy after every part, and a handle whose place shows the channels there.

Everything moves in the browser. When the handle rests, one message is sent and its place is written to the URL.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from ....analysis.way import NOISE_BITS, Way
from .. import declare, sent

_HTML = """
<div class="way">
  <div class="slider-bar">
    <button type="button" class="slider-play"></button>
    <input class="slider" type="range" min="0" step="1" aria-label="Place along the flow">
  </div>
  <div class="way-chart" role="img"></div>
  <div class="way-maps"></div>
</div>
"""

_component = declare("way", _HTML, slides=True)
#: The parameter of the URL.
PARAMETER = "stop"


def way_through(ways: Mapping[str, tuple[Way, Sequence[np.ndarray]]], alt: str, level: int, key: str) -> int:
    """Draw the way through one flow or two, and return the stop at which the handle rests.

    Args:
        ways: by the name of the flow, each with an image's channels (C, H, W) at every stop, those that leave there
            last; the parts of the first flow are the axis.
        alt: a description for screen readers.
        level: at whose split the handle rests at first.
        key: of the element.

    """
    first, _ = next(iter(ways.values()))
    last = len(first.stops) - 1

    def rest() -> None:
        if (moved := sent(key, "moved")) is not None:
            st.query_params[PARAMETER] = str(int(moved))

    text = st.query_params.get(PARAMETER, "")
    start = min(int(text), last) if text.isdecimal() else 0
    if not text:
        start = _split(first, level)
    _component(
        key=key,
        data={
            "alt": alt,
            "images": first.images,
            "start": start,
            "walk": not text,  # a newcomer sees the picture go there
            # As text: of a list of dictionaries Streamlit would make a data frame, and import pandas.
            "flows": json.dumps(
                [
                    {
                        "name": name,
                        "stops": [
                            {
                                "title": stop.title,
                                "level": stop.level,
                                "name": stop.name,
                                "entropy": round(stop.entropy - NOISE_BITS, 3),
                                "tell": None if math.isnan(stop.redundancy) else round(max(0.0, stop.redundancy), 3),
                                "left": None if stop.factored_out is None else round(max(0.0, stop.factored_out), 3),
                                "shape": channels.shape,
                                "kept": stop.in_flow // (channels.shape[1] * channels.shape[2]),
                                "maps": bytes_of(channels),
                            }
                            for stop, channels in zip(way.stops, maps, strict=True)
                        ],
                    }
                    for name, (way, maps) in ways.items()
                ]
            ),
        },
        on_moved_change=rest,
    )
    return start


def _split(way: Way, level: int) -> int:
    """Return the place of the split of a level, or the last one before; the end of a flow without splits."""
    splits = [place for place, stop in enumerate(way.stops) if stop.name == "split"]
    return next((place for place in reversed(splits) if way.stops[place].level <= level), len(way.stops) - 1)


def bytes_of(maps: np.ndarray) -> str:
    """Return channels (C, H, W) as bytes in base64, each from its darkest to its brightest; an image as it is."""
    if len(maps) in (1, 3):
        grey = (maps.clip(-0.5, 0.5) + 0.5) * 255
    else:
        low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
        grey = (maps - low) / np.maximum(high - low, 1e-6) * 255
    return base64.b64encode(grey.round().astype(np.uint8).tobytes()).decode()
