// A training that answers a page: api.d.ts lists what is asked and what is told.
import { Engine, parameterCount } from "./engine.js";
import { facts } from "./facts.js";
import { gradientNorm, update } from "./optimiser.js";
import { checkpoint, pack } from "./save.js";
import { normalOf, randomOf, shuffled, start } from "./start.js";

/** Milliseconds of steps between two looks at the page's messages. */
const SLICE = 16,
  TELL_EVERY = 33,
  SAMPLES_EVERY = 1500,
  TEST_EVERY = 2500,
  SHOWN = 32,
  TESTED = 256,
  START_FROM = 256,
  SHARE = 20,
  BINS = 32,
  WIDTH = 0.25,
  /** Bits per value that no flow has that still learns. */
  MOST_BITS = 64;

const now = () => performance.now();

/** Let messages in. */
function breath() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(0);
  });
}

/** Answer the messages of a scope: a Worker's self, or anything with postMessage and a place for onmessage. */
export function serve(scope) {
  let training = null,
    running = false,
    active = false,
    jobs = [],
    runs = [];
  const tell = (event) => scope.postMessage(event);

  async function loop() {
    active = true;
    try {
      while (jobs.length || running) {
        if (jobs.length) await jobs.shift()();
        else await slice();
        await breath();
      }
    } catch (error) {
      running = false;
      tell({ type: "error", message: `The training stopped: ${error.message}` });
    }
    active = false;
  }

  /** Queue what takes the engine for itself; its result is the answer. */
  function job(id, work) {
    const done = async () => {
      try {
        scope.postMessage({ id, answer: await work() });
      } catch (error) {
        scope.postMessage({ id, refused: error.message });
      }
    };
    jobs.push(done);
    if (!active) loop();
  }

  async function slice() {
    const end = now() + SLICE;
    try {
      do training.advance();
      while (training.step < training.until && now() < end);
    } catch (error) {
      if (!(error instanceof Divergence)) throw error;
      tell({ type: "diverged", step: training.step, message: error.message });
      return stop("diverged");
    }
    const last = training.step >= training.until || !running;
    if (last || now() - training.told > TELL_EVERY) tell(training.progress());
    if (last) return stop(running ? "reached" : "paused");
    // On a slow machine, samples and tests take no more than a part of the time.
    if (now() - training.sampled > Math.max(SAMPLES_EVERY, SHARE * training.samplesTook)) await samples();
    else if (now() - training.tested > Math.max(TEST_EVERY, SHARE * training.testTook)) await test();
  }

  async function samples() {
    const began = now(),
      pictures = await training.sample(SHOWN, training.temperature, training.seed);
    tell({ type: "samples", ...pictures });
    training.sampled = now();
    training.samplesTook = training.sampled - began;
  }

  async function test() {
    const began = now(),
      { bits, histogram } = await training.test();
    tell({ type: "test", step: training.step, bits });
    tell({ type: "histogram", step: training.step, ...histogram });
    training.tested = now();
    training.testTook = training.tested - began;
  }

  async function stop(reason) {
    running = false;
    if (reason !== "reached" || !training.brief) {
      await samples();
      await test();
    }
    const event = { type: "stopped", step: training.step, reason };
    for (const id of runs.splice(0)) scope.postMessage({ id, answer: event });
    tell(event);
  }

  const answers = {
    start(id, { recipe, seed, train, test: held, data = "faces16", simd }) {
      running = false;
      jobs = [];
      job(id, async () => {
        for (const run of runs.splice(0))
          scope.postMessage({ id: run, answer: { type: "stopped", step: 0, reason: "paused" } });
        training = new Training(check(recipe, train, held), seed, train, held, data, simd);
        const { bits, histogram } = await training.test();
        const event = {
          type: "ready",
          parameters: parameterCount(recipe),
          startBits: bits,
          simd: training.engine.simd,
        };
        tell(event);
        tell({ type: "histogram", step: 0, ...histogram });
        training.tested = now();
        await samples();
        return event;
      });
    },
    run(id, { untilStep, brief }) {
      const begin = () => {
        if (!training) return scope.postMessage({ id, refused: "No training has been started." });
        training.until = untilStep;
        training.brief = brief;
        runs.push(id);
        if (untilStep > training.step) running = true;
        else return stop("reached");
      };
      jobs.push(begin);
      if (!active) loop();
    },
    pause(id) {
      const was = running;
      running = false;
      if (was) jobs.unshift(() => stop("paused"));
      scope.postMessage({ id, answer: training?.step ?? 0 });
    },
    set(id, { learningRate, iterations, temperature }) {
      if (training) {
        const { recipe } = training.engine;
        recipe.learningRate = learningRate ?? recipe.learningRate;
        recipe.iterations = iterations ?? recipe.iterations;
        training.temperature = temperature ?? training.temperature;
        if (temperature !== undefined) {
          jobs.push(samples);
          if (!active) loop();
        }
      }
      scope.postMessage({ id, answer: null });
    },
    sample: (id, { count, temperature, seed }) => job(id, () => training.sample(count, temperature, seed)),
    score: (id, { images }) => job(id, async () => (await training.score(images)).bits),
    save: (id) => job(id, () => checkpoint(training.engine, training.facts())),
    flow: (id) => job(id, async () => pack(training.engine, training.facts(), await training.stated())),
    close() {
      running = false;
      jobs = [];
    },
  };
  scope.onmessage = ({ data: { id, what, ...details } }) => {
    answers[what](id, details);
  };
}

/** The recipe, or an error with a sentence. */
function check(recipe, train, test) {
  const [colours, height, width] = recipe.shape,
    side = 2 ** recipe.levels;
  if (height % side || width % side)
    throw new Error(`Pictures of ${height}×${width} cannot be halved ${recipe.levels} times: choose fewer levels.`);
  for (const [what, { pixels, count }] of Object.entries({ train, test }))
    if (count < 1 || pixels.length !== count * colours * height * width)
      throw new Error(`There are ${count} pictures to ${what} with; at least 1 of ${height}×${width} is needed.`);
  return recipe;
}

class Divergence extends Error {}

class Training {
  constructor(recipe, seed, train, test, data, simd = true) {
    this.seed = seed;
    this.train = train;
    this.shown = test;
    this.data = data;
    this.step = 0;
    this.until = 0;
    /** Whether it goes on soon, so that nothing is drawn or tested where it stops. */
    this.brief = false;
    this.temperature = 1;
    /** When the page was last told, and how long it took to find out. */
    this.told = this.sampled = this.tested = 0;
    this.samplesTook = this.testTook = 0;
    this.engine = new Engine({ ...recipe }, Math.max(recipe.batch, SHOWN), simd);
    this.held = this.values(test, Math.min(TESTED, test.count), randomOf(seed, "test"));
    const count = Math.min(START_FROM, train.count);
    this.arrangements = start(this.engine, this.batch(0, count), count, seed);
    this.metrics = {};
    this.since = [];
    this.pace = 0;
    /** The averaged weights of the last test that was good. */
    this.good = { step: 0, values: this.averages() };
  }

  averages() {
    const { f, average, size } = this.engine;
    return f.slice(average, average + size);
  }

  /** Dequantised values of the first pictures. */
  values({ pixels }, count, uniform) {
    const { dimensions } = this.engine;
    return Float32Array.from({ length: count * dimensions }, (_, i) => (pixels[i] + uniform()) / 256 - 0.5);
  }

  /** The pictures of a step, dequantised: epochs are orders of their own, and depend on the seed. */
  batch(step, count) {
    const { dimensions } = this.engine,
      { pixels, count: all } = this.train,
      x = new Float32Array(count * dimensions),
      uniform = randomOf(this.seed, `batch ${step}`),
      first = step * this.engine.recipe.batch;
    let to = 0;
    for (let i = 0; i < count; i++) {
      const epoch = Math.floor((first + i) / all);
      if (this.epoch !== epoch) {
        this.epoch = epoch;
        this.order = shuffled(all, randomOf(this.seed, `epoch ${epoch}`));
      }
      const from = this.order[(first + i) % all] * dimensions;
      for (let j = 0; j < dimensions; j++) x[to++] = (pixels[from + j] + uniform()) / 256 - 0.5;
    }
    return x;
  }

  /** One step; an error where it cannot be taken, and then the averaged weights are the last good ones. */
  advance() {
    const began = now(),
      { engine, step } = this,
      { batch } = engine.recipe;
    engine.load(this.batch(step, batch), batch);
    const bits = engine.bits(engine.forward(batch).reduce((a, b) => a + b, 0) / batch);
    if (!(bits < MOST_BITS)) throw this.diverged(bits);
    engine.backward(batch);
    const norm = gradientNorm(engine);
    if (!Number.isFinite(norm)) throw this.diverged(bits);
    update(engine, norm, step);
    this.step++;
    this.since.push(bits);
    const took = now() - began;
    this.pace = this.pace ? this.pace + 0.1 * (took - this.pace) : took;
  }

  diverged(bits) {
    const { f, average } = this.engine;
    f.set(this.good.values, average);
    const what = Number.isFinite(bits) ? `needed ${Math.round(bits)} bits` : "could not be computed any more";
    return new Divergence(
      `After ${this.step} steps a value ${what}: the learning rate ${this.engine.recipe.learningRate} is too high for ` +
        `this flow. The pictures are of step ${this.good.step}.`,
    );
  }

  progress() {
    const { since } = this;
    this.told = now();
    this.since = [];
    return {
      type: "step",
      step: this.step,
      trainBits: since.reduce((a, b) => a + b, 0) / since.length,
      millisecondsAStep: this.pace,
    };
  }

  /** Bits per value of values x, batch by batch, by the averaged weights; the histogram of their noise. */
  async scored(x) {
    const { engine } = this,
      { dimensions, levels, f } = engine,
      total = x.length / dimensions,
      bits = new Float64Array(total),
      counts = levels.map(() => new Float64Array(BINS));
    const most = Math.min(engine.most, SHOWN);
    for (let from = 0; from < total; from += most) {
      const count = Math.min(most, total - from);
      engine.load(x.subarray(from * dimensions, (from + count) * dimensions), count);
      bits.set(
        engine.forward(count, engine.average).map((logP) => engine.bits(logP)),
        from,
      );
      levels.forEach(({ noise, pixels, channels, half, last }, l) => {
        const end = noise + pixels * count * (last ? channels : half);
        for (let i = noise; i < end; i++) {
          const bin = Math.floor(f[i] / WIDTH) + BINS / 2;
          if (bin >= 0 && bin < BINS) counts[l][bin]++;
        }
      });
      await breath();
    }
    const shares = levels.map(({ pixels, channels, half, last }, l) =>
      Array.from(counts[l], (count) => count / (total * pixels * (last ? channels : half))),
    );
    return { bits, histogram: { levels: shares, gaussian } };
  }

  async test() {
    const { bits, histogram } = await this.scored(this.held),
      mean = bits.reduce((a, b) => a + b, 0) / bits.length;
    if (mean < MOST_BITS) this.good = { step: this.step, values: this.averages() };
    this.metrics = Number.isFinite(mean) ? { test_bits_per_dim: mean } : {};
    return { bits: mean, histogram };
  }

  score(images) {
    return this.scored(this.values(images, images.count, randomOf(this.seed, "score")));
  }

  /** Pictures from the noise of a seed, by the averaged weights. */
  async sample(count, temperature, seed) {
    const { engine, step } = this,
      { dimensions, levels } = engine,
      pixels = new Uint8Array(count * dimensions);
    for (let from = 0; from < count; from += engine.most) {
      const some = Math.min(engine.most, count - from);
      const noises = levels.map(({ pixels: places, channels, half, last }, l) => {
        const uniform = randomOf(seed, `noise ${l} ${from}`),
          own = last ? channels : half,
          noise = new Float32Array(places * some * own);
        for (let n = 0; n < some; n++)
          for (let p = 0; p < places; p++)
            for (let c = 0; c < own; c++) noise[(p * some + n) * own + c] = temperature * normalOf(uniform);
        return noise;
      });
      const work = engine.inverse(noises, some);
      let part = work.next();
      while (!part.done) {
        await breath();
        part = work.next();
      }
      part.value.forEach((v, i) => {
        pixels[from * dimensions + i] = Math.min(255, Math.max(0, Math.floor((v + 0.5) * 256)));
      });
    }
    return { step, pixels, count };
  }

  /** What the lesson's scenes state of the flow. */
  async stated() {
    const { count, pixels } = this.shown,
      work = facts(this.engine, { pixels, count: Math.min(TESTED, count) });
    let part = work.next();
    while (!part.done) {
      await breath();
      part = work.next();
    }
    return part.value;
  }

  facts() {
    return { data: this.data, step: this.step, seed: this.seed, metrics: this.metrics };
  }
}

/** The share of the Gaussian in every bin, by ten points in each. */
const gaussian = Array.from({ length: BINS }, (_, bin) => {
  let sum = 0;
  for (let i = 0; i < 10; i++) {
    const x = WIDTH * (bin - BINS / 2 + (i + 0.5) / 10);
    sum += (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * (WIDTH / 10);
  }
  return sum;
});
