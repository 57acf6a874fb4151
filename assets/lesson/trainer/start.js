// The start of a flow, computed from pictures as eiwflow/flow does it: ActNorm, principal channels, partitions, orders.
// Couplings are the identity at first, so that a start needs affine maps only; it is computed in float64.
import { HIDDEN } from "./engine.js";

const STD_FLOOR = 1e-3,
  LEAST_POWER = 1e-12;

/** A function that returns uniform numbers in 0 … 1, the same for the same seed and name. */
export function randomOf(seed, name) {
  let state = seed >>> 0;
  for (const letter of name) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A normal number from two uniform ones. */
export const normalOf = (uniform) => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

/** The numbers from 0 to n − 1 in a random order. */
export function shuffled(n, uniform) {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/**
 * Set all values of an engine at step 0: networks from the seed, the rest from x [image][row][column][channel].
 * Returns what was drawn, level by level: the partition's arrangements and the rotations.
 */
export function start(engine, x, images, seed) {
  drawNetworks(engine, seed);
  const { f, recipe, levels, trained, average, size } = engine;
  let input = Float64Array.from(x),
    [colours, height, width] = recipe.shape;
  const drawn = levels.map((level, l) => {
    const { channels, half, steps, last } = level;
    let y = squeezed(input, images, height, width, colours);
    // Without mixing ActNorm would leave all variances alike, so the channels' own count.
    const unmixed = recipe.mixing ? null : ranksOf(moments(y, channels).variance),
      uniform = randomOf(seed, `level ${l}`);
    let stands = null;
    steps.forEach((step, k) => {
      const { scale, bias } = actNorm(y, channels);
      const normed = affine(y, channels, diagonal(scale), bias);
      let matrix = identity(channels);
      if (recipe.mixing && recipe.start === "data") {
        if (k === 0) {
          const rotation = principalRotation(normed, channels);
          const principal = affine(normed, channels, rotation, new Float64Array(channels));
          const maps = { images, channels, height: height / 2, width: width / 2 };
          const wanted = last ? null : lastHalf(recipe.half, principal, maps);
          stands = arrangements(recipe, channels, wanted, uniform);
          matrix = inRows(rotation, stands[0]);
        } else matrix = rearrangement(stands[k - 1], stands[k]);
      } else if (recipe.mixing) matrix = randomRotation(channels, uniform);
      for (let c = 0; c < channels; c++) {
        f[trained + step.logScale + c] = Math.log(scale[c]);
        f[trained + step.shift + c] = bias[c];
      }
      setMatrix(engine, step, matrix, channels);
      y = affine(normed, channels, matrix, new Float64Array(channels));
    });
    height /= 2;
    width /= 2;
    if (!last) {
      const maps = { images, channels, height, width };
      level.order.set(orderOf(recipe.half, y, maps, stands?.at(-1) ?? unmixed, uniform));
      input = new Float64Array(y.length / 2);
      for (let r = 0, to = 0; r < y.length; r += channels)
        for (let c = 0; c < half; c++) input[to++] = y[r + level.order[c]];
      colours = half;
    }
    return stands;
  });
  f.copyWithin(average, trained, trained + size);
  f.fill(0, engine.first, engine.first + size);
  f.fill(0, engine.second, engine.second + size);
  return drawn;
}

/** Every convolution and linear layer from ±1/√(inputs × taps), biases 0; those that start at zero stay there. */
function drawNetworks({ f, parameters, trained, size }, seed) {
  f.fill(0, trained, trained + size);
  for (const { name, shape, at, size: own } of parameters) {
    const fresh = /network\.[02]\.weight$|hidden\.weight$/.test(name);
    if (!fresh) continue;
    const uniform = randomOf(seed, name),
      [outputs, inputs, kernel = 1] = shape,
      bound = 1 / Math.sqrt(inputs * kernel * kernel);
    const columns = shape.length === 4 ? own / (inputs * kernel * kernel) : HIDDEN,
      given = shape.length === 4 ? outputs : HIDDEN;
    for (let i = 0; i < own; i++) if (i % columns < given) f[trained + at + i] = bound * (2 * uniform() - 1);
  }
}

/** [image][row][column][channel] to the same of 2×2 patches: channel 4c + 2i + j is row i, column j of channel c. */
function squeezed(x, images, height, width, colours) {
  const y = new Float64Array(x.length),
    channels = 4 * colours;
  let from = 0;
  for (let n = 0; n < images; n++)
    for (let row = 0; row < height; row++)
      for (let col = 0; col < width; col++) {
        const place = (n * (height >> 1) + (row >> 1)) * (width >> 1) + (col >> 1),
          at = place * channels + 2 * (row & 1) + (col & 1);
        for (let c = 0; c < colours; c++) y[at + 4 * c] = x[from++];
      }
  return y;
}

function moments(x, channels) {
  const rows = x.length / channels,
    mean = new Float64Array(channels),
    variance = new Float64Array(channels);
  for (let r = 0; r < x.length; r += channels) for (let c = 0; c < channels; c++) mean[c] += x[r + c] / rows;
  for (let r = 0; r < x.length; r += channels)
    for (let c = 0; c < channels; c++) variance[c] += (x[r + c] - mean[c]) ** 2 / rows;
  return { mean, variance };
}

/** The scale and the bias with which each channel has mean 0 and spread 1. */
export function actNorm(x, channels) {
  const { mean, variance } = moments(x, channels),
    scale = variance.map((v) => (Math.sqrt(v) < STD_FLOOR ? 1 : 1 / Math.sqrt(v)));
  return { scale, bias: mean.map((m, c) => -m * scale[c]) };
}

/** The matrix with these values on its diagonal. */
export const diagonal = (values) => {
  const n = values.length;
  return new Float64Array(n * n).map((_, i) => (i % (n + 1) ? 0 : values[i / (n + 1)]));
};

const identity = (n) => diagonal(new Float64Array(n).fill(1));

/** matrix [output][input] times every row, plus bias. */
export function affine(x, n, matrix, bias) {
  const y = new Float64Array(x.length);
  for (let r = 0; r < x.length; r += n)
    for (let o = 0; o < n; o++) {
      let sum = bias[o];
      for (let i = 0; i < n; i++) sum += matrix[o * n + i] * x[r + i];
      y[r + o] = sum;
    }
  return y;
}

const inRows = (matrix, order) => {
  const n = order.length,
    out = new Float64Array(n * n);
  order.forEach((from, to) => {
    out.set(matrix.subarray(from * n, from * n + n), to * n);
  });
  return out;
};

/** The permutation matrix from one arrangement of channels to another. */
function rearrangement(before, after) {
  const n = before.length,
    place = new Int32Array(n),
    out = new Float64Array(n * n);
  before.forEach((channel, at) => {
    place[channel] = at;
  });
  after.forEach((channel, at) => {
    out[at * n + place[channel]] = 1;
  });
  return out;
}

/** The rotation to the principal channels, largest variance first; the largest entry of every row is positive. */
export function principalRotation(x, n) {
  const { mean } = moments(x, n),
    covariance = new Float64Array(n * n),
    rows = x.length / n;
  for (let r = 0; r < x.length; r += n)
    for (let i = 0; i < n; i++) {
      const v = (x[r + i] - mean[i]) / rows;
      for (let j = 0; j <= i; j++) covariance[i * n + j] += v * (x[r + j] - mean[j]);
    }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) covariance[j * n + i] = covariance[i * n + j];
  const vectors = jacobi(covariance, n),
    values = Float64Array.from({ length: n }, (_, i) => covariance[i * (n + 1)]),
    order = Array.from(values.keys()).sort((a, b) => values[b] - values[a]);
  const rotation = inRows(vectors, order);
  for (let i = 0; i < n; i++) {
    const row = rotation.subarray(i * n, i * n + n),
      largest = row.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
    if (largest < 0) for (let j = 0; j < n; j++) row[j] = -row[j];
  }
  return rotation;
}

/** Make a symmetric matrix diagonal by Jacobi's rotations, in place; returns its eigenvectors in rows. */
function jacobi(a, n) {
  const v = identity(n);
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0,
      on = 0;
    for (let p = 0; p < n; p++)
      for (let q = 0; q < n; q++) {
        if (p === q) on += a[p * n + p] ** 2;
        else off += a[p * n + q] ** 2;
      }
    if (off <= 1e-28 * on) break;
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        const apq = a[p * n + q];
        if (apq === 0) continue;
        const theta = (a[q * n + q] - a[p * n + p]) / (2 * apq),
          t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1)),
          c = 1 / Math.hypot(t, 1),
          s = t * c;
        for (let k = 0; k < n; k++) {
          const [x, y] = [a[k * n + p], a[k * n + q]];
          a[k * n + p] = c * x - s * y;
          a[k * n + q] = s * x + c * y;
        }
        for (let k = 0; k < n; k++) {
          const [x, y] = [a[p * n + k], a[q * n + k]];
          a[p * n + k] = c * x - s * y;
          a[q * n + k] = s * x + c * y;
          const [u, w] = [v[p * n + k], v[q * n + k]];
          v[p * n + k] = c * u - s * w;
          v[q * n + k] = s * u + c * w;
        }
      }
  }
  return v;
}

/** A random rotation, from normal numbers by Gram and Schmidt. */
export function randomRotation(n, uniform) {
  const q = new Float64Array(n * n).map(() => normalOf(uniform));
  for (let i = 0; i < n; i++) {
    const row = q.subarray(i * n, i * n + n);
    // twice, so that rounding does not count
    for (let again = 0; again < 2; again++)
      for (let j = 0; j < i; j++) {
        const other = q.subarray(j * n, j * n + n),
          dot = row.reduce((sum, v, k) => sum + v * other[k], 0);
        for (let k = 0; k < n; k++) row[k] -= dot * other[k];
      }
    const norm = Math.hypot(...row);
    for (let k = 0; k < n; k++) row[k] /= norm;
  }
  return q;
}

/** Set the 1×1 convolution W = P L U of a step to a matrix, by elimination with pivots. */
function setMatrix({ f, trained }, step, matrix, n) {
  const a = matrix.slice(),
    rows = Int32Array.from({ length: n }, (_, i) => i);
  for (let col = 0; col < n; col++) {
    let pivot = col;
    for (let r = col + 1; r < n; r++) if (Math.abs(a[r * n + col]) > Math.abs(a[pivot * n + col])) pivot = r;
    if (pivot !== col) {
      for (let k = 0; k < n; k++) [a[col * n + k], a[pivot * n + k]] = [a[pivot * n + k], a[col * n + k]];
      [rows[col], rows[pivot]] = [rows[pivot], rows[col]];
    }
    for (let r = col + 1; r < n; r++) {
      const factor = a[r * n + col] / a[col * n + col];
      a[r * n + col] = factor;
      if (factor) for (let k = col + 1; k < n; k++) a[r * n + k] -= factor * a[col * n + k];
    }
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      f[trained + step.lower + i * n + j] = j < i ? a[i * n + j] : 0;
      f[trained + step.upper + i * n + j] = j > i ? a[i * n + j] : 0;
    }
    f[trained + step.logDiagonal + i] = Math.log(Math.abs(a[i * n + i]));
    step.sign[i] = Math.sign(a[i * n + i]);
    step.permutation[rows[i]] = i; // row rows[i] of W is row i of L U
  }
}

const first = (n, count) => Uint8Array.from({ length: n }, (_, i) => Number(i < count));

/** Which channels the last two couplings of a level read and change: those of the order, where it looks at features. */
function lastHalf(half, principal, maps) {
  const n = maps.channels;
  if (half !== "entropy") return first(n, n / 2);
  const chosen = new Uint8Array(n);
  for (const channel of byRedundancy(principal, maps).slice(0, n / 2)) chosen[channel] = 1;
  return chosen;
}

/** The channels as they stand at each coupling, those that it reads first. */
function arrangements({ partition, steps }, n, last, uniform) {
  const channels = Array.from({ length: n }, (_, i) => i);
  if (partition === "alternating")
    return Array.from({ length: steps }, (_, k) => channels.map((_, i) => channels[(i + (k % 2) * (n / 2)) % n]));
  const halves = Array.from({ length: (steps + 1) >> 1 }, () => {
    const half = new Uint8Array(n);
    for (const channel of shuffled(n, uniform).slice(0, n / 2)) half[channel] = 1;
    const sum = channels.reduce((total, c) => total + (half[c] ? c : -c), 0);
    return sum <= 0 ? half : half.map((one) => 1 - one); // that of larger variance first
  });
  if (last) halves.splice(0, halves.length, ...halves.slice(1), last);
  const stands = halves.flatMap((half) => {
    const [a, b] = [channels.filter((c) => half[c]), channels.filter((c) => !half[c])];
    return [
      [...a, ...b],
      [...b, ...a],
    ];
  });
  return stands.slice(-steps);
}

/** The order of a level's channels, those that are passed on first. */
function orderOf(half, y, maps, principal, uniform) {
  const n = maps.channels,
    numbers = Array.from({ length: n }, (_, i) => i);
  if (half === "entropy") return byRedundancy(y, maps);
  if (half === "chance") return shuffled(n, uniform);
  if (half === "position") return numbers;
  const ranks = principal ?? ranksOf(moments(y, n).variance);
  return numbers.sort((a, b) => ranks[a] - ranks[b]);
}

/** The rank of every channel, 0 for the largest variance. */
function ranksOf(variance) {
  const order = Array.from(variance.keys()).sort((a, b) => variance[b] - variance[a]);
  return variance.map((_, channel) => order.indexOf(channel));
}

/** The channels by how far their entropy lies below that of white noise, on average; the most structure first. */
function byRedundancy(y, maps) {
  const values = redundancy(y, maps);
  return Array.from(values.keys()).sort((a, b) => values[b] - values[a]);
}

/** Half of (log variance − mean log power) of every channel, on average over images, up to a constant. */
export function redundancy(y, { images, channels, height, width }) {
  const pixels = height * width,
    sums = new Float64Array(channels),
    field = new Float64Array(pixels),
    /** Of white noise, the mean log power at a frequency that is its own mirror is log 2 lower. */
    mirrored = (j, k) => ((2 * j) % height === 0 && (2 * k) % width === 0 ? Math.LN2 : 0),
    bias = Float64Array.from({ length: pixels }, (_, p) => mirrored(Math.floor(p / width), p % width));
  const turn = (length, of) =>
    Float64Array.from({ length: length * length }, (_, i) =>
      of((2 * Math.PI * (i % length) * Math.floor(i / length)) / length),
    );
  const [cosDown, sinDown, cosAcross, sinAcross] = [height, width].flatMap((side) => [
      turn(side, Math.cos),
      turn(side, Math.sin),
    ]),
    re = new Float64Array(pixels),
    im = new Float64Array(pixels);
  for (let n = 0; n < images; n++)
    for (let c = 0; c < channels; c++) {
      let mean = 0;
      for (let p = 0; p < pixels; p++) {
        field[p] = y[(n * pixels + p) * channels + c];
        mean += field[p] / pixels;
      }
      for (let row = 0; row < height; row++)
        for (let k = 0; k < width; k++) {
          let a = 0,
            b = 0;
          for (let col = 0; col < width; col++) {
            const v = field[row * width + col] - mean;
            a += v * cosAcross[k * width + col];
            b -= v * sinAcross[k * width + col];
          }
          re[row * width + k] = a;
          im[row * width + k] = b;
        }
      let power = 0,
        logs = 0;
      for (let j = 0; j < height; j++)
        for (let k = 0; k < width; k++) {
          let a = 0,
            b = 0;
          for (let row = 0; row < height; row++) {
            const at = row * width + k,
              cos = cosDown[j * height + row],
              sin = sinDown[j * height + row];
            a += re[at] * cos + im[at] * sin;
            b += im[at] * cos - re[at] * sin;
          }
          if (j === 0 && k === 0) continue; // the mean, which is removed
          const p = (a * a + b * b) / pixels;
          power += p;
          logs += Math.log(p + LEAST_POWER) + bias[j * width + k];
        }
      const others = pixels - 1;
      sums[c] += (Math.log(power / others + LEAST_POWER) - logs / others) / 2 / images;
    }
  return sums;
}
