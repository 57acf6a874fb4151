// Scene 10: a flow that trains in this tab. It goes on while other scenes are shown, and stays until the tab closes.
import { BLIND_GUESS, colours, drawFilm, el, number, surface } from "../draw.js";
import { normals } from "../flow.js";
import { Listeners } from "../listeners.js";
import { keepOwn } from "../own.js";
import { Trainer } from "../trainer/client.js";
import { fast } from "../trainer/kernels.js";

const FIRST = 500,
  FURTHER = 1400,
  /** Of the coupling networks, where there is no WebAssembly. */
  NARROW = 24,
  /** Noise that is shown before a start: so many pictures, from a seed. */
  SHOWN = 32,
  SEED = 10,
  /** The test bits have risen where they lie so far above their lowest. */
  RISEN = 0.02,
  DATA = "faces16",
  /** Height, width and channels. */
  SHAPE = [16, 16, 3];

/**
 * The training of this tab, whatever scene or page is shown: every page of the app has a script of its own.
 * @type {{trainer: Trainer | null, seed: number, goal: number, busy: boolean, trouble: string, test: any,
 *   listeners: Listeners}}
 */
const tab = (globalThis.eiwflowTab ??= {
  trainer: null,
  seed: 0,
  goal: FIRST,
  busy: false,
  trouble: "",
  test: null,
  listeners: new Listeners(),
});

/** The point [step, bits] of a curve that lies lowest; undefined of an empty one. */
const bestOf = (curve) => curve.toSorted(([, a], [, b]) => a - b)[0];

const tell = () => tab.listeners.tell();

/** Call f() whenever something is new of the training; returns a function that ends it. */
export const hearTraining = (f) => tab.listeners.hear(f);

/** How far the training of this tab is, in words; empty without one. */
export function progressInTab() {
  const { trainer, goal, busy, trouble } = tab;
  if (trouble || !(trainer || busy)) return "";
  const { step = 0, running = false } = trainer?.state ?? {};
  return busy || running
    ? `Training: ${Math.round((100 * step) / goal)} %`
    : step < goal
      ? "Training: paused"
      : "Your flow is ready";
}

/**
 * What was trained, in words, for the last scene; empty without it.
 * @param {number} [opened] the steps of one's own flow that is open, where that is so: it may be another
 */
export function trainedInTab(opened) {
  const { step = 0, test = [] } = tab.trainer?.state ?? {};
  if (opened && opened !== step) return `You trained the flow that is open: ${number(opened)} steps.`;
  return step ? `You trained a flow: ${number(step)} steps, ${test.at(-1)[1].toFixed(2)} bits per value.` : "";
}

/** Start a training; faces() promises what it trains on. */
export async function beginInTab(faces) {
  if (tab.busy) return;
  Object.assign(tab, { busy: true, trouble: "", goal: FIRST, seed: tab.seed + 1 });
  tell();
  try {
    const pictures = await faces();
    if (!tab.trainer) {
      tab.trainer = new Trainer();
      tab.trainer.listen(tell);
    }
    tab.test = pictures.test;
    const recipe = { iterations: FIRST, ...(fast() ? {} : { width: NARROW }) };
    await tab.trainer.start({ recipe, seed: tab.seed, ...pictures });
    tab.trainer.run(FIRST);
  } catch (error) {
    tab.trouble = `The training did not start: ${error.message}`;
  }
  tab.busy = false;
  tell();
}

/** Show the flow of this tab in the other scenes, first the faces that it draws. */
async function open(stage) {
  keepOwn({ bytes: await tab.trainer.flow(), data: DATA, test: tab.test });
  stage.showOwn();
  stage.goTo(stage.possible.findIndex(({ number }) => number === 2));
}

async function save() {
  const bytes = await tab.trainer.save(),
    address = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  el("a", { href: address, download: `${DATA}-tab-${tab.trainer.state.step}.safetensors` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

export const trainingInTab = {
  number: 10,
  noPicture: true,
  short: "Train one",
  title: "Train one, in this tab.",
  notes: "Start it and watch, or go on with the lesson meanwhile. Afterwards your flow opens in the other scenes.",
  asked:
    "The flow has the settings of the bundled studies: three levels of four steps. It trains on 1,000 faces; the bits " +
    "are of 256 others, for parameters averaged over steps.",

  build(stage) {
    const film = el("canvas", {
        role: "img",
        "aria-label": "Noise: faces will appear here.",
        style: "width: 100%; height: 100%; image-rendering: pixelated; object-fit: contain",
      }),
      step = el("b", { "data-lesson": "train-step" }, "0"),
      bits = el("b", { "data-lesson": "train-bits" }, "–");
    const button = (text, act, mark) => el("button", { type: "button", onclick: act, "data-lesson": mark }, text);
    const start = button("Start", () => main(), "train-start"),
      again = button("Again", () => beginInTab(stage.options.faces), "train-again"),
      keep = button("Save", () => save(), "train-save"),
      use = button("Open it in the lesson", () => open(stage), "train-open");
    const side = el("div", { style: "min-width: 0; min-height: 0; position: relative" });
    stage.host.append(
      el(
        "div",
        { style: "flex: 1; min-height: 0; display: flex; flex-direction: column; gap: 14px" },
        el(
          "div",
          {
            style:
              "flex: 1; min-height: 0; display: grid; gap: 20px; grid-auto-rows: minmax(0, 1fr); " +
              "grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr))",
          },
          el("div", { style: "min-width: 0; min-height: 0" }, film),
          side,
        ),
        el("div", {}, "Step ", step, " · ", bits, " bits per value"),
        el("div", { className: "buttons" }, start, again, use, keep),
      ),
    );
    const curve = surface(side, draw, "Bits per value by step");

    async function main() {
      const { trainer } = tab;
      if (!trainer || tab.trouble) return beginInTab(stage.options.faces);
      if (trainer.state.running) await trainer.pause();
      else {
        if (trainer.state.step >= tab.goal) {
          tab.goal = FURTHER;
          await trainer.set({ iterations: FURTHER });
        }
        trainer.run(tab.goal);
      }
      show();
    }

    function draw(context, width, height) {
      const { quiet, line, accent, warm, size, sans } = colours(stage.stage ?? stage.host),
        state = tab.trainer?.state,
        train = state?.train ?? [],
        test = state?.test ?? [],
        all = [...train, ...test].map(([, value]) => value),
        low = Math.floor(Math.min(5, ...all)),
        left = 2.6 * size,
        bottom = height - 1.6 * size,
        x = (at) => left + ((width - left - 4) * at) / tab.goal,
        y = (value) => bottom - ((bottom - 6) * (Math.min(BLIND_GUESS, value) - low)) / (BLIND_GUESS - low);
      context.font = `${0.8 * size}px ${sans}`;
      context.fillStyle = quiet;
      context.strokeStyle = line;
      context.lineWidth = 1;
      for (let value = low; value <= BLIND_GUESS; value++) {
        context.beginPath();
        context.moveTo(left, y(value));
        context.lineTo(width, y(value));
        context.stroke();
        context.fillText(String(value), 0.6 * size, y(value) + 0.3 * size);
      }
      context.fillText("blind guess", left + 6, y(BLIND_GUESS) + size);
      context.fillText(`step ${number(tab.goal)}`, width - 5.5 * size, height - 0.3 * size);
      const trace = (points, colour, thick, name, row) => {
        context.strokeStyle = context.fillStyle = colour;
        context.lineWidth = thick;
        context.beginPath();
        points.forEach(([at, value], i) => {
          context[i ? "lineTo" : "moveTo"](x(at), y(value));
        });
        context.stroke();
        if (points.length) context.fillText(name, width / 2, y(BLIND_GUESS) + row * size);
      };
      trace(train, warm, 1, "faces it trains on", 1);
      trace(test, accent, 3, "other faces", 2.2);
      const best = bestOf(test);
      if (!best || test.at(-1)[1] - best[1] <= RISEN) return;
      context.beginPath();
      context.arc(x(best[0]), y(best[1]), 6, 0, 2 * Math.PI);
      context.fill();
      context.fillText(`best: ${best[1].toFixed(2)}`, x(best[0]), y(best[1]) - 0.9 * size);
    }

    const noise = {
      pixels: Uint8ClampedArray.from(normals(SEED, SHOWN * SHAPE[0] * SHAPE[1] * SHAPE[2]), (v) => 128 + 52 * v),
      count: SHOWN,
    };
    let filmed = null;
    function faceFilm(samples) {
      if (samples === filmed) return;
      filmed = samples;
      drawFilm(samples, SHAPE[0], film);
      if (samples.step !== undefined)
        film.setAttribute("aria-label", `Faces of the flow after ${number(samples.step)} steps`);
    }

    function show() {
      const state = tab.trainer?.state,
        at = state?.step ?? 0,
        tested = state?.test.at(-1),
        [, lowest] = bestOf(state?.test ?? []) ?? [],
        risen = tested ? tested[1] - lowest : 0,
        done = at >= tab.goal && !state?.running;
      step.textContent = String(at);
      if (tested) bits.textContent = tested[1].toFixed(2);
      faceFilm(state?.samples ?? noise);
      start.disabled = tab.busy || (done && tab.goal === FURTHER);
      start.textContent =
        !state || tab.busy || tab.trouble
          ? "Start"
          : state.running
            ? "Pause"
            : done
              ? `Go on to ${number(FURTHER)}`
              : "Go on";
      start.className = at && !state?.running ? "" : "strong";
      again.hidden = !state || tab.busy;
      keep.hidden = use.hidden = !at || tab.busy;
      use.disabled = String(stage.pack.head.shape) !== String(SHAPE);
      curve.redraw();
      if (tab.trouble || state?.message) stage.say(tab.trouble || state.message);
      else if (tab.busy) stage.say("The start is computed from the faces …");
      else if (!state) stage.say("A flow learns faces here, in your own tab.");
      else if (risen > RISEN && at >= FIRST)
        stage.say(
          `Best: ${lowest.toFixed(2)} bits on new faces. Now ${bits.textContent}: it learns its faces by heart.`,
        );
      else if (state.running) stage.say("The noise stays the same; the flow learns to turn it into faces.");
      else if (done) stage.say(`${number(at)} steps: ${bits.textContent} bits per value. The flow is yours.`);
      else stage.say(`Paused after ${number(at)} steps.`);
    }

    const leave = hearTraining(show);
    show();
    return {
      play: () => main(),
      stop: () => {
        leave();
        curve.stop();
      },
    };
  },
};
