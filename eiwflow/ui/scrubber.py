"""One slider through the training steps that moves every chart and every sample on a page, in the browser.

Charts take part whose key starts with ``scrub-`` and whose figure has one frame a step and a slider over them
(plotly's own cannot be reached by keyboard, so it is hidden and moved from here). A figure whose layout says
``meta={"steps": S}`` counts steps along x: the slider and the film of samples stand under its axis. While the slider
moves nothing is sent to the server; when it rests, one message, and the step stands in the URL.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

_HTML = """
<div class="scrub">
  <div class="scrub-head">
    <button type="button" class="scrub-play"></button>
    <span>Training step <output aria-hidden="true"></output></span>
  </div>
  <input type="range" min="0" step="1" aria-label="Training step">
</div>
"""

# It leans on plotly's .slider-rail-touch-rect and _fullLayout, so the versions are bounded and a test walks all steps.
_JS = """
const CHARTS = "[class*='st-key-scrub-'] .js-plotly-plot", FILM = ".scrub-film", VIEW = ".scrub-view img";
const INSET = 10, THUMB = 64, GAP = 8;               // pixels: plotly's slider, the film's pictures
const REST = 400, BEAT = 120, CARE = 200;            // milliseconds
const known = new WeakMap();                         // what a slider remembers between two runs of the script

function moveChart(gd, i, n) {
  const rail = gd.querySelector(".slider-rail-touch-rect");
  if (!rail || gd._fullLayout.sliders[0].active === i) return;
  const r = rail.getBoundingClientRect();
  if (!r.width) return;                              // it stands in a folded part of the page
  const x = r.left + INSET + (r.width - 2 * INSET) * i / n, y = r.top + r.height / 2;
  const at = { bubbles: true, view: window, clientX: x, clientY: y };
  rail.dispatchEvent(new MouseEvent("mousedown", at));
  gd.dispatchEvent(new MouseEvent("mouseup", at));
}

function moveFilm(film, i, n) {
  film.style.setProperty("--at", i / n);
  const frames = [...film.querySelectorAll("[data-step]")].filter((frame) => +frame.dataset.step <= i);
  const source = frames.at(-1)?.querySelector("img").src;
  for (const image of document.querySelectorAll(VIEW)) if (source && image.src !== source) image.src = source;
}

// As many pictures as have room, at equal distances; the others wait.
function layFilm(film, length, n) {
  if (film.dataset.laid === String(length)) return;
  const room = Math.max(2, Math.floor((length + THUMB) / (THUMB + GAP))), places = new Map();
  for (let k = 0; k < room; k++) places.set(Math.round(k * n / (room - 1)), k / (room - 1));
  for (const frame of film.querySelectorAll("[data-step]")) {
    const place = places.get(+frame.dataset.step);
    frame.hidden = place === undefined;
    frame.style.setProperty("--place", place ?? 0);
  }
  film.dataset.laid = String(length);
}

// The ends of the slider and of the film stand under the first and the last step of the chart above them.
function ends(width, n) {
  const layouts = [...document.querySelectorAll(CHARTS)].map((gd) => gd._fullLayout);
  const axis = layouts.find((layout) => layout?.meta?.steps === n + 1)?.xaxis;
  return axis ? [axis._offset + axis.d2p(0), axis._offset + axis.d2p(n)] : [INSET, width - INSET];
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".scrub"), box = root.querySelector("input");
  const out = root.querySelector("output"), play = root.querySelector("button"), n = data.steps.length - 1;
  const me = known.get(box) ?? {};
  known.set(box, me);

  const show = () => {
    const i = +box.value, text = data.steps[i].toLocaleString("en"), film = document.querySelector(FILM);
    if (out.value !== text) {
      out.value = text;
      box.setAttribute("aria-valuetext", "step " + text);
    }
    if (film) moveFilm(film, i, n);
    for (const gd of document.querySelectorAll(CHARTS)) moveChart(gd, i, n);
  };
  const soon = () => { me.frame ??= requestAnimationFrame(() => { me.frame = undefined; show(); }); };
  const rest = () => {
    clearTimeout(me.late);
    me.late = setTimeout(() => { me.told = data.steps[+box.value]; setTriggerValue("moved", me.told); }, REST);
  };
  const label = () => {
    play.textContent = me.playing ? "❚❚" : "▶";
    play.ariaLabel = me.playing ? "Pause" : "Play the training";
  };
  const stop = () => { clearInterval(me.playing); me.playing = undefined; label(); };
  const move = (i) => { clearTimeout(me.late); box.value = i; soon(); };

  // A step from the URL moves the slider, unless it is only the echo of what was sent from here.
  if (me.steps !== String(data.steps) || (data.start !== me.start && data.start !== me.told)) {
    stop();
    clearTimeout(me.late);
    box.max = n;
    box.value = Math.max(0, data.steps.indexOf(data.start));
  }
  me.steps = String(data.steps);
  me.start = data.start;
  label();

  box.oninput = () => { stop(); move(+box.value); };
  box.onchange = rest;
  play.onclick = () => {
    if (me.playing) { stop(); rest(); return; }
    if (+box.value === n) move(0);
    me.playing = setInterval(() => {
      if (box.isConnected && +box.value < n) { move(+box.value + 1); return; }
      stop();
      if (box.isConnected) rest();
    }, BEAT);
    label();
  };
  // Charts come late, are mounted anew and change their width: they are brought back to the step.
  const care = () => {
    const [from, to] = ends(root.clientWidth, n), film = document.querySelector(FILM);
    for (const element of film ? [root, film] : [root]) {
      element.style.setProperty("--from", `${from}px`);
      element.style.setProperty("--length", `${to - from}px`);
    }
    if (film) {
      layFilm(film, to - from, n);
      film.onclick = (event) => {
        const place = (event.clientX - film.getBoundingClientRect().left - from) / (to - from);
        stop();
        move(Math.round(Math.min(1, Math.max(0, place)) * n));
        rest();
      };
    }
    show();
  };
  care();
  const watch = setInterval(care, CARE);
  return () => clearInterval(watch);
}
"""

_CSS = """
.scrub { color: var(--st-text-color); font-family: var(--st-font); }
.scrub-head { display: flex; align-items: center; gap: 10px; padding-left: calc(var(--from) - 16px); }
.scrub-head output { font-weight: 650; font-variant-numeric: tabular-nums; }
.scrub-play {
  width: 32px; height: 32px; padding: 0; border: 1px solid currentColor; border-radius: 50%; background: none;
  color: inherit; font-size: 0.75rem; line-height: 1; cursor: pointer;
}
.scrub input {
  display: block; width: calc(var(--length) + 16px); height: 26px; margin: 2px 0 6px calc(var(--from) - 8px);
  accent-color: var(--st-primary-color); cursor: ew-resize;
}
.scrub input:focus-visible, .scrub-play:focus-visible {
  outline: 2px solid var(--st-primary-color); outline-offset: 2px;
}
[class*='st-key-scrub-'] .slider-container { opacity: 0; pointer-events: none; }
.scrub-film { position: relative; height: 64px; overflow: hidden; cursor: pointer; }
.scrub-film span {
  position: absolute; left: calc(var(--from) + var(--length) * var(--place)); margin-left: -32px;
  width: 64px; height: 64px; overflow: hidden;
}
.scrub-film span[hidden] { display: none; }
.scrub-film img { width: 128px; max-width: none; height: auto; display: block; image-rendering: pixelated; }
.scrub-film i {
  position: absolute; inset-block: 0; left: calc(var(--from) + var(--length) * var(--at)); margin-left: -1.5px;
  width: 3px; background: #009E73;
}
.scrub-view { margin: 0; }
.scrub-view img { width: 100%; aspect-ratio: 1; display: block; image-rendering: pixelated; }
.scrub-view img:not([src]) { visibility: hidden; }
.scrub-view figcaption { font-size: 0.875rem; line-height: 1.35; padding-top: 4px; }
"""

_range = st.components.v2.component("scrubber", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)


def scrubber(steps: Sequence[int], start: int | None = None, samples: Mapping[int, bytes] | None = None) -> int:
    """Draw the slider and, where there are samples, their film under it; return the step at which it rests.

    Arguments:
        steps: the recorded training steps, at least two, one a frame of the charts.
        start: where it stands unless the URL names a recorded step; the last step where None.
        samples: step -> WEBP of 4×4 samples; the film shows a quarter of each, :func:`sample_view` all.

    """
    steps = [int(step) for step in steps]
    asked = st.query_params.get("step")
    step = next((one for one in steps if str(one) == asked), steps[-1] if start is None else int(start))
    _range(key="scrubber", data={"steps": steps, "start": step}, on_moved_change=_rest)
    if samples:
        st.html(_film(steps, samples))
    if asked != str(step):
        st.query_params["step"] = str(step)
    return step


def _rest() -> None:
    """Write the step at which the slider rests into the URL before the script runs.

    The script then starts the slider there. A step that lags behind would look like a new one and move it back.
    """
    st.query_params["step"] = str(st.session_state["scrubber"].moved)


def sample_view(caption: str) -> None:
    """Draw the place where all 16 samples of the slider's step are shown."""
    image = '<img alt="16 samples drawn from the flow at the training step of the slider">'
    st.html(f'<figure class="scrub-view">{image}<figcaption>{escape(caption)}</figcaption></figure>')


def _film(steps: Sequence[int], samples: Mapping[int, bytes]) -> str:
    frames = "".join(
        f'<span data-step="{i}" hidden><img alt="" src="data:image/webp;base64,{_base64(samples[step])}"></span>'
        for i, step in enumerate(steps)
        if step in samples
    )
    return f'<div class="scrub-film" role="img" aria-label="Samples along the training steps">{frames}<i></i></div>'


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
