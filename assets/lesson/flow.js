// A multi-scale flow in plain JavaScript: the same map as eiwflow.flow, image to latents and back.
// Feature maps are Float64Array in the layout [pixel][channel]; images are RGB bytes [pixel][channel].

const LOG_WEIGHT_BOUND = 2,
  WEIGHT_REACH = 4,
  VARIANCE_FLOOR = 1e-4,
  POWER_FLOOR = 1e-4,
  PRIOR_BOUND = 4;

/** Read a pack: [u32 length][JSON][blobs]. A reference {at, shape} in the JSON points to float32 values behind it. */
export function readPack(bytes) {
  const copy = bytes.slice(); // its own buffer, so that float32 values are aligned
  const length = new DataView(copy.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(copy.subarray(4, 4 + length)));
  const start = 4 + length;
  const floats = ({ at, shape }) =>
    new Float32Array(
      copy.buffer,
      start + at,
      shape.reduce((a, b) => a * b, 1),
    );
  const blob = ({ at, size }) => copy.subarray(start + at, start + at + size);
  return { head, floats, blob };
}

/** The bytes of the pack at an address. */
export async function askForPack(url) {
  return new Uint8Array(await (await fetch(url)).arrayBuffer());
}

let patches = new Float64Array(0); // one buffer for all convolutions: each fills it anew

/** The patches under the kernel, [pixel][row][column][input], `beyond` where they reach beyond the edges. */
function patchesOf(x, height, width, reach, inputs, beyond) {
  const taps = (2 * reach + 1) ** 2 * inputs,
    count = height * width * taps;
  if (patches.length < count) patches = new Float64Array(count);
  patches.fill(beyond, 0, count);
  for (let row = 0; row < height; row++)
    for (let col = 0; col < width; col++) {
      let to = (row * width + col) * taps;
      for (let dy = -reach; dy <= reach; dy++)
        for (let dx = -reach; dx <= reach; dx++, to += inputs) {
          const r = row + dy,
            c = col + dx;
          if (r < 0 || c < 0 || r >= height || c >= width) continue;
          const from = (r * width + c) * inputs;
          for (let i = 0; i < inputs; i++) patches[to + i] = x[from + i];
        }
    }
  return patches;
}

/** Convolution of stride 1, padded with the layer's value: x [pixel][inputs] to [pixel][outputs]. */
export function convolve(x, height, width, layer) {
  const { kernel, inputs, outputs, weight, bias } = layer,
    pixels = height * width,
    taps = kernel * kernel * inputs;
  const y = new Float64Array(pixels * outputs),
    columns = kernel > 1 ? patchesOf(x, height, width, kernel >> 1, inputs, layer.pad) : x;
  let o = 0;
  for (; o + 4 <= outputs; o += 4) {
    // four outputs of two pixels at once: each weight is read for both
    const w0 = o * taps,
      w1 = w0 + taps,
      w2 = w1 + taps,
      w3 = w2 + taps;
    let p = 0;
    for (; p + 2 <= pixels; p += 2) {
      const a = p * taps,
        b = a + taps;
      let s0 = bias[o],
        s1 = bias[o + 1],
        s2 = bias[o + 2],
        s3 = bias[o + 3],
        t0 = s0,
        t1 = s1,
        t2 = s2,
        t3 = s3;
      for (let k = 0; k < taps; k++) {
        const v = columns[a + k],
          u = columns[b + k],
          m0 = weight[w0 + k],
          m1 = weight[w1 + k],
          m2 = weight[w2 + k],
          m3 = weight[w3 + k];
        s0 += v * m0;
        s1 += v * m1;
        s2 += v * m2;
        s3 += v * m3;
        t0 += u * m0;
        t1 += u * m1;
        t2 += u * m2;
        t3 += u * m3;
      }
      const at = p * outputs + o,
        next = at + outputs;
      y[at] = s0;
      y[at + 1] = s1;
      y[at + 2] = s2;
      y[at + 3] = s3;
      y[next] = t0;
      y[next + 1] = t1;
      y[next + 2] = t2;
      y[next + 3] = t3;
    }
    for (; p < pixels; p++)
      for (let q = o; q < o + 4; q++) y[p * outputs + q] = dot(columns, p * taps, weight, q * taps, taps, bias[q]);
  }
  for (; o < outputs; o++)
    for (let p = 0; p < pixels; p++) y[p * outputs + o] = dot(columns, p * taps, weight, o * taps, taps, bias[o]);
  return y;
}

function dot(x, a, y, b, count, start) {
  let s = start;
  for (let k = 0; k < count; k++) s += x[a + k] * y[b + k];
  return s;
}

function network(x, height, width, layers) {
  let y = x;
  layers.forEach((layer, number) => {
    y = convolve(y, height, width, layer);
    if (number < layers.length - 1) for (let i = 0; i < y.length; i++) if (y[i] < 0) y[i] = 0;
  });
  return y;
}

/** The affine map of ActNorm and 1×1 convolution at every pixel: matrix [out][in], bias [out]. */
function mix(x, channels, matrix, bias) {
  const y = new Float64Array(x.length);
  for (let p = 0; p < x.length; p += channels)
    for (let o = 0; o < channels; o++) {
      let s = bias[o];
      for (let i = 0; i < channels; i++) s += matrix[o * channels + i] * x[p + i];
      y[p + o] = s;
    }
  return y;
}

/** The first channels, so many of them, and the others. */
export function cut(x, channels, count) {
  const pixels = x.length / channels,
    rest = channels - count,
    a = new Float64Array(pixels * count),
    b = new Float64Array(pixels * rest);
  for (let p = 0; p < pixels; p++) {
    for (let i = 0; i < count; i++) a[p * count + i] = x[p * channels + i];
    for (let i = 0; i < rest; i++) b[p * rest + i] = x[p * channels + count + i];
  }
  return [a, b];
}

/** The inverse of cut: the channels of a, then those of b. */
export function join(a, b, channels) {
  const y = new Float64Array(a.length + b.length),
    pixels = y.length / channels,
    count = a.length / pixels,
    rest = channels - count;
  for (let p = 0; p < pixels; p++) {
    for (let i = 0; i < count; i++) y[p * channels + i] = a[p * count + i];
    for (let i = 0; i < rest; i++) y[p * channels + count + i] = b[p * rest + i];
  }
  return y;
}

/** Output channel 4c + 2i + j is row i, column j of the 2×2 patches of channel c. */
export function squeeze(x, height, width, channels) {
  const y = new Float64Array(x.length),
    w = width / 2;
  for (let r = 0; r < height; r++)
    for (let c = 0; c < width; c++)
      for (let k = 0; k < channels; k++)
        y[((r >> 1) * w + (c >> 1)) * 4 * channels + 4 * k + 2 * (r & 1) + (c & 1)] = x[(r * width + c) * channels + k];
  return y;
}

/** The inverse of squeeze; height, width and channels are those of the result. */
export function unsqueeze(y, height, width, channels) {
  const x = new Float64Array(y.length),
    w = width / 2;
  for (let r = 0; r < height; r++)
    for (let c = 0; c < width; c++)
      for (let k = 0; k < channels; k++)
        x[(r * width + c) * channels + k] = y[((r >> 1) * w + (c >> 1)) * 4 * channels + 4 * k + 2 * (r & 1) + (c & 1)];
  return x;
}

function inOrder(x, order) {
  const y = new Float64Array(x.length),
    n = order.length;
  for (let p = 0; p < x.length; p += n) for (let j = 0; j < n; j++) y[p + j] = x[p + order[j]];
  return y;
}

function backInOrder(y, order) {
  const x = new Float64Array(y.length),
    n = order.length;
  for (let p = 0; p < y.length; p += n) for (let j = 0; j < n; j++) x[p + order[j]] = y[p + j];
  return x;
}

/** log ω of one part of the channels from the spatial means and log variances of the other. */
function solve(x, channels, solver) {
  const pixels = x.length / channels,
    pooled = new Float64Array(2 * channels);
  for (let c = 0; c < channels; c++) {
    let mean = 0,
      variance = 0;
    for (let p = 0; p < pixels; p++) mean += x[p * channels + c];
    mean /= pixels;
    for (let p = 0; p < pixels; p++) variance += (x[p * channels + c] - mean) ** 2;
    pooled[c] = mean;
    pooled[channels + c] = Math.log(variance / pixels + VARIANCE_FLOOR);
  }
  const hidden = convolve(pooled, 1, 1, solver.hidden);
  for (let i = 0; i < hidden.length; i++) hidden[i] = Math.max(0, hidden[i]);
  return convolve(hidden, 1, 1, solver.out).map((s) => LOG_WEIGHT_BOUND * Math.tanh(s / LOG_WEIGHT_BOUND));
}

/** What a coupling's weights follow from, a value a channel: its entropy in nats, its mean, or nothing, which is 0. */
function statistics(x, channels, of) {
  if (of === "constant") return new Float64Array(channels);
  const pixels = x.length / channels,
    sums = new Float64Array(channels);
  for (let p = 0; p < x.length; p += channels)
    for (let c = 0; c < channels; c++) sums[c] += of === "means" ? x[p + c] : x[p + c] ** 2;
  return sums.map((sum) => (of === "means" ? sum / pixels : Math.log(sum / pixels + POWER_FLOOR) / 2));
}

/** The weights ω, none further than WEIGHT_REACH from 1, of the channels that a coupling's network reads, then of those that it gives. */
function couplingWeights(x, channels, { of, hidden, out }) {
  const y = convolve(statistics(x, channels, of), 1, 1, hidden).map((v) => Math.max(0, v));
  return convolve(y, 1, 1, out).map((v) => 1 + WEIGHT_REACH * Math.tanh(v / WEIGHT_REACH));
}

function times(x, factors) {
  const n = factors.length,
    y = new Float64Array(x.length);
  for (let p = 0; p < x.length; p += n) for (let c = 0; c < n; c++) y[p + c] = x[p + c] * factors[c];
  return y;
}

function scaled(x, logs, sign) {
  return times(
    x,
    logs.map((log) => Math.exp(sign * log)),
  );
}

/** The inverse of a square matrix [row][column], by elimination with pivots. */
export function inverted(matrix) {
  const n = Math.sqrt(matrix.length),
    a = matrix.slice(),
    b = new Float64Array(n * n);
  for (let i = 0; i < n; i++) b[i * n + i] = 1;
  for (let col = 0; col < n; col++) {
    let pivot = col;
    for (let r = col + 1; r < n; r++) if (Math.abs(a[r * n + col]) > Math.abs(a[pivot * n + col])) pivot = r;
    for (let k = 0; k < n; k++)
      for (const m of [a, b]) [m[col * n + k], m[pivot * n + k]] = [m[pivot * n + k], m[col * n + k]];
    const scale = 1 / a[col * n + col];
    for (let k = 0; k < n; k++) {
      a[col * n + k] *= scale;
      b[col * n + k] *= scale;
    }
    for (let r = 0; r < n; r++) {
      const factor = a[r * n + col];
      if (r === col || !factor) continue;
      for (let k = 0; k < n; k++) {
        a[r * n + k] -= factor * a[col * n + k];
        b[r * n + k] -= factor * b[col * n + k];
      }
    }
  }
  return b;
}

/** log |det| of a square matrix, by elimination with pivots. */
export function logDeterminant(matrix) {
  const n = Math.sqrt(matrix.length),
    a = matrix.slice();
  let sum = 0;
  for (let col = 0; col < n; col++) {
    let pivot = col;
    for (let r = col + 1; r < n; r++) if (Math.abs(a[r * n + col]) > Math.abs(a[pivot * n + col])) pivot = r;
    for (let k = col; k < n; k++) [a[col * n + k], a[pivot * n + k]] = [a[pivot * n + k], a[col * n + k]];
    sum += Math.log(Math.abs(a[col * n + col]));
    for (let r = col + 1; r < n; r++) {
      const factor = a[r * n + col] / a[col * n + col];
      if (factor) for (let k = col; k < n; k++) a[r * n + k] -= factor * a[col * n + k];
    }
  }
  return sum;
}

/** The sum of numbers. */
export const total = (x) => x.reduce((a, b) => a + b, 0);

/** One level of the flow. */
export class Level {
  constructor(spec, floats) {
    const layer = (l) => ({
      ...l,
      weight: Float64Array.from(floats(l.weight)),
      bias: Float64Array.from(floats(l.bias)),
    });
    const map = (m) => {
      const matrix = Float64Array.from(floats(m.matrix)),
        bias = Float64Array.from(floats(m.bias)),
        back = inverted(matrix);
      return {
        forward: { matrix, bias },
        inverse: { matrix: back, bias: mix(bias, bias.length, back, new Float64Array(bias.length)).map((v) => -v) },
      };
    };
    this.number = spec.number;
    this.channels = spec.channels;
    this.height = spec.height;
    this.width = spec.width;
    this.bound = spec.bound;
    this.coupling = spec.coupling;
    this.kept = spec.order ? spec.kept : 0; // channels that go on
    this.gone = spec.channels - this.kept; // channels that are factored out
    this.order = spec.order; // channel numbers, those that go on first; null at the last level
    const weights = (w) => w && { of: w.of, hidden: layer(w.hidden), out: layer(w.out) };
    this.steps = spec.steps.map((s) => ({ ...map(s), network: s.network.map(layer), weights: weights(s.weights) }));
    /** How many multiplications the networks of all couplings take for one picture. */
    this.multiplications =
      spec.height * spec.width * total(this.steps.flatMap(({ network }) => network.map(({ weight }) => weight.length)));
    this.logDetOfMaps = spec.height * spec.width * total(this.steps.map((step) => logDeterminant(step.forward.matrix)));
    const solver = (s) => ({ hidden: layer(s.hidden), out: layer(s.out) });
    this.weights = spec.weights && { kept: solver(spec.weights.kept), emitted: solver(spec.weights.emitted) };
    const constant = (values) => {
      const [mean, logStd] = cut(Float64Array.from(floats(values)), 2 * this.gone, this.gone);
      return { mean, logStd };
    };
    this.prior = spec.prior?.weight && layer(spec.prior);
    this.constant = spec.prior?.constant ? constant(spec.prior.constant) : spec.top && constant(spec.top);
  }

  /** The weights ω of what a step's network reads and gives, from the half that decides; null where it has none. */
  couplingWeights(step, decides) {
    if (!step.weights) return null;
    if (step.frozen) return step.frozen;
    const half = this.channels / 2,
      all = couplingWeights(decides, half, step.weights);
    return { read: all.slice(0, half), given: all.slice(half) };
  }

  /** The coupling's log-scale s and shift t from the half that decides. */
  affine(step, decides) {
    const weights = this.couplingWeights(step, decides),
      read = weights ? times(decides, weights.read) : decides,
      raw = network(read, this.height, this.width, step.network),
      out = weights ? times(raw, weights.given) : raw,
      { bound, coupling } = this;
    if (coupling === "additive") return { logScale: new Float64Array(out.length), shift: out };
    const [logScale, shift] = cut(out, this.channels, this.channels / 2);
    for (let i = 0; i < logScale.length; i++) {
      if (coupling === "bounded") {
        logScale[i] = bound * Math.tanh(logScale[i] / bound);
        continue;
      }
      // Maps of other code: they shift before they scale.
      if (coupling !== "exp") logScale[i] = (coupling === "sigmoid" ? -1 : 1) * Math.log1p(Math.exp(-logScale[i] - 2));
      shift[i] *= Math.exp(logScale[i]);
    }
    return { logScale, shift };
  }

  /**
   * Features behind step k, for every k; look, where it is given, is told what each coupling does. A broken level's
   * networks read the half that they change: it has no way back.
   */
  run(x, look, broken = false) {
    const seen = [];
    let y = x;
    this.steps.forEach((step, number) => {
      y = mix(y, this.channels, step.forward.matrix, step.forward.bias);
      const [a, b] = cut(y, this.channels, this.channels / 2);
      const { logScale, shift } = this.affine(step, broken ? b : a);
      look?.({ number, a, b, logScale, shift });
      const changed = new Float64Array(b.length);
      for (let i = 0; i < b.length; i++) changed[i] = Math.exp(logScale[i]) * b[i] + shift[i];
      y = join(a, changed, this.channels);
      seen.push(y);
    });
    return seen;
  }

  features(x) {
    return this.run(x).at(-1);
  }

  /**
   * The level's input (squeezed) from its features, or from the values in front of the coupling of one of its steps.
   */
  undo(features, coupling = this.steps.length, broken = false) {
    let y = features;
    if (coupling < this.steps.length) {
      const { matrix, bias } = this.steps[coupling].inverse;
      y = mix(y, this.channels, matrix, bias);
    }
    for (let k = coupling - 1; k >= 0; k--) {
      const step = this.steps[k];
      const [a, b] = cut(y, this.channels, this.channels / 2);
      const { logScale, shift } = this.affine(step, broken ? b : a);
      for (let i = 0; i < b.length; i++) b[i] = (b[i] - shift[i]) * Math.exp(-logScale[i]);
      y = join(a, b, this.channels);
      y = mix(y, this.channels, step.inverse.matrix, step.inverse.bias);
    }
    return y;
  }

  /** log ω by position after the order, channels that go on first; null where the flow weights no channel. */
  logWeights(features) {
    if (!this.weights) return null;
    const [a, b] = cut(inOrder(features, this.order), this.channels, this.kept);
    const logB = solve(a, this.kept, this.weights.emitted);
    const logA = solve(scaled(b, logB, 1), this.gone, this.weights.kept);
    return Float64Array.from([...logA, ...logB]);
  }

  priorOf(kept) {
    const count = this.height * this.width * this.gone;
    if (this.constant) return this.constant;
    if (!this.prior) return { mean: new Float64Array(count), logStd: new Float64Array(count) };
    const [mean, logStd] = cut(convolve(kept, this.height, this.width, this.prior), 2 * this.gone, this.gone);
    if (this.prior.bounded)
      for (let i = 0; i < count; i++) logStd[i] = PRIOR_BOUND * Math.tanh(logStd[i] / PRIOR_BOUND);
    return { mean, logStd };
  }

  /** Everything that happens to the squeezed input x. */
  forward(x) {
    let logDet = this.logDetOfMaps;
    const steps = this.run(x, ({ logScale }) => {
        logDet += total(logScale);
      }),
      features = steps.at(-1);
    if (!this.order) {
      const { mean, logStd } = this.priorOf(null),
        noise = features.map((z, i) => (z - mean[i]) * Math.exp(-logStd[i]));
      return {
        input: x,
        steps,
        features,
        kept: null,
        emitted: features,
        noise,
        logWeights: null,
        logDet: logDet - total(logStd),
      };
    }
    const logWeights = this.logWeights(features);
    let shuffled = inOrder(features, this.order);
    if (logWeights) shuffled = scaled(shuffled, logWeights, 1);
    const [kept, emitted] = cut(shuffled, this.channels, this.kept);
    const { mean, logStd } = this.priorOf(kept);
    const noise = emitted.map((z, i) => (z - mean[i]) * Math.exp(-logStd[i]));
    logDet += (logWeights ? this.height * this.width * total(logWeights) : 0) - total(logStd);
    return { input: x, steps, features, kept, emitted, noise, logWeights, logDet };
  }

  /** Features from what went on and the noise. */
  unsplit(kept, noise) {
    const { mean, logStd } = this.priorOf(kept);
    let a = kept,
      b = noise.map((e, i) => mean[i] + e * Math.exp(logStd[i]));
    if (!this.order) return b;
    if (this.weights) {
      a = scaled(a, solve(b, this.gone, this.weights.kept), -1);
      b = scaled(b, solve(a, this.kept, this.weights.emitted), -1);
    }
    return backInOrder(join(a, b, this.channels), this.order);
  }

  inverse(kept, noise) {
    return this.undo(this.unsplit(kept, noise));
  }
}

/** A flow from the spec in a pack. */
export class Flow {
  constructor(spec, floats) {
    this.spec = spec;
    this.shape = spec.shape;
    this.dimensions = spec.shape.reduce((a, b) => a * b, 1);
    this.levels = spec.levels.map((level) => new Level(level, floats));
  }

  /** Whether its order of channels looks at their entropy. */
  get sortsByEntropy() {
    return /^(shuffle|weighted|entropy)\b/.test(this.spec.split);
  }

  /** Values in −½ … ½ from bytes: each at the middle of its bin. */
  dequantise(bytes) {
    return Float64Array.from(bytes, (v) => (v + 0.5) / 256 - 0.5);
  }

  quantise(x) {
    return Uint8ClampedArray.from(x, (v) => Math.min(255, Math.max(0, Math.floor((v + 0.5) * 256))));
  }

  /** The trace of every level of values x. */
  encode(x) {
    const traces = [];
    let kept = x;
    for (const level of this.levels) {
      const squeezed = squeeze(kept, 2 * level.height, 2 * level.width, level.channels / 4);
      traces.push(level.forward(squeezed));
      kept = traces.at(-1).kept;
    }
    return traces;
  }

  /** Bits per dimension of the bytes behind x, given its traces: what x costs as bytes that are 1/256 apart. */
  bitsPerDim(traces) {
    const nats = total(
      traces.map(
        ({ logDet, noise }) => logDet - total(noise.map((e) => e * e)) / 2 - (noise.length * Math.log(2 * Math.PI)) / 2,
      ),
    );
    return 8 - nats / (this.dimensions * Math.LN2);
  }

  /**
   * What x costs, in bits per dimension, if the flow stopped after each level: how far the way back stretches noise, log₂
   * of the grey levels that its breadth covers, and how unusual this noise is, nothing in the middle (curve.js). What is
   * still in the flow counts as noise once its channels are brought to mean 0 and spread 1; rest[l] holds {mean, spread}
   * of every channel that level l passes on, over many pictures.
   */
  running(traces, rest) {
    let squares = 0,
      logDet = 0,
      count = 0;
    return traces.map(({ noise, kept, logDet: own }, l) => {
      squares += total(noise.map((e) => e * e));
      count += noise.length;
      logDet += own;
      let [stopped, ended] = [squares, logDet];
      if (kept) {
        const { mean, spread } = rest[l],
          n = mean.length;
        stopped += total(kept.map((v, i) => ((v - mean[i % n]) / spread[i % n]) ** 2));
        ended -= (kept.length / n) * total(spread.map(Math.log));
      }
      const bits = (nats) => nats / (this.dimensions * Math.LN2);
      return { stretch: 8 - bits(ended) + Math.log2(2 * Math.PI) / 2, noise: bits(stopped / 2), count };
    });
  }

  /** The same flow, whose couplings have fixed weights for every picture: a list by level and step, null for none. */
  frozen(weights) {
    const levels = this.levels.map((level, l) => {
      const steps = level.steps.map((step, k) => ({ ...step, frozen: weights[l][k] }));
      return Object.assign(Object.create(Level.prototype), level, { steps });
    });
    return Object.assign(Object.create(Flow.prototype), this, { levels });
  }

  /** Values from the standardised latents, one array a level; look, where given, sees each level's features. */
  decode(noises, look) {
    let kept = null;
    for (let l = this.levels.length - 1; l >= 0; l--) kept = this.decodeLevel(l, kept, noises[l], look);
    return kept;
  }

  /** What level l (from 0) was given, from what it passed on and its noise. */
  decodeLevel(l, kept, noise, look) {
    const level = this.levels[l],
      features = level.unsplit(kept, noise);
    look?.(l, features);
    return unsqueeze(level.undo(features), 2 * level.height, 2 * level.width, level.channels / 4);
  }

  /** The image's values from the features of level 1 alone. */
  fromFeatures(features) {
    const level = this.levels[0];
    return unsqueeze(level.undo(features), 2 * level.height, 2 * level.width, level.channels / 4);
  }
}

/** Peak signal-to-noise ratio in dB of values x against bytes, after clipping to 0 … 255. */
export function psnr(x, bytes) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    const v = Math.min(255, Math.max(0, (x[i] + 0.5) * 256 - 0.5)) - bytes[i];
    sum += v * v;
  }
  return 10 * Math.log10((255 * 255 * x.length) / Math.max(sum, 1e-9));
}

/** The root mean square error of a PSNR in dB, in grey levels of 255. */
export const greyLevels = (db) => 255 * 10 ** (-db / 20);

/** How far two pictures are apart: root mean square of their bytes, in grey levels. */
export const distance = (a, b) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length);

/** Features with some channels replaced by their average over images. */
export function without(features, average, thrown) {
  const y = features.slice(),
    n = thrown.length;
  for (let i = 0; i < y.length; i++) if (thrown[i % n]) y[i] = average[i];
  return y;
}

/** Every choice of so many of n channels, as bit masks. */
export function choicesOf(n, count) {
  const masks = [];
  for (let mask = 0; mask < 1 << n; mask++) {
    let bits = 0;
    for (let m = mask; m; m &= m - 1) bits++;
    if (bits === count) masks.push(mask);
  }
  return masks;
}

export const bitsOf = (mask, n) => Array.from({ length: n }, (_, i) => (mask >> i) & 1);

/** PSNR of the image without these channels of level 1. */
export function score(flow, features, average, bytes, mask) {
  const thrown = bitsOf(mask, flow.levels[0].channels);
  return psnr(flow.fromFeatures(without(features, average, thrown)), bytes);
}

/** A function that returns uniform numbers in 0 … 1, the same for a seed. */
function generator(seed) {
  let state = (seed * 2654435761 + 1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Uniform numbers in 0 … 1 that depend on the seed alone. */
export function uniforms(seed, count) {
  return new Float64Array(count).map(generator(seed));
}

/** Normal numbers that depend on the seed alone. */
export function normals(seed, count) {
  const uniform = generator(seed),
    out = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())),
      angle = 2 * Math.PI * uniform();
    out[i] = radius * Math.cos(angle);
    if (i + 1 < count) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}
