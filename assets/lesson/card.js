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
    differ: back.reduce((count, v, i) => count + Number(v !== bytes[i]), 0),
    likelier: known?.length ? known.filter((one) => one > bits).length / known.length : null,
    redraws: SEEDS.map((seed) =>
      Uint8Array.from(flow.quantise(flow.decode([normals(seed, noises[0].length), ...noises.slice(1)]))),
    ),
  };
}

/** The card as a canvas. */
function cardOf({ flow, bytes, shape, known, nouns }) {
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
    differ ? `${differ} of ${bytes.length} values differ` : "back from its noise: no value differs",
  ].filter(Boolean);
  write("What a normalizing flow makes of this picture", 40, 64, 40, INK, 600);
  show(bytes, 40, 92, 250);
  write("the picture", 40, 374, 26, QUIET);
  show(back, 310, 92, 250);
  write("back from its noise", 310, 374, 26, QUIET);
  lines.forEach((line, i) => write(line, 590, 150 + 58 * i, i ? 32 : 52, i ? INK : ACCENT, i ? 400 : 600));
  write("A blind guess needs 8. Fewer bits: likelier.", 590, 336, 26, QUIET);
  redraws.forEach((of, i) => show(of, 40 + 230 * i, 404, 210));
  write("level 1, half of the values, redrawn three times", 40, 650, 26, QUIET);
  write("EIW-Flow, the lesson", 880, 650, 26, QUIET);
  canvas.setAttribute("aria-label", lines.join(", "));
  return canvas;
}

/** The card over a host, to look at and to save. */
export function cardPanel(host, of) {
  const canvas = cardOf(of),
    close = el("button", { type: "button", onclick: () => card.remove() }, "Close"),
    save = el(
      "a",
      { className: "strong", download: "eiwflow-card.png", href: canvas.toDataURL("image/png") },
      "Save as PNG",
    ),
    card = el(
      "div",
      { className: "card-panel", role: "dialog", "aria-label": "Result card" },
      canvas,
      el("div", { className: "buttons" }, save, close),
    );
  host.append(card);
  save.focus({ preventScroll: true });
}
