// What the lesson's scenes state of a flow, from held-out pictures, as eiwflow/lesson/build.py computes it.
import { normalOf, randomOf, redundancy } from "./start.js";

const LEAST_SPREAD = 1e-3,
  GRAIN = 4;

/** Sums over rows, by column: mean and standard deviation. */
class Moments {
  constructor(columns) {
    this.rows = 0;
    this.sums = new Float64Array(columns);
    this.squares = new Float64Array(columns);
  }

  add(value, column) {
    this.sums[column] += value;
    this.squares[column] += value * value;
    if (column === 0) this.rows++;
  }

  get mean() {
    return Array.from(this.sums, (sum) => sum / this.rows);
  }

  get variance() {
    return Array.from(this.squares, (square, c) => square / this.rows - (this.sums[c] / this.rows) ** 2);
  }

  get spread() {
    return this.variance.map((v) => Math.sqrt((Math.max(0, v) * this.rows) / Math.max(1, this.rows - 1)));
  }
}

/** Read a map of so many rows and columns, row by row. */
function each({ f }, at, rows, columns, act) {
  for (let r = 0, i = at; r < rows; r++) for (let c = 0; c < columns; c++, i++) act(f[i], c, r);
}

const digamma = (x) => Math.log(x) - 1 / (2 * x) - 1 / (12 * x * x) + 1 / (120 * x ** 4);
const EULER = 0.5772156649;

function* collect(engine, { pixels, count }) {
  const { dimensions, levels, average, most } = engine,
    first = levels[0],
    features = levels.map(({ channels }) => new Moments(channels)),
    kept = levels.map(({ half }) => new Moments(half)),
    whole = new Float64Array(count * first.pixels * first.channels),
    map = new Float32Array(first.pixels * first.channels),
    before = first.steps.map(() => new Moments(first.half)),
    left = first.steps.map(() => new Moments(first.half)),
    weights = levels.map(({ steps, half, channels }) =>
      steps.map((step) => (step.weights ? new Weights(half, channels) : null)),
    ),
    bits = [],
    uniform = randomOf(0, "grain");
  let loudest = 0;
  for (let from = 0; from < count; from += most) {
    const n = Math.min(most, count - from),
      x = Float32Array.from(
        pixels.subarray(from * dimensions, (from + n) * dimensions),
        (byte) => (byte + 0.5) / 256 - 0.5,
      ),
      squares = new Float64Array(n);
    engine.load(x, n);
    for (const logP of engine.forward(n, average)) bits.push(engine.bits(logP));
    levels.forEach((level, l) => {
      const { channels, half, last } = level,
        rows = level.pixels * n;
      each(engine, level.features, rows, channels, (v, c) => features[l].add(v, c));
      each(engine, level.noise, rows, last ? channels : half, (v, _, r) => {
        squares[r % n] += v * v;
      });
      if (!last) each(engine, level.kept, rows, half, (v, c) => kept[l].add(v, c));
      level.steps.forEach((step, k) => {
        weights[l][k]?.read(engine, step, n);
      });
    });
    loudest = Math.max(loudest, ...squares.map((sum) => sum / dimensions));
    each(engine, first.features, first.pixels * n, first.channels, (v, c, r) => {
      const p = Math.floor(r / n);
      map[p * first.channels + c] += v / count;
      whole[((from + (r % n)) * first.pixels + p) * first.channels + c] = v;
    });
    if (engine.recipe.coupling) predicted(engine, first, n, before, left);
    yield;
    if (!weights.flat().some(Boolean)) continue;
    engine.load(
      x.map((v) => v + (GRAIN / 256) * normalOf(uniform)),
      n,
    );
    engine.forward(n, average);
    levels.forEach(({ steps }, l) => {
      steps.forEach((step, k) => {
        weights[l][k]?.compare(engine, step, n);
      });
    });
    yield;
  }
  const others = first.pixels - 1,
    shift = (Math.log(others / 2) - digamma(others / 2) - EULER) / 2,
    maps = { images: count, channels: first.channels, height: first.height, width: first.width };
  return {
    average: map,
    spread: features.map((level) => level.spread),
    middle: features.map((level) => level.mean),
    loudest,
    rest: kept
      .slice(0, -1)
      .map((level) => ({ mean: level.mean, spread: level.spread.map((v) => Math.max(v, LEAST_SPREAD)) })),
    redundancy: Array.from(redundancy(whole, maps), (v) => v + shift),
    couplings: before.map((b, step) => ({ level: 1, step, share: b.rows ? 1 - total(left[step]) / total(b) : 0 })),
    weights: answers(weights, count),
    bits: bits.sort((a, b) => a - b),
    usual: null,
    temperature: 1,
  };
}

/**
 * The facts of an engine's averaged flow over pictures {pixels, count}; a generator whose yields end a piece of work.
 * Arrays stand for what a pack refers to.
 */
export const facts = (engine, images) => collect(engine, images);

const total = (moments) => moments.variance.reduce((a, b) => a + b, 0);

/** What is left of the second half of level 1's channels once each coupling has subtracted its prediction. */
function predicted({ f }, { channels, half, pixels, steps }, images, before, left) {
  steps.forEach(({ y, raw, scale, weights }, k) => {
    for (let r = 0, at = half, s = 0; r < pixels * images; r++, at += channels) {
      const w = weights ? weights.omega + (r % images) * (half + channels) + channels : 0;
      for (let c = 0; c < half; c++, s++) {
        const shift = w ? f[raw + at + c] * f[w + c] : f[raw + at + c];
        before[k].add(f[y + at + c], c);
        left[k].add(f[y + at + c] + shift / f[scale + s], c);
      }
    }
  });
}

/** The weights ω of one coupling over pictures. */
class Weights {
  constructor(half, channels) {
    this.half = half;
    this.all = half + channels;
    this.clean = new Moments(this.all);
    this.grained = new Moments(this.all);
    this.risen = 0;
  }

  /** The mean weight of what the network reads, by picture. */
  read({ f }, { weights }, images) {
    each({ f }, weights.omega, images, this.all, (v, c) => this.clean.add(v, c));
    this.means = this.meansOf(f, weights, images);
  }

  compare({ f }, { weights }, images) {
    each({ f }, weights.omega, images, this.all, (v, c) => this.grained.add(v, c));
    this.meansOf(f, weights, images).forEach((mean, n) => {
      this.risen += Number(mean > this.means[n]);
    });
  }

  meansOf(f, { omega }, images) {
    return Array.from({ length: images }, (_, n) => {
      const at = omega + n * this.all;
      return f.subarray(at, at + this.half).reduce((a, b) => a + b, 0) / this.half;
    });
  }

  get change() {
    const { mean } = this.clean;
    return this.grained.mean.reduce((sum, v, c) => sum + Math.abs(v - mean[c]), 0) / this.all;
  }
}

/** The average weights of every coupling, and the one whose weights answer grain most; null without any. */
function answers(weights, images) {
  const places = weights.flatMap((level, l) =>
    level.flatMap((own, step) => (own ? [{ level: l + 1, step, own }] : [])),
  );
  if (!places.some(({ own }) => own.change)) return null;
  const { own, level, step } = places.reduce((a, b) => (b.own.change > a.own.change ? b : a));
  const averages = weights.map((steps) =>
    steps.map((one) => one && { read: one.clean.mean.slice(0, one.half), given: one.clean.mean.slice(one.half) }),
  );
  return { averages: averages.map((steps) => steps.map((one) => one || null)), level, step, risen: own.risen, images };
}
