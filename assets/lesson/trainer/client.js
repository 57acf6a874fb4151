// The page's side of a training in the visitor's own tab.
import { Listeners } from "../listeners.js";
import { serve } from "./worker.js";

/** The recipe of the bundled studies: 500 steps on faces of 16×16. @type {import("./api").Recipe} */
export const usual = {
  shape: [3, 16, 16],
  levels: 3,
  steps: 4,
  width: 48,
  start: "data",
  weights: true,
  half: "entropy",
  partition: "random",
  mixing: true,
  coupling: true,
  learningRate: 2e-3,
  batch: 32,
  iterations: 500,
};

/** A training, in a Worker where there is one. Methods return promises; events go to the listeners. */
export class Trainer {
  constructor() {
    /** @type {import("./api").State} */
    this.state = blank();
    this.listeners = new Listeners();
    this.waiting = new Map();
    this.asked = 0;
    this.port = connect((message) => this.hear(message));
  }

  /** Call f(event) for every event from now on; returns a function that ends it. @param {(event: import("./api").TrainerEvent) => void} f */
  listen(f) {
    return this.listeners.hear(f);
  }

  /** Begin anew: the start is computed, nothing runs yet. Resolves as the event "ready". @param {import("./api").Start} what */
  start({ recipe = {}, seed = 1, train, test, data = "faces16", simd = true }) {
    const whole = { ...usual, ...recipe };
    this.state = { ...blank(), recipe: whole, seed };
    return this.ask("start", { recipe: whole, seed, train, test, data, simd });
  }

  /** Train until a step (the recipe's last by default); brief: nothing is tested there. Resolves as the event "stopped". */
  run(untilStep = this.state.recipe?.iterations, brief = false) {
    this.state.running = true;
    return this.ask("run", { untilStep, brief });
  }

  /** One step. */
  step() {
    return this.run(this.state.step + 1);
  }

  /** Stop after the step that is being computed. */
  pause() {
    return this.ask("pause", {});
  }

  /** Change in mid-training: learning rate (peak), the last step, the temperature of samples. @param {{learningRate?: number, iterations?: number, temperature?: number}} knobs */
  set(knobs) {
    return this.ask("set", knobs);
  }

  /** Pictures of the averaged flow. @returns {Promise<import("./api").Samples>} */
  sample({ count = 32, temperature = 1, seed = 1 } = {}) {
    return this.ask("sample", { count, temperature, seed });
  }

  /** Bits per value of every picture, of the averaged flow. @param {import("./api").Images} images @returns {Promise<Float64Array>} */
  score(images) {
    return this.ask("score", { images });
  }

  /** The averaged flow as a .safetensors file of eiwflow. @returns {Promise<Uint8Array<ArrayBuffer>>} */
  save() {
    return this.ask("save", {});
  }

  /** The averaged flow as a pack: readPack(bytes) of flow.js, whose head.flow goes to new Flow(), with what scenes state of it. @returns {Promise<Uint8Array>} */
  flow() {
    return this.ask("flow", {});
  }

  /** End the training and its Worker. */
  close() {
    this.port.close();
    this.listeners.clear();
  }

  ask(what, details) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.port.send({ id, what, ...details });
    });
  }

  hear(message) {
    if (message.id) {
      const { resolve, reject } = this.waiting.get(message.id) ?? {};
      if (!resolve) return;
      this.waiting.delete(message.id);
      if (message.refused) reject(new Error(message.refused));
      else resolve(message.answer);
      return;
    }
    remember(this.state, message);
    if (message.type === "error") {
      for (const { reject } of this.waiting.values()) reject(new Error(message.message));
      this.waiting.clear();
    }
    this.listeners.tell(message);
  }
}

/** @returns {import("./api").State} */
function blank() {
  return {
    recipe: null,
    seed: 1,
    running: false,
    step: 0,
    parameters: 0,
    startBits: 0,
    millisecondsAStep: 0,
    train: [],
    test: [],
    samples: null,
    histogram: null,
    message: "",
  };
}

function remember(state, { type, ...event }) {
  if (type === "ready") {
    Object.assign(state, event);
    state.test.push([0, event.startBits]);
  } else if (type === "step") {
    Object.assign(state, { step: event.step, millisecondsAStep: event.millisecondsAStep });
    state.train.push([event.step, event.trainBits]);
  } else if (type === "test") state.test.push([event.step, event.bits]);
  else if (type === "samples") state.samples = event;
  else if (type === "histogram") state.histogram = event;
  else if (type === "stopped") Object.assign(state, { step: event.step, running: false });
  else Object.assign(state, { message: event.message, running: false });
}

/** A worker that is served in a Worker, or in this thread where there is none or a policy forbids it. */
function connect(hear) {
  if (typeof make_trainer_worker_js === "function" && typeof Worker === "function") {
    try {
      return inWorker(hear);
    } catch {
      /* a policy forbids Workers: this thread does it too */
    }
  }
  let open = true;
  const scope = { onmessage: null, postMessage: (message) => queueMicrotask(() => open && hear(message)) };
  serve(scope);
  const close = () => {
    open = false;
    scope.onmessage({ data: { what: "close" } });
  };
  return { worker: false, send: (message) => setTimeout(() => scope.onmessage({ data: message }), 0), close };
}

function inWorker(hear) {
  // The modules of the bundled page, by their names there (eiwflow/lesson/bundle.py), those that others import first.
  const modules = {
    flow_js: make_flow_js,
    trainer_simd_js: make_trainer_simd_js,
    trainer_kernels_js: make_trainer_kernels_js,
    trainer_engine_js: make_trainer_engine_js,
    trainer_start_js: make_trainer_start_js,
    trainer_optimiser_js: make_trainer_optimiser_js,
    trainer_save_js: make_trainer_save_js,
    trainer_facts_js: make_trainer_facts_js,
    trainer_worker_js: make_trainer_worker_js,
  };
  const source = Object.entries(modules).map(([name, make]) => `const ${name} = (${make})();\n`);
  const code = `${source.join("")}trainer_worker_js.serve(self);`;
  const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const worker = new Worker(address);
  URL.revokeObjectURL(address);
  worker.onmessage = ({ data }) => hear(data);
  worker.onerror = (event) => {
    event.preventDefault();
    hear({ type: "error", message: `The training stopped: ${event.message || "its worker did not start"}.` });
  };
  return { worker: true, send: (message) => worker.postMessage(message), close: () => worker.terminate() };
}
