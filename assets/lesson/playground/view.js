// What the playground shows: its controls, the flow, the samples, the curve. What a control does is up to its owner.
import { BLIND_GUESS, choices, colours, el, number, slider, surface } from "../draw.js";
import { Drawing } from "./drawing.js";
import { FEWEST } from "./heap.js";
import { changed, DEFAULTS, EXPERIMENTS, experimentOf, KNOBS, named } from "./knobs.js";
import { drawCurves } from "./plots.js";
import { fileOf, ITERATIONS, pythonCommand } from "./python.js";
import { whatWasSeen, withoutEffect } from "./seen.js";

/** Pictures of the playground, as the stage has them: height, width, channels. */
export const SHAPE = [16, 16, 3];
export const VALUES = SHAPE[0] * SHAPE[1] * SHAPE[2];
/** Columns and rows of the samples; pixels between pictures; pictures shown of a data set. */
const ACROSS = 8,
  DOWN = 4,
  GAP = 1,
  SHOWN = 12,
  NOTICE_MS = 7000,
  BEAT_MS = 150;
/** Test bits per value of bundled flows (assets/checkpoints/faces16-entropy-weighted.safetensors). */
const BUNDLED = { faces: 4.438 };
const DATA_NAMES = { faces: "Faces", letters: "Letters", own: "Your pictures" };
const TITLES = {
  start: "Off: random rotations, as in Glow",
  weights: "Channel weights: each picture weights its own channels, at every level but the last",
  mixing: "Channels are mixed before every coupling",
  coupling: "One half predicts part of the other",
};

const HALVES = {
  entropy: "Passes on the channels with the most structure: entropy far below that of white noise",
  variance: "Passes on the channels that vary most",
  position: "Passes on the first half of the channels, as in Glow",
  chance: "Passes on half of the channels, chosen at random",
};
const BUNDLED_FLOW = "Finished flow: a trained EIW-Flow that comes with this page, after 14,000 steps";

/** Explain a part: in a tooltip, and to a screen reader. */
function explain(node, text) {
  node.title = text;
  node.setAttribute("aria-description", text);
}

/** Pictures as one canvas, `across` beside each other. */
function mosaic(bytes, count, across, canvas) {
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
}

/** A number in groups of three digits, which the style sets apart: its text is digits alone. */
const grouped = (n) =>
  number(n)
    .split(",")
    .map((digits) => el("span", {}, digits));

export class View {
  /** Draw into an element; `act` holds what the controls do, `onLeave` where there is a lesson to go to. */
  constructor(root, settings, act, onLeave) {
    this.act = act;
    this.error = el("p", { className: "trouble", "data-play": "error", role: "alert", hidden: true });
    this.about = el("p", { className: "about" });
    this.said = el("p", { className: "notice", role: "status", hidden: true });
    this.stage = el(
      "section",
      { className: "stage playground", tabIndex: -1, "aria-label": "Playground" },
      this.header(onLeave),
      this.about,
      this.toolbar(),
      el("div", { className: "messages" }, this.error, this.said),
      el("div", { className: "columns" }, this.dataColumn(), this.flowColumn(settings), this.resultColumn(settings)),
    );
    root.replaceChildren(this.stage);
    this.stage.focus({ preventScroll: true });
  }

  get colours() {
    return (this.colours_ ??= colours(this.stage));
  }

  header(onLeave) {
    this.experiments = EXPERIMENTS.map(([name, knobs]) =>
      el("button", { type: "button", onclick: () => this.act.experiment(knobs) }, name),
    );
    const leave = () => onLeave("lesson");
    return el(
      "header",
      {},
      el("h1", {}, "Play with a flow"),
      el("div", { className: "experiments", role: "group", "aria-label": "Experiments" }, "Try", ...this.experiments),
      onLeave ? el("button", { type: "button", className: "plain", onclick: leave }, "Lesson →") : null,
    );
  }

  toolbar() {
    const { act } = this,
      button = (mark, onclick, text) =>
        el("button", { type: "button", className: mark, "data-play": mark, onclick }, text);
    this.play = button("play", () => act.toggle(), "");
    // Its text is the number of steps done; playground.css adds what a click does.
    this.step = button("step", () => act.step(), "0");
    this.seed = el("b", {});
    this.bits = el("b", { "data-play": "bits" });
    this.pace = el("b", {});
    this.parameters = el("b", { "data-play": "parameters" }, "–");
    this.rate = el(
      "select",
      { "aria-label": "Learning rate", onchange: () => act.turn("rate", Number(this.rate.value)) },
      ...KNOBS.rate.of.map((rate) => el("option", { value: String(rate) }, String(rate))),
    );
    const fact = (value, name) => el("span", { className: "fact" }, value, el("small", {}, name));
    return el(
      "div",
      { className: "toolbar" },
      this.play,
      this.step,
      button("again", () => act.again(), "↻ Other seed"),
      fact(this.seed, "seed"),
      el("label", { className: "fact" }, this.rate, el("small", {}, "learning rate")),
      el("span", { className: "room" }),
      fact(this.bits, "bits per value (bits/dim)"),
      fact(this.pace, "ms a step"),
      fact(this.parameters, "parameters"),
    );
  }

  dataColumn() {
    const { act } = this,
      choose = () => file.click();
    const file = el("input", {
      type: "file",
      multiple: true,
      accept: "image/*",
      className: "hidden-file",
      tabIndex: -1,
      "aria-label": "Your pictures",
      onchange: () => {
        act.ownHeap([...file.files]);
        file.value = "";
      },
    });
    this.cards = Object.fromEntries(
      KNOBS.data.of.map((name) => [
        name,
        el(
          "button",
          {
            type: "button",
            className: `set ${name}`,
            "data-play": name,
            onclick: () => (this.others.hidden && name === "own" ? choose() : act.turn("data", name)),
          },
          el("canvas", { width: 101, height: 33 }),
          el("span", {}, DATA_NAMES[name]),
          el("small", {}, name === "own" ? `Drop ${FEWEST} or more here` : ""),
        ),
      ]),
    );
    this.others = el("button", { type: "button", hidden: true, onclick: choose }, "Choose others");
    this.save = el("button", { type: "button", onclick: () => act.saveFlow() }, "Save the flow");
    this.openIt = el("button", { type: "button", onclick: () => act.openFlow() }, "Open in the lesson");
    this.python = el("details", { className: "python" }, el("summary", {}, "The same with Python"), el("div", {}));
    return el(
      "section",
      { className: "data", "aria-label": "Data" },
      el("h2", {}, "Data"),
      ...Object.values(this.cards),
      file,
      this.others,
      el("div", { className: "keepsakes" }, this.save, this.openIt, this.python),
    );
  }

  flowColumn(settings) {
    const { act } = this,
      host = el("div", { className: "drawing" });
    this.drawing = new Drawing(host, () => this.colours);
    this.counters = {};
    const counter = (name, label) => {
      const button = (mark, sign, by) =>
        el(
          "button",
          { type: "button", "aria-label": mark, "data-play": `${name}-${mark}`, onclick: () => act.move(name, by) },
          sign,
        );
      const [less, more] = [button("less", "−", -1), button("more", "+", 1)],
        value = el("output", {});
      this.counters[name] = { less, value, more };
      return el("div", { className: "counter", role: "group", "aria-label": label }, label, less, value, more);
    };
    this.switches = {};
    const toggle = (name, label, short, title) => {
      const act_ = () =>
        act.turn(
          name,
          KNOBS[name].of.find((one) => one !== this.settings[name]),
        );
      this.switches[name] = el(
        "button",
        { type: "button", className: "switch", role: "switch", title, "data-play": name, onclick: act_ },
        el("i", {}),
        el("span", {}, label, el("small", {}, short)),
      );
      return this.switches[name];
    };
    this.half = choices(
      "Half by",
      KNOBS.half.of.map((half) => [half, half]),
      (half) => act.turn("half", half),
      settings.half,
    );
    return el(
      "section",
      { className: "flow", "aria-label": "The flow" },
      el(
        "div",
        { className: "counters" },
        counter("levels", "Levels"),
        counter("steps", "Steps a level"),
        counter("width", "Width"),
      ),
      host,
      el("p", { className: "noise-means" }, "Bars: the noise that leaves. Line: the Gaussian, whose spread is 1."),
      el(
        "div",
        { className: "switches" },
        toggle(
          "start",
          "Start from the data",
          "the first mix fits the pictures",
          "The first mix of channels is computed from the pictures.",
        ),
        toggle(
          "weights",
          "Own weights",
          "each picture weights its channels",
          "Each picture turns its channels up or down.",
        ),
        toggle("mixing", "Mixing", "channels mix before a coupling", "Channels are mixed before every coupling."),
        toggle(
          "coupling",
          "Coupling",
          "one half predicts the other",
          "A network predicts one half of the channels from the other.",
        ),
      ),
      el(
        "div",
        { className: "half" },
        el("span", {}, "Half that goes on; the rest leaves as noise. Chosen by"),
        this.half.row,
      ),
    );
  }

  resultColumn(settings) {
    const { act } = this;
    this.samples = el("canvas", {
      className: "samples",
      role: "img",
      "aria-label": "Samples of the flow, always from the same noise",
    });
    mosaic(new Uint8Array(ACROSS * DOWN * VALUES).fill(128), ACROSS * DOWN, ACROSS, this.samples);
    const temperature = slider({
      label: "Temperature",
      max: Math.max(...KNOBS.temperature.of),
      step: 0.1,
      value: settings.temperature,
      text: (value) => value.toFixed(1),
      onmove: (value) => act.temperature(KNOBS.temperature.of.find((one) => Math.abs(one - value) < 0.01)),
    });
    this.sentence = el("p", { className: "seen", "aria-live": "polite" });
    this.legend = el("div", { className: "legend" });
    this.keep = el("button", { type: "button", onclick: () => act.keepCurve() }, "Keep this curve");
    this.noise = el("small");
    const room = el("div", { className: "curve-room" });
    this.curve = surface(room, (...canvas) => this.drawCurve(...canvas), "Bits per value by step");
    return el(
      "section",
      { className: "result", "aria-label": "What happens" },
      el("h2", {}, "Samples ", this.noise),
      this.samples,
      temperature.row,
      this.sentence,
      room,
      el("div", { className: "below" }, this.legend, this.keep),
    );
  }

  /** Draw another flow, and forget the noise of the one before. */
  newFlow(settings, picture) {
    this.drawing.show(settings, SHAPE);
    this.drawing.enter(picture, SHAPE);
  }

  /** Show all that follows from the state: settings, what was seen, the kept curve, whether it is playing. */
  show({ settings, seen, kept, playing, ended, last, sets }) {
    this.settings = settings;
    this.play.textContent = playing ? "❚❚ Pause" : ended ? `▶ To ${number(last + ITERATIONS)}` : "▶ Play";
    this.play.setAttribute("aria-pressed", String(playing));
    this.seed.textContent = String(settings.seed);
    this.rate.value = String(settings.rate);
    this.bits.textContent = seen.test.length ? seen.test.at(-1)[1].toFixed(3) : "–";
    if (seen.parameters) this.parameters.replaceChildren(...grouped(seen.parameters));
    this.noise.textContent = settings.temperature
      ? "always from the same noise"
      : "temperature 0: without noise all are equal";
    this.showKnobs(settings);
    for (const [name, card] of Object.entries(this.cards))
      card.setAttribute("aria-pressed", String(name === settings.data));
    this.others.hidden = !sets.own;
    this.save.disabled = !seen.step;
    this.openIt.disabled = !seen.step || settings.levels < 2;
    this.keep.disabled = seen.test.length < 2;
    this.keep.textContent = kept?.pinned ? "Replace the kept curve" : "Keep this curve";
    const beside = kept?.pictures === sets[settings.data] ? kept : null;
    this.sentence.textContent = whatWasSeen({ settings, seen, kept: beside, playing, bundled: BUNDLED[settings.data] });
    const entry = (className, text) => el("span", {}, el("i", { className }), text);
    this.legend.replaceChildren(
      entry("test", `Test, ${named(settings)}`),
      entry("train", "Train"),
      ...(kept ? [entry("kept", beside ? kept.name : `Kept, of other pictures: ${kept.name}`)] : []),
    );
    this.showPython(settings);
    this.curves = { ...seen, kept: beside, bundled: BUNDLED[settings.data] };
    explain(this.curve.canvas, this.curves.bundled ? BUNDLED_FLOW : "");
    const [name, , special] = experimentOf(settings) ?? ["A flow of your own"];
    this.about.textContent = `${name}${special ? `: ${special}` : ""}. ${
      playing || seen.step
        ? "It learns to turn pictures into noise, and back."
        : "Press Play: within a minute noise turns into pictures."
    }`;
    this.showPace(seen.step, seen.pace);
    if (!playing) this.drawing.light(0);
    this.curve.redraw();
  }

  showKnobs(settings) {
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
      explain(button, idle[name] ?? TITLES[name]);
    }
    this.half.pick(settings.half, true);
    this.half.row.querySelectorAll("button").forEach((button, i) => {
      button.disabled = Boolean(idle.half);
      explain(button, idle.half ?? HALVES[KNOBS.half.of[i]]);
    });
    const { data, seed } = settings;
    this.experiments.forEach((button, i) => {
      const [, knobs] = EXPERIMENTS[i],
        experiment = { ...DEFAULTS, ...knobs, data, seed };
      button.setAttribute("aria-pressed", String(!changed(experiment, settings).length));
    });
  }

  /** Show what a step changes: numbers, and a few times a second the curve and how a picture passes the levels. */
  showProgress({ step, pace }, { pixels, count }) {
    this.showPace(step, pace);
    const beat = Math.floor(performance.now() / BEAT_MS);
    if (beat === this.beat) return;
    this.beat = beat;
    this.curve.redraw();
    const places = 1 + this.settings.levels,
      n = Math.floor(beat / places) % count;
    if (beat % places === 0) this.drawing.enter(pixels.subarray(n * VALUES, (n + 1) * VALUES), SHAPE);
    this.drawing.light(beat % places);
  }

  showPace(step, pace) {
    this.step.textContent = String(step);
    this.pace.textContent = pace ? pace.toFixed(pace < 10 ? 1 : 0) : "–";
  }

  showSamples({ pixels, count }) {
    mosaic(pixels, Math.min(count, ACROSS * DOWN), ACROSS, this.samples);
  }

  showData(name, { train, test }) {
    const [canvas, , small] = this.cards[name].children;
    mosaic(train.pixels, Math.min(SHOWN, train.count), SHOWN / 2, canvas);
    small.textContent = `${number(train.count)}, and ${number(test.count)} to test`;
  }

  showPython(settings) {
    const box = this.python.lastElementChild,
      { command, remark } = pythonCommand(settings),
      file = command && fileOf(settings);
    if (box.firstChild?.textContent === (command ?? remark)) return;
    const options = command?.split(/ (?=--)/).flatMap((option, i) => [i ? " " : "", el("span", {}, option)]);
    box.replaceChildren(
      ...(options ? [el("code", { tabIndex: 0 }, ...options)] : []),
      el("p", {}, remark),
      ...(file ? [el("button", { type: "button", onclick: () => this.act.savePictures() }, `Save ${file}`)] : []),
    );
  }

  closePython() {
    const { python } = this;
    if (python.open) python.querySelector("summary").focus();
    python.open = false;
  }

  drawCurve(context, width, height) {
    if (!this.curves) return;
    const { colours } = this,
      { train, test, kept, bundled } = this.curves,
      curves = [{ train, test, colour: colours.accent }];
    if (kept) curves.unshift({ train: [], test: kept.test, colour: colours.warm });
    drawCurves(context, width, height, {
      curves,
      lines: [[BLIND_GUESS, "blind guess"], ...(bundled ? [[bundled, "finished flow"]] : [])],
      colours,
    });
  }

  /** Draw what has the theme's colours or the window's size in it again. */
  redraw() {
    this.colours_ = undefined;
    this.curve.redraw();
    this.drawing.redraw();
  }

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
    if (text && goes) this.noticed = setTimeout(() => this.notice(""), NOTICE_MS);
  }

  stop() {
    clearTimeout(this.noticed);
    this.curve.stop();
    this.drawing.stop();
  }
}
