// Two trainings from one seed that differ in one choice, step by step in turns: the study of scene 11.
import { Trainer } from "./trainer/client.js";
import { fast } from "./trainer/kernels.js";

/** Steps of one flow before it is the other's turn. */
const TURN = 8,
  /** Where there is no WebAssembly, a smaller flow. */
  LIGHT = { width: 24, iterations: 200 };

const SORTED = { start: "data", half: "entropy", weights: false, partition: "alternating" },
  WEIGHTED = { ...SORTED, weights: true };

/**
 * The two flows of every choice, without it and with it, as in the bundled studies: each choice is added to those above.
 * @type {Record<string, [object, object]>}
 */
export const ARMS = {
  start: [{ ...SORTED, start: "random", half: "position" }, SORTED],
  weights: [SORTED, WEIGHTED],
  partitions: [WEIGHTED, { ...WEIGHTED, partition: "random" }],
};

/** The trainings of one choice: a seed at a time. Its state is read; changed() is called after every change of it. */
export class Pair {
  /** @param {string} choice @param {object} fewer what a test makes smaller of the recipe */
  constructor(choice, fewer, changed) {
    this.light = !fast();
    this.recipes = ARMS[choice].map((arm) => ({ ...arm, ...(this.light ? LIGHT : {}), ...fewer }));
    this.changed = changed;
    /** @type {Trainer[]} */
    this.trainers = [];
    this.seed = 0;
    this.going = this.working = false;
    this.trouble = "";
  }

  /** States of both trainings, once there are any. */
  get states() {
    return this.trainers.map(({ state }) => state);
  }

  get step() {
    return Math.min(...this.states.map(({ step }) => step), this.last);
  }

  get last() {
    return this.states[0]?.recipe?.iterations ?? 0;
  }

  get done() {
    return this.seed > 0 && this.step === this.last && !this.working;
  }

  /** Bits per value that the choice saves, on pictures that neither trained on, at the last step that both have. */
  get lead() {
    const [without, withIt] = this.states.map(({ test }) => new Map(test)),
      common = [...(without?.keys() ?? [])].filter((step) => withIt?.has(step));
    const at = Math.max(...common);
    return common.length ? without.get(at) - withIt.get(at) : Number.NaN;
  }

  /** Begin with a seed, or go on with it; resolves once it is done, paused or in trouble. */
  async run(seed, faces) {
    if (this.working) {
      this.going = true;
      return;
    }
    Object.assign(this, { going: true, working: true, trouble: "" });
    try {
      if (this.seed !== seed) await this.start(seed, await faces());
      while (this.going && this.step < this.last) await this.turn();
    } catch (error) {
      this.trouble = error.message;
      this.seed = 0;
    }
    Object.assign(this, { going: false, working: false });
    this.changed();
  }

  async start(seed, pictures) {
    this.seed = seed;
    for (const trainer of this.trainers) trainer.close();
    this.trainers = this.recipes.map(() => new Trainer());
    for (const [i, trainer] of this.trainers.entries()) {
      trainer.listen(() => this.changed());
      await trainer.start({ recipe: this.recipes[i], seed, ...pictures });
    }
  }

  async turn() {
    const to = Math.min(this.step + TURN, this.last),
      brief = to < this.last && to % (6 * TURN) > 0;
    for (const trainer of this.trainers) {
      const { reason } = await trainer.run(to, brief);
      if (reason === "diverged") throw new Error(trainer.state.message);
    }
  }

  /** Stop once both flows have the same steps. */
  pause() {
    this.going = false;
  }
}
