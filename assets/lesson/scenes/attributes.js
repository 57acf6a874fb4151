// Scene 8, second beat: attributes as directions in the latents, each level edited alone: one that a level tells, one that all do.
import { animate, el, minus, mixed, percent, picture, slider } from "../draw.js";
import { distance } from "../flow.js";

/** An edit goes so far that the level that draws most changes the picture by so many grey levels (root mean square). */
const VISIBLE = 12,
  MOST = 4;
/** An attribute is offered where the level that tells it best changes the picture by so many grey levels. */
const SEEN = 5;
/** So many of the pairs a level tells apart that is said to tell an attribute. */
const TOLD = 0.7;
/** The slider's steps from one end to the middle. */
const STEPS = 25;

/** Of 100 pairs, one face with an attribute and one without, so many that a level tells apart: the AUROC. */
const pairs = (auroc) => String(Math.round(100 * auroc));

/** The level that tells an attribute best, from 0. */
const bestOf = (one) => one.readings.indexOf(Math.max(...one.readings));

/** How far the levels lie apart in what they tell of an attribute. */
const apart = ({ readings }) => Math.max(...readings) - Math.min(...readings);

/** Whether all levels tell an attribute alike: they lie no further apart than a reading may err. */
const alike = (one) => apart(one) <= one.error;

/** Whether no level tells an attribute better than guessing, as far as a reading may err. */
const unknown = ({ metric, readings, error }) => Math.max(...readings) <= (metric === "AUROC" ? 0.5 : 0) + error;

/** Two attributes: that which some level tells best, and of the others that which the levels tell most alike. */
function twoOf(list) {
  const yesOrNo = list.filter(({ metric }) => metric === "AUROC"),
    known = yesOrNo.length > 1 ? yesOrNo : list,
    [first, ...others] = [...known].sort((a, b) => b.readings[bestOf(b)] - a.readings[bestOf(a)]);
  return [first, others.sort((a, b) => apart(a) - apart(b))[0] ?? first];
}

/** @type {import("../beats.js").Beat} */
export const attributes = {
  key: "2",
  label: "Glasses and smile",
  notes: "Drag the edit: in which level does it appear?",

  build(stage, room, { controls, moving }) {
    const { head, floats } = stage.pack,
      { flow, traces } = stage,
      shape = head.shape,
      { bytes } = stage.images[stage.image];
    const list = head.attributes.map((one) => ({
      ...one,
      name: one.label.split(",")[0],
      directions: one.directions.map(floats),
    }));
    let at = 1;
    const edited = (one, l, amount) => {
      let kept = traces[l].kept;
      for (let k = l; k >= 0; k--) {
        const noise =
          k === l ? traces[k].noise.map((v, i) => v + amount * one.unit * one.directions[k][i]) : traces[k].noise;
        kept = flow.decodeLevel(k, kept, noise);
      }
      return flow.quantise(kept);
    };
    const known = new Map(); // six pictures are more than a frame's work: each is decoded once
    const keyOf = (one, step) => `${step} ${one.label}`;
    /** An attribute's pictures, one a level, at a step of the slider. */
    const picturesAt = (one, step) => {
      const key = keyOf(one, step);
      if (!known.has(key))
        known.set(
          key,
          flow.levels.map((_, l) => Uint8Array.from(edited(one, l, (step / STEPS) * fullOf(one)))),
        );
      return known.get(key);
    };
    const change = (decoded) => distance(decoded, bytes);
    const fullOf = (one) =>
      (one.full ??= Math.min(
        MOST,
        Math.max(1, VISIBLE / Math.max(...flow.levels.map((_, l) => change(edited(one, l, 1))))),
      ));

    const seen = list.filter((one) => change(edited(one, bestOf(one), fullOf(one))) >= SEEN);
    if (seen.length > 1) list.splice(0, list.length, ...seen);
    const rows = twoOf(list).map((first, r) => {
      const row = { one: first, strength: el("span", {}) };
      row.select = el(
        "select",
        {
          "aria-label": `Attribute ${r + 1}`,
          onchange: () => {
            row.one = list[row.select.selectedIndex];
            show(at);
          },
        },
        ...list.map((one) => el("option", { selected: one === first }, one.label)),
      );
      const cell = (label) => el("canvas", { role: "img", "aria-label": label });
      row.before = picture(bytes, shape, cell("The picture"));
      row.levels = flow.levels.map((level) => ({
        canvas: cell(`Level ${level.number} edited`),
        value: el("b", {}),
        bar: el("i", {}),
      }));
      row.cells = [
        el("div", { className: "which" }, row.select, row.strength),
        el("div", { className: "cell" }, row.before),
        ...row.levels.map(
          (one) =>
            (one.cell = el(
              "div",
              { className: "cell" },
              one.canvas,
              el("div", { className: "reading" }, one.value, one.bar),
            )),
        ),
      ];
      return row;
    });
    const caption = el("p", { className: "caption" });
    const draw = () => {
      for (const row of rows) {
        const { one } = row,
          best = bestOf(one),
          pictures = picturesAt(one, Math.round(at * STEPS));
        row.strength.textContent =
          one.metric === "AUROC" ? "" : `${minus((at * fullOf(one)).toFixed(1))} × the standard deviation`;
        row.levels.forEach(({ canvas, cell, value, bar }, l) => {
          picture(pictures[l], shape, canvas);
          const reading = one.readings[l],
            part = Math.max(0, reading);
          value.textContent = one.metric === "AUROC" ? pairs(reading) : percent(Math.max(0, reading));
          bar.style.setProperty("--part", part);
          cell.classList.toggle("best", l === best && !alike(one));
          cell.classList.toggle("guessed", one.metric === "AUROC");
        });
      }
      const [first, second] = rows.map(({ one }) => one),
        level = bestOf(first),
        /** A level that tells the first attribute well, though its edit hardly shows. */
        faint = first.readings.findIndex(
          (reading, l) => l !== level && reading >= TOLD && change(picturesAt(first, STEPS)[l]) < SEEN,
        ),
        said = [...new Set([first, second])].map((one) =>
          unknown(one)
            ? `${one.name}: in no level.`
            : alike(one)
              ? `${one.name}: spread over all levels.`
              : `${one.name}: most in level ${bestOf(one) + 1}.`,
        );
      const what = first.name.toLowerCase();
      if (first.metric !== "AUROC")
        caption.textContent = `Number: the share of the variation in ${what} that a level explains.`;
      else if (faint < 0)
        caption.textContent = `A classifier that sees level ${level + 1} alone tells ${what} ${pairs(first.readings[level])} times in 100.`;
      else
        caption.textContent = `Level ${faint + 1} tells ${what} too, ${pairs(first.readings[faint])} in 100, by traces too faint to see.`;
      stage.say(said.join(" "));
    };
    const heads = [
      "classifier of one level: right in 100 (chance: 50)",
      "before",
      ...flow.levels.map((level) => `edit in level ${level.number}`),
    ].map((text) => el("span", { className: "head" }, text));
    const table = el(
      "div",
      { className: "held", style: `--levels:${flow.levels.length}` },
      ...heads,
      ...rows.flatMap((row) => row.cells),
    );
    const control = slider({
      label: "Edit",
      min: -1,
      max: 1,
      step: 1 / STEPS,
      value: 1,
      text: (v) => `${minus(Math.round(100 * v))} %`,
      onmove: (v) => show(v),
    });
    room.append(table, caption);
    controls.append(control.row);
    let stop = () => {};
    /** Decode the slider's other pictures while nothing moves, one step of a row each frame. */
    const workAhead = () => {
      const steps = Array.from({ length: 2 * STEPS + 1 }, (_, i) => i - STEPS);
      const waiting = steps
        .flatMap((step) => rows.map(({ one }) => [one, step]))
        .filter(([one, step]) => !known.has(keyOf(one, step)));
      stop = animate(() => waiting.length > 0 && Boolean(picturesAt(...waiting.pop())));
    };
    const show = (to) => {
      stop();
      at = to;
      draw();
      workAhead();
    };
    const play = () => {
      stop();
      stop = animate((s) => {
        control.input.value = mixed(-1, 1, s / 2); // from end to end: what changes little is seen to move
        at = Number(control.input.value); // a step of the slider
        control.show();
        draw();
        if (s >= 2) workAhead();
        return s < 2;
      });
    };
    show(1);
    if (moving) play();
    return { play, stop: () => stop() };
  },
};
