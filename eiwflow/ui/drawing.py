"""Charts are drawn once, where Streamlit draws each of them twice.

It draws a new chart before it knows how wide it is, keeps that hidden, and draws it anew once the width is known. The
hidden one takes as long as the one that is seen; here an empty chart takes its place.
"""

from __future__ import annotations

import streamlit as st

# It leans on the Plotly that Streamlit leaves at window: the versions are bounded and a test counts what is drawn.
_JS = """
// Of Plotly's own size: after a tiny one margins come out wrong.
const SIZE = { width: 700, height: 450 }, none = () => ({ visible: false });
const empty = (config) => ({ data: [], layout: { ...SIZE, xaxis: none(), yaxis: none() }, config });

function drawOnce(Plotly) {
  const react = Plotly.react;
  Plotly.react = (gd, figure, ...more) => {
    const hidden = !gd._fullLayout && figure?.layout && figure.layout.width === undefined;
    if (hidden) Plotly.react.spared += 1;
    return react(gd, hidden ? empty(figure.config) : figure, ...more);
  };
  Plotly.react.spared = 0;
}

export default function () {
  if (window.Plotly) {
    if (window.Plotly.react.spared === undefined) drawOnce(window.Plotly);
    return;
  }
  // It is loaded with the first chart.
  Object.defineProperty(window, "Plotly", {
    configurable: true,
    set(Plotly) {
      Object.defineProperty(window, "Plotly", { value: Plotly, configurable: true, writable: true });
      drawOnce(Plotly);
    },
  });
}
"""

_component = st.components.v2.component("draw-once", js=_JS, isolate_styles=False)


def draw_charts_once() -> None:
    """See to it that every chart of the page is drawn once; called before the first."""
    _component(key="draw-once", height=0)
