// The playground of image flows: data, a flow, and what happens while it learns, all in one screen.
import { el, number } from "../draw.js";
import { keepOwn } from "../own.js";
import { Trainer } from "../trainer/client.js";
import { filesOf, readHeap } from "./heap.js";
import { changed, DEFAULTS, fromAddress, KNOBS, movedTo, named, withKnobs } from "./knobs.js";
import { fileOf, ITERATIONS, npz, recipeOf } from "./python.js";
import { SHAPE, VALUES, View } from "./view.js";

/** Of an own heap an eighth is for the test, at most 256 pictures. */
const TEST_PART = 8,
  MOST_TEST = 256;

/**
 * Put the playground into an element. Options: sets() promises {faces, letters}, each {train, test}; onLeave(page).
 */
export function mountPlayground(root, options) {
  root.eiwPlayground?.stop();
  root.eiwPlayground = new Playground(root, options);
}

function download(content, name) {
  const link = el("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

class Playground {
  constructor(root, { sets, onLeave }) {
    this.root = root;
    this.onLeave = onLeave;
    this.cleanup = [];
    this.sets = {};
    this.kept = null;
    /** The settings of the flow that learned last. */
    this.learning = null;
    this.turns = 0;
    this.forget(false);
    const { settings, wrong } = fromAddress(location.search);
    this.settings = settings;
    this.view = new View(root, settings, this, onLeave);
    this.view.show(this);
    this.listen();
    if (wrong.length)
      this.view.notice(`This link asks for a ${wrong.join(" and a ")} that does not exist: it has its default.`);
    this.open(sets);
  }

  /** Load the data, then prepare the flow. */
  async open(sets) {
    try {
      this.sets = { ...(await sets()), ...this.sets };
    } catch (error) {
      return this.fail(`The pictures could not be loaded: ${error.message}.`);
    }
    if (this.stopped) return;
    for (const name of ["faces", "letters"]) this.view.showData(name, this.sets[name]);
    if (!this.sets[this.settings.data]) {
      this.view.notice("A link holds no pictures of one’s own: faces are used.");
      this.settings.data = DEFAULTS.data;
    }
    if (typeof Worker !== "function")
      this.view.notice("This browser has no workers: while a flow learns, the page is slow.");
    this.begin();
  }

  listen() {
    const dark = matchMedia("(prefers-color-scheme: dark)"),
      redraw = () => this.view.redraw();
    const key = (event) => {
      if (event.key === "Escape") this.view.closePython();
      const typing = ["BUTTON", "INPUT", "SELECT", "SUMMARY"].includes(event.composedPath()[0].tagName);
      if (event.key !== " " || event.ctrlKey || event.altKey || typing) return;
      event.preventDefault();
      this.toggle();
    };
    const drag = (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      this.view.stage.classList.toggle("over", event.type === "dragover");
      if (event.type === "drop") filesOf(event.dataTransfer).then((files) => this.ownHeap(files));
    };
    /** @type {[EventTarget, string, (event: any) => void][]} */
    const heard = [
      [dark, "change", redraw],
      [window, "resize", redraw],
      [window, "keydown", key],
      [window, "dragover", drag],
      [window, "dragleave", drag],
      [window, "drop", drag],
    ];
    for (const [target, name, act] of heard) {
      target.addEventListener(name, act);
      this.cleanup.push(() => target.removeEventListener(name, act));
    }
  }

  // Knobs

  /** Move a knob of numbers by one. */
  move(name, by) {
    const { of } = KNOBS[name];
    this.turn(name, of[of.indexOf(this.settings[name]) + by]);
  }

  turn(name, value) {
    if (value !== undefined) this.set({ [name]: value });
  }

  experiment(knobs) {
    const { data, seed, temperature } = this.settings;
    this.set({ ...DEFAULTS, ...knobs, data, seed, temperature });
  }

  again() {
    this.set({ seed: (this.settings.seed % KNOBS.seed.of.length) + 1 });
  }

  temperature(temperature) {
    this.settings.temperature = temperature;
    if (this.ready) this.trainer.set({ temperature });
    this.view.show(this);
    this.publish();
  }

  /** Move knobs: the flow starts anew, and goes on by itself where one was learning. */
  set(knobs) {
    const settings = { ...this.settings, ...knobs };
    if (!changed(this.settings, settings).length || !this.sets.faces) return;
    // Several clicks in a row are one change of the flow that was learning.
    if (this.seen.step) this.learning = this.settings;
    if (this.seen.test.length > 1 && this.isBest()) this.keepCurve(false);
    this.settings = settings;
    this.begin(this.playing);
    if (!this.learning) return;
    const moved = changed(this.learning, settings).map((name) => movedTo(name, settings));
    this.view.notice(`Starts anew${moved.length ? `: ${moved.join(", ")}` : ""}.`);
  }

  // Training

  /** Forget what was seen of a flow. */
  forget(playing) {
    this.playing = playing;
    this.ready = this.ended = false;
    this.last = ITERATIONS;
    this.seen = { step: 0, pace: 0, parameters: 0, train: [], test: [] };
  }

  /** Prepare the flow of the settings. While one is being prepared, the last call counts. */
  async begin(playing = false) {
    this.turns++;
    this.forget(playing);
    this.view.trouble("");
    this.view.newFlow(this.settings, this.sets[this.settings.data].train.pixels.subarray(0, VALUES));
    this.view.play.disabled = false;
    this.view.show(this);
    this.publish();
    if (this.starting) return;
    this.starting = true;
    while (!(await this.prepared()));
    this.starting = false;
  }

  /** Whether the flow of the settings, as they are at the end, has its start. */
  async prepared() {
    const turn = this.turns,
      { settings } = this,
      { train, test } = this.sets[settings.data];
    this.trainer ??= this.newTrainer();
    let event;
    try {
      event = await this.trainer.start({
        recipe: recipeOf(settings),
        seed: settings.seed,
        train,
        test,
        data: fileOf(settings) || "faces16",
      });
    } catch (error) {
      if (turn === this.turns) this.fail(error.message);
    }
    if (this.stopped) return true;
    if (turn !== this.turns) return false;
    if (!event) return true;
    this.ready = true;
    this.seen.parameters = event.parameters;
    this.seen.test.push([0, event.startBits]);
    if (!event.simd) this.view.notice("This browser computes without WebAssembly: a step takes ten times as long.");
    this.view.drawing.noise(this.trainer.state.histogram?.levels ?? []);
    this.trainer.set({ temperature: this.settings.temperature });
    if (this.playing) this.run();
    this.view.show(this);
    return true;
  }

  newTrainer() {
    const trainer = new Trainer();
    trainer.listen((event) => this.hear(event));
    return trainer;
  }

  toggle() {
    if (this.view.play.disabled) return;
    this.playing = !this.playing;
    if (this.ready && this.playing) this.run();
    else if (this.ready) this.trainer.pause();
    this.view.show(this);
  }

  run() {
    this.seen.diverged = false;
    if (this.ended) this.trainer.set({ iterations: (this.last += ITERATIONS) });
    this.ended = false;
    this.trainer.run(this.last);
  }

  /** One step; of a flow that is learning, its pause. */
  step() {
    if (this.playing) this.toggle();
    else if (this.ready && !this.ended) this.trainer.step();
  }

  hear(event) {
    if (event.type === "error") return this.broken(event.message);
    if (!this.ready || this.stopped) return;
    const { seen, view } = this;
    if (event.step !== undefined) seen.step = event.step;
    if (event.type === "step") {
      seen.train.push([event.step, event.trainBits]);
      seen.pace = event.millisecondsAStep;
      return view.showProgress(seen, this.sets[this.settings.data].train);
    }
    if (event.type === "samples") return view.showSamples(event);
    if (event.type === "histogram") return view.drawing.noise(event.levels);
    if (event.type === "test") seen.test.push([event.step, event.bits]);
    if (event.type === "diverged") {
      seen.diverged = true;
      view.trouble(event.message);
    }
    if (event.type === "diverged" || (event.type === "stopped" && event.reason !== "paused")) this.playing = false;
    this.ended = event.step >= this.last;
    view.show(this);
  }

  /** The worker is gone: the next knob that is moved makes another. */
  broken(text) {
    this.trainer?.close();
    this.trainer = null;
    this.starting = false;
    this.fail(text);
  }

  /** Say why nothing can learn now. */
  fail(text) {
    this.playing = this.ready = false;
    this.view.show(this);
    this.view.trouble(text);
    this.view.play.disabled = true;
  }

  /** Whether this curve takes the place of the kept one: that of other pictures, or one that ends higher. */
  isBest() {
    const { kept, seen, sets, settings } = this;
    if (!kept) return true;
    if (kept.pinned) return false;
    return kept.pictures !== sets[settings.data] || seen.test.at(-1)[1] < kept.test.at(-1)[1];
  }

  /** Draw this curve beside those that follow: until a better one, or pinned, until it is replaced. */
  keepCurve(pinned = true) {
    const { settings, seen, sets } = this;
    this.kept = { test: [...seen.test], settings, name: named(settings), pictures: sets[settings.data], pinned };
    this.view.show(this);
  }

  // Files

  async ownHeap(files) {
    const { view } = this;
    if (!files.length || !this.sets.faces) return;
    view.trouble("");
    const progress = (read) => view.notice(`Reading: ${number(read)} of ${number(files.length)} …`, false);
    progress(0);
    const { pictures, count, sentence } = await readHeap(files, SHAPE, progress);
    if (this.stopped) return;
    view.notice("");
    if (!pictures) return view.trouble(sentence);
    const test = Math.min(MOST_TEST, Math.floor(count / TEST_PART));
    this.sets.own = {
      train: { pixels: pictures.slice(test * VALUES), count: count - test },
      test: { pixels: pictures.slice(0, test * VALUES), count: test },
    };
    view.showData("own", this.sets.own);
    if (this.settings.data === "own") this.begin();
    else this.turn("data", "own");
    if (sentence) view.trouble(sentence);
    else view.notice(`${number(count)} pictures. They stay in this tab.`);
  }

  /** The pictures of this tab as a file that the command for Python reads. */
  savePictures() {
    const array = ({ pixels, count }) => ({ bytes: pixels, shape: [count, ...SHAPE] }),
      { train, test } = this.sets[this.settings.data];
    download(npz({ train: array(train), test: array(test) }), fileOf(this.settings));
  }

  async saveFlow() {
    const { data } = this.settings,
      bytes = await this.trainer.save();
    download(new Blob([bytes]), `playground-${data}-${this.seen.step}.safetensors`);
  }

  /** Show the flow in the lesson, until this tab closes. */
  async openFlow() {
    const { data } = this.settings,
      bytes = await this.trainer.flow();
    keepOwn({ bytes, data: data === "faces" ? "faces16" : data, test: this.sets[data].test });
    this.onLeave("lesson");
  }

  publish() {
    try {
      history.replaceState(history.state, "", withKnobs(location.href, this.settings));
    } catch {
      /* a file opened from disk may not change its address */
    }
  }

  /** End it; another may be put in its place. */
  stop() {
    this.stopped = true;
    this.root.eiwPlayground = undefined;
    this.trainer?.close();
    this.view.stop();
    for (const act of this.cleanup) act();
  }
}
