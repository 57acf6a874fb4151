// Scene 4: how a flow counts bits, in three beats: two values, one value, and all values of a picture.
import { inBeats } from "../beats.js";
import { addedUp, BREADTH, noiseOf, normal, stretchAt, termsOf, valueWith } from "../curve.js";
import {
  animate,
  BLIND_GUESS,
  cap,
  colours,
  ease,
  el,
  maps,
  mixed,
  number,
  own,
  picture,
  slider,
  surface,
  word,
} from "../draw.js";
import { moons } from "./moons.js";

/** Noise is drawn from −REACH to REACH; a line goes from every half to its value. */
const REACH = 3.5,
  HALVES = Array.from({ length: 4 * REACH + 1 }, (_, i) => i / 2 - REACH);

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

/** How many times rarer so many bits are, in words. */
const times = (bits) => (2 ** bits < 10 ? (2 ** bits).toFixed(1) : number(Math.round(2 ** bits)));

/** The two parts of the bits, as they are called in every scene. */
export const UNUSUAL = "unusual noise";
export const STRETCHING = "stretching";

/** Two bars, of stretching and of unusual noise, beside each other. */
function drawTerms(context, ink, { x, width, top, foot, most }, { noise, stretch }) {
  const unit = (foot - top) / most,
    [, ...written] = addedUp([stretch, noise]),
    zero = foot + Math.min(0, stretch) * unit,
    bar = 0.46 * width;
  for (const [k, name, bits, colour] of [
    [0, STRETCHING, stretch, ink.warm],
    [1, UNUSUAL, noise, ink.quiet],
  ]) {
    const at = x + k * (width - bar),
      high = Math.max(0, Math.min(zero - top, bits * unit));
    context.fillStyle = colour;
    if (bits < 0) context.fillRect(at, zero, bar, -bits * unit);
    else context.fillRect(at, zero - high, bar, high);
    context.fillStyle = ink.ink;
    context.textAlign = "center";
    context.fillText(written[k], at + bar / 2, bits < 0 ? zero - 6 : zero - high - 6);
    const words = name.split(" "),
      long = words.some((one) => context.measureText(one).width > bar);
    if (long) context.textAlign = k ? "right" : "left";
    words.forEach((one, i) => {
      context.fillText(one, long ? at + k * bar : at + bar / 2, foot + (1.1 + i) * ink.size);
    });
  }
  context.textAlign = "left";
}

function drawBlind(context, ink, to, y) {
  context.strokeStyle = ink.ink;
  context.lineWidth = 2;
  context.setLineDash([6, 5]);
  context.beginPath();
  context.moveTo(0, y);
  context.lineTo(to, y);
  context.stroke();
  context.setLineDash([]);
  context.fillStyle = ink.quiet;
  context.fillText("blind guess: log₂ 256 = 8", 0, y - 8);
}

/** @type {import("../beats.js").Beat} */
const oneValue = {
  key: "2",
  label: "One value",
  title: "Bits: how far noise is stretched, and how unusual it is.",
  notes: "Drag the value: when does it need more than a blind guess?",

  build(stage, room, { controls, moving }) {
    const curve = stage.pack.head.probe,
      { values, name } = curve,
      [lowest, highest] = curve.range,
      sorted = [...values].sort((a, b) => a - b),
      /** The value of the picture: the last colour of its middle pixel. */
      [height, width, colourCount] = stage.pack.head.shape,
      { bytes } = stage.images[stage.image],
      its = bytes[((height >> 1) * width + (width >> 1)) * colourCount + colourCount - 1];
    let value = moving ? sorted[0] : its,
      stop = () => {};
    // Every dot has a height of its own under the curve, spread evenly: the dots fill the area.
    const dots = sorted.map((x, i) => ({ x, z: noiseOf(curve, x), part: (i * 0.618034 + 0.5) % 1 })),
      grid = Array.from({ length: 141 }, (_, i) => (i / 70 - 1) * REACH).map((z) => ({ z, x: valueWith(curve, z) })),
      density = (x) => normal(noiseOf(curve, x)) / stretchAt(curve, x),
      tallest = Math.max(...grid.map(({ x }) => density(x)));
    const hold = el("div", { className: "room" }),
      caption = el("p", { className: "caption large" });
    room.append(hold, caption);
    /** Noise above, values below, two bars to the right. */
    const plan = (width, height, size) => {
      const column = Math.min(230, Math.max(160, 0.3 * width)),
        line = 1.3 * size,
        top = line + 0.26 * (height - 3 * line);
      return { column, right: width - column - 1.2 * size, line, top, band: top + 10, foot: height - 2 * line - 4 };
    };
    const pixelOf = (x, right) => (right * (x - lowest)) / (highest - lowest),
      onNoise = (z, right) => (right * (z / REACH + 1)) / 2;
    const view = surface(
      hold,
      (context, width, height) => {
        const ink = colours(stage.stage),
          { column, right, line, top, band, foot } = plan(width, height, ink.size),
          room = foot - band - 34,
          high = (top - line) / 0.42,
          below = (x) => foot - ((0.94 * density(x)) / tallest) * room;
        context.font = `${ink.size}px ${ink.sans}`;
        const path = (points) => {
          context.beginPath();
          points.forEach(([x, y]) => context.lineTo(x, y));
        };
        context.save(); // the tails reach beyond the axis
        context.beginPath();
        context.rect(0, 0, right, height);
        context.clip();
        context.fillStyle = context.strokeStyle = ink.quiet;
        context.globalAlpha = 0.2;
        path([[0, top], ...grid.map(({ z }) => [onNoise(z, right), top - normal(z) * high]), [right, top]]);
        context.fill();
        path([[0, foot], ...grid.map(({ x }) => [pixelOf(x, right), below(x)]), [right, foot]]);
        context.fill();
        context.globalAlpha = 0.5;
        context.lineWidth = 1;
        for (const z of HALVES) {
          const x = pixelOf(valueWith(curve, z), right);
          path([
            [x, foot],
            [x, foot - room - 8],
            [onNoise(z, right), top],
          ]);
          context.stroke();
        }
        context.globalAlpha = 1;
        const radius = Math.max(2, Math.min(4, width / 300));
        context.fillStyle = ink.quiet;
        for (const { x, z, part } of dots)
          for (const [px, py] of [
            [onNoise(z, right), top - part * normal(z) * high],
            [pixelOf(x, right), foot - part * (foot - below(x))],
          ]) {
            context.beginPath();
            context.arc(px, py, radius, 0, 7);
            context.fill();
          }
        context.strokeStyle = ink.ink;
        context.lineWidth = 2.5;
        path(grid.map(({ z }) => [onNoise(z, right), top - normal(z) * high]));
        context.stroke();
        path(grid.map(({ x }) => [pixelOf(x, right), below(x)]));
        context.stroke();
        context.restore();
        // The breadth of noise, and the grey levels over which it is stretched here.
        const far = noiseOf(curve, value),
          stretched = BREADTH * stretchAt(curve, value);
        context.save();
        context.beginPath();
        context.rect(0, 0, right, height);
        context.clip();
        context.fillStyle = ink.warm;
        const [from, to] = [far - BREADTH / 2, far + BREADTH / 2].map((z) => onNoise(z, right)),
          [least, most] = [value - stretched / 2, value + stretched / 2].map((x) => pixelOf(x, right));
        context.globalAlpha = 0.18;
        path([
          [from, top],
          [to, top],
          [most, foot - room - 8],
          [most, foot],
          [least, foot],
          [least, foot - room - 8],
        ]);
        context.fill();
        context.globalAlpha = 1;
        context.fillRect(from, top - 3, to - from, 6);
        context.fillRect(least, foot - 3, most - least, 6);
        context.restore();
        context.strokeStyle = ink.ink;
        context.lineWidth = 1.5;
        for (const y of [top, foot]) {
          path([
            [0, y],
            [right, y],
          ]);
          context.stroke();
        }
        context.fillStyle = ink.quiet;
        const wide = right > 600;
        context.fillText(wide ? "noise: further out, more unusual" : "noise", 0, line);
        context.textAlign = "right"; // where the line of the value seldom passes
        const label = `${name.toLowerCase()} value${wide ? " of the centre pixel" : ""}`,
          long = context.measureText(label).width + 8;
        context.fillStyle = ink.paper;
        context.fillRect(right - 4 - long, top + 0.4 * ink.size, long + 4, 1.3 * ink.size);
        context.fillStyle = ink.quiet;
        context.fillText(label, right - 4, top + 1.4 * ink.size);
        context.textAlign = "left";
        for (const x of [lowest, Math.round((lowest + highest) / 2), highest]) {
          context.textAlign = x === lowest ? "left" : x === highest ? "right" : "center";
          context.fillText(String(x), pixelOf(x, right), foot + 12 + ink.size);
        }
        context.textAlign = "left";
        // The value that is dragged: its place below, its noise above.
        const z = noiseOf(curve, value),
          across = onNoise(Math.max(-REACH, Math.min(REACH, z)), right),
          x = pixelOf(value, right);
        context.strokeStyle = context.fillStyle = ink.ink;
        context.lineWidth = 3;
        path([
          [x, foot],
          [x, foot - room - 8],
          [across, top],
          [across, top - Math.max(4, normal(z) * high)],
        ]);
        context.stroke();
        context.fillStyle = ink.ink;
        for (const [px, py, r] of [
          [x, foot, 12],
          [across, top - normal(z) * high, 7],
        ]) {
          context.beginPath();
          context.arc(px, py, r, 0, 7);
          context.fill();
          context.strokeStyle = ink.paper;
          context.stroke();
        }
        drawTerms(context, ink, { x: width - column, width: column, top: line, foot, most: 12 }, termsOf(curve, value));
      },
      "The noise of one pixel, the values that it becomes, and the bits that one of them needs",
    );
    const draw = () => {
      const { noise, stretch } = termsOf(curve, value),
        [sum, first, second] = addedUp([stretch, noise]),
        all = number(Math.round(2 ** (stretch + noise)));
      view.redraw();
      caption.textContent = `Orange: noise stretched over ${times(stretch)} grey levels: ${first} bits. ${cap(UNUSUAL)} ×${times(noise)}: ${second} bits.`;
      stage.say(
        `Value ${value}: one time in ${all}, log₂ ${all} = ${sum} bits` +
          (+sum > BLIND_GUESS ? ": blind guessing is better." : " (a blind guess: 8)."),
      );
    };
    const control = slider({
      label: "Value",
      min: lowest,
      max: highest,
      step: 1,
      value,
      text: String,
      onmove: (v) => {
        stop();
        value = v;
        draw();
      },
    });
    controls.append(control.row);
    const set = (v) => {
      value = Math.round(Math.min(highest, Math.max(lowest, v)));
      control.input.value = String(value);
      control.show();
      draw();
    };
    const point = (event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      stop();
      const box = view.canvas.getBoundingClientRect(),
        { right } = plan(box.width, box.height, colours(stage.stage).size);
      if (event.type === "pointerdown") view.canvas.setPointerCapture(event.pointerId);
      set(lowest + ((event.clientX - box.left) / right) * (highest - lowest));
    };
    view.canvas.addEventListener("pointerdown", point);
    view.canvas.addEventListener("pointermove", point);
    Object.assign(view.canvas.style, { touchAction: "pan-y", cursor: "ew-resize" });
    const play = () => {
      stop();
      stop = animate((s) => {
        // From one end to the other, where noise is unusual, and back to the picture's.
        set(s < 3 ? mixed(sorted[0], sorted.at(-1), ease(s / 3)) : mixed(sorted.at(-1), its, ease((s - 3) / 1.5)));
        return s < 4.5;
      });
    };
    set(value);
    if (moving) play();
    return {
      play,
      stop: () => {
        stop();
        view.stop();
      },
    };
  },
};

/** @type {import("../beats.js").Beat} */
const allValues = {
  key: "3",
  label: "All values",
  title: "Predictions leave less to stretch: fewer bits, a likelier picture.",
  notes: "Drag the levels from none to all: the bits fall.",

  build(stage, room, { state, controls, keep, moving }) {
    const { flow, traces, images, image, pack } = stage,
      whose = images[image].number === "own" ? "Your photo" : pack.head.faces ? "This face" : "This picture",
      levelsOf = (count) => (count ? `${count} level${count > 1 ? "s" : ""}` : "no level"),
      running = [{ noise: 0, stretch: BLIND_GUESS }, ...flow.running(traces, pack.head.flow.rest)],
      total = (one) => one.stretch + one.noise,
      pictures = [picture(images[image].bytes, pack.head.shape), ...states(flow, traces)];
    const most = flow.levels.length;
    let shown = state !== "" ? Math.min(most, Math.max(0, Math.round(+state) || 0)) : moving ? 0 : most,
      stop = () => {};
    const hold = el("div", { className: "room" }),
      caption = el("p", { className: "caption" });
    room.append(hold, caption);
    const view = surface(
      hold,
      (context, width, height) => {
        const ink = colours(stage.stage),
          small = width < 800,
          cell = width / running.length,
          side = Math.min(0.66 * cell, 0.32 * height), // a picture of halves is wider than high
          foot = height - side - 1.6 * ink.size,
          top = (small ? 2.8 : 1.5) * ink.size,
          unit = (foot - top) / (Math.max(9, ...running.map(total)) + 0.4);
        context.font = `${ink.size}px ${ink.sans}`;
        running.forEach((one, l) => {
          if (l > shown) return;
          const x = l * cell,
            bar = (small ? 0.44 : 0.33) * cell,
            [sum, first, second] = addedUp([one.stretch, one.noise]);
          context.drawImage(pictures[l], x, foot + 8, (side * pictures[l].width) / pictures[l].height, side);
          context.fillStyle = ink.quiet;
          context.fillText(levelsOf(l), x, height - 2);
          let y = foot;
          for (const [name, written, bits, colour] of [
            [l ? STRETCHING : "", first, one.stretch, ink.warm],
            [UNUSUAL, second, one.noise, ink.quiet],
          ]) {
            const high = Math.max(0, Math.min(bits * unit, y - top));
            context.fillStyle = colour;
            context.fillRect(x, y - high, bar, high);
            context.fillStyle = ink.ink;
            const text = small || !name ? written : `${name} ${written}`;
            if (bits) context.fillText(text, x + bar + (small ? 5 : 8), y - high / 2 + 0.35 * ink.size);
            y -= high;
          }
          context.font = `600 ${ink.size}px ${ink.sans}`;
          if (l) context.fillText(`${sum}${small ? "" : " bits"}`, x, y - 6);
          context.font = `${ink.size}px ${ink.sans}`;
        });
        drawBlind(context, ink, width, foot - BLIND_GUESS * unit);
        if (small) context.fillText(`Orange: ${STRETCHING}. Grey: ${UNUSUAL}.`, 0, ink.size);
      },
      "The bits of the picture after each level: stretching and unusual noise",
    );
    const draw = () => {
      const { noise, stretch } = running[shown],
        [bits] = addedUp([stretch, noise]);
      view.redraw();
      caption.textContent = shown
        ? `In the mean noise is stretched over ${times(stretch)} grey levels: errors of predictions are ${stretch < BLIND_GUESS ? "small" : "large"}.`
        : "If the flow stopped there: bits per value, the mean over the whole picture.";
      stage.say(
        !shown
          ? "A blind guess: one of 256 grey levels, all alike: log₂ 256 = 8 bits."
          : shown < most
            ? `After ${word(shown)} level${shown > 1 ? "s" : ""}: ${bits} bits per value.`
            : `${whose}: ${bits} bits per value (bits/dim), ` +
              (+bits < BLIND_GUESS ? "not 8: few bits = high likelihood." : "over 8: many bits = low likelihood."),
      );
    };
    const control = slider({
      label: "Levels",
      min: 0,
      max: most,
      step: 1,
      value: shown,
      text: levelsOf,
      onmove: (v) => {
        stop();
        shown = v;
        draw();
        keep(v);
      },
    });
    controls.append(control.row);
    const play = () => {
      stop();
      stop = animate((s) => {
        const now = Math.min(most, Math.floor(s / 0.7));
        if (now !== shown || !now) {
          shown = now;
          control.input.value = String(shown);
          control.show();
          draw();
          keep(shown);
        }
        return shown < most;
      });
    };
    draw();
    if (moving && state === "") play();
    return {
      play,
      stop: () => {
        stop();
        view.stop();
      },
    };
  },
};

export const counting = {
  number: 4,
  short: "Counting bits",
  title: "Stretching costs bits, shrinking saves them.",
  notes: "Point at a cell of the grid: where do its points go?",
  asked:
    "Bits are −log₂ of a probability, shared out over all values. Two values: a flow of six affine " +
    "couplings, trained in this tab on 2,000 points. One value: a flow " +
    "of one dimension, fitted to the middle pixel of 256 pictures: the dots. Noise counts as 2.5 standard deviations " +
    "wide (√2π): a flat density so wide is as high as the Gaussian at its middle, where nothing is unusual. " +
    "All values: the flow of the lesson; its stretching is the " +
    "log-determinant, the sum of the logarithms of all scales. After level 1 or 2 the values passed " +
    "on count as normal noise of the mean and spread that each channel has over pictures.",
  more: { page: "checkpoint" },
  keepsChoice: true,
  build: (stage) => inBeats(stage, [moons, ...(stage.pack.head.probe ? [oneValue] : []), allValues]),
};
