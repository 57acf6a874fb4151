"""One slider through the training steps that moves every chart and every sample on a page, in the browser.

Charts take part whose key starts with ``scrub-`` and whose figure has one frame a step, named after it (plotly's own
slider over them cannot be reached by keyboard). Charts of several records move in lock-step, each to its latest step up
to the slider's. Slider and films of samples stand under the axis of a chart that counts all steps along x. While the
slider moves nothing is sent to the server; when it rests, one message, and the step stands in the URL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ..figures.pixels import file_uri

_HTML = """
<div class="scrub">
  <div class="scrub-head">
    <button type="button" class="scrub-play"></button>
    <span>Training step <output aria-hidden="true"></output></span>
  </div>
  <input type="range" min="0" step="1" aria-label="Training step">
</div>
"""

# It leans on the Plotly that Streamlit leaves at window, _transitionData and _fullLayout: the versions are bounded
# and a test walks all steps.
_JS = """
const CHARTS = "[class*='st-key-scrub-'] .js-plotly-plot", FILMS = ".scrub-film", VIEWS = ".scrub-view";
const EDGE = 16, THUMB = 64, GAP = 8;                // pixels: the slider, the film's pictures
const REST = 400, BEAT = 120, CARE = 200, WAY = 500; // milliseconds
const JUMP = { mode: "immediate", frame: { duration: 0, redraw: false }, transition: { duration: 0 } };
const known = new WeakMap();                         // what a slider remembers between two runs of the script
const asked = new WeakMap();                         // the frame that a chart was last asked for, and when

// A chart that is mounted stands at its last step, or where it stood when it was taken down.
function stands(gd, frame) {
  const same = (one, other) => JSON.stringify([one.x, one.y]) === JSON.stringify([other.x, other.y]);
  return frame.traces.every((trace, k) => same(gd.data[trace], frame.data[k]));
}

// To the chart's own latest step up to this one: records that stand side by side may have others.
function moveChart(gd, step) {
  const frames = gd._transitionData?._frames ?? [], frame = frames.findLast((one) => +one.name <= step) ?? frames[0];
  const now = performance.now(), last = asked.get(gd), onItsWay = last && now - last.at < WAY;
  if (!frame || (onItsWay ? last.frame === frame : stands(gd, frame))) return;
  asked.set(gd, { frame, at: now });
  window.Plotly.animate(gd, [frame.name], JUMP).catch(() => {});   // it may be overtaken by the next
}

function moveFilm(film, i, n, said) {
  film.style.setProperty("--at", i / n);
  const frames = [...film.querySelectorAll("[data-place]")].filter((frame) => +frame.dataset.place <= i);
  const source = frames.at(-1)?.querySelector("img").src;
  for (const view of document.querySelectorAll(VIEWS)) {
    const image = view.querySelector("img");
    const words = view.dataset.words + said;
    if (image.alt !== words) image.alt = words;
    if (view.dataset.of === film.dataset.name && source && image.src !== source) image.src = source;
  }
}

// As many pictures as have room, at equal distances, each the latest there; the others wait.
function layFilm(film, length, n) {
  if (film.dataset.laid === String(length)) return;
  const frames = [...film.querySelectorAll("[data-place]")], room = Math.floor((length + THUMB) / (THUMB + GAP));
  const count = Math.max(2, room), end = +frames.at(-1)?.dataset.place / n, places = new Map();
  for (let k = 0; k < count; k++) {
    const place = k / (count - 1), frame = frames.findLast((one) => +one.dataset.place <= Math.round(place * n));
    if (frame && !places.has(frame)) places.set(frame, Math.min(place, end));   // a shorter training ends sooner
  }
  for (const frame of frames) {
    frame.hidden = !places.has(frame);
    frame.style.setProperty("--place", places.get(frame) ?? 0);
  }
  film.dataset.laid = String(length);
}

// Where the first and the last step stand: on the axis of the chart above, or, without one, at both edges.
function ends(element, under, n) {
  const axis = under && document.querySelector(`.st-key-${under} .js-plotly-plot`)?._fullLayout?.xaxis;
  return axis ? [axis._offset + axis.d2p(0), axis._offset + axis.d2p(n)] : [EDGE, element.clientWidth - EDGE];
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".scrub"), box = root.querySelector("input");
  const out = root.querySelector("output"), play = root.querySelector("button"), n = data.steps.length - 1;
  const me = known.get(box) ?? { told: [] };         // told: the steps that were sent and have not come back
  known.set(box, me);

  const show = () => {
    const i = +box.value, text = data.steps[i].toLocaleString("en");
    if (out.value !== text) {
      out.value = text;
      box.setAttribute("aria-valuetext", "step " + text);
    }
    for (const film of document.querySelectorAll(FILMS)) moveFilm(film, i, n, text);
    for (const gd of document.querySelectorAll(CHARTS)) moveChart(gd, data.steps[i]);
  };
  const soon = () => { me.frame ??= requestAnimationFrame(() => { me.frame = undefined; show(); }); };
  const rest = () => {
    clearTimeout(me.late);
    me.late = setTimeout(() => {
      const step = data.steps[+box.value];
      me.told.push(step);
      setTriggerValue("moved", step);
    }, REST);
  };
  const label = () => {
    play.textContent = me.playing ? "❚❚" : "▶";
    play.ariaLabel = me.playing ? "Pause" : "Play the training";
  };
  const stop = () => { clearInterval(me.playing); me.playing = undefined; label(); };
  const move = (i) => { clearTimeout(me.late); box.value = i; soon(); };

  // A step from the URL moves the slider, unless it is only the echo of what was sent from here; one may come back
  // after the next has been sent.
  const echo = me.told.indexOf(data.start);
  me.told.splice(0, echo + 1);
  if (me.steps !== String(data.steps) || (data.start !== me.start && echo < 0)) {
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
  const stand = (element, under) => {
    const [from, to] = ends(element, under, n);
    element.style.setProperty("--from", `${from}px`);
    element.style.setProperty("--length", `${to - from}px`);
    return [from, to - from];
  };
  const care = () => {
    stand(root, data.under);
    for (const film of document.querySelectorAll(FILMS)) {
      const [from, length] = stand(film, film.dataset.under);
      layFilm(film, length, n);
      film.onclick = (event) => {
        const place = (event.clientX - film.getBoundingClientRect().left - from) / length;
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
[data-testid='stLayoutWrapper']:has(> .st-key-stays-in-view) { position: sticky; top: 3.75rem; z-index: 9; }
.st-key-stays-in-view .scrub { background: var(--st-background-color); }
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


def scrubber(steps: np.ndarray, start: int | None = None, under: str | None = None) -> int:
    """Draw the slider; return the step at which it rests.

    Arguments:
        steps: the recorded training steps, at least two: those of all charts on the page.
        start: where it stands unless the URL names a recorded step; the last step where None.
        under: the key of the chart under whose axis it stands; where None it takes the whole width.

    """
    recorded = [int(step) for step in steps]
    asked = st.query_params.get("step")
    step = next((one for one in recorded if str(one) == asked), recorded[-1] if start is None else int(start))
    _range(key="scrubber", data={"steps": recorded, "start": step, "under": under}, on_moved_change=_rest)
    if asked != str(step):
        st.query_params["step"] = str(step)
    return step


def say_where_steps_differ(steps: np.ndarray, records: Sequence[np.ndarray]) -> None:
    """Say what the charts of records show that were not made at all of the slider's steps."""
    if any(len(own) < len(steps) for own in records):
        st.caption(
            "The two trainings were recorded at other steps: a column shows its latest record up to the slider's step, "
            "and behind its end the last one."
        )


def _rest() -> None:
    """Write the step at which the slider rests into the URL before the script runs.

    The script then starts the slider there. A step that lags behind would look like a new one and move it back.
    """
    st.query_params["step"] = str(st.session_state["scrubber"].moved)


def stays_in_view() -> DeltaGenerator:
    """Return a place for the slider that stays in view while what it moves is scrolled by, in the same container."""
    return st.container(key="stays-in-view")


def film(steps: np.ndarray, samples: Mapping[int, bytes], under: str, name: str | None = None) -> None:
    """Draw samples along the steps of a slider; each shows a corner, :func:`sample_view` shows all of it.

    Arguments:
        steps: those of the slider.
        samples: step -> WEBP of samples, four in a row.
        under: the key of the chart under whose axis it stands.
        name: tells apart films under one chart; the chart's key where there is one film.

    """
    shown = {place: int(step) for place, step in enumerate(steps) if int(step) in samples}
    frames = "".join(
        f'<span data-place="{place}" hidden><img alt="" src="{file_uri(samples[step], "webp")}"></span>'
        for place, step in shown.items()
    )
    words = f"Film of samples at {len(shown)} training steps up to {max(shown.values(), default=0):,}"
    st.html(
        f'<div class="scrub-film" data-under="{escape(under)}" data-name="{escape(name or under)}" role="img" '
        f'aria-label="{words}; the slider walks through them">{frames}<i></i></div>'
    )


def sample_view(caption: str, of: str, rows: int = 4) -> None:
    """Draw the place where all samples of the slider's step are shown, four in a row, of the film of that name."""
    words = f"{4 * rows} samples drawn from the flow at training step "  # which step, the slider adds
    image = f'<img style="aspect-ratio: 4 / {rows}" alt="{words}of the slider">'
    st.html(
        f'<figure class="scrub-view" data-of="{escape(of)}" data-words="{words}">{image}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
