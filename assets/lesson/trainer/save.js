// A flow of an engine for others: as a .safetensors file of eiwflow, and as the pack that flow.js reads.

const ORDERS = { entropy: "entropy", variance: "variance", position: "last", chance: "random" };

/** The flow's settings under the names of eiwflow.flow.FlowConfig. */
function configOf(recipe, seed) {
  const { shape, levels, steps, width } = recipe,
    principal = recipe.start === "data";
  return {
    shape,
    levels,
    steps,
    width,
    order: ORDERS[recipe.half],
    weights: recipe.weights ? "entropy" : "none",
    prior: "conditional",
    init: principal ? "principal" : "random",
    partition: principal ? recipe.partition : "alternating",
    network: "3-1-3",
    scale_bound: 1,
    permutation_seed: seed,
  };
}

/** A parameter as torch lays it out, in the copy of all parameters at `base`. */
function valuesOf({ f }, { at, shape, size }, base) {
  const from = base + at;
  if (shape.length < 4) return f.slice(from, from + shape.reduce((a, b) => a * b, 1));
  const [outputs, inputs, kernel] = shape,
    taps = kernel * kernel,
    columns = size / (taps * inputs),
    values = new Float32Array(outputs * inputs * taps);
  let to = 0;
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++)
      for (let tap = 0; tap < taps; tap++) values[to++] = f[from + (tap * inputs + i) * columns + o];
  return values;
}

/** The bytes of a checkpoint of the flow; `facts`: {data, step, seed, metrics}. */
export function checkpoint(engine, facts, base = engine.average) {
  const { recipe, levels, parameters } = engine,
    tensors = [];
  const add = (name, dtype, shape, values) =>
    tensors.push({ name, dtype, shape, bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) });
  const whole = (name, values) => add(name, "I64", [values.length], BigInt64Array.from(values, BigInt));
  levels.forEach(({ steps, order, channels, last }, l) => {
    if (!last) whole(`levels.${l}.shuffle.order`, Array.from(order));
    steps.forEach(({ permutation, sign }, k) => {
      whole(`levels.${l}.steps.${k}.mixing.permutation`, Array.from(permutation));
      add(`levels.${l}.steps.${k}.mixing.sign`, "F32", [channels], sign);
    });
  });
  // Wide values first, so that each lies at a multiple of its size.
  tensors.sort((a, b) => Number(b.dtype === "I64") - Number(a.dtype === "I64"));
  for (const parameter of parameters) add(parameter.name, "F32", parameter.shape, valuesOf(engine, parameter, base));
  add("initialised", "BOOL", [], Uint8Array.of(1));
  const document = {
    format: "eiwflow-checkpoint",
    version: recipe.weights ? 3 : 2,
    config: configOf(recipe, facts.seed),
    data: facts.data,
    step: facts.step,
    seed: facts.seed,
    metrics: facts.metrics,
    recipe: {
      data: facts.data,
      batch: recipe.batch,
      iterations: recipe.iterations,
      seed: facts.seed,
      optimiser: "muon",
      learning_rate: recipe.learningRate,
      mixing: recipe.mixing,
      coupling: recipe.coupling,
    },
    command: "Trained in a browser's tab.",
    versions: {},
  };
  const header = { __metadata__: { eiwflow: JSON.stringify(document) } };
  let end = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  let text = JSON.stringify(header);
  text += " ".repeat((8 - (new TextEncoder().encode(text).length % 8)) % 8);
  const start = new TextEncoder().encode(text),
    file = new Uint8Array(8 + start.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(start.length), true);
  file.set(start, 8);
  let at = 8 + start.length;
  for (const { bytes } of tensors) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

/** The bytes of a pack: [u32 length][JSON][blobs], whose JSON holds the flow's structure and what more is known of it. */
export function pack(engine, facts, more = {}, base = engine.average) {
  const { f, recipe, parameters } = engine,
    named = new Map(parameters.map((parameter) => [parameter.name, parameter])),
    blobs = [];
  let end = 0;
  const floats = (values, shape) => {
    blobs.push(Float32Array.from(values));
    const at = end;
    end += 4 * values.length;
    return { at, shape };
  };
  const of = (name) => valuesOf(engine, named.get(name), base);
  const layer = (name) => {
    const [outputs, inputs, kernel = 1] = named.get(`${name}.weight`).shape,
      taps = kernel * kernel,
      values = of(`${name}.weight`),
      weight = new Float32Array(values.length);
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < inputs; i++)
        for (let tap = 0; tap < taps; tap++)
          weight[(o * taps + tap) * inputs + i] = values[(o * inputs + i) * taps + tap];
    return {
      kernel,
      inputs,
      outputs,
      pad: 0,
      weight: floats(weight, [outputs, kernel, kernel, inputs]),
      bias: floats(of(`${name}.bias`), [outputs]),
    };
  };
  const levels = engine.levels.map((level, l) => {
    const { channels: n, height, width, half, order, last } = level;
    const steps = level.steps.map((step, k) => {
      engine.map(step, n, base);
      const name = `levels.${l}.steps.${k}.coupling`,
        matrix = new Float32Array(n * n);
      for (let i = 0; i < n; i++) for (let o = 0; o < n; o++) matrix[o * n + i] = f[step.matrix + i * n + o];
      return {
        matrix: floats(matrix, [n, n]),
        bias: floats(f.slice(step.bias, step.bias + n), [n]),
        network: [0, 2, 4].map((i) => layer(`${name}.network.${i}`)),
        weights: named.has(`${name}.weights.out.bias`)
          ? { of: "entropy", hidden: layer(`${name}.weights.hidden`), out: layer(`${name}.weights.out`) }
          : null,
      };
    });
    return {
      number: l + 1,
      channels: n,
      height,
      width,
      bound: 1,
      coupling: "bounded",
      steps,
      order: last ? null : Array.from(order),
      kept: last ? null : half,
      weights: null,
      prior: last ? null : { ...layer(`levels.${l}.split.prior`), bounded: true },
      top: null,
    };
  });
  const config = configOf(recipe, facts.seed);
  const head = {
    flow: {
      shape: recipe.shape,
      split: recipe.weights ? `${config.order}+entropy` : config.order,
      init: config.init,
      parameters: `tab ${facts.seed} ${facts.step}`, // which tells it from other flows
      step: facts.step,
      name: "Trained in this tab",
      ...more,
      average: more.average && floats(more.average, [more.average.length]),
      levels,
    },
  };
  let text = new TextEncoder().encode(JSON.stringify(head));
  const padded = new Uint8Array((text.length + 3) & ~3).fill(32);
  padded.set(text);
  text = padded;
  const bytes = new Uint8Array(4 + text.length + end);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  let at = 4 + text.length;
  for (const values of blobs) {
    bytes.set(new Uint8Array(values.buffer), at);
    at += 4 * values.length;
  }
  return bytes;
}
