// Small helpers: elements, pixel pictures, colours of the theme.

/** What a blind guess among 256 grey levels costs, in bits per value. */
export const BLIND_GUESS = 8;

/** Pictures in a row of a film. */
const ACROSS = 8;

/** An element with properties, attributes ("aria-…", "data-…", class) and children. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") node.style.cssText = value;
    else if (key in node && !key.includes("-") && key !== "role" && key !== "list") node[key] = value;
    else node.setAttribute(key === "className" ? "class" : key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A canvas of width × height pixels; paint(i) gives the colour of pixel i as [red, green, blue]. */
export function pixels(width, height, paint, canvas = document.createElement("canvas")) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d"),
    data = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const [r, g, b] = paint(i);
    data.data.set([r, g, b, 255], 4 * i);
  }
  context.putImageData(data, 0, 0);
  return canvas;
}

/** The picture of bytes [pixel][channel], grey or RGB. */
export function picture(bytes, shape, canvas) {
  const [height, width, channels] = shape;
  return pixels(
    width,
    height,
    (i) => (channels === 3 ? bytes.subarray(3 * i, 3 * i + 3) : [bytes[i], bytes[i], bytes[i]]),
    canvas,
  );
}

/**
 * Square pictures of a training, eight in a row.
 * @param {{pixels: Uint8Array | Uint8ClampedArray, count: number}} samples bytes [picture][pixel][red, green, blue]
 * @param {number} side in pixels
 * @param {HTMLCanvasElement} canvas
 */
export function drawFilm(samples, side, canvas) {
  const wide = ACROSS * side;
  pixels(
    wide,
    (samples.count / ACROSS) * side,
    (i) => {
      const row = Math.floor(i / wide),
        n = Math.floor(row / side) * ACROSS + Math.floor((i % wide) / side),
        from = 3 * ((n * side + (row % side)) * side + (i % side));
      return samples.pixels.subarray(from, from + 3);
    },
    canvas,
  );
}

/** Feature values [pixel][3 or 1] around 0 as a picture: one standard deviation is 45 grey levels. */
export function featurePicture(x, shape, canvas) {
  return picture(
    Uint8ClampedArray.from(x, (v) => 128 + 45 * v),
    shape,
    canvas,
  );
}

/** One channel of features [pixel][channel] as a grey map, middle grey at its middle. */
export function greyMap(x, channels, channel, height, width, middle = 0, spread = 1, canvas = undefined) {
  return pixels(
    width,
    height,
    (i) => {
      const v = 128 + (52 * (x[i * channels + channel] - middle)) / (spread || 1);
      return [v, v, v];
    },
    canvas,
  );
}

/**
 * One channel in colour: `plus` above its middle, `minus` below, the paper's colour at it; spread gives full colour.
 */
export function signedMap(
  x,
  channels,
  channel,
  height,
  width,
  middle,
  spread,
  { plus, minus, paper },
  canvas = undefined,
) {
  return pixels(
    width,
    height,
    (i) => {
      const v = Math.max(-1, Math.min(1, (x[i * channels + channel] - middle) / (spread || 1))),
        full = v > 0 ? plus : minus;
      return full.map((c, k) => paper[k] + (c - paper[k]) * Math.abs(v));
    },
    canvas,
  );
}

/** A colour as a canvas takes it, "rgb(…)" or "color(srgb …)", as [red, green, blue] from 0 to 255. */
export function channelsOf(colour) {
  const parts = colour
    .match(/[\d.]+/g)
    .slice(0, 3)
    .map(Number);
  return colour.startsWith("color") ? parts.map((v) => 255 * v) : parts;
}

export function maps(x, channels, height, width, middle, spread) {
  return Array.from({ length: channels }, (_, c) =>
    greyMap(x, channels, c, height, width, middle?.[c] ?? 0, spread?.[c] ?? 1),
  );
}

/** Middle and spread of every channel of one image's features. */
export function own(x, channels) {
  const n = x.length / channels,
    middle = new Array(channels).fill(0),
    spread = new Array(channels).fill(0);
  for (let i = 0; i < x.length; i++) middle[i % channels] += x[i] / n;
  for (let i = 0; i < x.length; i++) spread[i % channels] += (x[i] - middle[i % channels]) ** 2 / n;
  return { middle, spread: spread.map(Math.sqrt) };
}

/** The theme's colours as a canvas takes them, its letters and their size in pixels. */
export function colours(node) {
  const probe =
    node.querySelector(":scope > .probe") ?? node.appendChild(el("i", { className: "probe", hidden: true }));
  const of = (value) => {
    probe.style.color = value;
    return getComputedStyle(probe).color;
  };
  const { fontFamily: sans, fontSize } = getComputedStyle(node);
  return {
    ink: of("var(--ink)"),
    quiet: of("var(--quiet)"),
    line: of("var(--line)"),
    accent: of("var(--accent)"),
    warm: of("var(--warm)"),
    paper: of("var(--paper)"),
    sans,
    size: parseFloat(fontSize),
  };
}

/**
 * A canvas that fills its parent, in CSS pixels; draw(context, width, height) is called in the first frame, once all has
 * its place, and again when the size changes.
 */
export function surface(host, draw, label) {
  const canvas = el("canvas", { className: "fill", role: "img", "aria-label": label });
  host.append(canvas);
  let placed = false;
  const redraw = () => {
    if (!placed) return;
    const width = canvas.clientWidth,
      height = canvas.clientHeight,
      ratio = Math.min(2, devicePixelRatio || 1);
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio))
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    draw(context, width, height);
  };
  const watch = new ResizeObserver(() => {
    placed = true;
    redraw();
  });
  watch.observe(canvas);
  return { canvas, redraw, stop: () => watch.disconnect() };
}

/** Calls f once the next frame is drawn and input has had its turn; returns a function that prevents it. */
export function afterFrame(f) {
  let timer;
  const frame = requestAnimationFrame(() => {
    timer = setTimeout(f, 4);
  });
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}

export const ease = (t) => (t < 0 ? 0 : t > 1 ? 1 : t * t * (3 - 2 * t));
export const mixed = (a, b, t) => a + (b - a) * t;
export const number = (n) => n.toLocaleString("en");
export const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
/** A share in words, where there are some. */
export const part = (share) => ({ 0.25: "a quarter", 0.5: "half", 0.75: "three quarters" })[share] ?? percent(share);
export const minus = (text) => String(text).replace("-", "−");
const SMALL = [
  "zero",
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
  "ten",
  "eleven",
  "twelve",
];
export const word = (n) => SMALL[n] ?? String(n);
export const cap = (text) => text[0].toUpperCase() + text.slice(1);

export function ordinal(n) {
  const tens = n % 100,
    end = tens > 10 && tens < 14 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return number(n) + end;
}

/**
 * A labelled slider: {row, input, show}.
 * @param {{label: string, min?: number, max?: number, step?: number, value?: number, text?: (v: number) => string,
 *   onmove: (v: number) => void}} options
 */
export function slider({ label, min = 0, max = 1, step = 0.01, value = 0, text = String, onmove }) {
  const out = el("output", {}),
    input = el("input", { type: "range", min, max, step, value, "aria-label": label });
  const show = () => {
    out.value = text(+input.value);
    input.setAttribute("aria-valuetext", text(+input.value));
  };
  input.addEventListener("input", () => {
    show();
    onmove(+input.value);
  });
  show();
  return { row: el("label", { className: "slider" }, el("span", {}, label), input, out), input, show };
}

/** A row of choices of which one is pressed: {row, press}. */
export function choices(label, options, onpick, pressed) {
  const buttons = options.map(([key, text]) =>
    el("button", { type: "button", "aria-pressed": String(key === pressed), onclick: () => pick(key) }, text),
  );
  const pick = (key, quiet) => {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(options[i][0] === key)));
    if (!quiet) onpick(key);
  };
  return { row: el("div", { className: "choices", role: "group", "aria-label": label }, ...buttons), pick };
}

/** Calls step(seconds since the start) every frame until it returns false; returns a function that stops it. */
export function animate(step) {
  let frame, start;
  const tick = (now) => {
    start ??= now;
    if (step(Math.max(0, (now - start) / 1000)) !== false) frame = requestAnimationFrame(tick);
  };
  frame = requestAnimationFrame(tick);
  return () => cancelAnimationFrame(frame);
}
