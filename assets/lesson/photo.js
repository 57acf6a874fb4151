// A visitor's photo: its middle square, in the size that a flow takes.
import { el } from "./draw.js";

/** Half of the width of Lanczos' window, in pixels of the smaller side. */
const LOBES = 3;

/** The middle square of a picture file as a canvas of at most `side` pixels, halved step by step: none is skipped. */
export async function squareOf(file, side) {
  const bitmap = await createImageBitmap(file),
    whole = Math.min(bitmap.width, bitmap.height);
  let canvas = el("canvas", { width: whole, height: whole }),
    now = whole;
  canvas
    .getContext("2d")
    .drawImage(bitmap, (bitmap.width - whole) / 2, (bitmap.height - whole) / 2, whole, whole, 0, 0, whole, whole);
  while (now > side) {
    const to = Math.max(side, now >> 1),
      small = el("canvas", { width: to, height: to });
    small.getContext("2d").drawImage(canvas, 0, 0, now, now, 0, 0, to, to);
    [canvas, now] = [small, to];
  }
  return canvas;
}

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos = (x) => (Math.abs(x) < LOBES ? sinc(x) * sinc(x / LOBES) : 0);

/** Rows of a picture [row][column][channel] at another width, rounded to bytes. */
function rowsAt(bytes, rows, width, channels, to) {
  const scale = width / to,
    wide = Math.max(1, scale),
    result = new Uint8ClampedArray(rows * to * channels);
  for (let col = 0; col < to; col++) {
    const middle = (col + 0.5) * scale,
      first = Math.max(0, Math.floor(middle - LOBES * wide + 0.5)),
      last = Math.min(width, Math.floor(middle + LOBES * wide + 0.5));
    const weights = Array.from({ length: last - first }, (_, i) => lanczos((i + first - middle + 0.5) / wide)),
      sum = weights.reduce((a, b) => a + b, 0);
    for (let row = 0; row < rows; row++)
      for (let c = 0; c < channels; c++) {
        let all = 0;
        weights.forEach((weight, i) => {
          all += weight * bytes[(row * width + first + i) * channels + c];
        });
        result[(row * to + col) * channels + c] = Math.floor(all / sum + 0.5);
      }
  }
  return result;
}

/** Rows and columns of a picture [row][column][channel] change places. */
function turned(bytes, rows, columns, channels) {
  const result = new Uint8ClampedArray(bytes.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      for (let k = 0; k < channels; k++)
        result[(c * rows + r) * channels + k] = bytes[(r * columns + c) * channels + k];
  return result;
}

/** A square picture [pixel][red, green, blue] at another side, by Lanczos' filter as the app uses it (Pillow). */
export function resampled(bytes, side, to) {
  const narrow = turned(rowsAt(bytes, side, side, 3, to), side, to, 3);
  return turned(rowsAt(narrow, to, side, 3, to), to, to, 3);
}

/** The bytes of a square canvas as a flow of a shape [height, width, channels] takes them. */
export function bytesOf(canvas, [height, , channels]) {
  const side = canvas.width,
    { data } = canvas.getContext("2d").getImageData(0, 0, side, side),
    colours = new Uint8ClampedArray(side * side * 3);
  for (let i = 0; i < side * side; i++)
    for (let c = 0; c < 3; c++) {
      const opaque = data[4 * i + 3] / 255; // transparent parts become white
      colours[3 * i + c] = Math.round(data[4 * i + c] * opaque + 255 * (1 - opaque));
    }
  const small = resampled(colours, side, height);
  if (channels === 3) return new Uint8Array(small);
  return Uint8Array.from({ length: height * height }, (_, i) =>
    Math.round(0.299 * small[3 * i] + 0.587 * small[3 * i + 1] + 0.114 * small[3 * i + 2]),
  );
}
