// Entropy along the way through a flow: two charts over one axis of stops, and a handle that shows the channels there.
const BEAT = 350;                            // milliseconds between two stops of a play
const BLUE = "var(--passed-on)", ORANGE = "var(--factored-out)", SECOND = "#8C8C8C", DASH = "7 5";
const UPPER = 210, LOWER = 92, GAP = 58, TOP = 30, LEFT = 52, RIGHT = 16;
const NS = "http://www.w3.org/2000/svg";

function add(parent, name, fields, text) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(fields)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

// A scale from values to pixels, and about four round ticks on it.
function scale(values, top, height) {
  const low = Math.min(...values), high = Math.max(...values), room = 0.06 * (high - low) || 1;
  const y = (value) => top + height * (1 - (value - low + room) / (high - low + 2 * room));
  const step = [0.1, 0.2, 0.5, 1, 2, 5].find((each) => (high - low) / each <= 5) ?? 10;
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9; tick += step) ticks.push(tick);
  return { y, ticks, digits: step < 1 ? 1 : 0 };
}

const minus = (text) => text.replace("-", "−");
const side = (entropy) => `${Math.abs(entropy).toFixed(2)} bits ${entropy < 0 ? "below" : "above"} noise`;

function draw(chart, data, at) {
  const width = Math.max(300, chart.clientWidth), height = TOP + UPPER + GAP + LOWER + 30;
  const stops = data.flows[0].stops, last = stops.length - 1;
  const x = (place) => LEFT + (width - LEFT - RIGHT) * place / last;
  chart.replaceChildren();
  const svg = add(chart, "svg", { viewBox: `0 0 ${width} ${height}`, height });
  const every = data.flows.flatMap((flow) => flow.stops);
  const up = scale([...every.map((stop) => stop.entropy), 0], TOP, UPPER);
  const told = every.flatMap((stop) => [stop.tell, stop.left]).filter((value) => value !== null);
  const low = scale([0, ...told], TOP + UPPER + GAP, LOWER);

  // A band and a name for every level.
  for (let place = 1; place <= last; ) {
    let end = place;
    while (end < last && stops[end + 1].level === stops[place].level) end += 1;
    const from = x(place - 0.5), to = Math.min(x(end + 0.5), width - RIGHT + 6);
    if (stops[place].level % 2) {
      add(svg, "rect", { x: from, y: TOP, width: to - from, height: height - TOP - 24, fill: "currentColor", opacity: 0.06 });
    }
    add(svg, "text", { x: (from + to) / 2, y: TOP + UPPER + 16, "text-anchor": "middle" }, `level ${stops[place].level}`);
    place = end + 1;
  }
  for (const [axis, end] of [[up, TOP + UPPER], [low, height - 30]]) {
    for (const tick of axis.ticks) {
      add(svg, "line", { x1: LEFT, x2: width - RIGHT, y1: axis.y(tick), y2: axis.y(tick), stroke: "currentColor", opacity: 0.15 });
      add(svg, "text", { x: LEFT - 8, y: axis.y(tick) + 5, "text-anchor": "end" }, minus(tick.toFixed(axis.digits)));
    }
    add(svg, "line", { x1: LEFT, x2: width - RIGHT, y1: end, y2: end, stroke: "currentColor", opacity: 0.3 });
  }
  add(svg, "line", { x1: LEFT, x2: width - RIGHT, y1: up.y(0), y2: up.y(0), stroke: "currentColor",
    "stroke-dasharray": "2 5" });
  add(svg, "text", { x: LEFT + 6, y: up.y(0) + 19 }, "white noise");
  add(svg, "text", { x: LEFT, y: TOP + UPPER + GAP - 12 }, width < 560 ? "bits that neighbours save" : "How predictable? Bits that knowing a pixel's neighbours saves (estimated)");

  data.flows.forEach((flow, number) => {
    const line = (values, axis, colour) => {
      const points = flow.stops.map((stop, place) => [x(place * last / (flow.stops.length - 1)), values(stop)])
        .filter(([, value]) => value !== null);
      add(svg, "polyline", { points: points.map(([px, value]) => `${px},${axis.y(value)}`).join(" "), fill: "none",
        stroke: colour, "stroke-width": 3, "stroke-dasharray": number ? DASH : "none" });
      return points;
    };
    for (const [px, value] of line((stop) => stop.entropy, up, number ? SECOND : "currentColor")) {
      add(svg, "circle", { cx: px, cy: up.y(value), r: 3.5, fill: number ? SECOND : "currentColor" });
    }
    line((stop) => stop.tell, low, number ? SECOND : BLUE);
    flow.stops.forEach((stop, place) => {
      if (stop.left === null) return;
      const aside = data.flows.length > 1 ? (number ? 6 : -6) : 0;
      const px = x(place * last / (flow.stops.length - 1)) + aside, py = low.y(stop.left);
      add(svg, "path", { d: `M${px} ${py - 7}l7 7l-7 7l-7 -7z`, fill: number ? SECOND : ORANGE });
    });
  });
  // Where a split passes on the predictable part, the curve rises.
  const rise = stops.findIndex((stop, place) => stop.left !== null && stop.tell > stops[place - 1].tell);
  if (data.flows.length === 1 && rise > 0 && width >= 560)
    add(svg, "text", { x: x(rise) + 12, y: low.y(stops[rise].tell) - 2 }, "predictable part passed on");
  if (data.flows.length > 1) {
    data.flows.forEach((flow, number) => {
      const y = TOP + UPPER - 32 + 20 * number, colour = number ? SECOND : "currentColor";
      add(svg, "line", { x1: width - RIGHT - 40, x2: width - RIGHT - 4, y1: y - 5, y2: y - 5, stroke: colour,
        "stroke-width": 3, "stroke-dasharray": number ? DASH : "none" });
      add(svg, "text", { x: width - RIGHT - 48, y, "text-anchor": "end" }, flow.name);
    });
  }
  if (told.length) {
    const key = [["still in the flow", BLUE, "line"], ["factored out", ORANGE, "mark"]];
    let left = LEFT + 4;
    for (const [word, colour, kind] of key) {
      if (kind === "line") add(svg, "line", { x1: left, x2: left + 18, y1: height - 8, y2: height - 8, stroke: colour, "stroke-width": 3 });
      else add(svg, "path", { d: `M${left + 9} ${height - 15}l7 7l-7 7l-7 -7z`, fill: colour });
      add(svg, "text", { x: left + 24, y: height - 3 }, word);
      left += 40 + 8 * word.length;
    }
  }
  const px = x(at);
  for (const [y1, y2] of [[TOP, TOP + UPPER], [TOP + UPPER + GAP, height - 30]]) {
    add(svg, "line", { x1: px, x2: px, y1, y2, stroke: "currentColor", "stroke-width": 2 });
  }
  add(svg, "circle", { cx: px, cy: up.y(stops[at].entropy), r: 9, fill: "var(--st-primary-color)", stroke: "currentColor" });
  // The lower right of the upper chart is free: entropy grows.
  const corner = { x: width - RIGHT - 6, "text-anchor": "end" }, foot = TOP + UPPER - (data.flows.length > 1 ? 56 : 12);
  const label = `${stops[at].title}: ${side(stops[at].entropy)}`;
  add(svg, "text", { ...corner, y: foot, "font-weight": 650 }, label);
  if (width >= 560) {
    add(svg, "text", { x: x(1) + 12, y: up.y(stops[0].entropy) + 5 }, `picture: ${side(stops[0].entropy)}`);
  }
  const unit = width < 560 ? "entropy, bits per value, noise: 0" : `How far from noise? Entropy, bits per value; white noise has 0 (${data.images} images)`;
  add(svg, "text", { x: LEFT, y: 18 }, unit);
}

// Channels [C, H, W] of bytes side by side, of one or three as a picture; the gaps of a sheet are a sixteenth of a map.
function paint(canvas, bytes, [channels, height, width]) {
  const size = height * width;
  const whole = channels === 1 || channels === 3, columns = whole ? 1 : Math.ceil(Math.sqrt(channels));
  const times = whole ? 1 : Math.max(1, Math.floor(16 / Math.max(height, width))), gap = whole ? 0 : 1;
  const across = width * times + gap, down = height * times + gap;
  canvas.width = columns * across - gap;
  canvas.height = (whole ? 1 : Math.ceil(channels / columns)) * down - gap;
  const context = canvas.getContext("2d"), sheet = context.createImageData(canvas.width, canvas.height);
  for (let c = 0; c < (whole ? 1 : channels); c++)
    for (let y = 0; y < height * times; y++)
      for (let x = 0; x < width * times; x++) {
        const from = Math.floor(y / times) * width + Math.floor(x / times);
        const to = 4 * ((Math.floor(c / columns) * down + y) * canvas.width + (c % columns) * across + x);
        for (let k = 0; k < 3; k++) sheet.data[to + k] = bytes[(channels === 3 ? k : c) * size + from];
        sheet.data[to + 3] = 255;
      }
  context.putImageData(sheet, 0, 0);
}

function sentence(stop) {
  const tell = stop.tell === null ? "" : `: knowing a pixel's neighbours saves ${stop.tell.toFixed(2)} bits`;
  if (stop.left !== null) return `These ${stop.kept} channels are passed on${tell}.`;
  return `${stop.level ? `${stop.shape[0]} channels of this picture, after ${stop.title}` : "The picture"}${tell}.`;
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".way"), maps = root.querySelector(".way-maps");
  const chart = root.querySelector(".way-chart"), flows = JSON.parse(data.flows), last = flows[0].stops.length - 1;
  const show = () => {
    const at = +box.value;
    draw(chart, { ...data, flows }, at);
    chart.setAttribute("aria-label", data.alt);
    maps.classList.toggle("two", flows.length > 1);
    const sheets = flows.flatMap((flow) => {
      const stop = flow.stops[Math.round(at * (flow.stops.length - 1) / last)], [channels, height, width] = stop.shape;
      const bytes = Uint8Array.from(atob(stop.maps), (letter) => letter.charCodeAt(0)), end = stop.kept * height * width;
      const kept = { which: stop.left === null ? "" : "kept", bytes, shape: [stop.kept, height, width],
        text: (flows.length > 1 ? `${flow.name}. ` : "") + sentence(stop) };
      // Of two flows those passed on are compared.
      if (stop.left === null || flows.length > 1) return [kept];
      const gone = channels - stop.kept;
      return [kept, { which: "gone", bytes: bytes.subarray(end), shape: [gone, height, width],
        text: `These ${gone} are factored out: neighbours save ${stop.left.toFixed(2)} bits.` }];
    });
    while (maps.children.length < sheets.length) {
      const figure = document.createElement("figure"), canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      figure.append(document.createElement("figcaption"), canvas);
      maps.append(figure);
    }
    while (maps.children.length > sheets.length) maps.lastChild.remove();
    sheets.forEach(({ which, bytes, shape, text }, number) => {
      const figure = maps.children[number], [caption, canvas] = figure.children;
      figure.className = which;
      paint(canvas, bytes, shape);
      canvas.setAttribute("aria-label", text);
      caption.textContent = text;
    });
    box.setAttribute("aria-valuetext", `${flows[0].stops[at].title}, ${side(flows[0].stops[at].entropy)}`);
  };
  const { box, first, stop, put, move, drag, walk } = slider(root, {
    last,
    beat: BEAT,
    words: "Follow the picture through the flow",
    show,
    tell: (place) => setTriggerValue("moved", place),
  });
  if (first) put(data.start);
  show();
  if (first && data.walk && !matchMedia("(prefers-reduced-motion: reduce)").matches) { move(0); walk(data.start); }
  drag(chart, LEFT, RIGHT);
  const sized = new ResizeObserver(show);
  sized.observe(root);
  return () => { stop(); sized.disconnect(); };
}
