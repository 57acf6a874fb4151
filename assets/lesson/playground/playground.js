// The playground of image flows: data, a flow, and what happens while it learns, all in one screen.
import { choices, colours, el, number, slider, surface } from "../draw.js";
import { Trainer } from "../trainer/client.js";
import { Drawing } from "./drawing.js";
import { FEWEST, filesOf, readHeap } from "./heap.js";
import { changed, EXPERIMENTS, fromAddress, inWords, KNOBS, named, withKnobs } from "./knobs.js";
import { BLIND_GUESS, drawCurves } from "./plots.js";
import { fileOf, ITERATIONS, npz, pythonCommand, recipeOf } from "./python.js";
import { whatWasSeen, withoutEffect } from "./seen.js";

/** Columns and rows of the samples; pixels between them. */
const ACROSS = 8,
  DOWN = 4,
  GAP = 1;
/** Pictures shown of every data set, and how many of an own heap are kept for the test: an eighth, at most 256. */
const SHOWN = 12,
  TEST_PART = 8,
  MOST_TEST = 256;

/** Pictures of the playground: channels, height and width as the stage has them. */
const SHAPE = [16, 16, 3];
/** Test bits per value of bundled flows (assets/checkpoints/faces16-entropy-weighted.safetensors). */
const BUNDLED = { faces: 4.438 };
const TITLES = {
  start: "Off: random rotations, as in Glow",
  weights: "Each picture weights its channels, at every level but the last",
  mixing: "Channels are mixed before every coupling",
  coupling: "One half predicts part of the other",
};

const DATA_NAMES = { faces: "Faces", letters: "Letters", own: "Your pictures" };

/**
 * Put the playground into an element. Options: sets() promises {faces, letters}, each {train, test, bits}; onLeave(page).
 */
export function mountPlayground(root, options) {
  root.eiwPlayground?.stop();
  root.eiwPlayground = new Playground(root, options);
  return root.eiwPlayground;
}

/** Pictures as one canvas, `across` beside each other. */
function mosaic(bytes, count, across, canvas = el("canvas", {})) {
  const [height, width, channels] = SHAPE,
    rows = Math.ceil(count / across);
  [canvas.width, canvas.height] = [across * (width + GAP) - GAP, rows * (height + GAP) - GAP];
  const context = canvas.getContext("2d"),
    image = context.createImageData(width, height);
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < width * height; i++)
      for (let c = 0; c < 4; c++) image.data[4 * i + c] = c < 3 ? bytes[(n * width * height + i) * channels + c] : 255;
    context.putImageData(image, (n % across) * (width + GAP), Math.floor(n / across) * (height + GAP));
  }
  return canvas;
}

/** A number in groups of three digits, which the style sets apart: its text is digits alone. */
const grouped = (n) =>
  number(n)
    .split(",")
    .map((digits) => el("span", {}, digits));

function download(content, name) {
  const link = el("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

class Playground {
  constructor(root, options) {
    this.root = root;
    this.options = options;
    this.cleanup = [];
    this.trainer = null;
    this.seen = { step: 0, train: [], test: [] };
    this.kept = null;
    this.sets = {};
    const { settings, wrong } = fromAddress(location.search);
    this.settings = settings;
    this.build();
    this.listen();
    if (wrong.length)
      this.notice(`This link has no value for ${wrong.join(", ")} that exists here: the default is used.`);
    this.open();
  }

  /** Load the data, then prepare the flow. */
  async open() {
    try {
      this.sets = { ...(await this.options.sets()), ...this.sets };
    } catch (error) {
      this.fail(`The pictures could not be loaded: ${error.message}.`);
      return;
    }
    if (this.stopped) return;
    for (const name of ["faces", "letters"]) this.showData(name);
    if (this.settings.data === "own" && !this.sets.own) {
      this.notice("A link holds no pictures: this one was made with pictures of somebody’s own. Faces are used.");
      this.settings.data = "faces";
    }
    this.begin();
  }

  build() {
    this.error = el("p", { className: "trouble", "data-play": "error", role: "alert", hidden: true });
    this.said = el("p", { className: "notice", role: "status", hidden: true });
    this.stage = el(
      "section",
      { className: "stage playground", tabIndex: -1, "aria-label": "Playground" },
      this.header(),
      this.toolbar(),
      el("div", { className: "messages" }, this.error, this.said),
      el("div", { className: "columns" }, this.dataColumn(), this.flowColumn(), this.resultColumn()),
    );
    this.root.replaceChildren(this.stage);
    this.drawing = new Drawing(this.drawingHost, () => this.colours);
  }

  header() {
    this.experiments = EXPERIMENTS.map(([name, knobs]) =>
      el("button", { type: "button", onclick: () => this.experiment(knobs) }, name),
    );
    const { onLeave } = this.options;
    return el(
      "header",
      {},
      el("h1", {}, "Play with a flow"),
      el("div", { className: "experiments", role: "group", "aria-label": "Experiments" }, "Try", ...this.experiments),
      onLeave
        ? el("button", { type: "button", className: "plain", onclick: () => onLeave("lesson") }, "Lesson →")
        : null,
    );
  }

  toolbar() {
    this.play = el("button", {
      type: "button",
      className: "strong play",
      "data-play": "play",
      onclick: () => this.toggle(),
    });
    // Its text is the number of steps done; playground.css adds what a click does.
    this.one = el("button", { type: "button", className: "one", "data-play": "step", onclick: () => this.step() }, "0");
    const again = el(
      "button",
      { type: "button", title: "Start anew with another seed", onclick: () => this.again() },
      "↻ Other seed",
    );
    this.seed = el("b", {});
    this.bits = el("b", { "data-play": "bits" }, "–");
    this.pace = el("b", {}, "–");
    this.parameters = el("b", { "data-play": "parameters" }, "–");
    this.rate = el(
      "select",
      { "aria-label": "Learning rate", onchange: () => this.turn("rate", Number(this.rate.value)) },
      ...KNOBS.rate.of.map((rate) => el("option", { value: String(rate) }, String(rate))),
    );
    const fact = (value, name) => el("span", { className: "fact" }, value, el("small", {}, name));
    return el(
      "div",
      { className: "toolbar" },
      this.play,
      this.one,
      again,
      fact(this.seed, "seed"),
      el("label", { className: "fact" }, this.rate, el("small", {}, "learning rate")),
      el("span", { className: "room" }),
      fact(this.bits, "bits per value (bits/dim)"),
      fact(this.pace, "ms a step"),
      fact(this.parameters, "parameters"),
    );
  }

  dataColumn() {
    this.cards = {};
    const file = el("input", {
      type: "file",
      multiple: true,
      accept: "image/*",
      className: "hidden-file",
      tabIndex: -1,
      "aria-label": "Your pictures",
      onchange: () => this.ownHeap([...file.files]).then(() => (file.value = "")),
    });
    for (const name of KNOBS.data.of) {
      const canvas = el("canvas", { width: 101, height: 33 });
      this.cards[name] = el(
        "button",
        {
          type: "button",
          className: `set ${name}`,
          "data-set": name,
          onclick: () => (name === "own" && !this.sets.own ? file.click() : this.turn("data", name)),
        },
        canvas,
        el("span", {}, DATA_NAMES[name]),
        el("small", {}, name === "own" ? `Drop ${FEWEST} or more here` : ""),
      );
    }
    this.other = el("button", { type: "button", hidden: true, onclick: () => file.click() }, "Choose others");
    this.python = el("details", { className: "python" }, el("summary", {}, "The same with Python"), el("div", {}));
    this.save = el("button", { type: "button", onclick: () => this.saveFlow() }, "Save the flow");
    return el(
      "section",
      { className: "data", "aria-label": "Data" },
      el("h2", {}, "Data"),
      ...Object.values(this.cards),
      file,
      this.other,
      el("div", { className: "keepsakes" }, this.save, this.python),
    );
  }

  flowColumn() {
    this.drawingHost = el("div", { className: "drawing" });
    this.counters = {};
    const counter = (name, label) => {
      const value = el("output", {});
      const button = (sign, move, mark) =>
        el(
          "button",
          { type: "button", "aria-label": mark, "data-play": mark, onclick: () => this.move(name, move) },
          sign,
        );
      const less = button("−", -1, `${name}-less`),
        more = button("+", 1, `${name}-more`);
      this.counters[name] = { less, value, more };
      return el(
        "div",
        { className: "counter", role: "group", "aria-label": label },
        el("span", {}, label),
        less,
        value,
        more,
      );
    };
    this.switches = {};
    const toggle = (name, on, off, label) => {
      this.switches[name] = el(
        "button",
        {
          type: "button",
          className: "switch",
          role: "switch",
          "data-play": name,
          onclick: () => this.turn(name, this.settings[name] === on ? off : on),
        },
        el("i", {}),
        el("span", {}, label),
      );
      return this.switches[name];
    };
    this.half = choices(
      "Half by",
      KNOBS.half.of.map((half) => [half, half]),
      (half) => this.turn("half", half),
      this.settings.half,
    );
    return el(
      "section",
      { className: "flow", "aria-label": "The flow" },
      el(
        "div",
        { className: "counters" },
        counter("levels", "Levels"),
        counter("steps", "Steps"),
        counter("width", "Width"),
      ),
      this.drawingHost,
      el("p", { className: "noise-means" }, "Bars: the noise that leaves. Line: the Gaussian."),
      el(
        "div",
        { className: "switches" },
        toggle("start", "data", "random", "Start from the data"),
        toggle("weights", "own", "none", "Own weights"),
        toggle("mixing", "on", "off", "Mixing"),
        toggle("coupling", "on", "off", "Coupling"),
      ),
      el("div", { className: "half" }, el("span", {}, "Half passed on, by"), this.half.row),
    );
  }

  resultColumn() {
    this.samples = el("canvas", {
      className: "samples",
      role: "img",
      "aria-label": "Samples of the flow, always from the same noise",
    });
    mosaic(
      new Uint8Array(ACROSS * DOWN * SHAPE[0] * SHAPE[1] * SHAPE[2]).fill(128),
      ACROSS * DOWN,
      ACROSS,
      this.samples,
    );
    this.temperature = slider({
      label: "Temperature",
      max: Math.max(...KNOBS.temperature.of),
      step: 0.1,
      value: this.settings.temperature,
      text: (value) => value.toFixed(1),
      onmove: (value) => {
        this.settings.temperature = KNOBS.temperature.of.find((one) => Math.abs(one - value) < 0.01);
        if (this.ready) this.trainer.set({ temperature: this.settings.temperature });
        this.publish();
      },
    });
    this.sentence = el("p", { className: "seen", "aria-live": "polite" });
    this.legend = el("div", { className: "legend" });
    this.keep = el("button", { type: "button", onclick: () => this.keepCurve() }, "Keep this curve");
    const room = el("div", { className: "curve-room" });
    this.curve = surface(
      room,
      (context, width, height) => this.drawCurve(context, width, height),
      "Bits per value by step",
    );
    this.cleanup.push(() => this.curve.stop());
    return el(
      "section",
      { className: "result", "aria-label": "What happens" },
      this.samples,
      this.temperature.row,
      this.sentence,
      room,
      el("div", { className: "below" }, this.legend, this.keep),
    );
  }

  /** Test bits per value of the bundled flow of these data; undefined without one. */
  get bundled() {
    return BUNDLED[this.settings.data];
  }

  get colours() {
    return (this.colours_ ??= colours(this.stage));
  }

  listen() {
    const dark = matchMedia("(prefers-color-scheme: dark)"),
      redraw = () => {
        this.colours_ = undefined;
        this.curve.redraw();
        this.drawing.redraw();
      };
    dark.addEventListener("change", redraw);
    window.addEventListener("resize", redraw);
    const key = (event) => {
      const { tagName } = event.composedPath()[0];
      if (
        event.key !== " " ||
        event.ctrlKey ||
        event.altKey ||
        ["BUTTON", "INPUT", "SELECT", "SUMMARY"].includes(tagName)
      )
        return;
      event.preventDefault();
      this.toggle();
    };
    window.addEventListener("keydown", key);
    const over = (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      this.stage.classList.toggle("over", event.type === "dragover");
      if (event.type === "drop") filesOf(event.dataTransfer).then((files) => this.ownHeap(files));
    };
    const drags = ["dragover", "dragleave", "drop"];
    for (const name of drags) window.addEventListener(name, over);
    this.cleanup.push(
      () => dark.removeEventListener("change", redraw),
      () => window.removeEventListener("resize", redraw),
      () => window.removeEventListener("keydown", key),
      () => drags.forEach((name) => window.removeEventListener(name, over)),
    );
    this.stage.focus({ preventScroll: true });
  }

  // Knobs

  move(name, by) {
    const { of } = KNOBS[name];
    this.turn(name, of[of.indexOf(this.settings[name]) + by]);
  }

  turn(name, value) {
    if (value !== undefined && value !== this.settings[name]) this.set({ [name]: value });
  }

  experiment(knobs) {
    const { data, seed, temperature } = this.settings;
    this.set({ ...fromAddress("").settings, ...knobs, data, seed, temperature });
  }

  again() {
    this.set({ seed: (this.settings.seed % KNOBS.seed.of.length) + 1 });
  }

  /** Move knobs: the flow starts anew, and goes on by itself where one was training. */
  set(knobs) {
    const next = { ...this.settings, ...knobs },
      names = changed(this.settings, next),
      { step } = this.seen,
      { playing } = this;
    this.settings = next;
    if (!names.length) return;
    this.begin(playing);
    if (step) this.notice(`Starts anew with ${names.map((name) => inWords(name, next)).join(", ")}.`);
  }

  /** Prepare the flow of these settings; the last of several calls counts. */
  async begin(plays = false) {
    this.turn_ = (this.turn_ ?? 0) + 1;
    this.ready = false;
    this.playing = plays;
    this.ended = false;
    this.last = ITERATIONS;
    this.seen = { step: 0, train: [], test: [] };
    this.trouble("");
    this.drawing.show(this.settings, SHAPE);
    this.enter();
    this.show();
    this.publish();
    if (this.starting) return;
    this.starting = true;
    let turn;
    do {
      turn = this.turn_;
      const { settings } = this,
        { train, test } = this.sets[settings.data];
      try {
        this.trainer ??= this.newTrainer();
        const { parameters, startBits, simd } = await this.trainer.start({
          recipe: recipeOf(settings),
          seed: settings.seed,
          train,
          test,
        });
        if (turn !== this.turn_ || this.stopped) continue;
        this.seen.test.push([0, startBits]);
        this.parameters.replaceChildren(...grouped(parameters));
        if (!simd) this.notice("This browser computes without WebAssembly: a step takes ten times as long.", false);
      } catch (error) {
        if (turn === this.turn_) this.fail(error.message);
      }
    } while (turn !== this.turn_ && !this.stopped);
    this.starting = false;
    if (this.stopped || !this.seen.test.length) return;
    this.ready = true;
    this.trainer.set({ temperature: this.settings.temperature });
    if (this.playing) this.run();
    this.show();
  }

  newTrainer() {
    const trainer = new Trainer();
    this.cleanup.push(trainer.listen((event) => this.hear(event)));
    return trainer;
  }

  // What happens

  toggle() {
    if (this.play.disabled) return;
    this.playing = !this.playing;
    if (this.ready && this.playing) this.run();
    else if (this.ready) this.trainer.pause();
    this.show();
  }

  run() {
    if (this.ended) this.trainer.set({ iterations: (this.last += ITERATIONS) });
    this.ended = false;
    this.trainer.run(this.last).catch((error) => this.trouble(error.message));
  }

  step() {
    if (!this.ready) return;
    if (this.playing) this.toggle();
    else if (!this.ended) this.trainer.step().catch((error) => this.trouble(error.message));
  }

  hear(event) {
    if (this.stopped) return;
    if (event.type === "error") return this.fail(event.message);
    if (!this.ready) return;
    const { seen } = this;
    if (event.step !== undefined) seen.step = event.step;
    if (event.type === "step") {
      this.enter();
      seen.train.push([event.step, event.trainBits]);
      seen.pace = event.millisecondsAStep;
    } else if (event.type === "test") seen.test.push([event.step, event.bits]);
    else if (event.type === "samples") mosaic(event.pixels, Math.min(event.count, ACROSS * DOWN), ACROSS, this.samples);
    else if (event.type === "histogram") this.drawing.noise(event.levels);
    else if (event.type === "stopped") {
      this.ended = event.step >= this.last;
      if (event.reason !== "paused" || !this.playing) this.playing = false;
    } else if (event.type === "diverged") {
      this.playing = false;
      this.trouble(event.message);
    }
    this.show();
  }

  /** Let one picture after another enter the drawing, at a pace that can be followed. */
  enter() {
    const { pixels, count } = this.sets[this.settings.data].train,
      [size, n] = [SHAPE[0] * SHAPE[1] * SHAPE[2], Math.floor(performance.now() / 400) % count];
    this.drawing.enter(pixels.subarray(n * size, (n + 1) * size), SHAPE);
  }

  /** Everything that follows from settings and from what was seen. */
  show() {
    const { settings, seen } = this;
    this.play.textContent = this.playing
      ? "❚❚ Pause"
      : this.ended
        ? `▶ To ${number(this.last + ITERATIONS)}`
        : "▶ Play";
    this.play.setAttribute("aria-pressed", String(this.playing));
    this.stage.classList.toggle("playing", this.playing);
    this.seed.textContent = String(settings.seed);
    this.rate.value = String(settings.rate);
    this.one.textContent = String(seen.step);
    this.bits.textContent = seen.test.length ? seen.test.at(-1)[1].toFixed(3) : "–";
    this.pace.textContent = seen.pace ? seen.pace.toFixed(seen.pace < 10 ? 1 : 0) : "–";
    for (const [name, { less, value, more }] of Object.entries(this.counters)) {
      const { of } = KNOBS[name];
      value.value = String(settings[name]);
      less.disabled = settings[name] === of[0];
      more.disabled = settings[name] === of.at(-1);
    }
    const idle = withoutEffect(settings);
    for (const [name, button] of Object.entries(this.switches)) {
      button.setAttribute("aria-checked", String(settings[name] === KNOBS[name].of[0]));
      button.disabled = Boolean(idle[name]);
      button.title = idle[name] ?? TITLES[name];
    }
    this.half.pick(settings.half, true);
    for (const button of this.half.row.children) {
      button.disabled = Boolean(idle.half);
      button.title = idle.half ?? "";
    }
    this.experiments.forEach((button, i) => {
      const there = { ...fromAddress("").settings, ...EXPERIMENTS[i][1], data: settings.data, seed: settings.seed };
      button.setAttribute("aria-pressed", String(!changed(there, settings).length));
    });
    for (const [name, card] of Object.entries(this.cards))
      card.setAttribute("aria-pressed", String(name === settings.data));
    this.other.hidden = !this.sets.own;
    this.save.disabled = !seen.step;
    this.keep.disabled = seen.test.length < 2;
    this.sentence.textContent = whatWasSeen({ settings, seen, kept: this.kept, bundled: this.bundled });
    this.showLegend();
    this.showPython();
    this.curve.redraw();
  }

  showLegend() {
    const entry = (className, text) => el("span", {}, el("i", { className }), text);
    this.legend.replaceChildren(
      entry("test", `Test, ${named(this.settings)}`),
      entry("train", "Train"),
      ...(this.kept ? [entry("kept", this.kept.name)] : []),
    );
  }

  drawCurve(context, width, height) {
    if (!this.seen) return;
    const { colours } = this,
      { bundled } = this,
      { train, test } = this.seen,
      curves = [{ train, test, colour: colours.accent }];
    if (this.kept) curves.unshift({ ...this.kept, train: [], colour: colours.warm });
    drawCurves(context, width, height, {
      curves,
      lines: [[BLIND_GUESS, "blind guess"], ...(bundled ? [[bundled, "bundled flow"]] : [])],
      colours,
    });
  }

  showPython() {
    const [, box] = this.python.children,
      { command, remark } = pythonCommand(this.settings);
    if (box.firstChild?.textContent === (command ?? remark)) return;
    const file = fileOf(this.settings);
    box.replaceChildren(
      ...(command ? [el("code", { tabIndex: 0 }, command)] : []),
      el("p", {}, remark),
      ...(command && file
        ? [el("button", { type: "button", onclick: () => this.savePictures() }, `Save ${file}`)]
        : []),
    );
  }

  keepCurve() {
    this.kept = { test: this.seen.test, name: named(this.settings) };
    this.show();
  }

  // Data

  showData(name) {
    const { train, test } = this.sets[name],
      [canvas, , small] = this.cards[name].children;
    mosaic(train.pixels, Math.min(SHOWN, train.count), SHOWN / 2, canvas);
    small.textContent = `${number(train.count)}, and ${number(test.count)} to test`;
  }

  async ownHeap(files) {
    if (!files.length) return;
    this.trouble("");
    this.notice(`Reading ${number(files.length)} files …`, false);
    const { pictures, count, sentence } = await readHeap(files, SHAPE, (read) =>
      this.notice(`Reading: ${number(read)} of ${number(files.length)} …`, false),
    );
    if (this.stopped) return;
    this.notice("");
    if (!pictures) return this.trouble(sentence);
    const size = SHAPE[0] * SHAPE[1] * SHAPE[2],
      test = Math.min(MOST_TEST, Math.floor(count / TEST_PART));
    this.sets.own = {
      train: { pixels: pictures.slice(test * size), count: count - test },
      test: { pixels: pictures.slice(0, test * size), count: test },
    };
    this.showData("own");
    if (this.settings.data === "own") this.begin();
    else this.turn("data", "own");
    if (sentence) this.trouble(sentence);
    else this.notice(`${number(count)} pictures. They stay in this tab.`);
  }

  // Words

  /** A sentence about something that was not taken, until the next start. */
  trouble(text) {
    this.error.textContent = text;
    this.error.hidden = !text;
  }

  /** A sentence that goes after a while. */
  notice(text, goes = true) {
    clearTimeout(this.noticed);
    this.said.textContent = text;
    this.said.hidden = !text;
    if (text && goes) this.noticed = setTimeout(() => this.notice(""), 7000);
  }

  /** Nothing trains any more. */
  fail(text) {
    this.playing = false;
    this.ready = false;
    this.show();
    this.trouble(text);
    this.play.disabled = this.one.disabled = true;
  }

  publish() {
    try {
      history.replaceState(history.state, "", withKnobs(location.href, this.settings));
    } catch {
      /* a file opened from disk may not change its address */
    }
  }

  async saveFlow() {
    const bytes = await this.trainer.save();
    const name = `playground-${this.settings.data}-${this.trainer.state.step}.safetensors`;
    download(new Blob([bytes], { type: "application/octet-stream" }), name);
  }

  /** The pictures of this tab as a file that the command for Python reads. */
  savePictures() {
    const { train, test } = this.sets[this.settings.data],
      array = ({ pixels, count }) => ({ bytes: pixels, shape: [count, ...SHAPE] });
    download(npz({ train: array(train), test: array(test) }), fileOf(this.settings));
  }

  /** End it; another may be put in its place. */
  stop() {
    this.stopped = true;
    this.root.eiwPlayground = undefined;
    clearTimeout(this.noticed);
    this.trainer?.close();
    this.drawing.stop();
    this.cleanup.forEach((act) => act());
  }
}
