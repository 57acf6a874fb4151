// The flow, drawn: levels as boxes that shrink, in them their steps, and below them the noise that leaves.
import { el, number, picture, surface } from "../draw.js";
import { drawHistogram, spreadOf } from "./plots.js";

const SVG = "http://www.w3.org/2000/svg";
/** Lines that run through a step, and where each goes where channels are mixed. */
const LINES = [8, 22, 36, 50],
  MIXED = [2, 0, 3, 1];
const WIDEST = 64;
const SPREAD = "Standard deviation of the noise of this level; of the Gaussian it is 1";

function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}

const path = (d, className) => svg("path", { d, class: className, "vector-effect": "non-scaling-stroke" });

const explained = (text) => ({ title: text, "aria-description": text });

/** One step: lines that change places, then a network that computes from the upper lines what it does to the lower. */
function stepOf({ width, mixing, coupling, weights }, ownWeights) {
  const lines = LINES.map((y, i) => {
    const from = mixing === "on" ? LINES[MIXED.indexOf(i)] : y;
    return path(`M0 ${from} C5 ${from} 3 ${y} 8 ${y} H20`, "channel");
  });
  const tall = 3 + (13 * width) / WIDEST;
  const network =
    coupling === "on"
      ? [
          path(`M14 ${LINES[1]} V${LINES[2]}`, "network-way"),
          svg("rect", { x: 10, y: 29 - tall / 2, width: 8, height: tall, class: "network" }),
          ...(ownWeights && weights === "own" ? [path(`M10 29 H18`, "own")] : []),
        ]
      : [];
  return svg(
    "svg",
    { class: "flow-step", viewBox: "0 0 20 58", preserveAspectRatio: "none", "aria-hidden": "true" },
    ...lines,
    ...network,
  );
}

/** The shape of every level's features [channels, side], and how many channels leave after it. */
export function levelShapes(levels, [height, , channels]) {
  let [c, side] = [channels, height];
  return Array.from({ length: levels }, (_, i) => {
    [c, side] = [4 * c, side / 2];
    const leaving = i === levels - 1 ? c : c / 2,
      shape = { channels: c, side, leaving, values: leaving * side * side };
    c -= leaving;
    return shape;
  });
}

/** The drawing of a flow; noise(level by level) draws its histograms anew, stop() ends it. */
export class Drawing {
  constructor(host, coloursOf) {
    this.host = host;
    this.coloursOf = coloursOf;
    this.plots = [];
    this.shares = [];
  }

  /** Show a picture [pixel][red, green, blue] on its way in. */
  enter(bytes, shape) {
    if (this.picture) picture(bytes, shape, this.picture);
  }

  /** Light one level, from 1, or with 0 none. */
  light(number) {
    [...this.host.children].forEach((level, i) => level.classList.toggle("lit", i === number && i > 0));
  }

  /** Draw another flow. */
  show(settings, shape) {
    this.stop();
    this.shares = [];
    const shapes = levelShapes(settings.levels, shape),
      all = shape[0] * shape[1] * shape[2];
    this.spreads = shapes.map(() => el("span", { className: "spread", ...explained(SPREAD) }));
    this.host.style.setProperty("--levels", String(settings.levels));
    this.picture = el("canvas", { width: shape[1], height: shape[0] });
    this.host.replaceChildren(
      el("figure", { className: "way-in" }, this.picture, el("i", { className: "passed-on" })),
      ...shapes.map(({ channels, side, leaving, values }, i) => {
        const last = i === settings.levels - 1,
          room = el("div", { className: "noise-room" });
        this.plots.push(
          surface(
            room,
            (context, width, height) => {
              const colours = this.coloursOf();
              drawHistogram(context, width, height, { shares: this.shares[i], fill: colours.warm, colours });
            },
            `Histogram of the noise of level ${i + 1} beside the Gaussian`,
          ),
        );
        return el(
          "div",
          { className: "level", style: `--tall: ${100 * 0.72 ** i}%` },
          el(
            "div",
            { className: "level-room" },
            el(
              "div",
              { className: "level-box" },
              ...Array.from({ length: settings.steps }, () => stepOf(settings, !last)),
            ),
            last ? null : el("i", { className: "passed-on", title: `${channels - leaving} channels are passed on` }),
          ),
          el("b", {}, `Level ${i + 1}`),
          el("span", {}, `${side}×${side}×${channels}`),
          el(
            "span",
            {
              className: "leaves",
              ...explained(`${number(values)} of ${number(all)} values leave here: they are factored out as noise`),
            },
            `↓ ${number(values)} leave`,
          ),
          room,
          this.spreads[i],
        );
      }),
    );
  }

  /** Histograms of the noise, level by level. */
  noise(levels) {
    this.shares = levels;
    levels.forEach((shares, i) => {
      if (this.spreads[i]) this.spreads[i].textContent = `spread ${spreadOf(shares).toFixed(2)}`;
    });
    this.redraw();
  }

  redraw() {
    for (const plot of this.plots) plot.redraw();
  }

  stop() {
    for (const plot of this.plots) plot.stop();
    this.plots = [];
  }
}
