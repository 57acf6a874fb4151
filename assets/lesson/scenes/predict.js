// Scene 3, second beat: one half of the channels predicts the other; the prediction is taken away and added again.
import { animate, channelsOf, colours, el, greyMap, own, percent, signedMap, slider } from "../draw.js";
import { join, unsqueeze } from "../flow.js";

/** The slider's way: the prediction is taken away until 1, and added again until 2. */
const TAKEN = 1,
  ADDED = 2;
/** So many standard deviations give full colour. */
const FULL = 1.6;

/** @type {import("../beats.js").Beat} */
export const predicting = {
  key: "2",
  label: "Subtract",
  title: "Coupling: one half predicts part of the other.",

  build(stage, room, { state, controls, keep, moving }) {
    const { flow, images, image, pack } = stage,
      level = flow.levels[0],
      n = level.channels / 2,
      chosen = pack.head.flow.couplings.reduce((a, b) => (b.share > a.share ? b : a));
    const { height, width } = level;
    let seen = null;
    level.run(stage.traces[0].input, (one) => {
      if (one.number === chosen.step) seen = one;
    });
    const { a, b } = seen;
    // y = e^s (b − p): the shift takes p away, in the units of b.
    const predictedFrom = (half) => {
      const { logScale, shift } = level.affine(level.steps[chosen.step], half);
      return shift.map((v, i) => -v * Math.exp(-logScale[i]));
    };
    const prediction = predictedFrom(a),
      ofA = own(a, n),
      ofB = own(b, n),
      ofP = own(prediction, n),
      spread = ofB.spread.map((s) => FULL * Math.max(s, 0.2));
    const ink = colours(stage.stage),
      inks = { plus: channelsOf(ink.accent), minus: channelsOf(ink.warm), paper: channelsOf(ink.paper) };
    const left = new Array(n).fill(0).map(() => el("canvas", {}));
    // Few columns: four blocks stand side by side, so height is what a map can grow into.
    const columns = n > 6 ? 3 : Math.min(n, 2),
      said = el("figcaption", {});
    const block = (name, canvases, caption = el("figcaption", {}, name)) =>
      el(
        "figure",
        { className: "portion" },
        el(
          "div",
          {
            className: "maps",
            role: "img",
            "aria-label": name,
            style: `--n:${columns};--rows:${Math.ceil(n / columns)}`,
          },
          ...canvases,
        ),
        caption,
      );
    const sign = (text) => el("b", { "aria-hidden": "true" }, text);
    const coloured = (x, of) =>
      Array.from({ length: n }, (_, c) => signedMap(x, n, c, height, width, of.middle[c], spread[c], inks));
    const operation = sign("−"),
      rest = b.map((v, i) => v - prediction[i]),
      ofRest = { middle: ofB.middle.map((v, c) => v - ofP.middle[c]) },
      before = block("half B, before", coloured(b, ofB)),
      remainder = block("what was left of B", coloured(rest, ofRest));
    remainder.hidden = true;
    room.append(
      el(
        "div",
        { className: "halves" },
        block(
          "half A stays unchanged",
          Array.from({ length: n }, (_, c) => greyMap(a, n, c, height, width, ofA.middle[c], ofA.spread[c])),
        ),
        sign(""),
        before,
        remainder,
        operation,
        block("A’s prediction of B", coloured(prediction, ofP)),
        sign("="),
        block("what is left of B", left, said),
      ),
    );
    // Variance that is gone when a part t of the prediction is taken away: t(2cov − t·var) / variance of b.
    const sum = (f) => b.reduce((all, v, i) => all + f(v - ofB.middle[i % n], prediction[i] - ofP.middle[i % n]), 0);
    const total = sum((v) => v * v),
      shared = sum((v, p) => v * p),
      power = sum((_, p) => p * p);
    const gone = (part) => (part * (2 * shared - part * power)) / total;
    const signed = (share) => `${share < 0 ? "−" : ""}${percent(Math.abs(share))}`;

    /** Bytes that differ once the prediction, made again from the unchanged half, is added to what is left. */
    const differing = () => {
      const rest = b.map((v, i) => v - prediction[i]),
        again = predictedFrom(a).map((v, i) => v + rest[i]);
      const input = level.undo(join(a, again, 2 * n), chosen.step),
        decoded = flow.quantise(unsqueeze(input, 2 * height, 2 * width, level.channels / 4));
      return decoded.reduce((count, v, i) => count + (v !== images[image].bytes[i]), 0);
    };
    const draw = (at) => {
      const part = at <= TAKEN ? at : ADDED - at,
        rest = b.map((v, i) => v - part * prediction[i]);
      left.forEach((canvas, c) => {
        signedMap(rest, n, c, height, width, ofB.middle[c] - part * ofP.middle[c], spread[c], inks, canvas);
      });
      const back = at > TAKEN;
      before.hidden = back;
      remainder.hidden = !back;
      operation.textContent = back ? "+" : "−";
      said.textContent = back ? `B comes back${at === ADDED ? ", all of it" : ""}` : "what is left of B";
      if (at === 0) stage.say("Slide: how much of half B does half A predict?");
      else if (at <= TAKEN)
        stage.say(
          at < TAKEN
            ? `Subtracting part of it removes ${signed(gone(part))} of B’s variance.`
            : `Half A guesses half B. Only the error is kept; it varies ${signed(gone(1))} less.`,
        );
      else if (at < ADDED) stage.say("The way back: A is unchanged, predicts the same, and is added again.");
      else stage.say(`B is back from A and the rest: ${differing()} of ${flow.dimensions} values differ.`);
    };
    room.append(
      el(
        "p",
        { className: "caption" },
        "Blue: above a channel’s mean; orange: below. Paler: less is left to describe.",
      ),
    );
    const control = slider({
      label: "Subtract, then add",
      max: ADDED,
      value: 0,
      text: (v) => (v <= TAKEN ? `−${Math.round(100 * v)} %` : `+${Math.round(100 * (v - TAKEN))} %`),
      onmove: (v) => {
        stop();
        draw(v);
        keep(v);
      },
    });
    controls.append(control.row);
    let stop = () => {};
    const set = (v) => {
      control.input.value = String(v);
      control.show();
      draw(v);
    };
    const play = () => {
      const from = +control.input.value >= ADDED || +control.input.value < TAKEN ? 0 : TAKEN; // on from where it rests
      stop();
      stop = animate((s) => {
        set(from + Math.min(1, Math.max(0, s - 0.6) / 2.4));
        return s < 3;
      });
    };
    if (state !== "") set(Math.min(ADDED, Math.max(0, +state || 0)));
    else if (moving) play();
    else set(TAKEN);
    return { play, stop: () => stop() };
  },
};
