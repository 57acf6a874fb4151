// Home: a face, its noise level by level, and a brush. Brushed values are drawn anew, and the face answers.
import { noiseBlocks } from "./blocks.js";
import { cardPanel } from "./card.js";
import { animate, colours, el, number, picture, slider, surface } from "./draw.js";
import { distance, Flow, normals, readPack } from "./flow.js";
import { bytesOf, squareOf } from "./photo.js";

const PHOTO_SIDE = 512,
  /** The brush reaches so many values to each side. */
  REACH = 2,
  /** From this share of redrawn values on, almost all are new. */
  MOST = 0.9,
  /** Of the brush that moves by itself as the page opens: seconds a level, turns to and fro. */
  LEVEL_S = 2.2,
  TURNS = 1;

/** Put a flow to touch into an element: its pack. */
export function mountTouch(root, bytes) {
  root.eiwLesson?.stop();
  const { head, floats, blob } = readPack(bytes),
    flow = new Flow(head.flow, floats),
    { blocks, columns, rows } = noiseBlocks(flow),
    { shape } = head,
    noun = head.faces ? "face" : "picture",
    images = head.images.map((image) => ({ name: image.name ?? `Image ${image.number}`, bytes: blob(image.bytes) })),
    reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let chosen = 0,
    temperature = 1,
    seed = 0,
    brush = null,
    frame = 0,
    stopMotion = () => {};
  /** @type {Float64Array[]} */
  let noises = [],
    /** What each level passes down. */
    passed = [],
    /** The highest level to decode anew. */
    stale = -1,
    /** The noise that is shown in place of a picture's own. */
    drawn = noises,
    start = new Uint8Array(0),
    now = start,
    redrawn = flow.levels.map(() => new Set());

  const sentence = el("p", { className: "sentence", "data-lesson": "sentence", "aria-live": "polite" }),
    bits = el("b", { "data-lesson": "bits" }),
    face = el("canvas", { role: "img", "aria-label": `The ${noun} of this noise` }),
    room = el("div", { className: "room", style: `--aspect: ${columns / (rows + 1.6)}` }),
    thumbs = el("div", { className: "thumbs", role: "group", "aria-label": `The ${noun}` }),
    file = el("input", {
      type: "file",
      accept: "image/*",
      className: "hidden-file",
      tabIndex: -1,
      "aria-label": "Your own photo",
      onchange: () => file.files[0] && takePhoto(file.files[0]),
    });
  const button = (text, act, label) => el("button", { type: "button", onclick: act, "aria-label": label }, text),
    back = button("Reset", () => choose(chosen), "Put the noise back"),
    warmth = slider({
      label: "Temperature",
      max: 1.3,
      step: 0.05,
      value: 1,
      text: (v) => v.toFixed(2),
      onmove: (v) => {
        stopMotion();
        temperature = warmth.input.value = v;
        warmth.show();
        ask(flow.levels.length - 1, () => `Temperature ${v.toFixed(2)}: the ${noun} changes by ${moved()} of 255.`);
      },
    });
  const stage = el(
    "section",
    { className: "stage home", "data-lesson": "stage", "aria-label": "A flow to touch" },
    sentence,
    el(
      "div",
      { className: "touch" },
      el(
        "figure",
        {},
        face,
        el("figcaption", {}, el("span", {}, bits, " bits per value (bits/dim);"), " a blind guess: 8"),
      ),
      el("figure", {}, room, el("figcaption", { className: "asks" }, "Drag over the noise to replace it.")),
      el(
        "div",
        { className: "touch-controls" },
        thumbs,
        el(
          "div",
          { className: "buttons" },
          button(`New ${noun}`, fresh),
          button("Your photo", () => file.click()),
          file,
        ),
        warmth.row,
        el(
          "div",
          { className: "buttons", role: "group", "aria-label": "Redraw a level" },
          el("span", {}, "Redraw level"),
          ...flow.levels.map((level, l) =>
            button(String(level.number), () => redraw(l), `Redraw level ${level.number}`),
          ),
          back,
        ),
      ),
    ),
  );
  root.replaceChildren(stage);
  const view = surface(room, drawNoise, `The noise of one ${noun}, level by level; brush over it to draw values anew`);
  Object.assign(view.canvas.style, { cursor: "crosshair", touchAction: "none" });

  function drawNoise(context, width, height) {
    const ink = colours(stage),
      gap = 8,
      unit = Math.min((width - gap * (blocks.length - 1)) / columns, (height - 1.6 * ink.size) / rows),
      left = (width - columns * unit - gap * (blocks.length - 1)) / 2;
    context.font = `${ink.size}px ${ink.sans}`;
    blocks.forEach((block, l) => {
      const x = left + block.left * unit + gap * l;
      block.box = { x, unit };
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < block.columns; column++) {
          const i = block.index(row, column);
          const v = i === null ? 128 : Math.max(0, Math.min(255, 128 + 52 * noises[l][i] * temperature));
          context.fillStyle = `rgb(${v} ${v} ${v})`;
          context.fillRect(x + column * unit, row * unit, unit + 0.5, unit + 0.5);
        }
      context.fillStyle = ink.quiet;
      context.fillText(`level ${l + 1}`, x, rows * unit + 1.2 * ink.size);
    });
    if (!brush) return;
    const { box } = blocks[brush.level];
    context.lineWidth = 3;
    context.strokeStyle = ink.warm;
    const [x, y] = [brush.column - REACH, brush.row - REACH];
    context.strokeRect(box.x + x * unit, y * unit, 2 * REACH * unit, 2 * REACH * unit);
  }

  const moved = () => distance(now, start).toFixed(0),
    say = (text) => {
      if (sentence.textContent !== text) sentence.textContent = text;
    };
  /** Decode from a level down in the next frame, and say what came of it. */
  function ask(level, sentenceOf) {
    stale = Math.max(stale, level);
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      draw();
      say(sentenceOf());
    });
  }
  function draw() {
    for (let l = stale; l >= 0; l--)
      passed[l] = flow.decodeLevel(
        l,
        passed[l + 1] ?? null,
        noises[l].map((v) => v * temperature),
      );
    stale = -1;
    now = Uint8Array.from(flow.quantise(passed[0]));
    picture(now, shape, face);
    bits.textContent = flow.bitsPerDim(flow.encode(flow.dequantise(now))).toFixed(2);
    view.redraw();
  }
  /** Show noise as it is, from which redrawn values count. */
  function begin(from, sentenceOf) {
    cancelAnimationFrame(frame);
    noises = from;
    passed = [];
    brush = null;
    temperature = +(warmth.input.value = "1");
    warmth.show();
    redrawn = flow.levels.map(() => new Set());
    stale = flow.levels.length - 1;
    draw();
    start = now;
    mark(chosen);
    say(sentenceOf());
  }
  /** Frame the picture whose noise is shown. */
  function mark(place) {
    thumbs.querySelectorAll("button").forEach((one, i) => one.setAttribute("aria-pressed", String(i === place)));
  }
  function choose(i) {
    stopMotion();
    chosen = i;
    const noisesOf = (bytes) => flow.encode(flow.dequantise(bytes)).map(({ noise }) => noise.slice());
    if (i < 0)
      return begin(
        drawn.map((one) => one.slice()),
        saidOfFresh,
      );
    begin(noisesOf(images[i].bytes), () => `Drag over the noise: its values are drawn anew, and the ${noun} answers.`);
  }
  const saidOfFresh = () => `All ${number(flow.dimensions)} values drawn anew: a ${noun} from noise alone.`;
  function fresh() {
    drawn = flow.levels.map(({ height, width, gone }) => normals(++seed, height * width * gone));
    choose(-1);
  }
  /** Draw values of a level anew, and name all levels that are not as they were. */
  function renew(l, places) {
    const values = normals(5000 + ++seed, places.length);
    places.forEach((i, k) => {
      noises[l][i] = values[k];
      redrawn[l].add(i);
    });
    const levels = redrawn.flatMap(({ size }, k) => (size ? [k + 1] : [])),
      count = redrawn.reduce((sum, { size }) => sum + size, 0),
      share = count / flow.dimensions;
    ask(l, () =>
      share > MOST
        ? `Almost all of the noise is new: this is a new ${noun}.`
        : `${number(count)} values of level${levels.length > 1 ? "s" : ""} ${levels.join(", ").replace(/, (\d+)$/, " and $1")} redrawn: the ${noun} changes by ${moved()} of 255.`,
    );
    mark(share > MOST ? -1 : chosen);
  }
  function redraw(l) {
    stopMotion();
    brush = null;
    renew(l, [...noises[l].keys()]);
  }
  function stroke(level, row, column) {
    const places = [];
    for (let r = Math.floor(row) - REACH; r < row + REACH; r++)
      for (let c = Math.floor(column) - REACH; c < column + REACH; c++) {
        const i = r < 0 || c < 0 || r >= rows || c >= blocks[level].columns ? null : blocks[level].index(r, c);
        if (i !== null) places.push(i);
      }
    brush = { level, row, column };
    renew(level, places);
  }
  const paint = (event) => {
    const box = view.canvas.getBoundingClientRect(),
      [x, y] = [event.clientX - box.left, event.clientY - box.top],
      level = blocks.findIndex((block) => x >= block.box.x && x < block.box.x + block.columns * block.box.unit);
    if (level < 0 || y < 0) return;
    const { x: left, unit } = blocks[level].box;
    if (y < rows * unit) stroke(level, y / unit, (x - left) / unit);
  };
  view.canvas.addEventListener("pointerdown", (event) => {
    stopMotion();
    view.canvas.setPointerCapture(event.pointerId);
    paint(event);
  });
  view.canvas.addEventListener("pointermove", (event) => event.buttons && paint(event));

  function fillThumbs() {
    thumbs.replaceChildren(
      ...images.map(({ name, bytes: own }, i) =>
        el(
          "button",
          { type: "button", className: "thumb", "aria-label": name, onclick: () => choose(i) },
          picture(own, shape),
        ),
      ),
    );
  }
  async function takePhoto(photo) {
    stopMotion();
    try {
      const own = bytesOf(await squareOf(photo, PHOTO_SIDE), shape),
        name = "Your photo";
      images.splice(0, images.length, ...images.filter((image) => image.name !== name), { name, bytes: own });
      fillThumbs();
      choose(images.length - 1);
      const known = head.flow.bits;
      cardPanel(stage, { flow, bytes: own, shape, known, nouns: `${noun}s` });
      say(`This flow expects ${noun}s: yours needs ${bits.textContent} bits per value.`);
    } catch {
      say(`“${photo.name.slice(0, 40)}” cannot be read as a picture; choose a PNG, JPEG or WebP.`);
    }
    file.value = "";
  }

  /** A brush moves over one level after the other; at its end, or when a hand takes over, the face is itself again. */
  const play = () => {
    const stop = animate((seconds) => {
      const l = Math.floor(seconds / LEVEL_S);
      if (l >= blocks.length) {
        stopMotion();
        return false;
      }
      const part = seconds / LEVEL_S - l,
        wide = blocks[l].columns - 2 * REACH;
      stroke(l, REACH + part * (rows - 2 * REACH), REACH + wide * (0.5 - 0.5 * Math.cos(2 * Math.PI * TURNS * part)));
      return true;
    });
    stopMotion = () => {
      stop();
      stopMotion = () => {};
      choose(chosen);
    };
  };
  fillThumbs();
  choose(0);
  if (!reduced) play();
  root.eiwLesson = {
    stop() {
      root.eiwLesson = undefined;
      stopMotion();
      cancelAnimationFrame(frame);
      view.stop();
    },
  };
}
