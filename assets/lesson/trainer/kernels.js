// The products of a training: by WebAssembly with SIMD where there is any, otherwise the same in plain JavaScript.
// assembly/kernels.ts says how maps and weights lie in memory. Here places count floats, and 0 stands for no bias and no mask.
import { SIMD } from "./simd.js";

/** What becomes of a convolution's sums: as they are, ReLU, 0 where the mask is not positive, added to the output. */
export const PLAIN = 0;
export const RELU = 1;
export const MASK = 2;
export const ADD = 3;

/** The floats at the start of the memory that nobody uses: place 0 stands for nothing. */
export const RESERVED = 1024;

const PAGE = 65536;

const code = () => Uint8Array.from(atob(SIMD), (letter) => letter.charCodeAt(0));

/** Whether WebAssembly with SIMD computes here; without it a training takes about ten times as long. */
export const fast = () => typeof WebAssembly === "object" && WebAssembly.validate(code());

/** {simd, f, conv, convDw, columnSums, lerp, combine} with f a Float32Array of so many floats. */
export function kernels(floats, simd = true) {
  if (!simd || !fast()) return plain(new Float32Array(floats));
  const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * floats) / PAGE) + 1 });
  const { conv, conv_dw, column_sums, lerp, combine } = /** @type {any} */ (
    new WebAssembly.Instance(new WebAssembly.Module(code()), { env: { memory } }).exports
  );
  return {
    simd: true,
    f: new Float32Array(memory.buffer),
    conv: (x, xs, inputs, w, bias, y, ys, outputs, size, sign, mode, mask) =>
      conv(
        4 * x,
        xs,
        inputs,
        4 * w,
        4 * bias,
        4 * y,
        ys,
        outputs,
        size.height,
        size.width,
        size.images,
        size.kernel,
        sign,
        mode,
        4 * mask,
      ),
    convDw: (x, xs, inputs, dy, ys, outputs, dw, size) =>
      conv_dw(4 * x, xs, inputs, 4 * dy, ys, outputs, 4 * dw, size.height, size.width, size.images, size.kernel),
    columnSums: (x, stride, columns, rows, to) => column_sums(4 * x, stride, columns, rows, 4 * to),
    lerp: (to, a, b, count, t) => lerp(4 * to, 4 * a, 4 * b, count, t),
    combine: (to, a, b, count, u, v) => combine(4 * to, 4 * a, 4 * b, count, u, v),
  };
}

function plain(f) {
  const sums = new Float64Array(4);
  /** Add the products of one row of x and four outputs of w. */
  const add = (x, inputs, w, outputs) => {
    let [s0, s1, s2, s3] = [sums[0], sums[1], sums[2], sums[3]];
    for (let i = 0; i < inputs; i++, w += outputs) {
      const v = f[x + i];
      s0 += v * f[w];
      s1 += v * f[w + 1];
      s2 += v * f[w + 2];
      s3 += v * f[w + 3];
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
  };
  function conv(x, xs, inputs, w, bias, y, ys, outputs, { height, width, images, kernel }, sign, mode, mask) {
    const reach = kernel >> 1;
    for (let row = 0; row < height; row++)
      for (let col = 0; col < width; col++)
        for (let n = 0; n < images; n++)
          for (let o = 0; o < outputs; o += 4) {
            for (let j = 0; j < 4; j++) sums[j] = bias ? f[bias + o + j] : 0;
            for (let tap = 0; tap < kernel * kernel; tap++) {
              const r = row + sign * (((tap / kernel) | 0) - reach),
                c = col + sign * ((tap % kernel) - reach);
              if (r < 0 || c < 0 || r >= height || c >= width) continue;
              add(x + ((r * width + c) * images + n) * xs, inputs, w + tap * inputs * outputs + o, outputs);
            }
            const at = ((row * width + col) * images + n) * ys + o;
            for (let j = 0; j < 4; j++) {
              let sum = sums[j];
              if (mode === RELU) sum = Math.max(0, sum);
              else if (mode === MASK) sum = f[mask + at + j] > 0 ? sum : 0;
              else if (mode === ADD) sum += f[y + at + j];
              f[y + at + j] = sum;
            }
          }
  }
  function convDw(x, xs, inputs, dy, ys, outputs, dw, { height, width, images, kernel }) {
    const reach = kernel >> 1;
    f.fill(0, dw, dw + kernel * kernel * inputs * outputs);
    for (let tap = 0; tap < kernel * kernel; tap++)
      for (let row = 0; row < height; row++)
        for (let col = 0; col < width; col++) {
          const r = row + ((tap / kernel) | 0) - reach,
            c = col + (tap % kernel) - reach;
          if (r < 0 || c < 0 || r >= height || c >= width) continue;
          const from = x + (r * width + c) * images * xs,
            beside = dy + (row * width + col) * images * ys;
          for (let i = 0; i < inputs; i++)
            for (let o = 0; o < outputs; o += 4) {
              const at = dw + (tap * inputs + i) * outputs + o;
              let [s0, s1, s2, s3] = [f[at], f[at + 1], f[at + 2], f[at + 3]];
              for (let n = 0, u = from + i, v = beside + o; n < images; n++, u += xs, v += ys) {
                const value = f[u];
                s0 += value * f[v];
                s1 += value * f[v + 1];
                s2 += value * f[v + 2];
                s3 += value * f[v + 3];
              }
              f[at] = s0;
              f[at + 1] = s1;
              f[at + 2] = s2;
              f[at + 3] = s3;
            }
        }
  }
  function columnSums(x, stride, columns, rows, to) {
    const all = new Float64Array(columns);
    for (let r = 0, at = x; r < rows; r++, at += stride) for (let c = 0; c < columns; c++) all[c] += f[at + c];
    f.set(all, to);
  }
  function lerp(to, a, b, count, t) {
    for (let i = 0; i < count; i++) f[to + i] = f[a + i] + t * (f[b + i] - f[a + i]);
  }
  function combine(to, a, b, count, u, v) {
    for (let i = 0; i < count; i++) f[to + i] = u * f[a + i] + v * f[b + i];
  }
  return { simd: false, f, conv, convDw, columnSums, lerp, combine };
}
