// Letters of 16×16 in two inks, photographed: drawn as eiwflow/data/drawn.py does, from one sheet of ink.
import { SHEET } from "./letters16.js";

const SEED = 16,
  MAX_LIGHT = 0.15,
  MAX_GRAIN = 6,
  SWAPPED = 0.35;
/** Ranges of hue, saturation and value. */
const PAPER = [
    [0, 1],
    [0, 0.4],
    [0.78, 0.96],
  ],
  INK = [
    [0, 1],
    [0.4, 1],
    [0.12, 0.55],
  ];

/** Uniform numbers from a seed (mulberry32). */
function uniform(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function colour(ranges, draw) {
  const [hue, saturation, value] = ranges.map(([low, high]) => low + (high - low) * draw());
  return [5, 3, 1].map((of) => {
    const distance = (of + 6 * hue) % 6;
    return 255 * value * (1 - saturation * Math.max(0, Math.min(1, distance, 4 - distance)));
  });
}

/** Letters as bytes [picture][row][column][channel]: {train, test}, each {pixels, count}. */
export async function letters() {
  const { side, across, test, train, webp } = SHEET,
    bytes = Uint8Array.from(atob(webp), (c) => c.charCodeAt(0));
  const sheet = await createImageBitmap(new Blob([bytes], { type: "image/webp" })),
    canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [sheet.width, sheet.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(sheet, 0, 0);
  const { data } = context.getImageData(0, 0, sheet.width, sheet.height),
    ink = (n, i) => {
      const row = Math.floor(n / across) * side + Math.floor(i / side),
        column = (n % across) * side + (i % side);
      return data[4 * (row * sheet.width + column)] / 255;
    };
  const draw = uniform(SEED),
    normal = () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw()),
    values = side * side,
    pixels = new Uint8ClampedArray((test + train) * values * 3);
  for (let n = 0; n < test + train; n++) {
    const two = [colour(PAPER, draw), colour(INK, draw)];
    if (draw() < SWAPPED) two.reverse();
    const grain = MAX_GRAIN ** draw(),
      light = MAX_LIGHT * draw(),
      direction = 2 * Math.PI * draw();
    for (let i = 0; i < values; i++) {
      const u = (2 * (i % side)) / (side - 1) - 1,
        v = (2 * Math.floor(i / side)) / (side - 1) - 1,
        lit = 1 + light * (u * Math.cos(direction) + v * Math.sin(direction)),
        share = ink(n, i);
      for (let c = 0; c < 3; c++)
        pixels[(n * values + i) * 3 + c] = lit * (two[0][c] + share * (two[1][c] - two[0][c])) + grain * normal();
    }
  }
  const part = (from, count) => ({
    pixels: new Uint8Array(pixels.slice(from * values * 3, (from + count) * values * 3)),
    count,
  });
  return { test: part(0, test), train: part(test, train) };
}
