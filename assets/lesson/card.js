// The result card of a picture: itself, what comes back, its bits, how many faces are less likely, three redraws.
import { el, picture } from "./draw.js";
import { normals } from "./flow.js";

const WIDE = 1200,
  HIGH = 675,
  SEEDS = [7, 8, 9];
const INK = "#1b2430",
  QUIET = "#55606c",
  PAPER = "#ffffff",
  ACCENT = "#0072b2";

/**
 * What the flow measures of a picture: its bits, its values that differ once it came back, by what share of known
 * pictures it is likelier (null where none are known), and the picture with level 1 drawn anew, three times.
 */
export function measured(flow, bytes, known) {
  const traces = flow.encode(flow.dequantise(bytes)),
    noises = traces.map(({ noise }) => noise),
    back = Uint8Array.from(flow.quantise(flow.decode(noises))),
    bits = flow.bitsPerDim(traces);
  return {
    bits,
    back,
    differ: back.reduce((count, v, i) => count + (v !== bytes[i]), 0),
    likelier: known?.length ? known.filter((one) => one > bits).length / known.length : null,
    redraws: SEEDS.map((seed) =>
      Uint8Array.from(flow.quantise(flow.decode([normals(seed, noises[0].length), ...noises.slice(1)]))),
    ),
  };
}

/** The card as a canvas. */
export function cardOf({ flow, bytes, shape, known, nouns }) {
  const { bits, back, differ, likelier, redraws } = measured(flow, bytes, known),
    canvas = el("canvas", { width: WIDE, height: HIGH, role: "img" }),
    context = canvas.getContext("2d"),
    sans = 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
  context.fillStyle = PAPER;
  context.fillRect(0, 0, WIDE, HIGH);
  context.imageSmoothingEnabled = false;
  const write = (text, x, y, size = 24, colour = INK, weight = 400) => {
    context.font = `${weight} ${size}px ${sans}`;
    context.fillStyle = colour;
    context.fillText(text, x, y, WIDE - x - 30);
  };
  const show = (of, x, y, side) => context.drawImage(picture(of, shape), x, y, side, side);
  const lines = [
    `${bits.toFixed(2)} bits per value`,
    likelier === null ? "" : `likelier than ${Math.round(100 * likelier)} % of ${known.length} ${nouns}`,
    differ ? `${differ} of ${bytes.length} values differ` : "back from its noise without one changed value",
  ].filter(Boolean);
  write("What a normalizing flow makes of this picture", 40, 60, 34, INK, 600);
  show(bytes, 40, 90, 250);
  write("the picture", 40, 368, 22, QUIET);
  show(back, 320, 90, 250);
  write("back from its noise", 320, 368, 22, QUIET);
  lines.forEach((line, i) => write(line, 610, i ? 150 + 50 * i : 150, i ? 28 : 44, i ? INK : ACCENT, i ? 400 : 600));
  write("A blind guess needs 8. Fewer bits: likelier.", 610, 340, 22, QUIET);
  redraws.forEach((of, i) => show(of, 40 + 230 * i, 400, 210));
  write("level 1, half of the values, drawn anew three times", 40, 645, 22, QUIET);
  write("EIW-Flow, the lesson", 760, 645, 22, QUIET);
  canvas.setAttribute("aria-label", lines.join(", "));
  return canvas;
}
