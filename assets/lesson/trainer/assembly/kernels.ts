// The products of a flow's training, in AssemblyScript with SIMD: `npm run kernels` builds ../simd.js from this file.
//
// Feature maps are [row][column][image][channel], so that a convolution is, for every pixel and tap, a product of
// (images × inputs) by (inputs × outputs): no copies of patches, no padding. Weights are [tap][input][output].
// Places are byte addresses; the number of outputs is a multiple of 4. ../kernels.js has the same functions without SIMD.

const PLAIN = 0,
  RELU = 1,
  MASK = 2,
  ADD = 3;

@inline
function end(sum: v128, y: usize, mode: i32, mask: usize): void {
  if (mode == RELU) sum = v128.max<f32>(sum, f32x4.splat(0));
  else if (mode == MASK) sum = v128.and(sum, v128.gt<f32>(v128.load(mask), f32x4.splat(0)));
  else if (mode == ADD) sum = v128.add<f32>(sum, v128.load(y));
  v128.store(y, sum);
}

@inline
function mac(sum: v128, a: v128, b: v128): v128 {
  return v128.add<f32>(sum, v128.mul<f32>(a, b));
}

/**
 * y = convolution of x, with a bias or 0, and then by mode: as it is, ReLU, 0 where the mask (laid out as y) is not
 * positive, or added to y. sign is 1, or −1 for the gradient of the input. xs and ys: floats between two images.
 */
export function conv(
  x: usize, xs: i32, inputs: i32, w: usize, bias: usize, y: usize, ys: i32, outputs: i32,
  height: i32, width: i32, images: i32, kernel: i32, sign: i32, mode: i32, mask: usize,
): void {
  const reach = kernel >> 1,
    xStride = <usize>xs << 2,
    yStride = <usize>ys << 2,
    wStride = <usize>outputs << 2;
  for (let row = 0; row < height; row++)
    for (let col = 0; col < width; col++) {
      const place = <usize>((row * width + col) * images);
      let o = 0;
      while (o < outputs) {
        const wide = outputs - o >= 8;
        let n = 0;
        for (; n + 4 <= images; n += 4) {
          const first = bias && wide ? v128.load(bias + (<usize>o << 2)) : bias ? v128.load(bias + (<usize>o << 2)) : f32x4.splat(0);
          const second = bias && wide ? v128.load(bias + (<usize>o << 2), 16) : f32x4.splat(0);
          let a0 = first, a1 = first, a2 = first, a3 = first;
          let b0 = second, b1 = second, b2 = second, b3 = second;
          for (let dy = -reach; dy <= reach; dy++) {
            const r = row + sign * dy;
            if (<u32>r >= <u32>height) continue;
            for (let dx = -reach; dx <= reach; dx++) {
              const c = col + sign * dx;
              if (<u32>c >= <u32>width) continue;
              let x0 = x + (<usize>((r * width + c) * images + n)) * xStride;
              let x1 = x0 + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
              let v = w + (<usize>(((dy + reach) * kernel + dx + reach) * inputs * outputs + o) << 2);
              const stop = x0 + (<usize>inputs << 2);
              if (wide)
                while (x0 < stop) {
                  const v0 = v128.load(v), v1 = v128.load(v, 16);
                  let s = v128.load32_splat(x0);
                  a0 = mac(a0, s, v0);
                  b0 = mac(b0, s, v1);
                  s = v128.load32_splat(x1);
                  a1 = mac(a1, s, v0);
                  b1 = mac(b1, s, v1);
                  s = v128.load32_splat(x2);
                  a2 = mac(a2, s, v0);
                  b2 = mac(b2, s, v1);
                  s = v128.load32_splat(x3);
                  a3 = mac(a3, s, v0);
                  b3 = mac(b3, s, v1);
                  x0 += 4; x1 += 4; x2 += 4; x3 += 4;
                  v += wStride;
                }
              else
                while (x0 < stop) {
                  const v0 = v128.load(v);
                  a0 = mac(a0, v128.load32_splat(x0), v0);
                  a1 = mac(a1, v128.load32_splat(x1), v0);
                  a2 = mac(a2, v128.load32_splat(x2), v0);
                  a3 = mac(a3, v128.load32_splat(x3), v0);
                  x0 += 4; x1 += 4; x2 += 4; x3 += 4;
                  v += wStride;
                }
            }
          }
          const at = (place + n) * yStride + (<usize>o << 2);
          end(a0, y + at, mode, mask + at);
          end(a1, y + at + yStride, mode, mask + at + yStride);
          end(a2, y + at + 2 * yStride, mode, mask + at + 2 * yStride);
          end(a3, y + at + 3 * yStride, mode, mask + at + 3 * yStride);
          if (wide) {
            end(b0, y + at + 16, mode, mask + at + 16);
            end(b1, y + at + yStride + 16, mode, mask + at + yStride + 16);
            end(b2, y + at + 2 * yStride + 16, mode, mask + at + 2 * yStride + 16);
            end(b3, y + at + 3 * yStride + 16, mode, mask + at + 3 * yStride + 16);
          }
        }
        const last = o + (wide ? 8 : 4);
        for (; n < images; n++)
          for (let each = o; each < last; each += 4) {
            let sum = bias ? v128.load(bias + (<usize>each << 2)) : f32x4.splat(0);
            for (let dy = -reach; dy <= reach; dy++) {
              const r = row + sign * dy;
              if (<u32>r >= <u32>height) continue;
              for (let dx = -reach; dx <= reach; dx++) {
                const c = col + sign * dx;
                if (<u32>c >= <u32>width) continue;
                let x0 = x + (<usize>((r * width + c) * images + n)) * xStride;
                let v = w + (<usize>(((dy + reach) * kernel + dx + reach) * inputs * outputs + each) << 2);
                const stop = x0 + (<usize>inputs << 2);
                while (x0 < stop) {
                  sum = mac(sum, v128.load32_splat(x0), v128.load(v));
                  x0 += 4;
                  v += wStride;
                }
              }
            }
            const at = (place + n) * yStride + (<usize>each << 2);
            end(sum, y + at, mode, mask + at);
          }
        o = last;
      }
    }
}

/** dw = the gradient of a convolution's weights: for every tap, the sum over pixels and images of x times dy. */
export function conv_dw(
  x: usize, xs: i32, inputs: i32, dy: usize, ys: i32, outputs: i32, dw: usize,
  height: i32, width: i32, images: i32, kernel: i32,
): void {
  const reach = kernel >> 1,
    xStride = <usize>xs << 2,
    yStride = <usize>ys << 2,
    wStride = <usize>outputs << 2,
    taps = kernel * kernel;
  memory.fill(dw, 0, <usize>(taps * inputs) * wStride);
  for (let tap = 0; tap < taps; tap++) {
    const down = tap / kernel - reach,
      right = (tap % kernel) - reach;
    for (let row = 0; row < height; row++) {
      const r = row + down;
      if (<u32>r >= <u32>height) continue;
      for (let col = 0; col < width; col++) {
        const c = col + right;
        if (<u32>c >= <u32>width) continue;
        const xAt = x + (<usize>((r * width + c) * images)) * xStride,
          yAt = dy + (<usize>((row * width + col) * images)) * yStride,
          yEnd = yAt + <usize>images * yStride;
        let i = 0;
        while (i < inputs) {
          const tall = inputs - i >= 4;
          for (let o = 0; o < outputs; ) {
            const at = dw + (<usize>((tap * inputs + i) * outputs + o) << 2);
            let u = xAt + (<usize>i << 2),
              v = yAt + (<usize>o << 2);
            const stop = yEnd + (<usize>o << 2);
            if (tall && outputs - o >= 8) {
              let a0 = v128.load(at), b0 = v128.load(at, 16);
              let a1 = v128.load(at + wStride), b1 = v128.load(at + wStride, 16);
              let a2 = v128.load(at + 2 * wStride), b2 = v128.load(at + 2 * wStride, 16);
              let a3 = v128.load(at + 3 * wStride), b3 = v128.load(at + 3 * wStride, 16);
              while (v < stop) {
                const v0 = v128.load(v), v1 = v128.load(v, 16);
                let s = v128.load32_splat(u);
                a0 = mac(a0, s, v0);
                b0 = mac(b0, s, v1);
                s = v128.load32_splat(u, 4);
                a1 = mac(a1, s, v0);
                b1 = mac(b1, s, v1);
                s = v128.load32_splat(u, 8);
                a2 = mac(a2, s, v0);
                b2 = mac(b2, s, v1);
                s = v128.load32_splat(u, 12);
                a3 = mac(a3, s, v0);
                b3 = mac(b3, s, v1);
                u += xStride;
                v += yStride;
              }
              v128.store(at, a0); v128.store(at, b0, 16);
              v128.store(at + wStride, a1); v128.store(at + wStride, b1, 16);
              v128.store(at + 2 * wStride, a2); v128.store(at + 2 * wStride, b2, 16);
              v128.store(at + 3 * wStride, a3); v128.store(at + 3 * wStride, b3, 16);
              o += 8;
            } else if (tall) {
              let a0 = v128.load(at), a1 = v128.load(at + wStride);
              let a2 = v128.load(at + 2 * wStride), a3 = v128.load(at + 3 * wStride);
              while (v < stop) {
                const v0 = v128.load(v);
                a0 = mac(a0, v128.load32_splat(u), v0);
                a1 = mac(a1, v128.load32_splat(u, 4), v0);
                a2 = mac(a2, v128.load32_splat(u, 8), v0);
                a3 = mac(a3, v128.load32_splat(u, 12), v0);
                u += xStride;
                v += yStride;
              }
              v128.store(at, a0);
              v128.store(at + wStride, a1);
              v128.store(at + 2 * wStride, a2);
              v128.store(at + 3 * wStride, a3);
              o += 4;
            } else {
              let a0 = v128.load(at);
              while (v < stop) {
                a0 = mac(a0, v128.load32_splat(u), v128.load(v));
                u += xStride;
                v += yStride;
              }
              v128.store(at, a0);
              o += 4;
            }
          }
          i += tall ? 4 : 1;
        }
      }
    }
  }
}

/** to = the sums over the rows of a matrix, added up in double precision. stride: floats between two rows. */
export function column_sums(x: usize, stride: i32, columns: i32, rows: i32, to: usize): void {
  const step = <usize>stride << 2;
  for (let c = 0; c < columns; c += 4) {
    let low = f64x2.splat(0), high = f64x2.splat(0);
    let at = x + (<usize>c << 2);
    for (let r = 0; r < rows; r++, at += step) {
      const v = v128.load(at);
      low = v128.add<f64>(low, f64x2.promote_low_f32x4(v));
      high = v128.add<f64>(high, f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1)));
    }
    const two = f32x4.demote_f64x2_zero(high);
    v128.store(to + (<usize>c << 2), v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), two, 0, 2));
  }
}

/** to = a + t (b − a), of so many floats: a multiple of 4. */
export function lerp(to: usize, a: usize, b: usize, count: i32, t: f32): void {
  const part = f32x4.splat(t);
  for (const end = to + (<usize>count << 2); to < end; to += 16, a += 16, b += 16) {
    const from = v128.load(a);
    v128.store(to, mac(from, part, v128.sub<f32>(v128.load(b), from)));
  }
}

/** to = u a + v b, of so many floats: a multiple of 4. */
export function combine(to: usize, a: usize, b: usize, count: i32, u: f32, v: f32): void {
  const left = f32x4.splat(u), right = f32x4.splat(v);
  for (const end = to + (<usize>count << 2); to < end; to += 16, a += 16, b += 16)
    v128.store(to, mac(v128.mul<f32>(left, v128.load(a)), right, v128.load(b)));
}
