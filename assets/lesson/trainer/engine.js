// A flow in training: log p, its gradient by hand, and the inverse; the same flow as eiwflow.flow builds from a config.
// Feature maps are [row][column][image][channel] in one Float32Array. What forward keeps, backward reads.
import { inverted } from "../flow.js";
import { kernels, MASK, PLAIN, RELU, RESERVED } from "./kernels.js";

export const HIDDEN = 16;

const REACH = 4,
  POWER_FLOOR = 1e-4,
  PRIOR_BOUND = 4;

export const up4 = (count) => (count + 3) & ~3;

/** Shapes of the levels: channels, sides, and the half that is passed on, which at the last level is nothing. */
export function levelsOf({ shape, levels }) {
  const [colours, height, width] = shape;
  return Array.from({ length: levels }, (_, l) => ({
    channels: 4 * colours * 2 ** l,
    height: height >> (l + 1),
    width: width >> (l + 1),
    last: l === levels - 1,
  }));
}

/**
 * The parameters in the order in which they lie in memory: {name, shape} as eiwflow names them, `by` its optimiser
 * (muon, adamw, or none where a switch of the recipe keeps it as it is). A convolution is stored as [tap][input][output]
 * with outputs filled up to a multiple of 4; all others as they are.
 */
function parametersOf(recipe) {
  const list = [];
  const add = (name, shape, by) => {
    const packed = shape.length === 4 ? [shape[2] * shape[3], shape[1], up4(shape[0])] : [up4(shape.at(-1))];
    const size = shape.length === 2 ? shape[0] * shape[1] : packed.reduce((a, b) => a * b, 1);
    list.push({ name, shape, by, size });
  };
  const mixing = recipe.mixing ? "adamw" : "none",
    network = recipe.coupling ? "adamw" : "none",
    matrices = recipe.coupling ? "muon" : "none";
  levelsOf(recipe).forEach(({ channels, last }, l) => {
    const half = channels / 2,
      width = recipe.width;
    for (let k = 0; k < recipe.steps; k++) {
      const step = `levels.${l}.steps.${k}`;
      add(`${step}.actnorm.log_scale`, [channels], "adamw");
      add(`${step}.actnorm.bias`, [channels], "adamw");
      add(`${step}.mixing.lower`, [channels, channels], mixing);
      add(`${step}.mixing.upper`, [channels, channels], mixing);
      add(`${step}.mixing.log_diagonal`, [channels], mixing);
      const layers = [
        [width, half, 3],
        [width, width, 1],
        [channels, width, 3],
      ];
      layers.forEach(([outputs, inputs, kernel], i) => {
        add(`${step}.coupling.network.${2 * i}.weight`, [outputs, inputs, kernel, kernel], matrices);
        add(`${step}.coupling.network.${2 * i}.bias`, [outputs], network);
      });
      if (!recipe.weights || last) continue;
      add(`${step}.coupling.weights.hidden.weight`, [HIDDEN, half], network);
      add(`${step}.coupling.weights.hidden.bias`, [HIDDEN], network);
      add(`${step}.coupling.weights.out.weight`, [half + channels, HIDDEN], network);
      add(`${step}.coupling.weights.out.bias`, [half + channels], network);
    }
    if (last) return;
    add(`levels.${l}.split.prior.weight`, [channels, half, 3, 3], "adamw");
    add(`levels.${l}.split.prior.bias`, [channels], "adamw");
  });
  return list;
}

/** How many parameters the flow of a recipe trains. */
export const parameterCount = (recipe) =>
  parametersOf(recipe)
    .filter(({ by }) => by !== "none")
    .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

export class Engine {
  /** A flow without values; `most`: pictures that pass through it at once. */
  constructor(recipe, most = recipe.batch, simd = true) {
    this.recipe = recipe;
    this.most = most;
    const [colours, height, width] = recipe.shape;
    this.dimensions = colours * height * width;
    let top = RESERVED;
    const take = (size) => {
      const at = top;
      top += up4(size);
      return at;
    };
    this.parameters = parametersOf(recipe);
    this.size = this.parameters.reduce((sum, { size }) => sum + up4(size), 0);
    /** Where each copy of all parameters begins. */
    this.trained = take(this.size);
    this.average = take(this.size);
    this.gradient = take(this.size);
    this.first = take(this.size);
    this.second = take(this.size);
    let at = 0;
    const places = new Map();
    for (const parameter of this.parameters) {
      parameter.at = at;
      places.set(parameter.name, at);
      at += up4(parameter.size);
    }
    /** Where a level's parameters are, from the beginning of a copy. */
    const layer = (name, inputs, outputs, kernel) => ({
      weight: places.get(`${name}.weight`),
      bias: places.get(`${name}.bias`),
      inputs,
      outputs: up4(outputs),
      given: outputs,
      kernel,
    });
    const hidden = recipe.width,
      wide = up4(hidden);
    let largest = 0,
      largestWeight = 0;
    this.levels = levelsOf(recipe).map(({ channels, height, width, last }, l) => {
      const pixels = height * width,
        rows = pixels * most,
        half = channels / 2,
        weighted = recipe.weights && !last && recipe.coupling;
      largest = Math.max(largest, rows * Math.max(channels, wide));
      largestWeight = Math.max(largestWeight, 9 * Math.max(wide, up4(half)) * Math.max(channels, wide));
      const steps = Array.from({ length: recipe.steps }, (_, k) => {
        const name = `levels.${l}.steps.${k}`,
          network = `${name}.coupling.network`,
          weights = `${name}.coupling.weights`;
        return {
          logScale: places.get(`${name}.actnorm.log_scale`),
          shift: places.get(`${name}.actnorm.bias`),
          lower: places.get(`${name}.mixing.lower`),
          upper: places.get(`${name}.mixing.upper`),
          logDiagonal: places.get(`${name}.mixing.log_diagonal`),
          permutation: Int32Array.from({ length: channels }, (_, i) => i),
          sign: new Float32Array(channels).fill(1),
          network: [
            layer(`${network}.0`, half, hidden, 3),
            layer(`${network}.2`, hidden, hidden, 1),
            layer(`${network}.4`, hidden, channels, 3),
          ],
          weights: weighted && {
            hidden: { weight: places.get(`${weights}.hidden.weight`), bias: places.get(`${weights}.hidden.bias`) },
            out: { weight: places.get(`${weights}.out.weight`), bias: places.get(`${weights}.out.bias`) },
            energy: take(most * half),
            entropy: take(most * half),
            inner: take(most * HIDDEN),
            omega: take(most * (half + channels)),
          },
          matrix: take(channels * channels), // [input][output]
          bias: take(channels),
          mixing: new Float64Array(channels * channels),
          low: new Float64Array(channels * channels),
          up: new Float64Array(channels * channels),
          x: take(rows * channels),
          y: take(rows * channels),
          read: take(rows * up4(half)),
          h1: take(rows * wide),
          h2: take(rows * wide),
          raw: take(rows * channels),
          log: take(rows * half),
          scale: take(rows * half),
        };
      });
      return {
        channels,
        height,
        width,
        pixels,
        half,
        last,
        steps,
        order: Int32Array.from({ length: channels }, (_, i) => i),
        prior: last ? null : layer(`levels.${l}.split.prior`, half, channels, 3),
        features: take(rows * channels),
        kept: last ? 0 : take(rows * half),
        noise: take(rows * (last ? channels : half)),
        raw: last ? 0 : take(rows * channels),
        log: last ? 0 : take(rows * half),
      };
    });
    this.grad = [take(largest), take(largest), take(largest), take(largest)];
    this.small = take(largestWeight);
    this.turned = take(largestWeight);
    this.products = [0, 1, 2, 3].map(() => take(largestWeight));
    const { f, conv, convDw, columnSums, lerp, combine, simd: found } = kernels(top, simd);
    this.f = f;
    this.conv = conv;
    this.convDw = convDw;
    this.columnSums = columnSums;
    this.lerp = lerp;
    this.combine = combine;
    this.simd = found;
  }

  size4(level, images, kernel) {
    return { height: level.height, width: level.width, images, kernel };
  }

  /** Lay pictures x [image][row][column][channel] out as the first level's input. */
  load(x, images) {
    const [colours, height, width] = this.recipe.shape,
      { f } = this,
      to = this.levels[0].steps[0].x,
      channels = 4 * colours;
    let from = 0;
    for (let n = 0; n < images; n++)
      for (let row = 0; row < height; row++)
        for (let col = 0; col < width; col++) {
          const at =
            to + (((row >> 1) * (width >> 1) + (col >> 1)) * images + n) * channels + 2 * (row & 1) + (col & 1);
          for (let c = 0; c < colours; c++) f[at + 4 * c] = x[from++];
        }
  }

  /** ActNorm and 1×1 convolution of a step as one matrix and bias, from the copy of the parameters at `base`. */
  map(step, channels, base) {
    const { f } = this,
      n = channels,
      { low, up, mixing, permutation, sign } = step;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        const at = i * n + j;
        low[at] = j < i ? f[base + step.lower + at] : j === i ? 1 : 0;
        up[at] = j > i ? f[base + step.upper + at] : j === i ? sign[i] * Math.exp(f[base + step.logDiagonal + i]) : 0;
      }
    let logDet = 0;
    for (let i = 0; i < n; i++) {
      const row = permutation[i];
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0, stop = Math.min(row, j); k <= stop; k++) sum += low[row * n + k] * up[k * n + j];
        mixing[i * n + j] = sum;
      }
      logDet += f[base + step.logScale + i] + f[base + step.logDiagonal + i];
    }
    for (let o = 0; o < n; o++) {
      let bias = 0;
      for (let i = 0; i < n; i++) {
        const w = mixing[o * n + i];
        f[step.matrix + i * n + o] = w * Math.exp(f[base + step.logScale + i]);
        bias += w * f[base + step.shift + i];
      }
      f[step.bias + o] = bias;
    }
    return logDet;
  }

  /** The weights of the channels that a coupling's network reads and gives, from the half that it reads, at y. */
  weigh(level, { weights, y }, images, base) {
    const { f } = this,
      { half, channels, pixels } = level,
      { energy, entropy, inner, omega, hidden, out } = weights,
      all = half + channels;
    f.fill(pixels * POWER_FLOOR, energy, energy + images * half);
    for (let p = 0, at = y; p < pixels; p++)
      for (let n = 0, to = energy; n < images; n++, at += channels, to += half)
        for (let c = 0; c < half; c++) f[to + c] += f[at + c] * f[at + c];
    for (let i = 0; i < images * half; i++) f[entropy + i] = Math.log(f[energy + i] / pixels) / 2;
    for (let n = 0; n < images; n++) {
      for (let j = 0; j < HIDDEN; j++) {
        let sum = f[base + hidden.bias + j];
        for (let c = 0; c < half; c++) sum += f[base + hidden.weight + j * half + c] * f[entropy + n * half + c];
        f[inner + n * HIDDEN + j] = Math.max(0, sum);
      }
      for (let o = 0; o < all; o++) {
        let sum = f[base + out.bias + o];
        for (let j = 0; j < HIDDEN; j++) sum += f[base + out.weight + o * HIDDEN + j] * f[inner + n * HIDDEN + j];
        f[omega + n * all + o] = 1 + REACH * Math.tanh(sum / REACH);
      }
    }
  }

  /** The coupling's log-scales and their exponentials, and its shifts behind the log-scales in `raw`, from y. */
  network(level, step, images, base) {
    const { f } = this,
      { half, channels, pixels } = level,
      { y, read, h1, h2, raw, log, scale, network, weights } = step,
      rows = pixels * images,
      stride = up4(half),
      wide = network[0].outputs,
      all = half + channels;
    if (weights) {
      this.weigh(level, step, images, base);
      for (let p = 0, at = y, to = read; p < pixels; p++)
        for (let n = 0, w = weights.omega; n < images; n++, at += channels, to += stride, w += all)
          for (let c = 0; c < half; c++) f[to + c] = f[at + c] * f[w + c];
    }
    const [one, two, three] = network;
    const [from, apart] = weights ? [read, stride] : [y, channels];
    this.layer(level, one, base, from, apart, h1, wide, images, RELU);
    this.layer(level, two, base, h1, wide, h2, wide, images, RELU);
    this.layer(level, three, base, h2, wide, raw, channels, images, PLAIN);
    for (let r = 0, n = 0, at = raw, to = 0; r < rows; r++, at += channels) {
      const w = weights ? weights.omega + n * all + half : 0;
      for (let c = 0; c < half; c++, to++) {
        // tanh by one exponential, which is much faster than Math.tanh
        const v = w ? f[at + c] * f[w + c] : f[at + c],
          s = 1 - 2 / (1 + Math.exp(2 * v));
        f[log + to] = s;
        f[scale + to] = Math.exp(s);
      }
      if (++n === images) n = 0;
    }
  }

  layer(level, { weight, bias, inputs, outputs, kernel }, base, x, xs, y, ys, images, mode) {
    const size = this.size4(level, images, kernel);
    this.conv(x, xs, inputs, base + weight, base + bias, y, ys, outputs, size, 1, mode, 0);
  }

  /** log p (nats) of the pictures that are loaded; the noise of each level stays in memory. */
  forward(images, base = this.trained) {
    const { f } = this,
      logP = new Float64Array(images);
    this.levels.forEach((level, l) => {
      const { channels, half, pixels, steps, noise } = level,
        rows = pixels * images;
      let logDet = 0;
      steps.forEach((step, k) => {
        logDet += pixels * this.map(step, channels, base);
        const { x, y, raw, log, scale, weights } = step,
          to = k + 1 < steps.length ? steps[k + 1].x : level.features,
          size = this.size4(level, images, 1);
        this.conv(x, channels, channels, step.matrix, step.bias, y, channels, channels, size, 1, PLAIN, 0);
        if (!this.recipe.coupling) {
          f.copyWithin(to, y, y + rows * channels);
          return;
        }
        this.network(level, step, images, base);
        const all = half + channels;
        for (let r = 0, n = 0, at = 0, s = 0; r < rows; r++, at += channels) {
          const w = weights ? weights.omega + n * all + channels : 0;
          let sum = 0;
          for (let c = 0; c < half; c++, s++) {
            const b = at + half + c,
              shift = w ? f[raw + b] * f[w + c] : f[raw + b];
            f[to + at + c] = f[y + at + c];
            f[to + b] = f[y + b] * f[scale + s] + shift;
            sum += f[log + s];
          }
          logP[n] += sum;
          if (++n === images) n = 0;
        }
      });
      for (let n = 0; n < images; n++) logP[n] += logDet;
      const count = level.last ? channels : half;
      if (level.last) f.copyWithin(noise, level.features, level.features + rows * channels);
      else this.split(level, images, base, logP);
      for (let r = 0, n = 0, at = noise; r < rows; r++) {
        let sum = 0;
        for (let c = 0; c < count; c++, at++) sum += f[at] * f[at];
        logP[n] -= sum / 2;
        if (++n === images) n = 0;
      }
      for (let n = 0; n < images; n++) logP[n] -= (pixels * count * Math.log(2 * Math.PI)) / 2;
      if (level.last) return;
      this.squeeze(level, this.levels[l + 1], level.kept, this.levels[l + 1].steps[0].x, images, 1);
    });
    return logP;
  }

  /** Order the channels, keep the first half, and standardise the second by its prior. */
  split(level, images, base, logP) {
    const { f } = this,
      { channels, half, pixels, order, features, kept, noise, raw, log } = level,
      rows = pixels * images;
    for (let r = 0, at = features, to = kept; r < rows; r++, at += channels, to += half)
      for (let c = 0; c < half; c++) f[to + c] = f[at + order[c]];
    this.prior(level, images, base);
    for (let r = 0, n = 0, at = 0, s = 0; r < rows; r++, at += channels) {
      let sum = 0;
      for (let c = 0; c < half; c++, s++) {
        f[noise + s] = (f[features + at + order[half + c]] - f[raw + at + c]) * Math.exp(-f[log + s]);
        sum += f[log + s];
      }
      logP[n] -= sum;
      if (++n === images) n = 0;
    }
  }

  /** Mean (in the first half of `raw`) and log standard deviation of the channels factored out, from those kept. */
  prior(level, images, base) {
    const { f } = this,
      { channels, half, pixels, kept, raw, log } = level;
    this.layer(level, level.prior, base, kept, half, raw, channels, images, PLAIN);
    for (let r = 0, at = raw + half, s = log; r < pixels * images; r++, at += channels)
      for (let c = 0; c < half; c++, s++) f[s] = PRIOR_BOUND * Math.tanh(f[at + c] / PRIOR_BOUND);
  }

  /** From what a level passed on, at `small`, to the input of the next, at `large`; with sign −1 back. */
  squeeze({ half, width, height }, next, small, large, images, sign) {
    const { f } = this,
      { channels } = next;
    for (let row = 0; row < height; row++)
      for (let col = 0; col < width; col++)
        for (let n = 0; n < images; n++) {
          const a = small + ((row * width + col) * images + n) * half,
            place = (row >> 1) * (width >> 1) + (col >> 1),
            b = large + (place * images + n) * channels + 2 * (row & 1) + (col & 1);
          if (sign > 0) for (let c = 0; c < half; c++) f[b + 4 * c] = f[a + c];
          else for (let c = 0; c < half; c++) f[a + c] = f[b + 4 * c];
        }
  }

  /** Bits per value from log p in nats. */
  bits(logP) {
    return 8 - logP / (this.dimensions * Math.LN2);
  }

  /**
   * The gradient of the mean bits per value of the pictures that forward() saw, into the copy at `gradient`.
   */
  backward(images) {
    const { f, gradient } = this,
      each = 1 / (images * this.dimensions * Math.LN2);
    f.fill(0, gradient, gradient + this.size);
    let [dz, dy, other] = this.grad;
    for (let l = this.levels.length - 1; l >= 0; l--) {
      const level = this.levels[l],
        { channels, pixels, noise, steps } = level,
        rows = pixels * images;
      if (level.last) for (let i = 0; i < rows * channels; i++) f[dz + i] = each * f[noise + i];
      else {
        // dz holds the gradient of the next level's input.
        this.squeeze(level, this.levels[l + 1], dy, dz, images, -1);
        this.backwardSplit(level, images, each, dy, other, dz);
      }
      for (let k = steps.length - 1; k >= 0; k--) {
        const step = steps[k];
        if (this.recipe.coupling) this.backwardCoupling(level, step, images, each, dz, dy, other);
        else [dz, dy] = [dy, dz];
        this.backwardMap(level, step, images, dy, dz);
      }
    }
  }

  /** From the gradient of what is kept, at `kept`, to that of the features, at `to`. */
  backwardSplit(level, images, each, kept, spare, to) {
    const { f, trained } = this,
      { channels, half, pixels, order, noise, log, prior } = level,
      rows = pixels * images;
    for (let r = 0, at = 0, s = 0; r < rows; r++, at += channels)
      for (let c = 0; c < half; c++, s++) {
        const e = f[noise + s],
          d = each * e * Math.exp(-f[log + s]),
          bounded = f[log + s] / PRIOR_BOUND;
        f[to + at + order[half + c]] = d;
        f[spare + at + c] = -d;
        f[spare + at + half + c] = each * (1 - e * e) * (1 - bounded * bounded);
      }
    // `small` would do for few channels; the fourth buffer holds the gradient of the half at multiples of 4.
    const stride = up4(half),
      through = this.grad[3];
    this.backwardLayer(level, prior, trained, level.kept, half, spare, channels, through, stride, images, PLAIN, 0);
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < half; c++)
        f[to + r * channels + order[c]] = f[kept + r * half + c] + f[through + r * stride + c];
  }

  /** Gradients of a convolution: of weights and bias, and of its input x into dx, by a mode and mask. */
  backwardLayer(level, layer, base, x, xs, dy, ys, dx, dxs, images, mode, mask) {
    const { f, gradient, turned } = this,
      { weight, bias, inputs, outputs, given, kernel } = layer,
      size = this.size4(level, images, kernel),
      rows = level.pixels * images;
    this.convDw(x, xs, inputs, dy, ys, outputs, gradient + weight, size);
    this.columnSums(dy, ys, outputs, rows, gradient + bias);
    // [tap][input][output] to [tap][output][input]
    for (let tap = 0; tap < kernel * kernel; tap++)
      for (let o = 0; o < given; o++) {
        const to = turned + (tap * given + o) * dxs,
          from = base + weight + tap * inputs * outputs + o;
        for (let i = 0; i < inputs; i++) f[to + i] = f[from + i * outputs];
        for (let i = inputs; i < dxs; i++) f[to + i] = 0;
      }
    this.conv(dy, ys, given, turned, 0, dx, dxs, dxs, size, -1, mode, mask);
  }

  /** From the gradient of a step's output, at dz, to that of the coupling's input, at dy; draw is room. */
  backwardCoupling(level, step, images, each, dz, dy, draw) {
    const { f, trained } = this,
      { channels, half, pixels } = level,
      { y, read, h1, h2, raw, log, scale, network, weights } = step,
      rows = pixels * images,
      stride = up4(half),
      wide = network[0].outputs,
      all = half + channels,
      dOmega = weights ? new Float64Array(images * all) : null;
    for (let r = 0, n = 0, at = 0, s = 0; r < rows; r++, at += channels) {
      const w = weights ? weights.omega + n * all + half : 0,
        d = n * all + half;
      for (let c = 0; c < half; c++, s++) {
        const b = at + half + c,
          g = f[dz + b],
          back = g * f[scale + s],
          ds = (back * f[y + b] - each) * (1 - f[log + s] * f[log + s]);
        f[dy + b] = back;
        if (w) {
          dOmega[d + c] += ds * f[raw + at + c];
          dOmega[d + half + c] += g * f[raw + b];
          f[draw + at + c] = ds * f[w + c];
          f[draw + b] = g * f[w + half + c];
        } else {
          f[draw + at + c] = ds;
          f[draw + b] = g;
        }
      }
      if (++n === images) n = 0;
    }
    const [one, two, three] = network,
      through = this.grad[3];
    this.backwardLayer(level, three, trained, h2, wide, draw, channels, through, wide, images, MASK, h2);
    this.backwardLayer(level, two, trained, h1, wide, through, wide, draw, wide, images, MASK, h1);
    const [from, apart] = weights ? [read, stride] : [y, channels];
    this.backwardLayer(level, one, trained, from, apart, draw, wide, through, stride, images, PLAIN, 0);
    if (!weights) {
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < half; c++)
          f[dy + r * channels + c] = f[dz + r * channels + c] + f[through + r * stride + c];
      return;
    }
    for (let p = 0, at = 0, t = through; p < pixels; p++)
      for (let n = 0, d = 0; n < images; n++, at += channels, t += stride, d += all) {
        const w = weights.omega + n * all;
        for (let c = 0; c < half; c++) {
          dOmega[d + c] += f[t + c] * f[y + at + c];
          f[dy + at + c] = f[dz + at + c] + f[t + c] * f[w + c];
        }
      }
    const dEntropy = this.backwardWeights(level, weights, images, dOmega);
    for (let i = 0; i < dEntropy.length; i++) dEntropy[i] /= f[weights.energy + i];
    for (let p = 0, at = 0; p < pixels; p++)
      for (let n = 0, d = 0; n < images; n++, at += channels, d += half)
        for (let c = 0; c < half; c++) f[dy + at + c] += dEntropy[d + c] * f[y + at + c];
  }

  /** From the gradient of the weights ω to that of the entropies. */
  backwardWeights({ half, channels }, { hidden, out, entropy, inner, omega }, images, dOmega) {
    const { f, trained, gradient } = this,
      all = half + channels,
      dEntropy = new Float64Array(images * half),
      dInner = new Float64Array(HIDDEN);
    for (let n = 0; n < images; n++) {
      dInner.fill(0);
      for (let o = 0; o < all; o++) {
        const t = (f[omega + n * all + o] - 1) / REACH,
          d = dOmega[n * all + o] * (1 - t * t);
        f[gradient + out.bias + o] += d;
        for (let j = 0; j < HIDDEN; j++) {
          f[gradient + out.weight + o * HIDDEN + j] += d * f[inner + n * HIDDEN + j];
          dInner[j] += d * f[trained + out.weight + o * HIDDEN + j];
        }
      }
      for (let j = 0; j < HIDDEN; j++) {
        if (f[inner + n * HIDDEN + j] <= 0) continue;
        f[gradient + hidden.bias + j] += dInner[j];
        for (let c = 0; c < half; c++) {
          f[gradient + hidden.weight + j * half + c] += dInner[j] * f[entropy + n * half + c];
          dEntropy[n * half + c] += dInner[j] * f[trained + hidden.weight + j * half + c];
        }
      }
    }
    return dEntropy;
  }

  /** From the gradient of a step's mixed channels, at dy, to that of its input, at dx. */
  backwardMap(level, step, images, dy, dx) {
    const { f, trained, gradient, turned, small } = this,
      { channels: n, pixels } = level,
      { low, up, mixing, permutation } = step,
      size = this.size4(level, images, 1),
      perImage = -pixels / (this.dimensions * Math.LN2);
    this.convDw(step.x, n, n, dy, n, n, small, size); // [input][output]
    const dBias = turned + n * n;
    this.columnSums(dy, n, n, pixels * images, dBias);
    for (let i = 0; i < n; i++) for (let o = 0; o < n; o++) f[turned + o * n + i] = f[step.matrix + i * n + o];
    this.conv(dy, n, n, turned, 0, dx, n, n, size, 1, PLAIN, 0);
    const dProduct = new Float64Array(n * n); // of L U
    for (let i = 0; i < n; i++) {
      let dScale = perImage,
        dShift = 0;
      const scale = Math.exp(f[trained + step.logScale + i]),
        shift = f[trained + step.shift + i];
      for (let o = 0; o < n; o++) {
        const d = f[small + i * n + o];
        dScale += d * f[step.matrix + i * n + o];
        dShift += mixing[o * n + i] * f[dBias + o];
        dProduct[permutation[o] * n + i] = d * scale + f[dBias + o] * shift;
      }
      f[gradient + step.logScale + i] = dScale;
      f[gradient + step.shift + i] = dShift;
    }
    if (!this.recipe.mixing) return;
    for (let i = 0; i < n; i++) {
      const row = i * n;
      for (let j = 0; j < i; j++) {
        // of L: below the diagonal of dProduct times Uᵀ
        let sum = 0;
        for (let k = j; k < n; k++) sum += dProduct[row + k] * up[j * n + k];
        f[gradient + step.lower + row + j] = sum;
      }
    }
    // of U: on and above the diagonal of Lᵀ times dProduct
    for (let i = 0; i < n; i++) {
      const sums = dProduct.subarray(i * n, i * n + n); // row i of L's unit diagonal; rows before i are done
      for (let k = i + 1; k < n; k++) {
        const factor = low[k * n + i];
        for (let j = i; j < n; j++) sums[j] += factor * dProduct[k * n + j];
      }
      for (let j = i + 1; j < n; j++) f[gradient + step.upper + i * n + j] = sums[j];
      f[gradient + step.logDiagonal + i] = perImage + sums[i] * up[i * n + i];
    }
  }

  /**
   * Pictures [image][row][column][channel] from noise: a Float32Array a level, laid out as feature maps. Every yield
   * ends a piece of the work.
   */
  *inverse(noises, images, base = this.average) {
    const { f } = this;
    for (let l = this.levels.length - 1; l >= 0; l--) {
      const level = this.levels[l],
        { channels, half, pixels, steps, order, features, raw, log } = level,
        rows = pixels * images,
        noise = noises[l];
      let at = features;
      if (level.last) f.set(noise, features);
      else {
        // `kept` was filled by the level behind.
        this.prior(level, images, base);
        for (let r = 0, s = 0; r < rows; r++, at += channels)
          for (let c = 0; c < half; c++, s++) {
            f[at + order[c]] = f[level.kept + s];
            f[at + order[half + c]] = f[raw + r * channels + c] + noise[s] * Math.exp(f[log + s]);
          }
      }
      for (let k = steps.length - 1; k >= 0; k--) {
        const step = steps[k],
          { x, y, weights } = step,
          from = k + 1 < steps.length ? steps[k + 1].x : features,
          all = half + channels;
        f.copyWithin(y, from, from + rows * channels);
        this.map(step, channels, base);
        if (this.recipe.coupling) {
          this.network(level, step, images, base);
          for (let r = 0, n = 0, b = half, s = 0; r < rows; r++, b += channels) {
            const w = weights ? weights.omega + n * all + channels : 0;
            for (let c = 0; c < half; c++, s++) {
              const shift = w ? f[step.raw + b + c] * f[w + c] : f[step.raw + b + c];
              f[y + b + c] = (f[y + b + c] - shift) / f[step.scale + s];
            }
            if (++n === images) n = 0;
          }
        }
        this.unmap(level, step, images, y, x);
        yield;
      }
      if (l > 0) this.squeeze(this.levels[l - 1], level, this.levels[l - 1].kept, steps[0].x, images, -1);
    }
    return this.unload(images);
  }

  /** x from y = matrix x + bias at every pixel. */
  unmap(level, step, images, y, x) {
    const { f, turned } = this,
      n = level.channels;
    const back = inverted(Float64Array.from(f.subarray(step.matrix, step.matrix + n * n)));
    for (let o = 0; o < n; o++) {
      let bias = 0;
      for (let i = 0; i < n; i++) {
        f[turned + i * n + o] = back[i * n + o];
        bias -= f[step.bias + i] * back[i * n + o];
      }
      f[turned + n * n + o] = bias;
    }
    this.conv(y, n, n, turned, turned + n * n, x, n, n, this.size4(level, images, 1), 1, PLAIN, 0);
  }

  /** The inverse of load(). */
  unload(images) {
    const [colours, height, width] = this.recipe.shape,
      { f } = this,
      from = this.levels[0].steps[0].x,
      channels = 4 * colours,
      x = new Float32Array(images * this.dimensions);
    let to = 0;
    for (let n = 0; n < images; n++)
      for (let row = 0; row < height; row++)
        for (let col = 0; col < width; col++) {
          const at =
            from + (((row >> 1) * (width >> 1) + (col >> 1)) * images + n) * channels + 2 * (row & 1) + (col & 1);
          for (let c = 0; c < colours; c++) x[to++] = f[at + 4 * c];
        }
    return x;
  }
}
