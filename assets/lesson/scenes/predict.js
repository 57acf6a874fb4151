// Scene 3: a coupling of the flow: one half of the channels predicts the other, and the prediction is taken away.
import { animate, el, greyMap, own, percent, slider, word } from "../draw.js";

export const predicting = {
  number: 3,
  short: "One half predicts",
  title: "Coupling: one half predicts part of the other.",
  notes:
    "The first half goes through a small network, which predicts the other half. Take the prediction away: what " +
    "remains varies less. The first half is unchanged, so the prediction can be made again and the step undone.",
  asked:
    "This is the coupling of level 1 that explains most. The steps before it have mixed the twelve channels, so they " +
    "have no colours any more; those behind it may change them again. These two halves are not those that are passed " +
    "on and factored out: that comes after all steps. On one picture, subtracting less than the whole prediction may " +
    "remove more, since it is made for all pictures. A white or black value in what is left is one that the " +
    "prediction missed or got wrong; a coupling also has a scale, which plays down what the network is unsure of.",
  more: { page: "entropy", query: { level: "1" } },

  build(stage) {
    const level = stage.flow.levels[0],
      n = level.channels / 2,
      chosen = stage.pack.head.flow.couplings.reduce((a, b) => (b.share > a.share ? b : a));
    const { height, width } = level;
    let seen = null;
    level.run(stage.traces[0].input, (one) => {
      if (one.number === chosen.step) seen = one;
    });
    const { a, b, logScale, shift } = seen;
    // y = e^s (b − p): what the shift takes away, in the units of b.
    const prediction = b.map((_, i) => -shift[i] * Math.exp(-logScale[i])),
      ofA = own(a, n),
      ofB = own(b, n),
      ofP = own(prediction, n);
    const spread = ofB.spread.map((s) => Math.max(s, 0.2));
    const left = new Array(n).fill(0).map(() => el("canvas", {}));
    // Few columns: four blocks stand side by side, so height is what a map can grow into.
    const columns = n > 6 ? 3 : Math.min(n, 2),
      said = el("figcaption", {});
    const block = (name, canvases, caption = el("figcaption", {}, name)) =>
      el(
        "figure",
        { className: "half" },
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
    const column = (x, of, s) =>
      Array.from({ length: n }, (_, c) => greyMap(x, n, c, height, width, of.middle[c], s[c]));
    stage.host.append(
      el(
        "div",
        { className: "halves" },
        block("one half, unchanged, so this can be undone", column(a, ofA, ofA.spread)),
        sign(""),
        block("the other half (strongest coupling)", column(b, ofB, spread)),
        sign("−"),
        block("what the first half predicts of it", column(prediction, ofP, spread)),
        sign("="),
        block("what is left", left, said),
      ),
    );
    // Variance that is gone when a part t of the prediction is taken away: t(2cov − t·var) / variance of b.
    const sum = (f) => b.reduce((all, v, i) => all + f(v - ofB.middle[i % n], prediction[i] - ofP.middle[i % n]), 0);
    const total = sum((v) => v * v),
      shared = sum((v, p) => v * p),
      power = sum((_, p) => p * p);
    const gone = (part) => (part * (2 * shared - part * power)) / total;
    const signed = (share) => `${share < 0 ? "−" : ""}${percent(Math.abs(share))}`;
    const draw = (part) => {
      const rest = b.map((v, i) => v - part * prediction[i]);
      left.forEach((canvas, c) =>
        greyMap(rest, n, c, height, width, ofB.middle[c] - part * ofP.middle[c], spread[c], canvas),
      );
      said.textContent =
        part === 0 ? "nothing taken away" : part < 1 ? `${percent(part)} of it taken away` : "what is left";
      stage.say(
        part === 0
          ? "Slide: how much of the other half can be predicted?"
          : part === 1
            ? `The prediction removes ${signed(gone(1))} of the other half’s variance (many pictures: ${signed(chosen.share)}).`
            : `${percent(part)} of the prediction removes ${signed(gone(part))} of the other half’s variance.`,
      );
    };
    stage.host.append(
      el(
        "p",
        { className: "caption" },
        `The steps before have mixed the ${word(2 * n)} small pictures (channels): they have no colours any more.`,
      ),
    );
    const control = slider({
      label: "Subtract",
      value: 0,
      text: (v) => `${Math.round(100 * v)} %`,
      onmove: (v) => {
        stop();
        draw(v);
        stage.choose(v);
      },
    });
    stage.host.append(control.row);
    let stop = () => {};
    const set = (v) => {
      control.input.value = v;
      control.show();
      draw(v);
    };
    const play = () => {
      stop();
      stop = animate((s) => {
        set(Math.min(1, Math.max(0, s - 0.6) / 2.4));
        return s < 3;
      });
    };
    if (stage.choice !== "") set(Math.min(1, Math.max(0, +stage.choice || 0)));
    else if (stage.reduced) set(1);
    else play();
    return { play, stop: () => stop() };
  },
};
