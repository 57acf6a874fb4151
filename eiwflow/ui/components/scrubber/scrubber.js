// It leans on the Plotly that Streamlit leaves at window, _transitionData and _fullLayout: the versions are bounded
// and a test walks all steps.
const CHARTS = "[class*='st-key-scrub-'] .js-plotly-plot", FILMS = ".scrub-film", VIEWS = ".scrub-view";
const EDGE = 16, THUMB = 64, GAP = 8;                // pixels: the slider, the film's pictures
const BEAT = 250, CARE = 200, WAY = 500;             // milliseconds
const JUMP = { mode: "immediate", frame: { duration: 0, redraw: false }, transition: { duration: 0 } };
const asked = new WeakMap();                         // the frame that a chart was last asked for, and when
const stood = new WeakMap();                         // where the ends of a slider or a film stood

// A chart that is mounted stands at the step that it was drawn for, or where it stood when it was taken down.
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

// Its latest samples up to this step, which a view names where they are of an earlier one.
function moveFilm(film, i, steps) {
  film.style.setProperty("--at", i / (steps.length - 1));
  const frames = [...film.querySelectorAll("[data-place]")].filter((frame) => +frame.dataset.place <= i);
  const shown = frames.at(-1), source = shown?.querySelector("img").src;
  for (const view of document.querySelectorAll(VIEWS)) {
    if (view.dataset.of !== film.dataset.name || !source) continue;
    const image = view.querySelector("img"), step = steps[+shown.dataset.place].toLocaleString("en");
    const words = `${view.dataset.words} ${step}`, caption = view.querySelector("figcaption");
    if (image.alt !== words) image.alt = words;
    if (image.src !== source) image.src = source;
    const name = view.dataset.caption ??= caption.textContent;
    const said = +shown.dataset.place === i ? name : `${name.replace(" at this step.", "")}, step ${step}`;
    if (caption.textContent !== said) caption.textContent = said;
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

// Where the first and the last step stand: on the axis of the chart above, or, without one, at both edges. While the
// chart is mounted anew they stand where they stood.
function ends(element, under, n) {
  const axis = under && document.querySelector(`.st-key-${under} .js-plotly-plot`)?._fullLayout?.xaxis;
  if (axis) stood.set(element, [axis._offset + axis.d2p(0), axis._offset + axis.d2p(n)]);
  return (under && stood.get(element)) ?? [EDGE, element.clientWidth - EDGE];
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".scrub"), out = root.querySelector("output");
  const n = data.steps.length - 1;
  const show = () => {
    const i = +box.value, text = data.steps[i].toLocaleString("en");
    if (out.value !== text) {
      out.value = text;
      box.setAttribute("aria-valuetext", "step " + text);
    }
    const answer = document.querySelector(".eiw-takeaway > span"), said = data.said[i];
    if (said && answer && answer.said !== said) {
      answer.innerHTML = said;
      answer.said = said;                            // what was written; its HTML may read otherwise
    }
    for (const film of document.querySelectorAll(FILMS)) moveFilm(film, i, data.steps);
    for (const gd of document.querySelectorAll(CHARTS)) moveChart(gd, data.steps[i]);
  };
  const { box, me, stop, put, move, rest, along } = slider(root, {
    last: n,
    beat: BEAT,
    words: "Play the training",
    show() { me.frame ??= requestAnimationFrame(() => { me.frame = undefined; show(); }); },
    tell(place) {
      me.sent.push(data.steps[place]);
      setTriggerValue("moved", data.steps[place]);
    },
  });
  me.sent ??= [];                                    // the steps that were sent and have not come back

  // A step from the URL moves the slider, unless it is only the echo of what was sent from here; one may come back
  // after the next has been sent.
  const echo = me.sent.indexOf(data.start);
  me.sent.splice(0, echo + 1);
  if (me.steps !== String(data.steps) || (data.start !== me.start && echo < 0)) {
    put(Math.max(0, data.steps.indexOf(data.start)));
  }
  me.steps = String(data.steps);
  me.start = data.start;

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
        stop();
        move(along(event, film, from, length));
        rest();
      };
    }
    show();
  };
  care();
  clearInterval(me.watch);                           // that of the last run still knows its charts and sentences
  me.watch = setInterval(care, CARE);
  return () => clearInterval(me.watch);
}
