// Scene 4: how a flow counts bits, in three beats: noise is stretched, one value is counted, then all values of a
// picture.
import { addedUp, area, noiseOf, normal, stretchAt, termsOf, valueWith } from "../curve.js";
import { animate, choices, colours, ease, el, maps, minus, mixed, own, picture, slider, surface } from "../draw.js";

/** Bits of a byte under a guess that takes all 256 values as equally likely. */
const BLIND = 8;
/** Noise is drawn from −REACH to REACH; coloured slices end at EDGES. */
const REACH = 3.5,
  EDGES = [-REACH, -1, 0, 1, REACH],
  WIDEST = 2;
const BEATS = [
  ["1", "1 Stretch"],
  ["2", "2 One value"],
  ["3", "3 All values"],
];

/**
 * What the flow holds after each level, as scene 1 shows it: the values passed on to the left, noise to the right.
 * @returns {HTMLCanvasElement[]}
 */
export function states(flow, traces) {
  const rows = flow.shape[0] === 3 ? 3 : 2; // of maps in level 1; their sides halve with every level
  return traces.map((_, last) => {
    const blocks = traces.slice(0, last + 1).map((trace, l) => ({ ...flow.levels[l], l, x: trace.noise }));
    const { kept: x } = traces[last],
      { kept } = flow.levels[last];
    if (x) blocks.push({ ...blocks[last], gone: kept, x });
    const columns = ({ gone, l }) => Math.ceil(gone / (rows * 2 ** l)),
      canvas = el("canvas", {
        width: blocks.reduce((sum, one) => sum + columns(one) * one.width, 0),
        height: rows * flow.levels[0].height,
      }),
      context = canvas.getContext("2d");
    let left = 0;
    for (const one of blocks.reverse()) {
      const { middle, spread } = one.x === x ? own(x, kept) : {};
      maps(one.x, one.gone, one.height, one.width, middle, spread).forEach((map, i) => {
        const row = Math.floor(i / columns(one));
        context.drawImage(map, left + (i % columns(one)) * one.width, row * one.height);
      });
      left += columns(one) * one.width;
    }
    return canvas;
  });
}

export const counting = {
  number: 4,
  short: "Counting bits",
  title: "Stretching costs bits, shrinking pays.",
  notes:
    "A likely picture needs few bits. Beat 1: stretch the noise, and its old curve no longer fits the dots; divided " +
    "by the stretching, it fits again, so stretching by two costs every value one bit. Beat 2: drag the dot; usual " +
    "noise and little stretching make a value cheap. Beat 3 adds up both terms for all values of the picture.",
  asked:
    "The bits of a picture are −log₂ of its probability, here shared out over its values. All three beats go " +
    "from noise to values; beat 3 goes back from the noise of no, one or more levels. In beat 2 the curve is a " +
    "flow of one dimension, fitted to the values of the middle pixel; in beat 3 it is the flow of the lesson, in " +
    "as many dimensions as there are values, where the stretching is the log-determinant: the sum of the " +
    "logarithms of all scales, of couplings and of the steps that mix channels. If the flow stopped after level " +
    "1 or 2, the values passed on would count as normal noise of the mean and spread that each channel has over " +
    "pictures. Only the running total has a meaning: how much of it a level saves depends on what the others do. " +
    "The values of byte v are v ± ½, so a density per grey level is the probability of a byte.",
  more: { page: "checkpoint" },
  cannot: ({ pack }) => (pack.head.probe ? null : "The values of one pixel are not known for this flow."),

  build(stage) {
    const { flow, traces, images, image, pack } = stage,
      curve = pack.head.probe,
      { values, name } = curve,
      [lowest, highest] = curve.range,
      whose = images[image].number === "own" ? "Your photo" : pack.head.faces ? "This face" : "This picture";
    let beat = BEATS.some(([key]) => key === stage.choice) ? stage.choice : "1",
      stretch = 1,
      counted = false,
      value = values[0],
      shownLevels = flow.levels.length,
      blend = beat === "1" ? 0 : 1,
      stop = () => {};

    // Every dot has a height of its own under the curve, spread evenly: the dots fill the area, however it is
    // stretched.
    const sorted = [...values].sort((a, b) => a - b);
    const dots = sorted.map((x, i) => ({ x, z: noiseOf(curve, x), part: (i * 0.618034 + 0.5) % 1 }));
    const grid = Array.from({ length: 141 }, (_, i) => (i / 70 - 1) * REACH).map((z) => ({
      z,
      x: valueWith(curve, z),
    }));
    const density = (x) => normal(noiseOf(curve, x)) / stretchAt(curve, x);
    const tallest = Math.max(...grid.map(({ x }) => density(x)));
    /** A value in the middle of all; the mean of what all cost. */
    const usual = sorted[Math.floor(sorted.length / 2)],
      bitsOf = ({ noise, stretch }) => noise + stretch,
      average = (sorted.reduce((sum, x) => sum + bitsOf(termsOf(curve, x)), 0) / sorted.length).toFixed(1);
    const levelsOf = (count) => (count ? `${count} level${count > 1 ? "s" : ""}` : "no level");
    const inSlice = (z) => EDGES.findIndex((edge, k) => k > 0 && z <= edge) - 1;
    const counts = EDGES.slice(1).map((_, k) =>
      dots.filter(({ z }) => inSlice(Math.max(-REACH, Math.min(REACH, z))) === k),
    );

    const running = [{ noise: 0, stretch: BLIND, count: 0 }, ...flow.running(traces, pack.head.flow.rest)];
    const total = (one) => one.noise + one.stretch;
    const pictures = [picture(images[image].bytes, pack.head.shape), ...states(flow, traces)];

    const view = surface(
      stage.host,
      (context, width, height) =>
        beat === "3" ? drawTotals(context, width, height) : drawCurves(context, width, height),
      "The noise of one pixel, the values that it becomes, and the bits that they need",
    );
    const canvas = view.canvas;

    /** The layout of beats 1 and 2: noise above, values below, a column to the right. */
    const plan = (width, height, size) => {
      const column = Math.min(260, 0.3 * width),
        right = width - column - 1.2 * size,
        line = 1.3 * size,
        top = line + 0.26 * (height - 3 * line),
        foot = height - line - 4;
      return { column, right, line, top, band: top + line + 10, foot };
    };
    const pixelOf = (x, right) => (right * (x - lowest)) / (highest - lowest);
    const onNoise = (z, right) => (right * (z / (REACH * WIDEST) + 1)) / 2;

    /** Where noise z stands below: x, and the heights of its dots and of the curve, in parts of the room. */
    const below = (z, x, right) => {
      const first = { x: onNoise(stretch * z, right), dot: normal(z) / stretch / 0.85, old: normal(z) / 0.85 };
      if (!blend) return { ...first, curve: counted ? first.dot : first.old };
      const t = ease(blend),
        high = (0.94 * density(x)) / tallest;
      return {
        x: mixed(first.x, pixelOf(x, right), t),
        dot: mixed(first.dot, high, t),
        old: first.old,
        curve: mixed(counted ? first.dot : first.old, high, t),
      };
    };

    function drawCurves(context, width, height) {
      const ink = colours(stage.stage),
        { column, right, line, top, band, foot } = plan(width, height, ink.size),
        room = foot - band - 34,
        fills = [ink.accent, ink.quiet, ink.accent, ink.quiet];
      context.font = `${ink.size}px ${ink.sans}`;
      context.textAlign = "left";
      const path = (points) => {
        context.beginPath();
        points.forEach(([x, y]) => context.lineTo(x, y));
      };
      const high = (top - line) / 0.42;
      context.save(); // the tails reach beyond the axis
      context.beginPath();
      context.rect(0, 0, right, height);
      context.clip();
      const slices = EDGES.slice(1).map((to, k) => grid.filter(({ z }) => z >= EDGES[k] - 1e-9 && z <= to + 1e-9));
      slices.forEach((slice, k) => {
        const upper = slice.map(({ z }) => [onNoise(z, right), top - normal(z) * high]),
          lower = slice.map(({ z, x }) => below(z, x, right)),
          [a, b] = [upper[0][0], upper.at(-1)[0]],
          [c, d] = [lower[0].x, lower.at(-1).x];
        context.fillStyle = fills[k];
        context.globalAlpha = 0.2;
        path([[a, top], ...upper, [b, top]]);
        context.fill();
        path([[c, foot], ...lower.map((one) => [one.x, foot - one.curve * room]), [d, foot]]);
        context.fill();
        context.globalAlpha = 0.1;
        context.fillRect(c, foot - room - 8, d - c, room + 8);
        path([
          [a, top],
          [b, top],
          [d, foot - room - 8],
          [c, foot - room - 8],
        ]);
        context.fill();
        context.globalAlpha = 1;
      });
      const radius = Math.max(2, Math.min(4, width / 300));
      for (const { x, z, part } of dots) {
        const at = below(z, x, right);
        context.fillStyle = fills[inSlice(Math.max(-REACH, Math.min(REACH, z)))];
        for (const [px, py] of [
          [onNoise(z, right), top - part * normal(z) * high],
          [at.x, foot - part * at.dot * room],
        ]) {
          context.beginPath();
          context.arc(px, py, radius, 0, 7);
          context.fill();
        }
      }
      context.strokeStyle = ink.ink;
      context.lineWidth = 2.5;
      path(grid.map(({ z }) => [onNoise(z, right), top - normal(z) * high]));
      context.stroke();
      const points = grid.map(({ z, x }) => below(z, x, right));
      path(points.map((one) => [one.x, foot - one.curve * room]));
      context.stroke();
      if (counted && blend < 0.5) {
        context.setLineDash([5, 5]);
        context.lineWidth = 1.5;
        path(points.map((one) => [one.x, foot - one.old * room]));
        context.stroke();
        context.setLineDash([]);
      }
      context.restore();
      context.lineWidth = 1.5;
      context.strokeStyle = ink.ink;
      for (const y of [top, foot]) {
        path([
          [0, y],
          [right, y],
        ]);
        context.stroke();
      }
      context.fillStyle = ink.quiet;
      context.fillText(width >= 640 ? "from noise" : "noise", 0, top - 8);
      context.textAlign = "center";
      counts.forEach((slice, k) => {
        const [from, to] = [EDGES[k], EDGES[k + 1]].map((z) => onNoise(Math.max(-2.1, Math.min(2.1, z)), right));
        if (to - from > 2.2 * ink.size) context.fillText(String(slice.length), (from + to) / 2, top + ink.size);
      });
      context.textAlign = "left";
      if (width >= 640) context.fillText("dots", 0, top + ink.size);
      if (beat === "1") {
        context.fillText("↓ stretched", 0, foot - room + 6);
        context.textAlign = "center";
        for (let z = -6; z <= 6; z += 2) context.fillText(minus(z), onNoise(z, right), foot + ink.size + 2);
      } else {
        context.fillText("↓ to values", 0, foot - room + 6);
        for (const x of [lowest, Math.round((lowest + highest) / 2), highest]) {
          context.textAlign = x === lowest ? "left" : x === highest ? "right" : "center";
          context.fillText(String(x), pixelOf(x, right), foot + ink.size + 2);
        }
      }
      context.textAlign = "left";
      if (beat === "1") drawArea(context, ink, width - column, column, line, foot);
      else if (blend === 1) {
        drawProbe(context, ink, right, { top, foot, room, high });
        const { noise, stretch: stretched } = termsOf(curve, value);
        drawColumn(
          context,
          ink,
          { x: width - column, width: 0.42 * column, top: line, foot, most: 12, names: width >= 640 },
          [
            ["noise", noise, ink.accent],
            ["stretching", stretched, ink.warm],
          ],
        );
        drawBlind(context, ink, width - column, width, line, foot, 12);
      }
    }

    function drawArea(context, ink, x, width, top, foot) {
      const size = area((v) => (counted ? normal(v / stretch) / stretch : normal(v / stretch)), -40, 40),
        unit = (foot - top) / 2.4;
      context.fillStyle = Math.abs(size - 1) < 0.005 ? ink.accent : ink.warm;
      context.fillRect(x, foot - size * unit, 0.42 * width, size * unit);
      context.fillStyle = ink.ink;
      context.font = `600 ${ink.size}px ${ink.sans}`;
      context.fillText(`area ${size.toFixed(1)}`, x, foot - size * unit - 8);
      context.font = `${ink.size}px ${ink.sans}`;
      context.strokeStyle = ink.ink;
      context.setLineDash([6, 5]);
      context.beginPath();
      context.moveTo(x, foot - unit);
      context.lineTo(x + width, foot - unit);
      context.stroke();
      context.setLineDash([]);
      context.fillStyle = ink.quiet;
      context.textAlign = "right";
      context.fillText(width < 160 ? "1" : "must be 1", x + width, foot - unit + 1.2 * ink.size);
      context.textAlign = "left";
    }

    /** The value that is dragged: its place below, its noise above. */
    function drawProbe(context, ink, right, { top, foot, room, high }) {
      const z = noiseOf(curve, value),
        shown = Math.max(-2 * REACH, Math.min(2 * REACH, z)),
        x = pixelOf(value, right);
      context.strokeStyle = context.fillStyle = ink.warm;
      context.lineWidth = 3;
      context.beginPath();
      context.moveTo(x, foot);
      context.lineTo(x, foot - room - 8);
      context.lineTo(onNoise(shown, right), top);
      context.lineTo(onNoise(shown, right), top - Math.max(4, normal(z) * high));
      context.stroke();
      for (const [px, py, radius] of [
        [x, foot, 12],
        [onNoise(shown, right), top - normal(z) * high, 7],
      ]) {
        context.beginPath();
        context.arc(px, py, radius, 0, 7);
        context.fill();
        context.strokeStyle = ink.paper;
        context.stroke();
      }
    }

    /** Terms on top of each other, their sum above; where there is room their names stand beside them. */
    function drawColumn(context, ink, { x, width, top, foot, most, names = true }, terms) {
      const unit = (foot - top) / most,
        [sum, ...written] = addedUp(terms.map(([, bits]) => bits));
      let y = foot;
      context.textAlign = "left";
      terms.forEach(([text, bits, colour], i) => {
        const high = Math.max(0, Math.min(bits * unit, y - top));
        context.fillStyle = colour;
        context.fillRect(x, y - high, width, high);
        context.fillStyle = ink.ink;
        const at = y - high / 2 + 0.35 * ink.size;
        if (text) context.fillText(`${names ? `${text} ` : ""}${written[i]}`, x + width + (names ? 8 : 5), at);
        y -= high;
      });
      context.font = `600 ${ink.size}px ${ink.sans}`; // beside the top: above it there may be the line of a blind guess
      context.fillText(`${sum}${names ? " bits" : ""}`, x + width + (names ? 8 : 5), y + ink.size);
      context.font = `${ink.size}px ${ink.sans}`;
    }

    function drawBlind(context, ink, from, to, top, foot, most) {
      const y = foot - (BLIND / most) * (foot - top);
      context.strokeStyle = ink.ink;
      context.lineWidth = 2;
      context.setLineDash([6, 5]);
      context.beginPath();
      context.moveTo(from, y);
      context.lineTo(to, y);
      context.stroke();
      context.setLineDash([]);
      context.fillStyle = ink.quiet;
      context.textAlign = "right";
      context.fillText("blind guess: 8", to, y - 8);
      context.textAlign = "left";
    }

    function drawTotals(context, width, height) {
      const ink = colours(stage.stage),
        small = width < 640,
        cell = width / running.length,
        side = Math.min(0.66 * cell, 0.32 * height), // a picture of halves is wider than high
        foot = height - side - 1.6 * ink.size,
        top = 1.5 * ink.size,
        most = Math.max(9, ...running.map(total)) + 0.4;
      context.font = `${ink.size}px ${ink.sans}`;
      running.forEach((one, l) => {
        if (l > shownLevels) return;
        const x = l * cell,
          bar = (small ? 0.44 : 0.36) * cell;
        context.drawImage(pictures[l], x, foot + 8, (side * pictures[l].width) / pictures[l].height, side);
        context.fillStyle = ink.quiet;
        context.fillText(levelsOf(l), x, height - 2);
        const terms = l
          ? [
              ["noise", one.noise, ink.accent],
              ["stretching", one.stretch, ink.warm],
            ]
          : [["", BLIND, ink.quiet]];
        drawColumn(context, ink, { x, width: bar, top, foot, most, names: !small }, terms);
      });
      drawBlind(context, ink, small ? 0 : 0.36 * cell, width, top, foot, most);
    }

    const say = () => {
      if (beat === "1") {
        const bits = Math.log2(stretch),
          size = (counted ? 1 : stretch).toFixed(1);
        if (Math.abs(bits) < 0.01)
          return stage.say("Each dot is one picture’s noise. Stretch the axis: does its curve still fit?");
        if (!counted)
          return stage.say(
            `${bits > 0 ? "Stretched" : "Shrunk"} to ×${stretch.toFixed(1)}: the old curve has area ${size}, so it counts wrong.`,
          );
        return stage.say(
          `Divided by ${stretch.toFixed(1)} it fits: every value costs ${Math.abs(bits).toFixed(1)} bits ${bits > 0 ? "more" : "less"}.`,
        );
      }
      if (beat === "2") {
        const { noise, stretch: stretched } = termsOf(curve, value),
          [sum, first, second] = addedUp([noise, stretched]);
        return stage.say(
          `${name} ${value}: noise ${first} + stretching ${second} = ${sum} bits; ` +
            (+sum > BLIND ? "rare values need over 8." : "a blind guess needs 8."),
        );
      }
      const { noise, stretch: stretched } = running[shownLevels],
        [bits, first, second] = addedUp([noise, stretched]);
      if (!shownLevels) return stage.say("A blind guess: all 256 values of a byte are equally likely, 8 bits.");
      if (shownLevels < flow.levels.length)
        return stage.say(`With ${levelsOf(shownLevels)}, the rest counted as noise: ${bits} bits per value.`);
      return stage.say(`${whose}: noise ${first} + stretching ${second} = ${bits} bits per value; blind guess 8.`);
    };
    const redraw = () => {
      view.redraw();
      say();
    };

    const controls = el("div", { className: "beat" });
    const stretching = slider({
      label: "Stretch",
      min: -1,
      max: 1,
      step: 0.02,
      value: 0,
      text: (v) => `×${(2 ** v).toFixed(1)}`,
      onmove: (v) => {
        stop();
        stretch = 2 ** v;
        redraw();
      },
    });
    const count = el(
      "button",
      {
        type: "button",
        "aria-pressed": "false",
        onclick: () => {
          counted = !counted;
          count.setAttribute("aria-pressed", String(counted));
          redraw();
        },
      },
      "Count the stretching",
    );
    const probing = slider({
      label: "Value",
      min: lowest,
      max: highest,
      step: 1,
      value,
      text: String,
      onmove: (v) => {
        stop();
        value = v;
        redraw();
      },
    });
    const levels = slider({
      label: "Levels",
      min: 0,
      max: flow.levels.length,
      step: 1,
      value: flow.levels.length,
      text: levelsOf,
      onmove: (v) => {
        stop();
        shownLevels = v;
        redraw();
      },
    });
    const caption = el("p", { className: "caption" });
    const probe = (v) => {
      value = Math.round(v);
      probing.input.value = String(value);
      probing.show();
    };

    const play = () => {
      stop();
      if (beat === "1")
        stop = animate((s) => {
          stretch = 2 ** ease((s - 0.6) / 1.6);
          stretching.input.value = String(Math.log2(stretch));
          stretching.show();
          redraw();
          return s < 2.2;
        });
      else if (beat === "2")
        stop = animate((s) => {
          blend = Math.min(1, s / 1.2);
          if (s > 1.2) probe(mixed(sorted[0], usual, ease((s - 1.2) / 2)));
          redraw();
          return s < 3.2;
        });
      else
        stop = animate((s) => {
          shownLevels = Math.min(flow.levels.length, Math.floor(s / 0.7));
          levels.input.value = String(shownLevels);
          levels.show();
          redraw();
          return shownLevels < flow.levels.length;
        });
    };
    const show = (to, moving) => {
      stop();
      beat = to;
      segments.pick(to, true);
      controls.replaceChildren(...{ 1: [stretching.row, count], 2: [probing.row], 3: [levels.row] }[to]);
      caption.textContent = {
        1: `Dots: one pixel’s ${name.toLowerCase()} in ${values.length} pictures, as noise. A density has area 1.`,
        2: `Dots: the ${name.toLowerCase()} of the middle pixel in ${values.length} pictures, on average ${average} bits. The curve is a small flow fitted to them.`,
        3: "Training minimises exactly this sum, over all pictures. Blue: how unusual the noise is. Orange: stretching; couplings scale as well as subtract, and the logarithms of the scales add up.",
      }[to];
      canvas.style.cursor = to === "2" ? "ew-resize" : "";
      blend = to === "2" ? 1 : 0;
      if (to === "1") {
        stretch = moving ? 1 : WIDEST;
        stretching.input.value = String(Math.log2(stretch));
        stretching.show();
      }
      if (to === "2") probe(moving ? sorted[0] : usual);
      shownLevels = to === "3" && moving ? 0 : flow.levels.length;
      levels.input.value = String(shownLevels);
      levels.show();
      redraw();
      if (moving) play();
    };
    const goTo = (to) => {
      stage.choose(to);
      show(to, !stage.reduced);
    };
    const segments = choices("Beat", BEATS, goTo, beat);
    stage.host.append(caption, el("div", { className: "beats" }, segments.row, controls));

    const point = (event) => {
      if (beat !== "2" || (event.type === "pointermove" && !event.buttons)) return;
      stop();
      blend = 1;
      const box = canvas.getBoundingClientRect(),
        { right } = plan(box.width, box.height, colours(stage.stage).size);
      if (event.type === "pointerdown") canvas.setPointerCapture(event.pointerId);
      probe(Math.min(highest, Math.max(lowest, lowest + ((event.clientX - box.left) / right) * (highest - lowest))));
      redraw();
    };
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("pointermove", point);
    canvas.style.touchAction = "pan-y";
    show(beat, !stage.reduced);

    /** One beat on or back; false where there is none. */
    const turn = (by) => {
      const to = BEATS[BEATS.findIndex(([key]) => key === beat) + by];
      if (to) goTo(to[0]);
      return Boolean(to);
    };
    return {
      play,
      turn,
      stop: () => {
        stop();
        view.stop();
      },
    };
  },
};
