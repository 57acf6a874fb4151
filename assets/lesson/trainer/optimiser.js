// One step of the parameters: Muon for the coupling networks' convolutions, AdamW for the rest, and their average; the
// same numbers as eiwflow/training/optimiser.py and trainer.py.
import { PLAIN } from "./kernels.js";

const MUON = 5,
  DECAY = 0.3,
  MOMENTUM = 0.95,
  [A, B, C] = [3.4445, -4.775, 2.0315],
  ITERATIONS = 3,
  [BETA1, BETA2, EPSILON] = [0.9, 0.999, 1e-8],
  CLIP = 50,
  WARMUP = 100,
  AVERAGE = 0.999;

/** The learning rate of a step, from 0: a linear warm-up, then half a cosine down to 0 at the last step. */
export function learningRateAt({ learningRate, iterations }, step) {
  const warmup = Math.min(WARMUP, Math.floor(iterations / 10));
  if (step < warmup) return (learningRate * (step + 1)) / warmup;
  const done = Math.min(1, (step - warmup) / Math.max(1, iterations - warmup));
  return (learningRate * (1 + Math.cos(Math.PI * done))) / 2;
}

/** The norm of all gradients of an engine. */
export function gradientNorm({ f, gradient, size }) {
  let sum = 0;
  for (let i = gradient; i < gradient + size; i++) sum += f[i] * f[i];
  return Math.sqrt(sum);
}

/** Step the parameters of an engine along its gradients, whose norm is given; `step` counts from 0. */
export function update(engine, norm, step) {
  const { f, trained, average, gradient, size, parameters, recipe } = engine,
    rate = learningRateAt(recipe, step),
    clip = Math.min(1, CLIP / (norm + 1e-6)),
    t = step + 1,
    // In an array: V8 moves bare powers into adamw()'s loop, where they take ten times as long as all the rest.
    corrections = Float64Array.of(1 - BETA1 ** t, Math.sqrt(1 - BETA2 ** t));
  if (clip < 1) for (let i = gradient; i < gradient + size; i++) f[i] *= clip;
  for (const parameter of parameters) {
    if (parameter.by === "muon") muon(engine, parameter, MUON * rate);
    if (parameter.by === "adamw") adamw(engine, parameter, rate, corrections);
  }
  const share = 1 - Math.min(AVERAGE, (1 + t) / (10 + t));
  engine.lerp(average, average, trained, size, share);
}

function adamw({ f, trained, gradient, first, second }, { at, size }, rate, corrections) {
  const [mean, root] = corrections,
    length = rate / mean;
  for (let i = at; i < at + size; i++) {
    const g = f[gradient + i];
    f[first + i] += (1 - BETA1) * (g - f[first + i]);
    f[second + i] = BETA2 * f[second + i] + (1 - BETA2) * g * g;
    f[trained + i] -= (length * f[first + i]) / (Math.sqrt(f[second + i]) / root + EPSILON);
  }
}

/** W is the matrix (inputs × taps) by outputs, the other way round than torch has it, which changes nothing. */
function muon(engine, { at, size, shape }, rate) {
  const { trained, gradient, first, small, lerp, combine } = engine,
    [outputs, inputs, kernel] = shape,
    rows = inputs * kernel * kernel,
    columns = size / rows;
  lerp(first + at, first + at, gradient + at, size, 1 - MOMENTUM);
  lerp(small, gradient + at, first + at, size, MOMENTUM);
  const result = outputs > rows ? orthogonalWide(engine, rows, columns) : orthogonal(engine, rows, columns),
    length = rate * Math.sqrt(Math.max(1, outputs / rows));
  combine(trained + at, trained + at, result, size, 1 - rate * DECAY, -length);
}

/** The place of a matrix of the same singular vectors as that at `small`, with singular values close to 1. */
function orthogonal(engine, rows, columns) {
  const { f, conv, convDw, combine, small, turned, products } = engine,
    count = columns * columns,
    tall = (images) => ({ height: 1, width: 1, images, kernel: 1 });
  const times = (a, b, c, height) => conv(a, columns, columns, b, 0, c, columns, columns, tall(height), 1, PLAIN, 0);
  let [gram, product, room, spare] = products;
  convDw(small, columns, columns, small, columns, columns, gram, tall(rows));
  let squares = 0;
  for (let i = 0; i < count; i += columns + 1) squares += f[gram + i];
  const scale = 1 / Math.max(Math.sqrt(squares), 1e-7);
  combine(gram, gram, gram, count, scale * scale, 0);
  /** a I + b G + c G², of G at `from`. */
  const polynomial = (from, to) => {
    times(from, from, to, columns);
    combine(to, to, from, count, C, B);
    for (let i = 0; i < count; i += columns + 1) f[to + i] += A;
  };
  polynomial(gram, product);
  for (let i = 1; i < ITERATIONS; i++) {
    times(product, gram, room, columns);
    times(room, product, spare, columns);
    polynomial(spare, room);
    times(room, product, spare, columns);
    [product, spare] = [spare, product];
  }
  combine(product, product, product, count, scale, 0);
  times(small, product, turned, rows);
  return turned;
}

/** The same of a matrix of more columns than rows: by its transpose. */
function orthogonalWide(engine, rows, columns) {
  const { f, small, turned } = engine,
    stride = (rows + 3) & ~3;
  const matrix = f.slice(small, small + rows * columns);
  f.fill(0, small, small + columns * stride);
  for (let i = 0; i < rows; i++) for (let o = 0; o < columns; o++) f[small + o * stride + i] = matrix[i * columns + o];
  orthogonal(engine, columns, stride);
  for (let i = 0; i < rows; i++)
    for (let o = 0; o < columns; o++) f[small + i * columns + o] = f[turned + o * stride + i];
  return small;
}
