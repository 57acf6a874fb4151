// Scene 11 before anything is tried: what each of its three choices is, drawn from the faces and the flow at hand.
// Orange is the flow without a choice and blue the one with it, as in the curves that follow.
import { colours, mixed, picture } from "../draw.js";
import { normals } from "../flow.js";
import { louder, withGrain } from "./weights.js";

/** Couplings that are drawn, and the channels that each splits into halves. */
const COUPLINGS = 4,
  CHANNELS = 12;
/** What is drawn of each choice: without it, and with it. */
const LABELS = [
  ["mixed at random", "mixed to fit"],
  ["same volume", "louder, softer"],
  ["same half", "another each time"],
];
/** How strongly a choice is drawn that is not voted for. */
const PALE = 0.4;

/** Pairs of neighbours' values, of all pictures, from −1 to 1. */
function neighbours({ images, pack }) {
  const [height, width, channels] = pack.head.shape,
    at = (bytes, row, column) => bytes[(row * width + column) * channels] / 127.5 - 1;
  return images.flatMap(({ bytes }) =>
    Array.from({ length: (height * width) / 4 }, (_, i) => {
      const [row, column] = [2 * Math.floor((2 * i) / width), (2 * i) % width];
      return [at(bytes, row, column), at(bytes, row, column + 1)];
    }),
  );
}

/** The middle of points, and the angle of the direction in which they vary most. */
function mostOf(points) {
  const [x, y] = [0, 1].map((k) => points.reduce((sum, point) => sum + point[k], 0) / points.length),
    sum = (f) => points.reduce((all, [u, v]) => all + f(u - x, v - y), 0);
  return {
    x,
    y,
    angle:
      0.5 *
      Math.atan2(
        2 * sum((u, v) => u * v),
        sum((u, v) => u * u - v * v),
      ),
  };
}

/**
 * Draws the three choices into a canvas, side by side; the voted one is strong.
 * @param {any} stage
 * @returns {(context: CanvasRenderingContext2D, width: number, height: number, voted: number) => void}
 */
export function sketches(stage) {
  const { flow, images, pack } = stage,
    points = neighbours(stage),
    middle = mostOf(points),
    weighted = pack.head.flow.weights
      ? [flow.dequantise(images[0].bytes), withGrain(flow.dequantise(images[0].bytes))].map((values) => ({
          canvas: picture(Uint8Array.from(flow.quantise(values)), pack.head.shape),
          bars: louder(stage, values),
        }))
      : [];

  /** Values of neighbours, and the axes along which a first mix reads them: any, or those of the data. */
  function start(context, ink, whole) {
    const side = whole - 1.5 * ink.size,
      at = (point) => point.map((v, k) => (k ? 0 : (whole - side) / 2) + side * (0.5 + 0.48 * (k ? -v : v)));
    context.fillStyle = ink.quiet;
    for (const point of points) context.fillRect(at(point)[0] - 1, at(point)[1] - 1, 2, 2);
    const axes = (angle, colour) => {
      context.strokeStyle = colour;
      context.lineWidth = 3;
      context.beginPath();
      for (const [turn, long] of [
        [angle, 0.8],
        [angle + Math.PI / 2, 0.4],
      ])
        for (const end of [-long, long])
          context[end < 0 ? "moveTo" : "lineTo"](
            ...at([middle.x + end * Math.cos(turn), middle.y + end * Math.sin(turn)]),
          );
      context.stroke();
    };
    axes(middle.angle + 0.6, ink.warm);
    axes(middle.angle, ink.accent);
    context.fillStyle = ink.quiet;
    context.textAlign = "center";
    if (whole > 200) context.fillText("→ a pixel   ↑ its neighbour", whole / 2, whole - 4);
  }

  function weights(context, ink, side) {
    const tall = 0.5 * side - 6,
      most = Math.max(...weighted.flatMap(({ bars }) => bars.map(Math.abs)));
    weighted.forEach(({ canvas, bars }, i) => {
      const top = i * (tall + 12),
        left = tall + 10,
        step = (side - left) / bars.length;
      context.drawImage(canvas, 0, top, tall, tall);
      bars.forEach((bar, c) => {
        const high = tall * mixed(0.35, bar < 0 ? 0.05 : 1, Math.abs(bar) / most);
        context.fillStyle = ink.accent;
        context.fillRect(left + c * step + 2, top + tall - high, step - 4, high);
      });
      // Without weights all channels are read alike.
      context.fillStyle = ink.warm;
      context.fillRect(left, top + 0.65 * tall - 1.5, side - left, 3);
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

  return (context, width, height, voted) => {
    const ink = colours(stage.stage),
      column = width / 3,
      line = 1.5 * ink.size,
      labelled = column > 300,
      side = Math.min(column - 16, height - 8 - (labelled ? line : 0));
    context.font = `${ink.size}px ${ink.sans}`;
    [start, weights, halves].forEach((draw, i) => {
      context.save();
      context.globalAlpha = voted < 0 || voted === i ? 1 : PALE;
      LABELS[i].forEach((text, k) => {
        context.fillStyle = k ? ink.accent : ink.warm;
        context.textAlign = k ? "right" : "left";
        if (labelled) context.fillText(text, (i + k) * column + (k ? -24 : 24), ink.size);
      });
      context.translate(i * column + (column - side) / 2, height - side);
      draw(context, ink, side);
      context.restore();
    });
  };
}
