// Scene 11 before anything is tried: what each of its three choices is, drawn from the faces and the flow at hand.
// Orange is the flow without a choice and blue the one with it, as in the curves that follow.
import { colours, greyMap } from "../draw.js";
import { normals, squeeze } from "../flow.js";
import { actNorm, affine, diagonal, principalRotation, randomOf, randomRotation } from "../trainer/start.js";
import { cleanAndGrainy, pictureAndBars } from "./weights.js";

/** Rows of channels, couplings that are drawn, and the channels that each splits into halves. */
const ROWS = 6,
  COUPLINGS = 4,
  CHANNELS = 12;
/** What is drawn of each choice: without it, and with it. */
const LABELS = [
  ["random mix", "mixed, sorted"],
  ["none", "its own"],
  ["same half", "another each time"],
];
/** The seed of a random mix; so many standard deviations of a channel before its mix are one of grey after it. */
const SEED = 3,
  GREY = 1.5;

/** The channels of the first picture by a random mix, and by that which fits all pictures, as a flow starts with it. */
function mixesOf({ images, pack }) {
  const [height, width, colourCount] = pack.head.shape,
    n = 4 * colourCount,
    values = images.flatMap(({ bytes }) => [...squeeze(bytes, height, width, colourCount)]),
    { scale, bias } = actNorm(values, n),
    normed = affine(values, n, diagonal(scale), bias),
    first = normed.subarray(0, height * width * colourCount);
  return [randomRotation(n, randomOf(SEED, "mix")), principalRotation(normed, n)].map((rotation) => {
    const mixed = affine(first, n, rotation, new Float64Array(n));
    return Array.from({ length: n }, (_, c) => greyMap(mixed, n, c, height / 2, width / 2, 0, GREY));
  });
}

/**
 * What draws each of the three choices into a canvas, and its label.
 * @param {any} stage
 * @returns {{draw: (context: CanvasRenderingContext2D, width: number, height: number) => void, label: string}[]}
 */
export function sketches(stage) {
  const { images } = stage,
    mixes = mixesOf(stage),
    weighted = cleanAndGrainy(stage, images[0].bytes);

  /** The channels after a flow's first mix: two columns without a look at the data, two with it. */
  function start(context, ink, side) {
    const step = side / ROWS;
    mixes.forEach((maps, i) => {
      const left = i * (side - 2 * step);
      maps.forEach((map, c) => {
        context.drawImage(map, left + (c % 2) * step + 2, Math.floor(c / 2) * step + 2, step - 4, step - 4);
      });
      context.strokeStyle = i ? ink.accent : ink.warm;
      context.lineWidth = 3;
      context.strokeRect(left, 0, 2 * step, (maps.length / 2) * step);
    });
  }

  function weights(context, ink, side) {
    const tall = 0.5 * side - 6;
    weighted.forEach((one, i) => {
      const top = i * (tall + 12),
        line = tall + 10;
      pictureAndBars(context, one, { left: 0, top, side: tall, right: side, colour: ink.accent });
      // Without weights all channels are read alike.
      context.fillStyle = ink.warm;
      context.fillRect(line, top + 0.65 * tall - 1.5, side - line, 3);
    });
  }

  function halves(context, ink, side) {
    const step = side / (2 * COUPLINGS + 1),
      cell = side / CHANNELS;
    for (let k = 0; k < COUPLINGS; k++) {
      const draws = normals(40 + k, CHANNELS),
        middle = [...draws].sort((a, b) => a - b)[CHANNELS / 2];
      for (let c = 0; c < CHANNELS; c++)
        for (const random of [false, true]) {
          const read = random ? draws[c] < middle : c < CHANNELS / 2 === (k % 2 === 0);
          context.fillStyle = read ? (random ? ink.accent : ink.warm) : ink.line;
          context.fillRect(c * cell + 1, (k + (random ? COUPLINGS + 1 : 0)) * step, cell - 2, step - 3);
        }
    }
  }

  return [start, weights, halves].map((draw, i) => ({
    label: `Orange: ${LABELS[i][0]}. Blue: ${LABELS[i][1]}.`,
    draw: (context, width, height) => {
      const ink = colours(stage.stage),
        size = 0.8 * ink.size,
        line = 1.6 * size,
        side = Math.min(width, height - line);
      context.font = `${size}px ${ink.sans}`;
      LABELS[i].forEach((text, k) => {
        context.fillStyle = k ? ink.accent : ink.warm;
        context.textAlign = k ? "right" : "left";
        context.fillText(text, k * width, size);
      });
      context.translate((width - side) / 2, height - side);
      draw(context, ink, side);
    },
  }));
}
