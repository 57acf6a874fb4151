// The plots of the playground: bits per value against steps, and the noise of a level beside the Gaussian.
import { normal } from "../curve.js";
import { BLIND_GUESS, number } from "../draw.js";

const NICE = [1, 2, 5];

/** The smallest of 100, 200, 500, 1,000 … that holds a number of steps. */
export function niceEnd(steps) {
  for (let power = 100; ; power *= 10) for (const first of NICE) if (first * power >= steps) return first * power;
}

/** Lower and upper end of the axis of bits: what was seen and the line beneath it, without what leaps far beyond. */
export function bitsAxis(curves, lines) {
  const seen = [
    ...lines,
    BLIND_GUESS,
    ...curves.flatMap(({ test, train }) => [...test, ...train].map(([, bits]) => bits)),
  ];
  const finite = seen.filter(Number.isFinite);
  return [Math.floor(2 * Math.min(...finite) - 0.2) / 2, Math.min(10, Math.ceil(2 * Math.max(...finite) + 0.2) / 2)];
}

/**
 * Draw curves of bits per value: {name, train: [step, bits][], test: [step, bits][], colour, dashed}; and a line across
 * for every [bits, name].
 */
export function drawCurves(context, width, height, { curves, lines, colours }) {
  const { ink, quiet, line, sans, size, paper } = colours;
  const small = Math.max(14, 0.875 * size),
    left = 1.9 * small,
    right = width - 0.5 * small,
    top = 1.3 * small,
    bottom = height - 1.5 * small;
  const last = Math.max(
      0,
      ...curves.flatMap(({ train, test }) => [...train.slice(-1), ...test.slice(-1)].map(([step]) => step)),
    ),
    end = niceEnd(last),
    [low, high] = bitsAxis(
      curves,
      lines.map(([bits]) => bits),
    );
  const x = (step) => left + ((right - left) * step) / end,
    y = (bits) => bottom - ((bottom - top) * (Math.min(high, bits) - low)) / (high - low);
  context.font = `${small}px ${sans}`;
  context.textBaseline = "middle";
  context.lineWidth = 1;
  for (let bits = Math.ceil(low); bits <= high; bits++) {
    context.strokeStyle = line;
    context.globalAlpha = 0.45;
    context.beginPath();
    context.moveTo(left, y(bits));
    context.lineTo(right, y(bits));
    context.stroke();
    context.globalAlpha = 1;
    context.fillStyle = quiet;
    context.textAlign = "right";
    context.fillText(String(bits), left - 6, y(bits));
  }
  context.textBaseline = "alphabetic";
  context.fillStyle = quiet;
  context.textAlign = "left";
  context.fillText("0", left, height - 3);
  context.fillText("bits per value: fewer is better", left, small);
  context.textAlign = "right";
  context.fillText(`${number(end)} steps`, right, height - 3);
  const stroke = (points, colour, wide, dash) => {
    context.strokeStyle = colour;
    context.lineWidth = wide;
    context.setLineDash(dash);
    context.beginPath();
    points.forEach(([step, bits], i) => context[i ? "lineTo" : "moveTo"](x(step), y(bits)));
    context.stroke();
    context.setLineDash([]);
  };
  context.save();
  context.beginPath();
  context.rect(left, 0, right - left + 2, bottom + 2);
  context.clip();
  context.lineJoin = "round";
  for (const { train, test, colour } of curves) {
    context.globalAlpha = 0.35;
    stroke(train, colour, 1.5, []);
    context.globalAlpha = 1;
    stroke(test, colour, 3, []);
  }
  context.restore();
  for (const [bits, name] of lines) {
    stroke(
      [
        [0, bits],
        [end, bits],
      ],
      ink,
      1.5,
      [6, 5],
    );
    written(context, name, right, y(bits) - 6, ink, paper);
  }
}

/** Text that ends at x, readable above lines. */
function written(context, text, x, y, ink, paper) {
  context.textAlign = "right";
  context.lineWidth = 4;
  context.strokeStyle = paper;
  context.lineJoin = "round";
  context.strokeText(text, x, y);
  context.fillStyle = ink;
  context.fillText(text, x, y);
}

/** How far a histogram of noise reaches on either side of 0. */
export const REACH = 4;

/** The standard deviation of a histogram between −REACH and REACH. */
export function spreadOf(shares) {
  const all = shares.reduce((sum, share) => sum + share, 0) || 1,
    at = (i) => REACH * ((2 * i + 1) / shares.length - 1),
    mean = shares.reduce((sum, share, i) => sum + share * at(i), 0) / all;
  return Math.sqrt(shares.reduce((sum, share, i) => sum + share * (at(i) - mean) ** 2, 0) / all);
}

/** Draw a histogram of noise between −REACH and REACH, shares of its bins, with the Gaussian's line over it. */
export function drawHistogram(context, width, height, { shares, fill, colours }) {
  const { ink, line } = colours,
    bins = shares?.length ?? 0,
    highest = 0.52,
    base = height - 2;
  context.fillStyle = fill;
  for (let i = 0; i < bins; i++) {
    const density = (shares[i] * bins) / (2 * REACH),
      tall = Math.min(1, density / highest) * (base - 2);
    context.fillRect((i * width) / bins, base - tall, Math.max(1, width / bins - 1), tall);
  }
  context.fillStyle = line;
  context.fillRect(0, base, width, 1);
  context.strokeStyle = ink;
  context.lineWidth = 2;
  context.beginPath();
  for (let i = 0; i <= 60; i++) {
    const z = REACH * (i / 30 - 1);
    context[i ? "lineTo" : "moveTo"]((i * width) / 60, base - (normal(z) / highest) * (base - 2));
  }
  context.stroke();
}
