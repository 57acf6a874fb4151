// Scene 2: faces from fresh noise. A patch of one face's noise is taken by the mouse and shaken; a temperature for
// every level.

import { noiseBlocks } from "../blocks.js";
import { afterFrame, animate, colours, el, minus, picture, slider, surface } from "../draw.js";
import { distance, normals } from "../flow.js";

const FACES = 12,
  FRAME_MS = 6,
  /** A patch reaches so many values to each side; shaking by so many pixels renews it wholly. */
  REACH = 3,
  WHOLE = 60,
  /** By so much a patch is drawn anew when it is touched. */
  TOUCH = 0.3,
  /** So many times a patch is shaken as the scene opens. */
  SHAKES = 90;

export const sampling = {
  number: 2,
  noPicture: true,
  short: "New faces",
  title: "Noise in, faces out.",
  otherTitle: "Noise in, pictures out.", // of a flow that was not trained on faces
  notes: "Shake the noise of one level after the other: which of them makes another face?",
  asked:
    "The flow runs backwards, from fresh noise: every step can be undone, so any noise gives a picture. Shaken values " +
    "are new random numbers. The temperature of a level is the factor on its noise: 1 as " +
    "in training, 0 none. How much the faces differ: the root mean square between each and the mean of all twelve, in " +
    "grey levels of 255, now and at temperature 1. Less noise makes cleaner faces that are more alike.",
  more: { page: "checkpoint" },

  build(stage) {
    const { flow } = stage,
      shape = stage.pack.head.shape,
      top = flow.levels.length - 1,
      start = stage.pack.head.flow.temperature ?? 1,
      temperatures = flow.levels.map(() => start);
    const [noun, nouns] = stage.pack.head.faces ? ["face", "faces"] : ["picture", "pictures"];
    let seed = Math.max(1, Math.round(+stage.choice) || 1),
      stopSlices = () => {},
      at = 0,
      shown = 0,
      patch = null,
      shakes = 0,
      stopMotion = () => {};
    // Of every face: its canvas, its noise at temperature 1, what each level above passed down, the highest level to
    // decode anew, its bytes now, and as they are at temperature 1.
    /** @type {any[]} */
    const faces = Array.from({ length: FACES }, (_, i) => ({
      canvas: el("canvas", { role: "img", "aria-label": `Sample ${i + 1}` }),
      noise: [],
      passed: [],
      stale: -1,
      bytes: [],
      plain: [],
    }));
    const big = el("canvas", { role: "img", "aria-label": `The ${noun} of this noise` }),
      room = el("div", { className: "room" }),
      wall = el(
        "div",
        { className: "wall", role: "group", "aria-label": `Twelve ${nouns}` },
        ...faces.map((face, i) => {
          face.button = el("button", { type: "button", className: "sample", onclick: () => choose(i) }, face.canvas);
          return face.button;
        }),
      );
    stage.host.append(
      el(
        "div",
        { className: "drawn" },
        el("figure", {}, room, el("figcaption", {}, "its noise: drag a patch to shake it")),
        el("figure", { className: "big" }, big, el("figcaption", {}, `this ${noun}`)),
        el("figure", {}, wall, el("figcaption", {}, `${FACES} new ${nouns}`)),
      ),
    );

    const { blocks, columns, rows } = noiseBlocks(flow);
    const view = surface(
      room,
      (context, width, height) => {
        const ink = colours(stage.stage),
          unit = Math.min((width - 8 * (blocks.length - 1)) / columns, (height - 1.5 * ink.size) / rows),
          left = (width - columns * unit - 8 * (blocks.length - 1)) / 2;
        context.font = `${ink.size}px ${ink.sans}`;
        blocks.forEach((block, l) => {
          const values = faces[shown].noise[l],
            x = left + block.left * unit + 8 * l;
          block.box = { x, unit };
          for (let row = 0; row < rows; row++)
            for (let column = 0; column < block.columns; column++) {
              const i = block.index(row, column);
              const v = i === null ? 128 : Math.max(0, Math.min(255, 128 + 52 * values[i] * temperatures[l]));
              context.fillStyle = `rgb(${v},${v},${v})`;
              const [x0, y0] = [Math.round(x + column * unit), Math.round(row * unit)];
              context.fillRect(x0, y0, Math.round(x + (column + 1) * unit) - x0, Math.round((row + 1) * unit) - y0);
            }
          context.fillStyle = ink.quiet;
          const label = `level ${l + 1}`,
            fits = context.measureText(label).width <= block.columns * unit;
          context.fillText(fits ? label : String(l + 1), x, rows * unit + 1.2 * ink.size);
        });
        if (!patch) return;
        const { box, columns: wide } = blocks[patch.level],
          [x, y] = [Math.max(0, patch.column - patch.reach), Math.max(0, patch.row - patch.reach)],
          [right, foot] = [Math.min(wide, patch.column + patch.reach), Math.min(rows, patch.row + patch.reach)];
        context.lineWidth = 3;
        context.strokeStyle = ink.warm;
        context.strokeRect(box.x + x * unit, y * unit, (right - x) * unit, (foot - y) * unit);
      },
      "The noise of one picture, level by level; drag a patch of it to shake it",
    );
    view.canvas.style.cursor = "grab";
    view.canvas.style.touchAction = "none";

    const decode = (face, used, kept) => {
      for (let l = face.stale; l >= 0; l--)
        kept[l] = flow.decodeLevel(
          l,
          kept[l + 1] ?? null,
          face.noise[l].map((v) => v * used[l]),
        );
      return Uint8Array.from(flow.quantise(kept[0]));
    };
    const drawFace = (face) => {
      face.bytes = decode(face, temperatures, face.passed);
      face.stale = -1;
      picture(face.bytes, shape, face.canvas);
      if (face === faces[shown]) picture(face.bytes, shape, big);
    };
    /** How much pictures differ: root mean square from their mean. */
    const variety = (all) => {
      const mean = new Float64Array(flow.dimensions);
      for (const bytes of all)
        bytes.forEach((v, i) => {
          mean[i] += v / FACES;
        });
      const sum = all.reduce((whole, bytes) => whole + bytes.reduce((part, v, i) => part + (v - mean[i]) ** 2, 0), 0);
      return Math.sqrt(sum / FACES / flow.dimensions).toFixed(0);
    };
    const away = () => flow.levels.flatMap((_, l) => (temperatures[l] === 1 ? [] : [l]));
    const say = () => {
      if (patch?.from) {
        const error = distance(faces[shown].bytes, patch.from);
        return stage.say(
          `${patch.count} values of level ${patch.level + 1} shaken: the ${noun} changes by ${error.toFixed(0)} of 255.`,
        );
      }
      const named = away();
      if (!named.length) return stage.say(`Fresh noise, run backwards, gives a new ${noun}.`);
      const equal = new Set(temperatures).size === 1,
        which = equal ? "All levels" : `Level${named.length > 1 ? "s" : ""} ${named.map((l) => l + 1).join(", ")}`,
        at = equal ? temperatures[0].toFixed(2) : named.map((l) => temperatures[l].toFixed(2)).join(", "),
        done = faces.every((face) => face.stale < 0 && face.plain.length),
        [now, before] = [faces.map((one) => one.bytes), faces.map((one) => one.plain)];
      stage.say(
        `${which} at ${at}${done ? `: ${nouns} differ by ${variety(now)} of 255 (${variety(before)} at 1.00)` : ""}.`,
      );
    };
    // As many faces as a frame has time for, in turn: while a slider moves, each is drawn again and again.
    const slice = () => {
      const end = performance.now() + FRAME_MS;
      for (let tried = 0; tried < FACES && performance.now() < end; tried++, at = (at + 1) % FACES) {
        const face = faces[at];
        if (face.stale >= 0) drawFace(face);
        else if (!face.plain.length && away().length) {
          face.stale = top;
          face.plain = decode(
            face,
            flow.levels.map(() => 1),
            [],
          );
          face.stale = -1;
        }
      }
      stopSlices();
      const busy = faces.some((face) => face.stale >= 0 || (!face.plain.length && away().length));
      wall.setAttribute("aria-busy", String(busy));
      if (busy) stopSlices = afterFrame(slice);
      else say();
    };
    const redraw = (level) => {
      for (const face of faces) face.stale = Math.max(face.stale, level);
      view.redraw();
      slice();
    };
    const choose = (i) => {
      shown = i;
      patch = null;
      faces.forEach((face, k) => face.button.setAttribute("aria-pressed", String(k === i)));
      if (faces[i].bytes.length) picture(faces[i].bytes, shape, big);
      view.redraw();
      say();
    };
    const draw = () => {
      faces.forEach((face, i) => {
        face.plain = [];
        face.noise = flow.levels.map((level, l) =>
          normals(seed * 1000 + i * 10 + l, level.height * level.width * level.gone),
        );
      });
      at = 0;
      redraw(top);
      choose(0);
    };
    const next = () => {
      stopMotion();
      seed++;
      stage.choose(seed);
      draw();
    };

    /** Take the patch around a place of a level's block. */
    const take = (level, row, column, reach = REACH) => {
      const places = [];
      for (let r = row - reach; r < row + reach; r++)
        for (let c = column - reach; c < column + reach; c++) {
          const i = r < 0 || c < 0 || r >= rows || c >= blocks[level].columns ? null : blocks[level].index(r, c);
          if (i !== null) places.push(i);
        }
      patch = { level, row, column, reach, places, count: places.length, from: faces[shown].bytes };
      view.redraw();
    };
    /** Draw a patch anew by a part: its values stay normal. */
    const shake = (part) => {
      const angle = (Math.PI / 2) * Math.min(1, part),
        face = faces[shown],
        fresh = normals(90000 + shakes++, patch.count);
      patch.places.forEach((i, k) => {
        face.noise[patch.level][i] = Math.cos(angle) * face.noise[patch.level][i] + Math.sin(angle) * fresh[k];
      });
      face.plain = [];
      face.stale = Math.max(face.stale, patch.level);
      drawFace(face);
      view.redraw();
      say();
    };
    const placeOf = (event) => {
      const box = view.canvas.getBoundingClientRect(),
        [x, y] = [event.clientX - box.left, event.clientY - box.top],
        level = blocks.findIndex((block) => x >= block.box.x && x < block.box.x + block.columns * block.box.unit),
        { unit, x: start } = blocks[Math.max(0, level)].box;
      return level < 0 || y >= rows * unit ? null : [level, Math.floor(y / unit), Math.floor((x - start) / unit)];
    };
    view.canvas.addEventListener("pointerdown", (event) => {
      const place = placeOf(event);
      if (!place || !faces[shown].bytes.length) return;
      stopMotion();
      view.canvas.setPointerCapture(event.pointerId);
      take(...place);
      shake(TOUCH);
    });
    view.canvas.addEventListener("pointermove", (event) => {
      if (event.buttons && patch) shake(Math.hypot(event.movementX, event.movementY) / WHOLE);
    });
    /** Shake a level's noise: a patch in its middle, or all of it. */
    const play = (level, reach) => {
      stopMotion();
      if (faces[shown].stale >= 0) drawFace(faces[shown]);
      take(level, Math.round(rows / 2), Math.round(blocks[level].columns / 2), reach);
      let left = SHAKES;
      stopMotion = animate(() => {
        shake(0.12);
        return --left > 0;
      });
    };

    const sliders = flow.levels.map(
      (level, l) =>
        slider({
          label: `Level ${level.number}`,
          min: 0,
          max: 1.3,
          step: 0.05,
          value: start,
          text: (v) => minus(v.toFixed(2)),
          onmove: (v) => {
            stopMotion();
            patch = null;
            temperatures[l] = v;
            say();
            redraw(l);
          },
        }).row,
    );
    stage.host.append(
      el(
        "div",
        { className: "captioned" },
        el("p", { className: "caption" }, "Temperature: how strong a level’s noise is. 0: none, 1: as in training."),
        el(
          "div",
          { className: "buttons", role: "group", "aria-label": "Shake a level" },
          el("span", {}, "Shake level"),
          ...flow.levels.map(({ number }, l) =>
            el(
              "button",
              { type: "button", "aria-label": `Shake level ${number}`, onclick: () => play(l, rows) },
              String(number),
            ),
          ),
        ),
      ),
      el(
        "div",
        { className: "sliders" },
        ...sliders,
        el("button", { type: "button", className: "strong", onclick: next }, `New ${nouns}`),
      ),
    );
    draw();
    if (!stage.reduced) play(0);
    return {
      play: next,
      stop: () => {
        stopMotion();
        stopSlices();
        view.stop();
      },
    };
  },
};
